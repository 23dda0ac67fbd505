#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "data/token_source.hpp"

namespace binade {

/// A synthetic language with a known entropy: a Zipf-Markov mixture with copy runs.
///
/// Each token comes from one of four hidden sources: a Zipf law on its own, or a Zipf-weighted choice that is fixed by
/// the last one, two or three tokens (hashes, so the table is never stored and never exhausted).  Now and then a marker
/// starts a run of 8 tokens copied from a fixed distance back, which only attention can predict.  Because the generator
/// is known, so is the true probability of every token: the mean of -log p over the validation set is the floor that no
/// model beats on average, and loss - floor is a direct estimate of the Kullback-Leibler divergence.
///
/// Documents have random access: document d of a split is a function of (parameters, split, d).
class zm_language {
 public:
  enum class split : std::uint64_t { training = 0, validation = 1, probe = 2 };

  static constexpr int orders = 4;       ///< context lengths 0..3
  static constexpr int ranks = 8;        ///< alternatives per context
  static constexpr std::size_t run = 8;  ///< copied tokens per marker
  static constexpr int markers = 4;

  /// @param bits    ids 1 .. 2^bits - 1 are regular, 0 starts a document, the next 4 are copy markers; 2..14
  /// @param length  tokens per document, start included; 2..2^20
  /// @param seed    selects the language
  /// @throws std::invalid_argument outside these ranges
  zm_language(int bits, std::size_t length, std::uint64_t seed);

  int bits() const { return bits_; }
  std::size_t length() const { return length_; }
  std::uint64_t seed() const { return seed_; }
  /// 2^bits + 4
  std::size_t vocabulary() const { return (std::size_t{1} << bits_) + markers; }
  /// False for documents so short that a run never fits.
  bool has_copy_runs() const { return eligible_at_all_; }

  /// Writes document d.
  /// @param tokens             (length)
  /// @param log_probabilities  (length) true log p of each token given those before it, nat, or empty;
  ///                           [0] is 0: the start token is given, not predicted
  void document(split which, std::uint64_t d, std::span<std::int32_t> tokens,
                std::span<double> log_probabilities = {}) const;

  /// True probability of `id` at position t outside a copy run, given the tokens before: 0 for ids that cannot come.
  /// @pre 1 <= t < length, previous.size() == t
  double probability(std::size_t t, std::span<const std::int32_t> previous, std::int32_t id) const;

 private:
  bool eligible(std::size_t t) const { return t >= distance_[markers - 1] && t + run + 1 <= length_; }
  std::int32_t zipf(std::uint64_t u) const;
  double regular_probability(const std::array<std::uint64_t, orders>& context_hash, std::int32_t id) const;
  std::array<std::uint64_t, orders> context_hashes(std::uint64_t last_tokens) const;

  int bits_;
  std::size_t length_;
  std::uint64_t seed_;
  bool eligible_at_all_ = false;
  std::array<std::uint64_t, orders> order_key_{};
  std::array<std::size_t, markers> distance_{};
};

/// The synthetic language as a source of sequences: one document is one sequence, predicted are positions 1 .. length
/// - 1. Training documents come in the order 0, 1, 2, ... offset by data_seed * 2^32 (mod 2^64); no document comes
/// twice.
class zm_source final : public token_source {
 public:
  /// @param validation_rows  documents in the validation set, >= 1
  zm_source(const zm_language& language, std::size_t validation_rows);

  std::size_t vocabulary() const override { return language_.vocabulary(); }
  std::size_t length() const override { return language_.length(); }
  token_batch training_tokens(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const override;
  std::size_t validation_rows() const override { return validation_rows_; }
  token_batch validation_tokens(std::size_t first, std::size_t rows) const override;
  std::optional<double> validation_floor() const override { return floor_; }
  double unigram_entropy() const override { return unigram_entropy_; }
  std::string unit() const override { return "token"; }
  std::string description() const override;
  std::string canonical_text() const override;

 private:
  token_batch batch(zm_language::split which, std::uint64_t first, std::size_t rows) const;

  zm_language language_;
  std::size_t validation_rows_;
  double floor_, unigram_entropy_;
};

}  // namespace binade
