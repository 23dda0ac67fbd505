// What the operations of image networks compute, against plain loops in double; the same bits for any number of
// threads; wrong shapes refused.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "binade/noise.hpp"
#include "binade/reduction.hpp"
#include "engine/central_differences.hpp"
#include "engine/operation.hpp"
#include "engine/random_values.hpp"
#include "kernels/cpu.hpp"
#include "ops/add.hpp"
#include "ops/batch_norm.hpp"
#include "ops/conv2d.hpp"
#include "ops/cross_entropy.hpp"
#include "ops/dropout.hpp"
#include "ops/gelu.hpp"
#include "ops/linear.hpp"
#include "ops/mse.hpp"
#include "ops/pool2d.hpp"
#include "ops/relu.hpp"
#include "ops/scale.hpp"
#include "ops/silu.hpp"
#include "ops/softmax.hpp"
#include "recipe/quantized_matmul.hpp"
#include "recipe/recipe.hpp"
#include "recipe/scale_histories.hpp"
#include "util/fnv.hpp"

namespace binade {
namespace {

using test::random_values;

template <class T>
class vision : public test::operation_test<T> {};
TYPED_TEST_SUITE(vision, test::scalars);

TYPED_TEST(vision, elementwise_functions_are_their_formulas) {
  const auto x = this->random({1000}, 9);
  const auto rectified = relu(this->pass_, x).value(), bounded = relu(this->pass_, x, 6).value(),
             swish = silu(this->pass_, x).value(), exact = gelu_erf(this->pass_, x).value(),
             scaled = scale(this->pass_, x, 0.3).value();
  for (std::size_t i = 0; i < x.value().size(); ++i) {
    const double v = double(x.value()[i]);
    ASSERT_EQ(rectified[i], std::max<TypeParam>(x.value()[i], 0));
    ASSERT_EQ(bounded[i], std::clamp<TypeParam>(x.value()[i], 0, 6));
    ASSERT_NEAR(swish[i], v / (1 + std::exp(-v)), this->tolerance(9));
    const double want = v * std::erfc(-v * std::sqrt(0.5)) / 2;
    ASSERT_NEAR(exact[i], want, this->tolerance(4) * std::abs(want) * (1 + v * v)) << v;  // relative: nothing cancels
    ASSERT_EQ(scaled[i], x.value()[i] * TypeParam(0.3));
  }
  const TypeParam nan = std::numeric_limits<TypeParam>::quiet_NaN();
  EXPECT_TRUE(std::isnan(relu(this->pass_, variable<TypeParam>(tensor<TypeParam>::full({1}, nan))).value()[0]));
}

TYPED_TEST(vision, softmax_rows_are_the_exponentials_over_their_sum) {
  const auto x = this->random({3, 7}, 5);
  const auto y = softmax(this->pass_, x).value();
  for (std::size_t row = 0; row < 3; ++row) {
    double sum = 0;
    for (std::size_t j = 0; j < 7; ++j) sum += std::exp(double(x.value()[row * 7 + j]));
    for (std::size_t j = 0; j < 7; ++j)
      ASSERT_NEAR(y[row * 7 + j], std::exp(double(x.value()[row * 7 + j])) / sum, this->tolerance());
  }
}

TYPED_TEST(vision, dropout_keeps_what_the_noise_of_the_site_says) {
  const double keep = 0.7;
  const auto x = this->random({37, 1001});
  graph<TypeParam> pass(this->pool_, {.seed = 5, .step = 9});
  const auto y = dropout(pass, "blocks.0.mlp", x, keep).value();
  const noise_source source{.seed = 5, .stream = fnv1a("blocks.0.mlp/dropout"), .step = 9};
  const std::uint64_t threshold = 3006477107;  // 0.7 * 2^32 = 3006477107.2
  std::size_t kept = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const bool stays = noise_at(source, i, 32) < threshold;
    ASSERT_EQ(y[i], stays ? x.value()[i] * TypeParam(1 / keep) : 0) << i;
    kept += stays;
  }
  EXPECT_NEAR(double(kept) / double(y.size()), keep, 4 * std::sqrt(keep * (1 - keep) / double(y.size())));
}

TYPED_TEST(vision, dropout_is_the_identity_in_evaluation_and_where_all_stays) {
  const auto x = this->random({5});
  graph<TypeParam> evaluation(this->pool_, {}, false);
  EXPECT_EQ(dropout(evaluation, "site", x, 0.5).value().data(), x.value().data());
  EXPECT_EQ(dropout(this->pass_, "site", x, 1).value().data(), x.value().data());
}

/// One result of a convolution, term by term in the written order.
template <class T>
T convolution_at(const tensor<T>& x, const tensor<T>& weight, const conv2d_settings& s, std::size_t image,
                 std::size_t out, std::size_t oy, std::size_t ox) {
  const extents &a = x.shape(), &k = weight.shape();
  const std::size_t first = out / (k[0] / s.groups) * k[1];
  T sum = 0;
  for (std::size_t c = 0; c < k[1]; ++c)
    for (std::size_t ky = 0; ky < k[2]; ++ky)
      for (std::size_t kx = 0; kx < k[3]; ++kx) {
        const std::size_t py = oy * s.stride + ky, px = ox * s.stride + kx;
        const bool inside = py >= s.padding && py < a[2] + s.padding && px >= s.padding && px < a[3] + s.padding;
        const T value = inside ? x[((image * a[1] + first + c) * a[2] + py - s.padding) * a[3] + px - s.padding] : T(0);
        sum = std::fma(weight[((out * k[1] + c) * k[2] + ky) * k[3] + kx], value, sum);
      }
  return sum;
}

TYPED_TEST(vision, conv2d_is_one_chain_of_fused_multiply_adds_in_the_written_order) {
  struct shape {
    extents x, weight;
    conv2d_settings settings;
  };
  for (const shape& c :
       {shape{{2, 3, 9, 8}, {5, 3, 3, 3}, {.padding = 1}},
        shape{{3, 4, 8, 9}, {6, 2, 3, 2}, {.stride = 2, .groups = 2}},
        shape{{2, 6, 7, 7}, {6, 1, 3, 3}, {.stride = 2, .padding = 1, .groups = 6}},
        shape{{2, 4, 7, 7}, {8, 1, 5, 5}, {.padding = 2, .groups = 4}},
        shape{{1, 2, 2, 2}, {1, 2, 2, 2}, {.stride = 5, .padding = 3}}, shape{{2, 7, 5, 3}, {4, 7, 1, 1}, {}},
        // 5 images of 2^20 unfolded elements: pieces of four images and of one.
        shape{{5, 256, 64, 64}, {1, 256, 1, 1}, {}}}) {
    const auto x = this->random(c.x), weight = this->random(c.weight), bias = this->random({c.weight[0]});
    const auto y = conv2d(this->pass_, "site", x, weight, bias, c.settings).value();
    const auto plain = conv2d<TypeParam>(this->pass_, "site", x, weight, {}, c.settings).value();
    const extents& r = y.shape();
    ASSERT_EQ(r[2], (c.x[2] + 2 * c.settings.padding - c.weight[2]) / c.settings.stride + 1);
    std::size_t i = 0;
    for (std::size_t image = 0; image < r[0]; ++image)
      for (std::size_t out = 0; out < r[1]; ++out)
        for (std::size_t oy = 0; oy < r[2]; ++oy)
          for (std::size_t ox = 0; ox < r[3]; ++ox, ++i) {
            const TypeParam want = convolution_at(x.value(), weight.value(), c.settings, image, out, oy, ox);
            ASSERT_EQ(plain[i], want) << to_string(c.x) << " " << i;
            ASSERT_EQ(y[i], bias.value()[out] + want) << to_string(c.x) << " " << i;
          }
  }
}

/// Calls body() on every instruction set that this machine has.
template <class Body>
void on_each_isa(const Body& body) {
  for (const kernels::isa level : {kernels::isa::portable, kernels::isa::x86_64_v3, kernels::isa::x86_64_v4}) {
    if (level > kernels::detected_isa()) continue;
    const kernels::isa_scope scope(level);
    SCOPED_TRACE(kernels::to_string(level));
    body();
  }
}

template <class T>
void expect_equal(const tensor<T>& got, const tensor<T>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_TRUE(got[i] == want[i] ? std::signbit(got[i]) == std::signbit(want[i])
                                  : std::isnan(got[i]) && std::isnan(want[i]))
        << i << ": " << got[i] << " and " << want[i];
}

/// The gradients of a convolution, term by term in the written order.  @param dy  of the result
template <class T>
struct written_gradients {
  tensor<T> x, weight;

