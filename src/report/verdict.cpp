#include "report/verdict.hpp"

#include <algorithm>
#include <cmath>

#include "report/number_text.hpp"

namespace binade {
namespace {

constexpr double level = 0.05;            // of the tests that belong to 95 % intervals
constexpr double worth_more_seeds = 0.2;  // a p value below which unanimous seeds are worth a second look
constexpr std::size_t longest_list = 4;   // recipes that the overall sentence names one by one
constexpr std::size_t seeds_for_losses = 5, seeds_for_rates = 20;

std::string nats(const study_analysis& study) {
  return " nat per " + study.unit;
}

/// Digits that show both the difference and the width of its interval.
int decimals_of(const paired_difference& d) {
  const double width = d.interval ? d.interval->half_width() : std::fabs(d.mean);
  return decimals_for(width > 0 && d.mean != 0 ? std::min(width, std::fabs(d.mean))
                                               : std::max(width, std::fabs(d.mean)));
}

std::string interval_text(const statistics::interval& i, int decimals) {
  return signed_text(i.low, decimals) + " to " + signed_text(i.high, decimals);
}

std::string paired_seeds(const paired_difference& d) {
  return counted(static_cast<std::int64_t>(d.seeds.size()), "seed") + ", paired";
}

/// "nonfinite 2, stuck 1"
std::string classes_of(const recipe_analysis& recipe) {
  std::string text;
  for (const auto& [name, n] : recipe.divergence_classes)
    text += (text.empty() ? "" : ", ") + name + " " + std::to_string(n);
  return text;
}

std::string rates_with_divergence(const study_analysis& study, const recipe_analysis& recipe) {
  std::vector<std::string> rates;
  for (const rate_analysis& rate : recipe.rates)
    if (std::any_of(rate.trials.begin(), rate.trials.end(),
                    [&](std::size_t i) { return !divergence_of(study.trials[i]).empty(); }))
      rates.push_back(rate_text(rate.learning_rate));
  return joined(rates);
}

std::string divergence_sentence(const study_analysis& study, const recipe_analysis& recipe) {
  const bool said = recipe.finding == verdict::diverged && recipe.diverged == recipe.trials;
  if (recipe.diverged == 0 || said) return {};
  return " " + std::to_string(recipe.diverged) + " of " + counted(recipe.done, "trial") + " diverged (" +
         classes_of(recipe) + "; learning rate " + rates_with_divergence(study, recipe) + ").";
}

std::string unfinished_sentence(const recipe_analysis& recipe) {
  std::string text;
  if (recipe.unfinished > 0)
    text += " Preliminary: " + std::to_string(recipe.unfinished) + " of " + counted(recipe.trials, "trial") +
            " still to come.";
  if (recipe.failed > 0) text += " " + counted(recipe.failed, "trial") + " failed with an error, which is no result.";
  return text;
}

std::string standing(const study_analysis& study, const recipe_analysis& recipe) {
  const rate_analysis& best = *recipe.best_rate();
  std::string text = "validation loss " + fixed_text(best.loss) + nats(study);
  if (best.excess) text += ", " + fixed_text(best.excess) + " above the entropy floor";
  return text + ", at learning rate " + rate_text(best.learning_rate);
}

std::string rates_compared(const recipe_analysis& recipe, const recipe_analysis& baseline) {
  const double own = recipe.best_rate()->learning_rate, other = baseline.best_rate()->learning_rate;
  if (own == other) return "both at learning rate " + rate_text(own);
  return "each at its best learning rate, " + rate_text(own) + " against " + rate_text(other);
}

std::string differences_text(const paired_difference& d) {
  std::string text;
  for (double x : d.differences) text += (text.empty() ? "" : ", ") + signed_text(x, decimals_of(d));
  return text;
}

/// Seeds that all lean one way deserve a word even where their interval holds 0.
std::string leaning(const paired_difference& d) {
  const auto positive = std::count_if(d.differences.begin(), d.differences.end(), [](double x) { return x > 0; });
  const auto negative = std::count_if(d.differences.begin(), d.differences.end(), [](double x) { return x < 0; });
  const auto n = static_cast<std::ptrdiff_t>(d.differences.size());
  if ((positive != n && negative != n) || !d.p_value || *d.p_value >= worth_more_seeds || n > 6) return {};
  return std::string("; every seed is ") + (positive == n ? "worse" : "better") + " (" + differences_text(d) +
         "), so more seeds may settle it";
}

std::string comparison_sentence(const study_analysis& study, const recipe_analysis& recipe,
                                const recipe_analysis& baseline) {
  const paired_difference& d = *recipe.to_baseline;
  const int decimals = decimals_of(d);
  const std::string rates = rates_compared(recipe, baseline);
  switch (recipe.finding) {
    case verdict::better:
    case verdict::worse:
      return recipe.label + " is " + std::string(to_string(recipe.finding)) + " than " + baseline.label + " by " +
             fixed_text(std::fabs(d.mean), decimals) + nats(study) + " (95 % interval of the difference " +
             interval_text(*d.interval, decimals) + "; " + paired_seeds(d) + "), " + rates + ".";
    case verdict::within_noise:
      return recipe.label + " is within the noise of " + baseline.label + ": " + signed_text(d.mean, decimals) +
             nats(study) + " (95 % interval " + interval_text(*d.interval, decimals) + "; " + paired_seeds(d) + "), " +
             rates + ". A difference smaller than about " + fixed_text(d.interval->half_width(), decimals) +
             " could not be told from none here" + leaning(d) + ".";
    case verdict::identical:
      return recipe.label + " reaches the very validation loss of " + baseline.label + " in " +
             (d.seeds.size() == 1 ? "its one seed" : "all " + std::to_string(d.seeds.size()) + " seeds") + ", " +
             rates + ".";
    case verdict::one_seed:
      return recipe.label + ": " + signed_text(d.mean, decimals) + nats(study) + " against " + baseline.label +
             " in one seed, " + rates + ". One seed gives no interval, so this is no evidence of a difference.";
    default:
      return {};
  }
}

std::string recipe_sentence(const study_analysis& study, const recipe_analysis& recipe) {
  switch (recipe.finding) {
    case verdict::baseline: {
      std::string text = recipe.label + " is the baseline: " + standing(study, recipe);
      const auto n = static_cast<std::int64_t>(recipe.seeds.size());
      if (recipe.interval) {
        const int decimals = std::min(4, decimals_for(recipe.interval->half_width()));
        text += " (mean of " + counted(n, "seed") + ", 95 % interval " + fixed_text(recipe.interval->low, decimals) +
                " to " + fixed_text(recipe.interval->high, decimals) + ").";
      } else {
        text += " (one seed: no interval).";
      }
      return text;
    }
    case verdict::no_baseline:
      return recipe.label + ": " + standing(study, recipe) + ". There is no finished baseline to compare it with.";
    case verdict::unfinished:
      return recipe.label + ": no verdict yet, because no learning rate has a result for every seed (" +
             std::to_string(recipe.done) + " of " + counted(recipe.trials, "trial") + " finished).";
    case verdict::diverged:
      if (recipe.diverged == recipe.trials)
        return recipe.label + " diverged in " +
               (recipe.trials == 1 ? "its one trial" : "all " + std::to_string(recipe.trials) + " trials") + " (" +
               classes_of(recipe) + "): there is no loss to compare.";
      return recipe.label +
             " has no learning rate at which every seed reached a validation loss: there is no loss to " +
             "compare that would not be a choice of survivors.";
    default:
      return comparison_sentence(study, recipe, *study.baseline_recipe());
  }
}

std::vector<std::string> labels_with(const study_analysis& study, verdict finding) {
  std::vector<std::string> labels;
  for (const recipe_analysis& recipe : study.recipes)
    if (recipe.finding == finding) labels.push_back(recipe.label);
  return labels;
}

/// "mxfp4 is worse by 0.231 and e2m1fn by 0.912", or the ends of a longer list.
std::string ranked(const study_analysis& study, verdict finding) {
  std::vector<const recipe_analysis*> found;
  for (const recipe_analysis& recipe : study.recipes)
    if (recipe.finding == finding) found.push_back(&recipe);
  std::stable_sort(found.begin(), found.end(), [](const recipe_analysis* a, const recipe_analysis* b) {
    return std::fabs(a->to_baseline->mean) < std::fabs(b->to_baseline->mean);
  });
  if (found.size() > longest_list) {
    const auto item = [](const recipe_analysis* recipe) {
      return recipe->label + " by " +
             fixed_text(std::fabs(recipe->to_baseline->mean), decimals_of(*recipe->to_baseline));
    };
    return std::to_string(found.size()) + " recipes are " + std::string(to_string(finding)) + ", from " +
           item(found.front()) + " to " + item(found.back());
  }
  std::vector<std::string> items;
  for (const recipe_analysis* recipe : found)
    items.push_back(recipe->label + (items.empty() ? " is " + std::string(to_string(finding)) : "") + " by " +
                    fixed_text(std::fabs(recipe->to_baseline->mean), decimals_of(*recipe->to_baseline)));
  return joined(items);
}

/// "a and b", or "7 recipes" for a long list.
std::string named(const std::vector<std::string>& labels) {
  return labels.size() > longest_list ? std::to_string(labels.size()) + " recipes" : joined(labels);
}
std::string is_or_are(const std::vector<std::string>& labels) {
  return named(labels) + (labels.size() == 1 ? " is" : " are");
}

std::string noise_clause(const study_analysis& study) {
  const auto labels = labels_with(study, verdict::within_noise);
  if (labels.empty()) return {};
  double hidden = 0;
  for (const recipe_analysis& recipe : study.recipes)
    if (recipe.finding == verdict::within_noise) hidden = std::max(hidden, recipe.to_baseline->interval->half_width());
  return is_or_are(labels) + " within the noise, where a difference up to about " +
         fixed_text(hidden, std::min(4, decimals_for(hidden))) + " could hide";
}

/// "bf16 is off by +0.002 and mxfp4 by +0.310, in one seed alone, which decides nothing"
std::string one_seed_clause(const study_analysis& study) {
  std::vector<std::string> items;
  for (const recipe_analysis& recipe : study.recipes)
    if (recipe.finding == verdict::one_seed)
      items.push_back(recipe.label + (items.empty() ? " is off by " : " by ") +
                      signed_text(recipe.to_baseline->mean, decimals_of(*recipe.to_baseline)));
  if (items.empty()) return {};
  const std::string what =
      items.size() > longest_list ? std::to_string(items.size()) + " recipes were compared" : joined(items);
  return what + " in one seed alone, which decides nothing";
}

std::string divergence_overall(const study_analysis& study) {
  std::int64_t diverged = 0;
  std::vector<std::string> items;
  for (const recipe_analysis& recipe : study.recipes) {
    if (recipe.diverged == 0) continue;
    diverged += recipe.diverged;
    items.push_back(recipe.label + " " + std::to_string(recipe.diverged) + " of " + std::to_string(recipe.done) + " (" +
                    classes_of(recipe) + ")");
  }
  if (diverged == 0) return study.ended() > 0 ? " No trial diverged." : "";
  const std::string where =
      items.size() > longest_list ? " in " + std::to_string(items.size()) + " recipes" : ": " + joined(items);
  return " " + std::to_string(diverged) + " of " + counted(study.ended(), "trial") + " diverged" + where + ".";
}

std::string overall_sentence(const study_analysis& study) {
  if (study.recipes.empty()) return "The study has no trials yet.";
  const recipe_analysis* baseline = study.baseline_recipe();
  if (baseline == nullptr)
    return "The study names no baseline among its recipes, so its losses stand side by side without a verdict." +
           divergence_overall(study);
  if (!baseline->best)
    return (baseline->finding == verdict::unfinished
                ? "No verdict yet: the baseline " + baseline->label +
                      " has no learning rate with a result for every seed."
                : "No verdict: the baseline " + baseline->label + " diverged, so there is nothing to compare with.") +
           divergence_overall(study);

  const std::string base = baseline->label + " (" +
                           (baseline->best_rate()->excess
                                ? fixed_text(baseline->best_rate()->excess) + nats(study) + " above the entropy floor)"
                                : "validation loss " + fixed_text(baseline->best_rate()->loss) + nats(study) + ")");
  if (study.recipes.size() == 1) return "Only the baseline was trained: " + base + "." + divergence_overall(study);

  std::vector<std::string> clauses;
  for (verdict finding : {verdict::better, verdict::worse})
    if (std::string clause = ranked(study, finding); !clause.empty()) clauses.push_back(clause + " nat");
  if (std::string clause = noise_clause(study); !clause.empty()) clauses.push_back(clause);
  if (const auto labels = labels_with(study, verdict::identical); !labels.empty())
    clauses.push_back(named(labels) + (labels.size() == 1 ? " reaches" : " reach") + " the very same loss");
  if (std::string clause = one_seed_clause(study); !clause.empty()) clauses.push_back(clause);
  if (const auto labels = labels_with(study, verdict::diverged); !labels.empty())
    clauses.push_back(named(labels) + (labels.size() == 1 ? " has" : " have") +
                      " no learning rate that trained in every seed");
  if (const auto labels = labels_with(study, verdict::unfinished); !labels.empty())
    clauses.push_back(is_or_are(labels) + " not finished yet");

  std::string text = "Against " + base;
  for (std::size_t i = 0; i < clauses.size(); ++i) text += (i == 0 ? ", " : "; ") + clauses[i];
  return text + "." + divergence_overall(study);
}

std::vector<std::string> caveats(const study_analysis& study) {
  std::vector<std::string> notes;
  const auto total = static_cast<std::int64_t>(study.trials.size());
  if (const auto left = study.count(trial_status::pending) + study.count(trial_status::running); left > 0)
    notes.push_back("Preliminary: " + std::to_string(left) + " of " + counted(total, "trial") + " still to come.");
  if (const auto failed = study.count(trial_status::failed); failed > 0)
    notes.push_back(counted(failed, "trial") +
                    " failed with an error. That is no result: run the study again to repeat what failed.");
  if (study.seeds.size() == 1)
    notes.push_back("One seed: no interval can be given, and no difference shown here is evidence.");
  else if (study.seeds.size() < seeds_for_losses && !study.seeds.empty())
    notes.push_back("Intervals from " + std::to_string(study.seeds.size()) + " seeds are wide (Student t with " +
                    counted(static_cast<std::int64_t>(study.seeds.size()) - 1, "degree") + " of freedom): take " +
                    std::to_string(seeds_for_losses) + " seeds or more to compare losses, " +
                    std::to_string(seeds_for_rates) + " to compare rates of divergence.");
  if (const recipe_analysis* baseline = study.baseline_recipe(); baseline && baseline->diverged > 0)
    notes.push_back("The baseline itself diverged in " + std::to_string(baseline->diverged) + " of " +
                    counted(baseline->done, "trial") + " (" + classes_of(*baseline) +
                    "): there the learning rate or the number of steps is tested, not a number format.");
  if (study.learning_rates.size() == 1)
    notes.push_back("One learning rate was tried. Another may be better, and not by the same amount for every recipe.");
  std::vector<std::string> smallest, largest;
  for (const recipe_analysis& recipe : study.recipes)
    if (const int edge = recipe.edge(); edge != 0) (edge < 0 ? smallest : largest).push_back(recipe.label);
  for (const auto& [labels, name] : {std::pair(smallest, "smallest"), std::pair(largest, "largest")})
    if (!labels.empty())
      notes.push_back("The best learning rate is the " + std::string(name) + " tried for " + joined(labels) +
                      ": a wider grid may find a better one.");
  std::vector<std::string> withdrawn;
  std::int64_t comparisons = 0;
  for (const recipe_analysis& recipe : study.recipes) {
    if (!recipe.to_baseline || !recipe.to_baseline->p_holm) continue;
    ++comparisons;
    const bool claimed = recipe.finding == verdict::better || recipe.finding == verdict::worse;
    if (claimed && *recipe.to_baseline->p_holm >= level) withdrawn.push_back(recipe.label);
  }
  if (!withdrawn.empty())
    notes.push_back("Each interval stands alone. Corrected for all " + std::to_string(comparisons) +
                    " comparisons (Holm), the evidence for " + joined(withdrawn) + " no longer reaches 5 %.");
  return notes;
}

}  // namespace

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i)
    text += (i == 0 ? "" : i + 1 == items.size() ? " and " : ", ") + items[i];
  return text;
}

study_verdict judge(const study_analysis& study) {
  study_verdict result{.overall = overall_sentence(study), .recipes = {}, .caveats = caveats(study)};
  for (const recipe_analysis& recipe : study.recipes)
    result.recipes.push_back(
        recipe_sentence(study, recipe) + divergence_sentence(study, recipe) +
        (recipe.finding == verdict::unfinished && recipe.failed == 0 ? "" : unfinished_sentence(recipe)));
  return result;
}

}  // namespace binade
