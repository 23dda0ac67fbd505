#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tape.hpp"

namespace binade {

/// What a position without a target has instead of one.
inline constexpr std::int32_t no_target = -1;

/// The loss of a language model, in nat.
template <class T>
struct language_model_loss {
  variable<T> mean;       ///< (1): over the positions that have a target
  tensor<T> positions;    ///< (positions): -log of the probability of each target; +0 where there is none
  std::size_t predicted;  ///< positions that have a target
};

/// -log softmax(logits)[target], where the softmax runs over the first `vocabulary` logits of a position; what lies
/// behind them is padding, takes no part and gets gradient 0.
/// @param logits   (..., at least vocabulary)
/// @param targets  one per position: 0 .. vocabulary - 1, or no_target
/// @throws std::invalid_argument if the sizes do not fit, a target is outside the vocabulary, or no position has one
template <class T>
language_model_loss<T> cross_entropy(graph<T>& pass, const variable<T>& logits, std::span<const std::int32_t> targets,
                                     std::size_t vocabulary);

}  // namespace binade
