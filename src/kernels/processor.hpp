#pragma once

#include <string_view>

#include "binade/config.hpp"
#include "kernels/cpu.hpp"

namespace binade::kernels {

/// What such a processor lacks of what the engine needs (x86-64-v3); empty if nothing.  Inlined, and it neither
/// allocates nor throws: the program asks before anything that is compiled for x86-64-v3 has run.
BINADE_ALWAYS_INLINE constexpr std::string_view missing_features(const x86_features& has) {
  constexpr std::string_view texts[] = {"",     "AVX2",       "FMA",       "AVX2, FMA",
                                        "BMI2", "AVX2, BMI2", "FMA, BMI2", "AVX2, FMA, BMI2"};
  return texts[(has.avx2 ? 0 : 1) + (has.fma ? 0 : 2) + (has.bmi2 ? 0 : 4)];
}
#if defined(__x86_64__)
/// What this processor has.
BINADE_ALWAYS_INLINE x86_features processor_features() {
  __builtin_cpu_init();
  return {.avx2 = __builtin_cpu_supports("avx2") != 0,
          .fma = __builtin_cpu_supports("fma") != 0,
          .bmi2 = __builtin_cpu_supports("bmi2") != 0,
          .avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl")};
}
#endif

}  // namespace binade::kernels
