#pragma once
// The fast kernels: elements that lane_rounder covers, in segments.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "binade/quantize.hpp"
#include "bodies.hpp"
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

/// Counts the NaNs that an encoder refuses.
struct nan_tally {
  unsigned long long* count = nullptr;  ///< null where no one asks
  std::uint32_t* any = nullptr;         ///< host memory, set if there is one: to be read without a copy
  __device__ void add(unsigned nans) const {
    if (count == nullptr || nans == 0) return;
    atomicAdd(count, (unsigned long long)nans);
    *static_cast<volatile std::uint32_t*>(any) = 1;
  }
};

/// What a kernel needs besides the data.
struct segment_job {
  segment_rounder rounder;
  noise_source noise;  ///< noise.first is a multiple of segment_size
  int noise_bits;
  scaling_way way;
  bool has_outer;            ///< two levels: x / (s0 s1) exactly, and (q s0) s1, of which q s0 is exact
  std::uint32_t tie_factor;  ///< of is_near_tie()
  bool backwards;            ///< from the end of x, which is in the cache where all of x was read before
  nan_tally nans;            ///< of the elements that are encoded

  /// The number of this block of threads among those of the array.
  __device__ unsigned block_number() const { return backwards ? gridDim.x - 1 - blockIdx.x : blockIdx.x; }
};

/// The scales of an element: s, or s and outer.
struct element_scale {
  float s = 1, outer = 1;
  float factor = 1;  ///< what x is multiplied or divided by; NaN where the exact way has to serve

  BINADE_HD static element_scale of(const segment_job& job, float s, float outer = 1) {
    element_scale result{.s = s, .outer = outer};
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    if (job.way == scaling_way::inverse) result.factor = inverse_of_power(s);
    if (job.way == scaling_way::near)
      result.factor = normal_inverse(job.has_outer ? float(double(s) * double(outer)) : s);
    if (job.way == scaling_way::divide) result.factor = s != 0 ? s : nan;
    return result;
  }
  /// 1 / s of a power of two, or NaN.
  BINADE_HD static float inverse_of_power(float s) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(s), one_twice = 2 * std::bit_cast<std::uint32_t>(1.0f);
    if (bits - 0x00800000 < 0x7e000000) return std::bit_cast<float>(one_twice - bits);  // both are normal
    return s != 0 ? 1 / s : std::numeric_limits<float>::quiet_NaN();
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

__device__ __forceinline__ void set(float* word, const float4& from) {
  word[0] = from.x;
  word[1] = from.y;
  word[2] = from.z;
  word[3] = from.w;
}

/// Reads a lane's elements; those from `count` on are 0.
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
    const float4 word = *reinterpret_cast<const float4*>(segment + word_position(lane, w));
    x[4 * w] = word.x;
    x[4 * w + 1] = word.y;
    x[4 * w + 2] = word.z;
    x[4 * w + 3] = word.w;
  }
}
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
    *reinterpret_cast<float4*>(segment + word_position(lane, w)) =
        float4{x[4 * w], x[4 * w + 1], x[4 * w + 2], x[4 * w + 3]};
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

/// Stores the codes of a lane's elements, a byte each and a word in each of `packed`; all lanes of the warp call it.
__device__ __forceinline__ void store_bytes(std::uint8_t* segment, unsigned count, unsigned lane,
                                            std::uint32_t (&packed)[words_of_lane]) {
  transpose_in_quad(lane, packed);
  if (count == segment_size) {
    reinterpret_cast<uint4*>(segment)[lane] = uint4{packed[0], packed[1], packed[2], packed[3]};
    return;
  }
#pragma unroll
  for (unsigned i = 0; i < 16; ++i)
    if (16 * lane + i < count) segment[16 * lane + i] = std::uint8_t(packed[i / 4] >> (8 * (i % 4)));
}
/// The same, two bytes each.
__device__ __forceinline__ void store_halves(std::uint16_t* segment, unsigned count, unsigned lane,
                                             const std::uint32_t (&codes)[elements_of_lane]) {
  if (count < segment_size) {
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) {
      const unsigned at = word_position(lane, i / 4) + i % 4;
      if (at < count) segment[at] = std::uint16_t(codes[i]);
    }
    return;
  }
