#include "ops/layer_norm.hpp"

#include <cmath>

#include "binade/reduction.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"
#include "recipe/output_kind.hpp"

namespace binade {

template <class T>
variable<T> layer_norm(graph<T>& pass, const variable<T>& x, const variable<T>& weight, const variable<T>& bias,
                       double epsilon) {
  const work_scope scope(work_kind::norms);
  const extents shape = x.shape();
  if (shape.rank() == 0) throw std::invalid_argument("layer_norm: x holds nothing");
  const std::size_t width = shape.back(), rows = shape.count() / width;
  require_shape("layer_norm", "weight", weight.shape(), {width});
  require_shape("layer_norm", "bias", bias.shape(), {width});

  tensor<T> y = tensor<T>::uninitialized(shape);
  tensor<T> means = tensor<T>::uninitialized({rows}), inverses = tensor<T>::uninitialized({rows});
  kernels::for_each_row(
      pass.pool(), rows, width,
      [in = x.value().data(), w = weight.value().data(), b = bias.value().data(), out = y.data(), means = means.data(),
       inverses = inverses.data(), width, epsilon = T(epsilon)](std::size_t row) BINADE_KERNEL_BODY {
        const T* __restrict const a = in + row * width;
        T* __restrict const c = out + row * width;
        const T mean = reduction::sum(a, width) / T(width);
        const auto square = [a, mean](std::size_t i) BINADE_KERNEL_BODY { return (a[i] - mean) * (a[i] - mean); };
        const T inverse = T(1) / std::sqrt(reduction::sum_terms<T>(width, square) / T(width) + epsilon);
        for (std::size_t j = 0; j < width; ++j) c[j] = (a[j] - mean) * inverse * w[j] + b[j];
        means[row] = mean;
        inverses[row] = inverse;
      });
  round_output(pass, output_kind::norm, y);
  return pass.result(
      std::move(y), {&x, &weight, &bias},
      [&pool = pass.pool(), x, weight, bias, means, inverses, width, rows](const tensor<T>& gradient) {
        // With n = (x - mean) / deviation and g = dy weight:  dx = (g - mean(g) - n mean(g n)) / deviation.
        tensor<T> x_gradient = tensor<T>::uninitialized(x.shape()), products = tensor<T>::uninitialized(x.shape());
        kernels::for_each_row(pool, rows, width,
                              [in = x.value().data(), w = weight.value().data(), dy = gradient.data(),
                               dx = x_gradient.data(), product = products.data(), means = means.data(),
                               inverses = inverses.data(), width](std::size_t row) BINADE_KERNEL_BODY {
                                const T* __restrict const a = in + row * width;
                                const T* __restrict const d = dy + row * width;
                                T* __restrict const out = dx + row * width;
                                T* __restrict const p = product + row * width;
                                const T mean = means[row], inverse = inverses[row];
                                for (std::size_t j = 0; j < width; ++j) {
                                  out[j] = (a[j] - mean) * inverse;
                                  p[j] = d[j] * out[j];
                                }
                                const auto g = [d, w](std::size_t j) BINADE_KERNEL_BODY { return d[j] * w[j]; };
                                const auto gn = [d, w, out](std::size_t j)
                                                    BINADE_KERNEL_BODY { return d[j] * w[j] * out[j]; };
                                const T mean_g = reduction::sum_terms<T>(width, g) / T(width);
                                const T mean_gn = reduction::sum_terms<T>(width, gn) / T(width);
                                for (std::size_t j = 0; j < width; ++j)
                                  out[j] = (d[j] * w[j] - mean_g - out[j] * mean_gn) * inverse;
                              });
        x.add_gradient(std::move(x_gradient), pool);
        if (weight.requires_gradient()) {
          const auto target = weight.target();
          kernels::column_sum<T>(pool, products.values(), rows, width, target.sum.values(), target.accumulate);
        }
        if (bias.requires_gradient()) {
          const auto target = bias.target();
          kernels::column_sum<T>(pool, gradient.values(), rows, width, target.sum.values(), target.accumulate);
        }
      });
}

template variable<float> layer_norm(graph<float>&, const variable<float>&, const variable<float>&,
                                    const variable<float>&, double);
template variable<double> layer_norm(graph<double>&, const variable<double>&, const variable<double>&,
                                     const variable<double>&, double);

}  // namespace binade
