#include "kernels/convolution.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "buffer_pool.hpp"
#include "kernels/cpu.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/simd.hpp"

// How it works.  A few images at a time are copied into planes with their padding, so that for every step (channel, ky,
// kx) of the chains the factors of neighbouring results are neighbours: the second matrix of the product is read from
// the planes at one offset per step, and is never written.  With a stride, each of its phases has planes of its own.

namespace binade::kernels {
namespace {

/// Elements of the planes at a time, unless a single image has more: 512 KiB of float, which lie in the second-level
/// cache.
constexpr std::size_t cached_elements = std::size_t(1) << 17;
/// Results of a plane that a task goes through with all its rows.
constexpr std::size_t task_positions = 2048;

constexpr std::size_t divide_up(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

template <class T>
std::shared_ptr<T> scratch(std::size_t count) {
  const std::shared_ptr<std::byte> block = buffer_pool::instance().take(count * sizeof(T));
  return {block, reinterpret_cast<T*>(block.get())};
}

// ---- tiles
// ----------------------------------------------------------------------------------------------------------

/// Calls f(0), f(1), ... f(count - 1) with constants.
template <std::size_t Count, class F>
BINADE_ALWAYS_INLINE void unrolled(const F& f) {
  [&]<std::size_t... i>(std::index_sequence<i...>)
      BINADE_KERNEL_BODY { (f(std::integral_constant<std::size_t, i>{}), ...); }(std::make_index_sequence<Count>{});
}

/// Results of some rows (channels of the result) at one or two vectors of positions.
template <class T>
struct position_tile {
  std::size_t chains = 1, depth = 0;     ///< each result is the sum of that many chains of that many steps
  const T* a = nullptr;                  ///< (chains, depth, rows)
  const T* b = nullptr;                  ///< of the first position
  const std::size_t* offsets = nullptr;  ///< from b on: of each step for one chain, else of each chain
  std::size_t step = 0;                  ///< between the steps of a chain, where there are several
  std::size_t second = 0;                ///< from the first vector to the second one
  const T* bias = nullptr;               ///< of each row, or null
  T* out = nullptr;                      ///< vectors side by side, rows out_stride apart
  std::size_t out_stride = 0;
};

/// A step of all chains of a tile: chain[r][v] = fma(a[r], vector v of b, chain[r][v]).
template <class T, isa Level, std::size_t Rows, std::size_t Vectors>
BINADE_ALWAYS_INLINE void advance(typename simd<T, Level>::vector (&chain)[Rows][Vectors], const T* a, const T* b,
                                  std::size_t second) {
  using ops = simd<T, Level>;
  typename ops::vector b_row[Vectors];
  unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY { ops::load(b_row[v], b + v * second); });
  unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
    typename ops::vector a_value;
    ops::broadcast(a_value, a + r);
    unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY { ops::fma(chain[r][v], a_value, b_row[v]); });
  });
}

template <class T, isa Level, std::size_t Rows, std::size_t Vectors>
BINADE_ALWAYS_INLINE void chain_tile(const position_tile<T>& work) {
  using ops = simd<T, Level>;
  typename ops::vector chain[Rows][Vectors];
  unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
    unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY { ops::zero(chain[r][v]); });
  });
  const T* a = work.a;
  for (std::size_t p = 0; p < work.depth; ++p, a += Rows)
    advance<T, Level>(chain, a, work.b + work.offsets[p], work.second);
  unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
    unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY {
      if (work.bias != nullptr) {
        typename ops::vector bias;
        ops::broadcast(bias, work.bias + r);
        ops::add(chain[r][v], bias);
      }
      ops::store(work.out + r * work.out_stride + v * ops::lanes, chain[r][v]);
    });
  });
}

template <class T, isa Level, std::size_t Rows, std::size_t Vectors>
BINADE_ALWAYS_INLINE void sum_tile(const position_tile<T>& work) {
  using ops = simd<T, Level>;
  typename ops::vector total[Rows][Vectors], chain[Rows][Vectors];
  unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
    unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY { ops::zero(total[r][v]); });
  });
  const T* a = work.a;
  for (std::size_t c = 0; c < work.chains; ++c) {
    const T* b = work.b + work.offsets[c];
    unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
      unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY { ops::zero(chain[r][v]); });
    });
    for (std::size_t p = 0; p < work.depth; ++p, a += Rows, b += work.step) advance<T, Level>(chain, a, b, work.second);
    unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
      unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY { ops::add(total[r][v], chain[r][v]); });
    });
  }
  unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
    unrolled<Vectors>(
        [&](auto v) BINADE_KERNEL_BODY { ops::store(work.out + r * work.out_stride + v * ops::lanes, total[r][v]); });
  });
}

