#pragma once
// The descriptor of a floating-point format, what follows from it, and the families it comes in.

#include <bit>
#include <cstdint>
#include <limits>
#include <string_view>

#include "binade/config.hpp"

namespace binade {

/// What a NaN becomes when it is encoded in a format that has no code for it.
enum class nan_code : std::uint8_t {
  refuse,         ///< an error that counts them
  max,            ///< the largest finite value, positive (what CUDA's FP4 and FP6 conversions do)
  zero,           ///< code 0
  opposite_zero,  ///< -0 for a positive NaN, +0 for a negative one (what ml_dtypes does)
};

namespace detail {

/// significand * 2^exponent.  @pre the result is exactly a binary64 value
BINADE_HD constexpr double exact_double(bool negative, std::uint64_t significand, int exponent) {
  std::uint64_t bits = 0;
  if (significand != 0) {
    const int zeros = leading_zeros(significand), leading = 63 - zeros + exponent;
    // The mask changes no exact result: it keeps clang-tidy's analyzer, which knows no precondition, from a false
    // alarm.
    bits = leading >= -1022 ? (std::uint64_t(leading + 1023) << 52) | ((significand << zeros << 1) >> 12)
                            : significand << ((exponent + 1074) & 63);
  }
  return std::bit_cast<double>(bits | (std::uint64_t(negative) << 63));
}

/// significand * 2^exponent rounded once, to nearest even: exact but beyond the ends of binary64, infinity from 2^1024
/// on.  @pre significand < 2^53
BINADE_HD constexpr double nearest_double(std::uint64_t significand, int exponent) {
  if (significand == 0) return 0;
  const int leading = 63 - leading_zeros(significand) + exponent, dropped = -1074 - exponent;
  if (leading > 1023) return std::numeric_limits<double>::infinity();
  if (leading >= -1022 || dropped <= 0) return exact_double(false, significand, exponent);
  if (dropped > 53) return 0;  // below half of the smallest number
  const std::uint64_t kept = significand >> dropped, tail = significand << (64 - dropped),
                      half = std::uint64_t(1) << 63;
  return exact_double(false, kept + std::uint64_t(tail > half || (tail == half && kept % 2 == 1)), -1074);
}

/// floor(log2 x).  @pre x is positive and finite
BINADE_HD constexpr int floor_log2_of(double x) {
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  return bits >> 52 != 0 ? int(bits >> 52) - 1023 : -1011 - leading_zeros(bits);
}

}  // namespace detail

/// A binary floating-point format whose codes are sign, exponent field, trailing significand field, from the top bit
/// down.  It counts what is special instead of naming cases, so one arithmetic covers IEEE 754, OFP8, MX, FNUZ and
/// P3109.  Structural: a template argument in kernels, a plain value in a sweep.
///
/// The *magnitude* is the code without its sign bit.  From the top of the magnitudes down: high_nans NaN codes, one
/// infinity if there is one, then the finite values in descending order.  defect() says what is possible.
struct float_format {
  int width;      ///< bits in a code, sign included: 1..64
  int precision;  ///< significand bits, leading bit included: 1..53
  int bias;       ///< value exponent = exponent field - bias
  bool is_signed = true;
  bool has_infinity = false;        ///< one code per sign, just below the NaNs
  std::uint64_t high_nans = 0;      ///< NaN codes at the top of each sign's range
  bool has_negative_zero = true;    ///< false: the code of -0 is NaN (FNUZ, P3109); unsigned formats: false
  bool has_subnormals = true;       ///< false: exponent field 0 is a normal binade, code 0 excepted if has_zero
  bool has_zero = true;             ///< false: code 0 is the smallest power of two (E8M0)
  nan_code nan = nan_code::refuse;  ///< choose only where there is no NaN code
  bool sat_none = false;            ///< the overflow rule `spec` is P3109's SatNone (4.0, projection)

  bool operator==(const float_format&) const = default;

