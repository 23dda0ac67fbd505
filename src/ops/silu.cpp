#include "ops/silu.hpp"

#include <utility>

#include "binade/elementary.hpp"
#include "kernels/elementwise.hpp"
#include "recipe/output_kind.hpp"

namespace binade {

template <class T>
variable<T> silu(graph<T>& pass, const variable<T>& x) {
  const work_scope scope(work_kind::activations);
  tensor<T> y = tensor<T>::uninitialized(x.shape());
  kernels::for_each_element(pass.pool(), y.size(),
                            [in = x.value().data(), out = y.data()](std::size_t i)
                                BINADE_KERNEL_BODY { out[i] = in[i] * math::sigmoid(in[i]); });
  round_output(pass, output_kind::activation, y);
  return pass.result(std::move(y), {&x}, [&pool = pass.pool(), x](const tensor<T>& gradient) {
    tensor<T> x_gradient = tensor<T>::uninitialized(x.shape());
    kernels::for_each_element(pool, gradient.size(),
                              [in = x.value().data(), dy = gradient.data(), dx = x_gradient.data()](std::size_t i)
                                  BINADE_KERNEL_BODY {
                                    const T s = math::sigmoid(in[i]);
                                    dx[i] = dy[i] * (s + in[i] * s * (T(1) - s));
                                  });
    x.add_gradient(std::move(x_gradient), pool);
  });
}

template variable<float> silu(graph<float>&, const variable<float>&);
template variable<double> silu(graph<double>&, const variable<double>&);

}  // namespace binade
