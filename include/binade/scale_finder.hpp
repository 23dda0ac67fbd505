#pragma once
// From the largest magnitude of a group to its stored scale, exactly.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>
#include <vector>

#include "binade/exact.hpp"
#include "binade/quantizer.hpp"
#include "binade/versions.hpp"

namespace binade {

namespace detail {

/// odd_quotient() by division of integers.
BINADE_HD constexpr double odd_quotient_of_integers(double a, double b) {
  const exact q = exact_quotient(unpack(a), unpack(b));
  const bool inexact = (q.significand & 0x7ff) != 0 || q.low != 0 || q.sticky;
  return exact_double(q.negative, q.significand >> 11 | std::uint64_t(inexact), q.exponent - 52);
}

/// a / b to 53 bits, rounded to odd: exact, or the neighbour of the quotient whose last bit is 1.  Rounded once more,
/// to at most 51 bits, it gives what the quotient itself gives in every rounding mode.  (Boldo & Melquiond, IEEE TC
/// 2008)
/// @pre a and b are finite, b != 0, and neither the quotient nor its last bit leaves the normal range of double by far:
///      quotients of float32 by products of two of them are right
BINADE_HD constexpr double odd_quotient(double a, double b) {
  if (std::is_constant_evaluated()) return odd_quotient_of_integers(a, b);
  const double q = a / b, rest = std::fma(-q, b, a);
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(q);
  // The quotient is beyond q, away from zero, where the rest has the sign of a.
  const bool is_beyond = (rest < 0) == (a < 0);
  const bool moves = rest != 0 && bits % 2 == 0;
  return std::bit_cast<double>(moves ? (is_beyond ? bits + 1 : bits - 1) : bits);
}

}  // namespace detail

/// What a scale takes amax to: the largest value, its exponent and its trailing significand bits.
struct scale_target {
  double largest;
  int exponent, trailing_bits;

  /// The largest value of an element format times the largest scale below this level.
  BINADE_HD static constexpr scale_target of(const number_format& f, double largest_scale = 1) {
    const double largest = f.max_finite() * largest_scale;
    return {largest, detail::floor_log2_of(largest), f.trailing_bits()};
  }
};

/// Finds scales: everything that does not depend on the data is worked out once.
class scale_finder {
 public:
  /// @param exact_amax  rule amax divides as rule exact does (two levels of scales)
  /// @pre defect(s) is empty
  BINADE_HD constexpr scale_finder(const scaling& s, const scale_target& target, bool exact_amax = false)
      : storage_{.format = s.format, .overflow = overflow_rule::saturate},
        divides_((s.rule == scale_rule::amax || s.rule == scale_rule::exact || s.rule == scale_rule::four_over_six) &&
                 !s.power_of_two),
        in_float_(s.rule == scale_rule::amax && !exact_amax),
        is_float_(s.format.precision == 24),
        fixed_(s.static_value),
        least_amax_(s.least_amax),
        largest_(target.largest),
        float_largest_(target.largest > double(std::numeric_limits<float>::max())
                           ? std::numeric_limits<float>::max()
                           : detail::narrowed<float>(target.largest)),
        element_exponent_(target.exponent) {
    find_carry(s.rule, target);
    const bool has_subnormal_scales = s.format.has_subnormals && !is_float_;
    lowest_ = float(has_subnormal_scales ? s.format.smallest_positive() : s.format.min_normal());
    highest_ = float(largest_scale(s));
    lowest_exponent_ = detail::floor_log2_of(lowest_);
    if (detail::exact_double(false, 1, lowest_exponent_) < double(lowest_)) ++lowest_exponent_;
    highest_exponent_ = s.format.max_exponent();
    may_vanish_ = s.zero == zero_rule::zero;
    zero_scale_ = s.zero == zero_rule::zero ? 0 : s.zero == zero_rule::lowest ? lowest_ : in_storage(1);
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    infinite_scale_ = s.infinity == special_rule::largest ? highest_ : nan;
  }
  /// One level of scales over elements of this format.
  BINADE_HD constexpr scale_finder(const scaling& s, const number_format& f) : scale_finder(s, scale_target::of(f)) {}

