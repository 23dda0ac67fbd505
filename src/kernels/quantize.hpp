// Fake-quantization of arrays by several threads.
#pragma once

#include <span>

#include "binade/quantize.hpp"
#include "kernels/parallel.hpp"

namespace binade::kernels {

/// binade::quantize, its values and counters bit for bit, in parts that the pool's threads share out between them.
///
/// Cut are arrays whose groups of elements with a common scale lie together in memory (blocks, rows, tensors, no scale;
/// rows and tiles of a length that is a power of two times 32 or more, say).  Others are left to one thread, as is an
/// array of a single part and any array where the pool has one thread.
/// @throws std::invalid_argument as binade::quantize; nothing is written
void quantize(thread_pool& pool, std::span<const float> x, const axis_view& view, const quantizer& q,
              const noise_source& source, std::span<float> out, quantize_counters* counters = nullptr);

}  // namespace binade::kernels
