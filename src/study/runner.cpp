#include "study/runner.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <variant>

#include "binade/version.hpp"
#include "report/number_text.hpp"
#include "study/store_writer.hpp"
#include "train/run.hpp"
#include "util/folder_lock.hpp"
#include "util/hash.hpp"
#include "util/machine.hpp"

namespace binade {
namespace {

namespace fs = std::filesystem;

constexpr const char* checkpoint_folder = "checkpoints";
const std::string new_store_name = std::string(study_store::file_name) + ".new";

fs::path checkpoint_file(const fs::path& folder, std::int64_t trial) {
  return folder / checkpoint_folder / ("trial-" + std::to_string(trial) + ".safetensors");
}

bool has_ended(const trial_record& t) {
  return t.status == trial_status::done || t.status == trial_status::diverged;
}

// The first line in which two texts differ, for people.
std::string first_difference(const std::string& there, const std::string& here) {
  std::istringstream a(there), b(here);
  std::string section, x, y;
  for (;;) {
    const bool has_x = static_cast<bool>(std::getline(a, x)), has_y = static_cast<bool>(std::getline(b, y));
    if (!has_x && !has_y) return "nothing";
    if (has_x && has_y && x == y) {
      if (x.starts_with('[')) section = x + " ";
      continue;
    }
    const auto shown = [](bool has, const std::string& line) {
      return !has ? std::string("(nothing)") : line.empty() ? "(an empty line)" : line;
    };
    return section + "there: " + shown(has_x, x) + "; here: " + shown(has_y, y);
  }
}

void create_store(const fs::path& folder, const study_plan& plan) {
  const fs::path unfinished = folder / new_store_name;
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(unfinished.string() + suffix);
  {
    study_store store = study_store::create(unfinished);
    const data_source& source = *plan.source;
    const auto whole = [](auto value) { return std::to_string(value); };
    std::map<std::string, std::string> p{
        {"binade_version", std::string(version_and_commit)},
        {"compiler", compiler_name()},
        {"cpu", cpu_name()},
        {"name", plan.run.name},
        {"config_text", plan.config_text},
        {"config_hash", hash_of(plan.config_text)},
        {"data", source.description()},
        {"validation_documents", whole(source.validation_rows())},
        {"validation_tokens", whole(source.validation_rows() * predictions_of(source.validation_batch(0, 1)))},
        {"unit", source.unit()},
        {"parameters", whole(plan.parameters)},
        {"steps", whole(plan.run.train.steps)},
        {"batch", whole(plan.run.train.batch)},
        {"context", whole(plan.run.model->positions())},
        {"tokens_per_step", whole(plan.run.tokens_per_step())},
        {"baseline", plan.baseline},
        {"created", utc_now()}};
    const data_shape shape = source.shape();
    if (const auto* tokens = std::get_if<token_shape>(&shape)) p["vocabulary"] = whole(tokens->vocabulary);
    if (const auto trivial = source.trivial_loss()) p["unigram_entropy"] = exact_text(*trivial);
    if (const auto floor = source.validation_floor()) p["floor"] = exact_text(*floor);
    store.set_properties(p);
    store_batch batch;
    for (std::size_t i = 0; i < plan.trial_count(); ++i) batch.trials.push_back(plan.trial(i));
    store.write(batch);
  }
  // Closing has folded the journal in: the file is whole, and takes its name only now.
  fs::rename(unfinished, folder / study_store::file_name);
}

// Passes a run's rows on to the store's writer and its place to the progress.
class trial_observer final : public run_observer {
 public:
  using place_function = std::function<void(std::int64_t steps, std::optional<double> loss)>;

  trial_observer(store_writer& writer, trial_record& trial, std::int64_t tokens_per_step, place_function place)
      : writer_(writer), trial_(trial), tokens_per_step_(tokens_per_step), place_(std::move(place)) {}

  void starts_at(std::int64_t step, double seconds) override {
    trial_.status = trial_status::running;
    writer_.add({.truncations = {{.trial = trial_.id, .steps = step}},
                 .steps = {},
                 .evaluations = {},
                 .quantizations = {},

                 .trials = {}});
    remember(step, seconds);
    place_(step, std::nullopt);
  }
  void step_done(const trainer::step_result& done) override {
    const step_record& record = done.record;
    store_batch batch{.truncations = {},
                      .steps = {record},
                      .evaluations = {},
                      .quantizations = done.counters,
                      .measurements = done.measurements,
                      .trials = {}};
    batch.steps[0].trial = trial_.id;
    for (counter_record& row : batch.quantizations) row.trial = trial_.id;
    for (measurement_record& row : batch.measurements) row.trial = trial_.id;
    if (record.step == 0) trial_.initial_loss = record.loss;
    writer_.add(std::move(batch));
    place_(record.step + 1, record.loss);
  }
  void evaluated(const evaluation_record& record) override {
    store_batch batch{.truncations = {}, .steps = {}, .evaluations = {record}, .quantizations = {}, .trials = {}};
    batch.evaluations[0].trial = trial_.id;
    writer_.add(std::move(batch));
  }
  void before_checkpoint(std::int64_t steps, double seconds) override {
    remember(steps, seconds);
    writer_.flush();
  }

