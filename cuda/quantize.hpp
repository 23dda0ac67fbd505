#pragma once
// The verbs on the device.  Same arguments, same bits as binade/quantize.hpp; arrays are device memory.

#include "binade/noise.hpp"
#include "binade/quantize.hpp"
#include "binade/quantizer.hpp"

struct CUstream_st;  // of the CUDA runtime, which includers of this header need not have

namespace binade::cuda {

/// Work is queued on this stream; nullptr is the default one.
using stream = CUstream_st*;

/// Bytes of a stored code: 1, 2, 4 or 8, the smallest that hold format.width bits.
constexpr std::size_t code_bytes(const number_format& f) {
  return f.width <= 8 ? 1 : f.width <= 16 ? 2 : f.width <= 32 ? 4 : 8;
}

/// out = x on the grid of q.  Equals binade::quantize bit for bit.
///
/// Quantizers of this release: is_plain(), without a scale or with one per tensor, row or block of one row (tile with
/// tile_rows 1).
/// @param x, out  view.size() floats of device memory, in storage order; out may be x
/// @throws std::invalid_argument for an impossible quantizer, one that is not in this release, or more
/// elements
///         than there is noise for; nothing is written.  std::runtime_error for what the device reports
void quantize(const float* x, const axis_view& view, const quantizer& q, const noise_source& noise, float* out,
              stream on = nullptr);

/// Codes and scale codes of x.  Equals binade::encode.
/// @param codes   one per element, code_bytes(q.elem.format) bytes each, in storage order
/// @param scales  one code of the scale format per group, code_bytes() each, row-major over (rows, groups of a row);
/// one for
///                the tensor; not used without scaling
/// @throws as quantize(), and std::invalid_argument that counts the NaNs where the format refuses them: that check
/// waits
///         for the stream; nothing is written
void encode(const float* x, const axis_view& view, const quantizer& q, const noise_source& noise, void* codes,
            void* scales, stream on = nullptr);

/// The values of codes under their scales.  Equals binade::decode.  @throws as quantize()
void decode(const void* codes, const void* scales, const axis_view& view, const quantizer& q, float* out,
            stream on = nullptr);

}  // namespace binade::cuda
