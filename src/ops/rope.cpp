#include "ops/rope.hpp"

#include <cmath>
#include <string>

#include "binade/elementary.hpp"
#include "kernels/elementwise.hpp"

namespace binade {
namespace {

/// Rows of out = rows of x rotated by the angles, or back.
template <class T>
void rotate(thread_pool& pool, const tensor<T>& x, const rotation_table<T>& table, T direction, tensor<T>& out) {
  const std::size_t length = x.shape()[2], width = x.shape()[3], half = width / 2;
  kernels::for_each_row(pool, x.size() / width, width,
                        [=, in = x.data(), result = out.data(), cosines = table.cosine.data(),
                         sines = table.sine.data()](std::size_t row) BINADE_KERNEL_BODY {
                          const std::size_t position = row % length;
                          const T* __restrict const a = in + row * width;
                          T* __restrict const b = result + row * width;
                          const T* __restrict const cosine = cosines + position * half;
                          const T* __restrict const sine = sines + position * half;
                          for (std::size_t j = 0; j < half; ++j) {
                            const T s = direction * sine[j];
                            b[j] = a[j] * cosine[j] - a[j + half] * s;
                            b[j + half] = a[j + half] * cosine[j] + a[j] * s;
                          }
                        });
}

}  // namespace

template <class T>
rotation_table<T> rotation_table<T>::make(std::size_t positions, std::size_t width, double base) {
  if (width == 0 || width % 2 != 0)
    throw std::invalid_argument("rotation_table: the head width is " + std::to_string(width) +
                                "; rotary positions pair up its halves, so it must be even and not 0");
  if (!(base > 1) || !std::isfinite(base))
    throw std::invalid_argument("rotation_table: the base must be a finite number above 1");
  const std::size_t half = width / 2;
  rotation_table table{tensor<T>::uninitialized({positions, half}), tensor<T>::uninitialized({positions, half})};
  const double log_base = math::log(base);
  for (std::size_t j = 0; j < half; ++j) {
    const double frequency = math::exp(-2 * double(j) / double(width) * log_base);
    for (std::size_t position = 0; position < positions; ++position) {
      const double angle = double(position) * frequency;
      table.cosine[position * half + j] = T(math::cos(angle));
      table.sine[position * half + j] = T(math::sin(angle));
    }
  }
  return table;
}

template <class T>
variable<T> rope(graph<T>& pass, const variable<T>& x, const rotation_table<T>& table) {
  const work_scope scope(work_kind::attention);
  require_rank("rope", "x", x.shape(), 4);
  const std::size_t positions = table.cosine.shape()[0], width = 2 * table.cosine.shape()[1];
  if (x.shape()[2] > positions || x.shape()[3] != width)
    throw std::invalid_argument("rope: x has shape " + to_string(x.shape()) + "; the table serves at most " +
                                std::to_string(positions) + " positions of width " + std::to_string(width));
  tensor<T> rotated = tensor<T>::uninitialized(x.shape());
  rotate(pass.pool(), x.value(), table, T(1), rotated);
  return pass.result(std::move(rotated), {&x},
                     [&pool = pass.pool(), x = x.without_value(), table](const tensor<T>& gradient) {
                       tensor<T> back = tensor<T>::uninitialized(x.shape());
                       rotate(pool, gradient, table, T(-1), back);
                       x.add_gradient(std::move(back), pool);
                     });
}

template struct rotation_table<float>;
template struct rotation_table<double>;
template variable<float> rope(graph<float>&, const variable<float>&, const rotation_table<float>&);
template variable<double> rope(graph<double>&, const variable<double>&, const rotation_table<double>&);

}  // namespace binade
