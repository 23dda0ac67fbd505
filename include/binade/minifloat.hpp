#pragma once
// A number type for each format: a code, typed.  All arithmetic is that of arithmetic.hpp.

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <stdexcept>
#include <type_traits>

#include "binade/arithmetic.hpp"
#include "binade/decimal.hpp"

namespace binade {

/// How results get into F: an element without its format.
template <float_format F>
struct policies {
  rounding_mode rounding = rounding_mode::nearest_even;
  int noise_bits = 32;
  overflow_rule overflow = default_overflow(F);
  subnormal_rule subnormals = subnormal_rule::gradual;

  BINADE_HD constexpr element on() const {
    return {
        .format = F, .rounding = rounding, .noise_bits = noise_bits, .overflow = overflow, .subnormals = subnormals};
  }
};

namespace detail {

[[noreturn]] inline void refuse_nan() {
  throw std::domain_error(
      "minifloat: NaN was given, or is the result of an invalid operation, and the format has no code for it; use a "
      "format with a NaN, or set its member nan to nan_code::max or nan_code::zero");
}

template <int Width>
using smallest_unsigned = std::conditional_t<
    Width <= 8, std::uint8_t,
    std::conditional_t<Width <= 16, std::uint16_t, std::conditional_t<Width <= 32, std::uint32_t, std::uint64_t>>>;

/// The code of a result.  A NaN that the format refuses: std::domain_error on the host, code 0 on the device.
template <float_format F>
BINADE_HD constexpr std::uint64_t accepted(const rounded& r) {
#if !defined(__CUDA_ARCH__)
  if constexpr (F.refuses_nan()) {
    if (r.kind == result_kind::nan) refuse_nan();
  }
#endif
  return code_of(F, r);
}

/// x before y where the codes of both signs stand in the order of their sign and magnitude: -0 before +0.
BINADE_HD constexpr bool precedes(const float_format& f, std::uint64_t x, std::uint64_t y) {
  const std::uint64_t x_magnitude = x & f.magnitude_mask(), y_magnitude = y & f.magnitude_mask();
  const bool x_negative = x != x_magnitude, y_negative = y != y_magnitude;
  if (x_negative != y_negative) return x_negative;
  return x_negative ? x_magnitude > y_magnitude : x_magnitude < y_magnitude;
}

}  // namespace detail

/// A number of format F.  Conversions are explicit, and operators are between equal formats, so that no rounding hides:
/// each rounds once, to nearest with ties to the even code, under default_overflow(F).  Functions with policies take
/// other choices, and functions named *_to<R> operands and results of several formats.
///
/// NaN in a format without a code for it: what F.nan says; where that is `refuse`, std::domain_error (no constant
/// expression; code 0 on the device).  All else as in arithmetic.hpp.
/// numeric_limits and hash are specialized, literals.hpp and charconv.hpp write and read numbers.
/// Trivially copyable, as large as its code, uninitialized by default as float is.
template <float_format F>
struct minifloat {
  static_assert(defect(F).empty(), "F cannot be a format: binade::defect(F) says why");
  using code_type = detail::smallest_unsigned<F.width>;
  static constexpr float_format format = F;

  code_type code;

  minifloat() = default;

  /// x rounded once.
  template <class T>
    requires detail::binary_float<T> || integer<T>
  BINADE_HD explicit constexpr minifloat(T x, const policies<F>& how = {}, std::uint32_t noise = 0)
      : code(static_cast<code_type>(
            detail::accepted<F>(detail::round_unpacked(F, how.on(), detail::unpack(x), noise)))) {}

  /// x of another format rounded once.
  template <float_format G>
    requires(G != F)
  BINADE_HD explicit constexpr minifloat(minifloat<G> x, const policies<F>& how = {}, std::uint32_t noise = 0)
      : code(static_cast<code_type>(
            detail::accepted<F>(detail::round_unpacked(F, how.on(), detail::unpack(G, x.code), noise)))) {}

  /// @pre code < 2^F.width
  BINADE_HD static constexpr minifloat from_code(std::uint64_t code) {
    minifloat x;
    x.code = static_cast<code_type>(code);
    return x;
  }

  /// Exact.
  BINADE_HD explicit constexpr operator double() const { return decode(F, code); }
  /// Exact where F.fits_float(), else correctly rounded.
  BINADE_HD explicit constexpr operator float() const { return decode<float>(F, code); }
  /// Toward zero; to_integer() says what is beyond the range, and rounds otherwise.
  template <integer T>
  BINADE_HD explicit constexpr operator T() const {
    return to_integer<T>(as_operand());
  }

  BINADE_HD constexpr operand as_operand() const { return {F, code}; }

