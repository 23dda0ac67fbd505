#include "report/verdict.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report/crafted_study.hpp"
#include "report/report.hpp"

namespace {

using namespace binade;
using namespace binade::crafted;

constexpr double low = 1e-3, high = 1e-2;

struct result {
  study_analysis study;
  study_verdict judged;
  const recipe_analysis& recipe(const std::string& label) const {
    for (const recipe_analysis& r : study.recipes)
      if (r.label == label) return r;
    throw std::logic_error("no recipe " + label);
  }
  std::string sentence(const std::string& label) const {
    return judged.recipes[static_cast<std::size_t>(&recipe(label) - study.recipes.data())];
  }
  std::string caveats() const {
    std::string text;
    for (const std::string& note : judged.caveats) text += note + "\n";
    return text;
  }
};

result judge_store(const study_store& store) {
  study_analysis study = analyse(store);
  study_verdict judged = judge(study);
  for (const std::vector<std::string>& sentences : {judged.recipes, judged.caveats, {judged.overall}})
    for (const std::string& text : sentences) {
      EXPECT_EQ(text.find("nan"), std::string::npos) << text;
      EXPECT_EQ(text.find("NaN"), std::string::npos) << text;
      EXPECT_EQ(text.find("inf "), std::string::npos) << text;
      EXPECT_FALSE(text.empty());
    }
  return {std::move(study), std::move(judged)};
}

bool holds(const std::string& text, const std::string& piece) {
  return text.find(piece) != std::string::npos;
}

/// A baseline at two learning rates and two seeds; `low` is its best.
void add_baseline(study_builder& study) {
  study.done("f32", low, 0, 0.60).done("f32", low, 1, 0.64).done("f32", high, 0, 0.80).done("f32", high, 1, 0.84);
}

TEST(verdict, a_clear_effect_is_named_with_size_interval_seeds_and_learning_rates) {
  temporary_folder folder;
  study_builder study(folder.path());
  add_baseline(study);
  study.done("fp4", low, 0, 0.90).done("fp4", low, 1, 0.942).done("fp4", high, 0, 1.2).done("fp4", high, 1, 1.2);
  const result r = judge_store(study.store());
  EXPECT_EQ(r.recipe("fp4").finding, verdict::worse);
  // differences 0.300 and 0.302: mean 0.301, half width tan(0.475 pi) 0.001 = 0.0127
  EXPECT_EQ(r.sentence("fp4"),
            "fp4 is worse than f32 by 0.301 nat per token (95 % interval of the difference +0.288 to +0.314; 2 seeds, "
            "paired), both at learning rate 1e-3.");
  EXPECT_TRUE(holds(r.judged.overall, "fp4 is worse by 0.301 nat")) << r.judged.overall;
  EXPECT_TRUE(holds(r.judged.overall, "Against f32 (0.620 nat per token above the entropy floor)")) << r.judged.overall;
  EXPECT_TRUE(holds(r.judged.overall, "No trial diverged.")) << r.judged.overall;
}

TEST(verdict, an_interval_that_holds_zero_is_noise_and_says_what_would_have_shown) {
  temporary_folder folder;
  study_builder study(folder.path());
  add_baseline(study);
  study.done("bf16", low, 0, 0.61).done("bf16", low, 1, 0.62).done("bf16", high, 0, 1).done("bf16", high, 1, 1);
  const result r = judge_store(study.store());
  EXPECT_EQ(r.recipe("bf16").finding, verdict::within_noise);
  // differences +0.01 and -0.02: mean -0.005, half width 12.706 x 0.015 = 0.191
  EXPECT_TRUE(holds(r.sentence("bf16"), "within the noise of f32")) << r.sentence("bf16");
  EXPECT_TRUE(holds(r.sentence("bf16"), "-0.1956 to +0.1856")) << r.sentence("bf16");
  EXPECT_TRUE(holds(r.sentence("bf16"), "smaller than about 0.1906 could not be told")) << r.sentence("bf16");
  EXPECT_TRUE(holds(r.judged.overall, "could hide")) << r.judged.overall;
  EXPECT_FALSE(holds(r.sentence("bf16"), "every seed"));
}

TEST(verdict, seeds_that_agree_inside_a_wide_interval_ask_for_more_seeds) {
  temporary_folder folder;
  study_builder study(folder.path());
  add_baseline(study);
  study.done("fp8", low, 0, 0.70).done("fp8", low, 1, 0.76).done("fp8", high, 0, 1).done("fp8", high, 1, 1);
  const result r = judge_store(study.store());
  EXPECT_EQ(r.recipe("fp8").finding, verdict::within_noise);
  EXPECT_TRUE(holds(r.sentence("fp8"), "every seed is worse (+0.100, +0.120), so more seeds may settle it"))
      << r.sentence("fp8");
}

TEST(verdict, one_seed_gives_no_interval_and_no_evidence) {
  temporary_folder folder;
  study_builder study(folder.path());
  study.done("f32", low, 0, 0.6).done("fp4", low, 0, 1.6);
  const result r = judge_store(study.store());
  EXPECT_EQ(r.recipe("fp4").finding, verdict::one_seed);
  EXPECT_EQ(
      r.sentence("fp4"),
      "fp4: +1.000 nat per token against f32 in one seed, both at learning rate 1e-3. One seed gives no interval, so "
      "this is no evidence of a difference.");
  EXPECT_TRUE(holds(r.judged.overall, "fp4 is off by +1.000 in one seed alone, which decides nothing"))
      << r.judged.overall;
  EXPECT_TRUE(holds(r.caveats(), "One seed")) << r.caveats();
  EXPECT_TRUE(holds(r.caveats(), "One learning rate")) << r.caveats();
}

TEST(verdict, a_recipe_that_diverges_everywhere_has_an_outcome_and_no_loss) {
  temporary_folder folder;
  study_builder study(folder.path());
  add_baseline(study);
  study.diverged("fp4", low, 0).diverged("fp4", low, 1).diverged("fp4", high, 0, "blowup").diverged("fp4", high, 1);
  const result r = judge_store(study.store());
  EXPECT_EQ(r.recipe("fp4").finding, verdict::diverged);
  EXPECT_EQ(r.sentence("fp4"), "fp4 diverged in all 4 trials (blowup 1, nonfinite 3): there is no loss to compare.");
  EXPECT_TRUE(holds(r.judged.overall, "4 of 8 trials diverged: fp4 4 of 4 (blowup 1, nonfinite 3)."))
      << r.judged.overall;
  // Wilson (4, 4): z^2 / (4 + z^2) below certainty
  EXPECT_NEAR(r.recipe("fp4").divergence_rate->low, 4 / (4 + 3.841459), 1e-6);
  // every rate counts as the initial loss: a flat curve
  EXPECT_EQ(*r.recipe("fp4").sensitivity, 0);
}

TEST(verdict, survivors_of_a_divergence_are_not_chosen_as_the_best_learning_rate) {
  temporary_folder folder;
  study_builder study(folder.path());
  add_baseline(study);
  // The survivor at the high rate has the smallest loss of all.
  study.done("fp8", low, 0, 0.95).done("fp8", low, 1, 0.98).done("fp8", high, 0, 0.30).diverged("fp8", high, 1);
  const result r = judge_store(study.store());
  EXPECT_EQ(r.recipe("fp8").best_rate()->learning_rate, low);
  EXPECT_EQ(*r.recipe("fp8").largest_stable_rate, low);
  EXPECT_TRUE(holds(r.sentence("fp8"), "1 of 4 trials diverged (nonfinite 1; learning rate 1e-2)."))
      << r.sentence("fp8");
}

TEST(verdict, no_complete_learning_rate_is_no_loss_even_when_most_seeds_survive) {
  temporary_folder folder;
  study_builder study(folder.path());
  add_baseline(study);
  study.done("fp8", low, 0, 0.5).diverged("fp8", low, 1).done("fp8", high, 0, 0.4).diverged("fp8", high, 1);
  const result r = judge_store(study.store());
  EXPECT_EQ(r.recipe("fp8").finding, verdict::diverged);
  EXPECT_TRUE(holds(r.sentence("fp8"), "choice of survivors. 2 of 4 trials diverged")) << r.sentence("fp8");
}

TEST(verdict, the_best_learning_rate_has_the_best_mean_not_the_best_seed) {
  temporary_folder folder;
  study_builder study(folder.path());
  study.done("f32", low, 0, 0.60).done("f32", low, 1, 0.60).done("f32", high, 0, 0.10).done("f32", high, 1, 1.30);
  const result r = judge_store(study.store());
  EXPECT_EQ(r.recipe("f32").best_rate()->learning_rate, low);
}

TEST(verdict, a_stuck_trial_counts_as_diverged_and_keeps_its_loss) {
  temporary_folder folder;
  study_builder study(folder.path());
  study.done("f32", low, 0, 1.95, "stuck")
      .done("f32", low, 1, 0.60)
      .done("f32", high, 0, 0.7)
      .done("f32", high, 1, 0.7);
  const result r = judge_store(study.store());
  EXPECT_EQ(r.recipe("f32").diverged, 1);
  EXPECT_EQ(r.recipe("f32").divergence_classes.at("stuck"), 1);
  EXPECT_TRUE(r.recipe("f32").rates[0].loss.has_value());
  EXPECT_EQ(r.recipe("f32").best_rate()->learning_rate, high);
  EXPECT_TRUE(holds(r.caveats(), "The baseline itself diverged in 1 of 4 trials (stuck 1)")) << r.caveats();
}

TEST(verdict, an_unfinished_recipe_waits_and_the_report_says_it_is_preliminary) {
  temporary_folder folder;
  study_builder study(folder.path());
  add_baseline(study);
  study.done("fp8", low, 0, 0.7).with_status("fp8", low, 1, trial_status::running);
  study.with_status("fp8", high, 0, trial_status::pending).with_status("fp8", high, 1, trial_status::pending);
  const result r = judge_store(study.store());
  EXPECT_EQ(r.recipe("fp8").finding, verdict::unfinished);
  EXPECT_EQ(r.sentence("fp8"),
            "fp8: no verdict yet, because no learning rate has a result for every seed (1 of 4 trials finished).");
  EXPECT_TRUE(holds(r.judged.overall, "fp8 is not finished yet")) << r.judged.overall;
  EXPECT_TRUE(holds(r.caveats(), "Preliminary: 3 of 8 trials still to come.")) << r.caveats();
  EXPECT_FALSE(r.study.complete());
}

TEST(verdict, a_finished_learning_rate_is_judged_while_others_still_run) {
  temporary_folder folder;
  study_builder study(folder.path());
  add_baseline(study);
  study.done("fp8", low, 0, 0.9).done("fp8", low, 1, 0.942).with_status("fp8", high, 0, trial_status::pending);
  study.with_status("fp8", high, 1, trial_status::failed);
  const result r = judge_store(study.store());
  EXPECT_EQ(r.recipe("fp8").finding, verdict::worse);
  EXPECT_TRUE(holds(r.sentence("fp8"), "Preliminary: 1 of 4 trials still to come. 1 trial failed with an error"))
      << r.sentence("fp8");
  EXPECT_FALSE(r.recipe("fp8").sensitivity);
}

TEST(verdict, without_a_finished_baseline_there_is_no_verdict) {
  temporary_folder folder;
  study_builder study(folder.path());
  study.with_status("f32", low, 0, trial_status::pending).done("fp8", low, 0, 0.7);
  EXPECT_TRUE(holds(judge_store(study.store()).judged.overall, "No verdict yet: the baseline f32"));
}

TEST(verdict, a_diverged_baseline_leaves_nothing_to_compare_with) {
  temporary_folder folder;
  study_builder study(folder.path());
  study.diverged("f32", low, 0).done("fp8", low, 0, 0.7);
  const result r = judge_store(study.store());
  EXPECT_TRUE(holds(r.judged.overall, "the baseline f32 diverged, so there is nothing to compare with"));
  EXPECT_EQ(r.recipe("fp8").finding, verdict::no_baseline);
  EXPECT_TRUE(holds(r.sentence("fp8"), "no finished baseline")) << r.sentence("fp8");
}

TEST(verdict, a_baseline_that_is_not_among_the_recipes_is_said) {
  temporary_folder folder;
  study_builder study(folder.path());
  study.property("baseline", "gone").done("f32", low, 0, 0.6).done("fp8", low, 0, 0.7);
  EXPECT_TRUE(holds(judge_store(study.store()).judged.overall, "names no baseline"));
}

TEST(verdict, a_study_without_trials_says_so) {
  temporary_folder folder;
  study_builder study(folder.path());
  EXPECT_EQ(judge_store(study.store()).judged.overall, "The study has no trials yet.");
}

TEST(verdict, equal_losses_in_every_seed_are_called_identical) {
  temporary_folder folder;
  study_builder study(folder.path());
  add_baseline(study);
  study.done("same", low, 0, 0.60).done("same", low, 1, 0.64).done("same", high, 0, 0.8).done("same", high, 1, 0.84);
  const result r = judge_store(study.store());
  EXPECT_EQ(r.recipe("same").finding, verdict::identical);
  EXPECT_TRUE(holds(r.sentence("same"), "the very validation loss of f32 in all 2 seeds")) << r.sentence("same");
}

TEST(verdict, a_best_rate_at_the_edge_of_the_grid_is_a_caveat) {
  temporary_folder folder;
  study_builder study(folder.path());
  add_baseline(study);
  study.done("fp8", low, 0, 0.9).done("fp8", low, 1, 0.9).done("fp8", high, 0, 0.7).done("fp8", high, 1, 0.75);
  const result r = judge_store(study.store());
  EXPECT_TRUE(holds(r.caveats(), "smallest tried for f32")) << r.caveats();
  EXPECT_TRUE(holds(r.caveats(), "largest tried for fp8")) << r.caveats();
  EXPECT_TRUE(holds(r.sentence("fp8"), "each at its best learning rate, 1e-2 against 1e-3")) << r.sentence("fp8");
}

TEST(verdict, evidence_that_many_comparisons_take_away_is_withdrawn) {
  temporary_folder folder;
  study_builder study(folder.path());
  for (std::int64_t seed : {0, 1, 2}) study.done("f32", low, seed, 0.6);
  // p about 0.03 for the first, and three comparisons that find nothing
  study.done("fp8", low, 0, 0.70).done("fp8", low, 1, 0.68).done("fp8", low, 2, 0.74);
  for (const char* name : {"a", "b", "c"})
    study.done(name, low, 0, 0.7).done(name, low, 1, 0.5).done(name, low, 2, 0.61);
  const result r = judge_store(study.store());
  EXPECT_EQ(r.recipe("fp8").finding, verdict::worse);
  EXPECT_GT(*r.recipe("fp8").to_baseline->p_holm, 0.05);
  EXPECT_TRUE(holds(r.caveats(), "Corrected for all 4 comparisons (Holm), the evidence for fp8")) << r.caveats();
}

TEST(verdict, trials_far_above_the_baseline_at_the_same_rate_and_seed_are_counted_as_degraded) {
  temporary_folder folder;
  study_builder study(folder.path());
  add_baseline(study);
  study.done("fp8", low, 0, 0.69).done("fp8", low, 1, 0.75).done("fp8", high, 0, 0.91).done("fp8", high, 1, 0.84);
  EXPECT_EQ(judge_store(study.store()).recipe("fp8").degraded, 2);
}

TEST(verdict, without_a_floor_losses_are_compared_as_they_are) {
  temporary_folder folder;
  invented_study plan;
  plan.with_floor = false;
  write_invented_study(folder.path() / "study", plan);
  const result r = judge_store(study_store::open_read_only(folder.path() / "study" / study_store::file_name));
  EXPECT_TRUE(r.recipe("f32").excesses.empty());
  EXPECT_TRUE(holds(r.judged.overall, "Against f32 (validation loss ")) << r.judged.overall;
  EXPECT_TRUE(holds(r.judged.overall, "nat per byte")) << r.judged.overall;
  EXPECT_FALSE(holds(r.judged.overall, "floor")) << r.judged.overall;
}

TEST(verdict, the_sensitivity_of_a_study_matches_its_definition) {
  temporary_folder folder;
  study_builder study(folder.path());
  study.done("f32", low, 0, 0.60).done("f32", low, 1, 0.64).diverged("f32", high, 0).done("f32", high, 1, 1.0);
  const result r = judge_store(study.store());
  // capped losses: 3.12 at the low rate; (5.6 + 3.5) / 2 = 4.55 at the high one
  EXPECT_NEAR(*r.recipe("f32").sensitivity, (3.12 + 4.55) / 2 - 3.12, 1e-12);
  EXPECT_EQ(r.recipe("f32").usable_rates->second, low);
}

TEST(verdict, quantization_is_summed_at_the_best_learning_rate) {
  temporary_folder folder;
  invented_study plan;
  plan.recipes = {{"f32", 0, 1, 0, 0}, {"fp4", 0.3, 1, 0.1, 0.01}};
  plan.layers = 11;
  write_invented_study(folder.path() / "study", plan);
  const study_store store = study_store::open_read_only(folder.path() / "study" / study_store::file_name);
  const study_analysis study = analyse(store);
  EXPECT_TRUE(study.recipes[0].quantization.empty());
  const quantization_analysis& q = study.recipes[1].quantization;
  EXPECT_EQ(q.learning_rate, 3e-3);
  EXPECT_EQ(q.operands.size(), 6u);
  ASSERT_EQ(q.sites.size(), 11u * 6 + 1);
  EXPECT_EQ(q.sites[6 * 2], "blocks.2.attention.projection");
  EXPECT_EQ(q.sites[6 * 10], "blocks.10.attention.projection");
  EXPECT_EQ(q.sites.back(), "head");
  std::int64_t count = 0, underflowed = 0, last = 0;
  for (const trial_record& t : study.trials)
    if (t.recipe == "fp4" && t.learning_rate == 3e-3)
      store.for_each_quantization(t.id, [&](const auto& row) {
        count += row.count;
        underflowed += row.underflowed;
        if (row.step == 240 && row.site == "head" && row.gemm == "forward" && row.operand == "input")
          last += row.underflowed;
      });
  EXPECT_EQ(q.totals.count, count);
  EXPECT_EQ(q.totals.underflowed, underflowed);
  EXPECT_EQ(q.last_step.at({"head", {"forward", "input"}}).totals.underflowed, last);
}

TEST(verdict, the_json_summary_says_the_same_and_unknown_values_are_null) {
  temporary_folder folder;
  study_builder study(folder.path());
  add_baseline(study);
  study.diverged("fp4", low, 0).diverged("fp4", low, 1);
  const auto json = report_summary(study.store());
  const result r = judge_store(study.store());
  EXPECT_EQ(json["verdict"], r.judged.overall);
  EXPECT_EQ(json["recipes"][1]["sentence"], r.sentence("fp4"));
  EXPECT_TRUE(json["recipes"][1]["loss"].is_null());
  EXPECT_EQ(json["recipes"][1]["divergence_classes"]["nonfinite"], 2);
  EXPECT_EQ(json["trials"]["diverged"], 2);
  EXPECT_EQ(json["recipes"][0]["best_learning_rate"], low);
  EXPECT_EQ(nlohmann::ordered_json::parse(json.dump()), json);
}

}  // namespace
