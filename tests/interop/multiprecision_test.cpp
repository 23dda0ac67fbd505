// Number types from and to Boost.Multiprecision.

#include <gtest/gtest.h>

#if __has_include(<boost/multiprecision/cpp_bin_float.hpp>)

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <random>

#include "binade/interop/multiprecision.hpp"
#include "numbers/judged.hpp"
#include "numbers/number_line.hpp"
#include "oracle/exact_result.hpp"

namespace {

namespace mp = boost::multiprecision;
namespace formats = binade::formats;
using binade::float_format;
using binade::from_number;
using binade::minifloat;
using wide = mp::number<mp::cpp_bin_float<237, mp::digit_base_2>>;

template <class Test>
void for_each_format(Test test) {
  test.template operator()<formats::e4m3fn>();
  test.template operator()<formats::e5m2>();
  test.template operator()<formats::e5m10>();
  test.template operator()<formats::e8m0fnu>();
  test.template operator()<formats::e11m52>();
}

TEST(multiprecision, every_code_goes_there_and_back) {
  for_each_format([]<float_format F>() {
    for (std::uint64_t code = 0; code <= F.max_finite_code(); code += 1 + F.max_finite_code() / 5000) {
      const auto x = minifloat<F>::from_code(code);
      const double value = static_cast<double>(x);
      const auto rational = binade::to_number<mp::cpp_rational>(x);
      ASSERT_EQ(rational, mp::cpp_rational(value));
      ASSERT_EQ(from_number<F>(rational).code, code);
      ASSERT_EQ(binade::to_number<wide>(x), wide(value));
      ASSERT_EQ(from_number<F>(wide(value)).code, code);
    }
  });
}

TEST(multiprecision, rationals_and_wide_floats_are_rounded_once_in_every_mode) {
  std::mt19937_64 random(1);
  for_each_format([&]<float_format F>() {
    const oracle::grid g = oracle::grid_of(F);
    for (int i = 0; i < 500; ++i) {
      mp::cpp_int top = mp::cpp_int(random()) * random(), bottom = mp::cpp_int(random()) * random() + 1;
      const int shift = static_cast<int>(random() % 60) - 30;
      (shift > 0 ? top : bottom) <<= std::abs(shift);
      if (i % 5 == 0) {  // a midpoint, and a little beside it
        const std::uint64_t code = random() % F.max_finite_code();
        const oracle::dyadic middle = oracle::midpoint(g.value(code), g.value(code + 1));
        top = middle.significand;
        bottom = 1;
        (middle.exponent > 0 ? top : bottom) <<= std::abs(middle.exponent);
        top <<= 500;
        bottom <<= 500;
        top += static_cast<int>(random() % 3) - 1;
      }
      const mp::cpp_rational x(top, bottom);
      oracle::exact_result exact = oracle::finite_result({numerator(x), 0});
      exact.denominator.units = denominator(x);
      const oracle::exact_place place = oracle::locate(g, exact);
      // The float that is nearest to x, exactly.
      const wide y(x);
      const mp::cpp_rational y_value(y);
      oracle::exact_result exact_y = oracle::finite_result({numerator(y_value), 0});
      exact_y.denominator.units = denominator(y_value);
      const oracle::exact_place place_y = oracle::locate(g, exact_y);
      for (int m = 0; m < 9; ++m) {
        const oracle::rule r{
            .rounding = static_cast<oracle::mode>(m), .noise_bits = m < 6 ? 32 : 5, .overflow = oracle::beyond::spec};
        const auto noise = static_cast<std::uint32_t>(random() % 32);
        const binade::policies<F> how{.rounding = static_cast<binade::rounding_mode>(m),
                                      .noise_bits = r.noise_bits,
                                      .overflow = binade::overflow_rule::spec};
        ASSERT_EQ(from_number<F>(x, how, noise).code, oracle::project(g, r, exact, place, noise).code)
            << x << " " << to_string(r);
        ASSERT_EQ(from_number<F>(y, how, noise).code, oracle::project(g, r, exact_y, place_y, noise).code)
            << y << " " << to_string(r);
      }
    }
  });
}

TEST(multiprecision, integers_specials_and_extremes) {
  EXPECT_EQ(from_number<formats::e8m7>(mp::cpp_int(16973823)).code, 0x4b81);
  EXPECT_EQ(from_number<formats::e5m10>(-(mp::cpp_int(1) << 100000)).code, 0xfc00);
  EXPECT_EQ(from_number<formats::e5m10>(mp::cpp_rational(mp::cpp_int(1), mp::cpp_int(1) << 100000)).code, 0);
  EXPECT_EQ(from_number<formats::e5m10>(mp::cpp_rational(mp::cpp_int(1), mp::cpp_int(1) << 100000),
                                        {.rounding = binade::rounding_mode::up})
                .code,
            1);
  EXPECT_EQ(from_number<formats::e5m10>(mp::cpp_int(0)).code, 0);
  EXPECT_EQ(from_number<formats::e5m10>(-wide(0)).code, 0x8000);
  EXPECT_EQ(from_number<formats::e5m10>(std::numeric_limits<wide>::infinity()).code, 0x7c00);
  EXPECT_TRUE(is_nan(from_number<formats::e5m10>(std::numeric_limits<wide>::quiet_NaN())));
  EXPECT_THROW(from_number<formats::e2m1fn>(std::numeric_limits<wide>::quiet_NaN()), std::domain_error);
  EXPECT_TRUE(mp::isnan(binade::to_number<wide>(minifloat<formats::e4m3fn>(NAN))));
}

/// Rationals of 200 bits on both sides of the borders of a line, in every mode.
template <auto F>
void rationals_are_rounded_once(const std::string& text_form) {
  const judged::number_line line(text_form);
  std::mt19937_64 random(5);
  for (int i = 0; i < 3000; ++i) {
    // A little beside the middle of two values, or anything between them.
    const double a = line.values()[random() % line.size()], b = line.values()[random() % line.size()];
    if (std::isnan(a) || std::isnan(b)) continue;
    const mp::cpp_rational share = i % 2 == 0 ? mp::cpp_rational(1, 2) : mp::cpp_rational(random() % 1000, 1000);
    mp::cpp_rational x = mp::cpp_rational(a) + (mp::cpp_rational(b) - mp::cpp_rational(a)) * share;
    x += mp::cpp_rational(static_cast<int>(random() % 3) - 1, mp::cpp_int(1) << 200) * x;
    if (x == 0) continue;
    oracle::exact_result exact = oracle::finite_result({numerator(x), 0});
    exact.denominator.units = denominator(x);
    const oracle::rung place = line.locate(exact);
    for (int m = 0; m < 6; ++m) {
      const binade::policies<F> how{.rounding = static_cast<binade::rounding_mode>(m)};
      ASSERT_EQ(from_number<F>(x, how).code, line.code(exact, place, static_cast<oracle::mode>(m)))
          << x << " mode " << m;
    }
  }
}
TEST(multiprecision, rationals_are_rounded_once_into_formats_of_every_kind) {
  rationals_are_rounded_once<binade::int_format(8)>("int8");
  rationals_are_rounded_once<binade::posit_format(8)>("posit8");
  rationals_are_rounded_once<binade::takum_format(12)>("takum12");
  rationals_are_rounded_once<binade::lns_format{}>("lns8");
  rationals_are_rounded_once<binade::lns_format{.domain = binade::lns_domain::linear}>("lns8:nearest=linear");
  rationals_are_rounded_once<binade::format_of(binade::books::nf4)>("nf4");
  EXPECT_EQ(binade::to_number<mp::cpp_rational>(binade::posit<binade::posit_format(8)>(1.25)), mp::cpp_rational(5, 4));
}

}  // namespace

#else

TEST(multiprecision, numbers_are_converted) {
  GTEST_SKIP() << "needs Boost.Multiprecision: install libboost-dev, then configure again";
}

#endif
