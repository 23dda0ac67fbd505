#pragma once
// One loop, compiled for several instruction sets of the same processor family, the best one picked at run time.

#include "binade/config.hpp"

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__) && !defined(__CUDACC__)
#include <immintrin.h>

// No set with fused multiply-add: what a loop computes must not depend on the flags of the including program.
#define BINADE_WIDE_256 __attribute__((target("avx2")))
#define BINADE_WIDE_512 __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl")))
// But for loops whose every product is written as a fused one, or exact: nothing is left to be fused.
#define BINADE_FUSED_256 __attribute__((target("avx2,fma")))
#define BINADE_FUSED_512 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))
#endif

namespace binade::detail {

#ifdef BINADE_WIDE_256

/// Bits in the widest vectors that this processor has: 128, 256 or 512.
inline int vector_bits() {
  static const int bits = [] {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      return 512;
    return __builtin_cpu_supports("avx2") ? 256 : 128;
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
  switch (vector_bits()) {
    case 512:
      return run_512<Body>(args...);
    case 256:
      return run_256<Body>(args...);
    default:
      return run_128<Body>(args...);
  }
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
  if (!has_fma) return run_128<Body>(args...);
  switch (vector_bits()) {
    case 512:
      return run_fused_512<Body>(args...);
    case 256:
      return run_fused_256<Body>(args...);
    default:
      return run_128<Body>(args...);
  }
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
