#include "recipe/quantized_matmul.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "binade/text.hpp"
#include "engine/random_values.hpp"
#include "ops/attention.hpp"
#include "ops/linear.hpp"
#include "recipe/recipe.hpp"

namespace binade {
namespace {

using test::random_values;
using enum site_operand;

constexpr std::size_t rows = 5, inputs = 7, outputs = 3;

/// A linear layer with everything that its three products read and write.
struct linear_case {
  variable<float> x, weight;
  tensor<float> gradient;
  tensor<float> y, x_gradient, weight_gradient;

  explicit linear_case(std::uint64_t seed = 1) {
    random_values random(seed);
    x = variable<float>(random.values<float>({rows, inputs}, 3), true);
    weight = variable<float>(random.values<float>({outputs, inputs}), true);
    gradient = random.values<float>({rows, outputs}, 0.01);
  }

  void run(const quantization_context& context) {
    thread_pool pool(1);
    graph<float> pass(pool, context);
    const variable<float> result = linear<float>(pass, "site", x, weight, {});
    // d loss / d result = gradient
    const variable<float> loss = pass.result(tensor<float>::zeros({1}), {&result}, [&](const tensor<float>&) {
      result.add_gradient(gradient.clone(), pool);
    });
    pass.backward(loss);
    y = result.value();
    x_gradient = x.gradient().clone();
    weight_gradient = weight.gradient().clone();
  }
};

recipe recipe_of(const std::string& text) {
  return parse_recipe("[[rule]]\nlayers = \"*\"\n" + text, "test", "test");
}

bound_recipe bound(const recipe& r) {
  return bound_recipe(r, {"site", "scores", "values"});
}

/// The reference: round(x / s) * s with the numbers' own scalar functions, one scale for the whole array.
tensor<float> per_tensor(const tensor<float>& x, const std::string& text) {
  const quantizer q = parse_quantizer(text);
  float amax = 0;
  for (const float v : x.values()) amax = std::max(amax, std::fabs(v));
  const float scale = amax / float(q.elem.format.max_finite());
  tensor<float> result = tensor<float>::uninitialized(x.shape());
  for (std::size_t i = 0; i < x.size(); ++i) result[i] = round(q.elem, x[i] / scale) * scale;
  return result;
}

/// One chain of fused multiply-adds over ascending k.
template <class A, class B>
tensor<float> product(std::size_t m, std::size_t n, std::size_t k, A a, B b) {
  tensor<float> c = tensor<float>::zeros({m, n});
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t t = 0; t < k; ++t) c[i * n + j] = std::fma(a(i, t), b(t, j), c[i * n + j]);
  return c;
}

void expect_same_bits(const tensor<float>& given, const tensor<float>& expected, const std::string& what) {
  ASSERT_EQ(given.shape(), expected.shape()) << what;
  for (std::size_t i = 0; i < given.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(given[i]), std::bit_cast<std::uint32_t>(expected[i])) << what << " " << i;
}

TEST(quantized_linear, multiplies_quantized_operands_in_all_three_products) {
  linear_case given;
  const bound_recipe formats = bound(recipe_of(R"(
      forward = { input = "e4m3fn@tensor", weight = "e5m2@tensor" }
      input_gradient = { grad_output = "e3m2fn@tensor", weight = "e2m1fn@tensor" }
      weight_gradient = { grad_output = "e2m3fn@tensor", input = "e4m3@tensor" })"));
  given.run({.recipe = &formats});

  const tensor<float> x = per_tensor(given.x.value(), "e4m3fn"), w = per_tensor(given.weight.value(), "e5m2");
  expect_same_bits(given.y,
                   product(
                       rows, outputs, inputs, [&](auto i, auto k) { return x[i * inputs + k]; },
                       [&](auto k, auto j) { return w[j * inputs + k]; }),
                   "forward");
  const tensor<float> g = per_tensor(given.gradient, "e3m2fn"), w2 = per_tensor(given.weight.value(), "e2m1fn");
  expect_same_bits(given.x_gradient,
                   product(
                       rows, inputs, outputs, [&](auto i, auto k) { return g[i * outputs + k]; },
                       [&](auto k, auto j) { return w2[k * inputs + j]; }),
                   "input gradient");
  const tensor<float> g2 = per_tensor(given.gradient, "e2m3fn"), x2 = per_tensor(given.x.value(), "e4m3");
  expect_same_bits(given.weight_gradient,
                   product(
                       outputs, inputs, rows, [&](auto i, auto k) { return g2[k * outputs + i]; },
                       [&](auto k, auto j) { return x2[k * inputs + j]; }),
                   "weight gradient");
}

TEST(quantized_linear, blocks_run_along_the_axis_that_each_product_sums_over) {
  // A static scale per block is the block's own affair; what shows the axis is which elements share an amax.  With
  // blocks longer than the axis, every line along k is one block.
  linear_case given;
  const bound_recipe formats = bound(recipe_of("operands = \"e2m1fn@block(32,f32,amax)\""));
  given.run({.recipe = &formats});

  const quantizer q = parse_quantizer("e2m1fn@block(32,f32,amax)");
  const auto line = [&](const tensor<float>& x, std::size_t first, std::size_t count, std::size_t stride) {
    float amax = 0;
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) amax = std::max(amax, std::fabs(x[first + i * stride]));
    const float scale = amax == 0 ? 1 : amax / float(q.elem.format.max_finite());
    for (std::size_t i = 0; i < count; ++i) values[i] = round(q.elem, x[first + i * stride] / scale) * scale;
    return values;
  };
  const auto dot = [](const std::vector<float>& a, const std::vector<float>& b) {
    float chain = 0;
    for (std::size_t k = 0; k < a.size(); ++k) chain = std::fma(a[k], b[k], chain);
    return chain;
  };
  const tensor<float>&x = given.x.value(), &w = given.weight.value(), &g = given.gradient;
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < outputs; ++j)
      EXPECT_EQ(given.y[i * outputs + j], dot(line(x, i * inputs, inputs, 1), line(w, j * inputs, inputs, 1)));
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < inputs; ++j)
      EXPECT_EQ(given.x_gradient[i * inputs + j], dot(line(g, i * outputs, outputs, 1), line(w, j, outputs, inputs)));
  for (std::size_t i = 0; i < outputs; ++i)
    for (std::size_t j = 0; j < inputs; ++j)
      EXPECT_EQ(given.weight_gradient[i * inputs + j], dot(line(g, i, rows, outputs), line(x, j, rows, inputs)));
}

