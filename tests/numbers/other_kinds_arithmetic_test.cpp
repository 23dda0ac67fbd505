// Arithmetic between codes of formats that are no floating point: all pairs, against the codec on results that binary64
// holds exactly.

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "binade/arithmetic.hpp"
#include "binade/text.hpp"

namespace {

using namespace binade;

/// a + b without rounding, or NaN where binary64 does not hold the sum.
double exact_sum(double a, double b) {
  const double sum = a + b, part = sum - a;
  const double error = (a - (sum - part)) + (b - part);
  return error == 0 ? sum : std::nan("");
}

class other_kinds_arithmetic : public testing::TestWithParam<std::string> {};

TEST_P(other_kinds_arithmetic, rounds_the_exact_sum_difference_and_product_of_every_pair_once) {
  const number_format f = parse_format(GetParam());
  std::uint64_t judged = 0;
  for (const rounding_mode mode : {rounding_mode::nearest_even, rounding_mode::toward_zero, rounding_mode::up}) {
    const element e{.format = f, .rounding = mode};
    for (std::uint64_t a = 0; a <= f.code_mask(); ++a)
      for (std::uint64_t b = 0; b <= f.code_mask(); ++b) {
        const double x = decode(f, a), y = decode(f, b);
        if (std::isnan(x) || std::isnan(y)) {
          EXPECT_EQ(add(e, {f, a}, {f, b}), encode(e, std::nan("")));
          continue;
        }
        // Products of 24 by 24 bits: exact.  Logarithmic formats multiply powers, not these numbers.
        if (f.kind != format_kind::logarithmic) {
          ASSERT_EQ(multiply(e, {f, a}, {f, b}), encode(e, x * y)) << a << " * " << b;
        }
        if (const double sum = exact_sum(x, y); sum == sum) {
          ASSERT_EQ(add(e, {f, a}, {f, b}), encode(e, sum)) << a << " + " << b;
          ++judged;
        }
        if (const double difference = exact_sum(x, -y); difference == difference) {
          ASSERT_EQ(subtract(e, {f, a}, {f, b}), encode(e, difference)) << a << " - " << b;
        }
      }
  }
  EXPECT_GT(judged, 100u);
}

INSTANTIATE_TEST_SUITE_P(numbers, other_kinds_arithmetic,
                         testing::Values("int4:asym", "uint4", "fixed1.6", "posit6", "posit8:es=1", "takum8",
                                         "lns6:gamma=4:zero", "nf4"),
                         [](const auto& one) {
                           std::string name = one.param;
                           for (char& c : name)
                             if (c == ':' || c == '=' || c == '.') c = '_';
                           return name;
                         });

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
