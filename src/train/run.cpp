#include "train/run.hpp"

#include <chrono>
#include <stdexcept>
#include <string>

#include "binade/version.hpp"
#include "train/divergence.hpp"

namespace binade {

run_result run_training(trainer& t, const run_settings& settings, const data_source& source,
                        const std::filesystem::path& checkpoint, run_observer& observer,
                        const std::function<bool()>& stop) {
  using clock = std::chrono::steady_clock;
  const train_settings& train = settings.train;
  divergence_monitor monitor(train.warmup, source.trivial_loss());
  double seconds_before = 0;
  if (std::filesystem::exists(checkpoint)) {
    const checkpoint_notes notes = t.restore(checkpoint);
    if (notes.binade_version != version_and_commit && t.steps_done() < train.steps)
      throw std::runtime_error(checkpoint.string() + " was written by binade " + notes.binade_version +
                               ", and this is " + std::string(version_and_commit) +
                               ": their numbers must not be mixed; finish the run with that program, or choose another "
                               "folder");
    seconds_before = notes.seconds;
    // A checkpoint is never written after divergence, so that only the monitor's state is of interest.
    for (const double loss : notes.losses) monitor.observe(loss, true);
  }
  const auto start = clock::now();
  const auto seconds = [&] { return seconds_before + std::chrono::duration<double>(clock::now() - start).count(); };
  const std::int64_t first_step = t.steps_done();
  observer.starts_at(first_step, seconds_before);

  run_result result;
  while (result.end == run_end::finished && t.steps_done() < train.steps) {
    const std::int64_t step = t.steps_done();
    const bool last = step + 1 == train.steps;
    const auto is_due = [&](std::int64_t every) { return every > 0 && (last || step % every == 0); };
    const trainer::step_result done = t.step(is_due(train.telemetry_every), is_due(train.shadow_every));
    observer.step_done(done);
    if (const auto divergence = monitor.observe(done.record.loss, done.finite)) {
      result.divergence = *divergence;
      result.end = run_end::diverged;
      break;
    }
    // The last step leads to the end at once: there is nothing to resume.
    if (last) break;
    const std::int64_t steps = step + 1;
    if (train.evaluate_every > 0 && steps % train.evaluate_every == 0)
      observer.evaluated({.trial = 0, .step = steps, .validation_loss = t.validation_loss()});
    const bool stopping = stop();
    if (stopping) result.end = run_end::interrupted;
    if (stopping || steps % train.checkpoint_every == 0) {
      observer.before_checkpoint(steps, seconds());
      t.save(checkpoint, {.losses = {monitor.losses().begin(), monitor.losses().end()}, .seconds = seconds()});
    }
  }

  const auto losses = monitor.losses();
  result.losses.assign(losses.begin(), losses.end());
  result.tokens = result.steps_done() * settings.tokens_per_step();
  if (!losses.empty()) result.initial_loss = losses.front();
  if (result.end == run_end::finished) {
    result.final_train_loss = monitor.final_loss();
    result.validation_loss = t.validation_loss();
    // Resuming what had ended already tells nothing twice.
    if (first_step < train.steps)
      observer.evaluated({.trial = 0, .step = train.steps, .validation_loss = *result.validation_loss});
    result.divergence = monitor.judge_finished().value_or("");
  }
  if (result.end != run_end::interrupted) result.weights_digest = t.weights_digest();
  result.seconds = seconds();
  return result;
}

}  // namespace binade
