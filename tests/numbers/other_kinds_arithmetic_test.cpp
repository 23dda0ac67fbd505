// Arithmetic between codes of formats that are no floating point: all pairs of the narrow ones, some of the wider ones;
// other_arithmetic_full.cpp takes all pairs of 8 bits.

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "numbers/other_arithmetic.hpp"

namespace {

using namespace binade;

class other_kinds_arithmetic : public testing::TestWithParam<oracle::other_form> {};

TEST_P(other_kinds_arithmetic, rounds_every_pair_of_4_bits_and_some_of_wider_ones_right_under_every_rule) {
  judged::other_arithmetic judge(GetParam());
  const auto rules = judged::deterministic_rules(GetParam());
  std::mt19937_64 random(1);
  judge.all_operands(1, rules);
  if (GetParam().width <= 4)
    judge.all_operands(2, rules);
  else
    judge.random_operands(2, 500, random, rules);
  if (GetParam().width <= 3)
    judge.all_operands(3, rules);
  else
    judge.random_operands(3, 500, random, rules);
  if (GetParam().width <= 4) judge.all_operands(2, judged::stochastic_rules(2), {0, 1, 2, 3});
  EXPECT_GT(judge.judged(), 1000u);
  RecordProperty("results", std::to_string(judge.judged()));
}

INSTANTIATE_TEST_SUITE_P(numbers, other_kinds_arithmetic, testing::ValuesIn(judged::other_forms()),
                         judged::name_of_form);

TEST(other_kinds_arithmetic, divides_and_takes_roots_with_one_rounding) {
  const number_format posit16 = parse_format("posit16"), fixed = parse_format("fixed7.8");
  const element to_posit{.format = posit16}, to_fixed{.format = fixed};
  const auto code = [](const element& e, double x) { return encode(e, x); };
  EXPECT_EQ(decode(posit16, divide(to_posit, {posit16, code(to_posit, 1)}, {posit16, code(to_posit, 4)})), 0.25);
  EXPECT_EQ(decode(posit16, sqrt(to_posit, {posit16, code(to_posit, 2.25)})), 1.5);
  EXPECT_EQ(decode(fixed, divide(to_fixed, {fixed, code(to_fixed, 1)}, {fixed, code(to_fixed, 3)})), 85.0 / 256);
  // x / 0: infinite, which a posit takes for NaR and an integer saturates.
  EXPECT_TRUE(std::isnan(decode(posit16, divide(to_posit, {posit16, code(to_posit, 1)}, {posit16, 0}))));
  EXPECT_EQ(decode(fixed, divide(element{.format = fixed, .overflow = overflow_rule::saturate},
                                 {fixed, code(to_fixed, 1)}, {fixed, 0})),
            fixed.max_finite());
  // Between kinds: the product of a posit and an integer, as e4m3fn.
  const number_format int8 = parse_format("int8"), fp8 = parse_format("e4m3fn");
  EXPECT_EQ(decode(fp8, multiply(element{.format = fp8}, {posit16, code(to_posit, 1.5)}, {int8, 7})), 10);
}

}  // namespace
