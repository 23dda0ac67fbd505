#include "train/divergence.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace {

using binade::divergence_monitor;

constexpr double entropy = 4.5;

TEST(divergence, a_falling_loss_is_no_divergence) {
  divergence_monitor monitor(10, entropy);
  for (int i = 0; i < 200; ++i) ASSERT_EQ(monitor.observe(5.5 - i * 0.01, true), std::nullopt);
  EXPECT_EQ(monitor.judge_finished(), std::nullopt);
  EXPECT_NEAR(*monitor.final_loss(), 5.5 - 189.5 * 0.01, 1e-12);  // steps 180..199
}

TEST(divergence, nan_infinity_and_a_non_finite_gradient_or_weight_are_nonfinite_at_once) {
  for (const double loss : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    EXPECT_EQ(divergence_monitor(0, entropy).observe(loss, true), "nonfinite");
  EXPECT_EQ(divergence_monitor(0, entropy).observe(3.0, false), "nonfinite");
}

TEST(divergence, blowup_needs_20_consecutive_steps_above_the_first_loss_plus_1) {
  divergence_monitor monitor(0, entropy);
  ASSERT_EQ(monitor.observe(5, true), std::nullopt);
  for (int i = 0; i < 19; ++i) ASSERT_EQ(monitor.observe(6.01, true), std::nullopt);
  ASSERT_EQ(monitor.observe(6.0, true), std::nullopt);  // not above: the count starts again
  for (int i = 0; i < 19; ++i) ASSERT_EQ(monitor.observe(6.01, true), std::nullopt);
  EXPECT_EQ(monitor.observe(6.01, true), "blowup");
}

TEST(divergence, blowup_is_not_looked_for_during_the_warm_up) {
  divergence_monitor monitor(30, entropy);
  ASSERT_EQ(monitor.observe(5, true), std::nullopt);
  for (int step = 1; step < 49; ++step) ASSERT_EQ(monitor.observe(9, true), std::nullopt) << step;
  EXPECT_EQ(monitor.observe(9, true), "blowup");  // step 49: the 20th from step 30 on
}

TEST(divergence, a_loss_at_the_trivial_loss_is_stuck) {
  divergence_monitor monitor(0, entropy);
  for (int i = 0; i < 100; ++i) monitor.observe(i < 90 ? 5.5 : entropy - 0.049, true);
  EXPECT_EQ(monitor.judge_finished(), "stuck");
  divergence_monitor below(0, entropy);
  for (int i = 0; i < 100; ++i) below.observe(i < 90 ? 5.5 : entropy - 0.051, true);
  EXPECT_EQ(below.judge_finished(), std::nullopt);
}

TEST(divergence, where_nobody_knows_the_trivial_loss_no_run_is_stuck) {
  divergence_monitor monitor(0, std::nullopt);
  for (int i = 0; i < 100; ++i) monitor.observe(5.5, true);
  EXPECT_EQ(monitor.judge_finished(), std::nullopt);
}

TEST(divergence, a_loss_that_creeps_up_is_slow) {
  divergence_monitor monitor(0, entropy);
  for (int i = 0; i < 500; ++i) monitor.observe(3.0, true);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(monitor.observe(3.4, true), std::nullopt);
  EXPECT_EQ(monitor.judge_finished(), "slow");
  divergence_monitor small(0, entropy);
  for (int i = 0; i < 1000; ++i) small.observe(i < 500 ? 3.0 : 3.29, true);
  EXPECT_EQ(small.judge_finished(), std::nullopt);
}

TEST(divergence, smoothing_is_unbiased_from_the_first_step) {
  divergence_monitor monitor(0, entropy);
  monitor.observe(3.0, true);
  monitor.observe(3.0, true);
  EXPECT_EQ(monitor.judge_finished(), std::nullopt);  // without the correction the second mean would be twice the first
}

TEST(divergence, a_run_without_steps_has_no_verdict) {
  const divergence_monitor monitor(0, entropy);
  EXPECT_EQ(monitor.judge_finished(), std::nullopt);
  EXPECT_EQ(monitor.final_loss(), std::nullopt);
}

}  // namespace
