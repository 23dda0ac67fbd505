// As arithmetic_mpfr_test.cpp, with 10^8 operations in each format.

#include <gtest/gtest.h>

#if defined(BINADE_HAS_MPFR)

#include "numbers/arithmetic_mpfr.hpp"

namespace {

// A result is one operation in one direction or rounding: tuples of operands are a 28th or a 42nd of them.

void agrees(const std::string& name, const oracle::grid& g, std::uint64_t seed) {
  judged::mpfr_judge judge(g);
  judge.every_square_root();
  judge.random_operands(100'000'000 / 28, seed);  // 7 operations, 4 directions
  std::printf("%s: %llu results\n", name.c_str(), static_cast<unsigned long long>(judge.judged()));
}

TEST(arithmetic_mpfr, a_hundred_million_results_of_binary16_agree) {
  agrees("e5m10", judged::grid_named("e5m10"), 11);
}
TEST(arithmetic_mpfr, a_hundred_million_results_of_bfloat16_agree) {
  agrees("e8m7", judged::grid_named("e8m7"), 12);
}

TEST(arithmetic_mpfr, a_hundred_million_results_of_each_of_three_p3109_formats_of_16_bits_agree) {
  for (const int precision : judged::p3109_precisions_for_mpfr)
    agrees("binary16p" + std::to_string(precision) + "se", judged::p3109_for_mpfr(precision), 14);
}

TEST(arithmetic_mpfr, a_hundred_million_results_of_each_posit_takum_integer_and_fixed_point_of_16_bits_agree) {
  for (const oracle::other_form& f : judged::forms_for_mpfr()) {
    judged::other_mpfr_judge judge(f);
    judge.every_square_root();
    judge.random_operands(100'000'000 / 42, 13);  // 7 operations, 6 roundings
    std::printf("%s: %llu results\n", f.text.c_str(), static_cast<unsigned long long>(judge.judged()));
  }
}

}  // namespace

#else

TEST(arithmetic_mpfr, agrees) {
  GTEST_SKIP() << "needs MPFR: install libmpfr-dev and libgmp-dev, then configure again";
}

#endif