  written_gradients(const tensor<T>& input, const tensor<T>& kernel, const conv2d_settings& s, const tensor<T>& dy)
      : x(tensor<T>::zeros(input.shape())), weight(tensor<T>::zeros(kernel.shape())) {
    const extents &a = input.shape(), &k = kernel.shape(), &r = dy.shape();
    const std::size_t outputs = k[0] / s.groups, unfolded = a[1] * k[2] * k[3] * r[2] * r[3];
    const std::size_t together = std::clamp<std::size_t>((std::size_t(1) << 22) / unfolded, 1, a[0]);
    for (std::size_t c = 0; c < a[1]; ++c)
      for (std::size_t ky = 0; ky < k[2]; ++ky)
        for (std::size_t kx = 0; kx < k[3]; ++kx) {
          const std::size_t group = c / k[1];
          const auto pixel = [&](std::size_t image, std::size_t oy, std::size_t ox) {
            const std::size_t y = oy * s.stride + ky - s.padding, px = ox * s.stride + kx - s.padding;  // or wrapped
            return y < a[2] && px < a[3] ? ((image * a[1] + c) * a[2] + y) * a[3] + px : input.size();
          };
          const auto at = [&](std::size_t image, std::size_t o, std::size_t oy, std::size_t ox) {
            return dy[((image * r[1] + group * outputs + o) * r[2] + oy) * r[3] + ox];
          };
          const auto place = [&](std::size_t o) {
            return (((group * outputs + o) * k[1] + c % k[1]) * k[2] + ky) * k[3] + kx;
          };
          for (std::size_t image = 0; image < a[0]; ++image)
            for (std::size_t oy = 0; oy < r[2]; ++oy)
              for (std::size_t ox = 0; ox < r[3]; ++ox) {
                const std::size_t to = pixel(image, oy, ox);
                if (to == input.size()) continue;
                T chain = 0;
                for (std::size_t o = 0; o < outputs; ++o)
                  chain = std::fma(kernel[place(o)], at(image, o, oy, ox), chain);
                x[to] += chain;
              }
          for (std::size_t o = 0; o < outputs; ++o)
            for (std::size_t first = 0; first < a[0]; first += together) {
              T chain = 0;
              for (std::size_t image = first; image < std::min(a[0], first + together); ++image)
                for (std::size_t oy = 0; oy < r[2]; ++oy)
                  for (std::size_t ox = 0; ox < r[3]; ++ox) {
                    const std::size_t from = pixel(image, oy, ox);
                    chain = std::fma(at(image, o, oy, ox), from == input.size() ? T(0) : input[from], chain);
                  }
              weight[place(o)] = first == 0 ? chain : weight[place(o)] + chain;
            }
        }
  }
};

TYPED_TEST(vision, gradients_of_conv2d_are_chains_in_the_written_order) {
  using T = TypeParam;
  struct shape {
    extents x, weight;
    conv2d_settings settings;
    T first_weight = T(0.5);
  };
  const T infinity = std::numeric_limits<T>::infinity();
  for (const shape& c :
       {shape{{3, 3, 9, 16}, {16, 3, 3, 3}, {.padding = 1}}, shape{{2, 16, 8, 8}, {9, 16, 3, 3}, {.padding = 1}},
        shape{{2, 5, 7, 6}, {17, 5, 3, 2}, {.padding = 2}}, shape{{2, 4, 5, 5}, {33, 4, 1, 1}, {.padding = 1}},
        shape{{2, 18, 9, 9}, {32, 9, 3, 3}, {.stride = 2, .padding = 1, .groups = 2}},
        shape{{2, 4, 12, 11}, {20, 4, 2, 2}, {.stride = 3}}, shape{{40, 2, 32, 32}, {8, 2, 3, 3}, {.padding = 1}},
        shape{{2, 3, 6, 5}, {8, 3, 1, 1}, {.stride = 2}}, shape{{2, 3, 9, 8}, {8, 3, 3, 3}, {.padding = 1}, infinity},
        // 5 images of 2^20 unfolded elements: pieces of four images and of one.
        shape{{5, 256, 64, 64}, {8, 256, 1, 1}, {}}}) {
    SCOPED_TRACE(to_string(c.x) + " " + to_string(c.weight));
    const auto x = this->random(c.x), weight = this->random(c.weight);
    weight.mutable_value()[0] = c.first_weight;
    const auto first = conv2d<T>(this->pass_, "site", x, weight, {}, c.settings).value();
    const tensor<T> dy = this->random_.template values<T>(first.shape());
    const written_gradients<T> want(x.value(), weight.value(), c.settings, dy);
    on_each_isa([&] {
      for (const std::size_t threads : {1u, 2u, 3u}) {
        thread_pool pool(threads);
        graph<T> pass(pool);
        const variable<T> a(x.value(), true), w(weight.value(), true);
        const variable<T> y = conv2d<T>(pass, "site", a, w, {}, c.settings);
        expect_equal(y.value(), first);
        y.add_gradient(dy, pool);
        const variable<T> loss(tensor<T>::full({1}, T(0)), true);
        pass.backward(loss);
        expect_equal(a.gradient(), want.x);
        expect_equal(w.gradient(), want.weight);
      }
    });
  }
}

/// A depthwise convolution does not unfold; its bits are those of the products that a weight of zeros outside the
/// diagonal gives, for which it does.
TYPED_TEST(vision, depthwise_convolutions_have_the_bits_of_a_matrix_product) {
  using T = TypeParam;
  struct shape {
    extents x;
    std::size_t kernel;
    conv2d_settings settings;
  };
  for (const shape& c : {shape{{3, 5, 9, 8}, 3, {.padding = 1}}, shape{{2, 4, 9, 7}, 5, {.stride = 2, .padding = 2}},
                         shape{{2, 3, 6, 6}, 3, {.stride = 2}},
                         // 2^19.2 unfolded elements per image: pieces of seven images and of two.
                         shape{{9, 16, 64, 64}, 3, {.padding = 1}}}) {
    const std::size_t channels = c.x[1], window = c.kernel * c.kernel;
    const auto x = this->random(c.x), weight = this->random({channels, 1, c.kernel, c.kernel}),
               bias = this->random({channels});
    const variable<T> same_x(x.value(), true);
    const variable<T> diagonal(tensor<T>::zeros({channels, channels, c.kernel, c.kernel}), true);
    for (std::size_t i = 0; i < weight.value().size(); ++i)
      diagonal.mutable_value()[i / window * (channels + 1) * window + i % window] = weight.value()[i];
    conv2d_settings depthwise = c.settings;
    depthwise.groups = channels;
    const auto y = conv2d(this->pass_, "site", x, weight, bias, depthwise);
    const auto product = conv2d(this->pass_, "site", same_x, diagonal, bias, c.settings);
    const variable<T> target(this->random_.template values<T>(y.shape()));
    this->pass_.backward(add(this->pass_, mse(this->pass_, y, target), mse(this->pass_, product, target)));
    for (std::size_t i = 0; i < y.value().size(); ++i) ASSERT_EQ(y.value()[i], product.value()[i]) << i;
    for (std::size_t i = 0; i < x.value().size(); ++i) ASSERT_EQ(x.gradient()[i], same_x.gradient()[i]) << i;
    for (std::size_t i = 0; i < weight.value().size(); ++i)
      ASSERT_EQ(weight.gradient()[i], diagonal.gradient()[i / window * (channels + 1) * window + i % window]) << i;
  }
}

/// Values and gradients of a convolution under a recipe.
struct convolution_result {
  tensor<float> y, x_gradient, weight_gradient;
};
convolution_result convolved(const bound_recipe* recipe, const extents& x_shape, const extents& weight_shape,
                             const conv2d_settings& settings) {
  thread_pool pool(1);
  random_values random(4);
  const variable<float> x(random.values<float>(x_shape), true), weight(random.values<float>(weight_shape), true);
  graph<float> pass(pool, {.recipe = recipe, .seed = 3, .step = 2});
  const variable<float> y = conv2d<float>(pass, "site", x, weight, {}, settings);
  const variable<float> target(random.values<float>(y.shape()));
  pass.backward(mse(pass, y, target));
  return {y.value(), x.gradient(), weight.gradient()};
}

/// A recipe that says something of everything, without noise.
const char* const emulated = R"(
[[rule]]
layers = "*"
operands = "hadamard(32)+mxfp4"
accumulator = "e8m13/rtz:chunk=32->f32"
result = "e8m7"
straight_through = { input = "clip", weight = "clip" }
)";
/// Products of elements whose scales come afterwards.
const char* const scaled_afterwards = R"(
[[rule]]
layers = "*"
operands = "mxfp8_e4m3"
accumulator = "mx"
)";

