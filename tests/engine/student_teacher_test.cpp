// The student that learns what a frozen teacher computes.

#include "model/student_teacher.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "data/gaussian_source.hpp"
#include "recipe/quantized_matmul.hpp"
#include "recipe/recipe.hpp"

namespace binade {
namespace {

const student_teacher_config small{.layers = 2, .width = 16, .hidden = 24};

data_batch samples(double noise = 0) {
  return gaussian_source({.width = 16, .noise = noise, .seed = 3}, 8).training_batch(1, 0, 5);
}

TEST(student_teacher, a_student_with_the_weights_of_its_teacher_loses_the_noise_alone) {
  student_teacher_config config = small;
  config.student_has_norms = false;
  const student_teacher<double> model(config, 4);
  for (const parameter<double>& p : model.parameters())
    p.value.mutable_value() = model.at("teacher." + p.name).value().clone();
  thread_pool pool(2);
  graph<double> pass(pool);
  EXPECT_EQ(model.loss(pass, samples()).mean.value()[0], 0);

  const data_batch noisy = samples(0.5);
  const auto& noise = std::get<regression_batch>(noisy).noise;
  double expected = 0;
  for (const float x : noise) expected += double(x) * double(x) / double(noise.size());
  ASSERT_GT(expected, 0.05);
  const model_loss<double> loss = model.loss(pass, noisy);
  EXPECT_NEAR(loss.mean.value()[0], expected, 1e-12);
  double sum = 0;
  for (const double x : loss.positions.values()) sum += x;
  EXPECT_NEAR(sum / double(loss.predicted), expected, 1e-12);
}

TEST(student_teacher, the_gradient_of_every_parameter_matches_central_differences) {
  const student_teacher<double> model(small, 4);
  thread_pool pool(2);
  const auto loss = [&](bool backward) {
    graph<double> pass(pool, {}, backward);
    const auto given = model.loss(pass, samples()).mean;
    if (backward) pass.backward(given);
    return given.value()[0];
  };
  model.clear_gradients();
  loss(true);
  constexpr double h = 0x1p-17;
  for (const parameter<double>& p : model.parameters())
    for (std::size_t i = 0; i < p.value.value().size(); i += 7) {
      double& x = p.value.mutable_value()[i];
      const double original = x;
      x = original + h;
      const double above = loss(false);
      x = original - h;
      const double below = loss(false);
      x = original;
      const double expected = (above - below) / (2 * h);
      ASSERT_NEAR(std::as_const(p.value.gradient())[i], expected, 1e-7 * std::max(1.0, std::abs(expected))) << p.name;
    }
}

TEST(student_teacher, a_recipe_rounds_the_student_and_leaves_the_teacher) {
  const student_teacher<float> model(small, 4);
  const std::vector<std::string> sites{"blocks.0.mlp.up", "blocks.0.mlp.down", "blocks.1.mlp.up", "blocks.1.mlp.down"};
  const bound_recipe formats(find_recipe("mxfp4"), sites);
  thread_pool pool(1);
  graph<float> plain(pool), rounded(pool, {.recipe = &formats, .seed = 1, .step = 0});
  tensor<float> x = tensor<float>::from({5, 16}, std::get<regression_batch>(samples()).inputs);
  const auto values = [](const tensor<float>& t) { return std::vector<float>(t.values().begin(), t.values().end()); };
  EXPECT_EQ(values(model.teacher(plain, x)), values(model.teacher(rounded, x)));
  EXPECT_NE(values(model.student(plain, variable<float>(x)).value()),
            values(model.student(rounded, variable<float>(x)).value()));
}

TEST(student_teacher, tokens_are_refused) {
  const student_teacher<float> model(small, 4);
  thread_pool pool(1);
  graph<float> pass(pool);
  EXPECT_THROW(model.loss(pass, token_batch{}), std::invalid_argument);
}

}  // namespace
}  // namespace binade