 private:
  void remember(std::int64_t steps, double seconds) {
    trial_.steps_done = steps;
    trial_.tokens = steps * tokens_per_step_;
    trial_.seconds = seconds;
    writer_.add({.truncations = {}, .steps = {}, .evaluations = {}, .quantizations = {}, .trials = {trial_}});
  }

  store_writer& writer_;
  trial_record& trial_;
  std::int64_t tokens_per_step_;
  place_function place_;
};

class study_run {
 public:
  study_run(const study_plan& plan, const fs::path& folder, study_store& store, const std::function<bool()>& stop)
      : plan_(plan), folder_(folder), stop_(stop), writer_(store), steps_of_(plan.trial_count()) {
    for (trial_record& t : store.trials()) {
      steps_of_[static_cast<std::size_t>(t.id)] = has_ended(t) ? plan.run.train.steps : t.steps_done;
      if (t.status == trial_status::diverged) ++diverged_;
      if (!has_ended(t)) open_.push_back(std::move(t));
    }
    ended_ = plan.trial_count() - open_.size();
  }

  study_end run(std::size_t jobs, const std::function<void(const study_progress&)>& watch) {
    working_ = std::min(jobs, open_.size());
    std::vector<std::thread> threads;
    try {
      for (std::size_t i = working_; i > 0; --i) threads.emplace_back([this] { work(); });
      std::unique_lock lock(mutex_);
      while (working_ > 0) {
        changed_.wait_for(lock, watch_interval, [&] { return working_ == 0; });
        const study_progress now = snapshot();
        lock.unlock();
        watch(now);
        lock.lock();
      }
    } catch (...) {
      fail(std::current_exception());
    }
    for (std::thread& t : threads) t.join();
    if (failure_) std::rethrow_exception(failure_);
    writer_.flush();
    watch(snapshot());
    return ended_ == plan_.trial_count() ? study_end::complete : study_end::interrupted;
  }

 private:
  using clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds watch_interval{200};

  // The first failure stops all trials and is what the caller hears of.
  void fail(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    failed_ = true;
  }

  bool stopping() const { return failed_ || stop_(); }

  void work() {
    while (!stopping()) {
      const std::size_t mine = next_++;
      if (mine >= open_.size()) break;
      try {
        run_trial(open_[mine]);
      } catch (...) {
        fail(std::current_exception());
        mark_failed(open_[mine]);
      }
    }
    const std::lock_guard lock(mutex_);
    --working_;
    changed_.notify_all();
  }

  // The trial is tried again by the next call.  Where the store itself has failed, there is nowhere to mark it.
  void mark_failed(trial_record& trial) {
    try {
      trial.status = trial_status::failed;
      writer_.add({.truncations = {}, .steps = {}, .evaluations = {}, .quantizations = {}, .trials = {trial}});
    } catch (...) {
      return;
    }
  }

  void run_trial(trial_record& trial) {
    trainer t(plan_.run, *plan_.source, plan_.settings(static_cast<std::size_t>(trial.id)));
    trial.cpu = cpu_name();
    trial.compiler = compiler_name();
    trial.binade_version = std::string(version_and_commit);
    if (trial.started.empty()) trial.started = utc_now();
    trial_observer observer(writer_, trial, plan_.run.tokens_per_step(),
                            [&](std::int64_t steps, std::optional<double> loss) { place(trial.id, steps, loss); });
    const fs::path checkpoint = checkpoint_file(folder_, trial.id);
    const run_result result =
        run_training(t, plan_.run, *plan_.source, checkpoint, observer, [this] { return stopping(); });
    if (result.end != run_end::interrupted) {
      trial.status = result.end == run_end::diverged ? trial_status::diverged : trial_status::done;
      trial.divergence = result.divergence;
      trial.steps_done = result.steps_done();
      trial.initial_loss = result.initial_loss;
      trial.final_train_loss = result.final_train_loss;
      trial.validation_loss = result.validation_loss;
      trial.weights_digest = result.weights_digest;
      trial.seconds = result.seconds;
      trial.tokens = result.tokens;
      writer_.add({.truncations = {}, .steps = {}, .evaluations = {}, .quantizations = {}, .trials = {trial}});
      writer_.flush();
      fs::remove(checkpoint);  // only now: until the end is stored, the checkpoint is the way there
    }
    leave(trial);
  }

