// Recipes in training: every shipped one trains, with the same bits for any number of threads, and a run that resumes
// ends as one that did not stop.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "recipe/recipe.hpp"
#include "recipe/shipped_recipes.hpp"
#include "train/trainer.hpp"

namespace binade {
namespace {

/// A model so small that a step takes milliseconds, with sizes that blocks of 32 divide.
class tiny_training {
 public:
  explicit tiny_training(const std::string& kind = "llama") {
    const std::filesystem::path file = std::filesystem::temp_directory_path() / ("binade_recipe_" + kind + ".toml");
    std::ofstream(file) << "[model]\nkind = \"" << kind
                        << "\"\nlayers = 1\nwidth = 32\nheads = 2\ncontext = 32\nhidden = 64\n"
                           "[data]\nbits = 4\nvalidation_documents = 2\n"
                           "[train]\nsteps = 8\nbatch = 2\nlearning_rate = 1e-2\n";
    run_ = read_train_file(file).run;
    source_ = open_source(run_);
    std::filesystem::remove(file);
  }

  trainer start(const recipe& formats, std::size_t threads = 1) const {
    return trainer(run_, *source_, {.formats = formats, .learning_rate = 1e-2, .seed = 3, .threads = threads});
  }

 private:
  run_settings run_;
  std::unique_ptr<data_source> source_;
};

std::string digest_after(trainer&& t, int steps) {
  for (int step = 0; step < steps; ++step) EXPECT_TRUE(t.step(step % 2 == 1).finite);
  return t.weights_digest();
}

TEST(recipe_training, every_shipped_recipe_trains_with_the_same_bits_for_any_number_of_threads) {
  const tiny_training tiny;
  const std::string unquantized = digest_after(tiny.start(find_recipe("f32")), 2);
  for (const shipped_recipe& shipped : shipped_recipes()) {
    const recipe formats = find_recipe(shipped.name);
    const std::string digest = digest_after(tiny.start(formats), 2);
    EXPECT_EQ(digest_after(tiny.start(formats, 3), 2), digest) << shipped.name;
    EXPECT_EQ(digest == unquantized, formats.rules.empty()) << shipped.name;
  }
}

/// Everything with a state or a schedule at once.
const char* const everything = R"toml(
[[rule]]
layers = "*"
operands = "e4m3fn@tensor(delayed=3)"
accumulator = "e8m10/sr:8:chunk=16->kahan"
straight_through = { input = "clip", weight = "trust(0.4)" }

[[rule]]
layers = ["*.mlp.down", "*.query_key_value", "*.scores", "*.values"]
saved = "e4m3fn/sr@block(16)"
straight_through = { input = "plain" }

[[rule]]
layers = "*.mlp.*"
steps = [2, 5]
operands = "rht(32,1)+e2m1fn/sr@block(32,rceil)"
signs = "fresh"
result = "e8m7/sr:16"
accumulator = "mx"

[[rule]]
layers = "*.attention.output"
start_step = 3
operands = "e5m2@tensor(delayed=2,margin=1)"

[outputs]
norm = "e8m7"
residual = "e5m10"
)toml";

TEST(recipe_training, resumes_from_a_checkpoint_bit_for_bit_with_delayed_scales_schedules_and_noise) {
  const recipe formats = parse_recipe(everything, "test", "everything");
  const std::filesystem::path file = std::filesystem::temp_directory_path() / "binade_recipe_training.safetensors";
  for (const char* kind : {"gpt2", "llama"}) {
    const tiny_training tiny(kind);
    const std::string undisturbed = digest_after(tiny.start(formats, 3), 6);
    for (const int stop : {1, 4}) {
      trainer first = tiny.start(formats, 2);
      for (int step = 0; step < stop; ++step) first.step(false);
      first.validation_loss();  // leaves no trace in the scales
      first.save(file, {});
      trainer second = tiny.start(formats);
      second.restore(file);
      for (int step = stop; step < 6; ++step) second.step(step % 2 == 0);
      EXPECT_EQ(second.weights_digest(), undisturbed) << kind << " stopped after " << stop;
    }
  }
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace binade
