#pragma once
/// The store of a study: one SQLite file that holds every number of every trial.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/records.hpp"

namespace binade {

/// What a trial has come to.  `diverged` trials were stopped where they diverged; their rows up to there are kept.
enum class trial_status { pending, running, done, diverged, failed };

/// The word stored in the column `status`.
std::string_view to_string(trial_status status);

/// One row of the table `trial`: one (recipe, learning rate, seed).  Fields that are not known yet are empty.
struct trial_record {
  std::int64_t id = 0;       ///< position in the grid, counted from 0
  std::string recipe;        ///< label: the text of the recipe in the study file, or the name in the recipe's file
  std::string recipe_text;   ///< canonical text of the recipe, every choice spelled out
  double learning_rate = 0;  ///< peak learning rate
  std::int64_t seed = 0;     ///< trials of equal seed share initial weights and data
  trial_status status = trial_status::pending;
  std::string divergence;              ///< nonfinite | blowup (status diverged), stuck | slow (status done), or empty
  std::int64_t steps_done = 0;         ///< optimizer steps whose rows are stored
  std::optional<double> initial_loss;  ///< training loss of step 0, before any update (nat per token)
  std::optional<double> final_train_loss;  ///< mean training loss of the last 10 % of the steps
  std::optional<double> validation_loss;   ///< loss on the validation set after the last step
  std::optional<double> validation_floor;  ///< true entropy of the same validation tokens, where the corpus knows it
  std::string weights_digest;              ///< hash of names, shapes and bits of the final weights
  std::string cpu, compiler, binade_version;
  std::string started;      ///< UTC, ISO 8601
  double seconds = 0;       ///< time spent training, over all resumptions
  std::int64_t tokens = 0;  ///< positions that went through the model in training so far
};

/// Rows that become visible together.
struct store_batch {
  /// Before anything is added: the trial goes on after `steps` steps, and what a resumption writes again is deleted:
  /// steps, quantizations and measurements numbered `steps` and above, evaluations after more than `steps` steps.
  struct truncation {
    std::int64_t trial = 0, steps = 0;
  };
  std::vector<truncation> truncations;
  std::vector<step_record> steps;
  std::vector<evaluation_record> evaluations;
  std::vector<counter_record> quantizations;
  std::vector<measurement_record> measurements = {};
  std::vector<trial_record> trials;  ///< replace the rows of the same id
  bool empty() const {
    return truncations.empty() && steps.empty() && evaluations.empty() && quantizations.empty() &&
           measurements.empty() && trials.empty();
  }
};

/// "ZEROS FIRST COUNT COUNT ...": what the column `exponents` holds.
std::string to_text(const exponent_counts& exponents);

/// Reads and writes DIR/study.db.  One object serves one thread at a time.
///
/// NaN is stored as NULL and read back as NaN; infinities are stored as they are.
///
/// Keys of the table `study`: schema_version, binade_version, compiler, cpu, name, config_text (canonical),
/// config_hash, data (description for people), floor (validation floor, nat per token; absent where unknown),
/// unigram_entropy (nat per token, a landmark: what a model without context can reach), validation_documents,
/// validation_tokens, vocabulary, unit (token | byte), parameters, steps, batch, context, tokens_per_step, baseline,
/// created. Numbers are printed so that they parse back to the same value.
///
/// @throws std::runtime_error that names the file, for everything SQLite refuses (damaged file, full disk, ...)
class study_store {
 public:
  static constexpr int schema_version = 1;
  static constexpr const char* file_name = "study.db";

  /// Creates a new store with its schema.  @throws std::runtime_error if the file exists
  static study_store create(const std::filesystem::path& file);
  /// Opens for reading and writing; a store of a version without rounding_details gets columns for them.
  /// @throws std::runtime_error for a missing file or another schema version
  static study_store open(const std::filesystem::path& file);
  /// Opens for reading alone; a study that is running elsewhere can be read.
  static study_store open_read_only(const std::filesystem::path& file);

  study_store(study_store&&) noexcept;
  study_store& operator=(study_store&&) noexcept;
  ~study_store();

  std::map<std::string, std::string> properties() const;  ///< the table `study`
  std::optional<std::string> property(const std::string& key) const;
  std::vector<trial_record> trials() const;                  ///< ascending id
  std::vector<step_record> steps(std::int64_t trial) const;  ///< ascending step
  std::vector<evaluation_record> evaluations(std::int64_t trial) const;
  /// Ascending (step, site, gemm, operand).
  std::vector<counter_record> quantizations(std::int64_t trial) const;

  /// Calls visit for each row of the trial without holding them all: ascending (step, site, gemm, operand).
  void for_each_quantization(std::int64_t trial, const std::function<void(const counter_record&)>& visit) const;

  /// As for_each_quantization(): ascending (step, subject, quantity).  None in a store of a version that had none.
  void for_each_measurement(std::int64_t trial, const std::function<void(const measurement_record&)>& visit) const;

  /// Sets properties in one transaction.
  void set_properties(const std::map<std::string, std::string>& values);
  /// Stores everything in the batch in one durable transaction: all of it or nothing.
  void write(const store_batch& batch);

  /// Folds the journal in, so that the one file holds everything and can be read where nothing can be written.  While
  /// somebody else reads, the journal stays.
  void fold_journal();

 private:
  struct state;
  explicit study_store(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

}  // namespace binade