recipe recipe_of(const std::string& text) {
  return text.find('[') == std::string::npos ? find_recipe(text) : parse_recipe(text, "test", "test");
}

/// Everything that the recipe makes of a 1 x 1 convolution is what it makes of `linear`, pixel by pixel: the same
/// matrices, the same axes.
TEST(vision_recipe, a_convolution_of_one_pixel_windows_quantizes_as_linear) {
  const std::size_t images = 2, channels = 64, outputs = 96, height = 4, width = 8, pixels = height * width;
  for (const char* name : {"mxfp8", "fp8_e4m3", "bf16", "mxfp4", emulated, scaled_afterwards}) {
    const bound_recipe recipe(recipe_of(name), {"site"});
    const auto conv = convolved(&recipe, {images, channels, height, width}, {outputs, channels, 1, 1}, {});
    thread_pool pool(1);
    random_values random(4);
    const tensor<float> x = random.values<float>({images, channels, height, width}),
                        w = random.values<float>({outputs, channels, 1, 1});
    tensor<float> rows = tensor<float>::uninitialized({images * pixels, channels});
    for (std::size_t b = 0; b < images; ++b)
      for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t p = 0; p < pixels; ++p)
          rows[(b * pixels + p) * channels + c] = x[(b * channels + c) * pixels + p];
    const variable<float> linear_x(rows, true), linear_w(w.reshaped({outputs, channels}), true);
    graph<float> pass(pool, {.recipe = &recipe, .seed = 3, .step = 2});
    const variable<float> y = linear<float>(pass, "site", linear_x, linear_w, {});
    tensor<float> target = tensor<float>::uninitialized(y.shape());
    for (std::size_t b = 0; b < images; ++b)
      for (std::size_t c = 0; c < outputs; ++c)
        for (std::size_t p = 0; p < pixels; ++p) target[(b * pixels + p) * outputs + c] = float(random.next());
    pass.backward(mse(pass, y, variable<float>(target)));
    expect_equal(conv.weight_gradient, linear_w.gradient().reshaped({outputs, channels, 1, 1}));
    for (std::size_t b = 0; b < images; ++b)
      for (std::size_t p = 0; p < pixels; ++p) {
        for (std::size_t c = 0; c < channels; ++c)
          ASSERT_EQ(conv.x_gradient[(b * channels + c) * pixels + p],
                    linear_x.gradient()[(b * pixels + p) * channels + c])
              << name;
        for (std::size_t c = 0; c < outputs; ++c)
          ASSERT_EQ(conv.y[(b * outputs + c) * pixels + p], y.value()[(b * pixels + p) * outputs + c]) << name;
      }
  }
}

