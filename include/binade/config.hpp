#pragma once
// What every header of binade assumes about the compiler, checked where it can be.

#include <limits>

#if defined(__CUDACC__)
/// Marks what both host and device call; nvcc needs --expt-relaxed-constexpr (std::bit_cast is a host function to it).
#define BINADE_HD __host__ __device__
#else
#define BINADE_HD
#endif

#if defined(__GNUC__) || defined(__clang__)
/// For loop bodies that must be compiled for the instruction set of the function that calls them.
#define BINADE_ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define BINADE_ALWAYS_INLINE inline
#endif

#if defined(__FAST_MATH__)
#error "binade promises the same bits everywhere: compile without -ffast-math (it reorders sums and flushes subnormals)"
#endif

namespace binade {

static_assert(std::numeric_limits<float>::is_iec559 && std::numeric_limits<float>::digits == 24,
              "binade needs float to be IEEE 754 binary32");
static_assert(std::numeric_limits<double>::is_iec559 && std::numeric_limits<double>::digits == 53,
              "binade needs double to be IEEE 754 binary64");

}  // namespace binade
