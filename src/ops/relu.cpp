#include "ops/relu.hpp"

#include <utility>

#include "kernels/elementwise.hpp"
#include "recipe/output_kind.hpp"

namespace binade {

template <class T>
variable<T> relu(graph<T>& pass, const variable<T>& x, double ceiling) {
  const work_scope scope(work_kind::activations);
  const T top = T(ceiling);
  tensor<T> y = tensor<T>::uninitialized(x.shape());
  kernels::for_each_element(pass.pool(), y.size(),
                            [in = x.value().data(), out = y.data(), top](std::size_t i) BINADE_KERNEL_BODY {
                              const T positive = in[i] <= T(0) ? T(0) : in[i];
                              out[i] = positive >= top ? top : positive;
                            });
  round_output(pass, output_kind::activation, y);
  return pass.result(std::move(y), {&x}, [&pool = pass.pool(), x, top](const tensor<T>& gradient) {
    tensor<T> x_gradient = tensor<T>::uninitialized(x.shape());
    kernels::for_each_element(pool, gradient.size(),
                              [in = x.value().data(), dy = gradient.data(), dx = x_gradient.data(), top](std::size_t i)
                                  BINADE_KERNEL_BODY {
                                    const bool constant = (in[i] <= T(0)) | (in[i] >= top);
                                    dx[i] = constant ? T(0) : dy[i];
                                  });
    x.add_gradient(std::move(x_gradient), pool);
  });
}

template variable<float> relu(graph<float>&, const variable<float>&, double);
template variable<double> relu(graph<double>&, const variable<double>&, double);

}  // namespace binade