#pragma unroll
  for (unsigned w = 0; w < words_of_lane; ++w) {
    const std::uint32_t* const c = codes + 4 * w;
    *reinterpret_cast<uint2*>(segment + word_position(lane, w)) = uint2{c[0] | c[1] << 16, c[2] | c[3] << 16};
  }
}
/// Reads the codes of a lane's elements, those from `count` on as 0; all lanes of the warp call it.
template <class Code>
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
    if (count == segment_size) packed = reinterpret_cast<const uint4*>(segment)[lane];
    std::uint32_t words[words_of_lane] = {packed.x, packed.y, packed.z, packed.w};
    transpose_in_quad(lane, words);
    if (count < segment_size) return;
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) codes[i] = words[i / 4] >> (8 * (i % 4)) & 0xff;
  } else {
    if (count < segment_size) return;
#pragma unroll
    for (unsigned w = 0; w < words_of_lane; ++w) {
      const uint2 packed = *reinterpret_cast<const uint2*>(segment + word_position(lane, w));
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

__device__ __forceinline__ void noise_of_lane(const segment_job& job, std::size_t first, unsigned lane,
                                              std::uint32_t (&noise)[elements_of_lane]) {
  segment_noise(job.noise, (job.noise.first + first) / segment_size, job.noise_bits, lane, noise);
}
/// The noise of one element, in the upper bits.
template <bool Stochastic>
__device__ std::uint32_t upper_noise(const segment_job& job, std::size_t element) {
  return Stochastic ? noise_at(job.noise, element, job.noise_bits) << (32 - job.noise_bits) : 0;
}
/// Brings one element to the grid by the exact way and stores its value, if Out is float, or its code.
/// @return true if a NaN was encoded
template <bool Stochastic, class Out>
__device__ bool finish_exactly(const segment_job& job, std::size_t element, float x, float s, float outer, Out* out) {
  const float scaled = element_scale::exact(job, x, s, outer);
  const std::uint32_t noise = upper_noise<Stochastic>(job, element);
  if constexpr (std::is_same_v<Out, float>) {
    out[element] = element_scale::up(job, job.rounder.template any_value<Stochastic>(scaled, noise), s, outer);
    return false;
  } else {
    out[element] = Out(job.rounder.template any_code<Stochastic>(scaled, noise));
    return scaled != scaled;
  }
}

/// Brings a lane's elements to the grid and stores the values, if Out is float, or the codes; all lanes of the warp
/// call it.
/// @param x   the array   @param values  the lane's elements of the segment
/// @param factor_of, scale_of  those of the lane's element i; all lanes of the warp call scale_of(i)
template <bool Stochastic, class Out, class FactorOf, class ScaleOf>
__device__ __forceinline__ void finish_segment(const segment_job& job, std::size_t first, unsigned count, unsigned lane,
                                               FactorOf factor_of, ScaleOf scale_of, float outer, const float* x,
                                               const std::uint32_t (&noise)[elements_of_lane],
                                               float (&values)[elements_of_lane], Out* out) {
  bool unusual = false;
  with_way(job.way, [&]<scaling_way Way>() {
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i)
      values[i] = element_scale::down<Way>(job, values[i], factor_of(i), unusual);
  });
  float poison = 0;  // NaN if one of them is NaN or infinite
#pragma unroll
  for (unsigned i = 0; i < elements_of_lane; ++i) poison = fused_toward_zero(values[i], 0.0f, poison);
  unusual |= poison != poison;
  if (__any_sync(0xffffffff, unusual)) {
    unsigned nans = 0;
#pragma unroll 1
    for (unsigned i = 0; i < elements_of_lane; ++i) {
      const unsigned at = word_position(lane, i / 4) + i % 4;
      const float s = scale_of(i);
      if (at < count) nans += finish_exactly<Stochastic>(job, first + at, x[first + at], s, outer, out);
    }
    return job.nans.add(nans);
  }
  if constexpr (std::is_same_v<Out, float>) {
    job.rounder.template with_way<Stochastic>([&]<segment_way Way>() {
#pragma unroll
      for (unsigned i = 0; i < elements_of_lane; ++i) values[i] = job.rounder.template value<Way>(values[i], noise[i]);
    });
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) values[i] = element_scale::up(job, values[i], scale_of(i), outer);
    store_words(out + first, count, lane, values);
  } else if constexpr (sizeof(Out) == 1) {
    std::uint32_t packed[words_of_lane];
    job.rounder.template with_way<Stochastic>([&]<segment_way Way>() {
#pragma unroll
      for (unsigned w = 0; w < words_of_lane; ++w)
        packed[w] = job.rounder.template four_codes<Way>(values + word_size * w, noise + word_size * w);
    });
    store_bytes(out + first, count, lane, packed);
  } else {
    std::uint32_t codes[elements_of_lane];
    job.rounder.template with_way<Stochastic>([&]<segment_way Way>() {
#pragma unroll
      for (unsigned i = 0; i < elements_of_lane; ++i) codes[i] = job.rounder.template code<Way>(values[i], noise[i]);
    });
    store_halves(out + first, count, lane, codes);
  }
}

