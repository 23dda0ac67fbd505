// lns<F>: logarithmic formats as number types.  Sums against exact arithmetic on the numbers of the golden tables;
// products, quotients and roots against integer arithmetic on the exponent codes.

#include <stdexcept>

#include "numbers/number_judged.hpp"

namespace {

using binade::lns;
using binade::lns_domain;
using binade::lns_format;
using judged::forgiving;

constexpr lns_format lns8 = forgiving(lns_format{}), lns8_linear = forgiving(lns_format{.domain = lns_domain::linear}),
                     with_zero = forgiving(lns_format{.gamma_log2 = 0, .bias = 64, .has_zero = true}),
                     with_zero_linear = forgiving(
                         lns_format{.gamma_log2 = 0, .bias = 64, .has_zero = true, .domain = lns_domain::linear}),
                     centered = forgiving(lns_format{.width = 7, .gamma_log2 = 2, .bias = 32});

static_assert((lns<lns8>(2) * lns<lns8>(4)).code == 24 && (-lns<lns8>(2)).code == 0x88 &&
              (lns<lns8>(8) / lns<lns8>(-2)).code == 0x90 && sqrt(lns<lns8>(4)).code == 8);
// The exact product of the numbers of code 1 is not the number of code 2: through the numbers, up would go to 3.
static_assert(
    multiply(lns<lns8>::from_code(1), lns<lns8>::from_code(1), {.rounding = binade::rounding_mode::up}).code == 2);

TEST(lns, sums_of_every_pair_are_rounded_once_in_every_mode) {
  judged::operations_are_rounded_once<lns8>("lns8", false);
  judged::operations_are_rounded_once<lns8_linear>("lns8:nearest=linear", false);
}
TEST(lns, sums_of_every_pair_with_a_zero_are_rounded_once_in_every_mode) {
  judged::operations_are_rounded_once<with_zero>("lns8:gamma=1:bias=64:zero", false);
  judged::operations_are_rounded_once<with_zero_linear>("lns8:gamma=1:bias=64:zero:nearest=linear", false);
}
TEST(lns, operators_are_the_operations_of_codes) {
  judged::operators_are_the_operations_of_codes<lns8>();
  judged::operators_are_the_operations_of_codes<with_zero_linear>();
}
TEST(lns, order_signs_and_classes_are_those_of_the_values) {
  judged::order_signs_and_classes_are_those_of_the_values<lns8>("lns8");
  judged::order_signs_and_classes_are_those_of_the_values<with_zero>("lns8:gamma=1:bias=64:zero");
}
TEST(lns, text_goes_there_and_back) {
  judged::text_goes_there_and_back<lns8>("lns8");
  judged::text_goes_there_and_back<with_zero>("lns8:gamma=1:bias=64:zero");
  judged::text_goes_there_and_back<lns8_linear>("lns8:nearest=linear");
}

/// What a power of 2^(halves / (2 gamma)) is as a code: k = halves / 2 + bias, where it falls between two codes by the
/// mode, and never beyond the ends.
std::uint64_t code_of_power(const lns_format& f, bool negative, int halves, int mode) {
  const int last = (1 << (f.width - 1)) - 1, sign = negative ? last + 1 : 0;
  const int twice = halves + 2 * f.bias;
  // Below what the codes say: to the least value, or with a zero to the zero or, away from it, the least above it.
  int low = twice >= 0 ? twice / 2 : 0;
  bool inexact = twice >= 0 && twice % 2 == 1, tie = inexact;
  if (f.has_zero && twice <= 0) inexact = true;
  if (f.has_zero && twice < 0) tie = false;
  if (low >= last) return std::uint64_t(sign + last);
  bool up = false;
  switch (static_cast<oracle::mode>(mode)) {
    case oracle::mode::nearest_even:
      up = tie && low % 2 == 1;
      break;
    case oracle::mode::nearest_away:
      up = tie;
      break;
    case oracle::mode::toward_zero:
      break;
    case oracle::mode::up:
      up = inexact && !negative;
      break;
    case oracle::mode::down:
      up = inexact && negative;
      break;
    case oracle::mode::to_odd:
      up = inexact && low % 2 == 0;
      break;
    default:
      throw std::logic_error("lns_test: a stochastic mode");
  }
  return std::uint64_t(sign + low + int(up));
}

template <lns_format F>
void powers_are_sums_of_codes() {
  using number = lns<F>;
  const lns_format f = F;
  const int last = (1 << (f.width - 1)) - 1;
  for (int mode = 0; mode < judged::modes; ++mode) {
    const auto how = judged::rounded_by<F>(mode);
    for (int a = 0; a <= 2 * last + 1; ++a) {
      const int k = a & last;
      const bool negative = a > last, zero = F.has_zero && k == 0;
      const number x = number::from_code(std::uint64_t(a));
      const std::uint64_t root = zero ? std::uint64_t(a) : negative ? 0 : code_of_power(f, false, k - f.bias, mode);
      ASSERT_EQ(sqrt(x, how).code, root) << a << " mode " << mode;
      for (int b = 0; b <= 2 * last + 1; ++b) {
        const int l = b & last;
        const bool sign = negative != (b > last), zero_b = F.has_zero && l == 0;
        const number y = number::from_code(std::uint64_t(b));
        const std::uint64_t signed_zero = sign ? std::uint64_t(last + 1) : 0;
        const std::uint64_t product =
            zero || zero_b ? signed_zero : code_of_power(f, sign, 2 * (k + l - 2 * f.bias), mode);
        std::uint64_t quotient = code_of_power(f, sign, 2 * (k - l), mode);
        if (zero_b)
          quotient = zero ? 0 : signed_zero + std::uint64_t(last);
        else if (zero)
          quotient = signed_zero;
        ASSERT_EQ(multiply(x, y, how).code, product) << a << " * " << b << " mode " << mode;
        ASSERT_EQ(divide(x, y, how).code, quotient) << a << " / " << b << " mode " << mode;
      }
    }
  }
}
TEST(lns, products_quotients_and_roots_of_every_pair_are_sums_and_halves_of_the_exponent_codes_in_every_mode) {
  powers_are_sums_of_codes<lns8>();
  powers_are_sums_of_codes<with_zero>();
  powers_are_sums_of_codes<centered>();
}
TEST(lns, products_and_quotients_that_have_a_code_are_exact_in_the_linear_domain_too) {
  using number = lns<lns8_linear>;
  for (std::uint64_t a = 0; a < 128; ++a)
    for (std::uint64_t b = 0; b < 128; ++b)
      for (int mode = 0; mode < judged::modes; ++mode) {
        const auto how = judged::rounded_by<lns8_linear>(mode);
        const number x = number::from_code(a), y = number::from_code(b);
        ASSERT_EQ(multiply(x, y, how).code, std::min<std::uint64_t>(a + b, 127));
        ASSERT_EQ(divide(x, y, how).code, a < b ? 0 : a - b);
      }
  // A geometric mean is below the arithmetic one: the root of an odd code goes down to the nearer value.
  for (std::uint64_t a = 0; a < 128; ++a) {
    EXPECT_EQ(sqrt(number::from_code(a)).code, a / 2);
    EXPECT_EQ(sqrt(number::from_code(a), {.rounding = binade::rounding_mode::up}).code, (a + 1) / 2);
  }
}

TEST(lns, formats_of_one_gamma_multiply_into_each_other_without_a_number_between) {
  constexpr lns_format wide = forgiving(lns_format{.width = 11, .bias = 500});
  for (std::uint64_t a = 0; a < 256; ++a)
    for (std::uint64_t b = 0; b < 256; ++b) {
      const auto x = lns<lns8>::from_code(a), y = lns<lns8>::from_code(b);
      const auto product = binade::multiply_to<wide>(x, y, {.rounding = binade::rounding_mode::up});
      const std::uint64_t want = (a % 128) + (b % 128) + 500 + ((a < 128) == (b < 128) ? 0 : 1024);
      ASSERT_EQ(product.code, want);
      // Back by one number: the code itself.
      ASSERT_EQ(lns<lns8>(lns<wide>(x)).code, a);
    }
}

TEST(lns, what_lies_where_the_zero_stands_or_below_is_not_zero) {
  using number = lns<with_zero>;
  for (const double x : {0x1p-64, 0x1.8p-64, 0x1p-65, 0x1p-200}) {
    EXPECT_EQ(+number(x, {.rounding = binade::rounding_mode::up}).code, 1) << x;
    EXPECT_EQ(+number(-x, {.rounding = binade::rounding_mode::up}).code, 0x80) << x;
    EXPECT_EQ(+number(x, {.rounding = binade::rounding_mode::toward_zero}).code, 0) << x;
  }
}

TEST(lns, limits) {
  using l = std::numeric_limits<lns<lns8>>;
  EXPECT_TRUE(l::is_signed && !l::has_quiet_NaN && !l::has_infinity && !l::is_exact);
  EXPECT_EQ(double(l::min()), 1);
  EXPECT_EQ(l::max_exponent, 16);
  EXPECT_EQ(l::min_exponent, 1);
  using z = std::numeric_limits<lns<with_zero>>;
  EXPECT_EQ(double(z::min()), 0x1p-63);
  EXPECT_EQ(double(z::epsilon()), 1);
  EXPECT_EQ(z::digits, 1);
  EXPECT_EQ(z::min_exponent, -62);
  EXPECT_EQ(z::min_exponent10, -18);
}

}  // namespace
