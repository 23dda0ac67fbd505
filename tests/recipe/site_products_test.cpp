// What a recipe says about the products of a linear layer beside plain quantizers: accumulators, transforms, results,
// residuals, gradients through quantizers, delayed scales and steps.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "binade/accumulator_text.hpp"
#include "binade/matmul.hpp"
#include "binade/text.hpp"
#include "buffer_pool.hpp"
#include "engine/random_values.hpp"
#include "ops/add.hpp"
#include "ops/attention.hpp"
#include "ops/batch_norm.hpp"
#include "ops/gelu.hpp"
#include "ops/layer_norm.hpp"
#include "ops/linear.hpp"
#include "ops/relu.hpp"
#include "ops/rms_norm.hpp"
#include "ops/silu.hpp"
#include "ops/softmax.hpp"
#include "ops/swiglu.hpp"
#include "recipe/error_text.hpp"
#include "recipe/quantized_matmul.hpp"
#include "recipe/recipe.hpp"

namespace binade {
namespace {

using test::error_of;
using test::expect_part;
using test::random_values;
using enum site_operand;

constexpr std::size_t rows = 48, inputs = 64, outputs = 32;

using matrix = std::vector<float>;

matrix copy_of(const tensor<float>& x) {
  return {x.values().begin(), x.values().end()};
}
/// x of (r, c) as (c, r).
matrix transposed(const matrix& x, std::size_t r, std::size_t c) {
  matrix result(x.size());
  for (std::size_t i = 0; i < r; ++i)
    for (std::size_t j = 0; j < c; ++j) result[j * r + i] = x[i * c + j];
  return result;
}

recipe recipe_of(const std::string& text) {
  return parse_recipe("[[rule]]\nlayers = \"*\"\n" + text, "test", "test");
}
bound_recipe bound(const std::string& text) {
  return bound_recipe(recipe_of(text), {"site"});
}

/// A linear layer with everything that its three products read and write.
struct layer {
  variable<float> x, weight;
  tensor<float> gradient;
  matrix y, x_gradient, weight_gradient;

  explicit layer(double size = 3) {
    random_values random(7);
    x = variable<float>(random.values<float>({rows, inputs}, size), true);
    weight = variable<float>(random.values<float>({outputs, inputs}), true);
    gradient = random.values<float>({rows, outputs}, 0.01);
  }

  void run(const quantization_context& context, std::size_t threads = 1, const variable<float>& bias = {}) {
    thread_pool pool(threads);
    graph<float> pass(pool, context);
    x.clear_gradient();
    weight.clear_gradient();
    const variable<float> result = linear<float>(pass, "site", x, weight, bias);
    pass.backward(pass.result(tensor<float>::zeros({1}), {&result},
                              [&](const tensor<float>&) { result.add_gradient(gradient.clone(), pool); }));
    y = copy_of(result.value());
    x_gradient = copy_of(x.gradient());
    weight_gradient = copy_of(weight.gradient());
  }
  void run(const std::string& text) {
    const bound_recipe formats = bound(text);
    run({.recipe = &formats});
  }