/// Counters are of whole operands, so that a pass which takes them quantizes every operand whole.
TEST(vision_recipe, inputs_quantized_in_pieces_are_those_quantized_whole) {
  struct shape {
    extents x, weight;
    conv2d_settings settings;
  };
  const std::vector<shape> shapes{
      {{9, 8, 32, 32}, {16, 8, 3, 3}, {.padding = 1}},  // 2^16.2 unfolded elements per image: pieces of one image
      {{40, 6, 15, 15}, {18, 3, 3, 3}, {.padding = 1, .groups = 2}},  // 225 columns: a block of 32 ends with 32 images
      {{5, 4, 9, 8}, {8, 4, 3, 2}, {.stride = 2, .padding = 1}},
      {{3, 8, 9, 9}, {16, 8, 1, 1}, {.stride = 2}},      // pixels that no window sees
      {{30, 16, 32, 32}, {8, 16, 3, 3}, {.padding = 1}}  // chains of 28 images and of 2
  };
  for (const char* name :
       {"mxfp4", "mxfp8", "nvfp4", "bf16", "e4m3fn@tensor", "int8@tensor", "e4m3fn@row", "fp8_delayed", "fp8_tiles",
        "mxfp4_sr_backward", "e4m3fn/sr@tensor", "lns8_tensor", "e4m3fn@block(16,e4m3fn)", "int8_row"}) {
    SCOPED_TRACE(name);
    const bound_recipe recipe(recipe_of(name), {"site"});
    for (const shape& c : shapes) {
      SCOPED_TRACE(to_string(c.x));
      if (c.x[0] == 30 && name != std::string_view("mxfp4") && name != std::string_view("e4m3fn@tensor")) continue;
      random_values random(7);
      tensor<float> images = random.values<float>(c.x);
      images[3] = -0.0f;
      const tensor<float> kernel = random.values<float>(c.weight);
      tensor<float> dy;
      const auto run = [&](std::size_t threads, bool is_whole) {
        thread_pool pool(threads);
        scale_histories histories;
        const variable<float> x(images, true), weight(kernel, true);
        quantization_context context{.recipe = &recipe, .seed = 3, .step = 2, .histories = &histories};
        if (is_whole) context.observer = [](const quantization_record&) {};
        graph<float> pass(pool, context);
        const variable<float> y = conv2d<float>(pass, "site", x, weight, {}, c.settings);
        if (dy.empty()) dy = random.values<float>(y.shape());
        y.add_gradient(dy, pool);
        pass.backward(variable<float>(tensor<float>::full({1}, 0), true));
        histories.advance();
        return std::pair(convolution_result{y.value(), x.gradient(), weight.gradient()}, histories.past());
      };
      const auto [whole, past] = run(1, true);
      for (const std::size_t threads : {1u, 2u, 3u}) {
        const auto [pieces, same_past] = run(threads, false);
        expect_equal(pieces.y, whole.y);
        expect_equal(pieces.x_gradient, whole.x_gradient);
        expect_equal(pieces.weight_gradient, whole.weight_gradient);
        ASSERT_EQ(same_past, past);
      }
    }
  }
}

