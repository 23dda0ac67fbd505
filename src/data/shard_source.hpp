#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/token_file.hpp"
#include "data/token_source.hpp"

namespace binade {

/// What token files to train on, and how they are split.
struct shard_settings {
  std::vector<std::filesystem::path> files = {};             ///< files, and folders: see list_token_files()
  std::vector<std::filesystem::path> validation_files = {};  ///< as files; empty: see shard_source
  token_file::layout layout = token_file::layout::automatic;
  std::optional<std::size_t> vocabulary = {};  ///< ids are below it; none: the largest id in the files + 1
  double validation_fraction = 0.1;            ///< 0 < f < 1: the last tokens, where no file is for validation
};

/// Tokens that someone has made of a text and stored in files.
///
/// For validation are the validation_files; if there are none, the files whose name has the word val, valid or
/// validation in it (val.bin, fineweb_val_000000.bin); if there are none either, the last part of all tokens.
///
/// A training sequence is `context` tokens and the one after them, from a place drawn at random in one file (each place
/// as likely as any other); the validation sequences are disjoint pieces, spread evenly.  The files are read once from
/// end to end to count and hash their tokens, then piece by piece; they must not change meanwhile.
class shard_source final : public token_source {
 public:
  static constexpr std::size_t largest_vocabulary = std::size_t{1} << 24;

  /// @param context           positions of a sequence, >= 1
  /// @param validation_rows   validation sequences, >= 1; as many as there are, if there are fewer
  /// @throws std::invalid_argument as token_file and list_token_files; if there is no training sequence or no
  /// validation
  ///         sequence; if ids are negative, or not below the vocabulary, with the number of them
  /// @throws std::runtime_error as token_file
  shard_source(const shard_settings& settings, std::size_t context, std::size_t validation_rows);

  std::size_t vocabulary() const override { return vocabulary_; }
  std::size_t length() const override { return context_; }
  token_batch training_tokens(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const override;
  std::size_t validation_rows() const override { return validation_rows_; }
  token_batch validation_tokens(std::size_t first, std::size_t rows) const override;
  std::optional<double> validation_floor() const override { return std::nullopt; }
  double unigram_entropy() const override { return unigram_entropy_; }
  std::string unit() const override { return "token"; }
  std::string description() const override;
  std::string canonical_text() const override;

 private:
  /// Tokens [first, first + count) of a file; no sequence reaches beyond them.
  struct piece {
    std::shared_ptr<const token_file> file;
    std::uint64_t first, count;
  };
  struct part {
    std::vector<piece> pieces;
    std::uint64_t tokens = 0, sequences = 0;  // sequences: of training, places; of validation, disjoint ones
    std::string digest;
  };
  struct scan;
  void take(const piece& from, bool for_training, scan& seen);
  token_batch empty_batch(std::size_t rows) const;
  void write_row(token_batch& batch, std::size_t row, const piece& from, std::uint64_t place) const;

  std::size_t context_, vocabulary_ = 0, validation_rows_ = 0, files_ = 0;
  part training_, validation_;
  double unigram_entropy_ = 0;
};

/// The files of a list in which folders stand for their files *.bin and *.npy, in the order of their names; those with
/// the word test in their name are left out.
/// @throws std::invalid_argument that names what is not there, or a folder without such files
std::vector<std::filesystem::path> list_token_files(const std::vector<std::filesystem::path>& files);

/// True if the file's name, without folders and extension, has one of the words in it, parted from the rest by anything
/// but letters and digits.
bool name_has_word(const std::filesystem::path& file, std::initializer_list<std::string_view> words);

}  // namespace binade
