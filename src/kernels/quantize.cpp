#include "kernels/quantize.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "binade/hadamard.hpp"
#include "binade/reduction.hpp"
#include "binade/versions.hpp"

namespace binade::kernels {
namespace {

/// Elements of a part at least: a multiple of the chunks that counters are summed in, by a power of two, so that the
/// sums of a part are a subtree of the sums of the array.
constexpr std::size_t smallest_part = 4 * reduction::chunk_size;

bool overlap_in_part(std::span<const float> x, std::span<const float> y) {
  const std::less<const float*> before;
  return x.data() != y.data() && before(x.data(), y.data() + y.size()) && before(y.data(), x.data() + x.size());
}

/// How an array is cut: into parts of `part` elements that are neighbours in memory, the last one shorter, each
/// quantized by itself with `q` over the view that view_of() gives.
struct cutting {
  quantizer q;
  axis_view shape;  ///< of the whole; view_of() shortens outer, or length where outer is 1
  std::size_t part;

  axis_view view_of(std::size_t elements) const {
    if (shape.outer != 1) return {elements / (shape.length * shape.inner), shape.length, shape.inner};
    return {1, elements / shape.inner, shape.inner};
  }
};

/// A scaling that has this scale whatever the data: it is a float32, whatever format it is stored in.
scaling known(float scale) {
  return {.rule = scale_rule::static_scale, .static_value = scale};
}

/// The same quantizer for parts of the array, or none if the array cannot be cut.
std::optional<cutting> cut(thread_pool& pool, std::span<const float> x, const axis_view& view, const quantizer& q) {
  cutting result{q, {1, x.size(), 1}, smallest_part};
  if (q.transform_count > 0) return std::nullopt;
  if (q.levels == 0) return result;
  // The scale of the whole tensor, of one level or the outer one of two, is found first.
  scaling& outermost = result.q.scalings[std::size_t(q.levels - 1)];
  if (outermost.per == granularity::tensor) {
    if (outermost.rule != scale_rule::static_scale) {
      if (!needs_only_amax(outermost) || q.order != operation_order::standard) return std::nullopt;
      result.q = with_tensor_scale(q, amax(pool, x));
    }
    if (q.levels == 1) return result;
  } else if (q.levels == 2) {
    return std::nullopt;
  }
  const detail::scale_grid grid = detail::grid_of(q.scalings[0], view);
  const axis_view& shape = grid.view;
  if (grid.tile_rows > std::numeric_limits<std::uint32_t>::max() ||
      grid.tile_cols > std::numeric_limits<std::uint32_t>::max())
    return std::nullopt;
  // The least number of neighbours in memory that groups do not reach out of.
  std::size_t unit = 0;
  if (shape.outer == 1) {
    unit = grid.tile_cols * shape.inner;
  } else if (shape.inner == 1) {
    unit = grid.tile_rows * shape.length;
  } else if (shape.inner % grid.tile_rows == 0) {
    unit = shape.length * shape.inner;
  } else {
    return std::nullopt;
  }
  result.shape = shape;
  result.q.scalings[0].per = granularity::tile;
  result.q.scalings[0].tile_rows = std::uint32_t(grid.tile_rows);
  result.q.scalings[0].tile_cols = std::uint32_t(grid.tile_cols);
  while (result.part < x.size() && result.part % unit != 0) result.part *= 2;
  return result;
}

/// Columns that are transformed side by side: two cache lines of each row.
constexpr std::size_t band = 32;

/// The Hadamard transform of one block of rows in some columns: the arithmetic of binade::hadamard, element by element.
struct columns_body {
  /// @param x, out         (block, columns), rows row_length apart
  /// @param before, after  sign bits that are flipped in each row around the transform
  /// @param tile           block * band floats to work in
  BINADE_ALWAYS_INLINE static void run(const float* x, float* out, std::size_t row_length, std::size_t columns,
                                       std::size_t block, const std::uint32_t* before, const std::uint32_t* after,
                                       float* tile) {
    const float scale = hadamard_scale(std::uint32_t(block));
    for (std::size_t first = 0; first < columns; first += band) {
      const std::size_t count = std::min(band, columns - first);
      for (std::size_t row = 0; row < block; ++row)
        for (std::size_t i = 0; i < count; ++i)
          tile[row * band + i] = flipped(x[row * row_length + first + i], before[row]);
      for (std::size_t stride = 1; stride < block; stride *= 2)
        for (std::size_t upper = 0; upper < block; upper += 2 * stride)
          for (std::size_t row = upper; row < upper + stride; ++row)
            add_and_subtract(tile + row * band, tile + (row + stride) * band);
      for (std::size_t row = 0; row < block; ++row)
        for (std::size_t i = 0; i < count; ++i)
          out[row * row_length + first + i] = flipped(tile[row * band + i] * scale, after[row]);
    }
  }

 private:
  BINADE_ALWAYS_INLINE static float flipped(float x, std::uint32_t flip) {
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) ^ flip);
  }
  BINADE_ALWAYS_INLINE static void add_and_subtract(float* __restrict x, float* __restrict y) {
    for (std::size_t i = 0; i < band; ++i) {
      const float a = x[i], b = y[i];
      x[i] = a + b;
      y[i] = a - b;
    }
  }
};

