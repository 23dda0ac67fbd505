#include "ops/add.hpp"

#include <utility>

#include "kernels/elementwise.hpp"
#include "recipe/output_kind.hpp"

namespace binade {

namespace {

template <class T>
variable<T> sum_of(graph<T>& pass, const variable<T>& a, const variable<T>& b, tensor<T> sum) {
  return pass.result(std::move(sum), {&a, &b},
                     [&pool = pass.pool(), a = a.without_value(), b = b.without_value()](const tensor<T>& gradient) {
                       a.add_gradient(gradient, pool);
                       b.add_gradient(gradient, pool);
                     });
}
template <class T>
tensor<T> added(graph<T>& pass, const variable<T>& a, const variable<T>& b) {
  tensor<T> sum = tensor<T>::uninitialized(a.shape());
  kernels::for_each_element(pass.pool(), sum.size(),
                            [x = a.value().data(), y = b.value().data(), out = sum.data()](std::size_t i)
                                BINADE_KERNEL_BODY { out[i] = x[i] + y[i]; });
  return sum;
}

}  // namespace

template <class T>
variable<T> add(graph<T>& pass, const variable<T>& a, const variable<T>& b) {
  require_shape("add", "b", b.shape(), a.shape());
  return sum_of(pass, a, b, added(pass, a, b));
}

template <class T>
variable<T> add_to_stream(graph<T>& pass, const variable<T>& stream, const variable<T>& branch) {
  require_shape("add_to_stream", "branch", branch.shape(), stream.shape());
  tensor<T> sum = added(pass, stream, branch);
  round_output(pass, output_kind::residual, sum);
  return sum_of(pass, stream, branch, std::move(sum));
}

template variable<float> add(graph<float>&, const variable<float>&, const variable<float>&);
template variable<double> add(graph<double>&, const variable<double>&, const variable<double>&);
template variable<float> add_to_stream(graph<float>&, const variable<float>&, const variable<float>&);
template variable<double> add_to_stream(graph<double>&, const variable<double>&, const variable<double>&);

}  // namespace binade
