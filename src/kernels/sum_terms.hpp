// Sums of terms that are functions of an index, in the written order of binade/reduction.hpp.
#pragma once

#include <cstddef>

#include "binade/reduction.hpp"
#include "buffer_pool.hpp"
#include "kernels/cpu.hpp"
#include "kernels/parallel.hpp"

namespace binade::kernels {

/// Chunks per tile: 64 KiB of float.
inline constexpr std::size_t tile_chunks = 4;

/// The sum of term(i) for i in [0, count): chunks in parallel, then the tree over them.
/// @param term  a BINADE_KERNEL_BODY
template <class T, class Term>
T sum_terms(thread_pool& pool, std::size_t count, const Term& term) {
  using reduction::chunk_size;
  const std::size_t chunks = (count + chunk_size - 1) / chunk_size;
  pooled_vector<T> chunk_sums(chunks);
  T* const sums = chunk_sums.data();
  pool.parallel_ranges(chunks, tile_chunks, [&](std::size_t first, std::size_t last) {
    multiversion([&term, sums, first, last, count]() BINADE_KERNEL_BODY {
      for (std::size_t chunk = first; chunk < last; ++chunk) {
        const std::size_t begin = chunk * chunk_size, end = count - begin < chunk_size ? count : begin + chunk_size;
        sums[chunk] = reduction::sum_chunk<T>(begin, end, term);
      }
    });
  });
  reduction::neighbour_tree<T> tree;
  for (const T chunk_sum : chunk_sums) tree.push(chunk_sum);
  return tree.root();
}

}  // namespace binade::kernels
