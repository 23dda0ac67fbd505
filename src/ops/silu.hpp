#pragma once

#include "tape.hpp"

namespace binade {

/// x sigmoid(x), element by element.  (Elfwing et al. 2018; also called swish)
template <class T>
variable<T> silu(graph<T>& pass, const variable<T>& x);

}  // namespace binade
