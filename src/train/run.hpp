#pragma once
/// The loop around a trainer: validation, divergence, checkpoints, stopping and resuming.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "train/trainer.hpp"

namespace binade {

/// Hears what a run does, in order, on the run's own thread.
class run_observer {
 public:
  virtual ~run_observer() = default;
  /// The run starts at this step, or goes on there: what was told about later steps before is void.
  virtual void starts_at(std::int64_t step, double seconds) = 0;
  virtual void step_done(const trainer::step_result& done) = 0;
  virtual void evaluated(const evaluation_record& record) = 0;
  /// A checkpoint of this many steps is about to be written: what was told so far must be durable on return.
  virtual void before_checkpoint(std::int64_t steps, double seconds) = 0;
};

enum class run_end { finished, diverged, interrupted };

struct run_result {
  run_end end = run_end::finished;
  std::string divergence;      ///< see divergence_monitor; stuck and slow go with `finished`
  std::vector<double> losses;  ///< of all steps, resumed ones included
  std::optional<double> initial_loss, final_train_loss;
  std::optional<double> validation_loss;  ///< of a finished run
  std::string weights_digest;             ///< of a finished or diverged run
  double seconds = 0;                     ///< over all resumptions
  std::int64_t tokens = 0;                ///< positions that went through the model in training

  std::int64_t steps_done() const { return static_cast<std::int64_t>(losses.size()); }
};

/// Runs to the end, to divergence, or to the first step boundary where stop() is true.
///
/// If the checkpoint file is there, goes on from it; it is written every checkpoint_every steps and on a stop.  After
/// the end the file is still there as of its last writing; the caller keeps or removes it.
///
/// @throws std::runtime_error as trainer::save and restore, for a checkpoint with steps to go that another version
/// wrote (one run has the bits of one program), and what the observer throws
run_result run_training(trainer& t, const run_settings& settings, const data_source& source,
                        const std::filesystem::path& checkpoint, run_observer& observer,
                        const std::function<bool()>& stop);

}  // namespace binade
