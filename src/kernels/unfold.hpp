// Windows of a convolution put back into images; arrays of images turned channel by channel.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/parallel.hpp"

namespace binade::kernels {

/// The windows of a convolution over images of (channels, height, width).
struct window_geometry {
  std::size_t channels, height, width;  ///< of an image
  std::size_t kernel_height, kernel_width;
  std::size_t stride, padding;        ///< along both axes; stride at least 1
  std::size_t out_height, out_width;  ///< windows along each axis

  std::size_t positions() const { return out_height * out_width; }  ///< windows of an image
  std::size_t pixels() const { return height * width; }             ///< of one channel
  std::size_t window() const { return kernel_height * kernel_width; }
  std::size_t rows() const { return channels * window(); }  ///< of the unfolded array
};

/// The transpose of unfold() (kernels/convolution.hpp): every pixel becomes the sum of its places in the windows, one
/// chain of additions from +0 in ascending (ky, kx).
/// @param columns  (channels kernel_height kernel_width, images positions)
/// @param out      (images, channels, height, width)
template <class T>
void fold(thread_pool& pool, const window_geometry& g, std::size_t images, const T* columns, T* out);

/// out[b][a] = x[a][b], each a run of `length` elements.
/// @param x    (rows, columns, length)
/// @param out  (columns, rows, length)
template <class T>
void swap_leading_axes(thread_pool& pool, std::size_t rows, std::size_t columns, std::size_t length, const T* x,
                       T* out);

}  // namespace binade::kernels
