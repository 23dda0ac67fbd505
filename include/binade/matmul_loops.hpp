#pragma once
// How matmul() sums: rows of outputs in lanes, stage after stage of an accumulator.
//
// matmul.hpp includes it; where BINADE_COMPILED_LOOPS is defined, one source file of the program does instead.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "binade/accumulator.hpp"
#include "binade/chunk_rounder.hpp"
#include "binade/lane_sums.hpp"
#include "binade/matmul.hpp"
#include "binade/matmul_operands.hpp"
#include "binade/pieces.hpp"
#include "binade/tiles.hpp"
#include "binade/transform_chain.hpp"

namespace binade {

namespace detail {

BINADE_LOOP_FUNCTION scaled_operand split(std::span<const float> x, const axis_view& view, const quantizer& q,
                                          const noise_source& source) {
  std::vector<float> elements(x.size());
  chunk_rounder rounder(q);
  std::uint32_t noise_buffer[scaled_walk::longest];
  scaled_walk walk(x.data(), view, q);
  walk.run([&](std::size_t first, std::size_t n, const near_scales& scales) {
    rounder.elements(x.data() + first, scales, chunk_noise(q.elem, source, first, {noise_buffer, n}),
                     elements.data() + first, n);
  });
  return {std::move(elements), operand_scales(q, view, walk.inner_scales(), walk.outer_scales())};
}

/// The stages of an accumulator after the first.
class later_stages {
 public:
  later_stages(const accumulator& a, std::uint64_t k) {
    accumulator so_far = a;
    for (int i = 1; i < a.stage_count; ++i) {
      so_far.stage_count = i;
      const accumulator_stage &s = a.stages[std::size_t(i)], &before = a.stages[std::size_t(i) - 1];
      stages_.push_back({sums_of(s, before.running.format), s.chunk, step_count(so_far, k)});
    }
  }

  bool empty() const { return stages_.empty(); }
  void reset() {
    for (stage& s : stages_) begin(s, 0);
  }
  /// The result of a chunk of the first stage.
  void add(double* terms, std::size_t lanes, step_noise& noise) { add(0, terms, lanes, noise); }
  /// Hands on the chunks that are not full.  @param to  the result of the last stage
  void finish(double* to, std::size_t lanes, step_noise& noise) {
    for (std::size_t i = 0; i + 1 < stages_.size(); ++i)
      if (stages_[i].in_chunk > 0) hand_on(i, lanes, noise);
    std::visit([&](const auto& sums) { sums.result(to, lanes); }, stages_.back().sums);
  }

 private:
  using any_sums = std::variant<element_chain, exact_sums, kahan_sums, pairwise_sums>;
  struct stage {
    any_sums sums;
    std::uint32_t chunk;
    std::uint64_t first_step;
    std::uint64_t terms = 0;
    std::uint32_t in_chunk = 0;
  };

  /// @pre s is not mx
  static any_sums sums_of(const accumulator_stage& s, const number_format& term_format) {
    switch (s.order) {
      case summation::exact:
        return exact_sums();
      case summation::kahan:
        return kahan_sums();
      case summation::pairwise:
        return pairwise_sums();
      case summation::chain:
      case summation::mx:
        break;
    }
    return element_chain(s, term_format);
  }
  static void begin(stage& s, std::uint64_t terms) {
    std::visit([](auto& sums) { sums.reset(); }, s.sums);
    s.terms = terms;
    s.in_chunk = 0;
  }
  void add(std::size_t i, double* terms, std::size_t lanes, step_noise& noise) {
    stage& s = stages_[i];
    std::visit([&](auto& sums) { sums.add_terms(terms, lanes, noise, s.first_step + s.terms); }, s.sums);
    ++s.terms;
    if (s.chunk != 0 && ++s.in_chunk == s.chunk) hand_on(i, lanes, noise);
  }
  void hand_on(std::size_t i, std::size_t lanes, step_noise& noise) {
    double result[tile_lanes];
    std::visit([&](const auto& sums) { sums.result(result, lanes); }, stages_[i].sums);
    begin(stages_[i], stages_[i].terms);
    add(i + 1, result, lanes, noise);
  }

