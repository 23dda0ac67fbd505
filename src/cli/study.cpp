// binade study: a grid of trainings, from cost to report.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>

#include "cli/commands.hpp"
#include "cli/interruption.hpp"
#include "cli/progress.hpp"
#include "cli/results.hpp"
#include "report/number_text.hpp"
#include "study/plan.hpp"
#include "study/runner.hpp"

namespace binade::cli {
namespace {

namespace fs = std::filesystem;

struct study_options {
  fs::path file, out, data, csv;
  std::size_t jobs = 0;
  bool dry_run = false, as_json = false;
};

std::string size_text(const study_plan& plan) {
  return plan.run.name + ": " + counted(static_cast<std::int64_t>(plan.recipes.size()), "recipe") + " x " +
         counted(static_cast<std::int64_t>(plan.learning_rates.size()), "learning rate") + " x " +
         counted(static_cast<std::int64_t>(plan.seeds.size()), "seed") + " = " +
         counted(static_cast<std::int64_t>(plan.trial_count()), "trial") + " of " +
         counted(plan.run.train.steps, "step") + ", " + count_text(static_cast<double>(plan.total_tokens())) +
         " tokens in all\nmodel: " + plan.run.model->kind() + ", " + count_text(static_cast<double>(plan.parameters)) +
         " parameters\ndata: " + plan.source->description();
}

std::string cost_text(const study_cost& cost, std::size_t jobs) {
  return "about " + duration_text(cost.seconds) + " with " + counted(static_cast<std::int64_t>(jobs), "job") +
         " (measured on a few steps: " + count_text(cost.tokens_per_second) + " tokens/s)";
}

nlohmann::ordered_json cost_json(const study_plan& plan, const study_cost& cost, std::size_t jobs) {
  nlohmann::ordered_json recipes = nlohmann::ordered_json::array();
  for (const labelled_recipe& r : plan.recipes) recipes.push_back(r.label);
  return {{"name", plan.run.name},
          {"recipes", recipes},
          {"learning_rates", plan.learning_rates},
          {"seeds", plan.seeds},
          {"trials", plan.trial_count()},
          {"steps_per_trial", plan.run.train.steps},
          {"tokens", plan.total_tokens()},
          {"parameters", plan.parameters},
          {"data", plan.source->description()},
          {"jobs", jobs},
          {"estimated_seconds", cost.seconds},
          {"tokens_per_second", cost.tokens_per_second}};
}

std::string progress_text(const study_plan& plan, const study_progress& p) {
  std::string text = std::to_string(p.ended) + "/" + std::to_string(p.trials) + " trials";
  if (p.diverged > 0) text += " (" + std::to_string(p.diverged) + " diverged)";
  if (p.tokens_per_second > 0)
    text += "   " + count_text(p.tokens_per_second) + " tokens/s   " + duration_text(p.seconds_left) + " left";
  for (const auto& r : p.running) {
    const trial_record t = plan.trial(static_cast<std::size_t>(r.id));
    text += "   " + t.recipe + " " + rate_text(t.learning_rate) + " #" + std::to_string(t.seed) + ": " +
            std::to_string(r.step) + "/" + std::to_string(plan.run.train.steps) +
            (r.loss ? " " + fixed_text(r.loss) : "");
  }
  return text;
}

int run_study_command(const study_options& options) {
  if (options.out.empty() && !options.dry_run)
    throw std::invalid_argument(
        "study: --out DIR is needed: the folder for the results (or --dry-run for the cost alone)");
  const study_plan plan = make_plan(read_study_file(options.file, options.data));
  const std::size_t processors = std::max<std::size_t>(1, std::thread::hardware_concurrency());
  const std::size_t jobs = std::min(options.jobs != 0 ? options.jobs : processors, plan.trial_count());
  const bool resumes = !options.out.empty() && look_at_folder(options.out, plan) == study_folder::same_study;

  const interruption interruption;
  progress_line progress;
  if (options.dry_run) {
    if (!options.as_json) std::cout << size_text(plan) << std::endl;
    const study_cost cost = measure_cost(plan, jobs);
    std::cout << (options.as_json ? cost_json(plan, cost, jobs).dump(2) : "cost: " + cost_text(cost, jobs)) << "\n";
    return exit_code::done;
  }
  progress.say(size_text(plan));
  if (resumes)
    progress.say(options.out.string() + " holds this study: going on with what is left");
  else
    progress.say("cost: " + cost_text(measure_cost(plan, jobs), jobs));
  if (interruption.requested()) return exit_code::interrupted;

  const study_end end = run_study(
      plan, options.out, jobs, [&] { return interruption.requested().load(); },
      [&](const study_progress& p) {
        if (progress.due()) progress.show(progress_text(plan, p));
      });
  progress.clear();
  if (end == study_end::interrupted) {
    progress.say("interrupted, nothing is lost; the same command goes on: binade study " + options.file.string() +
                 " --out " + options.out.string() + (options.data.empty() ? "" : " --data " + options.data.string()));
    return exit_code::interrupted;
  }
  show_results(options.out, options.as_json, options.csv);
  return exit_code::done;
}

}  // namespace

void add_study_command(CLI::App& program, int& result) {
  auto options = std::make_shared<study_options>();
  CLI::App* command =
      program.add_subcommand("study", "Train under many recipes, learning rates and seeds, and compare");
  command->add_option("FILE", options->file, "study file (TOML)")->required();
  command->add_option("--out", options->out,
                      "folder for the store and report.html; one that holds this study already is gone on with");
  command->add_flag("--dry-run", options->dry_run, "say what it will cost and stop; writes nothing");
  command
      ->add_option("--jobs", options->jobs,
                   "trials at a time; the results do not depend on it (default: all processors)")
      ->check(CLI::Range(1, 1024));
  command->add_option("--data", options->data, "any plain text file, read as bytes, in place of what [data] says");
  command->add_option("--csv", options->csv, "folder for the whole store as CSV files");
  command->add_flag("--json", options->as_json, "print the result as one JSON document");
  command->footer(
      "Ctrl-C finishes the current steps and keeps everything; the same command goes on, with the same bits, also "
      "after\n"
      "a kill or a power cut.\n"
      "Examples:\n"
      "  binade study experiments/demo.toml --dry-run\n"
      "  binade study experiments/demo.toml --out runs/demo\n"
      "  binade study experiments/text.toml --data book.txt --out runs/book");
  command->callback([options, &result] { result = run_study_command(*options); });
}

}  // namespace binade::cli
