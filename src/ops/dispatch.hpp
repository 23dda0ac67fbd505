#pragma once

#include <span>
#include <vector>

#include "ops/routing.hpp"
#include "tape.hpp"

namespace binade {

/// The tokens of each expert, in ascending order; no variable for an expert without tokens.  Gradients of a token add
/// up over its experts in ascending order.
/// @param x  (..., width) with the tokens of the routing
/// @return   (tokens of the expert, width) for each expert
/// @throws std::invalid_argument if x has another number of tokens
template <class T>
std::vector<variable<T>> dispatch(graph<T>& pass, const variable<T>& x, const routing<T>& r);

/// Sum over the experts of each token, in ascending order, of weight times the expert's result.
/// @param results  one per expert: (tokens of the expert, width); no variable for an expert without tokens
/// @param shape    of the result: (..., width) with the tokens of the routing
/// @throws std::invalid_argument if the shapes do not fit the routing
template <class T>
variable<T> combine(graph<T>& pass, std::span<const variable<T>> results, const routing<T>& r, const extents& shape);

/// Gives an operand that takes no part in a pass (of an expert without tokens) the gradient 0 in its backward pass.
template <class T>
void take_no_part(graph<T>& pass, const variable<T>& operand);

}  // namespace binade
