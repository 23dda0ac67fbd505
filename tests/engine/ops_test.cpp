// What each operation computes, against the formula written out with the standard library in double.  (Backward steps:
// ops_gradient_test.cpp.)

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "engine/operation.hpp"
#include "ops/add.hpp"
#include "ops/attention.hpp"
#include "ops/cross_entropy.hpp"
#include "ops/embedding.hpp"
#include "ops/gelu.hpp"
#include "ops/heads.hpp"
#include "ops/layer_norm.hpp"
#include "ops/linear.hpp"
#include "ops/rms_norm.hpp"
#include "ops/rope.hpp"
#include "ops/swiglu.hpp"

namespace binade {
namespace {

template <class T>
class operation : public test::operation_test<T> {};
TYPED_TEST_SUITE(operation, test::scalars);

TYPED_TEST(operation, gelu_is_the_tanh_form) {
  const auto x = this->random({1000}, 6);
  const auto y = gelu(this->pass_, x).value();
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double v = double(x.value()[i]), u = std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v);
    ASSERT_NEAR(y[i], v / 2 * (1 + std::tanh(u)), this->tolerance(6)) << v;
  }
}

TYPED_TEST(operation, swiglu_is_the_gate_times_its_sigmoid_times_up) {
  const auto gate = this->random({1000}, 8), up = this->random({1000});
  const auto y = swiglu(this->pass_, gate, up).value();
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double g = double(gate.value()[i]);
    ASSERT_NEAR(y[i], g / (1 + std::exp(-g)) * double(up.value()[i]), this->tolerance(8));
  }
}

TYPED_TEST(operation, layer_norm_rows_have_mean_0_and_variance_1_before_weight_and_bias) {
  const std::size_t width = 37;
  const auto x = this->random({3, width}, 5), weight = this->random({width}), bias = this->random({width});
  const auto y = layer_norm(this->pass_, x, weight, bias, 1e-5).value();
  for (std::size_t row = 0; row < 3; ++row) {
    double mean = 0, variance = 0;
    for (std::size_t j = 0; j < width; ++j) mean += double(x.value()[row * width + j]) / width;
    for (std::size_t j = 0; j < width; ++j) variance += std::pow(double(x.value()[row * width + j]) - mean, 2) / width;
    for (std::size_t j = 0; j < width; ++j)
      ASSERT_NEAR(y[row * width + j],
                  (double(x.value()[row * width + j]) - mean) / std::sqrt(variance + 1e-5) * double(weight.value()[j]) +
                      double(bias.value()[j]),
                  this->tolerance(3));
  }
}

TYPED_TEST(operation, rms_norm_divides_by_the_root_of_the_mean_square) {
  const std::size_t width = 37;
  const auto x = this->random({3, width}, 5), weight = this->random({width});
  const auto y = rms_norm(this->pass_, x, weight, 1e-5).value();
  for (std::size_t row = 0; row < 3; ++row) {
    double square = 0;
    for (std::size_t j = 0; j < width; ++j) square += std::pow(double(x.value()[row * width + j]), 2) / width;
    for (std::size_t j = 0; j < width; ++j)
      ASSERT_NEAR(y[row * width + j],
                  double(x.value()[row * width + j]) / std::sqrt(square + 1e-5) * double(weight.value()[j]),
                  this->tolerance(3));
  }
}

TYPED_TEST(operation, linear_multiplies_by_the_transposed_weight_and_adds_the_bias) {
  const auto x = this->random({2, 3, 5}), weight = this->random({4, 5}), bias = this->random({4});
  const auto y = linear(this->pass_, "site", x, weight, bias).value();
  ASSERT_EQ(y.shape(), (extents{2, 3, 4}));
  for (std::size_t row = 0; row < 6; ++row)
    for (std::size_t j = 0; j < 4; ++j) {
      double sum = double(bias.value()[j]);
      for (std::size_t k = 0; k < 5; ++k) sum += double(x.value()[row * 5 + k]) * double(weight.value()[j * 5 + k]);
      ASSERT_NEAR(y[row * 4 + j], sum, this->tolerance(5));
    }
}

