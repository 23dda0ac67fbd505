#pragma once
// quantize() and encode() of an array that comes in parts: one too large for memory, say.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "binade/group_amax.hpp"
#include "binade/quantize.hpp"
#include "binade/transform_chain.hpp"

namespace binade {

/// Tile rows and tile columns of a scaling: the scales of an array as a matrix.
inline std::pair<std::size_t, std::size_t> scale_shape(const scaling& s, const axis_view& view) {
  const detail::scale_grid grid = detail::plain_grid_of(s, view);
  return {(view.rows() + grid.tile_rows - 1) / grid.tile_rows, grid.per_row()};
}

/// Neighbours in the storage of an array seen along an axis: all (o, j, i) with o and j in a range.
struct array_part {
  axis_view view;                       ///< of the part
  std::size_t outer = 0, position = 0;  ///< its first o and its first j
  std::size_t first = 0;                ///< index of its first element in storage order

  std::size_t size() const { return view.size(); }
};

/// Quantizes an array part by part: values, codes, scales and counters are those of one call for all of it.
///
/// A part holds whole groups of elements with a common scale, as few of them as make a part of the wanted size.  Where
/// a group is larger and its scale asks for nothing but a largest magnitude (tensor, row, col), the array is read
/// twice: first for the scales.
class part_quantizer {
 public:
  /// @param view    of the whole array
  /// @param source  of the whole array
  /// @param wanted  elements of a part; the smallest possible part is taken where that is larger.  1 or more
  /// @throws std::invalid_argument if the quantizer is impossible, a transform does not fit the axis or the noise
  ///         stream is too short
  part_quantizer(const quantizer& q, const axis_view& view, const noise_source& source, std::size_t wanted)
      : quantizer_(q), view_(view), source_(source), counts_(q.elem.format) {
    detail::check_arguments("quantize", view.size(), view, q, &source);
    for (int k = 0; k < q.transform_count; ++k)
      detail::check_transform("quantize", q.transforms[std::size_t(k)], view.size(), view.length);
    if (view.size() != 0) choose_parts(std::max<std::size_t>(1, wanted));
  }

  std::size_t part_count() const {
    return view_.size() == 0 ? 0 : chunks(view_.outer, outer_step_) * chunks(view_.length, length_step_);
  }
  /// The parts follow each other in storage order.  @pre k < part_count()
  array_part part(std::size_t k) const {
    const std::size_t pieces = chunks(view_.length, length_step_);
    const std::size_t o = k / pieces * outer_step_, j = k % pieces * length_step_;
    const axis_view here{std::min(outer_step_, view_.outer - o), std::min(length_step_, view_.length - j), view_.inner};
    return {here, o, j, (o * view_.length + j) * view_.inner};
  }
  /// Elements of the largest part.
  std::size_t largest_part() const { return part_count() == 0 ? 0 : part(0).size(); }

  /// True if every part goes to look_at() before the first one goes to quantize() or encode().
  bool reads_twice() const { return reads_twice_; }
  /// The first reading.  @param x  part.size() elements
  void look_at(const array_part& part, std::span<const float> x) {
    check_size("look_at", part, x.size());
    if (quantizer_.transform_count > 0) {
      detail::transform_chain chain(quantizer_, part.view);
      return find_largest(part, chain.apply(x));
    }
    find_largest(part, x);
  }

  /// quantize() of a part.  All parts once, in storage order.
  /// @param out  part.size() elements; x itself or memory apart from it
  void quantize(const array_part& part, std::span<const float> x, std::span<float> out) {
    check_size("quantize", part, x.size());
    const detail::known_scales known = known_for(part);
    detail::quantize_part(x, part.view, quantizer_, source_of(part), out, &counts_, &known);
  }
  /// Counters of all parts; call it once, when they have been quantized.
  quantize_counters counters() { return counts_.total(); }

  /// The codes of a part, and what its transforms remember.  Its scales go to scales().
  /// NaNs that the format has no code for get code 0 and are counted: check_codes() is the last call.
  encoded encode(const array_part& part, std::span<const float> x) {
    check_size("encode", part, x.size());
    const detail::known_scales known = known_for(part);
    encoded result;
    detail::encode_part(x, part.view, quantizer_, source_of(part), &known, refused_, result);
    for (std::size_t level = 0; level < std::size_t(quantizer_.levels); ++level)
      place(part, level, level == 0 ? result.scales : result.outer_scales);
    result.scales = {};
    result.outer_scales = {};
    return result;
  }
  /// The scale codes of a level, 0 the innermost, as in `encoded`; whole once all parts have been encoded.
  const code_array& scales(std::size_t level) const { return scales_[level]; }
  /// @throws std::invalid_argument if encode() met NaNs that the format has no code for; the message counts them
  void check_codes() const { detail::check_refused(refused_); }

 private:
  static std::size_t chunks(std::size_t count, std::size_t size) {
    return count / size + std::size_t(count % size > 0);
  }

  detail::scale_grid grid_of(std::size_t level, const axis_view& view) const {
    return detail::plain_grid_of(quantizer_.scalings[level], view);
  }
  noise_source source_of(const array_part& part) const {
    noise_source source = source_;
    source.first += part.first;
    return source;
  }
  static void check_size(const std::string& verb, const array_part& part, std::size_t given) {
    if (given != part.size())
      throw std::invalid_argument(verb + ": " + std::to_string(given) + " elements are given for a part of " +
                                  std::to_string(part.size()));
  }

