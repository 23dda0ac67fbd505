#pragma once
// Which quantizers and arrays the kernels in segments serve, and their launches.

#include <cuda_runtime.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "binade/quantize.hpp"
#include "launch.cuh"
#include "segment_kernels.cuh"

namespace binade::cuda {

/// True if 16-byte loads and stores can begin here.
inline bool is_aligned(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p) % 16 == 0;
}

/// The groups of elements that have a common scale.
enum class segment_layout : std::uint8_t {
  one_scale,
  blocks,   ///< of neighbours
  columns,  ///< along an axis whose positions are not neighbours
};

/// The layout of a quantizer's innermost scales, if the kernels have it.
inline std::optional<segment_layout> layout_of(const axis_view& view, const quantizer& q) {
  for (int level = 0; level < q.levels; ++level)
    if (!needs_only_amax(q.scalings[std::size_t(level)])) return {};
  if (q.order != operation_order::standard || (q.levels == 2 && q.scalings[1].per != granularity::tensor)) return {};
  if (q.levels == 0) return segment_layout::one_scale;
  const scaling& s = q.scalings[0];
  if (s.per == granularity::tensor && q.levels == 1) return segment_layout::one_scale;
  if (s.per != granularity::tile || s.tile_rows != 1) return {};
  const bool is_block = s.tile_cols == 16 || s.tile_cols == 32 || s.tile_cols == 64;
  if (view.inner == 1 && is_block && view.length % s.tile_cols == 0) return segment_layout::blocks;
  if (view.inner % segment_size == 0 && (s.tile_cols == 16 || s.tile_cols == 32)) return segment_layout::columns;
  return {};
}
/// True if an element times its inner scale is exact in float32.
inline bool has_exact_products(const number_format& f, const float_format& inner) {
  if (f.kind != format_kind::floating) return false;
  const float_format& e = f.floating;
  return e.precision + inner.precision <= 24 && e.max_exponent() + inner.max_exponent() + 2 <= 127 &&
         e.min_exponent() - e.trailing_bits() + inner.min_exponent() - inner.trailing_bits() >= -149;
}
/// How elements are scaled, if the kernels do it.
inline std::optional<scaling_way> way_of(const quantizer& q) {
  if (q.levels == 0) return scaling_way::none;
  const scaling& s = q.scalings[0];
  // Up and down, what is not 0 counts however small it is, and a product may be 0.
  const bool is_up_or_down = q.elem.rounding == rounding_mode::up || q.elem.rounding == rounding_mode::down;
  if (q.levels == 2) {
    if (is_up_or_down || !detail::short_quotients_suffice(q) || !has_exact_products(q.elem.format, s.format)) return {};
    return scaling_way::near;
  }
  const auto inverse_is_exact = [](double scale) { return double(float(1 / scale)) == 1 / scale; };
  if (s.format.precision == 1 && s.rule != scale_rule::static_scale && inverse_is_exact(s.format.max_finite()) &&
      inverse_is_exact(s.format.min_normal()))
    return scaling_way::inverse;
  // Of numbers between ties with more bits, too many are near one.
  return is_stochastic(q.elem.rounding) || is_up_or_down || q.elem.format.trailing_bits() > 7 ? scaling_way::divide
                                                                                              : scaling_way::near;
}

inline constexpr std::size_t most_blocks = 0x7fffffff;

inline std::size_t blocks_of_segments(std::size_t elements) {
  return (elements + segments_of_block * segment_size - 1) / (segments_of_block * segment_size);
}
/// Warps of a block: stochastic rounding is faster in smaller ones, the others in larger ones.
constexpr unsigned column_warps(bool stochastic) {
  return stochastic ? 4 : 8;
}
/// An upper bound.
inline std::size_t blocks_of_columns(const axis_view& view) {
  return column_grid<16, column_warps(true)>(view).blocks();
}
template <class... Parameters, class... Arguments>
void launch(const char* call, std::size_t blocks, unsigned threads, cudaStream_t on, void (*kernel)(Parameters...),
            Arguments... arguments) {
  kernel<<<unsigned(blocks), threads, 0, on>>>(Parameters(arguments)...);
  check(cudaGetLastError(), std::string(call) + ": launch of " + std::to_string(blocks) + " blocks of " +
                                std::to_string(threads) + " threads");
}

