// Published tables, closed forms and invariants; nothing here is computed by the code it judges.
#include "report/statistics.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace {

using namespace binade::statistics;
using values = std::vector<double>;

/// n values with mean 0 and standard deviation 1: the half width of their interval is then t / sqrt(n).
values unit_sample(std::size_t n) {
  values x(n);
  std::iota(x.begin(), x.end(), 0.0);
  const double centre = mean(x), s = standard_deviation(x);
  for (double& v : x) v = (v - centre) / s;
  return x;
}

TEST(statistics, t_intervals_use_the_quantiles_of_published_tables) {
  // Two-sided 95 % points of Student's t, any statistics book.
  const std::vector<std::pair<std::size_t, double>> table{{2, 12.706}, {3, 4.303},  {4, 3.182},  {5, 2.776},
                                                          {6, 2.571},  {11, 2.228}, {21, 2.086}, {31, 2.042}};
  for (const auto& [n, t] : table) {
    const auto i = t_interval(unit_sample(n));
    ASSERT_TRUE(i);
    EXPECT_NEAR(i->half_width() * std::sqrt(static_cast<double>(n)), t, 6e-4) << n;
    EXPECT_NEAR(i->low + i->high, 0, 1e-12);
  }
  EXPECT_NEAR(t_interval(unit_sample(5), 0.99)->half_width() * std::sqrt(5.0), 4.604, 6e-4);
}

TEST(statistics, the_t_interval_of_two_values_has_a_closed_form) {
  // One degree of freedom is the Cauchy law: t = tan(pi 0.475); s / sqrt(2) = |a - b| / 2.
  const double t = std::tan(3.14159265358979323846 * 0.475);
  const auto i = t_interval(values{1.0, 1.5});
  ASSERT_TRUE(i);
  EXPECT_NEAR(i->low, 1.25 - t * 0.25, 1e-10);
  EXPECT_NEAR(i->high, 1.25 + t * 0.25, 1e-10);
}

TEST(statistics, one_value_has_no_interval_no_p_value_and_no_deviation) {
  EXPECT_FALSE(t_interval(values{3}));
  EXPECT_FALSE(t_test(values{3}));
  EXPECT_FALSE(deviation_interval(values{3}));
  EXPECT_THROW(standard_deviation(values{3}), std::invalid_argument);
  EXPECT_THROW(mean(values{}), std::invalid_argument);
  EXPECT_THROW(t_interval(values{1, 2}, 1.0), std::invalid_argument);
}

TEST(statistics, a_p_value_is_below_5_percent_exactly_where_the_95_percent_interval_excludes_zero) {
  std::mt19937_64 generator(7);
  std::normal_distribution<double> normal;
  int excluded = 0;
  for (std::size_t repetition = 0; repetition < 2000; ++repetition) {
    values x(2 + repetition % 5);
    for (double& v : x) v = 0.8 + normal(generator);
    const bool excludes = !t_interval(x)->contains(0);
    EXPECT_EQ(*t_test(x) < 0.05, excludes);
    excluded += excludes;
  }
  EXPECT_GT(excluded, 200);
  EXPECT_LT(excluded, 1800);
}

TEST(statistics, the_t_test_agrees_with_the_cauchy_law_for_two_values) {
  // p = 1 - (2 / pi) atan(|mean| / (|a - b| / 2))
  const double p = 1 - 2 / 3.14159265358979323846 * std::atan(0.3 / 0.1);
  EXPECT_NEAR(*t_test(values{0.2, 0.4}), p, 1e-12);
  EXPECT_EQ(*t_test(values{0.25, 0.25}), 0);
  EXPECT_EQ(*t_test(values{0.0, 0.0}), 1);
}

TEST(statistics, nineteen_of_twenty_t_intervals_hold_the_true_mean) {
  std::mt19937_64 generator(11);
  std::normal_distribution<double> normal(2, 3);
  constexpr int repetitions = 20000;
  int held = 0;
  for (int i = 0; i < repetitions; ++i) {
    const values x{normal(generator), normal(generator), normal(generator)};
    held += t_interval(x)->contains(2);
  }
  // 5 standard errors of a binomial share around 0.95
  EXPECT_NEAR(held / double{repetitions}, 0.95, 5 * std::sqrt(0.95 * 0.05 / repetitions));
}

TEST(statistics, deviation_intervals_use_the_quantiles_of_chi_square_tables) {
  // chi-square points 0.025 and 0.975: 1 degree 0.000982, 5.024; 4 degrees 0.484, 11.143; 9 degrees 2.700, 19.023
  const auto two = deviation_interval(unit_sample(2));
  EXPECT_NEAR(two->low, std::sqrt(1 / 5.02389), 1e-5);
  EXPECT_NEAR(two->high, std::sqrt(1 / 0.000982069), 1e-3);
  const auto five = deviation_interval(unit_sample(5));
  EXPECT_NEAR(five->low, std::sqrt(4 / 11.1433), 1e-5);
  EXPECT_NEAR(five->high, std::sqrt(4 / 0.484419), 1e-5);
  const auto ten = deviation_interval(unit_sample(10));
  EXPECT_NEAR(ten->low, std::sqrt(9 / 19.0228), 1e-5);
  EXPECT_NEAR(ten->high, std::sqrt(9 / 2.70039), 1e-5);
}

