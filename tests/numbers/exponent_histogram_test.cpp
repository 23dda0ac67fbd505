#include "binade/exponent_histogram.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "binade/sqnr.hpp"

namespace binade {
namespace {

struct counts {
  std::map<int, std::uint64_t> bins;
  std::uint64_t zeros = 0, infinities = 0, nans = 0;
};
/// By frexp of the C library.
counts expected(const std::vector<float>& x) {
  counts c;
  for (const float v : x) {
    if (std::isnan(v)) {
      ++c.nans;
    } else if (std::isinf(v)) {
      ++c.infinities;
    } else if (v == 0) {
      ++c.zeros;
    } else {
      int exponent = 0;
      std::frexp(double(v), &exponent);  // in [1/2, 1)
      ++c.bins[exponent - 1];
    }
  }
  return c;
}
void expect_equal(const exponent_histogram& h, const std::vector<float>& x) {
  const counts want = expected(x);
  EXPECT_EQ(h.zeros, want.zeros);
  EXPECT_EQ(h.infinities, want.infinities);
  EXPECT_EQ(h.nans, want.nans);
  EXPECT_EQ(h.total(), x.size());
  for (int e = -160; e <= 140; ++e) EXPECT_EQ(h.count(e), want.bins.count(e) ? want.bins.at(e) : 0u) << e;
  EXPECT_EQ(h.smallest(), want.bins.empty() ? 128 : want.bins.begin()->first);
  EXPECT_EQ(h.largest(), want.bins.empty() ? -150 : want.bins.rbegin()->first);
}
exponent_histogram histogram_of(const std::vector<float>& x) {
  exponent_histogram h;
  h.add(x);
  return h;
}

TEST(exponent_histogram, all_bfloat16_values) {
  std::vector<float> x;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) x.push_back(std::bit_cast<float>(bits << 16));
  const exponent_histogram h = histogram_of(x);
  expect_equal(h, x);
  EXPECT_EQ(h.zeros, 2u);
  EXPECT_EQ(h.infinities, 2u);
  EXPECT_EQ(h.nans, 254u);
  EXPECT_EQ(h.count(127), 256u);
  EXPECT_EQ(h.count(-133), 2u);
}

// 2^e, its neighbours and 2^(e+1) - ulp are where an exponent could be off by one.
TEST(exponent_histogram, both_sides_of_every_power_of_two) {
  std::vector<float> x;
  for (int e = -149; e <= 127; ++e)
    for (const float sign : {1.0f, -1.0f}) {
      const float power = std::ldexp(sign, e);
      for (const float v : {power, std::nextafter(power, 0.0f), std::nextafter(power, 2 * power)}) x.push_back(v);
    }
  expect_equal(histogram_of(x), x);
  for (const float v : x)
    if (v != 0) {
      ASSERT_EQ(exponent_of(v), std::ilogb(v)) << v;
    }
}

TEST(exponent_histogram, random_floats_of_any_length_and_the_sum_of_parts) {
  std::mt19937 engine(3);
  for (const std::size_t count : {0u, 1u, 3u, 5u, 65535u, 65536u, 65537u, 200001u}) {
    std::vector<float> x(count);
    for (float& v : x) {
      const std::uint32_t bits = std::uint32_t(engine());
      v = std::bit_cast<float>(engine() % 8 != 0 ? bits : bits & 0x807fffff);  // every eighth subnormal or zero
    }
    const exponent_histogram whole = histogram_of(x);
    expect_equal(whole, x);
    exponent_histogram first, second, merged;
    const std::size_t cut = count / 3;
    first.add(std::span<const float>(x).first(cut));
    second.add(std::span<const float>(x).subspan(cut));
    merged.merge(second);
    merged.merge(first);
    EXPECT_TRUE(merged == whole) << count;
  }
}

TEST(exponent_histogram, a_range_counts_its_ends_and_stops_at_those_of_float32) {
  const exponent_histogram h = histogram_of({0.25f, 0.5f, 0.75f, 1, 3, -4, 0, std::nanf("")});
  EXPECT_EQ(h.count(-1, 1), 4u);
  EXPECT_EQ(h.count(-1, -1), 2u);
  EXPECT_EQ(h.count(1, -1), 0u);
  EXPECT_EQ(h.count(-1000, 1000), 6u);
  EXPECT_EQ(h.count(-1000), 0u);
}

TEST(exponent_histogram, equal_elements_are_all_counted) {
  const std::vector<float> x(1000003, -1.5f);
  EXPECT_EQ(histogram_of(x).count(0), 1000003u);
}

TEST(sqnr, known_ratios) {
  EXPECT_DOUBLE_EQ(sqnr_db(100, 1), 20);
  EXPECT_DOUBLE_EQ(sqnr_db(2, 1), 3.0102999566398120);
  EXPECT_DOUBLE_EQ(sqnr_db(1, 1000), -30);
  EXPECT_EQ(sqnr_db(5, 0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(sqnr_db(0, 0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(sqnr_db(0, 5), -std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace binade
