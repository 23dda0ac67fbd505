#include "optim/schedule.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

#include "binade/elementary.hpp"

namespace binade {

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
}

double learning_rate_schedule::at(std::uint64_t step) const {
  if (step < warmup) return peak * (double(step + 1) / double(warmup));
  if (step >= steps) return peak * final_fraction;
  const double progress = double(step - warmup) / double(steps - warmup);
  const double fall = (1 + math::cos(3.141592653589793 * progress)) / 2;
  return peak * (final_fraction + (1 - final_fraction) * fall);
}

}  // namespace binade
