#pragma once
// The descriptor of formats whose exponent takes fewer or more bits by its size: posits and takums.

#include <cstdint>
#include <limits>
#include <string_view>

#include "binade/float_format.hpp"

namespace binade {

/// Which string of bits stands for a number.
enum class tapered_kind : std::uint8_t {
  posit,  ///< Standard for Posit Arithmetic (2022); es = 2 there
  takum,  ///< linear takum (Hunhold, arXiv:2404.18603): a value is (1 + fraction) 2^c.  Takum means this one here; the
          ///< logarithmic takum, sqrt(e)^l with the same string of bits for l, is not a format of this library
};

/// A format whose codes are two's complement integers in the order of their values; code 0 is zero, the most negative
/// code is NaR, and -x is the code of x negated.
///
/// A positive value is written as an endless string of bits: for a posit the regime, es exponent bits and the fraction;
/// for a takum direction bit, three regime bits, characteristic and mantissa.  Its code is that string cut after
/// width - 1 bits, and rounding is of the string: to nearest means the nearer *code*, ties to the even code, which is
/// not the nearest value where the cut falls into regime or exponent (that is what both definitions ask for).  Nothing
/// nonzero rounds to zero, and no finite value to NaR: both ends saturate in every rounding mode and overflow rule.
/// An infinity is NaR, but the largest value under `saturate` and `propagate`.
struct tapered_format {
  tapered_kind kind = tapered_kind::posit;
  int width = 8;          ///< bits in a code: 3..32
  int exponent_bits = 2;  ///< es of a posit, 0..4; 0 for takums

  bool operator==(const tapered_format&) const = default;

  static constexpr bool is_signed = true, has_infinity = false, has_zero = true, has_negative_zero = false,
                        sat_none = false, saturates_finite = true;
  BINADE_HD constexpr std::uint64_t zero_code() const { return 0; }
  static constexpr nan_code nan = nan_code::refuse;
  BINADE_HD constexpr bool has_nan() const { return true; }
  BINADE_HD constexpr std::uint64_t canonical_nan() const { return (code_mask() >> 1) + 1; }
  BINADE_HD constexpr std::uint64_t infinity_code() const { return 0; }
  BINADE_HD constexpr std::uint64_t code_mask() const { return ~std::uint64_t(0) >> (64 - width); }
  BINADE_HD constexpr std::uint64_t max_magnitude(bool) const { return code_mask() >> 1; }
  /// Magnitudes below this one are subnormal: there are none.
  BINADE_HD constexpr std::uint64_t subnormals_end() const { return 0; }
  BINADE_HD constexpr std::uint64_t compose(bool negative, std::uint64_t magnitude) const {
    return (negative ? 0 - magnitude : magnitude) & code_mask();
  }
  BINADE_HD constexpr double value_of_code(std::uint64_t code) const;
};

/// Why a descriptor cannot be a format; empty if it can.
constexpr std::string_view defect(const tapered_format& f) {
  if (f.width < 3 || f.width > 32) return "a posit or takum has 3 to 32 bits";
  if (f.kind == tapered_kind::takum && f.exponent_bits != 0) return "a takum has no es";
  if (f.exponent_bits < 0 || f.exponent_bits > 4) return "es of a posit must be 0 to 4";
  return {};
}

/// A posit of 3 to 32 bits; es = 2 in the standard of 2022.  The caller checks defect().
BINADE_HD constexpr tapered_format posit_format(int width, int exponent_bits = 2) {
  return {.width = width, .exponent_bits = exponent_bits};
}
/// A linear takum of 3 to 32 bits.  The caller checks defect().
BINADE_HD constexpr tapered_format takum_format(int width) {
  return {.kind = tapered_kind::takum, .width = width, .exponent_bits = 0};
}

namespace detail {

/// A string of bits, the first at the top; what was put beyond 128 is only known to have been nonzero.
struct bit_string {
  std::uint64_t high = 0, low = 0;
  int length = 0;
  bool sticky = false;

