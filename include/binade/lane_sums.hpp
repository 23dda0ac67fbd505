#pragma once
// Neighbouring outputs of a matrix product summed side by side, one lane each, by each order of summation.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "binade/accumulator.hpp"
#include "binade/accumulator_steps.hpp"
#include "binade/noise.hpp"
#include "binade/reduction.hpp"
#include "binade/sum_rounder.hpp"
#include "binade/versions.hpp"
#include "binade/wide_sum.hpp"

namespace binade::detail {

/// Outputs that are summed together at most.
inline constexpr std::size_t tile_lanes = 128;

template <class T>
struct lane_vector {
  T lane[tile_lanes] = {};

  lane_vector operator+(const lane_vector& other) const {
    lane_vector sum;
    for (std::size_t l = 0; l < tile_lanes; ++l) sum.lane[l] = lane[l] + other.lane[l];
    return sum;
  }
};

/// Rows of operand b beside each other: lane l of row p is at first[p * stride + l].
template <class T>
struct lane_rows {
  const T* first;
  std::size_t stride;
};

// ---- noise ---------------------------------------------------------------------------------------------------------

/// The noise of the steps of an accumulator (matmul() says which index is whose).
class step_noise {
 public:
  step_noise(const noise_source& source, int noise_bits, std::uint64_t steps, std::size_t columns)
      : source_(source), noise_bits_(noise_bits), steps_(steps), columns_(columns) {}

  void move_to(std::size_t row, std::size_t column) {
    row_ = row;
    column_ = column;
  }
  /// Of one step of outputs (row, column), (row, column + 1), ...; null for a mode that asks for none.
  const std::uint32_t* of(const element& e, std::uint64_t step, std::size_t lanes) {
    if (!is_stochastic(e.rounding)) return nullptr;
    fill_noise(source_, (row_ * steps_ + step) * columns_ + column_, noise_bits_, {noise_, lanes});
    for (std::size_t l = 0; l < lanes; ++l) noise_[l] >>= noise_bits_ - e.noise_bits;
    return noise_;
  }

 private:
  noise_source source_;
  int noise_bits_;
  std::uint64_t steps_;
  std::size_t columns_, row_ = 0, column_ = 0;
  std::uint32_t noise_[tile_lanes];
};

// ---- the orders of summation ---------------------------------------------------------------------------------------
// Each has: reset(), which begins a chunk; add_products(a, rows, count, ...), add_terms(terms, ...), of which a stage
// sees one; result(to, lanes).  `first_step` is the number of the first step of what is added.

/// sums[l] = a[0] b[0][l] + sums[l], then a[1] b[1][l] + sums[l], ..., each fused.
template <class T, class Operand>
struct native_chain_body {
  BINADE_ALWAYS_INLINE static void run(const Operand* a, const Operand* b, std::size_t stride, std::size_t count,
                                       T* __restrict sums, std::size_t lanes) {
    std::size_t p = 0;
    for (; p + 4 <= count; p += 4) {  // four steps on a sum while it is in a register
      const T a0 = T(a[p]), a1 = T(a[p + 1]), a2 = T(a[p + 2]), a3 = T(a[p + 3]);
      const Operand *const b0 = b + p * stride, *const b1 = b0 + stride, *const b2 = b1 + stride,
                           *const b3 = b2 + stride;
      for (std::size_t l = 0; l < lanes; ++l)
        sums[l] =
            std::fma(a3, T(b3[l]), std::fma(a2, T(b2[l]), std::fma(a1, T(b1[l]), std::fma(a0, T(b0[l]), sums[l]))));
    }
    for (; p < count; ++p) {
      const T ap = T(a[p]);
      for (std::size_t l = 0; l < lanes; ++l) sums[l] = std::fma(ap, T(b[p * stride + l]), sums[l]);
    }
  }
};

/// A chain over products in T itself.
template <class T>
class native_chain {
 public:
  void reset() { sums_ = {}; }
  void add_products(const float* a, const lane_rows<float>& b, std::size_t count, std::size_t lanes, step_noise&,
                    std::uint64_t) {
    run_best_fused<native_chain_body<T, float>>(a, b.first, b.stride, count, static_cast<T*>(sums_.lane), lanes);
  }
  void result(double* to, std::size_t lanes) const { std::copy_n(sums_.lane, lanes, to); }