  /// As IEEE 754 compares: -0 equals +0, NaN is unordered and equals nothing.
  BINADE_HD friend constexpr bool operator==(minifloat x, minifloat y) {
    return !is_nan(x) && !is_nan(y) && (x.code == y.code || (is_zero(x) && is_zero(y)));
  }
  BINADE_HD friend constexpr std::partial_ordering operator<=>(minifloat x, minifloat y) {
    // Copies: the device has no address of the standard library's constants.
    constexpr std::partial_ordering less = std::partial_ordering::less, greater = std::partial_ordering::greater,
                                    equal = std::partial_ordering::equivalent,
                                    unordered = std::partial_ordering::unordered;
    if (is_nan(x) || is_nan(y)) return unordered;
    if (x == y) return equal;
    return detail::precedes(F, x.code, y.code) ? less : greater;
  }

  BINADE_HD friend constexpr minifloat operator+(minifloat x, minifloat y) { return add(x, y); }
  BINADE_HD friend constexpr minifloat operator-(minifloat x, minifloat y) { return subtract(x, y); }
  BINADE_HD friend constexpr minifloat operator*(minifloat x, minifloat y) { return multiply(x, y); }
  BINADE_HD friend constexpr minifloat operator/(minifloat x, minifloat y) { return divide(x, y); }
  BINADE_HD constexpr minifloat& operator+=(minifloat y) { return *this = *this + y; }
  BINADE_HD constexpr minifloat& operator-=(minifloat y) { return *this = *this - y; }
  BINADE_HD constexpr minifloat& operator*=(minifloat y) { return *this = *this * y; }
  BINADE_HD constexpr minifloat& operator/=(minifloat y) { return *this = *this / y; }

