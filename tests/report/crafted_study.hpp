#pragma once
/// Stores with invented numbers: what a study would leave behind, without training anything.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "study/store.hpp"

namespace binade::crafted {

/// A folder of the test that is running, empty at first and removed at the end.
class temporary_folder {
 public:
  temporary_folder() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::temp_directory_path() /
            ("binade_" + std::to_string(::getpid()) + "_" + (test ? test->name() : "main"));
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string contents_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

inline constexpr double corpus_floor = 2.5, initial_loss = 5.6;

/// Trials are added one by one; ids count up.
class study_builder {
 public:
  explicit study_builder(const std::filesystem::path& folder)
      : store_(study_store::create(folder / study_store::file_name)) {
    store_.set_properties({{"name", "crafted"}, {"unit", "token"}, {"floor", "2.5"}, {"baseline", "f32"}});
  }
  study_builder& property(const std::string& key, const std::string& value) {
    store_.set_properties({{key, value}});
    return *this;
  }
  study_builder& done(const std::string& recipe, double learning_rate, std::int64_t seed, double excess,
                      const std::string& divergence = "") {
    trial_record t = start(recipe, learning_rate, seed, trial_status::done);
    t.validation_loss = corpus_floor + excess;
    t.validation_floor = corpus_floor;
    t.final_train_loss = corpus_floor + excess + 0.01;
    t.steps_done = 100;
    t.divergence = divergence;
    return add(t);
  }
  study_builder& diverged(const std::string& recipe, double learning_rate, std::int64_t seed,
                          const std::string& divergence = "nonfinite") {
    trial_record t = start(recipe, learning_rate, seed, trial_status::diverged);
    t.divergence = divergence;
    t.steps_done = 40;
    return add(t);
  }
  study_builder& with_status(const std::string& recipe, double learning_rate, std::int64_t seed, trial_status status) {
    return add(start(recipe, learning_rate, seed, status));
  }
  study_store& store() { return store_; }

 private:
  trial_record start(const std::string& recipe, double learning_rate, std::int64_t seed, trial_status status) {
    trial_record t;
    t.id = next_id_++;
    t.recipe = recipe;
    t.recipe_text = "canonical text of " + recipe;
    t.learning_rate = learning_rate;
    t.seed = seed;
    t.status = status;
    if (status != trial_status::pending) t.initial_loss = initial_loss;
    return t;
  }
  study_builder& add(const trial_record& t) {
    store_batch batch;
    batch.trials.push_back(t);
    store_.write(batch);
    return *this;
  }

