#pragma once
// How an array gets into a format: the element, which elements share a scale, how a scale is found and stored.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <string_view>

#include "binade/catalogue.hpp"
#include "binade/codec.hpp"

namespace binade {

/// Which elements share a scale.  The array is seen as a matrix whose rows run along the quantization axis.
enum class granularity : std::uint8_t {
  tensor,
  row,   ///< one scale per row
  col,   ///< one scale per column: per position along the axis
  tile,  ///< tile_rows x tile_cols elements; a short tail is a tile of its own.  block(n) is tile(1, n)
};

/// How a scale s follows from amax > 0.  e(v) = floor(log2 v); max, emax, m: largest value, its exponent, and trailing
/// significand bits of the element format.  (OCP MX 1.0, 6.3, for floor; torchao's names for the others)
enum class scale_rule : std::uint8_t {
  amax,          ///< amax / max, divided in float32; in a power-of-two storage without a format of its own as rceil
  floor,         ///< 2^(e(amax) - emax)
  ceil,          ///< 2^(ceil(log2 amax) - emax)
  even,          ///< floor, with e taken after amax is rounded to m trailing bits, half up
  rceil,         ///< 2^ceil(log2(amax / max)), exact
  static_scale,  ///< static_value, whatever the data
};

/// What float itself holds: the storage of `f32` and `pow2` scales.
inline constexpr float_format float_storage = formats::e8m23;

/// One level of scales.
///
/// A scale is at least the smallest normal value of its format and at most the largest finite one; between them the
/// amax rule rounds to nearest even, and the power-of-two rules to the nearest power in range.  So the scales of
/// float32 are never subnormal, and those of E8M0 lie in [2^-127, 2^127].
struct scaling {
  granularity per = granularity::tensor;
  std::uint32_t tile_rows = 0, tile_cols = 0;  ///< of granularity tile: 1 or more; 0 for the others
  float_format format = float_storage;         ///< a scale is stored as a code of this
  bool power_of_two = false;                   ///< `pow2`: a power of two stored in float32
  scale_rule rule = scale_rule::amax;
  float static_value = 0;  ///< of rule static_scale; 0 for the others

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
constexpr scaling scale_per_block(std::uint32_t size) {
  return scale_per_tile(1, size);
}

/// Why a scaling is impossible; empty if it is not.
constexpr std::string_view defect(const scaling& s) {
  if (const std::string_view why = defect(s.format); !why.empty()) return why;
  if (!s.format.fits_float()) return "a scale is used in float32, which cannot hold every value of this scale format";
  if (s.power_of_two && s.format != float_storage)
    return "pow2 is a storage of its own: give no scale format beside it";
  if (s.per == granularity::tile ? s.tile_rows == 0 || s.tile_cols == 0 : s.tile_rows != 0 || s.tile_cols != 0)
    return "a tile has 1 or more rows and columns, and only a tile has a size";
  if (s.rule != scale_rule::static_scale) return s.static_value == 0 ? "" : "a scale value is only for static scales";
  if (!(s.static_value > 0) || s.static_value > std::numeric_limits<float>::max())
    return "a static scale must be positive and finite";
  if (s.power_of_two && (std::bit_cast<std::uint32_t>(s.static_value) & 0x7fffff) != 0)
    return "a static scale stored as pow2 must be a normal power of two";
  if (round(element{.format = s.format, .overflow = overflow_rule::saturate}, s.static_value) != s.static_value)
    return "the static scale is not a value of the scale format";
  return {};
}

/// A quantizer: q = round(x / s) on the grid of the element, and q * s is its value, both in float32.
struct quantizer {
  element elem;
  int levels = 0;                        ///< scalings in use: 0 (s = 1) or 1
  std::array<scaling, 2> scalings = {};  ///< innermost first; those not in use are default

