#pragma once

#include <span>

#include "kernels/parallel.hpp"
#include "model/parameter.hpp"

namespace binade {

/// The euclidean norm of all gradients together; parameters without a gradient count as 0.
///
/// The squares of each array are summed in T in the written order (binade/reduction.hpp), the sums of the arrays one
/// after the other in double.
template <class T>
double gradient_norm(std::span<const parameter<T>> parameters, thread_pool& pool);

/// What multiplies the gradients so that their norm is at most max_norm: min(1, max_norm / (norm + 1e-6)), as
/// torch.nn.utils.clip_grad_norm_ has it.  1 for max_norm 0, which means no clipping; NaN for a norm of NaN.
/// @throws std::invalid_argument if max_norm is negative or not finite
double clip_factor(double norm, double max_norm);

}  // namespace binade
