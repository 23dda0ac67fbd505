#pragma once
// Exact results of + - * / sqrt before their one rounding: 128 bits and whether anything lies below them.

#include <cstdint>

#include "binade/codec.hpp"
#include "binade/wide_integer.hpp"

namespace binade::detail {

/// Magnitude = (significand * 2^64 + low + something in [0, 1) that is 0 exactly if !sticky) * 2^(exponent - 127), the
/// top bit of significand set; significand = 0 is zero, exactly.
///
/// A format keeps 53 bits at most and rounds_away() takes 64 more and whether anything follows: 117 of the 128 bits.
/// So whatever rounding is asked for, stochastic included, it decides as it would on the real number.
/// @pre of a rounding: |exponent| < 2^30, more than any arithmetic on values of formats reaches
struct exact {
  bool negative = false, is_nan = false, is_infinite = false;
  int exponent = 0;
  std::uint64_t significand = 0, low = 0;
  bool sticky = false;
  bool is_root_of_two = false;  ///< 2^(exponent + 1/2) itself, of which the digits are the first

  BINADE_HD constexpr uint128 digits() const { return {significand, low}; }
  BINADE_HD constexpr bool is_zero() const { return significand == 0 && !is_nan && !is_infinite; }
};

BINADE_HD constexpr std::uint64_t low_bits(const exact& x) {
  return x.low;
}
BINADE_HD constexpr bool is_sticky(const exact& x) {
  return x.sticky;
}
BINADE_HD constexpr bool is_root_of_two(const exact& x) {
  return x.is_root_of_two;
}

BINADE_HD constexpr exact exactly(const unpacked& x) {
  return {.negative = x.negative,
          .is_nan = x.is_nan,
          .is_infinite = x.is_infinite,
          .exponent = x.exponent,
          .significand = x.significand};
}
BINADE_HD constexpr exact exact_nan() {
  return {.is_nan = true};
}
BINADE_HD constexpr exact exact_infinity(bool negative) {
  return {.negative = negative, .is_infinite = true};
}
BINADE_HD constexpr exact exact_zero(bool negative) {
  return {.negative = negative};
}

/// digits * 2^(exponent - 127) with the top bit brought up.  @pre sticky only if the top bit is set already
BINADE_HD constexpr exact exact_normalized(bool negative, uint128 digits, int exponent, bool sticky = false) {
  if (digits.is_zero()) return exact_zero(negative);
  const int zeros = digits.high != 0 ? leading_zeros(digits.high) : 64 + leading_zeros(digits.low);
  const uint128 normal = shifted_left(digits, zeros);
  return {.negative = negative,
          .exponent = exponent - zeros,
          .significand = normal.high,
          .low = normal.low,
          .sticky = sticky};
}

/// x * y, exactly: 64 bits by 64 bits.
BINADE_HD constexpr exact exact_product(const unpacked& x, const unpacked& y) {
  const bool negative = x.negative != y.negative;
  if (x.is_nan || y.is_nan) return exact_nan();
  if (x.is_infinite || y.is_infinite) {
    const bool by_zero = (!x.is_infinite && x.significand == 0) || (!y.is_infinite && y.significand == 0);
    return by_zero ? exact_nan() : exact_infinity(negative);
  }
  return exact_normalized(negative, product(x.significand, y.significand), x.exponent + y.exponent + 1);
}

/// x / y: the quotient's first 128 bits by long division, as many bits a step as the divisor leaves free in 64.
/// @pre both significands have 63 bits at most (those of formats have 53)
BINADE_HD constexpr exact exact_quotient(const unpacked& x, const unpacked& y) {
  const bool negative = x.negative != y.negative;
  if (x.is_nan || y.is_nan || (x.is_infinite && y.is_infinite)) return exact_nan();
  if (x.is_infinite) return exact_infinity(negative);
  if (y.is_infinite) return exact_zero(negative);
  if (y.significand == 0) return x.significand == 0 ? exact_nan() : exact_infinity(negative);
  if (x.significand == 0) return exact_zero(negative);
  // Without the zero bits that both have at the end: the quotient is the same, and that many bits are free.
  const std::uint64_t either = x.significand | y.significand;
  const int free = 63 - leading_zeros(either & (~either + 1));
  const std::uint64_t divisor = y.significand >> free;
  const bool borrows = x.significand < y.significand;                    // then the first bit 1 is that of 2x / y
  std::uint64_t rest = (x.significand << int(borrows)) - y.significand;  // modulo 2^64: it is below y
  rest >>= free;
  uint128 quotient{0, 1};
  for (int missing = 127; missing > 0;) {
    const int step = missing < free ? missing : free;
    rest <<= step;
    quotient = shifted_left(quotient, step);
    quotient.low |= rest / divisor;
    rest %= divisor;
    missing -= step;
  }
  return {.negative = negative,
          .exponent = x.exponent - y.exponent - int(borrows),
          .significand = quotient.high,
          .low = quotient.low,
          .sticky = rest != 0};
}

/// The square root: its first 128 bits, one a step.  -0 gives -0 (IEEE 754-2019, 5.4.1), all else below zero NaN.
/// @pre the significand has 63 bits at most
BINADE_HD constexpr exact exact_root(const unpacked& x) {
  if (x.is_nan || (x.negative && (x.is_infinite || x.significand != 0))) return exact_nan();
  if (x.is_infinite) return exact_infinity(false);
  if (x.significand == 0) return exact_zero(x.negative);
  // x = m * 2^even, 1 <= m < 4: m has two bits before the point, and each further pair gives the root one more bit.
  const int odd = x.exponent & 1;
  std::uint64_t pairs = x.significand >> (1 - odd);
  uint128 rest, root;
  std::uint64_t over = 0;  // bits of rest beyond 128: rest <= 2 * root after each step, so only the last one leaves any
  for (int bit = 0; bit < 128; ++bit) {
    const std::uint64_t trial_over = root.high >> 62;
    over = rest.high >> 62;
    rest = shifted_left(rest, 2);
    rest.low |= pairs >> 62;
    pairs <<= 2;
    uint128 trial = shifted_left(root, 2);
    trial.low |= 1;
    root = shifted_left(root, 1);
    const bool borrows = less(rest, trial);
    if (over > trial_over || (over == trial_over && !borrows)) {
      over -= trial_over + std::uint64_t(borrows);
      rest = minus(rest, trial);
      root.low |= 1;
    }
  }
  return {.exponent = (x.exponent - odd) / 2,
          .significand = root.high,
          .low = root.low,
          .sticky = over != 0 || !rest.is_zero(),
          .is_root_of_two = odd != 0 && x.significand << 1 == 0};
}

/// a / 2^n, and whether what leaves 128 bits is nonzero.  @pre n >= 0
struct shifted_out {
  uint128 kept;
  bool lost = false;
};
BINADE_HD constexpr shifted_out aligned(uint128 a, int n) {
  if (n == 0) return {a};
  if (n >= 128) return {{}, !a.is_zero()};
  return {shifted_right(a, n), !shifted_left(a, 128 - n).is_zero()};
}

/// x + y, rounding a zero that two nonzero numbers or two zeros of different signs give to `zero_is_negative`
/// (IEEE 754-2019, 6.3: that is so under rdn alone).
///
/// @pre only the one with the smaller exponent may be sticky, and then the exponents differ by 2 at least.  Numbers of
///      107 digits or fewer that are not sticky always qualify.
BINADE_HD constexpr exact exact_sum(const exact& x, const exact& y, bool zero_is_negative) {
  if (x.is_nan || y.is_nan || (x.is_infinite && y.is_infinite && x.negative != y.negative)) return exact_nan();
  if (x.is_infinite || y.is_infinite) return exact_infinity(x.is_infinite ? x.negative : y.negative);
  if (x.is_zero() && y.is_zero()) return exact_zero(x.negative == y.negative ? x.negative : zero_is_negative);
  if (x.is_zero()) return y;
  if (y.is_zero()) return x;
  const bool swaps = x.exponent < y.exponent || (x.exponent == y.exponent && less(x.digits(), y.digits()));
  const exact& large = swaps ? y : x;
  const exact& small = swaps ? x : y;
  const int distance = large.exponent - small.exponent;
  shifted_out below = aligned(small.digits(), distance);
  below.lost = below.lost || small.sticky;
  if (large.negative == small.negative) {
    uint128 sum = plus(large.digits(), below.kept);
    const bool carry = less(sum, below.kept);
    if (carry) {
      below.lost = below.lost || (sum.low & 1) != 0;
      sum = shifted_right(sum, 1);
      sum.high |= std::uint64_t(1) << 63;
    }
    return {.negative = large.negative,
            .exponent = large.exponent + int(carry),
            .significand = sum.high,
            .low = sum.low,
            .sticky = below.lost};
  }
  // What was lost makes the difference smaller: one unit less, and something in (0, 1) on top.
  const uint128 unit{0, 1};
  uint128 difference = minus(large.digits(), below.kept);
  if (!below.lost) {
    if (difference.is_zero()) return exact_zero(zero_is_negative);
    return exact_normalized(large.negative, difference, large.exponent);
  }
  difference = minus(difference, unit);
  int exponent = large.exponent;
  if (difference.high >> 63 == 0) {
    // Only one leading bit can cancel, as digits are lost (or sticky) only at a distance of 2 or more.  Once more one
    // bit further down, modulo 2^128, so that the last bit is a digit of the result.
    below = aligned(small.digits(), distance - 1);
    below.lost = below.lost || small.sticky;
    difference = minus(shifted_left(large.digits(), 1), below.kept);
    if (below.lost) difference = minus(difference, unit);
    --exponent;
  }
  return {.negative = large.negative,
          .exponent = exponent,
          .significand = difference.high,
          .low = difference.low,
          .sticky = below.lost};
}

/// x + y + z of numbers that have 53 digits at most; a zero as from exact_sum(), except that three of one sign keep it.
BINADE_HD constexpr exact exact_sum3(exact x, exact y, exact z, bool zero_is_negative) {
  if (x.is_nan || y.is_nan || z.is_nan) return exact_nan();
  if (x.is_infinite || y.is_infinite || z.is_infinite) {
    const bool up = (x.is_infinite && !x.negative) || (y.is_infinite && !y.negative) || (z.is_infinite && !z.negative);
    const bool down = (x.is_infinite && x.negative) || (y.is_infinite && y.negative) || (z.is_infinite && z.negative);
    return up && down ? exact_nan() : exact_infinity(down);
  }
  const auto swap = [](exact& a, exact& b) {
    const exact held = a;
    a = b;
    b = held;
  };
  if (x.is_zero()) swap(x, z);
  if (y.is_zero()) swap(y, z);
  if (!x.is_zero() && !y.is_zero() && !z.is_zero()) {
    if (x.exponent < y.exponent) swap(x, y);
    if (y.exponent < z.exponent) swap(y, z);
    if (x.exponent < y.exponent) swap(x, y);
    // Far below x, the others are one number, sticky or not.  Otherwise x + y has 104 digits at most, and is exact.
    if (x.exponent - y.exponent > 50) return exact_sum(x, exact_sum(y, z, zero_is_negative), zero_is_negative);
  }
  return exact_sum(exact_sum(x, y, zero_is_negative), z, zero_is_negative);
}

}  // namespace binade::detail
