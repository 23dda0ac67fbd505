#pragma once
// Elementary functions with the same bits on every machine: exp, log, tanh, sigmoid, erfc, sin, cos,
// sqrt, rsqrt.
//
// Only +, -, *, /, integer operations and the correctly rounded sqrt; no fused multiply-add, no table in memory, no
// libm. So compile time, CPU and GPU agree bit for bit wherever a*b+c is not contracted (the flags of binade::numbers).
// The float versions compute in double with a short polynomial and round once at the end: nearly correctly rounded.
// exp, log, tanh, sigmoid and erfc of float are free of branches, so a loop over an array vectorises.
//
// Error bounds: u = ulp of the exact result.  Those of float hold for all 2^32 inputs (measured against libm's double),
// those of double for the dense samples that were tried (against long double).  tests/engine/elementary_*.cpp assert
// each of them. Which NaN comes out (sign, payload) is left open. Constants: tools/elementary_coefficients.py.

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "binade/config.hpp"

namespace binade::math {
namespace detail {

/// c0 + c1 x + c2 x^2 + ..., two terms at a time: (c0 + c1 x) + x^2 ((c2 + c3 x) + x^2 (...)).  As many operations as
/// Horner's rule and half the length of the chain of operations that wait for each other.
BINADE_HD BINADE_ALWAYS_INLINE constexpr double polynomial_in_pairs(double, double, double c) {
  return c;
}
template <class... Rest>
BINADE_HD BINADE_ALWAYS_INLINE constexpr double polynomial_in_pairs(double x, double square, double c0, double c1,
                                                                    Rest... rest) {
  if constexpr (sizeof...(rest) == 0) {
    return c0 + c1 * x;
  } else {
    return (c0 + c1 * x) + square * polynomial_in_pairs(x, square, rest...);
  }
}
template <class... Coefficients>
BINADE_HD BINADE_ALWAYS_INLINE constexpr double polynomial(double x, Coefficients... c) {
  return polynomial_in_pairs(x, x * x, c...);
}

BINADE_HD BINADE_ALWAYS_INLINE constexpr std::uint64_t bits(double x) {
  return std::bit_cast<std::uint64_t>(x);
}
BINADE_HD BINADE_ALWAYS_INLINE constexpr double from_bits(std::uint64_t b) {
  return std::bit_cast<double>(b);
}
BINADE_HD BINADE_ALWAYS_INLINE constexpr double magnitude(double x) {
  return from_bits(bits(x) & ~(std::uint64_t(1) << 63));
}
BINADE_HD BINADE_ALWAYS_INLINE constexpr double with_sign_of(double magnitude, double sign) {
  return from_bits(bits(magnitude) | (bits(sign) & (std::uint64_t(1) << 63)));
}
/// The bounds keep NaN: a comparison with NaN is false.
BINADE_HD BINADE_ALWAYS_INLINE constexpr double clamp(double x, double low, double high) {
  const double raised = x < low ? low : x;
  return raised > high ? high : raised;
}
/// 2^n; only the low 11 bits of n + 1023 count, so that a NaN's n is harmless.  -1022 <= n <= 1023.
BINADE_HD BINADE_ALWAYS_INLINE constexpr double power_of_two(std::uint64_t n) {
  return from_bits((n + 1023) << 52);
}

/// x = n ln 2 + high + low with |high| <= ln(2)/2 nearly; |x| < 2^10.
struct exp_argument {
  double high, low;
  std::uint64_t n;  ///< modulo 2^52
};
BINADE_HD BINADE_ALWAYS_INLINE constexpr exp_argument reduce_exp(double x) {
  // Adding 1.5 * 2^52 rounds to an integer, which then stands in the low bits (two's complement).
  constexpr double shift = 0x1.8p52;
  const double shifted = x * 0x1.71547652b82fep+0 + shift;
  const double n = shifted - shift;
  // n has 11 bits and the upper part of ln 2 has 32: their product is exact, and so is the difference.
  const double high = x - n * 0x1.62e42fee00000p-1;
  return {high, n * 0x1.a39ef35793c76p-33, bits(shifted)};
}

/// e^r - 1 - r, |r| <= ln(2)/2.  Error below 2^-38 of e^r.
BINADE_HD BINADE_ALWAYS_INLINE constexpr double exp_tail_short(double r) {
  return r * r *
         polynomial(r, 0x1.0000000000000p-1, 0x1.55555567506dep-3, 0x1.5555555c85fc4p-5, 0x1.1110c63a3c331p-7,
                    0x1.6c1685918e3cfp-10, 0x1.a1516a0790f9dp-13, 0x1.a11313706b54dp-16);
}
/// The same with an error below 2^-61.
BINADE_HD BINADE_ALWAYS_INLINE constexpr double exp_tail_long(double r) {
  return r * r *
         polynomial(r, 0x1.0000000000000p-1, 0x1.5555555555557p-3, 0x1.5555555555556p-5, 0x1.11111111100dfp-7,
                    0x1.6c16c16c162d6p-10, 0x1.a01a01abe6323p-13, 0x1.a01a01a6d7831p-16, 0x1.71de0237484cdp-19,
                    0x1.27e4db67ac2b0p-22, 0x1.af4ddda1c08cdp-26, 0x1.1f72fc83bcbc7p-29);
}

/// e^x for |x| <= 200, relative error below 2^-37.
BINADE_HD BINADE_ALWAYS_INLINE constexpr double exp_short(double x) {
  const exp_argument a = reduce_exp(x);
  const double r = a.high - a.low;
  return (1.0 + (r + exp_tail_short(r))) * power_of_two(a.n);
}
/// e^x - 1 for 0 <= x <= 200, relative error below 2^-36 (for n = 0 nothing cancels, and 2^n - 1 is exact).
BINADE_HD BINADE_ALWAYS_INLINE constexpr double expm1_short(double x) {
  const exp_argument a = reduce_exp(x);
  const double r = a.high - a.low, scale = power_of_two(a.n);
  return scale * (r + exp_tail_short(r)) + (scale - 1.0);
}

/// x = 2^exponent m with sqrt(1/2) <= m < sqrt(2); s = (m - 1) / (m + 1), so that log(m) = 2 atanh(s).  x normal, x >
/// 0.
struct log_argument {
  double exponent, m_minus_1, s;
};
BINADE_HD BINADE_ALWAYS_INLINE constexpr log_argument reduce_log(double x) {
  constexpr std::uint64_t one = std::uint64_t(1023) << 52, root_half = 0x3fe6a09e667f3bcd;
  const std::uint64_t biased = (bits(x) + (one - root_half)) >> 52;
  const double m = from_bits(bits(x) - (biased << 52) + one);
  // The integer in the low bits of 2^52: the way to double that vectorises without AVX-512.
  const double exponent = from_bits(biased | 0x4330000000000000) - (0x1p52 + 1023.0);
  return {exponent, m - 1.0, (m - 1.0) / (m + 1.0)};
}

/// r = high + low, |r| <= pi/4 nearly, x = r + quadrant pi/2 (quadrant modulo 4).
struct trig_argument {
  double high, low;
  std::uint32_t quadrant;
};

/// 32 bits of a string of big-endian words, from bit `offset` on (bit 0 is the first); zeros outside.
BINADE_HD constexpr std::uint32_t take_bits(const std::uint32_t* words, int count, int offset) {
  const int word = offset >> 5, bit = offset & 31;
  const std::uint32_t first = word >= 0 && word < count ? words[word] : 0;
  const std::uint32_t second = word + 1 >= 0 && word + 1 < count ? words[word + 1] : 0;
  return bit == 0 ? first : (first << bit) | (second >> (32 - bit));
}
/// The 53 bits from `offset` on, as an integer.
BINADE_HD constexpr double take_53_bits(const std::uint32_t* words, int count, int offset) {
  return double((std::uint64_t(take_bits(words, count, offset)) << 21) | (take_bits(words, count, offset + 32) >> 11));
}

/// Reduction modulo pi/2 by integer arithmetic, for any finite |x| >= 2^-2.  (Payne and Hanek, 1983)
BINADE_HD constexpr trig_argument reduce_trig(double x) {
  constexpr int window = 7;
  constexpr std::uint32_t two_over_pi[39] = {
      0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561,
      0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e, 0xe88235f5, 0x2ebb4484,
      0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b, 0x1ff897ff, 0xde05980f,
      0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d, 0x7527bac7, 0xebe5f17b,
      0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08, 0x56033046, 0xfc7b6bab, 0xf0cfbc20};
  // |x| = significand 2^exponent.  Bits of 2/pi above the weight 2^(2 - exponent) give multiples of 4: whole turns. The
  // 224 bits below leave 222 bits of x 2/pi mod 4, the last 53 inexact; no double is nearer than 2^-62 to a multiple of
  // pi/2 (relative to pi/2), so at least 106 good bits follow the leading one.
  const std::uint64_t significand = (bits(x) & 0xfffffffffffff) | 0x10000000000000;
  const int exponent = int((bits(x) >> 52) & 0x7ff) - 1075;
  const std::uint64_t factors[2] = {significand & 0xffffffff, significand >> 32};
  std::uint32_t product[window + 1] = {};  // big-endian, modulo 2^(32 window); one more word for the shift by two below
  for (int f = 0; f < 2; ++f) {
    std::uint64_t carry = 0;
    for (int i = window - 1; i - f >= 0; --i) {
      carry += factors[f] * take_bits(two_over_pi, 39, exponent - 2 + 32 * i) + product[i - f];
      product[i - f] = std::uint32_t(carry);
      carry >>= 32;
    }
  }
  std::uint32_t quadrant = product[0] >> 30;
  std::uint32_t fraction[window];
  for (int i = 0; i < window; ++i) fraction[i] = take_bits(product, window, 2 + 32 * i);
  const bool above_half = (fraction[0] >> 31) != 0;
  if (above_half) {  // go to the next multiple and come back: 1 - fraction, as two's complement
    ++quadrant;
    std::uint64_t carry = 1;
    for (int i = window - 1; i >= 0; --i) {
      carry += std::uint32_t(~fraction[i]);
      fraction[i] = std::uint32_t(carry);
      carry >>= 32;
    }
  }
  int leading = 0;
  while (leading < 96 && take_bits(fraction, window, leading) >> 31 == 0) ++leading;
  const double f_high = take_53_bits(fraction, window, leading) * power_of_two(std::uint64_t(-(leading + 53)));
  const double f_low = take_53_bits(fraction, window, leading + 53) * power_of_two(std::uint64_t(-(leading + 106)));
  // (f_high + f_low) pi/2, the leading product made exact by splitting into halves of 26 bits (Veltkamp, Dekker).
  constexpr double half_pi = 0x1.921fb54442d18p+0, half_pi_low = 0x1.1a62633145c07p-54;
  constexpr double half_pi_a = 0x1.921fb58p+0, half_pi_b = half_pi - half_pi_a;
  const double spread = 134217729.0 * f_high;
  const double f_a = spread - (spread - f_high), f_b = f_high - f_a;
  const double main = f_high * half_pi;
  const double main_error = ((f_a * half_pi_a - main) + f_a * half_pi_b + f_b * half_pi_a) + f_b * half_pi_b;
  const double rest = main_error + (f_high * half_pi_low + f_low * half_pi);
  const double high = main + rest, low = rest - (high - main);
  const bool negative = (bits(x) >> 63) != 0;
  const double sign = negative != above_half ? -1.0 : 1.0;
  return {sign * high, sign * low, (negative ? 0u - quadrant : quadrant) & 3u};
}

/// sin(x + quarter pi/2) for any double.
BINADE_HD constexpr double sine(double x, std::uint32_t quarter) {
  if (!(magnitude(x) < std::numeric_limits<double>::infinity())) return x - x;
  trig_argument a{x, 0.0, 0};
  if (magnitude(x) > 0.7853981633974483) a = reduce_trig(x);
  const std::uint32_t quadrant = (a.quadrant + quarter) & 3u;
  const double z = a.high * a.high;
  double value = 0.0;
  if (quadrant % 2 == 0) {
    if (magnitude(a.high) < 0x1p-27) {  // also keeps -0
      value = a.high;
    } else {
      const double tail =
          a.high * z *
          polynomial(z, -0x1.5555555555555p-3, 0x1.1111111111110p-7, -0x1.a01a01a019938p-13, 0x1.71de3a5460957p-19,
                     -0x1.ae645412c4ecap-26, 0x1.61217f0b24037p-33, -0x1.ab17d3ce9d15bp-41);
      value = a.high + (tail + a.low * (1.0 - 0.5 * z));
    }
  } else {
    const double tail =
        z * z *
        polynomial(z, 0x1.5555555555555p-5, -0x1.6c16c16c16c16p-10, 0x1.a01a01a019d0ap-16, -0x1.27e4fb7712d63p-22,
                   0x1.1eed8deb9775dp-29, -0x1.9394ba0c850d7p-37, 0x1.ab785ad070e68p-45);
    const double half = 0.5 * z, main = 1.0 - half;
    value = main + (((1.0 - main) - half) + (tail - a.high * a.low));
  }
  return quadrant >= 2 ? -value : value;
}

/// sin(x + quarter pi/2) for any float.
BINADE_HD constexpr float sine(float argument, std::uint32_t quarter) {
  const double x = double(argument);
  if (!(magnitude(x) < std::numeric_limits<double>::infinity())) return argument - argument;
  double r = x;
  std::uint32_t quadrant = quarter;
  if (magnitude(x) > 0x1p20) {
    const trig_argument a = reduce_trig(x);
    r = a.high;
    quadrant += a.quadrant;
  } else if (magnitude(x) > 0.78539818) {
    // n has at most 20 bits and the upper part of pi/2 has 33: exact.  No float comes nearer than 2^-31 to a multiple.
    const double shifted = x * 0x1.45f306dc9c883p-1 + 0x1.8p52, n = shifted - 0x1.8p52;
    r = (x - n * 0x1.921fb54400000p+0) - n * 0x1.0b4611a626331p-34;
    quadrant += std::uint32_t(bits(shifted));
  }
  const double z = r * r;
  double value = r;
  if (quadrant % 2 != 0) {
    value = (1.0 - 0.5 * z) + z * z *
                                  polynomial(z, 0x1.5555555502cf3p-5, -0x1.6c16bf54e6bf0p-10, 0x1.a015c47d0ad04p-16,
                                             -0x1.25244df810869p-22);
  } else if (magnitude(r) >= 0x1p-26) {  // below, sin(r) = r to 2^-54; this also keeps -0
    value = r + r * z *
                    polynomial(z, -0x1.555555545e0a8p-3, 0x1.11110def2d86ap-7, -0x1.a013a792ef046p-13,
                               0x1.6dbe07f6f90abp-19);
  }
  return float((quadrant & 2u) != 0 ? -value : value);
}

/// Correctly rounded square root of a value of `precision` bits, digit by digit in integers, for compile time.
constexpr double square_root(double x, int precision) {
  if (!(x > 0.0) || x == std::numeric_limits<double>::infinity())
    return x == 0.0 || x > 0.0 ? x : std::numeric_limits<double>::quiet_NaN();
  double scale = 1.0;
  for (; x >= 4.0; x *= 0.25) scale *= 2.0;
  for (; x < 1.0; x *= 4.0) scale *= 0.5;
  for (int i = 1; i < precision; ++i) x *= 2.0;
  // Invariant: remainder = (2x - root^2) scaled by the digits done; twice_root = 2 root.  One digit more than the
  // result has.
  std::uint64_t remainder = 2 * std::uint64_t(x), root = 0, twice_root = 0;
  for (std::uint64_t digit = std::uint64_t(1) << precision; digit != 0; digit >>= 1) {
    const std::uint64_t step = twice_root + digit;
    if (step <= remainder) {
      twice_root = step + digit;
      remainder -= step;
      root += digit;
    }
    remainder *= 2;
  }
  if (remainder != 0) root += root & 1;  // the extra digit is the half; a root is never exactly between two values
  double value = double(root >> 1) * scale;
  for (int i = 1; i < precision; ++i) value *= 0.5;
  return value;
}

}  // namespace detail

/// e^x.  exp(-inf) = +0, exp(+inf) = +inf.
/// Error: float at most 0.5001 u, double below 0.8 u.
BINADE_HD BINADE_ALWAYS_INLINE constexpr float exp(float x) {
  // Below -104 not even half the smallest subnormal is reached; above 89 everything overflows.
  return float(detail::exp_short(detail::clamp(double(x), -104.0, 89.0)));
}
BINADE_HD BINADE_ALWAYS_INLINE constexpr double exp(double x) {
  const detail::exp_argument a = detail::reduce_exp(detail::clamp(x, -746.0, 710.0));
  const double r = a.high - a.low, lost = (a.high - r) - a.low;
  const double main = 1.0 + r;
  const double value = main + ((r - (main - 1.0)) + (detail::exp_tail_long(r) + lost));
  // In two steps, as 2^n itself may be out of range.  The first is exact; the second rounds, if the result is
  // subnormal.
  const std::int32_t n = std::int32_t(std::uint32_t(a.n)), half = n / 2;
  return value * detail::power_of_two(std::uint64_t(half)) * detail::power_of_two(std::uint64_t(n - half));
}

/// Natural logarithm.  log(+-0) = -inf, log(x < 0) = NaN, log(+inf) = +inf, log(1) = +0.
/// Error: float at most 0.5001 u, double below 0.85 u.
BINADE_HD BINADE_ALWAYS_INLINE constexpr float log(float x) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const double wide = double(x);  // every positive float is a normal double
  const detail::log_argument a = detail::reduce_log(wide);
  const double z = a.s * a.s;
  const double log_m =
      a.s * (2.0 + z * detail::polynomial(z, 0x1.5555555564e97p-1, 0x1.999998cafbbe2p-2, 0x1.249323e501d94p-2,
                                          0x1.c67ad9ecb9497p-3, 0x1.8c8c1378bf76ep-3));
  const double finite = a.exponent * 0x1.62e42fefa39efp-1 + log_m;
  const double positive = wide < infinity ? finite : wide;
  const double other = wide == 0.0 ? -infinity : std::numeric_limits<double>::quiet_NaN();
  return float(wide > 0.0 ? positive : other);
}
BINADE_HD BINADE_ALWAYS_INLINE constexpr double log(double x) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const bool subnormal = x < std::numeric_limits<double>::min();
  const detail::log_argument a = detail::reduce_log(subnormal ? x * 0x1p54 : x);
  const double exponent = a.exponent - (subnormal ? 54.0 : 0.0);
  // log(1 + f) = f - (h - s (h + R)) with h = f^2/2, R = 2 atanh(s)/s - 2: the largest term, f, is exact.
  const double z = a.s * a.s, h = 0.5 * a.m_minus_1 * a.m_minus_1;
  const double rest =
      z * detail::polynomial(z, 0x1.5555555555555p-1, 0x1.9999999999a38p-2, 0x1.2492492476ccbp-2, 0x1.c71c7201592a1p-3,
                             0x1.745cf9048617ap-3, 0x1.3b1c355c3560fp-3, 0x1.0fbe95aaf31a8p-3, 0x1.0c039e172b8dfp-3);
  // exponent times the upper part of ln 2 (42 bits) is exact.
  const double tail = a.s * (h + rest) + exponent * 0x1.ef35793c76730p-45;
  const double finite = exponent * 0x1.62e42fefa3800p-1 - ((h - tail) - a.m_minus_1);
  const double positive = x < infinity ? finite : x;
  const double other = x == 0.0 ? -infinity : std::numeric_limits<double>::quiet_NaN();
  return x > 0.0 ? positive : other;
}

