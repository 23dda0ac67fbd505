#pragma once

#include <cstddef>
#include <string_view>

#include "kernels/elementwise.hpp"
#include "ops/heads.hpp"
#include "tape.hpp"

namespace binade {

struct attention_settings {
  kernels::row_mask mask = kernels::row_mask::causal;  ///< which positions a position attends to
  bool alibi = false;                                  ///< scores fall with the distance: alibi_slope()
};

/// By how much the scaled scores of a head fall per position of distance: 2^(-8 (head + 1) / heads) where heads is a
/// power of two.  Otherwise the first heads have the slopes of the largest power of two n below, the others every
/// second slope of 2 n, from the first one.  (Press et al. 2021, "Train short, test long", and its reference code)
/// @param head  below heads
double alibi_slope(std::size_t head, std::size_t heads);

/// softmax(query key^T / sqrt(width) - slope |distance|) value, over the positions that the mask lets a position see:
/// all, or itself and those before it.  The slope is 0 without ALiBi.
///
/// Key and value may have fewer heads than the query: head h of the query reads head h / (heads / key heads) of them
/// (grouped queries; Ainslie et al. 2023).  Gradients of a shared head add up over its readers in ascending order.
///
/// Two GEMM sites: the scores (query and key) and the values (probabilities and value).  Each quantizes the arrays of
/// all sequences and heads as one.  Under a causal mask products leave out whole tiles of 32 x 32 masked entries: what
/// a chain skips are masked probabilities, which are +0, so that a later position cannot reach an earlier one even
/// through infinity or NaN.
/// @param heads  query (batch, heads, length, width), key (batch, key heads, length, width), value (batch, key heads,
///               length, value width); heads is a multiple of key heads
/// @return       (batch, heads, length, value width)
/// @throws std::invalid_argument if the shapes do not fit
template <class T>
variable<T> attention(graph<T>& pass, std::string_view scores_site, std::string_view values_site,
                      const attention_heads<T>& heads, const attention_settings& settings = {});

}  // namespace binade
