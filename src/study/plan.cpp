#include "study/plan.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "kernels/parallel.hpp"
#include "model/model.hpp"
#include "recipe/idle_choices.hpp"
#include "recipe/quantized_matmul.hpp"
#include "report/number_text.hpp"

namespace binade {
namespace {

template <class T, class Print>
std::string list_text(const std::vector<T>& values, Print print) {
  std::string text = "[";
  for (const T& value : values) text += (text.size() > 1 ? ", " : "") + print(value);
  return text + "]";
}

bool is_file_reference(const std::string& reference) {
  return reference.ends_with(".toml") || reference.find('/') != reference.npos;
}

}  // namespace

std::int64_t study_plan::total_steps() const {
  return static_cast<std::int64_t>(trial_count()) * run.train.steps;
}
std::int64_t study_plan::total_tokens() const {
  return total_steps() * run.tokens_per_step();
}

trial_record study_plan::trial(std::size_t i) const {
  const std::size_t per_recipe = learning_rates.size() * seeds.size();
  const labelled_recipe& r = recipes[i / per_recipe];
  trial_record t;
  t.id = static_cast<std::int64_t>(i);
  t.recipe = r.label;
  t.recipe_text = r.formats.canonical_text();
  t.learning_rate = learning_rates[i % per_recipe / seeds.size()];
  t.seed = seeds[i % seeds.size()];
  t.validation_floor = source->validation_floor();
  return t;
}

trial_settings study_plan::settings(std::size_t i) const {
  const trial_record t = trial(i);
  return {.formats = recipes[i / (learning_rates.size() * seeds.size())].formats,
          .learning_rate = t.learning_rate,
          .seed = t.seed,
          .threads = 1};
}

recipe checked_recipe(const std::string& reference, const std::filesystem::path& file, const run_settings& run) {
  const auto refuse = [&](const std::string& why) { throw std::invalid_argument(file.string() + ": " + why); };
  recipe found;
  try {
    found = find_recipe(reference, file.parent_path());
    bound_recipe(found, run.model->gemm_sites());  // refuses formats that cannot work here
  } catch (const std::invalid_argument& e) {
    refuse(e.what());
  }
  try {
    require_states(run.train.optimizer, found.optimizer);
  } catch (const std::invalid_argument& e) {
    refuse("recipe " + reference + ": " + e.what());
  }
  // A shipped recipe speaks of layers of every kind of model; a file is for this one.
  if (!is_file_reference(reference)) return found;
  refuse_idle_choices(found, run.model->gemm_sites(), run.model->outputs());
  return found;
}

study_plan make_plan(const study_file& file) {
  study_plan plan;
  plan.run = file.run;
  plan.source = open_source(plan.run);
  plan.parameters = count_parameters(plan.run.model->parameters()).total;
  for (const std::string& reference : file.recipes) {
    recipe formats = checked_recipe(reference, file.file, plan.run);
    const std::string label = is_file_reference(reference) ? formats.name : reference;
    if (std::any_of(plan.recipes.begin(), plan.recipes.end(), [&](const auto& r) { return r.label == label; }))
      throw std::invalid_argument(file.file.string() + ": two recipes are called " + label +
                                  "; give one of them another name");
    if (reference == file.baseline) plan.baseline = label;
    plan.recipes.push_back({label, std::move(formats)});
  }
  plan.learning_rates = file.learning_rates;
  plan.seeds = file.seeds;
  plan.config_text = canonical_text(plan.run, *plan.source) + "\n[study]\n" +
                     "learning_rates = " + list_text(plan.learning_rates, exact_text) + "\n" +
                     "seeds = " + list_text(plan.seeds, [](std::int64_t s) { return std::to_string(s); }) + "\n" +
                     "baseline = \"" + plan.baseline + "\"\n";
  for (const labelled_recipe& r : plan.recipes)
    plan.config_text +=
        "\n[[study.recipe]]\nlabel = \"" + r.label + "\"\nrules = '''\n" + r.formats.canonical_text() + "'''\n";
  return plan;
}

study_cost measure_cost(const study_plan& plan, std::size_t jobs) {
  using clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds enough{300};
  constexpr int most_steps = 20;
  std::vector<double> seconds_per_step(plan.recipes.size());
  const std::size_t trials_per_recipe = plan.learning_rates.size() * plan.seeds.size();
  thread_pool pool(std::min(jobs, plan.trial_count()));
  pool.parallel_for(plan.recipes.size(), [&](std::size_t r) {
    trainer t(plan.run, *plan.source, plan.settings(r * trials_per_recipe));
    t.step(true);  // the first one also finds memory
    const auto start = clock::now();
    int steps = 0;
    while (steps == 0 || (steps < most_steps && clock::now() - start < enough)) {
      // Counters are taken as often as the study will take them, or nearly so.
      t.step(steps == 0 && plan.run.train.telemetry_every > 0 && plan.run.train.telemetry_every <= most_steps);
      ++steps;
    }
    seconds_per_step[r] = std::chrono::duration<double>(clock::now() - start).count() / steps;
  });

  // Validation is a forward pass, about a third of a training step per sequence.
  const train_settings& train = plan.run.train;
  const auto rows = static_cast<double>(plan.source->validation_rows());
  const std::int64_t inner = train.evaluate_every > 0 ? (train.steps - 1) / train.evaluate_every : 0;
  const auto validations = static_cast<double>(1 + inner);
  const double steps = static_cast<double>(train.steps) + validations * rows / static_cast<double>(train.batch) / 3;
  double work = 0, longest = 0;
  for (const double s : seconds_per_step) {
    work += s * steps * static_cast<double>(trials_per_recipe);
    longest = std::max(longest, s * steps);
  }
  study_cost cost;
  cost.seconds = std::max(longest, work / static_cast<double>(std::min(jobs, plan.trial_count())));
  cost.tokens_per_second = static_cast<double>(plan.total_tokens()) / cost.seconds;
  return cost;
}

}  // namespace binade
