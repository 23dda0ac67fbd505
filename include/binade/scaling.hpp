#pragma once
// One level of scales: which elements share a scale, how it is found and how it is stored.

#include <bit>
#include <cstdint>
#include <limits>
#include <string_view>

#include "binade/catalogue.hpp"
#include "binade/codec.hpp"

namespace binade {

/// Which elements share a scale.  The array is seen as a matrix whose rows run along the quantization axis.
enum class granularity : std::uint8_t {
  tensor,  ///< one scale for all
  row,     ///< one scale per row
  col,     ///< one scale per column: per position along the axis
  tile,    ///< tile_rows x tile_cols elements; a short tail is a tile of its own.  block(n) is tile(1, n)
};

/// How a scale s follows from amax > 0.  e(v) = floor(log2 v); max, emax, m: largest value, its exponent, and trailing
/// significand bits of the element format.  (OCP MX 1.0, 6.3, for floor; torchao's names for ceil, even, rceil)
enum class scale_rule : std::uint8_t {
  amax,           ///< amax / max, divided in float32; in a power-of-two storage without a format of its own as rceil
  floor,          ///< 2^(e(amax) - emax)
  ceil,           ///< 2^(ceil(log2 amax) - emax)
  even,           ///< floor, with e taken after amax is rounded to m trailing bits, half up
  rceil,          ///< 2^ceil(log2(amax / max)), exact
  nearest,        ///< the power of two nearest to amax / max, a tie up
  exact,          ///< amax / max as a rational number, rounded once when it is stored; in pow2 as nearest
  four_over_six,  ///< exact, of amax / max or of 1.5 amax / max: whichever of the two loses less of the group in sum of
                  ///< squares, the first where they are equal (Cook et al., arXiv:2512.02010)
  static_scale,   ///< static_value, whatever the data
};

/// What a NaN or an infinity among the elements of a group does to the group.
enum class special_rule : std::uint8_t {
  element,  ///< nothing: it is no part of amax, and its own value is what the element's format and rules say
  group,    ///< the scale is NaN, and so is each value of the group
  largest,  ///< infinities alone: the scale is the largest finite one
};

/// The scale of a group of zeros alone.
enum class zero_rule : std::uint8_t {
  one,     ///< 1, or the nearest value of the scale format
  lowest,  ///< the smallest positive scale
  zero,    ///< 0; then a positive scale may be rounded to 0 too, and all elements of the group become zeros
};

/// What float itself holds: the storage of `f32` and `pow2` scales.
inline constexpr float_format float_storage = formats::e8m23;

/// One level of scales.
///
/// A scale is at most the largest finite value of its format, and at least the smallest positive one: subnormal ones
/// are used, but for those of float32, whose least scale is 2^-126.  Between them the rules that divide round to
/// nearest even, and the power-of-two rules give the nearest power in range; so the scales of E8M0 lie in
/// [2^-127, 2^127].
struct scaling {
  granularity per = granularity::tensor;
  std::uint32_t tile_rows = 0, tile_cols = 0;  ///< of granularity tile: 1 or more; 0 for the others
  float_format format = float_storage;         ///< a scale is stored as a code of this
  bool power_of_two = false;                   ///< `pow2`: a power of two stored in float32
  scale_rule rule = scale_rule::amax;
  float static_value = 0;  ///< of rule static_scale; 0 for the others
  float least_amax = 0;    ///< amax counts as this where it is less
  special_rule nan = special_rule::element, infinity = special_rule::element;
  zero_rule zero = zero_rule::one;
  /// Delayed: amax is the largest that the array had in this many steps before, not that of the array itself; 0: it is
  /// that of the array.  Whoever quantizes keeps those amax; the verbs, which have none, refuse.
  std::uint32_t history = 0;
  std::uint32_t margin = 0;  ///< of a delayed scale: amax counts as 2^margin times itself

