// posit<F> and takum<F> as number types, against their golden tables and exact arithmetic.

#include "numbers/number_judged.hpp"

namespace {

using binade::posit;
using binade::tapered_format;

constexpr tapered_format posit8 = binade::posit_format(8), posit8_es0 = binade::posit_format(8, 0),
                         takum8 = binade::takum_format(8);

static_assert(sizeof(posit<posit8>) == 1 && sizeof(posit<binade::posit_format(32)>) == 4);
static_assert(posit<posit8>(1).code == 0x40 && (-posit<posit8>(1)).code == 0xc0 &&
              double(posit<posit8>(3) * posit<posit8>(2)) == 6);
static_assert(double(fma(posit<posit8>(3), posit<posit8>(3), posit<posit8>(-9))) == 0);
static_assert(std::is_same_v<binade::takum<takum8>, binade::number_of<binade::number_format(takum8)>>);

TEST(posit, operations_of_every_pair_are_rounded_once_in_every_mode) {
  judged::operations_are_rounded_once<posit8>("posit8");
  judged::operations_are_rounded_once<posit8_es0>("posit8:es=0");
}
TEST(takum, operations_of_every_pair_are_rounded_once_in_every_mode) {
  judged::operations_are_rounded_once<takum8>("takum8");
}
TEST(posit, operators_are_the_operations_of_codes) {
  judged::operators_are_the_operations_of_codes<posit8>();
  judged::operators_are_the_operations_of_codes<takum8>();
}
TEST(posit, order_signs_and_classes_are_those_of_the_values_and_nar_is_below_them) {
  judged::order_signs_and_classes_are_those_of_the_values<posit8>("posit8");
  judged::order_signs_and_classes_are_those_of_the_values<posit8_es0>("posit8:es=0");
  judged::order_signs_and_classes_are_those_of_the_values<takum8>("takum8");
}
TEST(posit, text_goes_there_and_back) {
  judged::text_goes_there_and_back<posit8>("posit8");
  judged::text_goes_there_and_back<posit8_es0>("posit8:es=0");
  judged::text_goes_there_and_back<takum8>("takum8");
}

TEST(posit, nothing_nonzero_becomes_zero_and_what_is_below_the_least_value_becomes_it_in_every_mode) {
  const binade::number_format f64(binade::ieee_format(11, 52));
  const auto code = [](double x) { return std::bit_cast<std::uint64_t>(x); };
  for (int mode = 0; mode < judged::modes; ++mode) {
    const auto how = judged::rounded_by<posit8>(mode);
    // 2^-40 / 3 has more digits than 64 bits hold.
    EXPECT_EQ(divide(how.on(), {f64, code(0x1p-40)}, {f64, code(3)}), 1u) << mode;
    EXPECT_EQ(divide(how.on(), {f64, code(-0x1p-40)}, {f64, code(3)}), 0xffu) << mode;
    EXPECT_EQ(divide(how.on(), {f64, code(0x1p40)}, {f64, code(3)}), 0x7fu) << mode;
  }
}

TEST(posit, nar_is_the_one_nan) {
  using number = posit<posit8>;
  const number nar = std::numeric_limits<number>::quiet_NaN();
  EXPECT_EQ(+nar.code, 0x80);
  EXPECT_TRUE(is_nan(nar) && is_nan(-nar) && is_nan(number(NAN)) && is_nan(nar + number(1)) && nar != nar);
  EXPECT_TRUE(is_nan(sqrt(number(-1))) && is_nan(number(0) / number(0)));
  EXPECT_TRUE(total_order(nar, std::numeric_limits<number>::lowest()) < 0 && total_order(nar, nar) == 0);
  // What is infinite is NaR, unless a rule is asked for that saturates.
  EXPECT_TRUE(is_nan(number(1) / number(0)) && is_nan(number(INFINITY)) && is_nan(number(-INFINITY)));
  EXPECT_EQ(+divide(number(1), number(0), {.overflow = binade::overflow_rule::saturate}).code, 0x7f);
  EXPECT_EQ(+number(-1e300).code, 0x81);
}

TEST(posit, limits_are_those_next_to_one) {
  using l = std::numeric_limits<posit<binade::posit_format(16)>>;
  EXPECT_TRUE(l::has_quiet_NaN && !l::has_infinity && !l::is_exact && !l::is_iec559 && l::is_signed);
  EXPECT_EQ(l::digits, 12);
  EXPECT_EQ(double(l::epsilon()), 0x1p-11);
  EXPECT_EQ(double(l::min()), 0x1p-56);
  EXPECT_EQ(double(l::max()), 0x1p56);
  EXPECT_EQ(l::min_exponent, -55);
  EXPECT_EQ(l::max_exponent, 57);
  EXPECT_EQ(l::max_exponent10, 16);
  EXPECT_EQ(l::min_exponent10, -16);
  using t = std::numeric_limits<binade::takum<takum8>>;
  EXPECT_EQ(t::digits, 4);
  EXPECT_EQ(double(t::epsilon()), 0.125);
  EXPECT_EQ(double(t::max()), 0x1p239);
}

}  // namespace
