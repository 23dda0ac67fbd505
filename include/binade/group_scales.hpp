#pragma once
// The scales of an array, found and laid beside its elements chunk by chunk.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "binade/fast_round.hpp"
#include "binade/group_amax.hpp"
#include "binade/scale_finder.hpp"
#include "binade/scale_grid.hpp"

namespace binade::detail {

/// The scales of the elements of a chunk.
struct near_scales {
  const float* stored;      ///< of the innermost level, as stored; 1 without levels
  const double* product;    ///< both levels multiplied; null unless there are two
  const float* multiplier;  ///< what elements are multiplied by; null in the orders that divide
};

/// x[i] / scales[i] to odd in float32, which one more rounding takes to what the exact quotient gives; a zero of x's
/// sign where the scale is 0.
///
/// @pre  scales[i] is NaN, or 0, or from 2^-300 to 2^300
struct odd_quotient_body {
  BINADE_ALWAYS_INLINE static void run(const float* __restrict x, const double* __restrict scales,
                                       float* __restrict scaled, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(x[i]), sign = bits & 0x80000000;
      const double magnitude = double(std::bit_cast<float>(bits ^ sign)), s = scales[i];
      const double q = magnitude / s;
      const float near = float(q);
      // How far the quotient is from near: first what the cut to float32 took, then what the division rounded.  Both
      // are NaN where x or the scale is, and where q is infinite: no step then.
      const double cut = q - double(near), rest = std::fma(-q, s, magnitude);
      const double beyond = cut != 0 ? cut : rest;
      const std::uint32_t found = std::bit_cast<std::uint32_t>(near), even = ~found & 1;
      const std::uint32_t up = std::uint32_t(beyond > 0) & even, down = std::uint32_t(beyond < 0) & even;
      // A finite quotient beyond float32 is its largest number, which is odd.
      const std::uint32_t odd = found == 0x7f800000 && magnitude < 0x1p128 ? 0x7f7fffff : found + up - down;
      const std::uint32_t result = magnitude != magnitude || s != 0 ? odd : 0;
      scaled[i] = std::bit_cast<float>(result | sign);
    }
  }
};

/// scaled[i] = x[i] multipliers[i]; a zero stays, also where the multiplier is infinite.
struct multiply_body {
  BINADE_ALWAYS_INLINE static void run(const float* __restrict x, const float* __restrict multipliers,
                                       float* __restrict scaled, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      scaled[i] = x[i] == 0 && multipliers[i] == multipliers[i] ? x[i] : x[i] * multipliers[i];
  }
};
/// scaled[i] = x[i] / scales[i], a zero of x's sign where the scale is 0.
struct divide_body {
  BINADE_ALWAYS_INLINE static void run(const float* __restrict x, const float* __restrict scales,
                                       float* __restrict scaled, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(x[i]);
      const float zero = std::bit_cast<float>(bits & 0x80000000);
      scaled[i] = scales[i] != 0 || x[i] != x[i] ? x[i] / scales[i] : zero;
    }
  }
};
/// values[i] = values[i] scales[i], the exact product rounded once to float32; a NaN is the positive quiet one.
struct product_body {
  BINADE_ALWAYS_INLINE static void run(const double* __restrict scales, float* __restrict values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const float product = float(double(values[i]) * scales[i]);
      values[i] = product == product ? product : std::numeric_limits<float>::quiet_NaN();
    }
  }
};

/// True if float32 rounded to odd decides the element's rounding as the exact quotient does.
constexpr bool odd_float_suffices(const element& e) {
  if (e.format.kind != format_kind::floating) return false;
  const int noise = is_stochastic(e.rounding) ? e.noise_bits : 0;
  return e.format.floating.precision + noise + 2 <= 24;
}

/// Scales that are known before a walk: those of a part of a larger array, found from all of it.
struct known_scales {
  std::vector<float> inner = {};          ///< of each group of the only level; empty: they are found
  std::optional<outer_scale> outer = {};  ///< of the whole array, the outer of two levels; none: it is found
};

/// Walks an array in storage order, chunk by chunk, with the scales of each element beside it.
class scaled_walk {
 public:
  /// Elements that a chunk has at most; counter::chunk is a multiple.
  static constexpr std::size_t chunk = 1024;

  /// @param x      the array; null where run() is not called
  /// @param known  null, or scales that run() takes as they are
  scaled_walk(const float* x, const axis_view& view, const quantizer& q, const known_scales* known = nullptr)
      : x_(x),
        view_(view),
        quantizer_(q),
        levels_(q),
        known_(known),
        grid_(q.levels == 0 ? scale_grid{{1, view.size(), 1}, 1, std::max<std::size_t>(1, view.size())}
                            : grid_of(q.scalings[0], view)),
        has_multiplier_(q.order != operation_order::standard) {}

