// The other deterministic modes: ties away, toward zero, up, down, to odd.  Same judge and same inputs as rounding to
// nearest even.

#include "numbers/judged.hpp"

namespace {

using oracle::mode;

std::vector<oracle::rule> directed(oracle::beyond overflow) {
  std::vector<oracle::rule> rules;
  for (const mode m : {mode::nearest_away, mode::toward_zero, mode::up, mode::down, mode::to_odd})
    rules.push_back({.rounding = m, .overflow = overflow});
  return rules;
}

template <class T>
class codec_directed : public testing::Test {};
using inputs = testing::Types<float, double>;
TYPED_TEST_SUITE(codec_directed, inputs);

TYPED_TEST(codec_directed, modes_are_right_on_both_sides_of_every_value_and_midpoint_of_every_named_format) {
  oracle::tally seen;
  for (const auto& [name, grid] : judged::named_grids())
    judged::expect_none(name, oracle::staircase_counterexample<TypeParam>(
                                  grid, directed(oracle::beyond::saturate), oracle::steps_of(grid, 1 << 13),
                                  judged::codec{judged::format_of(grid)}, seen));
  this->RecordProperty("conversions", std::to_string(seen.conversions));
}

TYPED_TEST(codec_directed, modes_are_right_for_any_split_bias_and_specials) {
  oracle::tally seen;
  for (const oracle::grid& grid : judged::generic_grids())
    judged::expect_none("generic", oracle::staircase_counterexample<TypeParam>(
                                       grid, directed(oracle::beyond::spec), oracle::steps_of(grid, 48),
                                       judged::codec{judged::format_of(grid)}, seen));
  this->RecordProperty("conversions", std::to_string(seen.conversions));
}

TYPED_TEST(codec_directed, modes_are_right_on_random_bit_patterns) {
  oracle::tally seen;
  for (const auto& [name, grid] : judged::named_grids())
    judged::expect_none(name, oracle::random_counterexample<TypeParam>(grid, directed(oracle::beyond::spec), 4, 4000,
                                                                       judged::codec{judged::format_of(grid)}, seen));
  this->RecordProperty("conversions", std::to_string(seen.conversions));
}

TEST(codec_directed_named, tf32_truncates_like_the_hardware_and_rounds_ties_away_like_cvt_rna) {
  const binade::element truncate{.format = binade::formats::e8m10, .rounding = binade::rounding_mode::toward_zero};
  const binade::element away{.format = binade::formats::e8m10, .rounding = binade::rounding_mode::nearest_away};
  const float tie = 1.0f + 0x1p-11f;
  EXPECT_EQ(binade::round(truncate, tie), 1.0f);
  EXPECT_EQ(binade::round(truncate, -1.9999999f), -(2.0f - 0x1p-10f));
  EXPECT_EQ(binade::round(away, tie), 1.0f + 0x1p-10f);
  EXPECT_EQ(binade::round(away, -tie), -(1.0f + 0x1p-10f));
}

}  // namespace
