#pragma once

#include "tape.hpp"

namespace binade {

/// x times a constant, element by element: residual branches, logits.
/// @param factor  rounded to T once
template <class T>
variable<T> scale(graph<T>& pass, const variable<T>& x, double factor);

}  // namespace binade
