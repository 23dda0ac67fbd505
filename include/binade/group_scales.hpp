#pragma once
// The scales of an array, found and laid beside its elements chunk by chunk.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "binade/array_rounder.hpp"
#include "binade/group_amax.hpp"
#include "binade/scale_finder.hpp"
#include "binade/scale_grid.hpp"
#include "binade/scratch.hpp"

namespace binade::detail {

/// The scales of the elements of a chunk: of element i entry i / run of each list.
struct near_scales {
  const float* stored = nullptr;            ///< of the innermost level, as stored; null without levels: 1
  const float* inverse = nullptr;           ///< 1 / stored, if all of these are exact
  const double* product = nullptr;          ///< both levels multiplied; null unless there are two
  const double* inverse_product = nullptr;  ///< 1 / product rounded, if short_quotients_suffice()
  const float* multiplier = nullptr;        ///< what elements are multiplied by; null in the orders that divide
  std::size_t run = 1;
};

/// Calls one(numbers[i / run], i) for every element.  The lengths of runs in use are constants of their loops.
template <class T, class One>
BINADE_ALWAYS_INLINE void each_in_runs(const T* numbers, std::size_t run, std::size_t count, One one) {
  if (run == 1) {
    for (std::size_t i = 0; i < count; ++i) one(numbers[i], i);
    return;
  }
  std::size_t begin = 0, group = 0;
  if (run == 32)
    for (; begin + 32 <= count; begin += 32, ++group) {
      const T number = numbers[group];
      for (std::size_t i = begin; i < begin + 32; ++i) one(number, i);
    }
  if (run == 16)
    for (; begin + 16 <= count; begin += 16, ++group) {
      const T number = numbers[group];
      for (std::size_t i = begin; i < begin + 16; ++i) one(number, i);
    }
  for (; begin < count; begin += run, ++group) {
    const T number = numbers[group];
    const std::size_t end = begin + std::min(run, count - begin);
    for (std::size_t i = begin; i < end; ++i) one(number, i);
  }
}

/// scaled[i] = odd_float_quotient(x[i], scales[i / run]).
struct odd_quotient_body {
  BINADE_ALWAYS_INLINE static void run(const float* __restrict x, const double* __restrict scales, std::size_t run,
                                       float* __restrict scaled, std::size_t count) {
    each_in_runs(scales, run, count,
                 [=](double s, std::size_t i) BINADE_INLINE_LAMBDA { scaled[i] = odd_float_quotient(x[i], s); });
  }
};
/// scaled[i] = x[i] multipliers[i / run]; a zero stays, also where the multiplier is infinite.
struct multiply_body {
  BINADE_ALWAYS_INLINE static void run(const float* __restrict x, const float* __restrict multipliers, std::size_t run,
                                       float* __restrict scaled, std::size_t count) {
    each_in_runs(multipliers, run, count, [=](float m, std::size_t i) BINADE_INLINE_LAMBDA {
      scaled[i] = x[i] == 0 && m == m ? x[i] : x[i] * m;
    });
  }
};
/// scaled[i] = x[i] / scales[i / run], a zero of x's sign where the scale is 0.
struct divide_body {
  BINADE_ALWAYS_INLINE static void run(const float* __restrict x, const float* __restrict scales, std::size_t run,
                                       float* __restrict scaled, std::size_t count) {
    each_in_runs(scales, run, count, [=](float s, std::size_t i) BINADE_INLINE_LAMBDA {
      const float zero = std::bit_cast<float>(std::bit_cast<std::uint32_t>(x[i]) & 0x80000000);
      scaled[i] = s != 0 || x[i] != x[i] ? x[i] / s : zero;
    });
  }
};
/// values[i] = rescaled_exactly(values[i], scales[i / run]).
struct product_body {
  BINADE_ALWAYS_INLINE static void run(const double* __restrict scales, std::size_t run, float* __restrict values,
                                       std::size_t count) {
    each_in_runs(scales, run, count,
                 [=](double s, std::size_t i) BINADE_INLINE_LAMBDA { values[i] = rescaled_exactly(values[i], s); });
  }
};

/// True if float32 rounded to odd decides the element's rounding as the exact quotient does: two bits more than are
/// asked for, also at the end of float32's range.
constexpr bool odd_float_suffices(const element& e) {
  if (e.format.kind != format_kind::floating) return false;
  const float_format& f = e.format.floating;
  const int noise = is_stochastic(e.rounding) ? e.noise_bits : 0;
  // A quotient of 2^128 or more becomes the largest float32, which chance could keep below the next grid point.
  if (noise > 0 && f.max_exponent() >= 127) return false;
  return f.precision + noise + 2 <= 24 && f.min_exponent() - f.trailing_bits() - noise - 2 >= -149;
}

/// True if lane_odd_quotient() gives quotients by the products of both levels' scales that round as the exact ones do:
/// between a number that a rounding asks for, of a bit more than the element has, times a product and an element of x
/// lies nothing or 2^-38 of it.
constexpr bool short_quotients_suffice(const quantizer& q) {
  if (q.levels != 2 || !odd_float_suffices(q.elem) || is_stochastic(q.elem.rounding)) return false;
  return q.elem.format.floating.precision + 1 + q.scalings[0].format.precision + q.scalings[1].format.precision <= 38;
}

/// Likewise of amax by the largest value of the elements times an outer scale, rounded to a scale of the inner level.
constexpr bool scale_divisors_are_short(const quantizer& q) {
  return odd_float_suffices({.format = q.scalings[0].format}) && q.elem.format.kind == format_kind::floating &&
         q.scalings[0].format.precision + 1 + q.elem.format.floating.precision +
                 (q.levels == 2 ? q.scalings[1].format.precision : 1) <=
             38;
}

/// Walks an array in storage order, chunk by chunk, with the scales of each element beside it.
class scaled_walk {
 public:
  /// Elements that a chunk has at most; with lists that have an entry for each, `chunk`.
  static constexpr std::size_t longest = 4096, chunk = 1024;
  static constexpr std::size_t shortest_lanes = 64;  ///< inner from which on a chunk may be a part of one strip's row

