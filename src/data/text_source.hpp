#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "data/token_source.hpp"
#include "util/mapped_file.hpp"

namespace binade {

/// Any plain text file as bytes: ids 0..255 are the bytes, 256 starts every sequence.
///
/// The first 90 % of the file are for training, the rest for validation.  A training sequence is `context` bytes from a
/// place drawn at random; the validation sequences are disjoint pieces, spread evenly over their part.  Bits per byte
/// are loss / ln 2.
///
/// The file is mapped into memory.  Somebody who writes to it ends the run with an error instead of changing it.
class text_source final : public token_source {
 public:
  static constexpr std::int32_t start = 256;

  /// @param context           bytes per sequence, >= 1
  /// @param validation_rows   validation sequences, >= 1; as many as there are, if there are fewer
  /// @throws std::runtime_error if the file cannot be read or mapped
  /// @throws std::invalid_argument if it is not there, no regular file, empty, too short for one validation sequence,
  ///         or no text: a NUL byte, or more than 2 % other control characters
  text_source(const std::filesystem::path& file, std::size_t context, std::size_t validation_rows);

  std::size_t vocabulary() const override { return 257; }
  std::size_t length() const override { return context_; }
  token_batch training_tokens(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const override;
  std::size_t validation_rows() const override { return validation_rows_; }
  token_batch validation_tokens(std::size_t first, std::size_t rows) const override;
  std::optional<double> validation_floor() const override { return std::nullopt; }
  double unigram_entropy() const override { return unigram_entropy_; }
  std::string unit() const override { return "byte"; }
  std::string description() const override;
  std::string canonical_text() const override;

 private:
  token_batch empty_batch(std::size_t rows) const;
  void write_row(token_batch& batch, std::size_t row, std::size_t first_byte) const;

  mapped_file file_;
  std::string name_, digest_;
  std::size_t context_, training_bytes_, validation_rows_, validation_pieces_;
  double unigram_entropy_;
};

}  // namespace binade
