#include "kernels/elementwise.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "binade/elementary.hpp"
#include "binade/reduction.hpp"

namespace binade {
namespace {

using kernels::isa;
using kernels::row_mask;

template <class T>
std::vector<T> values(std::size_t count, T spread, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<T> normal(T(0), spread);
  std::vector<T> x(count);
  for (T& value : x) value = normal(random);
  return x;
}

/// What compute(pool) returns: the same for every level and number of threads, which is checked.
template <class T, class Compute>
std::vector<T> same_everywhere(const Compute& compute) {
  std::vector<T> first;
  for (const isa level : {isa::portable, isa::x86_64_v3, isa::x86_64_v4}) {
    if (level > kernels::detected_isa()) continue;
    const kernels::isa_scope scope(level);
    for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
      thread_pool pool(threads);
      std::vector<T> result = compute(pool);
      if (first.empty()) first = result;
      EXPECT_EQ(result, first) << to_string(level) << ", " << threads << " threads";
    }
  }
  return first;
}

template <class T>
class elementwise : public testing::Test {};
using real_types = testing::Types<float, double>;
TYPED_TEST_SUITE(elementwise, real_types);

TYPED_TEST(elementwise, gelu_is_its_tanh_form_and_backward_its_derivative) {
  using T = TypeParam;
  const std::vector<T> x = values<T>(40000, T(3), 1), dy = values<T>(40000, T(1), 2);
  const auto y = same_everywhere<T>([&](thread_pool& pool) {
    std::vector<T> result(x.size());
    kernels::gelu<T>(pool, x, result);
    return result;
  });
  const auto dx = same_everywhere<T>([&](thread_pool& pool) {
    std::vector<T> result(x.size());
    kernels::gelu_backward<T>(pool, x, dy, result);
    return result;
  });
  const auto exact = [](long double v) {
    return v / 2 * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846L) * (v + 0.044715L * v * v * v)));
  };
  const double tolerance = 16 * double(std::numeric_limits<T>::epsilon());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const long double h = 1e-5L, v = x[i];
    const long double slope = (exact(v + h) - exact(v - h)) / (2 * h);
    ASSERT_NEAR(double(y[i]), double(exact(v)), tolerance * std::fabs(double(v))) << v;
    ASSERT_NEAR(double(dx[i]), double(dy[i] * slope), 1e-9 + 4 * tolerance) << v;
  }
}

TYPED_TEST(elementwise, softmax_follows_its_formula_in_the_written_order) {
  using T = TypeParam;
  constexpr std::size_t columns = 77, rows = 5 * columns;
  const std::vector<T> x = values<T>(rows * columns, T(5), 7), dy = values<T>(rows * columns, T(1), 8);
  const T scale = T(0.3);
  for (const row_mask mask : {row_mask::none, row_mask::causal}) {
    const auto y = same_everywhere<T>([&](thread_pool& pool) {
      std::vector<T> result = x;
      kernels::softmax_rows<T>(pool, result, rows, columns, scale, mask, result);
      return result;
    });
    const auto dx = same_everywhere<T>([&](thread_pool& pool) {
      std::vector<T> result = dy;
      kernels::softmax_rows_backward<T>(pool, y, result, rows, columns, scale, mask, result);
      return result;
    });
    for (std::size_t row = 0; row < rows; ++row) {
      const std::size_t extent = mask == row_mask::causal ? row % columns + 1 : columns, at = row * columns;
      std::vector<T> e;
      T top = scale * x[at];
      for (std::size_t j = 0; j < extent; ++j) top = std::max(top, scale * x[at + j]);
      for (std::size_t j = 0; j < extent; ++j) e.push_back(math::exp(scale * x[at + j] - top));
      const T sum = reduction::sum(e.data(), extent), mean = reduction::dot(&dy[at], &y[at], extent);
      for (std::size_t j = 0; j < columns; ++j) {
        ASSERT_EQ(y[at + j], j < extent ? e[j] / sum : T(0));
        ASSERT_EQ(dx[at + j], j < extent ? scale * (y[at + j] * (dy[at + j] - mean)) : T(0));
      }
    }
  }
}

TYPED_TEST(elementwise, softmax_of_a_row_with_nan_is_nan_and_leaves_other_rows_alone) {
  using T = TypeParam;
  std::vector<T> x(8, T(1));
  x[5] = std::numeric_limits<T>::quiet_NaN();
  thread_pool pool(1);
  kernels::softmax_rows<T>(pool, x, 2, 4, T(1), row_mask::none, x);
  for (std::size_t j = 0; j < 4; ++j) {
    EXPECT_EQ(x[j], T(0.25));
    EXPECT_TRUE(std::isnan(x[4 + j]));
  }
}

TYPED_TEST(elementwise, adamw_does_the_stated_operations_in_the_stated_order) {
  using T = TypeParam;
  constexpr std::size_t count = 33000;
  const std::vector<T> gradient = values<T>(count, T(1), 9), weight = values<T>(count, T(1), 10);
  std::vector<T> first = values<T>(count, T(0.1), 11), second = values<T>(count, T(0.1), 12);
  for (T& v : second) v = v * v;
  const kernels::adamw_coefficients<T> c{T(0.7),  T(0.999), T(0.9), T(1 - 0.9), T(0.95),
                                         T(0.05), T(0.01),  T(0.3), T(1e-8)};
  const auto result = same_everywhere<T>([&](thread_pool& pool) {
    std::vector<T> w = weight, m = first, v = second;
    kernels::adamw<T>(pool, c, gradient, w, m, v);
    w.insert(w.end(), m.begin(), m.end());
    w.insert(w.end(), v.begin(), v.end());
    return w;
  });
  for (std::size_t i = 0; i < count; ++i) {
    const T g = gradient[i] * c.gradient_scale;
    const T m = c.beta1 * first[i] + c.one_minus_beta1 * g, v = c.beta2 * second[i] + (c.one_minus_beta2 * g) * g;
    const T w = weight[i] * c.decay - c.step_size * (m / (std::sqrt(v) / c.root_correction2 + c.epsilon));
    ASSERT_EQ(result[i], w);
    ASSERT_EQ(result[count + i], m);
    ASSERT_EQ(result[2 * count + i], v);
  }
}

TEST(elementwise, wrong_sizes_are_refused) {
  thread_pool pool(1);
  std::vector<float> x(6), y(5);
  EXPECT_THROW(kernels::gelu<float>(pool, x, y), std::invalid_argument);
  EXPECT_THROW(kernels::gelu_backward<float>(pool, x, y, x), std::invalid_argument);
  EXPECT_THROW(kernels::softmax_rows<float>(pool, x, 2, 3, 1, row_mask::none, y), std::invalid_argument);
  EXPECT_THROW(kernels::softmax_rows<float>(pool, x, 2, 3, 1, row_mask::causal, x), std::invalid_argument)
      << "two rows are no square of three columns";
  EXPECT_THROW(kernels::adamw<float>(pool, {}, x, x, x, y), std::invalid_argument);
}

}  // namespace
}  // namespace binade
