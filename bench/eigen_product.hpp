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

/// With the vectors of AVX-512, or of AVX2; on other processors there is one.
inline void eigen_product([[maybe_unused]] bool in_512_bits, const product_shape& shape, const float* a, const float* b,
                          float* c) {
#if defined(__x86_64__)
  (in_512_bits ? eigen_product_v4 : eigen_product_v3)(shape, a, b, c);
#else
  eigen_product_portable(shape, a, b, c);
#endif
}
inline void eigen_threads(int threads) {
#if defined(__x86_64__)
  eigen_threads_v3(threads);
  eigen_threads_v4(threads);
#else
  eigen_threads_portable(threads);
#endif
}

}  // namespace binade::bench