  /// @param x  the array; null where run() is not called
  /// @param known  null, or scales that run() takes as they are
  scaled_walk(const float* x, const axis_view& view, const quantizer& q, const known_scales* known = nullptr)
      : x_(x),
        view_(view),
        quantizer_(q),
        levels_(q),
        known_(known),
        grid_(q.levels == 0 ? scale_grid{{1, view.size(), 1}, 1, std::max<std::size_t>(1, view.size())}
                            : grid_of(q.scalings[0], view)),
        has_multiplier_(q.order != operation_order::standard),
        has_inverse_product_(!has_multiplier_ && short_quotients_suffice(q)),
        has_short_scales_(q.levels > 0 && scale_divisors_are_short(q)),
        has_inverse_(q.levels == 1 && !has_multiplier_ && q.scalings[0].format.precision == 1 &&
                     q.scalings[0].rule != scale_rule::static_scale &&
                     double(float(1 / q.scalings[0].format.max_finite())) == 1 / q.scalings[0].format.max_finite() &&
                     double(float(1 / q.scalings[0].format.min_normal())) == 1 / q.scalings[0].format.min_normal()) {}

  /// Calls visit(first, count, near_scales of these elements) for every chunk, of 1 to `longest` elements.  A group's
  /// scale is found before its first chunk.
  template <class Visit>
  void run(Visit visit) {
    if (view_.size() == 0) return;
    if (known_ != nullptr && !known_->inner.empty()) return run_with(known_->inner, {}, visit);
    if (quantizer_.levels == 0) return visit_unscaled(visit);
    reserve();
    if (quantizer_.levels == 2) find_outer();
    const scaling& s = quantizer_.scalings[0];
    const bool needs_amax = s.rule != scale_rule::static_scale;
    group_amax amax(x_, grid_, s);
    const scale_finder& finder = levels_.inner_finder();
    const bool are_alike = s.rule != scale_rule::four_over_six && !has_multiplier_ &&
                           (quantizer_.levels == 1 ||
                            (outer_.size() == 1 && finder.rounds_quotients() && outer_[0].scale == outer_[0].scale)) &&
                           (!finder.rounds_quotients() || finder.divides_in_float() || has_short_scales_);
    const auto find = [&](std::size_t first, std::size_t count, std::size_t step) {
      if (are_alike) return set_groups(amax.values().data(), first, count, step);
      for (std::size_t k = first; k < first + count * step; k += step) set_group(k, scale_of(k, amax[k]));
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
        find(row * grid_.per_row(), rows * grid_.per_row(), 1);
        visit_all(begin, end, visit);
      }
      return;
    }
    // Strips of tile_cols columns of one o: contiguous, and vectors run across i.
    if (view.outer == 1 || view.inner % grid_.tile_rows == 0) {
      for (std::size_t o = 0; o < view.outer; ++o)
        for (std::size_t tile = 0; tile < grid_.per_row(); ++tile) {
          if (needs_amax) amax.strip(o, tile);
          find(grid_.index(o * view.inner, tile), (view.inner + grid_.tile_rows - 1) / grid_.tile_rows,
               grid_.per_row());
          visit_strip(o, tile, visit);
        }
      return;
    }
    // Tiles that reach across several o: all scales first.
    if (needs_amax) amax.all();
    find(0, grid_.count(), 1);
    visit_known(visit);
  }

