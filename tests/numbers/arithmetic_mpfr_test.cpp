// Arithmetic of binary16, bfloat16 and formats of 16 bits of P3109 and of other kinds against MPFR: square roots,
// random pairs and triples.

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
TEST(arithmetic_mpfr, formats_of_16_bits_of_p3109_agree) {
  for (const int precision : judged::p3109_precisions_for_mpfr) {
    judged::mpfr_judge judge(judged::p3109_for_mpfr(precision));
    judge.every_square_root();
    judge.random_operands(30'000, 4);
  }
}
TEST(arithmetic_mpfr, posits_takums_integers_and_fixed_point_of_16_bits_agree) {
  for (const oracle::other_form& f : judged::forms_for_mpfr()) {
    judged::other_mpfr_judge judge(f);
    judge.random_operands(15'000, 3);
  }
}

#else

TEST(arithmetic_mpfr, agrees) {
  GTEST_SKIP() << "needs MPFR: install libmpfr-dev and libgmp-dev, then configure again";
}

#endif
