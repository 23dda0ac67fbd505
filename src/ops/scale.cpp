#include "ops/scale.hpp"

#include <utility>

#include "kernels/elementwise.hpp"

namespace binade {
namespace {

template <class T>
tensor<T> scaled(const tensor<T>& x, T factor, thread_pool& pool) {
  tensor<T> result = tensor<T>::uninitialized(x.shape());
  kernels::for_each_element(pool, x.size(),
                            [in = x.data(), out = result.data(), factor](std::size_t i)
                                BINADE_KERNEL_BODY { out[i] = in[i] * factor; });
  return result;
}

}  // namespace

template <class T>
variable<T> scale(graph<T>& pass, const variable<T>& x, double factor) {
  return pass.result(scaled(x.value(), T(factor), pass.pool()), {&x},
                     [&pool = pass.pool(), x = x.without_value(), factor = T(factor)](const tensor<T>& gradient) {
                       x.add_gradient(scaled(gradient, factor, pool), pool);
                     });
}

template variable<float> scale(graph<float>&, const variable<float>&, double);
template variable<double> scale(graph<double>&, const variable<double>&, double);

}  // namespace binade
