// Classifiers of images: their parameters, what they learn, that threads leave their bits alone, and what their tables
// take.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "engine/random_values.hpp"
#include "model/conv_network.hpp"
#include "model/mlp.hpp"
#include "model/mobilenet.hpp"
#include "model/model_kinds.hpp"
#include "model/resnet.hpp"
#include "recipe/quantized_matmul.hpp"
#include "recipe/recipe.hpp"

namespace binade {
namespace {

constexpr image_shape shape{.channels = 3, .height = 8, .width = 8, .classes = 4};

/// Images whose class is the quarter that is brighter.
image_batch quarters(std::size_t rows) {
  test::random_values random(5);
  image_batch batch;
  batch.rows = rows;
  batch.channels = 3;
  batch.height = batch.width = 8;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t label = random.below(4);
    batch.labels.push_back(std::int32_t(label));
    for (std::size_t i = 0; i < 3 * 64; ++i) {
      const std::size_t y = i / 8 % 8, x = i % 8;
      batch.pixels.push_back(float(random.next() + (y / 4 * 2 + x / 4 == label ? 1 : 0)));
    }
  }
  return batch;
}

std::shared_ptr<const model_plan> plan_of(const std::string& text) {
  const toml_section table = toml_section::parse(text, "m.toml");
  std::shared_ptr<const model_plan> plan = read_model(table);
  table.finish();
  return plan;
}

const char* const tables[] = {
    "kind = \"mlp\"\nwidth = 32\ndropout = 0.1\n",
    "kind = \"resnet\"\nwidths = [4, 8]\nblocks = 1\nlabel_smoothing = 0.1\n",
    "kind = \"mobilenet\"\nwidths = [4, 8]\nblocks = [1, 2]\nexpansion = 2\n",
};

class image_model : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(kinds, image_model, testing::ValuesIn(tables));

/// Loss before and after some steps of plain gradient descent, and the weights.
struct training {
  double first, last;
  std::string digest;
};
training train(const char* table, std::size_t threads, const bound_recipe* recipe) {
  thread_pool pool(threads);
  const auto network = plan_of(table)->fitted_to(shape)->make(3);
  const data_batch batch = quarters(32);
  training result{};
  for (std::uint32_t step = 0; step < 12; ++step) {
    graph<float> pass(pool, {.recipe = recipe, .seed = 1, .step = step});
    network->clear_gradients();
    const model_loss<float> loss = network->loss(pass, batch);
    pass.backward(loss.mean);
    (step == 0 ? result.first : result.last) = double(loss.plain);
    for (const parameter<float>& p : network->parameters())
      for (std::size_t i = 0; i < p.value.value().size(); ++i)
        p.value.mutable_value()[i] -= 0.1F * p.value.gradient()[i];
  }
  result.digest = weights_digest(network->parameters()) + weights_digest(network->buffers());
  return result;
}

TEST_P(image_model, learns_with_and_without_a_recipe_and_with_the_same_bits_on_any_number_of_threads) {
  const bound_recipe recipe(find_recipe("mxfp8"), plan_of(GetParam())->fitted_to(shape)->gemm_sites());
  const training plain = train(GetParam(), 1, nullptr), quantized = train(GetParam(), 1, &recipe);
  EXPECT_LT(plain.last, 0.75 * plain.first);
  EXPECT_LT(quantized.last, 0.75 * quantized.first);
  EXPECT_NE(plain.digest, quantized.digest);
  for (const std::size_t threads : {2u, 3u}) {
    EXPECT_EQ(train(GetParam(), threads, nullptr).digest, plain.digest);
    EXPECT_EQ(train(GetParam(), threads, &recipe).digest, quantized.digest);
  }
}

TEST_P(image_model, has_the_sites_and_parameters_of_its_plan) {
  const auto plan = plan_of(GetParam())->fitted_to(shape);
  EXPECT_EQ(plan->gemm_sites(), plan_of(GetParam())->gemm_sites());  // known before the data
  const auto network = plan->make(1);
  const std::vector<parameter_plan> plans = plan->parameters();
  ASSERT_EQ(network->parameters().size(), plans.size());
  for (std::size_t i = 0; i < plans.size(); ++i) {
    EXPECT_EQ(network->parameters()[i].name, plans[i].name);
    EXPECT_EQ(network->parameters()[i].value.value().size(), count_elements(plans[i]));
  }
  for (const std::string& site : plan->gemm_sites()) EXPECT_NO_THROW(network->at(site + ".weight"));
}

TEST_P(image_model, reads_its_canonical_text_back) {
  const std::string text = plan_of(GetParam())->canonical_text();
  EXPECT_EQ(plan_of(text)->canonical_text(), text);
}

TEST(image_models, resnet_20_has_the_published_number_of_parameters_and_products) {
  const auto plan = plan_of("kind = \"resnet\"\n")->fitted_to(image_shape{3, 32, 32, 10});
  // 0.27 million and 41 million multiplications: He et al. 2016, table 6 and section 4.2, plus 2752 and 196608 of the
  // shortcuts of 1 x 1, with their norms.
  EXPECT_EQ(count_parameters(plan->parameters()).total, 272474u);
  EXPECT_EQ(plan->gemm_sites().size(), 22u);
  EXPECT_NEAR(plan->flops_per_example() / 6, 40.8e6, 0.4e6);
}

TEST(image_models, evaluation_depends_on_one_image_alone) {
  thread_pool pool(1);
  const auto network = plan_of(tables[1])->fitted_to(shape)->make(3);
  const image_batch two = quarters(2);
  image_batch one = two;
  one.rows = 1;
  one.pixels.resize(one.pixels.size() / 2);
  one.labels.resize(1);
  graph<float> evaluation(pool, {}, false);
  EXPECT_EQ(network->loss(evaluation, one).positions[0], network->loss(evaluation, two).positions[0]);
}

std::string message_of(const std::string& text) {
  try {
    plan_of(text);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(image_models, errors_name_line_and_key) {
  EXPECT_EQ(message_of("kind = \"resnet\"\nwidths = []\n"),
            "m.toml:2: key \"widths\": is empty; there must be at least one stage");
  EXPECT_EQ(message_of("kind = \"resnet\"\nblocks = [1, 2]\n"),
            "m.toml:2: key \"blocks\": has 2 numbers; there must be one, or one for each of the 3 stages");
  EXPECT_EQ(message_of("kind = \"mobilenet\"\nstrides = [1, 3, 1]\n"),
            "m.toml:2: key \"strides\": holds 3; valid are 1 to 2");
  EXPECT_EQ(message_of("kind = \"mlp\"\nactivation = \"rely\"\n"),
            "m.toml:2: key \"activation\": activation: unknown function 'rely'; valid: relu, relu6, gelu, gelu_erf, "
            "silu; the nearest is relu");
  try {
    plan_of(tables[0])->fitted_to(token_shape{260, 16});
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(),
                 "model: mlp reads images, and the data are none; choose a source of images, or another kind of model");
  }
}

}  // namespace
}  // namespace binade
