// Images cut into the windows of a convolution; and its matrix products without such copies: the bits of gemm() on what
// unfold() makes.
#pragma once

#include <cstddef>
#include <functional>

#include "kernels/parallel.hpp"
#include "kernels/unfold.hpp"

namespace binade::kernels {

/// out[(channel, ky, kx)][(image, oy, ox)] = x[image][channel][oy stride + ky - padding][ox stride + kx - padding], +0
/// outside the image.  (im2col)
/// @param x    (images, channels, height, width)
/// @param out  (channels kernel_height kernel_width, images positions)
template <class T>
void unfold(thread_pool& pool, const window_geometry& g, std::size_t images, const T* x, T* out);

/// A convolution of images by groups of channels.
struct convolution_geometry {
  window_geometry windows;
  std::size_t images, outputs, groups;  ///< outputs: channels of the result, those of all groups

  std::size_t group_outputs() const { return outputs / groups; }
  std::size_t group_channels() const { return windows.channels / groups; }
  std::size_t inner() const { return windows.rows() / groups; }  ///< (channel of the group, ky, kx)
};

/// An array of images and channels whose planes are runs of elements.
template <class T>
struct planes_view {
  const T* data;
  std::size_t image_stride, channel_stride;
};

/// Which products fill the vectors of the active instruction set well enough to be faster than unfolded ones.
/// @pre  T = float or double
template <class T>
bool suits_convolve(const convolution_geometry& g);
template <class T>
bool suits_convolve_unfolded(const convolution_geometry& g);
/// Those of a stride alone, of weights that are all finite: a zero beside the gradient is then a step that changes no
/// chain.
template <class T>
bool suits_convolve_input_gradient(const convolution_geometry& g);
template <class T>
bool suits_convolve_weight_gradient(const convolution_geometry& g);

/// y[image][out][oy][ox] = chain over ascending (channel, ky, kx) of fma(weight, x, .) from +0, padding included; with
/// a bias, bias + that.
/// @param x       (images, channels, height, width)
/// @param weight  (outputs, group_channels, kernel_height, kernel_width)
/// @param bias    (outputs), or null
/// @param y       (images, outputs, out_height, out_width)
template <class T>
void convolve(thread_pool& pool, const convolution_geometry& g, const T* x, const T* weight, const T* bias, T* y);

/// The same of unfolded images: rows (channel, ky, kx), columns (image, oy, ox).
/// @pre  suits_convolve_unfolded()
template <class T>
void convolve_unfolded(thread_pool& pool, const convolution_geometry& g, const T* unfolded, const T* weight,
                       const T* bias, T* y);

/// dx[image][channel][y][x] = sum from +0, over the windows that see the pixel in ascending (ky, kx), of chains over
/// ascending output channels of fma(weight, dy, .) from +0.
/// @param dy  (images, outputs, out_height, out_width)
/// @param dx  (images, channels, height, width)
/// @pre  suits_convolve_input_gradient(), and all weights are finite
template <class T>
void convolve_input_gradient(thread_pool& pool, const convolution_geometry& g, const T* weight,
                             const planes_view<T>& dy, T* dx);

/// dweight[out][channel][ky][kx] = chain over ascending (image, oy, ox) of fma(dy, x, .) from +0, padding included; or
/// dweight + that.
template <class T>
void convolve_weight_gradient(thread_pool& pool, const convolution_geometry& g, const T* x, const planes_view<T>& dy,
                              T* dweight, bool accumulate);

/// Gives `count` neighbouring images unfolded, to be read until the next call.
template <class T>
using unfolded_images = std::function<const T*(std::size_t first, std::size_t count)>;

/// The same of images that are unfolded a few at a time.
/// @param unit  they are asked for in multiples of this, but for the last ones
template <class T>
void convolve_weight_gradient(thread_pool& pool, const convolution_geometry& g, std::size_t unit,
                              const unfolded_images<T>& unfolded, const planes_view<T>& dy, T* dweight,
                              bool accumulate);

}  // namespace binade::kernels
