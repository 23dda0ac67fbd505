#pragma once

#include <string_view>

#include "tape.hpp"

namespace binade {

/// x weight^T + bias over the last size of x, a GEMM site.
/// @param site    its name in recipes, for instance "blocks.0.mlp.up"
/// @param x       (..., inputs)
/// @param weight  (outputs, inputs)
/// @param bias    (outputs), or no variable
/// @return        (..., outputs)
/// @throws std::invalid_argument if the shapes do not fit
template <class T>
variable<T> linear(graph<T>& pass, std::string_view site, const variable<T>& x, const variable<T>& weight,
                   const variable<T>& bias);

}  // namespace binade
