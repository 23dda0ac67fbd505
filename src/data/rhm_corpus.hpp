#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/synthetic_language.hpp"

namespace binade {

/// The random hierarchy model: a tree of productions, so that what follows depends on structure at every scale.
/// (Cagnetta, Petrini, Tomasini, Favero, Wyart 2024)
///
/// A string of 2^depth symbols grows from a root, one of v symbols, in `depth` levels: each symbol becomes one of its m
/// pairs of symbols, all equally likely.  The pairs are drawn without replacement from the v^2 there are, for each
/// level anew, so that a pair tells the symbol above it, a string its whole tree, and all v m^(2^depth - 1) strings are
/// equally likely.  A document is the start token and strings, the last one cut off.
class rhm_language final : public synthetic_language {
 public:
  struct parameters {
    int symbols = 16;        ///< v: 2..256
    int productions = 4;     ///< m: 1..v - 1; with v, every string would be legal
    int depth = 7;           ///< 1..16
    std::uint64_t seed = 0;  ///< selects the productions
  };

  /// @param length  tokens per document, start included; 2..2^20
  /// @throws std::invalid_argument outside the ranges
  rhm_language(const parameters& p, std::size_t length);

  /// Ids: 0 start, 1..v the symbols.
  std::size_t vocabulary() const override { return static_cast<std::size_t>(p_.symbols) + 1; }
  std::size_t length() const override { return length_; }
  /// Tokens of a string.
  std::size_t string_length() const { return std::size_t{1} << p_.depth; }
  /// True entropy of a whole string per token, nat: (ln v + (2^depth - 1) ln m) / 2^depth.
  double string_floor() const;

  void document(split which, std::uint64_t d, std::span<std::int32_t> tokens,
                std::span<double> log_probabilities = {}) const override;

  /// The tree of a string: its symbols from the root down, level by level, node n's children at 2 n + 1 and 2 n + 2 (2^
  /// (depth + 1) - 1 of them, 0..v-1, the last 2^depth the string itself); empty if the grammar has no such string.
  /// @param string  (string_length()) symbols 0..v-1
  std::optional<std::vector<std::int32_t>> parse(std::span<const std::int32_t> string) const;

  /// True probabilities of the next symbol: (v), summing to 1 where the string's start is legal, else 0 all over.
  /// @param start  fewer than string_length() symbols 0..v-1, the first of a string
  std::vector<double> next_symbol(std::span<const std::int32_t> start) const;

  std::string description() const override;
  std::string canonical_text() const override;

 private:
  struct rules_of_level {
    std::vector<std::int32_t> left, right;  // (v m): pair q of symbol a at a m + q
    std::vector<std::int32_t> owner;        // (v v): the symbol that has pair (left, right); -1: none
  };
  using distribution = std::vector<double>;
  distribution left_child(std::size_t level, const distribution& node) const;
  distribution right_child(std::size_t level, const distribution& node, std::int32_t left) const;
  std::int32_t add_log_probabilities(std::size_t level, const distribution& node, std::span<const std::int32_t> leaves,
                                     std::span<double> log_probabilities) const;

  parameters p_;
  std::size_t length_;
  std::vector<rules_of_level> rules_;
};

}  // namespace binade
