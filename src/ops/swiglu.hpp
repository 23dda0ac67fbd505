#pragma once

#include "tape.hpp"

namespace binade {

/// gate sigmoid(gate) up, element by element.  (Shazeer 2020, SwiGLU without its matrices)
/// @throws std::invalid_argument unless the shapes are equal
template <class T>
variable<T> swiglu(graph<T>& pass, const variable<T>& gate, const variable<T>& up);

}  // namespace binade
