#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tape.hpp"

namespace binade {

/// What a position without a target has instead of one.
inline constexpr std::int32_t no_target = -1;

/// What is added to the plain cross entropy; nothing by default.
struct cross_entropy_settings {
  /// The share of the target distribution that is spread evenly over the vocabulary, in [0, 1).  (Szegedy et al. 2016)
  double label_smoothing = 0;
  /// Coefficient of the z-loss, (log Z)^2 with Z the sum of e^logit; 1e-4 in PaLM.  (Chowdhery et al. 2022)
  double z_loss = 0;
};

/// The loss of a classifier or language model, in nat.
template <class T>
struct language_model_loss {
  variable<T> mean;       ///< (1): what is minimized, over the positions that have a target
  tensor<T> positions;    ///< (positions): -log of the probability of each target; +0 where there is none
  std::size_t predicted;  ///< positions that have a target
  T plain = 0;            ///< mean of positions: `mean` without what a model adds to be minimized
  T z_loss = 0;           ///< mean of coefficient (log Z)^2, a part of mean
};

/// -log softmax(logits)[target], where the softmax runs over the first `vocabulary` logits of a position; what lies
/// behind them is padding, takes no part and gets gradient 0.  With label smoothing s the loss of a position is
/// (1 - s) (-log p[target]) + s mean(-log p) + z_loss (log Z)^2.
/// @param logits   (..., at least vocabulary)
/// @param targets  one per position: 0 .. vocabulary - 1, or no_target
/// @throws std::invalid_argument if the sizes do not fit, a target is outside the vocabulary, no position has one, or a
///         setting is outside its range
template <class T>
language_model_loss<T> cross_entropy(graph<T>& pass, const variable<T>& logits, std::span<const std::int32_t> targets,
                                     std::size_t vocabulary, const cross_entropy_settings& settings = {});

}  // namespace binade
