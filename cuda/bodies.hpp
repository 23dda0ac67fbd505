#pragma once
// The kernel bodies: what one index of a launch does, in the words of include/binade/ alone.  Compiled for the device
// by the .cu files beside this and for the host by the tests, so that both sides run one text.

#include <cstddef>
#include <cstdint>

#include "binade/codec.hpp"
#include "binade/noise.hpp"
#include "binade/quantize.hpp"
#include "binade/scale_finder.hpp"

namespace binade::cuda {

/// Runs of `block` consecutive positions along the axis of a view, the last of each row perhaps shorter.  Group g is
/// numbered so that neighbours in memory are neighbours in g: axis index innermost for inner > 1, else block by block.
struct block_groups {
  axis_view view;
  std::size_t block;  ///< 1 or more

  BINADE_HD constexpr std::size_t per_row() const { return (view.length + block - 1) / block; }
  BINADE_HD constexpr std::size_t count() const { return view.outer * per_row() * view.inner; }

  struct group {
    std::size_t first;  ///< storage index of the first element; the next ones lie view.inner apart
    std::size_t size;
    std::size_t scale;  ///< position of its scale: (row, block) of the (rows, per_row()) array of scales
  };
  BINADE_HD constexpr group operator[](std::size_t g) const {
    const std::size_t i = g % view.inner, block_of_all = g / view.inner;
    const std::size_t b = block_of_all % per_row(), o = block_of_all / per_row();
    const std::size_t begin = b * block, rest = view.length - begin;
    return {.first = (o * view.length + begin) * view.inner + i,
            .size = rest < block ? rest : block,
            .scale = (o * view.inner + i) * per_row() + b};
  }
};

/// What a value is on the grid under a scale.  Equals: binade::quantize on one element.
struct element_rounder {
  element elem;
  noise_source noise;

  BINADE_HD constexpr std::uint32_t noise_of(std::size_t index) const {
    return is_stochastic(elem.rounding) ? noise_at(noise, index, elem.noise_bits) : 0;
  }
  BINADE_HD constexpr float value(float x, float scale, std::size_t index) const {
    return rescaled(round(elem, x / scale, noise_of(index)), scale);
  }
  BINADE_HD constexpr std::uint64_t code(float x, float scale, std::size_t index) const {
    // A division on the device drops the sign of a NaN, which some codes keep.
    return encode(elem, x == x ? x / scale : x, noise_of(index));
  }
};

/// Raises *largest, the bits of a magnitude, to those of |x| if x is finite.  The order of calls does not matter.
BINADE_HD inline void raise_to_magnitude(std::uint32_t* largest, float x) {
  const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x) & 0x7fffffff;
  if (magnitude >= 0x7f800000) return;
#if defined(__CUDA_ARCH__)
  if (magnitude > *static_cast<volatile std::uint32_t*>(largest)) atomicMax(largest, magnitude);
#else
  if (magnitude > *largest) *largest = magnitude;
#endif
}

/// Index: element.  Equals: the amax of binade::quantize with granularity tensor.
struct amax_body {
  const float* x;
  std::uint32_t* largest;
  BINADE_HD void operator()(std::size_t i) const { raise_to_magnitude(largest, x[i]); }
};

/// Index: element.  One scale for all: found from the bits of amax, or 1 without scaling (amax null).
/// Equals: binade::quantize without scaling and with granularity tensor.
struct fake_quantize_body {
  element_rounder rounder;
  scale_finder finder;
  const std::uint32_t* amax;
  const float* x;
  float* out;
  BINADE_HD float scale() const { return amax == nullptr ? 1.0f : finder(std::bit_cast<float>(*amax)); }
  BINADE_HD void operator()(std::size_t i) const { out[i] = rounder.value(x[i], scale(), i); }
};

/// Index: element.  Equals: binade::encode likewise; codes in storage order.
template <class Code>
struct encode_body {
  element_rounder rounder;
  scale_finder finder;
  const std::uint32_t* amax;
  const float* x;
  Code* codes;
  BINADE_HD float scale() const { return amax == nullptr ? 1.0f : finder(std::bit_cast<float>(*amax)); }
  BINADE_HD void operator()(std::size_t i) const { codes[i] = Code(rounder.code(x[i], scale(), i)); }
};

/// Index: element.  Equals: binade::decode with one scale for all (null: 1).
template <class Code>
struct decode_body {
  number_format format;
  const float* scale;
  const Code* codes;
  float* out;
  BINADE_HD void operator()(std::size_t i) const {
    const float q = decode<float>(format, codes[i]);
    out[i] = scale == nullptr ? q : rescaled(q, *scale);
  }
};

/// The scale of a group of elements.
BINADE_HD inline float scale_of_group(const scale_finder& finder, const block_groups& groups, std::size_t g,
                                      const float* x) {
  const block_groups::group group = groups[g];
  std::uint32_t largest = 0;
  for (std::size_t j = 0; j < group.size; ++j) {
    const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x[group.first + j * groups.view.inner]) & 0x7fffffff;
    if (magnitude < 0x7f800000 && magnitude > largest) largest = magnitude;
  }
  return finder(std::bit_cast<float>(largest));
}

/// Index: group.  Equals: binade::quantize with granularity row or block(n).
struct fake_quantize_group_body {
  element_rounder rounder;
  scale_finder finder;
  block_groups groups;
  const float* x;
  float* out;
  BINADE_HD void operator()(std::size_t g) const {
    const block_groups::group group = groups[g];
    const float scale = scale_of_group(finder, groups, g, x);
    for (std::size_t j = 0; j < group.size; ++j) {
      const std::size_t at = group.first + j * groups.view.inner;
      out[at] = rounder.value(x[at], scale, at);
    }
  }
};

/// Index: group.  Equals: binade::encode likewise; scale codes are row-major over (rows, groups of a row).
template <class Code, class ScaleCode>
struct encode_group_body {
  element_rounder rounder;
  scale_finder finder;
  float_format scale_format;
  block_groups groups;
  const float* x;
  Code* codes;
  ScaleCode* scales;
  BINADE_HD void operator()(std::size_t g) const {
    const block_groups::group group = groups[g];
    const float scale = scale_of_group(finder, groups, g, x);
    scales[group.scale] = ScaleCode(encode(element{.format = scale_format}, scale));  // exact: a value of that format
    for (std::size_t j = 0; j < group.size; ++j) {
      const std::size_t at = group.first + j * groups.view.inner;
      codes[at] = Code(rounder.code(x[at], scale, at));
    }
  }
};

/// Index: group.  Equals: binade::decode likewise.
template <class Code, class ScaleCode>
struct decode_group_body {
  number_format format;
  float_format scale_format;
  block_groups groups;
  const Code* codes;
  const ScaleCode* scales;
  float* out;
  BINADE_HD void operator()(std::size_t g) const {
    const block_groups::group group = groups[g];
    const float scale = decode<float>(scale_format, scales[group.scale]);
    for (std::size_t j = 0; j < group.size; ++j) {
      const std::size_t at = group.first + j * groups.view.inner;
      out[at] = rescaled(decode<float>(format, codes[at]), scale);
    }
  }
};

}  // namespace binade::cuda
