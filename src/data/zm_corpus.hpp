#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "data/synthetic_language.hpp"

namespace binade {

/// A synthetic language with a known entropy: a Zipf-Markov mixture with copy runs.
///
/// Each token comes from one of four hidden sources: a Zipf law on its own, or a Zipf-weighted choice that is fixed by
/// the last one, two or three tokens (hashes, so the table is never stored and never exhausted).  Now and then a marker
/// starts a run of 8 tokens copied from a fixed distance back, which only attention can predict.
class zm_language final : public synthetic_language {
 public:
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
  std::size_t length() const override { return length_; }
  std::uint64_t seed() const { return seed_; }
  /// 2^bits + 4
  std::size_t vocabulary() const override { return (std::size_t{1} << bits_) + markers; }
  /// False for documents so short that a run never fits.
  bool has_copy_runs() const { return eligible_at_all_; }

  void document(split which, std::uint64_t d, std::span<std::int32_t> tokens,
                std::span<double> log_probabilities = {}) const override;
  std::string description() const override;
  std::string canonical_text() const override;

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

}  // namespace binade
