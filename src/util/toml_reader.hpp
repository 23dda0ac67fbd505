#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace binade {

/// One table of a TOML file, read key by key.  Every question about a key makes the key known; finish() then refuses
/// the keys that nobody asked for, so a typo is an error and no list of valid keys is kept beside the code that reads
/// them.
///
/// Every error is a std::invalid_argument that names file, line, key, what was given and what is valid.  A key without
/// a fallback must be there.
///
///     toml_section file = toml_section::read_file("study.toml");
///     toml_section train = file.section("train");
///     const auto steps = train.integer("steps");
///     const auto warmup = train.integer("warmup", 0);
///     if (steps < 1) train.fail("steps", "a training run needs at least 1 step");
///     file.finish();
class toml_section {
 public:
  /// @throws std::invalid_argument if the file is not there, is no text file or is not TOML (with the line)
  static toml_section read_file(const std::filesystem::path& file);

  /// @param source  what error messages call this text
  static toml_section parse(std::string_view text, std::string source);

  bool has(std::string_view key) const;

  std::string text(std::string_view key, std::optional<std::string> fallback = {}) const;
  /// A finite number; an integer is a number too.
  double number(std::string_view key, std::optional<double> fallback = {}) const;
  std::int64_t integer(std::string_view key, std::optional<std::int64_t> fallback = {}) const;
  bool flag(std::string_view key, std::optional<bool> fallback = {}) const;

  /// One of some words, as its place among them.
  std::size_t word(std::string_view key, std::span<const std::string_view> words,
                   std::optional<std::size_t> fallback = {}) const;
  /// The same, as the enumerator of that place.
  template <class Enum, std::size_t Count>
  Enum word(std::string_view key, const std::array<std::string_view, Count>& words,
            std::optional<Enum> fallback = {}) const {
    const auto place = fallback ? std::optional(static_cast<std::size_t>(*fallback)) : std::nullopt;
    return static_cast<Enum>(word(key, std::span<const std::string_view>(words), place));
  }

  /// Lists may be empty; a single value is a list of one.
  std::vector<std::string> texts(std::string_view key, std::optional<std::vector<std::string>> fallback = {}) const;
  std::vector<double> numbers(std::string_view key, std::optional<std::vector<double>> fallback = {}) const;
  std::vector<std::int64_t> integers(std::string_view key,
                                     std::optional<std::vector<std::int64_t>> fallback = {}) const;

  /// The table [key] (or key = { ... }); one that is not there reads as an empty table, so that its fallbacks hold.
  toml_section section(std::string_view key) const;
  /// The tables [[key]] in the order of the file; none if there is none.
  std::vector<toml_section> sections(std::string_view key) const;

  /// Every key that was asked for, in the order of the questions.
  const std::vector<std::string>& asked() const;
  /// Lets a reader say what a key is that it does not know, as "is a key of moe; kind gpt2 has", before finish() lists
  /// the valid ones; without text it is a key that nobody knows.
  void explain_unknown(std::function<std::string(std::string_view key)> explain) const;
  /// Checks this table and every table below it that was asked for.
  /// @throws std::invalid_argument for the first key that was never asked for; it explains it or names the nearest key,
  /// and all valid ones
  void finish() const;

  /// "FILE:LINE: key "train.steps""; the line of the table if the key is not there.
  std::string where(std::string_view key) const;
  /// @throws std::invalid_argument "where(key): message"
  [[noreturn]] void fail(std::string_view key, const std::string& message) const;

 private:
  struct table;
  explicit toml_section(std::shared_ptr<table> contents) : table_(std::move(contents)) {}
  [[noreturn]] void fail_missing(std::string_view key, const std::string& valid) const;
  template <class Kind>
  typename Kind::type read_one(std::string_view key, std::optional<typename Kind::type> fallback) const;
  template <class Kind>
  std::vector<typename Kind::type> read_list(std::string_view key,
                                             std::optional<std::vector<typename Kind::type>> fallback) const;
  std::shared_ptr<table> table_;  // a copy of a section is the same section: what one copy asked, the other knows
};

/// A table and who reads it: which keys belong to a choice is what its reader asks for.
struct key_sample {
  std::string choice;  ///< for messages: "moe"
  std::string table;   ///< one that makes the choice and is valid
  std::function<void(const toml_section&)> read;
};
/// The choices whose readers ask for a key: "lion, adamw"; empty if none does.
std::string choices_with_key(std::span<const key_sample> samples, std::string_view key);

}  // namespace binade