/// Calls then(amax of all) on the device.  @pre is_aligned(x); all is zero
template <class Then>
void launch_amax(const char* call, std::size_t count, const float* x, amax_of_all* all, const Then& then,
                 cudaStream_t on) {
  constexpr unsigned threads = 512, vectors = 4, most = 3 * 132;
  const std::size_t blocks = std::min<std::size_t>(most, count / (4 * vectors * threads) + 1);
  launch(call, blocks, threads, on, amax_kernel<vectors, Then>, count, x, all, then);
}

/// quantize() and encode() by kernels in segments.
class segment_launch {
 public:
  /// Nothing where the general way has to serve.
  static std::optional<segment_launch> find(const char* call, const axis_view& view, const quantizer& q,
                                            const noise_source& noise, cudaStream_t on) {
    const std::optional<segment_layout> layout = layout_of(view, q);
    const std::optional<scaling_way> way = way_of(q);
    if (!layout || !way || !segment_rounder::covers(q.elem)) return {};
    if (is_stochastic(q.elem.rounding) && noise.first % segment_size != 0) return {};
    const bool columns = *layout == segment_layout::columns;
    if ((columns ? blocks_of_columns(view) : blocks_of_segments(view.size())) > most_blocks) return {};
    return segment_launch(call, view, q, noise, *layout, *way, on);
  }

  bool has_one_scale() const { return layout_ == segment_layout::one_scale; }
  bool can_encode() const {
    if (layout_ == segment_layout::one_scale) return width_ <= 16;
    return width_ <= 8 && scale_width_ <= 8;
  }
  /// @param scale  of one scale for all, on the device  @param outer  null or the scale of the second level, likewise
  void quantize(const float* x, const float* scale, const outer_scale* outer, float* out) const {
    run(x, scale, outer, out, nullptr, {});
  }
  void encode(const float* x, const float* scale, const outer_scale* outer, void* codes, std::uint8_t* scales,
              const nan_tally& nans) const {
    if (width_ <= 8) return run(x, scale, outer, static_cast<std::uint8_t*>(codes), scales, nans);
    run(x, scale, outer, static_cast<std::uint16_t*>(codes), scales, nans);
  }

 private:
  segment_launch(const char* call, const axis_view& view, const quantizer& q, const noise_source& noise,
                 segment_layout layout, scaling_way way, cudaStream_t on)
      : call_(call),
        view_(view),
        layout_(layout),
        job_{.rounder = segment_rounder(q.elem),
             .noise = noise,
             .noise_bits = q.elem.noise_bits,
             .way = way,
             .has_outer = q.levels == 2,
             .tie_factor = std::uint32_t(1) << (10 + std::min(q.elem.format.trailing_bits(), 21)),
             .backwards = q.levels == 2 || (q.levels == 1 && layout == segment_layout::one_scale),
             .nans = {}},
        scaler_(q),
        block_(q.scalings[0].tile_cols),
        width_(q.elem.format.width),
        scale_width_(q.scalings[0].format.width),
        on_(on) {}

  template <class Out>
  void run(const float* x, const float* scale, const outer_scale* outer, Out* out, std::uint8_t* scales,
           const nan_tally& nans) const {
    if (job_.rounder.is_stochastic()) return run_as<true>(x, scale, outer, out, scales, nans);
    run_as<false>(x, scale, outer, out, scales, nans);
  }
  template <bool Stochastic, class Out>
  void run_as(const float* x, const float* scale, const outer_scale* outer, Out* out, std::uint8_t* scales,
              const nan_tally& nans) const {
    const std::size_t count = view_.size(), blocks = blocks_of_segments(count);
    segment_job job = job_;
    job.nans = nans;
    if (layout_ == segment_layout::one_scale)
      return launch(call_, blocks, threads_of_block, on_, one_scale_kernel<Stochastic, Out>, job, scale, count, x, out);
    if constexpr (sizeof(Out) != 2) {
      if (layout_ == segment_layout::blocks)
        return launch(call_, blocks, threads_of_block, on_, blocks_kernel<Stochastic, Out>, job, scaler_,
                      std::countr_zero(block_), outer, count, x, out, scales);
      if (block_ == 16) return run_columns<Stochastic, 16>(job, outer, x, out, scales);
      run_columns<Stochastic, 32>(job, outer, x, out, scales);
    }
  }
  template <bool Stochastic, unsigned Group, class Out>
  void run_columns(const segment_job& job, const outer_scale* outer, const float* x, Out* out,
                   std::uint8_t* scales) const {
    constexpr unsigned warps = column_warps(Stochastic);
    const column_grid<Group, warps> grid(view_);
    launch(call_, grid.blocks(), 32 * warps, on_, columns_kernel<Stochastic, Group, warps, Out>, job, scaler_, grid,
           outer, x, out, scales);
  }

