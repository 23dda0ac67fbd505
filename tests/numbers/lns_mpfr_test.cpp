// Sums of logarithmic numbers beside the sums of their powers, by MPFR with 200 bits.

#include <gtest/gtest.h>

#if defined(BINADE_HAS_MPFR)

#include <mpfr.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

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

// ---- any gamma: the bound that arithmetic.hpp states -------------------------------------------------------------
// A number is its power within a relative 2^-24, half an ulp of binary32.  So x + y is within 2^-24 of itself, and
// x - y within 2^-24 (x + y) / (x - y).  In steps: times gamma / ln 2.

/// In steps, of operands that are `distance` codes apart.  The hundredth more covers the curvature of the
/// logarithm, as relative errors stay below 2^-7, and the double arithmetic.
double bound_of(int gamma, std::uint64_t distance, bool subtracts) {
  const double ratio = std::exp2(-double(distance) / gamma);
  return 1.01 * gamma * 1.4426950408889634 * 0x1p-24 * (subtracts ? (1 + ratio) / (1 - ratio) : 1.0);
}

/// gamma log2(1 +- 2^(-d / gamma)) with 200 bits: how many codes the sum of two powers lies above the larger one.
class exact_step {
 public:
  explicit exact_step(int gamma) : gamma_(static_cast<unsigned long>(gamma)) { mpfr_inits2(200, x_, y_, nullptr); }
  ~exact_step() { mpfr_clears(x_, y_, nullptr); }
  exact_step(const exact_step&) = delete;
  exact_step& operator=(const exact_step&) = delete;

  /// Whole codes, rounded to nearest, and what remains, -1/2..1/2.
  std::pair<double, double> operator()(std::uint64_t distance, bool subtracts) {
    mpfr_set_d(x_, -double(distance), MPFR_RNDN);
    mpfr_div_ui(x_, x_, gamma_, MPFR_RNDN);
    mpfr_exp2(x_, x_, MPFR_RNDN);
    subtracts ? mpfr_ui_sub(x_, 1, x_, MPFR_RNDN) : mpfr_add_ui(x_, x_, 1, MPFR_RNDN);
    mpfr_log2(x_, x_, MPFR_RNDN);
    mpfr_mul_ui(x_, x_, gamma_, MPFR_RNDN);
    mpfr_rint(y_, x_, MPFR_RNDN);
    const double whole = mpfr_get_d(y_, MPFR_RNDN);
    mpfr_sub(x_, x_, y_, MPFR_RNDN);
    return {whole, mpfr_get_d(x_, MPFR_RNDN)};
  }

 private:
  unsigned long gamma_;
  mpfr_t x_, y_;
};

/// Distances at which a sum or difference of numbers could round to another code than that of the powers: those whose
/// powers lie nearer to a border than the bound.  The operands' place does not matter, and beyond 30 octaves the
/// smaller one moves nothing by half a step.
std::uint64_t doubtful_distances(int gamma) {
  exact_step step(gamma);
  std::uint64_t doubtful = 0;
  for (std::uint64_t distance = 1; distance <= std::uint64_t(30) * static_cast<unsigned>(gamma); ++distance)
    for (const bool subtracts : {false, true}) {
      const double rest = step(distance, subtracts).second;
      if (0.5 - std::fabs(rest) <= bound_of(gamma, distance, subtracts)) ++doubtful;
    }
  return doubtful;
}

