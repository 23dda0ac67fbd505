// Arithmetic of binary16, bfloat16, posits and takums of 16 bits against MPFR: square roots, random pairs and triples.

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
TEST(arithmetic_mpfr, posits_and_takums_of_16_bits_agree) {
  for (const oracle::other_form& f : judged::other_forms_of_16_bits()) {
    if (f.border != "string") continue;
    judged::tapered_mpfr_judge judge(f);
    judge.random_operands(15'000, 3);
  }
}

#else

TEST(arithmetic_mpfr, agrees) {
  GTEST_SKIP() << "needs MPFR: install libmpfr-dev and libgmp-dev, then configure again";
}

#endif
