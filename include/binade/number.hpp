#pragma once
// A number type for each format: a code, typed.  All arithmetic is that of arithmetic.hpp.

#include <compare>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "binade/arithmetic.hpp"
#include "binade/number_code.hpp"

namespace binade {

/// The overflow rule of number types: default_overflow(), but for posits and takums `spec`, so that x / 0 and an
/// infinity are NaR whatever the width (Standard for Posit Arithmetic 2022); their finite numbers saturate
/// under every rule.
BINADE_HD constexpr overflow_rule number_overflow(const number_format& f) {
  return f.kind == format_kind::tapered ? overflow_rule::spec : default_overflow(f);
}

namespace detail {

[[noreturn]] inline void refuse_nan() {
  throw std::domain_error(
      "binade::number: NaN was given, or is the result of an invalid operation, and the format has no code for it; use "
      "a format with a NaN, or set its member nan to nan_code::max or nan_code::zero");
}
[[noreturn]] inline void refuse_policies(std::string_view why) {
  throw std::invalid_argument("binade::policies: " + std::string(why));
}

}  // namespace detail

/// How results get into F: an element without its format.
template <auto F>
struct policies {
  rounding_mode rounding = rounding_mode::nearest_even;
  int noise_bits = 32;  ///< of the stochastic modes: 1..32; 32 for the others
  overflow_rule overflow = number_overflow(F);
  subnormal_rule subnormals = subnormal_rule::gradual;

  /// As an element, whether it is possible or not.
  BINADE_HD constexpr element unchecked() const {
    constexpr auto f = F;  // a copy: clang 16 gives a reference into F to another format's
    return {
        .format = f, .rounding = rounding, .noise_bits = noise_bits, .overflow = overflow, .subnormals = subnormals};
  }
  /// The same, as every function that takes policies uses it.  Policies that F cannot follow, such as overflow to an
  /// infinity that it lacks, are no constant expression.
  /// @throws std::invalid_argument if they are impossible and this is the host; the message says what is valid
  BINADE_HD constexpr element on() const {
    const element e = unchecked();
#if !defined(__CUDA_ARCH__)
    if (const std::string_view why = detail::policy_defect(e); !why.empty()) detail::refuse_policies(why);
#endif
    return e;
  }

  /// Why these are impossible for F; empty if they are not.
  friend constexpr std::string_view defect(const policies& how) { return detail::policy_defect(how.unchecked()); }
};

namespace detail {

template <int Width>
using smallest_unsigned = std::conditional_t<
    Width <= 8, std::uint8_t,
    std::conditional_t<Width <= 16, std::uint16_t, std::conditional_t<Width <= 32, std::uint32_t, std::uint64_t>>>;

/// The code of a result.  A NaN that the format refuses: std::domain_error on the host, code 0 on the device.
template <auto F>
BINADE_HD constexpr std::uint64_t accepted(const rounded& r) {
  constexpr auto f = F;
#if !defined(__CUDA_ARCH__)
  if constexpr (number_format(f).refuses_nan()) {
    if (r.kind == result_kind::nan) refuse_nan();
  }
#endif
  return code_of(f, r);
}

/// x, in parts or as an exact result, rounded into F as e says.
template <auto F, class Number>
BINADE_HD constexpr std::uint64_t rounded_code(const element& e, const Number& x, std::uint32_t noise) {
  constexpr auto f = F;
  return accepted<F>(round_unpacked(f, e, x, noise));
}

template <number_format F>
BINADE_HD constexpr auto descriptor_of() {
  if constexpr (F.kind == format_kind::floating) {
    return F.floating;
  } else if constexpr (F.kind == format_kind::fixed) {
    return F.fixed;
  } else if constexpr (F.kind == format_kind::logarithmic) {
    return F.logarithmic;
  } else if constexpr (F.kind == format_kind::tapered) {
    return F.tapered;
  } else {
    return F.book;
  }
}

}  // namespace detail

/// A number of format F, a descriptor of any kind.  Conversions are explicit, and operators are between equal formats,
/// so that no rounding hides: each rounds once, to nearest with ties to the even code, under number_overflow(F).
/// Functions with policies take other choices, and functions named *_to<R> operands and results of several formats;
/// policies that F cannot follow are an error (policies::on()).
///
/// NaN in a format without a code for it: what F.nan says; where that is `refuse`, std::domain_error (no constant
/// expression; code 0 on the device).  All else as in arithmetic.hpp.
/// number_order.hpp has order and neighbours, number_limits.hpp numeric_limits and hash; literals.hpp and charconv.hpp
/// write and read numbers.  minifloat.hpp has the first two with it.
/// Trivially copyable, as large as its code, uninitialized by default as float is.
///
/// F is the descriptor of a kind and not a number_format: then minifloat<F> of a float_format F is a type from which
/// templates deduce F, one format is one type, and its name carries one descriptor and not five.
template <auto F>
  requires format_descriptor<descriptor_type<F>>
struct number {
  static_assert(defect(F).empty(), "F cannot be a format: binade::defect(F) says why");
  using code_type = detail::smallest_unsigned<number_format(F).width>;
  static constexpr auto format = F;

