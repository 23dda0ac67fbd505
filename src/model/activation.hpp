#pragma once

#include <string_view>

#include "tape.hpp"

namespace binade {

/// The function between the layers of a network, as files name it.
enum class activation {
  relu,      ///< max(x, 0)
  relu6,     ///< the same, at most 6
  gelu,      ///< the tanh form
  gelu_erf,  ///< the exact form
  silu       ///< x sigmoid(x)
};

/// @throws std::invalid_argument that lists the names and the nearest one
activation find_activation(std::string_view name);
/// Its name.
std::string_view to_string(activation a);

/// a(x), element by element.
template <class T>
variable<T> apply(graph<T>& pass, activation a, const variable<T>& x);

}  // namespace binade
