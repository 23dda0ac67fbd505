#pragma once
// The kernel bodies: what one index of a launch does, in the words of include/binade/ alone.  Compiled for the device
// by the .cu files beside this and for the host by the tests, so that both sides run one text.

#include <cstddef>
#include <cstdint>

#include "binade/chunk_rounder.hpp"
#include "binade/codec.hpp"
#include "binade/noise.hpp"
#include "binade/quantize.hpp"
#include "binade/scale_finder.hpp"

namespace binade::cuda {

/// Raises *largest, the bits of a magnitude, to `magnitude`.  The order of calls does not matter.
BINADE_HD inline void raise_to(std::uint32_t* largest, std::uint32_t magnitude) {
#if defined(__CUDA_ARCH__)
  if (magnitude > *static_cast<volatile std::uint32_t*>(largest)) atomicMax(largest, magnitude);
#else
  if (magnitude > *largest) *largest = magnitude;
#endif
}

/// The group of a grid that element i of the array, in storage order, lies in.
BINADE_HD constexpr std::size_t group_of(const detail::scale_grid& grid, std::size_t i) {
  const axis_view& view = grid.view;
  const std::size_t inner = i % view.inner, position = i / view.inner % view.length, o = i / view.inner / view.length;
  return grid.index(o * view.inner + inner, position / grid.tile_cols);
}

/// The scales of an array's elements, in device memory.
struct array_scales {
  int levels = 0;
  detail::scale_grid inner_grid = {{}, 1, 1}, outer_grid = {{}, 1, 1};
  const float* inner = nullptr;        ///< one per group of inner_grid
  const outer_scale* outer = nullptr;  ///< one per group of outer_grid

  array_scales() = default;
  array_scales(const axis_view& view, const quantizer& q, const float* inner_scales, const outer_scale* outer_scales)
      : levels(q.levels), inner(inner_scales), outer(outer_scales) {
    if (levels > 0) inner_grid = detail::plain_grid_of(q.scalings[0], view);
    if (levels > 1) outer_grid = detail::plain_grid_of(q.scalings[1], view);
  }

  BINADE_HD float inner_of(std::size_t i) const { return levels == 0 ? 1.0f : inner[group_of(inner_grid, i)]; }
  BINADE_HD outer_scale outer_of(std::size_t i) const {
    return levels < 2 ? outer_scale{} : outer[group_of(outer_grid, i)];
  }
  /// The outer scale that an inner group lies under.
  BINADE_HD outer_scale outer_of_group(std::size_t group) const {
    if (levels < 2) return {};
    const std::size_t row = group / inner_grid.per_row() * inner_grid.tile_rows,
                      column = group % inner_grid.per_row() * inner_grid.tile_cols;
    return outer[outer_grid.index(row, column / outer_grid.tile_cols)];
  }
};

/// What an element becomes under its scales.  Equals: binade::quantize and binade::encode on one element.
struct scaled_element {
  element elem;
  noise_source noise;
  scale_levels levels;
  int level_count;
  bool is_direct;       ///< one division by a scale that is neither 0 nor NaN
  bool has_multiplier;  ///< an order that multiplies
  bool in_float;        ///< a quotient to odd in float32 decides

  scaled_element(const quantizer& q, const element& on_device, const noise_source& source)
      : elem(on_device),
        noise(source),
        levels(q),
        level_count(q.levels),
        is_direct(detail::divides_directly(q)),
        has_multiplier(q.order != operation_order::standard),
        in_float(detail::odd_float_suffices(q.elem)) {}

  BINADE_HD std::uint32_t noise_of(std::size_t index) const {
    return is_stochastic(elem.rounding) ? noise_at(noise, index, elem.noise_bits) : 0;
  }
  /// x in units of its scales; where rounds_quotient(), a number that is NaN where x in these units is.
  BINADE_HD float down(float x, float inner, const outer_scale& outer) const {
    if (level_count == 0 || x != x) return x;  // the device's arithmetic drops the sign of a NaN, which some codes keep
    if (is_direct) return x / inner;
    if (has_multiplier) {
      const float multiplier = levels.multiplier(inner, outer);
      return x == 0 && multiplier == multiplier ? x : x * multiplier;
    }
    if (level_count == 2) return detail::odd_float_quotient(x, levels.product(inner, outer));
    return inner != 0 ? x / inner : std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0x80000000);
  }
  BINADE_HD bool rounds_quotient() const { return level_count == 2 && !has_multiplier && !in_float; }

