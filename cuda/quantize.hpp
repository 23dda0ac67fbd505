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
/// All quantizers but those with a transform or the scale rule 4over6.  At the speed of memory: float formats, rounded
/// in every mode but rto, srb and src where what is too large becomes the largest value (or to nearest even or with sr
/// infinity), and of any format decoding from 8 bits or fewer, without a scale, with one per tensor, or in blocks of
/// 16, 32 or 64 neighbours (16 or 32 along an axis with `inner` a multiple of 64), one level or two.
/// @param x, out  view.size() floats of device memory, in storage order; out may be x
/// @throws std::invalid_argument for an impossible quantizer, one that is not in this release, or more elements than
///         there is noise for; nothing is written.  std::runtime_error for what the device reports
void quantize(const float* x, const axis_view& view, const quantizer& q, const noise_source& noise, float* out,
              stream on = nullptr);

/// Codes and scale codes of x.  Equals binade::encode.
/// @param codes   one per element, code_bytes(q.elem.format) bytes each, in storage order
/// @param scales  scale_count() codes of the innermost level, code_bytes() each, in the order of `encoded`; not used
///                without scaling
/// @param outer_scales  outer_scale_count() codes of the second level, likewise; not used without one
/// @throws as quantize(), and std::invalid_argument that counts the NaNs where the format refuses them: that check
///         waits for the stream, and codes and scales are then any
void encode(const float* x, const axis_view& view, const quantizer& q, const noise_source& noise, void* codes,
            void* scales, void* outer_scales, stream on = nullptr);

/// The values of codes under their scales.  Equals binade::decode.  @throws as quantize()
void decode(const void* codes, const void* scales, const void* outer_scales, const axis_view& view, const quantizer& q,
            float* out, stream on = nullptr);

}  // namespace binade::cuda
