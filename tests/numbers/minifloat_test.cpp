// The typed shell: conversions, comparisons, order, classification, extrema, limits.

#include "binade/minifloat.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <vector>

#include "numbers/judged.hpp"

namespace {

using binade::float_format;
using binade::minifloat;
using binade::overflow_rule;
using binade::rounding_mode;
namespace formats = binade::formats;

using e4m3fn = minifloat<formats::e4m3fn>;
using e5m2 = minifloat<formats::e5m2>;

static_assert(sizeof(e4m3fn) == 1 && sizeof(minifloat<formats::e5m10>) == 2 && sizeof(minifloat<formats::e8m10>) == 4 &&
              sizeof(minifloat<formats::e11m52>) == 8);
static_assert(std::is_trivially_copyable_v<e4m3fn> && std::is_trivially_default_constructible_v<e4m3fn>);
static_assert(!std::is_convertible_v<float, e4m3fn> && !std::is_convertible_v<e4m3fn, float> &&
                  !std::is_convertible_v<e4m3fn, e5m2> && !std::is_convertible_v<int, e4m3fn>,
              "no conversion hides");
static_assert(std::is_constructible_v<e4m3fn, float> && std::is_constructible_v<e4m3fn, unsigned char> &&
              std::is_constructible_v<e4m3fn, e5m2> && !std::is_constructible_v<e4m3fn, bool> &&
              !std::is_constructible_v<e4m3fn, long double>);
// The whole of it at compile time.
static_assert(double(e4m3fn(1.5f) * e4m3fn(2) - e4m3fn(1)) == 2 && double(e4m3fn(1) / e4m3fn(3)) == 0.34375);
static_assert(double(sqrt(e4m3fn(2))) == 1.375 && double(fma(e4m3fn(3), e4m3fn(3), e4m3fn(-9))) == 0 &&
              double(faa(e4m3fn(448), e4m3fn(-448), e4m3fn(0x1p-9))) == 0x1p-9);
static_assert(e4m3fn(-431.99999999999994).code == 0xfd && minifloat<formats::e8m7>(16973823).code == 0x4b81);
static_assert(add(e4m3fn(1), e4m3fn(0.0625f), {.rounding = rounding_mode::up}).code == 0x39 &&
              add_to<formats::e5m10>(e4m3fn(1), e5m2(0.0625f)).code == 0x3c40);
static_assert(int(e4m3fn(-3.5)) == -3 && unsigned(e4m3fn(-3.5)) == 0 && std::uint8_t(e4m3fn(448)) == 255);

/// Calls test.template operator()<F>(name) for formats of every kind: all of the catalogue up to 16 bits, and P3109's.
template <class Test>
void for_each_format(Test test) {
  test.template operator()<formats::e5m10>();
  test.template operator()<formats::e8m7>();
  test.template operator()<formats::e5m2>();
  test.template operator()<formats::e4m3>();
  test.template operator()<formats::e3m4>();
  test.template operator()<formats::e4m3fn>();
  test.template operator()<formats::e4m3fnuz>();
  test.template operator()<formats::e5m2fnuz>();
  test.template operator()<formats::e3m2fn>();
  test.template operator()<formats::e2m3fn>();
  test.template operator()<formats::e2m1fn>();
  test.template operator()<formats::e3m0>();
  test.template operator()<formats::e1m2>();
  test.template operator()<formats::e8m0fnu>();
  test.template operator()<formats::ue4m3>();
  test.template operator()<formats::ue5m3>();
  test.template operator()<binade::p3109_format(8, 4, true, true)>();
  test.template operator()<binade::p3109_format(8, 1, true, false)>();
  test.template operator()<binade::p3109_format(8, 4, false, true)>();
  test.template operator()<binade::p3109_format(6, 3, false, false)>();
}

template <float_format F>
std::vector<minifloat<F>> all_numbers() {
  std::vector<minifloat<F>> all;
  // Of wide formats every code near the ends and each 37th of the others.
  for (std::uint64_t code = 0; code <= F.code_mask(); ++code)
    if (F.width <= 8 || code % 37 == 0 || (code + 4) % (F.sign_bit()) < 8 ||
        (code & F.magnitude_mask()) % F.leading() < 2)
      all.push_back(minifloat<F>::from_code(code));
  return all;
}
template <float_format F>
std::string named(std::uint64_t code) {
  return to_string(oracle::grid_of(F)) + " code " + std::to_string(code);
}

TEST(minifloat, classification_is_that_of_the_value) {
  for_each_format([]<float_format F>() {
    const oracle::grid g = oracle::grid_of(F);
    for (const minifloat<F> x : all_numbers<F>()) {
      const double value = binade::decode(F, x.code);
      const bool finite = std::isfinite(value), zero = value == 0;
      const bool normal = finite && !zero && std::fabs(value) >= to_double(g.value(g.min_normal_code()));
      EXPECT_EQ(is_nan(x), std::isnan(value)) << named<F>(x.code);
      EXPECT_EQ(is_infinite(x), std::isinf(value)) << named<F>(x.code);
      EXPECT_EQ(is_finite(x), finite) << named<F>(x.code);
      EXPECT_EQ(is_zero(x), zero) << named<F>(x.code);
      EXPECT_EQ(is_normal(x), normal) << named<F>(x.code);
      EXPECT_EQ(is_subnormal(x), finite && !zero && !normal) << named<F>(x.code);
      if (!std::isnan(value)) {
        EXPECT_EQ(sign_bit(x), std::signbit(value)) << named<F>(x.code);
        EXPECT_EQ(static_cast<double>(x), value);
        EXPECT_EQ(minifloat<F>(value, {.overflow = F.has_infinity ? binade::overflow_rule::propagate
                                                                  : binade::overflow_rule::saturate})
                      .code,
                  x.code);
      }
    }
  });
}

TEST(minifloat, comparisons_are_those_of_the_values) {
  for_each_format([]<float_format F>() {
    const auto all = all_numbers<F>();
    for (std::size_t i = 0; i < all.size(); ++i)
      for (std::size_t j = F.width <= 8 ? 0 : i % 61; j < all.size(); j += F.width <= 8 ? 1 : 61) {
        const minifloat<F> x = all[i], y = all[j];
        const double a = binade::decode(F, x.code), b = binade::decode(F, y.code);
        SCOPED_TRACE(named<F>(x.code) + " and " + std::to_string(y.code));
        ASSERT_EQ(x < y, a < b);
        ASSERT_EQ(x <= y, a <= b);
        ASSERT_EQ(x == y, a == b);
        ASSERT_EQ(x != y, a != b);
        ASSERT_EQ(x > y, a > b);
        ASSERT_EQ(x >= y, a >= b);
        ASSERT_TRUE((x <=> y) == (a <=> b));
        if (a == b) {
          ASSERT_EQ(std::hash<minifloat<F>>{}(x), std::hash<minifloat<F>>{}(y));
        }
      }
  });
}

/// Where IEEE 754 puts a double in its total order, as a pair to compare; a NaN by its sign and payload.
TEST(minifloat, total_order_sorts_by_value_then_zeros_by_sign_with_nans_at_the_ends) {
  for_each_format([]<float_format F>() {
    auto all = all_numbers<F>();
    std::mt19937_64 random(1);
    std::shuffle(all.begin(), all.end(), random);
    std::sort(all.begin(), all.end(), [](auto x, auto y) { return total_order(x, y) < 0; });
    for (std::size_t i = 1; i < all.size(); ++i) {
      const double a = binade::decode(F, all[i - 1].code), b = binade::decode(F, all[i].code);
      ASSERT_TRUE(total_order(all[i - 1], all[i]) < 0 && total_order(all[i], all[i - 1]) > 0);
      if (std::isnan(a) || std::isnan(b)) continue;
      ASSERT_TRUE(a < b || (a == 0 && b == 0 && std::signbit(a) && !std::signbit(b))) << a << " before " << b;
    }
  });
  // NaNs: -NaN first, +NaN last, those at the code of -0 and of P3109 first.
  const auto code = [](auto x) { return +x.code; };
  EXPECT_TRUE(total_order(e5m2::from_code(0xff), e5m2::from_code(0xfe)) < 0);
  EXPECT_TRUE(total_order(e5m2::from_code(0xfd), e5m2::from_code(0xfc)) < 0);
  EXPECT_TRUE(total_order(e5m2::from_code(0x7c), e5m2::from_code(0x7d)) < 0);
  EXPECT_TRUE(total_order(e5m2::from_code(0x7d), e5m2::from_code(0x7e)) < 0);
  using fnuz = minifloat<formats::e4m3fnuz>;
  EXPECT_TRUE(total_order(fnuz::from_code(0x80), fnuz::from_code(0xff)) < 0);
  EXPECT_TRUE(total_order(fnuz::from_code(0xff), fnuz::from_code(0x80)) > 0);
  using unsigned_p3109 = minifloat<binade::p3109_format(8, 4, false, true)>;
  EXPECT_TRUE(total_order(unsigned_p3109::from_code(0xff), unsigned_p3109::from_code(0)) < 0);
  EXPECT_EQ(code(e5m2::from_code(3)), 3);
}

TEST(minifloat, next_up_and_next_down_are_the_neighbours_of_the_value) {
  for_each_format([]<float_format F>() {
    if (F.width > 8) return;
    std::vector<double> values;
    const auto all = all_numbers<F>();
    for (const minifloat<F> x : all)
      if (!is_nan(x)) values.push_back(binade::decode(F, x.code));
    for (const minifloat<F> x : all) {
      const double value = binade::decode(F, x.code);
      if (is_nan(x)) {
        EXPECT_TRUE(is_nan(next_up(x)) && is_nan(next_down(x)));
        continue;
      }
      double up = value, down = value;  // the ends stay
      for (const double v : values) {
        if (v > value && (up == value || v < up)) up = v;
        if (v < value && (down == value || v > down)) down = v;
      }
      EXPECT_EQ(static_cast<double>(next_up(x)), up) << named<F>(x.code);
      EXPECT_EQ(static_cast<double>(next_down(x)), down) << named<F>(x.code);
      // IEEE 754: the zero above the negative numbers is -0.
      if (up == 0 && value != 0) {
        // A copy: clang 16 gives a reference into F to another format's.
        EXPECT_EQ(sign_bit(next_up(x)), bool(F.has_negative_zero)) << named<F>(x.code);
      }
    }
  });
}

TEST(minifloat, extrema_are_those_of_ieee_754) {
  for_each_format([]<float_format F>() {
    if (F.width > 8) return;
    const auto all = all_numbers<F>();
    // a before b as extrema see it: by value, -0 before +0.
    const auto before = [](double a, double b) {
      return a < b || (a == 0 && b == 0 && std::signbit(a) && !std::signbit(b));
    };
    for (const minifloat<F> x : all)
      for (const minifloat<F> y : all) {
        const double a = binade::decode(F, x.code), b = binade::decode(F, y.code);
        const bool some_nan = std::isnan(a) || std::isnan(b);
        const double number = std::isnan(a) ? b : a;
        const double low = before(b, a) ? b : a, high = before(a, b) ? b : a;
        const double low_size = std::fabs(a) != std::fabs(b) ? (std::fabs(b) < std::fabs(a) ? b : a) : low;
        const double high_size = std::fabs(a) != std::fabs(b) ? (std::fabs(b) > std::fabs(a) ? b : a) : high;
        const double nan = NAN;
        const std::pair<minifloat<F>, double> results[] = {
            {minimum(x, y), some_nan ? nan : low},
            {maximum(x, y), some_nan ? nan : high},
            {minimum_number(x, y), some_nan ? number : low},
            {maximum_number(x, y), some_nan ? number : high},
            {minimum_magnitude(x, y), some_nan ? nan : low_size},
            {maximum_magnitude(x, y), some_nan ? nan : high_size},
            {minimum_magnitude_number(x, y), some_nan ? number : low_size},
            {maximum_magnitude_number(x, y), some_nan ? number : high_size}};
        for (const auto& [got, want] : results)
          ASSERT_TRUE(oracle::same_value(binade::decode(F, got.code), want)) << named<F>(x.code) << ", " << +y.code;
      }
  });
}

TEST(minifloat, negation_abs_and_copysign_change_the_sign_alone) {
  for_each_format([]<float_format F>() {
    if (F.width > 8) return;
    for (const minifloat<F> x : all_numbers<F>()) {
      const double a = binade::decode(F, x.code);
      if (std::isnan(a)) {
        EXPECT_TRUE(is_nan(-x) && is_nan(abs(x)));
        continue;
      }
      const double negative = a == 0 && !F.has_negative_zero ? 0.0 : -a;
      if (F.is_signed) {
        EXPECT_TRUE(oracle::same_value(static_cast<double>(-x), negative)) << named<F>(x.code);
      }
      EXPECT_TRUE(oracle::same_value(static_cast<double>(abs(x)), std::fabs(a))) << named<F>(x.code);
      for (const minifloat<F> y : all_numbers<F>()) {
        const double b = binade::decode(F, y.code);
        if (std::isnan(b)) continue;
        const double want = a == 0 && !F.has_negative_zero ? 0.0 : std::copysign(a, b);
        EXPECT_TRUE(oracle::same_value(static_cast<double>(copysign(x, y)), want)) << named<F>(x.code);
      }
    }
  });
  using unsigned_number = minifloat<formats::ue4m3>;
  EXPECT_EQ(+(-unsigned_number(2)).code, 0);  // saturates at the smallest
  EXPECT_TRUE(is_nan(copysign(minifloat<formats::e4m3fnuz>(1), minifloat<formats::e4m3fnuz>(NAN))));
  EXPECT_EQ(+copysign(e5m2(1), e5m2::from_code(0xfe)).code, 0xbc);
}

TEST(minifloat, operators_are_the_operations_of_codes) {
  for_each_format([]<float_format F>() {
    if (F.width > 8 || F.refuses_nan()) return;
    const binade::element e{F};
    for (const minifloat<F> x : all_numbers<F>())
      for (const minifloat<F> y : all_numbers<F>()) {
        const binade::operand a{F, x.code}, b{F, y.code};
        ASSERT_EQ((x + y).code, add(e, a, b));
        ASSERT_EQ((x - y).code, subtract(e, a, b));
        ASSERT_EQ((x * y).code, multiply(e, a, b));
        ASSERT_EQ((x / y).code, divide(e, a, b));
        ASSERT_EQ(fma(x, y, y).code, fma(e, a, b, b));
        ASSERT_EQ(faa(x, y, y).code, faa(e, a, b, b));
        ASSERT_EQ(sqrt(x).code, sqrt(e, a));
      }
  });
}

TEST(minifloat, a_nan_without_a_code_is_an_exception_or_what_the_format_chose) {
  using e2m1fn = minifloat<formats::e2m1fn>;
  EXPECT_THROW(e2m1fn(NAN), std::domain_error);
  EXPECT_THROW(e2m1fn(0) / e2m1fn(0), std::domain_error);
  EXPECT_THROW(sqrt(e2m1fn(-1)), std::domain_error);
  EXPECT_EQ(+(e2m1fn(-1) / e2m1fn(0)).code, 0xf);
  constexpr float_format chosen = [] {
    float_format f = formats::e2m1fn;
    f.nan = binade::nan_code::max;
    return f;
  }();
  EXPECT_EQ(+minifloat<chosen>(NAN).code, 7);
  EXPECT_EQ(+minifloat<chosen>(e4m3fn(NAN)).code, 7);
}

/// True if a conversion with these policies is a constant expression.
template <float_format F, overflow_rule Overflow, int NoiseBits = 32>
concept is_constant = requires {
  typename std::integral_constant<int, int(minifloat<F>(100.0, {.noise_bits = NoiseBits, .overflow = Overflow}).code)>;
};
static_assert(is_constant<formats::e2m1fn, overflow_rule::spec> && is_constant<formats::e5m2, overflow_rule::infinity>);
static_assert(!is_constant<formats::e2m1fn, overflow_rule::infinity> &&
              !is_constant<formats::e2m1fn, overflow_rule::nan> &&
              !is_constant<formats::e4m3fn, overflow_rule::infinity> &&
              !is_constant<formats::e4m3fn, overflow_rule::saturate, 8>);

TEST(minifloat, policies_that_the_format_cannot_follow_are_an_exception_that_says_what_is_valid) {
  using e2m1fn = minifloat<formats::e2m1fn>;
  const auto message_of = [](auto call) -> std::string {
    try {
      call();
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "no exception";
  };
  const std::string no_infinity =
      "binade::policies: the format has no infinity to overflow to, and no NaN: use saturate or spec";
  const std::string no_nan =
      "binade::policies: the format has no NaN to overflow to, and no infinity: use saturate or spec";
  EXPECT_EQ(message_of([] { (void)e2m1fn(100.0, {.overflow = overflow_rule::infinity}); }), no_infinity);
  EXPECT_EQ(message_of([] { (void)e2m1fn(e4m3fn(1), {.overflow = overflow_rule::nan}); }), no_nan);
  EXPECT_EQ(message_of([] { (void)add(e2m1fn(6), e2m1fn(6), {.overflow = overflow_rule::nan}); }), no_nan);
  EXPECT_EQ(message_of([] { (void)sqrt(e4m3fn(2), {.overflow = overflow_rule::infinity}); }),
            "binade::policies: the format has no infinity to overflow to: use saturate, nan or spec");
  EXPECT_EQ(message_of([] { (void)e4m3fn(1, {.rounding = rounding_mode::stochastic_a, .noise_bits = 33}); }),
            "binade::policies: stochastic rounding uses 1 to 32 noise bits");
  EXPECT_EQ(message_of([] { (void)e4m3fn(1, {.noise_bits = 8}); }),
            "binade::policies: noise bits are only for stochastic rounding");
}

TEST(minifloat, limits_of_binary32_and_binary64_are_the_native_ones) {
  const auto same = []<float_format F, class T>(minifloat<F>, T) {
    using ours = std::numeric_limits<minifloat<F>>;
    using native = std::numeric_limits<T>;
    EXPECT_TRUE(ours::is_specialized && ours::is_signed == native::is_signed &&
                ours::is_integer == native::is_integer && ours::is_exact == native::is_exact &&
                ours::has_infinity == native::has_infinity && ours::has_quiet_NaN == native::has_quiet_NaN &&
                ours::has_denorm == native::has_denorm && ours::round_style == native::round_style &&
                ours::is_iec559 == native::is_iec559 && ours::is_bounded == native::is_bounded &&
                ours::is_modulo == native::is_modulo);
    EXPECT_EQ(ours::digits, native::digits);
    EXPECT_EQ(ours::digits10, native::digits10);
    EXPECT_EQ(ours::max_digits10, native::max_digits10);
    EXPECT_EQ(ours::radix, native::radix);
    EXPECT_EQ(ours::min_exponent, native::min_exponent);
    EXPECT_EQ(ours::min_exponent10, native::min_exponent10);
    EXPECT_EQ(ours::max_exponent, native::max_exponent);
    EXPECT_EQ(ours::max_exponent10, native::max_exponent10);
    EXPECT_EQ(static_cast<T>(ours::min()), native::min());
    EXPECT_EQ(static_cast<T>(ours::max()), native::max());
    EXPECT_EQ(static_cast<T>(ours::lowest()), native::lowest());
    EXPECT_EQ(static_cast<T>(ours::epsilon()), native::epsilon());
    EXPECT_EQ(static_cast<T>(ours::round_error()), native::round_error());
    EXPECT_EQ(static_cast<T>(ours::denorm_min()), native::denorm_min());
    EXPECT_EQ(static_cast<T>(ours::infinity()), native::infinity());
    EXPECT_TRUE(is_nan(ours::quiet_NaN()));
  };
  same(minifloat<formats::e8m23>{}, float{});
  same(minifloat<formats::e11m52>{}, double{});
  using narrow = std::numeric_limits<e4m3fn>;
  EXPECT_TRUE(!narrow::is_iec559 && !narrow::has_infinity && narrow::has_quiet_NaN);
  EXPECT_TRUE(std::numeric_limits<minifloat<formats::e5m10>>::is_iec559);
  EXPECT_FALSE(std::numeric_limits<e5m2>::is_iec559);  // max + max saturates
  EXPECT_EQ(static_cast<double>(narrow::max()), 448);
  EXPECT_EQ(static_cast<double>(narrow::epsilon()), 0.125);
  EXPECT_EQ(static_cast<double>(narrow::min()), 0x1p-6);
  EXPECT_EQ(narrow::digits10, 0);
  EXPECT_EQ(narrow::max_digits10, 3);
  EXPECT_EQ(narrow::max_exponent10, 2);
  EXPECT_EQ(narrow::min_exponent10, -1);
}

}  // namespace