TEST(vision_recipe, groups_are_convolutions_of_their_own) {
  const extents half{2, 32, 7, 6}, weights{32, 32, 2, 3};
  const conv2d_settings settings{.padding = 1};
  for (const char* name : {emulated, scaled_afterwards}) {
    const bound_recipe recipe(recipe_of(name), {"site"});
    thread_pool pool(2);
    random_values random(6);
    const auto run = [&](const variable<float>& x, const variable<float>& weight, std::size_t groups) {
      graph<float> pass(pool, {.recipe = &recipe});
      conv2d_settings s = settings;
      s.groups = groups;
      const variable<float> y = conv2d<float>(pass, "site", x, weight, {}, s);
      const variable<float> loss = pass.result(tensor<float>::full({1}, 1), {&y}, [&pool, y](const auto&) {
        tensor<float> gradient = y.value().clone();  // any number for each result
        y.add_gradient(std::move(gradient), pool);
      });
      pass.backward(loss);
      return y.value();
    };
    std::vector<variable<float>> xs, ws;
    std::vector<tensor<float>> ys;
    for (int group = 0; group < 2; ++group) {
      xs.emplace_back(random.values<float>(half), true);
      ws.emplace_back(random.values<float>(weights), true);
      ys.push_back(run(xs.back(), ws.back(), 1));
    }
    // Images of both: the channels of the first group, then those of the second.
    const auto joined = [](const tensor<float>& a, const tensor<float>& b) {
      const std::size_t image = a.size() / 2;
      tensor<float> both = tensor<float>::uninitialized({2, 2 * a.shape()[1], a.shape()[2], a.shape()[3]});
      for (std::size_t i = 0; i < both.size(); ++i)
        both[i] = (i / image % 2 == 0 ? a : b)[i / (2 * image) * image + i % image];
      return both;
    };
    tensor<float> w = tensor<float>::uninitialized({64, 32, 2, 3});
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = ws[i / (w.size() / 2)].value()[i % (w.size() / 2)];
    const variable<float> x(joined(xs[0].value(), xs[1].value()), true), weight(w, true);
    expect_equal(run(x, weight, 2), joined(ys[0], ys[1]));
    expect_equal(x.gradient(), joined(xs[0].gradient(), xs[1].gradient()));
    for (std::size_t i = 0; i < w.size(); ++i)
      ASSERT_EQ(weight.gradient()[i], ws[i / (w.size() / 2)].gradient()[i % (w.size() / 2)]) << i;
  }
}

/// A recipe that changes no bit (its format holds every float32) goes another way, since a quantized operand is
/// unfolded whole: the results are those without a recipe, also where there are several pieces.
TEST(vision_recipe, an_exact_format_gives_the_bits_of_no_recipe) {
  const bound_recipe recipe(find_recipe("e8m23"), {"site"});
  for (const extents& shape : {extents{3, 6, 9, 9}, extents{3, 64, 64, 64}}) {
    const extents weight{6, shape[1] / 2, 3, 3};
    const conv2d_settings settings{.stride = 2, .padding = 1, .groups = 2};
    const auto with = convolved(&recipe, shape, weight, settings),
               without = convolved(nullptr, shape, weight, settings);
    expect_equal(with.y, without.y);
    expect_equal(with.x_gradient, without.x_gradient);
    expect_equal(with.weight_gradient, without.weight_gradient);
  }
}