  /// Calls visit(first, count, near_scales of these elements) for every chunk; chunks begin at multiples of `chunk` or
  /// where the groups that they need begin.  A group's scale is found before its first chunk.
  template <class Visit>
  void run(Visit visit) {
    if (view_.size() == 0) return;
    if (known_ != nullptr && !known_->inner.empty()) return run_with(known_->inner, {}, visit);
    reserve();
    if (quantizer_.levels == 0) {
      stored_.of_group[0] = 1;
      return visit_all(0, view_.size(), visit);
    }
    if (quantizer_.levels == 2) find_outer();
    const scaling& s = quantizer_.scalings[0];
    const bool needs_amax = s.rule != scale_rule::static_scale;
    group_amax amax(x_, grid_, s);
    const auto find = [&](std::size_t first, std::size_t count) {
      for (std::size_t k = first; k < first + count; ++k) set_group(k, scale_of(k, amax[k]));
    };
    const axis_view& view = grid_.view;
    if (view.inner == 1) {
      // Whole rows of tiles at a time, enough of them to be worth a loop.
      const std::size_t tile_row = grid_.tile_rows * view.length,
                        together = std::max<std::size_t>(1, 4 * chunk / tile_row);
      const std::size_t tile_rows = (view.outer + grid_.tile_rows - 1) / grid_.tile_rows;
      for (std::size_t row = 0; row < tile_rows; row += together) {
        const std::size_t rows = std::min(together, tile_rows - row), begin = row * tile_row;
        const std::size_t end = std::min(view.size(), begin + rows * tile_row);
        if (needs_amax) amax.rows(begin, end);
        find(row * grid_.per_row(), rows * grid_.per_row());
        visit_all(begin, end, visit);
      }
      return;
    }
    // Strips of tile_cols columns of one o: contiguous, and vectors run across i.
    if (view.outer == 1 || view.inner % grid_.tile_rows == 0) {
      for (std::size_t o = 0; o < view.outer; ++o)
        for (std::size_t tile = 0; tile < grid_.per_row(); ++tile) {
          if (needs_amax) amax.strip(o, tile);
          for (std::size_t row = 0; row < view.inner; row += grid_.tile_rows)
            find(grid_.index(o * view.inner + row, tile), 1);
          visit_strip(o, tile, visit);
        }
      return;
    }
    // Tiles that reach across several o: all scales first.
    if (needs_amax) amax.all();
    find(0, grid_.count());
    visit_known(visit);
  }

  /// run() with these scales, one for each group of a level.
  template <class Visit>
  void run_with(const std::vector<float>& inner, const std::vector<float>& outer, Visit visit) {
    if (view_.size() == 0) return;
    reserve();
    outer_.resize(outer.size());
    for (std::size_t k = 0; k < outer.size(); ++k) outer_[k].scale = outer[k];
    for (std::size_t k = 0; k < inner.size(); ++k) set_group(k, inner[k]);
    visit_known(visit);
  }

  /// The scales of a level, once run() is done.
  const std::vector<float>& inner_scales() const { return stored_.of_group; }
  std::vector<float> outer_scales() const {
    std::vector<float> scales(outer_.size());
    std::transform(outer_.begin(), outer_.end(), scales.begin(), [](const auto& o) { return o.scale; });
    return scales;
  }

 private:
  /// A number of each group, and those of a chunk's elements.
  template <class T>
  struct group_numbers {
    std::vector<T> of_group, lane;
    T near[chunk];
  };

  template <class Use>
  void each_used(Use use) {
    use(stored_);
    if (quantizer_.levels == 2) use(product_);
    if (has_multiplier_) use(multiplier_);
  }
  void reserve() {
    each_used([&](auto& numbers) { numbers.of_group.assign(grid_.count(), 0); });
  }
  void set_group(std::size_t k, float inner) {
    stored_.of_group[k] = inner;
    if (quantizer_.levels == 2) product_.of_group[k] = levels_.product(inner, outer_of(k));
    if (has_multiplier_) multiplier_.of_group[k] = levels_.multiplier(inner, outer_of(k));
  }

  void find_outer() {
    if (known_ != nullptr && known_->outer) return outer_.assign(1, *known_->outer);
    const scaling& s = quantizer_.scalings[1];
    group_amax amax(x_, grid_of(s, view_), s);
    if (s.rule != scale_rule::static_scale) amax.all();
    outer_.resize(amax.values().size());
    std::transform(amax.values().begin(), amax.values().end(), outer_.begin(),
                   [&](float a) { return levels_.outer(a); });
  }
  /// The outer group that inner group k lies in.
  outer_scale outer_of(std::size_t k) const {
    if (quantizer_.levels < 2) return {};
    if (outer_.size() == 1) return outer_[0];
    const scale_grid inner = plain_grid_of(quantizer_.scalings[0], view_),
                     outer = plain_grid_of(quantizer_.scalings[1], view_);
    const std::size_t row = k / inner.per_row() * inner.tile_rows, column = k % inner.per_row() * inner.tile_cols;
    return outer_[outer.index(row, column / outer.tile_cols)];
  }

