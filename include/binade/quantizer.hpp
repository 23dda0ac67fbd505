#pragma once
// How an array gets into a format: transforms, the element, and up to two levels of scales.

#include <array>
#include <cstdint>
#include <string_view>

#include "binade/scaling.hpp"
#include "binade/transform.hpp"

namespace binade {

/// In which order, and in what, scales and scaled elements are computed.  x is an element, s its scale, max the largest
/// value of the element format; s0 is the inner and s1 the outer one of two scales, S the largest inner scale.
enum class operation_order : std::uint8_t {
  /// One level: x / s in float32.  Two levels: everything is exact before the one rounding of what is stored.
  standard,
  /// x (1 / s), each in float32: DeepGEMM's order.  One level.
  reciprocal,
  /// TransformerEngine's NVFP4, all in float32: E = min(S max / amax1, largest float), or 1 where that is 0 or amax1
  /// is;
  /// s1 = 1 / E; s0 = amax0 (E (1 / max)), rounded when it is stored; x min(1 / (s0 s1), largest float).  Two levels.
  transformer_engine,
  /// torchao's NVFP4, all in float32: s1 = amax1 / (S max), or 1 for amax1 = 0; s0 = (amax0 / max) / s1, at least the
  /// smallest normal value of its format and at most S, rounded when it is stored; x ((1 / s1) / s0); value q (s1 s0).
  /// Two
  /// levels.
  torchao,
};

/// A quantizer: q = round(x / s) on the grid of the element, and q s is its value.
///
/// Of two scalings the inner one is relative to the outer one, s = s0 s1, and each group of the inner one lies in one
/// group of the outer one.  (NVFP4: E4M3 scales of blocks and one float32 of the tensor)
struct quantizer {
  element elem;
  int levels = 0;                        ///< scalings in use: 0 (s = 1), 1 or 2
  std::array<scaling, 2> scalings = {};  ///< innermost first; those not in use are default
  operation_order order = operation_order::standard;
  int transform_count = 0;                   ///< transforms in use
  std::array<transform, 4> transforms = {};  ///< in the order of their application; those not in use are default

  bool operator==(const quantizer&) const = default;
};

namespace detail {

/// True if each group of the inner scaling lies in one group of the outer one, whatever the shape of the array.
constexpr bool is_nested(const scaling& inner, const scaling& outer) {
  switch (outer.per) {
    case granularity::tensor:
      return true;
    case granularity::row:
      return inner.per == granularity::row || (inner.per == granularity::tile && inner.tile_rows == 1);
    case granularity::col:
      return inner.per == granularity::col || (inner.per == granularity::tile && inner.tile_cols == 1);
    case granularity::tile:
      return inner.per == granularity::tile && outer.tile_rows % inner.tile_rows == 0 &&
             outer.tile_cols % inner.tile_cols == 0;
  }
  return false;
}

/// S: the largest scale that the inner of two levels can have.
constexpr double largest_inner_scale(const scaling& s) {
  if (s.rule == scale_rule::static_scale) return s.static_value;
  const double largest = largest_scale(s);
  // A power of two that leaves room for its 1.5-fold: 256 of E4M3's 448, as TransformerEngine has it.
  return s.rule == scale_rule::four_over_six ? exact_double(false, 1, floor_log2_of(largest / 1.5)) : largest;
}

/// Why two scalings are impossible together; empty if they are not.
constexpr std::string_view pair_defect(const quantizer& q) {
  const scaling &inner = q.scalings[0], &outer = q.scalings[1];
  if (!is_nested(inner, outer)) return "each group of the inner scaling must lie in one group of the outer one";
  if (outer.rule == scale_rule::four_over_six) return "4over6 is a rule of the inner scaling";
  if (!q.elem.format.fits_float()) return "two levels of scales are for elements that float32 holds";
  const int element_bits = q.elem.format.kind == format_kind::floating ? q.elem.format.floating.precision
                           : q.elem.format.kind == format_kind::fixed  ? q.elem.format.width
                                                                       : 24;
  const auto bits_of = [](const scaling& s) { return s.power_of_two ? 1 : s.format.precision; };
  if (element_bits + bits_of(inner) + bits_of(outer) > 53)
    return "an element and its two scales have more than 53 significant bits together, so that no double holds their "
           "product: use narrower scales";
  return {};
}

}  // namespace detail

/// True if the scale of the tensor follows from the amax of arrays before.
constexpr bool is_delayed(const quantizer& q) {
  return q.levels > 0 && q.scalings[std::size_t(q.levels - 1)].history != 0;
}

/// Why a quantizer is impossible; empty if it is not.
constexpr std::string_view defect(const quantizer& q) {
  if (const std::string_view why = defect(q.elem); !why.empty()) return why;
  if (q.levels < 0 || q.levels > int(q.scalings.size())) return "a quantizer has at most two levels of scales";
  for (int level = 0; level < int(q.scalings.size()); ++level) {
    const scaling& s = q.scalings[std::size_t(level)];
    if (level >= q.levels && s != scaling{}) return "a scaling that is not in use must be the default";
    if (const std::string_view why = defect(s); !why.empty()) return why;
  }
  if (q.levels > 0 && !q.elem.format.fits_double())
    return "a scale follows from the largest value of its element, and binary64 cannot hold every value of this format";
  if (q.levels == 2)
    if (const std::string_view why = detail::pair_defect(q); !why.empty()) return why;
  switch (q.order) {
    case operation_order::standard:
      break;
    case operation_order::reciprocal:
      if (q.levels != 1) return "the reciprocal order is for one level of scales";
      if (q.scalings[0].zero == zero_rule::zero) return "there is no reciprocal of a scale that may be 0";
      break;
    case operation_order::transformer_engine:
    case operation_order::torchao:
      if (q.levels != 2) return "this order is for two levels of scales";
      for (const scaling& s : q.scalings)
        if (s.rule != scale_rule::amax || s.power_of_two || s.least_amax != 0)
          return "this order is for scales by the rule amax, without min=";
      if (q.scalings[1].format != float_storage) return "this order is for an outer scale in float32";
      break;
  }
  if (q.levels == 2 && q.scalings[0].history != 0) return "of two scales the outer one can be delayed";
  if (is_delayed(q) && q.order != operation_order::standard) return "a delayed scale has the standard order";
  if (is_delayed(q) && q.transform_count != 0) return "a delayed scale is of the array as it is: leave out transforms";
  if (q.transform_count < 0 || q.transform_count > int(q.transforms.size()))
    return "a quantizer has at most four transforms";
  for (int k = 0; k < int(q.transforms.size()); ++k) {
    const transform& t = q.transforms[std::size_t(k)];
    if (k >= q.transform_count && t != transform{}) return "a transform that is not in use must be the default";
    if (k >= q.transform_count) continue;
    if (const std::string_view why = defect(t); !why.empty()) return why;
  }
  return {};
}

/// The element alone.
constexpr quantizer unscaled(const element& e) {
  return {.elem = e};
}
/// The element under one level of scales, or under two: `outer` scales the scales of `inner`.
constexpr quantizer scaled(const element& e, const scaling& s) {
  return {.elem = e, .levels = 1, .scalings = {s}};
}
constexpr quantizer scaled(const element& e, const scaling& inner, const scaling& outer,
                           operation_order order = operation_order::standard) {
  return {.elem = e, .levels = 2, .scalings = {inner, outer}, .order = order};
}

}  // namespace binade
