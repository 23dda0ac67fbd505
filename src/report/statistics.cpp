#include "report/statistics.hpp"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

namespace binade::statistics {
namespace {

void require_values(std::size_t given, std::size_t needed, const char* function) {
  if (given < needed)
    throw std::invalid_argument(std::string(function) + ": x has " + std::to_string(given) + " values and at least " +
                                std::to_string(needed) + " are needed");
}

void require_confidence(double confidence, const char* function) {
  if (!(confidence > 0 && confidence < 1))
    throw std::invalid_argument(std::string(function) + ": confidence is " + std::to_string(confidence) +
                                " and must lie between 0 and 1, for instance 0.95");
}

double standard_error(std::span<const double> x) {
  return standard_deviation(x) / std::sqrt(static_cast<double>(x.size()));
}

/// SplitMix64: a resample must be the same on every machine, which the standard distributions do not promise.
class resampler {
 public:
  std::size_t below(std::size_t n) {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<std::size_t>((z ^ (z >> 31)) % n);  // n is a handful of seeds: the bias is below 2^-58
  }

 private:
  std::uint64_t state_ = 0;
};

}  // namespace

double mean(std::span<const double> x) {
  require_values(x.size(), 1, "mean");
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

double standard_deviation(std::span<const double> x) {
  require_values(x.size(), 2, "standard_deviation");
  const double centre = mean(x);
  double sum = 0;
  for (double v : x) sum += (v - centre) * (v - centre);
  return std::sqrt(sum / static_cast<double>(x.size() - 1));
}

std::optional<interval> t_interval(std::span<const double> x, double confidence) {
  require_confidence(confidence, "t_interval");
  if (x.size() < 2) return std::nullopt;
  const boost::math::students_t_distribution<double> law(static_cast<double>(x.size() - 1));
  const double t = boost::math::quantile(boost::math::complement(law, (1 - confidence) / 2));
  const double centre = mean(x), half = t * standard_error(x);
  return interval{centre - half, centre + half};
}

std::optional<double> t_test(std::span<const double> x) {
  if (x.size() < 2) return std::nullopt;
  const double centre = mean(x), error = standard_error(x);
  if (error == 0) return centre == 0 ? 1.0 : 0.0;
  const boost::math::students_t_distribution<double> law(static_cast<double>(x.size() - 1));
  return 2 * boost::math::cdf(boost::math::complement(law, std::fabs(centre / error)));
}

std::optional<interval> deviation_interval(std::span<const double> x, double confidence) {
  require_confidence(confidence, "deviation_interval");
  if (x.size() < 2) return std::nullopt;
  const double freedom = static_cast<double>(x.size() - 1), tail = (1 - confidence) / 2;
  const boost::math::chi_squared_distribution<double> law(freedom);
  const double s = standard_deviation(x);
  return interval{s * std::sqrt(freedom / boost::math::quantile(boost::math::complement(law, tail))),
                  s * std::sqrt(freedom / boost::math::quantile(law, tail))};
}

interval wilson_interval(std::int64_t hits, std::int64_t trials, double confidence) {
  require_confidence(confidence, "wilson_interval");
  if (trials < 1 || hits < 0 || hits > trials)
    throw std::invalid_argument("wilson_interval: " + std::to_string(hits) + " hits of " + std::to_string(trials) +
                                " trials; give at least 1 trial and 0 <= hits <= trials");
  const double z = boost::math::quantile(boost::math::complement(boost::math::normal(), (1 - confidence) / 2));
  const double n = static_cast<double>(trials), p = static_cast<double>(hits) / n, z2n = z * z / n;
  const double centre = (p + z2n / 2) / (1 + z2n);
  const double half = z / (1 + z2n) * std::sqrt(p * (1 - p) / n + z2n / (4 * n));
  // The ends are exactly 0 and 1 there; the rounded formula misses them by an ulp or so.
  return {hits == 0 ? 0.0 : centre - half, hits == trials ? 1.0 : centre + half};
}

std::vector<double> holm_adjusted(std::span<const double> p_values) {
  std::vector<std::size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double running = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    running = std::max(running, std::min(1.0, static_cast<double>(order.size() - i) * p_values[order[i]]));
    adjusted[order[i]] = running;
  }
  return adjusted;
}

double capped_loss(double loss, double initial) {
  return std::isfinite(loss) ? std::min(loss, initial) : initial;
}

double learning_rate_sensitivity(std::span<const capped_losses> grid) {
  require_values(grid.size(), 1, "learning_rate_sensitivity");
  std::vector<double> means;
  for (const capped_losses& losses : grid) means.push_back(mean(losses));
  // The differences first: a flat curve gives exactly 0.
  const double best = *std::min_element(means.begin(), means.end());
  for (double& value : means) value -= best;
  return mean(means);
}

std::optional<interval> sensitivity_interval(std::span<const capped_losses> grid, double confidence, int resamples) {
  require_confidence(confidence, "sensitivity_interval");
  if (resamples < 1)
    throw std::invalid_argument("sensitivity_interval: resamples is " + std::to_string(resamples) +
                                " and must be 1 or more");
  if (std::any_of(grid.begin(), grid.end(), [](const capped_losses& losses) { return losses.size() < 3; }))
    return std::nullopt;
  resampler draw;
  std::vector<double> results;
  std::vector<capped_losses> sample(grid.begin(), grid.end());
  for (int r = 0; r < resamples; ++r) {
    for (std::size_t g = 0; g < grid.size(); ++g)
      for (double& loss : sample[g]) loss = grid[g][draw.below(grid[g].size())];
    results.push_back(learning_rate_sensitivity(sample));
  }
  std::sort(results.begin(), results.end());
  const auto at = [&](double share) {
    return results[static_cast<std::size_t>(std::floor(share * static_cast<double>(results.size() - 1) + 0.5))];
  };
  return interval{at((1 - confidence) / 2), at((1 + confidence) / 2)};
}

index_range usable_range(std::span<const double> losses, double tolerance) {
  require_values(losses.size(), 1, "usable_range");
  const std::size_t best = static_cast<std::size_t>(std::min_element(losses.begin(), losses.end()) - losses.begin());
  index_range range{best, best};
  while (range.first > 0 && losses[range.first - 1] <= losses[best] + tolerance) --range.first;
  while (range.last + 1 < losses.size() && losses[range.last + 1] <= losses[best] + tolerance) ++range.last;
  return range;
}

}  // namespace binade::statistics