  /// The scale of a group: a value of the scale format, as float32; finite, and positive unless zero_rule::zero.
  /// @param amax   largest magnitude of the group that counts: 0 where there is none, infinity or NaN where
  ///               special_rule takes the group there; not negative
  /// @param outer  amax is to be taken as amax / outer, exactly; of two levels, the scale of the outer one
  BINADE_HD constexpr float operator()(float amax, double outer = 1) const {
    if (fixed_ != 0) return fixed_;
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(amax);
    if (bits > infinity_bits) return std::numeric_limits<float>::quiet_NaN();
    if (bits == infinity_bits) return infinite_scale_;
    if (amax < least_amax_) amax = least_amax_;
    if (amax == 0) return zero_scale_;
    if (divides_ && in_float_) return in_storage(amax / float_largest_);
    if (divides_) return divided(amax, outer);
    if (outer == 0) return nothing();
    const double ratio = outer == 1 ? double(amax) : detail::odd_quotient(amax, outer);
    // A normal number: (1 + trailing / 2^52) 2^exponent.
    const std::uint64_t parts = std::bit_cast<std::uint64_t>(ratio);
    const int exponent = int(parts >> 52) - 1023;
    const int found = exponent + int((parts & trailing_mask) >= carry_from_) - element_exponent_;
    return power_of_two(found < lowest_exponent_    ? lowest_exponent_
                        : found > highest_exponent_ ? highest_exponent_
                                                    : found);
  }
  /// The scales of many groups, of one level: scales[k] = (*this)(amax[k]).
  void find(const float* amax, float* scales, std::size_t count) const {
    const bool are_powers = has_powers();
    std::uint32_t unusual = ~0u;
    if (are_powers)
      detail::run_best<powers_body>(powers{.carry_from = power_carry(),
                                           .offset = power_offset(),
                                           .lowest = std::bit_cast<std::int32_t>(power_of_two(lowest_exponent_)),
                                           .highest = std::bit_cast<std::int32_t>(power_of_two(highest_exponent_))},
                                    amax, scales, count, &unusual);
    if (unusual == 0) return;
    for (std::size_t k = 0; k < count; ++k)
      if (!are_powers || !is_usual(amax[k])) scales[k] = (*this)(amax[k]);
  }

  /// True if the scale of a group is a power of two that the bits of a normal amax say.
  BINADE_HD constexpr bool has_powers() const {
    // The difference of two exponents stays in their field.
    return fixed_ == 0 && !divides_ && least_amax_ == 0 && lowest_exponent_ >= -127 && element_exponent_ >= 0 &&
           element_exponent_ <= 127;
  }
  /// True if the powers of two between 2^first and 2^last are scales.
  BINADE_HD constexpr bool has_powers_between(int first, int last) const {
    return lowest_exponent_ <= first && last <= highest_exponent_;
  }
  /// The 23 trailing significand bits of amax from which its exponent is one more, and what the exponent field of the
  /// scale is less, in its place.  @pre has_powers()
  BINADE_HD constexpr std::uint32_t power_carry() const {
    return std::uint32_t((carry_from_ + (hidden_bit >> 23) - 1) >> 29);
  }
  BINADE_HD constexpr std::int32_t power_offset() const { return element_exponent_ << 23; }
  /// The ends of these scales.
  BINADE_HD constexpr float lowest_power() const { return power_of_two(lowest_exponent_); }
  BINADE_HD constexpr float highest_power() const { return power_of_two(highest_exponent_); }
  /// True for the positive normal numbers.
  BINADE_HD static BINADE_ALWAYS_INLINE constexpr bool is_usual(float amax) {
    return std::bit_cast<std::uint32_t>(amax) - 0x00800000 < 0x7f000000;
  }

  /// True if a scale is the quotient of amax by a divisor, rounded to a value of a scale format other than float32.
  BINADE_HD constexpr bool rounds_quotients() const { return fixed_ == 0 && divides_ && !is_float_; }
  /// True if the quotient is rounded to float32 first; else it is exact.
  BINADE_HD constexpr bool divides_in_float() const { return in_float_; }
  BINADE_HD constexpr double divisor(double outer) const {
    return in_float_ ? double(float_largest_) : largest_ * outer;
  }
  /// scales[k] = (*this)(amax[k], outer).
  /// @param rounded  amax[k] / divisor(outer), rounded to a value of the scale format: may be scales
  /// @pre rounds_quotients()
  void find_by_quotients(const float* amax, double outer, const float* rounded, float* scales,
                         std::size_t count) const {
    for (std::size_t k = 0; k < count; ++k)
      scales[k] = has_quotient(amax[k]) ? from_quotient(rounded[k]) : (*this)(amax[k], outer);
  }
  /// True if the scale is from_quotient(amax / divisor(outer), rounded to a value of the scale format).
  /// @pre rounds_quotients()
  BINADE_HD constexpr bool has_quotient(float amax) const { return is_usual(amax) && amax >= least_amax_; }
  BINADE_HD constexpr float from_quotient(float rounded) const {
    if (rounded < lowest_ && !may_vanish_) return lowest_;
    return rounded > highest_ ? highest_ : rounded;
  }
  /// The smallest scale that a positive amax has, unless it may vanish.
  BINADE_HD constexpr float lowest() const { return lowest_; }
  /// What rounds to values of the scale format.
  BINADE_HD constexpr const element& storage() const { return storage_; }