inline constexpr unsigned threads_of_block = 128, segments_of_block = threads_of_block / quad_lanes;

/// One scale for all.
/// @param scale  null without scaling
template <bool Stochastic, class Out>
__global__ void __launch_bounds__(threads_of_block)
    one_scale_kernel(segment_job job, const float* scale, std::size_t count, const float* x, Out* out) {
  const unsigned lane = threadIdx.x % quad_lanes;
  const std::size_t first = (std::size_t(job.block_number()) * blockDim.x + threadIdx.x) / quad_lanes * segment_size;
  const unsigned here = first >= count ? 0 : unsigned(min(count - first, std::size_t(segment_size)));
  float values[elements_of_lane];
  load_words(x + first, here, lane, values);
  const element_scale s = element_scale::of(job, scale == nullptr ? 1 : *scale);
  std::uint32_t noise[elements_of_lane] = {};
  if constexpr (Stochastic) noise_of_lane(job, first, lane, noise);
  finish_segment<Stochastic>(
      job, first, here, lane, [&](unsigned) { return s.factor; }, [&](unsigned) { return s.s; }, 1, x, noise, values,
      out);
}

/// Blocks of 2^block_log consecutive elements: 16, 32 or 64.
/// @param outer   null without a second level   @param scales  null where values are asked for
/// @pre count is a multiple of the size of a block
template <bool Stochastic, class Out>
__global__ void __launch_bounds__(threads_of_block)
    blocks_kernel(segment_job job, group_scaler scaler, unsigned block_log, const outer_scale* outer, std::size_t count,
                  const float* x, Out* out, std::uint8_t* scales) {
  constexpr unsigned all = 0xffffffff;
  const unsigned lane = threadIdx.x % quad_lanes;
  const std::size_t first = (std::size_t(job.block_number()) * blockDim.x + threadIdx.x) / quad_lanes * segment_size;
  const unsigned here = first >= count ? 0 : unsigned(min(count - first, std::size_t(segment_size)));
  float values[elements_of_lane];
  load_words(x + first, here, lane, values);
  const outer_scale above = outer == nullptr ? outer_scale{} : *outer;
  std::uint32_t noise[elements_of_lane] = {};
  if constexpr (Stochastic) noise_of_lane(job, first, lane, noise);  // while x is on its way

  std::uint32_t largest[words_of_lane];
  largest_magnitudes<words_of_lane, word_size, word_size, 1>(values, largest);
  // Lane l is left with the amax of word l.
  const bool is_upper = (lane & 2) != 0, is_odd = (lane & 1) != 0;
#pragma unroll
  for (unsigned w = 0; w < 2; ++w) {
    const std::uint32_t received = __shfl_xor_sync(all, is_upper ? largest[w] : largest[w + 2], 2);
    largest[w] = max(is_upper ? largest[w + 2] : largest[w], received);
  }
  const std::uint32_t received = __shfl_xor_sync(all, is_odd ? largest[0] : largest[1], 1);
  std::uint32_t mine = max(is_odd ? largest[1] : largest[0], received);
  if (block_log >= 5) mine = max(mine, __shfl_xor_sync(all, mine, 1));
  if (block_log == 6) mine = max(mine, __shfl_xor_sync(all, mine, 2));

  const element_scale scale = element_scale::of(job, scaler(std::bit_cast<float>(mine), above), above.scale);
  if (scales != nullptr && 16 * lane < here && 16 * lane >> block_log << block_log == 16 * lane)
    scales[(first + 16 * lane) >> block_log] = std::uint8_t(scaler.codec().code(scale.s));
  float factor[words_of_lane];
#pragma unroll
  for (unsigned w = 0; w < words_of_lane; ++w) factor[w] = __shfl_sync(all, scale.factor, w, quad_lanes);
  finish_segment<Stochastic>(
      job, first, here, lane, [&](unsigned i) { return factor[i / 4]; },
      [&](unsigned i) { return __shfl_sync(all, scale.s, i / 4, quad_lanes); }, above.scale, x, noise, values, out);
}

