#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tape.hpp"

namespace binade {

/// How the logits of the experts become scores.
enum class router_gate : std::uint8_t {
  softmax,  ///< over all experts (Shazeer et al. 2017; Mixtral)
  sigmoid   ///< of each expert by itself (DeepSeek-V3)
};

/// Which experts serve which token, and with what weight.  Nothing is dropped: every token has its experts.
template <class T>
struct routing {
  std::size_t tokens, experts, top_k;
  variable<T> weights;  ///< (tokens, top_k), in the order of `chosen`; those of a token add up to 1
  variable<T> balance;  ///< (1): the load-balancing loss; 1 when tokens and probabilities spread evenly

  std::vector<std::int32_t> chosen;                 ///< (tokens, top_k): the experts of each token, ascending
  std::vector<std::size_t> place;                   ///< (tokens, top_k): which of its expert's tokens this is
  std::vector<std::vector<std::size_t>> tokens_of;  ///< of each expert, ascending
};

/// Sends every token to the top_k experts of largest score, the lower index first among equal scores.
///
///     scores       s = softmax(logits) or sigmoid(logits)
///     weights      w[e] = s[e] / sum of s over the chosen
///     probability  p[e] = s[e] (softmax) or s[e] / sum of s (sigmoid)
///     balance      sum over e of f[e] P[e]; f[e] = experts / (top_k tokens) times the number of e's tokens, a constant
///                  in the backward pass; P[e] = mean of p[e] over the tokens.  (Fedus et al. 2022, equation 4; the
///                  scale of DeepSeek-V2, equations 23 to 25)
///
/// Gradients reach the logits through the weights and through P.  A NaN is no larger than any score.
/// @param logits  (..., experts)
/// @param top_k   1 .. experts
/// @throws std::invalid_argument if top_k is outside that range
template <class T>
routing<T> route(graph<T>& pass, const variable<T>& logits, std::size_t top_k, router_gate gate);

}  // namespace binade
