#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "engine/random_values.hpp"
#include "optim/adamw.hpp"
#include "optim/clip.hpp"
#include "optim/schedule.hpp"

namespace binade {
namespace {

using test::random_values;

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

TEST(schedule, warms_up_in_equal_steps_to_the_peak_and_falls_along_half_a_cosine) {
  const learning_rate_schedule schedule{.peak = 0.5, .steps = 110, .warmup = 10, .final_fraction = 0.1};
  for (std::uint64_t step = 0; step < 10; ++step) EXPECT_NEAR(schedule.at(step), 0.05 * double(step + 1), 1e-15);
  for (std::uint64_t step = 10; step < 110; ++step) {
    const double fall = (1 + std::cos(M_PI * double(step - 10) / 100)) / 2;
    EXPECT_NEAR(schedule.at(step), 0.5 * (0.1 + 0.9 * fall), 1e-15) << step;
  }
  EXPECT_EQ(schedule.at(110), 0.05);
  EXPECT_EQ(schedule.at(1000), 0.05);
}

TEST(schedule, without_warmup_the_first_step_has_the_peak) {
  EXPECT_EQ((learning_rate_schedule{.peak = 0.5, .steps = 7}.at(0)), 0.5);
}

TEST(schedule, that_is_all_warmup_ends_at_the_peak) {
  EXPECT_EQ((learning_rate_schedule{.peak = 0.5, .steps = 7, .warmup = 7}.at(6)), 0.5);
}

TEST(schedule, impossible_settings_are_refused) {
  for (const double peak : {0.0, -1.0, nan_value, HUGE_VAL})
    EXPECT_THROW((learning_rate_schedule{.peak = peak, .steps = 7}.validate()), std::invalid_argument) << peak;
  EXPECT_THROW((learning_rate_schedule{.peak = 1, .steps = 0}.validate()), std::invalid_argument);
  EXPECT_THROW((learning_rate_schedule{.peak = 1, .steps = 3, .warmup = 4}.validate()), std::invalid_argument);
  for (const double fraction : {-0.1, 1.1, nan_value})
    EXPECT_THROW((learning_rate_schedule{.peak = 1, .steps = 3, .final_fraction = fraction}.validate()),
                 std::invalid_argument);
  EXPECT_NO_THROW((learning_rate_schedule{.peak = 1, .steps = 3, .warmup = 3, .final_fraction = 0}.validate()));
}

template <class T>
std::vector<parameter<T>> random_parameters(thread_pool& pool, double gradient_scale = 1) {
  random_values random(5);
  std::vector<parameter<T>> parameters;
  const std::vector<std::pair<std::string, extents>> shapes{{"matrix", {7, 9}}, {"bias", {9}}, {"large", {300, 301}}};
  for (const auto& [name, shape] : shapes) {
    parameters.push_back({name, variable<T>(random.values<T>(shape), true)});
    parameters.back().value.add_gradient(random.values<T>(shape, gradient_scale), pool);
  }
  return parameters;
}

TEST(clipping, the_norm_is_the_root_of_all_squares_and_parameters_without_gradient_count_nothing) {
  thread_pool pool(2);
  auto parameters = random_parameters<float>(pool);
  parameters.push_back({"unused", variable<float>(tensor<float>::full({5}, 1), true)});
  double squares = 0;
  for (const auto& p : parameters)
    for (const float g : p.value.gradient().values()) squares += double(g) * double(g);
  EXPECT_NEAR(gradient_norm<float>(parameters, pool), std::sqrt(squares), 1e-5 * std::sqrt(squares));
}

TEST(clipping, the_norm_has_the_same_bits_for_any_number_of_threads) {
  thread_pool one(1);
  const auto parameters = random_parameters<float>(one);
  const double expected = gradient_norm<float>(parameters, one);
  for (const std::size_t threads : {2u, 3u, 7u}) {
    thread_pool pool(threads);
    EXPECT_EQ(gradient_norm<float>(parameters, pool), expected) << threads;
  }
}

TEST(clipping, the_factor_brings_a_large_norm_to_the_limit_and_leaves_a_small_one) {
  EXPECT_DOUBLE_EQ(clip_factor(4, 1), 1 / (4 + 1e-6));
  EXPECT_EQ(clip_factor(0.5, 1), 1);
  EXPECT_EQ(clip_factor(1000, 0), 1);
  EXPECT_EQ(clip_factor(HUGE_VAL, 1), 0);
  EXPECT_TRUE(std::isnan(clip_factor(nan_value, 1)));
  EXPECT_THROW(clip_factor(1, -1), std::invalid_argument);
  EXPECT_THROW(clip_factor(1, nan_value), std::invalid_argument);
}

TEST(adamw, follows_the_published_update_with_decay_on_matrices_alone) {
  thread_pool pool(1);
  const auto parameters = random_parameters<double>(pool);
  const adamw_settings settings{.beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3, .weight_decay = 0.2};
  adamw<double> optimizer(parameters, settings);
  std::vector<std::vector<double>> weights, first, second;
  for (const auto& p : parameters) {
    const auto values = std::as_const(p.value.mutable_value()).values();
    weights.emplace_back(values.begin(), values.end());
    first.emplace_back(values.size());
    second.emplace_back(values.size());
  }
  for (int t = 1; t <= 5; ++t) {
    const double rate = 0.1 / t, factor = 0.5;
    optimizer.step(rate, factor, pool);
    for (std::size_t p = 0; p < parameters.size(); ++p)
      for (std::size_t i = 0; i < weights[p].size(); ++i) {
        const double g = parameters[p].value.gradient()[i] * factor;
        first[p][i] = 0.8 * first[p][i] + 0.2 * g;
        second[p][i] = 0.9 * second[p][i] + 0.1 * g * g;
        const double mean = first[p][i] / (1 - std::pow(0.8, t)), square = second[p][i] / (1 - std::pow(0.9, t));
        const double decay = parameters[p].name == "bias" ? 0 : rate * 0.2;
        weights[p][i] -= decay * weights[p][i] + rate * mean / (std::sqrt(square) + 1e-3);
        ASSERT_NEAR(parameters[p].value.value()[i], weights[p][i], 1e-12) << parameters[p].name << " step " << t;
      }
  }
  EXPECT_EQ(optimizer.steps(), 5u);
}

TEST(adamw, leaves_parameters_without_a_gradient_alone) {
  thread_pool pool(1);
  const std::vector<parameter<float>> parameters{{"unused", variable<float>(tensor<float>::full({2, 2}, 1), true)}};
  adamw<float> optimizer(parameters, {});
  optimizer.step(1, 1, pool);
  EXPECT_EQ(parameters[0].value.value()[0], 1);
}

TEST(adamw, restored_goes_on_with_the_same_bits) {
  thread_pool pool(1);
  const auto straight = random_parameters<float>(pool), stopped = random_parameters<float>(pool);
  adamw<float> whole(straight, {}), first_half(stopped, {}), second_half(stopped, {});
  for (int i = 0; i < 10; ++i) whole.step(0.01, 1, pool);
  for (int i = 0; i < 5; ++i) first_half.step(0.01, 1, pool);
  second_half.restore(first_half.steps(), first_half.first_moments(), first_half.second_moments());
  for (int i = 0; i < 5; ++i) second_half.step(0.01, 1, pool);
  EXPECT_EQ(weights_digest(straight), weights_digest(stopped));
}

TEST(adamw, moments_of_another_shape_are_refused) {
  thread_pool pool(1);
  const auto parameters = random_parameters<float>(pool);
  adamw<float> optimizer(parameters, {});
  std::vector<tensor<float>> moments(optimizer.first_moments().begin(), optimizer.first_moments().end());
  EXPECT_THROW(optimizer.restore(1, std::span(moments).first(2), moments), std::invalid_argument);
  moments[1] = tensor<float>::zeros({8});
  EXPECT_THROW(optimizer.restore(1, optimizer.first_moments(), moments), std::invalid_argument);
  EXPECT_EQ(optimizer.steps(), 0u);
}

TEST(adamw, impossible_settings_are_refused) {
  EXPECT_THROW((adamw_settings{.beta1 = 1}.validate()), std::invalid_argument);
  EXPECT_THROW((adamw_settings{.beta2 = -0.1}.validate()), std::invalid_argument);
  EXPECT_THROW((adamw_settings{.epsilon = 0}.validate()), std::invalid_argument);
  EXPECT_THROW((adamw_settings{.weight_decay = nan_value}.validate()), std::invalid_argument);
}

}  // namespace
}  // namespace binade
