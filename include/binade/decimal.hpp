#pragma once
// Decimal numbers of any length as exact results, and binary numbers as decimal digits: exact integer arithmetic.

#include <cstdint>
#include <string_view>

#include "binade/exact.hpp"

namespace binade::detail {

/// An unsigned integer that holds every significand and power of five that a conversion meets; lowest word first.
/// No operation checks the capacity: decimal_significand and the callers of scaled() keep within it.
class big_unsigned {
 public:
  /// 4800 bits: 841 digits (2794 bits) times 5^400 (929 bits), or 5^1261 (2929 bits); one word is for carries.
  static constexpr int capacity = 150;

  constexpr big_unsigned() = default;
  constexpr explicit big_unsigned(std::uint64_t x) {
    for (; x != 0; x >>= 32) word_[size_++] = static_cast<std::uint32_t>(x);
  }

  constexpr bool is_zero() const { return size_ == 0; }
  constexpr int size() const { return size_; }
  constexpr std::uint32_t operator[](int i) const { return i < size_ ? word_[i] : 0; }
  constexpr int bits() const { return size_ == 0 ? 0 : 32 * size_ - (leading_zeros(word_[size_ - 1]) - 32); }

  /// this * factor + carry.
  constexpr void multiply_add(std::uint32_t factor, std::uint32_t carry) {
    std::uint64_t rest = carry;
    for (int i = 0; i < size_; ++i) {
      rest += std::uint64_t(word_[i]) * factor;
      word_[i] = static_cast<std::uint32_t>(rest);
      rest >>= 32;
    }
    if (rest != 0) word_[size_++] = static_cast<std::uint32_t>(rest);
  }
  constexpr void multiply_power_of_five(int n) {
    constexpr std::uint32_t five_to_13 = 1220703125;
    for (; n >= 13; n -= 13) multiply_add(five_to_13, 0);
    for (; n > 0; --n) multiply_add(5, 0);
  }
  /// Divides by a small number and returns what is left.
  constexpr std::uint32_t divide(std::uint32_t divisor) {
    std::uint64_t rest = 0;
    for (int i = size_ - 1; i >= 0; --i) {
      rest = rest << 32 | word_[i];
      word_[i] = static_cast<std::uint32_t>(rest / divisor);
      rest %= divisor;
    }
    trim();
    return static_cast<std::uint32_t>(rest);
  }
  constexpr void shift_left(int n) {
    const int words = n / 32, rest = n % 32;
    if (size_ == 0 || n == 0) return;
    for (int i = size_ + words; i >= 0; --i) {
      const int from = i - words;
      const std::uint64_t pair =
          std::uint64_t((*this)[from < 0 ? size_ : from]) << 32 | (from >= 1 ? (*this)[from - 1] : 0);
      word_[i] = from < 0 ? 0 : static_cast<std::uint32_t>(pair << rest >> 32);
    }
    size_ += words + 1;
    trim();
  }

  /// this / divisor: replaces this by what is left times 2^32 and returns the quotient's next word.
  /// @pre this < divisor * 2^32, the divisor's top bit is set
  constexpr std::uint32_t next_word(const big_unsigned& divisor) {
    // Knuth, The Art of Computer Programming 2, 4.3.1, algorithm D: the estimate is at most two too large.
    const int n = divisor.size_;
    const std::uint64_t top = std::uint64_t((*this)[n]) << 32 | (*this)[n - 1];
    std::uint64_t digit = top / divisor.word_[n - 1];
    if (digit >> 32 != 0) digit = 0xffffffff;
    std::uint64_t product = 0;
    std::int64_t difference = 0;
    for (int i = 0; i <= n; ++i) {
      product += digit * divisor[i];
      difference += std::int64_t((*this)[i]) - std::int64_t(product & 0xffffffff);
      word_[i] = static_cast<std::uint32_t>(difference);
      difference >>= 32;
      product >>= 32;
    }
    for (; difference != 0; --digit) {
      std::uint64_t carry = 0;
      for (int i = 0; i <= n; ++i) {
        carry += std::uint64_t(word_[i]) + divisor[i];
        word_[i] = static_cast<std::uint32_t>(carry);
        carry >>= 32;
      }
      difference += std::int64_t(carry);
    }
    size_ = n + 1;
    trim();
    shift_left(32);
    return static_cast<std::uint32_t>(digit);
  }

 private:
  constexpr void trim() {
    while (size_ > 0 && word_[size_ - 1] == 0) --size_;
  }

