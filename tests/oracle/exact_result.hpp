#pragma once
// The results of arithmetic as exact numbers that can only be compared, and what a grid makes of them: every rounding
// decision, stochastic ones included, is one comparison with a threshold.  Shares no code and no technique with what it
// judges.

#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "oracle/projection.hpp"

namespace oracle {

using boost::multiprecision::cpp_int;

/// units * 2^exponent, any sign, any size.
struct big {
  cpp_int units = 0;
  int exponent = 0;
};

inline big big_of(dyadic d, bool negative = false) {
  cpp_int units = d.significand;
  if (negative) units = -units;
  return {units, d.exponent};
}
/// Both in units of the smaller exponent.
inline void align(big& a, big& b) {
  if (a.exponent > b.exponent) {
    a.units <<= a.exponent - b.exponent;
    a.exponent = b.exponent;
  } else {
    b.units <<= b.exponent - a.exponent;
    b.exponent = a.exponent;
  }
}
inline big operator+(big a, big b) {
  align(a, b);
  return {a.units + b.units, a.exponent};
}
inline big operator*(const big& a, const big& b) {
  return {a.units * b.units, a.exponent + b.exponent};
}
inline int compare(big a, big b) {
  align(a, b);
  return a.units.compare(b.units);
}
inline int sign(const big& a) {
  return a.units.sign();
}
inline big absolute(const big& a) {
  big result = a;
  if (result.units < 0) result.units = -result.units;
  return result;
}

/// A number that an operand or a result is: NaN, an infinity, a signed zero, or |value| = numerator / denominator, or
/// the square root of that.
struct exact_result {
  enum class kind { nan, infinite, zero, finite } is = kind::nan;
  bool negative = false;
  big numerator{}, denominator{1, 0};  ///< both positive
  bool is_root = false;

