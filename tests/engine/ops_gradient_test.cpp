// Every backward step against central differences in double, for every input of every operation.

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <vector>

#include "engine/central_differences.hpp"
#include "engine/random_values.hpp"
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

using test::expect_gradients_match;
using test::inputs;
using test::random_tensors;
using test::random_values;
using test::weighted_sum;

TEST(gradient, of_add_matches_central_differences) {
  expect_gradients_match(random_tensors({{3, 5}, {3, 5}}),
                         [](auto& pass, const inputs& x) { return add(pass, x[0], x[1]); });
}

TEST(gradient, of_add_to_itself_counts_twice) {
  expect_gradients_match(random_tensors({{7}}), [](auto& pass, const inputs& x) { return add(pass, x[0], x[0]); });
}

TEST(gradient, of_gelu_matches_central_differences) {
  expect_gradients_match(random_tensors({{5, 7}}, 4), [](auto& pass, const inputs& x) { return gelu(pass, x[0]); });
}

TEST(gradient, of_gelu_adds_to_a_gradient_that_is_there) {
  expect_gradients_match(random_tensors({{9}}, 2), [](auto& pass, const inputs& x) {
    return add(pass, x[0], add(pass, gelu(pass, x[0]), gelu(pass, x[0])));
  });
}

TEST(gradient, of_swiglu_matches_central_differences) {
  expect_gradients_match(random_tensors({{5, 7}, {5, 7}}, 4),
                         [](auto& pass, const inputs& x) { return swiglu(pass, x[0], x[1]); });
}

class gradient_of_width : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(sizes, gradient_of_width, testing::Values(1, 2, 7, 16, 33, 65));

TEST_P(gradient_of_width, of_layer_norm_matches_central_differences) {
  const std::size_t width = GetParam();
  expect_gradients_match(
      random_tensors({{2, 3, width}, {width}, {width}}),
      [](auto& pass, const inputs& x) { return layer_norm(pass, x[0], x[1], x[2], 1e-1); }, 1e-7);
}

TEST_P(gradient_of_width, of_rms_norm_matches_central_differences) {
  const std::size_t width = GetParam();
  expect_gradients_match(
      random_tensors({{3, width}, {width}}),
      [](auto& pass, const inputs& x) { return rms_norm(pass, x[0], x[1], 1e-1); }, 1e-7);
}

TEST_P(gradient_of_width, of_linear_matches_central_differences) {
  const std::size_t width = GetParam();
  expect_gradients_match(random_tensors({{2, 3, width}, {5, width}, {5}}),
                         [](auto& pass, const inputs& x) { return linear(pass, "site", x[0], x[1], x[2]); });
}

TEST(gradient, of_linear_without_bias_matches_central_differences) {
  expect_gradients_match(random_tensors({{4, 3}, {2, 3}}),
                         [](auto& pass, const inputs& x) { return linear<double>(pass, "site", x[0], x[1], {}); });
}

TEST(gradient, of_linear_used_twice_adds_up) {
  expect_gradients_match(random_tensors({{4, 3}, {3, 3}, {3}}), [](auto& pass, const inputs& x) {
    return linear(pass, "site", linear(pass, "site", x[0], x[1], x[2]), x[1], x[2]);
  });
}

TEST(gradient, of_a_constant_input_is_left_out) {
  thread_pool pool(1);
  random_values random(3);
  const variable<double> x(random.values<double>({4, 3})), w(random.values<double>({2, 3}), true);
  graph<double> pass(pool);
  const variable<double> y = linear<double>(pass, "site", x, w, {});
  pass.backward(weighted_sum(pass, y, tensor<double>::full({4, 2}, 1)));
  EXPECT_TRUE(x.gradient().empty());
  EXPECT_FALSE(w.gradient().empty());
}

TEST(gradient, of_splitting_and_merging_heads_matches_central_differences) {
  expect_gradients_match(random_tensors({{2, 5, 18}}), [](auto& pass, const inputs& x) {
    const attention_heads<double> heads = split_heads(pass, x[0], 2, 2);
    return merge_heads(pass, add(pass, add(pass, heads.query, heads.value), add(pass, heads.key, heads.value)));
  });
}

TEST(gradient, of_an_unused_head_part_is_zero) {
  expect_gradients_match(random_tensors({{2, 3, 6}}), [](auto& pass, const inputs& x) {
    return merge_heads(pass, split_heads(pass, x[0], 1, 1).key);
  });
}

TEST(gradient, of_rope_matches_central_differences) {
  const auto table = rotation_table<double>::make(7, 6, 100);
  expect_gradients_match(random_tensors({{2, 3, 5, 6}}),
                         [&](auto& pass, const inputs& x) { return rope(pass, x[0], table); });
}

class gradient_of_length : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(sizes, gradient_of_length, testing::Values(1, 2, 7, 31, 32, 33, 65));

TEST_P(gradient_of_length, of_causal_attention_matches_central_differences) {
  const extents shape{1, 2, GetParam(), 3};
  expect_gradients_match(random_tensors({shape, shape, shape}, 2), [](auto& pass, const inputs& x) {
    return attention(pass, "scores", "values", attention_heads<double>{x[0], x[1], x[2]});
  });
}

TEST(gradient, of_embedding_matches_central_differences) {
  const std::vector<std::int32_t> ids{4, 0, 4, 2, 4, 0};
  expect_gradients_match(random_tensors({{6, 5}}), [&](auto& pass, const inputs& x) {
    return embedding(pass, x[0], std::span(ids), {2, 3, 5});
  });
}

TEST(gradient, of_a_tied_embedding_adds_both_uses) {
  const std::vector<std::int32_t> ids{3, 1, 3};
  expect_gradients_match(random_tensors({{4, 5}}), [&](auto& pass, const inputs& x) {
    return linear<double>(pass, "head", embedding(pass, x[0], std::span(ids), {3, 5}), x[0], {});
  });
}

TEST(gradient, of_cross_entropy_matches_central_differences) {
  const std::vector<std::int32_t> targets{4, no_target, 0, 36, 7, no_target};
  expect_gradients_match(random_tensors({{2, 3, 48}}, 3), [&](auto& pass, const inputs& x) {
    return cross_entropy(pass, x[0], std::span(targets), 37).mean;
  });
}

TEST(gradient, of_padding_logits_and_of_positions_without_a_target_is_zero) {
  thread_pool pool(1);
  const std::vector<std::int32_t> targets{no_target, 2};
  const variable<double> logits(random_values(5).values<double>({2, 8}), true);
  graph<double> pass(pool);
  pass.backward(cross_entropy(pass, logits, std::span(targets), 5).mean);
  for (const std::size_t i : {0u, 3u, 7u, 13u, 14u, 15u}) EXPECT_EQ(logits.gradient()[i], 0) << i;
  EXPECT_NE(logits.gradient()[8], 0);
}

}  // namespace
}  // namespace binade