/// Chains of the gradient of weights: rows are places (channel, ky, kx) in the window, columns channels of the result,
/// and the steps go over all positions of some images.
template <class T>
struct weight_tile {
  std::size_t images = 0, lines = 0, width = 0;  ///< positions
  const T* a = nullptr;                          ///< planes: of the first image
  const std::size_t* offsets = nullptr;          ///< of each row
  std::size_t image_stride = 0, pitch = 0;       ///< in a: from image to image, from line to line
  const T* b = nullptr;                          ///< (images, lines, width, step): the gradient, channels side by side
  std::size_t step = 0;
  bool resume = false;  ///< the chains are there already, else they start from +0
  T* chains = nullptr;  ///< rows chains_stride apart
  std::size_t chains_stride = 0;
};

template <class T, isa Level, std::size_t Rows, std::size_t Vectors>
BINADE_ALWAYS_INLINE void gradient_tile(const weight_tile<T>& work) {
  using ops = simd<T, Level>;
  constexpr std::size_t steps = 4 / Vectors;  // at a time, so that the offset of a row is read once for them
  typename ops::vector chain[Rows][Vectors];
  unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
    unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY {
      if (work.resume) {
        ops::load(chain[r][v], work.chains + r * work.chains_stride + v * ops::lanes);
      } else {
        ops::zero(chain[r][v]);
      }
    });
  });
  const auto take_steps = [&](const T* a, const T* b, auto count) BINADE_KERNEL_BODY {
    typename ops::vector b_rows[count][Vectors];
    unrolled<count>([&](auto s) BINADE_KERNEL_BODY {
      unrolled<Vectors>([&](auto v)
                            BINADE_KERNEL_BODY { ops::load(b_rows[s][v], b + s * work.step + v * ops::lanes); });
    });
    unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
      const T* const row = a + work.offsets[r];
      unrolled<count>([&](auto s) BINADE_KERNEL_BODY {
        typename ops::vector a_value;
        ops::broadcast(a_value, row + s);
        unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY { ops::fma(chain[r][v], a_value, b_rows[s][v]); });
      });
    });
  };
  const T* b = work.b;
  for (std::size_t image = 0; image < work.images; ++image)
    for (std::size_t line = 0; line < work.lines; ++line) {
      const T* const a = work.a + image * work.image_stride + line * work.pitch;
      std::size_t x = 0;
      for (; x + steps <= work.width; x += steps, b += steps * work.step)
        take_steps(a + x, b, std::integral_constant<std::size_t, steps>{});
      for (; x < work.width; ++x, b += work.step) take_steps(a + x, b, std::integral_constant<std::size_t, 1>{});
    }
  unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
    unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY {
      ops::store(work.chains + r * work.chains_stride + v * ops::lanes, chain[r][v]);
    });
  });
}

/// Lines of a plane to where they lie between zeros.
template <class T>
struct copy_work {
  const T* from;
  T* to;
  std::size_t lines, width, from_stride, to_stride;
  const T* end;  ///< of the plane that they go to
};

template <class T, isa Level>
BINADE_ALWAYS_INLINE void copy_lines(const copy_work<T>& work) {
  using ops = simd<T, Level>;
  for (std::size_t line = 0; line < work.lines; ++line) {
    const T* const from = work.from + line * work.from_stride;
    T* const to = work.to + line * work.to_stride;
    typename ops::vector v;
    std::size_t x = 0;
    for (; x + ops::lanes <= work.width; x += ops::lanes) {
      ops::load(v, from + x);
      ops::store(to + x, v);
    }
    if (x == work.width) continue;
    ops::load(v, from + x, work.width - x);
    // A whole store puts zeros on zeros and on the next lines, which are copied after it.
    if (std::size_t(work.end - to) >= x + ops::lanes) {
      ops::store(to + x, v);
    } else {
      ops::store(to + x, v, work.width - x);
    }
  }
}

/// out[position][channel] = planes[channel][position], and zeros up to the width of a row.
template <class T>
struct turn_work {
  const T* planes;
  std::size_t channel_stride, channels;
  T* out;
  std::size_t width, step;  ///< of a row; from row to row
};

/// The positions [first, last).
template <class T, isa Level>
BINADE_ALWAYS_INLINE void turn(const turn_work<T>& work, std::size_t first, std::size_t last) {
  using ops = simd<T, Level>;
  constexpr std::size_t block = ops::blocks[0];
  std::size_t channel = 0;
  for (; channel + block <= work.channels; channel += block) {
    const T* const from = work.planes + channel * work.channel_stride;
    std::size_t p = first;
    for (; p + block <= last; p += block)
      ops::template transpose<block>(from + p, work.channel_stride, work.out + p * work.step + channel, work.step);
    for (; p < last; ++p)
      for (std::size_t c = 0; c < block; ++c) work.out[p * work.step + channel + c] = from[c * work.channel_stride + p];
  }
  for (std::size_t p = first; p < last; ++p)
    for (std::size_t c = channel; c < work.width; ++c)
      work.out[p * work.step + c] = c < work.channels ? work.planes[c * work.channel_stride + p] : T(0);
}

