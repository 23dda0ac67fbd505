#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/data_source.hpp"
#include "recipe/recipe.hpp"
#include "study/store.hpp"
#include "train/settings.hpp"
#include "train/trainer.hpp"

namespace binade {

/// A recipe of a study under the name that tables and plots use.
struct labelled_recipe {
  std::string label;  ///< as the study file calls it; the name in the recipe's file if it is a file
  recipe formats;
};

/// A study, worked out: everything that running it needs, and nothing has been written yet.
struct study_plan {
  run_settings run;
  std::shared_ptr<const data_source> source;
  std::vector<labelled_recipe> recipes;
  std::vector<double> learning_rates;
  std::vector<std::int64_t> seeds;
  std::string baseline;  ///< label of a recipe
  std::size_t parameters = 0;
  /// Settings, data by content, recipes spelled out and grid, as TOML: two studies are the same study if it is equal.
  std::string config_text;

  std::size_t trial_count() const { return recipes.size() * learning_rates.size() * seeds.size(); }
  std::int64_t total_steps() const;
  std::int64_t total_tokens() const;  ///< positions that go through the model in training
  /// Trial i of the grid: recipes outermost, then learning rates, then seeds.
  trial_record trial(std::size_t i) const;
  trial_settings settings(std::size_t i) const;
};

/// Opens the data, finds the recipes and checks that they fit the model.
/// @throws std::invalid_argument for data or recipes that cannot be used: missing, damaged, two of one label, a rule
/// that
///         is for no layer of this model
study_plan make_plan(const study_file& file);

/// The recipe that a reference in a file stands for, checked against a model.  @throws as make_plan
recipe checked_recipe(const std::string& reference, const std::filesystem::path& file, const model_plan& model);

/// What a study will take.
struct study_cost {
  double seconds = 0;            ///< of wall-clock time
  double tokens_per_second = 0;  ///< of all jobs together
};

/// Times a few real steps of every recipe, with as many jobs at a time as the study will have.  Takes a few seconds.
study_cost measure_cost(const study_plan& plan, std::size_t jobs);

}  // namespace binade
