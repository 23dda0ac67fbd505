#pragma once
// What every header of binade assumes about the compiler, checked where it can be.

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#if defined(__CUDACC__)
/// Marks what both host and device call; nvcc needs --expt-relaxed-constexpr (std::bit_cast is a host function to it).
#define BINADE_HD __host__ __device__
#else
#define BINADE_HD
#endif

#if defined(__GNUC__) || defined(__clang__)
/// For loop bodies that must be compiled for the instruction set of the function that calls them.
#define BINADE_ALWAYS_INLINE inline __attribute__((always_inline))
#define BINADE_INLINE_LAMBDA __attribute__((always_inline))
/// For what a loop seldom does, so that it does not take the loop's registers.
#define BINADE_NEVER_INLINE __attribute__((noinline, cold))
#else
#define BINADE_ALWAYS_INLINE inline
#define BINADE_INLINE_LAMBDA
#define BINADE_NEVER_INLINE
#endif

/// In front of functions whose loops are much code: defined in every source that uses them, or, where a build defines
/// BINADE_COMPILED_LOOPS for all of its sources, in those of the target binade::compiled alone.
#ifdef BINADE_COMPILED_LOOPS
#define BINADE_LOOP_FUNCTION
#else
#define BINADE_LOOP_FUNCTION inline
#endif

#define BINADE_PRAGMA(text) _Pragma(#text)
#if (defined(__GNUC__) || defined(__clang__)) && !defined(__CUDACC__)
/// Before a loop whose turns are written out, this many at a time.
#define BINADE_UNROLL(count) BINADE_PRAGMA(GCC unroll count)
#else
#define BINADE_UNROLL(count)
#endif

#if defined(__FAST_MATH__)
#error "binade promises the same bits everywhere: compile without -ffast-math (it reorders sums and flushes subnormals)"
#endif

namespace binade {

static_assert(std::numeric_limits<float>::is_iec559 && std::numeric_limits<float>::digits == 24,
              "binade needs float to be IEEE 754 binary32");
static_assert(std::numeric_limits<double>::is_iec559 && std::numeric_limits<double>::digits == 53,
              "binade needs double to be IEEE 754 binary64");

namespace detail {

/// std::countl_zero that the device computes too: nvcc 13.0 takes the host's and silently folds it to its width.
BINADE_HD constexpr int leading_zeros(std::uint64_t x) {
#if defined(__CUDA_ARCH__)
  if (!std::is_constant_evaluated()) return __clzll(static_cast<long long>(x));
#endif
  return std::countl_zero(x);
}

}  // namespace detail

}  // namespace binade
