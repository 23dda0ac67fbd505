#pragma once
/// One model, its optimizer and its place in the data: what a training run moves forward and a checkpoint keeps.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/data_source.hpp"
#include "recipe/recipe.hpp"
#include "train/records.hpp"
#include "train/settings.hpp"

namespace binade {

/// What sets one run apart from another with the same settings.
struct trial_settings {
  recipe formats;  ///< none for an operand: it is used as it is
  double learning_rate = 0;
  std::int64_t seed = 0;
  std::size_t threads = 1;  ///< changes nothing but the speed
};

/// Everything that a checkpoint holds besides weights and moments.
struct checkpoint_notes {
  std::vector<double> losses;       ///< of all steps so far
  double seconds = 0;               ///< spent so far
  std::string binade_version = {};  ///< of the program that wrote it; save() writes that of this one
};

/// A run's state after any number of steps is a function of settings, data and trial alone: not of threads, of the
/// machine, or of where it was stopped and resumed.
class trainer {
 public:
  /// @param source  outlives the trainer
  /// @throws std::invalid_argument for a model that cannot be, or a recipe that does not fit it
  trainer(const run_settings& run, const data_source& source, const trial_settings& trial);
  ~trainer();
  trainer(const trainer&) = delete;
  trainer& operator=(const trainer&) = delete;

  std::size_t parameter_count() const;
  /// Optimizer steps made, skipped ones included.
  std::int64_t steps_done() const;
  /// Those of them in which a scaled loss overflowed, so that weights and states were left as they were.
  std::int64_t skipped_steps() const;
  /// Bytes that hold the optimizer's states between steps.
  std::size_t optimizer_bytes() const;

  struct step_result {
    step_record record;
    std::vector<counter_record>
        counters;  ///< of the quantized operands, in the order of site, GEMM, operand, if asked for; then, with
                   ///< a scaled loss, always the row "loss", loss_scale_row, "scale"
    std::vector<measurement_record> measurements;  ///< in the order of subject and quantity, then the alarms; if
                                                   ///< counters or a shadow are asked for
    bool finite = true;  ///< loss, gradients and updated weights (of a skipped step, the loss); if not, the weights may
                         ///< be anything
  };
  /// Makes the next step: one pass per micro-batch, whose losses are averaged; then clipping and update.  A step in
  /// which the scaled loss overflows is skipped.
  /// @param count   take the quantizers' counters and measure the model
  /// @param shadow  compare the gradients with those that float32 gives of the same batch, weights and dropout, which
  ///                takes the passes again and holds every gradient twice
  step_result step(bool count, bool shadow = false);

  /// Mean loss over the validation set, nat per token, with the recipe's quantizers, in batches of the training's size.
  double validation_loss();

  /// Hash of names, shapes and bits of all weights.
  std::string weights_digest() const;

  /// What must be equal for a checkpoint to belong here: hash of settings, data, recipe, learning rate and seed.
  std::string identity() const;

  /// Writes weights, moments and notes, atomically.  @throws std::runtime_error if the file cannot be written
  void save(const std::filesystem::path& file, const checkpoint_notes& notes) const;
  /// Writes the model's arrays alone, by name, for other programs.  @throws as save()
  void export_weights(const std::filesystem::path& file) const;
  /// Takes up where the file left off.
  /// @throws std::runtime_error that names the file and the reason: truncated, damaged, no checkpoint, of another run
  checkpoint_notes restore(const std::filesystem::path& file);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace binade