  code_type code;

  number() = default;

  /// x rounded once.
  template <class T>
    requires detail::binary_float<T> || integer<T>
  BINADE_HD explicit constexpr number(T x, const policies<F>& how = {}, std::uint32_t noise = 0)
      : code(static_cast<code_type>(detail::rounded_code<F>(how.on(), detail::unpack(x), noise))) {}

  /// x of another format rounded once.
  template <auto G>
    requires(!std::is_same_v<number<G>, number>)
  BINADE_HD explicit constexpr number(number<G> x, const policies<F>& how = {}, std::uint32_t noise = 0)
      : code(static_cast<code_type>(detail::rounded_code<F>(how.on(), detail::unpack(x.descriptor(), x.code), noise))) {
  }

  /// @pre code is one of the format's: below 2^width, and of a code book an entry
  BINADE_HD static constexpr number from_code(std::uint64_t code) {
    number x;
    x.code = static_cast<code_type>(code);
    return x;
  }

  /// Exact where number_format(F).fits_double(), else correctly rounded.
  BINADE_HD explicit constexpr operator double() const { return decode(descriptor(), code); }
  /// Exact where number_format(F).fits_float(), else correctly rounded.
  BINADE_HD explicit constexpr operator float() const { return decode<float>(descriptor(), code); }
  /// Toward zero; to_integer() says what is beyond the range, and rounds otherwise.
  template <integer T>
  BINADE_HD explicit constexpr operator T() const {
    return to_integer<T>(as_operand());
  }

  BINADE_HD constexpr operand as_operand() const { return {descriptor(), code}; }
  /// F as a value, wherever it is asked for.
  BINADE_HD static constexpr auto descriptor() {
    constexpr auto f = F;
    return f;
  }

  /// As IEEE 754 compares: -0 equals +0, NaN (NaR too) is unordered and equals nothing.
  BINADE_HD friend constexpr bool operator==(number x, number y) {
    return !is_nan(x) && !is_nan(y) && (x.code == y.code || (is_zero(x) && is_zero(y)));
  }
  BINADE_HD friend constexpr std::partial_ordering operator<=>(number x, number y) {
    // Copies: the device has no address of the standard library's constants.
    constexpr std::partial_ordering less = std::partial_ordering::less, greater = std::partial_ordering::greater,
                                    equal = std::partial_ordering::equivalent,
                                    unordered = std::partial_ordering::unordered;
    if (is_nan(x) || is_nan(y)) return unordered;
    if (x == y) return equal;
    return detail::precedes(descriptor(), x.code, y.code) ? less : greater;
  }

  BINADE_HD friend constexpr number operator+(number x, number y) { return add(x, y); }
  BINADE_HD friend constexpr number operator-(number x, number y) { return subtract(x, y); }
  BINADE_HD friend constexpr number operator*(number x, number y) { return multiply(x, y); }
  BINADE_HD friend constexpr number operator/(number x, number y) { return divide(x, y); }
  BINADE_HD constexpr number& operator+=(number y) { return *this = *this + y; }
  BINADE_HD constexpr number& operator-=(number y) { return *this = *this - y; }
  BINADE_HD constexpr number& operator*=(number y) { return *this = *this * y; }
  BINADE_HD constexpr number& operator/=(number y) { return *this = *this / y; }

