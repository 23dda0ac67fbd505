#include "binade/number_arrays.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "binade/catalogue.hpp"
#include "binade/number.hpp"

namespace binade {
namespace {

/// All pairs of codes, and each pair with some addends.
template <auto F>
void expect_operators() {
  using T = number<F>;
  constexpr std::uint64_t codes = std::uint64_t(1) << F.width;
  std::vector<T> x, y, z;
  for (std::uint64_t a = 0; a < codes; ++a)
    for (std::uint64_t b = 0; b < codes; ++b)
      for (const std::uint64_t step : {3u, 57u, 200u}) {
        x.push_back(T::from_code(a));
        y.push_back(T::from_code(b));
        z.push_back(T::from_code((a * 5 + b * 11 + step) % codes));
      }
  std::vector<T> sum(x.size()), difference(x.size()), product(x.size()), fused(x.size());
  const std::span<const T> xs(x), ys(y), zs(z);
  add_each(xs, ys, std::span(sum));
  subtract_each(xs, ys, std::span(difference));
  multiply_each(xs, ys, std::span(product));
  fma_each(xs, ys, zs, std::span(fused));
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(sum[i].code, (x[i] + y[i]).code) << int(x[i].code) << " " << int(y[i].code);
    ASSERT_EQ(difference[i].code, (x[i] - y[i]).code) << int(x[i].code) << " " << int(y[i].code);
    ASSERT_EQ(product[i].code, (x[i] * y[i]).code) << int(x[i].code) << " " << int(y[i].code);
    ASSERT_EQ(fused[i].code, fma(x[i], y[i], z[i]).code)
        << int(x[i].code) << " " << int(y[i].code) << " " << int(z[i].code);
  }
  add_each(xs, ys, std::span(x));  // in place
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(x[i].code, sum[i].code);
}

TEST(number_arrays, equal_the_operators_on_all_pairs) {
  static_assert(detail::has_exact_operations(formats::e4m3fn) && detail::has_exact_operations(formats::e2m1fn));
  static_assert(!detail::has_exact_operations(formats::e5m2) && !detail::has_exact_operations(formats::e8m0fnu));
  expect_operators<formats::e4m3fn>();
  expect_operators<formats::e4m3>();
  expect_operators<formats::e4m3fnuz>();
  expect_operators<formats::e2m1fn>();
  expect_operators<formats::e3m2fn>();
  expect_operators<formats::e2m3fn>();
  expect_operators<formats::e5m2>();
  expect_operators<formats::e3m4>();
}

TEST(number_arrays, arrays_of_two_sizes_are_refused) {
  using T = minifloat<formats::e4m3fn>;
  const std::vector<T> x(3), y(4);
  std::vector<T> out(3);
  EXPECT_THROW(add_each(std::span<const T>(x), std::span<const T>(y), std::span(out)), std::invalid_argument);
}

}  // namespace
}  // namespace binade