  study_store store_;
  std::int64_t next_id_ = 0;
};

/// A whole study that looks like a real one: loss curves, evaluations and counters, all invented.
struct invented_recipe {
  std::string label;
  double cost = 0;                       ///< nat of excess loss added
  double diverges_above = 1;             ///< learning rates above this one diverge
  double underflow = 0, saturation = 0;  ///< shares; both 0: not quantized
};

struct invented_study {
  std::vector<invented_recipe> recipes{{"f32", 0, 1, 0, 0},
                                       {"bf16", 0.004, 1, 1e-7, 0},
                                       {"e8m3", 0.03, 1, 3e-7, 0},
                                       {"e4m3fn@tensor", 0.012, 1, 0.013, 2e-5},
                                       {"mxfp4", 0.33, 5e-3, 0.11, 0.004}};
  std::vector<double> learning_rates{1e-3, 3e-3, 1e-2};
  std::vector<std::int64_t> seeds{0, 1};
  std::int64_t steps = 250, record_every = 10;
  int layers = 2;
  bool with_floor = true;
};

inline void write_invented_study(const std::filesystem::path& folder, const invented_study& plan) {
  std::filesystem::create_directories(folder);
  study_store store = study_store::create(folder / study_store::file_name);
  const auto text = [](auto x) { return std::to_string(x); };
  store.set_properties({{"name", "invented"},
                        {"binade_version", "0.1.0"},
                        {"compiler", "invented compiler 1.0"},
                        {"cpu", "invented CPU"},
                        {"config_text", "name = \"invented\"\n\n[model]\nkind = \"gpt2\"\nlayers = 2\nwidth = 64\n"},
                        {"config_hash", "0123456789abcdef"},
                        {"data", "invented numbers, no training took place"},
                        {"validation_documents", "256"},
                        {"validation_tokens", "32512"},
                        {"unit", plan.with_floor ? "token" : "byte"},
                        {"parameters", "131200"},
                        {"steps", text(plan.steps)},
                        {"batch", "16"},
                        {"context", "128"},
                        {"tokens_per_step", "2032"},
                        {"baseline", plan.recipes.front().label},
                        {"created", "2000-01-01T00:00:00Z"}});
  if (plan.with_floor) store.set_properties({{"floor", "2.6157"}, {"unigram_entropy", "4.5"}});
  std::mt19937_64 generator(1);
  std::normal_distribution<double> normal;
  std::vector<std::string> sites;
  for (int layer = 0; layer < plan.layers; ++layer)
    for (const char* site : {"attention.query_key_value", "attention.scores", "attention.values",
                             "attention.projection", "mlp.up", "mlp.down"})
      sites.push_back("blocks." + std::to_string(layer) + "." + site);
  sites.push_back("head");
  const std::vector<std::pair<const char*, const char*>> operands{{"forward", "input"},
                                                                  {"forward", "weight"},
                                                                  {"input_gradient", "grad_output"},
                                                                  {"input_gradient", "weight"},
                                                                  {"weight_gradient", "grad_output"},
                                                                  {"weight_gradient", "input"}};
  constexpr double floor = 2.6157;
  std::int64_t id = 0;
  store_batch batch;
  for (const invented_recipe& recipe : plan.recipes)
    for (double lr : plan.learning_rates)
      for (std::int64_t seed : plan.seeds) {
        const bool diverges = lr > recipe.diverges_above;
        const std::int64_t steps = diverges ? plan.steps / 3 : plan.steps;
        const double off = std::log10(lr / 4e-3), seed_effect = 0.012 * static_cast<double>(seed % 3 - 1);
        const double final_excess = 0.72 + recipe.cost + 0.35 * off * off + seed_effect + 0.003 * normal(generator);
        trial_record t;
        t.id = id++;
        t.recipe = recipe.label;
        t.recipe_text = "canonical text of " + recipe.label + ", every choice spelled out";
        t.learning_rate = lr;
        t.seed = seed;
        t.steps_done = steps;
        t.initial_loss = 5.61;
        for (std::int64_t s = 0; s < steps; ++s) {
          const double share = static_cast<double>(s) / static_cast<double>(plan.steps);
          double loss = floor + final_excess + (2.95 - final_excess) * std::exp(-9 * share) + 0.03 * normal(generator);
          if (diverges) loss += std::exp(0.12 * static_cast<double>(s - steps + 12)) * 0.4;
          const double batch_floor = 0.02 * normal(generator);
          batch.steps.push_back({.trial = t.id,
                                 .step = s,
                                 .loss = loss + batch_floor,
                                 .floor = plan.with_floor ? std::optional(floor + batch_floor) : std::nullopt,
                                 .learning_rate = lr,
                                 .gradient_norm = 0.4 + 3 * std::exp(-10 * share),
                                 .clipped = share < 0.1});
          if (s % plan.record_every == 0 && recipe.underflow + recipe.saturation > 0)
            for (const std::string& site : sites)
              for (const auto& [gemm, operand] : operands) {
                const bool gradient = std::string(operand) == "grad_output";
                const double under = recipe.underflow * (gradient ? 2.5 + 2 * share : 0.4) * (site == "head" ? 2 : 1);
                const double over = recipe.saturation * (gradient ? 0.2 : 1.3) * (0.5 + share);
                constexpr double n = 130048;
                batch.quantizations.push_back({.trial = t.id,
                                               .step = s,
                                               .site = site,
                                               .gemm = gemm,
                                               .operand = operand,
                                               .count = 131072,
                                               .nonzero = static_cast<std::int64_t>(n),
                                               .saturated = static_cast<std::int64_t>(n * over),
                                               .underflowed = static_cast<std::int64_t>(n * std::min(0.9, under)),
                                               .amax = 3.5,
                                               .sqnr_db = 18 + 3 * normal(generator)});
                if (gradient)  // as if the others were of an older program
                  batch.quantizations.back().details =
                      rounding_details{.nans = 1, .top_binade = 90, .cosine = 0.99, .exponents = {5, -9, {1, 3}}};
              }
          if ((s + 1) % (plan.steps / 5) == 0)
            batch.evaluations.push_back({.trial = t.id, .step = s + 1, .validation_loss = loss});
        }
        t.status = diverges ? trial_status::diverged : trial_status::done;
        if (diverges) {
          t.divergence = "nonfinite";
          batch.steps.back().loss = std::numeric_limits<double>::quiet_NaN();
          batch.steps.back().gradient_norm = std::numeric_limits<double>::quiet_NaN();
        } else {
          t.final_train_loss = floor + final_excess + 0.01;
          t.validation_loss = floor + final_excess;
          if (plan.with_floor) t.validation_floor = floor;
        }
        t.weights_digest = "00112233445566" + std::to_string(10 + id);
        t.cpu = "invented CPU";
        t.compiler = "invented compiler 1.0";
        t.binade_version = "0.1.0";
        t.started = "2000-01-01T00:00:00Z";
        t.seconds = 5.2;
        t.tokens = steps * 2032;
        batch.trials.push_back(t);
      }
  store.write(batch);
}

}  // namespace binade::crafted
