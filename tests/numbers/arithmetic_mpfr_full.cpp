// As arithmetic_mpfr_test.cpp, with 10^8 operations in each format.

#include <gtest/gtest.h>

#if defined(BINADE_HAS_MPFR)

#include "numbers/arithmetic_mpfr.hpp"

namespace {

void agrees(const char* name, std::uint64_t seed) {
  judged::mpfr_judge judge(judged::grid_named(name));
  judge.every_square_root();
  judge.random_operands(100'000'000 / 28, seed);  // 7 operations, 4 directions
  std::printf("%s: %llu results\n", name, static_cast<unsigned long long>(judge.judged()));
}

TEST(arithmetic_mpfr, a_hundred_million_results_of_binary16_agree) {
  agrees("e5m10", 11);
}
TEST(arithmetic_mpfr, a_hundred_million_results_of_bfloat16_agree) {
  agrees("e8m7", 12);
}

TEST(arithmetic_mpfr, a_hundred_million_results_of_each_posit_and_takum_of_16_bits_agree) {
  for (const oracle::other_form& f : judged::other_forms_of_16_bits()) {
    if (f.border != "string") continue;
    judged::tapered_mpfr_judge judge(f);
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
