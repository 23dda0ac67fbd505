#pragma once
// Matrix products under an accumulator, bit for bit: the reference that every other product is judged by.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "binade/accumulator.hpp"
#include "binade/accumulator_steps.hpp"
#include "binade/matmul_operands.hpp"
#include "binade/pieces.hpp"
#include "binade/product_plan.hpp"

namespace binade {

/// Where the noise of a product comes from: of the operands as quantize() takes it, and of the sums.
struct matmul_noise {
  noise_source a = {}, b = {}, sum = {};

  bool operator==(const matmul_noise&) const = default;
};

/// The three from one source: streams stream, stream + 1 and stream + 2, modulo 2^64.
constexpr matmul_noise matmul_streams(const noise_source& source) {
  matmul_noise noise{source, source, source};
  noise.b.stream += 1;
  noise.sum.stream += 2;
  return noise;
}

/// An operand that is not quantized.
inline constexpr quantizer float_operand = unscaled({float_storage});

namespace detail {

/// Elements and scales of an array; quantize() multiplies the two.
/// @pre check_arguments() passes; q has no transforms
BINADE_LOOP_FUNCTION scaled_operand split(std::span<const float> x, const axis_view& view, const quantizer& q,
                                          const noise_source& source);

/// exact and mx of operands in two parts.
BINADE_LOOP_FUNCTION void multiply_unscaled(const scaled_operand& a, const scaled_operand& b, product_plan plan,
                                            std::span<float> out, const piece_runner& run);

/// Throws unless the arguments of a product fit together.
inline void check_product(std::span<const float> a, std::span<const float> b, const matmul_shape& s,
                          const accumulator& sum, const noise_source& noise, std::span<const float> out) {
  const auto check_size = [](const char* name, std::size_t given, std::size_t rows, std::size_t columns) {
    const bool overflows = columns != 0 && rows > std::numeric_limits<std::size_t>::max() / columns;
    if (!overflows && given == rows * columns) return;
    throw std::invalid_argument("matmul: " + std::string(name) + " has " + std::to_string(given) +
                                " elements and a shape of (" + std::to_string(rows) + ", " + std::to_string(columns) +
                                ") has " + (overflows ? "more than memory holds" : std::to_string(rows * columns)) +
                                "; a is (m, k), b is (k, n), out is (m, n)");
  };
  check_size("a", a.size(), s.m, s.k);
  check_size("b", b.size(), s.k, s.n);
  check_size("out", out.size(), s.m, s.n);
  const auto overlaps = [&](std::span<const float> x) {
    const auto address = [](const float* p) { return std::bit_cast<std::uintptr_t>(p); };
    return address(out.data()) < address(x.data() + x.size()) && address(x.data()) < address(out.data() + out.size());
  };
  if (overlaps(a) || overlaps(b))
    throw std::invalid_argument("matmul: out overlaps an operand; give memory apart from both");
  if (const std::string_view why = defect(sum); !why.empty())
    throw std::invalid_argument("matmul: the accumulator is impossible: " + std::string(why));
  if (noise_bits(sum) == 0 || out.empty()) return;
  const std::uint64_t capacity = noise_capacity(noise_bits(sum)), steps = step_count(sum, s.k);
  if (noise.first > capacity || steps > (capacity - noise.first) / out.size())
    throw std::invalid_argument(
        "matmul: " + std::to_string(out.size()) + " outputs of " + std::to_string(steps) +
        " steps ask for more noise than the " + std::to_string(capacity) +
        " elements of one stream; multiply fewer rows at a time, each with a stream of its own");
}

}  // namespace detail

/// Noise indices that one row of a product takes: rows from i on, multiplied apart, get the same noise from
/// first + i matmul_noise_per_row().
constexpr std::uint64_t matmul_noise_per_row(const matmul_shape& shape, const accumulator& sum) {
  return step_count(sum, shape.k) * shape.n;
}

/// out = a b, each output summed over k as the accumulator says.
///
/// Every output depends on its row of a, its column of b and the noise of its steps alone.  k = 0 gives +0.  NaN,
/// infinities: a NaN among the products, Inf 0 and Inf - Inf give NaN, in every accumulator; it is the positive quiet
/// one.  `exact` looks at all products at once: infinities of both signs are NaN wherever they stand.
/// @param a, b   m k and k n elements, any floats
/// @param noise  of stochastic elements: step t (step_count()) of output (i, j) has noise index
///               (i steps + t) n + j, steps = step_count(sum, k).  Elements with fewer noise bits than the most that
///               one in the accumulator has take the top ones of as many
/// @param out    m n elements, apart from a and b
/// @param run    as quantize_in_pieces() takes it, called once or twice: calls for parts of the product, whose outputs
///               are apart
/// @throws std::invalid_argument if sizes disagree, out overlaps an operand, the accumulator is impossible or mx, which
///         needs the blocks of quantized operands, or the noise stream is too short; nothing is written
BINADE_LOOP_FUNCTION void matmul(std::span<const float> a, std::span<const float> b, const matmul_shape& shape,
                                 const accumulator& sum, const noise_source& noise, std::span<float> out,
                                 const piece_runner& run = in_turn{});

/// out = a b of operands that are quantized along k first: a along its rows, b along its columns (axis 0).
///
/// Accumulators that begin with a chain, `kahan` or `pairwise` multiply what quantize() gives.  `exact` and `mx`
/// multiply the elements before their scales, which come after.  Scales that vary along k (col, tile, block) belong to
/// terms: under `exact` each product carries them, exactly; under `mx` the sum of each block is rounded to float32,
/// times those of a, times those of b, each product rounded to float32.  Scales that are constant along k (tensor, row)
/// multiply the result, a's first, each product rounded to float32; of an operand with two such levels, their exact
/// product.
///
/// Transforms stay in the operands, which must have the same ones, hadamard or rht: the product of both is that of the
/// operands.
/// @param a_spec, b_spec  float_operand: not quantized
/// @param noise           a, b: as quantize() takes them; sum, run: as above
/// @throws std::invalid_argument as above, if a quantizer is impossible, the transforms differ or do not fit k, or no
///         scale of either operand varies along k under mx; nothing is written
BINADE_LOOP_FUNCTION void matmul(std::span<const float> a, const quantizer& a_spec, std::span<const float> b,
                                 const quantizer& b_spec, const matmul_shape& shape, const accumulator& sum,
                                 const matmul_noise& noise, std::span<float> out, const piece_runner& run = in_turn{});

}  // namespace binade

#ifndef BINADE_COMPILED_LOOPS
#include "binade/matmul_loops.hpp"
#endif
