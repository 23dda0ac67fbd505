// Operations on sequences (attention with shared heads, masks and ALiBi; Smooth-SwiGLU; mixtures of experts): values
// against plain loops in double, gradients against central differences, the same bits for any number of threads.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "engine/central_differences.hpp"
#include "engine/random_values.hpp"
#include "ops/add.hpp"
#include "ops/attention.hpp"
#include "ops/dispatch.hpp"
#include "ops/heads.hpp"
#include "ops/linear.hpp"
#include "ops/routing.hpp"
#include "ops/smooth_swiglu.hpp"
#include "ops/swiglu.hpp"
#include "recipe/quantized_matmul.hpp"
#include "recipe/recipe.hpp"

namespace binade {
namespace {

using kernels::row_mask;
using test::expect_gradients_match;
using test::inputs;
using test::random_tensors;
using test::random_values;

template <class T>
variable<T> random_variable(std::uint64_t seed, const extents& shape, double scale = 1) {
  return variable<T>(random_values(seed).values<T>(shape, scale), true);
}

void expect_same_bits(const tensor<float>& a, const tensor<float>& b, const std::string& what) {
  ASSERT_EQ(a.shape(), b.shape()) << what;
  EXPECT_TRUE(std::equal(a.values().begin(), a.values().end(), b.values().begin())) << what;
}

// ---- attention
// ---------------------------------------------------------------------------------------------------------

struct attention_case {
  std::size_t heads, key_heads, length, width, value_width;
  attention_settings settings;

