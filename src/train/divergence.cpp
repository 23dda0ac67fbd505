#include "train/divergence.hpp"

#include <algorithm>
#include <cmath>

namespace binade {

std::optional<std::string> divergence_monitor::observe(double loss, bool everything_finite) {
  const auto step = static_cast<std::int64_t>(losses_.size());
  losses_.push_back(loss);
  if (!everything_finite || !std::isfinite(loss)) return "nonfinite";
  high_ = step >= warmup_ && loss > losses_.front() + blowup_nats ? high_ + 1 : 0;
  if (high_ >= blowup_steps) return "blowup";
  mean_ = smoothing * mean_ + (1 - smoothing) * loss;
  mean_weight_ = smoothing * mean_weight_ + (1 - smoothing);
  smoothed_ = mean_ / mean_weight_;
  best_smoothed_ = std::min(best_smoothed_.value_or(smoothed_), smoothed_);
  return std::nullopt;
}

std::optional<std::string> divergence_monitor::judge_finished() const {
  if (losses_.empty()) return std::nullopt;
  if (trivial_loss_ && *final_loss() >= *trivial_loss_ - stuck_nats) return "stuck";
  if (smoothed_ > *best_smoothed_ + slow_nats) return "slow";
  return std::nullopt;
}

std::optional<double> divergence_monitor::final_loss() const {
  if (losses_.empty()) return std::nullopt;
  const std::size_t last = std::max<std::size_t>(1, losses_.size() / 10);
  double sum = 0;
  for (const double loss : std::span(losses_).last(last)) sum += loss;
  return sum / static_cast<double>(last);
}

}  // namespace binade