/// Groups along an axis whose positions are not neighbours: a block of threads has 128 neighbouring columns and, along
/// the axis, 8 positions per warp.  A lane has 4 columns of these 8 rows.
inline constexpr unsigned columns_of_lane = 4, columns_of_block = 32 * columns_of_lane, rows_of_warp = 8;
/// Of shared memory, so that rows begin in other banks.
inline constexpr unsigned row_padding = 4;

/// The blocks of threads of a view: those of neighbouring columns are neighbours.
template <unsigned Group, unsigned Warps>
struct column_grid {
  static constexpr unsigned rows = rows_of_warp * Warps, threads = 32 * Warps;  ///< of a block of threads
  static constexpr unsigned tiles = rows / Group;                               ///< of it, along the axis

  axis_view view;
  unsigned chunks, along;  ///< blocks across the columns and along the axis
  unsigned tiles_of_axis;

  explicit column_grid(const axis_view& v)
      : view(v),
        chunks(unsigned((v.inner + columns_of_block - 1) / columns_of_block)),
        along(unsigned((v.length + rows - 1) / rows)),
        tiles_of_axis(unsigned((v.length + Group - 1) / Group)) {}
  std::size_t blocks() const { return view.outer * chunks * along; }
};

/// Where a thread's elements are: x[first + i * inner + k] for i < rows, k < columns_of_lane.
template <unsigned Group, unsigned Warps>
struct column_place {
  using grid_type = column_grid<Group, Warps>;

  std::size_t outer, inner, first;
  std::size_t column;            ///< of the block's first column
  unsigned tile, tiles_of_axis;  ///< of its first tile; all along the axis
  unsigned rows;

  __device__ column_place(const grid_type& grid, unsigned block)
      : inner(grid.view.inner), tiles_of_axis(grid.tiles_of_axis) {
    const unsigned b = block / grid.chunks, position = b % grid.along;
    column = std::size_t(block % grid.chunks) * columns_of_block;
    tile = position * grid_type::tiles;
    outer = b / grid.along;
    const std::size_t row = std::size_t(position) * grid_type::rows + threadIdx.x / 32 * rows_of_warp;
    const std::size_t mine = column + columns_of_lane * (threadIdx.x % 32);
    const bool is_inside = row < grid.view.length && mine < inner;
    rows = is_inside ? unsigned(min(grid.view.length - row, std::size_t(rows_of_warp))) : 0;
    first = (outer * grid.view.length + row) * inner + mine;
  }
  /// Calls visit(tile, column of the block, index of the scale) for each scale of the block; the thread's share.
  template <class Visit>
  __device__ void for_each_scale(Visit visit) const {
    constexpr unsigned tiles = grid_type::tiles, each = tiles * columns_of_block / grid_type::threads;
    const auto one = [&](unsigned i) {
      const unsigned t = i % tiles, c = i / tiles;
      if (tile + t < tiles_of_axis && column + c < inner)
        visit(t, c, (outer * inner + column + c) * tiles_of_axis + tile + t);
    };
    // One is no loop: what does not depend on the scale would be worked out before it, for ways that are not taken too.
    if constexpr (each == 1) {
      one(threadIdx.x);
    } else {
#pragma unroll 1
      for (unsigned i = 0; i < each; ++i) one(i * grid_type::threads + threadIdx.x);
    }
  }
  /// The tile of the block that the warp's rows lie in.
  __device__ static unsigned tile_of_warp() { return threadIdx.x / 32 * rows_of_warp / Group; }
};

