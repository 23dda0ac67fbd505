#include "kernels/elementwise.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "binade/elementary.hpp"
#include "binade/reduction.hpp"

namespace binade::kernels {
namespace {

void require_size(const char* function, const char* argument, std::size_t given, std::size_t needed) {
  if (given != needed)
    throw std::invalid_argument(std::string(function) + ": " + argument + " has " + std::to_string(given) +
                                " elements; it must have " + std::to_string(needed));
}

/// 2 u(x) of the tanh form of GELU is twice_slope x (1 + cubic x^2).
template <class T>
constexpr T twice_slope = T(1.5957691216057308L);  // 2 sqrt(2 / pi)
template <class T>
constexpr T cubic = T(0.044715L);

/// How many entries of a row take part.
BINADE_KERNEL_INLINE std::size_t row_extent(std::size_t row, std::size_t columns, row_mask mask) {
  return mask == row_mask::causal ? row % columns + 1 : columns;
}

void require_rows(const char* function, std::size_t rows, std::size_t columns, row_mask mask) {
  if (mask == row_mask::causal && columns != 0 && rows % columns != 0)
    throw std::invalid_argument(std::string(function) + ": a causal mask needs squares, and " + std::to_string(rows) +
                                " rows are no multiple of " + std::to_string(columns) + " columns");
}

}  // namespace

template <class T>
void gelu(thread_pool& pool, std::span<const T> x, std::span<T> y) {
  require_size("gelu", "y", y.size(), x.size());
  for_each_element(pool, x.size(), [x = x.data(), y = y.data()](std::size_t i) BINADE_KERNEL_BODY {
    y[i] = x[i] * math::sigmoid(twice_slope<T> * x[i] * (T(1) + cubic<T> * (x[i] * x[i])));
  });
}

template <class T>
void gelu_backward(thread_pool& pool, std::span<const T> x, std::span<const T> dy, std::span<T> dx) {
  require_size("gelu_backward", "dy", dy.size(), x.size());
  require_size("gelu_backward", "dx", dx.size(), x.size());
  for_each_element(pool, x.size(), [x = x.data(), dy = dy.data(), dx = dx.data()](std::size_t i) BINADE_KERNEL_BODY {
    const T square = cubic<T> * (x[i] * x[i]);
    const T s = math::sigmoid(twice_slope<T> * x[i] * (T(1) + square));
    const T slope = twice_slope<T> * (T(1) + T(3) * square);
    dx[i] = dy[i] * (s + x[i] * (s * (T(1) - s)) * slope);
  });
}

template <class T>
void softmax_rows(thread_pool& pool, std::span<const T> x, std::size_t rows, std::size_t columns, T scale,
                  row_mask mask, std::span<T> y) {
  require_size("softmax_rows", "x", x.size(), rows * columns);
  require_size("softmax_rows", "y", y.size(), rows * columns);
  require_rows("softmax_rows", rows, columns, mask);
  for_each_row(pool, rows, columns,
               [x = x.data(), y = y.data(), columns, scale, mask](std::size_t row) BINADE_KERNEL_BODY {
                 const std::size_t extent = row_extent(row, columns, mask);
                 const T* const in = x + row * columns;
                 T* const out = y + row * columns;
                 for (std::size_t j = 0; j < extent; ++j) out[j] = scale * in[j];
                 const T top = reduction::largest(out, extent);
                 for (std::size_t j = 0; j < extent; ++j) out[j] = math::exp(out[j] - top);
                 const T sum = reduction::sum(out, extent);
                 for (std::size_t j = 0; j < extent; ++j) out[j] = out[j] / sum;
                 for (std::size_t j = extent; j < columns; ++j) out[j] = T(0);
               });
}

template <class T>
void softmax_rows_backward(thread_pool& pool, std::span<const T> y, std::span<const T> dy, std::size_t rows,
                           std::size_t columns, T scale, row_mask mask, std::span<T> dx) {
  require_size("softmax_rows_backward", "y", y.size(), rows * columns);
  require_size("softmax_rows_backward", "dy", dy.size(), rows * columns);
  require_size("softmax_rows_backward", "dx", dx.size(), rows * columns);
  require_rows("softmax_rows_backward", rows, columns, mask);
  for_each_row(pool, rows, columns,
               [y = y.data(), dy = dy.data(), dx = dx.data(), columns, scale, mask](std::size_t row)
                   BINADE_KERNEL_BODY {
                     const std::size_t extent = row_extent(row, columns, mask);
                     const T *const p = y + row * columns, *const g = dy + row * columns;
                     T* const out = dx + row * columns;
                     const T mean = reduction::dot(g, p, extent);
                     for (std::size_t j = 0; j < extent; ++j) out[j] = scale * (p[j] * (g[j] - mean));
                     for (std::size_t j = extent; j < columns; ++j) out[j] = T(0);
                   });
}

template <class T>
void adamw(thread_pool& pool, const adamw_coefficients<T>& coefficients, std::span<const T> gradient,
           std::span<T> weight, std::span<T> first_moment, std::span<T> second_moment) {
  require_size("adamw", "gradient", gradient.size(), weight.size());
  require_size("adamw", "first_moment", first_moment.size(), weight.size());
  require_size("adamw", "second_moment", second_moment.size(), weight.size());
  for_each_element(pool, weight.size(),
                   [gradient = gradient.data(), w = weight.data(), m = first_moment.data(), v = second_moment.data(),
                    c = coefficients](std::size_t i) BINADE_KERNEL_BODY {
                     const T g = gradient[i] * c.gradient_scale;
                     const T first = c.beta1 * m[i] + c.one_minus_beta1 * g;
                     const T second = c.beta2 * v[i] + (c.one_minus_beta2 * g) * g;
                     m[i] = first;
                     v[i] = second;
                     const T root = math::sqrt(second) / c.root_correction2 + c.epsilon;
                     w[i] = w[i] * c.decay - c.step_size * (first / root);
                   });
}

#define BINADE_INSTANTIATE(T)                                                                                         \
  template void gelu(thread_pool&, std::span<const T>, std::span<T>);                                                 \
  template void gelu_backward(thread_pool&, std::span<const T>, std::span<const T>, std::span<T>);                    \
  template void softmax_rows(thread_pool&, std::span<const T>, std::size_t, std::size_t, T, row_mask, std::span<T>);  \
  template void softmax_rows_backward(thread_pool&, std::span<const T>, std::span<const T>, std::size_t, std::size_t, \
                                      T, row_mask, std::span<T>);                                                     \
  template void adamw(thread_pool&, const adamw_coefficients<T>&, std::span<const T>, std::span<T>, std::span<T>,     \
                      std::span<T>);
BINADE_INSTANTIATE(float)
BINADE_INSTANTIATE(double)
#undef BINADE_INSTANTIATE

}  // namespace binade::kernels
