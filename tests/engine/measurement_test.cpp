#include "measurement.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine/random_values.hpp"
#include "ops/attention.hpp"
#include "ops/cross_entropy.hpp"
#include "ops/linear.hpp"

namespace binade {
namespace {

using values_by_name = std::map<std::string, double>;

/// What an operation measures, which must be the same on any number of threads.
template <class Work>
values_by_name measured(const Work& work) {
  values_by_name first;
  for (const std::size_t threads : {1u, 2u, 3u}) {
    thread_pool pool(threads);
    values_by_name values;
    graph<float> pass(pool, {.meter = [&](const measurement& m) {
                        values[std::string(m.subject) + " " + std::string(m.quantity)] = m.value;
                      }});
    work(pass);
    if (first.empty()) first = values;
    EXPECT_EQ(values, first) << threads << " threads";
  }
  return first;
}

TEST(measurement, of_an_input_is_its_root_mean_square_and_the_kurtosis_about_its_mean) {
  test::random_values random(1);
  const variable<float> x(random.values<float>({300, 40}, 2, 0.5)), weight(random.values<float>({8, 40}));
  const values_by_name values =
      measured([&](graph<float>& pass) { linear(pass, "site", x, weight, variable<float>()); });
  double mean = 0, square = 0, variance = 0, fourth = 0;
  const double count = 300 * 40;
  for (const float v : x.value().values()) mean += double(v) / count;
  for (const float v : x.value().values()) {
    square += double(v) * double(v) / count;
    variance += std::pow(double(v) - mean, 2) / count;
    fourth += std::pow(double(v) - mean, 4) / count;
  }
  ASSERT_EQ(values.size(), 2u);
  EXPECT_NEAR(values.at("site input_rms"), std::sqrt(square), 1e-9);
  EXPECT_NEAR(values.at("site input_kurtosis"), fourth / (variance * variance), 1e-9);
  EXPECT_NEAR(values.at("site input_kurtosis"), 1.8, 0.05);  // of evenly spread numbers
}

TEST(measurement, of_an_array_of_equal_numbers_has_no_kurtosis) {
  // Raw moments would leave a variance of rounding errors: of 0.1f they gave a kurtosis of -1.8e16.
  for (const float x : {-2.0f, 0.1f, 0x1.fffffep+127f}) {
    const values_by_name values =
        measured([x](graph<float>& pass) { measure_input(pass, "site", tensor<float>::full({1000}, x)); });
    ASSERT_EQ(values.size(), 1u) << x;
    EXPECT_DOUBLE_EQ(values.at("site input_rms"), std::abs(double(x)));
  }
  const values_by_name in_double = measured([](graph<float>& pass) {
    measure_input(graph<double>(pass.pool(), pass.quantization()), "site", tensor<double>::full({1000}, 0.1));
  });
  EXPECT_EQ(in_double.size(), 1u);
}

TEST(measurement, of_numbers_near_one_another_is_their_kurtosis) {
  tensor<float> x = tensor<float>::uninitialized({1 << 16});
  std::mt19937 bits(4);
  std::normal_distribution<double> normal(1, 1e-4);
  for (float& v : x.values()) v = float(normal(bits));
  const values_by_name values = measured([&](graph<float>& pass) { measure_input(pass, "site", x); });
  EXPECT_NEAR(values.at("site input_kurtosis"), 3, 0.1);  // five standard errors of 65536 normal numbers
}

TEST(measurement, of_an_attention_is_the_largest_logit_and_the_mean_entropy_of_what_queries_see) {
  for (const kernels::row_mask mask : {kernels::row_mask::causal, kernels::row_mask::none}) {
    test::random_values random(2);
    const extents shape{2, 3, 37, 8};
    const attention_heads<float> heads{variable<float>(random.values<float>(shape, 3)),
                                       variable<float>(random.values<float>(shape, 3)),
                                       variable<float>(random.values<float>(shape))};
    const values_by_name values =
        measured([&](graph<float>& pass) { attention(pass, "scores", "values", heads, {.mask = mask}); });
    double largest = 0, entropy = 0;
    for (std::size_t head = 0; head < 6; ++head)
      for (std::size_t query = 0; query < 37; ++query) {
        std::vector<double> logits;
        for (std::size_t key = 0; key < (mask == kernels::row_mask::causal ? query + 1 : 37); ++key) {
          double dot = 0;
          for (std::size_t i = 0; i < 8; ++i)
            dot += double(heads.query.value()[(head * 37 + query) * 8 + i]) *
                   double(heads.key.value()[(head * 37 + key) * 8 + i]);
          logits.push_back(dot / std::sqrt(8.0));
          largest = std::max(largest, std::abs(logits.back()));
        }
        double sum = 0, weighted = 0;
        for (const double z : logits) sum += std::exp(z);
        for (const double z : logits) weighted += std::exp(z) * z;
        entropy += (std::log(sum) - weighted / sum) / (6 * 37);
      }
    EXPECT_NEAR(values.at("scores largest_logit"), largest, 1e-5);
    EXPECT_NEAR(values.at("scores entropy"), entropy, 1e-5);
  }
}

TEST(measurement, of_logits_is_the_logarithm_of_their_partition_function) {
  test::random_values random(3);
  const variable<float> logits(random.values<float>({4, 10}, 5));
  const std::vector<std::int32_t> targets{1, no_target, 3, 9};
  const values_by_name values = measured([&](graph<float>& pass) { cross_entropy<float>(pass, logits, targets, 10); });
  double sum = 0, largest = 0;
  for (const std::size_t row : {0u, 2u, 3u}) {
    double z = 0;
    for (std::size_t j = 0; j < 10; ++j) z += std::exp(double(logits.value()[row * 10 + j]));
    sum += std::log(z);
    largest = std::max(largest, std::abs(std::log(z)));
  }
  EXPECT_NEAR(values.at("logits log_z"), sum / 3, 1e-5);
  EXPECT_NEAR(values.at("logits largest_log_z"), largest, 1e-5);
}

}  // namespace
}  // namespace binade
