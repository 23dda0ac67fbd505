#include "binade/quantile_clamp.hpp"

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

constexpr std::uint32_t shares[] = {500'000'001, 600'000'000, 750'000'000, 970'000'000,
                                    990'000'000, 999'000'000, 999'999'999, 1'000'000'000};

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

double half_ulp(float x) {
  return (double(std::nextafter(std::fabs(x), INFINITY)) - std::fabs(double(x))) / 2;
}

// floor by its definition: r 10^9 <= part n < (r + 1) 10^9.
TEST(quantile_clamp, ranks_are_the_exact_floors) {
  for (const std::uint32_t b : shares)
    for (std::uint64_t n = 1; n < 100000; n = n < 3000 ? n + 1 : n * 3 / 2) {
      const clamp_ranks r = ranks_of({b}, n);
      const std::uint64_t tail = 1'000'000'000 - b;
      ASSERT_LE(r.lower * 1'000'000'000, tail * n);
      ASSERT_GT((r.lower + 1) * 1'000'000'000, tail * n);
      if (b == 1'000'000'000) {
        ASSERT_EQ(r.upper, n - 1);
      } else {
        ASSERT_LE(r.upper * 1'000'000'000, b * n);
        ASSERT_GT((r.upper + 1) * 1'000'000'000, b * n);
      }
      ASSERT_LE(r.lower, r.upper);
      ASSERT_LT(r.upper, n);
    }
  // floor(0.01 (2^64 - 1)) and floor(0.99 (2^64 - 1)): no product overflows.
  EXPECT_EQ(ranks_of({990'000'000}, ~std::size_t(0)), (clamp_ranks{184467440737095516, 18262276632972456098u}));
}

// Python's int((1 - alpha) * n) and int(alpha * n), binary64, as the published code has them.
TEST(quantile_clamp, ranks_are_those_of_the_published_code_for_its_quantiles) {
  for (const auto& [alpha, b] :
       {std::pair(0.999, 999'000'000u), std::pair(0.99, 990'000'000u), std::pair(0.97, 970'000'000u)})
    for (std::size_t n = 1; n <= 20000; ++n) {
      const volatile double low = (1 - alpha) * double(n), high = alpha * double(n);
      ASSERT_EQ(ranks_of({b}, n), (clamp_ranks{std::size_t(low), std::size_t(high)})) << alpha << " of " << n;
    }
}

TEST(quantile_clamp, bounds_are_the_order_statistics_of_the_finite_elements) {
  std::mt19937_64 engine(20);
  for (std::size_t n = 1; n <= 400; ++n)
    for (const std::uint32_t b : shares) {
      std::vector<float> x(n), finite;
      for (float& v : x) {
        const std::uint64_t kind = engine() % 20;
        v = kind == 0   ? std::nanf("")
            : kind == 1 ? INFINITY
            : kind == 2 ? -INFINITY
            : kind == 3 ? 0.0f
            : kind == 4 ? -0.0f
            : kind < 8  ? float(int(engine() % 5) - 2)
                        : std::bit_cast<float>(std::uint32_t(engine() & 0xbfffffff));
        if (std::isfinite(v)) finite.push_back(v);
      }
      std::sort(finite.begin(), finite.end(),
                [](float l, float r) { return l < r || (l == r && std::signbit(l) && !std::signbit(r)); });
      const clamp_bounds got = bounds_of({b}, x);
      if (finite.empty()) {
        ASSERT_EQ(got, clamp_bounds{});
        continue;
      }
      const std::size_t count = finite.size();
      const std::uint64_t upper = std::uint64_t(b) * count / 1'000'000'000,
                          lower = (1'000'000'000ull - b) * count / 1'000'000'000;
      ASSERT_EQ(std::bit_cast<std::uint32_t>(got.lower), std::bit_cast<std::uint32_t>(finite[lower])) << n;
      ASSERT_EQ(std::bit_cast<std::uint32_t>(got.upper),
                std::bit_cast<std::uint32_t>(finite[std::min<std::size_t>(upper, count - 1)]))
          << n;
    }
}

TEST(quantile_clamp, what_is_cut_off_is_what_lies_outside_and_comes_back_where_the_difference_is_exact) {
  std::mt19937_64 engine(21);
  std::normal_distribution<double> normal;
  std::size_t exact = 0, rounded = 0;
  for (const std::uint32_t b : shares)
    for (int trial = 0; trial < 40; ++trial) {
      const std::size_t row_length = 1 + engine() % 700, rows = 1 + engine() % 3;
      std::vector<float> x(row_length * rows);
      for (float& v : x) v = float(normal(engine) * (engine() % 50 == 0 ? 30 : 1));
      std::vector<float> y(x.size(), 99.0f);
      const std::vector<residual_entry> cut = clamp_rows({b}, row_length, x, y);
      std::size_t next = 0, below = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const clamp_bounds bounds =
            bounds_of({b}, std::span<const float>(x).subspan(i / row_length * row_length, row_length));
        if (x[i] >= bounds.lower && x[i] <= bounds.upper) {
          ASSERT_EQ(y[i], x[i]);
          continue;
        }
        below += x[i] < bounds.lower;
        ASSERT_EQ(y[i], x[i] < bounds.lower ? bounds.lower : bounds.upper);
        ASSERT_LT(next, cut.size());
        ASSERT_EQ(cut[next].index, i);
        ASSERT_EQ(cut[next].value, float(double(x[i]) - double(y[i])));
        ++next;
      }
      ASSERT_EQ(next, cut.size());
      const clamp_ranks r = ranks_of({b}, row_length);
      ASSERT_LE(below, rows * r.lower);
      ASSERT_LE(cut.size() - below, rows * (row_length - 1 - r.upper));

      std::vector<float> back = y;
      compensate(cut, back);
      std::vector<bool> was_cut(x.size(), false);
      for (const residual_entry& entry : cut) {
        was_cut[entry.index] = true;
        const double difference = double(x[entry.index]) - double(y[entry.index]);  // exact: exponents are close
        if (double(entry.value) == difference) {
          ASSERT_EQ(back[entry.index], x[entry.index]);
          ++exact;
        } else {
          ASSERT_LE(std::fabs(double(back[entry.index]) - double(x[entry.index])),
                    half_ulp(entry.value) + half_ulp(back[entry.index]));
          ++rounded;
        }
      }
      for (std::size_t i = 0; i < x.size(); ++i) ASSERT_TRUE(was_cut[i] || back[i] == x[i]) << i;
    }
  EXPECT_GT(exact, 1000u);
  EXPECT_GT(rounded, 100u);
}

TEST(quantile_clamp, up_to_twice_the_bound_compensation_is_exact) {
  std::mt19937 engine(22);
  for (int trial = 0; trial < 100000; ++trial) {
    const float bound = std::bit_cast<float>(std::uint32_t(engine() % 0x7e800000));
    const float x = bound + bound * (float(engine() % 1000001) / 1000000);
    const clamp_bounds b{-bound, bound};
    ASSERT_EQ(clamped(b, x) + residual(b, x), x);
    ASSERT_EQ(clamped(b, -x) + residual(b, -x), -x);
  }
  // Further out it need not be: 2^23 + 1 - 1/2 is a tie, and so is the way back.
  const clamp_bounds half{-0.5f, 0.5f};
  EXPECT_EQ(residual(half, 8388609.0f), 8388608.0f);
  EXPECT_EQ(clamped(half, 8388609.0f) + residual(half, 8388609.0f), 8388608.0f);
}

TEST(quantile_clamp, inside_the_bounds_nothing_is_cut_off_and_a_zero_keeps_its_sign) {
  const clamp_bounds b{-0.0f, 2.0f};
  for (const float x : {-0.0f, 0.0f, 0x1p-149f, 1.5f, 2.0f, std::nanf("")})
    EXPECT_EQ(std::bit_cast<std::uint32_t>(residual(b, x)), 0u) << x;
  EXPECT_EQ(residual({-1, 2}, -0.5f), 0);
  EXPECT_FALSE(std::signbit(clamped(b, 0.0f)));
  EXPECT_TRUE(std::signbit(clamped({0.0f, 2.0f}, -0.0f)));
}

TEST(quantile_clamp, nan_stays_and_infinities_are_cut_to_the_bound_and_come_back) {
  const std::vector<float> x{1, std::nanf(""), INFINITY, -2, -INFINITY, 0.5f};
  std::vector<float> y(6);
  const std::vector<residual_entry> cut = clamp_rows({1'000'000'000}, 6, x, y);
  EXPECT_EQ(cut, (std::vector<residual_entry>{{2, INFINITY}, {4, -INFINITY}}));
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_EQ(y[2], 1);
  EXPECT_EQ(y[4], -2);
  compensate(cut, y);
  EXPECT_EQ(y[2], INFINITY);
  EXPECT_EQ(y[4], -INFINITY);

  const std::vector<float> none{std::nanf(""), INFINITY, -INFINITY};
  std::vector<float> out(3);
  EXPECT_TRUE(clamp_rows({}, 3, none, out).empty());
  EXPECT_EQ(out[1], INFINITY);
  EXPECT_EQ(out[2], -INFINITY);
}

TEST(quantile_clamp, rows_are_clamped_by_themselves_and_in_place) {
  std::mt19937 engine(23);
  std::vector<float> x(7 * 50);
  for (float& v : x) v = float(int(engine() % 2001) - 1000);
  std::vector<float> all = x;
  const std::vector<residual_entry> cut = clamp_rows({900'000'000}, 50, all, all);
  std::vector<residual_entry> joined;
  for (std::size_t row = 0; row < 7; ++row) {
    std::vector<float> one(50);
    for (residual_entry entry : clamp_rows({900'000'000}, 50, std::span<const float>(x).subspan(50 * row, 50), one)) {
      entry.index += 50 * row;
      joined.push_back(entry);
    }
    EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + std::ptrdiff_t(50 * row)));
  }
  EXPECT_EQ(cut, joined);
}

TEST(quantile_clamp, impossible_arguments_are_refused) {
  std::vector<float> x(6, 1.0f), y(6, 7.0f);
  for (const std::uint32_t b : {0u, 500'000'000u, 1'000'000'001u})
    EXPECT_EQ(refusal([&] { clamp_rows({b}, 6, x, y); }),
              "clamp_rows: q is " + std::to_string(b) + "e-9; a clamp keeps a quantile above 0.5 and at most 1");
  EXPECT_NE(refusal([&] { bounds_of({0}, x); }).find("bounds_of: q is 0e-9"), std::string::npos);
  EXPECT_EQ(refusal([&] { clamp_rows({}, 4, x, y); }), "clamp_rows: 6 elements are not whole rows of 4");
  EXPECT_EQ(refusal([&] { clamp_rows({}, 0, x, y); }), "clamp_rows: 6 elements are not whole rows of 0");
  EXPECT_EQ(refusal([&] { clamp_rows({}, 3, x, std::span(y).first(5)); }),
            "clamp_rows: out has room for 5 elements and 6 are needed");
  const std::vector<residual_entry> beyond{{0, 1}, {6, 1}};
  EXPECT_EQ(refusal([&] { compensate(beyond, y); }),
            "compensate: a residual is for element 6 and out has 6; give the array that was clamped");
  EXPECT_EQ(y, std::vector<float>(6, 7.0f));
  std::vector<float> none;
  EXPECT_TRUE(clamp_rows({}, 0, none, none).empty());
}

}  // namespace
}  // namespace binade