 private:
  lane_vector<T> sums_;
};

/// A chain in any element.
class element_chain {
 public:
  /// @param term_format  of the terms of a later stage: the values that they are
  element_chain(const accumulator_stage& s, const number_format& term_format)
      : stage_(s),
        term_format_(s.rounds_products ? s.product.format : term_format),
        in_float_(term_format_.fits_float()),
        product_(s.product),
        running_(s.running) {}

  void reset() { sums_ = {}; }
  void add_products(const float* a, const lane_rows<float>& b, std::size_t count, std::size_t lanes, step_noise& noise,
                    std::uint64_t first_step) {
    const element& first = stage_.rounds_products ? stage_.product : stage_.running;
    const bool flushes_inputs = first.subnormals == subnormal_rule::flush_inputs;
    double terms[tile_lanes];
    for (std::size_t p = 0; p < count; ++p) {
      const float* const row = b.first + p * b.stride;
      if (flushes_inputs)
        for (std::size_t l = 0; l < lanes; ++l) terms[l] = operand_product(first, a[p], row[l]);
      else
        for (std::size_t l = 0; l < lanes; ++l) terms[l] = double(a[p]) * double(row[l]);
      if (!stage_.rounds_products) {
        running_.step(terms, sums_.lane, noise.of(stage_.running, first_step + p, lanes), lanes, false);
        continue;
      }
      product_.round(terms, noise.of(stage_.product, first_step + 2 * p, lanes), lanes);
      add_terms(terms, lanes, noise, first_step + 2 * p + 1);
    }
  }
  void add_terms(double* terms, std::size_t lanes, step_noise& noise, std::uint64_t step) {
    if (stage_.running.subnormals == subnormal_rule::flush_inputs)
      for (std::size_t l = 0; l < lanes; ++l) terms[l] = flushed(stage_.running, term_format_, terms[l]);
    running_.step(terms, sums_.lane, noise.of(stage_.running, step, lanes), lanes, in_float_);
  }
  void result(double* to, std::size_t lanes) const { std::copy_n(sums_.lane, lanes, to); }

 private:
  accumulator_stage stage_;
  number_format term_format_;
  bool in_float_;
  sum_rounder product_, running_;
  lane_vector<double> sums_;
};

/// What number_extent asks of the bits of an array: the largest magnitude, the smallest last place of a number that is
/// not zero, and the most binades from a last place up to its number's.
template <class T>
struct extent_bits {
  using word = std::conditional_t<std::is_same_v<T, float>, std::uint32_t, std::uint64_t>;
  static constexpr int trailing = std::numeric_limits<T>::digits - 1, bias = std::numeric_limits<T>::max_exponent - 1;
  static constexpr word leading = word(1) << trailing, infinity = word(2 * bias + 1) << trailing,
                        magnitude_mask = ~word(0) >> 1;

  word largest = 0, last_place = ~word(0), most_places = 0;
};
/// @pre of arrays with a subnormal last place, an infinity or a NaN the others are any
template <class T>
struct extent_body {
  BINADE_ALWAYS_INLINE static void run(const T* __restrict x, std::size_t count, extent_bits<T>* result) {
    using word = typename extent_bits<T>::word;
    word largest = 0, last_place = ~word(0), most_places = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const word magnitude = std::bit_cast<word>(x[i]) & extent_bits<T>::magnitude_mask;
      // A number less itself without its last digit is the last place; a power of two is its own.
      const T last = std::bit_cast<T>(magnitude) - std::bit_cast<T>(magnitude & (magnitude - 1));
      const word is_power = 0 - word((magnitude & (extent_bits<T>::leading - 1)) == 0);
      const word place = (magnitude & is_power) | (std::bit_cast<word>(last) & ~is_power);
      largest = std::max(largest, magnitude);
      last_place = std::min(last_place, place - 1);  // that of zero, which has none, is the largest word
      most_places =
          std::max(most_places, (magnitude >> extent_bits<T>::trailing) - (place >> extent_bits<T>::trailing));
    }
    *result = {largest, last_place + 1, most_places};
  }
};

/// Where the finite numbers of an array lie: multiples of 2^lowest below 2^highest, none with more significant bits
/// than `digits`.
struct number_extent {
  int lowest = std::numeric_limits<int>::max(), highest = std::numeric_limits<int>::min(), digits = 0;
  bool all_finite = true;

  bool is_zero() const { return digits == 0; }