// ---- one set of kernels per instruction set
// ----------------------------------------------------------------------------

constexpr std::size_t max_rows = 14, max_vectors = 2;

template <class Work>
using tile_table = std::array<std::array<void (*)(const Work&), max_vectors + 1>, max_rows + 1>;  ///< [rows][vectors]

/// The kernels of one instruction set, and the most rows of each kind of tile: accumulators, factors and, of sums,
/// totals fill the registers.
template <class T>
struct convolution_kernels {
  std::size_t lanes, chain_rows, sum_rows, gradient_rows;
  tile_table<position_tile<T>> chain, sum;
  tile_table<weight_tile<T>> gradient;
  void (*turn)(const turn_work<T>&, std::size_t first, std::size_t last);
  void (*copy)(const copy_work<T>&);
};

// One entry per instruction set: attributes cannot depend on a template parameter.
template <class T, isa Level>
struct entries;

#define BINADE_ENTRIES(level, target_attribute)                                                        \
  template <class T>                                                                                   \
  struct entries<T, level> {                                                                           \
    template <std::size_t Rows, std::size_t Vectors>                                                   \
    target_attribute static void chain(const position_tile<T>& work) {                                 \
      chain_tile<T, level, Rows, Vectors>(work);                                                       \
    }                                                                                                  \
    template <std::size_t Rows, std::size_t Vectors>                                                   \
    target_attribute static void sum(const position_tile<T>& work) {                                   \
      sum_tile<T, level, Rows, Vectors>(work);                                                         \
    }                                                                                                  \
    template <std::size_t Rows, std::size_t Vectors>                                                   \
    target_attribute static void gradient(const weight_tile<T>& work) {                                \
      gradient_tile<T, level, Rows, Vectors>(work);                                                    \
    }                                                                                                  \
    target_attribute static void turn(const turn_work<T>& work, std::size_t first, std::size_t last) { \
      kernels::turn<T, level>(work, first, last);                                                      \
    }                                                                                                  \
    target_attribute static void copy(const copy_work<T>& work) {                                      \
      copy_lines<T, level>(work);                                                                      \
    }                                                                                                  \
  }
BINADE_ENTRIES(isa::portable, );
#if defined(__x86_64__)
BINADE_ENTRIES(isa::x86_64_v3, BINADE_TARGET_V3);
BINADE_ENTRIES(isa::x86_64_v4, BINADE_TARGET_V4);
#endif
#undef BINADE_ENTRIES

template <class T, isa Level, std::size_t ChainRows, std::size_t SumRows, std::size_t GradientRows>
constexpr convolution_kernels<T> make_kernels() {
  using entry = entries<T, Level>;
  convolution_kernels<T> set{simd<T, Level>::lanes, ChainRows,   SumRows, GradientRows, {}, {}, {},
                             &entry::turn,          &entry::copy};
  const auto for_rows = [](auto count, const auto& f) {
    [&]<std::size_t... r>(std::index_sequence<r...>) {
      (f(std::integral_constant<std::size_t, r + 1>{}), ...);
    }(std::make_index_sequence<count>{});
  };
  for_rows(std::integral_constant<std::size_t, ChainRows>{}, [&](auto rows) {
    set.chain[rows] = {nullptr, &entry::template chain<rows, 1>, &entry::template chain<rows, 2>};
  });
  for_rows(std::integral_constant<std::size_t, SumRows>{}, [&](auto rows) {
    set.sum[rows] = {nullptr, &entry::template sum<rows, 1>, &entry::template sum<rows, 2>};
  });
  for_rows(std::integral_constant<std::size_t, GradientRows>{}, [&](auto rows) {
    set.gradient[rows] = {nullptr, &entry::template gradient<rows, 1>, &entry::template gradient<rows, 2>};
  });
  return set;
}

template <class T>
const convolution_kernels<T>& active_kernels() {
  static constexpr convolution_kernels<T> portable = make_kernels<T, isa::portable, 4, 4, 4>();
#if defined(__x86_64__)
  static constexpr convolution_kernels<T> v3 = make_kernels<T, isa::x86_64_v3, 6, 6, 5>(),
                                          v4 = make_kernels<T, isa::x86_64_v4, 14, 7, 12>();
  const isa level = active_isa();
  if (level == isa::x86_64_v4) return v4;
  if (level == isa::x86_64_v3) return v3;
#endif
  return portable;
}

// ---- planes
// ------------------------------------------------------------------------------------------------------------

/// Copies of planes with zeros around them, one per phase of the stride along both axes: element (y, x) of phase
/// (py, px) is (y stride + py - top, x stride + px - left) of the source.
struct plane_layout {
  std::size_t source_height, source_width, stride;
  std::size_t phases_y, phases_x;  ///< that are read
  std::size_t height, width;       ///< of a phase
  std::ptrdiff_t top, left;

