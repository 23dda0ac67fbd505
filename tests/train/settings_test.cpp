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
  EXPECT_EQ(file.run.data.open()->validation_rows(), 4u);
  EXPECT_EQ(file.run.train.steps, 20);
  EXPECT_EQ(file.run.train.warmup, 2);  // a tenth
  EXPECT_EQ(file.run.train.optimizer, optimizer_choice(adamw_settings{}));
  EXPECT_EQ(file.recipe, "f32");
  EXPECT_EQ(file.learning_rate, 1e-3);
  EXPECT_EQ(file.seed, 0);
}

TEST_F(settings, a_key_of_another_kind_or_optimizer_is_explained) {
  const std::vector<std::array<std::string, 3>> cases{
      {"layers = 1", "layers = 1\ntop_k = 2",
       "file.toml:4: key \"model.top_k\": is a key of moe, experts = 8; kind gpt2 has: kind, layers, width, heads"},
      {"layers = 1", "layers = 1\nkind = \"llama\"\npatch = 4",
       "key \"model.patch\": is a key of vit; kind llama has: "},
      {"layers = 1", "layers = 1\nkv_latent = 4", "is a key of attention = \"latent\"; kind gpt2 has: "},
      {"layers = 1", "layers = 1\nsmooth_power_of_two = true",
       "is a key of smooth_swiglu = \"channel\"; kind gpt2 has: "},
      {"steps = 20", "steps = 20\noptimizer = \"sgd\"\nbetas = [0.9, 0.99]",
       "key \"train.betas\": is a key of optimizer = \"adamw\", optimizer = \"lion\"; optimizer sgd and schedule "
       "cosine "
       "have: steps, batch, "},
      {"steps = 20", "steps = 20\ndecay = 0.5",
       "key \"train.decay\": is a key of schedule = \"wsd\"; optimizer adamw and schedule cosine have: "},
  };
  for (const auto& [from, to, expected] : cases) {
    const std::string message = train_error(replaced(good_train, from, to));
    EXPECT_NE(message.find(expected), std::string::npos) << to << " gave: " << message;
  }
}

TEST_F(settings, weights_to_start_from_are_beside_the_file_and_an_empty_name_is_refused) {
  EXPECT_TRUE(read_train_file(write(good_train)).run.from.empty());
  EXPECT_EQ(read_train_file(write(good_train + "from = \"w.safetensors\"\n")).run.from, folder / "w.safetensors");
  const std::string message = train_error(good_train + "from = \"\"\n");
  EXPECT_NE(message.find("file.toml:13: key \"train.from\": is empty; give a .safetensors file, or leave it out"),
            std::string::npos)
      << message;
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
      {"steps = 20", "steps = 20\nshadow_every = -1", "key \"train.shadow_every\": is -1"},
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
      {"steps = 20", "steps = 20\noptimizer = \"adam\"",
       "train.optimizer\": is \"adam\"; valid are adamw, sgd, lion, madam; nearest is adamw"},
      {"steps = 20", "steps = 20\noptimizer = \"sgd\"\nmomentum = 1", "train.momentum\": is 1; valid is"},
      {"steps = 20", "steps = 20\noptimizer = \"sgd\"\nbetas = [0.9, 0.99]", "betas"},
      {"steps = 20", "steps = 20\nmomentum = 0.9", "momentum"},
      {"steps = 20", "steps = 20\noptimizer = \"lion\"\nbetas = [0.9, 1]", "train.betas"},
      {"steps = 20", "steps = 20\noptimizer = \"madam\"\nlargest_step = -1", "train.largest_step"},
      {"steps = 20", "steps = 20\noptimizer = \"madam\"\nwhole_steps = 1", "train.whole_steps"},
      {"steps = 20", "steps = 20\nschedule = \"step\"",
       "train.schedule\": is \"step\"; valid are \"cosine\", \"linear\", \"constant\", \"wsd\""},
      {"steps = 20", "steps = 20\ndecay = 0.5", "decay"},  // of wsd alone
      {"steps = 20", "steps = 20\nschedule = \"wsd\"\ndecay = 0", "train.decay\": is 0"},
      {"steps = 20", "steps = 20\nschedule = \"wsd\"\ndecay = 0.95", "valid are 1 to the 18 after the warm-up"},
      {"steps = 20", "steps = 20\nschedule = \"wsd\"\ndecay_shape = \"sqrt\"", "\"1-sqrt\""},
      {"steps = 20", "steps = 20\nschedule = \"constant\"\nfinal_lr_fraction = 0.1", "remove one of the two"},
      {"steps = 20", "steps = 20\naccumulate = 3", "train.accumulate\": is 3; it must divide batch, which is 4"},
      {"steps = 20", "steps = 20\naccumulate = 0", "train.accumulate\": is 0"},
      {"steps = 20", "steps = 20\nloss_scaling = { kind = \"auto\" }", "kind\": is \"auto\"; valid are \"static\""},
      {"steps = 20", "steps = 20\nloss_scaling = { kind = \"static\", scale = 1000 }", "power of two"},
      {"steps = 20", "steps = 20\nloss_scaling = { kind = \"static\", growth = 2 }", "growth"},
      {"steps = 20", "steps = 20\nloss_scaling = { kind = \"dynamic\", interval = 0 }",
       "interval\": is 0; it must be at least 1"},
      {"steps = 20", "steps = 20\nloss_scaling = {}", "kind"},
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
           {"steps = 20", "steps = 20\nshadow_every = 5"},
           {"validation_documents = 4", "validation_documents = 5"},
           {"validation_documents = 4", "validation_documents = 4\nseed = 1"},
           {"validation_documents = 4", "validation_documents = 4\nbits = 7"}})
    EXPECT_NE(canonical(replaced(good_train, from, to)), base) << to;
}