  static number_extent of(std::span<const float> x) { return of_numbers(x); }
  static number_extent of(std::span<const double> x) { return of_numbers(x); }

 private:
  template <class T>
  static number_extent of_numbers(std::span<const T> x) {
    extent_bits<T> bits;
    run_best<extent_body<T>>(x.data(), x.size(), &bits);
    using limits = extent_bits<T>;
    number_extent e;
    if (bits.largest == 0) return e;
    if (bits.largest >= limits::infinity || bits.last_place < limits::leading) return of_any(x);
    e.lowest = int(bits.last_place >> limits::trailing) - limits::bias;
    e.highest = int(bits.largest >> limits::trailing) - limits::bias + 1;
    e.digits = int(bits.most_places) + 1;
    return e;
  }
  /// The same one by one: of subnormal numbers, infinities and NaN too.
  template <class T>
  static number_extent of_any(std::span<const T> x) {
    number_extent e;
    for (const T v : x) {
      const unpacked u = unpack(double(v));
      e.all_finite = e.all_finite && !u.is_nan && !u.is_infinite;
      if (u.is_nan || u.is_infinite || u.significand == 0) continue;
      const int zeros = std::countr_zero(u.significand);
      e.lowest = std::min(e.lowest, u.exponent - 63 + zeros);
      e.highest = std::max(e.highest, u.exponent + 1);
      e.digits = std::max(e.digits, 64 - zeros);
    }
    return e;
  }
};

/// Exact sums of k products in a few doubles: each product is cut into parts, and the sum of each part is a multiple of
/// its unit with less than 2^53 of them, so that every addition is exact.
struct part_plan {
  static constexpr int most = 4;

  int parts = 1;                  ///< 0: four do not suffice
  double cutters[most - 1] = {};  ///< x + c - c is x in units of part i; the rest is for the parts after it

  part_plan(const number_extent& a, const number_extent& b, std::size_t k) {
    if (a.is_zero() || b.is_zero()) return;
    const int terms = int(std::bit_width(k)), lowest = a.lowest + b.lowest;
    const bool can_cut = a.digits + b.digits <= 53 && a.all_finite && b.all_finite;
    int highest = a.highest + b.highest;  // what is left to cut is below 2^highest
    for (; highest + terms - lowest > 53; ++parts) {
      if (!can_cut || parts == most) {
        parts = 0;
        return;
      }
      // k numbers of at most 2^highest are 2^52 units at most; what is cut off is half a unit at most.  A cutter is 1.5
      // 2^52 units, and so its sum with x has the unit as its last place.
      const int unit = highest + terms - 52;
      cutters[parts - 1] = exact_double(false, 3, unit + 51);
      highest = unit;
    }
  }
};

/// sums[i][l] += part i of a[p] b[p][l], p ascending.
template <int Parts>
struct parts_body {
  BINADE_ALWAYS_INLINE static void run(const double* a, const double* b, std::size_t stride, std::size_t count,
                                       const double* cutters, lane_vector<double>* sums, std::size_t lanes) {
    double cutter[Parts - 1];
    for (int i = 0; i + 1 < Parts; ++i) cutter[i] = cutters[i];
    for (std::size_t p = 0; p < count; ++p) {
      const double ap = a[p];
      const double* __restrict const row = b + p * stride;
      for (std::size_t l = 0; l < lanes; ++l) {
        double rest = ap * row[l];  // exact
        for (int i = 0; i + 1 < Parts; ++i) {
          const double part = (rest + cutter[i]) - cutter[i];
          sums[i].lane[l] += part;
          rest -= part;
        }
        sums[Parts - 1].lane[l] += rest;
      }
    }
  }
};

/// The exact sum.  Operands may be doubles: float32 numbers times their scales.
class exact_sums {
 public:
  /// Of products in the parts of a plan.
  explicit exact_sums(const part_plan& plan) : plan_(plan), wide_(plan.parts == 0 ? tile_lanes : 0) {}
  /// Of any terms.
  exact_sums() : exact_sums(wide_plan()) {}

