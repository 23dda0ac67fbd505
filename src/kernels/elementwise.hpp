// Loops over elements and rows: multiversioned, parallel over fixed tiles, the same bits for any number of threads.
//
// Every function takes T = float or double (both are instantiated).  Outputs may be the input itself where the comment
// says "in place", and otherwise do not overlap it.  Sizes must agree, else std::invalid_argument.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/cpu.hpp"
#include "kernels/parallel.hpp"

namespace binade::kernels {

/// Elements per tile of an elementwise loop: 64 KiB of float, enough work to be worth handing to a thread.
inline constexpr std::size_t element_tile = 16384;

/// Calls body(i) for i in [0, count), in vectorised loops for the active instruction set, parallel over fixed tiles.
/// body must be a lambda marked BINADE_KERNEL_BODY that writes only what belongs to element i.
template <class Body>
void for_each_element(thread_pool& pool, std::size_t count, const Body& body) {
  pool.parallel_ranges(count, element_tile, [&body](std::size_t begin, std::size_t end) {
    multiversion([&body, begin, end]() BINADE_KERNEL_BODY {
      const Body local = body;  // a copy whose captured pointers no store can change, so that they stay in registers
      for (std::size_t i = begin; i < end; ++i) local(i);
    });
  });
}

/// Calls body(row) for row in [0, rows), compiled for the active instruction set, parallel over fixed groups of rows of
/// about element_tile elements.  body must be a lambda marked BINADE_KERNEL_BODY that writes only what belongs to its
/// row.
template <class Body>
void for_each_row(thread_pool& pool, std::size_t rows, std::size_t row_length, const Body& body) {
  const std::size_t tile = row_length >= element_tile ? 1 : element_tile / (row_length == 0 ? 1 : row_length);
  pool.parallel_ranges(rows, tile, [&body](std::size_t begin, std::size_t end) {
    multiversion([&body, begin, end]() BINADE_KERNEL_BODY {
      for (std::size_t row = begin; row < end; ++row) body(row);
    });
  });
}

/// y = gelu(x) = x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3), computed as x sigmoid(2u), which is the same and
/// does not cancel for negative x; in place allowed.  (The GPT-2 form; Hendrycks and Gimpel, 2016)
template <class T>
void gelu(thread_pool& pool, std::span<const T> x, std::span<T> y);

/// dx = dy gelu'(x); dx may be dy.
template <class T>
void gelu_backward(thread_pool& pool, std::span<const T> x, std::span<const T> dy, std::span<T> dx);

/// Which entries of a row take part in a softmax.
enum class row_mask : bool {
  none,   ///< all
  causal  ///< row r of each square (columns, columns) matrix: the entries 0..r
};

/// Each row of y = softmax(scale * row of x): e = exp(scale x - max(scale x)), y = e / sum(e), the sum in the written
/// order (binade/reduction.hpp) over the entries that take part; masked entries become +0.  In place allowed.
/// @param x  (rows, columns), row-major; for row_mask::causal rows is a multiple of columns
template <class T>
void softmax_rows(thread_pool& pool, std::span<const T> x, std::size_t rows, std::size_t columns, T scale,
                  row_mask mask, std::span<T> y);

/// Each row of dx = scale * y * (dy - dot(dy, y)), dot in the written order over the entries that take part; masked
/// entries become +0.  dx may be dy.
template <class T>
void softmax_rows_backward(thread_pool& pool, std::span<const T> y, std::span<const T> dy, std::size_t rows,
                           std::size_t columns, T scale, row_mask mask, std::span<T> dx);

/// The numbers of one AdamW step, computed once per step in double and rounded to T.
template <class T>
struct adamw_coefficients {
  T gradient_scale;  ///< multiplies the gradient first: the clipping factor (1 leaves every bit)
  T decay;           ///< 1 - learning_rate * weight_decay
  T beta1, one_minus_beta1;
  T beta2, one_minus_beta2;
  T step_size;         ///< learning_rate / (1 - beta1^t)
  T root_correction2;  ///< sqrt(1 - beta2^t)
  T epsilon;
};

/// One AdamW step (Loshchilov and Hutter, 2019; operations and their order as in torch.optim.AdamW):
///     g = gradient * gradient_scale;  m = beta1 m + (1 - beta1) g;  v = beta2 v + ((1 - beta2) g) g
///     w = w * decay - step_size * (m / (sqrt(v) / root_correction2 + epsilon))
template <class T>
void adamw(thread_pool& pool, const adamw_coefficients<T>& coefficients, std::span<const T> gradient,
           std::span<T> weight, std::span<T> first_moment, std::span<T> second_moment);

}  // namespace binade::kernels