  std::size_t phases() const { return phases_y * phases_x; }
  std::size_t size() const { return phases() * height * width; }  ///< of all phases of a plane
  /// Of the first element of the window's place (ky, kx), from the planes of a channel on.
  std::size_t offset(std::size_t ky, std::size_t kx) const {
    return (ky % stride * phases_x + kx % stride) * height * width + ky / stride * width + kx / stride;
  }
};

plane_layout planes_of_windows(const window_geometry& g) {
  return {g.height,
          g.width,
          g.stride,
          std::min(g.stride, g.kernel_height),
          std::min(g.stride, g.kernel_width),
          g.out_height + (g.kernel_height - 1) / g.stride,
          g.out_width + (g.kernel_width - 1) / g.stride,
          std::ptrdiff_t(g.padding),
          std::ptrdiff_t(g.padding)};
}

/// Of the gradient, for windows of stride 1 that go back over it.
plane_layout planes_of_gradient(const window_geometry& g) {
  const std::size_t up = g.kernel_height - 1, left = g.kernel_width - 1;
  return {g.out_height,
          g.out_width,
          1,
          1,
          1,
          g.height + up,
          g.width + left,
          std::ptrdiff_t(up) - std::ptrdiff_t(g.padding),
          std::ptrdiff_t(left) - std::ptrdiff_t(g.padding)};
}

/// The x in [begin, end) of [0, count) for which x stride + phase - before lies in [0, size).
struct inner_range {
  std::size_t begin, end;
  inner_range(std::size_t count, std::size_t stride, std::size_t phase, std::ptrdiff_t before, std::size_t size) {
    const std::ptrdiff_t step = std::ptrdiff_t(stride), shift = std::ptrdiff_t(phase) - before;
    const auto first_from = [&](std::ptrdiff_t value) {  // the first x for which x stride + shift >= value
      return std::size_t(std::clamp<std::ptrdiff_t>((value - shift + step - 1) / step, 0, std::ptrdiff_t(count)));
    };
    begin = shift >= 0 ? 0 : first_from(0);
    end = shift >= std::ptrdiff_t(size) ? begin : std::max(begin, first_from(std::ptrdiff_t(size)));
  }
};

/// Copies what lies inside of the planes: the zeros around it are there.
/// @param out  (images, channels, p.size())
template <class T>
void copy_planes(thread_pool& pool, const convolution_kernels<T>& kernels, const plane_layout& p, std::size_t images,
                 std::size_t channels, const planes_view<T>& source, T* out) {
  pool.parallel_ranges(images * channels, divide_up(element_tile, p.size()), [&](std::size_t first, std::size_t last) {
    for (std::size_t index = first; index < last; ++index)
      for (std::size_t phase = 0; phase < p.phases(); ++phase) {
        const std::size_t py = phase / p.phases_x, px = phase % p.phases_x;
        const inner_range ys(p.height, p.stride, py, p.top, p.source_height),
            xs(p.width, p.stride, px, p.left, p.source_width);
        if (ys.begin == ys.end || xs.begin == xs.end) continue;
        const auto at = [&](std::size_t o, std::size_t along, std::ptrdiff_t before) {
          return std::size_t(std::ptrdiff_t(o * p.stride + along) - before);
        };
        const T* const from = source.data + index / channels * source.image_stride +
                              index % channels * source.channel_stride + at(ys.begin, py, p.top) * p.source_width +
                              at(xs.begin, px, p.left);
        T* const plane = out + index * p.size() + phase * p.height * p.width;
        T* const to = plane + ys.begin * p.width + xs.begin;
        const std::size_t lines = ys.end - ys.begin, width = xs.end - xs.begin;
        if (p.stride == 1) {
          kernels.copy({from, to, lines, width, p.source_width, p.width, plane + p.height * p.width});
        } else {
          for (std::size_t y = 0; y < lines; ++y)
            for (std::size_t x = 0; x < width; ++x) to[y * p.width + x] = from[(y * p.source_width + x) * p.stride];
        }
      }
  });
}

/// Lines of results cut into vectors.  Where lines are no whole vectors, what lies between them in the planes is
/// computed too, and dropped.
struct vector_cut {
  std::size_t height, width, pitch, lanes;  ///< pitch: of the planes, from line to line

  bool is_exact() const { return width % lanes == 0; }
  std::size_t count() const {
    return is_exact() ? height * width / lanes : divide_up((height - 1) * pitch + width, lanes);
  }
  /// Where vector i begins in the planes.
  std::size_t begin(std::size_t i) const {
    return is_exact() ? i * lanes / width * pitch + i * lanes % width : i * lanes;
  }
  /// At least half of what is computed is wanted.
  bool is_dense() const { return 2 * height * width >= count() * lanes; }
};

/// Rows cut into the fewest panels of at most `most`, of sizes that differ by one at most.
struct row_panels {
  std::size_t rows, count;
  row_panels(std::size_t total, std::size_t most) : rows(total), count(divide_up(total, most)) {}
  std::size_t begin(std::size_t i) const { return i * (rows / count) + std::min(i, rows % count); }
  std::size_t size(std::size_t i) const { return begin(i + 1) - begin(i); }
};

