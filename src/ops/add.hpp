#pragma once

#include "tape.hpp"

namespace binade {

/// a + b, element by element.
/// @throws std::invalid_argument unless the shapes are equal
template <class T>
variable<T> add(graph<T>& pass, const variable<T>& a, const variable<T>& b);

/// stream + branch, rounded as the recipe says of residual sums.  (output_kind::residual)
/// @throws std::invalid_argument unless the shapes are equal
template <class T>
variable<T> add_to_stream(graph<T>& pass, const variable<T>& stream, const variable<T>& branch);

}  // namespace binade