  BINADE_HD friend constexpr minifloat operator+(minifloat x) { return x; }
  /// The sign bit turned; a zero or NaN without sign stays.  In an unsigned format what encode() makes of -x.
  BINADE_HD friend constexpr minifloat operator-(minifloat x) {
    if constexpr (F.is_signed)
      return (x.code & F.magnitude_mask()) == 0 && !F.has_negative_zero ? x : from_code(x.code ^ F.sign_bit());
    else
      return from_code(
          detail::accepted<F>(detail::round_unpacked(F, element{F}, detail::negated(detail::unpack(F, x.code)), 0)));
  }
};

// ---- classification (IEEE 754-2019, 5.7.2) -------------------------------------------------------------------------

template <float_format F>
BINADE_HD constexpr std::uint64_t magnitude_code(minifloat<F> x) {
  return x.code & F.magnitude_mask();
}
/// The sign bit, of zeros and NaNs too; false for the NaN of a format without -0, which has no sign.
template <float_format F>
BINADE_HD constexpr bool sign_bit(minifloat<F> x) {
  return (x.code & F.sign_bit()) != 0 && (F.has_negative_zero || magnitude_code(x) != 0);
}
template <float_format F>
BINADE_HD constexpr bool is_nan(minifloat<F> x) {
  return magnitude_code(x) > F.max_finite_code() + std::uint64_t(F.has_infinity) ||
         (F.is_signed && !F.has_negative_zero && x.code == F.sign_bit());
}
template <float_format F>
BINADE_HD constexpr bool is_infinite(minifloat<F> x) {
  return F.has_infinity && magnitude_code(x) == F.infinity_code();
}
template <float_format F>
BINADE_HD constexpr bool is_finite(minifloat<F> x) {
  return !is_nan(x) && !is_infinite(x);
}
template <float_format F>
BINADE_HD constexpr bool is_zero(minifloat<F> x) {
  return F.has_zero && magnitude_code(x) == 0 && !is_nan(x);
}
template <float_format F>
BINADE_HD constexpr bool is_subnormal(minifloat<F> x) {
  return F.has_subnormals && magnitude_code(x) != 0 && magnitude_code(x) < F.leading();
}
template <float_format F>
BINADE_HD constexpr bool is_normal(minifloat<F> x) {
  return is_finite(x) && !is_zero(x) && !is_subnormal(x);
}

// ---- sign ----------------------------------------------------------------------------------------------------------

template <float_format F>
BINADE_HD constexpr minifloat<F> abs(minifloat<F> x) {
  return sign_bit(x) ? -x : x;
}
/// |x| with the sign of y.  A NaN without sign has none to give: the result is that NaN (P3109 4.0, 4.10.2).
template <float_format F>
BINADE_HD constexpr minifloat<F> copysign(minifloat<F> x, minifloat<F> y) {
  if (is_nan(y) && (F.sat_none || (F.is_signed && !F.has_negative_zero))) return y;
  return sign_bit(x) == sign_bit(y) ? x : -x;
}

// ---- arithmetic ----------------------------------------------------------------------------------------------------
// NAME_to<R>: operands of any formats, the result in R.  NAME: operands and result in one format.

namespace detail {

template <float_format R>
BINADE_HD constexpr minifloat<R> delivered(const element& e, const exact& x, std::uint32_t noise) {
  return minifloat<R>::from_code(accepted<R>(round_unpacked(R, result_element(e), x, noise)));
}

}  // namespace detail

/// x + y.
template <float_format R, float_format A, float_format B>
BINADE_HD constexpr minifloat<R> add_to(minifloat<A> x, minifloat<B> y, const policies<R>& how = {},
                                        std::uint32_t noise = 0) {
  return detail::delivered<R>(how.on(), detail::sum_of(how.on(), x.as_operand(), y.as_operand()), noise);
}
template <float_format F>
BINADE_HD constexpr minifloat<F> add(minifloat<F> x, minifloat<F> y, const policies<F>& how = {},
                                     std::uint32_t noise = 0) {
  return add_to<F>(x, y, how, noise);
}
/// x - y.
template <float_format R, float_format A, float_format B>
BINADE_HD constexpr minifloat<R> subtract_to(minifloat<A> x, minifloat<B> y, const policies<R>& how = {},
                                             std::uint32_t noise = 0) {
  return detail::delivered<R>(how.on(), detail::difference_of(how.on(), x.as_operand(), y.as_operand()), noise);
}
template <float_format F>
BINADE_HD constexpr minifloat<F> subtract(minifloat<F> x, minifloat<F> y, const policies<F>& how = {},
                                          std::uint32_t noise = 0) {
  return subtract_to<F>(x, y, how, noise);
}
/// x * y.
template <float_format R, float_format A, float_format B>
BINADE_HD constexpr minifloat<R> multiply_to(minifloat<A> x, minifloat<B> y, const policies<R>& how = {},
                                             std::uint32_t noise = 0) {
  return detail::delivered<R>(how.on(), detail::product_of(how.on(), x.as_operand(), y.as_operand()), noise);
}
template <float_format F>
BINADE_HD constexpr minifloat<F> multiply(minifloat<F> x, minifloat<F> y, const policies<F>& how = {},
                                          std::uint32_t noise = 0) {
  return multiply_to<F>(x, y, how, noise);
}
/// x / y.
template <float_format R, float_format A, float_format B>
BINADE_HD constexpr minifloat<R> divide_to(minifloat<A> x, minifloat<B> y, const policies<R>& how = {},
                                           std::uint32_t noise = 0) {
  return detail::delivered<R>(how.on(), detail::quotient_of(how.on(), x.as_operand(), y.as_operand()), noise);
}
template <float_format F>
BINADE_HD constexpr minifloat<F> divide(minifloat<F> x, minifloat<F> y, const policies<F>& how = {},
                                        std::uint32_t noise = 0) {
  return divide_to<F>(x, y, how, noise);
}
/// The square root of x.
template <float_format R, float_format A>
BINADE_HD constexpr minifloat<R> sqrt_to(minifloat<A> x, const policies<R>& how = {}, std::uint32_t noise = 0) {
  return detail::delivered<R>(how.on(), detail::root_of(how.on(), x.as_operand()), noise);
}
template <float_format F>
BINADE_HD constexpr minifloat<F> sqrt(minifloat<F> x, const policies<F>& how = {}, std::uint32_t noise = 0) {
  return sqrt_to<F>(x, how, noise);
}
/// x * y + z, rounded once.
template <float_format R, float_format A, float_format B, float_format C>
BINADE_HD constexpr minifloat<R> fma_to(minifloat<A> x, minifloat<B> y, minifloat<C> z, const policies<R>& how = {},
                                        std::uint32_t noise = 0) {
  return detail::delivered<R>(how.on(), detail::fma_of(how.on(), x.as_operand(), y.as_operand(), z.as_operand()),
                              noise);
}
template <float_format F>
BINADE_HD constexpr minifloat<F> fma(minifloat<F> x, minifloat<F> y, minifloat<F> z, const policies<F>& how = {},
                                     std::uint32_t noise = 0) {
  return fma_to<F>(x, y, z, how, noise);
}
/// x + y + z, rounded once.
template <float_format R, float_format A, float_format B, float_format C>
BINADE_HD constexpr minifloat<R> faa_to(minifloat<A> x, minifloat<B> y, minifloat<C> z, const policies<R>& how = {},
                                        std::uint32_t noise = 0) {
  return detail::delivered<R>(how.on(), detail::faa_of(how.on(), x.as_operand(), y.as_operand(), z.as_operand()),
                              noise);
}
template <float_format F>
BINADE_HD constexpr minifloat<F> faa(minifloat<F> x, minifloat<F> y, minifloat<F> z, const policies<F>& how = {},
                                     std::uint32_t noise = 0) {
  return faa_to<F>(x, y, z, how, noise);
}

// ---- order ---------------------------------------------------------------------------------------------------------

namespace detail {

/// A NaN that stands below all numbers though its code does not say so.
template <float_format F>
BINADE_HD constexpr bool is_lowest_nan(minifloat<F> x) {
  return is_nan(x) && (F.sat_none || magnitude_code(x) == 0);
}

}  // namespace detail

/// IEEE 754-2019, 5.10: -NaN < -Inf < ... < -0 < +0 < ... < +Inf < +NaN, NaNs of a sign by their payload, the quiet
/// ones outermost.  The NaN at the code of -0, and that of any P3109 format, is the lowest (P3109 4.0, 4.12.1).
template <float_format F>
BINADE_HD constexpr std::strong_ordering total_order(minifloat<F> x, minifloat<F> y) {
  constexpr std::strong_ordering less = std::strong_ordering::less, equal = std::strong_ordering::equal,
                                 greater = std::strong_ordering::greater;
  if (x.code == y.code) return equal;
  if (detail::is_lowest_nan(x) || detail::is_lowest_nan(y)) return detail::is_lowest_nan(x) ? less : greater;
  return detail::precedes(F, x.code, y.code) ? less : greater;
}

/// The least number that compares greater than x.  (IEEE 754-2019, 5.3.1)  The greatest number of the format stays;
/// P3109's NextGreaterThan gives NaN there.  NaN gives the canonical NaN.
template <float_format F>
BINADE_HD constexpr minifloat<F> next_up(minifloat<F> x) {
  using number = minifloat<F>;
  const std::uint64_t magnitude = magnitude_code(x), top = F.max_finite_code() + std::uint64_t(F.has_infinity);
  if (is_nan(x)) return number::from_code(F.canonical_nan());
  if (!sign_bit(x) || magnitude == 0) return number::from_code(magnitude == top ? top : magnitude + 1);
  return magnitude == 1 && !F.has_negative_zero ? number::from_code(0) : number::from_code(x.code - 1u);
}
/// The greatest number that compares less than x: -next_up(-x), and of an unsigned format the code below.
template <float_format F>
BINADE_HD constexpr minifloat<F> next_down(minifloat<F> x) {
  if constexpr (F.is_signed) return -next_up(-x);
  if (is_nan(x)) return minifloat<F>::from_code(F.canonical_nan());
  return minifloat<F>::from_code(x.code == 0 ? 0 : x.code - 1u);
}

// ---- extrema (IEEE 754-2019, 9.6) ----------------------------------------------------------------------------------
// NaNs that are delivered are canonical; -0 < +0.  The NAME_number variants take the number where one operand is NaN;
// the others give NaN.  _magnitude: by absolute value, and as without it where these are equal.

namespace detail {

/// The first in total order of two numbers, or the last.
template <float_format F>
BINADE_HD constexpr minifloat<F> first_of(minifloat<F> x, minifloat<F> y, bool wants_last) {
  return precedes(F, y.code, x.code) != wants_last ? y : x;
}
template <float_format F>
BINADE_HD constexpr minifloat<F> extreme(minifloat<F> x, minifloat<F> y, bool wants_last, bool by_magnitude,
                                         bool wants_number) {
  if (is_nan(x) || is_nan(y)) {
    if (wants_number && !is_nan(x)) return x;
    if (wants_number && !is_nan(y)) return y;
    return minifloat<F>::from_code(F.canonical_nan());
  }
  if (by_magnitude && magnitude_code(x) != magnitude_code(y))
    return (magnitude_code(y) < magnitude_code(x)) != wants_last ? y : x;
  return first_of(x, y, wants_last);
}

}  // namespace detail

template <float_format F>
BINADE_HD constexpr minifloat<F> minimum(minifloat<F> x, minifloat<F> y) {
  return detail::extreme(x, y, false, false, false);
}
template <float_format F>
BINADE_HD constexpr minifloat<F> minimum_number(minifloat<F> x, minifloat<F> y) {
  return detail::extreme(x, y, false, false, true);
}
template <float_format F>
BINADE_HD constexpr minifloat<F> minimum_magnitude(minifloat<F> x, minifloat<F> y) {
  return detail::extreme(x, y, false, true, false);
}
template <float_format F>
BINADE_HD constexpr minifloat<F> minimum_magnitude_number(minifloat<F> x, minifloat<F> y) {
  return detail::extreme(x, y, false, true, true);
}
template <float_format F>
BINADE_HD constexpr minifloat<F> maximum(minifloat<F> x, minifloat<F> y) {
  return detail::extreme(x, y, true, false, false);
}
template <float_format F>
BINADE_HD constexpr minifloat<F> maximum_number(minifloat<F> x, minifloat<F> y) {
  return detail::extreme(x, y, true, false, true);
}
template <float_format F>
BINADE_HD constexpr minifloat<F> maximum_magnitude(minifloat<F> x, minifloat<F> y) {
  return detail::extreme(x, y, true, true, false);
}
template <float_format F>
BINADE_HD constexpr minifloat<F> maximum_magnitude_number(minifloat<F> x, minifloat<F> y) {
  return detail::extreme(x, y, true, true, true);
}

}  // namespace binade

