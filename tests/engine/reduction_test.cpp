#include "binade/reduction.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "kernels/cpu.hpp"
#include "kernels/reduce.hpp"

namespace binade {
namespace {

/// The written order, word for word: lists of lanes and lists of chunks.
template <class T>
T literal_sum(const std::vector<T>& terms) {
  if (terms.empty()) return T(0);
  std::vector<T> chunks;
  for (std::size_t begin = 0; begin < terms.size(); begin += 4096) {
    std::vector<T> lanes(32, T(0));
    for (std::size_t i = 0; i < 4096 && begin + i < terms.size(); ++i) lanes[i % 32] += terms[begin + i];
    while (lanes.size() > 1) {
      const std::size_t half = lanes.size() / 2;
      std::vector<T> joined;
      for (std::size_t l = 0; l < half; ++l) joined.push_back(lanes[l] + lanes[l + half]);
      lanes = joined;
    }
    chunks.push_back(lanes[0]);
  }
  while (chunks.size() > 1) {
    std::vector<T> joined;
    for (std::size_t i = 0; i + 1 < chunks.size(); i += 2) joined.push_back(chunks[i] + chunks[i + 1]);
    if (chunks.size() % 2 == 1) joined.push_back(chunks.back());
    chunks = joined;
  }
  return chunks[0];
}

template <class T>
std::vector<T> values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<T> normal;
  std::vector<T> x(count);
  for (T& value : x) value = std::exp(normal(random)) * normal(random);
  return x;
}

template <class T>
std::vector<T> products(const std::vector<T>& x, const std::vector<T>& y) {
  std::vector<T> result;
  for (std::size_t i = 0; i < x.size(); ++i) result.push_back(x[i] * y[i]);
  return result;
}

template <class Test>
void for_each_level_and_pool(const Test& test) {
  for (const kernels::isa level : {kernels::isa::portable, kernels::isa::x86_64_v3, kernels::isa::x86_64_v4}) {
    if (level > kernels::detected_isa()) continue;
    const kernels::isa_scope scope(level);
    for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
      thread_pool pool(threads);
      test(pool);
    }
  }
}

template <class T>
class reduction_of : public testing::Test {};
using real_types = testing::Types<float, double>;
TYPED_TEST_SUITE(reduction_of, real_types);

constexpr std::size_t counts[] = {0,    1,    2,     31,    32,    33,    63,    64,    100,   4095,  4096,  4097,
                                  8192, 8193, 12288, 20480, 24577, 28672, 45056, 45100, 53248, 61441, 65536, 66000};

TYPED_TEST(reduction_of, sums_follow_the_written_order_for_any_count_of_threads_and_instruction_set) {
  using T = TypeParam;
  for (const std::size_t count : counts) {
    const std::vector<T> x = values<T>(count, 1), y = values<T>(count, 2);
    const T sum = literal_sum(x), squares = literal_sum(products(x, x)), dot = literal_sum(products(x, y));
    EXPECT_EQ(reduction::sum(x.data(), count), sum) << count;
    EXPECT_EQ(reduction::sum_of_squares(x.data(), count), squares) << count;
    EXPECT_EQ(reduction::dot(x.data(), y.data(), count), dot) << count;
    for_each_level_and_pool([&](thread_pool& pool) {
      EXPECT_EQ(kernels::sum<T>(pool, x), sum) << count;
      EXPECT_EQ(kernels::sum_of_squares<T>(pool, x), squares) << count;
      EXPECT_EQ(kernels::dot<T>(pool, x, y), dot) << count;
    });
  }
}

TYPED_TEST(reduction_of, column_sums_follow_the_written_order_down_each_column) {
  using T = TypeParam;
  for (const auto& [rows, columns] : {std::pair<std::size_t, std::size_t>{0, 3},
                                      {1, 1},
                                      {33, 5},
                                      {70, 32},
                                      {100, 75},
                                      {4097, 33},
                                      {12289, 3},
                                      {6, 0}}) {
    const std::vector<T> x = values<T>(rows * columns, 3), before = values<T>(columns, 4);
    for (const bool accumulate : {false, true}) {
      std::vector<T> want;
      for (std::size_t j = 0; j < columns; ++j) {
        std::vector<T> column;
        for (std::size_t i = 0; i < rows; ++i) column.push_back(x[i * columns + j]);
        want.push_back(accumulate ? before[j] + literal_sum(column) : literal_sum(column));
      }
      for_each_level_and_pool([&](thread_pool& pool) {
        std::vector<T> got = before;
        kernels::column_sum<T>(pool, x, rows, columns, got, accumulate);
        EXPECT_EQ(got, want) << rows << " x " << columns;
      });
    }
  }
}