/// Planes of 703 and of 9 elements begin at every lane, and their chunks of 4096 begin inside of planes.
TYPED_TEST(vision, batch_norm_sums_channels_in_the_written_order) {
  using T = TypeParam;
  for (const extents& shape :
       {extents{7, 3, 37, 19}, extents{600, 2, 3, 3}, extents{3, 4, 64, 64}, extents{40, 5}, extents{2, 2, 100, 100}}) {
    const std::size_t channels = shape[1], positions = shape.count() / shape[0] / channels,
                      count = shape[0] * positions;
    const auto x = this->random(shape), weight = this->random({channels}), bias = this->random({channels});
    const auto buffers = batch_norm_buffers<T>::make(channels);
    graph<T> pass(this->pool_);
    const variable<T> y = batch_norm(pass, x, weight, bias, buffers, {.momentum = 1});
    const tensor<T> dy = this->random_.template values<T>(shape);
    y.add_gradient(dy, this->pool_);
    pass.backward(variable<T>(tensor<T>::full({1}, T(0)), true));
    for (std::size_t channel = 0; channel < channels; ++channel) {
      std::vector<T> a, d;
      for (std::size_t image = 0; image < shape[0]; ++image)
        for (std::size_t p = 0; p < positions; ++p) {
          a.push_back(x.value()[(image * channels + channel) * positions + p]);
          d.push_back(dy[(image * channels + channel) * positions + p]);
        }
      const T mean = reduction::sum(a.data(), count) / T(count);
      for (T& v : a) v -= mean;
      const T variance = reduction::sum_of_squares(a.data(), count) / T(count);
      const T inverse = T(1) / std::sqrt(variance + T(1e-5));
      for (T& v : a) v *= inverse;
      const T sum = reduction::sum(d.data(), count), product = reduction::dot(d.data(), a.data(), count);
      ASSERT_EQ(buffers.mean.value()[channel], mean);
      ASSERT_EQ(buffers.variance.value()[channel], variance * (T(count) / T(count - 1)));
      ASSERT_EQ(bias.gradient()[channel], sum);
      ASSERT_EQ(weight.gradient()[channel], product);
      const T slope = weight.value()[channel] * inverse;
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t at = (i / positions * channels + channel) * positions + i % positions;
        ASSERT_EQ(y.value()[at], a[i] * weight.value()[channel] + bias.value()[channel]);
        ASSERT_EQ(x.gradient()[at], (d[i] - sum / T(count) - a[i] * (product / T(count))) * slope);
      }
    }
  }
}

TYPED_TEST(vision, batch_norm_uses_the_statistics_of_the_batch_and_moves_the_buffers) {
  using T = TypeParam;
  const std::size_t images = 3, channels = 2, pixels = 35, n = images * pixels;
  const auto x = this->random({images, channels, 5, 7}, 3), weight = this->random({channels}),
             bias = this->random({channels});
  const auto buffers = batch_norm_buffers<T>::make(channels);
  const batch_norm_settings settings{.epsilon = 1e-3, .momentum = 0.25};
  const auto y = batch_norm(this->pass_, x, weight, bias, buffers, settings).value();
  graph<T> evaluation(this->pool_, {}, false);
  const tensor<T> mean_before = buffers.mean.value();
  const auto z = batch_norm(evaluation, x, weight, bias, buffers, settings).value();
  EXPECT_EQ(buffers.mean.value().data(), mean_before.data());
  for (std::size_t c = 0; c < channels; ++c) {
    const auto at = [&](std::size_t i) { return (i / pixels * channels + c) * pixels + i % pixels; };
    double mean = 0, square = 0;
    for (std::size_t i = 0; i < n; ++i) mean += double(x.value()[at(i)]) / double(n);
    for (std::size_t i = 0; i < n; ++i) square += std::pow(double(x.value()[at(i)]) - mean, 2);
    const double running_mean = 0.25 * mean, running_variance = 0.75 + 0.25 * square / double(n - 1);
    EXPECT_NEAR(buffers.mean.value()[c], running_mean, this->tolerance());
    EXPECT_NEAR(buffers.variance.value()[c], running_variance, this->tolerance());
    for (std::size_t i = 0; i < n; ++i) {
      const double v = double(x.value()[at(i)]), w = double(weight.value()[c]), b = double(bias.value()[c]);
      ASSERT_NEAR(y[at(i)], (v - mean) / std::sqrt(square / double(n) + 1e-3) * w + b, this->tolerance());
      ASSERT_NEAR(z[at(i)], (v - running_mean) / std::sqrt(running_variance + 1e-3) * w + b, this->tolerance(4));
    }
  }
}

