#pragma once
/// What a training or study file says, checked.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/data_kind.hpp"
#include "model/model.hpp"
#include "optim/loss_scale.hpp"
#include "optim/optimizer_choice.hpp"
#include "optim/schedule.hpp"
#include "train/initial_weights.hpp"

namespace binade {

/// [data], read
struct data_settings {
  std::string corpus;  ///< name of a kind of data
  data_opener open;    ///< makes the source; then only are files looked at
};

/// [train], all but what a study varies
struct train_settings {
  std::int64_t steps = 0;      ///< optimizer steps, 1..10^9
  std::size_t batch = 0;       ///< sequences per step, 1..65536
  std::size_t accumulate = 1;  ///< parts of a batch that go through the model one after the other; divides batch
  std::int64_t warmup = 0;     ///< steps of linear warm-up, below steps; default a tenth of the steps
  optimizer_choice optimizer;  ///< AdamW if nothing is said
  double clip = 1;             ///< largest gradient norm, >= 0; 0: no clipping
  schedule_shape schedule = schedule_shape::cosine;
  double final_lr_fraction = 0.1;          ///< the schedule ends at this share of the learning rate, 0..1
  double decay = 0.2;                      ///< wsd: share of the steps in which the rate falls, 0 excluded to 1
  decay_shape fall = decay_shape::linear;  ///< wsd
  loss_scaling_settings loss_scaling;
  std::int64_t evaluate_every = 0;      ///< steps between validations; 0: only after the last step
  std::int64_t telemetry_every = 10;    ///< steps between records of the quantizers' counters; 0: none
  std::int64_t shadow_every = 0;        ///< steps between comparisons of the gradients with those of float32; 0: none
  std::int64_t checkpoint_every = 100;  ///< steps between checkpoints, >= 1
};

/// The learning rate of every step of such a run.
learning_rate_schedule schedule_of(const train_settings& train, double peak);

/// What every kind of run has.
struct run_settings {
  std::string name;
  std::shared_ptr<const model_plan> model;  ///< fitted to the data by open_source()
  data_settings data;
  train_settings train;
  std::filesystem::path from;                    ///< the weights that training starts from; none: random ones
  std::shared_ptr<const initial_weights> start;  ///< the same, read and fitted by open_source()

  /// Positions that go through the model in one training step.
  std::int64_t tokens_per_step() const { return static_cast<std::int64_t>(train.batch * model->positions()); }
};

/// A training file: one run.
struct train_file {
  run_settings run;
  std::string recipe = "f32";  ///< reference: quantizer text, f32, or a recipe file (relative to the folder of `file`)
  double learning_rate = 0;    ///< > 0
  std::int64_t seed = 0;       ///< >= 0
  std::filesystem::path file;
};

/// A study file: a grid of runs.
struct study_file {
  run_settings run;
  std::vector<std::string> recipes;    ///< references as above, no two alike
  std::vector<double> learning_rates;  ///< > 0, no two alike
  std::vector<std::int64_t> seeds;     ///< >= 0, no two alike
  std::string baseline;                ///< one of recipes
  std::filesystem::path file;
};

/// Reads a training file.
/// @param data  a text file that takes the place of what [data] says, or empty
/// @throws std::invalid_argument with file, line and key for anything missing, unknown or out of range
train_file read_train_file(const std::filesystem::path& file, const std::filesystem::path& data = {});

/// Reads a study file.  As read_train_file.
study_file read_study_file(const std::filesystem::path& file, const std::filesystem::path& data = {});

/// Opens the data that the settings name, sets the model's vocabulary to theirs, and reads the weights to start from.
/// @throws as the kind of data does; std::invalid_argument if the model cannot read them, or as initial_weights
std::unique_ptr<data_source> open_source(run_settings& settings);

/// The settings with every default spelled out, as TOML; a function of the values alone.  Two runs with equal text,
/// recipe, learning rate and seed are the same run.  Data and initial weights are named by content, not by path.
std::string canonical_text(const run_settings& settings, const data_source& source);

}  // namespace binade
