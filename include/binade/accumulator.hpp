#pragma once
// How products become a sum, as a value.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "binade/catalogue.hpp"
#include "binade/element.hpp"

namespace binade {

/// In which order, and with which roundings, terms are summed.  A term is a product a b; of a later stage (accumulator)
/// it is the result of a chunk.  All float32 operations here round to nearest even, as IEEE 754 does.
enum class summation : std::uint8_t {
  /// s = round(a b + s), fused, over ascending terms from s = +0, in the element `running`; or, with a rounding of
  /// products, p = round(a b), s = round(p + s).  `f32`, `f64` and every element.
  chain,
  /// The exact sum, rounded to float32 once.  Its zero is +0.
  exact,
  /// In each block the exact sum, rounded to float32, times the scales of a and b, each product rounded to float32;
  /// across blocks a chain in float32.  A block ends where a scale of either operand does.
  mx,
  /// Kahan's compensated sum in float32, from s = c = +0: y = a b - c, fused; t = s + y; c = (t - s) - y; s = t.
  /// Nothing guards it: a sum that overflows makes c, and then s, NaN.  Of a later stage the term is rounded to float32
  /// and y = term - c.
  kahan,
  /// Terms rounded to float32, summed in float32 as a binary tree of neighbours: in each round 0 with 1, 2 with 3, ...,
  /// an odd one at the end passing through.  A single term is the result, with its sign of zero.
  pairwise,
};

/// One stage of an accumulator.
struct accumulator_stage {
  summation order = summation::chain;
  element running = {formats::e8m23};  ///< of a chain; this default otherwise
  bool rounds_products = false;        ///< of a chain over products
  element product = {formats::e8m23};  ///< what products are rounded to; this default where they are not
  std::uint32_t chunk = 0;             ///< terms after which the result goes to the next stage; 0: the last stage

  bool operator==(const accumulator_stage&) const = default;
};

/// How an output of a matrix product is summed over k.
///
/// The first stage sums products.  Each of its chunks, the short last one too, starts anew, and its result, exactly, is
/// a term of the next stage; and so on.  The result of the last stage is rounded to float32, to nearest even.  The
/// default is `f32`: one chain of float32 fused multiply-adds.
///
/// A NaN of a sum stays NaN whatever the running format, as in quantize(); so a run that breaks down shows.
struct accumulator {
  int stage_count = 1;
  std::array<accumulator_stage, 4> stages = {};  ///< those not in use are default

  bool operator==(const accumulator&) const = default;
};

/// One chain in an element: the running sum is rounded to it after each fused step.
constexpr accumulator chain_of(const element& e) {
  return {.stages = {accumulator_stage{.running = e}}};
}
/// One stage in this order.  @pre not `chain`
constexpr accumulator summed(summation order) {
  return {.stages = {accumulator_stage{.order = order}}};
}
/// A stage whose results, of `chunk` terms each, the accumulator `next` sums.  @pre next has 3 stages at most
constexpr accumulator promoted(accumulator_stage first, std::uint32_t chunk, const accumulator& next) {
  accumulator a{.stage_count = next.stage_count + 1};
  first.chunk = chunk;
  a.stages[0] = first;
  for (std::size_t i = 1; i < a.stages.size(); ++i) a.stages[i] = next.stages[i - 1];
  return a;
}

/// The stage that adds chunks where none is named: the same one, without chunks and roundings of products.
constexpr accumulator_stage usual_next(const accumulator_stage& s) {
  return {.order = s.order, .running = s.running};
}

/// Why an accumulator is impossible; empty if it is not.
constexpr std::string_view defect(const accumulator& a) {
  if (a.stage_count < 1 || a.stage_count > int(a.stages.size())) return "an accumulator has one to four stages";
  for (int i = 0; i < int(a.stages.size()); ++i) {
    const accumulator_stage& s = a.stages[std::size_t(i)];
    if (i >= a.stage_count) {
      if (s != accumulator_stage{}) return "a stage that is not in use must be the default";
      continue;
    }
    if (const std::string_view why = defect(s.running); !why.empty()) return why;
    if (const std::string_view why = defect(s.product); !why.empty()) return why;
    if (!s.running.format.fits_double() || !s.product.format.fits_double())
      return "a running sum is kept in binary64, which cannot hold every value of this format";
    if (s.order != summation::chain && s.running != accumulator_stage{}.running)
      return "only a chain runs in an element";
    if (!s.rounds_products && s.product != accumulator_stage{}.product)
      return "an element for products is only where they are rounded";
    if (s.rounds_products && s.order != summation::chain) return "products are rounded in a chain only";
    if (s.rounds_products && i > 0) return "products are rounded in the first stage, which is where they are";
    if (s.order == summation::mx && a.stage_count > 1)
      return "mx has the blocks of its operands' scales: it has no chunks and takes none on";
    if ((s.chunk == 0) != (i + 1 == a.stage_count)) return "each stage but the last has chunks of 1 term or more";
  }
  return {};
}

/// True if operands with scales are multiplied without them, and scaled after; else they are dequantized first.
constexpr bool multiplies_unscaled(const accumulator& a) {
  return a.stages[0].order == summation::exact || a.stages[0].order == summation::mx;
}

/// The most noise bits that a rounding of the accumulator asks for; 0: it has no stochastic one.
constexpr int noise_bits(const accumulator& a) {
  int bits = 0;
  for (const accumulator_stage& s : a.stages)
    for (const element* e : {&s.running, &s.product})
      if (is_stochastic(e->rounding)) bits = std::max(bits, e->noise_bits);
  return bits;
}

/// Steps of one output over k products, by which its roundings are numbered.
///
/// Each term of each stage is a step, or two where products are rounded: the product's, then the sum's.  The steps of
/// the first stage come first, then those of the second, and so on.
constexpr std::uint64_t step_count(const accumulator& a, std::uint64_t k) {
  std::uint64_t steps = 0, terms = k;
  for (int i = 0; i < a.stage_count; ++i) {
    const accumulator_stage& s = a.stages[std::size_t(i)];
    steps += terms * (s.rounds_products ? 2 : 1);
    if (s.chunk != 0) terms = terms / s.chunk + std::uint64_t(terms % s.chunk != 0);
  }
  return steps;
}

}  // namespace binade