  extents query() const { return {2, heads, length, width}; }
  extents key() const { return {2, key_heads, length, width}; }
  extents value() const { return {2, key_heads, length, value_width}; }
};
const attention_case attention_cases[] = {
    {4, 2, 33, 3, 3, {row_mask::causal, false}}, {6, 2, 7, 4, 2, {row_mask::causal, true}},
    {3, 3, 34, 3, 5, {row_mask::none, false}},   {4, 1, 9, 2, 3, {row_mask::none, true}},
    {3, 1, 1, 2, 2, {row_mask::none, true}},     {2, 2, 40, 3, 4, {row_mask::causal, true}},
};

TEST(attention, mixes_what_the_mask_lets_through_by_scores_and_slopes) {
  for (const attention_case& c : attention_cases) {
    const auto q = random_variable<double>(1, c.query(), 3), k = random_variable<double>(2, c.key(), 3),
               v = random_variable<double>(3, c.value());
    thread_pool pool(2);
    graph<double> pass(pool);
    const auto mixed = attention(pass, "scores", "values", attention_heads<double>{q, k, v}, c.settings).value();
    ASSERT_EQ(mixed.shape(), (extents{2, c.heads, c.length, c.value_width}));
    for (std::size_t head = 0; head < 2 * c.heads; ++head) {
      const std::size_t shared = head / c.heads * c.key_heads + head % c.heads / (c.heads / c.key_heads);
      const double slope = c.settings.alibi ? alibi_slope(head % c.heads, c.heads) : 0;
      for (std::size_t i = 0; i < c.length; ++i) {
        double total = 0;
        std::vector<double> expected(c.value_width);
        for (std::size_t t = 0; t < (c.settings.mask == row_mask::causal ? i + 1 : c.length); ++t) {
          double score = 0;
          for (std::size_t j = 0; j < c.width; ++j)
            score += q.value()[(head * c.length + i) * c.width + j] * k.value()[(shared * c.length + t) * c.width + j];
          const double weight = std::exp(score / std::sqrt(double(c.width)) - slope * std::abs(double(i) - double(t)));
          total += weight;
          for (std::size_t j = 0; j < c.value_width; ++j)
            expected[j] += weight * v.value()[(shared * c.length + t) * c.value_width + j];
        }
        for (std::size_t j = 0; j < c.value_width; ++j)
          ASSERT_NEAR(mixed[(head * c.length + i) * c.value_width + j], expected[j] / total, 1e-13);
      }
    }
  }
}

TEST(attention, gradients_match_central_differences) {
  for (const attention_case& c : attention_cases)
    expect_gradients_match(random_tensors({c.query(), c.key(), c.value()}, 2), [&](auto& pass, const inputs& x) {
      return attention(pass, "scores", "values", attention_heads<double>{x[0], x[1], x[2]}, c.settings);
    });
}

TEST(attention, slopes_are_those_that_were_published) {
  for (std::size_t head = 0; head < 8; ++head) EXPECT_EQ(alibi_slope(head, 8), std::ldexp(1.0, -int(head) - 1));
  for (std::size_t head = 0; head < 16; ++head)
    EXPECT_DOUBLE_EQ(alibi_slope(head, 16), std::exp2(-0.5 * (double(head) + 1)));
  // 12 heads: those of 8, then the first, third, ... of 16.
  for (std::size_t head = 0; head < 8; ++head) EXPECT_EQ(alibi_slope(head, 12), alibi_slope(head, 8));
  for (std::size_t head = 8; head < 12; ++head) EXPECT_EQ(alibi_slope(head, 12), alibi_slope(2 * (head - 8), 16));
}

TEST(attention, shared_heads_have_the_bits_of_repeated_heads) {
  const std::size_t heads = 4, length = 37, width = 5;
  const auto q = random_variable<float>(1, {1, heads, length, width});
  const auto k = random_variable<float>(2, {1, 2, length, width}), v = random_variable<float>(3, {1, 2, length, width});
  const auto repeated = [&](const variable<float>& x) {
    tensor<float> copies = tensor<float>::uninitialized(q.shape());
    for (std::size_t i = 0; i < copies.size(); ++i)
      copies[i] = std::as_const(x.value())[i / (length * width) / 2 * length * width + i % (length * width)];
    return variable<float>(std::move(copies), true);
  };
  thread_pool pool(1);
  graph<float> pass(pool);
  const attention_heads<float> shared{q, k, v}, copies{q, repeated(k), repeated(v)};
  expect_same_bits(attention(pass, "scores", "values", shared).value(),
                   attention(pass, "scores", "values", copies).value(), "mixed");
}

TEST(attention, refuses_shapes_that_do_not_fit) {
  thread_pool pool(1);
  graph<float> pass(pool);
  const auto of = [](const extents& shape) { return random_variable<float>(1, shape); };
  const auto call = [&](const extents& q, const extents& k, const extents& v) {
    attention(pass, "s", "v", attention_heads<float>{of(q), of(k), of(v)});
  };
  EXPECT_NO_THROW(call({1, 4, 3, 2}, {1, 2, 3, 2}, {1, 2, 3, 7}));
  EXPECT_THROW(call({1, 4, 3, 2}, {1, 3, 3, 2}, {1, 3, 3, 2}), std::invalid_argument);
  EXPECT_THROW(call({1, 4, 3, 2}, {1, 2, 3, 2}, {1, 4, 3, 2}), std::invalid_argument);
  EXPECT_THROW(call({1, 4, 3, 2}, {1, 4, 5, 2}, {1, 4, 5, 2}), std::invalid_argument);
}

TEST(heads, columns_of_parts_and_joined_widths_come_back) {
  thread_pool pool(1);
  graph<double> pass(pool);
  const auto joint = random_variable<double>(5, {2, 3, 2 * 4 + 5});
  const auto parts = split_columns(pass, joint, {{2, 4}, {1, 5}});
  const auto joined = concatenate_widths(pass, parts[0], parts[1]).value();
  ASSERT_EQ(joined.shape(), (extents{2, 2, 3, 9}));
  for (std::size_t row = 0; row < 6; ++row)
    for (std::size_t head = 0; head < 2; ++head)
      for (std::size_t j = 0; j < 9; ++j)
        ASSERT_EQ(joined[((row / 3 * 2 + head) * 3 + row % 3) * 9 + j],
                  joint.value()[row * 13 + (j < 4 ? head * 4 + j : 4 + j)]);
  EXPECT_THROW(split_columns(pass, joint, {{2, 4}, {1, 4}}), std::invalid_argument);
  EXPECT_THROW(concatenate_widths(pass, parts[1], parts[0]), std::invalid_argument);
}

TEST(heads, gradients_of_splitting_and_joining_match_central_differences) {
  expect_gradients_match(random_tensors({{2, 3, 13}}), [](auto& pass, const inputs& x) {
    const auto parts = split_columns(pass, x[0], {{2, 4}, {1, 5}});
    return concatenate_widths(pass, parts[0], parts[1]);
  });
  expect_gradients_match(random_tensors({{1, 4, 3, 2}, {1, 2, 3, 3}}),
                         [](auto& pass, const inputs& x) { return concatenate_widths(pass, x[0], x[1]); });
}

// ---- Smooth-SwiGLU
// -----------------------------------------------------------------------------------------------------

const smooth_swiglu_settings smoothings[] = {
    {smoothing::channel, false}, {smoothing::channel, true}, {smoothing::token, false}, {smoothing::token, true}};

template <class T>
variable<T> plain_down(graph<T>& pass, const variable<T>& gate, const variable<T>& up, const variable<T>& weight) {
  return linear<T>(pass, "down", swiglu(pass, gate, up), weight, {});
}

TEST(smooth_swiglu, is_the_plain_block_without_quantizers_and_bit_for_bit_with_powers_of_two) {
  thread_pool pool(2);
  graph<float> pass(pool);
  const auto gate = random_variable<float>(1, {2, 5, 37}, 4), up = random_variable<float>(2, {2, 5, 37}, 50),
             weight = random_variable<float>(3, {7, 37});
  for (std::size_t row = 0; row < 10; ++row) up.mutable_value()[row * 37 + 3] = 0;  // a dead channel
  std::fill_n(up.mutable_value().data() + 37, 37, 0.0f);                            // a token of zeros
  const auto expected = plain_down(pass, gate, up, weight).value();
  for (const smooth_swiglu_settings& settings : smoothings) {
    const auto y = smooth_swiglu_down(pass, "down", gate, up, weight, settings).value();
    if (settings.power_of_two)
      expect_same_bits(y, expected, "power of two");
    else
      for (std::size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 2e-4);
  }
}

TEST(smooth_swiglu, gradients_match_central_differences_as_the_result_does_not_depend_on_the_factors) {
  for (const smooth_swiglu_settings& settings : smoothings)
    expect_gradients_match(random_tensors({{3, 5}, {3, 5}, {4, 5}}, 2), [&](auto& pass, const inputs& x) {
      return smooth_swiglu_down(pass, "down", x[0], x[1], x[2], settings);
    });
}

/// What the quantizers of the site see, and what becomes of it: the formula with the factors found by a plain loop.
TEST(smooth_swiglu, scales_before_the_quantizers_and_undoes_it_after_the_product) {
  const std::size_t tokens = 6, hidden = 16, outputs = 4;
  const auto gate = random_variable<float>(1, {tokens, hidden}, 3), up = random_variable<float>(2, {tokens, hidden}, 9),
             weight = random_variable<float>(3, {outputs, hidden});
  up.mutable_value()[5] = std::numeric_limits<float>::infinity();  // no factor of channel 5 or token 0
  gate.mutable_value()[5] = 0;
  recipe fp8 = find_recipe("e4m3fn@tensor");
  const bound_recipe formats(fp8, {"down"});
  thread_pool pool(1);
  for (const smooth_swiglu_settings& settings : smoothings) {
    std::vector<float> m(settings.per == smoothing::channel ? hidden : tokens);
    for (std::size_t i = 0; i < tokens * hidden; ++i) {
      float& largest = m[settings.per == smoothing::channel ? i % hidden : i / hidden];
      const float magnitude = std::abs(up.value()[i]);
      if (std::isfinite(magnitude)) largest = std::max(largest, magnitude);
    }
    if (settings.power_of_two)
      for (float& largest : m) largest = std::exp2(std::ceil(std::log2(largest)));
    tensor<float> scaled = up.value().clone(), folded = weight.value().clone();
    for (std::size_t i = 0; i < scaled.size(); ++i)
      scaled[i] /= m[settings.per == smoothing::channel ? i % hidden : i / hidden];
    if (settings.per == smoothing::channel)
      for (std::size_t i = 0; i < folded.size(); ++i) folded[i] *= m[i % hidden];
    graph<float> pass(pool, {.recipe = &formats});
    tensor<float> expected = plain_down(pass, gate, variable<float>(scaled), variable<float>(folded)).value().clone();
    if (settings.per == smoothing::token)
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] *= m[i / outputs];
    const auto y = smooth_swiglu_down(pass, "down", gate, up, weight, settings).value();
    for (std::size_t i = outputs; i < y.size(); ++i) ASSERT_EQ(y[i], expected[i]) << i;  // token 0 is NaN: 0 infinity
    EXPECT_TRUE(std::isnan(y[0]));
  }
}

// ---- mixture of experts
// ------------------------------------------------------------------------------------------------

TEST(routing, sends_tokens_to_the_largest_scores_with_weights_that_add_up_to_one) {
  thread_pool pool(2);
  graph<double> pass(pool);
  const std::size_t tokens = 40, experts = 7, top_k = 3;
  const auto logits = random_variable<double>(4, {4, 10, experts}, 3);
  for (const router_gate gate : {router_gate::softmax, router_gate::sigmoid}) {
    const auto r = route(pass, logits, top_k, gate);
    std::vector<double> means(experts), loads(experts);
    for (std::size_t t = 0; t < tokens; ++t) {
      std::vector<double> s(experts);
      double sum = 0;
      for (std::size_t e = 0; e < experts; ++e) {
        const double x = logits.value()[t * experts + e];
        s[e] = gate == router_gate::softmax ? std::exp(x) : 1 / (1 + std::exp(-x));
        sum += s[e];
      }
      std::vector<std::size_t> order(experts);
      for (std::size_t e = 0; e < experts; ++e) {
        order[e] = e;
        means[e] += s[e] / sum / double(tokens);
      }
      std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return s[a] > s[b]; });
      std::sort(order.begin(), order.begin() + top_k);
      double chosen = 0;
      for (std::size_t j = 0; j < top_k; ++j) chosen += s[order[j]];
      for (std::size_t j = 0; j < top_k; ++j) {
        ASSERT_EQ(std::size_t(r.chosen[t * top_k + j]), order[j]);
        ASSERT_NEAR(r.weights.value()[t * top_k + j], s[order[j]] / chosen, 1e-14);
        ASSERT_EQ(r.tokens_of[order[j]][r.place[t * top_k + j]], t);
        loads[order[j]] += double(experts) / double(top_k * tokens);
      }
    }
    double balance = 0;
    for (std::size_t e = 0; e < experts; ++e) balance += loads[e] * means[e];
    EXPECT_NEAR(r.balance.value()[0], balance, 1e-13);
  }
}

