// binade bench: how long the pieces of a training take on this machine.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "binade/version.hpp"
#include "buffer_pool.hpp"
#include "cli/commands.hpp"
#include "cli/number_view.hpp"
#include "report/number_text.hpp"
#include "study/plan.hpp"
#include "time_shares.hpp"
#include "util/machine.hpp"

namespace binade::cli {
namespace {

using json = nlohmann::ordered_json;

struct step_options {
  std::filesystem::path file, data;
  std::vector<std::string> recipes;
  std::size_t threads = 0, steps = 20;
  bool as_json = false;
};

/// Before the timed ones: memory is found, and branches and caches are as they will be.
constexpr std::size_t warmup_steps = 3;

/// Middle and spread of some measurements.
struct spread {
  double median, p10, p90;

  explicit spread(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const auto at = [&](double share) { return values[std::size_t(std::lround(share * double(values.size() - 1)))]; };
    median = (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
    p10 = at(0.1);
    p90 = at(0.9);
  }
  json to_json(double factor = 1) const {
    return {{"median", factor * median}, {"p10", factor * p10}, {"p90", factor * p90}};
  }
};

/// Seconds that this process has had on processors, of all its threads.
double processor_time() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// A run under one recipe, and what its steps took.
struct timed_run {
  std::string recipe;
  std::unique_ptr<trainer> training;
  std::size_t steps = 0;  ///< made, the forgotten ones too
  std::vector<double> seconds = {}, processor_seconds = {};
  time_shares shares = {};
  std::uint64_t fresh_buffers = 0;

