#pragma once

#include <string_view>

#include "tape.hpp"

namespace binade {

/// The function between the layers of a network, as files name it.
enum class activation { relu, relu6, gelu, gelu_erf, silu };

/// @throws std::invalid_argument that lists the names and the nearest one
activation find_activation(std::string_view name);
std::string_view to_string(activation a);

template <class T>
variable<T> apply(graph<T>& pass, activation a, const variable<T>& x);

}  // namespace binade
