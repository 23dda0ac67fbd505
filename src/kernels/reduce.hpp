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

/// Sums of x[i], x[i]^2, x[i]^3 and x[i]^4 in double, each product rounded, each sum in the written order.
struct power_sums {
  double first = 0, second = 0, third = 0, fourth = 0;
};
template <class T>
power_sums sums_of_powers(thread_pool& pool, std::span<const T> x);

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
