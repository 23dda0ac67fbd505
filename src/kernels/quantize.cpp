#include "kernels/quantize.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <vector>

#include "binade/reduction.hpp"

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

/// Calls visit(rows, count) with pieces of the rows along the axis, each a whole number of blocks; what it leaves in
/// them goes to out.
template <class Visit>
void visit_blocks(thread_pool& pool, std::size_t block, const axis_view& view, std::span<const float> x,
                  std::span<float> out, Visit visit) {
  if (view.inner == 1) {
    const std::size_t piece = std::max(block, smallest_part);
    return pool.parallel_ranges(x.size(), piece, [&](std::size_t begin, std::size_t end) {
      if (x.data() != out.data()) std::copy(x.data() + begin, x.data() + end, out.data() + begin);
      visit(out.subspan(begin, end - begin));
    });
  }
  constexpr std::size_t band = 16;  // columns at a time: a line of the cache
  const std::size_t bands = (view.inner + band - 1) / band, step = std::max<std::size_t>(block, 256);
  pool.parallel_for(view.outer * bands, [&](std::size_t task) {
    const std::size_t first_column = task % bands * band, columns = std::min(band, view.inner - first_column);
    std::vector<float> rows(columns * step);
    for (std::size_t first = 0; first < view.length; first += step) {
      const std::size_t count = std::min(step, view.length - first);
      const std::size_t at = (task / bands * view.length + first) * view.inner + first_column;
      for (std::size_t j = 0; j < count; ++j)
        for (std::size_t i = 0; i < columns; ++i) rows[i * count + j] = x[at + j * view.inner + i];
      visit(std::span(rows).first(columns * count));
      for (std::size_t j = 0; j < count; ++j)
        for (std::size_t i = 0; i < columns; ++i) out[at + j * view.inner + i] = rows[i * count + j];
    }
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
    visit_blocks(pool, t.block, view, x, out, [&](std::span<float> rows) { apply(t, rows.size(), rows, rows); });
    x = out;
  }
}

void inverse_hadamard(thread_pool& pool, std::span<const transform> transforms, const axis_view& view,
                      std::span<float> x) {
  for (std::size_t i = transforms.size(); i-- > 0;) {
    detail::check_transform("inverse_hadamard", transforms[i], x.size(), view.length);
    visit_blocks(pool, transforms[i].block, view, x, x,
                 [&](std::span<float> rows) { undo(transforms[i], {}, rows.size(), rows); });
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
