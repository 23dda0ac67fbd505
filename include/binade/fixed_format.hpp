#pragma once
// The descriptor of integer and fixed-point formats.

#include <cstdint>
#include <string_view>

#include "binade/float_format.hpp"

namespace binade {

/// Two's complement (or unsigned) integers times 2^-fraction_bits: value = code * 2^-fraction_bits.
///
/// A symmetric format leaves its most negative code out: nothing is rounded to it, and the range is [-max, max] (the
/// narrow range of integer quantization; OCP MX 1.0 permits the same for MXINT8).  decode() still knows its value.
/// No infinities, no NaN, no -0.  Structural, as float_format.
struct fixed_format {
  int width = 8;          ///< bits in a code, sign included: 2..32
  int fraction_bits = 0;  ///< -64..64
  bool is_signed = true;
  bool is_symmetric = true;         ///< of signed formats; false for unsigned ones
  nan_code nan = nan_code::refuse;  ///< of an encoded NaN: there is no code for it

  bool operator==(const fixed_format&) const = default;

  static constexpr bool has_infinity = false, has_zero = true, has_negative_zero = false, sat_none = false,
                        saturates_finite = false;
  BINADE_HD constexpr std::uint64_t zero_code() const { return 0; }
  BINADE_HD constexpr bool has_nan() const { return false; }
  BINADE_HD constexpr std::uint64_t canonical_nan() const { return 0; }
  BINADE_HD constexpr std::uint64_t infinity_code() const { return 0; }
  BINADE_HD constexpr std::uint64_t code_mask() const { return ~std::uint64_t(0) >> (64 - width); }
  /// Largest |code| of a sign.
  BINADE_HD constexpr std::uint64_t max_magnitude(bool negative) const {
    if (!is_signed) return negative ? 0 : code_mask();
    return (code_mask() >> 1) + std::uint64_t(negative && !is_symmetric);
  }
  /// Magnitudes below this one are subnormal: there are none.
  BINADE_HD constexpr std::uint64_t subnormals_end() const { return 0; }
  BINADE_HD constexpr std::uint64_t compose(bool negative, std::uint64_t magnitude) const {
    return (negative ? 0 - magnitude : magnitude) & code_mask();
  }
  BINADE_HD constexpr double value_of_code(std::uint64_t code) const {
    const bool negative = is_signed && code > code_mask() >> 1;
    return detail::exact_double(negative, negative ? code_mask() + 1 - code : code, -fraction_bits);
  }
};

/// Why a descriptor cannot be a format; empty if it can.
constexpr std::string_view defect(const fixed_format& f) {
  if (f.width < 2 || f.width > 32) return "an integer or fixed-point format has 2 to 32 bits";
  if (f.fraction_bits < -64 || f.fraction_bits > 64) return "the fraction bits must be -64 to 64";
  if (!f.is_signed && f.is_symmetric) return "only a signed format can be symmetric";
  return {};
}

/// Integers of 2 to 32 bits, -max to max; not symmetric: two's complement's whole range.  The caller checks defect().
BINADE_HD constexpr fixed_format int_format(int width, bool is_symmetric = true) {
  return {.width = width, .is_symmetric = is_symmetric};
}
/// Integers from 0 to 2^width - 1.  The caller checks defect().
BINADE_HD constexpr fixed_format uint_format(int width) {
  return {.width = width, .is_signed = false, .is_symmetric = false};
}

}  // namespace binade