/// Noise of four rows of a warp's columns, in the upper bits.  A lane takes the counters of one row, whose words belong
/// to lanes of all of its segment.
/// @param first     element of the lane's first column in row 0; rows are view.inner apart
/// @param exchange  shared memory of the warp, four rows
__device__ __forceinline__ void column_noise(const segment_job& job, std::size_t first, std::size_t inner,
                                             std::uint32_t (*exchange)[columns_of_block],
                                             std::uint32_t (&noise)[4][columns_of_lane]) {
  const unsigned lane = threadIdx.x % 16, row = lane / quad_lanes,
                 segment_column = threadIdx.x % 32 / 16 * segment_size;
  const std::size_t segment = (job.noise.first + first - columns_of_lane * lane + row * inner) / segment_size;
  std::uint32_t words[elements_of_lane];
  segment_noise(job.noise, segment, job.noise_bits, lane % quad_lanes, words);
  __syncwarp();
#pragma unroll
  for (unsigned w = 0; w < words_of_lane; ++w)
    *reinterpret_cast<uint4*>(&exchange[row][segment_column + word_position(lane % quad_lanes, w)]) =
        uint4{words[4 * w], words[4 * w + 1], words[4 * w + 2], words[4 * w + 3]};
  __syncwarp();
#pragma unroll
  for (unsigned r = 0; r < 4; ++r) {
    const uint4 mine = *reinterpret_cast<const uint4*>(&exchange[r][columns_of_lane * (threadIdx.x % 32)]);
    noise[r][0] = mine.x;
    noise[r][1] = mine.y;
    noise[r][2] = mine.z;
    noise[r][3] = mine.w;
  }
}

