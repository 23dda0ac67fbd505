#include <ctime>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "report/event_file.hpp"
#include "report/number_text.hpp"
#include "report/report.hpp"
#include "study/store.hpp"
#include "util/atomic_file.hpp"
#include "util/folder_lock.hpp"

namespace binade {
namespace {

// A name of one folder: TensorBoard takes the path below the root as the name of a run.
std::string folder_name(const trial_record& trial) {
  std::string name = trial.recipe + " lr " + rate_text(trial.learning_rate) + " seed " + std::to_string(trial.seed);
  for (char& c : name)
    if (static_cast<unsigned char>(c) < 32 || c == '/' || c == '\\') c = '_';
  return std::to_string(trial.id) + " " + name;
}

// Seconds since 1970 of a stored time; 0 if it is none.
double seconds_of(const std::string& utc) {
  std::tm parts{};
  return ::strptime(utc.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts) == nullptr ? 0 : static_cast<double>(::timegm(&parts));
}

}  // namespace

void export_events(const study_store& store, const std::filesystem::path& folder) {
  for (const trial_record& t : store.trials()) {
    struct step_values {
      std::vector<named_scalar> scalars;
      std::vector<named_histogram> histograms;
    };
    std::map<std::int64_t, step_values> events;  // by steps made
    const auto add = [&](std::int64_t steps_made, const auto& row) {
      for (named_scalar& scalar : scalars_of(row)) events[steps_made].scalars.push_back(std::move(scalar));
    };
    for (const step_record& s : store.steps(t.id)) add(s.step + 1, s);
    for (const evaluation_record& e : store.evaluations(t.id)) add(e.step, e);
    store.for_each_quantization(t.id, [&](const counter_record& q) {
      add(q.step + 1, q);
      if (auto histogram = histogram_of(q)) events[q.step + 1].histograms.push_back(std::move(*histogram));
    });
    store.for_each_measurement(t.id, [&](const measurement_record& m) { add(m.step + 1, m); });
    if (events.empty()) continue;
    const double start = seconds_of(t.started);
    const double per_step = t.steps_done == 0 ? 0 : t.seconds / static_cast<double>(t.steps_done);
    const std::filesystem::path run = folder / folder_name(t);
    make_folder(run);
    write_atomically(event_file_path(run, 0), [&](std::ostream& out) {
      out << event_file_head(start);
      for (const auto& [steps, values] : events)
        out << event_values(start + per_step * static_cast<double>(steps), steps, values.scalars, values.histograms);
    });
  }
}

}  // namespace binade
