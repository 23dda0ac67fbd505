#pragma once
// What a matrix product is made of, beside its operands.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "binade/accumulator.hpp"
#include "binade/noise.hpp"

namespace binade {

/// (m, k) x (k, n) -> (m, n), all row-major.
struct matmul_shape {
  std::size_t m = 0, k = 0, n = 0;

  bool operator==(const matmul_shape&) const = default;
};

namespace detail {

/// Ends of the chunks of the first stage: after `chunk` products each, all of them for 0.
inline std::vector<std::size_t> chunk_ends(std::size_t k, std::uint32_t chunk) {
  if (chunk == 0) return {k};
  std::vector<std::size_t> ends;
  for (std::size_t p = 0; p < k;) ends.push_back(p += std::min<std::size_t>(chunk, k - p));
  return ends;
}

/// What the sums of a product are made of, beside its operands.
struct product_plan {
  matmul_shape shape;
  accumulator sum;
  noise_source noise;
  std::vector<std::size_t> ends;  ///< of the chunks of the first stage
};

}  // namespace detail

}  // namespace binade
