#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "util/mapped_file.hpp"

namespace binade {

/// The ids of one file, which is mapped into memory.
///
///   llm.c   a header of 256 int32, then the tokens: magic number 20240520, version 1, uint16 tokens; or magic number
///           20240801, version 7, uint32 tokens; the third number counts the tokens.  All little-endian.
///           (karpathy/llm.c; modded-nanogpt writes the same)
///   raw     nothing but tokens of 16 bits, little-endian.  (karpathy/nanoGPT)
///   .npy    an array of one dimension of uint8, uint16, uint32, int32 or int64.
///
/// The first bytes tell which: neither magic number, as two tokens of 16 bits, holds only ids of GPT-2 (< 50257).
/// Counts in headers are checked against the file's size and never believed.
class token_file {
 public:
  /// What a file looks like; automatic: as its first bytes say.
  enum class layout { automatic, llmc, raw, npy };

  /// @param expected  automatic: as the first bytes say; else any other file is refused
  /// @throws std::invalid_argument that names the file and says what to do, if it is not there, no regular file, empty,
  ///         compressed, of another layout, truncated, or longer than its header says
  /// @throws std::runtime_error that names the file if it cannot be read or mapped, or is a damaged .npy
  ///         file
  explicit token_file(const std::filesystem::path& file, layout expected = layout::automatic);

  const std::filesystem::path& path() const { return file_.path(); }
  layout found() const { return layout_; }
  /// Tokens in the file.
  std::uint64_t count() const { return count_; }

  /// Tokens [first, first + ids.size()): any values that the file's type holds.
  /// @throws std::runtime_error as mapped_file::bytes()
  void read(std::uint64_t first, std::span<std::int64_t> ids) const;

 private:
  void open_llmc(bool is_wide);
  void open_npy();

  mapped_file file_;
  layout layout_;
  std::uint64_t data_at_ = 0, count_ = 0;
  std::size_t size_ = 2;  // bytes of a token
  bool is_signed_ = false;
};

/// @throws std::invalid_argument that lists the names: auto, llm.c, raw, npy
token_file::layout token_layout(std::string_view name);

}  // namespace binade
