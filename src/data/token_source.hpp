#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "data/data_source.hpp"

namespace binade {

/// Sequences of ids for language models.
class token_source : public data_source {
 public:
  /// Number of different ids.
  virtual std::size_t vocabulary() const = 0;
  /// Positions of a sequence.
  virtual std::size_t length() const = 0;

  /// training_batch() and validation_batch(), as what they are.
  virtual token_batch training_tokens(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const = 0;
  virtual token_batch validation_tokens(std::size_t first, std::size_t rows) const = 0;

  /// Entropy of the frequencies of single ids in training data, nat per token: what a model reaches that ignores
  /// context.
  virtual double unigram_entropy() const = 0;

  data_shape shape() const final { return token_shape{vocabulary(), length()}; }
  data_batch training_batch(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const final {
    return training_tokens(data_seed, step, rows);
  }
  data_batch validation_batch(std::size_t first, std::size_t rows) const final {
    return validation_tokens(first, rows);
  }
  std::optional<double> trivial_loss() const final { return unigram_entropy(); }
};

/// Entropy of relative frequencies, nat.  Counts in ascending index order; 0 for no counts.
double entropy_of_counts(std::span<const std::uint64_t> counts);

}  // namespace binade