  BINADE_HD friend constexpr number operator+(number x) { return x; }
  /// Exact where the codes of both signs mirror each other: the sign bit turned (a zero or NaN without sign stays), and
  /// of posits and takums the two's complement (0 and NaR stay; Standard for Posit Arithmetic 2022).  In unsigned
  /// formats, integers and fixed point, and code books what encode() makes of -x: the most negative integer saturates.
  BINADE_HD friend constexpr number operator-(number x) {
    constexpr auto f = F;
    if constexpr (std::is_same_v<descriptor_type<F>, tapered_format>) {
      return from_code((0 - std::uint64_t(x.code)) & f.code_mask());
    } else if constexpr (std::is_same_v<descriptor_type<F>, lns_format>) {
      return from_code(x.code ^ f.compose(true, 0));
    } else {
      if constexpr (std::is_same_v<descriptor_type<F>, float_format> && f.is_signed)
        return (x.code & f.magnitude_mask()) == 0 && !f.has_negative_zero ? x : from_code(x.code ^ f.sign_bit());
      else
        return from_code(detail::rounded_code<F>(element{f}, detail::negated(detail::unpack(f, x.code)), 0));
    }
  }
};

// ---- names by kind -------------------------------------------------------------------------------------------------

/// The number type of a format of whatever kind; of one kind it is the same as the name below.
template <number_format F>
using number_of = number<detail::descriptor_of<F>()>;

/// Floating point, as float_format has it.
template <float_format F>
using minifloat = number<F>;
/// Integers and fixed point.
template <fixed_format F>
using fixed = number<F>;
/// Logarithmic numbers.
template <lns_format F>
using lns = number<F>;
/// Posits, posit<posit_format(16)>; takums go by the name below, though both take both.
template <tapered_format F>
using posit = number<F>;
/// Takums, takum<takum_format(16)>: linear ones.
template <tapered_format F>
using takum = number<F>;

// ---- classification (IEEE 754-2019, 5.7.2) -------------------------------------------------------------------------
// Only floating-point formats have infinities and subnormal numbers.  Numbers of the other kinds are normal unless zero
// or NaN: fixed point has the same step everywhere, and where posits and takums run out of fraction bits, these are not
// the subnormals of a smallest exponent.

/// The code without its sign: what compose() takes.  It counts the values of one sign away from zero; of a code book,
/// from the far end.
template <auto F>
BINADE_HD constexpr std::uint64_t magnitude_code(number<F> x) {
  return detail::decomposed(x.descriptor(), x.code).magnitude;
}
/// NaR, and a code beyond the entries of a code book, are NaN.
template <auto F>
BINADE_HD constexpr bool is_nan(number<F> x) {
  return detail::is_nan_code(x.descriptor(), x.code);
}
/// The sign bit, of zeros and NaNs too; false for the NaN of a format without -0, which has no sign, NaR among them.
template <auto F>
BINADE_HD constexpr bool sign_bit(number<F> x) {
  constexpr auto f = F;
  if constexpr (std::is_same_v<descriptor_type<F>, float_format>)
    return (x.code & f.sign_bit()) != 0 && (f.has_negative_zero || magnitude_code(x) != 0);
  else
    return detail::decomposed(f, x.code).negative && !is_nan(x);
}
/// False for all formats without infinities, NaR included.
template <auto F>
BINADE_HD constexpr bool is_infinite(number<F> x) {
  return detail::is_infinite_code(x.descriptor(), x.code);
}
/// Neither NaN nor infinite.
template <auto F>
BINADE_HD constexpr bool is_finite(number<F> x) {
  return !is_nan(x) && !is_infinite(x);
}
/// Zero of either sign; false for the -0 code where that is the NaN.
template <auto F>
BINADE_HD constexpr bool is_zero(number<F> x) {
  return detail::is_zero_code(x.descriptor(), x.code);
}
/// Not zero and below the smallest normal number; of floating-point formats alone.
template <auto F>
BINADE_HD constexpr bool is_subnormal(number<F> x) {
  if constexpr (std::is_same_v<descriptor_type<F>, float_format>)
    return magnitude_code(x) != 0 && magnitude_code(x) < x.descriptor().subnormals_end();
  else
    return false;
}
/// Finite, and neither zero nor subnormal.
template <auto F>
BINADE_HD constexpr bool is_normal(number<F> x) {
  return is_finite(x) && !is_zero(x) && !is_subnormal(x);
}

// ---- sign ----------------------------------------------------------------------------------------------------------

/// x without its sign: -x of a number whose sign bit is set.
template <auto F>
BINADE_HD constexpr number<F> abs(number<F> x) {
  return sign_bit(x) ? -x : x;
}
/// |x| with the sign of y.  A NaN without sign has none to give: the result is that NaN (P3109 4.0, 4.10.2).
template <auto F>
BINADE_HD constexpr number<F> copysign(number<F> x, number<F> y) {
  constexpr auto f = F;
  if (is_nan(y) && (f.sat_none || (f.is_signed && !f.has_negative_zero))) return y;
  return sign_bit(x) == sign_bit(y) ? x : -x;
}

// ---- arithmetic ----------------------------------------------------------------------------------------------------
// NAME_to<R>: operands of any formats, the result in R.  NAME: operands and result in one format.

namespace detail {

template <auto R, class Number>
BINADE_HD constexpr number<R> delivered(const element& e, const Number& x, std::uint32_t noise) {
  return number<R>::from_code(rounded_code<R>(result_element(e), x, noise));
}

}  // namespace detail

/// x + y.
template <auto R, auto A, auto B>
BINADE_HD constexpr number<R> add_to(number<A> x, number<B> y, const policies<R>& how = {}, std::uint32_t noise = 0) {
  return detail::delivered<R>(how.on(), detail::sum_of(how.on(), x.as_operand(), y.as_operand()), noise);
}
/// x + y in their own format.
template <auto F>
BINADE_HD constexpr number<F> add(number<F> x, number<F> y, const policies<F>& how = {}, std::uint32_t noise = 0) {
  return add_to<F>(x, y, how, noise);
}
/// x - y.
template <auto R, auto A, auto B>
BINADE_HD constexpr number<R> subtract_to(number<A> x, number<B> y, const policies<R>& how = {},
                                          std::uint32_t noise = 0) {
  return detail::delivered<R>(how.on(), detail::difference_of(how.on(), x.as_operand(), y.as_operand()), noise);
}
/// x - y in their own format.
template <auto F>
BINADE_HD constexpr number<F> subtract(number<F> x, number<F> y, const policies<F>& how = {}, std::uint32_t noise = 0) {
  return subtract_to<F>(x, y, how, noise);
}
/// x * y.
template <auto R, auto A, auto B>
BINADE_HD constexpr number<R> multiply_to(number<A> x, number<B> y, const policies<R>& how = {},
                                          std::uint32_t noise = 0) {
  if constexpr (detail::share_gamma(R, A) && detail::share_gamma(R, B))
    return detail::delivered<R>(how.on(), detail::lns_product(x.as_operand(), y.as_operand()), noise);
  else
    return detail::delivered<R>(how.on(), detail::product_of(how.on(), x.as_operand(), y.as_operand()), noise);
}
/// x * y in their own format.
template <auto F>
BINADE_HD constexpr number<F> multiply(number<F> x, number<F> y, const policies<F>& how = {}, std::uint32_t noise = 0) {
  return multiply_to<F>(x, y, how, noise);
}
/// x / y.
template <auto R, auto A, auto B>
BINADE_HD constexpr number<R> divide_to(number<A> x, number<B> y, const policies<R>& how = {},
                                        std::uint32_t noise = 0) {
  if constexpr (detail::share_gamma(R, A) && detail::share_gamma(R, B))
    return detail::delivered<R>(how.on(), detail::lns_quotient(x.as_operand(), y.as_operand()), noise);
  else
    return detail::delivered<R>(how.on(), detail::quotient_of(how.on(), x.as_operand(), y.as_operand()), noise);
}
/// x / y in their own format.
template <auto F>
BINADE_HD constexpr number<F> divide(number<F> x, number<F> y, const policies<F>& how = {}, std::uint32_t noise = 0) {
  return divide_to<F>(x, y, how, noise);
}
/// The square root of x.
template <auto R, auto A>
BINADE_HD constexpr number<R> sqrt_to(number<A> x, const policies<R>& how = {}, std::uint32_t noise = 0) {
  if constexpr (detail::share_gamma(R, A))
    return detail::delivered<R>(how.on(), detail::lns_root(x.as_operand()), noise);
  else
    return detail::delivered<R>(how.on(), detail::root_of(how.on(), x.as_operand()), noise);
}
/// The square root of x in its own format.
template <auto F>
BINADE_HD constexpr number<F> sqrt(number<F> x, const policies<F>& how = {}, std::uint32_t noise = 0) {
  return sqrt_to<F>(x, how, noise);
}
/// x * y + z, rounded once.
template <auto R, auto A, auto B, auto C>
BINADE_HD constexpr number<R> fma_to(number<A> x, number<B> y, number<C> z, const policies<R>& how = {},
                                     std::uint32_t noise = 0) {
  return detail::delivered<R>(how.on(), detail::fma_of(how.on(), x.as_operand(), y.as_operand(), z.as_operand()),
                              noise);
}
/// x * y + z, rounded once, in their own format.
template <auto F>
BINADE_HD constexpr number<F> fma(number<F> x, number<F> y, number<F> z, const policies<F>& how = {},
                                  std::uint32_t noise = 0) {
  return fma_to<F>(x, y, z, how, noise);
}
/// x + y + z, rounded once.
template <auto R, auto A, auto B, auto C>
BINADE_HD constexpr number<R> faa_to(number<A> x, number<B> y, number<C> z, const policies<R>& how = {},
                                     std::uint32_t noise = 0) {
  return detail::delivered<R>(how.on(), detail::faa_of(how.on(), x.as_operand(), y.as_operand(), z.as_operand()),
                              noise);
}
/// x + y + z, rounded once, in their own format.
template <auto F>
BINADE_HD constexpr number<F> faa(number<F> x, number<F> y, number<F> z, const policies<F>& how = {},
                                  std::uint32_t noise = 0) {
  return faa_to<F>(x, y, z, how, noise);
}

}  // namespace binade