/// Results of some images: per group, (rows, positions) of each image.
template <class T>
struct positions_job {
  const tile_table<position_tile<T>>& tiles;
  row_panels panels;
  vector_cut cut;
  position_tile<T> tile;  ///< chains, depth, offsets and step
  const T* factors;       ///< (groups, panels of (chains, depth, rows of the panel))
  std::size_t groups;
  std::size_t image_planes, group_planes;  ///< from image to image and from group to group in the planes
  const T* bias;

  /// @param out     (images, groups, rows, height * width)
  void run(thread_pool& pool, std::size_t images, const T* planes, T* out) const {
    const std::size_t vectors = cut.count(), most = std::max<std::size_t>(2, task_positions / cut.lanes);
    const std::size_t parts = divide_up(vectors, most), positions = cut.height * cut.width;
    pool.parallel_for(images * groups * parts * panels.count, [&](std::size_t task) {
      const std::size_t panel = task % panels.count, part = task / panels.count % parts,
                        plane = task / panels.count / parts, group = plane % groups;
      const std::size_t first = part * most, last = std::min(vectors, first + most);
      const std::size_t row = panels.begin(panel), rows = panels.size(panel);
      const std::size_t chains_length = tile.chains * tile.depth;
      T* const to = out + (plane * panels.rows + row) * positions;
      thread_local std::vector<T> apart;  // kept from call to call
      const std::size_t length = (last - first) * cut.lanes;
      if (!cut.is_exact() && apart.size() < rows * length) apart.resize(rows * length);
      position_tile<T> work = tile;
      work.a = factors + (group * panels.rows + row) * chains_length;
      work.bias = bias == nullptr ? nullptr : bias + group * panels.rows + row;
      work.out_stride = cut.is_exact() ? positions : length;
      T* const begin = cut.is_exact() ? to + first * cut.lanes : apart.data();
      for (std::size_t i = first; i < last; i += max_vectors) {
        const std::size_t count = std::min(max_vectors, last - i);
        work.b = planes + plane / groups * image_planes + group * group_planes + cut.begin(i);
        work.second = count == 2 ? cut.begin(i + 1) - cut.begin(i) : 0;
        work.out = begin + (i - first) * cut.lanes;
        tiles[rows][count](work);
      }
      if (cut.is_exact()) return;
      const std::size_t from = first * cut.lanes, past = last * cut.lanes;
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t y = from / cut.pitch; y < cut.height && y * cut.pitch < past; ++y) {
          const std::size_t line = y * cut.pitch, x = std::max(from, line) - line;
          const std::size_t end = std::min(past - line, cut.width);
          if (x < end)
            std::copy_n(apart.data() + r * length + line + x - from, end - x, to + r * positions + y * cut.width + x);
        }
    });
  }
};

/// Room behind the planes: the last vector may reach beyond them.
constexpr std::size_t slack = 64;

/// As many images at a time as have cached_elements.
std::size_t most_cached_images(std::size_t images, std::size_t image_elements) {
  const std::size_t some = std::max<std::size_t>(1, cached_elements / std::max<std::size_t>(1, image_elements));
  return std::min(some, std::max<std::size_t>(1, images));
}

/// Calls body(first, count) for neighbouring images.
template <class Body>
void for_each_few(std::size_t images, std::size_t together, const Body& body) {
  for (std::size_t first = 0; first < images; first += together) body(first, std::min(together, images - first));
}

template <class T>
planes_view<T> from_image(const planes_view<T>& planes, std::size_t image) {
  return {planes.data + image * planes.image_stride, planes.image_stride, planes.channel_stride};
}

template <class T>
void convolve_planes(thread_pool& pool, std::size_t images, std::size_t channels, const plane_layout& layout,
                     const planes_view<T>& source, const positions_job<T>& job, T* out) {
  const std::size_t image_elements = channels * layout.size();
  const std::size_t together = most_cached_images(images, image_elements);
  const std::shared_ptr<T> planes = scratch<T>(together * image_elements + slack);
  std::fill_n(planes.get(), together * image_elements + slack, T(0));
  const std::size_t image_results = job.groups * job.panels.rows * job.cut.height * job.cut.width;
  for_each_few(images, together, [&](std::size_t first, std::size_t count) {
    copy_planes<T>(pool, active_kernels<T>(), layout, count, channels, from_image(source, first), planes.get());
    job.run(pool, count, planes.get(), out + first * image_results);
  });
}

