#pragma once
// The fast kernels: elements that lane_rounder covers, in segments.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "binade/quantize.hpp"
#include "scale_codec.hpp"
#include "segment.hpp"

namespace binade::cuda {

/// How elements are brought to the grid, for all but special cases.
enum class scaling_way : std::uint8_t {
  none,
  inverse,  ///< x (1 / s), which is exact
  near,     ///< x times a rounded inverse of the scales, unless that is near a tie
  divide,   ///< x / s in float32
};

/// What a kernel needs besides the data.
struct segment_job {
  segment_rounder rounder;
  noise_source noise;  ///< noise.first is a multiple of segment_size
  int noise_bits;
  scaling_way way;
  bool has_outer;            ///< two levels: x / (s0 s1) exactly, and (q s0) s1, of which q s0 is exact
  std::uint32_t tie_factor;  ///< of is_near_tie()
  unsigned long long* nans;  ///< null, or what counts the NaNs among the elements that are encoded
};

/// The scales of an element: s, or s and outer.
struct element_scale {
  float s = 1, outer = 1;
  float factor = 1;  ///< what x is multiplied or divided by; NaN where the exact way has to serve

  BINADE_HD static element_scale of(const segment_job& job, float s, float outer = 1) {
    element_scale result{.s = s, .outer = outer};
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    if (job.way == scaling_way::inverse) result.factor = s != 0 ? 1 / s : nan;
    if (job.way == scaling_way::near)
      result.factor = normal_inverse(job.has_outer ? float(double(s) * double(outer)) : s);
    if (job.way == scaling_way::divide) result.factor = s != 0 ? s : nan;
    return result;
  }
  /// x in units of its scales.  Sets `unusual` where exact() has to be asked.
  template <scaling_way Way>
  BINADE_HD BINADE_ALWAYS_INLINE static float down(const segment_job& job, float x, float factor, bool& unusual) {
    if (Way == scaling_way::none) return x;
    const float scaled = Way == scaling_way::divide ? x / factor : x * factor;
    if (Way == scaling_way::near) unusual |= is_near_tie(scaled, job.tie_factor, 2) && scaled != 0;
    return scaled;
  }
  BINADE_HD static float exact(const segment_job& job, float x, float s, float outer) {
    if (job.way == scaling_way::none || x != x) return x;  // the device's arithmetic drops the sign of a NaN
    if (job.has_outer) return detail::odd_float_quotient(x, double(s) * double(outer));
    return s != 0 ? x / s : std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0x80000000);
  }
  BINADE_HD BINADE_ALWAYS_INLINE static float up(const segment_job& job, float q, float s, float outer) {
    if (job.way == scaling_way::none) return q;
    return job.has_outer ? rescaled(q * s, outer) : rescaled(q, s);
  }
};

/// Loads and stores with or without the hint that the data is used once.
template <bool Streaming>
struct memory {
  template <class T>
  __device__ static T load(const T* from) {
    return Streaming ? __ldcs(from) : *from;
  }
  template <class T>
  __device__ static void store(T* to, const T& value) {
    if constexpr (Streaming)
      __stcs(to, value);
    else
      *to = value;
  }
};

/// Reads a lane's elements; those from `count` on are 0.
template <bool Streaming>
__device__ __forceinline__ void load_words(const float* segment, unsigned count, unsigned lane,
                                           float (&x)[elements_of_lane]) {
  if (count < segment_size) {
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) {
      const unsigned at = word_position(lane, i / 4) + i % 4;
      x[i] = at < count ? segment[at] : 0;
    }
    return;
  }
#pragma unroll
  for (unsigned w = 0; w < words_of_lane; ++w) {
    const float4 word = memory<Streaming>::load(reinterpret_cast<const float4*>(segment + word_position(lane, w)));
    x[4 * w] = word.x;
    x[4 * w + 1] = word.y;
    x[4 * w + 2] = word.z;
    x[4 * w + 3] = word.w;
  }
}
template <bool Streaming>
__device__ __forceinline__ void store_words(float* segment, unsigned count, unsigned lane,
                                            const float (&x)[elements_of_lane]) {
  if (count < segment_size) {
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) {
      const unsigned at = word_position(lane, i / 4) + i % 4;
      if (at < count) segment[at] = x[i];
    }
    return;
  }
