// As arithmetic_mpfr_test.cpp, with 10^8 pairs and triples in each format: minutes for each.

#include <gtest/gtest.h>

#if defined(BINADE_HAS_MPFR)

#include "numbers/arithmetic_mpfr.hpp"

namespace {

/// Of each of the six operations on two or three operands: 10^8 pairs and triples in all.
constexpr std::uint64_t tuples = 100'000'000 / 6;

class ieee_arithmetic : public testing::TestWithParam<std::string> {};
TEST_P(ieee_arithmetic, agrees_on_a_hundred_million_pairs_and_triples_in_four_directions) {
  const std::string& name = GetParam();
  judged::mpfr_judge judge(name[0] == 'e' ? judged::grid_named(name)
                                          : judged::p3109_for_mpfr(std::stoi(name.substr(9))));
  judge.every_square_root();
  judge.random_operands(tuples, 11);
  std::printf("%s: %llu results\n", name.c_str(), static_cast<unsigned long long>(judge.judged()));
}
std::vector<std::string> ieee_formats() {
  std::vector<std::string> all{"e5m10", "e8m7"};
  for (const int precision : judged::p3109_precisions_for_mpfr)
    all.push_back("binary16p" + std::to_string(precision) + "se");
  return all;
}
INSTANTIATE_TEST_SUITE_P(mpfr, ieee_arithmetic, testing::ValuesIn(ieee_formats()),
                         [](const auto& each) { return each.param; });

class other_arithmetic : public testing::TestWithParam<oracle::other_form> {};
TEST_P(other_arithmetic, agrees_on_a_hundred_million_pairs_and_triples_in_six_roundings) {
  const oracle::other_form& f = GetParam();
  judged::other_mpfr_judge judge(f);
  judge.every_square_root();
  judge.random_operands(tuples, 13);
  std::printf("%s: %llu results\n", f.text.c_str(), static_cast<unsigned long long>(judge.judged()));
}
INSTANTIATE_TEST_SUITE_P(mpfr, other_arithmetic, testing::ValuesIn(judged::forms_for_mpfr()),
                         [](const auto& each) { return each.param.name; });

}  // namespace

#else

TEST(arithmetic_mpfr, agrees) {
  GTEST_SKIP() << "needs MPFR: install libmpfr-dev and libgmp-dev, then configure again";
}

#endif