  float scale_of(std::size_t k, float amax) const {
    const outer_scale outer = outer_of(k);
    const float first = levels_.inner(amax, outer);
    if (quantizer_.scalings[0].rule != scale_rule::four_over_six || !(amax > 0) || amax - amax != 0) return first;
    const float second = levels_.wider(amax, outer);
    return squared_error(k, second, outer) < squared_error(k, first, outer) ? second : first;
  }

  /// Sum over a group's elements, row by row, of (x - value)^2 under this scale and rounding to nearest even, in
  /// double.
  double squared_error(std::size_t k, float inner, const outer_scale& outer) const {
    element e = quantizer_.elem;
    e.rounding = rounding_mode::nearest_even;
    e.noise_bits = element{e.format}.noise_bits;
    const axis_view& view = grid_.view;
    const std::size_t row = k / grid_.per_row() * grid_.tile_rows, column = k % grid_.per_row() * grid_.tile_cols;
    const double product = double(inner) * double(outer.scale);
    double sum = 0;
    for (std::size_t r = row; r < std::min(view.rows(), row + grid_.tile_rows); ++r)
      for (std::size_t c = column; c < std::min(view.length, column + grid_.tile_cols); ++c) {
        const float x = x_[(r / view.inner * view.length + c) * view.inner + r % view.inner];
        if (x - x != 0) continue;
        const float value = inner == 0               ? 0.0f
                            : quantizer_.levels == 2 ? float(round(e, odd_quotient(double(x), product)) * product)
                                                     : rescaled(round(e, x / inner), inner);
        const double difference = double(x) - double(value), square = difference * difference;
        sum += square;
      }
    return sum;
  }

  std::size_t strip_begin(std::size_t o, std::size_t column) const {
    return (o * grid_.view.length + column) * grid_.view.inner;
  }

  template <class Visit>
  void visit_known(Visit visit) {
    if (grid_.view.inner == 1) return visit_all(0, view_.size(), visit);
    for (std::size_t o = 0; o < grid_.view.outer; ++o)
      for (std::size_t tile = 0; tile < grid_.per_row(); ++tile) visit_strip(o, tile, visit);
  }

  template <class Visit>
  void visit_strip(std::size_t o, std::size_t tile, Visit visit) {
    const axis_view& view = grid_.view;
    each_used([&](auto& numbers) {
      numbers.lane.resize(view.inner);
      for (std::size_t i = 0; i < view.inner; ++i)
        numbers.lane[i] = numbers.of_group[grid_.index(o * view.inner + i, tile)];
    });
    visit_all(strip_begin(o, tile * grid_.tile_cols),
              strip_begin(o, std::min(view.length, (tile + 1) * grid_.tile_cols)), visit);
  }

  /// Chunks of [begin, end), for which all scales are known, and the lanes hold one of each i where inner > 1.
  template <class Visit>
  void visit_all(std::size_t begin, std::size_t end, Visit visit) {
    for (std::size_t first = begin; first < end;) {
      const std::size_t count = std::min(end, (first / chunk + 1) * chunk) - first;
      each_used([&](auto& numbers) { fill(numbers, first, count); });
      visit(first, count,
            near_scales{stored_.near, quantizer_.levels == 2 ? product_.near : nullptr,
                        has_multiplier_ ? multiplier_.near : nullptr});
      first += count;
    }
  }

  template <class T>
  void fill(group_numbers<T>& numbers, std::size_t first, std::size_t count) const {
    const axis_view& view = grid_.view;
    if (view.inner != 1) {
      std::size_t i = first % view.inner;
      for (std::size_t done = 0; done < count; i = 0) {
        const std::size_t run = std::min(count - done, view.inner - i);
        std::copy_n(numbers.lane.data() + i, run, numbers.near + done);
        done += run;
      }
      return;
    }
    const std::size_t row = first / view.length;
    std::size_t row_in_tile = row % grid_.tile_rows, scales_before = row / grid_.tile_rows * grid_.per_row();
    std::size_t column = first % view.length, tile = column / grid_.tile_cols;
    for (std::size_t done = 0; done < count;) {
      const std::size_t tile_end = std::min(view.length, (tile + 1) * grid_.tile_cols);
      const std::size_t run = std::min(count - done, tile_end - column);
      std::fill_n(numbers.near + done, run, numbers.of_group[scales_before + tile]);
      done += run;
      column += run;
      tile += std::size_t(column == tile_end);
      if (column < view.length) continue;
      column = tile = 0;
      if (++row_in_tile < grid_.tile_rows) continue;
      row_in_tile = 0;
      scales_before += grid_.per_row();
    }
  }

  const float* x_;
  axis_view view_;
  quantizer quantizer_;
  scale_levels levels_;
  const known_scales* known_;
  scale_grid grid_;
  bool has_multiplier_;
  std::vector<outer_scale> outer_;
  group_numbers<float> stored_, multiplier_;
  group_numbers<double> product_;
};

}  // namespace binade::detail
