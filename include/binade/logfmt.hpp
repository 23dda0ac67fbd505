#pragma once
// LogFMT: a tile of numbers as sign and position on a logarithmic scale from its smallest to its largest magnitude.
// (DeepSeek, "Insights into DeepSeek-V3", ISCA 2025, arXiv 2505.09343, section 3.2: LogFMT-nBit, tiles of 1 x 128)
//
// A code of n bits has its sign in the top bit and K in the n - 1 others.  K = 0 is zero.  With A and B the logarithms
// of the tile's smallest and largest magnitude and step = (B - A) / (2^(n-1) - 2),
//   value(K) = float32(exp(A + (K - 1) step)),   K = 1 .. 2^(n-1) - 1,
// logarithm, step, product, sum and exponential in double by binade::math.  So K = 1 is the smallest magnitude and the
// largest K is the largest, both exactly: the errors in double are far below half an ulp of float32.
//
// Encoding rounds in the linear domain, to the value nearest to |x|; of two equally near to the upper one if its K is
// even, else to the lower one.  Where several K have that value, as between close ends or subnormal ones, the least of
// them.

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
#include "binade/elementary.hpp"

namespace binade {

/// LogFMT-nBit: the codes of a tile are steps of the logarithm between its least and greatest magnitude.  (DeepSeek-AI,
/// ISCA 2025, arXiv:2505.09343)
struct logfmt {
  int width = 8;             ///< n: bits of a code, sign included, 3..16
  std::uint32_t tile = 128;  ///< consecutive elements that share a scale; a short tail is a tile of its own

  BINADE_HD constexpr std::uint32_t largest_magnitude_code() const { return (std::uint32_t(1) << (width - 1)) - 1; }
  bool operator==(const logfmt&) const = default;
};

/// Why a format is impossible; empty if it is not.
constexpr std::string_view defect(const logfmt& f) {
  if (f.width < 3 || f.width > 16) return "a LogFMT code has 3 to 16 bits";
  if (f.tile == 0) return "a tile has 1 or more elements";
  return {};
}

/// The ends of a tile's scale: magnitudes of its elements, so that they cost no more bits than an element did.
///
/// smallest is the least non-zero magnitude, raised to largest 2^-32 (in float32) where it is less.  Both are 0 where
/// all elements are zero.
struct logfmt_tile {
  float smallest = 0, largest = 0;

  bool operator==(const logfmt_tile&) const = default;
};

/// @param smallest, largest  of the non-zero magnitudes, finite; both 0 where there are none
BINADE_HD constexpr logfmt_tile tile_between(float smallest, float largest) {
  const float least = largest * 0x1p-32f;
  return {smallest < least ? least : smallest, largest};
}

/// The values of one tile's codes.
class logfmt_scale {
 public:
  /// @pre defect(f) is empty, 0 < smallest <= largest or both 0
  BINADE_HD constexpr logfmt_scale(const logfmt& f, const logfmt_tile& tile)
      : largest_code_(f.largest_magnitude_code()), is_zero_(tile.largest == 0) {
    if (is_zero_) return;
    start_ = math::log(double(tile.smallest));
    step_ = (math::log(double(tile.largest)) - start_) / double(largest_code_ - 1);
  }
  /// The magnitude of K; 0 for all K of a tile of zeros.
  BINADE_HD constexpr float value(std::uint32_t k) const {
    return k == 0 || is_zero_ ? 0.0f : float(math::exp(start_ + double(k - 1) * step_));
  }
  /// K of a magnitude, by search in value_of, which is value() or a table of it.
  /// @pre 0 <= magnitude <= largest of the tile
  template <class Values>
  BINADE_HD constexpr std::uint32_t nearest(float magnitude, const Values& value_of) const {
    // The least K whose value is not below the magnitude: as many as have one below, counted bit by bit.
    std::uint32_t low = 0;
    for (std::uint32_t bit = (largest_code_ + 1) / 2; bit != 0; bit /= 2)
      low += value_of(low + bit - 1) < magnitude ? bit : 0;
    if (low == 0) return 0;
    // A sum of two floats is exact in double, or so far from twice the magnitude that it does not matter.
    const float below = value_of(low - 1);
    const double twice = 2 * double(magnitude), sum = double(below) + double(value_of(low));
    if (twice > sum || (twice == sum && low % 2 == 0)) return low;
    std::uint32_t k = low - 1;
    while (k > 1 && value_of(k - 1) == below) --k;
    return k;
  }
  BINADE_HD constexpr std::uint32_t nearest(float magnitude) const {
    return nearest(magnitude, [this](std::uint32_t k) { return value(k); });
  }

