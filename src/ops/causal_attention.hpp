#pragma once

#include <string_view>

#include "ops/heads.hpp"
#include "tape.hpp"

namespace binade {

/// softmax(query key^T / sqrt(width)) value with every position attending to itself and those before it.
///
/// Two GEMM sites: the scores (query and key) and the values (probabilities and value).  Each quantizes the arrays of
/// all sequences and heads as one.  Products leave out whole tiles of 32 x 32 masked entries: what a chain skips are
/// masked probabilities, which are +0, so that a later position cannot reach an earlier one even through infinity or
/// NaN.
/// @param heads  three arrays of one shape (batch, heads, length, width)
/// @return       (batch, heads, length, width)
template <class T>
variable<T> causal_attention(graph<T>& pass, std::string_view scores_site, std::string_view values_site,
                             const attention_heads<T>& heads);

}  // namespace binade
