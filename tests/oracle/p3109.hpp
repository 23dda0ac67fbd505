#pragma once
// The IEEE P3109 family as its definition states it (interim report 4.0): width, precision, signedness and domain fix
// everything else.

#include <string>
#include <vector>

#include "oracle/grid.hpp"

namespace oracle {

/// BinaryKpP{s|u}{e|f}.  One is code 2^(K-2) of a signed format and 2^(K-1) of an unsigned one, which is what the bias
/// says; the one NaN stands where -0 would, or at the top; the extended formats have an infinity per sign.
inline grid p3109_grid(int width, int precision, bool is_signed, bool is_extended) {
  return {.width = width,
          .precision = precision,
          .bias = 1 << (is_signed ? width - precision - 1 : width - precision),
          .is_signed = is_signed,
          .has_infinity = is_extended,
          .high_nans = is_signed ? 0u : 1u,
          .has_negative_zero = false,
          .sat_none = true};
}

struct p3109_format {
  std::string name;
  grid definition;
};

/// Every member of narrowest..widest bits: 0 < P < K signed, 0 < P <= K unsigned, K > 2.
inline std::vector<p3109_format> p3109_family(int narrowest, int widest) {
  std::vector<p3109_format> all;
  for (int k = narrowest; k <= widest; ++k)
    for (const bool is_signed : {true, false})
      for (int p = 1; p <= (is_signed ? k - 1 : k); ++p)
        for (const bool is_extended : {true, false})
          all.push_back({"binary" + std::to_string(k) + "p" + std::to_string(p) + (is_signed ? "s" : "u") +
                             (is_extended ? "e" : "f"),
                         p3109_grid(k, p, is_signed, is_extended)});
  return all;
}

}  // namespace oracle
