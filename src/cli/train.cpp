// binade train: one model, live progress, metrics and a checkpoint.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "binade/elementary.hpp"
#include "binade/version.hpp"
#include "buffer_pool.hpp"
#include "cli/commands.hpp"
#include "cli/interruption.hpp"
#include "cli/progress.hpp"
#include "report/event_file.hpp"
#include "report/number_text.hpp"
#include "study/plan.hpp"
#include "train/run.hpp"
#include "util/appended_file.hpp"
#include "util/atomic_file.hpp"
#include "util/folder_lock.hpp"
#include "util/machine.hpp"

namespace binade::cli {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

struct train_options {
  fs::path file, out, data, weights;
  std::size_t threads = 0;
  bool resume = false, as_json = false;
};

// What a run tells, step by step, where --resume goes on: metrics.jsonl, one JSON object per line (a number that is not
// finite is null), and the same for TensorBoard.  There a step is the number of steps made: the first loss lies at 1.
class run_log {
 public:
  explicit run_log(fs::path folder) : folder_(std::move(folder)), metrics_(folder_ / metrics_name) {}

  static constexpr const char* metrics_name = "metrics.jsonl";

  // Keeps what is about steps before the resumption; a line torn by a kill is dropped.
  void start_at(std::int64_t step) {
    std::string kept;
    std::ifstream old(metrics_.path(), std::ios::binary);
    for (std::string line; step > 0 && std::getline(old, line);) {
      const json entry = json::parse(line, nullptr, false);
      if (!entry.is_object() || !entry.contains("step")) continue;
      if (entry["step"].get<std::int64_t>() < step + (entry.contains("validation_loss") ? 1 : 0)) kept += line + "\n";
    }
    metrics_.start_with(kept);
    remove_later_event_files(folder_, step);
    events_.emplace(event_file_path(folder_, step));
    const double now = seconds_since_1970();
    events_->start_with(event_file_head(now) + (step > 0 ? event_restart(now, step + 1) : ""));
  }
  void add(const json& entry) { metrics_.add(entry.dump() + "\n"); }
  void add(std::int64_t steps_made, const std::vector<named_scalar>& scalars,
           const std::vector<named_histogram>& histograms = {}) {
    events_->add(event_values(seconds_since_1970(), steps_made, scalars, histograms));
  }
  void flush() {
    metrics_.flush();
    events_->flush();
  }

 private:
  fs::path folder_;
  appended_file metrics_;
  std::optional<appended_file> events_;
};

json to_json(const std::optional<double>& value) {
  return value ? json(*value) : json(nullptr);
}

void add_details(json& line, const counter_record& row) {
  const rounding_details& d = *row.details;
  line["nans"] = d.nans;
  line["infinities"] = d.infinities;
  line["exact"] = d.exact;
  line["rounded"] = rounded_of(row);
  line["subnormal"] = d.subnormal;
  line["top_binade"] = d.top_binade;
  line["smallest_scale"] = d.smallest_scale;
  line["largest_scale"] = d.largest_scale;
  line["headroom"] = d.headroom;
  line["bias"] = d.bias;
  line["cosine"] = d.cosine;
  line["exponents"] = {{"zeros", d.exponents.zeros}, {"first", d.exponents.first}, {"counts", d.exponents.counts}};
}

class train_observer final : public run_observer {
 public:
  train_observer(run_log& log, progress_line& progress, const run_settings& run, std::string unit)
      : log_(log), progress_(progress), run_(run), unit_(std::move(unit)) {}

  void starts_at(std::int64_t step, double) override {
    log_.start_at(step);
    first_step_ = step;
    if (step > 0) progress_.say("resuming after step " + std::to_string(step));
  }
  void step_done(const trainer::step_result& done) override {
    const step_record& r = done.record;
    std::vector<named_scalar> scalars = scalars_of(r);
    std::vector<named_histogram> histograms;
    const auto add_scalars = [&scalars](const auto& row) {
      for (named_scalar& scalar : scalars_of(row)) scalars.push_back(std::move(scalar));
    };
    log_.add({{"step", r.step},
              {"loss", r.loss},
              {"floor", to_json(r.floor)},
              {"learning_rate", r.learning_rate},
              {"gradient_norm", r.gradient_norm},
              {"clipped", r.clipped}});
    for (const counter_record& c : done.counters) {
      json line{{"step", c.step},   {"site", c.site},       {"gemm", c.gemm},           {"operand", c.operand},
                {"count", c.count}, {"nonzero", c.nonzero}, {"saturated", c.saturated}, {"underflowed", c.underflowed},
                {"amax", c.amax},   {"sqnr_db", c.sqnr_db}};
      if (c.details) add_details(line, c);
      if (auto histogram = histogram_of(c)) histograms.push_back(std::move(*histogram));
      log_.add(line);
      add_scalars(c);
    }
    for (const measurement_record& m : done.measurements) {
      log_.add({{"step", m.step}, {"subject", m.subject}, {"quantity", m.quantity}, {"value", m.value}});
      add_scalars(m);
      if (m.subject == alarms_subject && m.value > 0) sound(m);
    }
    log_.add(r.step + 1, scalars, histograms);
    if (progress_.due()) show(r);
  }
  void evaluated(const evaluation_record& r) override {
    log_.add({{"step", r.step}, {"validation_loss", r.validation_loss}});
    log_.add(r.step, scalars_of(r));
    validation_ = "   validation " + fixed_text(r.validation_loss);
  }
  void before_checkpoint(std::int64_t, double) override { log_.flush(); }

