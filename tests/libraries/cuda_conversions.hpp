#pragma once
// The conversions of the CUDA headers on the host, each under the text of the binade element that must equal it.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp4.h>
#include <cuda_fp6.h>
#include <cuda_fp8.h>

#include <cstdint>
#include <vector>

namespace cuda_headers {

struct conversion {
  const char* text;
  unsigned (*from_float)(float);
  unsigned (*from_double)(double);
  unsigned (*from_half)(std::uint16_t);      ///< null: CUDA has none
  unsigned (*from_bfloat16)(std::uint16_t);  ///< null: CUDA has none
  float (*value)(unsigned);
};

inline __half_raw half_of(std::uint16_t bits) {
  __half_raw raw;
  raw.x = bits;
  return raw;
}
inline __nv_bfloat16_raw bfloat16_of(std::uint16_t bits) {
  __nv_bfloat16_raw raw;
  raw.x = bits;
  return raw;
}
inline float value_of(__half_raw raw) {
  return __half2float(__half(raw));
}

template <__nv_fp8_interpretation_t Format, __nv_saturation_t Saturation>
constexpr conversion fp8(const char* text) {
  return {text,
          [](float x) -> unsigned { return __nv_cvt_float_to_fp8(x, Saturation, Format); },
          [](double x) -> unsigned { return __nv_cvt_double_to_fp8(x, Saturation, Format); },
          [](std::uint16_t x) -> unsigned { return __nv_cvt_halfraw_to_fp8(half_of(x), Saturation, Format); },
          [](std::uint16_t x) -> unsigned { return __nv_cvt_bfloat16raw_to_fp8(bfloat16_of(x), Saturation, Format); },
          [](unsigned code) { return value_of(__nv_cvt_fp8_to_halfraw(__nv_fp8_storage_t(code), Format)); }};
}
template <__nv_fp6_interpretation_t Format, cudaRoundMode Round>
constexpr conversion fp6(const char* text) {
  return {text,
          [](float x) -> unsigned { return __nv_cvt_float_to_fp6(x, Format, Round); },
          [](double x) -> unsigned { return __nv_cvt_double_to_fp6(x, Format, Round); },
          [](std::uint16_t x) -> unsigned { return __nv_cvt_halfraw_to_fp6(half_of(x), Format, Round); },
          [](std::uint16_t x) -> unsigned { return __nv_cvt_bfloat16raw_to_fp6(bfloat16_of(x), Format, Round); },
          [](unsigned code) { return value_of(__nv_cvt_fp6_to_halfraw(__nv_fp6_storage_t(code), Format)); }};
}
template <cudaRoundMode Round>
constexpr conversion fp4(const char* text) {
  return {text,
          [](float x) -> unsigned { return __nv_cvt_float_to_fp4(x, __NV_E2M1, Round); },
          [](double x) -> unsigned { return __nv_cvt_double_to_fp4(x, __NV_E2M1, Round); },
          [](std::uint16_t x) -> unsigned { return __nv_cvt_halfraw_to_fp4(half_of(x), __NV_E2M1, Round); },
          [](std::uint16_t x) -> unsigned { return __nv_cvt_bfloat16raw_to_fp4(bfloat16_of(x), __NV_E2M1, Round); },
          [](unsigned code) { return value_of(__nv_cvt_fp4_to_halfraw(__nv_fp4_storage_t(code), __NV_E2M1)); }};
}
template <cudaRoundMode Round, __nv_saturation_t Saturation>
constexpr conversion scale(const char* text) {
  return {text,
          [](float x) -> unsigned { return __nv_cvt_float_to_e8m0(x, Saturation, Round); },
          [](double x) -> unsigned { return __nv_cvt_double_to_e8m0(x, Saturation, Round); },
          nullptr,
          [](std::uint16_t x) -> unsigned { return __nv_cvt_bfloat16raw_to_e8m0(bfloat16_of(x), Saturation, Round); },
          [](unsigned code) {
            return __bfloat162float(__nv_bfloat16(__nv_cvt_e8m0_to_bf16raw(__nv_fp8_storage_t(code))));
          }};
}
template <__half (*FromFloat)(float)>
constexpr conversion half(const char* text, unsigned (*from_double)(double) = nullptr) {
  return {text,
          [](float x) -> unsigned { return __half_raw(FromFloat(x)).x; },
          from_double,
          nullptr,
          [](std::uint16_t x) -> unsigned { return __half_raw(FromFloat(__bfloat162float(bfloat16_of(x)))).x; },
          [](unsigned code) { return value_of(half_of(std::uint16_t(code))); }};
}
template <__nv_bfloat16 (*FromFloat)(float)>
constexpr conversion bfloat16(const char* text, unsigned (*from_double)(double) = nullptr) {
  return {
      text,        [](float x) -> unsigned { return __nv_bfloat16_raw(FromFloat(x)).x; },
      from_double, [](std::uint16_t x) -> unsigned { return __nv_bfloat16_raw(FromFloat(__half2float(half_of(x)))).x; },
      nullptr,     [](unsigned code) { return __bfloat162float(bfloat16_of(std::uint16_t(code))); }};
}

inline const std::vector<conversion>& all() {
  static const std::vector<conversion> conversions{
      fp8<__NV_E4M3, __NV_SATFINITE>("e4m3fn/as=cuda"),
      fp8<__NV_E4M3, __NV_NOSAT>("e4m3fn/spec/as=cuda"),
      fp8<__NV_E5M2, __NV_SATFINITE>("e5m2/as=cuda"),
      fp8<__NV_E5M2, __NV_NOSAT>("e5m2/spec/as=cuda"),
      fp6<__NV_E3M2, cudaRoundNearest>("e3m2fn/as=cuda"),
      fp6<__NV_E3M2, cudaRoundZero>("e3m2fn/rtz/as=cuda"),
      fp6<__NV_E2M3, cudaRoundNearest>("e2m3fn/as=cuda"),
      fp6<__NV_E2M3, cudaRoundZero>("e2m3fn/rtz/as=cuda"),
      fp4<cudaRoundNearest>("e2m1fn/as=cuda"),
      fp4<cudaRoundZero>("e2m1fn/rtz/as=cuda"),
      scale<cudaRoundPosInf, __NV_SATFINITE>("e8m0fnu/as=cuda"),
      scale<cudaRoundZero, __NV_SATFINITE>("e8m0fnu/rtz/as=cuda"),
      scale<cudaRoundPosInf, __NV_NOSAT>("e8m0fnu/spec/as=cuda"),
      scale<cudaRoundZero, __NV_NOSAT>("e8m0fnu/rtz/spec/as=cuda"),
      half<__float2half_rn>("e5m10/as=cuda", [](double x) -> unsigned { return __half_raw(__double2half(x)).x; }),
      half<__float2half_rz>("e5m10/rtz/as=cuda"),
      half<__float2half_ru>("e5m10/rup/as=cuda"),
      half<__float2half_rd>("e5m10/rdn/as=cuda"),
      bfloat16<__float2bfloat16_rn>("e8m7/as=cuda",
                                    [](double x) -> unsigned { return __nv_bfloat16_raw(__double2bfloat16(x)).x; }),
      bfloat16<__float2bfloat16_rz>("e8m7/rtz/as=cuda"),
      bfloat16<__float2bfloat16_ru>("e8m7/rup/as=cuda"),
      bfloat16<__float2bfloat16_rd>("e8m7/rdn/as=cuda"),
  };
  return conversions;
}

}  // namespace cuda_headers