#pragma unroll
  for (unsigned w = 0; w < words_of_lane; ++w)
    memory<Streaming>::store(reinterpret_cast<float4*>(segment + word_position(lane, w)),
                             float4{x[4 * w], x[4 * w + 1], x[4 * w + 2], x[4 * w + 3]});
}

/// A 4 x 4 matrix whose row l lane l of the quad holds, transposed.
__device__ __forceinline__ void transpose_in_quad(unsigned lane, std::uint32_t (&row)[4]) {
#pragma unroll
  for (unsigned bit = 1; bit <= 2; bit *= 2) {
    const bool upper = (lane & bit) != 0;
#pragma unroll
    for (unsigned low = 0; low < 4; ++low) {
      if ((low & bit) != 0) continue;
      const std::uint32_t sent = upper ? row[low] : row[low | bit];
      const std::uint32_t received = __shfl_xor_sync(0xffffffff, sent, bit);
      (upper ? row[low] : row[low | bit]) = received;
    }
  }
}

/// Stores the codes of a lane's elements; all lanes of the warp call it.
template <bool Streaming, class Code>
__device__ __forceinline__ void store_codes(Code* segment, unsigned count, unsigned lane,
                                            const std::uint32_t (&codes)[elements_of_lane]) {
  if constexpr (sizeof(Code) == 1) {
    std::uint32_t packed[words_of_lane];
#pragma unroll
    for (unsigned w = 0; w < words_of_lane; ++w)
      packed[w] = __byte_perm(__byte_perm(codes[4 * w], codes[4 * w + 1], 0x0040),
                              __byte_perm(codes[4 * w + 2], codes[4 * w + 3], 0x0040), 0x5410);
    transpose_in_quad(lane, packed);
    if (count == segment_size)
      return memory<Streaming>::store(reinterpret_cast<uint4*>(segment) + lane,
                                      uint4{packed[0], packed[1], packed[2], packed[3]});
#pragma unroll
    for (unsigned i = 0; i < 16; ++i)
      if (16 * lane + i < count) segment[16 * lane + i] = Code(packed[i / 4] >> (8 * (i % 4)));
  } else {
    if (count < segment_size) {
#pragma unroll
      for (unsigned i = 0; i < elements_of_lane; ++i) {
        const unsigned at = word_position(lane, i / 4) + i % 4;
        if (at < count) segment[at] = Code(codes[i]);
      }
      return;
    }
#pragma unroll
    for (unsigned w = 0; w < words_of_lane; ++w) {
      const std::uint32_t* const c = codes + 4 * w;
      memory<Streaming>::store(reinterpret_cast<uint2*>(segment + word_position(lane, w)),
                               uint2{c[0] | c[1] << 16, c[2] | c[3] << 16});
    }
  }
}
/// Reads the codes of a lane's elements, those from `count` on as 0; all lanes of the warp call it.
template <bool Streaming, class Code>
__device__ __forceinline__ void load_codes(const Code* segment, unsigned count, unsigned lane,
                                           std::uint32_t (&codes)[elements_of_lane]) {
  if (count < segment_size) {
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) {
      const unsigned at = word_position(lane, i / 4) + i % 4;
      codes[i] = at < count ? segment[at] : 0;
    }
  }
  if constexpr (sizeof(Code) == 1) {
    uint4 packed{0, 0, 0, 0};
    if (count == segment_size) packed = memory<Streaming>::load(reinterpret_cast<const uint4*>(segment) + lane);
    std::uint32_t words[words_of_lane] = {packed.x, packed.y, packed.z, packed.w};
    transpose_in_quad(lane, words);
    if (count < segment_size) return;
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) codes[i] = words[i / 4] >> (8 * (i % 4)) & 0xff;
  } else {
    if (count < segment_size) return;
#pragma unroll
    for (unsigned w = 0; w < words_of_lane; ++w) {
      const uint2 packed = memory<Streaming>::load(reinterpret_cast<const uint2*>(segment + word_position(lane, w)));
      codes[4 * w] = packed.x & 0xffff;
      codes[4 * w + 1] = packed.x >> 16;
      codes[4 * w + 2] = packed.y & 0xffff;
      codes[4 * w + 3] = packed.y >> 16;
    }
  }
}

