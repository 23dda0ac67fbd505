#include "optim/schedule.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

#include "binade/elementary.hpp"

namespace binade {

std::uint64_t learning_rate_schedule::decay_steps() const {
  return std::uint64_t(decay * double(steps) + 0.5);
}

void learning_rate_schedule::validate() const {
  if (!(peak > 0) || !std::isfinite(peak))
    throw std::invalid_argument("learning_rate_schedule: the learning rate is " + std::to_string(peak) +
                                "; it must be a finite number above 0");
  if (steps == 0) throw std::invalid_argument("learning_rate_schedule: steps is 0; a run has at least 1 step");
  if (warmup > steps)
    throw std::invalid_argument("learning_rate_schedule: warmup is " + std::to_string(warmup) +
                                " steps; it must be at most the " + std::to_string(steps) + " steps of the run");
  if (!(final_fraction >= 0 && final_fraction <= 1))
    throw std::invalid_argument("learning_rate_schedule: final_fraction is " + std::to_string(final_fraction) +
                                "; it must be 0 to 1");
  if (shape != schedule_shape::wsd) return;
  if (!(decay > 0 && decay <= 1))
    throw std::invalid_argument("learning_rate_schedule: decay is " + std::to_string(decay) +
                                "; it must be more than 0 and at most 1");
  if (warmup + decay_steps() > steps)
    throw std::invalid_argument("learning_rate_schedule: warmup of " + std::to_string(warmup) + " and decay of " +
                                std::to_string(decay_steps()) + " steps are more than the " + std::to_string(steps) +
                                " steps of the run");
}

double learning_rate_schedule::at(std::uint64_t step) const {
  if (step < warmup) return peak * (double(step + 1) / double(warmup));
  if (shape == schedule_shape::constant) return peak;
  if (step >= steps) return peak * final_fraction;
  const std::uint64_t start = shape == schedule_shape::wsd ? steps - decay_steps() : warmup;
  if (step < start) return peak;
  const double progress = double(step - start) / double(steps - start);
  const bool root = shape == schedule_shape::wsd && fall == decay_shape::one_minus_sqrt;
  const double left = shape == schedule_shape::cosine ? (1 + math::cos(3.141592653589793 * progress)) / 2
                      : root                          ? 1 - math::sqrt(progress)
                                                      : 1 - progress;
  return peak * (final_fraction + (1 - final_fraction) * left);
}

}  // namespace binade
