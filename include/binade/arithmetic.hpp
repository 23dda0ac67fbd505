#pragma once
// Correctly rounded scalar arithmetic between codes: the exact result of the operands, then one rounding.

#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "binade/lns_arithmetic.hpp"

namespace binade {

namespace detail {

/// The number of an operand of an operation that rounds into e.  daz: a subnormal of its own format counts as zero.
BINADE_HD constexpr unpacked read(const element& e, const operand& x) {
  unpacked number = unpack(x.format, x.code);
  const float_format& f = x.format.floating;
  if (e.subnormals == subnormal_rule::flush_inputs && x.format.kind == format_kind::floating &&
      (x.code & f.magnitude_mask()) < f.subnormals_end())
    number.significand = 0;
  return number;
}
BINADE_HD constexpr unpacked negated(unpacked x) {
  x.negative = !x.negative;
  return x;
}
/// An exact zero that no operand gives its sign.  (IEEE 754-2019, 6.3)
BINADE_HD constexpr bool zero_is_negative(const element& e) {
  return e.rounding == rounding_mode::down;
}

BINADE_HD constexpr exact sum_of(const element& e, const operand& x, const operand& y) {
  return exact_sum(exactly(read(e, x)), exactly(read(e, y)), zero_is_negative(e));
}
BINADE_HD constexpr exact difference_of(const element& e, const operand& x, const operand& y) {
  return exact_sum(exactly(read(e, x)), exactly(negated(read(e, y))), zero_is_negative(e));
}
BINADE_HD constexpr exact product_of(const element& e, const operand& x, const operand& y) {
  return exact_product(read(e, x), read(e, y));
}
BINADE_HD constexpr exact quotient_of(const element& e, const operand& x, const operand& y) {
  return exact_quotient(read(e, x), read(e, y));
}
BINADE_HD constexpr exact root_of(const element& e, const operand& x) {
  return exact_root(read(e, x));
}
BINADE_HD constexpr exact fma_of(const element& e, const operand& x, const operand& y, const operand& z) {
  // A product has 106 digits, an addend 53: neither is sticky.
  return exact_sum(exact_product(read(e, x), read(e, y)), exactly(read(e, z)), zero_is_negative(e));
}
BINADE_HD constexpr exact faa_of(const element& e, const operand& x, const operand& y, const operand& z) {
  return exact_sum3(exactly(read(e, x)), exactly(read(e, y)), exactly(read(e, z)), zero_is_negative(e));
}

/// The element of an operation's one rounding: daz has had its say on the operands.
BINADE_HD constexpr element result_element(element e) {
  if (e.subnormals == subnormal_rule::flush_inputs) e.subnormals = subnormal_rule::gradual;
  return e;
}
BINADE_HD constexpr std::uint64_t encode_result(const element& e, const exact& x, std::uint32_t noise) {
  return encode_number(result_element(e), x, noise);
}

}  // namespace detail

// ---- operations ----------------------------------------------------------------------------------------------------
// Each delivers the code of the exact result rounded once into e.format, whatever the formats of the operands.
//
// NaN: of a NaN operand, of Inf - Inf, 0 * Inf, 0 / 0, Inf / Inf and the square root below zero (IEEE 754-2019, 7.2).
//      It becomes the canonical NaN code; without one, what format.nan says, and the code of zero where that is
//      `refuse`.
// Infinities: of infinite operands, and x / 0 for x != 0 with the sign of both.  As an infinite input of encode():
//      e.overflow decides, and takes it to the largest finite value under `saturate`.
// Zeros: IEEE 754-2019, 6.3.  A sum that is zero is +0, and -0 under rdn, unless all its operands are zeros of one
// sign;
//      sqrt(-0) is -0.  A format without -0 takes +0 for it, one without zero its smallest value.
// Negative results in unsigned formats, overflow, ftz: as encode().
// daz: operands that are subnormal in their own format count as zeros of their sign; the result is not flushed.
// P3109 4.0 agrees, except that its Divide and Recip give NaN for a divisor of zero (4.10.5, 4.10.8).  NaR of posits
// and takums is their NaN, and x / 0 gives it under `spec` and `nan`; their `saturate` takes it to the largest value.
//
// Logarithmic formats: as a number, a code is the binary32 nearest to its power (lns_format.hpp), and an operation is
// on these numbers, with one exception.  Where result and operands are logarithmic with one gamma, multiply(), divide()
// and sqrt() are of the powers: k1 + k2 - bias and its like, exact where the result has a code; half a step of a root
// is a tie, or the linear place of that power.  Sums are the exact sums of the binary32 numbers, rounded once in the
// format's domain.  No accumulator of finitely many bits is exact for a logarithmic format: its powers are irrational,
// and so are their sums.  So add() can differ from the correctly rounded sum of the powers, where that is nearer to a
// border between two codes than the errors of the binary32 numbers reach.  These are 2^-24 at most, so that x + y is
// off by gamma / ln 2 * 2^-24 steps at most and x - y by (x + y) / (x - y) times as much: the difference of neighbours
// by gamma^2 2^-22 steps.  In the logarithm and up to gamma 256 no sum or difference of two numbers rounds, to nearest,
// to another code than that of the powers, whatever the width.  Beyond, the differences of near numbers do: by up
// to 4.3 steps in lns20:gamma=4096, by 1028 in lns24:gamma=65536.  All judged with 200 bits
// (tests/numbers/lns_mpfr_test.cpp; over all pairs of lns8 the sums of the numbers are within 8.39e-6 of a step). fma()
// and faa() likewise: fma() multiplies the numbers exactly, not the powers.  A conversion takes the number too: of an
// octave of lns24:gamma=65536, 4 of 65,536 codes become another binary16 number than the one nearest to the power; of
// lns16:gamma=256 and lns20:gamma=4096 none.
//
// @param noise  R of the stochastic modes, below 2^e.noise_bits; not used by the others
// @pre defect(e) and defect() of the operands' formats are empty; each code is below 2^width of its format

/// x + y.
BINADE_HD constexpr std::uint64_t add(const element& e, const operand& x, const operand& y, std::uint32_t noise = 0) {
  return detail::encode_result(e, detail::sum_of(e, x, y), noise);
}
/// x - y.
BINADE_HD constexpr std::uint64_t subtract(const element& e, const operand& x, const operand& y,
                                           std::uint32_t noise = 0) {
  return detail::encode_result(e, detail::difference_of(e, x, y), noise);
}
/// x * y.
BINADE_HD constexpr std::uint64_t multiply(const element& e, const operand& x, const operand& y,
                                           std::uint32_t noise = 0) {
  if (detail::share_gamma(e.format, x.format) && detail::share_gamma(e.format, y.format))
    return detail::encode_power(e, detail::lns_product(x, y), noise);
  return detail::encode_result(e, detail::product_of(e, x, y), noise);
}
/// x / y.
BINADE_HD constexpr std::uint64_t divide(const element& e, const operand& x, const operand& y,
                                         std::uint32_t noise = 0) {
  if (detail::share_gamma(e.format, x.format) && detail::share_gamma(e.format, y.format))
    return detail::encode_power(e, detail::lns_quotient(x, y), noise);
  return detail::encode_result(e, detail::quotient_of(e, x, y), noise);
}
/// The square root of x.
BINADE_HD constexpr std::uint64_t sqrt(const element& e, const operand& x, std::uint32_t noise = 0) {
  if (detail::share_gamma(e.format, x.format)) return detail::encode_power(e, detail::lns_root(x), noise);
  return detail::encode_result(e, detail::root_of(e, x), noise);
}
/// x * y + z.  0 * Inf + NaN is NaN.
BINADE_HD constexpr std::uint64_t fma(const element& e, const operand& x, const operand& y, const operand& z,
                                      std::uint32_t noise = 0) {
  return detail::encode_result(e, detail::fma_of(e, x, y, z), noise);
}
/// x + y + z, rounded once.  (P3109 4.0, FAA)
BINADE_HD constexpr std::uint64_t faa(const element& e, const operand& x, const operand& y, const operand& z,
                                      std::uint32_t noise = 0) {
  return detail::encode_result(e, detail::faa_of(e, x, y, z), noise);
}

// ---- conversions ---------------------------------------------------------------------------------------------------

/// The code of a code's number in another format: encode() of the exact value, in all its rules.
/// @pre as encode(): a NaN has a code in e.format, or one was chosen; the answer is code 0 where not
BINADE_HD constexpr std::uint64_t convert(const element& e, const operand& x, std::uint32_t noise = 0) {
  return detail::encode_number(e, detail::unpack(x.format, x.code), noise);
}

/// The built-in integer types, bool left out.
template <class T>
concept integer = std::integral<T> && !std::same_as<std::remove_cv_t<T>, bool>;

namespace detail {

template <integer T>
BINADE_HD constexpr unpacked unpack(T x) {
  const bool negative = x < 0;
  const auto bits = static_cast<std::uint64_t>(x);  // of a negative x: 2^64 - |x|
  return normalized(negative, negative ? 0 - bits : bits, 0);
}

}  // namespace detail

/// The code of an integer of up to 64 bits, rounded once; in all else as encode() of a floating-point number.
template <integer T>
BINADE_HD constexpr std::uint64_t encode(const element& e, T x, std::uint32_t noise = 0) {
  return detail::encode_number(e, detail::unpack(x), noise);
}

/// The integer that a code's number rounds to; ties of rne go to the even integer.
///
/// Beyond the range of T, infinities included: the nearest end of it.  NaN: 0.
/// @param noise, noise_bits  as rounds_away()
template <integer T>
BINADE_HD constexpr T to_integer(const operand& x, rounding_mode mode = rounding_mode::toward_zero,
                                 std::uint32_t noise = 0, int noise_bits = 32) {
  constexpr auto highest = static_cast<std::uint64_t>(std::numeric_limits<T>::max());
  const detail::unpacked number = detail::unpack(x.format, x.code);
  if (number.is_nan) return 0;
  std::uint64_t magnitude = number.significand;  // a number of 2^63 and more below 2^64 has no fraction
  const bool is_beyond = number.is_infinite || (number.exponent > 63 && magnitude != 0);
  if (!is_beyond && number.exponent < 63) {
    // The integers are the subnormals of a format whose quantum is 1.
    constexpr float_format integers{.width = 64, .precision = 63, .bias = 1 - 62};
    const detail::grid_place place = detail::place_on_grid(integers, number);
    magnitude = place.code + std::uint64_t(rounds_away(mode, place.tail, place.sticky, place.code % 2 == 1,
                                                       number.negative, noise, noise_bits));
  }
  if (number.negative) {
    constexpr std::uint64_t lowest = std::is_signed_v<T> ? highest + 1 : 0;
    return static_cast<T>(0 - (is_beyond || magnitude > lowest ? lowest : magnitude));
  }
  return static_cast<T>(is_beyond || magnitude > highest ? highest : magnitude);
}

}  // namespace binade
