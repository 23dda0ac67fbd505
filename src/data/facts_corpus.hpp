#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/synthetic_language.hpp"

namespace binade {

/// Facts to be learned by heart, of frequencies that follow a power law: capacity in bits, with exponents by design.
///
/// A record names a fact and states its value.  Level l, 0..levels, comes with probability in proportion to
/// 3^l 4^(levels - l) and holds 2^l facts, all alike, so that a fact's probability falls as rank^-(1 + a), a =
/// log2(4/3). Whoever knows the n most frequent facts has an excess loss in proportion to n^-a.
///
/// A record has values + 5 tokens: the level; the fact's number as four digits of `digit_bits` bits, most significant
/// first; its values, each one of 64 symbols that a hash fixes.  With noise, a value is a symbol drawn at random
/// instead with that probability.  Records are packed: a document is the start token and records, the last one cut off.
class facts_language final : public synthetic_language {
 public:
  static constexpr int digits = 4;
  static constexpr int symbols = 64;

  struct parameters {
    int levels = 15;         ///< the highest level, 1..31
    int digit_bits = 4;      ///< 1..12, with 4 digit_bits >= levels
    int values = 4;          ///< symbols per fact, 1..64
    double noise = 0;        ///< 0 <= noise < 1; taken as a multiple of 2^-64, rounded down
    std::uint64_t seed = 0;  ///< selects the values
  };

  /// @param length  tokens per document, start included; 2..2^20
  /// @throws std::invalid_argument outside the ranges
  facts_language(const parameters& p, std::size_t length);

  /// Ids: 0 start, then the levels, then the digits, then the symbols.
  std::size_t vocabulary() const override;
  std::size_t length() const override { return length_; }
  /// Tokens of a record.
  std::size_t record() const { return static_cast<std::size_t>(p_.values) + digits + 1; }
  /// True entropy of a whole record per token, nat: what every document comes to on average that ends with a record.
  double record_floor() const;

  void document(split which, std::uint64_t d, std::span<std::int32_t> tokens,
                std::span<double> log_probabilities = {}) const override;
  std::string description() const override;
  std::string canonical_text() const override;

 private:
  std::int32_t first_digit() const { return 1 + p_.levels + 1; }
  std::int32_t first_symbol() const { return first_digit() + (std::int32_t{1} << p_.digit_bits); }

  parameters p_;
  std::size_t length_;
  std::vector<std::uint64_t> weights_;  // of the levels
  std::uint64_t total_weight_ = 0;
  std::vector<double> log_level_;
  std::vector<std::uint64_t> value_key_;
  std::uint64_t noise_below_;  // a raw draw below it means noise
  double log_right_, log_wrong_;
};

}  // namespace binade