  bool operator==(const scaling&) const = default;
};

/// What a tensor, row or col scaling is unless more is said: f32, amax.
constexpr scaling scale_per(granularity per) {
  return {.per = per};
}
/// What a tile or block scaling is unless more is said: e8m0fnu, floor.
constexpr scaling scale_per_tile(std::uint32_t rows, std::uint32_t cols) {
  return {.per = granularity::tile,
          .tile_rows = rows,
          .tile_cols = cols,
          .format = formats::e8m0fnu,
          .rule = scale_rule::floor};
}
/// One scale for `size` consecutive elements of a row, as scale_per_tile(1, size).
constexpr scaling scale_per_block(std::uint32_t size) {
  return scale_per_tile(1, size);
}

/// The largest scale there is.
BINADE_HD constexpr double largest_scale(const scaling& s) {
  return s.power_of_two ? 0x1p127 : s.format.max_finite();
}

/// True if a group's scale asks for nothing but its largest finite magnitude: no rule for NaNs, infinities or zeros,
/// and no choice among scales.
constexpr bool needs_only_amax(const scaling& s) {
  return s.least_amax == 0 && s.nan == special_rule::element && s.infinity == special_rule::element &&
         s.zero == zero_rule::one && s.rule != scale_rule::four_over_six;
}

/// Why a scaling is impossible; empty if it is not.
constexpr std::string_view defect(const scaling& s) {
  if (const std::string_view why = defect(s.format); !why.empty()) return why;
  if (!s.format.fits_float()) return "a scale is used in float32, which cannot hold every value of this scale format";
  if (s.power_of_two && s.format != float_storage)
    return "pow2 is a storage of its own: give no scale format beside it";
  if (s.per == granularity::tile ? s.tile_rows == 0 || s.tile_cols == 0 : s.tile_rows != 0 || s.tile_cols != 0)
    return "a tile has 1 or more rows and columns, and only a tile has a size";
  if (!(s.least_amax >= 0) || s.least_amax > std::numeric_limits<float>::max())
    return "the least amax must be finite and not negative";
  if (s.nan == special_rule::largest) return "a NaN can make its group NaN (group) or not (element)";
  if ((s.nan == special_rule::group || s.infinity == special_rule::group) && !s.format.has_nan())
    return "a group becomes NaN by its scale, and the scale format has no NaN";
  if (s.zero == zero_rule::zero && !s.format.has_zero) return "the scale format has no zero for a group of zeros";
  if (s.history != 0 && (s.per != granularity::tensor || !needs_only_amax(s) || s.rule == scale_rule::static_scale))
    return "a delayed scale is of the whole tensor and follows from amax alone: no static=, nan=, inf=, zero= or min=";
  if (s.history == 0 && s.margin != 0) return "a margin is for a delayed scale";
  if (s.margin > 64) return "a margin is 0 to 64";
  if (s.rule == scale_rule::four_over_six && s.power_of_two)
    return "4over6 chooses between scales that are no powers of two";
  if (s.rule != scale_rule::static_scale) return s.static_value == 0 ? "" : "a scale value is only for static scales";
  scaling data_free = s;
  data_free.rule = scale_rule::amax;
  if (!needs_only_amax(data_free)) return "a static scale does not look at the data: no nan=, inf=, zero= or min=";
  if (!(s.static_value > 0) || s.static_value > std::numeric_limits<float>::max())
    return "a static scale must be positive and finite";
  if (s.power_of_two && (std::bit_cast<std::uint32_t>(s.static_value) & 0x7fffff) != 0)
    return "a static scale stored as pow2 must be a normal power of two";
  if (round(element{.format = s.format, .overflow = overflow_rule::saturate}, s.static_value) != s.static_value)
    return "the static scale is not a value of the scale format";
  return {};
}

namespace detail {

/// True if codes are exponent fields of float32.
constexpr bool has_fields_of_float(const float_format& f) {
  return !f.is_signed && f.precision == 1 && f.width == 8 && f.bias == 127 && !f.has_zero && f.high_nans == 1 &&
         !f.has_infinity;
}

}  // namespace detail

}  // namespace binade