/// Calls visit with the way as a compile-time constant: one branch for all of a lane's elements.
template <class Visit>
__device__ __forceinline__ void with_way(scaling_way way, Visit visit) {
  if (way == scaling_way::inverse) return visit.template operator()<scaling_way::inverse>();
  if (way == scaling_way::near) return visit.template operator()<scaling_way::near>();
  if (way == scaling_way::divide) return visit.template operator()<scaling_way::divide>();
}

/// A lane's elements in units of their scales become values on the grid; all lanes of the warp call it.
/// @param unusual  true if exact(i) has to be asked for the lane's element i; all lanes of the warp call that
template <bool Stochastic, class Exact>
__device__ __forceinline__ void round_segment(const segment_job& job, std::size_t first, unsigned lane, bool unusual,
                                              Exact exact, float (&x)[elements_of_lane]) {
  std::uint32_t noise[elements_of_lane] = {};
  if constexpr (Stochastic)
    segment_noise(job.noise, (job.noise.first + first) / segment_size, job.noise_bits, lane, noise);
  job.rounder.with_way([&]<bool ByAddition>() {
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) {
      unusual |= x[i] != x[i];
      x[i] = job.rounder.template value<Stochastic, ByAddition>(x[i], noise[i]);
    }
    if (!__any_sync(0xffffffff, unusual)) return;
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i)
      x[i] = job.rounder.template any_value<Stochastic, ByAddition>(exact(i), noise[i]);
  });
}
/// The same for codes, which are stored.
template <bool Stochastic, bool Streaming, class Exact, class Code>
__device__ __forceinline__ void encode_segment(const segment_job& job, std::size_t first, unsigned count, unsigned lane,
                                               bool unusual, Exact exact, const float (&x)[elements_of_lane],
                                               Code* out) {
  std::uint32_t noise[elements_of_lane] = {}, codes[elements_of_lane];
  if constexpr (Stochastic)
    segment_noise(job.noise, (job.noise.first + first) / segment_size, job.noise_bits, lane, noise);
  job.rounder.with_way([&]<bool ByAddition>() {
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) {
      unusual |= x[i] != x[i];
      codes[i] = job.rounder.template code<Stochastic, ByAddition>(x[i], noise[i]);
    }
    if (!__any_sync(0xffffffff, unusual)) return;
    unsigned nans = 0;
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) {
      const float scaled = exact(i);
      nans += unsigned(scaled != scaled);
      codes[i] = job.rounder.template any_code<Stochastic, ByAddition>(scaled, noise[i]);
    }
    if (job.nans != nullptr && nans > 0) atomicAdd(job.nans, (unsigned long long)nans);
  });
  store_codes<Streaming>(out + first, count, lane, codes);
}
/// A lane's element as it is in memory; 0 from `count` on.
__device__ __forceinline__ float element_of(const float* segment, unsigned count, unsigned lane, unsigned i) {
  const unsigned at = word_position(lane, i / 4) + i % 4;
  return at < count ? segment[at] : 0;
}

/// Brings a lane's elements to the grid and stores the values, if Out is float, or the codes.
/// @param x   the segment   @param values  the lane's elements of it
/// @param factor_of, scale_of  those of the lane's element i; all lanes of the warp call scale_of(i)
template <bool Stochastic, bool Streaming, class Out, class FactorOf, class ScaleOf>
__device__ __forceinline__ void finish_segment(const segment_job& job, std::size_t first, unsigned count, unsigned lane,
                                               FactorOf factor_of, ScaleOf scale_of, float outer, const float* x,
                                               float (&values)[elements_of_lane], Out* out) {
  bool unusual = false;
  with_way(job.way, [&]<scaling_way Way>() {
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i)
      values[i] = element_scale::down<Way>(job, values[i], factor_of(i), unusual);
  });
  const auto exact = [&](unsigned i) {
    return element_scale::exact(job, element_of(x, count, lane, i), scale_of(i), outer);
  };
  if constexpr (std::is_same_v<Out, float>) {
    round_segment<Stochastic>(job, first, lane, unusual, exact, values);
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) values[i] = element_scale::up(job, values[i], scale_of(i), outer);
    store_words<Streaming>(out + first, count, lane, values);
  } else {
    encode_segment<Stochastic, Streaming>(job, first, count, lane, unusual, exact, values, out);
  }
}

