#include "ops/positions.hpp"

#include <algorithm>
#include <utility>

#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace binade {

template <class T>
variable<T> prepend_position(graph<T>& pass, const variable<T>& x, const variable<T>& first) {
  require_rank("prepend_position", "x", x.shape(), 3);
  const std::size_t batch = x.shape()[0], length = x.shape()[1], width = x.shape()[2];
  require_shape("prepend_position", "first", first.shape(), {width});
  tensor<T> longer = tensor<T>::uninitialized({batch, length + 1, width});
  kernels::for_each_row(pass.pool(), batch * (length + 1), width,
                        [=, from = x.value().data(), vector = first.value().data(), to = longer.data()](std::size_t row)
                            BINADE_KERNEL_BODY {
                              const std::size_t sequence = row / (length + 1), position = row % (length + 1);
                              const T* const source =
                                  position == 0 ? vector : from + (sequence * length + position - 1) * width;
                              std::copy_n(source, width, to + row * width);
                            });
  return pass.result(std::move(longer), {&x, &first}, [=, &pool = pass.pool()](const tensor<T>& gradient) {
    tensor<T> rest = tensor<T>::uninitialized(x.shape()), firsts = tensor<T>::uninitialized({batch, width});
    kernels::for_each_row(
        pool, batch * (length + 1), width,
        [=, d = gradient.data(), dx = rest.data(), df = firsts.data()](std::size_t row) BINADE_KERNEL_BODY {
          const std::size_t sequence = row / (length + 1), position = row % (length + 1);
          T* const target = position == 0 ? df + sequence * width : dx + (sequence * length + position - 1) * width;
          std::copy_n(d + row * width, width, target);
        });
    x.add_gradient(std::move(rest), pool);
    if (first.requires_gradient()) {
      const auto target = first.target();
      kernels::column_sum<T>(pool, std::as_const(firsts).values(), batch, width, target.sum.values(),
                             target.accumulate);
    }
  });
}

template <class T>
variable<T> first_position(graph<T>& pass, const variable<T>& x) {
  require_rank("first_position", "x", x.shape(), 3);
  const std::size_t batch = x.shape()[0], stride = x.shape()[1] * x.shape()[2], width = x.shape()[2];
  tensor<T> taken = tensor<T>::uninitialized({batch, width});
  for (std::size_t row = 0; row < batch; ++row)
    std::copy_n(x.value().data() + row * stride, width, taken.data() + row * width);
  return pass.result(std::move(taken), {&x}, [=, &pool = pass.pool()](const tensor<T>& gradient) {
    tensor<T> spread = tensor<T>::zeros(x.shape());
    for (std::size_t row = 0; row < batch; ++row)
      std::copy_n(gradient.data() + row * width, width, spread.data() + row * stride);
    x.add_gradient(std::move(spread), pool);
  });
}

template <class T>
variable<T> mean_over_positions(graph<T>& pass, const variable<T>& x) {
  require_rank("mean_over_positions", "x", x.shape(), 3);
  const std::size_t batch = x.shape()[0], length = x.shape()[1], width = x.shape()[2];
  tensor<T> mean = tensor<T>::uninitialized({batch, width});
  for (std::size_t row = 0; row < batch; ++row)
    kernels::column_sum<T>(pass.pool(), x.value().values().subspan(row * length * width, length * width), length, width,
                           mean.values().subspan(row * width, width), false);
  for (T& value : mean.values()) value = value / T(length);
  return pass.result(std::move(mean), {&x}, [=, &pool = pass.pool()](const tensor<T>& gradient) {
    tensor<T> spread = tensor<T>::uninitialized(x.shape());
    kernels::for_each_row(pool, batch * length, width,
                          [=, d = gradient.data(), dx = spread.data()](std::size_t row) BINADE_KERNEL_BODY {
                            const T* const from = d + row / length * width;
                            for (std::size_t j = 0; j < width; ++j) dx[row * width + j] = from[j] / T(length);
                          });
    x.add_gradient(std::move(spread), pool);
  });
}

#define BINADE_INSTANTIATE(T)                                                               \
  template variable<T> prepend_position(graph<T>&, const variable<T>&, const variable<T>&); \
  template variable<T> first_position(graph<T>&, const variable<T>&);                       \
  template variable<T> mean_over_positions(graph<T>&, const variable<T>&);
BINADE_INSTANTIATE(float)
BINADE_INSTANTIATE(double)
#undef BINADE_INSTANTIATE

}  // namespace binade
