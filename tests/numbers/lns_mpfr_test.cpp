// Sums of logarithmic numbers beside the sums of their powers, by MPFR with 200 bits.

#include <gtest/gtest.h>

#if defined(BINADE_HAS_MPFR)

#include <mpfr.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "binade/arithmetic.hpp"

namespace {

struct deviation {
  double worst = 0;  ///< |8 log2 of the sum of the numbers - 8 log2 of the sum of the powers|, in steps
  std::uint64_t differing = 0, judged = 0;
};

/// All sums and differences of positive lns8 numbers, which by their signs are those of all pairs.
deviation deviation_of_lns8() {
  const binade::lns_format f;
  const binade::number_format format(f);
  const binade::element e{.format = format};
  deviation d;
  mpfr_t x, y, power, number, step;
  for (mpfr_t* v : {&x, &y, &power, &number, &step}) mpfr_init2(*v, 200);
  for (std::uint64_t a = 0; a < 128; ++a)
    for (std::uint64_t b = 0; b <= a; ++b)
      for (const bool subtracts : {false, true}) {
        if (subtracts && a == b) continue;
        // The sum of the powers 2^(k / 8), then its logarithm in steps.
        mpfr_set_d(x, double(a) / 8, MPFR_RNDN);
        mpfr_exp2(x, x, MPFR_RNDN);
        mpfr_set_d(y, double(b) / 8, MPFR_RNDN);
        mpfr_exp2(y, y, MPFR_RNDN);
        subtracts ? mpfr_sub(power, x, y, MPFR_RNDN) : mpfr_add(power, x, y, MPFR_RNDN);
        mpfr_log2(power, power, MPFR_RNDN);
        mpfr_mul_ui(power, power, 8, MPFR_RNDN);
        mpfr_set_d(x, binade::decode(format, a), MPFR_RNDN);
        mpfr_set_d(y, binade::decode(format, b), MPFR_RNDN);
        subtracts ? mpfr_sub(number, x, y, MPFR_RNDN) : mpfr_add(number, x, y, MPFR_RNDN);
        mpfr_log2(number, number, MPFR_RNDN);
        mpfr_mul_ui(number, number, 8, MPFR_RNDN);
        mpfr_sub(step, number, power, MPFR_RNDN);
        d.worst = std::max(d.worst, std::fabs(mpfr_get_d(step, MPFR_RNDN)));
        // The nearest code to the sum of the powers; no tie: that sum would be an odd power of 2^(1/16).
        mpfr_rint(power, power, MPFR_RNDN);
        const double nearest = mpfr_get_d(power, MPFR_RNDN);
        const auto want = std::uint64_t(nearest < 0 ? 0 : nearest > 127 ? 127 : nearest);
        const binade::operand p{format, a}, q{format, b};
        d.differing += std::uint64_t((subtracts ? subtract(e, p, q) : add(e, p, q)) != want);
        ++d.judged;
      }
  for (mpfr_t* v : {&x, &y, &power, &number, &step}) mpfr_clear(*v);
  return d;
}

TEST(lns_mpfr, sums_of_lns8_are_the_correctly_rounded_sums_of_the_powers_for_every_pair) {
  const deviation d = deviation_of_lns8();
  EXPECT_EQ(d.judged, 128u * 129 / 2 + 128 * 127 / 2);
  EXPECT_EQ(d.differing, 0u);
  // Measured; arithmetic.hpp states it.
  EXPECT_NEAR(d.worst, 8.38e-6, 0.01e-6);
}

}  // namespace

#else

TEST(lns_mpfr, sums_of_lns8_are_the_correctly_rounded_sums_of_the_powers) {
  GTEST_SKIP() << "needs MPFR: install libmpfr-dev, then configure again";
}

#endif
