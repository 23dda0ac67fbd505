#include <nlohmann/json.hpp>

#include "report/analysis.hpp"
#include "report/report.hpp"
#include "report/verdict.hpp"

namespace binade {
namespace {

using json = nlohmann::ordered_json;

template <class T>
json or_null(const std::optional<T>& x) {
  return x ? json(*x) : json(nullptr);
}
json to_json(const std::optional<statistics::interval>& i) {
  return i ? json{i->low, i->high} : json(nullptr);
}

json to_json(const std::optional<paired_difference>& d) {
  if (!d) return nullptr;
  return {{"seeds", d->seeds},
          {"differences", d->differences},
          {"mean", d->mean},
          {"interval_95", to_json(d->interval)},
          {"p_value", or_null(d->p_value)},
          {"p_value_holm", or_null(d->p_holm)}};
}

json to_json(const study_analysis& study, const rate_analysis& rate) {
  json trials = json::array();
  for (std::size_t i : rate.trials) {
    const trial_record& t = study.trials[i];
    trials.push_back({{"trial", t.id},
                      {"seed", t.seed},
                      {"status", to_string(t.status)},
                      {"divergence", divergence_of(t).empty() ? json(nullptr) : json(divergence_of(t))},
                      {"initial_loss", or_null(t.initial_loss)},
                      {"validation_loss", or_null(loss_of(t))},
                      {"excess", or_null(excess_of(t))},
                      {"weights_digest", t.weights_digest}});
  }
  return {{"learning_rate", rate.learning_rate},
          {"mean_loss", or_null(rate.loss)},
          {"mean_excess", or_null(rate.excess)},
          {"difference_to_baseline", to_json(rate.to_baseline)},
          {"trials", std::move(trials)}};
}

json to_json(const study_analysis& study, const recipe_analysis& recipe, const std::string& sentence) {
  const rate_analysis* best = recipe.best_rate();
  json rates = json::array();
  for (const rate_analysis& rate : recipe.rates) rates.push_back(to_json(study, rate));
  return {{"recipe", recipe.label},
          {"text", recipe.text},
          {"verdict", to_string(recipe.finding)},
          {"sentence", sentence},
          {"best_learning_rate", best ? json(best->learning_rate) : json(nullptr)},
          {"loss", best ? or_null(best->loss) : json(nullptr)},
          {"excess", best ? or_null(best->excess) : json(nullptr)},
          {recipe.excesses.empty() ? "loss_interval_95" : "excess_interval_95", to_json(recipe.interval)},
          {"difference_to_baseline", to_json(recipe.to_baseline)},
          {"seed_deviation", or_null(recipe.deviation)},
          {"seed_deviation_interval_95", to_json(recipe.deviation_interval)},
          {"trials", recipe.trials},
          {"ended", recipe.done},
          {"diverged", recipe.diverged},
          {"divergence_classes", recipe.divergence_classes},
          {"divergence_rate_wilson_95", to_json(recipe.divergence_rate)},
          {"largest_stable_learning_rate", or_null(recipe.largest_stable_rate)},
          {"degraded", recipe.degraded},
          {"loss_spikes", recipe.spikes},
          {"learning_rate_sensitivity", or_null(recipe.sensitivity)},
          {"learning_rate_sensitivity_interval_95", to_json(recipe.sensitivity_interval)},
          {"usable_learning_rates",
           recipe.usable_rates ? json{recipe.usable_rates->first, recipe.usable_rates->second} : json(nullptr)},
          {"saturated_share", or_null(recipe.quantization.totals.saturated_share())},
          {"underflowed_share", or_null(recipe.quantization.totals.underflowed_share())},
          {"learning_rates", std::move(rates)}};
}

}  // namespace

nlohmann::ordered_json report_summary(const study_store& store) {
  const study_analysis study = analyse(store);
  const study_verdict judged = judge(study);
  json trials = {{"total", study.trials.size()}};
  for (trial_status status :
       {trial_status::pending, trial_status::running, trial_status::done, trial_status::diverged, trial_status::failed})
    trials[std::string(to_string(status))] = study.count(status);
  json recipes = json::array();
  for (std::size_t r = 0; r < study.recipes.size(); ++r)
    recipes.push_back(to_json(study, study.recipes[r], judged.recipes[r]));
  return {{"study", study.properties},
          {"unit", "nat per " + study.unit},
          {"floor", or_null(study.floor)},
          {"trials", std::move(trials)},
          {"baseline", study.baseline ? json(study.baseline_recipe()->label) : json(nullptr)},
          {"verdict", judged.overall},
          {"caveats", judged.caveats},
          {"recipes", std::move(recipes)}};
}

}  // namespace binade
