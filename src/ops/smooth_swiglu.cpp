#include "ops/smooth_swiglu.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "binade/reduction.hpp"
#include "kernels/elementwise.hpp"
#include "ops/linear.hpp"
#include "ops/swiglu.hpp"

namespace binade {
namespace {

/// Larger of a maximum so far and |x| if that is finite.
template <class T>
BINADE_KERNEL_INLINE T larger_finite(T so_far, T x) {
  const T magnitude = x < T(0) ? -x : x;
  return magnitude > so_far && magnitude <= std::numeric_limits<T>::max() ? magnitude : so_far;
}

/// The factor that belongs to a largest magnitude.
template <class T>
T factor_of(T largest, bool power_of_two) {
  if (largest == T(0)) return T(1);
  if (!power_of_two) return largest;
  // Past the significand field there is a carry into the exponent unless the field is zero.
  using bits = reduction::bits_of<T>;
  constexpr bits field = (bits(1) << (std::numeric_limits<T>::digits - 1)) - 1;
  const T most = std::bit_cast<T>(std::bit_cast<bits>(std::numeric_limits<T>::max()) & ~field);
  return std::min(std::bit_cast<T>((std::bit_cast<bits>(largest) + field) & ~field), most);
}

template <class T>
tensor<T> factors(thread_pool& pool, const tensor<T>& up, const smooth_swiglu_settings& settings) {
  const std::size_t columns = up.shape().back(), rows = up.size() / columns;
  tensor<T> result = tensor<T>::zeros({settings.per == smoothing::channel ? columns : rows});
  T* const largest = result.data();
  const T* const x = up.data();
  if (settings.per == smoothing::token) {
    kernels::for_each_row(pool, rows, columns, [x, largest, columns](std::size_t row) BINADE_KERNEL_BODY {
      T m = T(0);
      for (std::size_t j = 0; j < columns; ++j) m = larger_finite(m, x[row * columns + j]);
      largest[row] = m;
    });
  } else {
    pool.parallel_ranges(columns, 128, [=](std::size_t begin, std::size_t end) {
      kernels::multiversion([=]() BINADE_KERNEL_BODY {
        for (std::size_t row = 0; row < rows; ++row)
          for (std::size_t j = begin; j < end; ++j) largest[j] = larger_finite(largest[j], x[row * columns + j]);
      });
    });
  }
  for (T& m : result.values()) m = factor_of(m, settings.power_of_two);
  return result;
}

enum class application : bool { multiply, divide };

/// x by the factors of its columns (channel) or rows (token), which are constants.
template <application A, class T>
variable<T> apply(graph<T>& pass, const variable<T>& x, const tensor<T>& factors, smoothing per) {
  const auto applied = [&pool = pass.pool(), factors, per](const tensor<T>& from) {
    tensor<T> to = tensor<T>::uninitialized(from.shape());
    const std::size_t columns = from.shape().back();
    kernels::for_each_row(pool, from.size() / columns, columns,
                          [=, a = from.data(), b = to.data(), m = factors.data()](std::size_t row) BINADE_KERNEL_BODY {
                            for (std::size_t j = 0; j < columns; ++j) {
                              const T factor = m[per == smoothing::channel ? j : row];
                              const std::size_t i = row * columns + j;
                              b[i] = A == application::divide ? a[i] / factor : a[i] * factor;
                            }
                          });
    return to;
  };
  return pass.result(applied(x.value()), {&x},
                     [&pool = pass.pool(), x = x.without_value(), applied](const tensor<T>& gradient) {
                       x.add_gradient(applied(gradient), pool);
                     });
}

}  // namespace

template <class T>
variable<T> smooth_swiglu_down(graph<T>& pass, std::string_view site, const variable<T>& gate, const variable<T>& up,
                               const variable<T>& weight, const smooth_swiglu_settings& settings) {
  const work_scope scope(work_kind::activations);
  require_shape("smooth_swiglu_down", "up", up.shape(), gate.shape());
  require_rank("smooth_swiglu_down", "weight", weight.shape(), 2);
  require_shape("smooth_swiglu_down", "weight", weight.shape(), {weight.shape()[0], up.shape().back()});
  const tensor<T> m = factors(pass.pool(), up.value(), settings);
  const variable<T> hidden = swiglu(pass, gate, apply<application::divide>(pass, up, m, settings.per));
  if (settings.per == smoothing::channel)
    return linear<T>(pass, site, hidden, apply<application::multiply>(pass, weight, m, settings.per), {});
  return apply<application::multiply>(pass, linear<T>(pass, site, hidden, weight, {}), m, settings.per);
}

template variable<float> smooth_swiglu_down(graph<float>&, std::string_view, const variable<float>&,
                                            const variable<float>&, const variable<float>&,
                                            const smooth_swiglu_settings&);
template variable<double> smooth_swiglu_down(graph<double>&, std::string_view, const variable<double>&,
                                             const variable<double>&, const variable<double>&,
                                             const smooth_swiglu_settings&);

}  // namespace binade
