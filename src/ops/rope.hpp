#pragma once

#include <cstddef>

#include "tape.hpp"

namespace binade {

/// Cosines and sines of the angles position * base^(-2 j / width), each of shape (positions, width / 2); worked out in
/// double and rounded to T.
template <class T>
struct rotation_table {
  tensor<T> cosine, sine;

  /// @throws std::invalid_argument if width is odd or 0, there is no position, or base is not a finite number above 1
  static rotation_table make(std::size_t positions, std::size_t width, double base);
};

/// Rotates the pairs (x[j], x[j + width/2]) of every position by the angles of the table.  (Su et al. 2021; the pairing
/// of Llama as published on Hugging Face, `rotate_half`)
/// @param x  (batch, heads, length, width); length at most the positions of the table
template <class T>
variable<T> rope(graph<T>& pass, const variable<T>& x, const rotation_table<T>& table);

}  // namespace binade
