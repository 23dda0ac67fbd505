#pragma once

#include <cstddef>
#include <string_view>

#include "tape.hpp"

namespace binade {

/// How the windows of a convolution lie, along both axes alike.
struct conv2d_settings {
  std::size_t stride = 1;   ///< at least 1
  std::size_t padding = 0;  ///< rows and columns of +0 around the image
  std::size_t groups = 1;   ///< of channels that are convolved on their own; as many as channels: depthwise
};

/// The convolution of networks (cross-correlation) of images with a bank of kernels, plus bias: a GEMM site.
///
/// The images are unfolded: row (channel, ky, kx), column (image, oy, ox).  Per group, result = weight unfolded, each
/// output one chain of fused multiply-adds over ascending (channel, ky, kx) from +0, padding included.  The gradient of
/// the weight is a chain over ascending (image, oy, ox) within pieces of images, the pieces added in order; a piece is
/// as many images as unfold to at most 2^22 elements, and at least one.  The gradient of a pixel adds up its windows in
/// ascending (ky, kx).
///
/// Operands are quantized as the matrices of these products: the unfolded input, the weight, and the gradient turned to
/// (output channel, (image, oy, ox)), in blocks along the summed axis; noise goes by the index in these arrays.  A
/// result is rounded along its channels, the gradient of the unfolded input along (image, oy, ox), before it is folded.
/// @param site    its name in recipes, for instance "stages.0.blocks.1.conv1"
/// @param x       (batch, channels, height, width)
/// @param weight  (output channels, channels / groups, kernel height, kernel width)
/// @param bias    (output channels), or no variable
/// @return        (batch, output channels, windows along height, windows along width), where there are
///                (size + 2 padding - kernel) / stride + 1 windows along an axis, rounded down
/// @throws std::invalid_argument if the shapes do not fit, or a kernel is larger than the padded image
template <class T>
variable<T> conv2d(graph<T>& pass, std::string_view site, const variable<T>& x, const variable<T>& weight,
                   const variable<T>& bias, const conv2d_settings& settings = {});

}  // namespace binade
