#pragma once
// Outlier clamping and compensation: a row is clamped to two of its own order statistics, and what was cut off is kept
// as a sparse residual that can be added back.  (Wang et al., "Optimizing Large Language Model Training Using FP4
// Quantization", ICML 2025, section 3.2; ranks as in its code)

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "binade/config.hpp"

namespace binade {

/// Clamps to the quantiles 1 - q and q of the finite elements of a row.
///
/// With the n finite elements in ascending order, -0 before +0, x(0) <= ... <= x(n - 1), the bounds are elements: lower
/// = x(floor((1 - q) n)) and upper = x(min(n - 1, floor(q n))).  No interpolation.  The ranks are exact, as q is a
/// decimal.
struct quantile_clamp {
  std::uint32_t billionths = 990'000'000;  ///< 10^9 q, so that q = 0.99 is exact: above 0.5, at most 1

  bool operator==(const quantile_clamp&) const = default;
};

/// Why a clamp is impossible; empty if it is not.
constexpr std::string_view defect(const quantile_clamp& c) {
  return c.billionths > 500'000'000 && c.billionths <= 1'000'000'000
             ? ""
             : "a clamp keeps a quantile above 0.5 and at most 1";
}

/// What elements are clamped to, both ends included.  Infinite: nothing is cut off.
struct clamp_bounds {
  float lower = -std::numeric_limits<float>::infinity(), upper = std::numeric_limits<float>::infinity();

  bool operator==(const clamp_bounds&) const = default;
};

/// The ranks of the bounds among n >= 1 ascending elements.
struct clamp_ranks {
  std::size_t lower, upper;

  bool operator==(const clamp_ranks&) const = default;
};
/// The ranks floor((1 - q) n) and min(n - 1, floor(q n)), exact.  @pre n >= 1
BINADE_HD constexpr clamp_ranks ranks_of(const quantile_clamp& c, std::size_t n) {
  constexpr std::uint64_t whole = 1'000'000'000;
  // floor(part n / 10^9) with n = a 10^9 + b: part b is below 10^18.
  const auto share = [n](std::uint64_t part) { return std::size_t(part * (n / whole) + part * (n % whole) / whole); };
  const std::size_t upper = share(c.billionths);
  return {share(whole - c.billionths), upper < n ? upper : n - 1};
}

/// x within the bounds.  NaN stays NaN; an infinity beyond a finite bound becomes the bound; a zero equal to a bound
/// keeps its sign.
BINADE_HD BINADE_ALWAYS_INLINE constexpr float clamped(const clamp_bounds& b, float x) {
  const float raised = x < b.lower ? b.lower : x;
  return raised > b.upper ? b.upper : raised;
}

/// What clamping cuts off: x - clamped(x) in float32; +0 inside the bounds and for NaN.
BINADE_HD BINADE_ALWAYS_INLINE constexpr float residual(const clamp_bounds& b, float x) {
  if (x < b.lower) return x - b.lower;
  return x > b.upper ? x - b.upper : 0.0f;
}

/// What was cut off one element.
struct residual_entry {
  std::size_t index = 0;
  float value = 0;

  bool operator==(const residual_entry&) const = default;
};

namespace detail {

/// Bits of x that compare as unsigned integers as finite floats do, -0 below +0; and back.
BINADE_HD constexpr std::uint32_t ordered_bits(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000;
}
BINADE_HD constexpr float from_ordered_bits(std::uint32_t ordered) {
  return std::bit_cast<float>(ordered >> 31 != 0 ? ordered & 0x7fffffff : ~ordered);
}

inline void check_clamp(const std::string& verb, const quantile_clamp& c) {
  if (const std::string_view why = defect(c); !why.empty())
    throw std::invalid_argument(verb + ": q is " + std::to_string(c.billionths) + "e-9; " + std::string(why));
}

inline clamp_bounds bounds_of_row(const quantile_clamp& c, std::span<const float> row,
                                  std::vector<std::uint32_t>& keys) {
  keys.clear();
  for (const float x : row)
    if ((std::bit_cast<std::uint32_t>(x) & 0x7fffffff) < 0x7f800000) keys.push_back(ordered_bits(x));
  if (keys.empty()) return {};
  const clamp_ranks ranks = ranks_of(c, keys.size());
  const auto upper = keys.begin() + std::ptrdiff_t(ranks.upper), lower = keys.begin() + std::ptrdiff_t(ranks.lower);
  std::nth_element(keys.begin(), upper, keys.end());
  if (lower < upper) std::nth_element(keys.begin(), lower, upper);
  return {from_ordered_bits(*lower), from_ordered_bits(*upper)};
}

}  // namespace detail

/// The bounds of one row; infinite where it has no finite element, so that nothing is cut off.
/// @throws std::invalid_argument if the clamp is impossible
inline clamp_bounds bounds_of(const quantile_clamp& c, std::span<const float> row) {
  detail::check_clamp("bounds_of", c);
  std::vector<std::uint32_t> keys;
  return detail::bounds_of_row(c, row, keys);
}

/// Clamps each row to its own bounds, and lists what was cut off.
///
/// @param row_length  of the rows of x; x.size() for one pair of bounds
/// @param out         x.size() elements; may be x
/// @return            the elements that changed, by ascending index
/// @throws std::invalid_argument if the clamp is impossible or a size does not fit; nothing is written
inline std::vector<residual_entry> clamp_rows(const quantile_clamp& c, std::size_t row_length, std::span<const float> x,
                                              std::span<float> out) {
  detail::check_clamp("clamp_rows", c);
  if (row_length == 0 ? !x.empty() : x.size() % row_length != 0)
    throw std::invalid_argument("clamp_rows: " + std::to_string(x.size()) + " elements are not whole rows of " +
                                std::to_string(row_length));
  if (out.size() != x.size())
    throw std::invalid_argument("clamp_rows: out has room for " + std::to_string(out.size()) + " elements and " +
                                std::to_string(x.size()) + " are needed");
  std::vector<residual_entry> cut;
  std::vector<std::uint32_t> keys;
  for (std::size_t row = 0; row < x.size(); row += row_length) {
    const clamp_bounds bounds = detail::bounds_of_row(c, x.subspan(row, row_length), keys);
    for (std::size_t i = row; i < row + row_length; ++i) {
      if (x[i] < bounds.lower || x[i] > bounds.upper) cut.push_back({i, residual(bounds, x[i])});
      out[i] = clamped(bounds, x[i]);
    }
  }
  return cut;
}

/// Adds back what was cut off, in float32: out[index] += value.
///
/// Where out still holds the clamped values, the result is x again if x - bound was exact in float32, as it is for x up
/// to twice the bound; else it is off by at most half an ulp of the residual and half an ulp of the result.  A residual
/// beyond float32 is infinite.
/// @throws std::invalid_argument if an index is beyond out; nothing is written
inline void compensate(std::span<const residual_entry> cut, std::span<float> out) {
  for (const residual_entry& entry : cut)
    if (entry.index >= out.size())
      throw std::invalid_argument("compensate: a residual is for element " + std::to_string(entry.index) +
                                  " and out has " + std::to_string(out.size()) + "; give the array that was clamped");
  for (const residual_entry& entry : cut) out[entry.index] += entry.value;
}

}  // namespace binade