/// Hyperbolic tangent; odd, tanh(+-0) = +-0, tanh(+-inf) = +-1.
/// Error: float at most 0.5002 u, double below 2.5 u.
BINADE_HD BINADE_ALWAYS_INLINE constexpr float tanh(float x) {
  // tanh(|x|) = E / (E + 2), E = e^(2|x|) - 1; from 10 on the result is 1.
  const double e = detail::expm1_short(detail::clamp(2.0 * detail::magnitude(double(x)), 0.0, 20.0));
  return float(detail::with_sign_of(e / (e + 2.0), double(x)));
}
BINADE_HD BINADE_ALWAYS_INLINE constexpr double tanh(double x) {
  const detail::exp_argument a = detail::reduce_exp(detail::clamp(2.0 * detail::magnitude(x), 0.0, 44.0));
  const double r = a.high - a.low, lost = (a.high - r) - a.low, scale = detail::power_of_two(a.n);
  const double e = scale * (r + (detail::exp_tail_long(r) + lost)) + (scale - 1.0);
  return detail::with_sign_of(e / (e + 2.0), x);
}

/// 1 / (1 + e^-x).  sigmoid(-inf) = +0, sigmoid(+inf) = 1.
/// Error: float at most 0.5001 u, double below 2.3 u.
BINADE_HD BINADE_ALWAYS_INLINE constexpr float sigmoid(float x) {
  return float(1.0 / (1.0 + detail::exp_short(detail::clamp(-double(x), -104.0, 104.0))));
}
BINADE_HD BINADE_ALWAYS_INLINE constexpr double sigmoid(double x) {
  const double e = exp(-detail::magnitude(x));
  return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

/// Complementary error function, 2/sqrt(pi) times the integral of e^(-t^2) from x on.  erfc(-inf) = 2, erfc(+inf) = +0.
/// Error: float at most 0.5001 u, double below 8 u.
BINADE_HD BINADE_ALWAYS_INLINE constexpr float erfc(float x) {
  // erfc(z) = e^(-z^2) P(u) / (1 + 2z), u = (z - 15/4) / (z + 15/4), z >= 0.  (Shepherd and Laframboise, 1981)
  const double z = detail::clamp(detail::magnitude(double(x)), 0.0, 12.0);
  const double p =
      detail::polynomial((z - 3.75) / (z + 3.75), 0x1.3ccda0b5d4b8dp+0, -0x1.1f367683f7ed0p-3, 0x1.d5f295f26a720p-9,
                         0x1.510169cfbab3fp-4, -0x1.bda931cf29fe5p-4, 0x1.7a1418a1aa340p-4, -0x1.e0d0e16ba0c52p-5,
                         0x1.d0afffbd40a4bp-6, -0x1.3f62464827512p-7, 0x1.cc3b49f35f39bp-10, 0x1.34bc13fdfbe40p-12,
                         -0x1.304e61fb7f4ebp-12, 0x1.a6a540fd033ddp-15, 0x1.7932397614c74p-16, -0x1.532cb8439db08p-17,
                         -0x1.21fa9d84fe3c7p-20, 0x1.f81844f5d1235p-21, 0x1.6cddc85c8e874p-27);
  const double upper = detail::exp_short(-z * z) * (p / (1.0 + 2.0 * z));
  return float(x < 0.0f ? 2.0 - upper : upper);
}
BINADE_HD BINADE_ALWAYS_INLINE constexpr double erfc(double x) {
  const double z = detail::clamp(detail::magnitude(x), 0.0, 30.0);
  const double p = detail::polynomial(
      (z - 3.75) / (z + 3.75), 0x1.3ccda0b5d5dc2p+0, -0x1.1f367683f89a7p-3, 0x1.d5f2948162c71p-9, 0x1.510169d0967a4p-4,
      -0x1.bda9309a35e96p-4, 0x1.7a14188a9acccp-4, -0x1.e0d0fa6c0b08fp-5, 0x1.d0b0037d7a780p-6, -0x1.3f603c7fe160ap-7,
      0x1.cc3a0e5382706p-10, 0x1.33fb5b3afc49cp-12, -0x1.303fa1f0fe3c5p-12, 0x1.b13e0004e32fdp-15,
      0x1.778b249632847p-16, -0x1.7fcb80d70e5f5p-17, -0x1.054aae49b841dp-20, 0x1.d39689e28dd02p-20,
      -0x1.ed27991433b40p-25, -0x1.0ad6351245f76p-22, 0x1.91fbd79a724eap-26, 0x1.127b8eff8a588p-25,
      -0x1.05027628636e7p-28, -0x1.67e2fccd5ba0fp-29, 0x1.606c1d3baffdbp-32);
  // z^2 = high^2 + rest: the square of 26 bits is exact, and rest is below 2^-14.
  const double high = detail::from_bits(detail::bits(z) & ~std::uint64_t(0x7ffffff)), rest = (z - high) * (z + high);
  const double last = 1.0 - rest * (1.0 - rest * (0.5 - rest * (1.0 / 6)));
  const double upper = exp(-high * high) * (last * (p / (1.0 + 2.0 * z)));
  return x < 0.0 ? 2.0 - upper : upper;
}

/// Sine and cosine of an angle in radians, reduced exactly however large.  sin(+-0) = +-0; NaN for +-inf.
/// Error: float at most 0.5003 u, double below 0.9 u.
BINADE_HD constexpr float sin(float x) {
  return detail::sine(x, 0);
}
BINADE_HD constexpr double sin(double x) {
  return detail::sine(x, 0);
}
/// As sin(); cos(+-0) = 1.
BINADE_HD constexpr float cos(float x) {
  return detail::sine(x, 1);
}
BINADE_HD constexpr double cos(double x) {
  return detail::sine(x, 1);
}

/// Square root, correctly rounded.  sqrt(+-0) = +-0, NaN below zero.
BINADE_HD BINADE_ALWAYS_INLINE constexpr float sqrt(float x) {
  if (std::is_constant_evaluated()) return float(detail::square_root(double(x), 24));
  return std::sqrt(x);
}
BINADE_HD BINADE_ALWAYS_INLINE constexpr double sqrt(double x) {
  if (std::is_constant_evaluated()) return detail::square_root(x, 53);
  return std::sqrt(x);
}

/// 1 / sqrt(x).  rsqrt(+0) = +inf, rsqrt(-0) = -inf, rsqrt(+inf) = +0, NaN below zero.
/// Error: float at most 0.5001 u (root and quotient in double, one rounding), double below 1.5 u.
BINADE_HD BINADE_ALWAYS_INLINE constexpr float rsqrt(float x) {
  return float(1.0 / sqrt(double(x)));
}
BINADE_HD BINADE_ALWAYS_INLINE constexpr double rsqrt(double x) {
  return 1.0 / sqrt(x);
}

}  // namespace binade::math