  /// The sign of |value| - c, of a zero or a finite number.
  int against(const big& c) const {
    if (c.units.sign() < 0) return 1;
    const big scaled = is_root ? c * c * denominator : c * denominator;
    return compare(numerator, scaled);
  }
};

inline exact_result nan_result() {
  return {};
}
inline exact_result infinite_result(bool negative) {
  return {.is = exact_result::kind::infinite, .negative = negative};
}
inline exact_result zero_result(bool negative) {
  return {.is = exact_result::kind::zero, .negative = negative};
}
/// value, which is not zero.
inline exact_result finite_result(const big& value) {
  return {.is = exact_result::kind::finite, .negative = sign(value) < 0, .numerator = absolute(value)};
}

/// What a code stands for.
inline exact_result number_of(const grid& g, std::uint64_t code) {
  const std::uint64_t magnitude = code & g.top_code();
  const bool negative = code != magnitude;
  if (g.is_nan_code(code)) return nan_result();
  if (magnitude > g.max_code()) return infinite_result(negative);
  const dyadic value = g.value(magnitude);
  return value.is_zero() ? zero_result(negative) : finite_result(big_of(value, negative));
}
inline exact_result number_of(double x) {
  if (std::isnan(x)) return nan_result();
  if (std::isinf(x)) return infinite_result(x < 0);
  return x == 0 ? zero_result(std::signbit(x)) : finite_result(big_of(magnitude_of(x), x < 0));
}
inline big value_of(const exact_result& x) {
  if (x.is != exact_result::kind::finite || x.is_root) return {};
  return x.negative ? big{-x.numerator.units, x.numerator.exponent} : x.numerator;
}

// ---- the operations, on the extended real numbers (IEEE 754-2019, 5.4.1, 6.1, 6.3, 7.2) ----------------------------

using kind = exact_result::kind;

/// The sum of up to three numbers.  `down`: the rounding direction is downwards.
inline exact_result exact_sum(std::initializer_list<exact_result> all, bool down) {
  bool plus_infinity = false, minus_infinity = false, only_zeros = true, some_negative = false, some_positive = false;
  big total;
  for (const exact_result& x : all) {
    if (x.is == kind::nan) return nan_result();
    if (x.is == kind::infinite) (x.negative ? minus_infinity : plus_infinity) = true;
    if (x.is != kind::zero) only_zeros = false;
    (x.negative ? some_negative : some_positive) = true;
    total = total + value_of(x);
  }
  if (plus_infinity && minus_infinity) return nan_result();
  if (plus_infinity || minus_infinity) return infinite_result(minus_infinity);
  if (sign(total) != 0) return finite_result(total);
  if (only_zeros && !(some_negative && some_positive)) return zero_result(some_negative);
  return zero_result(down);
}
inline exact_result opposite(exact_result x) {
  x.negative = !x.negative;
  return x;
}
inline exact_result exact_product(const exact_result& x, const exact_result& y) {
  const bool negative = x.negative != y.negative;
  if (x.is == kind::nan || y.is == kind::nan) return nan_result();
  if (x.is == kind::infinite || y.is == kind::infinite)
    return x.is == kind::zero || y.is == kind::zero ? nan_result() : infinite_result(negative);
  if (x.is == kind::zero || y.is == kind::zero) return zero_result(negative);
  return finite_result(value_of(x) * value_of(y));
}
inline exact_result exact_quotient(const exact_result& x, const exact_result& y) {
  const bool negative = x.negative != y.negative;
  if (x.is == kind::nan || y.is == kind::nan) return nan_result();
  if (x.is == y.is && x.is != kind::finite) return nan_result();
  if (x.is == kind::infinite || y.is == kind::zero) return infinite_result(negative);
  if (x.is == kind::zero || y.is == kind::infinite) return zero_result(negative);
  exact_result q{.is = kind::finite, .negative = negative, .numerator = x.numerator, .denominator = y.numerator};
  return q;
}
inline exact_result exact_root(const exact_result& x) {
  if (x.is == kind::nan || x.is == kind::zero) return x;
  if (x.negative) return nan_result();
  if (x.is == kind::infinite) return x;
  exact_result r = x;
  r.is_root = true;
  return r;
}

// ---- projection ----------------------------------------------------------------------------------------------------

/// Where |x| lies on a grid: found once, serves every rule.
struct exact_place {
  std::uint64_t code = 0;  ///< greatest with value(code) <= |x| in [0, max_code() + 1]
  bool below_all = false;  ///< |x| < value(0): a grid without zero
  int against_low = 0, against_middle = -1;
  big low{}, step{};  ///< value(code), value(code + 1) - value(code)
};

inline exact_place locate(const grid& g, const exact_result& x) {
  if (x.is != kind::finite) return {};
  exact_place p;
  if (x.against(big_of(g.value(0))) < 0) return {.below_all = true};
  std::uint64_t low = 0, high = g.max_code() + 1;
  if (x.against(big_of(g.value(high))) >= 0) low = high;
  while (low + 1 < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    (x.against(big_of(g.value(middle))) >= 0 ? low : high) = middle;
  }
  p.code = low;
  p.low = big_of(g.value(low));
  const big next = big_of(g.value(low + 1));
  p.step = next + big{-p.low.units, p.low.exponent};
  p.against_low = x.against(p.low);
  p.against_middle = x.against(big{1, -1} * (p.low + next));
  return p;
}

/// True if |x| goes to the code above p.code.
inline bool exact_goes_up(const exact_result& x, const exact_place& p, const rule& r, std::uint32_t noise) {
  if (p.below_all || p.against_low == 0) return false;
  const bool odd = p.code % 2 == 1;
  // A stochastic mode goes up where x >= low + step * threshold, threshold = above / 2^bits.
  const auto reaches = [&](const cpp_int& above, int bits) { return x.against(p.low + p.step * big{above, -bits}); };
  const cpp_int all = cpp_int(1) << r.noise_bits;
  switch (r.rounding) {
    case mode::nearest_even:
      return p.against_middle > 0 || (p.against_middle == 0 && odd);
    case mode::nearest_away:
      return p.against_middle >= 0;
    case mode::toward_zero:
      return false;
    case mode::up:
      return !x.negative;
    case mode::down:
      return x.negative;
    case mode::to_odd:
      return !odd;
    case mode::stochastic_a:
      return reaches(all - noise, r.noise_bits) >= 0;
    case mode::stochastic_b:
      return reaches(2 * all - 2 * cpp_int(noise) - 1, r.noise_bits + 1) >= 0;
    case mode::stochastic_c: {
      // nu * 2^N rounds to at least `above` from above - 1/2 on, and at that tie if above is even.
      const cpp_int above = all - noise;
      const int side = reaches(2 * above - 1, r.noise_bits + 1);
      return side > 0 || (side == 0 && above % 2 == 0);
    }
  }
  throw std::logic_error("oracle: a rounding mode without a rule");
}

/// x, found at p, into g under r.  Subnormal results: gradual or flushed; daz is a matter of operands.
inline answer project(const grid& g, const rule& r, const exact_result& x, const exact_place& p,
                      std::uint32_t noise = 0) {
  using namespace detail;
  if (x.is == kind::nan) return nan_answer(g);
  if (x.is == kind::zero) return finite_answer(g, x.negative && g.is_signed, 0);
  const bool up = x.is == kind::finite && exact_goes_up(x, p, r, noise);
  if (x.negative && !g.is_signed) {
    if (r.overflow == beyond::saturate || r.overflow == beyond::propagate || !g.has_nan())
      return finite_answer(g, false, 0);
    if (g.sat_none && r.overflow == beyond::spec && x.is == kind::finite) {
      const bool inward = r.rounding == mode::toward_zero || r.rounding == mode::up;
      if (inward || (p.code == 0 && !up)) return finite_answer(g, false, 0);
    }
    return nan_answer(g);
  }
  if (x.is == kind::infinite) return beyond_answer(g, r, x.negative, true);
  const std::uint64_t magnitude = p.code + static_cast<std::uint64_t>(up);
  if (magnitude > g.max_code()) return beyond_answer(g, r, x.negative, false);
  if (r.subnormals == tiny::flush_results && g.has_subnormals && magnitude < g.min_normal_code())
    return finite_answer(g, x.negative, 0);
  return finite_answer(g, x.negative, magnitude);
}

inline std::string to_string(const exact_result& x) {
  const std::string sign = x.negative ? "-" : "+";
  switch (x.is) {
    case kind::nan:
      return "NaN";
    case kind::infinite:
      return sign + "Inf";
    case kind::zero:
      return sign + "0";
    case kind::finite:
      break;
  }
  std::string text = x.numerator.units.str() + "p" + std::to_string(x.numerator.exponent);
  if (x.denominator.units != 1 || x.denominator.exponent != 0)
    text += " / " + x.denominator.units.str() + "p" + std::to_string(x.denominator.exponent);
  return sign + (x.is_root ? "sqrt(" + text + ")" : text);
}

}  // namespace oracle
