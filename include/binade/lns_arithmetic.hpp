#pragma once
// Products, quotients and roots of logarithmic formats of one gamma: sums and halves of exponent codes.

#include <cstdint>

#include "binade/exact.hpp"

namespace binade {

/// What goes into an operation: a code, and the format that says what it stands for.
struct operand {
  number_format format;
  std::uint64_t code;
};

namespace detail {

/// +-2^(half_steps / (2 gamma)), for the one gamma of all that takes part; zero where significand is 0, which says
/// nothing else.
struct lns_power {
  bool negative = false, is_nan = false, is_infinite = false;
  std::uint64_t significand = 1;
  std::int64_t half_steps = 0;
};

/// True if x is logarithmic and has the gamma of r, a logarithmic format.
BINADE_HD constexpr bool share_gamma(const number_format& r, const number_format& x) {
  return r.kind == format_kind::logarithmic && x.kind == format_kind::logarithmic &&
         r.logarithmic.gamma_log2 == x.logarithmic.gamma_log2;
}

/// @pre x.format is logarithmic
BINADE_HD constexpr lns_power lns_power_of(const operand& x) {
  const lns_format& f = x.format.logarithmic;
  const std::uint64_t magnitude = x.code & f.max_magnitude(false);
  return {.negative = x.code != magnitude,
          .significand = f.has_zero && magnitude == 0 ? 0u : 1u,
          .half_steps = 2 * (std::int64_t(magnitude) - f.bias)};
}

// Signs, zeros and NaN as exact_product() and its like.

BINADE_HD constexpr lns_power lns_product(const operand& x, const operand& y) {
  const lns_power a = lns_power_of(x), b = lns_power_of(y);
  return {.negative = a.negative != b.negative,
          .significand = a.significand & b.significand,
          .half_steps = a.half_steps + b.half_steps};
}
BINADE_HD constexpr lns_power lns_quotient(const operand& x, const operand& y) {
  const lns_power a = lns_power_of(x), b = lns_power_of(y);
  if (b.significand == 0)
    return {.negative = a.negative != b.negative, .is_nan = a.significand == 0, .is_infinite = a.significand != 0};
  return {
      .negative = a.negative != b.negative, .significand = a.significand, .half_steps = a.half_steps - b.half_steps};
}
BINADE_HD constexpr lns_power lns_root(const operand& x) {
  const lns_power a = lns_power_of(x);
  if (a.negative && a.significand != 0) return {.is_nan = true};
  return {.negative = a.negative, .significand = a.significand, .half_steps = a.half_steps / 2};
}

/// The number itself, to 128 bits.  @pre the power is finite, not zero, and binary64 nearly holds it
BINADE_HD constexpr exact lns_power_number(const lns_format& f, const lns_power& x) {
  const int count = f.gamma_log2 + 1;
  const std::int64_t octave = x.half_steps >> count;
  const std::uint64_t digits = std::uint64_t(x.half_steps) & ((std::uint64_t(1) << count) - 1);
  const long_significand power = power_of_digits(digits, count);
  return {.negative = x.negative,
          .exponent = int(octave),
          .significand = power.high,
          .low = power.low,
          .sticky = digits != 0};
}

/// A power is a code or the middle of two: in the logarithm that is its place, exactly.
BINADE_HD constexpr grid_place place_on_grid(const lns_format& f, const lns_power& x) {
  if (x.significand == 0) return {};
  const std::int64_t steps = (x.half_steps >> 1) + f.bias, last = std::int64_t(f.max_magnitude(false));
  const bool halfway = (x.half_steps & 1) != 0;
  if (steps > last) return {.code = f.max_magnitude(false) + 1};
  // Nothing stands where the zero stands, or below it, but the zero.
  const bool above_zero = f.has_zero && steps <= 0;
  if (f.domain == lns_domain::linear && (above_zero || (halfway && steps >= 0 && steps < last)))
    return linear_place(f, std::uint64_t(steps < 0 ? 0 : steps), lns_power_number(f, x));
  if (steps < 0) return {.sticky = f.has_zero};
  return {.code = std::uint64_t(steps), .tail = std::uint64_t(halfway) << 63, .sticky = above_zero};
}

BINADE_HD constexpr std::uint64_t encode_power(const element& e, const lns_power& x, std::uint32_t noise) {
  return code_of(e.format.logarithmic, round_unpacked(e.format.logarithmic, e, x, noise));
}

}  // namespace detail
}  // namespace binade
