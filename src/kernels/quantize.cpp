#include "kernels/quantize.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "binade/hadamard.hpp"
#include "binade/pieces.hpp"
#include "binade/reduction.hpp"
#include "binade/versions.hpp"

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
  const detail::scratch_vector<std::uint32_t> none(t.block),
      flips = random ? detail::sign_flips(t.block, t.seed) : none;
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

quantize_counters quantize_and_count(thread_pool& pool, std::span<const float> x, const axis_view& view,
                                     const quantizer& q, const noise_source& source, std::span<float> out,
                                     bool samples) {
  const auto count_part = [&](const axis_view& part, const quantizer& each, std::size_t first) {
    detail::counter counter(q.elem.format, samples ? std::optional(first) : std::nullopt);
    detail::quantize_part(x.subspan(first, part.size()), part, each, detail::from_element(source, first),
                          out.subspan(first, part.size()), &counter, nullptr);
    return counter.total();
  };
  detail::check_arguments("quantize", x.size(), view, q, &source);
  detail::check_output(x, view, out);
  if (pool.size() == 1 || x.size() <= smallest_part) return count_part(view, q, 0);
  const quantizer each = with_known_scale(pool, q, x);
  const array_pieces pieces = counted_pieces(view, each);
  if (pieces.count() == 1) return count_part(view, q, 0);
  std::vector<quantize_counters> of_piece(pieces.count());
  pool.parallel_for(pieces.count(), [&](std::size_t k) {
    const auto [first, part] = pieces[k];
    of_piece[k] = count_part(part, each, first);
  });
  quantize_counters total;
  reduction::neighbour_tree<detail::counter_sums> sums;
  for (const quantize_counters& part : of_piece) {
    total.merge(part);
    sums.push(detail::counter_sums::of(part));
  }
  sums.root().write_to(total);
  return total;
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

quantizer with_known_scale(thread_pool& pool, const quantizer& q, std::span<const float> x) {
  return detail::with_known_tensor_scale(x, q, by_threads(pool), smallest_part);
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
  if (counters != nullptr)
    *counters = quantize_and_count(pool, x, view, q, source, out, false);
  else if (pool.size() == 1 || x.size() <= smallest_part)
    binade::quantize(x, view, q, source, out);
  else
    quantize_in_pieces(x, view, q, source, out, by_threads(pool), smallest_part);
}

rounding_counts quantize_counted(thread_pool& pool, std::span<const float> x, const axis_view& view, const quantizer& q,
                                 const noise_source& source, std::span<float> out) {
  rounding_counts counts{.exponents = sampled_exponents(pool, x), .largest_value = q.elem.format.max_finite()};
  counts.counters = quantize_and_count(pool, x, view, q, source, out, true);
  return counts;
}

exponent_histogram sampled_exponents(thread_pool& pool, std::span<const float> x) {
  constexpr std::size_t run = 64, group = 2048, buffered = 4096, piece = buffered / run * group;
  exponent_histogram total;
  if (x.size() <= buffered) {
    total.add(x);
    return total;
  }
  std::vector<exponent_histogram> of_piece((x.size() + piece - 1) / piece);
  pool.parallel_for(of_piece.size(), [&](std::size_t p) {
    float taken[buffered];
    std::size_t count = 0;
    for (std::size_t first = p * piece; first < std::min(x.size(), (p + 1) * piece); first += group) {
      const std::uint32_t fraction = std::uint32_t(first / group) * 0x9e3779b9u;  // of 2^32: k times the golden ratio
      const std::size_t begin = first + (fraction >> 27) * run;
      if (begin >= x.size()) continue;
      const std::size_t here = std::min(run, x.size() - begin);
      std::copy_n(x.data() + begin, here, taken + count);
      count += here;
    }
    of_piece[p].add({taken, count});
  });
  for (const exponent_histogram& h : of_piece) total.merge(h);
  return total;
}

}  // namespace binade::kernels