  /// run() with these scales, one for each group of a level; none without levels.
  template <class Visit>
  void run_with(const std::vector<float>& inner, const std::vector<float>& outer, Visit visit) {
    if (view_.size() == 0) return;
    if (quantizer_.levels == 0) return visit_unscaled(visit);
    reserve();
    outer_.resize(outer.size());
    for (std::size_t k = 0; k < outer.size(); ++k) outer_[k].scale = outer[k];
    if (quantizer_.levels == 1 && !has_multiplier_) {
      stored_.of_group.assign(inner.begin(), inner.end());
      if (has_inverse_)
        std::transform(inner.begin(), inner.end(), inverse_.of_group.begin(), [](float s) { return 1 / s; });
    } else {
      for (std::size_t k = 0; k < inner.size(); ++k) set_group(k, inner[k]);
    }
    visit_known(visit);
  }

  /// The scales of a level, once run() is done.
  std::vector<float> inner_scales() const { return {stored_.of_group.begin(), stored_.of_group.end()}; }
  std::vector<float> outer_scales() const {
    std::vector<float> scales(outer_.size());
    std::transform(outer_.begin(), outer_.end(), scales.begin(), [](const auto& o) { return o.scale; });
    return scales;
  }

 private:
  /// A number of each group, and those of a chunk's elements.
  template <class T>
  struct group_numbers {
    scratch_vector<T> of_group, lane;
    T near[chunk];
  };

