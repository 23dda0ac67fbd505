// Fake-quantization by several threads against one: binade::quantize, which is judged elsewhere.
#include "kernels/quantize.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "binade/text.hpp"
#include "binade/transform_chain.hpp"

namespace binade {
namespace {

std::vector<float> values(std::size_t count) {
  std::mt19937 random(42);
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float& value : x) value = normal(random) * std::exp2(float(random() % 24) - 12.0f);
  for (std::size_t i = 0; i < count; i += 997) x[i] = 0;
  if (count > 20000) {
    x[5] = std::numeric_limits<float>::infinity();
    x[19000] = std::numeric_limits<float>::quiet_NaN();
  }
  return x;
}

std::vector<std::uint32_t> bits(const std::vector<float>& x) {
  std::vector<std::uint32_t> result;
  for (const float value : x) result.push_back(std::bit_cast<std::uint32_t>(value));
  return result;
}

// Axis along rows, in the middle, down the columns; sizes with and without odd factors, short tails included.
constexpr axis_view views[] = {{1, 0, 1},    {1, 100, 1},  {1, 70001, 1}, {600, 128, 1}, {500, 192, 1},
                               {333, 77, 1}, {4, 256, 64}, {1, 512, 192}, {1, 2048, 64}, {7, 33, 100},
                               {16, 64, 96}, {3, 4096, 5}, {40000, 1, 1}, {1, 1, 40000}, {2048, 32, 1}};
constexpr const char* quantizers[] = {"e4m3fn",
                                      "e4m3fn@tensor",
                                      "e5m2/sr@tensor",
                                      "e4m3fn@tensor(static=0.25)",
                                      "e4m3fn@tensor(pow2)",
                                      "e2m1fn@block(32)",
                                      "e2m1fn/sr:8@block(16)",
                                      "e4m3fn/sr@row",
                                      "e4m3fn@col",
                                      "e4m3fn@tile(4,64)",
                                      "e4m3fn/sr:16@tile(16,16)",
                                      "e8m7/rtz",
                                      "nvfp4",
                                      "nvfp4:te",
                                      "mx9",
                                      "int4@block(16,e4m3fn)@row",
                                      "mxfp4:torchao",
                                      "deepseek_1x128",
                                      "e4m3fn@tensor(nan=group)",
                                      "clamp(0.99)+mxfp4"};

TEST(kernels_quantize, gives_the_values_and_counters_of_one_thread) {
  for (const axis_view& view : views) {
    const std::vector<float> x = values(view.size());
    for (const char* text : quantizers) {
      const quantizer q = parse_quantizer(text);
      const noise_source source{.seed = 3, .stream = 4, .step = 5, .first = 70};
      std::vector<float> want(x.size());
      quantize_counters want_counters;
      quantize(x, view, q, source, want, &want_counters);
      for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
        thread_pool pool(threads);
        const std::string what = std::string(text) + " on (" + std::to_string(view.outer) + ", " +
                                 std::to_string(view.length) + ", " + std::to_string(view.inner) + "), " +
                                 std::to_string(threads) + " threads";
        std::vector<float> got(x.size());
        quantize_counters counters;
        kernels::quantize(pool, x, view, q, source, got, &counters);
        ASSERT_EQ(bits(got), bits(want)) << what;
        ASSERT_EQ(counters, want_counters) << what;
        got = x;
        kernels::quantize(pool, got, view, q, source, got);
        ASSERT_EQ(bits(got), bits(want)) << what << ", in place";
      }
    }
  }
}

