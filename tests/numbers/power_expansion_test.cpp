#include "binade/power_expansion.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace binade {
namespace {

constexpr float coat_range = 448.0f * 448.0f / 2;

long double ulp_of(float x) {
  return static_cast<long double>(std::nextafter(std::fabs(x), INFINITY)) - std::fabs(x);
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

/// A group of log-normal magnitudes with signs; spread: standard deviation of log |x|.
std::vector<float> group_of(std::mt19937_64& engine, std::size_t count, double spread, double scale = 1) {
  std::normal_distribution<double> normal;
  std::vector<float> x(count);
  for (float& v : x) v = float((engine() % 2 == 0 ? scale : -scale) * std::exp(spread * normal(engine)));
  return x;
}

struct expanded {
  std::vector<float> y;
  std::vector<expanded_group> groups;
};
expanded expand_all(const power_expansion& e, std::size_t row_length, const std::vector<float>& x) {
  expanded result{std::vector<float>(x.size()),
                  std::vector<expanded_group>(expanded_group_count(e, x.size(), row_length))};
  expand(e, row_length, x, result.y, result.groups);
  return result;
}

TEST(power_expansion, settings_of_coat_are_the_default) {
  EXPECT_EQ(power_expansion{}.range, coat_range);
  EXPECT_EQ(power_expansion{}.steps, 16u);
  EXPECT_EQ(power_expansion{}.group, 128u);
}

// Ratios and ranges that are powers of two: the quotient of logarithms is a fraction, its floor known in integers.
TEST(power_expansion, power_is_exact_where_the_quotient_of_logarithms_is) {
  for (const std::uint32_t steps : {2u, 3u, 16u, 256u})
    for (int range = 1; range <= 127; ++range)
      for (int ratio = 1; ratio <= 276; ++ratio) {
        const power_expansion e{.range = std::ldexp(1.0f, range), .steps = steps};
        const int high = ratio / 2 - 11, low = high - ratio;  // down to the smallest subnormal
        if (low < -149 || high > 127) continue;
        const int wanted = std::clamp(int(steps) * range / ratio, 1, int(16 * steps));
        const expanded_group g = expansion_of(e, std::ldexp(1.0f, low), std::ldexp(1.0f, high));
        ASSERT_EQ(g.power, float(double(wanted) / steps)) << "2^" << range << ", 2^" << ratio << ", " << steps;
        if ((high + low) % 2 == 0) {
          ASSERT_EQ(g.center, std::ldexp(1.0f, (high + low) / 2));
        }
      }
}

TEST(power_expansion, power_and_center_follow_the_rule) {
  std::mt19937_64 engine(10);
  int checked = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    const power_expansion e{.range = trial % 2 == 0 ? coat_range : float(2 + engine() % 1000000), .steps = 16};
    const auto any = [&] { return std::bit_cast<float>(std::uint32_t(engine() % 0x7f7fffff + 1)); };
    float a = any(), b = trial % 3 == 0 ? any() : a * float(1 + double(engine() % 100000) / 1000);
    if (b > std::numeric_limits<float>::max()) continue;
    const float low = std::min(a, b), high = std::max(a, b);
    const expanded_group g = expansion_of(e, low, high);
    const long double root = std::sqrt(static_cast<long double>(low) * high);
    ASSERT_LE(std::fabs(g.center - root), 0.50001L * ulp_of(g.center)) << low << " " << high;
    const long double quotient =
        16 * std::log(static_cast<long double>(e.range)) / (std::log(static_cast<long double>(high) / low));
    if (low == high) {
      ASSERT_EQ(g.power, 16);
      continue;
    }
    if (std::fabs(quotient - std::round(quotient)) < 0x1p-30L) continue;
    ASSERT_EQ(g.power, float(std::clamp(std::floor(quotient), 1.0L, 256.0L) / 16)) << low << " " << high;
    ++checked;
  }
  EXPECT_GT(checked, 15000);
}

TEST(power_expansion, powers_are_nearly_correctly_rounded) {
  std::mt19937_64 engine(11);
  for (const double spread : {0.1, 0.7, 2.0, 5.0}) {
    const std::vector<float> x = group_of(engine, 2048, spread);
    const expanded got = expand_all({}, 2048, x);
    ASSERT_EQ(got.groups.size(), 16u);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const expanded_group& g = got.groups[i / 128];
      const long double want =
          std::pow(std::fabs(static_cast<long double>(x[i])) / g.center, static_cast<long double>(g.power));
      ASSERT_LE(std::fabs(std::fabs(got.y[i]) - want), 0.50001L * ulp_of(got.y[i])) << x[i];
      ASSERT_EQ(std::signbit(got.y[i]), std::signbit(x[i]));
      ASSERT_EQ(got.y[i], expand(g, x[i])) << "the loop over the group differs from its element";
      const long double back =
          g.center * std::pow(std::fabs(static_cast<long double>(got.y[i])), 1 / static_cast<long double>(g.power));
      const float contracted = contract(g, got.y[i]);
      ASSERT_LE(std::fabs(std::fabs(contracted) - back), 0.50001L * ulp_of(contracted)) << x[i];
    }
  }
}