  /// Appends the lowest `count` bits of value, 0..64 of them.
  BINADE_HD constexpr void append(std::uint64_t value, int count) {
    for (int bit = count - 1; bit >= 0; --bit) {
      const std::uint64_t one = value >> bit & 1;
      if (length < 64)
        high |= one << (63 - length);
      else if (length < 128)
        low |= one << (127 - length);
      else
        sticky = sticky || one != 0;
      ++length;
    }
  }
  BINADE_HD constexpr void append_run(std::uint64_t bit, int count) {
    for (int i = 0; i < count; ++i) append(bit, 1);
  }
};

/// floor(x / 2^bits), the bits below being x's own.
BINADE_HD constexpr int shifted_down(int x, int bits) {
  return x >= 0 ? x >> bits : -((-x + (1 << bits) - 1) >> bits);
}
BINADE_HD constexpr int floor_log2(std::uint64_t x) {
  return 63 - leading_zeros(x);
}

/// The string of 2^exponent (1 + fraction), as far as it begins before 128 bits.  fraction: below the leading bit of a
/// significand that has that at the top.  @pre lowest_exponent(f) <= exponent <= highest_exponent(f)
BINADE_HD constexpr bit_string tapered_string(const tapered_format& f, int exponent, std::uint64_t significand) {
  bit_string text;
  switch (f.kind) {
    case tapered_kind::posit: {
      const int regime = shifted_down(exponent, f.exponent_bits);
      text.append_run(regime >= 0 ? 1 : 0, regime >= 0 ? regime + 1 : -regime);
      text.append(regime >= 0 ? 0 : 1, 1);
      text.append(std::uint64_t(exponent - (regime << f.exponent_bits)), f.exponent_bits);
      break;
    }
    case tapered_kind::takum: {
      const bool direction = exponent >= 0;
      const int regime = floor_log2(std::uint64_t(direction ? exponent + 1 : -exponent));
      const int characteristic = direction ? exponent + 1 - (1 << regime) : exponent + (2 << regime) - 1;
      text.append(std::uint64_t(direction), 1);
      text.append(std::uint64_t(direction ? regime : 7 - regime), 3);
      text.append(std::uint64_t(characteristic), regime);
      break;
    }
  }
  text.append(significand, 63);
  return text;
}

/// The exponents between which strings are formed: beyond lie the smallest and the largest value.
BINADE_HD constexpr int highest_exponent(const tapered_format& f) {
  return f.kind == tapered_kind::takum ? 254 : ((f.width - 2) << f.exponent_bits) - 1;
}
BINADE_HD constexpr int lowest_exponent(const tapered_format& f) {
  return f.kind == tapered_kind::takum ? -255 : -((f.width - 2) << f.exponent_bits);
}

/// True if float holds every value: the largest exponents are in range, and 24 bits are enough next to 1.
BINADE_HD constexpr bool fits_float(const tapered_format& f) {
  if (f.kind == tapered_kind::takum) return false;
  return (f.width - 2) << f.exponent_bits <= 126 && f.width - 3 - f.exponent_bits <= 23;
}

}  // namespace detail

/// Value of a code, exact in double; NaR is NaN.
BINADE_HD constexpr double tapered_format::value_of_code(std::uint64_t code) const {
  const bool negative = code > max_magnitude(false);
  const std::uint64_t magnitude = negative ? code_mask() + 1 - code : code;
  if (code == canonical_nan()) return std::numeric_limits<double>::quiet_NaN();
  if (code == 0) return 0;
  // The bits after the sign, at the top; all that a short code leaves out are 0.
  std::uint64_t text = magnitude << (65 - width);
  const auto take = [&text](int count) {
    const std::uint64_t bits = count == 0 ? 0 : text >> (64 - count);
    text = count == 64 ? 0 : text << count;
    return int(bits);
  };
  int exponent = 0;
  switch (kind) {
    case tapered_kind::posit: {
      const bool ones = text >> 63 != 0;
      const int run = ones ? detail::leading_zeros(~text) : detail::leading_zeros(text);
      const int length = run < width - 1 ? run : width - 1;
      take(length);
      take(1);
      exponent = ((ones ? length - 1 : -length) * (1 << exponent_bits)) + take(exponent_bits);
      break;
    }
    case tapered_kind::takum: {
      const bool direction = take(1) != 0;
      const int stored = take(3), regime = direction ? stored : 7 - stored;
      const int characteristic = take(regime);
      // regime is 0..7, which the analyzer of clang-tidy 16 does not see.
      // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
      exponent = direction ? (1 << regime) - 1 + characteristic : 1 - (2 << regime) + characteristic;
      break;
    }
  }
  return detail::exact_double(negative, (std::uint64_t(1) << 63) | (text >> 1), exponent - 63);
}

}  // namespace binade