TYPED_TEST(reduction_of, largest_passes_over_nan_and_is_minus_infinity_for_no_element) {
  using T = TypeParam;
  const T infinity = std::numeric_limits<T>::infinity();
  for (const std::size_t count : {1u, 31u, 32u, 33u, 100u})
    for (std::size_t place = 0; place < count; ++place) {
      std::vector<T> x(count, T(-7));
      x[place] = T(-3);
      if (count > 1) x[(place + 1) % count] = std::numeric_limits<T>::quiet_NaN();
      ASSERT_EQ(reduction::largest(x.data(), count), T(-3)) << count << " " << place;
    }
  EXPECT_EQ(reduction::largest(static_cast<const T*>(nullptr), 0), -infinity);
}

TYPED_TEST(reduction_of, max_abs_is_the_largest_magnitude_and_nan_if_any_element_is) {
  using T = TypeParam;
  for (const std::size_t count : {std::size_t(1), std::size_t(100), std::size_t(50000)}) {
    std::vector<T> x = values<T>(count, 5);
    T want = 0;
    for (const T value : x) want = std::max(want, std::fabs(value));
    for_each_level_and_pool([&](thread_pool& pool) { EXPECT_EQ(kernels::max_abs<T>(pool, x), want); });
    x[count / 2] = -std::numeric_limits<T>::infinity();
    for_each_level_and_pool(
        [&](thread_pool& pool) { EXPECT_EQ(kernels::max_abs<T>(pool, x), std::numeric_limits<T>::infinity()); });
    x[count / 3] = std::numeric_limits<T>::quiet_NaN();
    for_each_level_and_pool([&](thread_pool& pool) { EXPECT_TRUE(std::isnan(kernels::max_abs<T>(pool, x))); });
  }
}

TYPED_TEST(reduction_of, nothing_sums_to_plus_zero) {
  using T = TypeParam;
  thread_pool pool(2);
  EXPECT_FALSE(std::signbit(kernels::sum<T>(pool, {})));
  EXPECT_EQ(kernels::sum<T>(pool, {}), T(0));
  EXPECT_EQ(kernels::max_abs<T>(pool, {}), T(0));
  const T minus_zero = -T(0);
  EXPECT_FALSE(std::signbit(reduction::sum(&minus_zero, 1))) << "a lane starts from +0";
}

TYPED_TEST(reduction_of, a_product_is_rounded_before_it_is_added) {
  using T = TypeParam;
  // (1 + e)^2 = 1 + 2e + e^2: the square loses e^2, which a fused operation would keep against -1 - 2e.
  const T e = std::numeric_limits<T>::epsilon();
  std::vector<T> x(33, T(0)), y(33, T(0));
  x[0] = T(-1), y[0] = T(1) + 2 * e;
  x[32] = y[32] = T(1) + e;
  EXPECT_EQ(reduction::dot(x.data(), y.data(), 33), T(0));
}

TYPED_TEST(reduction_of, sums_are_available_at_compile_time) {
  using T = TypeParam;
  static constexpr T x[] = {T(1), T(2), T(-4)};
  static_assert(reduction::sum(x, 3) == T(-1) && reduction::sum_of_squares(x, 3) == T(21) &&
                reduction::max_abs(x, 3) == T(4) && reduction::dot(x, x, 2) == T(5));
}

TEST(reduction, refuses_operands_of_different_sizes) {
  thread_pool pool(1);
  std::vector<float> x(6), out(3);
  EXPECT_THROW(kernels::dot<float>(pool, x, out), std::invalid_argument);
  EXPECT_THROW(kernels::column_sum<float>(pool, x, 3, 3, out, false), std::invalid_argument);
  EXPECT_THROW(kernels::column_sum<float>(pool, x, 3, 2, out, false), std::invalid_argument);
}

}  // namespace
}  // namespace binade
