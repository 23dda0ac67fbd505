#pragma once
// Number types as scalars of Eigen 3.4: matrices, products, decompositions.

#include <Eigen/Core>

#include "binade/number_limits.hpp"

namespace Eigen {

/// Every operation of an expression rounds once, in the order in which Eigen evaluates it: a product of matrices rounds
/// each product and each partial sum, and Eigen may group the sums differently for different sizes.
template <auto F>
struct NumTraits<binade::number<F>> : GenericNumTraits<binade::number<F>> {
  enum {
    IsComplex = 0,
    IsInteger = 0,
    IsSigned = std::numeric_limits<binade::number<F>>::is_signed,
    RequireInitialization = 0,
    ReadCost = 1,
    AddCost = 40,
    MulCost = 40,
  };
  /// What isApprox() and decompositions take for equal: two steps at 1, the format's own error of one operation.
  static constexpr binade::number<F> dummy_precision() {
    return binade::number<F>(2 * static_cast<double>(std::numeric_limits<binade::number<F>>::epsilon()));
  }
};

}  // namespace Eigen
