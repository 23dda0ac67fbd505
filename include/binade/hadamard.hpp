#pragma once
// The orthonormal Hadamard transform in blocks, with or without random signs: spreads an outlier over its block.
//
// Entry (i, j) of H_n is (-1)^popcount(i & j) / sqrt(n), Sylvester's order; H_n is symmetric and its own inverse.  In
// float32 the rule is: for stride 1, 2, 4, ..., n/2, each pair (x[i], x[i + stride]) becomes (x[i] + x[i + stride],
// x[i] - x[i + stride]), every operation rounded; then each element is multiplied once by hadamard_scale(n).  NaN and
// infinities go through that arithmetic, and a sum beyond float32 overflows; n amax < 2^128 prevents it.
//
// Random signs: element j of every block is negated, before the transform, if the noise bit of element j is set:
// noise_at({seed, rht_stream}, j, 1), see noise.hpp.  One sign vector serves all blocks, so that two operands
// transformed along their common axis keep their products.  (HALO, arXiv 2501.02625, is without signs; pretraining with
// NVFP4, arXiv 2509.25149, with them)

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "binade/config.hpp"
#include "binade/group_lanes.hpp"
#include "binade/noise.hpp"
#include "binade/scratch.hpp"
#include "binade/versions.hpp"

namespace binade {

/// Elements of the largest block that a transform takes.
inline constexpr std::uint32_t hadamard_max_block = std::uint32_t(1) << 15;

/// The noise stream of the signs: "rht sign" in ASCII, away from the small numbers and the hashes that others use.
inline constexpr std::uint64_t rht_stream = 0x7268'7420'7369'676e;

/// Why a block size is impossible; empty if it is not.
constexpr std::string_view hadamard_defect(std::uint32_t block) {
  return block >= 2 && block <= hadamard_max_block && std::has_single_bit(block)
             ? ""
             : "a Hadamard block has 2, 4, 8, ... or 32768 elements";
}

/// n^-1/2 rounded to the nearest float32: a power of two for even powers n, sqrt(1/2) times one for odd powers.
/// @param block  a power of two, 1..2^15
BINADE_HD constexpr float hadamard_scale(std::uint32_t block) {
  float scale = 1;
  for (; block >= 4; block /= 4) scale *= 0.5f;
  return block == 2 ? 0x1.6a09e6p-1f * scale : scale;
}

/// True if the random-sign transform negates this element of a block.
/// @param position  in the block: below 2^15
BINADE_HD constexpr bool rht_negates(std::uint64_t seed, std::uint32_t position) {
  return noise_at({.seed = seed, .stream = rht_stream}, position, 1) != 0;
}

/// One stage of the transform: all pairs of a block that are `stride` apart.
/// @pre 2 stride divides size
BINADE_HD BINADE_ALWAYS_INLINE constexpr void hadamard_stage(float* x, std::size_t size, std::size_t stride) {
  for (std::size_t first = 0; first < size; first += 2 * stride)
    for (std::size_t i = first; i < first + stride; ++i) {
      const float a = x[i], b = x[i + stride];
      x[i] = a + b;
      x[i + stride] = a - b;
    }
}

namespace detail {

struct hadamard_body {
  /// Blocks follow each other, so a stage of short strides runs over many of them at once.
  BINADE_ALWAYS_INLINE static void run(float* x, std::size_t count, std::size_t block, float scale) {
    const std::size_t piece = std::max<std::size_t>(block, 4096);
    for (std::size_t begin = 0; begin < count; begin += piece) {
      float* const here = x + begin;
      const std::size_t size = std::min(piece, count - begin);
      hadamard_stage(here, size, 1);  // known strides make straight code
      if (block >= 4) hadamard_stage(here, size, 2);
      if (block >= 8) hadamard_stage(here, size, 4);
      for (std::size_t stride = 8; stride < block; stride *= 2) hadamard_stage(here, size, stride);
      for (std::size_t i = 0; i < size; ++i) here[i] *= scale;
    }
  }
};

#define BINADE_LOOPS "binade/hadamard_loops.inc"
#include "binade/wide_loops.inc"

/// Transforms whole blocks.  @param out  x or memory apart from it
inline void transform_blocks(const float* x, float* out, std::size_t count, std::uint32_t block) {
  std::size_t done = 0;
#ifdef BINADE_WIDE_256
  if (vector_bits() >= 512)
    done = lanes_16::transform_blocks(x, out, count, block, hadamard_scale(block));
  else if (vector_bits() >= 256)
    done = lanes_8::transform_blocks(x, out, count, block, hadamard_scale(block));
#endif
  if (x != out) std::copy(x + done, x + count, out + done);
  run_best<hadamard_body>(out + done, count - done, std::size_t(block), hadamard_scale(block));
}

inline void check_hadamard(const std::string& verb, std::size_t count, std::uint32_t block) {
  if (const std::string_view why = hadamard_defect(block); !why.empty())
    throw std::invalid_argument(verb + ": block is " + std::to_string(block) + "; " + std::string(why));
  if (count % block != 0)
    throw std::invalid_argument(verb + ": " + std::to_string(count) + " elements are not a whole number of blocks of " +
                                std::to_string(block) + "; pad the axis or take a block size that divides it");
}

/// The sign bits that the transform with random signs flips in each block.
inline scratch_vector<std::uint32_t> sign_flips(std::uint32_t block, std::uint64_t seed) {
  scratch_vector<std::uint32_t> flips(block);
  fill_noise({.seed = seed, .stream = rht_stream}, 0, 1, flips);
  for (std::uint32_t& flip : flips) flip <<= 31;
  return flips;
}
struct flip_body {
  BINADE_ALWAYS_INLINE static void run(const float* x, float* out, std::size_t count, const std::uint32_t* flips,
                                       std::size_t block) {
    for (std::size_t begin = 0; begin < count; begin += block)
      for (std::size_t j = 0; j < block; ++j)
        out[begin + j] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(x[begin + j]) ^ flips[j]);
  }
};
/// @pre the number of flips divides count   @param out  x or memory apart from it
inline void flip_signs(const float* x, float* out, std::size_t count, std::span<const std::uint32_t> flips) {
  run_best<flip_body>(x, out, count, flips.data(), flips.size());
}

}  // namespace detail

/// Transforms each block of `block` consecutive elements in place.  It is its own inverse, up to rounding.
/// @param x  whole rows whose length the block divides, and so any number of whole blocks
/// @throws std::invalid_argument if the block is no power of two from 2 to 2^15 or does not divide x.size(); x is as
///         before
inline void hadamard(std::span<float> x, std::uint32_t block) {
  detail::check_hadamard("hadamard", x.size(), block);
  detail::transform_blocks(x.data(), x.data(), x.size(), block);
}

/// The same after random signs.  Arguments and errors as hadamard.
inline void rht(std::span<float> x, std::uint32_t block, std::uint64_t seed) {
  detail::check_hadamard("rht", x.size(), block);
  detail::flip_signs(x.data(), x.data(), x.size(), detail::sign_flips(block, seed));
  hadamard(x, block);
}

/// The inverse of rht: the transform, then the signs.
inline void inverse_rht(std::span<float> x, std::uint32_t block, std::uint64_t seed) {
  detail::check_hadamard("inverse_rht", x.size(), block);
  hadamard(x, block);
  detail::flip_signs(x.data(), x.data(), x.size(), detail::sign_flips(block, seed));
}

}  // namespace binade