  /// The scale that takes 1.5 amax to the largest value: the second candidate of four_over_six.
  BINADE_HD constexpr float wider(float amax, double outer = 1) const {
    return divided(1.5 * double(amax < least_amax_ ? least_amax_ : amax), outer);
  }

  /// x rounded to a value of the scale format: any float, since that fits in float32.
  BINADE_HD constexpr float stored(double x) const {
    return float(detail::rounded_value(storage_.format.floating, storage_, detail::unpack(x), 0));
  }

 private:
  static constexpr std::uint32_t infinity_bits = 0x7f800000;
  static constexpr std::uint64_t hidden_bit = std::uint64_t(1) << 52, trailing_mask = hidden_bit - 1;

  /// The power-of-two rules on normal numbers, in float32 bits.
  struct powers {
    std::uint32_t carry_from;  ///< of 23 trailing significand bits
    std::int32_t offset, lowest, highest;
  };
  struct powers_body {
    BINADE_ALWAYS_INLINE static void run(powers p, const float* __restrict amax, float* __restrict scales,
                                         std::size_t count, std::uint32_t* unusual) {
      std::uint32_t found = 0;
      for (std::size_t k = 0; k < count; ++k) {
        const std::uint32_t bits = std::bit_cast<std::uint32_t>(amax[k]);
        const std::uint32_t carry = std::uint32_t((bits & 0x7fffff) >= p.carry_from) << 23;
        const std::int32_t scale = std::int32_t((bits & 0x7f800000) + carry) - p.offset;
        scales[k] = std::bit_cast<float>(std::min(std::max(scale, p.lowest), p.highest));
        found |= std::uint32_t(!is_usual(amax[k]));
      }
      *unusual = found;
    }
  };

  /// Below a scale of 0 all is 0.
  BINADE_HD constexpr float nothing() const { return may_vanish_ ? 0 : lowest_; }
  BINADE_HD constexpr float divided(double amax, double outer) const {
    if (outer == 0) return nothing();
    const double quotient = detail::odd_quotient(amax, largest_ * outer);
    if (quotient < double(lowest_)) return may_vanish_ ? stored(quotient) : lowest_;
    return quotient > double(highest_) ? highest_ : stored(quotient);
  }
  /// The power-of-two rules differ in the trailing significand of amax, of 52 bits, from which the exponent is one
  /// more.
  BINADE_HD constexpr void find_carry(scale_rule rule, const scale_target& target) {
    const std::uint64_t significand = detail::unpack(target.largest).significand >> 11;  // 53 bits of max
    carry_from_ = hidden_bit;                                                            // never
    switch (rule) {
      case scale_rule::static_scale:
      case scale_rule::floor:
      case scale_rule::four_over_six:
        return;
      case scale_rule::ceil:
        carry_from_ = 1;
        return;
      case scale_rule::even:
        if (target.trailing_bits < 52) carry_from_ = hidden_bit - (hidden_bit >> (target.trailing_bits + 1));
        return;
      case scale_rule::amax:  // with pow2
      case scale_rule::rceil:
        carry_from_ = significand - hidden_bit + 1;  // amax above max 2^k
        return;
      case scale_rule::nearest:
      case scale_rule::exact: {  // with pow2.  From 1.5 max 2^k on, a number between 2^k and 2^(k + 2)
        const std::uint64_t triple = 3 * significand;
        const bool is_above = triple >= 4 * hidden_bit;
        carry_from_ = (is_above ? (triple + 3) / 4 : (triple + 1) / 2) - hidden_bit;
        element_exponent_ += int(is_above);
        return;
      }
    }
  }
  /// 2^exponent, -149 <= exponent <= 127.
  BINADE_HD static constexpr float power_of_two(int exponent) {
    return std::bit_cast<float>(exponent >= -126 ? std::uint32_t(exponent + 127) << 23
                                                 : std::uint32_t(1) << (exponent + 149));  // NOLINT
  }
  BINADE_HD constexpr float in_storage(float s) const {
    if (s < lowest_) return may_vanish_ ? stored(s) : lowest_;
    if (s > highest_) return highest_;
    return is_float_ ? s : stored(s);
  }

