#pragma once
// Exact arithmetic for judging the codec.  Nothing under tests/oracle/ includes a header of the library.

#include <bit>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace oracle {

/// An exact magnitude, significand * 2^exponent.  Signs are kept beside it: every rule here is symmetric or says
/// otherwise.
struct dyadic {
  std::uint64_t significand = 0;
  int exponent = 0;

  bool is_zero() const { return significand == 0; }
};

/// |x| exactly; x finite.
inline dyadic magnitude_of(double x) {
  int exponent = 0;
  const double fraction = std::frexp(std::fabs(x), &exponent);  // in [1/2, 1) or 0
  return {static_cast<std::uint64_t>(std::ldexp(fraction, 53)), exponent - 53};
}

/// The same value with the significand's top bit set, so that exponents order values.
inline dyadic normalized(dyadic a) {
  if (a.is_zero()) return {};
  const int shift = std::countl_zero(a.significand);
  return {a.significand << shift, a.exponent - shift};
}

/// The sign of a - b.
inline int compare(dyadic a, dyadic b) {
  if (a.is_zero() || b.is_zero()) return static_cast<int>(!a.is_zero()) - static_cast<int>(!b.is_zero());
  a = normalized(a);
  b = normalized(b);
  if (a.exponent != b.exponent) return a.exponent < b.exponent ? -1 : 1;
  return static_cast<int>(a.significand > b.significand) - static_cast<int>(a.significand < b.significand);
}

/// The significand of a counted in units of 2^exponent <= a.exponent.  Throws where 64 bits do not hold it: the oracle
/// never rounds.
inline std::uint64_t in_units(dyadic a, int exponent) {
  if (a.is_zero()) return 0;
  const int shift = a.exponent - exponent;
  if (shift < 0 || shift > std::countl_zero(a.significand))
    throw std::logic_error("oracle: a sum needs more than 64 bits");
  return a.significand << shift;
}

/// The smaller of both exponents; a zero does not count.
inline int common_exponent(dyadic a, dyadic b) {
  if (a.is_zero()) return b.exponent;
  if (b.is_zero()) return a.exponent;
  return a.exponent < b.exponent ? a.exponent : b.exponent;
}

/// a - b, a >= b.
inline dyadic difference(dyadic a, dyadic b) {
  const int unit = common_exponent(a, b);
  return {in_units(a, unit) - in_units(b, unit), unit};
}

/// (a + b) / 2; both below 2^63 in common units.
inline dyadic midpoint(dyadic a, dyadic b) {
  const int unit = common_exponent(a, b);
  const std::uint64_t in_a = in_units(a, unit), in_b = in_units(b, unit);
  if ((in_a | in_b) >> 63 != 0) throw std::logic_error("oracle: a midpoint needs more than 64 bits");
  return {in_a + in_b, unit - 1};
}

/// The double nearest to a: exact where a double holds it.
inline double to_double(dyadic a) {
  return std::ldexp(static_cast<double>(a.significand), a.exponent);
}

inline std::string to_string(dyadic a) {
  return std::to_string(a.significand) + "p" + std::to_string(a.exponent);
}

}  // namespace oracle
