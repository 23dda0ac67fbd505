// fixed<F>: integers and fixed point as number types, against their golden tables and exact arithmetic.

#include "numbers/number_judged.hpp"

namespace {

using binade::fixed;
using binade::fixed_format;
using judged::forgiving;

constexpr fixed_format int4 = forgiving(binade::int_format(4, false)), int8 = forgiving(binade::int_format(8)),
                       uint8 = forgiving(binade::uint_format(8)),
                       fixed1_6 = forgiving(fixed_format{.width = 8, .fraction_bits = 6, .is_symmetric = true});

static_assert(sizeof(fixed<int8>) == 1 && sizeof(fixed<binade::int_format(32)>) == 4);
static_assert(double(fixed<fixed1_6>(1.5) * fixed<fixed1_6>(0.25)) == 0.375 && double(-fixed<fixed1_6>(1)) == -1);
static_assert(int(fixed<int8>(100) + fixed<int8>(100)) == 127 && fixed<int8>(2.5).code == 2);
static_assert(std::is_same_v<binade::number_of<binade::number_format(int8)>, fixed<int8>>);
// A template deduces the descriptor from its name for the kind.
template <fixed_format F>
constexpr int fraction_bits_of(fixed<F>) {
  return F.fraction_bits;
}
static_assert(fraction_bits_of(fixed<fixed1_6>(1)) == 6);

TEST(fixed, operations_of_every_pair_are_rounded_once_in_every_mode) {
  judged::operations_are_rounded_once<int4>("int4:asym");
  judged::operations_are_rounded_once<int8>("int8");
  judged::operations_are_rounded_once<uint8>("uint8");
  judged::operations_are_rounded_once<fixed1_6>("fixed1.6");
}
TEST(fixed, operators_are_the_operations_of_codes) {
  judged::operators_are_the_operations_of_codes<int8>();
  judged::operators_are_the_operations_of_codes<fixed1_6>();
}
TEST(fixed, order_signs_and_classes_are_those_of_the_values) {
  judged::order_signs_and_classes_are_those_of_the_values<int4>("int4:asym");
  judged::order_signs_and_classes_are_those_of_the_values<int8>("int8");
  judged::order_signs_and_classes_are_those_of_the_values<uint8>("uint8");
  judged::order_signs_and_classes_are_those_of_the_values<fixed1_6>("fixed1.6");
}
TEST(fixed, text_goes_there_and_back) {
  judged::text_goes_there_and_back<int4>("int4:asym");
  judged::text_goes_there_and_back<int8>("int8");
  judged::text_goes_there_and_back<uint8>("uint8");
  judged::text_goes_there_and_back<fixed1_6>("fixed1.6");
}

TEST(fixed, a_nan_is_an_exception_or_what_the_format_chose) {
  using number = fixed<binade::int_format(8)>;
  EXPECT_THROW(number(NAN), std::domain_error);
  EXPECT_THROW(number(0) / number(0), std::domain_error);
  EXPECT_EQ(+fixed<int8>(NAN).code, 0);
  EXPECT_EQ(int(number(-1) / number(0)), -127);
}

TEST(fixed, thirty_two_bits_of_an_unsigned_integer_leave_all_noise_bits) {
  // (2^32 - 3) / 2 and a third, exactly: srb reads 33 bits below the units.
  constexpr binade::fixed_format f = binade::uint_format(32);
  const binade::element e{.format = f, .rounding = binade::rounding_mode::stochastic_b, .noise_bits = 32};
  const binade::number_format f64(binade::ieee_format(11, 52));
  const auto double_code = [&](double x) { return std::bit_cast<std::uint64_t>(x); };
  // x = 2^31 + 2^-33: floor(nu 2^33) = 1, and 1 + 2R + 1 >= 2^33 for R = 2^32 - 1 alone.
  const binade::operand large{f64, double_code(0x1p31)}, small{f64, double_code(0x1p-33)};
  EXPECT_EQ(add(e, large, small, 0xffffffff), 0x80000001u);
  EXPECT_EQ(add(e, large, small, 0xfffffffe), 0x80000000u);
  EXPECT_EQ(add(e, large, {f64, double_code(0x1p-34)}, 0xffffffff), 0x80000000u);
}

TEST(fixed, limits_are_those_of_integers_with_a_step) {
  using l8 = std::numeric_limits<fixed<int8>>;
  EXPECT_TRUE(l8::is_integer && l8::is_exact && l8::is_signed && !l8::has_quiet_NaN && !l8::has_infinity);
  EXPECT_EQ(l8::digits, std::numeric_limits<std::int8_t>::digits);
  EXPECT_EQ(l8::digits10, std::numeric_limits<std::int8_t>::digits10);
  EXPECT_EQ(int(l8::min()), -127);
  EXPECT_EQ(int(l8::max()), 127);
  EXPECT_EQ(int(l8::epsilon()), 0);
  EXPECT_EQ(int(std::numeric_limits<fixed<int4>>::lowest()), -8);
  using u8 = std::numeric_limits<fixed<uint8>>;
  EXPECT_TRUE(u8::is_integer && !u8::is_signed && u8::digits == 8);
  using f = std::numeric_limits<fixed<fixed1_6>>;
  EXPECT_TRUE(!f::is_integer && f::is_exact);
  EXPECT_EQ(double(f::epsilon()), 0x1p-6);
  EXPECT_EQ(double(f::denorm_min()), 0x1p-6);
  EXPECT_EQ(double(f::lowest()), -127 * 0x1p-6);
}

}  // namespace
