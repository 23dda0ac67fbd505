// Reductions over long arrays in the written order of binade/reduction.hpp: multiversioned and parallel, the same bits.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/parallel.hpp"

namespace binade::kernels {

/// Sum of x in the written order; +0 for no element.  T = float or double.
template <class T>
T sum(thread_pool& pool, std::span<const T> x);

/// Sum of x[i]^2 (each square rounded, then added) in the written order.
template <class T>
T sum_of_squares(thread_pool& pool, std::span<const T> x);

/// Sum of x[i] y[i] (each product rounded, then added) in the written order.
/// @throws std::invalid_argument if the sizes differ
template <class T>
T dot(thread_pool& pool, std::span<const T> x, std::span<const T> y);

/// Means over an array, in double.
struct moments {
  double square = 0;    ///< of x[i]^2
  double variance = 0;  ///< of (x[i] - mean)^2
  double fourth = 0;    ///< of (x[i] - mean)^4
};
/// The mean is x[0] plus the mean of x[i] - x[0], so that of equal elements it is that element and the variance is 0.
/// Each sum in the written order; NaN in all but the square where an element is infinite.
/// @pre  x is not empty
template <class T>
moments moments_of(thread_pool& pool, std::span<const T> x);

/// Largest |x|; +0 for no element, NaN if any element is NaN.  Independent of order.
template <class T>
T max_abs(thread_pool& pool, std::span<const T> x);

/// out[j] = sum over rows of x[row][j] in the written order (element index = row), or out[j] += that sum (one
/// addition).
/// @param x  (rows, columns), row-major
/// @throws std::invalid_argument if x or out has another size
template <class T>
void column_sum(thread_pool& pool, std::span<const T> x, std::size_t rows, std::size_t columns, std::span<T> out,
                bool accumulate);

}  // namespace binade::kernels