  BINADE_HD float value(float x, float inner, const outer_scale& outer, std::size_t index) const {
    const std::uint32_t r = noise_of(index);
    float q;
    if (rounds_quotient())
      q = detail::with_quotient(x, levels.product(inner, outer), [&](const auto& quotient) {
        return elem.format.visit([&](const auto& f) { return float(detail::rounded_value(f, elem, quotient, r)); });
      });
    else
      q = round(elem, down(x, inner, outer), r);
    return up(q, inner, outer);
  }
  BINADE_HD std::uint64_t code(float x, float inner, const outer_scale& outer, std::size_t index) const {
    const float scaled = down(x, inner, outer);
    if (!is_direct && level_count > 0 && elem.format.refuses_nan() && (inner != inner || scaled != scaled)) return 0;
    const std::uint32_t r = noise_of(index);
    if (rounds_quotient())
      return detail::with_quotient(x, levels.product(inner, outer),
                                   [&](const auto& quotient) { return detail::encode_number(elem, quotient, r); });
    return encode(elem, scaled, r);
  }
  /// The value of an element's own value q under its scales.
  BINADE_HD float up(float q, float inner, const outer_scale& outer) const {
    if (level_count == 0) return q;
    return level_count == 1 ? rescaled(q, inner) : detail::rescaled_exactly(q, levels.product(inner, outer));
  }
};

/// Index: element.  Raises the bits of each group's amax, which are 0 at first.
struct amax_body {
  detail::scale_grid grid;
  detail::magnitude_filter filter;
  const float* x;
  std::uint32_t* largest;
  BINADE_HD void operator()(std::size_t i) const {
    raise_to(largest + group_of(grid, i), detail::counted_magnitude(x[i], filter));
  }
};

/// Index: group of the second level.
struct outer_scale_body {
  scale_levels levels;
  const std::uint32_t* largest;
  outer_scale* scales;
  BINADE_HD void operator()(std::size_t k) const { scales[k] = levels.outer(std::bit_cast<float>(largest[k])); }
};
/// Index: group of the innermost level.
struct inner_scale_body {
  scale_levels levels;
  array_scales above;
  const std::uint32_t* largest;
  float* scales;
  BINADE_HD void operator()(std::size_t k) const {
    scales[k] = levels.inner(std::bit_cast<float>(largest[k]), above.outer_of_group(k));
  }
};

/// Index: group.  The codes of scales, which are exact, and back.
template <class Scale, class Code>
struct encode_scale_body {
  float_format format;
  const Scale* scales;
  Code* codes;
  BINADE_HD void operator()(std::size_t k) const {
    codes[k] = Code(encode(element{.format = format, .overflow = overflow_rule::saturate}, value_of(scales[k])));
  }
  BINADE_HD static float value_of(float s) { return s; }
  BINADE_HD static float value_of(const outer_scale& s) { return s.scale; }
};
template <class Scale, class Code>
struct decode_scale_body {
  float_format format;
  const Code* codes;
  Scale* scales;
  BINADE_HD void operator()(std::size_t k) const { scales[k] = Scale{decode<float>(format, codes[k])}; }
};

/// Index: element.  Equals: binade::quantize.
struct quantize_body {
  scaled_element one;
  array_scales scales;
  const float* x;
  float* out;
  BINADE_HD void operator()(std::size_t i) const {
    out[i] = one.value(x[i], scales.inner_of(i), scales.outer_of(i), i);
  }
};
/// Index: element.  Equals: binade::encode; codes in storage order.
template <class Code>
struct encode_body {
  scaled_element one;
  array_scales scales;
  const float* x;
  Code* codes;
  BINADE_HD void operator()(std::size_t i) const {
    codes[i] = Code(one.code(x[i], scales.inner_of(i), scales.outer_of(i), i));
  }
};
/// Index: element.  Equals: binade::decode.
template <class Code>
struct decode_body {
  scaled_element one;
  array_scales scales;
  const Code* codes;
  float* out;
  BINADE_HD void operator()(std::size_t i) const {
    out[i] = one.up(decode<float>(one.elem.format, codes[i]), scales.inner_of(i), scales.outer_of(i));
  }
};

/// Index: element.  Counts the NaNs that no NaN of their scales stands for.
struct count_nan_body {
  scale_levels levels;
  array_scales scales;
  const float* x;
  unsigned long long* count;
  BINADE_HD void operator()(std::size_t i) const {
    if (x[i] == x[i]) return;
    const double product = levels.product(scales.inner_of(i), scales.outer_of(i));
    if (product != product) return;
#if defined(__CUDA_ARCH__)
    atomicAdd(count, 1ull);
#else
    ++*count;
#endif
  }
};

}  // namespace binade::cuda
