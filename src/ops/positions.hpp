#pragma once

#include "tape.hpp"

namespace binade {

/// Puts the same vector before the first position of every sequence (a class token).
/// @param x      (batch, length, width)
/// @param first  (width)
/// @return       (batch, length + 1, width)
/// @throws std::invalid_argument if the shapes do not fit
template <class T>
variable<T> prepend_position(graph<T>& pass, const variable<T>& x, const variable<T>& first);

/// The vector of the first position: (batch, length, width) -> (batch, width).
/// @throws std::invalid_argument for another number of sizes
template <class T>
variable<T> first_position(graph<T>& pass, const variable<T>& x);

/// The mean over the positions, summed in the written order: (batch, length, width) -> (batch, width).
/// @throws std::invalid_argument for another number of sizes
template <class T>
variable<T> mean_over_positions(graph<T>& pass, const variable<T>& x);

}  // namespace binade