// y is off by 2^-24 of itself, its root by 1/k of that, and the result is rounded again.
TEST(power_expansion, contract_returns_within_the_derived_bound) {
  std::mt19937_64 engine(12);
  for (const double spread : {0.0, 0.3, 1.0, 3.0, 8.0}) {
    const std::vector<float> x = group_of(engine, 1280, spread, 3);
    const expanded got = expand_all({}, 1280, x);
    std::vector<float> back = got.y;
    contract({}, 1280, got.groups, back);
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(back[i], contract(got.groups[i / 128], got.y[i])) << "the loop over the group differs from its element";
      const double bound = (1 / double(got.groups[i / 128].power) + 1) * 0x1p-24 * (1 + 0x1p-10);
      ASSERT_LE(std::fabs(double(back[i]) - x[i]), bound * std::fabs(x[i])) << x[i];
    }
    if (spread == 0) {
      EXPECT_EQ(back, x);
    }
  }
}

TEST(power_expansion, a_group_spans_the_range_as_far_as_a_step_of_the_power_allows) {
  std::mt19937_64 engine(13);
  for (const float range : {coat_range, 448 * 512.0f, 12.0f})
    for (const double spread : {0.2, 0.7, 1.0, 3.0, 6.0}) {
      const power_expansion e{.range = range};
      const std::vector<float> x = group_of(engine, 128 * 40, spread);
      const expanded got = expand_all(e, 128, x);
      for (std::size_t k = 0; k < got.groups.size(); ++k) {
        double low = INFINITY, high = 0, low_before = INFINITY, high_before = 0;
        for (std::size_t i = 128 * k; i < 128 * (k + 1); ++i) {
          low = std::min(low, double(std::fabs(got.y[i])));
          high = std::max(high, double(std::fabs(got.y[i])));
          low_before = std::min(low_before, double(std::fabs(x[i])));
          high_before = std::max(high_before, double(std::fabs(x[i])));
        }
        const double power = got.groups[k].power;
        if (std::log(high_before / low_before) > 16 * std::log(double(range))) {  // more than the least power can take
          ASSERT_EQ(power, 1.0 / 16);
          continue;
        }
        ASSERT_LE(high / low, range * (1 + 0x1p-22));
        if (power < 16) {
          ASSERT_GT(std::pow(high / low, (power + 1.0 / 16) / power), range * (1 - 0x1p-20));
        }
        // So with amax scaling to E4M3 nothing becomes zero: the smallest is at least 2 / 448 for COAT's range.
        if (range == coat_range) {
          ASSERT_GE(low / high * 448, 2.0 / 448 * (1 - 0x1p-22));
        }
      }
    }
}

TEST(power_expansion, is_increasing_over_neighbouring_floats) {
  for (const float power : {1.0f / 16, 0.5f, 1.0f, 1.8125f, 16.0f})
    for (const float center : {1.0f, 0.37f, 1e-30f}) {
      const expanded_group g{center, power};
      float x = center * 0.9999f, last = expand(g, x), last_back = contract(g, x / center);
      for (int i = 0; i < 20000; ++i) {
        x = std::nextafter(x, INFINITY);
        const float y = expand(g, x), back = contract(g, x / center);
        ASSERT_GE(y, last) << x;
        ASSERT_GE(back, last_back) << x;
        ASSERT_EQ(expand(g, -x), -y);
        last = y;
        last_back = back;
      }
      ASSERT_GT(last, 1);
    }
}

TEST(power_expansion, a_power_of_two_factor_moves_the_center_alone) {
  std::mt19937_64 engine(14);
  const std::vector<float> x = group_of(engine, 384, 1.5);
  const expanded base = expand_all({}, 384, x);
  for (const int shift : {-60, -1, 5, 70}) {
    std::vector<float> scaled = x;
    for (float& v : scaled) v = std::ldexp(v, shift);
    const expanded got = expand_all({}, 384, scaled);
    EXPECT_EQ(got.y, base.y) << shift;
    for (std::size_t k = 0; k < 3; ++k)
      EXPECT_EQ(got.groups[k], (expanded_group{std::ldexp(base.groups[k].center, shift), base.groups[k].power}));
  }
}

