#include "train/settings.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace binade;

const std::string good_train = R"(
[model]
layers = 1
width = 16
heads = 2
context = 32
[data]
validation_documents = 4
[train]
steps = 20
batch = 4
learning_rate = 1e-3
)";

const std::string good_study = R"(
name = "s"
[model]
layers = 1
width = 16
heads = 2
context = 32
[train]
steps = 20
batch = 4
[study]
recipes = ["f32", "bf16"]
learning_rates = [1e-3, 1e-2]
seeds = [0, 1]
)";

class settings : public testing::Test {
 protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() /
             ("binade_settings_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::filesystem::path write(const std::string& text) const {
    std::ofstream(folder / "file.toml") << text;
    return folder / "file.toml";
  }
  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto place = text.find(from);
    EXPECT_NE(place, std::string::npos) << from;
    return text.replace(place, from.size(), to);
  }
  std::string train_error(const std::string& text) const {
    try {
      read_train_file(write(text));
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "";
  }
  std::string study_error(const std::string& text) const {
    try {
      read_study_file(write(text));
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "";
  }

  std::filesystem::path folder;
};

TEST_F(settings, a_training_file_gives_what_it_says_and_the_documented_defaults) {
  const train_file file = read_train_file(write(good_train));
  EXPECT_EQ(file.run.name, "file");
  EXPECT_EQ(file.run.model->kind(), "gpt2");
  EXPECT_NE(file.run.model->canonical_text().find("width = 16\n"), std::string::npos);
  EXPECT_EQ(file.run.data.corpus, "zm");
  EXPECT_EQ(file.run.data.validation_documents, 4u);
  EXPECT_EQ(file.run.train.steps, 20);
  EXPECT_EQ(file.run.train.warmup, 2);  // a tenth
  EXPECT_EQ(file.run.train.beta2, 0.95);
  EXPECT_EQ(file.recipe, "f32");
  EXPECT_EQ(file.learning_rate, 1e-3);
  EXPECT_EQ(file.seed, 0);
}

TEST_F(settings, a_study_file_gives_its_grid_and_the_first_recipe_is_the_baseline) {
  const study_file file = read_study_file(write(good_study));
  EXPECT_EQ(file.recipes, (std::vector<std::string>{"f32", "bf16"}));
  EXPECT_EQ(file.learning_rates, (std::vector<double>{1e-3, 1e-2}));
  EXPECT_EQ(file.seeds, (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(file.baseline, "f32");
}

TEST_F(settings, values_outside_their_range_are_refused_with_key_and_line) {
  // {what stands in the file, what takes its place, what the message must say}
  const std::vector<std::array<std::string, 3>> cases{
      {"learning_rate = 1e-3", "learning_rate = 0",
       "file.toml:12: key \"train.learning_rate\": is 0; valid is more than 0"},
      {"learning_rate = 1e-3", "learning_rate = -1", "more than 0"},
      {"learning_rate = 1e-3", "learning_rate = nan", "train.learning_rate"},
      {"learning_rate = 1e-3", "learning_rate = inf", "finite number"},
      {"learning_rate = 1e-3", "learning_rate = \"fast\"", "finite number"},
      {"learning_rate = 1e-3", "", "train.learning_rate\": is missing"},
      {"learning_rate = 1e-3", "lerning_rate = 1e-3", "lerning_rate"},
      {"steps = 20", "steps = 0", "train.steps\": is 0"},
      {"steps = 20", "steps = -5", "train.steps"},
      {"steps = 20", "steps = 20.5", "whole number"},
      {"steps = 20", "steps = 20\nwarmup = 20", "train.warmup\": is 20; valid is 0..19"},
      {"steps = 20", "steps = 20\nstep = 3", "nearest is \"steps\""},
      {"steps = 20", "steps = 20\nbetas = [0.9]", "train.betas"},
      {"steps = 20", "steps = 20\nbetas = [0.9, 1.0]", "less than 1"},
      {"steps = 20", "steps = 20\nclip = -1", "train.clip"},
      {"steps = 20", "steps = 20\nepsilon = 0", "train.epsilon"},
      {"steps = 20", "steps = 20\nweight_decay = -0.1", "train.weight_decay"},
      {"steps = 20", "steps = 20\nfinal_lr_fraction = 1.5", "at most 1"},
      {"steps = 20", "steps = 20\ncheckpoint_every = 0", "train.checkpoint_every"},
      {"steps = 20", "steps = 20\nseed = -1", "train.seed"},
      {"batch = 4", "batch = 0", "train.batch\": is 0; valid is 1..65536"},
      {"layers = 1", "layers = 0", "model.layers\": is 0"},
      {"width = 16", "width = 0", "model.width\": is 0"},
      {"heads = 2", "heads = 0", "model.heads\": is 0"},
      {"heads = 2", "heads = 3", "multiple of heads"},
      {"context = 32", "context = 1", "model.context\": is 1"},
      {"layers = 1", "layers = 1\nkind = \"gpt3\"", "gpt3"},
      {"layers = 1", "layer = 1", "model.layers\": is missing (line 3 has \"layer\")"},
      {"[data]", "[date]", "nearest is \"data\""},
      {"validation_documents = 4", "validation_documents = 0", "data.validation_documents\": is 0"},
      {"validation_documents = 4", "corpus = \"wiki\"", "data.corpus\": is \"wiki\""},
      {"validation_documents = 4", "corpus = \"text\"", "--data FILE"},
      {"validation_documents = 4", "corpus = \"zm\"\ntext = \"book.txt\"", "remove one of the two"},
      {"validation_documents = 4", "bits = 99", "data.bits\": is 99; valid is 2..14"},
  };
  for (const auto& [from, to, expected] : cases) {
    const std::string message = train_error(replaced(good_train, from, to));
    EXPECT_NE(message.find(expected), std::string::npos) << to << " gave: " << message;
  }
}

TEST_F(settings, grids_that_cannot_be_are_refused) {
  const std::vector<std::array<std::string, 3>> cases{
      {"recipes = [\"f32\", \"bf16\"]", "recipes = []", "study.recipes\": is empty"},
      {"recipes = [\"f32\", \"bf16\"]", "recipes = [\"f32\", \"f32\"]", "twice"},
      {"recipes = [\"f32\", \"bf16\"]", "recipes = [1]", "study.recipes"},
      {"learning_rates = [1e-3, 1e-2]", "learning_rates = [1e-3, 0]", "study.learning_rates\": holds 0"},
      {"learning_rates = [1e-3, 1e-2]", "learning_rates = [nan]", "study.learning_rates"},
      {"seeds = [0, 1]", "seeds = [0, -1]", "study.seeds"},
      {"seeds = [0, 1]", "seeds = [0, 0]", "twice"},
      {"seeds = [0, 1]", "seeds = [0]\nbaseline = \"f64\"", "study.baseline\": is \"f64\""},
      {"seeds = [0, 1]", "seeds = [0]\nseads = [1]", "nearest is \"seeds\""},
      {"steps = 20", "steps = 20\nlearning_rate = 1e-3", "belongs to a training file"},
      {"[study]", "[studdy]", "study"},
  };
  for (const auto& [from, to, expected] : cases) {
    const std::string message = study_error(replaced(good_study, from, to));
    EXPECT_NE(message.find(expected), std::string::npos) << to << " gave: " << message;
  }
}

TEST_F(settings, a_study_file_given_to_train_and_the_reverse_say_so) {
  EXPECT_NE(train_error(good_study).find("binade study"), std::string::npos);
  EXPECT_NE(study_error(good_train).find("binade train"), std::string::npos);
}

TEST_F(settings, a_data_file_from_outside_takes_the_place_of_the_corpus) {
  std::ofstream(folder / "book.txt") << std::string(2000, 'x');
  run_settings run = read_train_file(write(good_train), folder / "book.txt").run;
  EXPECT_EQ(run.data.corpus, "text");
  EXPECT_EQ(open_source(run)->unit(), "byte");
  EXPECT_EQ(run.model->parameters().front().sizes.front(), 272u);  // 257 ids, padded
}

TEST_F(settings, a_text_in_the_file_is_looked_for_beside_the_file) {
  std::ofstream(folder / "book.txt") << std::string(2000, 'x');
  run_settings run =
      read_train_file(write(replaced(good_train, "validation_documents = 4", "text = \"book.txt\""))).run;
  EXPECT_EQ(open_source(run)->unit(), "byte");
}

TEST_F(settings, the_canonical_text_spells_out_defaults_and_changes_with_every_value) {
  const auto canonical = [&](const std::string& text) {
    run_settings run = read_train_file(write(text)).run;
    const auto source = open_source(run);
    return canonical_text(run, *source);
  };
  const std::string base = canonical(good_train);
  EXPECT_NE(base.find("betas = [0.9, 0.95]"), std::string::npos);
  EXPECT_EQ(canonical(replaced(good_train, "steps = 20", "steps = 20\nwarmup = 2\nclip = 1.0\nweight_decay = 0.1")),
            base);
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"layers = 1", "layers = 2"},
           {"heads = 2", "heads = 4"},
           {"layers = 1", "layers = 1\nkind = \"llama\""},
           {"layers = 1", "layers = 1\ntied_head = false"},
           {"steps = 20", "steps = 21"},
           {"batch = 4", "batch = 5"},
           {"steps = 20", "steps = 20\nwarmup = 3"},
           {"steps = 20", "steps = 20\nclip = 2"},
           {"steps = 20", "steps = 20\nevaluate_every = 5"},
           {"steps = 20", "steps = 20\ntelemetry_every = 5"},
           {"validation_documents = 4", "validation_documents = 5"},
           {"validation_documents = 4", "validation_documents = 4\nseed = 1"},
           {"validation_documents = 4", "validation_documents = 4\nbits = 7"}})
    EXPECT_NE(canonical(replaced(good_train, from, to)), base) << to;
}

TEST_F(settings, folders_and_missing_files_are_refused_by_name) {
  EXPECT_THROW(read_train_file(folder), std::invalid_argument);
  EXPECT_THROW(read_train_file(folder / "none.toml"), std::invalid_argument);
}

}  // namespace
