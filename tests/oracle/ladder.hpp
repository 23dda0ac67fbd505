#pragma once
// Rounding in formats that are no floating point: the positive or negative values of a format in order of magnitude,
// and an exact way to say on which side of the border between two of them a number lies.  Includes nothing of the
// library.

#include <bit>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace oracle {

using rational = boost::multiprecision::cpp_rational;

inline rational exact(double x) {
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);
  rational value(static_cast<std::int64_t>(std::ldexp(fraction, 53)));
  exponent -= 53;
  const boost::multiprecision::cpp_int power = boost::multiprecision::cpp_int(1) << std::abs(exponent);
  return exponent >= 0 ? rational(value * power) : rational(value / power);
}

/// One sign of a format.
struct ladder {
  bool negative = false;
  std::vector<double> magnitudes;    ///< ascending, |value|; zero included where the format has it
  std::vector<std::uint64_t> codes;  ///< of each
  /// The sign of x - b, where b lies at j / 2^n of the way from magnitude i to i + 1, in the sense of the format.
  std::function<int(double x, std::size_t i, unsigned j, int n)> compare;
};

/// The border on the straight line between two magnitudes.
inline auto linear_border(const std::vector<double>& magnitudes) {
  return [magnitudes](double x, std::size_t i, unsigned j, int n) {
    const rational low = exact(magnitudes[i]), high = exact(magnitudes[i + 1]);
    const rational border = low + (high - low) * rational(j, 1u << n);
    return exact(x).compare(border);
  };
}

enum class ladder_mode { nearest_even, nearest_away, toward_zero, up, down, to_odd };

/// True if x, between magnitudes i and i + 1, goes to i + 1.
inline bool goes_away(const ladder& l, ladder_mode mode, double x, std::size_t i) {
  const bool inexact = x > l.magnitudes[i], odd = l.codes[i] % 2 == 1;
  const int side = l.compare(x, i, 1, 1);
  switch (mode) {
    case ladder_mode::nearest_even:
      return side > 0 || (side == 0 && odd);
    case ladder_mode::nearest_away:
      return side >= 0;
    case ladder_mode::toward_zero:
      return false;
    case ladder_mode::up:
      return inexact && !l.negative;
    case ladder_mode::down:
      return inexact && l.negative;
    case ladder_mode::to_odd:
      return inexact && !odd;
  }
  return false;
}

/// Both sides of what decides between magnitudes i and i + 1: each end, the border at j / 2^n and its neighbours.
inline std::vector<double> points_of(const ladder& l, std::size_t i, unsigned j, int n) {
  const double low = l.magnitudes[i], high = l.magnitudes[i + 1];
  std::uint64_t below = std::bit_cast<std::uint64_t>(low), above = std::bit_cast<std::uint64_t>(high);
  while (above - below > 1) {
    const std::uint64_t middle = below + (above - below) / 2;
    (l.compare(std::bit_cast<double>(middle), i, j, n) < 0 ? below : above) = middle;
  }
  std::vector<double> points;
  for (const double x : {low, std::nextafter(low, high), std::bit_cast<double>(below), std::bit_cast<double>(above),
                         std::nextafter(std::bit_cast<double>(above), high), std::nextafter(high, low)})
    if (x >= low && x < high) points.push_back(x);
  return points;
}

}  // namespace oracle
