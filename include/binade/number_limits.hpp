#pragma once
// What the standard library asks of a number type: numeric_limits and hash.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <type_traits>

#include "binade/decimal.hpp"
#include "binade/number_order.hpp"

namespace binade::detail {

/// Significand bits of the numbers next to 1, where a tapered format has most of them, leading bit included.  Of a
/// logarithmic format as many as its steps are worth: 2^-digits is less than half of 2^(1 / gamma) - 1.
BINADE_HD constexpr int significand_digits(const float_format& f) {
  return f.precision;
}
BINADE_HD constexpr int significand_digits(const fixed_format& f) {
  return f.width - int(f.is_signed);
}
BINADE_HD constexpr int significand_digits(const lns_format& f) {
  return f.gamma_log2 + 1;
}
BINADE_HD constexpr int significand_digits(const tapered_format& f) {
  const int overhead = f.kind == tapered_kind::takum ? 5 : 3 + f.exponent_bits;
  return f.width > overhead ? f.width - overhead + 1 : 1;
}
BINADE_HD constexpr int significand_digits(const book_format&) {
  return 24;  // entries are binary32 numbers
}

/// The value of numeric_limits' min() of all but integers and fixed point.
template <auto F>
constexpr double least_value() {
  constexpr auto f = F;
  if constexpr (std::is_same_v<descriptor_type<F>, float_format>)
    return f.min_normal();
  else
    return f.value_of_code(least_positive_code(f));
}

/// The least n with 2^n >= x, and with 10^n >= x.  @pre x > 0
constexpr int ceil_log2_of(double x) {
  const unpacked parts = unpack(x);
  return parts.exponent + int(parts.significand << 1 != 0);
}
constexpr int ceil_log10_of(double x) {
  const int below = floor_log10(unpack(x));
  double power = 1;  // below 1 no power of ten is a binary number, and those to 10^22 are
  for (int i = 0; i < below && i < 23; ++i) power *= 10;
  return below + int(below < 0 || power != x);
}

}  // namespace binade::detail

namespace std {

template <auto F>
struct hash<binade::number<F>> {
  /// Equal numbers, the zeros among them, have equal hashes.
  size_t operator()(binade::number<F> x) const noexcept {
    return hash<typename binade::number<F>::code_type>{}(is_zero(x) ? 0 : x.code);
  }
};

/// Members that speak of specials a format lacks follow the standard: has_infinity and has_quiet_NaN say so, and the
/// functions give zero (of a code book the entry next to it).
///
/// Integers and fixed point are exact, have one step everywhere, and min() is the lowest number, as the standard has it
/// for integers; the exponents say nothing there and are 0.  Of the other kinds min() is the least positive number
/// (of floating-point formats the least normal one).  Code books have no digits10: their entries have any distance.
template <auto F>
class numeric_limits<binade::number<F>> {
  using number = binade::number<F>;
  using descriptor = binade::descriptor_type<F>;
  static constexpr descriptor format = F;
  static constexpr bool is_floating = is_same_v<descriptor, binade::float_format>;
  static constexpr bool is_book = is_same_v<descriptor, binade::book_format>;
  static constexpr bool is_fixed = is_same_v<descriptor, binade::fixed_format>;
  static_assert(binade::number_format(F).fits_double(), "limits are of formats of which binary64 holds every value");

  /// True if the exponents of min() and max() are asked for.
  static constexpr bool has_exponents = !is_fixed && binade::detail::least_value<F>() > 0;