 private:
  std::uint32_t largest_code_;
  bool is_zero_;
  double start_ = 0, step_ = 0;
};

namespace detail {

inline void check_logfmt(const std::string& verb, const logfmt& f, std::size_t count, std::size_t codes,
                         std::size_t tiles) {
  if (const std::string_view why = defect(f); !why.empty())
    throw std::invalid_argument(verb + ": the format is impossible: " + std::string(why));
  const auto check = [&](const char* what, std::size_t given, std::size_t needed) {
    if (given != needed)
      throw std::invalid_argument(verb + ": " + std::to_string(given) + " " + what + " are given and " +
                                  std::to_string(needed) + " are needed for " + std::to_string(count) + " elements");
  };
  check("codes", codes, count);
  check("tiles", tiles, count / f.tile + (count % f.tile != 0));
}

}  // namespace detail

/// Encodes consecutive tiles.
///
/// @param x      finite numbers; rows whose length the tile divides, or one row.  A zero keeps its sign
/// @param codes  x.size() of them
/// @param tiles  ceil(x.size() / f.tile) of them
/// @throws std::invalid_argument if the format is impossible, a size does not fit, or x has NaN or infinities, which
///         have no code; nothing is written
inline void encode(const logfmt& f, std::span<const float> x, std::span<std::uint16_t> codes,
                   std::span<logfmt_tile> tiles) {
  detail::check_logfmt("encode", f, x.size(), codes.size(), tiles.size());
  const auto bad = std::count_if(x.begin(), x.end(),
                                 [](float v) { return (std::bit_cast<std::uint32_t>(v) & 0x7fffffff) >= 0x7f800000; });
  if (bad != 0)
    throw std::invalid_argument("encode: x has " + std::to_string(bad) +
                                " NaN or infinities and LogFMT has no code for them; remove them");
  const std::uint32_t sign = std::uint32_t(1) << (f.width - 1);
  std::vector<float> table(sign);
  for (std::size_t tile = 0; tile < tiles.size(); ++tile) {
    const std::size_t first = tile * f.tile, count = std::min<std::size_t>(f.tile, x.size() - first);
    float smallest = std::numeric_limits<float>::infinity(), largest = 0;
    for (const float v : x.subspan(first, count)) {
      const float magnitude = v < 0 ? -v : v;
      if (magnitude > 0 && magnitude < smallest) smallest = magnitude;
      largest = std::max(largest, magnitude);
    }
    tiles[tile] = largest == 0 ? logfmt_tile{} : tile_between(smallest, largest);
    const logfmt_scale scale(f, tiles[tile]);
    for (std::uint32_t k = 0; k < sign; ++k) table[k] = scale.value(k);
    for (std::size_t i = first; i < first + count; ++i) {
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(x[i]);
      const std::uint32_t k =
          scale.nearest(std::bit_cast<float>(bits & 0x7fffffff), [&](std::uint32_t c) { return table[c]; });
      codes[i] = std::uint16_t(k | (bits >> 31 != 0 ? sign : 0));
    }
  }
}

/// The values of codes.
/// @throws std::invalid_argument if the format is impossible, a size does not fit, a code is wider than the format, or
/// the
///         ends of a tile are no magnitudes in order; nothing is written
inline void decode(const logfmt& f, std::span<const std::uint16_t> codes, std::span<const logfmt_tile> tiles,
                   std::span<float> out) {
  detail::check_logfmt("decode", f, out.size(), codes.size(), tiles.size());
  const std::uint32_t sign = std::uint32_t(1) << (f.width - 1);
  if (const auto wide = std::find_if(codes.begin(), codes.end(), [&](std::uint32_t c) { return c >= 2 * sign; });
      wide != codes.end())
    throw std::invalid_argument("decode: code " + std::to_string(*wide) + " at index " +
                                std::to_string(wide - codes.begin()) + " is wider than the " + std::to_string(f.width) +
                                " bits of the format");
  const auto possible = [](const logfmt_tile& t) {
    return t == logfmt_tile{} ||
           (t.smallest > 0 && t.smallest <= t.largest && t.largest <= std::numeric_limits<float>::max());
  };
  if (const auto odd = std::find_if_not(tiles.begin(), tiles.end(), possible); odd != tiles.end())
    throw std::invalid_argument("decode: the ends of tile " + std::to_string(odd - tiles.begin()) + " are " +
                                std::to_string(odd->smallest) + " and " + std::to_string(odd->largest) +
                                "; they must be 0 < smallest <= largest < infinity, or both 0");
  for (std::size_t tile = 0; tile < tiles.size(); ++tile) {
    const logfmt_scale scale(f, tiles[tile]);
    const std::size_t first = tile * f.tile, end = std::min<std::size_t>(first + f.tile, codes.size());
    for (std::size_t i = first; i < end; ++i) {
      const float magnitude = scale.value(codes[i] & (sign - 1));
      out[i] = codes[i] >= sign ? -magnitude : magnitude;
    }
  }
}

}  // namespace binade
