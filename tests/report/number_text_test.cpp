#include "report/number_text.hpp"

#include <gtest/gtest.h>

#include <clocale>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace {

using namespace binade;
constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(number_text, what_is_not_known_or_not_finite_is_a_dash) {
  for (std::optional<double> x : {std::optional<double>(), std::optional(std::nan("")), std::optional(infinity)}) {
    EXPECT_EQ(fixed_text(x), "-");
    EXPECT_EQ(signed_text(x), "-");
    EXPECT_EQ(percent_text(x), "-");
  }
}

TEST(number_text, a_number_that_rounds_to_zero_has_no_sign) {
  EXPECT_EQ(fixed_text(-0.0001), "0.000");
  EXPECT_EQ(signed_text(-0.0001), "0.000");
  EXPECT_EQ(signed_text(0.0001), "0.000");
  EXPECT_EQ(signed_text(0.0314), "+0.031");
  EXPECT_EQ(signed_text(-0.0314), "-0.031");
}

TEST(number_text, differences_get_as_many_digits_as_show_their_size) {
  EXPECT_EQ(decimals_for(0.3), 3);
  EXPECT_EQ(decimals_for(0.01), 3);
  EXPECT_EQ(decimals_for(0.0057), 4);
  EXPECT_EQ(decimals_for(0.00042), 5);
  EXPECT_EQ(decimals_for(0), 6);
}

TEST(number_text, learning_rates_are_written_as_people_write_them) {
  EXPECT_EQ(rate_text(0.003), "3e-3");
  EXPECT_EQ(rate_text(0.00025), "2.5e-4");
  EXPECT_EQ(rate_text(1), "1");
  EXPECT_EQ(rate_text(0.1), "1e-1");
  EXPECT_EQ(rate_text(20), "2e1");
  EXPECT_EQ(rate_text(1e-12), "1e-12");
}

TEST(number_text, small_shares_never_look_like_none) {
  EXPECT_EQ(percent_text(0), "0");
  EXPECT_EQ(percent_text(1e-9), "<0.001");
  EXPECT_EQ(percent_text(0.00012), "0.012");
  EXPECT_EQ(percent_text(0.0037), "0.37");
  EXPECT_EQ(percent_text(0.168), "16.8");
  EXPECT_EQ(percent_text(1), "100");
}

TEST(number_text, exact_text_parses_back_to_the_same_bits) {
  for (double x : {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -2.5, 3.0})
    EXPECT_EQ(std::strtod(exact_text(x).c_str(), nullptr), x);
  EXPECT_EQ(exact_text(std::nan("")), "");
  EXPECT_EQ(exact_text(-infinity), "-inf");
}

TEST(number_text, counts_and_durations_are_short) {
  EXPECT_EQ(count_text(250), "250");
  EXPECT_EQ(count_text(508000), "508k");
  EXPECT_EQ(count_text(1234567), "1.23M");
  EXPECT_EQ(duration_text(5.23), "5.2 s");
  EXPECT_EQ(duration_text(125), "2 min 5 s");
  EXPECT_EQ(duration_text(12000), "3 h 20 min");
  EXPECT_EQ(counted(1, "seed"), "1 seed");
  EXPECT_EQ(counted(2, "seed"), "2 seeds");
}

}  // namespace
