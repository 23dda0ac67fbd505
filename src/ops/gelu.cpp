#include "ops/gelu.hpp"

#include <utility>

#include "binade/elementary.hpp"
#include "kernels/elementwise.hpp"
#include "recipe/output_kind.hpp"

namespace binade {
namespace {

/// Phi(x)
template <class T>
BINADE_KERNEL_INLINE T normal_distribution(T x) {
  return T(0.5) * math::erfc(x * T(-0.70710678118654752440L));
}

}  // namespace

template <class T>
variable<T> gelu(graph<T>& pass, const variable<T>& x) {
  const work_scope scope(work_kind::activations);
  tensor<T> y = tensor<T>::uninitialized(x.shape());
  kernels::gelu<T>(pass.pool(), x.value().values(), y.values());
  round_output(pass, output_kind::activation, y);
  return pass.result(std::move(y), {&x}, [&pool = pass.pool(), x](const tensor<T>& gradient) {
    tensor<T> x_gradient = tensor<T>::uninitialized(x.shape());
    kernels::gelu_backward<T>(pool, x.value().values(), gradient.values(), x_gradient.values());
    x.add_gradient(std::move(x_gradient), pool);
  });
}

template <class T>
variable<T> gelu_erf(graph<T>& pass, const variable<T>& x) {
  const work_scope scope(work_kind::activations);
  tensor<T> y = tensor<T>::uninitialized(x.shape());
  kernels::for_each_element(pass.pool(), y.size(),
                            [in = x.value().data(), out = y.data()](std::size_t i)
                                BINADE_KERNEL_BODY { out[i] = in[i] * normal_distribution(in[i]); });
  round_output(pass, output_kind::activation, y);
  return pass.result(std::move(y), {&x}, [&pool = pass.pool(), x](const tensor<T>& gradient) {
    tensor<T> x_gradient = tensor<T>::uninitialized(x.shape());
    kernels::for_each_element(pool, gradient.size(),
                              [in = x.value().data(), dy = gradient.data(), dx = x_gradient.data()](std::size_t i)
                                  BINADE_KERNEL_BODY {
                                    // Phi'(x) = e^(-x^2/2) / sqrt(2 pi)
                                    const T density = math::exp(T(-0.5) * in[i] * in[i]) * T(0.39894228040143267794L);
                                    dx[i] = dy[i] * (normal_distribution(in[i]) + in[i] * density);
                                  });
    x.add_gradient(std::move(x_gradient), pool);
  });
}

template variable<float> gelu(graph<float>&, const variable<float>&);
template variable<double> gelu(graph<double>&, const variable<double>&);
template variable<float> gelu_erf(graph<float>&, const variable<float>&);
template variable<double> gelu_erf(graph<double>&, const variable<double>&);

}  // namespace binade