/// One transform along the axis of the view, or its inverse.  @param out  x or memory apart from it
void transform_axis(thread_pool& pool, const transform& t, bool inverse, const axis_view& view,
                    std::span<const float> x, std::span<float> out) {
  const bool random = t.kind == transform_kind::random_hadamard;
  const std::vector<std::uint32_t> none(t.block), flips = random ? detail::sign_flips(t.block, t.seed) : none;
  if (view.inner == 1)
    return pool.parallel_ranges(x.size(), std::max<std::size_t>(t.block, smallest_part),
                                [&](std::size_t begin, std::size_t end) {
                                  const float* from = x.data() + begin;
                                  float* const to = out.data() + begin;
                                  if (random && !inverse)
                                    detail::flip_signs(std::exchange(from, to), to, end - begin, flips);
                                  detail::transform_blocks(from, to, end - begin, t.block);
                                  if (random && inverse) detail::flip_signs(to, to, end - begin, flips);
                                });
  constexpr std::size_t task_columns = 8 * band;
  const std::size_t blocks = view.outer * view.length / t.block;
  const std::size_t tasks_per_block = (view.inner + task_columns - 1) / task_columns;
  pool.parallel_for(blocks * tasks_per_block, [&](std::size_t task) {
    const std::size_t begin = task % tasks_per_block * task_columns, end = std::min(view.inner, begin + task_columns);
    const std::size_t at = task / tasks_per_block * t.block * view.inner + begin;
    thread_local std::vector<float> tile;  // kept from call to call
    if (tile.size() < t.block * band) tile.resize(t.block * band);
    detail::run_best<columns_body>(x.data() + at, out.data() + at, view.inner, end - begin, std::size_t(t.block),
                                   (inverse ? none : flips).data(), (inverse ? flips : none).data(), tile.data());
  });
}

}  // namespace

float amax(thread_pool& pool, std::span<const float> x) {
  std::vector<float> largest((x.size() + smallest_part - 1) / smallest_part);
  pool.parallel_ranges(x.size(), smallest_part, [&](std::size_t begin, std::size_t end) {
    detail::run_best<detail::amax_blocks_body>(x.data() + begin, end - begin, end - begin,
                                               &largest[begin / smallest_part]);
  });
  return largest.empty() ? 0 : *std::max_element(largest.begin(), largest.end());
}

quantizer with_tensor_scale(const quantizer& q, float amax) {
  const scale_levels levels(q);
  quantizer result = q;
  result.scalings[std::size_t(q.levels - 1)] = known(q.levels == 1 ? levels.inner(amax) : levels.outer(amax).scale);
  return result;
}

void hadamard(thread_pool& pool, std::span<const transform> transforms, const axis_view& view, std::span<const float> x,
              std::span<float> out) {
  for (const transform& t : transforms) {
    detail::check_transform("hadamard", t, x.size(), view.length);
    transform_axis(pool, t, false, view, x, out);
    x = out;
  }
}

void inverse_hadamard(thread_pool& pool, std::span<const transform> transforms, const axis_view& view,
                      std::span<float> x) {
  for (std::size_t i = transforms.size(); i-- > 0;) {
    detail::check_transform("inverse_hadamard", transforms[i], x.size(), view.length);
    transform_axis(pool, transforms[i], true, view, x, x);
  }
}

void quantize(thread_pool& pool, std::span<const float> x, const axis_view& view, const quantizer& q,
              const noise_source& source, std::span<float> out, quantize_counters* counters) {
  detail::check_arguments("quantize", x.size(), view, q, &source);
  const bool small = pool.size() == 1 || x.size() <= smallest_part;
  // Wrong memory is for the whole to complain about.
  const bool whole = small || out.size() != x.size() || overlap_in_part(x, out);
  const std::optional<cutting> parts = whole ? std::nullopt : cut(pool, x, view, q);
  if (!parts || parts->part >= x.size()) return binade::quantize(x, view, q, source, out, counters);

  const bool streams = detail::goes_around_caches(x, out);
  std::vector<quantize_counters> of_part((x.size() + parts->part - 1) / parts->part);
  pool.parallel_ranges(x.size(), parts->part, [&](std::size_t begin, std::size_t end) {
    noise_source from = source;
    from.first += begin;
    const std::span<const float> here = x.subspan(begin, end - begin);
    const std::span<float> to = out.subspan(begin, end - begin);
    const axis_view shape = parts->view_of(end - begin);
    if (counters != nullptr)
      binade::quantize(here, shape, parts->q, from, to, &of_part[begin / parts->part]);
    else
      detail::quantize_part(here, shape, parts->q, from, to, nullptr, nullptr, streams);
  });
  if (counters == nullptr) return;
  quantize_counters total;
  reduction::neighbour_tree<double> square, error;
  for (const quantize_counters& part : of_part) {
    total.merge(part);
    square.push(part.sum_sq);
    error.push(part.sum_sq_error);
  }
  total.sum_sq = square.root();
  total.sum_sq_error = error.root();
  *counters = total;
}

}  // namespace binade::kernels