  void step() {
    const std::uint64_t before = buffer_pool::instance().usage().system_requests;
    const double processor_start = processor_time();
    const auto start = std::chrono::steady_clock::now();
    {
      const time_shares::recording recording(shares);
      if (!training->step(false).finite)
        throw std::runtime_error("bench step: under recipe " + recipe + " step " + std::to_string(++steps) +
                                 " has numbers that are not finite, and what comes after is no training; give a lower "
                                 "learning_rate, or a recipe that this model can train with");
    }
    ++steps;
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    processor_seconds.push_back(processor_time() - processor_start);
    fresh_buffers += buffer_pool::instance().usage().system_requests - before;
  }
  void forget() {
    seconds.clear();
    processor_seconds.clear();
    shares = {};
    fresh_buffers = 0;
  }
  /// Of the time of all steps.
  double share(work_kind kind) const {
    return shares.seconds[std::size_t(kind)] / std::accumulate(shares.seconds.begin(), shares.seconds.end(), 0.0);
  }
  /// Time over that of another run, step by step.
  spread ratio_to(const timed_run& other) const {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < seconds.size(); ++i) ratios.push_back(seconds[i] / other.seconds[i]);
    return spread(std::move(ratios));
  }
};

/// Products first, then what is around them, in the order of a step; the rest last.
constexpr work_kind shown_kinds[] = {work_kind::forward_products,
                                     work_kind::input_gradient_products,
                                     work_kind::weight_gradient_products,
                                     work_kind::attention_products,
                                     work_kind::quantization,
                                     work_kind::attention,
                                     work_kind::norms,
                                     work_kind::activations,
                                     work_kind::loss,
                                     work_kind::optimizer,
                                     work_kind::data,
                                     work_kind::rest};
static_assert(std::size(shown_kinds) == work_kind_count);

void print_table(const json& document, const std::vector<timed_run>& runs) {
  const std::string unit = document["unit"].get<std::string>() + "s/s";
  std::cout << document["name"].get<std::string>() << ": " << count_text(document["parameters"].get<double>())
            << " parameters, " << count_text(document["flops_per_step"].get<double>())
            << "FLOP in the products of a step; " << counted(document["threads"].get<std::int64_t>(), "thread") << ", "
            << counted(document["steps"].get<std::int64_t>(), "step") << (runs.size() > 1 ? " of each in turn" : "")
            << " after " << warmup_steps << "; " << document["cpu"].get<std::string>() << "\n\n";
  std::vector<std::vector<std::string>> rows{{"recipe", "ms", "10 % .. 90 %", "processor ms", unit, "GFLOP/s"}};
  if (runs.size() > 1) rows[0].push_back("time / " + runs[0].recipe);
  for (const json& r : document["recipes"]) {
    const auto ms = [&](const char* which) { return fixed_text(r["ms"][which].get<double>(), 2); };
    rows.push_back({r["recipe"].get<std::string>(), ms("median"), ms("p10") + " .. " + ms("p90"),
                    fixed_text(r["processor_ms"]["median"].get<double>(), 2),
                    count_text(r["units_per_second"].get<double>()),
                    fixed_text(r["flops_per_second"].get<double>() * 1e-9, 1)});
    if (runs.size() > 1) rows.back().push_back(fixed_text(r["time_ratio"]["median"].get<double>(), 2));
  }
  print_columns(rows);
  std::cout << "\n";
  rows = {{"% of the time"}};
  for (const timed_run& r : runs) rows[0].push_back(r.recipe);
  for (const work_kind kind : shown_kinds) {
    std::string words(to_string(kind));
    std::replace(words.begin(), words.end(), '_', ' ');
    rows.push_back({std::move(words)});
    for (const timed_run& r : runs) rows.back().push_back(fixed_text(100 * r.share(kind), 1));
  }
  print_columns(rows);
}

int run_step(const step_options& options) {
  train_file file = read_train_file(options.file, options.data);
  const auto source = open_source(file.run);
  const std::size_t threads =
      options.threads != 0 ? options.threads : std::max<std::size_t>(1, std::thread::hardware_concurrency());
  const std::vector<std::string> recipes = options.recipes.empty() ? std::vector{file.recipe} : options.recipes;

  std::vector<timed_run> runs;
  for (const std::string& recipe : recipes) {
    const trial_settings trial{.formats = checked_recipe(recipe, file.file, file.run),
                               .learning_rate = file.learning_rate,
                               .seed = file.seed,
                               .threads = threads};
    runs.push_back({.recipe = recipe, .training = std::make_unique<trainer>(file.run, *source, trial)});
  }
  for (timed_run& r : runs) {
    for (std::size_t i = 0; i < warmup_steps; ++i) r.step();
    r.forget();
  }
  for (std::size_t i = 0; i < options.steps; ++i)
    for (timed_run& r : runs) r.step();

  const double flops = file.run.model->flops_per_example() * static_cast<double>(file.run.train.batch);
  json document{{"name", file.run.name},
                {"parameters", runs[0].training->parameter_count()},
                {"flops_per_step", flops},
                {"unit", source->unit()},
                {"units_per_step", file.run.tokens_per_step()},
                {"threads", threads},
                {"warmup_steps", warmup_steps},
                {"steps", options.steps},
                {"recipes", json::array()},
                {"binade_version", version_and_commit},
                {"compiler", compiler_name()},
                {"cpu", cpu_name()}};
  for (const timed_run& r : runs) {
    const spread seconds(r.seconds);
    json shares;
    for (const work_kind kind : shown_kinds) shares[std::string(to_string(kind))] = r.share(kind);
    document["recipes"].push_back(
        {{"recipe", r.recipe},
         {"ms", seconds.to_json(1e3)},
         {"processor_ms", spread(r.processor_seconds).to_json(1e3)},
         {"time_ratio", r.ratio_to(runs[0]).to_json()},
         {"units_per_second", static_cast<double>(file.run.tokens_per_step()) / seconds.median},
         {"flops_per_second", flops / seconds.median},
         {"shares", shares},
         {"fresh_buffers_per_step", static_cast<double>(r.fresh_buffers) / static_cast<double>(options.steps)}});
  }
  if (options.as_json)
    std::cout << document.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
  else
    print_table(document, runs);
  return exit_code::done;
}

}  // namespace

void add_bench_command(CLI::App& program, int& result) {
  CLI::App* bench = program.add_subcommand("bench", "Measure how long a training takes on this machine");
  bench->require_subcommand(1);
  auto options = std::make_shared<step_options>();
  CLI::App* command = bench->add_subcommand("step", "Time the steps of a training file, and what they consist of");
  command->add_option("FILE", options->file, "training file (TOML)")->required();
  command
      ->add_option("--recipe", options->recipes,
                   "recipe in place of the file's; given several times, their steps are timed in turn and compared "
                   "with the first")
      ->allow_extra_args(false);
  command->add_option("--steps", options->steps, "steps to time, after " + std::to_string(warmup_steps) + " others")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--data", options->data, "any plain text file, read as bytes, in place of what [data] says");
  command->add_option("--threads", options->threads, "threads (default: all processors)")->check(CLI::Range(1, 1024));
  command->add_flag("--json", options->as_json, "print one JSON document");
  command->footer(
      "Nothing is written.\n"
      "Examples:\n"
      "  binade bench step experiments/train_example.toml --threads 1\n"
      "  binade bench step experiments/train_example.toml --recipe f32 --recipe mxfp4 --steps 50");
  command->callback([options, &result] { result = run_step(*options); });
}

}  // namespace binade::cli
