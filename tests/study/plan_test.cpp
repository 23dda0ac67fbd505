#include "study/plan.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>

#include "data/zm_corpus.hpp"
#include "model/model_kinds.hpp"

namespace {

using namespace binade;

class plan : public testing::Test {
 protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() /
             ("binade_plan_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  study_file file(std::vector<std::string> recipes) const {
    study_file f;
    f.run.name = "small";
    f.run.model = read_model(
        toml_section::parse("kind = \"gpt2\"\nlayers = 1\nwidth = 16\nheads = 2\ncontext = 32\n", "study.toml"));
    f.run.data = {.corpus = "zm", .open = [] {
                    return std::make_unique<language_source>(std::make_shared<const zm_language>(8, 32, 0), 32, 4);
                  }};
    f.run.train.steps = 10;
    f.run.train.batch = 2;
    f.recipes = std::move(recipes);
    f.learning_rates = {1e-3, 1e-2};
    f.seeds = {7, 8, 9};
    f.baseline = f.recipes.front();
    f.file = folder / "study.toml";
    return f;
  }
  std::string message(const study_file& f) const {
    try {
      make_plan(f);
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "";
  }
  void write_recipe(const std::string& name, const std::string& text) const { std::ofstream(folder / name) << text; }

  std::filesystem::path folder;
};

TEST_F(plan, the_grid_has_recipes_outermost_then_learning_rates_then_seeds) {
  const study_plan p = make_plan(file({"f32", "bf16"}));
  ASSERT_EQ(p.trial_count(), 12u);
  std::size_t i = 0;
  for (const char* recipe : {"f32", "bf16"})
    for (const double rate : {1e-3, 1e-2})
      for (const std::int64_t seed : {7, 8, 9}) {
        const trial_record t = p.trial(i);
        EXPECT_EQ(t.id, static_cast<std::int64_t>(i));
        EXPECT_EQ(t.recipe, recipe);
        EXPECT_EQ(t.learning_rate, rate);
        EXPECT_EQ(t.seed, seed);
        EXPECT_EQ(t.recipe_text, p.settings(i).formats.canonical_text());
        ++i;
      }
  EXPECT_EQ(p.total_tokens(), 12 * 10 * 2 * 32);
}

TEST_F(plan, the_configuration_spells_out_recipes_so_that_an_edited_file_is_another_study) {
  write_recipe("mine.toml", "name = \"mine\"\n[[rule]]\nlayers = \"*\"\noperands = \"e4m3fn@tensor\"\n");
  const std::string before = make_plan(file({"f32", "mine.toml"})).config_text;
  EXPECT_EQ(make_plan(file({"f32", "mine.toml"})).config_text, before);
  write_recipe("mine.toml", "name = \"mine\"\n[[rule]]\nlayers = \"*\"\noperands = \"e5m2@tensor\"\n");
  EXPECT_NE(make_plan(file({"f32", "mine.toml"})).config_text, before);
}

TEST_F(plan, a_recipe_file_is_known_by_the_name_in_it) {
  write_recipe("mine.toml", "name = \"narrow\"\n[[rule]]\nlayers = \"*\"\noperands = \"e4m3fn@tensor\"\n");
  EXPECT_EQ(make_plan(file({"f32", "mine.toml"})).recipes[1].label, "narrow");
}

TEST_F(plan, two_recipes_of_one_name_are_refused) {
  write_recipe("mine.toml", "name = \"f32\"\n[[rule]]\nlayers = \"*\"\noperands = \"e4m3fn@tensor\"\n");
  EXPECT_NE(message(file({"f32", "mine.toml"})).find("two recipes are called f32"), std::string::npos);
}

TEST_F(plan, a_rule_for_a_layer_that_the_model_lacks_is_refused_with_the_nearest_one) {
  write_recipe("mine.toml", "name = \"mine\"\n[[rule]]\nlayers = \"blocks.0.mpl.up\"\noperands = \"e4m3fn@tensor\"\n");
  const std::string refusal = message(file({"f32", "mine.toml"}));
  EXPECT_NE(refusal.find("mine.toml:3: key \"rule.layers\": "), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("nearest is blocks.0.mlp.up"), std::string::npos) << refusal;
}

TEST_F(plan, a_format_without_zero_is_refused_before_anything_runs) {
  EXPECT_NE(message(file({"f32", "e8m0fnu"})), "");
}

// The files that the manual points to: data, model and recipes fit each other.
TEST(experiments, every_file_can_run) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(BINADE_SOURCE_DIR "/experiments")) {
    if (entry.path().extension() != ".toml") continue;
    ++files;
    const std::filesystem::path data = entry.path().stem() == "text" ? BINADE_SOURCE_DIR "/CHANGELOG.md" : "";
    if (toml_section::read_file(entry.path()).has("study")) {
      EXPECT_NO_THROW(make_plan(read_study_file(entry.path(), data))) << entry.path();
      continue;
    }
    EXPECT_NO_THROW({
      train_file file = read_train_file(entry.path(), data);
      open_source(file.run);
      checked_recipe(file.recipe, entry.path(), file.run);
    }) << entry.path();
  }
  EXPECT_GE(files, 6);
}

}  // namespace
