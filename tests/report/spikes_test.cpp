#include "report/spikes.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace {

using binade::find_loss_spikes;

constexpr double noise = 0.02;  // innovations of the noise
constexpr double mad =
    0.6745 * noise / 0.866025;  // of AR(1) noise with coefficient 0.5: deviation noise / sqrt(1 - 0.25)

std::vector<double> noisy_curve(std::uint64_t seed, std::size_t steps) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<double> normal(0, noise);
  std::vector<double> losses(steps);
  double error = 0;
  for (double& loss : losses) {
    error = 0.5 * error + normal(generator);
    loss = 3 + error;
  }
  return losses;
}

TEST(loss_spikes, well_separated_spikes_are_counted_exactly) {
  for (int k : {0, 1, 3, 7}) {
    std::vector<double> losses = noisy_curve(3, 1000);
    for (int i = 0; i < k; ++i) {
      const std::size_t at = 150 + 115 * static_cast<std::size_t>(i);
      for (std::size_t t = at; t < at + 4; ++t) losses[t] += 12 * mad + 0.1;
    }
    EXPECT_EQ(find_loss_spikes(losses).size(), static_cast<std::size_t>(k));
  }
}

TEST(loss_spikes, noise_alone_shows_none_in_99_of_100_seeds) {
  int quiet = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) quiet += find_loss_spikes(noisy_curve(seed, 1000)).empty();
  EXPECT_GE(quiet, 99);
}

TEST(loss_spikes, a_spike_knows_where_it_opened_how_deep_it_went_and_that_it_closed) {
  std::vector<double> losses(300, 3.0);
  losses[200] = 4.0;
  losses[201] = 3.5;
  const auto spikes = find_loss_spikes(losses);
  ASSERT_EQ(spikes.size(), 1u);
  EXPECT_EQ(spikes[0].first, 200u);
  EXPECT_EQ(spikes[0].depth, 1.0);
  EXPECT_EQ(spikes[0].length, 2u + 5u);  // closes with the fifth calm step
  EXPECT_TRUE(spikes[0].closed);
}

TEST(loss_spikes, a_loss_that_stays_up_is_one_spike_that_does_not_close) {
  std::vector<double> losses(300, 3.0);
  for (std::size_t t = 150; t < losses.size(); ++t) losses[t] = 5.0;
  const auto spikes = find_loss_spikes(losses);
  ASSERT_EQ(spikes.size(), 1u);
  EXPECT_FALSE(spikes[0].closed);
  EXPECT_EQ(spikes[0].length, 150u);
}

TEST(loss_spikes, the_curve_ends_where_the_loss_is_not_finite) {
  std::vector<double> losses(200, 3.0);
  losses[120] = std::numeric_limits<double>::quiet_NaN();
  losses[150] = 9.0;
  EXPECT_TRUE(find_loss_spikes(losses).empty());
  EXPECT_TRUE(find_loss_spikes(std::vector<double>{}).empty());
}

TEST(loss_spikes, the_steep_start_of_training_is_no_spike) {
  std::vector<double> losses;
  for (int t = 0; t < 500; ++t) losses.push_back(2.6 + 3 * std::exp(-t / 30.0));
  EXPECT_TRUE(find_loss_spikes(losses).empty());
}

}  // namespace