/// Groups of `Group` consecutive positions along the axis of a view with inner > 1, the last ones perhaps shorter.
/// @pre view.inner is a multiple of segment_size
template <bool Stochastic, unsigned Group, unsigned Warps, class Out>
__global__ void __launch_bounds__(32 * Warps, 24 / Warps)
    columns_kernel(segment_job job, group_scaler scaler, column_grid<Group, Warps> grid, const outer_scale* outer,
                   const float* x, Out* out, std::uint8_t* scales) {
  constexpr unsigned tiles = column_grid<Group, Warps>::tiles;
  // What a thread reads of x stays here, so that few registers are in use while the scales are found.
  __shared__ alignas(16) float rows[Warps][rows_of_warp][columns_of_block];
  __shared__ alignas(16) std::uint32_t largest[Warps][columns_of_block + row_padding];
  __shared__ alignas(16) float factors[tiles][columns_of_block], found[tiles][columns_of_block];
  const column_place<Group, Warps> at(grid, job.block_number());
  const unsigned warp = threadIdx.x / 32, column = columns_of_lane * (threadIdx.x % 32);
  const auto row_of = [&](unsigned i) { return reinterpret_cast<float4*>(&rows[warp][i][column]); };
  const outer_scale above = outer == nullptr ? outer_scale{} : *outer;
  {
    float4 row[rows_of_warp];
#pragma unroll
    for (unsigned i = 0; i < rows_of_warp; ++i)
      row[i] = i < at.rows ? __ldcs(reinterpret_cast<const float4*>(x + at.first + i * at.inner)) : float4{0, 0, 0, 0};
    float values[rows_of_warp * columns_of_lane];
#pragma unroll
    for (unsigned i = 0; i < rows_of_warp; ++i) {
      *row_of(i) = row[i];
      set(values + columns_of_lane * i, row[i]);
    }
    std::uint32_t most[columns_of_lane];
    largest_magnitudes<columns_of_lane, 1, rows_of_warp, columns_of_lane>(values, most);
    *reinterpret_cast<uint4*>(&largest[warp][column]) = uint4{most[0], most[1], most[2], most[3]};
  }
  __syncthreads();
  at.for_each_scale([&](unsigned tile, unsigned c, std::size_t index) {
    constexpr unsigned warps = Group / rows_of_warp;
    std::uint32_t amax = 0;
#pragma unroll
    for (unsigned w = 0; w < warps; ++w) amax = max(amax, largest[tile * warps + w][c]);
    const float s = scaler(std::bit_cast<float>(amax), above);
    found[tile][c] = s;
    factors[tile][c] = element_scale::of(job, s, above.scale).factor;
    if (scales != nullptr) scales[index] = std::uint8_t(scaler.codec().code(s));
  });
  __syncthreads();

  const unsigned tile = at.tile_of_warp();
  float factor[columns_of_lane], scale[columns_of_lane];
  set(factor, *reinterpret_cast<const float4*>(&factors[tile][column]));
  set(scale, *reinterpret_cast<const float4*>(&found[tile][column]));
  std::uint32_t unusual_rows = 0;
#pragma unroll 1
  for (unsigned from = 0; from < rows_of_warp; from += 4) {
    float values[4][columns_of_lane];
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) set(values[i], *row_of(from + i));
    std::uint32_t noise[4][columns_of_lane] = {};
    if constexpr (Stochastic)
      column_noise(job, at.first + from * at.inner, at.inner,
                   reinterpret_cast<std::uint32_t(*)[columns_of_block]>(&rows[warp]), noise);
    bool is_unusual[4] = {};
    with_way(job.way, [&]<scaling_way Way>() {
#pragma unroll
      for (unsigned i = 0; i < 4; ++i)
#pragma unroll
        for (unsigned k = 0; k < columns_of_lane; ++k)
          values[i][k] = element_scale::down<Way>(job, values[i][k], factor[k], is_unusual[i]);
    });
    bool is_stored[4];
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      float poison = 0;  // NaN if one of them is NaN or infinite
#pragma unroll
      for (unsigned k = 0; k < columns_of_lane; ++k) poison = fused_toward_zero(values[i][k], 0.0f, poison);
      const bool is_there = from + i < at.rows;
      is_stored[i] = is_there && !is_unusual[i] && poison == poison;
      unusual_rows |= std::uint32_t(is_there && !is_stored[i]) << (from + i);
    }
    Out* const to = out + at.first + from * at.inner;
    job.rounder.template with_way<Stochastic>([&]<segment_way Way>() {
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) {
        if constexpr (std::is_same_v<Out, float>) {
          float v[columns_of_lane];
#pragma unroll
          for (unsigned k = 0; k < columns_of_lane; ++k)
            v[k] = element_scale::up(job, job.rounder.template value<Way>(values[i][k], noise[i][k]), scale[k],
                                     above.scale);
          if (is_stored[i]) __stcs(reinterpret_cast<float4*>(to + i * at.inner), float4{v[0], v[1], v[2], v[3]});
        } else {
          const std::uint32_t codes = job.rounder.template four_codes<Way>(values[i], noise[i]);
          if (is_stored[i]) __stcs(reinterpret_cast<std::uint32_t*>(to + i * at.inner), codes);
        }
      }
    });
  }
  unsigned nans = 0;
#pragma unroll 1
  for (; unusual_rows != 0; unusual_rows &= unusual_rows - 1) {
    const std::size_t row = at.first + (__ffs(int(unusual_rows)) - 1) * at.inner;
#pragma unroll 1
    for (unsigned k = 0; k < columns_of_lane; ++k)
      nans += finish_exactly<Stochastic>(job, row + k, x[row + k], found[tile][column + k], above.scale, out);
  }
  job.nans.add(nans);
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
template <class Code, unsigned Count>
__device__ __forceinline__ void decode_each(const code_values& values, const float (&table)[256],
                                            const std::uint32_t (&codes)[Count], float (&x)[Count]) {
  if (sizeof(Code) > 1 || values.has_lanes) {
    const detail::lanes_1::decoder_constants k(values.lanes);
#pragma unroll
    for (unsigned i = 0; i < Count; ++i) x[i] = detail::lanes_1::lane_decoded(k, codes[i]);
  } else {
#pragma unroll
    for (unsigned i = 0; i < Count; ++i) x[i] = table[codes[i]];
  }
}

