#pragma once

#include <cstdint>
#include <span>

#include "tape.hpp"

namespace binade {

/// Rows of the table.  The gradient of a table row is the sum of the gradients of the positions that took it, one chain
/// of additions from +0 in ascending position.
/// @param table  (rows, width)
/// @param ids    one per position, 0 .. rows - 1
/// @param shape  of the result: its last size is width, the others multiply to the number of ids
/// @throws std::invalid_argument if an id is outside the table (with id, position and table size) or shape does not fit
template <class T>
variable<T> embedding(graph<T>& pass, const variable<T>& table, std::span<const std::int32_t> ids,
                      const extents& shape);

}  // namespace binade
