#include "kernels/unfold.hpp"

#include <algorithm>

#include "kernels/elementwise.hpp"

namespace binade::kernels {
namespace {

struct range {
  std::size_t begin, end;
};

/// The o in [0, count) for which o stride + offset - padding lies in [0, size).
range inside(std::size_t count, std::size_t stride, std::size_t offset, std::size_t padding, std::size_t size) {
  const std::size_t begin = offset >= padding ? 0 : (padding - offset + stride - 1) / stride;
  const std::size_t past = size + padding;  // o stride + offset < past
  const std::size_t end = offset >= past ? 0 : (past - offset + stride - 1) / stride;
  return {std::min(begin, count), std::max(std::min(begin, count), std::min(end, count))};
}

}  // namespace

template <class T>
void fold(thread_pool& pool, const window_geometry& g, std::size_t images, const T* columns, T* out) {
  const std::size_t positions = g.positions();
  for_each_row(pool, images * g.channels, g.window() * positions,
               [&g, images, columns, out, positions](std::size_t index) BINADE_KERNEL_BODY {
                 const std::size_t image = index / g.channels, channel = index % g.channels;
                 T* const plane = out + index * g.pixels();
                 std::fill(plane, plane + g.pixels(), T(0));
                 for (std::size_t ky = 0; ky < g.kernel_height; ++ky)
                   for (std::size_t kx = 0; kx < g.kernel_width; ++kx) {
                     const std::size_t row = channel * g.window() + ky * g.kernel_width + kx;
                     const T* const from = columns + (row * images + image) * positions;
                     const range ys = inside(g.out_height, g.stride, ky, g.padding, g.height);
                     const range xs = inside(g.out_width, g.stride, kx, g.padding, g.width);
                     if (xs.begin == xs.end) continue;
                     for (std::size_t oy = ys.begin; oy < ys.end; ++oy) {
                       const T* __restrict const line = from + oy * g.out_width + xs.begin;
                       T* __restrict const to =
                           plane + (oy * g.stride + ky - g.padding) * g.width + xs.begin * g.stride + kx - g.padding;
                       const std::size_t count = xs.end - xs.begin;
                       if (g.stride == 1) {
                         for (std::size_t i = 0; i < count; ++i) to[i] += line[i];
                       } else {
                         for (std::size_t i = 0; i < count; ++i) to[i * g.stride] += line[i];
                       }
                     }
                   }
               });
}

template <class T>
void swap_leading_axes(thread_pool& pool, std::size_t rows, std::size_t columns, std::size_t length, const T* x,
                       T* out) {
  for_each_row(pool, columns * rows, length, [rows, columns, length, x, out](std::size_t index) BINADE_KERNEL_BODY {
    const std::size_t column = index / rows, row = index % rows;
    std::copy_n(x + (row * columns + column) * length, length, out + index * length);
  });
}

#define BINADE_INSTANTIATE(T)                                                          \
  template void fold(thread_pool&, const window_geometry&, std::size_t, const T*, T*); \
  template void swap_leading_axes(thread_pool&, std::size_t, std::size_t, std::size_t, const T*, T*);
BINADE_INSTANTIATE(float)
BINADE_INSTANTIATE(double)
#undef BINADE_INSTANTIATE

}  // namespace binade::kernels
