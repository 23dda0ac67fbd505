// binary16 and bfloat16 arithmetic against MPFR: every square root, random pairs and triples.

#include <gtest/gtest.h>

#if defined(BINADE_HAS_MPFR)

#include "numbers/arithmetic_mpfr.hpp"

TEST(arithmetic_mpfr, binary16_agrees) {
  judged::mpfr_judge judge(judged::grid_named("e5m10"));
  judge.every_square_root();
  judge.random_operands(100'000, 1);
}
TEST(arithmetic_mpfr, bfloat16_agrees) {
  judged::mpfr_judge judge(judged::grid_named("e8m7"));
  judge.every_square_root();
  judge.random_operands(100'000, 2);
}

#else

TEST(arithmetic_mpfr, agrees) {
  GTEST_SKIP() << "needs MPFR: install libmpfr-dev and libgmp-dev, then configure again";
}

#endif
