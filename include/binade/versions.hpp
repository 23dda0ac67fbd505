#pragma once
// One loop, compiled for several instruction sets of the same processor family, the best one picked at run time.

#include <algorithm>
#include <cstdlib>

#include "binade/config.hpp"

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__) && !defined(__CUDACC__)
#include <immintrin.h>

// What a loop computes must not depend on the flags of the including program, which may fuse a product and a sum
// (avx512f brings the instruction): in these loops no product is an operand of a sum.
#define BINADE_WIDE_256 __attribute__((target("avx2")))
#define BINADE_WIDE_512 __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl")))
// With permutations of bytes, which not every processor with the others has.
#define BINADE_BYTES_512 __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))
// But for loops whose every product is written as a fused one, or exact: nothing is left to be fused.
#define BINADE_FUSED_256 __attribute__((target("avx2,fma")))
#define BINADE_FUSED_512 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))

// Around functions with AVX-512 intrinsics: those of g++ 12 pass an undefined vector to instructions that overwrite it,
// and warn of it (GCC bug 105593).
#if defined(__clang__)
#define BINADE_INTRINSICS_BEGIN
#define BINADE_INTRINSICS_END
#else
#define BINADE_INTRINSICS_BEGIN                                                        \
  _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wuninitialized\"") \
      _Pragma("GCC diagnostic ignored \"-Wmaybe-uninitialized\"")
#define BINADE_INTRINSICS_END _Pragma("GCC diagnostic pop")
#endif
#endif

namespace binade::detail {

#ifdef BINADE_WIDE_256

/// Bits in the widest vectors that this processor has: 128, 256 or 512; or fewer, if the environment variable
/// BINADE_VECTOR_BITS says so when this is first called.
inline int vector_bits() {
  static const int bits = [] {
    __builtin_cpu_init();
    int widest = __builtin_cpu_supports("avx2") ? 256 : 128;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      widest = 512;
    const char* const asked = std::getenv("BINADE_VECTOR_BITS");
    return asked == nullptr ? widest : std::clamp(std::atoi(asked), 128, widest);
  }();
  return bits;
}

template <class Body, class... Args>
BINADE_WIDE_512 void run_512(Args... args) {
  Body::run(args...);
}
template <class Body, class... Args>
BINADE_WIDE_256 void run_256(Args... args) {
  Body::run(args...);
}
template <class Body, class... Args>
void run_128(Args... args) {
  Body::run(args...);
}
/// Body::run(args...), passed by value.  Body::run and what its loops call must be BINADE_ALWAYS_INLINE.
template <class Body, class... Args>
void run_best(Args... args) {
  if (vector_bits() >= 512) return run_512<Body>(args...);
  if (vector_bits() >= 256) return run_256<Body>(args...);
  run_128<Body>(args...);
}

template <class Body, class... Args>
BINADE_FUSED_512 void run_fused_512(Args... args) {
  Body::run(args...);
}
template <class Body, class... Args>
BINADE_FUSED_256 void run_fused_256(Args... args) {
  Body::run(args...);
}
/// run_best() for bodies of fused multiply-adds, which are instructions where the processor has them.
/// @pre each product of Body is an operand of std::fma, or exact
template <class Body, class... Args>
void run_best_fused(Args... args) {
  static const bool has_fma = [] {
    __builtin_cpu_init();
    return __builtin_cpu_supports("fma") != 0;
  }();
  if (has_fma && vector_bits() >= 512) return run_fused_512<Body>(args...);
  if (has_fma && vector_bits() >= 256) return run_fused_256<Body>(args...);
  run_128<Body>(args...);
}

#else

template <class Body, class... Args>
void run_best(Args... args) {
  Body::run(args...);
}
template <class Body, class... Args>
void run_best_fused(Args... args) {
  Body::run(args...);
}

#endif

}  // namespace binade::detail