  matrix input() const { return copy_of(x.value()); }
  matrix weights() const { return copy_of(weight.value()); }
  matrix output_gradient() const { return copy_of(gradient); }
};

void expect_same_bits(const matrix& given, const matrix& expected, const std::string& what) {
  ASSERT_EQ(given.size(), expected.size()) << what;
  for (std::size_t i = 0; i < given.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(given[i]), std::bit_cast<std::uint32_t>(expected[i])) << what << " " << i;
}

/// The three products of a layer by binade::matmul of arrays as the formulas have them.
void expect_library_products(const layer& given, const quantizer& q, const accumulator& sum, std::uint64_t seed,
                             std::uint32_t step, const std::string& what) {
  const auto product = [&](const matrix& a, const matrix& b, const matmul_shape& shape, site_gemm gemm) {
    matrix out(shape.m * shape.n);
    const noise_source noise{.seed = seed, .stream = noise_stream("site", gemm, "accumulator"), .step = step};
    matmul(a, q, b, q, shape, sum, matmul_noise{{}, {}, noise}, out);
    return out;
  };
  const matrix x = given.input(), w = given.weights(), g = given.output_gradient();
  expect_same_bits(given.y, product(x, transposed(w, outputs, inputs), {rows, inputs, outputs}, site_gemm::forward),
                   what + " forward");
  expect_same_bits(given.x_gradient, product(g, w, {rows, outputs, inputs}, site_gemm::input_gradient),
                   what + " input gradient");
  expect_same_bits(given.weight_gradient,
                   product(transposed(g, rows, outputs), x, {outputs, rows, inputs}, site_gemm::weight_gradient),
                   what + " weight gradient");
}

// ---- accumulators --------------------------------------------------------------------------------------------------

TEST(site_products, sum_as_the_accumulator_says_with_the_bits_of_the_library_for_any_number_of_threads) {
  layer given;
  for (const char* sum : {"f32", "f32:chunk=8", "f64", "exact", "exact:chunk=16->f32", "mx", "kahan", "pairwise",
                          "e8m13/rtz:chunk=16->f32", "e5m10:mul=e8m7", "e8m10/sr:8", "e8m12:chunk=4->kahan"})
    for (const char* operand :
         {"e8m23", "mxfp8_e4m3", "e4m3fn@tensor", "e4m3fn@row", "nvfp4", "e4m3fn@tile(16,8,f32)"}) {
      const quantizer q = parse_quantizer(operand);
      if (parse_accumulator(sum).stages[0].order == summation::mx && std::string(operand).find("fp") != 2 &&
          std::string(operand).find("tile") == std::string::npos)
        continue;
      const bound_recipe formats = bound("operands = \"" + std::string(operand) + "\"\naccumulator = \"" + sum + "\"");
      for (const std::size_t threads : {1u, 2u, 3u}) {
        given.run({.recipe = &formats, .seed = 5, .step = 9}, threads);
        expect_library_products(given, q, parse_accumulator(sum), 5, 9, std::string(sum) + " " + operand);
      }
    }
}

TEST(site_products, take_an_accumulator_for_each_gemm) {
  layer plain, given;
  plain.run("operands = \"mxfp4\"");
  given.run(
      "operands = \"mxfp4\"\naccumulator = \"e5m4\"\nforward = { accumulator = \"f32\" }\n"
      "weight_gradient = { accumulator = \"f32\" }");
  expect_same_bits(given.y, plain.y, "forward");
  expect_same_bits(given.weight_gradient, plain.weight_gradient, "weight gradient");
  EXPECT_NE(given.x_gradient, plain.x_gradient);
}

TEST(site_products, add_an_emulated_gradient_to_the_one_that_is_there_by_one_addition) {
  layer given;
  const bound_recipe formats = bound("accumulator = \"e5m10\"");
  given.run({.recipe = &formats});
  const matrix once = given.x_gradient;
  thread_pool pool(1);
  graph<float> pass(pool, {.recipe = &formats});
  given.x.clear_gradient();
  given.x.add_gradient(tensor<float>::full({rows, inputs}, 0.75f), pool);
  const variable<float> result = linear<float>(pass, "site", given.x, given.weight, {});
  pass.backward(pass.result(tensor<float>::zeros({1}), {&result},
                            [&](const tensor<float>&) { result.add_gradient(given.gradient.clone(), pool); }));
  matrix expected = once;
  for (float& v : expected) v = 0.75f + v;
  expect_same_bits(copy_of(given.x.gradient()), expected, "sum");
}

TEST(site_products, refuse_mx_without_block_scales_and_emulated_sums_of_doubles) {
  expect_part(error_of([] { bound("operands = \"e4m3fn@tensor\"\naccumulator = \"mx\""); }),
              "site/forward has the accumulator mx, which sums in the blocks of its operands' scales");
  thread_pool pool(1);
  const bound_recipe formats = bound("accumulator = \"kahan\"");
  graph<double> pass(pool, {.recipe = &formats});
  const variable<double> x(tensor<double>::full({4, 4}, 1));
  expect_part(error_of([&] { linear<double>(pass, "site", x, x, {}); }), "emulated sums are of float32 numbers");
}

// ---- transforms ----------------------------------------------------------------------------------------------------

/// x of (r, c) with each row transformed and quantized, by the functions of the numbers.
matrix by_hand(matrix x, std::size_t c, const transform& t, const quantizer& q) {
  apply(t, c, x, x);
  matrix result(x.size());
  quantize(x, {x.size() / c, c, 1}, q, {}, result);
  return result;
}
/// a b^T of (m, k) and (n, k): one chain of fused multiply-adds per output.
matrix product_of_rows(const matrix& a, const matrix& b, std::size_t k) {
  const std::size_t m = a.size() / k, n = b.size() / k;
  matrix c(m * n, 0.0f);
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t p = 0; p < k; ++p) c[i * n + j] = std::fma(a[i * k + p], b[j * k + p], c[i * n + j]);
  return c;
}

TEST(site_products, leave_a_hadamard_transform_along_the_summed_axis_in_both_operands) {
  layer given;
  const matrix x = given.input(), w = given.weights(), g = given.output_gradient();
  const quantizer q = parse_quantizer("mxfp4");
  for (const transform& t : {hadamard_transform(16), random_hadamard_transform(16, 11)}) {
    given.run("operands = \"" + std::string(t.seed == 0 ? "hadamard(16)" : "rht(16,11)") + "+mxfp4\"");
    expect_same_bits(given.y, product_of_rows(by_hand(x, inputs, t, q), by_hand(w, inputs, t, q), inputs), "forward");
    expect_same_bits(
        given.x_gradient,
        product_of_rows(by_hand(g, outputs, t, q), by_hand(transposed(w, outputs, inputs), outputs, t, q), outputs),
        "input gradient");
    expect_same_bits(given.weight_gradient,
                     product_of_rows(by_hand(transposed(g, rows, outputs), rows, t, q),
                                     by_hand(transposed(x, rows, inputs), rows, t, q), rows),
                     "weight gradient");
  }
}

TEST(site_products, transform_with_accumulators_that_multiply_unscaled) {
  layer given;
  for (const char* sum : {"mx", "exact", "e8m12"}) {
    given.run("operands = \"hadamard(16)+mxfp4\"\naccumulator = \"" + std::string(sum) + "\"");
    expect_library_products(given, parse_quantizer("hadamard(16)+mxfp4"), parse_accumulator(sum), 0, 0, sum);
  }
}

TEST(site_products, of_transformed_operands_that_are_not_rounded_are_the_products) {
  layer plain, given;
  plain.run("operands = \"none\"");
  given.run("operands = \"rht(16,3)+f32\"");
  for (std::size_t i = 0; i < plain.y.size(); ++i) EXPECT_NEAR(given.y[i], plain.y[i], 1e-4);
  for (std::size_t i = 0; i < plain.x_gradient.size(); ++i) EXPECT_NEAR(given.x_gradient[i], plain.x_gradient[i], 1e-6);
}

TEST(site_products, draw_fresh_signs_in_every_step_and_share_them_between_the_operands) {
  layer given, other;
  const bound_recipe formats = bound("operands = \"rht(16,3)+mxfp4\"\nsigns = \"fresh\"");
  given.run({.recipe = &formats, .seed = 1, .step = 4});
  other.run({.recipe = &formats, .seed = 1, .step = 5});
  EXPECT_NE(given.y, other.y);
  other.run({.recipe = &formats, .seed = 1, .step = 4});
  expect_same_bits(other.y, given.y, "repeated");
  const bound_recipe unrounded = bound("operands = \"rht(16,3)+f32\"\nsigns = \"fresh\"");
  given.run({.recipe = &unrounded, .seed = 1, .step = 4});
  other.run("operands = \"none\"");
  for (std::size_t i = 0; i < given.y.size(); ++i) EXPECT_NEAR(given.y[i], other.y[i], 1e-4);
}

TEST(site_products, refuse_transforms_that_differ) {
  expect_part(
      error_of([] { bound("forward = { input = \"hadamard(16)+mxfp4\", weight = \"mxfp4\" }"); }),
      "recipe 'test': site/forward: the input has hadamard(16)+mxfp4 and the weight has mxfp4: both operands of "
      "a product must have the same Hadamard transforms");
  expect_part(error_of([] { bound("forward = { input = \"hadamard(16)+mxfp4\" }"); }), "the weight has no quantizer");
  expect_part(error_of([] { bound("operands = \"rht(16,3)+mxfp4\"\nforward = { weight = \"rht(16,4)+mxfp4\" }"); }),
              "must have the same Hadamard transforms");
  expect_part(error_of([] { bound("operands = \"clamp(0.99)+hadamard(16)+mxfp4\""); }),
              "comes before expand and clamp");
  expect_part(error_of([] { bound("operands = \"expand(16)+mxfp4\"\naccumulator = \"exact\""); }),
              "multiplies elements before their scales");
}

TEST(site_products, take_expand_and_clamp_as_quantize_undoes_them) {
  layer given;
  for (const char* text : {"clamp(0.97)+e2m1fn@row", "expand(16)+e4m3fn@tensor"}) {
    given.run("forward = { input = \"" + std::string(text) + "\" }");
    matrix x(rows * inputs);
    quantize(given.input(), {rows, inputs, 1}, parse_quantizer(text), {}, x);
    expect_same_bits(given.y, product_of_rows(x, given.weights(), inputs), text);
  }
}

TEST(site_products, multiply_what_a_clamp_cut_off_apart_or_drop_it) {
  layer given;
  const matrix x = given.input(), w = given.weights();
  matrix clamped(x.size()), quantized(x.size()), quantized_weights(w.size());
  const quantizer q = parse_quantizer("e2m1fn@row");
  const auto cut = clamp_rows(parse_quantizer("clamp(0.97)+e2m1fn@row").transforms[0].quantile, inputs, x, clamped);
  ASSERT_FALSE(cut.empty());
  quantize(clamped, {rows, inputs, 1}, q, {}, quantized);
  quantize(w, {outputs, inputs, 1}, q, {}, quantized_weights);
  const std::string operands = "forward = { input = \"clamp(0.97)+e2m1fn@row\", weight = \"e2m1fn@row\", residual = ";
  given.run(operands + "\"dropped\" }");
  matrix expected = product_of_rows(quantized, quantized_weights, inputs);
  expect_same_bits(given.y, expected, "dropped");

  given.run(operands + "\"product\" }");
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < outputs; ++j) {
      float chain = 0;
      for (const residual_entry& e : cut)
        if (e.index / inputs == i) chain = std::fma(e.value, w[j * inputs + e.index % inputs], chain);
      expected[i * outputs + j] += chain;
    }
  expect_same_bits(given.y, expected, "product");

