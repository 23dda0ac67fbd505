#pragma once
// What the device verbs are compared with the CPU on: quantizers, views and inputs.

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "binade/noise.hpp"
#include "binade/quantize.hpp"
#include "binade/text.hpp"

namespace binade::cases {

inline constexpr std::array quantizers{
    "e4m3fn",
    "e4m3fn/sr",
    "e5m2/spec/rtz",
    "e2m1fn:nan=max",
    "e5m10/rna",
    "e8m7",
    "e3m2fn:nan=zero",
    "e4m3fnuz/sr:8",
    "e8m3/sr:16",
    "e8m15/rup",
    "e11m52",
    "e4m3fn@tensor",
    "e5m2/sr@tensor",
    "e4m3fn@tensor(pow2)",
    "e4m3fn@row",
    "e4m3fn/rto@row",
    "mxfp8_e4m3",
    "mxfp8_e5m2",
    "e4m3fn/sr@block(32)",
    "e2m1fn:nan=max@block(32)",
    "e5m10@block(16,f32,amax)",
    "e4m3fn@block(7,e8m0fnu,rceil)",
    "e4m3fn@tensor(static=0.25)",
    "e4m3fn/as=ml_dtypes",
    "e5m2/as=pytorch@row",
    "e5m10/as=pytorch",
    "e8m0fnu/as=cuda",
    "e2m1fn/as=ml_dtypes@block(32)",
    "int8@row",
    "int4/sr@block(16,e4m3fn,amax)",
    "fixed3.4/rdn",
    "posit8",
    "takum8/rtz@tensor",
    "lns8:gamma=8@tensor",
    "nf4@block(64,f32,amax)",
    "book(-1,0,0.5,2):nan=zero/rup",
    "e4m3fn@col",
    "e5m2/sr@tile(3,5,f32,amax)",
    "mxfp4",
    "e2m1fn:nan=max/sr@block(16)",
    "e8m7/sr@block(32)",
    "e4m3fn/sr:8@block(64)",
    "e5m10/sr:12@tensor",
    "nvfp4",
    "nvfp4:2d",
    "nvfp4:te",
    "nvfp4:torchao",
    "e2m1fn:nan=zero/sr@block(16,e4m3fn,amax)@tensor(f32)",
    "e3m2fn:nan=max@block(32,e4m3fn,amax)@tensor(f32)",
    "mxfp8_e4m3:torchao",
    "int8@block(2,ue1m0)@block(16)",
    "e3m4@block(16,f32,amax)",
    "e4m3fn/sr@block(32,f32,amax)",
    "e4m3fn/sr:24",
    "e5m10/sr:20",
    "e4m3fnuz",
    "e5m2fnuz/sr@block(32)",
    "e4m3fnuz/rup@block(16)",
    "e4m3fn/rtz",
    "e5m2/rdn@tensor",
    "e4m3fn/rna@block(32)",
    "e3m2fn:nan=max/rup@block(32,f32,amax)",
    "e3m2fn:nan=max/rtz@block(32,f32,amax)",
    "e2m1fn:nan=max/rtz@block(16,e4m3fn,amax)@tensor(f32)",
    "e2m1fn:nan=max/rup@block(16,e4m3fn,amax)@tensor(f32)",
    "e8m3/saturate/rdn",
};

inline constexpr std::array views{
    axis_view{1, 1, 1},  axis_view{1, 4096, 1}, axis_view{37, 101, 1}, axis_view{1, 64, 48},
    axis_view{5, 33, 7}, axis_view{64, 96, 1},  axis_view{3, 75, 128},
};
/// Many blocks of threads, the last ones not full.
inline constexpr std::array large_views{axis_view{1023, 1040, 1}, axis_view{2, 301, 1088}};

inline constexpr noise_source noise{.seed = 42, .stream = 0x1234567890abcdef, .step = 3};

/// Values over many binades; every bit pattern is possible where `wild`: NaN, infinities and subnormals too.
inline std::vector<float> inputs(std::size_t count, bool wild) {
  std::vector<float> x(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = noise_at({.seed = 7, .stream = wild}, i, 32);
    x[i] = std::bit_cast<float>(wild ? bits : (bits & 0x807fffff) | ((112 + (bits >> 23) % 24) << 23));
  }
  if (wild && count > 40) {
    constexpr std::array specials{0.0f, -0.0f, 448.0f, 464.0f, 465.0f, 57344.0f, 61440.0f, 0x1p-149f, -0x1p-126f};
    for (std::size_t i = 0; i < specials.size(); ++i) x[3 + 4 * i] = specials[i];
    x[39] = std::numeric_limits<float>::infinity();
    x[40] = std::numeric_limits<float>::quiet_NaN();
  }
  return x;
}

/// Bytes of a code array, for comparing with what a device wrote.
inline std::span<const std::byte> bytes_of(const code_array& codes) {
  return std::visit([](const auto& c) { return std::as_bytes(std::span(c)); }, codes);
}

}  // namespace binade::cases