TYPED_TEST(operation, splitting_takes_queries_then_keys_then_values_head_by_head) {
  const std::size_t batch = 2, length = 3, heads = 2, width = 5, columns = 3 * heads * width;
  const auto joint = this->random({batch, length, columns});
  const auto parts = split_heads(this->pass_, joint, heads, heads);
  const auto merged = merge_heads(this->pass_, parts.key).value();
  for (std::size_t b = 0; b < batch; ++b)
    for (std::size_t t = 0; t < length; ++t)
      for (std::size_t h = 0; h < heads; ++h)
        for (std::size_t j = 0; j < width; ++j) {
          const std::size_t head_index = ((b * heads + h) * length + t) * width + j;
          const std::size_t joint_index = (b * length + t) * columns + h * width + j;
          ASSERT_EQ(parts.query.value()[head_index], joint.value()[joint_index]);
          ASSERT_EQ(parts.key.value()[head_index], joint.value()[joint_index + heads * width]);
          ASSERT_EQ(parts.value.value()[head_index], joint.value()[joint_index + 2 * heads * width]);
          ASSERT_EQ(merged[(b * length + t) * heads * width + h * width + j], parts.key.value()[head_index]);
        }
}

TYPED_TEST(operation, rope_turns_pairs_of_halves_by_position_times_frequency) {
  const std::size_t length = 9, width = 6;
  const auto x = this->random({2, 2, length, width});
  const auto y = rope(this->pass_, x, rotation_table<TypeParam>::make(12, width, 10000)).value();
  for (std::size_t row = 0; row < 4 * length; ++row)
    for (std::size_t j = 0; j < width / 2; ++j) {
      const double angle = double(row % length) * std::pow(10000.0, -2.0 * double(j) / width);
      const double first = double(x.value()[row * width + j]), second = double(x.value()[row * width + j + width / 2]);
      ASSERT_NEAR(y[row * width + j], first * std::cos(angle) - second * std::sin(angle), this->tolerance());
      ASSERT_NEAR(y[row * width + j + width / 2], second * std::cos(angle) + first * std::sin(angle),
                  this->tolerance());
    }
}

TYPED_TEST(operation, causal_attention_mixes_the_values_of_a_position_and_those_before_it) {
  for (const std::size_t length : {1u, 2u, 31u, 32u, 33u, 70u}) {
    const std::size_t width = 5;
    const attention_heads<TypeParam> heads{this->random({2, 1, length, width}, 3),
                                           this->random({2, 1, length, width}, 3), this->random({2, 1, length, width})};
    const auto y = attention(this->pass_, "scores", "values", heads).value();
    for (std::size_t b = 0; b < 2; ++b)
      for (std::size_t i = 0; i < length; ++i) {
        const auto at = [&](const variable<TypeParam>& v, std::size_t t, std::size_t j) {
          return double(v.value()[(b * length + t) * width + j]);
        };
        double total = 0;
        std::vector<double> mixed(width);
        for (std::size_t t = 0; t <= i; ++t) {
          double score = 0;
          for (std::size_t j = 0; j < width; ++j) score += at(heads.query, i, j) * at(heads.key, t, j);
          const double weight = std::exp(score / std::sqrt(double(width)));
          total += weight;
          for (std::size_t j = 0; j < width; ++j) mixed[j] += weight * at(heads.value, t, j);
        }
        for (std::size_t j = 0; j < width; ++j)
          ASSERT_NEAR(y[(b * length + i) * width + j], mixed[j] / total, this->tolerance(8)) << length;
      }
  }
}

TYPED_TEST(operation, causal_attention_lets_nothing_of_a_later_position_through_not_even_infinity_or_nan) {
  const extents shape{1, 1, 40, 4};
  attention_heads<TypeParam> heads{this->random(shape), this->random(shape), this->random(shape)};
  const auto before = attention(this->pass_, "scores", "values", heads).value();
  // Position 34 is in the second tile of 32.
  for (std::size_t j = 0; j < 4; ++j) {
    heads.key.mutable_value()[34 * 4 + j] = std::numeric_limits<TypeParam>::quiet_NaN();
    heads.value.mutable_value()[34 * 4 + j] = std::numeric_limits<TypeParam>::infinity();
  }
  const auto after = attention(this->pass_, "scores", "values", heads).value();
  for (std::size_t i = 0; i < 32 * 4; ++i) ASSERT_EQ(after[i], before[i]);
  for (std::size_t i = 34 * 4; i < 40 * 4; ++i) ASSERT_TRUE(std::isnan(after[i]));
}

TYPED_TEST(operation, embedding_takes_rows) {
  const auto table = this->random({5, 3});
  const std::vector<std::int32_t> ids{4, 0, 4, 1};
  const auto y = embedding(this->pass_, table, std::span(ids), {2, 2, 3}).value();
  for (std::size_t i = 0; i < 12; ++i) ASSERT_EQ(y[i], table.value()[std::size_t(ids[i / 3]) * 3 + i % 3]);
}

