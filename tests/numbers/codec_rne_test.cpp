// Rounding to nearest even, judged on both sides of every value and every midpoint, from float and from double.

#include "numbers/judged.hpp"

namespace {

template <class T>
class codec_rne : public testing::Test {};
using inputs = testing::Types<float, double>;
TYPED_TEST_SUITE(codec_rne, inputs);

TYPED_TEST(codec_rne, is_right_on_both_sides_of_every_value_and_midpoint_of_every_named_format) {
  oracle::tally seen;
  for (const auto& [name, grid] : judged::named_grids()) {
    const auto steps = oracle::steps_of(grid, grid.width <= 16 ? 1 << 16 : 20000);
    judged::expect_none(
        name, oracle::staircase_counterexample<TypeParam>(grid, judged::rules_of(oracle::mode::nearest_even), steps,
                                                          judged::codec{judged::format_of(grid)}, seen));
  }
  this->RecordProperty("conversions", std::to_string(seen.conversions));
}

TYPED_TEST(codec_rne, is_right_for_any_split_bias_and_specials) {
  oracle::tally seen;
  const auto rules = judged::rules_of(oracle::mode::nearest_even, oracle::beyond::spec);
  for (const oracle::grid& grid : judged::generic_grids())
    judged::expect_none("generic",
                        oracle::staircase_counterexample<TypeParam>(grid, rules, oracle::steps_of(grid, 64),
                                                                    judged::codec{judged::format_of(grid)}, seen));
  this->RecordProperty("conversions", std::to_string(seen.conversions));
}

TYPED_TEST(codec_rne, is_right_on_random_bit_patterns) {
  oracle::tally seen;
  for (const auto& [name, grid] : judged::named_grids())
    judged::expect_none(name, oracle::random_counterexample<TypeParam>(
                                  grid, judged::rules_of(oracle::mode::nearest_even, oracle::beyond::spec), 3, 10000,
                                  judged::codec{judged::format_of(grid)}, seen));
  this->RecordProperty("conversions", std::to_string(seen.conversions));
}

TEST(codec_rne_ties, of_e2m1fn_go_to_the_even_code) {
  // Worked out by hand in the format card: a chain of "greater than" comparisons gets 0.75, 1.75 and 3.5 wrong.
  const binade::element e{.format = binade::formats::e2m1fn};
  const double ties[][2] = {{0.25, 0}, {0.75, 1}, {1.25, 1}, {1.75, 2}, {2.5, 2}, {3.5, 4}, {5, 4}};
  for (const auto& [x, want] : ties) {
    EXPECT_EQ(binade::round(e, x), want);
    EXPECT_EQ(binade::round(e, -x), -want);
    EXPECT_EQ(binade::round(e, static_cast<float>(x)), static_cast<float>(want));
  }
}

TEST(codec_rne_ties, of_precision_1_go_to_the_even_code_not_the_larger_value) {
  // 1.5, 3, 6, 12 alternate: the codes of 1, 2, 4, 8, 16 are 127 .. 131 in E8M0 and 64 .. 68 in binary8p1se.
  const binade::element e8m0{.format = binade::formats::e8m0fnu}, p1{.format = binade::p3109_format(8, 1, true, true)};
  const double e8m0_ties[][2] = {{1.5, 2}, {3, 2}, {6, 8}, {12, 8}},
               p1_ties[][2] = {{1.5, 1}, {3, 4}, {6, 4}, {12, 16}};
  for (const auto& [x, want] : e8m0_ties) EXPECT_EQ(binade::round(e8m0, x), want) << x;
  for (const auto& [x, want] : p1_ties) EXPECT_EQ(binade::round(p1, x), want) << x;
}

TEST(codec_rne_ties, around_half_of_the_smallest_value_decide_between_zero_and_it) {
  const std::pair<binade::float_format, double> halves[] = {
      {binade::formats::e4m3fn, 0x1p-10},   {binade::formats::e5m2, 0x1p-17},  {binade::formats::e4m3fnuz, 0x1p-11},
      {binade::formats::e5m2fnuz, 0x1p-18}, {binade::formats::e3m2fn, 0x1p-5}, {binade::formats::e2m3fn, 0x1p-4},
      {binade::formats::e2m1fn, 0.25}};
  for (const auto& [format, half] : halves) {
    const binade::element e{.format = format};
    EXPECT_EQ(binade::encode(e, half), 0u);
    EXPECT_EQ(binade::encode(e, std::nextafter(half, 1)), 1u);
    EXPECT_EQ(binade::encode(e, 3 * half), 2u);
    EXPECT_EQ(binade::encode(e, -half), format.has_negative_zero ? format.sign_bit() : 0)
        << "the sign survives underflow where there is a -0";
  }
}

}  // namespace
