#pragma once

#include "tape.hpp"

namespace binade {

/// a + b, element by element.
/// @throws std::invalid_argument unless the shapes are equal
template <class T>
variable<T> add(graph<T>& pass, const variable<T>& a, const variable<T>& b);

}  // namespace binade
