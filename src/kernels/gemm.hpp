// Reproducible matrix products.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/parallel.hpp"

namespace binade {

/// Whether an operand is stored as the formula has it, or transposed.
enum class transpose : bool { no, yes };

/// C = op(A) op(B), or C += op(A) op(B); all matrices row-major.
///
/// Each output is ONE chain of fused multiply-adds over ascending k, started from +0:
///     s = +0;  for k: s = fma(op(A)[i][k], op(B)[k][j], s);      c = s,  or with accumulate  c = c + s  (one addition)
/// The bits depend on nothing else: not on tiles, threads or instruction set.  NaN and infinities go the way of the
/// chain; which NaN (sign, payload) comes out is left open.  With k = 0 the chain is +0: C becomes +0, or c + 0 with
/// accumulate, which leaves every value but turns -0 into +0.  With m = 0 or n = 0 nothing is read or written.
///
/// @param a    op(A) is (m, k); stored (m, k), or (k, m) when a_form is transpose::yes; rows lda apart
/// @param b    op(B) is (k, n); stored (k, n), or (n, k) when b_form is transpose::yes; rows ldb apart
/// @param c    (m, n), rows ldc apart; overlaps neither A nor B.  Not read unless accumulate
/// @param lda  at least the stored row length, likewise ldb and ldc
/// @throws std::invalid_argument if a leading dimension is too short; nothing is written
void gemm(transpose a_form, transpose b_form, std::size_t m, std::size_t n, std::size_t k, const float* a,
          std::size_t lda, const float* b, std::size_t ldb, float* c, std::size_t ldc, bool accumulate,
          thread_pool& pool);
void gemm(transpose a_form, transpose b_form, std::size_t m, std::size_t n, std::size_t k, const double* a,
          std::size_t lda, const double* b, std::size_t ldb, double* c, std::size_t ldc, bool accumulate,
          thread_pool& pool);

/// The three matrices of one product of a batch.
template <class T>
struct gemm_operands {
  const T* a;
  const T* b;
  T* c;
};

/// One gemm per element of the batch, all of one shape, with the same bits as one call each; threads share the batch
/// out between them.  The C matrices must not overlap.  (For attention: one product per sequence and head.)
void gemm_batched(transpose a_form, transpose b_form, std::size_t m, std::size_t n, std::size_t k,
                  std::span<const gemm_operands<float>> batch, std::size_t lda, std::size_t ldb, std::size_t ldc,
                  bool accumulate, thread_pool& pool);
void gemm_batched(transpose a_form, transpose b_form, std::size_t m, std::size_t n, std::size_t k,
                  std::span<const gemm_operands<double>> batch, std::size_t lda, std::size_t ldb, std::size_t ldc,
                  bool accumulate, thread_pool& pool);

}  // namespace binade