/// One scale for all.
/// @param scale  null without scaling
template <bool Stochastic, class Out>
__global__ void __launch_bounds__(256)
    one_scale_kernel(segment_job job, const float* scale, std::size_t count, const float* x, Out* out) {
  const unsigned lane = threadIdx.x % quad_lanes;
  const std::size_t first = (std::size_t(blockIdx.x) * blockDim.x + threadIdx.x) / quad_lanes * segment_size;
  const unsigned here = first >= count ? 0 : unsigned(min(count - first, std::size_t(segment_size)));
  float values[elements_of_lane];
  load_words<false>(x + first, here, lane, values);
  const element_scale s = element_scale::of(job, scale == nullptr ? 1 : *scale);
  finish_segment<Stochastic, false>(
      job, first, here, lane, [&](unsigned) { return s.factor; }, [&](unsigned) { return s.s; }, 1, x + first, values,
      out);
}

/// Blocks of 16, 32 or 64 consecutive elements.
/// @param outer   null without a second level   @param scales  null where values are asked for
/// @pre count is a multiple of block
template <bool Stochastic, class Out>
__global__ void __launch_bounds__(256)
    blocks_kernel(segment_job job, group_scaler scaler, unsigned block, const outer_scale* outer, std::size_t count,
                  const float* x, Out* out, std::uint8_t* scales) {
  constexpr unsigned all = 0xffffffff;
  const unsigned lane = threadIdx.x % quad_lanes;
  const std::size_t first = (std::size_t(blockIdx.x) * blockDim.x + threadIdx.x) / quad_lanes * segment_size;
  const unsigned here = first >= count ? 0 : unsigned(min(count - first, std::size_t(segment_size)));
  float values[elements_of_lane];
  load_words<false>(x + first, here, lane, values);
  const outer_scale above = outer == nullptr ? outer_scale{} : *outer;

  std::uint32_t largest[words_of_lane];
#pragma unroll
  for (unsigned w = 0; w < words_of_lane; ++w) largest[w] = word_magnitude(values + 4 * w);
  // Lane l is left with the amax of word l.
  const bool is_upper = (lane & 2) != 0, is_odd = (lane & 1) != 0;
#pragma unroll
  for (unsigned w = 0; w < 2; ++w) {
    const std::uint32_t received = __shfl_xor_sync(all, is_upper ? largest[w] : largest[w + 2], 2);
    largest[w] = max(is_upper ? largest[w + 2] : largest[w], received);
  }
  const std::uint32_t received = __shfl_xor_sync(all, is_odd ? largest[0] : largest[1], 1);
  std::uint32_t mine = max(is_odd ? largest[1] : largest[0], received);
  if (block >= 32) mine = max(mine, __shfl_xor_sync(all, mine, 1));
  if (block == 64) mine = max(mine, __shfl_xor_sync(all, mine, 2));

  const element_scale scale = element_scale::of(job, scaler(std::bit_cast<float>(mine), above), above.scale);
  if (scales != nullptr && 16 * lane < here && lane % (block / 16) == 0)
    scales[(first + 16 * lane) / block] = std::uint8_t(scaler.codec().code(scale.s));
  float factor[words_of_lane];
#pragma unroll
  for (unsigned w = 0; w < words_of_lane; ++w) factor[w] = __shfl_sync(all, scale.factor, w, quad_lanes);
  finish_segment<Stochastic, false>(
      job, first, here, lane, [&](unsigned i) { return factor[i / 4]; },
      [&](unsigned i) { return __shfl_sync(all, scale.s, i / 4, quad_lanes); }, above.scale, x + first, values, out);
}

/// A warp has all rows of 64 neighbouring groups along columns, row_slots of them at a time.
inline constexpr unsigned row_slots = 8, column_warps = 2;

