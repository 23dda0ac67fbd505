#pragma once

#include <cstddef>
#include <initializer_list>
#include <vector>

#include "tape.hpp"

namespace binade {

/// Query, key and value of every head, each of shape (batch, heads, length, head width).  Key and value may have fewer
/// heads than the query (see attention.hpp).
template <class T>
struct attention_heads {
  variable<T> query, key, value;
};

/// Heads of one kind that lie side by side in a joint projection.
struct head_columns {
  std::size_t heads, width;
};

/// Cuts a joint projection into arrays of heads: of the last size, the first columns are head 0, head 1, ... of the
/// first part; then those of the next part, and so on.
/// @param joint  (batch, length, sum of heads * width over the parts)
/// @return       (batch, heads, length, width) for each part
/// @throws std::invalid_argument if the last size is another one, or a part has no columns
template <class T>
pooled_vector<variable<T>> split_columns(graph<T>& pass, const variable<T>& joint,
                                         std::initializer_list<head_columns> parts);

/// Cuts the joint projection of an attention: queries of all heads, then keys of the key-value heads, then their
/// values, all of one width.
/// @param joint  (batch, length, (heads + 2 key_value_heads) * head width)
/// @throws std::invalid_argument if the last size is not a multiple of heads + 2 key_value_heads, or a number is 0
template <class T>
attention_heads<T> split_heads(graph<T>& pass, const variable<T>& joint, std::size_t heads,
                               std::size_t key_value_heads);

/// Puts the heads side by side: (batch, heads, length, head width) -> (batch, length, heads * head width).
template <class T>
variable<T> merge_heads(graph<T>& pass, const variable<T>& x);

/// Lengthens every vector of `left` by one of `right`: head h takes that of head h / (heads / right heads).
/// Gradients of a shared head add up over its readers in ascending order.
/// @param left   (batch, heads, length, left width)
/// @param right  (batch, right heads, length, right width); heads is a multiple of right heads
/// @return       (batch, heads, length, left width + right width)
/// @throws std::invalid_argument if the shapes do not fit
template <class T>
variable<T> concatenate_widths(graph<T>& pass, const variable<T>& left, const variable<T>& right);

}  // namespace binade