  template <class Use>
  void each_used(Use use) {
    use(stored_);
    if (has_inverse_) use(inverse_);
    if (quantizer_.levels == 2) use(product_);
    if (has_inverse_product_) use(inverse_product_);
    if (has_multiplier_) use(multiplier_);
  }
  void reserve() {
    each_used([&](auto& numbers) { numbers.of_group.assign(grid_.count(), 0); });
  }
  /// set_group() of groups first, first + step and so on with one outer scale, or none.
  void set_groups(const float* amax_of_all, std::size_t first, std::size_t count, std::size_t step) {
    const float* amax = amax_of_all + first;
    float* stored = stored_.of_group.data() + first;
    if (step != 1) {
      gathered_.resize(2 * count);
      for (std::size_t k = 0; k < count; ++k) gathered_[k] = amax[k * step];
      amax = gathered_.data();
      stored = gathered_.data() + count;
    }
    find_scales(amax, stored, count);
    if (step != 1)
      for (std::size_t k = 0; k < count; ++k) stored_.of_group[first + k * step] = stored[k];
    const std::size_t end = first + count * step;
    if (quantizer_.levels == 2)
      for (std::size_t k = first; k < end; k += step)
        product_.of_group[k] = levels_.product(stored_.of_group[k], outer_[0]);
    if (has_inverse_product_)
      for (std::size_t k = first; k < end; k += step) inverse_product_.of_group[k] = 1 / product_.of_group[k];
    if (has_inverse_)
      for (std::size_t k = first; k < end; k += step) inverse_.of_group[k] = 1 / stored_.of_group[k];
  }
  /// Scales of groups with one outer scale, or none, from their amax.
  void find_scales(const float* amax, float* stored, std::size_t count) {
    const scale_finder& finder = levels_.inner_finder();
    if (!finder.rounds_quotients()) return levels_.inner(amax, stored, count);
    const double outer = quantizer_.levels == 2 ? double(outer_[0].scale) : 1;
    const double divisor = finder.divisor(outer), inverse = 1 / divisor;
    quotients_.resize(count);
    if (quantizer_.levels == 1 && finder.divides_in_float())
      for (std::size_t k = 0; k < count; ++k) quotients_[k] = amax[k] / float(divisor);
    else
      lane_odd_quotient(amax, &divisor, &inverse, count, quotients_.data(), count);
    if (!scale_rounder_) scale_rounder_.emplace(finder.storage());
    scale_rounder_->quantize(quotients_.data(), nullptr, stored, count);
    finder.find_by_quotients(amax, outer, stored, stored, count);
  }
  void set_group(std::size_t k, float inner) {
    stored_.of_group[k] = inner;
    if (has_inverse_) inverse_.of_group[k] = 1 / inner;
    if (quantizer_.levels == 2) product_.of_group[k] = levels_.product(inner, outer_of(k));
    if (has_inverse_product_) inverse_product_.of_group[k] = 1 / product_.of_group[k];
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
  void visit_unscaled(Visit visit) {
    for (std::size_t first = 0; first < view_.size(); first += longest)
      visit(first, std::min(longest, view_.size() - first), near_scales{});
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
    if (grid_.view.inner == 1 && grid_.tile_rows == 1 && grid_.tile_cols == grid_.view.length)
      return visit_rows(begin, end, visit);
    if (grid_.view.inner >= shortest_lanes) return visit_lanes(begin, end, visit);
    for (std::size_t first = begin; first < end;) {
      const std::size_t count = std::min(end, (first / chunk + 1) * chunk) - first;
      each_used([&](auto& numbers) { fill(numbers, first, count); });
      visit(first, count,
            near_scales{.stored = stored_.near,
                        .inverse = has_inverse_ ? inverse_.near : nullptr,
                        .product = quantizer_.levels == 2 ? product_.near : nullptr,
                        .multiplier = has_multiplier_ ? multiplier_.near : nullptr});
      first += count;
    }
  }
  /// Rows that are groups: several whole ones, or a part of one.
  template <class Visit>
  void visit_rows(std::size_t begin, std::size_t end, Visit visit) {
    const std::size_t row = grid_.view.length, together = row <= longest ? longest / row * row : longest;
    for (std::size_t first = begin; first < end;) {
      const std::size_t rest = row <= longest ? end - first : row - first % row;
      const std::size_t count = std::min(together, rest);
      visit(first, count, near_in([](const auto& n) { return n.of_group.data(); }, first / row, std::min(row, count)));
      first += count;
    }
  }
  /// Columns of a strip, whose scales lie as the elements do.
  template <class Visit>
  void visit_lanes(std::size_t begin, std::size_t end, Visit visit) {
    for (std::size_t first = begin; first < end;) {
      const std::size_t i = first % grid_.view.inner, count = std::min({longest, grid_.view.inner - i, end - first});
      visit(first, count, near_in([](const auto& n) { return n.lane.data(); }, i, 1));
      first += count;
    }
  }
  template <class List>
  near_scales near_in(List list, std::size_t at, std::size_t run) const {
    near_scales near{.stored = list(stored_) + at, .run = run};
    if (has_inverse_) near.inverse = list(inverse_) + at;
    if (quantizer_.levels == 2) near.product = list(product_) + at;
    if (has_inverse_product_) near.inverse_product = list(inverse_product_) + at;
    if (has_multiplier_) near.multiplier = list(multiplier_) + at;
    return near;
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
  bool has_multiplier_, has_inverse_product_, has_short_scales_, has_inverse_;
  scratch_vector<outer_scale> outer_;
  scratch_vector<float> quotients_, gathered_;
  std::optional<array_rounder> scale_rounder_ = {};  ///< of quotients to scales, where they are rounded
  group_numbers<float> stored_, inverse_, multiplier_;
  group_numbers<double> product_, inverse_product_;
};

}  // namespace binade::detail