/// Groups of 8 Rows consecutive positions along the axis of a view with inner > 1, the last ones perhaps shorter.
/// Lane 4 r + l of a warp holds the rows r, r + 8 ... of its groups.
/// @pre view.inner is a multiple of segment_size
template <bool Stochastic, unsigned Rows, class Out>
__global__ void __launch_bounds__(32 * column_warps, 16 / column_warps)
    columns_kernel(segment_job job, group_scaler scaler, axis_view view, const outer_scale* outer, const float* x,
                   Out* out, std::uint8_t* scales) {
  constexpr unsigned all = 0xffffffff, group_size = row_slots * Rows;
  const unsigned lane = threadIdx.x % quad_lanes, slot = threadIdx.x / quad_lanes % row_slots;
  // Blocks that run together share the rows of scales: they are neighbours along the axis.
  const unsigned per_row = unsigned((view.length + group_size - 1) / group_size);
  const unsigned segments = unsigned(view.inner / segment_size);
  const unsigned chunks = (segments + column_warps - 1) / column_warps;
  const unsigned tile = blockIdx.x % per_row, chunk = blockIdx.x / per_row % chunks, o = blockIdx.x / per_row / chunks;
  const unsigned segment = chunk * column_warps + threadIdx.x / 32;
  if (segment >= segments) return;
  const std::size_t column = std::size_t(segment) * segment_size;
  const auto first_of = [&](unsigned r) {
    return (std::size_t(o) * view.length + std::size_t(tile) * group_size + r * row_slots + slot) * view.inner + column;
  };
  const std::size_t rest = view.length - std::size_t(tile) * group_size;
  const auto count_of = [&](unsigned r) { return r * row_slots + slot < rest ? segment_size : 0; };

  float values[Rows][elements_of_lane];
#pragma unroll
  for (unsigned r = 0; r < Rows; ++r) load_words<true>(x + first_of(r), count_of(r), lane, values[r]);
  const outer_scale above = outer == nullptr ? outer_scale{} : *outer;

  std::uint32_t largest[elements_of_lane];
#pragma unroll
  for (unsigned i = 0; i < elements_of_lane; ++i) {
    largest[i] = 0;
#pragma unroll
    for (unsigned r = 0; r < Rows; ++r) largest[i] = max(largest[i], detail::finite_magnitude(values[r][i]));
  }
  // Each step halves the columns that a slot answers for; two are left: 2 slot and 2 slot + 1.
#pragma unroll
  for (unsigned half = elements_of_lane / 2; half >= 2; half /= 2) {
    const bool upper = (slot & half / 2) != 0;
#pragma unroll
    for (unsigned i = 0; i < half; ++i) {
      const std::uint32_t sent = upper ? largest[i] : largest[i + half], kept = upper ? largest[i + half] : largest[i];
      largest[i] = max(kept, __shfl_xor_sync(all, sent, half / 2 * quad_lanes));
    }
  }
  element_scale even, odd;
#pragma unroll 1
  for (unsigned c = 0; c < 2; ++c) {
    const float found = scaler(std::bit_cast<float>(c == 0 ? largest[0] : largest[1]), above);
    const unsigned i = 2 * slot + c;  // of the lane's elements
    const std::size_t row = o * view.inner + column + word_position(lane, i / 4) + i % 4;
    if (scales != nullptr) scales[row * per_row + tile] = std::uint8_t(scaler.codec().code(found));
    const element_scale scale = element_scale::of(job, found, above.scale);
    if (c == 0) even = scale;
    if (c == 1) odd = scale;
  }
  // Column by column, so that one scale at a time is in registers.
  const auto from_slot = [&](unsigned i, auto number) {
    return __shfl_sync(all, i % 2 == 0 ? even.*number : odd.*number, i / 2 * quad_lanes + lane);
  };
  const auto scale_of = [&](unsigned i) { return from_slot(i, &element_scale::s); };
  bool unusual[Rows] = {};
  with_way(job.way, [&]<scaling_way Way>() {
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) {
      const float factor = from_slot(i, &element_scale::factor);
#pragma unroll
      for (unsigned r = 0; r < Rows; ++r)
        values[r][i] = element_scale::down<Way>(job, values[r][i], factor, unusual[r]);
    }
  });
  const auto exact_of = [&](unsigned r) {
    return [&, r](unsigned i) {
      return element_scale::exact(job, element_of(x + first_of(r), count_of(r), lane, i), scale_of(i), above.scale);
    };
  };
  if constexpr (std::is_same_v<Out, float>) {
#pragma unroll
    for (unsigned r = 0; r < Rows; ++r)
      round_segment<Stochastic>(job, first_of(r), lane, unusual[r], exact_of(r), values[r]);
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) {
      const float s = scale_of(i);
#pragma unroll
      for (unsigned r = 0; r < Rows; ++r) values[r][i] = element_scale::up(job, values[r][i], s, above.scale);
    }
