// What convolutions and attention keep of their operands for the backward pass, where a recipe says `saved`.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "binade/quantize.hpp"
#include "binade/text.hpp"
#include "buffer_pool.hpp"
#include "engine/random_values.hpp"
#include "ops/attention.hpp"
#include "ops/conv2d.hpp"
#include "ops/gelu.hpp"
#include "recipe/error_text.hpp"
#include "recipe/quantized_matmul.hpp"
#include "recipe/recipe.hpp"

namespace binade {
namespace {

using test::error_of;
using test::expect_part;
using test::random_values;

bound_recipe bound(const std::string& text) {
  return bound_recipe(parse_recipe("[[rule]]\nlayers = \"*\"\n" + text, "test", "test"), {"site", "scores", "values"});
}

void expect_same_bits(const tensor<float>& given, const tensor<float>& expected, const std::string& what) {
  ASSERT_EQ(given.shape(), expected.shape()) << what;
  for (std::size_t i = 0; i < given.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(given[i]), std::bit_cast<std::uint32_t>(expected[i])) << what << " " << i;
}

/// x quantized in rows of `columns`.
tensor<float> quantized(const tensor<float>& x, std::size_t columns, const std::string& text,
                        const noise_source& noise) {
  tensor<float> result = tensor<float>::uninitialized(x.shape());
  quantize(x.values(), {x.size() / columns, columns, 1}, parse_quantizer(text), noise, result.values());
  return result;
}

/// Runs the backward pass from a gradient of a result.
void pass_back(graph<float>& pass, const variable<float>& result, const tensor<float>& gradient) {
  pass.backward(pass.result(tensor<float>::zeros({1}), {&result},
                            [&](const tensor<float>&) { result.add_gradient(gradient.clone(), pass.pool()); }));
}

/// Of a forward pass: what waits beside the results.
template <class Forward>
std::size_t kept_bytes(const std::string& text, const Forward& forward) {
  const bound_recipe formats = bound(text);
  thread_pool pool(1);
  graph<float> pass(pool, {.recipe = &formats});
  const std::size_t before = buffer_pool::instance().usage().in_use;
  const variable<float> y = forward(pass);
  return buffer_pool::instance().usage().in_use - before - y.value().size() * sizeof(float);
}

constexpr std::uint64_t seed = 5;
constexpr std::uint32_t step = 9;
constexpr const char* formats_kept[] = {"e4m3fn@block(32)", "e2m1fn@block(16,e4m3fn)@tensor", "e5m10", "int5@row",
                                        "e4m3fn/sr@block(32)"};

// ---- convolutions --------------------------------------------------------------------------------------------------

struct convolution {
  extents image, kernel;
  conv2d_settings settings;
  tensor<float> y = {}, x_gradient = {}, weight_gradient = {}, bias_gradient = {};

  tensor<float> images() const { return random_values(3).values<float>(image, 2); }

