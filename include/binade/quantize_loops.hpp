#pragma once
// How quantize(), encode() and decode() go through an array: the fastest of the loops that give its bits.
//
// quantize.hpp includes it; where BINADE_COMPILED_LOOPS is defined, one source file of the program does instead.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "binade/array_decoder.hpp"
#include "binade/array_rounder.hpp"
#include "binade/chunk_rounder.hpp"
#include "binade/group_round.hpp"
#include "binade/group_scales.hpp"
#include "binade/packing_lanes.hpp"
#include "binade/quantize.hpp"
#include "binade/scale_codes.hpp"
#include "binade/transform_chain.hpp"

namespace binade {

namespace detail {

/// The elements of an unscaled array at once, or in chunks, with the noise of each where the mode asks for it.
/// @param at_once  whether one call may take all: without noise
/// @param visit    of the first element, how many there are, and their noise or null
template <class Visit>
void visit_unscaled(const element& e, const noise_source& source, std::size_t count, bool at_once, Visit visit) {
  if (at_once && !is_stochastic(e.rounding)) return visit(std::size_t(0), count, nullptr);
  constexpr std::size_t chunk = scaled_walk::longest;
  std::uint32_t noise[chunk];
  for (std::size_t first = 0; first < count; first += chunk) {
    const std::size_t n = std::min(chunk, count - first);
    visit(first, n, chunk_noise(e, source, first, {noise, n}));
  }
}
/// quantize_part() without scales and counters.
inline void quantize_unscaled(std::span<const float> x, const element& e, const noise_source& source,
                              std::span<float> out, bool streams) {
  const array_rounder rounder(e);
  const bool is_direct = out.data() != x.data() || rounder.works_in_place();
  float buffer[scaled_walk::longest];
  visit_unscaled(e, source, x.size(), is_direct, [&](std::size_t first, std::size_t n, const std::uint32_t* noise) {
    rounder.quantize(x.data() + first, noise, is_direct ? out.data() + first : buffer, n, streams && is_direct);
    if (!is_direct) std::copy_n(buffer, n, out.data() + first);
  });
}
/// encode_part() without scales.
template <class Code>
void encode_unscaled(std::span<const float> x, const element& e, const noise_source& source, std::uint64_t& refused,
                     Code* codes) {
  const array_rounder rounder(e);
  bool may_have_nan = false;
  visit_unscaled(e, source, x.size(), true, [&](std::size_t first, std::size_t n, const std::uint32_t* noise) {
    may_have_nan |= rounder.encode(x.data() + first, noise, codes + first, n);
  });
  if (may_have_nan && e.format.refuses_nan())
    refused += std::uint64_t(std::count_if(x.begin(), x.end(), [](float value) { return value != value; }));
}
/// The elements of a group where they are neighbours, and where all groups but a shorter last one have as many; else 0.
inline std::size_t neighbours_in_group(const axis_view& view, const quantizer& q) {
  const scaling& s = q.scalings[0];
  if (q.levels == 0 || s.per != granularity::tile || s.tile_rows != 1 || view.inner != 1 || view.size() == 0) return 0;
  if (q.levels == 2 && q.scalings[1].per != granularity::tensor) return 0;
  return view.outer == 1 || view.length % s.tile_cols == 0 ? s.tile_cols : 0;
}
/// The rows of groups that are columns in memory; else 0.
inline std::size_t rows_in_group(const axis_view& view, const quantizer& q) {
  const scaling& s = q.scalings[0];
  if (q.levels == 0 || s.per != granularity::tile || s.tile_rows != 1 || view.inner < 16 || view.size() == 0) return 0;
  return q.levels == 2 && q.scalings[1].per != granularity::tensor ? 0 : s.tile_cols;
}
/// Rounds all columns of groups of `size`; returns how many NaNs got code 0.
/// @param scales  null, or where scales go, numbered as groups   @param streams  as for group_rounder
template <class To>
std::uint64_t round_all_columns(const group_rounder& rounder, std::size_t size, const float* x, const axis_view& view,
                                To* to, float* scales, bool streams) {
  const std::size_t tiles = (view.length + size - 1) / size;
  std::vector<float> found(scales == nullptr ? 0 : view.inner);
  std::uint64_t refused = 0;
  for (std::size_t o = 0; o < view.outer; ++o)
    for (std::size_t tile = 0; tile < tiles; ++tile) {
      const std::size_t first = (o * view.length + tile * size) * view.inner;
      refused += rounder.columns(x + first, std::min(size, view.length - tile * size), view.inner, view.inner,
                                 to + first, scales == nullptr ? nullptr : found.data(), streams);
      for (std::size_t i = 0; i < found.size(); ++i) scales[(o * view.inner + i) * tiles + tile] = found[i];
    }
  return refused;
}
/// What is known of the scales, with that of the tensor where it is the outer one of two.
/// @param found  where that scale is kept if it was not known
inline const known_scales* with_outer_scale(std::span<const float> x, const axis_view& view, const quantizer& q,
                                            const known_scales* known, known_scales& found) {
  if (q.levels != 2 || q.scalings[1].per != granularity::tensor || x.empty()) return known;
  if (known != nullptr && known->outer) return known;
  const scaling& s = q.scalings[1];
  group_amax amax(x.data(), grid_of(s, view), s);
  if (s.rule != scale_rule::static_scale) amax.all();
  found.outer = scale_levels(q).outer(amax[0]);
  return &found;
}

/// quantize() by a Hadamard transform of blocks and groups that follow each other, piece by piece in the nearest cache;
/// false, and nothing is done, where the quantizer or the array is not of that kind.
inline bool quantize_in_blocks(std::span<const float> x, const axis_view& view, quantizer q, std::span<float> out,
                               bool streams) {
  const transform t = q.transforms[0];
  const bool has_signs = t.kind == transform_kind::random_hadamard;
  if (q.transform_count != 1 || (t.kind != transform_kind::hadamard && !has_signs)) return false;
  q.transform_count = 0;
  q.transforms = {};
  const std::size_t size = neighbours_in_group(view, q);
  if (size == 0 || view.length % t.block != 0 || q.levels != 1) return false;
  constexpr std::size_t longest = 2048;
  const std::size_t step = std::lcm(size, std::size_t(t.block));
  if (step > longest || x.size() % step != 0) return false;

  const std::optional<group_rounder> rounder = group_rounder::of(q, size);
  if (!rounder) return false;
  const scratch_vector<std::uint32_t> flips = has_signs ? sign_flips(t.block, t.seed) : scratch_vector<std::uint32_t>{};
  float piece[longest];
  for (std::size_t first = 0; first < x.size();) {
    if (size == t.block)
      first += size * rounder->transformed(x.data() + first, (x.size() - first) / size, out.data() + first,
                                           has_signs ? flips.data() : nullptr, streams);
    const std::size_t count = std::min(longest / step * step, x.size() - first);
    const float* from = x.data() + first;
    float* const to = out.data() + first;
    if (has_signs) flip_signs(std::exchange(from, piece), piece, count, flips);
    transform_blocks(from, piece, count, t.block);
    (*rounder)(piece, count / size, piece);
    transform_blocks(piece, to, count, t.block);
    if (has_signs) flip_signs(to, to, count, flips);
    first += count;
  }
  return true;
}

/// each[i] = numbers[i / run].
struct spread_body {
  BINADE_ALWAYS_INLINE static void run(const float* __restrict numbers, std::size_t run, float* __restrict each,
                                       std::size_t count) {
    each_in_runs(numbers, run, count, [=](float number, std::size_t i) BINADE_INLINE_LAMBDA { each[i] = number; });
  }
};
/// limits[k]: counter::limit() of scales[k] times the outer scale; scales[k] becomes that product, in float32.
struct counted_product_body {
  BINADE_ALWAYS_INLINE static void run(const scale_levels* levels, const outer_scale* outer, const counter* counters,
                                       float* __restrict scales, float* __restrict limits, std::size_t count) {
    for (std::size_t k = 0; k < count; ++k) {
      const double product = levels->product(scales[k], *outer);
      limits[k] = counters->limit(product);
      scales[k] = float(product);
    }
  }
};
/// A group_rounder's powers of two from here on have exact products with the values of its format.
inline constexpr float least_exact_scale = 0x1p-60f;

/// Rounds whole groups of the inner level and counts.
/// @param out  x or memory apart from it
inline void count_groups(const group_rounder& rounder, const quantizer& q, const outer_scale& outer, std::size_t size,
                         std::span<const float> x, std::span<float> out, counter& counters) {
  constexpr std::size_t longest = counter::chunk, most_groups = longest / 16;
  float values[longest], scales[longest], limits[longest], inner[most_groups], limit[most_groups];
  const scale_levels levels(q);
  // As much as stays in the nearest cache, in batches of 16 groups.
  const std::size_t step = size <= 64 ? 1024 / size * size : longest / size * size;
  for (std::size_t first = 0; first < x.size();) {
    const std::size_t count = std::min(step, x.size() - first), groups = count / size;
    const float* const from = x.data() + first;
    float* const to = out.data() == x.data() ? values : out.data() + first;
    rounder(from, groups, to, &inner[0]);
    if (q.levels == 2) {
      run_best<counted_product_body>(&levels, &outer, &std::as_const(counters), &inner[0], &limit[0], groups);
      run_best<spread_body>(&limit[0], size, &limits[0], count);
    }
    const float smallest = counters.note_scales(inner, groups);
    run_best<spread_body>(&inner[0], size, &scales[0], count);
    if (q.levels == 2)
      counters.add_limited(from, scales, limits, to, count);
    else if (smallest >= least_exact_scale)
      counters.add_powers(from, scales, to, count);
    else
      counters.add(from, scales, to, count);
    if (to == values) std::copy_n(values, count, out.data() + first);
    first += count;
  }
}

/// Rounds columns of groups of the inner level and counts.
/// @param out  x or memory apart from it
inline void count_columns(const group_rounder& rounder, const quantizer& q, const outer_scale& outer, std::size_t size,
                          std::span<const float> x, const axis_view& view, std::span<float> out, counter& counters) {
  const std::size_t row = view.inner, repeats = std::max<std::size_t>(1, 1024 / row);
  std::vector<float> scales(repeats * row), values(out.data() == x.data() ? std::min(size, view.length) * row : 0);
  std::vector<float> limits(q.levels == 2 ? scales.size() : 0);
  const scale_levels levels(q);
  const auto repeat = [&](auto& list) {
    for (std::size_t at = row; at < list.size(); at *= 2)
      std::copy_n(list.data(), std::min(at, list.size() - at), list.data() + at);
  };
  for (std::size_t o = 0; o < view.outer; ++o)
    for (std::size_t j = 0; j < view.length; j += size) {
      const std::size_t first = (o * view.length + j) * row, rows = std::min(size, view.length - j);
      const float* const from = x.data() + first;
      float* const to = values.empty() ? out.data() + first : values.data();
      rounder.columns(from, rows, row, row, to, scales.data(), false);
      if (q.levels == 2)
        run_best<counted_product_body>(&levels, &outer, &std::as_const(counters), scales.data(), limits.data(), row);
      const bool are_exact = counters.note_scales(scales.data(), row) >= least_exact_scale;
      repeat(scales);
      repeat(limits);
      for (std::size_t done = 0; done < rows; done += repeats) {
        const std::size_t at = done * row, count = std::min(repeats, rows - done) * row;
        if (q.levels == 2)
          counters.add_limited(from + at, scales.data(), limits.data(), to + at, count);
        else if (are_exact)
          counters.add_powers(from + at, scales.data(), to + at, count);
        else
          counters.add(from + at, scales.data(), to + at, count);
      }
      if (!values.empty()) std::copy_n(to, rows * row, out.data() + first);
    }
}

BINADE_LOOP_FUNCTION void quantize_part(std::span<const float> x, const axis_view& view, const quantizer& q,
                                        const noise_source& source, std::span<float> out, counter* counters,
                                        const known_scales* known, bool streams) {
  check_arguments("quantize", x.size(), view, q, &source);
  check_output(x, view, out);
  if (q.transform_count > 0) {
    if (counters == nullptr && known == nullptr && quantize_in_blocks(x, view, q, out, streams)) return;
    transform_chain chain(q, view);
    const std::vector<float> transformed = chain.apply(x);
    quantize_part(transformed, view, chain.without_transforms(), source, out, counters, known);
    return chain.undo(out);
  }
  if (q.levels == 0 && counters == nullptr) return quantize_unscaled(x, q.elem, source, out, streams);

  known_scales found;
  known = with_outer_scale(x, view, q, known, found);
  const outer_scale outer = known != nullptr && known->outer ? *known->outer : outer_scale{};
  const bool finds_inner = known == nullptr || known->inner.empty();
  if (const std::size_t size = neighbours_in_group(view, q); size != 0 && x.size() >= size && finds_inner) {
    const std::size_t done = x.size() / size * size;
    if (const std::optional<group_rounder> rounder = group_rounder::of(q, size, outer)) {
      if (counters == nullptr)
        (*rounder)(x.data(), x.size() / size, out.data(), nullptr, streams);
      else
        count_groups(*rounder, q, outer, size, x.first(done), out.first(done), *counters);
      if (done == x.size()) return;
      return quantize_part(x.subspan(done), {1, x.size() - done, 1}, q, source, out.subspan(done), counters, known);
    }
  }

  if (const std::size_t rows = rows_in_group(view, q); rows != 0 && finds_inner)
    if (const std::optional<group_rounder> columns = group_rounder::of_columns(q, rows, outer)) {
      if (counters != nullptr) return count_columns(*columns, q, outer, rows, x, view, out, *counters);
      return void(round_all_columns<float>(*columns, rows, x.data(), view, out.data(), nullptr, streams));
    }

  const bool in_place = out.data() == x.data();
  constexpr std::size_t longest = scaled_walk::longest;
  chunk_rounder rounder(q);
  std::uint32_t noise_buffer[longest];
  float value_buffer[longest];
  scaled_walk walk(x.data(), view, q, known);
  walk.run([&](std::size_t first, std::size_t n, const near_scales& scales) {
    const float* const from = x.data() + first;
    float* const to = in_place ? value_buffer : out.data() + first;
    rounder.quantize(from, scales, chunk_noise(q.elem, source, first, {noise_buffer, n}), to, n, streams);
    if (counters != nullptr) rounder.count(*counters, from, scales, to, n);
    if (in_place) std::copy_n(to, n, out.data() + first);
  });
}

BINADE_LOOP_FUNCTION void encode_part(std::span<const float> x, const axis_view& view, const quantizer& q,
                                      const noise_source& source, const known_scales* known, std::uint64_t& refused,
                                      encoded& result) {
  check_arguments("encode", x.size(), view, q, &source);
  if (q.transform_count > 0) {
    transform_chain chain(q, view);
    encode_part(chain.apply(x), view, chain.without_transforms(), source, known, refused, result);
    result.transforms = std::move(chain.records());
    return;
  }
  result.scales = {};
  result.outer_scales = {};
  result.transforms.clear();
  const element& e = q.elem;
  if (q.levels == 0)
    return with_codes(result.codes, e.format.width, x.size(),
                      [&](auto& codes) { encode_unscaled(x, e, source, refused, codes.data()); });
  known_scales found;
  known = with_outer_scale(x, view, q, known, found);
  const outer_scale outer = known != nullptr && known->outer ? *known->outer : outer_scale{};
  const bool finds_inner = known == nullptr || known->inner.empty();
  if (const std::size_t size = neighbours_in_group(view, q); size != 0 && x.size() % size == 0 && finds_inner)
    if (const std::optional<group_rounder> rounder = group_rounder::of(q, size, outer)) {
      std::vector<float> scales(x.size() / size);
      with_codes(result.codes, e.format.width, x.size(), [&](auto& codes) {
        if constexpr (sizeof(codes[0]) <= sizeof(std::uint32_t))
          refused += (*rounder)(x.data(), scales.size(), codes.data(), scales.data());
      });
      encode_scales(q.scalings[0].format, scales, result.scales);
      if (q.levels == 2) encode_scales(q.scalings[1].format, {outer.scale}, result.outer_scales);
      return;
    }
  if (const std::size_t rows = rows_in_group(view, q); rows != 0 && finds_inner)
    if (const std::optional<group_rounder> columns = group_rounder::of_columns(q, rows, outer)) {
      std::vector<float> scales(plain_grid_of(q.scalings[0], view).count());
      with_codes(result.codes, e.format.width, x.size(), [&](auto& codes) {
        if constexpr (sizeof(codes[0]) <= sizeof(std::uint32_t))
          refused += round_all_columns(*columns, rows, x.data(), view, codes.data(), scales.data(), false);
      });
      encode_scales(q.scalings[0].format, scales, result.scales);
      if (q.levels == 2) encode_scales(q.scalings[1].format, {outer.scale}, result.outer_scales);
      return;
    }
  chunk_rounder rounder(q);
  std::uint32_t noise_buffer[scaled_walk::longest];
  scaled_walk walk(x.data(), view, q, known);
  with_codes(result.codes, e.format.width, x.size(), [&](auto& codes) {
    walk.run([&](std::size_t first, std::size_t n, const near_scales& scales) {
      const std::uint32_t* const noise = chunk_noise(e, source, first, {noise_buffer, n});
      rounder.encode(x.data() + first, scales, noise, codes.data() + first, n);
      if (!e.format.refuses_nan()) return;
      // The NaN of a group has its say in the scale alone.
      const auto is_nan = [](const auto* list, std::size_t i) {
        const double number = list == nullptr ? 0 : double(list[i]);
        return number != number;
      };
      for (std::size_t i = 0; i < n; ++i)
        refused += std::uint64_t(x[first + i] != x[first + i] && !is_nan(scales.stored, i / scales.run) &&
                                 !is_nan(scales.product, i / scales.run));
    });
  });
  encode_scales(q.scalings[0].format, walk.inner_scales(), result.scales);
  if (q.levels > 1) encode_scales(q.scalings[1].format, walk.outer_scales(), result.outer_scales);
}

}  // namespace detail

/// As quantize.hpp says.
BINADE_LOOP_FUNCTION void decode(const encoded& array, const axis_view& view, const quantizer& q,
                                 std::span<float> out) {
  const std::size_t count = detail::size_of(array.codes);
  detail::check_arguments("decode", count, view, q, nullptr);
  detail::check_decoded(count, array, view, q, out);
  const auto check_codes = [](const code_array& codes, const number_format& f, const char* what) {
    std::visit(
        [&](const auto& c) {
          if (detail::all_fit(c.data(), c.size(), f.code_mask())) return;
          const auto wide = std::find_if(c.begin(), c.end(), [&](auto code) { return code > f.code_mask(); });
          throw std::invalid_argument("decode: " + std::string(what) + " code " + std::to_string(*wide) + " at index " +
                                      std::to_string(wide - c.begin()) + " is wider than the " +
                                      std::to_string(f.width) + " bits of its format");
        },
        codes);
  };
  check_codes(array.codes, q.elem.format, "element");
  if (q.levels > 0) check_codes(array.scales, q.scalings[0].format, "scale");
  if (q.levels > 1) check_codes(array.outer_scales, q.scalings[1].format, "outer scale");

  const detail::array_decoder decoder(q.elem.format, count);
  if (q.levels == 0 && q.transform_count == 0)
    return std::visit([&](const auto& codes) { decoder(codes.data(), out.data(), count); }, array.codes);
  const std::vector<float> inner = detail::decode_scales(q.scalings[0].format, array.scales),
                           outer = detail::decode_scales(q.scalings[1].format, array.outer_scales);
  detail::scaled_walk walk(nullptr, view, q);
  std::visit(
      [&](const auto& codes) {
        walk.run_with(inner, outer, [&](std::size_t first, std::size_t n, const detail::near_scales& near) {
          float* const values = out.data() + first;
          decoder(codes.data() + first, values, n);
          if (near.product != nullptr) return detail::multiply(near, values, n);
          if (near.stored != nullptr) detail::lane_scale_up(near.stored, near.run, values, n);
        });
      },
      array.codes);
  if (q.transform_count == 0) return;
  detail::transform_chain chain(q, view);
  chain.records() = array.transforms;
  chain.undo(out);
}

}  // namespace binade