TYPED_TEST(vision, pooling_takes_the_largest_and_the_mean_of_windows) {
  const auto x = this->random({2, 3, 7, 6});
  for (const pool2d_settings& s :
       {pool2d_settings{2}, pool2d_settings{3, 2, 1}, pool2d_settings{3, 1, 1}, pool2d_settings{2, 3}}) {
    const auto largest = max_pool2d(this->pass_, x, s).value(), mean = avg_pool2d(this->pass_, x, s).value();
    const std::size_t stride = s.stride == 0 ? s.kernel : s.stride;
    const std::size_t rows = (7 + 2 * s.padding - s.kernel) / stride + 1;
    const std::size_t columns = (6 + 2 * s.padding - s.kernel) / stride + 1;
    ASSERT_EQ(largest.shape(), (extents{2, 3, rows, columns}));
    for (std::size_t i = 0; i < largest.size(); ++i) {
      const std::size_t plane = i / (rows * columns), oy = i / columns % rows, ox = i % columns;
      double top = -std::numeric_limits<double>::infinity(), sum = 0;
      for (std::size_t py = oy * stride; py < oy * stride + s.kernel; ++py)
        for (std::size_t px = ox * stride; px < ox * stride + s.kernel; ++px) {
          if (py < s.padding || py >= 7 + s.padding || px < s.padding || px >= 6 + s.padding) continue;
          const double value = double(x.value()[plane * 42 + (py - s.padding) * 6 + px - s.padding]);
          top = std::max(top, value);
          sum += value;
        }
      ASSERT_EQ(largest[i], top);
      ASSERT_NEAR(mean[i], sum / double(s.kernel * s.kernel), this->tolerance());
    }
  }
  const auto whole = global_avg_pool(this->pass_, x).value();
  ASSERT_EQ(whole.shape(), (extents{2, 3}));
  for (std::size_t plane = 0; plane < 6; ++plane) {
    double sum = 0;
    for (std::size_t i = 0; i < 42; ++i) sum += double(x.value()[plane * 42 + i]);
    ASSERT_NEAR(whole[plane], sum / 42, this->tolerance());
  }
}

TYPED_TEST(vision, max_pool2d_gives_a_nan_that_a_window_holds_and_the_gradient_to_the_first_of_equals) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const std::vector<T> values{2, 2, 1, nan, 2, 2, 5, 1};
  const variable<T> x(tensor<T>::from({1, 1, 2, 4}, values), true);
  const auto y = max_pool2d(this->pass_, x, {2});
  EXPECT_EQ(y.value()[0], 2);
  EXPECT_TRUE(std::isnan(y.value()[1]));
  this->pass_.backward(mse(this->pass_, max_pool2d(this->pass_, y, {.kernel = 2, .stride = 2, .padding = 1}),
                           variable<T>(tensor<T>::zeros({1, 1, 1, 2}))));
  EXPECT_NE(x.gradient()[0], 0);
  for (const std::size_t i : {1u, 2u, 4u, 5u, 6u, 7u}) EXPECT_EQ(x.gradient()[i], 0) << i;
}

TYPED_TEST(vision, cross_entropy_with_smoothing_and_z_loss_is_the_sum_of_its_parts) {
  const std::vector<std::int32_t> targets{4, no_target, 0, 6};
  const auto logits = this->random({4, 9}, 3);
  const std::size_t vocabulary = 7;
  const cross_entropy_settings settings{.label_smoothing = 0.2, .z_loss = 1e-2};
  const auto given = cross_entropy(this->pass_, logits, std::span(targets), vocabulary, settings);
  double plain = 0, even = 0, squares = 0;
  for (const std::size_t row : {0u, 2u, 3u}) {
    double z = 0, mean = 0;
    for (std::size_t j = 0; j < vocabulary; ++j) {
      z += std::exp(double(logits.value()[row * 9 + j]));
      mean += double(logits.value()[row * 9 + j]) / double(vocabulary);
    }
    plain += (std::log(z) - double(logits.value()[row * 9 + std::size_t(targets[row])])) / 3;
    even += (std::log(z) - mean) / 3;
    squares += std::pow(std::log(z), 2) / 3;
  }
  EXPECT_NEAR(given.plain, plain, this->tolerance(4));
  EXPECT_NEAR(given.z_loss, 1e-2 * squares, this->tolerance());
  EXPECT_NEAR(given.mean.value()[0], 0.8 * plain + 0.2 * even + 1e-2 * squares, this->tolerance(4));

  const auto off = cross_entropy(this->pass_, logits, std::span(targets), vocabulary);
  EXPECT_EQ(off.mean.value()[0], off.plain);
  EXPECT_EQ(off.mean.value()[0], given.plain);
  EXPECT_EQ(off.z_loss, 0);
}

TYPED_TEST(vision, mse_is_the_mean_of_the_squared_differences) {
  const auto x = this->random({3, 50}), target = this->random({3, 50});
  double sum = 0;
  for (std::size_t i = 0; i < 150; ++i) sum += std::pow(double(x.value()[i]) - double(target.value()[i]), 2);
  EXPECT_NEAR(mse(this->pass_, x, target).value()[0], sum / 150, this->tolerance());
}

