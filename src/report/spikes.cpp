#include "report/spikes.hpp"

#include <algorithm>
#include <cmath>

namespace binade {
namespace {

/// The middle value; of an even number of values the upper one of the two in the middle.  Reorders x.
double median(std::vector<double>& x) {
  const auto middle = x.begin() + static_cast<std::ptrdiff_t>(x.size() / 2);
  std::nth_element(x.begin(), middle, x.end());
  return *middle;
}

}  // namespace

std::vector<loss_spike> find_loss_spikes(std::span<const double> losses) {
  constexpr double deviations_to_open = 7, least_rise = 0.1, deviations_to_close = 2;
  constexpr int steps_to_close = 5;
  constexpr double deviation_per_mad = 1.4826;  // of a normal law: 1 / quantile(3/4)

  const auto end = std::find_if(losses.begin(), losses.end(), [](double loss) { return !std::isfinite(loss); });
  losses = losses.first(static_cast<std::size_t>(end - losses.begin()));
  const std::size_t window = std::min<std::size_t>(1000, std::max<std::size_t>(50, losses.size() / 10));

  std::vector<loss_spike> spikes;
  std::vector<double> before;
  bool open = false;
  double opened_from = 0, close_below = 0;
  int calm_steps = 0;
  for (std::size_t t = window; t < losses.size(); ++t) {
    if (!open) {
      before.assign(losses.begin() + static_cast<std::ptrdiff_t>(t - window),
                    losses.begin() + static_cast<std::ptrdiff_t>(t));
      const double m = median(before);
      for (double& loss : before) loss = std::fabs(loss - m);
      const double s = deviation_per_mad * median(before);
      if (losses[t] <= m + std::max(deviations_to_open * s, least_rise)) continue;
      open = true;
      opened_from = m;
      close_below = m + deviations_to_close * s;
      calm_steps = 0;
      spikes.push_back({.first = t});
    }
    loss_spike& spike = spikes.back();
    ++spike.length;
    spike.depth = std::max(spike.depth, losses[t] - opened_from);
    calm_steps = losses[t] <= close_below ? calm_steps + 1 : 0;
    if (calm_steps == steps_to_close) {
      open = false;
      spike.closed = true;
    }
  }
  return spikes;
}

}  // namespace binade