#pragma unroll
    for (unsigned r = 0; r < Rows; ++r) store_words<true>(out + first_of(r), count_of(r), lane, values[r]);
  } else {
#pragma unroll
    for (unsigned r = 0; r < Rows; ++r)
      encode_segment<Stochastic, true>(job, first_of(r), count_of(r), lane, unusual[r], exact_of(r), values[r], out);
  }
}

/// What values of codes are, by arithmetic or, of 8 bits, from a table.
struct code_values {
  detail::lane_decoder lanes;
  bool has_lanes;
  float table[256];
};
/// The table in shared memory; all threads of a block call it.
__device__ __forceinline__ void copy_table(const code_values& values, float (&table)[256]) {
  if (values.has_lanes) return;
  for (unsigned i = threadIdx.x; i < 256; i += blockDim.x) table[i] = values.table[i];
  __syncthreads();
}
template <class Code>
__device__ __forceinline__ void decode_each(const code_values& values, const float (&table)[256],
                                            const std::uint32_t (&codes)[elements_of_lane],
                                            float (&x)[elements_of_lane]) {
  if (sizeof(Code) > 1 || values.has_lanes) {
    const detail::lanes_1::decoder_constants k(values.lanes);
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) x[i] = detail::lanes_1::lane_decoded(k, codes[i]);
  } else {
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) x[i] = table[codes[i]];
  }
}

/// Values of codes; scales as in one_scale_kernel.
template <class Code>
__global__ void __launch_bounds__(256)
    decode_one_scale_kernel(__grid_constant__ const code_values decoder, const float* scale, std::size_t count,
                            const Code* codes, float* out) {
  __shared__ float table[256];
  copy_table(decoder, table);
  const unsigned lane = threadIdx.x % quad_lanes;
  const std::size_t first = (std::size_t(blockIdx.x) * blockDim.x + threadIdx.x) / quad_lanes * segment_size;
  const unsigned here = first >= count ? 0 : unsigned(min(count - first, std::size_t(segment_size)));
  std::uint32_t words[elements_of_lane];
  load_codes<false>(codes + first, here, lane, words);
  float values[elements_of_lane];
  decode_each<Code>(decoder, table, words, values);
  if (scale != nullptr) {
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) values[i] = rescaled(values[i], *scale);
  }
  store_words<false>(out + first, here, lane, values);
}

/// Values of codes in blocks.  @param outer  null with one level; else the codes' products by s0 are exact
template <class Code>
__global__ void __launch_bounds__(256)
    decode_blocks_kernel(__grid_constant__ const code_values decoder, scale_codec codec, unsigned block,
                         const outer_scale* outer, std::size_t count, const Code* codes, const std::uint8_t* scales,
                         float* out) {
  __shared__ float table[256];
  copy_table(decoder, table);
  const unsigned lane = threadIdx.x % quad_lanes;
  const std::size_t first = (std::size_t(blockIdx.x) * blockDim.x + threadIdx.x) / quad_lanes * segment_size;
  const unsigned here = first >= count ? 0 : unsigned(min(count - first, std::size_t(segment_size)));
  std::uint32_t words[elements_of_lane];
  load_codes<false>(codes + first, here, lane, words);
  const float mine = 16 * lane < here ? codec.value(scales[(first + 16 * lane) / block]) : 1;
  float values[elements_of_lane];
  decode_each<std::uint8_t>(decoder, table, words, values);
#pragma unroll
  for (unsigned w = 0; w < words_of_lane; ++w) {
    const float s = __shfl_sync(0xffffffff, mine, w, quad_lanes);
#pragma unroll
    for (unsigned i = 4 * w; i < 4 * w + 4; ++i)
      values[i] = outer == nullptr ? rescaled(values[i], s) : rescaled(values[i] * s, outer->scale);
  }
  store_words<false>(out + first, here, lane, values);
}

