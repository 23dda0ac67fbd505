#pragma once

#include "tape.hpp"

namespace binade {

/// softmax(x) over the last size: e^(x - max) / sum of e^(x - max), the sum in the written order.
template <class T>
variable<T> softmax(graph<T>& pass, const variable<T>& x);

}  // namespace binade