 public:
  static constexpr bool is_specialized = true;
  static constexpr bool is_signed = binade::number_format(F).min_finite() < 0;
  static constexpr bool is_integer = [] {
    if constexpr (is_fixed) return format.fraction_bits <= 0;
    return false;
  }();
  static constexpr bool is_exact = is_fixed;
  static constexpr bool has_infinity = format.has_infinity;
  static constexpr bool has_quiet_NaN = format.has_nan();
  static constexpr bool has_signaling_NaN = false;
  static constexpr float_denorm_style has_denorm = format.subnormals_end() > 1 ? denorm_present : denorm_absent;
  static constexpr bool has_denorm_loss = false;
  static constexpr float_round_style round_style = round_to_nearest;
  /// True where F has the parameters and specials of IEEE 754-2019, 3.3 and 3.4, and its operators overflow to infinity
  /// as 7.4 has it: formats of 8 bits or fewer saturate (number_overflow()), so that e5m2 is none.
  static constexpr bool is_iec559 = [] {
    if constexpr (is_floating)
      return format.is_signed && format.has_infinity && format.has_negative_zero && format.has_subnormals &&
             format.high_nans == format.leading() - 1 && format.high_nans != 0 && format.exponent_bits() > 1 &&
             format.bias == binade::ieee_bias(format.exponent_bits()) &&
             binade::number_overflow(format) == binade::overflow_rule::spec;
    return false;
  }();
  static constexpr bool is_bounded = true;
  static constexpr bool is_modulo = false;
  static constexpr int radix = 2;
  static constexpr int digits = binade::detail::significand_digits(format);
  /// floor((digits - 1) log10(2)): decimal digits that survive a conversion there and back, next to 1; of integers and
  /// fixed point floor(digits log10(2)), as the standard has it for them.
  static constexpr int digits10 = is_book ? 0 : (digits - int(!is_fixed)) * 30103 / 100000;
  /// ceil(1 + digits log10(2)): decimal digits that tell any two numbers apart.
  static constexpr int max_digits10 = 2 + digits * 30103 / 100000;
  static constexpr int min_exponent = [] {
    if constexpr (has_exponents) return binade::detail::ceil_log2_of(binade::detail::least_value<F>()) + 1;
    return 0;
  }();
  static constexpr int max_exponent = has_exponents ? binade::number_format(F).max_exponent() + 1 : 0;
  static constexpr int min_exponent10 = [] {
    if constexpr (has_exponents) return binade::detail::ceil_log10_of(binade::detail::least_value<F>());
    return 0;
  }();
  static constexpr int max_exponent10 = [] {
    if constexpr (has_exponents)
      return binade::detail::floor_log10(binade::detail::unpack(binade::number_format(F).max_finite()));
    return 0;
  }();
  static constexpr bool traps = false;
  static constexpr bool tinyness_before = false;

  BINADE_HD static constexpr number min() noexcept {
    if constexpr (is_fixed) return lowest();
    if constexpr (is_floating) return number(number::descriptor().min_normal());
    return denorm_min();
  }
  BINADE_HD static constexpr number max() noexcept {
    constexpr descriptor f = F;
    return number::from_code(f.compose(false, f.max_magnitude(false)));
  }
  BINADE_HD static constexpr number lowest() noexcept {
    constexpr descriptor f = F;
    return number::from_code(f.is_signed ? f.compose(true, f.max_magnitude(true)) : 0);
  }
  /// The least positive number.
  BINADE_HD static constexpr number denorm_min() noexcept {
    constexpr descriptor f = F;
    return number::from_code(binade::detail::least_positive_code(f));
  }
  /// The step above 1, rounded where the format does not reach so far down: 2^(1 - digits) in a floating-point format,
  /// and 0 in integers.
  BINADE_HD static constexpr number epsilon() noexcept {
    if constexpr (is_integer) return number::from_code(0);
    if constexpr (is_floating) return number(binade::detail::exact_double(false, 1, 1 - digits));
    return number(double(next_up(number(1))) - double(number(1)));
  }
  BINADE_HD static constexpr number round_error() noexcept { return number(0.5); }
  BINADE_HD static constexpr number infinity() noexcept {
    constexpr descriptor f = F;
    return number::from_code(f.has_infinity ? f.infinity_code() : f.zero_code());
  }
  BINADE_HD static constexpr number quiet_NaN() noexcept {
    constexpr descriptor f = F;
    return number::from_code(f.has_nan() ? f.canonical_nan() : f.zero_code());
  }
  BINADE_HD static constexpr number signaling_NaN() noexcept { return quiet_NaN(); }
};

}  // namespace std
