#pragma once
// The named quantizers.

#include <array>
#include <string_view>

#include "binade/quantizer.hpp"

namespace binade {

/// A quantizer with a name.  The part behind a ':' names a variant: another shape, or a vendor's operation order and
/// rules.
struct named_quantizer {
  std::string_view name;
  quantizer value;
  std::string_view source;
};

namespace detail {

constexpr scaling with_rule(scaling s, scale_rule rule) {
  s.rule = rule;
  return s;
}
/// An MX format: blocks of 32 with E8M0 scales.
constexpr quantizer mx(const number_format& f) {
  return scaled({f}, scale_per_block(32));
}
/// cuBLAS and TransformerEngine: no element of a block overflows.
constexpr quantizer mx_cublas(const number_format& f) {
  scaling s = with_rule(scale_per_block(32), scale_rule::rceil);
  s.infinity = special_rule::largest;
  s.zero = zero_rule::lowest;
  return scaled({f}, s);
}
/// torchao: a NaN or an infinity takes its block.
constexpr quantizer mx_torchao(const number_format& f) {
  scaling s = scale_per_block(32);
  s.nan = s.infinity = special_rule::group;
  s.zero = zero_rule::lowest;
  return scaled({f}, s);
}
/// microxcaling: likewise, and its rounding `nearest` takes ties away from zero.
constexpr quantizer mx_microxcaling(const number_format& f) {
  quantizer q = mx_torchao(f);
  q.elem.rounding = rounding_mode::nearest_away;
  return q;
}
/// NVFP4: FP4 elements, E4M3 scales of tiles, a float32 scale of the tensor.
constexpr quantizer nvfp4(std::uint32_t rows, operation_order order, zero_rule zero = zero_rule::one,
                          scale_rule rule = scale_rule::amax) {
  scaling tiles = scale_per_tile(rows, 16);
  tiles.format = formats::e4m3fn;
  tiles.rule = rule;
  tiles.zero = zero;
  return scaled({formats::e2m1fn}, tiles, scale_per(granularity::tensor), order);
}
constexpr quantizer nvfp4_torchao() {
  quantizer q = nvfp4(1, operation_order::torchao);
  q.scalings[1].nan = q.scalings[1].infinity = special_rule::group;
  return q;
}
/// Shared microexponents: an exponent for 16 elements, and one bit for two of them that takes 1 from it.
constexpr quantizer shared_microexponents(int bits) {
  scaling pairs = scale_per_block(2);
  pairs.format = formats::ue1m0;
  return scaled({int_format(bits)}, pairs, scale_per_block(16));
}
/// DeepSeek-V3: float32 scales of 1 x 128 activations and 128 x 128 weights, multiplied by their reciprocal.
constexpr quantizer deepseek(std::uint32_t rows) {
  scaling s = scale_per_tile(rows, 128);
  s.format = float_storage;
  s.rule = scale_rule::amax;
  s.least_amax = 1e-4f;
  s.nan = s.infinity = special_rule::group;
  quantizer q = scaled({formats::e4m3fn}, s);
  q.order = operation_order::reciprocal;
  return q;
}
/// The same with powers of two.
constexpr quantizer deepseek_powers(std::uint32_t rows) {
  scaling s = with_rule(scale_per_tile(rows, 128), scale_rule::rceil);
  s.least_amax = 1e-4f;
  s.infinity = special_rule::largest;
  return scaled({formats::e4m3fn}, s);
}

}  // namespace detail

/// The documents that more than one quantizer names.
inline constexpr std::string_view mx_source = "OCP MX 1.0",
                                  microxcaling_source = "microxcaling, mx_ops.py with round=nearest",
                                  torchao_source = "torchao, prototype/mx_formats, FLOOR",
                                  cublas_source = "cuBLAS, 1-D block scaling; TransformerEngine, MXFP8",
                                  msfp_source = "Darvish Rouhani et al., MSFP, NeurIPS 2020; boxes of 16",
                                  microexponents_source = "Darvish Rouhani et al., ISCA 2023, arXiv:2302.08007",
                                  deepseek_source = "DeepSeek-V3, arXiv:2412.19437; DeepGEMM";

/// Every named quantizer with the document that defines it.  Equal ones print as the first.
#if defined(__CUDACC__)
inline const  // nvcc 13.0 takes a call that returns two scalings for no constant
#else
inline constexpr
#endif
    std::array quantizer_catalogue{
        named_quantizer{"mxfp8_e4m3", detail::mx(formats::e4m3fn), mx_source},
        named_quantizer{"mxfp8_e5m2", detail::mx(formats::e5m2), mx_source},
        named_quantizer{"mxfp6_e3m2", detail::mx(formats::e3m2fn), mx_source},
        named_quantizer{"mxfp6_e2m3", detail::mx(formats::e2m3fn), mx_source},
        named_quantizer{"mxfp4", detail::mx(formats::e2m1fn), mx_source},
        named_quantizer{"mxint8", detail::mx(fixed_format{.width = 8, .fraction_bits = 6}), "OCP MX 1.0, symmetric"},
        named_quantizer{"mxfp8_e4m3:ocp", detail::mx(formats::e4m3fn), mx_source},
        named_quantizer{"mxfp8_e5m2:ocp", detail::mx(formats::e5m2), mx_source},
        named_quantizer{"mxfp6_e3m2:ocp", detail::mx(formats::e3m2fn), mx_source},
        named_quantizer{"mxfp6_e2m3:ocp", detail::mx(formats::e2m3fn), mx_source},
        named_quantizer{"mxfp4:ocp", detail::mx(formats::e2m1fn), mx_source},
        named_quantizer{"mxfp8_e4m3:cublas", detail::mx_cublas(formats::e4m3fn), cublas_source},
        named_quantizer{"mxfp8_e5m2:cublas", detail::mx_cublas(formats::e5m2), cublas_source},
        named_quantizer{"mxfp6_e3m2:cublas", detail::mx_cublas(formats::e3m2fn), cublas_source},
        named_quantizer{"mxfp6_e2m3:cublas", detail::mx_cublas(formats::e2m3fn), cublas_source},
        named_quantizer{"mxfp4:cublas", detail::mx_cublas(formats::e2m1fn), cublas_source},
        named_quantizer{"mxfp8_e4m3:torchao", detail::mx_torchao(formats::e4m3fn), torchao_source},
        named_quantizer{"mxfp8_e5m2:torchao", detail::mx_torchao(formats::e5m2), torchao_source},
        named_quantizer{"mxfp6_e3m2:torchao", detail::mx_torchao(formats::e3m2fn), torchao_source},
        named_quantizer{"mxfp6_e2m3:torchao", detail::mx_torchao(formats::e2m3fn), torchao_source},
        named_quantizer{"mxfp4:torchao", detail::mx_torchao(formats::e2m1fn), torchao_source},
        named_quantizer{"mxfp8_e4m3:microxcaling", detail::mx_microxcaling(formats::e4m3fn), microxcaling_source},
        named_quantizer{"mxfp8_e5m2:microxcaling", detail::mx_microxcaling(formats::e5m2), microxcaling_source},
        named_quantizer{"mxfp6_e3m2:microxcaling", detail::mx_microxcaling(formats::e3m2fn), microxcaling_source},
        named_quantizer{"mxfp6_e2m3:microxcaling", detail::mx_microxcaling(formats::e2m3fn), microxcaling_source},
        named_quantizer{"mxfp4:microxcaling", detail::mx_microxcaling(formats::e2m1fn), microxcaling_source},
        named_quantizer{"nvfp4", detail::nvfp4(1, operation_order::standard), "NVIDIA NVFP4, evaluated exactly"},
        named_quantizer{"nvfp4:2d", detail::nvfp4(16, operation_order::standard), "NVIDIA NVFP4, tiles of 16 x 16"},
        named_quantizer{"nvfp4:4over6",
                        detail::nvfp4(1, operation_order::standard, zero_rule::zero, scale_rule::four_over_six),
                        "Cook et al., arXiv:2512.02010, evaluated exactly"},
        named_quantizer{"nvfp4:te", detail::nvfp4(1, operation_order::transformer_engine, zero_rule::zero),
                        "TransformerEngine, NVFP4, 1-D"},
        named_quantizer{"nvfp4:te_2d", detail::nvfp4(16, operation_order::transformer_engine, zero_rule::zero),
                        "TransformerEngine, NVFP4, 2-D"},
        named_quantizer{"nvfp4:torchao", detail::nvfp4_torchao(), "torchao, NVFP4 with a tensor scale"},
        named_quantizer{"mx9", detail::shared_microexponents(8), microexponents_source},
        named_quantizer{"mx6", detail::shared_microexponents(5), microexponents_source},
        named_quantizer{"mx4", detail::shared_microexponents(3), microexponents_source},
        // Microsoft Floating Point: a shared 8-bit exponent, and a sign and 3 to 7 significand bits without an implied
        // one.
        named_quantizer{"msfp12", scaled({int_format(4)}, scale_per_block(16)), msfp_source},
        named_quantizer{"msfp13", scaled({int_format(5)}, scale_per_block(16)), msfp_source},
        named_quantizer{"msfp14", scaled({int_format(6)}, scale_per_block(16)), msfp_source},
        named_quantizer{"msfp15", scaled({int_format(7)}, scale_per_block(16)), msfp_source},
        named_quantizer{"msfp16", scaled({int_format(8)}, scale_per_block(16)), msfp_source},
        named_quantizer{"deepseek_1x128", detail::deepseek(1), deepseek_source},
        named_quantizer{"deepseek_128x128", detail::deepseek(128), deepseek_source},
        named_quantizer{"deepseek_1x128_ue8m0", detail::deepseek_powers(1), deepseek_source},
        named_quantizer{"deepseek_128x128_ue8m0", detail::deepseek_powers(128), deepseek_source},
    };

}  // namespace binade