TEST(vision_threads, every_number_of_threads_gives_the_same_bits) {
  std::vector<tensor<float>> first;
  for (const std::size_t threads : {1u, 2u, 3u}) {
    thread_pool pool(threads);
    random_values random(8);
    const variable<float> x(random.values<float>({9, 8, 23, 21}), true);
    const variable<float> weight(random.values<float>({12, 4, 3, 3}), true), bias(random.values<float>({12}), true);
    const variable<float> depthwise(random.values<float>({12, 1, 3, 3}), true);
    const variable<float> slope(random.values<float>({12}), true), shift(random.values<float>({12}), true);
    const auto buffers = batch_norm_buffers<float>::make(12);
    graph<float> pass(pool, {.seed = 1, .step = 2});
    variable<float> y = conv2d(pass, "a", x, weight, bias, {.stride = 1, .padding = 1, .groups = 2});
    y = gelu_erf(pass, batch_norm(pass, y, slope, shift, buffers));
    y = silu(pass, conv2d<float>(pass, "b", y, depthwise, {}, {.stride = 2, .padding = 1, .groups = 12}));
    y = avg_pool2d(pass, max_pool2d(pass, dropout(pass, "c", y, 0.9), {3, 1, 1}), {2});
    y = softmax(pass, relu(pass, global_avg_pool(pass, scale(pass, y, 3))));
    pass.backward(mse(pass, y, variable<float>(random.values<float>(y.shape()))));
    std::vector<tensor<float>> results{y.value(), buffers.mean.value(), buffers.variance.value()};
    for (const variable<float>& v : {x, weight, bias, depthwise, slope, shift}) results.push_back(v.gradient());
    if (first.empty()) first = results;
    for (std::size_t i = 0; i < results.size(); ++i) expect_equal(results[i], first[i]);
  }
}

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(vision_errors, name_function_argument_and_what_is_valid) {
  thread_pool pool(1);
  graph<float> pass(pool);
  const auto zeros = [](const extents& shape) { return variable<float>(tensor<float>::zeros(shape)); };
  const variable<float> x = zeros({2, 4, 5, 5});
  const auto conv = [&](const extents& weight, const conv2d_settings& settings) {
    return message_of([&] { conv2d<float>(pass, "site", x, zeros(weight), {}, settings); });
  };
  EXPECT_EQ(conv({3, 4, 3}, {}), "conv2d: weight has shape (3, 4, 3); it must have 4 sizes");
  EXPECT_EQ(conv({3, 4, 3, 3}, {.stride = 0}), "conv2d: stride is 0; it must be at least 1");
  EXPECT_EQ(conv({3, 4, 3, 3}, {.groups = 3}),
            "conv2d: groups is 3; it must divide the 4 channels of x and the 3 of the result");
  EXPECT_EQ(conv({4, 4, 3, 3}, {.groups = 2}),
            "conv2d: weight has shape (4, 4, 3, 3); its second size must be 2, the channels of a group of x, which has "
            "shape (2, 4, 5, 5)");
  EXPECT_EQ(conv({4, 4, 8, 3}, {.padding = 1}),
            "conv2d: weight has shape (4, 4, 8, 3), and x of shape (2, 4, 5, 5) with padding 1 is smaller; a window "
            "must fit");
  EXPECT_EQ(message_of([&] {
              conv2d(pass, "site", x, zeros({3, 4, 1, 1}), zeros({4}));
            }),
            "conv2d: bias has shape (4); it must have (3)");
  EXPECT_EQ(message_of([&] { max_pool2d(pass, x, {.kernel = 3, .padding = 2}); }),
            "max_pool2d: padding is 2; it must be at most half the kernel, which is 3");
  EXPECT_EQ(message_of([&] { avg_pool2d(pass, x, {.kernel = 0}); }), "avg_pool2d: kernel is 0; it must be at least 1");
  EXPECT_EQ(message_of([&] { max_pool2d(pass, x, {.kernel = 6}); }),
            "max_pool2d: kernel is 6, and x of shape (2, 4, 5, 5) with padding 0 is smaller; a window must fit");
  EXPECT_EQ(message_of([&] {
              global_avg_pool(pass, zeros({2, 3}));
            }),
            "global_avg_pool: x has shape (2, 3); it must have 4 sizes");
  const auto buffers = batch_norm_buffers<float>::make(4);
  EXPECT_EQ(message_of([&] { batch_norm(pass, x, zeros({3}), zeros({4}), buffers); }),
            "batch_norm: weight has shape (3); it must have (4)");
  EXPECT_EQ(message_of([&] {
              batch_norm(pass, zeros({1, 4}), zeros({4}), zeros({4}), buffers);
            }),
            "batch_norm: x has shape (1, 4), one element per channel; in training there must be more");
  EXPECT_EQ(message_of([&] { batch_norm(pass, x, zeros({4}), zeros({4}), buffers, {.momentum = 2}); }),
            "batch_norm: momentum is 2.000000; it must be 0 to 1");
  EXPECT_EQ(message_of([&] { dropout(pass, "site", x, 0); }),
            "dropout: keep is 0.000000; it must be a probability above 0 and at most 1");
  EXPECT_EQ(message_of([&] { mse(pass, x, zeros({2})); }), "mse: target has shape (2); it must have (2, 4, 5, 5)");
  const std::vector<std::int32_t> targets(2, 0);
  EXPECT_EQ(message_of([&] {
              cross_entropy(pass, zeros({2, 3}), std::span(targets), 3, {.label_smoothing = 1});
            }),
            "cross_entropy: label_smoothing is 1.000000; it must be at least 0 and below 1");
}

}  // namespace
}  // namespace binade
