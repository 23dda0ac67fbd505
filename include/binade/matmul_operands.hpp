#pragma once
// Operands of a matrix product as their quantizers leave them: elements, and scales beside them.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "binade/quantizer.hpp"
#include "binade/scale_grid.hpp"

namespace binade::detail {

/// The scales of an array along its axis, by row of the matrix that scales see it as.
///
/// Those of granularity tensor and row are *constant* along the axis, those of col, tile and block *vary*.
class operand_scales {
 public:
  /// None: all are 1.
  operand_scales() = default;
  /// @param inner, outer  one scale per group of each level, as scaled_walk has them
  operand_scales(const quantizer& q, const axis_view& view, std::vector<float> inner, std::vector<float> outer) {
    if (q.levels == 0) return;
    std::vector<level> levels;
    levels.push_back(level_of(q.scalings[0], view, std::move(inner)));
    if (q.levels > 1) levels.push_back(level_of(q.scalings[1], view, std::move(outer)));
    levels_ = std::make_shared<const std::vector<level>>(std::move(levels));
  }
  /// The same scales, of the part of the array whose first row and first element are these.
  operand_scales part(std::size_t row, std::size_t p) const {
    operand_scales s = *this;
    s.first_row_ += row;
    s.first_ += p;
    return s;
  }

  bool vary() const {
    const std::span<const level> all = levels();
    return std::any_of(all.begin(), all.end(), [](const level& l) { return l.varies; });
  }
  /// The scale of element p of a row, of the levels that vary; 1 if none does.
  double varying(std::size_t row, std::size_t p) const { return product(row, p, true); }
  /// The scale of a row, of the levels that are constant.  @pre the axis is not empty
  double constant(std::size_t row) const { return product(row, 0, false); }
  /// True where a varying scale may change between elements p - 1 and p.
  bool changes_at(std::size_t p) const {
    const std::span<const level> all = levels();
    return std::any_of(all.begin(), all.end(),
                       [&](const level& l) { return l.varies && (first_ + p) % l.grid.tile_cols == 0; });
  }

 private:
  struct level {
    scale_grid grid;
    bool varies;
    std::vector<float> scales;
  };
  std::span<const level> levels() const {
    return levels_ ? std::span<const level>(*levels_) : std::span<const level>();
  }
  static level level_of(const scaling& s, const axis_view& view, std::vector<float> scales) {
    return {plain_grid_of(s, view), s.per == granularity::col || s.per == granularity::tile, std::move(scales)};
  }

  /// Exact: an element and its two scales have 53 bits at most (defect() of a quantizer).
  double product(std::size_t row, std::size_t p, bool varying) const {
    double s = 1;
    for (const level& l : levels())
      if (l.varies == varying) s *= double(l.scales[l.grid.index(first_row_ + row, (first_ + p) / l.grid.tile_cols)]);
    return s;
  }

  std::shared_ptr<const std::vector<level>> levels_;
  std::size_t first_row_ = 0, first_ = 0;
};

/// An array quantized, in two parts.
struct scaled_operand {
  std::vector<float> elements;
  operand_scales scales;
};

/// Throws unless both operands have the transforms that a product leaves in place: the same ones, orthonormal.
inline void check_transforms(const quantizer& a, const quantizer& b) {
  for (int k = 0; k < a.transform_count || k < b.transform_count; ++k) {
    const transform &of_a = a.transforms[std::size_t(k)], &of_b = b.transforms[std::size_t(k)];
    if (k >= a.transform_count || k >= b.transform_count || of_a != of_b)
      throw std::invalid_argument(
          "matmul: a_spec and b_spec have different transforms; both operands of a product must have the same ones "
          "along k, also where one is not rounded (hadamard(32)+f32)");
    if (of_a.kind != transform_kind::hadamard && of_a.kind != transform_kind::random_hadamard)
      throw std::invalid_argument(
          "matmul: a product of operands that went through expand or clamp is not the product of the operands; use "
          "hadamard or rht, or multiply what quantize() gives");
  }
}

}  // namespace binade::detail