  element storage_;
  bool divides_, in_float_, is_float_, may_vanish_ = false;
  float fixed_, least_amax_, lowest_ = 0, highest_ = 0, zero_scale_ = 0, infinite_scale_ = 0;
  double largest_;
  float float_largest_;
  int element_exponent_, lowest_exponent_ = 0, highest_exponent_ = 0;
  std::uint64_t carry_from_ = 0;
};

/// A scale of the outer level; without one it is 1.
struct outer_scale {
  float scale = 1, encoding = 1;  ///< encoding: TransformerEngine's E
};

/// The scales of a quantizer's groups, in its operation order.
class scale_levels {
 public:
  /// @pre defect(q) is empty and q.levels > 0
  BINADE_HD constexpr explicit scale_levels(const quantizer& q)
      : order_(q.order),
        inner_(q.scalings[0], scale_target::of(q.elem.format), q.levels == 2),
        outer_(q.scalings[1], scale_target::of(q.elem.format, detail::largest_inner_scale(q.scalings[0])), true),
        largest_(float(q.elem.format.max_finite())),
        largest_inner_(float(q.scalings[0].format.max_finite())),
        lowest_normal_(float(q.scalings[0].format.min_normal())) {}

  /// @param amax  as for scale_finder
  BINADE_HD constexpr outer_scale outer(float amax) const {
    if (order_ < operation_order::transformer_engine || !is_finite(amax)) return {outer_(amax), 1};
    const float whole = largest_inner_ * largest_;
    if (amax == 0) return {};
    if (order_ == operation_order::torchao) {
      return {amax / whole, 1};
    }
    const float ratio = whole / amax, encoding = ratio < top ? ratio : top;
    return {1 / encoding, encoding};
  }
  BINADE_HD constexpr float inner(float amax, const outer_scale& o = {}) const {
    if (order_ < operation_order::transformer_engine || !is_finite(amax) || !is_finite(o.scale))
      return inner_(amax,
                    o.scale == o.scale ? double(o.scale) : 1);  // a NaN of the outer level has its say in the product
    if (order_ == operation_order::transformer_engine) return inner_.stored(amax * (o.encoding * (1 / largest_)));
    const float scale = amax / largest_ / o.scale;
    return inner_.stored(scale < lowest_normal_ ? lowest_normal_ : scale > largest_inner_ ? largest_inner_ : scale);
  }
  /// scales[k] = inner(amax[k]).  @pre one level of scales, and the standard order
  void inner(const float* amax, float* scales, std::size_t count) const { inner_.find(amax, scales, count); }
  /// The scale_finder of the inner level, which finds scales alone in the standard order.
  BINADE_HD constexpr const scale_finder& inner_finder() const { return inner_; }
  /// The second candidate of four_over_six.
  BINADE_HD constexpr float wider(float amax, const outer_scale& o = {}) const {
    return inner_.wider(amax, double(o.scale));
  }
  /// What elements are divided by, and their rounded quotients multiplied by, of two levels.
  BINADE_HD constexpr double product(float inner, const outer_scale& o) const {
    const double exact = double(inner) * double(o.scale);
    return order_ == operation_order::torchao ? double(float(exact)) : exact;
  }
  /// What an element is multiplied by in the orders that do; the others divide.
  BINADE_HD constexpr float multiplier(float inner, const outer_scale& o = {}) const {
    if (order_ == operation_order::reciprocal) return 1 / inner;
    if (order_ == operation_order::torchao) return 1 / o.scale / inner;
    const float m = 1 / (inner * o.scale);
    return m > top ? top : m;
  }

 private:
  static constexpr float top = std::numeric_limits<float>::max();
  BINADE_HD static constexpr bool is_finite(float x) { return x - x == 0; }

  operation_order order_;
  scale_finder inner_, outer_;
  float largest_, largest_inner_, lowest_normal_;
};

namespace detail {

/// Scales that are known before an array is walked: those of a part of a larger array, found from all of it.
struct known_scales {
  std::vector<float> inner = {};          ///< of each group of the only level; empty: they are found
  std::optional<outer_scale> outer = {};  ///< of the whole array, the outer of two levels; none: it is found
};

}  // namespace detail

}  // namespace binade
