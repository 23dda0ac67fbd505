#include "ops/batch_norm.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "binade/elementary.hpp"
#include "binade/reduction.hpp"
#include "kernels/elementwise.hpp"
#include "recipe/output_kind.hpp"

namespace binade {
namespace {

/// x as (images, channels, positions).
struct batch_shape {
  std::size_t images, channels, positions;

  std::size_t count() const { return images * positions; }  ///< elements of a channel
  /// Of the plane of a channel in an image.
  std::size_t first(std::size_t image, std::size_t channel) const { return (image * channels + channel) * positions; }
};

/// Sums over the elements of a channel, image after image, in the written order: term(sums, i) adds what element i of
/// the array gives to each of the sums.
template <class T, std::size_t Sums>
struct channel_sums {
  T lanes[Sums][reduction::lane_count];
  reduction::neighbour_tree<T> trees[Sums];

  template <class Terms>
  BINADE_KERNEL_INLINE static void of(const batch_shape& s, std::size_t channel, const Terms& terms, T* sums) {
    channel_sums all;
    all.clear();
    std::size_t at = 0;  // in the chunk
    for (std::size_t image = 0; image < s.images; ++image) {
      const std::size_t first = s.first(image, channel);
      for (std::size_t j = 0; j < s.positions;) {
        const std::size_t end = j + std::min(s.positions - j, reduction::chunk_size - at);
        all.add(first, j, end, at, terms);
        at += end - j;
        j = end;
        if (at == reduction::chunk_size) {
          all.join();
          at = 0;
        }
      }
    }
    if (at != 0) all.join();
    for (std::size_t k = 0; k < Sums; ++k) sums[k] = all.trees[k].root();
  }

 private:
  BINADE_KERNEL_INLINE void clear() {
    for (std::size_t k = 0; k < Sums; ++k)
      for (std::size_t l = 0; l < reduction::lane_count; ++l) lanes[k][l] = T(0);
  }
  BINADE_KERNEL_INLINE void join() {
    for (std::size_t k = 0; k < Sums; ++k) trees[k].push(reduction::join_lanes(lanes[k]));
    clear();
  }
  /// The elements [j, end) of a plane; the first of them is at that place in the chunk.
  template <class Terms>
  BINADE_KERNEL_INLINE void add(std::size_t first, std::size_t j, std::size_t end, std::size_t at, const Terms& terms) {
    const auto add_one = [&](std::size_t element, std::size_t lane) BINADE_KERNEL_BODY {
      T values[Sums];
      terms(first + element, values);
      for (std::size_t k = 0; k < Sums; ++k) lanes[k][lane] = lanes[k][lane] + values[k];
    };
    for (std::size_t lane = at % reduction::lane_count; lane != 0 && lane < reduction::lane_count && j < end; ++lane)
      add_one(j++, lane);
    if (end - j >= reduction::lane_count) {
      T sums[Sums][reduction::lane_count];  // no store through a pointer can change them, so they stay in registers
      std::copy_n(&lanes[0][0], Sums * reduction::lane_count, &sums[0][0]);
      for (; end - j >= reduction::lane_count; j += reduction::lane_count)
        for (std::size_t l = 0; l < reduction::lane_count; ++l) {
          T values[Sums];
          terms(first + j + l, values);
          for (std::size_t k = 0; k < Sums; ++k) sums[k][l] = sums[k][l] + values[k];
        }
      std::copy_n(&sums[0][0], Sums * reduction::lane_count, &lanes[0][0]);
    }
    for (std::size_t lane = 0; j < end; ++lane) add_one(j++, lane);
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
    means = tensor<T>::uninitialized({s.channels});
    variances = tensor<T>::uninitialized({s.channels});
  }
  tensor<T> inverses = tensor<T>::uninitialized({s.channels});
  tensor<T> y = tensor<T>::uninitialized(x.shape());
  // A channel goes through all of its passes at once: it stays in the cache.
  kernels::for_each_row(
      pool, s.channels, count,
      [in = x.value().data(), out = y.data(), w = weight.value().data(), b = bias.value().data(),
       known_means = std::as_const(means).data(), known_variances = std::as_const(variances).data(),
       means = training ? means.data() : nullptr, variances = training ? variances.data() : nullptr,
       inverses = inverses.data(), epsilon = T(settings.epsilon), s, count](std::size_t channel) BINADE_KERNEL_BODY {
        const T* __restrict const a = in;
        if (means != nullptr) {
          T sum;
          channel_sums<T, 1>::of(
              s, channel, [a](std::size_t i, T* term) BINADE_KERNEL_BODY { term[0] = a[i]; }, &sum);
          const T mean = sum / T(count);
          channel_sums<T, 1>::of(
              s, channel,
              [a, mean](std::size_t i, T* term) BINADE_KERNEL_BODY { term[0] = (a[i] - mean) * (a[i] - mean); }, &sum);
          means[channel] = mean;
          variances[channel] = sum / T(count);
        }
        const T mean = known_means[channel], inverse = T(1) / math::sqrt(known_variances[channel] + epsilon),
                slope = w[channel], shift = b[channel];
        inverses[channel] = inverse;
        for (std::size_t image = 0; image < s.images; ++image) {
          const T* __restrict const from = in + s.first(image, channel);
          T* __restrict const to = out + s.first(image, channel);
          for (std::size_t j = 0; j < s.positions; ++j) to[j] = (from[j] - mean) * inverse * slope + shift;
        }
      });
  if (training) {
    move_towards(running.mean, means, T(settings.momentum), T(1));
    move_towards(running.variance, variances, T(settings.momentum), T(count) / T(count - 1));
  }
  round_output(pass, output_kind::norm, y);
  return pass.result(
      std::move(y), {&x, &weight, &bias},
      [&pool, x, weight, bias, means, inverses, s, count, training](const tensor<T>& gradient) {
        // With n = (x - mean) / deviation and g = dy weight:  dx = (g - mean(g) - n mean(g n)) /
        // deviation, and without the means where the statistics do not depend on x.
        tensor<T> weight_gradient = tensor<T>::uninitialized({s.channels});
        tensor<T> bias_gradient = tensor<T>::uninitialized({s.channels});
        tensor<T> x_gradient = tensor<T>::uninitialized(x.shape());
        kernels::for_each_row(
            pool, s.channels, count,
            [in = x.value().data(), dy = gradient.data(), w = weight.value().data(), means = means.data(),
             inverses = inverses.data(), dw = weight_gradient.data(), db = bias_gradient.data(), dx = x_gradient.data(),
             s, count, training](std::size_t channel) BINADE_KERNEL_BODY {
              const T mean = means[channel], inverse = inverses[channel], slope = w[channel] * inverse;
              T sums[2];
              channel_sums<T, 2>::of(
                  s, channel,
                  [in, dy, mean, inverse](std::size_t i, T* terms) BINADE_KERNEL_BODY {
                    terms[0] = dy[i];
                    terms[1] = dy[i] * ((in[i] - mean) * inverse);
                  },
                  sums);
              db[channel] = sums[0];
              dw[channel] = sums[1];
              const T mean_d = training ? sums[0] / T(count) : T(0), mean_dn = training ? sums[1] / T(count) : T(0);
              for (std::size_t image = 0; image < s.images; ++image) {
                const T* __restrict const a = in + s.first(image, channel), * __restrict const d =
                                                                                dy + s.first(image, channel);
                T* __restrict const to = dx + s.first(image, channel);
                for (std::size_t j = 0; j < s.positions; ++j)
                  to[j] = (d[j] - mean_d - (a[j] - mean) * inverse * mean_dn) * slope;
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
