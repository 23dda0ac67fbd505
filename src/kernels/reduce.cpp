#include "kernels/reduce.hpp"

#include <stdexcept>
#include <string>

#include "binade/reduction.hpp"
#include "buffer_pool.hpp"
#include "kernels/cpu.hpp"
#include "kernels/sum_terms.hpp"

namespace binade::kernels {
namespace {

/// Columns summed side by side: two cache lines, so that the 32 lanes take 4 KiB.
template <class T>
constexpr std::size_t column_width = 128 / sizeof(T);

}  // namespace

template <class T>
T sum(thread_pool& pool, std::span<const T> x) {
  const T* const p = x.data();
  return sum_terms<T>(pool, x.size(), [p](std::size_t i) BINADE_KERNEL_BODY { return p[i]; });
}

template <class T>
T sum_of_squares(thread_pool& pool, std::span<const T> x) {
  const T* const p = x.data();
  return sum_terms<T>(pool, x.size(), [p](std::size_t i) BINADE_KERNEL_BODY { return p[i] * p[i]; });
}

template <class T>
T dot(thread_pool& pool, std::span<const T> x, std::span<const T> y) {
  if (x.size() != y.size())
    throw std::invalid_argument("dot: x has " + std::to_string(x.size()) + " elements and y has " +
                                std::to_string(y.size()) + "; they must have the same number");
  const T *const p = x.data(), *const q = y.data();
  return sum_terms<T>(pool, x.size(), [p, q](std::size_t i) BINADE_KERNEL_BODY { return p[i] * q[i]; });
}

template <class T>
moments moments_of(thread_pool& pool, std::span<const T> x) {
  const T* const p = x.data();
  const auto mean_of = [&pool, p, count = x.size()](double center, const auto& power) {
    const auto term = [p, center, power](std::size_t i)
                          BINADE_KERNEL_BODY { return power(static_cast<double>(p[i]) - center); };
    return sum_terms<double>(pool, count, term) / static_cast<double>(count);
  };
  const auto square = [](double d) BINADE_KERNEL_BODY { return d * d; };
  const auto fourth = [](double d) BINADE_KERNEL_BODY { return (d * d) * (d * d); };
  const double first = static_cast<double>(x[0]);
  const double mean = first + mean_of(first, [](double d) BINADE_KERNEL_BODY { return d; });
  return {.square = mean_of(0, square), .variance = mean_of(mean, square), .fourth = mean_of(mean, fourth)};
}

template <class T>
T max_abs(thread_pool& pool, std::span<const T> x) {
  constexpr std::size_t tile = tile_chunks * reduction::chunk_size;
  pooled_vector<T> tile_maxima((x.size() + tile - 1) / tile);
  pool.parallel_ranges(x.size(), tile, [&](std::size_t begin, std::size_t end) {
    const T* const p = x.data() + begin;
    T& maximum = tile_maxima[begin / tile];
    multiversion([p, begin, end, &maximum]() BINADE_KERNEL_BODY { maximum = reduction::max_abs(p, end - begin); });
  });
  return reduction::max_abs(tile_maxima.data(), tile_maxima.size());
}

template <class T>
void column_sum(thread_pool& pool, std::span<const T> x, std::size_t rows, std::size_t columns, std::span<T> out,
                bool accumulate) {
  if (x.size() != rows * columns || out.size() != columns)
    throw std::invalid_argument("column_sum: x has " + std::to_string(x.size()) + " elements and out " +
                                std::to_string(out.size()) + "; (" + std::to_string(rows) + ", " +
                                std::to_string(columns) + ") needs " + std::to_string(rows * columns) + " and " +
                                std::to_string(columns));
  const T* const data = rows == 0 ? out.data() : x.data();  // of no rows nothing is read, and x may be a null pointer
  pool.parallel_ranges(columns, column_width<T>, [&](std::size_t begin, std::size_t end) {
    T sums[column_width<T>];
    multiversion([data, rows, columns, begin, end, &sums]() BINADE_KERNEL_BODY {
      if (end - begin == column_width<T>) {
        reduction::column_sum<T, column_width<T>>(data + begin, rows, columns, sums);
      } else {
        for (std::size_t j = begin; j < end; ++j)
          reduction::column_sum<T, 1>(data + j, rows, columns, &sums[j - begin]);
      }
    });
    for (std::size_t j = begin; j < end; ++j) out[j] = accumulate ? out[j] + sums[j - begin] : sums[j - begin];
  });
}

#define BINADE_INSTANTIATE(T)                                           \
  template T sum(thread_pool&, std::span<const T>);                     \
  template T sum_of_squares(thread_pool&, std::span<const T>);          \
  template T dot(thread_pool&, std::span<const T>, std::span<const T>); \
  template moments moments_of(thread_pool&, std::span<const T>);        \
  template T max_abs(thread_pool&, std::span<const T>);                 \
  template void column_sum(thread_pool&, std::span<const T>, std::size_t, std::size_t, std::span<T>, bool);
BINADE_INSTANTIATE(float)
BINADE_INSTANTIATE(double)
#undef BINADE_INSTANTIATE

}  // namespace binade::kernels