namespace std {

template <binade::float_format F>
struct hash<binade::minifloat<F>> {
  /// Equal numbers, the zeros among them, have equal hashes.
  size_t operator()(binade::minifloat<F> x) const noexcept {
    return hash<typename binade::minifloat<F>::code_type>{}(is_zero(x) ? 0 : x.code);
  }
};

/// Members that speak of specials a format lacks follow the standard: has_infinity and has_quiet_NaN say so, and the
/// functions give zero.
template <binade::float_format F>
class numeric_limits<binade::minifloat<F>> {
  using number = binade::minifloat<F>;

 public:
  static constexpr bool is_specialized = true;
  static constexpr bool is_signed = F.is_signed;
  static constexpr bool is_integer = false;
  static constexpr bool is_exact = false;
  static constexpr bool has_infinity = F.has_infinity;
  static constexpr bool has_quiet_NaN = F.has_nan();
  static constexpr bool has_signaling_NaN = false;
  static constexpr float_denorm_style has_denorm = F.has_subnormals ? denorm_present : denorm_absent;
  static constexpr bool has_denorm_loss = false;
  static constexpr float_round_style round_style = round_to_nearest;
  static constexpr bool is_iec559 = F.is_signed && F.has_infinity && F.has_negative_zero && F.has_subnormals &&
                                    F.high_nans == F.leading() - 1 && F.high_nans != 0;
  static constexpr bool is_bounded = true;
  static constexpr bool is_modulo = false;
  static constexpr int radix = 2;
  static constexpr int digits = F.precision;
  /// floor((precision - 1) log10(2)): decimal digits that survive a conversion there and back.
  static constexpr int digits10 = (F.precision - 1) * 30103 / 100000;
  /// ceil(1 + precision log10(2)): decimal digits that tell any two numbers apart.
  static constexpr int max_digits10 = 2 + F.precision * 30103 / 100000;
  static constexpr int min_exponent = F.min_exponent() + 1;
  static constexpr int max_exponent = F.max_exponent() + 1;
  static constexpr int min_exponent10 = [] {
    constexpr binade::detail::unpacked least = binade::detail::unpack(F.min_normal());
    constexpr int below = binade::detail::floor_log10(least);
    return below + int(least.exponent != 0 || least.significand << 1 != 0);  // only 1 is a power of both
  }();
  static constexpr int max_exponent10 = binade::detail::floor_log10(binade::detail::unpack(F.max_finite()));
  static constexpr bool traps = false;
  static constexpr bool tinyness_before = false;

  BINADE_HD static constexpr number min() noexcept { return number(F.min_normal()); }
  BINADE_HD static constexpr number max() noexcept { return number::from_code(F.max_finite_code()); }
  BINADE_HD static constexpr number lowest() noexcept { return F.is_signed ? -max() : number::from_code(0); }
  BINADE_HD static constexpr number denorm_min() noexcept { return number::from_code(F.smallest_positive_code()); }
  /// 2^(1 - precision), the step above 1, rounded where the format does not reach so far down.
  BINADE_HD static constexpr number epsilon() noexcept {
    return number(binade::detail::exact_double(false, 1, 1 - F.precision));
  }
  BINADE_HD static constexpr number round_error() noexcept { return number(0.5); }
  BINADE_HD static constexpr number infinity() noexcept {
    return number::from_code(F.has_infinity ? F.infinity_code() : 0);
  }
  BINADE_HD static constexpr number quiet_NaN() noexcept {
    return number::from_code(F.has_nan() ? F.canonical_nan() : 0);
  }
  BINADE_HD static constexpr number signaling_NaN() noexcept { return quiet_NaN(); }
};

}  // namespace std
