#include "binade/elementary.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "engine/elementary_oracle.hpp"
#include "kernels/cpu.hpp"
#include "kernels/elementwise.hpp"

namespace binade {
namespace {

using elementary_oracle::entry;
using elementary_oracle::ulp_error;
using elementary_oracle::worst_case;

class elementary : public testing::TestWithParam<entry> {};

TEST_P(elementary, float_stays_within_the_stated_bound_on_dense_samples) {
  const worst_case worst = worst_float(GetParam(), 0, std::uint64_t(1) << 32, 16381);
  EXPECT_LE(worst.error, GetParam().narrow_bound) << "at " << worst.input;
}

TEST_P(elementary, double_stays_within_the_stated_bound_on_dense_samples) {
  const entry& function = GetParam();
  std::mt19937_64 random(99);
  worst_case worst;
  const auto judge = [&](double x) {
    worst.add(ulp_error(function.wide(x), function.wide_oracle(static_cast<long double>(x))), x);
  };
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t code = random();
    const double unit = double(code >> 11) * 0x1p-53;
    judge(std::bit_cast<double>(code));
    for (const double range : {2.0, 40.0, 750.0, 1e6}) judge((2 * unit - 1) * range);
    judge(1 + (unit - 0.5) * 0x1p-3);
    judge(std::ldexp(unit - 0.5, -int(code % 64)));
  }
  EXPECT_LE(worst.error, function.wide_bound) << "at " << worst.input;
}

INSTANTIATE_TEST_SUITE_P(all, elementary, testing::ValuesIn(elementary_oracle::entries),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

template <class T>
class elementary_of : public testing::Test {};
using real_types = testing::Types<float, double>;
TYPED_TEST_SUITE(elementary_of, real_types);

template <class T>
constexpr bool is_plus_zero(T x) {
  return x == 0 && !std::signbit(x);
}
template <class T>
constexpr bool is_minus_zero(T x) {
  return x == 0 && std::signbit(x);
}

TYPED_TEST(elementary_of, special_values_are_right) {
  using T = TypeParam;
  constexpr T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  constexpr T largest = std::numeric_limits<T>::max(), smallest = std::numeric_limits<T>::denorm_min();
  const T zero = T(0), minus_zero = -zero;

  EXPECT_EQ(math::exp(infinity), infinity);
  EXPECT_TRUE(is_plus_zero(math::exp(-infinity)));
  EXPECT_EQ(math::exp(zero), T(1));
  EXPECT_EQ(math::exp(minus_zero), T(1));
  EXPECT_EQ(math::exp(smallest), T(1));
  EXPECT_EQ(math::exp(largest), infinity);
  EXPECT_TRUE(is_plus_zero(math::exp(-largest)));

  EXPECT_EQ(math::log(infinity), infinity);
  EXPECT_EQ(math::log(zero), -infinity);
  EXPECT_EQ(math::log(minus_zero), -infinity);
  EXPECT_TRUE(is_plus_zero(math::log(T(1))));
  EXPECT_TRUE(std::isnan(math::log(-smallest)));
  EXPECT_TRUE(std::isnan(math::log(-infinity)));

  EXPECT_EQ(math::tanh(infinity), T(1));
  EXPECT_EQ(math::tanh(-infinity), T(-1));
  EXPECT_TRUE(is_plus_zero(math::tanh(zero)));
  EXPECT_TRUE(is_minus_zero(math::tanh(minus_zero)));
  EXPECT_EQ(math::tanh(smallest), smallest);

  EXPECT_EQ(math::sigmoid(infinity), T(1));
  EXPECT_TRUE(is_plus_zero(math::sigmoid(-infinity)));
  EXPECT_EQ(math::sigmoid(zero), T(0.5));

  EXPECT_TRUE(is_plus_zero(math::erfc(infinity)));
  EXPECT_EQ(math::erfc(-infinity), T(2));
  EXPECT_EQ(math::erfc(zero), T(1));

  EXPECT_TRUE(is_plus_zero(math::sin(zero)));
  EXPECT_TRUE(is_minus_zero(math::sin(minus_zero)));
  EXPECT_EQ(math::sin(smallest), smallest);
  EXPECT_EQ(math::cos(zero), T(1));
  for (const T x : {infinity, -infinity}) {
    EXPECT_TRUE(std::isnan(math::sin(x)));
    EXPECT_TRUE(std::isnan(math::cos(x)));
  }

  EXPECT_TRUE(is_minus_zero(math::sqrt(minus_zero)));
  EXPECT_EQ(math::sqrt(infinity), infinity);
  EXPECT_TRUE(std::isnan(math::sqrt(-smallest)));
  EXPECT_EQ(math::rsqrt(zero), infinity);
  EXPECT_EQ(math::rsqrt(minus_zero), -infinity);
  EXPECT_TRUE(is_plus_zero(math::rsqrt(infinity)));

  EXPECT_TRUE(std::isnan(math::exp(nan)) && std::isnan(math::log(nan)) && std::isnan(math::tanh(nan)) &&
              std::isnan(math::sigmoid(nan)) && std::isnan(math::sin(nan)) && std::isnan(math::cos(nan)) &&
              std::isnan(math::sqrt(nan)) && std::isnan(math::rsqrt(nan)) && std::isnan(math::erfc(nan)));
}

TEST(elementary, exp_overflows_and_underflows_where_the_exact_value_does) {
  // ln((2 - 2^-24) 2^127) = 88.7228391...: between these neighbours.
  EXPECT_LT(math::exp(0x1.62e42ep6f), std::numeric_limits<float>::infinity());
  EXPECT_EQ(math::exp(0x1.62e430p6f), std::numeric_limits<float>::infinity());
  // ln(2^-150) = -103.97207708...: half the smallest subnormal.
  EXPECT_EQ(math::exp(-103.972f), std::numeric_limits<float>::denorm_min());
  EXPECT_EQ(math::exp(-103.9721f), 0.0f);
  EXPECT_EQ(math::exp(709.782712893384), 0x1.fffffffffff2ap1023);
  EXPECT_EQ(math::exp(709.7827128933841), std::numeric_limits<double>::infinity());
  EXPECT_EQ(math::exp(-745.1332191019411), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(math::exp(-745.1332191019412), 0.0);
}

TEST(elementary, sin_and_cos_reduce_the_hardest_arguments) {
  // The double nearest to a multiple of pi/2 (Muller, Elementary Functions): 6381956970095103 2^797.
  const double hardest = std::ldexp(6381956970095103.0, 797);
  EXPECT_LE(ulp_error(math::cos(hardest), std::cos(static_cast<long double>(hardest))), 1.0);
  EXPECT_LT(std::fabs(math::cos(hardest)), 0x1p-60);
  // The float nearest to one: 16367173 2^72.
  const float hardest_float = std::ldexp(16367173.0f, 72);
  EXPECT_LE(ulp_error(math::cos(hardest_float), std::cos(double(hardest_float))), 0.51);
  EXPECT_LT(std::fabs(math::cos(hardest_float)), 0x1p-28f);
}

// Constant evaluation and the running program must agree: 64 arguments from tiny to huge, both signs.
template <class T>
constexpr std::array<T, 64> arguments() {
  std::array<T, 64> x{};
  T value = T(1e-6);
  for (std::size_t i = 0; i < 64; i += 2, value *= T(2.345)) {
    x[i] = value;
    x[i + 1] = -value;
  }
  return x;
}
template <class T>
constexpr std::array<std::array<T, 64>, 9> values() {
  std::array<std::array<T, 64>, 9> result{};
  const auto x = arguments<T>();
  for (std::size_t i = 0; i < 64; ++i) {
    const T positive = x[i - i % 2];
    result[0][i] = math::exp(x[i]);
    result[1][i] = math::log(positive);
    result[2][i] = math::tanh(x[i]);
    result[3][i] = math::sigmoid(x[i]);
    result[4][i] = math::sin(x[i]);
    result[5][i] = math::cos(x[i]);
    result[6][i] = math::sqrt(positive);
    result[7][i] = math::rsqrt(positive);
    result[8][i] = math::erfc(x[i]);
  }
  return result;
}

TYPED_TEST(elementary_of, constant_evaluation_gives_the_same_bits_as_the_running_program) {
  static constexpr auto at_compile_time = values<TypeParam>();
  const auto now = values<TypeParam>();
  for (std::size_t f = 0; f < at_compile_time.size(); ++f)
    for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(now[f][i], at_compile_time[f][i]) << "function " << f << ", " << i;
}

TEST(elementary, constant_square_root_is_correctly_rounded_also_for_subnormals) {
  static_assert(math::sqrt(0x1p-149f) == 0x1.6a09e6p-75f && math::sqrt(0x1p-1074) == 0x1p-537);
  static_assert(math::sqrt(0x1.fffffep127f) == 0x1.fffffep63f && math::sqrt(2.0) == 0x1.6a09e667f3bcdp0);
  static_assert(math::sqrt(0.0f) == 0.0f && math::sqrt(std::numeric_limits<double>::infinity()) > 1e308);
}

TEST(elementary, vectorised_loops_give_the_bits_of_the_scalar_function_at_every_level) {
  std::vector<float> x(5001), got(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::bit_cast<float>(std::uint32_t(i * 858993u));
  thread_pool pool(2);
  for (const kernels::isa level : {kernels::isa::portable, kernels::isa::x86_64_v3, kernels::isa::x86_64_v4}) {
    if (level > kernels::detected_isa()) continue;
    const kernels::isa_scope scope(level);
    kernels::for_each_element(pool, x.size(), [x = x.data(), y = got.data()](std::size_t i) BINADE_KERNEL_BODY {
      y[i] = math::tanh(x[i]) + math::erfc(x[i]) + math::log(math::exp(x[i]) + math::sigmoid(x[i]));
    });
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float want = math::tanh(x[i]) + math::erfc(x[i]) + math::log(math::exp(x[i]) + math::sigmoid(x[i]));
      if (std::isnan(want)) {
        EXPECT_TRUE(std::isnan(got[i]));
      } else {
        EXPECT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(want)) << "at " << x[i];
      }
    }
  }
}

}  // namespace
}  // namespace binade