  bool operator==(const quantizer&) const = default;
};

/// Why a quantizer is impossible; empty if it is not.
constexpr std::string_view defect(const quantizer& q) {
  if (const std::string_view why = defect(q.elem); !why.empty()) return why;
  if (q.levels < 0 || q.levels > 1) return "this release takes at most one scaling";
  for (int level = q.levels; level < int(q.scalings.size()); ++level)
    if (q.scalings[std::size_t(level)] != scaling{}) return "a scaling that is not in use must be the default";
  return q.levels == 0 ? std::string_view() : defect(q.scalings[0]);
}

constexpr quantizer unscaled(const element& e) {
  return {.elem = e};
}
constexpr quantizer scaled(const element& e, const scaling& s) {
  return {.elem = e, .levels = 1, .scalings = {s}};
}

struct named_quantizer {
  std::string_view name;
  quantizer value;
  std::string_view source;
};

inline constexpr std::string_view msfp_source = "Darvish Rouhani et al., MSFP, NeurIPS 2020; boxes of 16";

/// Every named quantizer with the document that defines it.
inline constexpr std::array quantizer_catalogue{
    named_quantizer{"mxfp8_e4m3", scaled({formats::e4m3fn}, scale_per_block(32)), "OCP MX 1.0, MXFP8"},
    named_quantizer{"mxfp8_e5m2", scaled({formats::e5m2}, scale_per_block(32)), "OCP MX 1.0, MXFP8"},
    named_quantizer{"mxfp6_e3m2", scaled({formats::e3m2fn}, scale_per_block(32)), "OCP MX 1.0, MXFP6"},
    named_quantizer{"mxfp6_e2m3", scaled({formats::e2m3fn}, scale_per_block(32)), "OCP MX 1.0, MXFP6"},
    named_quantizer{"mxfp4", scaled({formats::e2m1fn}, scale_per_block(32)), "OCP MX 1.0, MXFP4"},
    named_quantizer{"mxint8", scaled({fixed_format{.width = 8, .fraction_bits = 6}}, scale_per_block(32)),
                    "OCP MX 1.0, MXINT8, symmetric"},
    // Microsoft Floating Point: a shared 8-bit exponent, and a sign and 3 to 7 significand bits without an implied one.
    named_quantizer{"msfp12", scaled({int_format(4)}, scale_per_block(16)), msfp_source},
    named_quantizer{"msfp13", scaled({int_format(5)}, scale_per_block(16)), msfp_source},
    named_quantizer{"msfp14", scaled({int_format(6)}, scale_per_block(16)), msfp_source},
    named_quantizer{"msfp15", scaled({int_format(7)}, scale_per_block(16)), msfp_source},
    named_quantizer{"msfp16", scaled({int_format(8)}, scale_per_block(16)), msfp_source},
};

/// Finds scales: everything that does not depend on the data is worked out once.
class scale_finder {
 public:
  /// @pre defect(s) and defect(f) are empty
  BINADE_HD constexpr scale_finder(const scaling& s, const number_format& f)
      : storage_{.format = s.format, .overflow = overflow_rule::saturate},
        divides_(s.rule == scale_rule::amax && !s.power_of_two),
        is_float_(s.format.precision == 24),
        fixed_(s.static_value),
        largest_(detail::narrowed<float>(f.max_finite())),
        element_exponent_(f.max_exponent()),
        carry_from_(carry_threshold(s, f)) {
    constexpr float top = std::numeric_limits<float>::max();
    if (largest_ > top) largest_ = top;
    // The powers of two among the normal values, and all of them as float32.
    const double lowest = s.format.min_normal();
    lowest_ = float(lowest);
    highest_ = float(s.format.max_finite());
    lowest_exponent_ =
        s.format.has_subnormals || !s.format.has_zero ? s.format.min_exponent() : s.format.min_exponent() + 1;
    highest_exponent_ = s.format.max_exponent();
  }

  /// The scale of a group: a value of the scale format, as float32; positive and finite.
  /// @param amax  largest finite magnitude of the group; 0 where there is none, which makes the scale 1 (or the value
  ///              of the scale format nearest to it); finite, not negative
  BINADE_HD constexpr float operator()(float amax) const {
    if (fixed_ != 0) return fixed_;
    if (amax == 0) return in_storage(1);
    if (divides_) return in_storage(amax / largest_);
    // amax = (1 + trailing / 2^23) 2^exponent, a subnormal one normalized first.
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(amax);
    const int shift = bits < 0x800000 ? detail::leading_zeros(bits) - 40 : 0;
    const std::uint32_t trailing = (bits << shift) & 0x7fffff;
    const int exponent = (bits < 0x800000 ? 1 - shift : int(bits >> 23)) - 127;
    const int power = exponent + int(trailing >= carry_from_) - element_exponent_;
    return power_of_two(power < lowest_exponent_    ? lowest_exponent_
                        : power > highest_exponent_ ? highest_exponent_
                                                    : power);
  }

 private:
  /// The power-of-two rules differ in the trailing significand of amax, of 23 bits, from which the exponent is one
  /// more.
  BINADE_HD static constexpr std::uint32_t carry_threshold(const scaling& s, const number_format& f) {
    constexpr std::uint32_t never = std::uint32_t(1) << 23;
    switch (s.rule) {
      case scale_rule::static_scale:
      case scale_rule::floor:
        return never;
      case scale_rule::ceil:
        return 1;
      case scale_rule::even:
        return f.trailing_bits() > 22 ? never : never - (never >> (f.trailing_bits() + 1));
      case scale_rule::amax:  // with pow2
      case scale_rule::rceil: {
        const detail::unpacked max = detail::unpack(f.max_finite());
        return std::uint32_t((max.significand << 1) >> 41) + 1;  // amax above max 2^k: the bits beyond 23 cannot matter
      }
    }
    return never;
  }
  /// 2^exponent, -149 <= exponent <= 127.
  BINADE_HD static constexpr float power_of_two(int exponent) {
    return std::bit_cast<float>(exponent >= -126 ? std::uint32_t(exponent + 127) << 23
                                                 : std::uint32_t(1) << (exponent + 149));
  }
  BINADE_HD constexpr float in_storage(float s) const {
    if (s < lowest_) return lowest_;
    if (s > highest_) return highest_;
    return is_float_ ? s : round(storage_, s);
  }

  element storage_;
  bool divides_, is_float_;
  float fixed_, largest_, lowest_ = 0, highest_ = 0;
  int element_exponent_, lowest_exponent_ = 0, highest_exponent_ = 0;
  std::uint32_t carry_from_;
};

}  // namespace binade
