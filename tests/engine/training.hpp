// What tests of whole models share: random tokens, gradients against central differences, weights after some steps.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "engine/random_values.hpp"
#include "model/model.hpp"
#include "model/transformer.hpp"
#include "optim/adamw.hpp"
#include "optim/clip.hpp"
#include "recipe/quantized_matmul.hpp"
#include "recipe/recipe.hpp"

namespace binade::test {

struct token_rows {
  std::vector<std::int32_t> tokens, targets;
};
/// The last position of each row has no target.
inline token_rows random_rows(std::size_t rows, std::size_t length, std::size_t vocabulary) {
  random_values random(17);
  token_rows result{random.ids(rows * length, vocabulary), random.ids(rows * length, vocabulary)};
  for (std::size_t row = 0; row < rows; ++row) result.targets[(row + 1) * length - 1] = no_target;
  return result;
}

/// Compares some gradients of every parameter with (loss(x + h) - loss(x - h)) / 2h.
/// @param loss  a graph<double>& to a variable<double> of one element
template <class Loss>
void expect_model_gradients_match(const model<double>& model, const Loss& loss) {
  for (const auto& p : model.parameters()) {
    // Larger than at the start, so that attention and norms do something.
    random_values random(p.name.size());
    for (double& v : p.value.mutable_value().values()) v += 0.3 * random.next();
  }
  thread_pool pool(2);
  const auto run = [&](bool backward) {
    graph<double> pass(pool, {}, backward);
    const variable<double> result = loss(pass);
    if (backward) pass.backward(result);
    return result.value()[0];
  };
  run(true);
  random_values random(31);
  for (const auto& p : model.parameters()) {
    ASSERT_FALSE(p.value.gradient().empty()) << p.name;
    for (int sample = 0; sample < 6; ++sample) {
      const std::size_t i = random.below(p.value.value().size());
      double& x = p.value.mutable_value()[i];
      const double original = x, h = 0x1p-17;
      x = original + h;
      const double above = run(false);
      x = original - h;
      const double below = run(false);
      x = original;
      EXPECT_NEAR(p.value.gradient()[i], (above - below) / (2 * h), 1e-9) << p.name << " " << i;
    }
  }
}

/// Expects the linear layers of a decoder of two layers and the two products of each attention to be its sites.
inline void expect_sites_of_all_matrices(const model_config& config) {
  std::set<std::string> expected{"head"};
  for (const parameter_plan& plan : parameter_plans(config))
    if (plan.sizes.size() == 2 && plan.name.find("embedding") == std::string::npos)
      expected.insert(plan.name.substr(0, plan.name.rfind(".weight")));
  for (const std::string block : {"blocks.0.attention.", "blocks.1.attention."}) {
    expected.insert(block + "scores");
    expected.insert(block + "values");
  }
  const std::vector<std::string> sites = gemm_sites(config);
  EXPECT_EQ(std::set<std::string>(sites.begin(), sites.end()), expected);
  EXPECT_EQ(sites.size(), expected.size());
}

/// Expects another token to change nothing at earlier positions and in other rows.
/// @param config     of context 11 and vocabulary 29
/// @param tolerance  of what "nothing" is: 0 unless the model computes something over all tokens
inline void expect_no_position_sees_a_later_token(const model_config& config, double tolerance = 0) {
  thread_pool pool(1);
  const transformer<float> model(config, 5);
  token_rows data = random_rows(2, 11, 29);
  graph<float> pass(pool, {}, false);
  const tensor<float> before = model.logits(pass, data.tokens, 2).value();
  data.tokens[7] = (data.tokens[7] + 1) % 29;  // row 0, position 7
  const tensor<float> after = model.logits(pass, data.tokens, 2).value();
  const std::size_t columns = before.shape()[2];
  for (std::size_t i = 0; i < 7 * columns; ++i) ASSERT_NEAR(before[i], after[i], tolerance);
  for (std::size_t i = 11 * columns; i < 22 * columns; ++i) ASSERT_NEAR(before[i], after[i], tolerance);
  EXPECT_FALSE(std::equal(after.data() + 7 * columns, after.data() + 11 * columns, before.data() + 7 * columns));
}

/// The weights after three whole training steps.
/// @param loss  (graph<float>&) to a variable<float> of one element
template <class Loss>
std::string digest_of_training(const model<float>& model, const std::vector<std::string>& sites,
                               const std::string& recipe_text, std::size_t threads, const Loss& loss) {
  const bound_recipe formats(find_recipe(recipe_text), sites);
  adamw<float> optimizer(model.parameters(), {});
  thread_pool pool(threads);
  for (std::uint32_t step = 0; step < 3; ++step) {
    graph<float> pass(pool, {.recipe = &formats, .seed = 3, .step = step});
    pass.backward(loss(pass));
    const double norm = gradient_norm(model.parameters(), pool);
    optimizer.step(1e-2, clip_factor(norm, 1), pool);
    model.clear_gradients();
  }
  return weights_digest(model.parameters());
}

/// Of a decoder of vocabulary 100 on 8 rows of 65 tokens.
inline std::string digest_of_training(const model_config& config, const std::string& recipe_text, std::size_t threads) {
  const transformer<float> model(config, 11);
  const token_rows data = random_rows(8, 65, 100);
  return digest_of_training(model, gemm_sites(config), recipe_text, threads,
                            [&](graph<float>& pass) { return model.loss(pass, data.tokens, data.targets, 8).mean; });
}

}  // namespace binade::test