TEST(statistics, wilson_intervals_have_their_published_values) {
  const auto none = wilson_interval(0, 10);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.2775, 5e-5);
  // No failure seen still allows a true rate up to 43, 28, 16 and 11 percent.
  for (const auto& [n, percent] : {std::pair{5, 43.0}, {10, 28.0}, {20, 16.0}, {30, 11.0}})
    EXPECT_NEAR(100 * wilson_interval(0, n).high, percent, 0.5) << n;
  // Newcombe 1998, table I: 81 of 263
  EXPECT_NEAR(wilson_interval(81, 263).low, 0.2553, 5e-5);
  EXPECT_NEAR(wilson_interval(81, 263).high, 0.3662, 5e-5);
  const auto all = wilson_interval(10, 10);
  EXPECT_EQ(all.high, 1);
  EXPECT_NEAR(all.low, 1 - none.high, 1e-12);
  EXPECT_THROW(wilson_interval(0, 0), std::invalid_argument);
  EXPECT_THROW(wilson_interval(3, 2), std::invalid_argument);
}

TEST(statistics, holm_multiplies_by_the_number_of_hypotheses_left_and_never_decreases) {
  const values adjusted = holm_adjusted(values{0.01, 0.04, 0.03, 0.005});
  const values expected{0.03, 0.06, 0.06, 0.02};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(adjusted[i], expected[i], 1e-15) << i;
  EXPECT_EQ(holm_adjusted(values{0.6, 0.9}), (values{1.0, 1.0}));
  EXPECT_TRUE(holm_adjusted(values{}).empty());
}

TEST(statistics, the_sensitivity_of_a_flat_curve_is_zero) {
  const std::vector<capped_losses> grid(7, capped_losses{3.1, 3.1});
  EXPECT_EQ(learning_rate_sensitivity(grid), 0);
}

TEST(statistics, the_sensitivity_of_one_good_rate_among_seven_is_six_sevenths_of_its_gain) {
  constexpr double initial = 5.6, best = 3.2;
  std::vector<capped_losses> grid(7, capped_losses{initial});
  grid[4] = {best};
  EXPECT_NEAR(learning_rate_sensitivity(grid), 6.0 / 7 * (initial - best), 1e-12);
}

TEST(statistics, the_sensitivity_ignores_a_constant_added_to_every_loss) {
  const std::vector<double> losses{3.9, 3.4, 3.1, 3.3, 9.0};
  const auto with = [&](double shift) {
    std::vector<capped_losses> grid;
    for (double loss : losses) grid.push_back({capped_loss(loss + shift, 5.6 + shift)});
    return learning_rate_sensitivity(grid);
  };
  EXPECT_NEAR(with(0), with(1.75), 1e-12);
}

TEST(statistics, a_diverged_loss_counts_as_the_initial_one_however_large_it_is) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (double loss : {5.7, 1e9, infinity, std::nan("")}) EXPECT_EQ(capped_loss(loss, 5.6), 5.6);
  EXPECT_EQ(capped_loss(3.0, 5.6), 3.0);
}

TEST(statistics, the_sensitivity_interval_repeats_holds_the_estimate_and_needs_three_seeds) {
  const std::vector<capped_losses> grid{{3.9, 4.1, 3.8, 4.0}, {3.2, 3.3, 3.25, 3.1}, {5.6, 3.6, 3.4, 5.6}};
  const auto first = sensitivity_interval(grid), second = sensitivity_interval(grid);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->low, second->low);
  EXPECT_EQ(first->high, second->high);
  EXPECT_TRUE(first->contains(learning_rate_sensitivity(grid)));
  EXPECT_GT(first->high, first->low);
  EXPECT_FALSE(sensitivity_interval(std::vector<capped_losses>{{3.9, 4.1}, {3.2, 3.3}}));
  const auto constant = sensitivity_interval(std::vector<capped_losses>{{4, 4, 4}, {3, 3, 3}});
  EXPECT_EQ(constant->low, 0.5);
  EXPECT_EQ(constant->high, 0.5);
}

TEST(statistics, usable_rates_are_connected_to_the_best_one) {
  const values losses{3.05, 3.5, 3.04, 3.0, 3.09, 3.11, 3.0};
  const index_range range = usable_range(losses, 0.1);
  EXPECT_EQ(range.first, 2u);
  EXPECT_EQ(range.last, 4u);
}

}  // namespace