TEST(lns_mpfr, to_gamma_256_all_sums_of_two_numbers_are_the_correctly_rounded_sums_of_the_powers) {
  for (const int gamma : {1, 2, 4, 8, 16, 32, 64, 128, 256})
    EXPECT_EQ(doubtful_distances(gamma), 0u) << "gamma " << gamma;
}
/// The largest deviation in codes of x +- y, where a format is wide: x in the octave of 1 and far from it, y near x.
struct wide_deviation {
  double worst = 0, worst_of_bound = 0;
};
wide_deviation deviation_of(const binade::lns_format& f, std::uint64_t stride) {
  const binade::number_format format(f);
  const binade::element e{.format = format};
  exact_step step(f.gamma());
  wide_deviation d;
  for (const std::uint64_t distance : {1u, 2u, 3u, 7u, 50u, 1000u, 10000u})
    for (const bool subtracts : {false, true}) {
      const auto [whole, rest] = step(distance, subtracts);
      const double bound = bound_of(f.gamma(), distance, subtracts);
      for (std::uint64_t above = 0; above < std::uint64_t(f.gamma()); above += stride) {
        const std::uint64_t x = std::uint64_t(f.bias) + above;
        const binade::operand p{format, x}, q{format, x - distance};
        const std::uint64_t code = subtracts ? subtract(e, p, q) : add(e, p, q);
        const double off = std::fabs(double(code) - double(x) - whole - rest) - 0.5;  // but for its own rounding
        d.worst = std::max(d.worst, off);
        d.worst_of_bound = std::max(d.worst_of_bound, off / bound);
      }
    }
  return d;
}
TEST(lns_mpfr, sums_of_wide_formats_deviate_from_the_sums_of_the_powers_by_no_more_than_the_bound) {
  for (const auto& [width, gamma_log2] : {std::pair{16, 8}, {20, 12}, {24, 16}}) {
    const binade::lns_format f{.width = width, .gamma_log2 = gamma_log2, .bias = 1 << (width - 2)};
    ASSERT_EQ(defect(f), "");
    const wide_deviation d = deviation_of(f, gamma_log2 > 12 ? 7 : 1);
    EXPECT_LE(d.worst_of_bound, 1.0) << width;
    // Measured; arithmetic.hpp states it.
    if (width == 20) {
      EXPECT_NEAR(d.worst, 3.83, 0.01);
    } else if (width == 24) {
      EXPECT_NEAR(d.worst, 1027.8, 0.1);
    } else {
      EXPECT_LE(d.worst, 0);  // each is the nearest code
    }
  }
  // The differences of neighbours are the worst.
  const binade::lns_format f{.width = 24, .gamma_log2 = 16, .bias = 1 << 22};
  const binade::number_format format(f);
  EXPECT_EQ(subtract(binade::element{.format = format}, {format, 0x1c010b}, {format, 0x1c010a}), 0xb759du);
  const auto [whole, rest] = exact_step(65536)(1, true);
  EXPECT_EQ(0x1c010b + std::int64_t(whole), 0xb79ad);
}

/// Codes of an octave that convert() takes to another e5m10 number than the one nearest to the power.
int misconverted(int width, int gamma_log2) {
  const binade::lns_format f{.width = width, .gamma_log2 = gamma_log2, .bias = 1 << (width - 2)};
  const binade::number_format format(f), half(binade::ieee_format(5, 10));
  mpfr_t x, y;
  mpfr_init2(x, 200);
  mpfr_init2(y, 11);
  int count = 0;
  for (int above = 0; above < f.gamma(); ++above) {
    mpfr_set_d(x, double(above) / f.gamma(), MPFR_RNDN);
    mpfr_exp2(x, x, MPFR_RNDN);
    mpfr_set(y, x, MPFR_RNDN);
    const std::uint64_t code = convert(binade::element{half}, {format, std::uint64_t(f.bias + above)});
    count += int(binade::decode(half, code) != mpfr_get_d(y, MPFR_RNDN));
  }
  mpfr_clears(x, y, nullptr);
  return count;
}
TEST(lns_mpfr, conversion_to_binary16_is_that_of_the_power_but_for_4_of_65536_codes_of_lns24) {
  EXPECT_EQ(misconverted(16, 8), 0);
  EXPECT_EQ(misconverted(20, 12), 0);
  EXPECT_EQ(misconverted(24, 16), 4);
}

}  // namespace

#else

TEST(lns_mpfr, sums_of_lns8_are_the_correctly_rounded_sums_of_the_powers) {
  GTEST_SKIP() << "needs MPFR: install libmpfr-dev, then configure again";
}

#endif
