#pragma once

#include <limits>

#include "tape.hpp"

namespace binade {

/// x between 0 and the ceiling, element by element, and the nearer of them elsewhere, where the gradient is 0, as it is
/// at both; NaN stays.
/// @param ceiling  above 0; 6 for ReLU6.  (Sandler et al. 2018)
template <class T>
variable<T> relu(graph<T>& pass, const variable<T>& x, double ceiling = std::numeric_limits<double>::infinity());

}  // namespace binade
