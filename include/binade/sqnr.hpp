#pragma once
// The signal-to-quantization-noise ratio.

#include <limits>

#include "binade/config.hpp"
#include "binade/elementary.hpp"

namespace binade {

/// 10 log10(signal / noise) in decibel, by binade::math: the same bits everywhere.  +infinity where nothing was lost,
/// -infinity where everything was noise.
/// @param signal, noise  sums (or means) of squares over the same elements, not negative; for quantize_counters sum_sq
///                       and sum_sq_error
BINADE_HD constexpr double sqnr_db(double signal, double noise) {
  if (noise == 0) return std::numeric_limits<double>::infinity();
  return 10 * math::log(signal / noise) / math::log(10.0);
}

}  // namespace binade