TEST_F(settings, the_canonical_text_of_a_file_without_the_newer_keys_is_what_it_always_was) {
  run_settings run = read_train_file(write(good_train)).run;
  const auto source = open_source(run);
  const std::string text = canonical_text(run, *source);
  EXPECT_EQ(text.substr(text.find("[train]")),
            "[train]\nsteps = 20\nbatch = 4\nwarmup = 2\nweight_decay = 0.1\nclip = 1\nbetas = [0.9, 0.95]\n"
            "epsilon = 1e-08\nfinal_lr_fraction = 0.1\nevaluate_every = 0\ntelemetry_every = 10\n"
            "checkpoint_every = 100\n");
}

TEST_F(settings, optimizer_schedule_accumulation_and_loss_scale_are_part_of_the_canonical_text) {
  const auto canonical = [&](const std::string& lines) {
    run_settings run = read_train_file(write(replaced(good_train, "steps = 20", "steps = 20\n" + lines))).run;
    const std::string text = canonical_text(run, *open_source(run));
    return text.substr(text.find("[train]"));
  };
  const std::string lion = canonical("optimizer = \"lion\"\nschedule = \"wsd\"\naccumulate = 2");
  for (const char* line : {"accumulate = 2\noptimizer = \"lion\"\nweight_decay = 0.1\n", "betas = [0.9, 0.99]\n",
                           "schedule = \"wsd\"\nfinal_lr_fraction = 0.1\ndecay = 0.2\ndecay_shape = \"linear\"\n"})
    EXPECT_NE(lion.find(line), std::string::npos) << line << lion;
  EXPECT_EQ(lion.find("epsilon"), std::string::npos);
  const std::string madam = canonical("optimizer = \"madam\"\nloss_scaling = { kind = \"dynamic\" }");
  for (const char* line : {"beta = 0.999\nlargest_step = 10\nwhole_steps = true\nweight_limit = 3\n",
                           "\n[train.loss_scaling]\nkind = \"dynamic\"\nscale = 65536\ngrowth = 2\nbackoff = 0.5\n"
                           "interval = 2000\n"})
    EXPECT_NE(madam.find(line), std::string::npos) << line << madam;
  EXPECT_NE(canonical("optimizer = \"sgd\"\nschedule = \"constant\"").find("momentum = 0.9\nnesterov = false\n"),
            std::string::npos);
  EXPECT_EQ(canonical("optimizer = \"adamw\"\nschedule = \"cosine\"\naccumulate = 1"), canonical(""));
}

TEST_F(settings, folders_and_missing_files_are_refused_by_name) {
  EXPECT_THROW(read_train_file(folder), std::invalid_argument);
  EXPECT_THROW(read_train_file(folder / "none.toml"), std::invalid_argument);
}

}  // namespace
