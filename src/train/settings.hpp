#pragma once
/// What a training or study file says, checked.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/data_source.hpp"
#include "model/model.hpp"

namespace binade {

/// [data]
struct data_settings {
  std::string corpus;                      ///< zm | text
  std::filesystem::path text;              ///< the file of corpus text
  int bits = 8;                            ///< zm: 2^bits - 1 regular ids
  std::uint64_t seed = 0;                  ///< zm: selects the language
  std::size_t validation_documents = 256;  ///< sequences in the validation set
};

/// [train], all but what a study varies
struct train_settings {
  std::int64_t steps = 0;               ///< optimizer steps, 1..10^9
  std::size_t batch = 0;                ///< sequences per step, 1..65536
  std::int64_t warmup = 0;              ///< steps of linear warm-up, below steps; default a tenth of the steps
  double weight_decay = 0.1;            ///< >= 0, times the learning rate
  double clip = 1;                      ///< largest gradient norm, >= 0; 0: no clipping
  double beta1 = 0.9, beta2 = 0.95;     ///< 0 <= beta < 1
  double epsilon = 1e-8;                ///< > 0
  double final_lr_fraction = 0.1;       ///< the cosine ends at this share of the learning rate, 0..1
  std::int64_t evaluate_every = 0;      ///< steps between validations; 0: only after the last step
  std::int64_t telemetry_every = 10;    ///< steps between records of the quantizers' counters; 0: none
  std::int64_t checkpoint_every = 100;  ///< steps between checkpoints, >= 1
};

/// What every kind of run has.
struct run_settings {
  std::string name;
  std::shared_ptr<const model_plan> model;  ///< fitted to the data by open_source()
  data_settings data;
  train_settings train;

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

/// Opens the data that the settings name and sets the model's vocabulary to theirs.  @throws as text_source
std::unique_ptr<data_source> open_source(run_settings& settings);

/// The settings with every default spelled out, as TOML; a function of the values alone.  Two runs with equal text,
/// recipe, learning rate and seed are the same run.  Data are named by content, not by path.
std::string canonical_text(const run_settings& settings, const data_source& source);

}  // namespace binade
