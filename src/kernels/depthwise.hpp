// Convolutions of every channel with a kernel of its own, without unfolding: the bits of the matrix products of
// ops/conv2d.hpp with one output channel per group, where a product has a single row and packing costs more than the
// sums.
#pragma once

#include <cstddef>

#include "kernels/parallel.hpp"
#include "kernels/unfold.hpp"

namespace binade::kernels {

/// y[image][channel][oy][ox] = chain over ascending (ky, kx) of fma(weight, x, .) from +0, padding included, then +
/// bias (one addition) where there is one.
/// @param x       (images, channels, height, width)
/// @param weight  (channels, kernel_height, kernel_width)
/// @param bias    (channels), or null
/// @param y       (images, channels, out_height, out_width)
template <class T>
void depthwise(thread_pool& pool, const window_geometry& g, std::size_t images, const T* x, const T* weight,
               const T* bias, T* y);

/// dx[image][channel][pixel] = the sum of the rounded products weight dy of the windows that hold the pixel, one chain
/// of additions from +0 in ascending (ky, kx).
/// @param dy  (channels, images, out_height, out_width): channel by channel
/// @param dx  (images, channels, height, width)
template <class T>
void depthwise_input_gradient(thread_pool& pool, const window_geometry& g, std::size_t images, const T* weight,
                              const T* dy, T* dx);

/// dweight[channel][ky][kx] = chain over ascending (image, oy, ox) of fma(dy, x, .) from +0, padding included; with
/// accumulate it is added to what is there (one addition).
/// @param x           (images, channels, height, width)
/// @param dy          (channels, ., out_height, out_width): channels lie dy_distance elements apart
template <class T>
void depthwise_weight_gradient(thread_pool& pool, const window_geometry& g, std::size_t images, const T* x, const T* dy,
                               std::size_t dy_distance, T* dweight, bool accumulate);

}  // namespace binade::kernels
