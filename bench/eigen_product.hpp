// Eigen's matrix product, compiled for one instruction set each.
#pragma once

#include <cstddef>

namespace binade::bench {

/// A float32 product C = op(A) op(B), row-major and without gaps between the rows.
struct product_shape {
  std::size_t m, n, k;
  bool a_transposed, b_transposed;
};

#if defined(__x86_64__)
void eigen_product_v3(const product_shape& shape, const float* a, const float* b, float* c);
void eigen_product_v4(const product_shape& shape, const float* a, const float* b, float* c);
void eigen_threads_v3(int threads);
void eigen_threads_v4(int threads);
#else
void eigen_product_portable(const product_shape& shape, const float* a, const float* b, float* c);
void eigen_threads_portable(int threads);
#endif

}  // namespace binade::bench