/// Values of codes; scales as in one_scale_kernel.
template <class Code>
__global__ void __launch_bounds__(threads_of_block)
    decode_one_scale_kernel(__grid_constant__ const code_values decoder, const float* scale, std::size_t count,
                            const Code* codes, float* out) {
  __shared__ float table[256];
  copy_table(decoder, table);
  const unsigned lane = threadIdx.x % quad_lanes;
  const std::size_t first = (std::size_t(blockIdx.x) * blockDim.x + threadIdx.x) / quad_lanes * segment_size;
  const unsigned here = first >= count ? 0 : unsigned(min(count - first, std::size_t(segment_size)));
  std::uint32_t words[elements_of_lane];
  load_codes(codes + first, here, lane, words);
  float values[elements_of_lane];
  decode_each<Code>(decoder, table, words, values);
  if (scale != nullptr) {
#pragma unroll
    for (unsigned i = 0; i < elements_of_lane; ++i) values[i] = rescaled(values[i], *scale);
  }
  store_words(out + first, here, lane, values);
}

/// Values of codes in blocks of 2^block_log.  @param outer  null with one level; else the codes' products by s0 are
/// exact
template <class Code>
__global__ void __launch_bounds__(threads_of_block)
    decode_blocks_kernel(__grid_constant__ const code_values decoder, scale_codec codec, unsigned block_log,
                         const outer_scale* outer, std::size_t count, const Code* codes, const std::uint8_t* scales,
                         float* out) {
  __shared__ float table[256];
  copy_table(decoder, table);
  const unsigned lane = threadIdx.x % quad_lanes;
  const std::size_t first = (std::size_t(blockIdx.x) * blockDim.x + threadIdx.x) / quad_lanes * segment_size;
  const unsigned here = first >= count ? 0 : unsigned(min(count - first, std::size_t(segment_size)));
  std::uint32_t words[elements_of_lane];
  load_codes(codes + first, here, lane, words);
  const float mine = 16 * lane < here ? codec.value(scales[(first + 16 * lane) >> block_log]) : 1;
  float values[elements_of_lane];
  decode_each<std::uint8_t>(decoder, table, words, values);
#pragma unroll
  for (unsigned w = 0; w < words_of_lane; ++w) {
    const float s = __shfl_sync(0xffffffff, mine, w, quad_lanes);
#pragma unroll
    for (unsigned i = 4 * w; i < 4 * w + 4; ++i)
      values[i] = outer == nullptr ? rescaled(values[i], s) : rescaled(values[i] * s, outer->scale);
  }
  store_words(out + first, here, lane, values);
}

/// Values of codes in groups as in columns_kernel.
template <unsigned Group, unsigned Warps>
__global__ void __launch_bounds__(32 * Warps)
    decode_columns_kernel(__grid_constant__ const code_values decoder, scale_codec codec,
                          column_grid<Group, Warps> grid, const outer_scale* outer, const std::uint8_t* codes,
                          const std::uint8_t* scales, float* out) {
  __shared__ float table[256];
  __shared__ alignas(16) float found[column_grid<Group, Warps>::tiles][columns_of_block];
  const column_place<Group, Warps> at(grid, blockIdx.x);
  std::uint32_t packed[rows_of_warp];
#pragma unroll
  for (unsigned i = 0; i < rows_of_warp; ++i)
    packed[i] = i < at.rows ? __ldcs(reinterpret_cast<const std::uint32_t*>(codes + at.first + i * at.inner)) : 0;
  if (!decoder.has_lanes) copy_table(decoder, table);
  at.for_each_scale([&](unsigned tile, unsigned c, std::size_t index) { found[tile][c] = codec.value(scales[index]); });
  __syncthreads();
  float scale[columns_of_lane];
  set(scale, *reinterpret_cast<const float4*>(&found[at.tile_of_warp()][columns_of_lane * (threadIdx.x % 32)]));
  const bool has_outer = outer != nullptr;
  const float above = has_outer ? outer->scale : 1;
#pragma unroll
  for (unsigned i = 0; i < rows_of_warp; ++i) {
    std::uint32_t words[columns_of_lane];
    float v[columns_of_lane];
#pragma unroll
    for (unsigned k = 0; k < columns_of_lane; ++k) words[k] = packed[i] >> (8 * k) & 0xff;
    decode_each<std::uint8_t>(decoder, table, words, v);
#pragma unroll
    for (unsigned k = 0; k < columns_of_lane; ++k)
      v[k] = has_outer ? rescaled(v[k] * scale[k], above) : rescaled(v[k], scale[k]);
    if (i < at.rows) __stcs(reinterpret_cast<float4*>(out + at.first + i * at.inner), float4{v[0], v[1], v[2], v[3]});
  }
}