TEST(routing, takes_the_lower_index_among_equal_scores_and_a_nan_last) {
  thread_pool pool(1);
  graph<float> pass(pool);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> values{1, 2, 2, 2, nan, 0, -5, nan};
  const variable<float> logits(tensor<float>::from({2, 4}, values));
  const auto r = route(pass, logits, 2, router_gate::sigmoid);
  EXPECT_EQ(r.chosen, (std::vector<std::int32_t>{1, 2, 1, 2}));
  EXPECT_EQ(r.weights.value()[0], 0.5f);
  EXPECT_THROW(route(pass, logits, 0, router_gate::softmax), std::invalid_argument);
  EXPECT_THROW(route(pass, logits, 5, router_gate::softmax), std::invalid_argument);
}

TEST(routing, the_balance_of_even_tokens_and_probabilities_is_one) {
  thread_pool pool(1);
  graph<double> pass(pool);
  tensor<double> logits = tensor<double>::zeros({4, 4});
  for (std::size_t t = 0; t < 4; ++t) logits[t * 5] = 1;
  EXPECT_NEAR(route(pass, variable<double>(logits), 1, router_gate::softmax).balance.value()[0], 1, 1e-15);
}

/// The balance as an array of the shape (1, 1).
variable<double> balance_row(graph<double>& pass, const routing<double>& r) {
  const variable<double> balance = r.balance;
  return pass.result(
      balance.value().reshaped({1, 1}), {&balance},
      [&pool = pass.pool(), balance](const auto& gradient) { balance.add_gradient(gradient.reshaped({1}), pool); });
}

