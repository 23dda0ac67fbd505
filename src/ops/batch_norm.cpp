#include "ops/batch_norm.hpp"

#include <string>
#include <utility>

#include "binade/elementary.hpp"
#include "binade/reduction.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/unfold.hpp"
#include "recipe/output_kind.hpp"

namespace binade {
namespace {

/// x as (images, channels, positions).
struct batch_shape {
  std::size_t images, channels, positions;

  std::size_t count() const { return images * positions; }  ///< elements of a channel
  /// (channels, images positions): a row per channel.
  template <class T>
  tensor<T> by_channel(const tensor<T>& x, thread_pool& pool) const {
    tensor<T> rows = tensor<T>::uninitialized({channels, count()});
    kernels::swap_leading_axes<T>(pool, images, channels, positions, x.data(), rows.data());
    return rows;
  }
};

template <class T>
batch_shape checked_shape(const graph<T>& pass, const variable<T>& x, const variable<T>& weight,
                          const variable<T>& bias, const batch_norm_buffers<T>& running,
                          const batch_norm_settings& settings) {
  const extents shape = x.shape();
  if (shape.rank() < 2)
    throw std::invalid_argument("batch_norm: x has shape " + to_string(shape) + "; it must have 2 to 4 sizes");
  const batch_shape s{shape[0], shape[1], shape.count() / (shape[0] * shape[1])};
  require_shape("batch_norm", "weight", weight.shape(), {s.channels});
  require_shape("batch_norm", "bias", bias.shape(), {s.channels});
  require_shape("batch_norm", "running.mean", running.mean.shape(), {s.channels});
  require_shape("batch_norm", "running.variance", running.variance.shape(), {s.channels});
  if (!(settings.momentum >= 0 && settings.momentum <= 1))
    throw std::invalid_argument("batch_norm: momentum is " + std::to_string(settings.momentum) + "; it must be 0 to 1");
  if (pass.is_training() && s.count() == 1)
    throw std::invalid_argument("batch_norm: x has shape " + to_string(shape) +
                                ", one element per channel; in training there must be more");
  return s;
}

/// running = (1 - momentum) running + momentum fresh factor
template <class T>
void move_towards(const variable<T>& running, const tensor<T>& fresh, T momentum, T factor) {
  tensor<T> moved = tensor<T>::uninitialized(running.shape());
  for (std::size_t i = 0; i < moved.size(); ++i)
    moved[i] = (T(1) - momentum) * running.value()[i] + momentum * (fresh[i] * factor);
  running.mutable_value() = std::move(moved);
}

}  // namespace

template <class T>
variable<T> batch_norm(graph<T>& pass, const variable<T>& x, const variable<T>& weight, const variable<T>& bias,
                       const batch_norm_buffers<T>& running, const batch_norm_settings& settings) {
  const work_scope scope(work_kind::norms);
  const batch_shape s = checked_shape(pass, x, weight, bias, running, settings);
  const std::size_t count = s.count();
  const bool training = pass.is_training();
  thread_pool& pool = pass.pool();

  tensor<T> means = running.mean.value(), variances = running.variance.value();
  if (training) {
    const tensor<T> rows = s.by_channel(x.value(), pool);
    means = tensor<T>::uninitialized({s.channels});
    variances = tensor<T>::uninitialized({s.channels});
    kernels::for_each_row(pool, s.channels, count,
                          [in = rows.data(), means = means.data(), variances = variances.data(), count](std::size_t row)
                              BINADE_KERNEL_BODY {
                                const T* __restrict const a = in + row * count;
                                const T mean = reduction::sum(a, count) / T(count);
                                const auto square = [a, mean](std::size_t i)
                                                        BINADE_KERNEL_BODY { return (a[i] - mean) * (a[i] - mean); };
                                means[row] = mean;
                                variances[row] = reduction::sum_terms<T>(count, square) / T(count);
                              });
    move_towards(running.mean, means, T(settings.momentum), T(1));
    move_towards(running.variance, variances, T(settings.momentum), T(count) / T(count - 1));
  }
  tensor<T> inverses = tensor<T>::uninitialized({s.channels});
  for (std::size_t i = 0; i < s.channels; ++i)
    inverses[i] = T(1) / math::sqrt(std::as_const(variances)[i] + T(settings.epsilon));
  tensor<T> y = tensor<T>::uninitialized(x.shape());
  kernels::for_each_row(pool, s.images * s.channels, s.positions,
                        [in = x.value().data(), out = y.data(), w = weight.value().data(), b = bias.value().data(),
                         means = std::as_const(means).data(), inverses = std::as_const(inverses).data(),
                         s](std::size_t plane) BINADE_KERNEL_BODY {
                          const T* __restrict const from = in + plane * s.positions;
                          T* __restrict const to = out + plane * s.positions;
                          const std::size_t channel = plane % s.channels;
                          const T mean = means[channel], inverse = inverses[channel], slope = w[channel],
                                  shift = b[channel];
                          for (std::size_t j = 0; j < s.positions; ++j)
                            to[j] = (from[j] - mean) * inverse * slope + shift;
                        });
  round_output(pass, output_kind::norm, y);
  return pass.result(
      std::move(y), {&x, &weight, &bias},
      [&pool, x, weight, bias, means, inverses, s, count, training](const tensor<T>& gradient) {
        // With n = (x - mean) / deviation and g = dy weight:  dx = (g - mean(g) - n mean(g n)) /
        // deviation, and without the means where the statistics do not depend on x.
        tensor<T> normalized = s.by_channel(x.value(), pool);
        const tensor<T> arrived = s.by_channel(gradient, pool);
        tensor<T> weight_gradient = tensor<T>::uninitialized({s.channels});
        tensor<T> bias_gradient = tensor<T>::uninitialized({s.channels});
        tensor<T> x_gradient = tensor<T>::uninitialized(x.shape());
        kernels::for_each_row(
            pool, s.channels, count,
            [data = normalized.data(), dy = arrived.data(), w = weight.value().data(), means = means.data(),
             inverses = inverses.data(), dw = weight_gradient.data(), db = bias_gradient.data(), dx = x_gradient.data(),
             s, count, training](std::size_t row) BINADE_KERNEL_BODY {
              T* __restrict const n = data + row * count;
              const T* __restrict const d = dy + row * count;
              const T mean = means[row], inverse = inverses[row], slope = w[row] * inverse;
              for (std::size_t j = 0; j < count; ++j) n[j] = (n[j] - mean) * inverse;
              const T sum = reduction::sum(d, count), product = reduction::dot(d, n, count);
              db[row] = sum;
              dw[row] = product;
              const T mean_d = training ? sum / T(count) : T(0), mean_dn = training ? product / T(count) : T(0);
              for (std::size_t image = 0; image < s.images; ++image) {
                const std::size_t first = image * s.positions;
                T* __restrict const to = dx + (image * s.channels + row) * s.positions;
                for (std::size_t j = 0; j < s.positions; ++j)
                  to[j] = (d[first + j] - mean_d - n[first + j] * mean_dn) * slope;
              }
            });
        if (x.requires_gradient()) x.add_gradient(std::move(x_gradient), pool);
        weight.add_gradient(std::move(weight_gradient), pool);
        bias.add_gradient(std::move(bias_gradient), pool);
      });
}

template variable<float> batch_norm(graph<float>&, const variable<float>&, const variable<float>&,
                                    const variable<float>&, const batch_norm_buffers<float>&,
                                    const batch_norm_settings&);
template variable<double> batch_norm(graph<double>&, const variable<double>&, const variable<double>&,
                                     const variable<double>&, const batch_norm_buffers<double>&,
                                     const batch_norm_settings&);

}  // namespace binade
