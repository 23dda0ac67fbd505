#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace binade {

/// Watches the losses of a run for divergence.  The first criterion to fire names the class:
///
///   nonfinite  NaN or infinity in the loss, the gradient norm or a weight: at once
///   blowup     loss > first loss + 1 nat in 20 consecutive steps after the warm-up
///   stuck      mean of the last 10 % of the losses >= trivial loss - 0.05 nat: the input was never used
///   slow       smoothed loss at the end > best smoothed loss + 0.3 nat
///
/// The first two end a run; the last two are judged at its end.  Smoothed: exponential mean with a time constant of
/// 50 steps, bias-corrected.
class divergence_monitor {
 public:
  static constexpr double blowup_nats = 1.0, stuck_nats = 0.05, slow_nats = 0.3;
  static constexpr int blowup_steps = 20;
  static constexpr double smoothing = 49.0 / 50;

  /// @param warmup        steps without blow-up detection
  /// @param trivial_loss  what a model reaches that ignores its input, nat; without it no run is stuck
  divergence_monitor(std::int64_t warmup, std::optional<double> trivial_loss)
      : warmup_(warmup), trivial_loss_(trivial_loss) {}

  /// Looks at the next step.  @returns the class if the run has diverged and must stop
  std::optional<std::string> observe(double loss, bool everything_finite);
  /// @returns the class of a run that came to its end, if any
  std::optional<std::string> judge_finished() const;

  std::span<const double> losses() const { return losses_; }
  /// Mean of the last 10 % of the losses, at least one; empty before the first.
  std::optional<double> final_loss() const;

 private:
  std::int64_t warmup_;
  std::optional<double> trivial_loss_;
  std::vector<double> losses_;
  int high_ = 0;  // consecutive steps above the blow-up line
  double mean_ = 0, mean_weight_ = 0, smoothed_ = 0;
  std::optional<double> best_smoothed_;
};

}  // namespace binade
