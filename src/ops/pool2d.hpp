#pragma once

#include <cstddef>

#include "tape.hpp"

namespace binade {

/// How the windows of a pooling lie, along both axes alike; (size + 2 padding - kernel) / stride + 1 of them along an
/// axis, rounded down.
struct pool2d_settings {
  std::size_t kernel;       ///< height and width of a window, at least 1
  std::size_t stride = 0;   ///< 0: the kernel, windows side by side
  std::size_t padding = 0;  ///< at most half the kernel
};

/// The largest element of each window; padding takes no part.  NaN wins; of equal elements the first in ascending (y,
/// x) counts, and gets the gradient.
/// @param x  (batch, channels, height, width)
/// @throws std::invalid_argument if x or the settings do not fit
template <class T>
variable<T> max_pool2d(graph<T>& pass, const variable<T>& x, const pool2d_settings& settings);

/// The sum of each window, one chain of additions from +0 in ascending (y, x), over kernel^2: padding counts as 0.
/// @param x  (batch, channels, height, width)
/// @throws std::invalid_argument if x or the settings do not fit
template <class T>
variable<T> avg_pool2d(graph<T>& pass, const variable<T>& x, const pool2d_settings& settings);

/// The mean of each channel of each image, the sum in the written order.
/// @param x  (batch, channels, height, width)
/// @return   (batch, channels)
/// @throws std::invalid_argument if x has not 4 sizes
template <class T>
variable<T> global_avg_pool(graph<T>& pass, const variable<T>& x);

}  // namespace binade