TEST(routing, gradients_of_weights_and_balance_match_central_differences) {
  for (const router_gate gate : {router_gate::softmax, router_gate::sigmoid}) {
    expect_gradients_match(random_tensors({{9, 5}}, 3),
                           [&](auto& pass, const inputs& x) { return route(pass, x[0], 2, gate).weights; });
    expect_gradients_match(random_tensors({{9, 5}}, 3),
                           [&](auto& pass, const inputs& x) { return route(pass, x[0], 2, gate).balance; });
    // Both at once, through one step of the tape: the weights of one token with two of two experts.
    expect_gradients_match(random_tensors({{1, 2}, {1, 2}}, 3), [&](auto& pass, const inputs& x) {
      const auto r = route(pass, x[0], 2, gate);
      return add(pass, linear<double>(pass, "site", r.weights, x[1], {}), balance_row(pass, r));
    });
  }
}

/// Every expert is one matrix.
template <class T>
variable<T> mixture(graph<T>& pass, const variable<T>& x, const variable<T>& router,
                    const std::vector<variable<T>>& experts, std::size_t top_k) {
  const auto r = route<T>(pass, linear<T>(pass, "router", x, router, {}), top_k, router_gate::softmax);
  std::vector<variable<T>> results = dispatch(pass, x, r);
  for (std::size_t e = 0; e < experts.size(); ++e) {
    if (results[e])
      results[e] = linear<T>(pass, "expert", results[e], experts[e], {});
    else
      take_no_part(pass, experts[e]);
  }
  return combine<T>(pass, results, r, {x.shape()[0], experts[0].shape()[0]});
}