  std::uint32_t word_[capacity] = {};
  int size_ = 0;
};

/// x * 2^exponent, and something in (0, 1) units of it if sticky.
constexpr exact leading_bits(bool negative, const big_unsigned& x, int exponent, bool sticky) {
  if (x.is_zero()) return exact_zero(negative);
  const int top = x.size() - 1, zeros = 32 * x.size() - x.bits();
  // Five words from the top hold 128 bits, whatever zeros lead.
  const auto word = [&](int i) { return std::uint64_t(top - i >= 0 ? x[top - i] : 0); };
  const uint128 four{word(0) << 32 | word(1), word(2) << 32 | word(3)};
  uint128 digits = shifted_left(four, zeros);
  digits.low |= word(4) << zeros >> 32;
  sticky = sticky || static_cast<std::uint32_t>(word(4) << zeros) != 0;
  for (int i = top - 5; i >= 0 && !sticky; --i) sticky = x[i] != 0;
  return {.negative = negative,
          .exponent = exponent + x.bits() - 1,
          .significand = digits.high,
          .low = digits.low,
          .sticky = sticky};
}

/// x * 5^fives * 2^exponent, fives of any sign.
constexpr exact scaled(bool negative, big_unsigned x, int fives, int exponent) {
  if (x.is_zero()) return exact_zero(negative);
  if (fives >= 0) {
    x.multiply_power_of_five(fives);
    return leading_bits(negative, x, exponent, false);
  }
  big_unsigned divisor(1);
  divisor.multiply_power_of_five(-fives);
  const int up = 32 * divisor.size() - divisor.bits();
  divisor.shift_left(up);
  exponent += up;
  // As many words on both sides: the quotient is below 2 and above 2^-32, so six words hold 129 bits of it at least.
  const int words = x.size() - divisor.size();
  (words > 0 ? divisor : x).shift_left(32 * (words > 0 ? words : -words));
  exponent += 32 * words;
  big_unsigned quotient;
  for (int i = 0; i < 6; ++i) {
    quotient.shift_left(32);
    quotient.multiply_add(1, x.next_word(divisor));
  }
  return leading_bits(negative, quotient, exponent - 160, !x.is_zero());
}

/// 10^n <= |x|.  @pre x is finite and not zero; -1300 < n < 400
constexpr bool power_of_ten_is_at_most(int n, const unpacked& x) {
  const exact power = scaled(false, big_unsigned(1), n, n);
  if (power.exponent != x.exponent) return power.exponent < x.exponent;
  if (power.significand != x.significand) return power.significand < x.significand;
  return power.low == 0 && !power.sticky;
}
/// floor(log10 |x|).  @pre as power_of_ten_is_at_most()
constexpr int floor_log10(const unpacked& x) {
  int n = (x.exponent * 1233) >> 12;  // one off at most
  while (!power_of_ten_is_at_most(n, x)) --n;
  while (power_of_ten_is_at_most(n + 1, x)) ++n;
  return n;
}

/// The digits of a decimal number as they come, and the exponent of ten of the last one.
///
/// All thresholds of rounding are multiples of 2^-1138 below 2^1024 with 117 bits at most (53 and 64 bits above
/// 2^-1074), which 832 digits write down.  So digits beyond 840 only say whether something nonzero follows: as one more
/// digit 1.
struct decimal_significand {
  static constexpr int most_digits = 840;

  big_unsigned units;
  int digits = 0;             ///< without leading zeros
  std::int64_t exponent = 0;  ///< value = units * 10^exponent
  bool more = false;

  constexpr void append(int digit, bool after_point) {
    if (digits == 0 && digit == 0) {
      exponent -= int(after_point);
    } else if (digits < most_digits) {
      units.multiply_add(10, static_cast<std::uint32_t>(digit));
      ++digits;
      exponent -= int(after_point);
    } else {
      more = more || digit != 0;
      exponent += int(!after_point);
    }
  }

  constexpr exact value(bool negative) {
    if (units.is_zero()) return exact_zero(negative);
    if (more) {
      units.multiply_add(10, 1);
      ++digits;
      --exponent;
      more = false;
    }
    // Beyond 10^400 and below 10^-420 every format and every threshold is left behind.
    const std::int64_t leading = exponent + digits;
    if (leading > 400 || leading < -420)
      return {.negative = negative,
              .exponent = leading > 0 ? 2200 : -2200,
              .significand = std::uint64_t(1) << 63,
              .sticky = true};
    return scaled(negative, units, static_cast<int>(exponent), static_cast<int>(exponent));
  }
};

}  // namespace binade::detail
