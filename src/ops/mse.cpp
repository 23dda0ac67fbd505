#include "ops/mse.hpp"

#include <utility>

#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace binade {

template <class T>
variable<T> mse(graph<T>& pass, const variable<T>& x, const variable<T>& target) {
  const work_scope scope(work_kind::loss);
  require_shape("mse", "target", target.shape(), x.shape());
  const T count = T(x.value().size());
  tensor<T> difference = tensor<T>::uninitialized(x.shape());
  kernels::for_each_element(pass.pool(), difference.size(),
                            [a = x.value().data(), b = target.value().data(), out = difference.data()](std::size_t i)
                                BINADE_KERNEL_BODY { out[i] = a[i] - b[i]; });
  const T mean = kernels::sum_of_squares<T>(pass.pool(), difference.values()) / count;
  return pass.result(tensor<T>::full({1}, mean), {&x, &target},
                     [&pool = pass.pool(), x, target, difference, count](const tensor<T>& gradient) {
                       const auto contribute = [&](const variable<T>& to, T factor) {
                         if (!to.requires_gradient()) return;
                         tensor<T> result = tensor<T>::uninitialized(difference.shape());
                         kernels::for_each_element(pool, result.size(),
                                                   [d = difference.data(), out = result.data(), factor](std::size_t i)
                                                       BINADE_KERNEL_BODY { out[i] = d[i] * factor; });
                         to.add_gradient(std::move(result), pool);
                       };
                       const T factor = T(2) * gradient[0] / count;
                       contribute(x, factor);
                       contribute(target, -factor);
                     });
}

template variable<float> mse(graph<float>&, const variable<float>&, const variable<float>&);
template variable<double> mse(graph<double>&, const variable<double>&, const variable<double>&);

}  // namespace binade
