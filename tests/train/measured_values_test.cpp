#include "train/measured_values.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace binade {
namespace {

double together(const std::vector<double>& values, bool largest) {
  measured_values measured;
  for (const double value : values) measured.add({"logits", "log_z", value, largest});
  const auto records = measured.records(0);
  EXPECT_EQ(records.size(), 1u);
  return records[0].value;
}

TEST(measured_values, of_micro_batches_are_their_mean_or_the_largest) {
  EXPECT_EQ(together({1, 3, 2}, true), 3);
  EXPECT_EQ(together({1, 3, 2}, false), 2);
}

TEST(measured_values, a_nan_is_hidden_by_no_micro_batch_before_or_after_it) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  for (const bool largest : {true, false})
    for (const std::vector<double>& values : {std::vector<double>{nan, 1, 2}, {1, nan, 2}, {1, 2, nan}})
      EXPECT_TRUE(std::isnan(together(values, largest))) << largest;
}

}  // namespace
}  // namespace binade
