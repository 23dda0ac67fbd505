#pragma once

#include "tape.hpp"

namespace binade {

/// The running statistics of a batch norm: buffers of a model, trained by no gradient and stored with the weights.
template <class T>
struct batch_norm_buffers {
  variable<T> mean, variance;  ///< (channels) each; they start at 0 and 1

  static batch_norm_buffers make(std::size_t channels) {
    return {variable<T>(tensor<T>::zeros({channels})), variable<T>(tensor<T>::full({channels}, T(1)))};
  }
};

/// The numbers of a batch norm.
struct batch_norm_settings {
  double epsilon = 1e-5;
  double momentum = 0.1;  ///< weight of the new statistics in the running ones, 0..1
};

/// (x - mean) / sqrt(variance + epsilon) * weight + bias per channel.  (Ioffe and Szegedy 2015; PyTorch's conventions)
///
/// In training, mean and variance are those of the batch: over batch, height and width, the elements of a channel in
/// ascending (image, y, x), summed in the written order; the variance divides by their number n.  Each such pass moves
/// the buffers: running = (1 - momentum) running + momentum new, with n - 1 in the place of n for the variance.
/// In evaluation they are the buffers.
/// @param x             (batch, channels), (batch, channels, length) or (batch, channels, height, width)
/// @param weight, bias  (channels)
/// @throws std::invalid_argument if the shapes do not fit, momentum is outside its range, or a channel has a single
///         element in training
template <class T>
variable<T> batch_norm(graph<T>& pass, const variable<T>& x, const variable<T>& weight, const variable<T>& bias,
                       const batch_norm_buffers<T>& running, const batch_norm_settings& settings = {});

}  // namespace binade
