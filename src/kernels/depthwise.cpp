#include "kernels/depthwise.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "buffer_pool.hpp"
#include "kernels/cpu.hpp"

namespace binade::kernels {
namespace {

/// One channel of one image in the middle of its padding, so that every window is inside.
template <class T>
class padded_plane {
 public:
  explicit padded_plane(const window_geometry& g)
      : g_(g), width_(g.width + 2 * g.padding), values_((g.height + 2 * g.padding) * width_, T(0)) {}

  void fill(const T* plane) {
    for (std::size_t y = 0; y < g_.height; ++y)
      std::copy_n(plane + y * g_.width, g_.width, values_.data() + (y + g_.padding) * width_ + g_.padding);
  }
  /// Where the windows of a row begin; neighbours are a stride apart.
  const T* row(std::size_t oy) const { return values_.data() + oy * g_.stride * width_; }
  std::size_t width() const { return width_; }

 private:
  const window_geometry& g_;
  std::size_t width_;
  pooled_vector<T> values_;
};

/// out[ox] = fma(weight, in[ox stride], out[ox])
template <class T>
BINADE_KERNEL_INLINE void add_tap(T weight, const T* __restrict in, std::size_t stride, std::size_t count,
                                  T* __restrict out) {
  if (stride == 1) {
    for (std::size_t i = 0; i < count; ++i) out[i] = std::fma(weight, in[i], out[i]);
  } else {
    for (std::size_t i = 0; i < count; ++i) out[i] = std::fma(weight, in[i * stride], out[i]);
  }
}

/// The chains of all taps of a kernel over one plane; Height and Width of the kernel, or 0 for any.
template <class T, std::size_t Height, std::size_t Width>
BINADE_KERNEL_INLINE void add_plane(const window_geometry& g, const padded_plane<T>& plane, const T* dy, T* chains) {
  const std::size_t height = Height == 0 ? g.kernel_height : Height, width = Width == 0 ? g.kernel_width : Width;
  std::array<T, Height == 0 ? 1 : Height * Width> fixed;
  T* const sums = Height == 0 ? chains : fixed.data();
  if constexpr (Height != 0) std::copy_n(chains, Height * Width, sums);
  for (std::size_t oy = 0; oy < g.out_height; ++oy) {
    const T* const row = plane.row(oy);
    for (std::size_t ox = 0; ox < g.out_width; ++ox) {
      const T d = dy[oy * g.out_width + ox];
      const T* const window = row + ox * g.stride;
      for (std::size_t ky = 0; ky < height; ++ky)
        for (std::size_t kx = 0; kx < width; ++kx)
          sums[ky * width + kx] = std::fma(d, window[ky * plane.width() + kx], sums[ky * width + kx]);
    }
  }
  if constexpr (Height != 0) std::copy_n(sums, Height * Width, chains);
}

}  // namespace

template <class T>
void depthwise(thread_pool& pool, const window_geometry& g, std::size_t images, const T* x, const T* weight,
               const T* bias, T* y) {
  pool.parallel_for(images * g.channels, [&](std::size_t index) {
    const std::size_t channel = index % g.channels;
    padded_plane<T> plane(g);
    plane.fill(x + index * g.pixels());
    multiversion([&, channel]() BINADE_KERNEL_BODY {
      const T* const taps = weight + channel * g.window();
      for (std::size_t oy = 0; oy < g.out_height; ++oy) {
        T* const out = y + (index * g.out_height + oy) * g.out_width;
        std::fill_n(out, g.out_width, T(0));
        for (std::size_t ky = 0; ky < g.kernel_height; ++ky)
          for (std::size_t kx = 0; kx < g.kernel_width; ++kx)
            add_tap(taps[ky * g.kernel_width + kx], plane.row(oy) + ky * plane.width() + kx, g.stride, g.out_width,
                    out);
        if (bias != nullptr)
          for (std::size_t i = 0; i < g.out_width; ++i) out[i] = bias[channel] + out[i];
      }
    });
  });
}

template <class T>
void depthwise_input_gradient(thread_pool& pool, const window_geometry& g, std::size_t images, const T* weight,
                              const T* dy, T* dx) {
  const std::size_t width = g.width + 2 * g.padding, height = g.height + 2 * g.padding;
  pool.parallel_for(images * g.channels, [&](std::size_t index) {
    const std::size_t image = index / g.channels, channel = index % g.channels;
    pooled_vector<T> padded(height * width, T(0));  // what falls on the padding is left behind
    T* const sums = padded.data();
    multiversion([&, sums, image, channel]() BINADE_KERNEL_BODY {
      const T* const plane = dy + (channel * images + image) * g.positions();
      for (std::size_t ky = 0; ky < g.kernel_height; ++ky)
        for (std::size_t kx = 0; kx < g.kernel_width; ++kx) {
          const T tap = weight[channel * g.window() + ky * g.kernel_width + kx];
          for (std::size_t oy = 0; oy < g.out_height; ++oy) {
            const T* __restrict const in = plane + oy * g.out_width;
            T* __restrict const out = sums + (oy * g.stride + ky) * width + kx;
            if (g.stride == 1) {
              for (std::size_t i = 0; i < g.out_width; ++i) out[i] += tap * in[i];
            } else {
              for (std::size_t i = 0; i < g.out_width; ++i) out[i * g.stride] += tap * in[i];
            }
          }
        }
    });
    for (std::size_t row = 0; row < g.height; ++row)
      std::copy_n(sums + (row + g.padding) * width + g.padding, g.width, dx + index * g.pixels() + row * g.width);
  });
}

template <class T>
void depthwise_weight_gradient(thread_pool& pool, const window_geometry& g, std::size_t images, const T* x, const T* dy,
                               std::size_t dy_distance, T* dweight, bool accumulate) {
  pool.parallel_for(g.channels, [&](std::size_t channel) {
    padded_plane<T> plane(g);
    pooled_vector<T> chains(g.window(), T(0));
    for (std::size_t image = 0; image < images; ++image) {
      plane.fill(x + (image * g.channels + channel) * g.pixels());
      const T* const d = dy + channel * dy_distance + image * g.positions();
      multiversion([&, d]() BINADE_KERNEL_BODY {
        if (g.kernel_height == 3 && g.kernel_width == 3) {
          add_plane<T, 3, 3>(g, plane, d, chains.data());
        } else {
          add_plane<T, 0, 0>(g, plane, d, chains.data());
        }
      });
    }
    T* const out = dweight + channel * g.window();
    for (std::size_t i = 0; i < g.window(); ++i) out[i] = accumulate ? out[i] + chains[i] : chains[i];
  });
}

#define BINADE_INSTANTIATE(T)                                                                                        \
  template void depthwise(thread_pool&, const window_geometry&, std::size_t, const T*, const T*, const T*, T*);      \
  template void depthwise_input_gradient(thread_pool&, const window_geometry&, std::size_t, const T*, const T*, T*); \
  template void depthwise_weight_gradient(thread_pool&, const window_geometry&, std::size_t, const T*, const T*,     \
                                          std::size_t, T*, bool);
BINADE_INSTANTIATE(float)
BINADE_INSTANTIATE(double)
#undef BINADE_INSTANTIATE

}  // namespace binade::kernels