TEST(mixture_of_experts, sums_what_the_chosen_experts_say) {
  thread_pool pool(2);
  graph<double> pass(pool);
  const std::size_t tokens = 11, width = 4, experts = 5, outputs = 3, top_k = 2;
  const auto x = random_variable<double>(1, {tokens, width}), router = random_variable<double>(2, {experts, width}, 2);
  std::vector<variable<double>> weights;
  for (std::size_t e = 0; e < experts; ++e) weights.push_back(random_variable<double>(10 + e, {outputs, width}));
  const auto y = mixture(pass, x, router, weights, top_k).value();
  const auto r = route(pass, linear<double>(pass, "router", x, router, {}), top_k, router_gate::softmax);
  for (std::size_t t = 0; t < tokens; ++t)
    for (std::size_t o = 0; o < outputs; ++o) {
      double expected = 0;
      for (std::size_t i = t * top_k; i < (t + 1) * top_k; ++i)
        for (std::size_t j = 0; j < width; ++j)
          expected += r.weights.value()[i] * x.value()[t * width + j] *
                      weights[std::size_t(r.chosen[i])].value()[o * width + j];
      ASSERT_NEAR(y[t * outputs + o], expected, 1e-14);
    }
}

TEST(mixture_of_experts, gradients_match_central_differences_and_those_of_idle_experts_are_zero) {
  // 3 tokens with one expert each among 5: some have none.
  for (const std::size_t top_k : {1u, 2u})
    expect_gradients_match(random_tensors({{3, 4}, {5, 4}, {2, 4}, {2, 4}, {2, 4}, {2, 4}, {2, 4}}, 2),
                           [&](auto& pass, const inputs& x) {
                             return mixture(pass, x[0], x[1], {x.begin() + 2, x.end()}, top_k);
                           });
}

TEST(mixture_of_experts, refuses_what_does_not_fit_the_routing) {
  thread_pool pool(1);
  graph<float> pass(pool);
  const auto r = route(pass, random_variable<float>(1, {6, 3}), 1, router_gate::softmax);
  EXPECT_THROW(dispatch(pass, random_variable<float>(1, {5, 4}), r), std::invalid_argument);
  const std::vector<variable<float>> none(3), two(2);
  EXPECT_THROW(combine<float>(pass, none, r, {6, 4}), std::invalid_argument);
  EXPECT_THROW(combine<float>(pass, two, r, {6, 4}), std::invalid_argument);
}

// ---- the same bits
// -----------------------------------------------------------------------------------------------------

TEST(sequence_operations, have_the_same_bits_for_any_number_of_threads) {
  const bound_recipe formats(find_recipe("mxfp8"), {"scores", "values", "down", "router", "expert"});
  std::vector<tensor<float>> expected;
  for (const std::size_t threads : {1u, 2u, 3u}) {
    thread_pool pool(threads);
    graph<float> pass(pool, {.recipe = &formats});
    const auto q = random_variable<float>(1, {2, 6, 70, 8}), k = random_variable<float>(2, {2, 2, 70, 8}),
               v = random_variable<float>(3, {2, 2, 70, 12});
    const auto mixed = attention(pass, "scores", "values", attention_heads<float>{q, k, v}, {row_mask::causal, true});
    const auto joint = merge_heads(pass, mixed);  // (2, 70, 72)
    const auto weight = random_variable<float>(4, {16, 72});
    const auto down = smooth_swiglu_down(pass, "down", joint, joint, weight, {smoothing::channel, false});
    const auto router = random_variable<float>(5, {4, 16});
    std::vector<variable<float>> experts;
    for (std::uint64_t e = 0; e < 4; ++e) experts.push_back(random_variable<float>(6 + e, {16, 16}));
    const variable<float> tokens(down.value().reshaped({140, 16}), true);
    const auto y = mixture(pass, tokens, router, experts, 2);
    const auto seed = [&](const variable<float>& result) {
      return pass.result(tensor<float>::zeros({1}), {&result}, [&, result](const tensor<float>&) {
        result.add_gradient(random_values(77).values<float>(result.shape()), pool);
      });
    };
    const variable<float> loss = add(pass, seed(down), seed(y));
    pass.backward(loss);
    std::vector<tensor<float>> results{mixed.value(), down.value(), y.value()};
    for (const variable<float>& x : {q, k, v, weight, router, tokens, experts[0], experts[3]})
      results.push_back(x.gradient());
    if (expected.empty()) expected = results;
    for (std::size_t i = 0; i < results.size(); ++i)
      expect_same_bits(results[i], expected[i], std::to_string(threads) + " threads, array " + std::to_string(i));
  }
}

}  // namespace
}  // namespace binade
