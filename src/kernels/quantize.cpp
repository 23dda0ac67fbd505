#include "kernels/quantize.hpp"

#include <algorithm>
#include <vector>

#include "binade/pieces.hpp"
#include "binade/reduction.hpp"

namespace binade::kernels {
namespace {

/// Elements of a part at least: a multiple of the chunks that counters are summed in, by a power of two, so that the
/// sums of a part are a subtree of the sums of the array.
constexpr std::size_t smallest_part = 4 * reduction::chunk_size;

/// A scaling that has this scale whatever the data: it is a float32, whatever format it is stored in.
scaling known(float scale) {
  return {.rule = scale_rule::static_scale, .static_value = scale};
}

auto by_threads(thread_pool& pool) {
  return [&pool](std::size_t count, const auto& f) { pool.parallel_for(count, f); };
}

/// Pieces that are the same number of elements, smallest_part or twice as many and so on, but for the last one; one
/// piece where the array cannot be cut so.
array_pieces counted_pieces(const axis_view& view, const quantizer& q) {
  for (std::size_t size = smallest_part;; size *= 2) {
    const array_pieces pieces(view, q, size);
    if (pieces.count() <= 1 || pieces[0].view.size() == size) return pieces;
  }
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
  return detail::tensor_amax(x, scaling{}, by_threads(pool), smallest_part);
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
  if (pool.size() == 1 || x.size() <= smallest_part) return binade::quantize(x, view, q, source, out, counters);
  if (counters == nullptr) return quantize_in_pieces(x, view, q, source, out, by_threads(pool), smallest_part);

  detail::check_arguments("quantize", x.size(), view, q, &source);
  detail::check_output(x, view, out);
  const quantizer each = detail::with_known_tensor_scale(x, q, by_threads(pool), smallest_part);
  const array_pieces pieces = counted_pieces(view, each);
  if (pieces.count() == 1) return binade::quantize(x, view, q, source, out, counters);
  std::vector<quantize_counters> of_piece(pieces.count());
  pool.parallel_for(pieces.count(), [&](std::size_t k) {
    const auto [first, part] = pieces[k];
    binade::quantize(x.subspan(first, part.size()), part, each, detail::from_element(source, first),
                     out.subspan(first, part.size()), &of_piece[k]);
  });
  quantize_counters total;
  reduction::neighbour_tree<double> square, error;
  for (const quantize_counters& part : of_piece) {
    total.merge(part);
    square.push(part.sum_sq);
    error.push(part.sum_sq_error);
  }
  total.sum_sq = square.root();
  total.sum_sq_error = error.root();
  *counters = total;
}

}  // namespace binade::kernels