  void run(const tensor<float>& x_value, const quantization_context& context, std::size_t threads = 1) {
    thread_pool pool(threads);
    graph<float> pass(pool, context);
    random_values random(4);
    const variable<float> x(x_value.clone(), true), weight(random.values<float>(kernel), true),
        bias(random.values<float>({kernel[0]}), true);
    const variable<float> result = conv2d<float>(pass, "site", x, weight, bias, settings);
    pass_back(pass, result, random.values<float>(result.shape()));
    y = result.value();
    x_gradient = x.gradient();
    weight_gradient = weight.gradient();
    bias_gradient = bias.gradient();
  }
};

TEST(saved_operands, of_a_convolution_give_the_weight_gradient_of_their_decoded_values) {
  for (const convolution& shape : {convolution{{3, 4, 9, 7}, {6, 4, 3, 3}, {.stride = 2, .padding = 1}},
                                   convolution{{2, 4, 6, 6}, {4, 2, 1, 1}, {.groups = 2}},
                                   convolution{{2, 8, 5, 5}, {8, 1, 3, 3}, {.padding = 1, .groups = 8}}})
    for (const std::string text : formats_kept) {
      convolution plain = shape, of_kept = shape, given = shape;
      const tensor<float> x = shape.images();
      plain.run(x, {});
      const noise_source noise{
          .seed = seed, .stream = noise_stream("site", site_gemm::weight_gradient, "saved"), .step = step};
      of_kept.run(quantized(x, x.size() / shape.image[0], text, noise), {});
      const bound_recipe formats = bound("saved = \"" + text + "\"");
      for (const std::size_t threads : {1u, 2u, 3u}) {
        given.run(x, {.recipe = &formats, .seed = seed, .step = step}, threads);
        expect_same_bits(given.y, plain.y, text);
        expect_same_bits(given.x_gradient, plain.x_gradient, text);
        expect_same_bits(given.bias_gradient, plain.bias_gradient, text);
        expect_same_bits(given.weight_gradient, of_kept.weight_gradient, text);
      }
    }
}

TEST(saved_operands, of_a_convolution_meet_quantizers_and_rounded_results) {
  const convolution shape{{2, 4, 6, 6}, {4, 4, 3, 3}, {.padding = 1}};
  const tensor<float> x = shape.images();
  convolution plain = shape, of_kept = shape, given = shape;
  const std::string text = "operands = \"e4m3fn@tensor\"\nresult = \"e8m7\"\n";
  const bound_recipe same = bound(text), kept = bound(text + "saved = \"e2m1fn@block(16,e4m3fn)\"");
  plain.run(x, {.recipe = &same});
  of_kept.run(quantized(x, x.size() / 2, "e2m1fn@block(16,e4m3fn)", {}), {.recipe = &same});
  given.run(x, {.recipe = &kept});
  expect_same_bits(given.y, plain.y, "forward");
  expect_same_bits(given.x_gradient, plain.x_gradient, "input gradient");
  expect_same_bits(given.weight_gradient, of_kept.weight_gradient, "weight gradient");
}

TEST(saved_operands, of_a_convolution_take_the_place_of_the_input) {
  const variable<float> x(tensor<float>::full({2, 4, 8, 16}, 0.5f), true),
      weight(tensor<float>::full({4, 4, 3, 3}, 1), true);
  const auto kept = [&](const std::string& text) {
    return kept_bytes(text, [&](graph<float>& pass) {
      return conv2d<float>(pass, "site", gelu(pass, x), weight, {}, {.padding = 1});
    });
  };
  EXPECT_EQ(kept("saved = \"none\""), x.value().size() * 4);
  EXPECT_EQ(kept("saved = \"e4m3fn@block(32)\""), x.value().size());
  EXPECT_EQ(kept("saved = \"mxfp4\""), x.value().size() / 2);
}

// ---- attention -----------------------------------------------------------------------------------------------------

constexpr std::size_t batch = 2, query_heads = 4, key_heads = 2, length = 40, width = 8;

/// An attention whose values are as wide as there are positions.
struct attention_case {
  attention_settings settings;
  tensor<float> query, key, value, gradient;
  tensor<float> mixed = {}, query_gradient = {}, key_gradient = {}, value_gradient = {};

  explicit attention_case(const attention_settings& s) : settings(s) {
    random_values random(8);
    query = random.values<float>({batch, query_heads, length, width}, 2);
    key = random.values<float>({batch, key_heads, length, width}, 2);
    value = random.values<float>({batch, key_heads, length, length});
    gradient = random.values<float>({batch, query_heads, length, length});
  }

  void run(const quantization_context& context, std::size_t threads = 1) {
    thread_pool pool(threads);
    graph<float> pass(pool, context);
    const attention_heads<float> heads{variable<float>(query, true), variable<float>(key, true),
                                       variable<float>(value, true)};
    const variable<float> result = attention<float>(pass, "scores", "values", heads, settings);
    pass_back(pass, result, gradient);
    mixed = result.value();
    query_gradient = heads.query.gradient();
    key_gradient = heads.key.gradient();
    value_gradient = heads.value.gradient();
  }

