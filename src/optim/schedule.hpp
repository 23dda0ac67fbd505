#pragma once

#include <cstdint>

namespace binade {

/// Linear warm-up to the peak, then half a cosine down to a fraction of it.
struct learning_rate_schedule {
  double peak;
  std::uint64_t steps;          ///< of the whole run
  std::uint64_t warmup = 0;     ///< steps of warm-up, at most `steps`
  double final_fraction = 0.1;  ///< of the peak, 0 to 1

  /// @throws std::invalid_argument that names the field, the value and what is valid
  void validate() const;

  /// The learning rate of a step counted from 0:  peak (step + 1) / warmup  during warm-up, then
  /// peak (f + (1 - f) (1 + cos(pi (step - warmup) / (steps - warmup))) / 2),  f = final_fraction.  Beyond the last
  /// step peak f.  In double, with binade's own cosine: the same bits everywhere.
  double at(std::uint64_t step) const;
};

}  // namespace binade
