#pragma once

#include <string_view>

#include "tape.hpp"

namespace binade {

/// Sets elements to +0 at random and divides the others by the probability of staying; x itself where the pass is not
/// in training, or keep is 1.  (Srivastava et al. 2014)
///
/// Element i stays if its 32 bits of noise (noise.hpp: seed and step of the pass, stream = FNV-1a of "SITE/dropout")
/// are below keep 2^32, rounded to an integer; it is then multiplied by 1 / keep, rounded to T.
/// @param site  a name in the model, for instance "blocks.0.mlp"
/// @param keep  probability of staying: above 0, at most 1
/// @throws std::invalid_argument for another probability
template <class T>
variable<T> dropout(graph<T>& pass, std::string_view site, const variable<T>& x, double keep);

}  // namespace binade