 private:
  using clock = std::chrono::steady_clock;

  // Says an alarm when it goes off for the first time.
  void sound(const measurement_record& alarm) {
    if (!std::exchange(has_sounded_[alarm.quantity], true))
      progress_.say("alarm in step " + std::to_string(alarm.step) + ": " + alarm.quantity + " of " +
                    std::to_string(static_cast<std::int64_t>(alarm.value)) + " of its arrays is beyond its limit");
  }

  void show(const step_record& r) {
    const double seconds = std::chrono::duration<double>(clock::now() - start_).count();
    const std::int64_t steps = r.step + 1 - first_step_;
    const double steps_per_second = static_cast<double>(steps) / seconds;
    progress_.show("step " + std::to_string(r.step + 1) + "/" + std::to_string(run_.train.steps) + "   loss " +
                   fixed_text(r.loss) + validation_ + "   " +
                   count_text(steps_per_second * static_cast<double>(run_.tokens_per_step())) + " " + unit_ + "s/s   " +
                   duration_text(static_cast<double>(run_.train.steps - r.step - 1) / steps_per_second) + " left");
  }

  run_log& log_;
  progress_line& progress_;
  const run_settings& run_;
  const std::string unit_;
  const clock::time_point start_ = clock::now();
  std::int64_t first_step_ = 0;
  std::string validation_;
  std::map<std::string, bool> has_sounded_;  // by quantity
};

json summary_of(const run_settings& run, const data_source& source, const trial_settings& trial,
                const std::string& recipe_label, const trainer& t, const run_result& r) {
  json s{{"name", run.name},
         {"outcome", r.end == run_end::finished   ? "finished"
                     : r.end == run_end::diverged ? "diverged"
                                                  : "interrupted"},
         {"divergence", r.divergence.empty() ? json(nullptr) : json(r.divergence)},
         {"recipe", recipe_label},
         {"learning_rate", trial.learning_rate},
         {"seed", trial.seed},
         {"parameters", t.parameter_count()},
         {"flops_per_step", run.model->flops_per_example() * static_cast<double>(run.train.batch)},
         {"data", source.description()},
         {"from",
          run.start ? json({{"file", run.start->file().string()}, {"sha256", run.start->sha256()}}) : json(nullptr)},
         {"steps", r.steps_done()},
         {"tokens", r.tokens},
         {"initial_loss", to_json(r.initial_loss)},
         {"final_train_loss", to_json(r.final_train_loss)},
         {"validation_loss", to_json(r.validation_loss)},
         {"validation_floor", to_json(source.validation_floor())},
         {"unit", source.unit()}};
  if (r.validation_loss && source.unit() == "byte") s["bits_per_byte"] = *r.validation_loss / math::log(2.0);
  s["weights_digest"] = r.weights_digest;
  if (run.train.loss_scaling.how != loss_scaling_settings::kind::none) s["skipped_steps"] = t.skipped_steps();
  s["seconds"] = r.seconds;
  s["optimizer_state_bytes"] = t.optimizer_bytes();
  s["peak_tensor_bytes"] = buffer_pool::instance().usage().peak;
  s["binade_version"] = version_and_commit;
  s["compiler"] = compiler_name();
  s["cpu"] = cpu_name();
  return s;
}

// What a loss is counted in.
std::string loss_unit(const data_source& source) {
  return std::holds_alternative<regression_shape>(source.shape()) ? "mean squared error" : "nat per " + source.unit();
}

void print_summary(const json& s, const data_source& source, const fs::path& out) {
  const auto number = [&](const char* key) {
    return s[key].is_number() ? std::optional(s[key].get<double>()) : std::nullopt;
  };
  std::cout << s["outcome"].get<std::string>() << " after " << s["steps"] << " steps, "
            << count_text(s["tokens"].get<double>()) << " " << source.unit() << "s, "
            << duration_text(s["seconds"].get<double>());
  if (s["divergence"].is_string()) std::cout << " (" << s["divergence"].get<std::string>() << ")";
  std::cout << "\n";
  if (s["validation_loss"].is_number()) {
    const double loss = *number("validation_loss");
    std::cout << "training loss    " << fixed_text(number("final_train_loss")) << " " << loss_unit(source)
              << " (mean of the last 10 % of the steps)\n"
              << "validation loss  " << fixed_text(loss) << " " << loss_unit(source);
    if (const auto floor = source.validation_floor())
      std::cout << ", " << fixed_text(loss - *floor) << " above the true entropy " << fixed_text(*floor)
                << " of the same documents";
    if (s.contains("bits_per_byte")) std::cout << " = " << fixed_text(number("bits_per_byte")) << " bits per byte";
    std::cout << "\n";
  }
  const fs::path weights = out / "checkpoint.safetensors";  // of a run that diverged early there is none
  if (fs::exists(weights)) std::cout << "weights          " << weights.string() << "\n";
  std::cout << "metrics          " << (out / run_log::metrics_name).string() << "\n";
}

int run_train(const train_options& options) {
  train_file file = read_train_file(options.file, options.data);
  const fs::path out = options.out.empty() ? fs::path("runs") / options.file.stem() : options.out;
  const auto source = open_source(file.run);
  const std::size_t threads =
      options.threads != 0 ? options.threads : std::max<std::size_t>(1, std::thread::hardware_concurrency());
  const trial_settings trial{.formats = checked_recipe(file.recipe, file.file, file.run),
                             .learning_rate = file.learning_rate,
                             .seed = file.seed,
                             .threads = threads};

  const fs::path checkpoint = out / "checkpoint.safetensors", metrics_path = out / run_log::metrics_name;
  if (fs::exists(out) && !fs::is_directory(out))
    throw std::invalid_argument(out.string() + " is a file; --out needs a folder");
  const fs::path weights_folder = options.weights.parent_path();
  if (!weights_folder.empty() && !fs::is_directory(weights_folder))
    throw std::invalid_argument(weights_folder.string() + " is no folder; --export needs one for its file");
  if (fs::exists(options.weights) && !fs::is_regular_file(options.weights))
    throw std::invalid_argument(options.weights.string() + " is no regular file; --export needs the name of one");
  std::error_code absent;
  if (fs::equivalent(options.weights, file.run.from, absent))
    throw std::invalid_argument(options.weights.string() +
                                " is what training starts from; --export needs another file, or the run could not be "
                                "resumed");
  if (!options.resume)
    for (const fs::path& result : {checkpoint, metrics_path})
      if (fs::exists(result))
        throw std::invalid_argument(result.string() +
                                    " is there from another run; go on with it by --resume, or choose another --out");
  make_folder(out);
  const folder_lock lock(out);
  remove_temporary_files(out);

  const interruption interruption;
  progress_line progress;
  trainer t(file.run, *source, trial);
  progress.say(file.run.name + ": " + count_text(static_cast<double>(t.parameter_count())) + " parameters, " +
               count_text(file.run.model->flops_per_example() * static_cast<double>(file.run.train.batch)) +
               "FLOP in the products of a step, recipe " + file.recipe + ", learning rate " +
               rate_text(file.learning_rate) + ", seed " + std::to_string(file.seed) + "; " + source->description());
  run_log log(out);
  train_observer observer(log, progress, file.run, source->unit());
  const run_result result =
      run_training(t, file.run, *source, checkpoint, observer, [&] { return interruption.requested().load(); });
  log.flush();
  progress.clear();
  if (result.end == run_end::interrupted) {
    progress.say("interrupted after step " + std::to_string(result.steps_done()) +
                 ", nothing is lost; go on with: binade train " + options.file.string() + " --out " + out.string() +
                 " --resume");
  } else {
    if (result.end == run_end::finished) t.save(checkpoint, {.losses = result.losses, .seconds = result.seconds});
    if (result.end == run_end::finished && !options.weights.empty()) t.export_weights(options.weights);
    if (result.end == run_end::diverged && !options.weights.empty())
      progress.say("the run diverged: " + options.weights.string() + " was not written");
  }
  const json summary = summary_of(file.run, *source, trial, file.recipe, t, result);
  if (result.end != run_end::interrupted)
    write_atomically(out / "summary.json", summary.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
  if (options.as_json)
    std::cout << summary.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
  else if (result.end != run_end::interrupted)
    print_summary(summary, *source, out);
  return result.end == run_end::interrupted ? exit_code::interrupted : exit_code::done;
}

}  // namespace

void add_train_command(CLI::App& program, int& result) {
  auto options = std::make_shared<train_options>();
  CLI::App* command = program.add_subcommand("train", "Train one model under one recipe of number formats");
  command->add_option("FILE", options->file, "training file (TOML)")->required();
  command->add_option("--out", options->out,
                      "folder for metrics.jsonl, TensorBoard's events, checkpoint.safetensors and summary.json "
                      "(default: runs/ and the file's name)");
  command->add_option("--data", options->data, "any plain text file, read as bytes, in place of what [data] says");
  command
      ->add_option("--threads", options->threads, "threads; the results do not depend on it (default: all processors)")
      ->check(CLI::Range(1, 1024));
  command->add_option("--export", options->weights,
                      "file for the weights alone at the end of the run, by name (safetensors, float32)");
  command->add_flag("--resume", options->resume, "go on with an interrupted run in the folder, with the same bits");
  command->add_flag("--json", options->as_json, "print the summary as one JSON document");
  command->footer(
      "Examples:\n"
      "  binade train experiments/train_example.toml\n"
      "  binade train experiments/train_example.toml --data book.txt --out runs/book\n"
      "  binade train experiments/train_example.toml --out runs/book --resume");
  command->callback([options, &result] { result = run_train(*options); });
}

}  // namespace binade::cli
