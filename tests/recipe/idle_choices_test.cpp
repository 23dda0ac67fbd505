// Choices of a recipe file that no product or result of a model can show.
#include "recipe/idle_choices.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "recipe/error_text.hpp"
#include "recipe/quantized_matmul.hpp"
#include "recipe/recipe.hpp"
#include "train/settings.hpp"

namespace binade {
namespace {

using test::error_of;
using test::expect_part;

const std::vector<std::string> sites{"blocks.0.up", "blocks.0.down", "head"};
const std::vector<output_kind> few_outputs{output_kind::norm, output_kind::activation};

std::string refusal(const std::string& text) {
  const recipe r = parse_recipe(text, "mine.toml", "mine");
  try {
    refuse_idle_choices(r, sites, few_outputs);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return {};
}

TEST(idle_choices, of_signs_without_a_random_transform_are_refused_by_line_and_key) {
  expect_part(refusal("[[rule]]\nlayers = \"*\"\noperands = \"hadamard(16)+mxfp4\"\nsigns = \"fresh\"\n"),
              "mine.toml:4: key \"rule.signs\": chooses something about random Hadamard transforms");
  expect_part(refusal("[[rule]]\nlayers = \"*\"\noperands = \"mxfp4\"\n"
                      "forward = { signs = \"fresh\", input = \"rht(16,1)+mxfp4\", weight = \"mxfp4\" }\n"
                      "weight_gradient = { signs = \"fresh\" }\n"),
              "mine.toml:5: key \"rule.weight_gradient.signs\"");
  // One of three products is enough for a key of the rule, and a transform may come from another rule.
  EXPECT_EQ(refusal("[[rule]]\nlayers = \"*\"\nsigns = \"fresh\"\n"
                    "[[rule]]\nlayers = \"head\"\nweight_gradient = { input = \"rht(16,1)+mxfp4\" }\n"),
            "");
  expect_part(refusal("[[rule]]\nlayers = \"*.up\"\nsigns = \"fresh\"\n"
                      "[[rule]]\nlayers = \"head\"\noperands = \"rht(16,1)+mxfp4\"\n"),
              "mine.toml:3: key \"rule.signs\"");
  // The rule with the transform is over before this one begins.
  expect_part(refusal("[[rule]]\nlayers = \"*\"\nsteps = [0, 5]\noperands = \"rht(16,1)+mxfp4\"\n"
                      "[[rule]]\nlayers = \"*\"\nstart_step = 5\nsigns = \"fresh\"\n"),
              "mine.toml:8: key \"rule.signs\"");
}

TEST(idle_choices, of_residuals_and_gradients_are_refused) {
  expect_part(refusal("[[rule]]\nlayers = \"*\"\noperands = \"mxfp4\"\nresidual = \"dropped\"\n"),
              "mine.toml:4: key \"rule.residual\": chooses something about what clamp(Q) cuts off");
  EXPECT_EQ(refusal("[[rule]]\nlayers = \"*\"\nforward = { input = \"clamp(0.99)+mxfp4\", residual = \"dropped\" }\n"),
            "");
  expect_part(refusal("[[rule]]\nlayers = \"*\"\nforward = { input = \"mxfp4\" }\n"
                      "straight_through = { input = \"clip\", weight = \"clip\" }\n"),
              "mine.toml:4: key \"rule.straight_through.weight\"");
  // What is the default says nothing new.
  EXPECT_EQ(refusal("[[rule]]\nlayers = \"*\"\noperands = \"mxfp4\"\nsigns = \"fixed\"\nresidual = \"added\"\n"
                    "straight_through = { input = \"plain\" }\n"),
            "");
}

TEST(idle_choices, of_outputs_that_a_model_has_not_are_refused) {
  expect_part(refusal("[outputs]\nnorm = \"e8m7\"\nsoftmax = \"e8m7\"\n"),
              "mine.toml:3: key \"outputs.softmax\": is for results that this model has not; it has norm, activation");
  EXPECT_EQ(refusal("[outputs]\nnorm = \"e8m7\"\nsoftmax = \"none\"\n"), "");
}

TEST(idle_choices, of_layers_of_no_site_are_refused_by_line_and_key) {
  expect_part(refusal("[[rule]]\nlayers = \"*\"\noperands = \"mxfp4\"\n"
                      "[[rule]]\noperands = \"mxint8\"\nlayers = [\"head\", \"blocks.*.upp\"]\n"),
              "mine.toml:6: key \"rule.layers\": has \"blocks.*.upp\", and this model has no site of that name; the "
              "nearest is blocks.0.up");
}

TEST(empty_recipe, is_refused_and_said_outright_it_is_float32) {
  for (const char* text :
       {"", "name = \"mine\"\n", "# nothing\n", "[optimizer]\n", "[outputs]\n", "[outputs]\nnorm = \"none\"\n",
        "[optimizer]\npacked = false\n", "[optimizer]\nfirst_moment = \"none\"\n[outputs]\n"})
    expect_part(
        error_of([&] { parse_recipe(text, "mine.toml", "mine"); }),
        "mine.toml: key \"rule\": is missing, and optimizer and outputs give no format: the recipe says nothing");
  for (const char* text : {"[outputs]\nnorm = \"e8m7\"\n", "[optimizer]\nfirst_moment = \"e8m7\"\n"})
    EXPECT_NO_THROW(parse_recipe(text, "mine.toml", "mine")) << text;
  EXPECT_TRUE(parse_recipe("rule = []\n", "mine.toml", "mine").rules.empty());
}

/// A model and its data.
struct opened {
  run_settings run;
  std::unique_ptr<data_source> source;

  explicit opened(const std::string& tables) {
    const std::filesystem::path file = std::filesystem::temp_directory_path() / "binade_idle_choices.toml";
    std::ofstream(file) << tables << "[train]\nsteps = 1\nbatch = 2\nlearning_rate = 1\n";
    run = read_train_file(file).run;
    std::filesystem::remove(file);
    source = open_source(run);
  }
  /// @param outputs  the table [outputs] of a recipe
  float loss(const std::string& outputs) const {
    const bound_recipe formats(parse_recipe("rule = []\n[outputs]\n" + outputs, "test"), run.model->gemm_sites());
    thread_pool pool(1);
    graph<float> pass(pool, {.recipe = &formats});
    return run.model->make(3)->loss(pass, source->training_batch(5, 0, 2)).plain;
  }
};

TEST(model_plan, names_the_kinds_of_results_that_rounding_changes) {
  const std::string decoder = "layers = 1\nwidth = 16\nheads = 2\ncontext = 16\n[data]\nvalidation_documents = 1\n",
                    images = "[data]\ncorpus = \"prototypes\"\nsize = 8\nvalidation_images = 2\n";
  for (const std::string& model :
       {"kind = \"gpt2\"\n" + decoder, "kind = \"moe\"\n" + decoder,
        "kind = \"llama\"\nsmooth_swiglu = \"token\"\n" + decoder,
        "kind = \"vit\"\nlayers = 1\nwidth = 16\nheads = 2\n" + images, "kind = \"mlp\"\n" + images,
        "kind = \"mlp\"\nlayers = 0\n" + images, "kind = \"resnet\"\nwidths = [4, 8]\nblocks = 1\n" + images,
        "kind = \"mobilenet\"\nwidths = [4, 8]\nblocks = 2\n" + images,
        "kind = \"mobilenet\"\nwidths = [4, 8]\nblocks = 1\nstrides = 2\n" + images,
        std::string("kind = \"student_teacher\"\nlayers = 1\n[data]\ncorpus = \"gaussian\"\nwidth = 8\n"),
        std::string(
            "kind = \"student_teacher\"\nlayers = 1\nnorm = false\n[data]\ncorpus = \"gaussian\"\nwidth = 8\n")}) {
    const opened given("[model]\n" + model);
    const std::vector<output_kind> outputs = given.run.model->outputs();
    const float plain = given.loss("");
    for (std::size_t kind = 0; kind < output_kind_count; ++kind) {
      const bool has = std::find(outputs.begin(), outputs.end(), output_kind(kind)) != outputs.end();
      EXPECT_EQ(given.loss(std::string(output_kind_names[kind]) + " = \"e3m0\"\n") != plain, has)
          << model << output_kind_names[kind];
    }
  }
}

}  // namespace
}  // namespace binade
