// Number types in std::format.

#include "binade/interop/format.hpp"

#include <gtest/gtest.h>

#if defined(__cpp_lib_format)

#include "binade/literals.hpp"

using namespace binade::literals;

TEST(format, a_plain_placeholder_writes_the_shortest_text_and_a_specification_the_exact_value) {
  EXPECT_EQ(std::format("{} {} {}", 0.1_e4m3fn, -448_e4m3fn, 1e-5_e8m7), "0.1 -448 1e-05");
  EXPECT_EQ(std::format("{:.7f}|{:>8}|{:+.1e}", 0.1_e4m3fn, 1.5_e4m3fn, 448_e4m3fn), "0.1015625|     1.5|+4.5e+02");
  EXPECT_EQ(std::format("{} {:.4f} {}", 0.3_posit8, 0.3_posit8, -7_int8), "0.3 0.3125 -7");
}

#else

TEST(format, minifloat_is_formatted) {
  GTEST_SKIP() << "needs a standard library with <format>: g++ 13 or newer (g++-13), or clang++ with libc++ 17";
}

#endif
