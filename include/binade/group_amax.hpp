#pragma once
// Largest magnitudes: what scales are found from.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "binade/scale_grid.hpp"
#include "binade/scaling.hpp"
#include "binade/scratch.hpp"
#include "binade/versions.hpp"

namespace binade::detail {

/// Which magnitudes a maximum is taken over beside the finite ones, as masks of all or no bits.
struct magnitude_filter {
  std::uint32_t infinities = 0, nans = 0;

  static constexpr magnitude_filter of(const scaling& s) {
    constexpr auto mask = [](special_rule rule) { return rule == special_rule::element ? 0u : ~0u; };
    return {mask(s.infinity), mask(s.nan)};
  }
  constexpr bool is_finite_only() const { return (infinities | nans) == 0; }
};

/// Bits of |x|, 0 where x is not finite: what amax is the maximum of.
BINADE_HD BINADE_ALWAYS_INLINE std::uint32_t finite_magnitude(float x) {
  const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x) & 0x7fffffff;
  return magnitude & (0 - std::uint32_t(magnitude < 0x7f800000));
}
/// Bits of |x|, 0 where the filter leaves x out.  As numbers, NaNs are above infinity and infinity above the others.
BINADE_HD BINADE_ALWAYS_INLINE std::uint32_t counted_magnitude(float x, const magnitude_filter& filter) {
  const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x) & 0x7fffffff;
  const std::uint32_t special = magnitude == 0x7f800000 ? filter.infinities : filter.nans;
  return magnitude & (magnitude < 0x7f800000 ? ~0u : special);
}

template <std::size_t Count>
BINADE_ALWAYS_INLINE std::uint32_t amax_of(const float* x) {
  std::uint32_t amax = 0;
  for (std::size_t i = 0; i < Count; ++i) amax = std::max(amax, std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffff);
  if (amax < 0x7f800000) return amax;
  amax = 0;  // something is not finite, which is rare
  for (std::size_t i = 0; i < Count; ++i) amax = std::max(amax, finite_magnitude(x[i]));
  return amax;
}

/// amax[k] = max of amax[k] and block k of x; all blocks but a shorter last one have `size` elements.
struct amax_blocks_body {
  BINADE_ALWAYS_INLINE static void run(const float* __restrict x, std::size_t count, std::size_t size,
                                       float* __restrict amax) {
    for (std::size_t k = 0; k * size < count; ++k) {
      const float* const block = x + k * size;
      const std::size_t here = std::min(size, count - k * size);
      std::uint32_t bits = std::bit_cast<std::uint32_t>(amax[k]);
      if (here == 32) {  // the block sizes in use deserve loops of known length
        bits = std::max(bits, amax_of<32>(block));
      } else if (here == 16) {
        bits = std::max(bits, amax_of<16>(block));
      } else {
        std::size_t i = 0;
        for (; i + 256 <= here; i += 256) bits = std::max(bits, amax_of<256>(block + i));
        for (; i < here; ++i) bits = std::max(bits, finite_magnitude(block[i]));
      }
      amax[k] = std::bit_cast<float>(bits);
    }
  }
};
/// The same with a filter.
struct counted_blocks_body {
  BINADE_ALWAYS_INLINE static void run(magnitude_filter filter, const float* __restrict x, std::size_t count,
                                       std::size_t size, float* __restrict amax) {
    for (std::size_t k = 0; k * size < count; ++k) {
      const std::size_t here = std::min(size, count - k * size);
      std::uint32_t bits = std::bit_cast<std::uint32_t>(amax[k]);
      for (std::size_t i = 0; i < here; ++i) bits = std::max(bits, counted_magnitude(x[k * size + i], filter));
      amax[k] = std::bit_cast<float>(bits);
    }
  }
};

/// amax[i] = max of amax[i] and |x[i]|.
struct amax_lanes_body {
  BINADE_ALWAYS_INLINE static void run(magnitude_filter filter, const float* __restrict x, std::size_t count,
                                       float* __restrict amax) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t bits = std::max(std::bit_cast<std::uint32_t>(amax[i]), counted_magnitude(x[i], filter));
      amax[i] = std::bit_cast<float>(bits);
    }
  }
};

/// Largest magnitudes of the groups of a grid, as float32 bit patterns compare: infinity or NaN where the filter counts
/// one.
class group_amax {
 public:
  group_amax(const float* x, const scale_grid& grid, const scaling& s)
      : x_(x), grid_(grid), filter_(magnitude_filter::of(s)), values_(grid.count()) {}

  std::span<const float> values() const { return values_; }
  float operator[](std::size_t group) const { return values_[group]; }

  /// Takes in whole rows of a view with inner 1: elements [begin, end).
  void rows(std::size_t begin, std::size_t end) {
    const std::size_t length = grid_.view.length;
    if (grid_.tile_rows == 1 && grid_.tile_cols == length)  // blocks follow each other through all the rows
      return blocks(x_ + begin, end - begin, length, values_.data() + begin / length);
    for (std::size_t row = begin / length; row < end / length; ++row)
      blocks(x_ + row * length, length, grid_.tile_cols, values_.data() + grid_.index(row, 0));
  }
  /// Takes in the columns of one tile of one o.
  void strip(std::size_t o, std::size_t tile) {
    const axis_view& view = grid_.view;
    lane_.assign(view.inner, 0.0f);
    const std::size_t last = std::min(view.length, (tile + 1) * grid_.tile_cols);
    for (std::size_t j = tile * grid_.tile_cols; j < last; ++j)
      run_best<amax_lanes_body>(filter_, x_ + (o * view.length + j) * view.inner, view.inner, lane_.data());
    for (std::size_t i = 0; i < view.inner; ++i) {
      float& value = values_[grid_.index(o * view.inner + i, tile)];
      value =
          std::bit_cast<float>(std::max(std::bit_cast<std::uint32_t>(value), std::bit_cast<std::uint32_t>(lane_[i])));
    }
  }
  /// Takes in everything.
  void all() {
    if (grid_.view.inner == 1) return rows(0, grid_.view.size());
    for (std::size_t o = 0; o < grid_.view.outer; ++o)
      for (std::size_t tile = 0; tile < grid_.per_row(); ++tile) strip(o, tile);
  }

 private:
  void blocks(const float* x, std::size_t count, std::size_t size, float* amax) const {
    if (filter_.is_finite_only()) return run_best<amax_blocks_body>(x, count, size, amax);
    run_best<counted_blocks_body>(filter_, x, count, size, amax);
  }

  const float* x_;
  scale_grid grid_;
  magnitude_filter filter_;
  scratch_vector<float> values_, lane_;
};

}  // namespace binade::detail
