#pragma once

#include "tape.hpp"

namespace binade {

/// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), element by element.  (Hendrycks and Gimpel 2016; the form of GPT-2)
template <class T>
variable<T> gelu(graph<T>& pass, const variable<T>& x);

}  // namespace binade