TEST(quantized_linear, with_the_float32_recipe_has_the_bits_of_no_recipe) {
  linear_case plain, unquantized, identity;
  plain.run({});
  const bound_recipe none = bound(find_recipe("f32")), exact = bound(uniform_recipe(parse_quantizer("e8m23")));
  unquantized.run({.recipe = &none});
  identity.run({.recipe = &exact});
  for (const linear_case* other : {&unquantized, &identity}) {
    expect_same_bits(other->y, plain.y, "forward");
    expect_same_bits(other->x_gradient, plain.x_gradient, "input gradient");
    expect_same_bits(other->weight_gradient, plain.weight_gradient, "weight gradient");
  }
}

TEST(quantized_linear, an_operand_without_a_quantizer_is_not_copied) {
  thread_pool pool(1);
  const bound_recipe none = bound(find_recipe("f32"));
  const graph<float> pass(pool, {.recipe = &none});
  const tensor<float> x = tensor<float>::full({4, 4}, 1);
  EXPECT_EQ(site_quantization<float>(pass, "site").quantize(forward_input, x, {4, 4, 1}).values.data(), x.data());
}

TEST(quantized_linear, draws_noise_from_seed_step_site_and_operand) {
  const bound_recipe formats = bound(find_recipe("e3m2fn/sr@tensor"));
  linear_case first, same, seed, step;
  first.run({.recipe = &formats, .seed = 1, .step = 1});
  same.run({.recipe = &formats, .seed = 1, .step = 1});
  seed.run({.recipe = &formats, .seed = 2, .step = 1});
  step.run({.recipe = &formats, .seed = 1, .step = 2});
  expect_same_bits(same.y, first.y, "forward");
  expect_same_bits(same.weight_gradient, first.weight_gradient, "weight gradient");
  const auto differs = [&](const linear_case& other) {
    return !std::equal(first.y.values().begin(), first.y.values().end(), other.y.values().begin());
  };
  EXPECT_TRUE(differs(seed));
  EXPECT_TRUE(differs(step));
}

TEST(quantized_linear, rounds_with_the_documented_noise) {
  thread_pool pool(1);
  const std::string text = "e3m2fn/sr:8";
  const bound_recipe formats = bound(find_recipe(text));
  const graph<float> pass(pool, {.recipe = &formats, .seed = 77, .step = 5});
  const tensor<float> x = random_values(4).values<float>({300}, 20);
  const tensor<float> given =
      site_quantization<float>(pass, "site").quantize(weight_gradient_input, x, {1, 300, 1}).values;
  // FNV-1a, 64 bits, of "site/weight_gradient/input".
  std::uint64_t stream = 14695981039346656037u;
  for (const char c : std::string("site/weight_gradient/input")) stream = (stream ^ std::uint64_t(c)) * 1099511628211u;
  EXPECT_EQ(noise_stream("site", weight_gradient_input), stream);
  const quantizer q = parse_quantizer(text);
  for (std::size_t i = 0; i < x.size(); ++i)
    EXPECT_EQ(given[i], round(q.elem, x[i], noise_at({.seed = 77, .stream = stream, .step = 5}, i, 8))) << i;
}

