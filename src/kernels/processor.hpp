// What the engine needs of an x86-64 processor: all of x86-64-v3, for which it is compiled.
#pragma once

#include <string_view>

#include "binade/config.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace binade::kernels {

/// What an x86-64 processor has, the state of the vectors kept by the system included; avx512: F, BW, CD, DQ and VL.
struct x86_features {
  bool sse3, ssse3, sse4_1, sse4_2, popcnt, cmpxchg16b, lahf;
  bool avx, avx2, fma, f16c, bmi1, bmi2, lzcnt, movbe;
  bool avx512;
};

struct needed_feature {
  std::string_view name;
  bool x86_features::*is_there;
};
/// x86-64-v3 (x86-64 psABI, 3.1.1).  Without LZCNT its code runs, and computes wrong bits: the instruction is then BSR.
inline constexpr needed_feature needed_features[] = {
    {"SSE3", &x86_features::sse3},     {"SSSE3", &x86_features::ssse3},   {"SSE4.1", &x86_features::sse4_1},
    {"SSE4.2", &x86_features::sse4_2}, {"POPCNT", &x86_features::popcnt}, {"CMPXCHG16B", &x86_features::cmpxchg16b},
    {"LAHF", &x86_features::lahf},     {"AVX", &x86_features::avx},       {"AVX2", &x86_features::avx2},
    {"FMA", &x86_features::fma},       {"F16C", &x86_features::f16c},     {"BMI1", &x86_features::bmi1},
    {"BMI2", &x86_features::bmi2},     {"LZCNT", &x86_features::lzcnt},   {"MOVBE", &x86_features::movbe}};

/// tell(name) for each thing that such a processor lacks.  Inlined, and it neither allocates nor throws: the program
/// asks before anything that is compiled for x86-64-v3 has run.
template <class Tell>
BINADE_ALWAYS_INLINE constexpr void for_each_missing(const x86_features& has, const Tell& tell) {
  for (const needed_feature& feature : needed_features)
    if (!(has.*feature.is_there)) tell(feature.name);
}

#if defined(__x86_64__)
/// What this processor has.
BINADE_ALWAYS_INLINE x86_features processor_features() {
  __builtin_cpu_init();
  // What clang++-16 has no name for; every x86-64 processor has these two leaves.
  unsigned a, b, d, basic, extended;
  __cpuid(1, a, b, basic, d);
  __cpuid(0x80000001, a, b, extended, d);
  return {.sse3 = __builtin_cpu_supports("sse3") != 0,
          .ssse3 = __builtin_cpu_supports("ssse3") != 0,
          .sse4_1 = __builtin_cpu_supports("sse4.1") != 0,
          .sse4_2 = __builtin_cpu_supports("sse4.2") != 0,
          .popcnt = __builtin_cpu_supports("popcnt") != 0,
          .cmpxchg16b = (basic & bit_CMPXCHG16B) != 0,
          .lahf = (extended & bit_LAHF_LM) != 0,
          .avx = __builtin_cpu_supports("avx") != 0,
          .avx2 = __builtin_cpu_supports("avx2") != 0,
          .fma = __builtin_cpu_supports("fma") != 0,
          .f16c = (basic & bit_F16C) != 0,
          .bmi1 = __builtin_cpu_supports("bmi") != 0,
          .bmi2 = __builtin_cpu_supports("bmi2") != 0,
          .lzcnt = (extended & bit_LZCNT) != 0,
          .movbe = (basic & bit_MOVBE) != 0,
          .avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl")};
}
#endif

}  // namespace binade::kernels