  // The other operand's residual is the same from the other side.
  layer mirrored;
  mirrored.run("forward = { weight = \"clamp(0.97)+e2m1fn@row\", residual = \"product\" }");
  quantize(w, {outputs, inputs, 1}, parse_quantizer("clamp(0.97)+e2m1fn@row"), {}, quantized_weights);
  const matrix near = product_of_rows(x, quantized_weights, inputs);
  for (std::size_t i = 0; i < near.size(); ++i) EXPECT_NEAR(mirrored.y[i], near[i], 1e-3);
  expect_part(error_of([] { bound("operands = \"clamp(0.97)+e2m1fn@row\"\nresidual = \"product\""); }),
              "is for a clamp of one operand, and both have one");
}

// ---- results -------------------------------------------------------------------------------------------------------

TEST(site_products, round_their_results_with_the_bias_in) {
  layer plain, given;
  const variable<float> bias(random_values(5).values<float>({outputs}));
  const bound_recipe formats = bound("result = \"e8m7\"\ninput_gradient = { result = \"e4m3fn@tensor\" }");
  plain.run({}, 1, bias);
  std::vector<std::string> seen;
  given.run(
      {.recipe = &formats,
       .observer =
           [&](const quantization_record& r) { seen.push_back(std::string(r.gemm) + "/" + std::string(r.operand)); }},
      2, bias);
  const auto rounded = [](const matrix& x, const char* text, std::size_t columns) {
    matrix result(x.size());
    quantize(x, {x.size() / columns, columns, 1}, parse_quantizer(text), {}, result);
    return result;
  };
  expect_same_bits(given.y, rounded(plain.y, "e8m7", outputs), "forward");
  expect_same_bits(given.x_gradient, rounded(plain.x_gradient, "e4m3fn@tensor", inputs), "input gradient");
  expect_same_bits(given.weight_gradient, rounded(plain.weight_gradient, "e8m7", inputs), "weight gradient");
  EXPECT_EQ(seen, (std::vector<std::string>{"forward/result", "input_gradient/result", "weight_gradient/result"}));
  expect_part(error_of([] { bound("result = \"hadamard(16)+mxfp4\""); }), "a result has no transforms");
}