TEST(quantized_linear, two_operands_are_interchangeable_only_if_the_values_cannot_differ) {
  thread_pool pool(1);
  const auto interchangeable = [&](const std::string& first, const std::string& second) {
    const bound_recipe formats =
        bound(recipe_of("forward = { input = \"" + first + "\" }\nweight_gradient = { input = \"" + second + "\" }"));
    const graph<float> pass(pool, {.recipe = &formats});
    return site_quantization<float>(pass, "site").interchangeable(forward_input, weight_gradient_input);
  };
  EXPECT_TRUE(interchangeable("none", "none"));
  EXPECT_TRUE(interchangeable("e4m3fn@tensor", "e4m3fn@tensor"));
  EXPECT_TRUE(interchangeable("e8m7", "e8m7"));
  EXPECT_FALSE(interchangeable("e4m3fn@tensor", "none"));
  EXPECT_FALSE(interchangeable("e4m3fn@tensor", "e5m2@tensor"));
  EXPECT_FALSE(interchangeable("e4m3fn/sr@tensor", "e4m3fn/sr@tensor"));
  EXPECT_FALSE(interchangeable("e4m3fn@row", "e4m3fn@row"));
  EXPECT_FALSE(interchangeable("mxfp8_e4m3", "mxfp8_e4m3"));
}

/// What the observer saw, by "site/gemm/operand".
std::map<std::string, quantize_counters> observed(const std::string& text, std::uint32_t step,
                                                  const std::function<void(const quantization_context&)>& run) {
  std::map<std::string, quantize_counters> seen;
  const bound_recipe formats = bound(recipe_of(text));
  run({.recipe = &formats, .step = step, .observer = [&](const quantization_record& r) {
         EXPECT_EQ(r.step, step);
         const std::string name = std::string(r.site) + "/" + std::string(r.gemm) + "/" + std::string(r.operand);
         EXPECT_TRUE(seen.emplace(name, r.counts.counters).second) << name << " twice";
       }});
  return seen;
}

TEST(quantization_observer, sees_every_quantized_operand_once_whether_or_not_its_values_were_taken_over) {
  for (const std::string text : {"e4m3fn@tensor", "mxfp8_e4m3", "e4m3fn/sr@tensor"}) {
    linear_case given;
    const auto seen = observed("operands = \"" + text + "\"", 9, [&](const auto& context) { given.run(context); });
    ASSERT_EQ(seen.size(), 6u) << text;
    EXPECT_EQ(seen.at("site/forward/input").count, rows * inputs);
    EXPECT_EQ(seen.at("site/forward/weight").count, inputs * outputs);
    EXPECT_EQ(seen.at("site/input_gradient/grad_output").count, rows * outputs);
    EXPECT_EQ(seen.at("site/input_gradient/weight").count, inputs * outputs);
    EXPECT_EQ(seen.at("site/weight_gradient/grad_output").count, rows * outputs);
    EXPECT_EQ(seen.at("site/weight_gradient/input").count, rows * inputs);
    EXPECT_GT(seen.at("site/forward/input").sum_sq_error, 0);
  }
}

TEST(quantization_observer, sees_nothing_of_operands_without_a_quantizer) {
  linear_case given;
  const auto seen = observed("forward = { weight = \"e4m3fn@tensor\" }", 0, [&](const auto& c) { given.run(c); });
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen.begin()->first, "site/forward/weight");
}

TEST(quantization_observer, changes_no_bit) {
  linear_case silent, watched;
  const bound_recipe formats = bound(find_recipe("mxfp4"));
  silent.run({.recipe = &formats});
  watched.run({.recipe = &formats, .observer = [](const quantization_record&) {}});
  expect_same_bits(watched.y, silent.y, "forward");
  expect_same_bits(watched.weight_gradient, silent.weight_gradient, "weight gradient");
}

class quantized_attention : public testing::Test {
 protected:
  static constexpr std::size_t length = 37, width = 6;

  quantized_attention() {
    random_values random(21);
    for (variable<float>* v : {&heads_.query, &heads_.key, &heads_.value})
      *v = variable<float>(random.values<float>({2, 2, length, width}, 2), true);
    gradient_ = random.values<float>({2, 2, length, width});
  }