  const char* call_;
  axis_view view_;
  segment_layout layout_;
  segment_job job_;
  group_scaler scaler_;
  unsigned block_;
  int width_, scale_width_;
  cudaStream_t on_;
};

/// decode() by kernels in segments.
class segment_decoder {
 public:
  static std::optional<segment_decoder> find(const char* call, const axis_view& view, const quantizer& q,
                                             cudaStream_t on) {
    const std::optional<segment_layout> layout = layout_of(view, q);
    const number_format& f = q.elem.format;
    const bool has_lanes = detail::lane_decoder::covers(f);
    if (!layout || f.width > (*layout == segment_layout::one_scale && has_lanes ? 16 : 8)) return {};
    if (q.levels > 0 && *layout != segment_layout::one_scale && q.scalings[0].format.width > 8) return {};
    if (q.levels == 2 && !has_exact_products(f, q.scalings[0].format)) return {};
    const bool columns = *layout == segment_layout::columns;
    if ((columns ? blocks_of_columns(view) : blocks_of_segments(view.size())) > most_blocks) return {};
    return segment_decoder(call, view, q, *layout, has_lanes, on);
  }

  bool has_one_scale() const { return layout_ == segment_layout::one_scale; }
  /// @param scale  of one scale for all, on the device  @param scales  the codes of other layouts' scales
  void decode(const void* codes, const float* scale, const std::uint8_t* scales, const outer_scale* outer,
              float* out) const {
    const std::size_t count = view_.size(), blocks = blocks_of_segments(count);
    const auto* const bytes = static_cast<const std::uint8_t*>(codes);
    if (layout_ == segment_layout::one_scale) {
      if (width_ <= 8)
        return launch(call_, blocks, threads_of_block, on_, decode_one_scale_kernel<std::uint8_t>, values_, scale,
                      count, bytes, out);
      return launch(call_, blocks, threads_of_block, on_, decode_one_scale_kernel<std::uint16_t>, values_, scale, count,
                    static_cast<const std::uint16_t*>(codes), out);
    }
    if (layout_ == segment_layout::blocks)
      return launch(call_, blocks, threads_of_block, on_, decode_blocks_kernel<std::uint8_t>, values_, codec_,
                    std::countr_zero(block_), outer, count, bytes, scales, out);
    if (block_ == 16) return decode_columns<16>(bytes, scales, outer, out);
    decode_columns<32>(bytes, scales, outer, out);
  }

 private:
  template <unsigned Group>
  void decode_columns(const std::uint8_t* codes, const std::uint8_t* scales, const outer_scale* outer,
                      float* out) const {
    constexpr unsigned warps = column_warps(false);
    const column_grid<Group, warps> grid(view_);
    launch(call_, grid.blocks(), 32 * warps, on_, decode_columns_kernel<Group, warps>, values_, codec_, grid, outer,
           codes, scales, out);
  }
  segment_decoder(const char* call, const axis_view& view, const quantizer& q, segment_layout layout, bool has_lanes,
                  cudaStream_t on)
      : call_(call),
        view_(view),
        layout_(layout),
        values_{detail::lane_decoder(has_lanes ? q.elem.format.floating : ieee_format(5, 2)), has_lanes, {}},
        codec_(q.scalings[0].format),
        block_(q.scalings[0].tile_cols),
        width_(q.elem.format.width),
        on_(on) {
    if (has_lanes) return;
    for (std::uint64_t code = 0; code <= q.elem.format.code_mask(); ++code)
      values_.table[code] = binade::decode<float>(q.elem.format, code);
  }

  const char* call_;
  axis_view view_;
  segment_layout layout_;
  code_values values_;
  scale_codec codec_;
  unsigned block_;
  int width_;
  cudaStream_t on_;
};

}  // namespace binade::cuda