  /// The probabilities: what the values of one-hot vectors are mixed to.
  tensor<float> probabilities() const {
    attention_case one_hot = *this;
    one_hot.value = tensor<float>::zeros(value.shape());
    for (std::size_t head = 0; head < batch * key_heads; ++head)
      for (std::size_t i = 0; i < length; ++i) one_hot.value[(head * length + i) * length + i] = 1;
    one_hot.run({});
    return one_hot.mixed;
  }
};

/// The gradients of attention by its formulas in double, from operands that may have been rounded.
struct expected_gradients {
  std::vector<double> query, key, value;

  expected_gradients(const tensor<float>& q, const tensor<float>& k, const tensor<float>& v, const tensor<float>& p,
                     const tensor<float>& gradient)
      : query(q.size()), key(k.size()), value(v.size()) {
    for (std::size_t head = 0; head < batch * query_heads; ++head) {
      const std::size_t shared = head / (query_heads / key_heads);
      const auto vector = [](std::size_t of, std::size_t row, std::size_t columns) {
        return (of * length + row) * columns;
      };
      for (std::size_t i = 0; i < length; ++i) {
        std::vector<double> by_probability(length);
        double sum = 0;
        for (std::size_t j = 0; j < length; ++j) {
          const double probability = p[vector(head, i, length) + j];
          for (std::size_t c = 0; c < length; ++c) {
            const double g = gradient[vector(head, i, length) + c];
            by_probability[j] += g * double(v[vector(shared, j, length) + c]);
            value[vector(shared, j, length) + c] += probability * g;
          }
          sum += probability * by_probability[j];
        }
        for (std::size_t j = 0; j < length; ++j) {
          const double by_score =
              double(p[vector(head, i, length) + j]) * (by_probability[j] - sum) / std::sqrt(double(width));
          for (std::size_t c = 0; c < width; ++c) {
            query[vector(head, i, width) + c] += by_score * double(k[vector(shared, j, width) + c]);
            key[vector(shared, j, width) + c] += by_score * double(q[vector(head, i, width) + c]);
          }
        }
      }
    }
  }
};

void expect_near(const tensor<float>& given, const std::vector<double>& expected, const std::string& what) {
  ASSERT_EQ(given.size(), expected.size()) << what;
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(given[i], expected[i], 2e-5) << what << " " << i;
}

TEST(saved_operands, of_attention_give_the_gradients_of_their_decoded_values) {
  using kernels::row_mask;
  for (const attention_settings& settings :
       {attention_settings{}, attention_settings{.mask = row_mask::none}, attention_settings{.alibi = true}}) {
    attention_case plain(settings), given(settings);
    plain.run({});
    const tensor<float> probabilities = plain.probabilities();
    for (const std::string text : formats_kept) {
      const auto kept = [&](const tensor<float>& x, const char* site, site_gemm gemm) {
        return quantized(x, x.shape().back(), text,
                         {.seed = seed, .stream = noise_stream(site, gemm, "saved"), .step = step});
      };
      const expected_gradients expected(kept(plain.query, "scores", site_gemm::weight_gradient),
                                        kept(plain.key, "scores", site_gemm::input_gradient),
                                        kept(plain.value, "values", site_gemm::input_gradient),
                                        kept(probabilities, "values", site_gemm::weight_gradient), plain.gradient);
      const bound_recipe formats = bound("saved = \"" + text + "\"");
      const quantization_context context{.recipe = &formats, .seed = seed, .step = step};
      given.run(context);
      expect_same_bits(given.mixed, plain.mixed, text);
      expect_near(given.query_gradient, expected.query, text + " query");
      expect_near(given.key_gradient, expected.key, text + " key");
      expect_near(given.value_gradient, expected.value, text + " value");
      for (const std::size_t threads : {2u, 3u}) {
        attention_case again(settings);
        again.run(context, threads);
        expect_same_bits(again.query_gradient, given.query_gradient, text);
        expect_same_bits(again.key_gradient, given.key_gradient, text);
        expect_same_bits(again.value_gradient, given.value_gradient, text);
      }
    }
    // Codes that hold every float32 leave every bit as it is.
    const bound_recipe exact = bound("saved = \"e8m23\"");
    given.run({.recipe = &exact});
    expect_same_bits(given.query_gradient, plain.query_gradient, "query");
    expect_same_bits(given.key_gradient, plain.key_gradient, "key");
    expect_same_bits(given.value_gradient, plain.value_gradient, "value");
  }
}

TEST(saved_operands, of_attention_are_the_choice_of_each_site_and_meet_quantizers) {
  attention_case plain({}), given({});
  const std::string operands = "operands = \"e4m3fn@tensor\"\nresult = \"e8m7\"\n";
  const bound_recipe same = bound(operands), exact = bound(operands + "saved = \"e8m23\"");
  plain.run({.recipe = &same});
  given.run({.recipe = &exact});
  expect_same_bits(given.query_gradient, plain.query_gradient, "query");
  expect_same_bits(given.key_gradient, plain.key_gradient, "key");
  expect_same_bits(given.value_gradient, plain.value_gradient, "value");

  // Query and key alone: the gradient of the value does not read them.
  const bound_recipe scores = bound("saved = \"mxfp4\"\n[[rule]]\nlayers = \"values\"\nsaved = \"none\"");
  plain.run({});
  given.run({.recipe = &scores});
  expect_same_bits(given.value_gradient, plain.value_gradient, "value");
  const std::size_t last = plain.query_gradient.size() - 1;  // of a query that sees every key
  EXPECT_NE(given.query_gradient[last], plain.query_gradient[last]);

  // A gradient through the quantizer of the key looks at the key itself.
  const std::string clipped =
      "forward = { weight = \"e2m1fn@tensor(static=0.2)\" }\nstraight_through = { weight = \"clip\" }\n";
  const bound_recipe masked = bound(clipped), masked_and_kept = bound(clipped + "saved = \"e8m23\"");
  plain.run({.recipe = &masked});
  given.run({.recipe = &masked_and_kept});
  expect_same_bits(given.key_gradient, plain.key_gradient, "key");
}

TEST(saved_operands, of_attention_take_their_place) {
  const variable<float> x(tensor<float>::full({1, 2, 64, 32}, 0.5f), true);
  const auto kept = [&](const std::string& text) {
    return kept_bytes(text, [&](graph<float>& pass) {
      return attention<float>(pass, "scores", "values", {gelu(pass, x), gelu(pass, x), gelu(pass, x)});
    });
  };
  constexpr std::size_t elements = 2 * 64 * (3 * 32 + 64);  // query, key, value; probabilities
  EXPECT_EQ(kept("saved = \"none\""), elements * 4);
  EXPECT_EQ(kept("saved = \"e4m3fn@block(32)\""), elements);
  EXPECT_EQ(kept("saved = \"mxfp4\""), elements / 2);
}

TEST(saved_operands, are_float32_numbers) {
  const bound_recipe formats = bound("saved = \"mxfp4\"");
  thread_pool pool(1);
  graph<double> pass(pool, {.recipe = &formats});
  const variable<double> image(tensor<double>::zeros({1, 1, 4, 4}), true),
      weight(tensor<double>::zeros({1, 1, 3, 3}), true);
  expect_part(error_of([&] { conv2d<double>(pass, "site", image, weight, {}); }),
              "site/saved has quantizer mxfp4, but emulated values are float32 numbers");
}

}  // namespace
}  // namespace binade
