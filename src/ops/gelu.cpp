#include "ops/gelu.hpp"

#include "kernels/elementwise.hpp"

namespace binade {

template <class T>
variable<T> gelu(graph<T>& pass, const variable<T>& x) {
  tensor<T> y = tensor<T>::uninitialized(x.shape());
  kernels::gelu<T>(pass.pool(), x.value().values(), y.values());
  return pass.result(std::move(y), {&x}, [&pool = pass.pool(), x](const tensor<T>& gradient) {
    const auto target = x.target();
    if (!target.accumulate) std::fill_n(target.sum.data(), target.sum.size(), T(0));
    kernels::gelu_backward<T>(pool, x.value().values(), gradient.values(), target.sum.values());
  });
}

template variable<float> gelu(graph<float>&, const variable<float>&);
template variable<double> gelu(graph<double>&, const variable<double>&);

}  // namespace binade
