// What tests of the trainer share: a small run, and a trainer with all that it needs.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "data/zm_corpus.hpp"
#include "model/model_kinds.hpp"
#include "recipe/recipe.hpp"
#include "train/settings.hpp"
#include "train/trainer.hpp"
#include "util/toml_reader.hpp"

namespace binade::test {

inline run_settings small_run() {
  run_settings run;
  run.name = "small";
  run.model = read_model(toml_section::parse("layers = 1\nwidth = 32\nheads = 2\ncontext = 16\n", "model"));
  run.data = {.corpus = "zm", .open = [] {
                return std::make_unique<language_source>(std::make_shared<const zm_language>(8, 16, 0), 16, 4);
              }};
  run.train.steps = 8;
  run.train.batch = 6;
  return run;
}

/// A trainer with all that it needs.
class training {
 public:
  explicit training(const run_settings& run, const recipe& formats = find_recipe("f32"), std::size_t threads = 1)
      : run_(run), source_(open_source(run_)), trainer_(run_, *source_, trial(formats, threads)) {}

  trainer& operator*() { return trainer_; }
  trainer* operator->() { return &trainer_; }
  std::vector<trainer::step_result> steps(int count, bool counts = false) {
    std::vector<trainer::step_result> results;
    for (int i = 0; i < count; ++i) results.push_back(trainer_.step(counts));
    return results;
  }

 private:
  static trial_settings trial(const recipe& formats, std::size_t threads) {
    return {.formats = formats, .learning_rate = 0.01, .seed = 3, .threads = threads};
  }

  run_settings run_;
  std::unique_ptr<data_source> source_;
  trainer trainer_;
};

}  // namespace binade::test
