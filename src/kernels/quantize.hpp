// Fake-quantization of arrays by several threads.
#pragma once

#include <algorithm>
#include <span>

#include "binade/exponent_histogram.hpp"
#include "binade/quantize.hpp"
#include "kernels/parallel.hpp"

namespace binade::kernels {

/// binade::quantize, its values and counters bit for bit, in the pieces of pieces.hpp, which the pool's threads share
/// out between them.  An array that cannot be cut is left to one thread.
/// @throws std::invalid_argument as binade::quantize; nothing is written
void quantize(thread_pool& pool, std::span<const float> x, const axis_view& view, const quantizer& q,
              const noise_source& source, std::span<float> out, quantize_counters* counters = nullptr);

/// What a run keeps of one rounding.
struct rounding_counts {
  quantize_counters counters = {};
  exponent_histogram exponents = {};  ///< sampled_exponents() of the array before it was rounded
  double largest_value = 0;           ///< largest finite value of the format; 0 where there is none to speak of

  /// Adds those of another array.
  void merge(const rounding_counts& other) {
    counters.merge(other.counters);
    exponents.merge(other.exponents);
    largest_value = std::max(largest_value, other.largest_value);
  }
};

/// quantize(), and what is kept of it; the sums of its counters are of a quarter of the elements: in the k-th 128 of
/// them, of the 32 neighbours whose number is the exclusive or of the digits of k in base 4.
rounding_counts quantize_counted(thread_pool& pool, std::span<const float> x, const axis_view& view, const quantizer& q,
                                 const noise_source& source, std::span<float> out);

/// The exponents of a part of an array: of the k-th 2048 elements, 64 neighbours from place
/// 64 floor(32 frac(k 0.618...)) on, so that every column of a matrix has its turn; of an array of up to 4096 elements,
/// of all.
exponent_histogram sampled_exponents(thread_pool& pool, std::span<const float> x);

/// Largest finite magnitude of an array; 0 for an empty one.
float amax(thread_pool& pool, std::span<const float> x);

/// The quantizer with the scale that an array of this amax has, whatever the array.
/// @pre its outermost scale is of the tensor, follows from amax alone and has the standard order
quantizer with_tensor_scale(const quantizer& q, float amax);

/// The quantizer with the scale of the whole array found and given as a static one, where this gives the same bits.
quantizer with_known_scale(thread_pool& pool, const quantizer& q, std::span<const float> x);

/// Hadamard transforms (hadamard, rht) of an array along the axis of the view, one after the other: apply() of each,
/// bit for bit, by the pool's threads.
/// @param out  x.size() elements; may be x
/// @throws std::invalid_argument as apply
void hadamard(thread_pool& pool, std::span<const transform> transforms, const axis_view& view, std::span<const float> x,
              std::span<float> out);
/// Takes an array back: the inverse transforms from the last to the first.
void inverse_hadamard(thread_pool& pool, std::span<const transform> transforms, const axis_view& view,
                      std::span<float> x);

}  // namespace binade::kernels
