#include "ops/gelu.hpp"

#include <utility>

#include "kernels/elementwise.hpp"
#include "recipe/output_kind.hpp"

namespace binade {

template <class T>
variable<T> gelu(graph<T>& pass, const variable<T>& x) {
  tensor<T> y = tensor<T>::uninitialized(x.shape());
  kernels::gelu<T>(pass.pool(), x.value().values(), y.values());
  round_output(pass, output_kind::activation, y);
  return pass.result(std::move(y), {&x}, [&pool = pass.pool(), x](const tensor<T>& gradient) {
    tensor<T> x_gradient = tensor<T>::uninitialized(x.shape());
    kernels::gelu_backward<T>(pool, x.value().values(), gradient.values(), x_gradient.values());
    x.add_gradient(std::move(x_gradient), pool);
  });
}

template variable<float> gelu(graph<float>&, const variable<float>&);
template variable<double> gelu(graph<double>&, const variable<double>&);

}  // namespace binade
