#pragma once
/// The numbers of a report, computed once from a store: table, verdict, JSON and HTML print what is here.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "report/statistics.hpp"
#include "study/store.hpp"

namespace binade {

/// Counts of quantized elements, added over whatever the context says.
struct quantization_totals {
  std::int64_t count = 0, nonzero = 0, saturated = 0, underflowed = 0;
  void add(const counter_record& row);
  void add(const quantization_totals& other);
  std::optional<double> saturated_share() const;    ///< of the nonzero inputs; nothing where there were none
  std::optional<double> underflowed_share() const;  ///< of the nonzero inputs; nothing where there were none
};

/// A GEMM of the three and its operand.
using operand_key = std::pair<std::string, std::string>;

/// One operand at one site in the last recorded step, over the seeds.
struct quantization_cell {
  quantization_totals totals;
  std::optional<double> sqnr_db;  ///< mean over the seeds where something was lost; nothing where nothing was
};

/// What the quantizers of one recipe did at one learning rate, over its seeds.
struct quantization_analysis {
  double learning_rate = 0;
  quantization_totals totals;                                                  ///< all steps, sites and operands
  std::vector<std::string> sites;                                              ///< blocks.2 before blocks.10
  std::vector<operand_key> operands;                                           ///< ascending
  std::map<std::pair<std::string, operand_key>, quantization_cell> last_step;  ///< by (site, operand)
  std::map<std::int64_t, std::map<operand_key, quantization_totals>> by_step;  ///< all sites added
  bool empty() const { return totals.count == 0; }
};

/// Differences of two recipes, seed by seed: recipe minus baseline, nat.  Negative: the recipe is better.
struct paired_difference {
  std::vector<std::int64_t> seeds;
  std::vector<double> differences;
  double mean = 0;
  std::optional<statistics::interval> interval;  ///< 95 %, Student t; nothing for one seed
  std::optional<double> p_value;
  std::optional<double> p_holm;  ///< adjusted for all comparisons of the study
};

/// The trials of one recipe at one learning rate.
struct rate_analysis {
  double learning_rate = 0;
  std::vector<std::size_t> trials;  ///< indices into study_analysis::trials, ascending seed
  bool ended = false;               ///< no trial is pending, running or failed
  std::optional<double> loss;       ///< mean validation loss, only if every seed has one: survivors alone would flatter
  std::optional<double> excess;     ///< the same above the floor
  std::optional<double> capped_loss;             ///< mean of min(loss, initial loss), diverged = initial; only if ended
  std::optional<paired_difference> to_baseline;  ///< against the baseline at this same learning rate
};

enum class verdict { baseline, better, worse, within_noise, identical, one_seed, diverged, unfinished, no_baseline };

/// The verdict in one or two words.
std::string_view to_string(verdict v);

struct recipe_analysis {
  std::string label, text;
  std::vector<rate_analysis> rates;  ///< ascending learning rate
  /// The learning rate with the smallest mean validation loss over seeds, among those where every seed has one.
  std::optional<std::size_t> best;
  std::vector<std::int64_t> seeds;  ///< at the best learning rate, like the four below
  std::vector<double> losses;
  std::vector<double> excesses;                  ///< empty without a floor
  std::optional<statistics::interval> interval;  ///< of the mean excess, or of the mean loss without a floor
  std::optional<double> deviation;               ///< standard deviation over seeds
  std::optional<statistics::interval> deviation_interval;

  std::int64_t trials = 0, done = 0, unfinished = 0, failed = 0;
  std::int64_t diverged = 0;  ///< trials with any divergence class, of those that ended
  std::map<std::string, std::int64_t> divergence_classes;
  std::optional<statistics::interval> divergence_rate;  ///< Wilson, 95 %
  std::optional<double> largest_stable_rate;  ///< largest learning rate where all seeds ended and none diverged
  std::int64_t degraded = 0;  ///< trials 0.1 nat above the baseline at the same learning rate and seed; not diverged
  std::int64_t spikes = 0;    ///< loss spikes in all trials

  std::optional<double> sensitivity;  ///< learning-rate sensitivity, nat; needs 2 rates, all ended
  std::optional<statistics::interval> sensitivity_interval;
  std::optional<std::pair<double, double>> usable_rates;  ///< within 0.1 nat of the best; needs all rates ended

  std::optional<paired_difference> to_baseline;  ///< each at its own best learning rate
  verdict finding = verdict::unfinished;
  quantization_analysis quantization;  ///< at the best learning rate, else where most steps were made

  const rate_analysis* best_rate() const { return best ? &rates[*best] : nullptr; }
  /// Whether the best learning rate is the smallest (-1) or largest (+1) of several tried; 0 otherwise.
  int edge() const;
  /// The rate that curves and telemetry are shown for.
  const rate_analysis* shown_rate() const;
  std::size_t shown = 0;  ///< index of shown_rate()
};

struct study_analysis {
  std::map<std::string, std::string> properties;  ///< the store's table `study`
  std::string name, unit;                         ///< unit: token or byte
  std::optional<double> floor, unigram_entropy;   ///< nat per unit
  std::vector<trial_record> trials;               ///< ascending id
  std::vector<double> learning_rates;             ///< ascending
  std::vector<std::int64_t> seeds;                ///< ascending
  std::vector<recipe_analysis> recipes;           ///< in the order of the grid
  std::optional<std::size_t> baseline;            ///< index into recipes

  std::int64_t count(trial_status status) const;
  std::int64_t ended() const { return count(trial_status::done) + count(trial_status::diverged); }
  bool complete() const { return ended() == static_cast<std::int64_t>(trials.size()); }
  const recipe_analysis* baseline_recipe() const { return baseline ? &recipes[*baseline] : nullptr; }
  /// A property that is a finite number; nothing if it is missing or is none.
  std::optional<double> number(const std::string& key) const;
  /// A property; `fallback` if it is missing or empty.
  std::string text(const std::string& key, const std::string& fallback = "") const;
};

/// A number that stands for the recipe's colour in every chart and table: 0 for the baseline, 1, 2, ... for the others.
std::size_t colour_slot(const study_analysis& study, std::size_t recipe);

/// What class of divergence a trial shows; empty for none.  "diverged" if it was stopped without a class.
std::string divergence_of(const trial_record& trial);

/// Validation loss of a finished trial; nothing if there is none or it is not finite.
std::optional<double> loss_of(const trial_record& trial);

/// Validation loss above the floor of the same tokens; nothing where either is not known.
std::optional<double> excess_of(const trial_record& trial);

/// Reads the store once.  A store without trials gives an analysis without recipes.
study_analysis analyse(const study_store& store);

}  // namespace binade
