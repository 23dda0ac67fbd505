#pragma once
// What an accumulator makes of the products of one output, by exact numbers and one projection for each rounding: no
// code of the sums that it judges.

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <vector>

#include "binade/accumulator.hpp"
#include "oracle/exact_result.hpp"

namespace judged {

/// The noise of a step of the output, of so many bits; asked for where a rounding is stochastic.
using noise_of_step = std::function<std::uint32_t(std::uint64_t step, int noise_bits)>;

/// A floating-point element in the oracle's terms.
struct oracle_element {
  oracle::grid grid;
  oracle::rule rule;

  explicit oracle_element(const binade::element& e)
      : grid(oracle::grid_of(e.format.floating)),
        rule{.rounding = static_cast<oracle::mode>(e.rounding),
             .noise_bits = e.noise_bits,
             .overflow = static_cast<oracle::beyond>(e.overflow),
             .subnormals = static_cast<oracle::tiny>(e.subnormals)} {
    if (e.format.kind != binade::format_kind::floating) throw std::logic_error("only floating-point elements");
  }

  bool rounds_down() const { return rule.rounding == oracle::mode::down; }
  double rounded(const oracle::exact_result& x, std::uint64_t step, const noise_of_step& noise_of) const {
    const std::uint32_t noise = oracle::is_stochastic(rule.rounding) ? noise_of(step, rule.noise_bits) : 0;
    return oracle::project(grid, rule, x, oracle::locate(grid, x), noise).value;
  }
  /// x as an operand: a subnormal of its own format is zero under daz.
  oracle::exact_result operand(double x, const oracle::grid& of) const {
    const bool is_tiny = std::isfinite(x) && of.has_subnormals &&
                         oracle::compare(oracle::magnitude_of(x), of.value(of.min_normal_code())) < 0;
    if (rule.subnormals == oracle::tiny::flush_inputs && is_tiny) return oracle::zero_result(std::signbit(x));
    return oracle::number_of(x);
  }
};

inline const oracle_element& oracle_single() {
  static const oracle_element e(binade::element{binade::formats::e8m23});
  return e;
}
inline double to_single(const oracle::exact_result& x) {
  return oracle_single().rounded(x, 0, {});
}

inline oracle::exact_result product_of(float a, float b) {
  return oracle::exact_product(oracle::number_of(double{a}), oracle::number_of(double{b}));
}

/// The exact sum of any numbers; a zero is +0.
inline oracle::exact_result sum_of(const std::vector<oracle::exact_result>& terms) {
  oracle::exact_result sum = oracle::zero_result(false);
  for (const oracle::exact_result& t : terms) sum = oracle::exact_sum({sum, t}, false);
  return sum;
}

/// The tree of neighbours, by its definition: round after round.
inline double tree_sum(std::vector<float> level) {
  if (level.empty()) return 0;
  while (level.size() > 1) {
    std::vector<float> above;
    for (std::size_t i = 0; i + 1 < level.size(); i += 2) above.push_back(level[i] + level[i + 1]);
    if (level.size() % 2 == 1) above.push_back(level.back());
    level = above;
  }
  return level[0];
}

/// One chunk of products.
inline double first_stage(const binade::accumulator_stage& s, const float* a, const float* b, std::size_t count,
                          std::uint64_t first_step, const noise_of_step& noise) {
  using binade::summation;
  switch (s.order) {
    case summation::chain: {
      const oracle_element running(s.running), product(s.product);
      const oracle_element& first = s.rounds_products ? product : running;
      double sum = 0;
      for (std::size_t p = 0; p < count; ++p) {
        std::uint64_t step = first_step + p * (s.rounds_products ? 2 : 1);
        const oracle::grid& single = oracle_single().grid;
        oracle::exact_result term =
            oracle::exact_product(first.operand(double{a[p]}, single), first.operand(double{b[p]}, single));
        if (s.rounds_products) {
          term = running.operand(product.rounded(term, step, noise), product.grid);
          ++step;
        }
        sum = running.rounded(oracle::exact_sum({term, running.operand(sum, running.grid)}, running.rounds_down()),
                              step, noise);
      }
      return sum;
    }
    case summation::exact: {
      std::vector<oracle::exact_result> products;
      for (std::size_t p = 0; p < count; ++p) products.push_back(product_of(a[p], b[p]));
      return to_single(sum_of(products));
    }
    case summation::kahan: {
      volatile float sum = 0, lost = 0;
      for (std::size_t p = 0; p < count; ++p) {
        const volatile float y = std::fma(a[p], b[p], -lost);
        const volatile float t = sum + y, gained = t - sum;
        lost = gained - y;
        sum = t;
      }
      return double{sum};
    }
    case summation::pairwise: {
      std::vector<float> products;
      for (std::size_t p = 0; p < count; ++p) products.push_back(a[p] * b[p]);
      return tree_sum(products);
    }
    case summation::mx:
      break;
  }
  throw std::logic_error("mx is no sum of products alone");
}

/// One chunk of terms of a later stage.
/// @param terms_are_of  the format of the terms
inline double later_stage(const binade::accumulator_stage& s, const std::vector<double>& terms, std::size_t begin,
                          std::size_t end, std::uint64_t first_step, const oracle::grid& terms_are_of,
                          const noise_of_step& noise) {
  using binade::summation;
  switch (s.order) {
    case summation::chain: {
      const oracle_element running(s.running);
      double sum = 0;
      for (std::size_t i = begin; i < end; ++i)
        sum = running.rounded(
            oracle::exact_sum({running.operand(terms[i], terms_are_of), running.operand(sum, running.grid)},
                              running.rounds_down()),
            first_step + i, noise);
      return sum;
    }
    case summation::exact: {
      std::vector<oracle::exact_result> numbers;
      for (std::size_t i = begin; i < end; ++i) numbers.push_back(oracle::number_of(terms[i]));
      return to_single(sum_of(numbers));
    }
    case summation::kahan: {
      volatile float sum = 0, lost = 0;
      for (std::size_t i = begin; i < end; ++i) {
        const volatile float y = static_cast<float>(to_single(oracle::number_of(terms[i]))) - lost;
        const volatile float t = sum + y, gained = t - sum;
        lost = gained - y;
        sum = t;
      }
      return double{sum};
    }
    case summation::pairwise: {
      std::vector<float> numbers;
      for (std::size_t i = begin; i < end; ++i)
        numbers.push_back(static_cast<float>(to_single(oracle::number_of(terms[i]))));
      return tree_sum(numbers);
    }
    case summation::mx:
      break;
  }
  throw std::logic_error("mx is no later stage");
}

/// The output: stage by stage, each from all terms of the one before.
inline float accumulated(const binade::accumulator& a, const std::vector<float>& row, const std::vector<float>& column,
                         const noise_of_step& noise) {
  const binade::accumulator_stage& first = a.stages[0];
  const std::size_t k = row.size(), per_product = first.rounds_products ? 2 : 1;
  std::vector<double> results;
  const std::size_t first_chunk = first.chunk != 0 ? first.chunk : k;
  for (std::size_t p = 0; p < k; p += first_chunk)
    results.push_back(
        first_stage(first, row.data() + p, column.data() + p, std::min(first_chunk, k - p), p * per_product, noise));
  if (k == 0 && a.stage_count == 1) results.push_back(0);
  std::uint64_t first_step = k * per_product;
  oracle::grid of = first.order == binade::summation::chain ? oracle_element(first.running).grid : oracle_single().grid;
  for (int i = 1; i < a.stage_count; ++i) {
    const binade::accumulator_stage& s = a.stages[static_cast<std::size_t>(i)];
    const std::vector<double> terms = results;
    const std::size_t chunk = s.chunk != 0 ? s.chunk : terms.size();
    results.clear();
    for (std::size_t t = 0; t < terms.size(); t += chunk)
      results.push_back(later_stage(s, terms, t, std::min(terms.size(), t + chunk), first_step, of, noise));
    if (i + 1 == a.stage_count && results.empty()) results.push_back(0);
    first_step += terms.size();
    of = s.order == binade::summation::chain ? oracle_element(s.running).grid : oracle_single().grid;
  }
  return static_cast<float>(to_single(oracle::number_of(results.at(0))));
}

}  // namespace judged