/// What is found while all elements are read.  Both are 0 before and after.
struct amax_of_all {
  std::uint32_t largest;  ///< as bits
  std::uint32_t done;     ///< blocks of threads
};
/// Index: none.  The one scale of a level, from the amax of all, and its code.
template <class Scale>
struct tensor_scale_body {
  scale_levels levels;
  float_format format;
  std::size_t code_bytes;
  Scale* scale;
  void* code;  ///< null where none is asked for
  __device__ void operator()(float amax) const {
    if constexpr (std::is_same_v<Scale, float>)
      *scale = levels.inner(amax, {});
    else
      *scale = levels.outer(amax);
    if (code == nullptr) return;
    std::uint64_t found = 0;
    encode_scale_body<Scale, std::uint64_t>{format, scale, &found}(0);
    if (code_bytes == 1) *static_cast<std::uint8_t*>(code) = std::uint8_t(found);
    if (code_bytes == 2) *static_cast<std::uint16_t*>(code) = std::uint16_t(found);
    if (code_bytes == 4) *static_cast<std::uint32_t*>(code) = std::uint32_t(found);
    if (code_bytes == 8) *static_cast<std::uint64_t*>(code) = found;
  }
};

/// Calls then(amax of all) once, in the block of threads that is done last.  @pre x is 16-byte aligned
template <unsigned Vectors, class Then>
__global__ void __launch_bounds__(512, 3) amax_kernel(std::size_t count, const float* x, amax_of_all* all, Then then) {
  const std::size_t stride = std::size_t(gridDim.x) * blockDim.x, vectors = count / 4;
  const std::size_t thread = std::size_t(blockIdx.x) * blockDim.x + threadIdx.x;
  std::uint32_t mine = 0;
  const auto* const from = reinterpret_cast<const float4*>(x);
  std::size_t i = thread;
  for (; i + (Vectors - 1) * stride < vectors; i += Vectors * stride) {
    float4 v[Vectors];
#pragma unroll
    for (unsigned k = 0; k < Vectors; ++k) v[k] = from[i + k * stride];
    float words[Vectors * word_size];
#pragma unroll
    for (unsigned k = 0; k < Vectors; ++k) set(words + word_size * k, v[k]);
    mine = max(mine, largest_magnitude(words));
  }
  for (; i < vectors; i += stride) {
    float word[word_size];
    set(word, from[i]);
    mine = max(mine, largest_magnitude(word));
  }
  if (thread < count % 4) mine = max(mine, detail::finite_magnitude(x[count - 1 - thread]));
  mine = __reduce_max_sync(0xffffffff, mine);
  __shared__ std::uint32_t of_warps[512 / 32];
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = mine;
  __syncthreads();
  if (threadIdx.x > 0) return;
  for (const std::uint32_t of_warp : of_warps) mine = max(mine, of_warp);
  atomicMax(&all->largest, mine);
  __threadfence();
  if (atomicAdd(&all->done, 1) + 1 < gridDim.x) return;
  __threadfence();
  then(std::bit_cast<float>(atomicMax(&all->largest, 0)));
  *all = {};  // for the next call
}

}  // namespace binade::cuda
