// What tests of single operations share: random operands, a pass on one thread, a tolerance.
#pragma once

#include <gtest/gtest.h>

#include <limits>

#include "engine/random_values.hpp"
#include "tape.hpp"

namespace binade::test {

template <class T>
class operation_test : public testing::Test {
 protected:
  variable<T> random(const extents& shape, double scale = 1) {
    return variable<T>(random_.values<T>(shape, scale), true);
  }
  /// A few units in the last place of numbers of this size.
  static double tolerance(double size = 1) { return 32 * size * double(std::numeric_limits<T>::epsilon()); }

  random_values random_{11};
  thread_pool pool_{1};
  graph<T> pass_{pool_};
};
using scalars = testing::Types<float, double>;

}  // namespace binade::test
