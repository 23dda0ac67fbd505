// Backward steps against central differences.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "engine/random_values.hpp"
#include "tape.hpp"

namespace binade::test {

using inputs = std::vector<variable<double>>;
using operation = std::function<variable<double>(graph<double>&, const inputs&)>;

/// sum of weights * x: makes any result a loss whose derivative by every element is another number.
inline variable<double> weighted_sum(graph<double>& pass, const variable<double>& x, const tensor<double>& weights) {
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) sum += weights[i] * x.value()[i];
  return pass.result(tensor<double>::full({1}, sum), {&x}, [&pass, x, weights](const tensor<double>& gradient) {
    tensor<double> scaled = weights.clone();
    for (double& value : scaled.values()) value *= gradient[0];
    x.add_gradient(std::move(scaled), pass.pool());
  });
}

/// Compares the gradients of all inputs with (f(x + h) - f(x - h)) / 2h.  h = 2^-17: the truncation error of a smooth
/// function is about h^2 = 6e-11, the rounding error 1e-16 / h = 1e-11 of its values.
inline void expect_gradients_match(const std::vector<tensor<double>>& values, const operation& f,
                                   double tolerance = 1e-8) {
  thread_pool pool(2);
  inputs variables;
  for (const tensor<double>& value : values) variables.emplace_back(value.clone(), true);
  tensor<double> weights;
  const auto loss = [&](bool backward) {
    graph<double> pass(pool, {}, backward);
    const variable<double> result = f(pass, variables);
    if (weights.empty()) weights = random_values(99).values<double>(result.shape());
    const variable<double> sum = weighted_sum(pass, result, weights);
    if (backward) pass.backward(sum);
    return sum.value()[0];
  };
  loss(true);
  constexpr double h = 0x1p-17;
  for (std::size_t input = 0; input < variables.size(); ++input) {
    ASSERT_EQ(variables[input].gradient().shape(), variables[input].shape()) << "input " << input;
    for (std::size_t i = 0; i < values[input].size(); ++i) {
      double& x = variables[input].mutable_value()[i];
      const double original = x;
      x = original + h;
      const double above = loss(false);
      x = original - h;
      const double below = loss(false);
      x = original;
      const double expected = (above - below) / (2 * h), given = std::as_const(variables[input].gradient())[i];
      ASSERT_NEAR(given, expected, tolerance * std::max(1.0, std::abs(expected)))
          << "input " << input << ", element " << i;
    }
  }
}

/// Tensors of random values, the same at every call.
inline std::vector<tensor<double>> random_tensors(const std::vector<extents>& shapes, double scale = 1) {
  random_values random(7);
  std::vector<tensor<double>> values;
  for (const extents& shape : shapes) values.push_back(random.values<double>(shape, scale));
  return values;
}

}  // namespace binade::test
