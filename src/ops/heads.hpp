#pragma once

#include <cstddef>

#include "tape.hpp"

namespace binade {

/// Query, key and value of every head, each of shape (batch, heads, length, head width).
template <class T>
struct attention_heads {
  variable<T> query, key, value;
};

/// Cuts the joint projection into heads: of the last size, the first third are the queries of head 0, head 1, ...; then
/// the keys, then the values.
/// @param joint  (batch, length, 3 heads * head width)
/// @throws std::invalid_argument if the last size is not a multiple of 3 heads
template <class T>
attention_heads<T> split_heads(graph<T>& pass, const variable<T>& joint, std::size_t heads);

/// Puts the heads side by side: (batch, heads, length, head width) -> (batch, length, heads * head width).
template <class T>
variable<T> merge_heads(graph<T>& pass, const variable<T>& x);

}  // namespace binade
