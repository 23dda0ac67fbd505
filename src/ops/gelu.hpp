#pragma once

#include "tape.hpp"

namespace binade {

/// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), element by element.  (Hendrycks and Gimpel 2016; the form of GPT-2)
template <class T>
variable<T> gelu(graph<T>& pass, const variable<T>& x);

/// x Phi(x), Phi the distribution function of the standard normal distribution, element by element: the exact form.
/// Phi(x) = erfc(-x / sqrt(2)) / 2, which does not cancel for negative x.  (Hendrycks and Gimpel 2016; the form of
/// BERT)
template <class T>
variable<T> gelu_erf(graph<T>& pass, const variable<T>& x);

}  // namespace binade