TEST(sampled_exponents, are_of_a_part_that_passes_over_all_columns_and_no_function_of_threads) {
  const std::vector<float> small = values(4096);
  exponent_histogram all;
  all.add(small);
  thread_pool one(1);
  EXPECT_EQ(kernels::sampled_exponents(one, small), all);
  // Each column has an exponent of its own: whatever the length of the rows, every one is seen, about as often.
  for (const std::size_t columns : {64u, 96u, 128u, 200u}) {
    std::vector<float> x(columns * 16384);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::ldexp(1.0f, int(i % columns) - 100);
    const exponent_histogram sample = kernels::sampled_exponents(one, x);
    EXPECT_EQ(sample.total(), x.size() / 32);
    for (std::size_t c = 0; c < columns; ++c) EXPECT_NEAR(double(sample.count(int(c) - 100)), 512, 128) << columns;
    for (const std::size_t threads : {2u, 3u}) {
      thread_pool pool(threads);
      EXPECT_EQ(kernels::sampled_exponents(pool, x), sample);
    }
  }
  // Rows of whole groups: blocks of 64 columns.
  std::vector<float> wide(2048 * 2048);
  for (std::size_t i = 0; i < wide.size(); ++i) wide[i] = std::ldexp(1.0f, int(i % 2048 / 64));
  const exponent_histogram sample = kernels::sampled_exponents(one, wide);
  for (int block = 0; block < 32; ++block) EXPECT_GT(sample.count(block), 64u * 40) << block;
}

TEST(kernels_quantize, refuses_what_one_thread_refuses_and_writes_nothing) {
  thread_pool pool(2);
  std::vector<float> x = values(100000), out(100000, 7.0f);
  const std::vector<float> before = out;
  const quantizer q = parse_quantizer("e4m3fn@block(32)");
  EXPECT_THROW(kernels::quantize(pool, x, {1, 99999, 1}, q, {}, out), std::invalid_argument);
  EXPECT_THROW(kernels::quantize(pool, x, {1, 100000, 1}, q, {}, {out.data(), 5}), std::invalid_argument);
  EXPECT_THROW(kernels::quantize(pool, {out.data(), 60000}, {1, 60000, 1}, q, {}, {out.data() + 40000, 60000}),
               std::invalid_argument);
  const quantizer stochastic = parse_quantizer("e4m3fn/sr");
  EXPECT_THROW(kernels::quantize(pool, x, {1, 100000, 1}, stochastic, {.first = noise_capacity(32) - 50000}, out),
               std::invalid_argument);
  EXPECT_EQ(out, before);
}

// Which NaN a sum has is left open.
std::vector<std::uint32_t> bits_or_nan(std::vector<float> x) {
  for (float& value : x)
    if (std::isnan(value)) value = std::numeric_limits<float>::quiet_NaN();
  return bits(x);
}

TEST(kernels_hadamard, gives_the_bits_of_transformed_rows_along_any_axis) {
  constexpr axis_view transformed[] = {{300, 64, 1}, {1, 128, 1},  {3, 64, 1},    {2, 64, 33},
                                       {1, 64, 300}, {5, 128, 31}, {7, 256, 257}, {1, 1024, 2}};
  for (const axis_view& view : transformed)
    for (const transform& t : {hadamard_transform(2), hadamard_transform(32), random_hadamard_transform(64, 9)}) {
      const std::vector<float> x = values(view.size());
      std::vector<float> rows(x.size()), want(x.size()), want_back(x.size());
      detail::gather_rows(x, view, rows);
      apply(t, view.length, rows, rows);
      detail::scatter_rows(rows, view, want);
      undo(t, {}, view.length, rows);
      detail::scatter_rows(rows, view, want_back);
      for (const std::size_t threads : {1u, 3u}) {
        thread_pool pool(threads);
        const std::string what = "block " + std::to_string(t.block) + " on (" + std::to_string(view.outer) + ", " +
                                 std::to_string(view.length) + ", " + std::to_string(view.inner) + ")";
        std::vector<float> got(x.size()), in_place = x;
        kernels::hadamard(pool, {&t, 1}, view, x, got);
        EXPECT_EQ(bits_or_nan(got), bits_or_nan(want)) << what;
        kernels::hadamard(pool, {&t, 1}, view, in_place, in_place);
        EXPECT_EQ(bits_or_nan(in_place), bits_or_nan(want)) << what << ", in place";
        kernels::inverse_hadamard(pool, {&t, 1}, view, got);
        EXPECT_EQ(bits_or_nan(got), bits_or_nan(want_back)) << what << ", inverse";
      }
    }
}

}  // namespace
}  // namespace binade