  /// True if the scales of this level follow from the data and span the whole array.
  bool is_of_whole_array(std::size_t level) const {
    const scaling& s = quantizer_.scalings[level];
    return s.per == granularity::tensor && s.rule != scale_rule::static_scale;
  }

  /// Least rows and columns of a part, where every group's scale is found in the part that it lies in.
  struct least {
    std::size_t rows = 1, columns = 1;
  };
  least least_of(std::size_t levels) const {
    // The groups of the outer level hold whole groups of the inner one.
    if (levels == 0 || quantizer_.scalings[levels - 1].rule == scale_rule::static_scale) return {};
    const detail::scale_grid grid = grid_of(levels - 1, view_);
    return {std::min(grid.tile_rows, view_.rows()), std::min(grid.tile_cols, view_.length)};
  }

  void choose_parts(std::size_t wanted) {
    std::size_t levels = std::size_t(quantizer_.levels);
    const bool first_reading_finds_outer = levels == 2 && is_of_whole_array(1);
    if (first_reading_finds_outer) --levels;
    cut(least_of(levels), wanted);
    const scaling& only = quantizer_.scalings[0];
    const bool may_find_first =
        quantizer_.levels == 1 && only.per != granularity::tile && only.rule != scale_rule::four_over_six;
    if (may_find_first && part(0).size() > wanted) {
      cut({}, wanted);
      reads_twice_ = part_count() > 1;
      if (reads_twice_) largest_[0].resize(grid_of(0, view_).count());
    } else if (first_reading_finds_outer) {
      reads_twice_ = part_count() > 1;
      largest_[1].resize(1);
    }
  }

  /// The steps in which o and j are cut.
  void cut(const least& least_part, std::size_t wanted) {
    // Rows o * inner ... of one o are neighbours, and so are all j of one o.
    const std::size_t slab = view_.length * view_.inner;
    const std::size_t slabs = least_part.rows / std::gcd(least_part.rows, view_.inner);
    const bool within_slab = slabs == 1 && quantizer_.transform_count == 0;
    outer_step_ = std::min(view_.outer, std::max<std::size_t>(1, wanted / slab / slabs) * slabs);
    length_step_ = view_.length;
    if (!within_slab || slab <= wanted) return;
    const std::size_t columns = std::max<std::size_t>(1, wanted / view_.inner / least_part.columns);
    if (columns < chunks(view_.length, least_part.columns)) length_step_ = columns * least_part.columns;
  }

  /// The groups of a level that a part touches: their number along rows and columns, and where they begin.
  struct window {
    std::size_t row, column, rows, columns, per_row;
    std::size_t index(std::size_t r, std::size_t c) const { return (row + r) * per_row + column + c; }
  };
  window window_of(const array_part& part, std::size_t level) const {
    const detail::scale_grid whole = grid_of(level, view_), here = grid_of(level, part.view);
    return {part.outer * view_.inner / whole.tile_rows, part.position / whole.tile_cols,
            chunks(part.view.rows(), here.tile_rows), here.per_row(), whole.per_row()};
  }

  void find_largest(const array_part& part, std::span<const float> x) {
    for (std::size_t level = 0; level < largest_.size(); ++level) {
      if (largest_[level].empty()) continue;
      detail::group_amax here(x.data(), detail::grid_of(quantizer_.scalings[level], part.view),
                              quantizer_.scalings[level]);
      here.all();
      const window w = window_of(part, level);
      for (std::size_t r = 0; r < w.rows; ++r)
        for (std::size_t c = 0; c < w.columns; ++c) {
          // As bits, so that infinities and NaNs which count stay above all else.
          float& largest = largest_[level][w.index(r, c)];
          largest = std::bit_cast<float>(
              std::max(std::bit_cast<std::uint32_t>(largest), std::bit_cast<std::uint32_t>(here[r * w.columns + c])));
        }
    }
  }

  /// What the first reading says about a part's scales.
  detail::known_scales known_for(const array_part& part) const {
    detail::known_scales known;
    if (!reads_twice_) return known;
    const scale_levels levels(quantizer_);
    if (!largest_[1].empty()) known.outer = levels.outer(largest_[1][0]);
    if (largest_[0].empty()) return known;
    const window w = window_of(part, 0);
    for (std::size_t r = 0; r < w.rows; ++r)
      for (std::size_t c = 0; c < w.columns; ++c) known.inner.push_back(levels.inner(largest_[0][w.index(r, c)]));
    return known;
  }

  void place(const array_part& part, std::size_t level, const code_array& codes) {
    const window w = window_of(part, level);
    std::visit(
        [&](const auto& from) {
          using codes_type = std::remove_cvref_t<decltype(from)>;
          code_array& whole = scales_[level];
          if (!std::holds_alternative<codes_type>(whole) || std::get<codes_type>(whole).empty())
            whole = codes_type(grid_of(level, view_).count());
          auto& to = std::get<codes_type>(whole);
          for (std::size_t r = 0; r < w.rows; ++r)
            std::copy_n(from.begin() + std::ptrdiff_t(r * w.columns), w.columns,
                        to.begin() + std::ptrdiff_t(w.index(r, 0)));
        },
        codes);
  }

  quantizer quantizer_;
  axis_view view_;
  noise_source source_;
  detail::counter counts_;
  std::size_t outer_step_ = 1, length_step_ = 1;
  bool reads_twice_ = false;
  std::array<std::vector<float>, 2> largest_;  ///< of each group of a level, from the first reading
  std::array<code_array, 2> scales_;
  std::uint64_t refused_ = 0;
};

}  // namespace binade
