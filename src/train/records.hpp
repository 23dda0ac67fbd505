#pragma once
/// What a training run reports about itself, step by step: the rows of a study's store and the lines of metrics.jsonl.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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

/// How many elements of a sample of an array have which exponent: floor(log2 |x|) of those that are neither zero, nor
/// infinite, nor NaN.
struct exponent_counts {
  std::int64_t zeros = 0;
  int first = 0;                     ///< exponent of the first count
  std::vector<std::int64_t> counts;  ///< without zeros at either end
  bool operator==(const exponent_counts&) const = default;
};

/// What a rounding did, beside what counter_record says.  Each element is one of nans, saturated (which infinities
/// are), underflowed, exact, and rounded.
struct rounding_details {
  std::int64_t nans = 0, infinities = 0;
  std::int64_t exact = 0;                        ///< the value is x
  std::int64_t subnormal = 0;                    ///< the value is a subnormal number of the format, times its scale
  std::int64_t top_binade = 0;                   ///< the value is in the format's highest binade, times its scale
  double smallest_scale = 0, largest_scale = 0;  ///< of all groups; NaN of a row without a format
  double headroom = 0;                           ///< log2(largest value of the format largest_scale / amax); or NaN
  double bias = 0;                               ///< sum of |value| - |x| over the sum of |x|
  double cosine = 1;                             ///< of the angle between the array and its values
  exponent_counts exponents = {};                ///< of a sample: kernels::sampled_exponents()
};

/// The counters of one operand of one GEMM in one step; or of an update, a state or a gradient (see optimizer), where
/// underflowed elements of gemm "update" are lost updates.
struct counter_record {
  std::int64_t trial = 0, step = 0;
  std::string site, gemm, operand;  ///< e.g. blocks.0.mlp.up, input_gradient, grad_output
  std::int64_t count = 0, nonzero = 0, saturated = 0, underflowed = 0;
  double amax = 0;
  double sqnr_db = 0;                            ///< infinite where nothing was lost
  std::optional<rounding_details> details = {};  ///< none of a loss scale, and of a store that is older than they are
};

/// Elements whose rounding changed them, to another number than zero, or to NaN where that is the scale of their group.
/// @pre row.details
inline std::int64_t rounded_of(const counter_record& row) {
  return row.count - row.details->nans - row.saturated - row.underflowed - row.details->exact;
}

/// What one step measured of the model, beside the roundings.
///
/// | subject | quantity |
/// | --- | --- |
/// | a linear or convolutional site | input_rms, input_kurtosis (see measure_input()) |
/// | the scores of an attention | largest_logit, in magnitude after scaling; entropy of the rows of probabilities, nat
/// | logits | log_z, the mean log partition function; largest_log_z, its largest magnitude |
/// | a parameter | weight_rms and gradient_rms before the update, the latter before clipping.  If the step was made:
///   update_ratio, root sum of squares of the change over that of the weights, if these are not all zero;
///   lost_updates, of the elements with a gradient the share that stayed as they were; rms_t, update_rms and
///   gradient_over_epsilon where the optimizer knows them: see update_sizes |
/// | a parameter; or all, "model" | of a step with a shadow: error_ratio ||g - f|| / ||f|| and gradient_cosine of the
///   recipe's gradient g and that of float32 f |
/// | "alarms" | of each quantity of alarm_limits how many subjects are beyond the limit |
struct measurement_record {
  std::int64_t trial = 0, step = 0;
  std::string subject, quantity;
  double value = 0;
};

/// A limit beyond which a quantity has been seen before runs broke down.
struct alarm_limit {
  const char* quantity;
  double limit;
  bool below = false;  ///< the alarm is of values below the limit that are not 0
};
inline constexpr const char* alarms_subject = "alarms";
inline constexpr alarm_limit alarm_limits[] = {
    {"rms_t", 2.3},                       // Wortsman et al. 2023, arXiv 2304.13013
    {"gradient_over_epsilon", 10, true},  // Wortsman et al. 2023, arXiv 2309.14322
    {"largest_logit", 1e4},               // the same
    {"error_ratio", 1},                   // Su et al. 2025, arXiv 2506.20752
};

}  // namespace binade
