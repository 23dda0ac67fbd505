#pragma once
// The operations that IEEE P3109 asks of every implementation (interim report 4.0, 4.5), with its semantics.

#include <cstdint>

#include "binade/arithmetic.hpp"

/// Operations on closed extended reals, each rounded once.  Where the report and IEEE 754 differ:
/// - there is no -0: that of a binary16 or bfloat16 operand counts as 0, and a result that is zero is +0 in every
///   rounding direction;
/// - recip(0) is NaN;
/// - next_greater_than(+Inf), and of a format without infinities that of the largest value, is NaN; so is
///   next_less_than at the other end;
/// - is_sign_minus asks for the value, not for a bit;
/// - minimum_finite and maximum_finite take an infinity only where there is no finite operand.
///
/// binary16, bfloat16 and other formats with a NaN may stand beside P3109's (its external formats, 4.8).
namespace binade::p3109 {

/// A floating-point value.  @pre code < 2^format.width
struct datum {
  float_format format;
  std::uint64_t code;
};

/// Saturation modes.  (4.6)
enum class saturation : std::uint8_t {
  sat_finite,     ///< everything, infinities too, ends at the largest finite value
  sat_propagate,  ///< the same, but infinities stay where the format has them
  sat_none,       ///< beyond the largest finite value is infinity where the format has it and the direction leads there
};

/// Format of the result, and how a real number gets into it (4.6): rounding mode and saturation mode.
struct projection {
  float_format format;
  rounding_mode rounding = rounding_mode::nearest_even;
  saturation saturates = saturation::sat_none;
  int noise_bits = 32;  ///< N of the stochastic modes; 32 for the others
};

namespace detail {

using binade::detail::exact;
using binade::detail::unpacked;

BINADE_HD constexpr element element_of(const projection& p) {
  float_format f = p.format;
  f.sat_none = true;
  return {.format = f,
          .rounding = p.rounding,
          .noise_bits = p.noise_bits,
          .overflow = p.saturates == saturation::sat_finite      ? overflow_rule::saturate
                      : p.saturates == saturation::sat_propagate ? overflow_rule::propagate
                                                                 : overflow_rule::spec};
}
/// Project (4.6).
template <class Number>
BINADE_HD constexpr std::uint64_t project(const projection& p, const Number& x, std::uint32_t noise) {
  const std::uint64_t code = binade::detail::encode_number(element_of(p), x, noise);
  const bool is_negative_zero = p.format.has_negative_zero && code == p.format.sign_bit();
  return is_negative_zero ? 0 : code;
}
BINADE_HD constexpr unpacked decode(const datum& x) {
  return binade::detail::unpack(x.format, x.code);
}
BINADE_HD constexpr bool is_zero(const unpacked& x) {
  return !x.is_nan && !x.is_infinite && x.significand == 0;
}
BINADE_HD constexpr unpacked magnitude(unpacked x) {
  x.negative = false;
  return x;
}
/// x < y; neither is NaN.
BINADE_HD constexpr bool less(const unpacked& x, const unpacked& y) {
  if (is_zero(x) || is_zero(y)) return is_zero(x) ? !is_zero(y) && !y.negative : x.negative;
  if (x.negative != y.negative) return x.negative;
  const unpacked &near = x.negative ? y : x, &far = x.negative ? x : y;
  if (near.is_infinite || far.is_infinite) return !near.is_infinite;
  return binade::detail::is_below(near, far);
}
BINADE_HD constexpr bool equal(const unpacked& x, const unpacked& y) {
  return !less(x, y) && !less(y, x);
}

enum class preference : std::uint8_t { nan, number, finite };  ///< which operand decides alone

BINADE_HD constexpr unpacked extreme(const unpacked& x, const unpacked& y, bool wants_last, bool by_magnitude,
                                     preference prefers) {
  if (x.is_nan || y.is_nan) return x.is_nan == (prefers == preference::nan) ? x : y;
  if (prefers == preference::finite && x.is_infinite != y.is_infinite) return x.is_infinite ? y : x;
  if (by_magnitude && !equal(magnitude(x), magnitude(y))) return less(magnitude(x), magnitude(y)) != wants_last ? x : y;
  return less(x, y) != wants_last ? x : y;
}
BINADE_HD constexpr unpacked product(const datum& scale, const datum& x) {
  const exact p = binade::detail::exact_product(decode(scale), decode(x));
  return {.negative = p.negative,
          .is_nan = p.is_nan,
          .is_infinite = p.is_infinite,
          .exponent = p.exponent,
          .significand = p.significand};
}

}  // namespace detail

// ---- arithmetic (4.10): the exact result, projected once -----------------------------------------------------------

/// @param noise  R of the stochastic modes, below 2^noise_bits; not used by the others.  So in all that follow.
BINADE_HD constexpr std::uint64_t convert(const projection& p, const datum& x, std::uint32_t noise = 0) {
  return detail::project(p, detail::decode(x), noise);
}
/// -x.  (4.10)
BINADE_HD constexpr std::uint64_t negate(const projection& p, const datum& x, std::uint32_t noise = 0) {
  return detail::project(p, binade::detail::negated(detail::decode(x)), noise);
}
/// |x|.  (4.10)
BINADE_HD constexpr std::uint64_t abs(const projection& p, const datum& x, std::uint32_t noise = 0) {
  return detail::project(p, detail::magnitude(detail::decode(x)), noise);
}
/// 1 / x; NaN for x = 0.
BINADE_HD constexpr std::uint64_t recip(const projection& p, const datum& x, std::uint32_t noise = 0) {
  const detail::unpacked number = detail::decode(x), one = binade::detail::normalized(false, 1, 0);
  const bool by_zero = detail::is_zero(number);
  return detail::project(p, by_zero ? binade::detail::exact_nan() : binade::detail::exact_quotient(one, number), noise);
}
/// x + y; NaN of infinities of different signs.  (4.10)
BINADE_HD constexpr std::uint64_t add(const projection& p, const datum& x, const datum& y, std::uint32_t noise = 0) {
  using namespace binade::detail;
  return detail::project(p, exact_sum(exactly(detail::decode(x)), exactly(detail::decode(y)), false), noise);
}
/// x - y; NaN of infinities of one sign.  (4.10)
BINADE_HD constexpr std::uint64_t subtract(const projection& p, const datum& x, const datum& y,
                                           std::uint32_t noise = 0) {
  using namespace binade::detail;
  return detail::project(p, exact_sum(exactly(detail::decode(x)), exactly(negated(detail::decode(y))), false), noise);
}
/// x * y; NaN of 0 and an infinity.  (4.10)
BINADE_HD constexpr std::uint64_t multiply(const projection& p, const datum& x, const datum& y,
                                           std::uint32_t noise = 0) {
  return detail::project(p, binade::detail::exact_product(detail::decode(x), detail::decode(y)), noise);
}
/// x * y + z.
BINADE_HD constexpr std::uint64_t fma(const projection& p, const datum& x, const datum& y, const datum& z,
                                      std::uint32_t noise = 0) {
  using namespace binade::detail;
  const exact xy = exact_product(detail::decode(x), detail::decode(y));
  return detail::project(p, exact_sum(xy, exactly(detail::decode(z)), false), noise);
}
/// x + y + z.
BINADE_HD constexpr std::uint64_t faa(const projection& p, const datum& x, const datum& y, const datum& z,
                                      std::uint32_t noise = 0) {
  using namespace binade::detail;
  return detail::project(
      p, exact_sum3(exactly(detail::decode(x)), exactly(detail::decode(y)), exactly(detail::decode(z)), false), noise);
}

// ---- scaled operations (5.5): operands are s x ---------------------------------------------------------------------
// @pre significands of scale and element have 53 bits together, as with the report's scale format Binary8p1uf.

/// (sx x) + (sy y), projected once.
BINADE_HD constexpr std::uint64_t scaled_add(const projection& p, const datum& sx, const datum& x, const datum& sy,
                                             const datum& y, std::uint32_t noise = 0) {
  using namespace binade::detail;
  return detail::project(p, exact_sum(exactly(detail::product(sx, x)), exactly(detail::product(sy, y)), false), noise);
}
/// (sx x) - (sy y), projected once.
BINADE_HD constexpr std::uint64_t scaled_subtract(const projection& p, const datum& sx, const datum& x, const datum& sy,
                                                  const datum& y, std::uint32_t noise = 0) {
  using namespace binade::detail;
  return detail::project(p, exact_sum(exactly(detail::product(sx, x)), exactly(negated(detail::product(sy, y))), false),
                         noise);
}
/// (sx x) * (sy y), projected once.
BINADE_HD constexpr std::uint64_t scaled_multiply(const projection& p, const datum& sx, const datum& x, const datum& sy,
                                                  const datum& y, std::uint32_t noise = 0) {
  return detail::project(p, binade::detail::exact_product(detail::product(sx, x), detail::product(sy, y)), noise);
}

// ---- extrema (4.11) ------------------------------------------------------------------------------------------------
// By value, or by magnitude and then by value.  NaN wins, but in the _number and _finite variants.

/// The lesser of x and y; NaN where one is.
BINADE_HD constexpr std::uint64_t minimum(const projection& p, const datum& x, const datum& y) {
  return detail::project(
      p, detail::extreme(detail::decode(x), detail::decode(y), false, false, detail::preference::nan), 0);
}
/// The greater of x and y; NaN where one is.
BINADE_HD constexpr std::uint64_t maximum(const projection& p, const datum& x, const datum& y) {
  return detail::project(p, detail::extreme(detail::decode(x), detail::decode(y), true, false, detail::preference::nan),
                         0);
}
/// The lesser of x and y; the number where one is NaN.
BINADE_HD constexpr std::uint64_t minimum_number(const projection& p, const datum& x, const datum& y) {
  return detail::project(
      p, detail::extreme(detail::decode(x), detail::decode(y), false, false, detail::preference::number), 0);
}
/// The greater of x and y; the number where one is NaN.
BINADE_HD constexpr std::uint64_t maximum_number(const projection& p, const datum& x, const datum& y) {
  return detail::project(
      p, detail::extreme(detail::decode(x), detail::decode(y), true, false, detail::preference::number), 0);
}
/// The one of lesser magnitude, minimum() where these are equal.
BINADE_HD constexpr std::uint64_t minimum_magnitude(const projection& p, const datum& x, const datum& y) {
  return detail::project(p, detail::extreme(detail::decode(x), detail::decode(y), false, true, detail::preference::nan),
                         0);
}
/// The one of greater magnitude, maximum() where these are equal.
BINADE_HD constexpr std::uint64_t maximum_magnitude(const projection& p, const datum& x, const datum& y) {
  return detail::project(p, detail::extreme(detail::decode(x), detail::decode(y), true, true, detail::preference::nan),
                         0);
}
/// minimum_magnitude(); the number where one is NaN.
BINADE_HD constexpr std::uint64_t minimum_magnitude_number(const projection& p, const datum& x, const datum& y) {
  return detail::project(
      p, detail::extreme(detail::decode(x), detail::decode(y), false, true, detail::preference::number), 0);
}
/// maximum_magnitude(); the number where one is NaN.
BINADE_HD constexpr std::uint64_t maximum_magnitude_number(const projection& p, const datum& x, const datum& y) {
  return detail::project(
      p, detail::extreme(detail::decode(x), detail::decode(y), true, true, detail::preference::number), 0);
}
/// The lesser of x and y, a finite one before an infinity, a number before NaN.
BINADE_HD constexpr std::uint64_t minimum_finite(const projection& p, const datum& x, const datum& y) {
  return detail::project(
      p, detail::extreme(detail::decode(x), detail::decode(y), false, false, detail::preference::finite), 0);
}
/// The greater of x and y, a finite one before an infinity, a number before NaN.
BINADE_HD constexpr std::uint64_t maximum_finite(const projection& p, const datum& x, const datum& y) {
  return detail::project(
      p, detail::extreme(detail::decode(x), detail::decode(y), true, false, detail::preference::finite), 0);
}

// ---- comparison (4.12): false where an operand is NaN --------------------------------------------------------------

/// x < y.
BINADE_HD constexpr bool compare_less(const datum& x, const datum& y) {
  const detail::unpacked a = detail::decode(x), b = detail::decode(y);
  return !a.is_nan && !b.is_nan && detail::less(a, b);
}
/// x <= y.
BINADE_HD constexpr bool compare_less_equal(const datum& x, const datum& y) {
  const detail::unpacked a = detail::decode(x), b = detail::decode(y);
  return !a.is_nan && !b.is_nan && !detail::less(b, a);
}
/// x = y.
BINADE_HD constexpr bool compare_equal(const datum& x, const datum& y) {
  return compare_less_equal(x, y) && compare_less_equal(y, x);
}
/// x > y.
BINADE_HD constexpr bool compare_greater(const datum& x, const datum& y) {
  return compare_less(y, x);
}
/// x >= y.
BINADE_HD constexpr bool compare_greater_equal(const datum& x, const datum& y) {
  return compare_less_equal(y, x);
}

// ---- classification (4.13) -----------------------------------------------------------------------------------------

/// x = 0.
BINADE_HD constexpr bool is_zero(const datum& x) {
  return detail::is_zero(detail::decode(x));
}
/// x = 1.
BINADE_HD constexpr bool is_one(const datum& x) {
  const detail::unpacked number = detail::decode(x);
  return !number.is_nan && detail::equal(number, binade::detail::normalized(false, 1, 0));
}
/// x is NaN.
BINADE_HD constexpr bool is_nan(const datum& x) {
  return detail::decode(x).is_nan;
}
/// x is an infinity.
BINADE_HD constexpr bool is_infinite(const datum& x) {
  return detail::decode(x).is_infinite;
}
/// x is a real number.
BINADE_HD constexpr bool is_finite(const datum& x) {
  return !is_nan(x) && !is_infinite(x);
}
/// x < 0.
BINADE_HD constexpr bool is_sign_minus(const datum& x) {
  const detail::unpacked number = detail::decode(x);
  return !number.is_nan && !detail::is_zero(number) && number.negative;
}
/// x is not zero, and below the smallest normal number in magnitude.
BINADE_HD constexpr bool is_subnormal(const datum& x) {
  return is_finite(x) && !is_zero(x) && (x.code & x.format.magnitude_mask()) < x.format.subnormals_end();
}
/// x is finite, and neither zero nor subnormal.
BINADE_HD constexpr bool is_normal(const datum& x) {
  return is_finite(x) && !is_zero(x) && !is_subnormal(x);
}

// ---- formats (4.14); values are codes ------------------------------------------------------------------------------

/// K: bits of a code.
BINADE_HD constexpr int bitwidth_of(const float_format& f) {
  return f.width;
}
/// P: bits of the significand, the leading one included.
BINADE_HD constexpr int precision_of(const float_format& f) {
  return f.precision;
}
/// True: Signed.
BINADE_HD constexpr bool signedness_of(const float_format& f) {
  return f.is_signed;
}
/// True: Extended.
BINADE_HD constexpr bool domain_of(const float_format& f) {
  return f.has_infinity;
}
/// W: bits of the exponent field.
BINADE_HD constexpr int exponent_bitwidth_of(const float_format& f) {
  return f.width - f.precision + int(!f.is_signed);
}
/// P - 1.
BINADE_HD constexpr int trailing_significand_bitwidth_of(const float_format& f) {
  return f.trailing_bits();
}
/// B.
BINADE_HD constexpr int exponent_bias_of(const float_format& f) {
  return f.bias;
}
/// The largest finite value.
BINADE_HD constexpr std::uint64_t max_finite_of(const float_format& f) {
  return f.max_finite_code();
}
/// The largest finite value negated; 0 of an unsigned format.
BINADE_HD constexpr std::uint64_t min_finite_of(const float_format& f) {
  return f.is_signed ? f.sign_bit() | f.max_finite_code() : 0;
}
/// The smallest positive value, subnormal or not.
BINADE_HD constexpr std::uint64_t min_positive_of(const float_format& f) {
  return f.smallest_positive_code();
}
/// The smallest normal value.
BINADE_HD constexpr std::uint64_t min_normal_of(const float_format& f) {
  return f.leading();
}
/// NaN where no value is subnormal.
BINADE_HD constexpr std::uint64_t max_subnormal_of(const float_format& f) {
  return f.precision > 1 ? f.leading() - 1 : f.canonical_nan();
}

// ---- neighbours (4.16) ---------------------------------------------------------------------------------------------

/// The least value that compares greater than x; NaN where there is none.
BINADE_HD constexpr std::uint64_t next_greater_than(const datum& x) {
  const float_format& f = x.format;
  const std::uint64_t top = f.max_finite_code() + std::uint64_t(f.has_infinity);
  if (is_nan(x) || x.code == top) return f.canonical_nan();
  if (!is_sign_minus(x)) return (x.code & f.magnitude_mask()) + 1;
  return x.code - 1 == f.sign_bit() ? 0 : x.code - 1;
}
/// The greatest value that compares less than x; NaN where there is none.
BINADE_HD constexpr std::uint64_t next_less_than(const datum& x) {
  const float_format& f = x.format;
  const std::uint64_t top = f.max_finite_code() + std::uint64_t(f.has_infinity);
  if (is_nan(x) || (f.is_signed && x.code == (f.sign_bit() | top))) return f.canonical_nan();
  if (is_sign_minus(x)) return x.code + 1;
  if (!is_zero(x)) return x.code - 1;
  return f.is_signed ? f.sign_bit() | 1 : f.canonical_nan();
}

}  // namespace binade::p3109