TYPED_TEST(operation, cross_entropy_is_the_mean_of_minus_log_probability_over_valid_logits_and_targets) {
  const std::size_t columns = 48, vocabulary = 41;
  const auto logits = this->random({5, columns}, 10);
  const std::vector<std::int32_t> targets{3, no_target, 40, 0, no_target};
  const auto loss = cross_entropy(this->pass_, logits, std::span(targets), vocabulary);
  double total = 0;
  for (std::size_t row = 0; row < 5; ++row) {
    double expected = 0;
    if (targets[row] != no_target) {
      double sum = 0;
      for (std::size_t j = 0; j < vocabulary; ++j) sum += std::exp(double(logits.value()[row * columns + j]));
      expected = std::log(sum) - double(logits.value()[row * columns + std::size_t(targets[row])]);
    }
    total += expected;
    ASSERT_NEAR(loss.positions[row], expected, this->tolerance(20));
  }
  EXPECT_EQ(loss.predicted, 3u);
  EXPECT_NEAR(loss.mean.value()[0], total / 3, this->tolerance(20));
}

TYPED_TEST(operation, cross_entropy_of_huge_logits_is_finite) {
  const auto logits = this->random({1, 16}, 1e30);
  const std::vector<std::int32_t> targets{2};
  EXPECT_TRUE(std::isfinite(cross_entropy(this->pass_, logits, std::span(targets), 16).mean.value()[0]));
}

TYPED_TEST(operation, nan_reaches_the_loss) {
  auto logits = this->random({2, 16});
  logits.mutable_value()[20] = std::numeric_limits<TypeParam>::quiet_NaN();
  const std::vector<std::int32_t> targets{2, 3};
  EXPECT_TRUE(std::isnan(cross_entropy(this->pass_, logits, std::span(targets), 16).mean.value()[0]));
}

TYPED_TEST(operation, wrong_shapes_are_refused) {
  auto& pass = this->pass_;
  const auto a = this->random({2, 3}), b = this->random({3, 2}), c = this->random({3}),
             four = this->random({1, 2, 3, 4});
  EXPECT_THROW(add(pass, a, b), std::invalid_argument);
  EXPECT_THROW(swiglu(pass, a, b), std::invalid_argument);
  EXPECT_THROW(layer_norm(pass, a, c, b, 1e-5), std::invalid_argument);
  EXPECT_THROW(rms_norm(pass, b, c, 1e-5), std::invalid_argument);
  EXPECT_THROW(linear(pass, "site", a, b, c), std::invalid_argument);
  EXPECT_THROW(linear(pass, "site", a, a, c), std::invalid_argument);
  EXPECT_THROW(linear(pass, "site", a, c, c), std::invalid_argument);
  EXPECT_THROW(split_heads(pass, this->random({1, 2, 10}), 2, 2), std::invalid_argument);
  EXPECT_THROW(split_heads(pass, this->random({1, 2, 12}), 0, 2), std::invalid_argument);
  EXPECT_THROW(merge_heads(pass, a), std::invalid_argument);
  EXPECT_THROW(rope(pass, four, rotation_table<TypeParam>::make(2, 4, 100)), std::invalid_argument);
  EXPECT_THROW(rotation_table<TypeParam>::make(2, 5, 100), std::invalid_argument);
  EXPECT_THROW(rotation_table<TypeParam>::make(2, 4, 1), std::invalid_argument);
  EXPECT_THROW(attention(pass, "s", "v", attention_heads<TypeParam>{four, four, this->random({1, 2, 4, 4})}),
               std::invalid_argument);
}

TYPED_TEST(operation, ids_and_targets_outside_their_range_are_refused_with_their_place) {
  auto& pass = this->pass_;
  const auto table = this->random({4, 3}), logits = this->random({2, 8});
  const auto take = [&](std::vector<std::int32_t> ids) { embedding(pass, table, std::span(ids), {2, 3}); };
  const auto judge = [&](std::vector<std::int32_t> targets) { cross_entropy(pass, logits, std::span(targets), 5); };
  EXPECT_THROW(take({0, 4}), std::invalid_argument);
  EXPECT_THROW(take({-1, 0}), std::invalid_argument);
  EXPECT_THROW(take({0}), std::invalid_argument);
  EXPECT_THROW(judge({0, 5}), std::invalid_argument);
  EXPECT_THROW(judge({0, -2}), std::invalid_argument);
  EXPECT_THROW(judge({no_target, no_target}), std::invalid_argument);
  EXPECT_THROW(judge({1}), std::invalid_argument);
  try {
    take({0, 4});
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "embedding: id 4 at position 1 is outside the table, which has 4 rows (0 to 3)");
  }
}

}  // namespace
}  // namespace binade
