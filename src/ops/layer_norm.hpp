#pragma once

#include "tape.hpp"

namespace binade {

/// (x - mean) / sqrt(variance + epsilon) * weight + bias over the last size; the variance divides by that size.  (Ba et
/// al. 2016)
/// @param weight, bias  (last size of x)
/// @throws std::invalid_argument if the shapes do not fit
template <class T>
variable<T> layer_norm(graph<T>& pass, const variable<T>& x, const variable<T>& weight, const variable<T>& bias,
                       double epsilon);

}  // namespace binade
