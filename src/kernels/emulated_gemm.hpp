// Matrix products under any accumulator.
#pragma once

#include <cstddef>
#include <span>

#include "binade/accumulator.hpp"
#include "binade/matmul_operands.hpp"
#include "binade/noise.hpp"
#include "kernels/gemm.hpp"
#include "kernels/parallel.hpp"

namespace binade::kernels {

/// A matrix of a product: op(A) is (m, k), op(B) is (k, n).
struct product_matrix {
  const float* first;
  std::size_t stride;  ///< from row to row as it is stored
  transpose form = transpose::no;
};

/// C = op(A) op(B), or C += op(A) op(B) by one addition: binade::matmul of the two, bit for bit.
///
/// Bands of rows are shared out to the pool's threads.  (gemm() is `f32`, at its own speed.)
/// @param noise  of stochastic elements, from noise.first on: m matmul_noise_per_row() of them
/// @param c      (m, n), rows ldc apart
/// @throws std::invalid_argument as binade::matmul; nothing is written
void emulated_gemm(const accumulator& sum, std::size_t m, std::size_t n, std::size_t k, const product_matrix& a,
                   const product_matrix& b, const noise_source& noise, float* c, std::size_t ldc, bool accumulate,
                   thread_pool& pool);

/// The same of operands that are elements and scales beside them, for accumulators that multiply unscaled (`exact`,
/// `mx`): binade::matmul of quantized operands, bit for bit.
/// @param a_scales, b_scales  of the rows of op(A) and of the columns of op(B), along k
void emulated_gemm(const accumulator& sum, std::size_t m, std::size_t n, std::size_t k, const product_matrix& a,
                   const binade::detail::operand_scales& a_scales, const product_matrix& b,
                   const binade::detail::operand_scales& b_scales, const noise_source& noise, float* c, std::size_t ldc,
                   bool accumulate, thread_pool& pool);

/// What was cut off an operand: entries of rows along k, by ascending row and p.
struct sparse_rows {
  std::span<const residual_entry> entries;  ///< index = row length + p
  std::size_t length;                       ///< of the rows of the whole array
  std::size_t row = 0, p = 0;               ///< where the part of this product begins
};

/// C += D op(B): each output a chain of float32 fused multiply-adds over the entries of its row by ascending k, from
/// +0, added to C by one addition.
/// @param d  (m, k)
void add_sparse_left(const sparse_rows& d, std::size_t m, std::size_t n, std::size_t k, const product_matrix& b,
                     float* c, std::size_t ldc, thread_pool& pool);
/// C += op(A) D^T, likewise.  @param d  (n, k)
void add_sparse_right(const sparse_rows& d, std::size_t m, std::size_t n, std::size_t k, const product_matrix& a,
                      float* c, std::size_t ldc, thread_pool& pool);

}  // namespace binade::kernels
