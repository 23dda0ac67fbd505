#pragma once

#include "tape.hpp"

namespace binade {

/// The mean of (x - target)^2 over all elements, the sum in the written order.  Both may require a gradient.
/// @return  (1)
/// @throws std::invalid_argument unless the shapes are equal
template <class T>
variable<T> mse(graph<T>& pass, const variable<T>& x, const variable<T>& target);

}  // namespace binade