  static constexpr bool saturates_finite = false;  ///< true: no finite value overflows, whatever the rule
  BINADE_HD constexpr std::uint64_t zero_code() const { return 0; }

  BINADE_HD constexpr int trailing_bits() const { return precision - 1; }
  BINADE_HD constexpr int magnitude_bits() const { return width - int(is_signed); }
  BINADE_HD constexpr int exponent_bits() const { return magnitude_bits() - trailing_bits(); }
  /// Codes below this one have exponent field 0.
  BINADE_HD constexpr std::uint64_t leading() const { return std::uint64_t(1) << trailing_bits(); }
  BINADE_HD constexpr std::uint64_t magnitude_mask() const { return ~std::uint64_t(0) >> (64 - magnitude_bits()); }
  /// The bit that makes a magnitude negative; 0 in unsigned formats.
  BINADE_HD constexpr std::uint64_t sign_bit() const { return is_signed ? magnitude_mask() + 1 : 0; }
  BINADE_HD constexpr std::uint64_t code_mask() const { return ~std::uint64_t(0) >> (64 - width); }
  BINADE_HD constexpr std::uint64_t max_finite_code() const {
    return magnitude_mask() - high_nans - std::uint64_t(has_infinity);
  }
  BINADE_HD constexpr std::uint64_t max_magnitude(bool) const { return max_finite_code(); }
  /// Magnitudes below this one are subnormal (or zero); 0 where there are none.
  BINADE_HD constexpr std::uint64_t subnormals_end() const { return has_subnormals ? leading() : 0; }
  BINADE_HD constexpr std::uint64_t compose(bool negative, std::uint64_t magnitude) const {
    return (negative ? sign_bit() : 0) | magnitude;
  }
  /// @pre has_infinity
  BINADE_HD constexpr std::uint64_t infinity_code() const { return max_finite_code() + 1; }
  BINADE_HD constexpr bool has_nan() const { return high_nans != 0 || (is_signed && !has_negative_zero); }
  /// The NaN that an operation delivers: positive, and quiet where the NaNs are IEEE 754's (the middle one of
  /// 2^trailing_bits - 1 is the first whose top trailing bit is set); the -0 code where that is the NaN.  @pre
  /// has_nan()
  BINADE_HD constexpr std::uint64_t canonical_nan() const {
    return high_nans != 0 ? magnitude_mask() - high_nans + 1 + high_nans / 2 : sign_bit();
  }
  BINADE_HD constexpr bool refuses_nan() const { return !has_nan() && nan == nan_code::refuse; }
  BINADE_HD constexpr std::uint64_t smallest_positive_code() const { return has_zero ? 1 : 0; }

