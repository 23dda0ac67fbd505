#include "report/analysis.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <string_view>

#include "report/spikes.hpp"

namespace binade {
namespace {

constexpr double degraded_by = 0.1;    // nat above the baseline at equal learning rate and seed
constexpr double usable_within = 0.1;  // nat above the best learning rate

/// Runs of digits compare as numbers, so that blocks.2 comes before blocks.10.
bool natural_less(std::string_view a, std::string_view b) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      const std::size_t i0 = i, j0 = j;
      while (i < a.size() && is_digit(a[i])) ++i;
      while (j < b.size() && is_digit(b[j])) ++j;
      const auto number = [](std::string_view digits) {
        digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
        return std::pair(digits.size(), digits);  // without leading zeros the longer number is the larger
      };
      const auto x = number(a.substr(i0, i - i0)), y = number(b.substr(j0, j - j0));
      if (x != y) return x < y;
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i, ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

bool has_ended(const trial_record& trial) {
  return trial.status == trial_status::done || trial.status == trial_status::diverged;
}

paired_difference summarize(std::vector<std::int64_t> seeds, std::vector<double> differences) {
  paired_difference result;
  result.seeds = std::move(seeds);
  result.differences = std::move(differences);
  result.mean = statistics::mean(result.differences);
  result.interval = statistics::t_interval(result.differences);
  result.p_value = statistics::t_test(result.differences);
  return result;
}

/// Nothing if no seed has a loss on both sides.
std::optional<paired_difference> difference(const std::vector<trial_record>& trials, const rate_analysis& recipe,
                                            const rate_analysis& baseline) {
  std::vector<std::int64_t> seeds;
  std::vector<double> differences;
  for (std::size_t a : recipe.trials)
    for (std::size_t b : baseline.trials) {
      const auto x = loss_of(trials[a]), y = loss_of(trials[b]);
      if (trials[a].seed != trials[b].seed || !x || !y) continue;
      seeds.push_back(trials[a].seed);
      differences.push_back(*x - *y);
    }
  if (seeds.empty()) return std::nullopt;
  return summarize(std::move(seeds), std::move(differences));
}

rate_analysis analyse_rate(const std::vector<trial_record>& trials, double learning_rate,
                           std::vector<std::size_t> members) {
  rate_analysis rate;
  rate.learning_rate = learning_rate;
  rate.trials = std::move(members);
  std::vector<double> losses, excesses, capped;
  rate.ended = true;
  for (std::size_t i : rate.trials) {
    const trial_record& trial = trials[i];
    rate.ended = rate.ended && has_ended(trial);
    const auto loss = loss_of(trial), excess = excess_of(trial);
    if (loss) losses.push_back(*loss);
    if (excess) excesses.push_back(*excess);
    if (trial.initial_loss) capped.push_back(statistics::capped_loss(loss ? *loss : std::nan(""), *trial.initial_loss));
  }
  const auto mean_if_all = [&](const std::vector<double>& values) -> std::optional<double> {
    if (values.size() != rate.trials.size()) return std::nullopt;
    return statistics::mean(values);
  };
  rate.loss = mean_if_all(losses);
  rate.excess = mean_if_all(excesses);
  if (rate.ended) rate.capped_loss = mean_if_all(capped);
  return rate;
}

void analyse_best(const std::vector<trial_record>& trials, recipe_analysis& recipe) {
  for (std::size_t r = 0; r < recipe.rates.size(); ++r)
    if (recipe.rates[r].loss && (!recipe.best || *recipe.rates[r].loss < *recipe.rates[*recipe.best].loss))
      recipe.best = r;
  if (!recipe.best) return;
  for (std::size_t i : recipe.best_rate()->trials) {
    recipe.seeds.push_back(trials[i].seed);
    recipe.losses.push_back(*loss_of(trials[i]));
    if (recipe.best_rate()->excess) recipe.excesses.push_back(*excess_of(trials[i]));
  }
  const std::vector<double>& values = recipe.excesses.empty() ? recipe.losses : recipe.excesses;
  recipe.interval = statistics::t_interval(values);
  recipe.deviation_interval = statistics::deviation_interval(values);
  if (values.size() > 1) recipe.deviation = statistics::standard_deviation(values);
}

void analyse_divergence(const std::vector<trial_record>& trials, recipe_analysis& recipe) {
  for (const rate_analysis& rate : recipe.rates) {
    bool stable = rate.ended;
    for (std::size_t i : rate.trials) {
      const trial_record& trial = trials[i];
      ++recipe.trials;
      recipe.done += has_ended(trial);
      recipe.failed += trial.status == trial_status::failed;
      recipe.unfinished += trial.status == trial_status::pending || trial.status == trial_status::running;
      const std::string kind = has_ended(trial) ? divergence_of(trial) : std::string();
      if (kind.empty()) continue;
      stable = false;
      ++recipe.diverged;
      ++recipe.divergence_classes[kind];
    }
    if (stable) recipe.largest_stable_rate = rate.learning_rate;
  }
  if (recipe.done > 0) recipe.divergence_rate = statistics::wilson_interval(recipe.diverged, recipe.done);
}

void analyse_sensitivity(const std::vector<trial_record>& trials, recipe_analysis& recipe) {
  if (recipe.rates.size() < 2) return;
  std::vector<statistics::capped_losses> grid;
  std::vector<double> means;
  for (const rate_analysis& rate : recipe.rates) {
    if (!rate.capped_loss) return;
    means.push_back(*rate.capped_loss);
    grid.emplace_back();
    for (std::size_t i : rate.trials)
      grid.back().push_back(
          statistics::capped_loss(loss_of(trials[i]).value_or(std::nan("")), *trials[i].initial_loss));
  }
  recipe.sensitivity = statistics::learning_rate_sensitivity(grid);
  recipe.sensitivity_interval = statistics::sensitivity_interval(grid);
  const auto range = statistics::usable_range(means, usable_within);
  recipe.usable_rates = {recipe.rates[range.first].learning_rate, recipe.rates[range.last].learning_rate};
}

void compare(const std::vector<trial_record>& trials, const recipe_analysis& baseline, recipe_analysis& recipe) {
  for (rate_analysis& rate : recipe.rates)
    for (const rate_analysis& other : baseline.rates)
      if (rate.learning_rate == other.learning_rate) {
        rate.to_baseline = difference(trials, rate, other);
        if (rate.to_baseline)
          recipe.degraded += std::count_if(rate.to_baseline->differences.begin(), rate.to_baseline->differences.end(),
                                           [](double d) { return d > degraded_by; });
      }
  if (recipe.best && baseline.best) recipe.to_baseline = difference(trials, *recipe.best_rate(), *baseline.best_rate());
}

verdict find_verdict(const recipe_analysis& recipe, const recipe_analysis* baseline) {
  if (&recipe == baseline && recipe.best) return verdict::baseline;
  if (!recipe.best) return recipe.unfinished + recipe.failed > 0 ? verdict::unfinished : verdict::diverged;
  if (!recipe.to_baseline) return verdict::no_baseline;
  const paired_difference& d = *recipe.to_baseline;
  if (std::all_of(d.differences.begin(), d.differences.end(), [](double x) { return x == 0; }))
    return verdict::identical;
  if (!d.interval) return verdict::one_seed;
  if (d.interval->contains(0)) return verdict::within_noise;
  return d.mean < 0 ? verdict::better : verdict::worse;
}

void adjust_for_many_comparisons(std::vector<recipe_analysis>& recipes) {
  std::vector<paired_difference*> family;
  std::vector<double> p_values;
  for (recipe_analysis& recipe : recipes)
    if (recipe.to_baseline && recipe.to_baseline->p_value) {
      family.push_back(&*recipe.to_baseline);
      p_values.push_back(*recipe.to_baseline->p_value);
    }
  const std::vector<double> adjusted = statistics::holm_adjusted(p_values);
  for (std::size_t i = 0; i < family.size(); ++i) family[i]->p_holm = adjusted[i];
}

std::size_t choose_shown(const std::vector<trial_record>& trials, const recipe_analysis& recipe) {
  if (recipe.best) return *recipe.best;
  std::size_t shown = 0;
  std::int64_t most = -1;
  for (std::size_t r = 0; r < recipe.rates.size(); ++r) {
    std::int64_t steps = 0;
    for (std::size_t i : recipe.rates[r].trials) steps += trials[i].steps_done;
    if (steps > most) shown = r, most = steps;
  }
  return shown;
}

quantization_analysis analyse_quantization(const study_store& store, const std::vector<trial_record>& trials,
                                           const rate_analysis& rate) {
  quantization_analysis result;
  result.learning_rate = rate.learning_rate;
  std::map<std::pair<std::string, operand_key>, std::vector<double>> sqnr;
  std::set<operand_key> operands;
  for (std::size_t i : rate.trials) {
    std::vector<counter_record> last;
    store.for_each_quantization(trials[i].id, [&](const counter_record& row) {
      if (row.gemm == loss_scale_row) return;              // no array
      if (row.gemm != update_row) result.totals.add(row);  // what a rounding undid there is no share of elements
      result.by_step[row.step][{row.gemm, row.operand}].add(row);
      if (!last.empty() && last.back().step != row.step) last.clear();
      last.push_back(row);
    });
    for (const counter_record& row : last) {
      const operand_key operand{row.gemm, row.operand};
      operands.insert(operand);
      result.last_step[{row.site, operand}].totals.add(row);
      if (std::isfinite(row.sqnr_db)) sqnr[{row.site, operand}].push_back(row.sqnr_db);
    }
  }
  for (const auto& [key, values] : sqnr) result.last_step[key].sqnr_db = statistics::mean(values);
  std::set<std::string> sites;
  for (const auto& [key, cell] : result.last_step) sites.insert(key.first);
  result.sites.assign(sites.begin(), sites.end());
  std::stable_sort(result.sites.begin(), result.sites.end(), natural_less);
  result.operands.assign(operands.begin(), operands.end());
  return result;
}

std::int64_t count_spikes(const study_store& store, std::int64_t trial) {
  std::vector<double> losses;
  for (const step_record& step : store.steps(trial)) losses.push_back(step.loss);
  return static_cast<std::int64_t>(find_loss_spikes(losses).size());
}

}  // namespace

void quantization_totals::add(const counter_record& row) {
  add(quantization_totals{row.count, row.nonzero, row.saturated, row.underflowed});
}

void quantization_totals::add(const quantization_totals& other) {
  count += other.count;
  nonzero += other.nonzero;
  saturated += other.saturated;
  underflowed += other.underflowed;
}

std::optional<double> quantization_totals::saturated_share() const {
  if (nonzero == 0) return std::nullopt;
  return static_cast<double>(saturated) / static_cast<double>(nonzero);
}

std::optional<double> quantization_totals::underflowed_share() const {
  if (nonzero == 0) return std::nullopt;
  return static_cast<double>(underflowed) / static_cast<double>(nonzero);
}

std::string_view to_string(verdict v) {
  switch (v) {
    case verdict::baseline:
      return "baseline";
    case verdict::better:
      return "better";
    case verdict::worse:
      return "worse";
    case verdict::within_noise:
      return "within noise";
    case verdict::identical:
      return "identical";
    case verdict::one_seed:
      return "one seed";
    case verdict::diverged:
      return "diverged";
    case verdict::unfinished:
      return "unfinished";
    case verdict::no_baseline:
      return "no baseline";
  }
  return "";
}

int recipe_analysis::edge() const {
  if (!best || rates.size() < 2) return 0;
  return *best == 0 ? -1 : *best + 1 == rates.size() ? 1 : 0;
}

const rate_analysis* recipe_analysis::shown_rate() const {
  return rates.empty() ? nullptr : &rates[shown];
}

std::int64_t study_analysis::count(trial_status status) const {
  return std::count_if(trials.begin(), trials.end(), [&](const trial_record& t) { return t.status == status; });
}

std::optional<double> study_analysis::number(const std::string& key) const {
  const std::string digits = text(key);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::string study_analysis::text(const std::string& key, const std::string& fallback) const {
  const auto found = properties.find(key);
  return found == properties.end() || found->second.empty() ? fallback : found->second;
}

std::size_t colour_slot(const study_analysis& study, std::size_t recipe) {
  if (!study.baseline) return recipe + 1;
  return recipe == *study.baseline ? 0 : recipe < *study.baseline ? recipe + 1 : recipe;
}

std::string divergence_of(const trial_record& trial) {
  if (!trial.divergence.empty()) return trial.divergence;
  return trial.status == trial_status::diverged ? "diverged" : "";
}

std::optional<double> loss_of(const trial_record& trial) {
  if (trial.status != trial_status::done || !trial.validation_loss || !std::isfinite(*trial.validation_loss))
    return std::nullopt;
  return trial.validation_loss;
}

std::optional<double> excess_of(const trial_record& trial) {
  const auto loss = loss_of(trial);
  if (!loss || !trial.validation_floor) return std::nullopt;
  return *loss - *trial.validation_floor;
}

study_analysis analyse(const study_store& store) {
  study_analysis study;
  study.properties = store.properties();
  study.name = study.text("name", "unnamed study");
  study.unit = study.text("unit", "token");
  study.floor = study.number("floor");
  study.unigram_entropy = study.number("unigram_entropy");
  study.trials = store.trials();

  std::set<double> rates;
  std::set<std::int64_t> seeds;
  std::vector<std::string> labels;
  std::map<std::string, std::map<double, std::vector<std::size_t>>> grid;
  for (std::size_t i = 0; i < study.trials.size(); ++i) {
    const trial_record& trial = study.trials[i];
    rates.insert(trial.learning_rate);
    seeds.insert(trial.seed);
    if (!grid.contains(trial.recipe)) labels.push_back(trial.recipe);
    grid[trial.recipe][trial.learning_rate].push_back(i);
  }
  study.learning_rates.assign(rates.begin(), rates.end());
  study.seeds.assign(seeds.begin(), seeds.end());

  for (const std::string& label : labels) {
    recipe_analysis recipe;
    recipe.label = label;
    for (auto& [learning_rate, members] : grid[label]) {
      std::stable_sort(members.begin(), members.end(),
                       [&](std::size_t a, std::size_t b) { return study.trials[a].seed < study.trials[b].seed; });
      recipe.text = study.trials[members.front()].recipe_text;
      for (std::size_t i : members) recipe.spikes += count_spikes(store, study.trials[i].id);
      recipe.rates.push_back(analyse_rate(study.trials, learning_rate, std::move(members)));
    }
    analyse_best(study.trials, recipe);
    analyse_divergence(study.trials, recipe);
    analyse_sensitivity(study.trials, recipe);
    recipe.shown = choose_shown(study.trials, recipe);
    recipe.quantization = analyse_quantization(store, study.trials, *recipe.shown_rate());
    study.recipes.push_back(std::move(recipe));
  }

  const std::string baseline = study.text("baseline");
  for (std::size_t r = 0; r < study.recipes.size(); ++r)
    if (study.recipes[r].label == baseline) study.baseline = r;
  for (recipe_analysis& recipe : study.recipes)
    if (study.baseline && &recipe != study.baseline_recipe()) compare(study.trials, *study.baseline_recipe(), recipe);
  adjust_for_many_comparisons(study.recipes);
  for (recipe_analysis& recipe : study.recipes) recipe.finding = find_verdict(recipe, study.baseline_recipe());
  return study;
}

}  // namespace binade
