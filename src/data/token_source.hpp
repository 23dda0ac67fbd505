#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace binade {

/// Sequences as a language model reads them.
struct token_batch {
  static constexpr std::int32_t no_target = -1;

  std::size_t rows = 0, length = 0;
  std::vector<std::int32_t> inputs;   ///< (rows, length), ids below the vocabulary
  std::vector<std::int32_t> targets;  ///< (rows, length): the id that follows; no_target where nothing follows
  std::size_t predicted = 0;          ///< targets that are not no_target
  std::optional<double> floor;  ///< true entropy of the predicted tokens, nat per token, where the corpus knows it
};

/// Where training and validation sequences come from.  Every sequence is a function of its number: reading changes
/// nothing, so that one source serves any number of threads, and any order gives the same sequences.
class token_source {
 public:
  virtual ~token_source() = default;

  /// Number of different ids.
  virtual std::size_t vocabulary() const = 0;

  /// Rows step * rows .. step * rows + rows - 1 of the training order that data_seed selects: a function of the
  /// arguments alone.
  virtual token_batch training_batch(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const = 0;

  /// Size of the validation set; the same sequences for everybody.
  virtual std::size_t validation_rows() const = 0;
  /// @pre first + rows <= validation_rows()
  virtual token_batch validation_batch(std::size_t first, std::size_t rows) const = 0;
  /// True entropy of the whole validation set, nat per token; empty where nobody knows it.
  virtual std::optional<double> validation_floor() const = 0;

  /// Entropy of the frequencies of single ids in training data, nat per token: what a model reaches that ignores
  /// context.
  virtual double unigram_entropy() const = 0;

  /// What one predicted token is: "token" or "byte".
  virtual std::string unit() const = 0;
  /// One line for people.
  virtual std::string description() const = 0;
  /// Lines `key = value` that settle every bit of the data, without paths: part of a study's identity.
  virtual std::string canonical_text() const = 0;
};

/// Entropy of relative frequencies, nat.  Counts in ascending index order; 0 for no counts.
double entropy_of_counts(const std::vector<std::uint64_t>& counts);

}  // namespace binade
