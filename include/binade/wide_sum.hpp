#pragma once
// Exact sums of products of doubles: fixed point wide enough for all of them.

#include <bit>
#include <cstdint>

#include "binade/exact.hpp"

namespace binade::detail {

/// An exact sum of finite numbers and products, and which NaNs and infinities went into it.
///
/// Positive and negative terms are summed apart: a carry then seldom goes far, where borrows around zero would run
/// through all words each time.  2^1152 is beyond 2^64 terms of any magnitude that a double has.
class wide_sum {
 public:
  /// @pre the product is a multiple of 2^-1088: so are those of all numbers that are float32 times two float32 scales
  BINADE_HD constexpr void add_product(double x, double y) {
    if (!is_finite(x) || !is_finite(y)) return add_special(x * y);
    const unpacked a = unpack(x), b = unpack(y);
    // 53 bits each: their last one stands for 2^(exponent - 52).
    add_magnitude(a.negative != b.negative, product(a.significand >> 11, b.significand >> 11),
                  a.exponent + b.exponent - 104);
  }
  BINADE_HD constexpr void add(double x) {
    if (!is_finite(x)) return add_special(x);
    const unpacked a = unpack(x);
    add_magnitude(a.negative, {a.significand, 0}, a.exponent - 127);
  }

  /// NaN where one went in, or infinities of both signs, whatever the order; a sum of zero is +0.
  BINADE_HD constexpr exact total() const {
    if (has_nan_ || (has_infinity_[0] && has_infinity_[1])) return exact_nan();
    if (has_infinity_[0] || has_infinity_[1]) return exact_infinity(has_infinity_[1]);
    int top = words - 1;
    while (top >= 0 && sums_[0][top] == sums_[1][top]) --top;
    if (top < 0) return exact_zero(false);
    const bool negative = sums_[0][top] < sums_[1][top];
    std::uint64_t difference[words] = {};
    bool borrow = false;
    for (int i = 0; i <= top; ++i) {
      const std::uint64_t large = sums_[int(negative)][i], small = sums_[int(!negative)][i];
      difference[i] = large - small - std::uint64_t(borrow);
      borrow = large < small || (large == small && borrow);
    }
    while (difference[top] == 0) --top;
    const int shift = leading_zeros(difference[top]);
    // 64 bits from the top bit of word i on, `shift` bits further down.
    const auto window = [&](int i) {
      const std::uint64_t upper = i >= 0 ? difference[i] : 0, lower = i >= 1 ? difference[i - 1] : 0;
      return shift == 0 ? upper : upper << shift | lower >> (64 - shift);
    };
    std::uint64_t rest = window(top - 2);
    for (int i = 0; i < top - 2; ++i) rest |= difference[i];
    return {.negative = negative,
            .exponent = 64 * top + 63 - shift + lowest,
            .significand = window(top),
            .low = window(top - 1),
            .sticky = rest != 0};
  }

 private:
  static constexpr int words = 35, lowest = -1088;  // the weight of the last bit is 2^lowest

  BINADE_HD static constexpr bool is_finite(double x) { return x - x == 0; }
  BINADE_HD constexpr void add_special(double x) {
    if (x != x)
      has_nan_ = true;
    else
      has_infinity_[int(x < 0)] = true;
  }
  /// Adds digits 2^exponent; digits below 2^-1088 are zeros.
  BINADE_HD constexpr void add_magnitude(bool negative, uint128 digits, int exponent) {
    if (digits.is_zero()) return;
    if (exponent < lowest) {  // the zeros at the end of a number of few digits
      digits = shifted_right(digits, lowest - exponent);
      exponent = lowest;
    }
    std::uint64_t* const sum = sums_[int(negative)];
    int i = (exponent - lowest) / 64;
    const int shift = (exponent - lowest) % 64;
    const uint128 lower = shifted_left(digits, shift);
    std::uint64_t carry = shift == 0 ? 0 : digits.high >> (64 - shift);
    sum[i] += lower.low;
    const std::uint64_t first = std::uint64_t(sum[i] < lower.low);
    const std::uint64_t middle = lower.high + first;
    sum[++i] += middle;
    carry += std::uint64_t(middle < first) + std::uint64_t(sum[i] < middle);
    for (++i; carry != 0; ++i) {
      sum[i] += carry;
      carry = std::uint64_t(sum[i] < carry);
    }
  }

  std::uint64_t sums_[2][words] = {};  // of positive and of negative terms
  bool has_nan_ = false, has_infinity_[2] = {};
};

}  // namespace binade::detail