  void reset() {
    for (lane_vector<double>& part : sums_) part = {};
    std::fill(wide_.begin(), wide_.end(), wide_sum{});
  }
  void add_products(const double* a, const lane_rows<double>& b, std::size_t count, std::size_t lanes, step_noise&,
                    std::uint64_t) {
    const double* const cutters = plan_.cutters;
    lane_vector<double>* const sums = sums_;
    switch (plan_.parts) {
      case 1:
        return run_best_fused<native_chain_body<double, double>>(a, b.first, b.stride, count,
                                                                 static_cast<double*>(sums_[0].lane), lanes);
      case 2:
        return run_best_fused<parts_body<2>>(a, b.first, b.stride, count, cutters, sums, lanes);
      case 3:
        return run_best_fused<parts_body<3>>(a, b.first, b.stride, count, cutters, sums, lanes);
      case 4:
        return run_best_fused<parts_body<4>>(a, b.first, b.stride, count, cutters, sums, lanes);
      default:
        break;
    }
    for (std::size_t p = 0; p < count; ++p)
      for (std::size_t l = 0; l < lanes; ++l) wide_[l].add_product(a[p], b.first[p * b.stride + l]);
  }
  void add_terms(double* terms, std::size_t lanes, step_noise&, std::uint64_t) {
    for (std::size_t l = 0; l < lanes; ++l) wide_[l].add(terms[l]);
  }
  void result(double* to, std::size_t lanes) const {
    for (std::size_t l = 0; l < lanes; ++l) to[l] = double(sum_of_lane(l));
  }

 private:
  static part_plan wide_plan() {
    part_plan plan({}, {}, 0);
    plan.parts = 0;
    return plan;
  }
  float sum_of_lane(std::size_t l) const {
    if (plan_.parts == 0) return nearest_float(wide_[l].total());
    if (plan_.parts == 1) return float(sums_[0].lane[l]);
    wide_sum sum;
    for (int i = 0; i < plan_.parts; ++i) sum.add(sums_[i].lane[l]);
    return nearest_float(sum.total());
  }

  part_plan plan_;
  lane_vector<double> sums_[part_plan::most];
  std::vector<wide_sum> wide_;
};

/// One step of Kahan's sum per lane, in float32.
struct kahan_body {
  BINADE_ALWAYS_INLINE static void run(float a, const float* __restrict b, float* __restrict sums,
                                       float* __restrict lost, std::size_t lanes) {
    for (std::size_t l = 0; l < lanes; ++l) {
      const float y = std::fma(a, b[l], -lost[l]), t = sums[l] + y;
      lost[l] = (t - sums[l]) - y;
      sums[l] = t;
    }
  }
};
class kahan_sums {
 public:
  void reset() { sums_ = lost_ = {}; }
  void add_products(const float* a, const lane_rows<float>& b, std::size_t count, std::size_t lanes, step_noise&,
                    std::uint64_t) {
    for (std::size_t p = 0; p < count; ++p) step(a[p], b.first + p * b.stride, lanes);
  }
  void add_terms(double* terms, std::size_t lanes, step_noise&, std::uint64_t) {
    float rounded[tile_lanes];
    std::transform(terms, terms + lanes, rounded, [](double x) { return float(x); });
    step(1, rounded, lanes);
  }
  void result(double* to, std::size_t lanes) const { std::copy_n(sums_.lane, lanes, to); }

 private:
  void step(float a, const float* b, std::size_t lanes) {
    run_best_fused<kahan_body>(a, b, static_cast<float*>(sums_.lane), static_cast<float*>(lost_.lane), lanes);
  }
  lane_vector<float> sums_, lost_;
};

/// The tree of neighbours.
class pairwise_sums {
 public:
  void reset() { tree_ = {}; }
  void add_products(const float* a, const lane_rows<float>& b, std::size_t count, std::size_t lanes, step_noise&,
                    std::uint64_t) {
    lane_vector<float> products;
    for (std::size_t p = 0; p < count; ++p) {
      for (std::size_t l = 0; l < lanes; ++l) products.lane[l] = a[p] * b.first[p * b.stride + l];
      tree_.push(products);
    }
  }
  void add_terms(double* terms, std::size_t lanes, step_noise&, std::uint64_t) {
    lane_vector<float> rounded;
    std::transform(terms, terms + lanes, rounded.lane, [](double x) { return float(x); });
    tree_.push(rounded);
  }
  void result(double* to, std::size_t lanes) const {
    const lane_vector<float> root = tree_.root();
    std::copy_n(root.lane, lanes, to);
  }

 private:
  reduction::neighbour_tree<lane_vector<float>> tree_;
};

}  // namespace binade::detail
