// First values by name: moments, bounds, golden values, and what the text form takes.

#include "model/initialization.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "binade/noise.hpp"
#include "util/fnv.hpp"

namespace binade {
namespace {

struct moments {
  double mean = 0, deviation = 0, largest = 0;
};
moments moments_of(const tensor<double>& x) {
  moments m;
  for (const double v : x.values()) {
    m.mean += v / double(x.size());
    m.largest = std::max(m.largest, std::abs(v));
  }
  for (const double v : x.values()) m.deviation += (v - m.mean) * (v - m.mean) / double(x.size());
  m.deviation = std::sqrt(m.deviation);
  return m;
}

tensor<double> made(const std::string& text, const extents& shape) {
  return initial_value<double>(parse_initialization(text), 7, "layer.weight", shape);
}

struct expected_moments {
  const char* text;
  double deviation, bound;
};
class initialization_moments : public testing::TestWithParam<expected_moments> {};
// The shape (64, 32, 3, 3): fan_in 288, fan_out 576.  A normal number of the generator is below 6.67 deviations.
INSTANTIATE_TEST_SUITE_P(
    kinds, initialization_moments,
    testing::Values(expected_moments{"normal(0.02)", 0.02, 6.67 * 0.02},
                    expected_moments{"truncated_normal(0.5)", 0.879626 * 0.5, 1},
                    expected_moments{"xavier_uniform", std::sqrt(2.0 / 864), std::sqrt(6.0 / 864)},
                    expected_moments{"xavier_uniform(2)", 2 * std::sqrt(2.0 / 864), 2 * std::sqrt(6.0 / 864)},
                    expected_moments{"xavier_normal", std::sqrt(2.0 / 864), 1},
                    expected_moments{"kaiming_uniform", std::sqrt(2.0 / 288), std::sqrt(6.0 / 288)},
                    expected_moments{"kaiming_uniform(fan_out)", std::sqrt(2.0 / 576), std::sqrt(6.0 / 576)},
                    expected_moments{"kaiming_normal", std::sqrt(2.0 / 288), 1},
                    expected_moments{"kaiming_normal(fan_out)", std::sqrt(2.0 / 576), 1}));

TEST_P(initialization_moments, and_bounds_are_those_of_the_distribution) {
  const auto& [text, deviation, bound] = GetParam();
  const tensor<double> x = made(text, {64, 32, 3, 3});
  const moments m = moments_of(x);
  const double root = std::sqrt(double(x.size()));
  EXPECT_NEAR(m.mean, 0, 4 * deviation / root);
  EXPECT_NEAR(m.deviation, deviation, 4 * deviation / root);
  EXPECT_LE(m.largest, bound);
}

TEST(initialization, of_an_element_depends_on_seed_name_and_index_alone) {
  for (const char* text : {"normal(1)", "truncated_normal(1)", "kaiming_uniform"}) {
    const initialization how = parse_initialization(text);
    const auto whole = initial_value<float>(how, 1, "a", {40, 100}),
               part = initial_value<float>(how, 1, "a", {20, 100});
    for (std::size_t i = 0; i < part.size(); ++i) ASSERT_EQ(whole[i], part[i]) << text;
    EXPECT_NE(initial_value<float>(how, 2, "a", {40, 100})[0], whole[0]);
    EXPECT_NE(initial_value<float>(how, 1, "b", {40, 100})[0], whole[0]);
  }
}

TEST(initialization, golden_values_follow_from_the_noise) {
  const noise_source first{.seed = 7, .stream = fnv1a("layer.weight"), .step = 0};
  const tensor<double> uniform = made("xavier_uniform(3)", {2, 1000});
  for (const std::size_t i : {0u, 1u, 1024u, 1999u})
    EXPECT_EQ(uniform[i], 3 * std::sqrt(6.0 / 1002) * ((2 * double(noise_at(first, i, 32)) + 1) / 4294967296.0 - 1));
  const tensor<double> normal = made("normal(1)", {2000}), truncated = made("truncated_normal(1)", {2000});
  std::size_t drawn_again = 0;
  for (std::size_t i = 0; i < normal.size(); ++i) {
    if (std::abs(normal[i]) <= 2) {
      ASSERT_EQ(truncated[i], normal[i]) << i;
    } else {
      ++drawn_again;
    }
  }
  EXPECT_NEAR(double(drawn_again) / 2000, 0.0455, 0.02);
}

TEST(initialization, orthogonal_has_an_orthonormal_shorter_side) {
  for (const extents& shape : {extents{5, 17}, extents{17, 5}, extents{8, 8}, extents{6, 2, 3, 3}}) {
    const tensor<double> x = made("orthogonal(2)", shape);
    const std::size_t rows = shape[0], columns = x.size() / rows;
    const bool by_rows = rows <= columns;
    const std::size_t count = by_rows ? rows : columns, length = by_rows ? columns : rows;
    for (std::size_t a = 0; a < count; ++a)
      for (std::size_t b = 0; b <= a; ++b) {
        double sum = 0;
        for (std::size_t k = 0; k < length; ++k)
          sum += by_rows ? x[a * columns + k] * x[b * columns + k] : x[k * columns + a] * x[k * columns + b];
        EXPECT_NEAR(sum, a == b ? 4 : 0, 1e-14) << to_string(shape);
      }
  }
}

TEST(initialization, constants_are_constant) {
  const auto zeros = made("zeros", {3, 4}), ones = made("ones", {5});
  for (const double v : zeros.values()) EXPECT_EQ(v, 0);
  for (const double v : ones.values()) EXPECT_EQ(v, 1);
}

TEST(initialization, text_is_read_back) {
  for (const char* text : {"zeros", "ones", "normal(0.02)", "truncated_normal(1e-05)", "xavier_uniform",
                           "xavier_normal(1.5)", "kaiming_uniform", "kaiming_normal(fan_out)", "orthogonal"})
    EXPECT_EQ(to_string(parse_initialization(text)), text);
  EXPECT_EQ(parse_initialization("kaiming_normal(fan_in)"), parse_initialization("kaiming_normal"));
}

std::string message_of(const std::string& text, const extents& shape) {
  try {
    made(text, shape);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(initialization, errors_say_what_is_valid) {
  EXPECT_EQ(message_of("normal", {2}), "initialization: 'normal' is not valid; write normal(DEVIATION)");
  EXPECT_EQ(message_of("normal(-1)", {2}),
            "initialization: 'normal(-1)' is not valid; in the brackets there must be a finite number above 0");
  EXPECT_EQ(message_of("normal(inf)", {2}),
            "initialization: 'normal(inf)' is not valid; in the brackets there must be a finite number above 0");
  EXPECT_EQ(message_of("zeros(1)", {2}), "initialization: 'zeros(1)' is not valid; write zeros");
  EXPECT_EQ(message_of("orthogonal(1", {2}), "initialization: 'orthogonal(1' is not valid; the bracket must end it");
  EXPECT_EQ(message_of("kaiming_normal(out)", {2}),
            "initialization: 'kaiming_normal(out)' is not valid; in the brackets there must be fan_in or fan_out");
  EXPECT_EQ(message_of("kaimin_normal", {2}),
            "initialization: 'kaimin_normal' is not valid; known are zeros, ones, normal, truncated_normal, "
            "xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal, orthogonal; nearest: kaiming_normal");
  EXPECT_EQ(message_of("xavier_normal", {2}),
            "initial_value: 'layer.weight' has shape (2); xavier_normal needs at least 2 sizes");
}

}  // namespace
}  // namespace binade