  /// Exponent of the smallest binade: values there are multiples of 2^(min_exponent() - trailing_bits()).
  BINADE_HD constexpr int min_exponent() const { return int(has_subnormals) - bias; }
  /// floor(log2(largest finite value)); what MX calls emax.
  BINADE_HD constexpr int max_exponent() const {
    const std::uint64_t code = max_finite_code(), field = code >> trailing_bits();
    if (field == 0 && has_subnormals) return min_exponent() - trailing_bits() + 63 - detail::leading_zeros(code);
    return int(field) - bias;
  }
  /// Value of a finite magnitude: exact where fits_double(), else rounded once.  @pre magnitude <= max_finite_code()
  BINADE_HD constexpr double value(std::uint64_t magnitude) const {
    if (magnitude == 0 && has_zero) return 0;
    const int field = int(magnitude >> trailing_bits());
    const bool subnormal = field == 0 && has_subnormals;
    const std::uint64_t significand = (magnitude & (leading() - 1)) | (subnormal ? 0 : leading());
    return detail::nearest_double(significand, field + int(subnormal) - bias - trailing_bits());
  }
  /// Value of a code, as value().  NaN for every NaN code (the positive quiet one), infinities as they are.
  BINADE_HD constexpr double value_of_code(std::uint64_t code) const {
    const std::uint64_t magnitude = code & magnitude_mask();
    const bool negative = code != magnitude;
    const bool nan_zero = negative && magnitude == 0 && !has_negative_zero;
    if (nan_zero || magnitude > max_finite_code() + std::uint64_t(has_infinity))
      return std::numeric_limits<double>::quiet_NaN();
    const double v = magnitude > max_finite_code() ? std::numeric_limits<double>::infinity() : value(magnitude);
    return negative ? -v : v;
  }
  BINADE_HD constexpr double max_finite() const { return value(max_finite_code()); }
  /// Smallest value with a full significand: 2^min_exponent(), except that dropping the subnormals of a format with
  /// a zero puts the zero on that power of two.  A format whose exponent field 1 is special has no such value.
  BINADE_HD constexpr double min_normal() const {
    return has_subnormals ? detail::nearest_double(1, min_exponent()) : value(smallest_positive_code());
  }
  BINADE_HD constexpr double smallest_positive() const { return value(smallest_positive_code()); }
  /// Distinct finite real numbers; +0 and -0 are one.
  BINADE_HD constexpr std::uint64_t finite_count() const {
    return is_signed ? 2 * max_finite_code() + 1 : max_finite_code() + 1;
  }
  /// True if float (binary32) holds every finite value exactly.
  BINADE_HD constexpr bool fits_float() const {
    const int quantum = min_exponent() - trailing_bits();
    return precision <= 24 && max_exponent() <= 127 && quantum >= -149;
  }
  /// True if double (binary64) does.  Codes are exact all the same: no conversion between codes goes through double.
  BINADE_HD constexpr bool fits_double() const {
    return max_exponent() <= 1023 && min_exponent() - trailing_bits() >= -1074;
  }
};

/// The bias of a format, and the exponent field of a finite value, are this at most: exponents of values, and of
/// products of a few of them, are far from the ends of int.  binary16p1ue has the largest field of P3109: 65533.
inline constexpr int widest_exponent = 65536;

/// Why a descriptor cannot be a format; empty if it can.
constexpr std::string_view defect(const float_format& f) {
  if (f.width < 1 || f.width > 64) return "the width must be 1 to 64 bits";
  if (f.magnitude_bits() < 1) return "beside the sign there is no bit left";
  if (f.precision < 1 || f.precision > 53) return "the precision must be 1 to 53 bits, as binary64 has them";
  if (f.exponent_bits() < 1)
    return "no bit is left for the exponent: use fewer trailing significand bits or more width";
  if (f.bias < -widest_exponent || f.bias > widest_exponent) return "the bias must be -65536 to 65536";
  if (!f.is_signed && f.has_negative_zero) return "an unsigned format has no negative zero";
  if (!f.has_zero && (f.is_signed || f.has_subnormals))
    return "a format without zero is unsigned and has no subnormals";
  const std::uint64_t codes = f.magnitude_mask();  // one less than there are
  if (f.high_nans >= codes || codes - f.high_nans <= std::uint64_t(f.has_infinity))
    return "no nonzero finite value is left: the special codes take them all";
  if (f.has_nan() && f.nan != nan_code::refuse) return "a choice for NaN is only for formats without a NaN code";
  if (f.nan == nan_code::opposite_zero && !f.has_negative_zero)
    return "the choice of the opposite zero for NaN needs a format with a negative zero";
  if (f.sat_none && !f.has_nan()) return "P3109 formats have a NaN";
  if (f.max_finite_code() >> f.trailing_bits() >= widest_exponent)
    return "the exponent field of a finite value must be below 65536";
  if (f.max_finite_code() >> 63 != 0) return "the code of a finite value must be below 2^63";
  return {};
}

// ---- families ------------------------------------------------------------------------------------------------------
// Each takes exponent and trailing significand bits; the caller checks defect().

/// 2^(exponent_bits - 1) - 1 (IEEE 754-2019, 3.3); 1 for a single exponent bit, as FP4 E1M2 is used.
BINADE_HD constexpr int ieee_bias(int exponent_bits) {
  return exponent_bits == 1 ? 1 : int((std::int64_t(1) << (exponent_bits - 1)) - 1);
}
/// All-ones exponent is reserved: infinity, then NaNs.  (IEEE 754-2019, 3.4)
BINADE_HD constexpr float_format ieee_format(int exponent_bits, int trailing_bits, int bias) {
  return {.width = 1 + exponent_bits + trailing_bits,
          .precision = trailing_bits + 1,
          .bias = bias,
          .has_infinity = true,
          .high_nans = (std::uint64_t(1) << trailing_bits) - 1};
}
BINADE_HD constexpr float_format ieee_format(int exponent_bits, int trailing_bits) {
  return ieee_format(exponent_bits, trailing_bits, ieee_bias(exponent_bits));
}
/// No infinity; the all-ones code of either sign is NaN.  (OCP OFP8 1.0, E4M3)
BINADE_HD constexpr float_format fn_format(int exponent_bits, int trailing_bits, int bias) {
  return {.width = 1 + exponent_bits + trailing_bits, .precision = trailing_bits + 1, .bias = bias, .high_nans = 1};
}
BINADE_HD constexpr float_format fn_format(int exponent_bits, int trailing_bits) {
  return fn_format(exponent_bits, trailing_bits, ieee_bias(exponent_bits));
}
/// No infinity, no -0; the code of -0 is the only NaN.  The customary bias is one more than IEEE 754's.
BINADE_HD constexpr float_format fnuz_format(int exponent_bits, int trailing_bits, int bias) {
  return {.width = 1 + exponent_bits + trailing_bits,
          .precision = trailing_bits + 1,
          .bias = bias,
          .has_negative_zero = false};
}
BINADE_HD constexpr float_format fnuz_format(int exponent_bits, int trailing_bits) {
  return fnuz_format(exponent_bits, trailing_bits, int(std::int64_t(1) << (exponent_bits - 1)));
}
/// No infinity, no NaN: every code is a finite value.  (OCP MX 1.0, FP6 and FP4)
BINADE_HD constexpr float_format finite_format(int exponent_bits, int trailing_bits, int bias) {
  return {.width = 1 + exponent_bits + trailing_bits, .precision = trailing_bits + 1, .bias = bias};
}
BINADE_HD constexpr float_format finite_format(int exponent_bits, int trailing_bits) {
  return finite_format(exponent_bits, trailing_bits, ieee_bias(exponent_bits));
}
/// Powers of two only: unsigned, no zero, the all-ones code is NaN.  (OCP MX 1.0, E8M0)
BINADE_HD constexpr float_format power_format(int exponent_bits, int bias) {
  return {.width = exponent_bits,
          .precision = 1,
          .bias = bias,
          .is_signed = false,
          .high_nans = 1,
          .has_negative_zero = false,
          .has_subnormals = false,
          .has_zero = false};
}
/// The same values without the negative ones.
BINADE_HD constexpr float_format unsigned_format(float_format f) {
  f.width -= int(f.is_signed);
  f.is_signed = f.has_negative_zero = false;
  return f;
}
/// BinaryKpP{s|u}{e|f}.  (IEEE P3109 interim report 4.0)
///
/// One NaN: the -0 code of a signed format, the all-ones code of an unsigned one.  No -0.
/// @pre 0 < precision < width, or = width if unsigned; the caller checks defect()
BINADE_HD constexpr float_format p3109_format(int width, int precision, bool is_signed, bool is_extended) {
  return {.width = width,
          .precision = precision,
          .bias = int(std::int64_t(1) << (width - precision - int(is_signed))),
          .is_signed = is_signed,
          .has_infinity = is_extended,
          .high_nans = is_signed ? 0u : 1u,
          .has_negative_zero = false,
          .sat_none = true};
}

}  // namespace binade
