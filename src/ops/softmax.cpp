#include "ops/softmax.hpp"

#include <stdexcept>
#include <utility>

#include "kernels/elementwise.hpp"
#include "recipe/output_kind.hpp"

namespace binade {

template <class T>
variable<T> softmax(graph<T>& pass, const variable<T>& x) {
  if (x.shape().rank() == 0) throw std::invalid_argument("softmax: x holds nothing");
  const std::size_t columns = x.shape().back(), rows = x.value().size() / columns;
  tensor<T> y = tensor<T>::uninitialized(x.shape());
  kernels::softmax_rows<T>(pass.pool(), x.value().values(), rows, columns, T(1), kernels::row_mask::none, y.values());
  round_output(pass, output_kind::softmax, y);
  return pass.result(y, {&x}, [&pool = pass.pool(), x, y, rows, columns](const tensor<T>& gradient) {
    tensor<T> x_gradient = tensor<T>::uninitialized(x.shape());
    kernels::softmax_rows_backward<T>(pool, y.values(), gradient.values(), rows, columns, T(1), kernels::row_mask::none,
                                      x_gradient.values());
    x.add_gradient(std::move(x_gradient), pool);
  });
}

template variable<float> softmax(graph<float>&, const variable<float>&);
template variable<double> softmax(graph<double>&, const variable<double>&);

}  // namespace binade
