#pragma once
// Rounding in formats that are no floating point: the values of a format in the order in which one sign climbs them,
// and an exact way to say on which side of the border between two of them a number lies.  Includes nothing of the
// library.

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <vector>

#include "oracle/exact_result.hpp"

namespace oracle {

inline big signed_big(double x) {
  return big_of(magnitude_of(x), x < 0);
}

/// One sign of a format.  Numbers are compared by magnitude: x stands for |x|.
struct ladder {
  bool negative = false;
  bool never_zero = false;             ///< nothing but zero goes to the zero at the bottom
  std::vector<double> magnitudes{};    ///< ascending; zero included where the format has it, below zero in a code book
  std::vector<big> steps{};            ///< the same
  std::vector<std::uint64_t> codes{};  ///< of each
  /// The sign of x - b, where b lies at j / 2^n of the way from magnitude i to i + 1, in the sense of the format.
  std::function<int(const exact_result& x, std::size_t i, unsigned j, int n)> compare{};

  void push(double magnitude, std::uint64_t code) {
    magnitudes.push_back(magnitude + 0.0);  // no -0
    steps.push_back(signed_big(magnitude));
    codes.push_back(code);
  }
};

/// The border on the straight line between two magnitudes.
inline auto linear_border(const std::vector<big>& steps) {
  return [steps](const exact_result& x, std::size_t i, unsigned j, int n) {
    const big &low = steps[i], &high = steps[i + 1];
    return x.against(low + (high + big{-low.units, low.exponent}) * big{j, -n});
  };
}

/// Where |x| lies: at or above magnitude i and below i + 1.
struct rung {
  std::size_t i = 0;
  bool inexact = false;
  int side = -1;  ///< of the border half way; where there is none, because x is off an end or exact: -1
};
inline rung locate(const ladder& l, const exact_result& x) {
  if (x.against(l.steps[0]) < 0) return {};
  std::size_t low = 0, high = l.steps.size();
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    (x.against(l.steps[middle]) >= 0 ? low : high) = middle;
  }
  if (low + 1 == l.steps.size() || x.against(l.steps[low]) == 0) return {.i = low};
  return {.i = low, .inexact = true, .side = l.compare(x, low, 1, 1)};
}

/// True if x, which is at r, goes to magnitude r.i + 1.
inline bool goes_away(const ladder& l, const rule& how, const exact_result& x, const rung& r, std::uint32_t noise = 0) {
  if (!r.inexact) return false;
  if (l.never_zero && r.i == 0) return true;
  const bool odd = l.codes[r.i] % 2 == 1;
  const std::uint32_t all = is_stochastic(how.rounding) ? std::uint32_t{1} << how.noise_bits : 0;
  switch (how.rounding) {
    case mode::nearest_even:
      return r.side > 0 || (r.side == 0 && odd);
    case mode::nearest_away:
      return r.side >= 0;
    case mode::toward_zero:
      return false;
    case mode::up:
      return !l.negative;
    case mode::down:
      return l.negative;
    case mode::to_odd:
      return !odd;
    case mode::stochastic_a:
      return noise != 0 && l.compare(x, r.i, all - noise, how.noise_bits) >= 0;
    case mode::stochastic_b:
      return l.compare(x, r.i, 2 * (all - noise) - 1, how.noise_bits + 1) >= 0;
    case mode::stochastic_c: {
      const int at = l.compare(x, r.i, 2 * (all - noise) - 1, how.noise_bits + 1);
      return at > 0 || (at == 0 && (all - noise) % 2 == 0);
    }
  }
  throw std::logic_error("oracle: a rounding mode without a rule");
}

/// Both sides of what decides between magnitudes i and i + 1, the lower one not below zero: each end, the border at
/// j / 2^n and its neighbours.
inline std::vector<double> points_of(const ladder& l, std::size_t i, unsigned j, int n) {
  const double low = l.magnitudes[i], high = l.magnitudes[i + 1];
  std::uint64_t below = std::bit_cast<std::uint64_t>(low), above = std::bit_cast<std::uint64_t>(high);
  while (above - below > 1) {
    const std::uint64_t middle = below + (above - below) / 2;
    (l.compare(number_of(std::bit_cast<double>(middle)), i, j, n) < 0 ? below : above) = middle;
  }
  std::vector<double> points;
  for (const double x : {low, std::nextafter(low, high), std::bit_cast<double>(below), std::bit_cast<double>(above),
                         std::nextafter(std::bit_cast<double>(above), high), std::nextafter(high, low)})
    if (x >= low && x < high) points.push_back(x);
  return points;
}

}  // namespace oracle