/// Where the rows (channel of a group, ky, kx) of the unfolded images begin in the planes of the group.
pooled_vector<std::size_t> offsets_in_planes(const convolution_geometry& g, const plane_layout& layout) {
  const window_geometry& w = g.windows;
  pooled_vector<std::size_t> offsets(g.inner());
  for (std::size_t p = 0; p < offsets.size(); ++p)
    offsets[p] = p / w.window() * layout.size() + layout.offset(p % w.window() / w.kernel_width, p % w.kernel_width);
  return offsets;
}
/// The same in unfolded images.
pooled_vector<std::size_t> offsets_in_rows(const convolution_geometry& g, std::size_t columns) {
  pooled_vector<std::size_t> offsets(g.inner());
  for (std::size_t p = 0; p < offsets.size(); ++p) offsets[p] = p * columns;
  return offsets;
}

/// The weights as the tiles of results take them.
template <class T>
class chain_factors {
 public:
  chain_factors(thread_pool& pool, const convolution_geometry& g, const T* weight)
      : groups_(g.groups),
        inner_(g.inner()),
        panels_(g.group_outputs(), active_kernels<T>().chain_rows),
        factors_(scratch<T>(g.outputs * inner_)) {
    pool.parallel_for(groups_ * panels_.count, [&](std::size_t task) {
      const std::size_t panel = task % panels_.count, rows = panels_.size(panel),
                        row = task / panels_.count * panels_.rows + panels_.begin(panel);
      T* const to = factors_.get() + row * inner_;
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t p = 0; p < inner_; ++p) to[p * rows + r] = weight[(row + r) * inner_ + p];
    });
  }
  positions_job<T> job(const vector_cut& cut, const pooled_vector<std::size_t>& offsets, std::size_t image_planes,
                       std::size_t group_planes, const T* bias) const {
    return {active_kernels<T>().chain,
            panels_,
            cut,
            {.chains = 1, .depth = inner_, .offsets = offsets.data()},
            factors_.get(),
            groups_,
            image_planes,
            group_planes,
            bias};
  }

 private:
  std::size_t groups_, inner_;
  row_panels panels_;
  std::shared_ptr<T> factors_;
};

/// The chains of the gradient of the weights, taken up again for every few images.
template <class T>
class weight_gradient_job {
 public:
  /// @param most_images  at a time
  weight_gradient_job(const convolution_geometry& g, std::size_t most_images)
      : g_(g),
        kernels_(active_kernels<T>()),
        panels_(g.inner(), kernels_.gradient_rows),
        vectors_(divide_up(g.group_outputs(), kernels_.lanes)),
        turned_(scratch<T>(most_images * image_turned(g))),
        chains_(scratch<T>(g.inner() * step())) {}

  /// Elements of the gradient of an image with its channels side by side, those of a group up to whole vectors.
  static std::size_t image_turned(const convolution_geometry& g) {
    const std::size_t lanes = active_kernels<T>().lanes;
    return g.windows.positions() * g.groups * divide_up(g.group_outputs(), lanes) * lanes;
  }

  /// @param dy            of the first of the images
  /// @param a             a, offsets, images, lines, width, image_stride and pitch
  /// @param group_planes  from group to group in a
  void add(thread_pool& pool, std::size_t images, const planes_view<T>& dy, const weight_tile<T>& a,
           std::size_t group_planes) {
    turn(pool, images, dy);
    const std::size_t column_panels = divide_up(vectors_, max_vectors), width = vectors_ * kernels_.lanes;
    pool.parallel_for(g_.groups * column_panels * panels_.count, [&](std::size_t task) {
      const std::size_t panel = task % panels_.count, vector = task / panels_.count % column_panels * max_vectors,
                        group = task / panels_.count / column_panels, column = group * width + vector * kernels_.lanes;
      weight_tile<T> work = a;
      work.a += group * group_planes;
      work.offsets += panels_.begin(panel);
      work.b = turned_.get() + column;
      work.step = work.chains_stride = step();
      work.resume = has_begun_;
      work.chains = chains_.get() + panels_.begin(panel) * step() + column;
      kernels_.gradient[panels_.size(panel)][std::min(max_vectors, vectors_ - vector)](work);
    });
    has_begun_ = true;
  }

  void finish(T* dweight, bool accumulate) const {
    const std::size_t inner = g_.inner(), outputs = g_.group_outputs(), width = vectors_ * kernels_.lanes;
    for (std::size_t out = 0; out < g_.outputs; ++out)
      for (std::size_t p = 0; p < inner; ++p) {
        const T chain = chains_.get()[p * step() + out / outputs * width + out % outputs];
        T& to = dweight[out * inner + p];
        to = accumulate ? to + chain : chain;
      }
  }

 private:
  std::size_t step() const { return g_.groups * vectors_ * kernels_.lanes; }
  void turn(thread_pool& pool, std::size_t images, const planes_view<T>& dy) {
    constexpr std::size_t task_length = 256;
    const std::size_t positions = g_.windows.positions(), parts = divide_up(positions, task_length);
    const std::size_t outputs = g_.group_outputs(), width = vectors_ * kernels_.lanes;
    pool.parallel_for(images * g_.groups * parts, [&](std::size_t task) {
      const std::size_t part = task % parts, group = task / parts % g_.groups, image = task / parts / g_.groups;
      kernels_.turn({dy.data + image * dy.image_stride + group * outputs * dy.channel_stride, dy.channel_stride,
                     outputs, turned_.get() + image * image_turned(g_) + group * width, width, step()},
                    part * task_length, std::min(positions, (part + 1) * task_length));
    });
  }

