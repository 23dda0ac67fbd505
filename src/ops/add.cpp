#include "ops/add.hpp"

#include "kernels/elementwise.hpp"
#include "recipe/output_kind.hpp"

namespace binade {

template <class T>
variable<T> add(graph<T>& pass, const variable<T>& a, const variable<T>& b) {
  require_shape("add", "b", b.shape(), a.shape());
  tensor<T> sum = tensor<T>::uninitialized(a.shape());
  kernels::for_each_element(pass.pool(), sum.size(),
                            [x = a.value().data(), y = b.value().data(), out = sum.data()](std::size_t i)
                                BINADE_KERNEL_BODY { out[i] = x[i] + y[i]; });
  round_output(pass, output_kind::residual, sum);
  return pass.result(std::move(sum), {&a, &b},
                     [&pool = pass.pool(), a = a.without_value(), b = b.without_value()](const tensor<T>& gradient) {
                       a.add_gradient(gradient, pool);
                       b.add_gradient(gradient, pool);
                     });
}

template variable<float> add(graph<float>&, const variable<float>&, const variable<float>&);
template variable<double> add(graph<double>&, const variable<double>&, const variable<double>&);

}  // namespace binade
