// Every pair of codes of every format of 8 bits or fewer that is no floating point, under every rounding and overflow
// rule; arithmetic_full.cpp has those that are.

#include <cstdio>

#include "numbers/other_arithmetic.hpp"

namespace {

class other_kinds_arithmetic : public testing::TestWithParam<oracle::other_form> {};

TEST_P(other_kinds_arithmetic, rounds_every_pair_of_codes_right_under_every_rule) {
  judged::other_arithmetic judge(GetParam());
  const auto rules = judged::deterministic_rules(GetParam());
  judge.all_operands(1, rules);
  judge.all_operands(2, rules);
  std::mt19937_64 random(1);
  if (GetParam().width <= 4)
    judge.all_operands(3, rules);
  else
    judge.random_operands(3, 20'000, random, rules);
  std::printf("%llu results\n", static_cast<unsigned long long>(judge.judged()));
}

TEST_P(other_kinds_arithmetic, decides_every_noise_of_2_bits_right_for_every_pair_of_codes) {
  if (GetParam().width > 5) return;
  judged::other_arithmetic judge(GetParam());
  judge.all_operands(1, judged::stochastic_rules(2), {0, 1, 2, 3});
  judge.all_operands(2, judged::stochastic_rules(2), {0, 1, 2, 3});
  std::printf("%llu results\n", static_cast<unsigned long long>(judge.judged()));
}

INSTANTIATE_TEST_SUITE_P(numbers, other_kinds_arithmetic, testing::ValuesIn(judged::small_other_forms()),
                         judged::name_of_form);

}  // namespace