// ---- gradients through quantizers ----------------------------------------------------------------------------------

/// The factor that a rule has for x of a row-wise static scale, by its definition.
matrix factors(const matrix& x, const element& e, float scale, const std::string& rule) {
  matrix result;
  for (const float value : x) {
    const float v = value / scale, q = round(e, v);
    if (rule == "plain") result.push_back(1);
    if (rule == "clip") result.push_back(std::fabs(v) <= float(e.format.max_finite()) ? 1 : 0);
    if (rule == "trust(0.2)") result.push_back(std::fabs(double(value) - double(q) * scale) <= 0.2 * scale ? 1 : 0);
    if (rule == "dge(5,3)") {
      static constexpr double grid[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
      const double magnitude = std::fabs(double(v));
      double factor = magnitude > 6 ? 0 : 0.2;
      for (int i = 0; i < 7; ++i)
        if (magnitude > grid[i] && magnitude < grid[i + 1]) {
          const double centred = 2 * (magnitude - grid[i]) / (grid[i + 1] - grid[i]) - 1;
          factor = std::min(0.2 * std::pow(std::fabs(centred), -0.8), 3.0);
        }
      result.push_back(float(factor));
    }
  }
  return result;
}

TEST(site_products, pass_gradients_through_quantizers_as_the_recipe_says) {
  layer plain(4), given(4);
  const std::string operands =
      "forward = { input = \"e2m1fn@tensor(static=0.5)\", weight = \"e2m1fn@tensor(static=0.5)\" }\n";
  plain.run(operands);
  const element e = parse_quantizer("e2m1fn").elem;
  for (const std::string rule : {"plain", "clip", "trust(0.2)", "dge(5,3)"}) {
    given.run(operands + "straight_through = { input = \"" + rule + "\", weight = \"" + rule + "\" }");
    expect_same_bits(given.y, plain.y, rule);
    const auto expect_scaled = [&](const matrix& got, const matrix& before, const matrix& by) {
      std::size_t changed = 0;
      for (std::size_t i = 0; i < got.size(); ++i) {
        const float expected = float(double(before[i]) * double(by[i]));
        ASSERT_NEAR(got[i], expected, 1e-6 * std::fabs(expected)) << rule << " " << i;
        changed += std::size_t(got[i] != before[i]);
      }
      EXPECT_EQ(changed == 0, rule == "plain") << rule;
    };
    expect_scaled(given.x_gradient, plain.x_gradient, factors(plain.input(), e, 0.5f, rule));
    if (rule != "clip")
      expect_scaled(given.weight_gradient, plain.weight_gradient, factors(plain.weights(), e, 0.5f, rule));
  }
}

TEST(site_products, mask_nothing_where_the_largest_magnitude_sets_the_scale) {
  // amax / scale is often an ulp beyond the largest value: the scale is a rounded quotient.
  for (const std::string quantizer : {"e4m3fn@row", "e5m2@row", "int8@row", "e2m1fn@row"}) {
    layer plain(4), given(4);
    plain.run("operands = \"" + quantizer + "\"");
    given.run("operands = \"" + quantizer + "\"\nstraight_through = { input = \"clip\", weight = \"clip\" }");
    expect_same_bits(given.x_gradient, plain.x_gradient, quantizer);
    expect_same_bits(given.weight_gradient, plain.weight_gradient, quantizer);
    // With k = 1 the surrogate is the identity, in the middle of a bin too.
    given.run("operands = \"" + quantizer + "\"\nstraight_through = { input = \"dge(1,3)\", weight = \"dge(1,3)\" }");
    expect_same_bits(given.x_gradient, plain.x_gradient, quantizer);
    expect_same_bits(given.weight_gradient, plain.weight_gradient, quantizer);
  }
}

TEST(site_products, the_plain_gradient_is_the_formula) {
  layer given;
  given.run("operands = \"e2m1fn@tensor\"");
  const auto quantized = [](const matrix& x) {
    matrix result(x.size());
    quantize(x, {1, x.size(), 1}, parse_quantizer("e2m1fn@tensor"), {}, result);
    return result;
  };
  const matrix x = quantized(given.input()), w = quantized(given.weights()), g = quantized(given.output_gradient());
  expect_same_bits(given.x_gradient, product_of_rows(g, transposed(w, outputs, inputs), outputs), "input gradient");
  expect_same_bits(given.weight_gradient,
                   product_of_rows(transposed(g, rows, outputs), transposed(x, rows, inputs), rows), "weight gradient");
}

TEST(site_products, mask_gradients_where_the_quantizer_works_which_is_after_a_hadamard_transform) {
  layer plain(4), given(4);
  const std::string operands =
      "forward = { input = \"hadamard(16)+e2m1fn@tensor(static=0.5)\", weight = \"hadamard(16)+f32\" }\n";
  plain.run(operands);
  given.run(operands + "straight_through = { input = \"clip\" }");
  matrix x = plain.input(), expected = plain.x_gradient;
  hadamard(x, 16);
  hadamard(expected, 16);
  const matrix by = factors(x, parse_quantizer("e2m1fn").elem, 0.5f, "clip");
  for (std::size_t i = 0; i < x.size(); ++i)
    if (by[i] == 0) expected[i] = 0;
  hadamard(expected, 16);
  expect_same_bits(given.x_gradient, expected, "masked");
  EXPECT_NE(given.x_gradient, plain.x_gradient);
  expect_part(error_of([] { bound("operands = \"clamp(0.99)+mxfp4\"\nstraight_through = { input = \"clip\" }"); }),
              "pass through as \"plain\" alone");
}

TEST(straight_through_text, prints_what_it_parses_and_names_what_is_valid) {
  for (const char* text : {"plain", "clip", "trust(0.5)", "dge(5,3)", "dge(2.5,0.1)"})
    EXPECT_EQ(to_string(parse_straight_through(text)), text);
  for (const char* text : {"", "ste", "trust", "trust()", "trust(0)", "trust(-1)", "trust(1", "trust(1,2)", "trust(1)x",
                           "dge(5)", "dge(0.5,3)", "dge(5,0)", "dge(5;3)", "dge(nan,3)", "trust(inf)"})
    expect_part(error_of([&] { parse_straight_through(text); }), "valid are plain, clip, trust(T)");
}

// ---- delayed scales ------------------------------------------------------------------------------------------------

TEST(site_products, scale_by_the_largest_amax_of_the_steps_before) {
  layer given;
  const bound_recipe formats = bound("forward = { input = \"e4m3fn@tensor(delayed=2,margin=1)\" }");
  scale_histories histories;
  const matrix x = given.input();
  float amax = 0;
  for (const float v : x) amax = std::max(amax, std::fabs(v));
  const auto expect_amax = [&](float expected, const char* what) {
    given.run({.recipe = &formats, .histories = &histories});
    matrix q(x.size());
    const float scale = 2 * expected / 448;
    const matrix now = given.input();
    for (std::size_t i = 0; i < q.size(); ++i) q[i] = round(parse_quantizer("e4m3fn").elem, now[i] / scale) * scale;
    expect_same_bits(given.y, product_of_rows(q, given.weights(), inputs), what);
  };
  const auto multiply_input = [&](float factor) {
    for (float& v : given.x.mutable_value().values()) v *= factor;
  };
  expect_amax(amax, "the first array by its own");
  multiply_input(4);
  expect_amax(4 * amax, "a micro-batch of the first step, too");
  histories.advance();
  multiply_input(0.125);
  expect_amax(4 * amax, "the largest of the step before");
  histories.advance();
  expect_amax(4 * amax, "of two steps before");
  histories.advance();
  expect_amax(0.5f * amax, "the large one is forgotten");
  EXPECT_EQ(histories.past().at("site/input").size(), 2u);
}

TEST(site_products, note_nothing_in_a_pass_without_gradients_and_need_histories) {
  layer given;
  const bound_recipe formats = bound("operands = \"e4m3fn@tensor(delayed=2)\"");
  scale_histories histories;
  thread_pool pool(1);
  {
    graph<float> pass(pool, {.recipe = &formats, .histories = &histories}, false);
    linear<float>(pass, "site", given.x, given.weight, {});
  }
  histories.advance();
  EXPECT_TRUE(histories.past().empty());
  expect_part(error_of([&] { given.run("operands = \"e4m3fn@tensor(delayed=2)\""); }), "give the pass histories");
  EXPECT_THROW(bound("result = \"e4m3fn@tensor(delayed=2)\""), std::invalid_argument);
}

// ---- steps ---------------------------------------------------------------------------------------------------------

TEST(site_products, follow_rules_that_begin_and_end) {
  layer given, plain, fine, coarse;
  plain.run("operands = \"none\"");
  fine.run("operands = \"mxfp8_e4m3\"");
  coarse.run("operands = \"mxfp4\"");
  const bound_recipe formats(parse_recipe("[[rule]]\nlayers = \"*\"\nstart_step = 3\noperands = \"mxfp4\"\n"
                                          "[[rule]]\nlayers = \"*\"\nsteps = [5, 7]\noperands = \"mxfp8_e4m3\"\n",
                                          "test"),
                             {"site"});
  for (std::uint32_t step = 0; step < 9; ++step) {
    given.run({.recipe = &formats, .optimizer_step = step});
    const layer& expected = step < 3 ? plain : step == 5 || step == 6 ? fine : coarse;
    expect_same_bits(given.y, expected.y, "step " + std::to_string(step));
    expect_same_bits(given.weight_gradient, expected.weight_gradient, "step " + std::to_string(step));
  }
}

// ---- what is kept, and other results -------------------------------------------------------------------------------

TEST(site_products, take_the_weight_gradient_from_the_input_as_it_was_kept) {
  layer plain, given;
  plain.run("operands = \"none\"");
  for (const char* text : {"e4m3fn@block(32)", "e2m1fn@block(16,e4m3fn)@tensor", "e5m10", "int5@row", "nf4@tensor"}) {
    matrix kept(rows * inputs);
    quantize(given.input(), {rows, inputs, 1}, parse_quantizer(text), {}, kept);
    const bound_recipe formats = bound("saved = \"" + std::string(text) + "\"");
    for (const std::size_t threads : {1u, 3u}) {
      given.run({.recipe = &formats}, threads);
      expect_same_bits(given.y, plain.y, text);
      expect_same_bits(given.x_gradient, plain.x_gradient, text);
      expect_same_bits(
          given.weight_gradient,
          product_of_rows(transposed(given.output_gradient(), rows, outputs), transposed(kept, rows, inputs), rows),
          text);
    }
  }
  given.run("saved = \"e4m3fn@block(32)\"\nweight_gradient = { input = \"mxfp4\" }");
  EXPECT_NE(given.weight_gradient, plain.weight_gradient);
}

TEST(saved_activation, has_the_bytes_of_its_codes_and_scales_and_keeps_nan) {
  thread_pool pool(2);
  tensor<float> x = random_values(3).values<float>({64, 96}, 5);
  EXPECT_EQ(saved_activation(pool, x, parse_quantizer("e4m3fn@block(32)"), {}).bytes(), 64u * 96 + 64 * 3);
  EXPECT_EQ(saved_activation(pool, x, parse_quantizer("mxfp4"), {}).bytes(), 64u * 48 + 64 * 3);
  EXPECT_EQ(saved_activation(pool, x, parse_quantizer("e5m10"), {}).bytes(), 64u * 96 * 2);
  x[100] = std::numeric_limits<float>::quiet_NaN();
  for (const char* text : {"e4m3fn@block(32)", "mxfp4"}) {
    const tensor<float> kept = saved_activation(pool, x, parse_quantizer(text), {}).restored(pool);
    EXPECT_TRUE(std::isnan(kept[100])) << text;
    EXPECT_FALSE(std::isnan(kept[101])) << text;
  }
}

TEST(site_products, keep_codes_in_the_place_of_the_input) {
  thread_pool pool(1);
  const variable<float> x(tensor<float>::full({64, 128}, 0.5f), true), weight(tensor<float>::full({64, 128}, 1), true);
  const auto kept_bytes = [&](const std::string& text) {
    const bound_recipe formats = bound(text);
    graph<float> pass(pool, {.recipe = &formats});
    const std::size_t before = buffer_pool::instance().usage().in_use;
    const variable<float> y = linear<float>(pass, "site", gelu(pass, x), weight, {});
    return buffer_pool::instance().usage().in_use - before - y.value().size() * sizeof(float);
  };
  EXPECT_EQ(kept_bytes("saved = \"none\""), 64u * 128 * 4);
  EXPECT_EQ(kept_bytes("saved = \"e4m3fn@block(32)\""), 64u * 128);
  EXPECT_EQ(kept_bytes("saved = \"mxfp4\""), 64u * 64);
  // Where both products take the same quantized input, the one before rounding goes.
  EXPECT_EQ(kept_bytes("forward = { input = \"e4m3fn@tensor\" }\nweight_gradient = { input = \"e4m3fn@tensor\" }"),
            64u * 128 * 4);
}

TEST(site_products, refuse_what_cannot_be_kept) {
  expect_part(
      error_of([] { bound("operands = \"mxfp4\"\nsaved = \"mxfp4\"\nstraight_through = { input = \"clip\" }"); }),
      "site/saved has quantizer mxfp4, and straight_through of the input is clip");
  expect_part(error_of([] { bound("saved = \"e4m3fn@tensor(delayed=2)\""); }), "cannot be delayed");
  expect_part(error_of([] { bound("saved = \"hadamard(16)+mxfp4\""); }), "has no transforms");
}

TEST(outputs, round_the_results_of_each_kind_and_no_other) {
  random_values random(9);
  const variable<float> a(random.values<float>({8, 32})), b(random.values<float>({8, 32})),
      ones(tensor<float>::full({32}, 1)), zeros(tensor<float>::zeros({32}));
  const attention_heads<float> heads{variable<float>(random.values<float>({1, 2, 8, 16})),
                                     variable<float>(random.values<float>({1, 2, 8, 16})),
                                     variable<float>(random.values<float>({1, 2, 8, 16}))};
  thread_pool pool(1);
  const auto results = [&](const std::string& text) {
    const bound_recipe formats(parse_recipe("rule = []\n" + text, "test", "test"), {"scores", "values"});
    graph<float> pass(pool, {.recipe = &formats});
    return std::vector{copy_of(layer_norm(pass, a, ones, zeros, 1e-5).value()),
                       copy_of(rms_norm(pass, a, ones, 1e-5).value()),
                       copy_of(attention(pass, "scores", "values", heads).value()),
                       copy_of(add_to_stream(pass, a, b).value()),
                       copy_of(gelu(pass, a).value()),
                       copy_of(swiglu(pass, a, b).value()),
                       copy_of(batch_norm(pass, a, ones, zeros, batch_norm_buffers<float>::make(32)).value()),
                       copy_of(softmax(pass, a).value()),
                       copy_of(relu(pass, a).value()),
                       copy_of(silu(pass, a).value()),
                       copy_of(gelu_erf(pass, a).value())};
  };
  const auto plain = results("");
  const std::vector<std::string> kinds{"norm", "norm",    "softmax",    "residual",   "activation", "activation",
                                       "norm", "softmax", "activation", "activation", "activation"};
  for (const std::string kind : {"norm", "softmax", "residual", "activation"}) {
    const auto rounded = results("[outputs]\n" + kind + " = \"e4m3fn@row\"\n");
    for (std::size_t i = 0; i < plain.size(); ++i) {
      if (kinds[i] != kind) {
        expect_same_bits(rounded[i], plain[i], kind + " of " + std::to_string(i));
        continue;
      }
      matrix expected(plain[i].size());
      quantize(plain[i], {8, 32, 1}, parse_quantizer("e4m3fn@row"), {}, expected);
      if (i != 2) expect_same_bits(rounded[i], expected, kind);
      EXPECT_NE(rounded[i], plain[i]) << kind;
    }
  }
  expect_part(error_of([] { bound_recipe(parse_recipe("[outputs]\nnorm = \"e4m3fn/sr@row\"\n", "f", "f"), {}); }),
              "recipe 'f': outputs.norm has quantizer e4m3fn/sr@row, and these results have no noise of their own");
  expect_part(error_of([] { parse_recipe("[outputs]\nnorms = \"e8m7\"\n", "f", "f"); }), "the nearest is \"norm\"");
}

}  // namespace
}  // namespace binade
