// Number types in fmt::format.

#include <gtest/gtest.h>

#if __has_include(<fmt/format.h>)

#include "binade/interop/fmt.hpp"
#include "binade/literals.hpp"

using namespace binade::literals;

TEST(fmt, a_plain_placeholder_writes_the_shortest_text) {
  EXPECT_EQ(fmt::format("{} {} {}", 0.1_e4m3fn, -448_e4m3fn, 1e-5_e8m7), "0.1 -448 1e-05");
  EXPECT_EQ(fmt::format("{}", binade::minifloat<binade::formats::e5m2>::from_code(0xfc)), "-inf");
}

TEST(fmt, number_types_of_every_kind_are_written) {
  EXPECT_EQ(fmt::format("{} {} {} {} {}", 0.3_posit8, -7_int8, 3_lns8, 1e-70_takum8, 0.6_nf4), "0.3 -7 3 1e-72 0.6");
  EXPECT_EQ(fmt::format("{:.4f} {}", 0.3_posit8, 1_posit8 / 0_posit8), "0.3125 nan");
}

TEST(fmt, a_specification_writes_the_exact_value) {
  EXPECT_EQ(fmt::format("{:.7f}|{:>8}|{:+.1e}|{:a}", 0.1_e4m3fn, 1.5_e4m3fn, 448_e4m3fn, 3_e2m1fn),
            "0.1015625|     1.5|+4.5e+02|0x1.8p+1");
  EXPECT_THROW((void)fmt::format(fmt::runtime("{:d}"), 1_e4m3fn), fmt::format_error);
}

#else

TEST(fmt, minifloat_is_formatted) {
  GTEST_SKIP() << "needs {fmt}: install libfmt-dev, then configure again";
}

#endif
