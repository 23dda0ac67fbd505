#include "eigen_product.hpp"

#include <Eigen/Core>

// `Eigen` is a macro here: the namespace carries the name of the instruction set that this file is compiled for, so
// that the linker does not merge the templates of two.
#define BINADE_JOIN_(a, b) a##b
#define BINADE_JOIN(a, b) BINADE_JOIN_(a, b)

namespace binade::bench {

void BINADE_JOIN(eigen_threads_, BINADE_EIGEN_LEVEL)(int threads) {
  Eigen::setNbThreads(threads);
}

void BINADE_JOIN(eigen_product_, BINADE_EIGEN_LEVEL)(const product_shape& shape, const float* a, const float* b,
                                                     float* c) {
  using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using input = Eigen::Map<const matrix>;
  const auto m = Eigen::Index(shape.m), n = Eigen::Index(shape.n), k = Eigen::Index(shape.k);
  const input left(a, shape.a_transposed ? k : m, shape.a_transposed ? m : k);
  const input right(b, shape.b_transposed ? n : k, shape.b_transposed ? k : n);
  Eigen::Map<matrix> result(c, m, n);
  if (shape.a_transposed && shape.b_transposed) {
    result.noalias() = left.transpose() * right.transpose();
  } else if (shape.a_transposed) {
    result.noalias() = left.transpose() * right;
  } else if (shape.b_transposed) {
    result.noalias() = left * right.transpose();
  } else {
    result.noalias() = left * right;
  }
}

}  // namespace binade::bench
