#include "report/chart_data.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace binade {
namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t curve_points = 400;        // of a curve at a best learning rate
constexpr std::size_t all_curve_points = 24000;  // of all other curves together: keeps the page below a megabyte or so
constexpr std::size_t telemetry_points = 120;

/// Four decimals are more than a pixel shows, and keep the text short.
json rounded(std::optional<double> x) {
  if (!x || !std::isfinite(*x)) return nullptr;
  return std::nearbyint(*x * 1e4) / 1e4;
}

/// Two significant digits more than anyone reads off a chart, for shares that span decades.
json rounded_share(std::optional<double> x) {
  if (!x) return nullptr;
  double scale = 1e4;
  while (*x != 0 && std::fabs(*x) * scale < 1e3 && scale < 1e12) scale *= 10;
  return std::nearbyint(*x * scale) / scale;
}

json curve_of(const study_analysis& study, const study_store& store, const trial_record& trial, std::size_t points) {
  const std::vector<step_record> steps = store.steps(trial.id);
  const std::size_t width = std::max<std::size_t>(1, (steps.size() + points - 1) / points);
  json values = json::array();
  for (std::size_t from = 0; from < steps.size(); from += width) {
    double sum = 0;
    const std::size_t to = std::min(from + width, steps.size());
    for (std::size_t i = from; i < to; ++i) sum += steps[i].loss - steps[i].floor.value_or(study.floor.value_or(0));
    values.push_back(rounded(sum / static_cast<double>(to - from)));
  }
  json evaluations = json::array();
  const double floor = trial.validation_floor.value_or(study.floor.value_or(0));
  for (const evaluation_record& e : store.evaluations(trial.id))
    evaluations.push_back({e.step, rounded(e.validation_loss - floor)});
  return {{"width", width}, {"steps", steps.size()}, {"y", std::move(values)}, {"evaluations", std::move(evaluations)}};
}

std::string operand_text(const operand_key& key) {
  std::string text = key.first + ": " + key.second;
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

json telemetry_of(const quantization_analysis& quantization) {
  const std::size_t width =
      std::max<std::size_t>(1, (quantization.by_step.size() + telemetry_points - 1) / telemetry_points);
  std::vector<std::int64_t> steps;
  std::vector<std::map<std::string, quantization_totals>> groups;
  std::size_t i = 0;
  for (const auto& [step, operands] : quantization.by_step) {
    if (i++ % width == 0) {
      steps.push_back(step);
      groups.emplace_back();
    }
    for (const auto& [key, totals] : operands) {
      groups.back()["all operands"].add(totals);
      groups.back()[operand_text(key)].add(totals);
    }
  }
  std::vector<std::string> names{"all operands"};
  for (const operand_key& key : quantization.operands) names.push_back(operand_text(key));
  json series = json::object();
  for (const std::string& name : names) {
    json saturated = json::array(), underflowed = json::array();
    for (auto& group : groups) {
      saturated.push_back(rounded_share(group[name].saturated_share()));
      underflowed.push_back(rounded_share(group[name].underflowed_share()));
    }
    series[name] = {{"saturated", std::move(saturated)}, {"underflowed", std::move(underflowed)}};
  }
  return {{"rate", quantization.learning_rate}, {"steps", steps}, {"series", std::move(series)}};
}

json or_divergence(const trial_record& trial) {
  const std::string name = divergence_of(trial);
  return name.empty() ? json(nullptr) : json(name);
}

}  // namespace

nlohmann::ordered_json chart_data(const study_analysis& study, const study_store& store) {
  const std::size_t other_points =
      std::clamp(all_curve_points / std::max<std::size_t>(1, study.trials.size()), std::size_t{40}, curve_points);
  json recipes = json::array(), curves = json::array(), rates = json::array(), means = json::array(),
       seeds = json::array(), differences = json::array(), quantization = json::array();
  std::int64_t longest = 0;
  for (std::size_t r = 0; r < study.recipes.size(); ++r) {
    const recipe_analysis& recipe = study.recipes[r];
    recipes.push_back({{"label", recipe.label}, {"slot", colour_slot(study, r)}});
    for (const rate_analysis& rate : recipe.rates) {
      const bool best = &rate == recipe.shown_rate();
      const auto mean = study.floor ? rate.excess : rate.loss;
      if (mean) means.push_back({{"recipe", r}, {"rate", rate.learning_rate}, {"y", rounded(mean)}});
      for (std::size_t i : rate.trials) {
        const trial_record& trial = study.trials[i];
        longest = std::max(longest, trial.steps_done);
        if (trial.steps_done > 0) {
          json curve = {{"recipe", r}, {"rate", rate.learning_rate}, {"seed", trial.seed}, {"best", best}};
          curve["divergence"] = trial.status == trial_status::diverged ? or_divergence(trial) : json(nullptr);
          curve.update(curve_of(study, store, trial, best ? curve_points : other_points));
          curves.push_back(std::move(curve));
        }
        const auto y = study.floor ? excess_of(trial) : loss_of(trial);
        if (y || trial.status == trial_status::diverged)
          rates.push_back({{"recipe", r},
                           {"rate", rate.learning_rate},
                           {"seed", trial.seed},
                           {"y", rounded(y)},
                           {"divergence", or_divergence(trial)}});
      }
    }
    if (recipe.best) {
      const std::vector<double>& values = recipe.excesses.empty() ? recipe.losses : recipe.excesses;
      json row = {
          {"recipe", r}, {"seeds", recipe.seeds}, {"values", json::array()}, {"mean", statistics::mean(values)}};
      for (double value : values) row["values"].push_back(value);
      seeds.push_back(std::move(row));
    }
    if (recipe.to_baseline) {
      const paired_difference& d = *recipe.to_baseline;
      differences.push_back({{"recipe", r},
                             {"seeds", d.seeds},
                             {"values", d.differences},
                             {"mean", d.mean},
                             {"low", d.interval ? json(d.interval->low) : json(nullptr)},
                             {"high", d.interval ? json(d.interval->high) : json(nullptr)}});
    }
    if (!recipe.quantization.empty()) {
      json telemetry = {{"recipe", r}};
      telemetry.update(telemetry_of(recipe.quantization));
      quantization.push_back(std::move(telemetry));
    }
  }
  std::optional<double> unigram = study.unigram_entropy;
  if (unigram) *unigram -= study.floor.value_or(0);
  return {{"unit", study.unit},
          {"has_floor", study.floor.has_value()},
          {"unigram", rounded(unigram)},
          {"smoothing", std::clamp<std::int64_t>(longest / 25, 3, 50)},
          {"baseline", study.baseline ? json(*study.baseline) : json(nullptr)},
          {"recipes", std::move(recipes)},
          {"learning_rates", study.learning_rates},
          {"curves", std::move(curves)},
          {"rates", std::move(rates)},
          {"rate_means", std::move(means)},
          {"seeds", std::move(seeds)},
          {"differences", std::move(differences)},
          {"quantization", std::move(quantization)}};
}

}  // namespace binade