  convolution_geometry g_;
  const convolution_kernels<T>& kernels_;
  row_panels panels_;
  std::size_t vectors_;  ///< of a group
  std::shared_ptr<T> turned_, chains_;
  bool has_begun_ = false;
};

template <class T>
vector_cut cut_of_results(const convolution_geometry& g) {
  const window_geometry& w = g.windows;
  return {w.out_height, w.out_width, planes_of_windows(w).width, active_kernels<T>().lanes};
}

template <class T>
vector_cut cut_of_pixels(const convolution_geometry& g) {
  const window_geometry& w = g.windows;
  return {w.height, w.width, planes_of_gradient(w).width, active_kernels<T>().lanes};
}

}  // namespace

template <class T>
bool suits_convolve(const convolution_geometry& g) {
  return cut_of_results<T>(g).is_dense();
}

template <class T>
bool suits_convolve_unfolded(const convolution_geometry& g) {
  return g.windows.positions() % active_kernels<T>().lanes == 0;
}

template <class T>
bool suits_convolve_input_gradient(const convolution_geometry& g) {
  return g.windows.stride == 1 && cut_of_pixels<T>(g).is_dense();
}

template <class T>
bool suits_convolve_weight_gradient(const convolution_geometry& g) {
  return 2 * g.group_outputs() >= active_kernels<T>().lanes && g.windows.out_width >= 4;
}

template <class T>
void unfold(thread_pool& pool, const window_geometry& g, std::size_t images, const T* x, T* out) {
  const plane_layout layout = planes_of_windows(g);
  const std::size_t together = most_cached_images(images, g.channels * layout.size()), columns = images * g.positions();
  const std::shared_ptr<T> planes = scratch<T>(together * g.channels * layout.size());
  std::fill_n(planes.get(), together * g.channels * layout.size(), T(0));
  const planes_view<T> source{x, g.channels * g.pixels(), g.pixels()};
  const convolution_kernels<T>& kernels = active_kernels<T>();
  for_each_few(images, together, [&](std::size_t first, std::size_t count) {
    copy_planes<T>(pool, kernels, layout, count, g.channels, from_image(source, first), planes.get());
    pool.parallel_for(count * g.channels, [&](std::size_t plane) {
      const std::size_t image = first + plane / g.channels, channel = plane % g.channels;
      for (std::size_t place = 0; place < g.window(); ++place) {
        T* const to = out + (channel * g.window() + place) * columns + image * g.positions();
        const T* const from =
            planes.get() + plane * layout.size() + layout.offset(place / g.kernel_width, place % g.kernel_width);
        kernels.copy({from, to, g.out_height, g.out_width, layout.width, g.out_width, to + g.positions()});
      }
    });
  });
}

template <class T>
void convolve(thread_pool& pool, const convolution_geometry& g, const T* x, const T* weight, const T* bias, T* y) {
  const window_geometry& w = g.windows;
  const plane_layout layout = planes_of_windows(w);
  const pooled_vector<std::size_t> offsets = offsets_in_planes(g, layout);
  const chain_factors<T> factors(pool, g, weight);
  convolve_planes<T>(
      pool, g.images, w.channels, layout, {x, w.channels * w.pixels(), w.pixels()},
      factors.job(cut_of_results<T>(g), offsets, w.channels * layout.size(), g.group_channels() * layout.size(), bias),
      y);
}

template <class T>
void convolve_unfolded(thread_pool& pool, const convolution_geometry& g, const T* unfolded, const T* weight,
                       const T* bias, T* y) {
  const std::size_t positions = g.windows.positions(), columns = g.images * positions;
  const pooled_vector<std::size_t> offsets = offsets_in_rows(g, columns);
  const chain_factors<T> factors(pool, g, weight);
  factors.job({1, positions, positions, active_kernels<T>().lanes}, offsets, positions, g.inner() * columns, bias)
      .run(pool, g.images, unfolded, y);
}