  tensor<float> run(const quantization_context& context) {
    thread_pool pool(2);
    graph<float> pass(pool, context);
    const variable<float> result = attention(pass, "scores", "values", heads_);
    for (const variable<float>* v : {&heads_.query, &heads_.key, &heads_.value}) v->clear_gradient();
    pass.backward(pass.result(tensor<float>::zeros({1}), {&result},
                              [&](const tensor<float>&) { result.add_gradient(gradient_.clone(), pool); }));
    return result.value();
  }

  attention_heads<float> heads_;
  tensor<float> gradient_;
};

TEST_F(quantized_attention, quantizes_both_operands_of_six_products) {
  const auto seen = observed("operands = \"e4m3fn@tensor\"", 3, [&](const auto& context) { run(context); });
  ASSERT_EQ(seen.size(), 12u);
  const std::size_t vectors = 4 * length * width, squares = 4 * length * length;
  const std::map<std::string, std::size_t> sizes{
      {"scores/forward/input", vectors},         {"scores/forward/weight", vectors},
      {"scores/input_gradient/weight", vectors}, {"scores/input_gradient/grad_output", squares},
      {"scores/weight_gradient/input", vectors}, {"scores/weight_gradient/grad_output", squares},
      {"values/forward/input", squares},         {"values/forward/weight", vectors},
      {"values/input_gradient/weight", vectors}, {"values/input_gradient/grad_output", vectors},
      {"values/weight_gradient/input", squares}, {"values/weight_gradient/grad_output", vectors}};
  for (const auto& [name, size] : sizes) EXPECT_EQ(seen.at(name).count, size) << name;
  // Masked probabilities are zeros and stay zeros.
  EXPECT_EQ(seen.at("values/forward/input").nonzero, 4 * length * (length + 1) / 2);
}

TEST_F(quantized_attention, with_the_float32_recipe_has_the_bits_of_no_recipe) {
  const tensor<float> plain = run({}), plain_query = heads_.query.gradient(), plain_value = heads_.value.gradient();
  for (const char* reference : {"f32", "e8m23"}) {
    const bound_recipe formats = bound(recipe_of(std::string("operands = \"") + reference + "\""));
    expect_same_bits(run({.recipe = &formats}), plain, reference);
    expect_same_bits(heads_.query.gradient(), plain_query, reference);
    expect_same_bits(heads_.value.gradient(), plain_value, reference);
  }
}

TEST_F(quantized_attention, blocks_of_the_values_product_run_along_the_positions) {
  // One huge value at one position spoils its block along the positions, in its own column alone.
  heads_.value.mutable_value()[3 * width + 2] = 1e6f;
  const bound_recipe formats = bound(recipe_of("forward = { weight = \"e2m1fn@block(64,e8m0fnu,floor)\" }"));
  thread_pool pool(1);
  const graph<float> pass(pool, {.recipe = &formats});
  const tensor<float> plain = run({}), quantized = run({.recipe = &formats});
  const std::size_t last = (length - 1) * width;  // of the first head
  EXPECT_NEAR(quantized[last + 1], plain[last + 1], 0.3);
  EXPECT_EQ(site_quantization<float>(pass, "values")
                .quantize(forward_weight, heads_.value.value(), {4, length, width})
                .values[last + 2],
            0);
}

TEST(bound_recipe, refuses_a_format_without_zero) {
  try {
    bound(recipe_of("forward = { weight = \"e8m0fnu\" }"));
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("site/forward/weight"), std::string::npos) << error.what();
  }
}

TEST(bound_recipe, refuses_a_site_that_it_does_not_know) {
  const bound_recipe formats = bound(find_recipe("e4m3fn@tensor"));
  linear_case given;
  EXPECT_EQ(formats.site("scores").name, "scores");
  EXPECT_THROW(formats.site("blocks.0.mlp.up"), std::invalid_argument);
}

TEST(quantized_double, is_refused_and_unquantized_double_is_not) {
  thread_pool pool(1);
  const bound_recipe formats = bound(recipe_of("forward = { weight = \"e4m3fn@tensor\" }"));
  const graph<double> pass(pool, {.recipe = &formats});
  const tensor<double> x = tensor<double>::full({4, 4}, 1);
  const site_quantization<double> site(pass, "site");
  EXPECT_EQ(site.quantize(forward_input, x, {4, 4, 1}).values.data(), x.data());
  EXPECT_THROW(site.quantize(forward_weight, x, {4, 4, 1}), std::invalid_argument);
}

}  // namespace
}  // namespace binade
