#include "ops/pool2d.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binade/reduction.hpp"
#include "kernels/elementwise.hpp"

namespace binade {
namespace {

/// Windows over the planes of one image and channel.
struct pool_shape {
  std::size_t planes, height, width, kernel, stride, padding, out_height, out_width;

  std::size_t pixels() const { return height * width; }
  std::size_t positions() const { return out_height * out_width; }

  /// The part of window o that lies inside an axis of that size: [begin, end).
  std::pair<std::size_t, std::size_t> inside(std::size_t o, std::size_t size) const {
    const std::size_t first = o * stride;
    return {std::max(first, padding) - padding, std::min(size, first + kernel - padding)};
  }
  /// Calls body(index of the window in its plane, visit), where visit(f) calls f(pixel) for the pixels of the window in
  /// ascending (y, x).
  template <class Body>
  void for_each_window(const Body& body) const {
    for (std::size_t oy = 0; oy < out_height; ++oy)
      for (std::size_t ox = 0; ox < out_width; ++ox) {
        const auto ys = inside(oy, height), xs = inside(ox, width);
        body(oy * out_width + ox, [&, ys, xs](const auto& f) {
          for (std::size_t y = ys.first; y < ys.second; ++y)
            for (std::size_t x = xs.first; x < xs.second; ++x) f(y * width + x);
        });
      }
  }
};

template <class T>
pool_shape checked_shape(const char* function, const variable<T>& x, const pool2d_settings& settings) {
  const std::string name = function;
  require_rank(name, "x", x.shape(), 4);
  const extents& shape = x.shape();
  if (settings.kernel == 0) throw std::invalid_argument(name + ": kernel is 0; it must be at least 1");
  if (settings.padding > settings.kernel / 2)
    throw std::invalid_argument(name + ": padding is " + std::to_string(settings.padding) +
                                "; it must be at most half the kernel, which is " + std::to_string(settings.kernel));
  const std::size_t stride = settings.stride == 0 ? settings.kernel : settings.stride;
  const auto windows = [&](std::size_t axis) {
    const std::size_t padded = shape[axis] + 2 * settings.padding;
    if (settings.kernel > padded)
      throw std::invalid_argument(name + ": kernel is " + std::to_string(settings.kernel) + ", and x of shape " +
                                  to_string(shape) + " with padding " + std::to_string(settings.padding) +
                                  " is smaller; a window must fit");
    return (padded - settings.kernel) / stride + 1;
  };
  return {shape[0] * shape[1], shape[2], shape[3], settings.kernel, stride, settings.padding, windows(2), windows(3)};
}

template <class T>
extents pooled(const variable<T>& x, const pool_shape& s) {
  return {x.shape()[0], x.shape()[1], s.out_height, s.out_width};
}

}  // namespace

template <class T>
variable<T> max_pool2d(graph<T>& pass, const variable<T>& x, const pool2d_settings& settings) {
  const pool_shape s = checked_shape("max_pool2d", x, settings);
  tensor<T> y = tensor<T>::uninitialized(pooled(x, s));
  const auto winners = std::allocate_shared<pooled_vector<std::uint32_t>>(
      pool_allocator<std::uint32_t>(), y.size());  // pixel of each result in its plane
  pass.pool().parallel_for(s.planes, [&, out = y.data()](std::size_t plane) {
    const T* const in = x.value().data() + plane * s.pixels();
    s.for_each_window([&](std::size_t window, const auto& visit) {
      bool is_first = true;
      std::size_t best = 0;
      visit([&](std::size_t pixel) {
        if (is_first || in[pixel] > in[best] || (std::isnan(in[pixel]) && !std::isnan(in[best]))) best = pixel;
        is_first = false;
      });
      out[plane * s.positions() + window] = in[best];
      (*winners)[plane * s.positions() + window] = std::uint32_t(best);
    });
  });
  return pass.result(std::move(y), {&x}, [&pool = pass.pool(), x, winners, s](const tensor<T>& gradient) {
    tensor<T> x_gradient = tensor<T>::zeros(x.shape());
    pool.parallel_for(s.planes, [&, dx = x_gradient.data()](std::size_t plane) {
      const std::size_t first = plane * s.positions();
      for (std::size_t i = first; i < first + s.positions(); ++i) dx[plane * s.pixels() + (*winners)[i]] += gradient[i];
    });
    x.add_gradient(std::move(x_gradient), pool);
  });
}

template <class T>
variable<T> avg_pool2d(graph<T>& pass, const variable<T>& x, const pool2d_settings& settings) {
  const pool_shape s = checked_shape("avg_pool2d", x, settings);
  const T count = T(s.kernel * s.kernel);
  tensor<T> y = tensor<T>::uninitialized(pooled(x, s));
  pass.pool().parallel_for(s.planes, [&, out = y.data()](std::size_t plane) {
    const T* const in = x.value().data() + plane * s.pixels();
    s.for_each_window([&](std::size_t window, const auto& visit) {
      T sum = T(0);
      visit([&](std::size_t pixel) { sum += in[pixel]; });
      out[plane * s.positions() + window] = sum / count;
    });
  });
  return pass.result(std::move(y), {&x}, [&pool = pass.pool(), x, s, count](const tensor<T>& gradient) {
    tensor<T> x_gradient = tensor<T>::zeros(x.shape());
    pool.parallel_for(s.planes, [&, dx = x_gradient.data()](std::size_t plane) {
      s.for_each_window([&](std::size_t window, const auto& visit) {
        const T share = gradient[plane * s.positions() + window] / count;
        visit([&](std::size_t pixel) { dx[plane * s.pixels() + pixel] += share; });
      });
    });
    x.add_gradient(std::move(x_gradient), pool);
  });
}

template <class T>
variable<T> global_avg_pool(graph<T>& pass, const variable<T>& x) {
  require_rank("global_avg_pool", "x", x.shape(), 4);
  const std::size_t pixels = x.shape()[2] * x.shape()[3];
  tensor<T> y = tensor<T>::uninitialized({x.shape()[0], x.shape()[1]});
  kernels::for_each_row(pass.pool(), y.size(), pixels,
                        [in = x.value().data(), out = y.data(), pixels](std::size_t row)
                            BINADE_KERNEL_BODY { out[row] = reduction::sum(in + row * pixels, pixels) / T(pixels); });
  return pass.result(std::move(y), {&x}, [&pool = pass.pool(), x, pixels](const tensor<T>& gradient) {
    tensor<T> x_gradient = tensor<T>::uninitialized(x.shape());
    kernels::for_each_row(pool, gradient.size(), pixels,
                          [dy = gradient.data(), dx = x_gradient.data(), pixels](std::size_t row)
                              BINADE_KERNEL_BODY { std::fill_n(dx + row * pixels, pixels, dy[row] / T(pixels)); });
    x.add_gradient(std::move(x_gradient), pool);
  });
}

#define BINADE_INSTANTIATE(T)                                                             \
  template variable<T> max_pool2d(graph<T>&, const variable<T>&, const pool2d_settings&); \
  template variable<T> avg_pool2d(graph<T>&, const variable<T>&, const pool2d_settings&); \
  template variable<T> global_avg_pool(graph<T>&, const variable<T>&);
BINADE_INSTANTIATE(float)
BINADE_INSTANTIATE(double)
#undef BINADE_INSTANTIATE

}  // namespace binade
