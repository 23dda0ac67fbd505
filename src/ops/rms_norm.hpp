#pragma once

#include "tape.hpp"

namespace binade {

/// x / sqrt(mean(x^2) + epsilon) * weight over the last size.  (Zhang and Sennrich 2019)
/// @param weight  (last size of x)
/// @throws std::invalid_argument if the shapes do not fit
template <class T>
variable<T> rms_norm(graph<T>& pass, const variable<T>& x, const variable<T>& weight, double epsilon);

}  // namespace binade
