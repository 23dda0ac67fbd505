#pragma once
/// What a training run reports about itself, step by step: the rows of a study's store and the lines of metrics.jsonl.

#include <cstdint>
#include <optional>
#include <string>

namespace binade {

/// What one optimizer step saw before its update.
struct step_record {
  std::int64_t trial = 0, step = 0;
  double loss = 0;              ///< nat per token; NaN where the run broke down
  std::optional<double> floor;  ///< true entropy of this batch, nat per token
  double learning_rate = 0;     ///< of this step, schedule applied
  double gradient_norm = 0;     ///< before clipping; NaN as for loss
  bool clipped = false;
};

/// Loss on the validation set after `step` optimizer steps.
struct evaluation_record {
  std::int64_t trial = 0, step = 0;
  double validation_loss = 0;
};

/// The gemm of the rows that say what became of the changes of weights that are kept in a format.
inline constexpr const char* update_row = "update";
/// The gemm of the row that holds the scale of a loss: amax is the scale, saturated 1 where the step was skipped.
inline constexpr const char* loss_scale_row = "loss_scale";

/// The counters of one operand of one GEMM in one step; or of an update, a state or a gradient (see optimizer), where
/// underflowed elements of gemm "update" are lost updates.
struct counter_record {
  std::int64_t trial = 0, step = 0;
  std::string site, gemm, operand;  ///< e.g. blocks.0.mlp.up, input_gradient, grad_output
  std::int64_t count = 0, nonzero = 0, saturated = 0, underflowed = 0;
  double amax = 0;
  double sqnr_db = 0;  ///< infinite where nothing was lost
};

/// What one step measured of the model, beside the roundings.
///
/// | subject | quantity |
/// | --- | --- |
/// | a linear or convolutional site | input_rms, input_kurtosis (see measure_input()) |
/// | the scores of an attention | largest_logit, in magnitude after scaling; entropy of the rows of probabilities, nat
/// | | logits | log_z, the mean log partition function; largest_log_z, its largest magnitude | | a parameter |
/// weight_rms and gradient_rms before the update, the latter before clipping; update_ratio: root sum of
///   squares of the change over that of the weights, if these are not all zero and the step was made |
struct measurement_record {
  std::int64_t trial = 0, step = 0;
  std::string subject, quantity;
  double value = 0;
};

}  // namespace binade
