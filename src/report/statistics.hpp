#pragma once
/// The statistics that a verdict rests on.  Sources are named per function; nothing here knows about studies.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace binade::statistics {

struct interval {
  double low = 0, high = 0;
  bool contains(double x) const { return low <= x && x <= high; }
  double half_width() const { return (high - low) / 2; }
};

/// Arithmetic mean.  x: at least 1 value.
double mean(std::span<const double> x);

/// Sample standard deviation (divisor n - 1).  x: at least 2 values.
double standard_deviation(std::span<const double> x);

/// Student t interval of the mean of x: mean +- t(1 - (1 - confidence) / 2, n - 1) s / sqrt(n).
/// Nothing for fewer than 2 values: one value says nothing about its spread.  confidence: in (0, 1).
std::optional<interval> t_interval(std::span<const double> x, double confidence = 0.95);

/// Two-sided p value of the hypothesis that the mean of x is 0 (one-sample t test; paired test when x are differences).
/// Nothing for fewer than 2 values.  Values without spread give 0, or 1 if they are all 0.
std::optional<double> t_test(std::span<const double> x);

/// Interval of the standard deviation of a normal sample, from the chi-square law of (n - 1) s^2 / sigma^2.
/// Nothing for fewer than 2 values.
std::optional<interval> deviation_interval(std::span<const double> x, double confidence = 0.95);

/// Wilson's score interval of a rate: `hits` of `trials`.  trials >= 1, hits <= trials.  (E. B. Wilson, 1927)
interval wilson_interval(std::int64_t hits, std::int64_t trials, double confidence = 0.95);

/// Holm's step-down adjustment of p values, in the order given: reject where the result is below the level, and the
/// chance of any false rejection in the family is below that level.  (S. Holm, 1979)
std::vector<double> holm_adjusted(std::span<const double> p_values);

/// The loss of each seed at one learning rate, capped at the loss at initialisation; a diverged trial counts as that.
using capped_losses = std::vector<double>;

/// min(loss, initial), and `initial` for a loss that is not finite (a diverged trial).
double capped_loss(double loss, double initial);

/// Learning-rate sensitivity: the mean over the grid of (capped loss at that rate, mean over seeds) minus the smallest
/// of them.  grid: at least 1 rate, each with at least 1 seed.  (Wortsman et al. 2023, arXiv 2309.14322)
double learning_rate_sensitivity(std::span<const capped_losses> grid);

/// Percentile bootstrap of the sensitivity over seeds within each learning rate: 2000 resamples by default, drawn by a
/// fixed generator, so the same losses give the same interval.  Nothing unless each rate has at least 3 seeds: fewer
/// have too few distinct resamples for a 95 % interval.
std::optional<interval> sensitivity_interval(std::span<const capped_losses> grid, double confidence = 0.95,
                                             int resamples = 2000);

/// Where a range [first, last] of indices holds.
struct index_range {
  std::size_t first = 0, last = 0;
};

/// The connected range of indices around the smallest loss whose losses are at most `tolerance` above it.
/// losses: at least 1 finite value.
index_range usable_range(std::span<const double> losses, double tolerance);

}  // namespace binade::statistics