/// Values of codes in groups as in columns_kernel.
template <unsigned Rows>
__global__ void __launch_bounds__(32 * column_warps)
    decode_columns_kernel(__grid_constant__ const code_values decoder, scale_codec codec, axis_view view,
                          const outer_scale* outer, const std::uint8_t* codes, const std::uint8_t* scales, float* out) {
  __shared__ float table[256];
  copy_table(decoder, table);
  constexpr unsigned group_size = row_slots * Rows;
  const unsigned lane = threadIdx.x % quad_lanes, slot = threadIdx.x / quad_lanes % row_slots;
  const unsigned per_row = unsigned((view.length + group_size - 1) / group_size);
  const unsigned segments = unsigned(view.inner / segment_size);
  const unsigned chunks = (segments + column_warps - 1) / column_warps;
  const unsigned tile = blockIdx.x % per_row, chunk = blockIdx.x / per_row % chunks, o = blockIdx.x / per_row / chunks;
  const unsigned segment = chunk * column_warps + threadIdx.x / 32;
  if (segment >= segments) return;
  const std::size_t column = std::size_t(segment) * segment_size;
  const std::size_t rest = view.length - std::size_t(tile) * group_size;
  std::uint32_t words[Rows][elements_of_lane];
#pragma unroll
  for (unsigned r = 0; r < Rows; ++r) {
    const std::size_t first =
        (std::size_t(o) * view.length + std::size_t(tile) * group_size + r * row_slots + slot) * view.inner + column;
    load_codes<false>(codes + first, r * row_slots + slot < rest ? segment_size : 0, lane, words[r]);
  }
  float mine[2];
#pragma unroll
  for (unsigned c = 0; c < 2; ++c) {
    const unsigned i = 2 * slot + c;
    const std::size_t row = o * view.inner + column + word_position(lane, i / 4) + i % 4;
    mine[c] = codec.value(scales[row * per_row + tile]);
  }
  float scale[elements_of_lane];
#pragma unroll
  for (unsigned i = 0; i < elements_of_lane; ++i)
    scale[i] = __shfl_sync(0xffffffff, mine[i % 2], i / 2 * quad_lanes + lane);
#pragma unroll
  for (unsigned r = 0; r < Rows; ++r) {
    const std::size_t first =
        (std::size_t(o) * view.length + std::size_t(tile) * group_size + r * row_slots + slot) * view.inner + column;
    float values[elements_of_lane];
    decode_each<std::uint8_t>(decoder, table, words[r], values);
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i)
      values[i] = outer == nullptr ? rescaled(values[i], scale[i]) : rescaled(values[i] * scale[i], outer->scale);
    store_words<false>(out + first, r * row_slots + slot < rest ? segment_size : 0, lane, values);
  }
}

/// *largest = amax of all, as bits.  @pre *largest is 0; x is 16-byte aligned
template <unsigned Vectors>
__global__ void __launch_bounds__(512) amax_kernel(std::size_t count, const float* x, std::uint32_t* largest) {
  const std::size_t stride = std::size_t(gridDim.x) * blockDim.x, vectors = count / 4;
  const std::size_t thread = std::size_t(blockIdx.x) * blockDim.x + threadIdx.x;
  std::uint32_t mine = 0;
  const auto* const from = reinterpret_cast<const float4*>(x);
  std::size_t i = thread;
  for (; i + (Vectors - 1) * stride < vectors; i += Vectors * stride) {
    float4 v[Vectors];
#pragma unroll
    for (unsigned k = 0; k < Vectors; ++k) v[k] = from[i + k * stride];
#pragma unroll
    for (unsigned k = 0; k < Vectors; ++k) {
      const float word[4] = {v[k].x, v[k].y, v[k].z, v[k].w};
      mine = max(mine, word_magnitude(word));
    }
  }
  for (; i < vectors; i += stride) {
    const float4 v = from[i];
    const float word[4] = {v.x, v.y, v.z, v.w};
    mine = max(mine, word_magnitude(word));
  }
  if (thread < count % 4) mine = max(mine, detail::finite_magnitude(x[count - 1 - thread]));
  mine = __reduce_max_sync(0xffffffff, mine);
  if (threadIdx.x % 32 == 0 && mine > 0) atomicMax(largest, mine);
}

}  // namespace binade::cuda