  std::vector<stage> stages_;
};

/// The outputs of rows [begin, end) by way of `first`, which sums products, and the later stages.
/// @param scale_chunk  (row, column, p, sums, lanes): works on the sums of the chunk that begins at p
template <class T, class First, class ScaleChunk>
void sum_rows(const product_plan& plan, std::size_t begin, std::size_t end, std::span<const T> a, std::span<const T> b,
              First first, ScaleChunk scale_chunk, std::span<float> out) {
  const std::size_t k = plan.shape.k, n = plan.shape.n;
  const std::uint64_t steps_of_product = plan.sum.stages[0].rounds_products ? 2 : 1;
  step_noise noise(plan.noise, noise_bits(plan.sum), step_count(plan.sum, k), n);
  later_stages later(plan.sum, k);
  std::vector<T> packed(n > tile_lanes ? k * tile_lanes : 0);
  for (std::size_t column = 0; column < n; column += tile_lanes) {
    const std::size_t lanes = std::min(tile_lanes, n - column);
    lane_rows<T> rows{b.data(), n};
    if (n > tile_lanes) {  // rows that are far from each other would share few lines of the caches
      for (std::size_t p = 0; p < k; ++p) std::copy_n(b.data() + p * n + column, lanes, packed.data() + p * lanes);
      rows = {packed.data(), lanes};
    }
    for (std::size_t row = begin; row < end; ++row) {
      double sums[tile_lanes];
      noise.move_to(row, column);
      later.reset();
      std::size_t p = 0;
      for (const std::size_t chunk_end : plan.ends) {
        first.reset();
        first.add_products(a.data() + row * k + p, {rows.first + p * rows.stride, rows.stride}, chunk_end - p, lanes,
                           noise, p * steps_of_product);
        first.result(sums, lanes);
        scale_chunk(row, column, p, sums, lanes);
        if (!later.empty()) later.add(sums, lanes, noise);
        p = chunk_end;
      }
      if (!later.empty()) later.finish(sums, lanes, noise);
      for (std::size_t l = 0; l < lanes; ++l)
        out[row * n + column + l] = sums[l] == sums[l] ? float(sums[l]) : std::numeric_limits<float>::quiet_NaN();
    }
  }
}

/// Every output, in bands of rows.
template <class T, class First, class ScaleChunk>
void sum_products(const product_plan& plan, std::span<const T> a, std::span<const T> b, const First& first,
                  ScaleChunk scale_chunk, std::span<float> out, const piece_runner& run) {
  // Rows enough for a band to outweigh its copy of b, and what it costs to hand it to a thread.
  constexpr std::size_t fewest_rows = 16, fewest_products = std::size_t(1) << 18;
  const auto [m, k, n] = plan.shape;
  if (m == 0 || n == 0) return;
  const std::size_t of_row = std::max<std::size_t>(1, k * n);
  const std::size_t band = std::max(fewest_rows, (fewest_products + of_row - 1) / of_row);
  run((m + band - 1) / band,
      [&](std::size_t i) { sum_rows(plan, i * band, std::min(m, (i + 1) * band), a, b, first, scale_chunk, out); });
}

/// What leaves the sums of chunks as they are.
struct leave {
  void operator()(std::size_t, std::size_t, std::size_t, double*, std::size_t) const {}
};
inline constexpr leave leave_chunk;

/// An exact first stage.
template <class ScaleChunk>
void sum_exactly(const product_plan& plan, std::span<const double> a, std::span<const double> b, ScaleChunk scale_chunk,
                 std::span<float> out, const piece_runner& run) {
  const number_extent of_a = number_extent::of(a), of_b = number_extent::of(b);
  if constexpr (std::is_same_v<ScaleChunk, leave>)
    if (sum_exactly_in_tiles(plan, a, b, of_a, of_b, out, run)) return;
  const exact_sums first(part_plan(of_a, of_b, plan.shape.k));
  sum_products(plan, a, b, first, scale_chunk, out, run);
}

/// @pre the arguments fit together, sum is not mx
inline void multiply(std::span<const float> a, std::span<const float> b, const product_plan& plan, std::span<float> out,
                     const piece_runner& run) {
  const accumulator_stage& s = plan.sum.stages[0];
  if (sum_chains_in_tiles(plan, a, b, out, run)) return;
  const auto by = [&](const auto& first) { sum_products(plan, a, b, first, leave_chunk, out, run); };
  switch (s.order) {
    case summation::kahan:
      return by(kahan_sums());
    case summation::pairwise:
      return by(pairwise_sums());
    case summation::exact: {
      if (sum_exactly_in_tiles(plan, a, b, number_extent::of(a), number_extent::of(b), out, run)) return;
      const std::vector<double> wide_a(a.begin(), a.end()), wide_b(b.begin(), b.end());
      return sum_exactly(plan, wide_a, wide_b, leave_chunk, out, run);
    }
    case summation::chain:
    case summation::mx:
      break;
  }
  if (s.rounds_products) return by(element_chain(s, single_element.format));
  if (s.running == single_element) return by(native_chain<float>());
  if (s.running == double_element) return by(native_chain<double>());
  by(element_chain(s, single_element.format));
}

/// x s, the exact product rounded once to float32.
inline float scaled_sum(float x, double s) {
  if (double(float(s)) == s) return rescaled(x, float(s));
  return nearest_float(exact_product(unpack(x), unpack(s)));
}

BINADE_LOOP_FUNCTION void multiply_unscaled(const scaled_operand& a, const scaled_operand& b, product_plan plan,
                                            std::span<float> out, const piece_runner& run) {
  const auto [m, k, n] = plan.shape;
  std::vector<double> wide_a(a.elements.begin(), a.elements.end()), wide_b(b.elements.begin(), b.elements.end());
  if (plan.sum.stages[0].order == summation::mx) {
    plan.sum = promoted({.order = summation::exact}, 1, chain_of(single_element));
    plan.ends.clear();
    for (std::size_t p = 1; p < k; ++p)
      if (a.scales.changes_at(p) || b.scales.changes_at(p)) plan.ends.push_back(p);
    if (k > 0) plan.ends.push_back(k);
    const auto scale = [&](std::size_t row, std::size_t column, std::size_t p, double* sums, std::size_t lanes) {
      const double scale_of_a = a.scales.varying(row, p);
      for (std::size_t l = 0; l < lanes; ++l)
        sums[l] = double(scaled_sum(scaled_sum(float(sums[l]), scale_of_a), b.scales.varying(column + l, p)));
    };
    sum_exactly(plan, wide_a, wide_b, scale, out, run);
  } else {
    if (a.scales.vary())
      for (std::size_t i = 0; i < wide_a.size(); ++i) wide_a[i] *= a.scales.varying(i / k, i % k);
    if (b.scales.vary())
      for (std::size_t i = 0; i < wide_b.size(); ++i) wide_b[i] *= b.scales.varying(i % n, i / n);
    sum_exactly(plan, wide_a, wide_b, leave_chunk, out, run);
  }
  if (k == 0) return;
  std::vector<double> scales_of_b(n);
  for (std::size_t j = 0; j < n; ++j) scales_of_b[j] = b.scales.constant(j);
  for (std::size_t i = 0; i < m; ++i) {
    const double scale_of_a = a.scales.constant(i);
    for (std::size_t j = 0; j < n; ++j)
      out[i * n + j] = scaled_sum(scaled_sum(out[i * n + j], scale_of_a), scales_of_b[j]);
  }
}

}  // namespace detail

/// As matmul.hpp says.
BINADE_LOOP_FUNCTION void matmul(std::span<const float> a, std::span<const float> b, const matmul_shape& shape,
                                 const accumulator& sum, const noise_source& noise, std::span<float> out,
                                 const piece_runner& run) {
  detail::check_product(a, b, shape, sum, noise, out);
  if (sum.stages[0].order == summation::mx)
    throw std::invalid_argument(
        "matmul: mx sums in the blocks of its operands' scales, and these operands have none; give quantizers with "
        "block scales, or use exact");
  detail::multiply(a, b, {shape, sum, noise, detail::chunk_ends(shape.k, sum.stages[0].chunk)}, out, run);
}

/// As matmul.hpp says.
BINADE_LOOP_FUNCTION void matmul(std::span<const float> a, const quantizer& a_spec, std::span<const float> b,
                                 const quantizer& b_spec, const matmul_shape& shape, const accumulator& sum,
                                 const matmul_noise& noise, std::span<float> out, const piece_runner& run) {
  detail::check_product(a, b, shape, sum, noise.sum, out);
  const axis_view a_view{shape.m, shape.k, 1}, b_view{1, shape.k, shape.n};
  detail::check_arguments("matmul: a_spec", a.size(), a_view, a_spec, &noise.a);
  detail::check_arguments("matmul: b_spec", b.size(), b_view, b_spec, &noise.b);
  detail::check_transforms(a_spec, b_spec);
  if (a_spec.transform_count > 0) {
    detail::transform_chain a_chain(a_spec, a_view), b_chain(b_spec, b_view);
    return matmul(a_chain.apply(a), a_chain.without_transforms(), b_chain.apply(b), b_chain.without_transforms(), shape,
                  sum, noise, out, run);
  }
  detail::product_plan plan{shape, sum, noise.sum, detail::chunk_ends(shape.k, sum.stages[0].chunk)};
  if (multiplies_unscaled(sum)) {
    const detail::scaled_operand split_a = detail::split(a, a_view, a_spec, noise.a),
                                 split_b = detail::split(b, b_view, b_spec, noise.b);
    if (sum.stages[0].order == summation::mx && !split_a.scales.vary() && !split_b.scales.vary())
      throw std::invalid_argument(
          "matmul: mx sums in the blocks of its operands' scales, and neither a_spec nor b_spec has any; give one "
          "block scales, or use exact");
    return detail::multiply_unscaled(split_a, split_b, std::move(plan), out, run);
  }
  std::vector<float> quantized_a(a.size()), quantized_b(b.size());
  quantize_in_pieces(a, a_view, a_spec, noise.a, quantized_a, run);
  quantize_in_pieces(b, b_view, b_spec, noise.b, quantized_b, run);
  detail::multiply(quantized_a, quantized_b, plan, out, run);
}

}  // namespace binade