  void place(std::int64_t id, std::int64_t steps, std::optional<double> loss) {
    const std::lock_guard lock(mutex_);
    steps_of_[static_cast<std::size_t>(id)] = steps;
    study_progress::running_trial& r = running_[id];
    r.id = id;
    r.step = steps;
    r.loss = loss;
    if (loss) ++steps_made_;
  }

  void leave(const trial_record& trial) {
    const std::lock_guard lock(mutex_);
    running_.erase(trial.id);
    if (!has_ended(trial)) return;
    steps_of_[static_cast<std::size_t>(trial.id)] = plan_.run.train.steps;
    ++ended_;
    if (trial.status == trial_status::diverged) ++diverged_;
  }

  study_progress snapshot() const {
    study_progress p;
    p.trials = plan_.trial_count();
    p.ended = ended_;
    p.diverged = diverged_;
    p.steps = plan_.total_steps();
    for (const std::int64_t steps : steps_of_) p.steps_done += steps;
    const double seconds = std::chrono::duration<double>(clock::now() - start_).count();
    const double steps_per_second = static_cast<double>(steps_made_) / seconds;
    p.tokens_per_second = steps_per_second * static_cast<double>(plan_.run.tokens_per_step());
    if (steps_made_ > 0) p.seconds_left = static_cast<double>(p.steps - p.steps_done) / steps_per_second;
    for (const auto& [id, trial] : running_) p.running.push_back(trial);
    return p;
  }

  const study_plan& plan_;
  const fs::path folder_;
  const std::function<bool()>& stop_;
  store_writer writer_;
  std::vector<trial_record> open_;  // each element belongs to the thread that took its index
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> failed_{false};
  const clock::time_point start_ = clock::now();

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::size_t working_ = 0, ended_ = 0, diverged_ = 0;
  std::int64_t steps_made_ = 0;
  std::vector<std::int64_t> steps_of_;  // by trial id
  std::map<std::int64_t, study_progress::running_trial> running_;
  std::exception_ptr failure_;
};

}  // namespace

study_folder look_at_folder(const fs::path& folder, const study_plan& plan) {
  if (!fs::exists(folder)) return study_folder::fresh;
  if (!fs::is_directory(folder)) throw std::invalid_argument(folder.string() + " is a file; --out needs a folder");
  const fs::path file = folder / study_store::file_name;
  if (!fs::exists(file)) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      // A kill while the folder was being made leaves these and no others.
      if (name == folder_lock::file_name || name.starts_with(new_store_name) || name == checkpoint_folder) continue;
      throw std::invalid_argument(folder.string() + " holds other files (" + name +
                                  ") and no study; choose an empty or new folder");
    }
    return study_folder::fresh;
  }
  const study_store store = study_store::open_read_only(file);
  const std::string there = store.property("config_text").value_or("");
  if (there != plan.config_text)
    throw std::invalid_argument(folder.string() + " holds another study: " + first_difference(there, plan.config_text) +
                                "; choose another folder, or give the file that it was begun with");
  const std::string begun_by = store.property("binade_version").value_or("");
  const auto trials = store.trials();
  if (begun_by != version_and_commit && !std::all_of(trials.begin(), trials.end(), has_ended))
    throw std::invalid_argument(
        folder.string() + " holds a study begun by binade " + begun_by + ", and this is " +
        std::string(version_and_commit) +
        ": their numbers must not be mixed; finish it with that program, or choose another folder");
  return study_folder::same_study;
}

study_end run_study(const study_plan& plan, const fs::path& folder, std::size_t jobs, const std::function<bool()>& stop,
                    const std::function<void(const study_progress&)>& watch) {
  look_at_folder(folder, plan);
  make_folder(folder);
  const folder_lock lock(folder);
  // Once more, now that nobody else can change it.
  const bool fresh = look_at_folder(folder, plan) == study_folder::fresh;
  make_folder(folder / checkpoint_folder);
  remove_temporary_files(folder);
  remove_temporary_files(folder / checkpoint_folder);
  if (fresh) create_store(folder, plan);
  study_store store = study_store::open(folder / study_store::file_name);
  const study_end end = study_run(plan, folder, store, stop).run(jobs, watch);
  if (end == study_end::complete) {
    fs::remove_all(folder / checkpoint_folder);
    store.fold_journal();
  }
  return end;
}

}  // namespace binade
