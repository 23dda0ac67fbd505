#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/parallel.hpp"
#include "model/parameter.hpp"

namespace binade {

struct adamw_settings {
  double beta1 = 0.9, beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  ///< of matrices; biases and norm weights do not decay

  /// @throws std::invalid_argument that names the field, the value and what is valid
  void validate() const;
};

/// AdamW with the operations of torch.optim.AdamW in their order.  (Loshchilov and Hutter 2019)
///
/// The factors of a step are worked out in double from its number alone and rounded to T, so that an optimizer that was
/// saved and restored goes on with the same bits.
template <class T>
class adamw {
 public:
  /// @param parameters  must outlive the optimizer
  adamw(std::span<const parameter<T>> parameters, const adamw_settings& settings);

  /// Updates every parameter that has a gradient.
  /// @param gradient_factor  multiplies the gradients first; what clip_factor() gives
  void step(double learning_rate, double gradient_factor, thread_pool& pool);

  /// Steps taken so far.
  std::uint64_t steps() const { return steps_; }

  /// The running means of gradient and squared gradient, in the order of the parameters.
  std::span<const tensor<T>> first_moments() const { return first_; }
  std::span<const tensor<T>> second_moments() const { return second_; }

  /// Goes on from what steps(), first_moments() and second_moments() were; the values are copied.
  /// @throws std::invalid_argument unless there is one moment of each kind per parameter, of its shape; nothing is
  /// changed
  void restore(std::uint64_t steps, std::span<const tensor<T>> first, std::span<const tensor<T>> second);

 private:
  std::span<const parameter<T>> parameters_;
  adamw_settings settings_;
  std::uint64_t steps_ = 0;
  std::vector<tensor<T>> first_, second_;
};

}  // namespace binade
