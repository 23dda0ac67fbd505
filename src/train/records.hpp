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

/// The counters of one operand of one GEMM in one step.
struct counter_record {
  std::int64_t trial = 0, step = 0;
  std::string site, gemm, operand;  ///< e.g. blocks.0.mlp.up, input_gradient, grad_output
  std::int64_t count = 0, nonzero = 0, saturated = 0, underflowed = 0;
  double amax = 0;
  double sqnr_db = 0;  ///< infinite where nothing was lost
};

}  // namespace binade
