#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace binade {

/// One excursion of a loss curve: it opens where the loss leaves what the steps before it looked like and closes when
/// the loss has come back for 5 steps in a row.
struct loss_spike {
  std::size_t first = 0;   ///< index of the step that opened it
  std::size_t length = 0;  ///< steps it stayed open; to the end of the curve if it never closed
  double depth = 0;        ///< largest loss in it minus the median before it
  bool closed = false;
};

/// Counts events, not steps.  With m and s the median and 1.4826 x median absolute deviation of the w losses before a
/// step, w = min(1000, max(50, steps / 10)): opens at loss > m + max(7 s, 0.1), closes after 5 consecutive losses
/// <= m_open + 2 s_open.  The first w steps are skipped.  losses: in step order; the curve ends at its first value that
/// is not finite (that is a divergence, not a spike).
std::vector<loss_spike> find_loss_spikes(std::span<const double> losses);

}  // namespace binade