template <class T>
void convolve_input_gradient(thread_pool& pool, const convolution_geometry& g, const T* weight,
                             const planes_view<T>& dy, T* dx) {
  const window_geometry& w = g.windows;
  const convolution_kernels<T>& kernels = active_kernels<T>();
  const plane_layout layout = planes_of_gradient(w);
  const row_panels panels(g.group_channels(), kernels.sum_rows);
  const std::size_t depth = g.group_outputs(), length = w.window() * depth;
  pooled_vector<std::size_t> offsets(w.window());
  for (std::size_t place = 0; place < w.window(); ++place)
    offsets[place] =
        layout.offset(w.kernel_height - 1 - place / w.kernel_width, w.kernel_width - 1 - place % w.kernel_width);

  const std::shared_ptr<T> factors = scratch<T>(w.channels * length);
  pool.parallel_for(g.groups * panels.count, [&](std::size_t task) {
    const std::size_t group = task / panels.count, panel = task % panels.count, rows = panels.size(panel);
    T* const to = factors.get() + (group * panels.rows + panels.begin(panel)) * length;
    for (std::size_t o = 0; o < depth; ++o)
      for (std::size_t r = 0; r < rows; ++r) {
        const T* const window = weight + ((group * depth + o) * panels.rows + panels.begin(panel) + r) * w.window();
        for (std::size_t place = 0; place < w.window(); ++place) to[(place * depth + o) * rows + r] = window[place];
      }
  });
  const positions_job<T> job{kernels.sum,
                             panels,
                             cut_of_pixels<T>(g),
                             {.chains = w.window(), .depth = depth, .offsets = offsets.data(), .step = layout.size()},
                             factors.get(),
                             g.groups,
                             g.outputs * layout.size(),
                             depth * layout.size(),
                             nullptr};
  convolve_planes<T>(pool, g.images, g.outputs, layout, dy, job, dx);
}

template <class T>
void convolve_weight_gradient(thread_pool& pool, const convolution_geometry& g, const T* x, const planes_view<T>& dy,
                              T* dweight, bool accumulate) {
  const window_geometry& w = g.windows;
  const plane_layout layout = planes_of_windows(w);
  const pooled_vector<std::size_t> offsets = offsets_in_planes(g, layout);
  const std::size_t image_planes = w.channels * layout.size(),
                    image_elements = image_planes + weight_gradient_job<T>::image_turned(g);
  const std::size_t together = most_cached_images(g.images, image_elements);
  const std::shared_ptr<T> planes = scratch<T>(together * image_planes);
  std::fill_n(planes.get(), together * image_planes, T(0));
  const planes_view<T> source{x, w.channels * w.pixels(), w.pixels()};
  weight_gradient_job<T> job(g, together);
  for_each_few(g.images, together, [&](std::size_t first, std::size_t count) {
    copy_planes<T>(pool, active_kernels<T>(), layout, count, w.channels, from_image(source, first), planes.get());
    job.add(pool, count, from_image(dy, first),
            {.images = count,
             .lines = w.out_height,
             .width = w.out_width,
             .a = planes.get(),
             .offsets = offsets.data(),
             .image_stride = image_planes,
             .pitch = layout.width},
            g.group_channels() * layout.size());
  });
  job.finish(dweight, accumulate);
}

template <class T>
void convolve_weight_gradient(thread_pool& pool, const convolution_geometry& g, std::size_t unit,
                              const unfolded_images<T>& unfolded, const planes_view<T>& dy, T* dweight,
                              bool accumulate) {
  const window_geometry& w = g.windows;
  const std::size_t few = most_cached_images(g.images, w.rows() * w.positions()),
                    together = std::min(g.images, divide_up(few, unit) * unit);
  weight_gradient_job<T> job(g, together);
  for_each_few(g.images, together, [&](std::size_t first, std::size_t count) {
    const std::size_t columns = count * w.positions();
    const pooled_vector<std::size_t> offsets = offsets_in_rows(g, columns);
    job.add(pool, count, from_image(dy, first),
            {.images = 1,
             .lines = 1,
             .width = columns,
             .a = unfolded(first, count),
             .offsets = offsets.data(),
             .image_stride = 0,
             .pitch = 0},
            g.inner() * columns);
  });
  job.finish(dweight, accumulate);
}

#define BINADE_INSTANTIATE(T)                                                                                        \
  template void unfold(thread_pool&, const window_geometry&, std::size_t, const T*, T*);                             \
  template bool suits_convolve<T>(const convolution_geometry&);                                                      \
  template bool suits_convolve_unfolded<T>(const convolution_geometry&);                                             \
  template bool suits_convolve_input_gradient<T>(const convolution_geometry&);                                       \
  template bool suits_convolve_weight_gradient<T>(const convolution_geometry&);                                      \
  template void convolve(thread_pool&, const convolution_geometry&, const T*, const T*, const T*, T*);               \
  template void convolve_unfolded(thread_pool&, const convolution_geometry&, const T*, const T*, const T*, T*);      \
  template void convolve_input_gradient(thread_pool&, const convolution_geometry&, const T*, const planes_view<T>&,  \
                                        T*);                                                                         \
  template void convolve_weight_gradient(thread_pool&, const convolution_geometry&, const T*, const planes_view<T>&, \
                                         T*, bool);                                                                  \
  template void convolve_weight_gradient(thread_pool&, const convolution_geometry&, std::size_t,                     \
                                         const unfolded_images<T>&, const planes_view<T>&, T*, bool);
BINADE_INSTANTIATE(float)
BINADE_INSTANTIATE(double)
#undef BINADE_INSTANTIATE

}  // namespace binade::kernels
