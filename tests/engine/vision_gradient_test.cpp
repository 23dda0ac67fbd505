// Backward steps of the operations of image networks, and of losses and activations, against central differences.

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <vector>

#include "engine/central_differences.hpp"
#include "ops/batch_norm.hpp"
#include "ops/conv2d.hpp"
#include "ops/cross_entropy.hpp"
#include "ops/dropout.hpp"
#include "ops/gelu.hpp"
#include "ops/mse.hpp"
#include "ops/pool2d.hpp"
#include "ops/relu.hpp"
#include "ops/scale.hpp"
#include "ops/silu.hpp"
#include "ops/softmax.hpp"

namespace binade {
namespace {

using test::expect_gradients_match;
using test::inputs;
using test::random_tensors;

TEST(vision_gradient, of_the_elementwise_functions_matches_central_differences) {
  const auto x = random_tensors({{5, 7}}, 4);
  expect_gradients_match(x, [](auto& pass, const inputs& v) { return relu(pass, v[0]); });
  expect_gradients_match(x, [](auto& pass, const inputs& v) { return relu(pass, v[0], 1.5); });
  expect_gradients_match(x, [](auto& pass, const inputs& v) { return silu(pass, v[0]); });
  expect_gradients_match(x, [](auto& pass, const inputs& v) { return gelu_erf(pass, v[0]); });
  expect_gradients_match(x, [](auto& pass, const inputs& v) { return scale(pass, v[0], -0.37); });
  expect_gradients_match(x, [](auto& pass, const inputs& v) { return dropout(pass, "site", v[0], 0.6); });
  expect_gradients_match(x, [](auto& pass, const inputs& v) { return softmax(pass, v[0]); });
}

struct conv_case {
  extents x, weight;
  conv2d_settings settings;
};
class gradient_of_conv2d : public testing::TestWithParam<conv_case> {};
INSTANTIATE_TEST_SUITE_P(
    shapes, gradient_of_conv2d,
    testing::Values(conv_case{{2, 3, 5, 4}, {4, 3, 3, 3}, {.stride = 1, .padding = 1}},
                    conv_case{{2, 3, 6, 5}, {2, 3, 3, 2}, {.stride = 2}},
                    conv_case{{1, 4, 5, 5}, {6, 2, 3, 3}, {.stride = 2, .padding = 1, .groups = 2}},
                    conv_case{{2, 3, 4, 4}, {3, 1, 3, 3}, {.stride = 1, .padding = 1, .groups = 3}},
                    conv_case{{2, 2, 3, 3}, {4, 1, 1, 1}, {.stride = 3, .padding = 2, .groups = 2}},
                    conv_case{{2, 5, 3, 2}, {2, 5, 1, 1}, {}}));

TEST_P(gradient_of_conv2d, matches_central_differences) {
  const conv_case& c = GetParam();
  expect_gradients_match(random_tensors({c.x, c.weight, {c.weight[0]}}), [&](auto& pass, const inputs& v) {
    return conv2d(pass, "site", v[0], v[1], v[2], c.settings);
  });
}

TEST(vision_gradient, of_conv2d_used_twice_without_bias_adds_up) {
  expect_gradients_match(random_tensors({{2, 2, 3, 3}, {2, 2, 3, 3}}), [](auto& pass, const inputs& v) {
    const conv2d_settings same{.padding = 1};
    return conv2d<double>(pass, "site", conv2d<double>(pass, "site", v[0], v[1], {}, same), v[1], {}, same);
  });
}

TEST(vision_gradient, of_batch_norm_matches_central_differences) {
  for (const extents& shape : {extents{3, 2, 2, 3}, extents{4, 3}, extents{2, 2, 33}}) {
    const auto values = random_tensors({shape, {shape[1]}, {shape[1]}}, 2);
    const auto buffers = batch_norm_buffers<double>::make(shape[1]);
    expect_gradients_match(
        values, [&](auto& pass, const inputs& v) { return batch_norm(pass, v[0], v[1], v[2], buffers, {1e-1}); }, 1e-7);
  }
}

TEST(vision_gradient, of_batch_norm_in_evaluation_leaves_the_statistics_alone) {
  thread_pool pool(1);
  const auto buffers = batch_norm_buffers<double>::make(2);
  buffers.mean.mutable_value()[1] = 0.25;
  buffers.variance.mutable_value()[1] = 4;
  test::random_values random(3);
  const variable<double> x(random.values<double>({3, 2, 2, 2}), true), weight(random.values<double>({2}), true),
      bias(random.values<double>({2}), true);
  graph<double> pass(pool, {}, true, pass_mode::evaluation);
  const variable<double> y = batch_norm(pass, x, weight, bias, buffers, {.epsilon = 0});
  const tensor<double> weights = random.values<double>(y.shape());
  pass.backward(test::weighted_sum(pass, y, weights));
  double weight_gradient = 0, bias_gradient = 0;
  for (std::size_t i = 0; i < y.value().size(); ++i) {
    const bool second = i / 4 % 2 == 1;
    EXPECT_NEAR(x.gradient()[i], weights[i] * weight.value()[second] / (second ? 2 : 1), 1e-15);
    if (!second) continue;
    weight_gradient += weights[i] * (x.value()[i] - 0.25) / 2;
    bias_gradient += weights[i];
  }
  EXPECT_NEAR(weight.gradient()[1], weight_gradient, 1e-14);
  EXPECT_NEAR(bias.gradient()[1], bias_gradient, 1e-14);
}

TEST(vision_gradient, of_pooling_matches_central_differences) {
  const auto x = random_tensors({{2, 3, 7, 6}});
  for (const pool2d_settings& s :
       {pool2d_settings{2}, pool2d_settings{3, 2, 1}, pool2d_settings{3, 1, 1}, pool2d_settings{2, 3}}) {
    expect_gradients_match(x, [&](auto& pass, const inputs& v) { return max_pool2d(pass, v[0], s); });
    expect_gradients_match(x, [&](auto& pass, const inputs& v) { return avg_pool2d(pass, v[0], s); });
  }
  expect_gradients_match(x, [](auto& pass, const inputs& v) { return global_avg_pool(pass, v[0]); });
}

TEST(vision_gradient, of_the_losses_matches_central_differences) {
  const std::vector<std::int32_t> targets{4, no_target, 0, 36, 7, no_target};
  for (const cross_entropy_settings& s :
       {cross_entropy_settings{.label_smoothing = 0.1}, cross_entropy_settings{.z_loss = 1e-2},
        cross_entropy_settings{.label_smoothing = 0.3, .z_loss = 0.1}})
    expect_gradients_match(random_tensors({{2, 3, 48}}, 3), [&](auto& pass, const inputs& v) {
      return cross_entropy(pass, v[0], std::span(targets), 37, s).mean;
    });
  expect_gradients_match(random_tensors({{3, 5}, {3, 5}}),
                         [](auto& pass, const inputs& v) { return mse(pass, v[0], v[1]); });
}

}  // namespace
}  // namespace binade
