#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
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

  /// Lists may be empty; a single value is a list of one.
  std::vector<std::string> texts(std::string_view key, std::optional<std::vector<std::string>> fallback = {}) const;
  std::vector<double> numbers(std::string_view key, std::optional<std::vector<double>> fallback = {}) const;
  std::vector<std::int64_t> integers(std::string_view key,
                                     std::optional<std::vector<std::int64_t>> fallback = {}) const;

  /// The table [key] (or key = { ... }); one that is not there reads as an empty table, so that its fallbacks hold.
  toml_section section(std::string_view key) const;
  /// The tables [[key]] in the order of the file; none if there is none.
  std::vector<toml_section> sections(std::string_view key) const;

  /// Checks this table and every table below it that was asked for.
  /// @throws std::invalid_argument for the first key that was never asked for; it names the nearest key and all valid
  /// ones
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

}  // namespace binade