TEST(power_expansion, zeros_nan_and_infinities_stay_and_do_not_count) {
  const float nan = std::nanf("");
  const std::vector<float> x{0.0f, -0.0f, nan, INFINITY, -INFINITY, 16.0f, -0.0625f, 2.0f};
  const power_expansion e{.group = 8, .range = 65536};
  const expanded got = expand_all(e, 8, x);
  EXPECT_EQ(got.groups[0], (expanded_group{1, 2}));
  const std::vector<float> want{0.0f, -0.0f, nan, INFINITY, -INFINITY, 256.0f, -0x1p-8f, 4.0f};
  std::vector<float> back = got.y;
  contract(e, 8, got.groups, back);
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == 2) {
      EXPECT_TRUE(std::isnan(got.y[i]) && std::isnan(back[i]));
      continue;
    }
    EXPECT_EQ(std::bit_cast<std::uint32_t>(got.y[i]), std::bit_cast<std::uint32_t>(want[i])) << i;
    EXPECT_EQ(std::bit_cast<std::uint32_t>(back[i]), std::bit_cast<std::uint32_t>(x[i])) << i;
  }
  const std::vector<float> none{0.0f, nan, -INFINITY};
  const expanded same = expand_all({}, 3, none);
  EXPECT_EQ(same.groups[0], expanded_group{});
  EXPECT_EQ(same.y[0], 0);
  EXPECT_TRUE(std::isnan(same.y[1]));
  EXPECT_EQ(same.y[2], -INFINITY);
}

TEST(power_expansion, extreme_groups_stay_finite_and_nonzero) {
  const float least = 0x1p-149f, most = std::numeric_limits<float>::max();
  for (const std::uint32_t steps : {2u, 16u, 256u})
    for (const float range : {2.0f, coat_range, most})
      for (const auto& [low, high] : {std::pair(least, most), std::pair(least, least), std::pair(most, most),
                                      std::pair(least, 3 * least), std::pair(most / 2, most)}) {
        const expanded_group g = expansion_of({.range = range, .steps = steps}, low, high);
        for (const float v : {low, high}) {
          const float y = expand(g, v);
          ASSERT_TRUE(y > 0 && y <= most) << v << " " << steps << " " << range;
        }
        ASSERT_TRUE(g.power >= 1.0f / float(steps) && g.power <= 16);
      }
}

TEST(power_expansion, groups_end_with_their_row_and_do_not_see_each_other) {
  std::mt19937_64 engine(15);
  const power_expansion e{.group = 10};
  const std::vector<float> x = group_of(engine, 4 * 23, 2);
  const expanded all = expand_all(e, 23, x);
  ASSERT_EQ(all.groups.size(), 12u);
  std::size_t group = 0;
  for (std::size_t row = 0; row < 4; ++row)
    for (const auto& [first, count] : {std::pair(0, 10), std::pair(10, 10), std::pair(20, 3)}) {
      const auto begin = x.begin() + std::ptrdiff_t(row * 23) + first;
      const expanded one = expand_all(e, std::size_t(count), std::vector<float>(begin, begin + count));
      EXPECT_EQ(one.groups, std::vector<expanded_group>{all.groups[group++]});
      EXPECT_TRUE(std::equal(one.y.begin(), one.y.end(), all.y.begin() + std::ptrdiff_t(row * 23) + first));
    }
  std::vector<float> in_place = x;
  std::vector<expanded_group> groups(12);
  expand(e, 23, in_place, in_place, groups);
  EXPECT_EQ(in_place, all.y);
}

TEST(power_expansion, impossible_settings_and_sizes_are_refused) {
  EXPECT_EQ(defect(power_expansion{.group = 0}), "a group has 1 or more elements");
  for (const float range : {0.0f, 1.5f, -5.0f, INFINITY, std::nanf("")})
    EXPECT_EQ(defect(power_expansion{.range = range}), "the range to fill is a ratio: finite and 2 or more");
  for (const std::uint32_t steps : {0u, 1u, 257u})
    EXPECT_EQ(defect(power_expansion{.steps = steps}), "the power is a multiple of 1/2 to 1/256");
  std::vector<float> x(20, 1.0f), y(20, 7.0f);
  std::vector<expanded_group> groups(2);
  EXPECT_EQ(refusal([&] { expand({.group = 0}, 20, x, y, groups); }),
            "expand: the expansion is impossible: a group has 1 or more elements");
  EXPECT_EQ(refusal([&] { expand({}, 11, x, y, groups); }), "expand: 20 elements are not whole rows of 11");
  EXPECT_EQ(refusal([&] { expand({}, 0, x, y, groups); }), "expand: 20 elements are not whole rows of 0");
  EXPECT_EQ(refusal([&] { expand({}, 20, x, y, groups); }), "expand: groups has room for 2 and 1 are needed");
  EXPECT_EQ(refusal([&] { contract({}, 5, groups, y); }), "contract: groups has room for 2 and 4 are needed");
  y.pop_back();
  EXPECT_EQ(refusal([&] { expand({}, 10, x, y, groups); }), "expand: out has room for 19 and 20 are needed");
  EXPECT_EQ(y, std::vector<float>(19, 7.0f));
}

static_assert(expansion_of({.range = 65536}, 0.0625f, 16) == expanded_group{1, 2});
static_assert(expand(expanded_group{1, 2}, -16.0f) == -256 && contract(expanded_group{1, 2}, 256.0f) == 16);

}  // namespace
}  // namespace binade
