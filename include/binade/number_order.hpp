#pragma once
// Numbers in order: total order, neighbours, extrema.

#include <compare>
#include <cstdint>

#include "binade/number.hpp"

namespace binade {

// ---- order ---------------------------------------------------------------------------------------------------------

namespace detail {

/// A NaN that stands below all numbers though its code does not say so.
template <auto F>
BINADE_HD constexpr bool is_lowest_nan(number<F> x) {
  constexpr auto f = F;
  return is_nan(x) && (f.sat_none || magnitude_code(x) == 0);
}

}  // namespace detail

/// IEEE 754-2019, 5.10: -NaN < -Inf < ... < -0 < +0 < ... < +Inf < +NaN, NaNs of a sign by their payload, the quiet
/// ones outermost.  The NaN at the code of -0, and that of any P3109 format, is the lowest (P3109 4.0, 4.12.1), and so
/// is NaR (Standard for Posit Arithmetic 2022, whose comparisons are this order).
template <auto F>
BINADE_HD constexpr std::strong_ordering total_order(number<F> x, number<F> y) {
  constexpr std::strong_ordering less = std::strong_ordering::less, equal = std::strong_ordering::equal,
                                 greater = std::strong_ordering::greater;
  if (x.code == y.code) return equal;
  if (detail::is_lowest_nan(x) || detail::is_lowest_nan(y)) return detail::is_lowest_nan(x) ? less : greater;
  return detail::precedes(x.descriptor(), x.code, y.code) ? less : greater;
}

/// The least number that compares greater than x.  (IEEE 754-2019, 5.3.1)  The greatest number of the format stays;
/// P3109's NextGreaterThan gives NaN there, and next() of the posit standard NaR.  NaN gives the canonical NaN.
template <auto F>
BINADE_HD constexpr number<F> next_up(number<F> x) {
  constexpr auto f = F;
  if (is_nan(x)) return f.has_nan() ? number<F>::from_code(f.canonical_nan()) : x;
  constexpr std::uint64_t top = detail::extreme_code(f, false);
  if constexpr (detail::sign_magnitude_descriptor<descriptor_type<F>>) {
    const std::uint64_t magnitude = magnitude_code(x);
    if (!sign_bit(x) || is_zero(x)) return number<F>::from_code(magnitude == top ? top : magnitude + 1);
    if (magnitude == (f.has_zero ? 1 : 0) && (!f.has_zero || !f.has_negative_zero)) return number<F>::from_code(0);
    return number<F>::from_code(x.code - 1u);
  } else {  // codes ascend with the values, and from the last one below zero to the first
    return x.code == top ? x : number<F>::from_code((x.code + std::uint64_t(1)) & number_format(f).code_mask());
  }
}
/// The greatest number that compares less than x.  The least number of the format stays.
template <auto F>
BINADE_HD constexpr number<F> next_down(number<F> x) {
  constexpr auto f = F;
  if constexpr (detail::sign_magnitude_descriptor<descriptor_type<F>> && f.is_signed) {
    return -next_up(-x);
  } else {
    if (is_nan(x)) return next_up(x);
    const std::uint64_t bottom = detail::extreme_code(f, true);
    // Below the symmetric range of integers lies one code more, which stays as well.
    if (x.code == bottom || detail::precedes(f, x.code, bottom)) return x;
    return number<F>::from_code((x.code - std::uint64_t(1)) & number_format(f).code_mask());
  }
}

// ---- extrema (IEEE 754-2019, 9.6) ----------------------------------------------------------------------------------
// NaNs that are delivered are canonical; -0 < +0.  The NAME_number variants take the number where one operand is NaN;
// the others give NaN.  _magnitude: by absolute value, and as without it where these are equal.

namespace detail {

/// The first in total order of two numbers, or the last.
template <auto F>
BINADE_HD constexpr number<F> first_of(number<F> x, number<F> y, bool wants_last) {
  return precedes(x.descriptor(), y.code, x.code) != wants_last ? y : x;
}
template <auto F>
BINADE_HD constexpr number<F> extreme(number<F> x, number<F> y, bool wants_last, bool by_magnitude, bool wants_number) {
  constexpr auto f = F;
  if (is_nan(x) || is_nan(y)) {
    if (wants_number && !is_nan(x)) return x;
    if (wants_number && !is_nan(y)) return y;
    return next_up(is_nan(x) ? x : y);
  }
  if (by_magnitude) {
    if (is_smaller(f, y.code, x.code)) return wants_last ? x : y;
    if (is_smaller(f, x.code, y.code)) return wants_last ? y : x;
  }
  return first_of(x, y, wants_last);
}

}  // namespace detail

/// The lesser of x and y; NaN where one is.
template <auto F>
BINADE_HD constexpr number<F> minimum(number<F> x, number<F> y) {
  return detail::extreme(x, y, false, false, false);
}
/// The lesser of x and y; the number where one is NaN.
template <auto F>
BINADE_HD constexpr number<F> minimum_number(number<F> x, number<F> y) {
  return detail::extreme(x, y, false, false, true);
}
/// The one of lesser absolute value, minimum() where these are equal; NaN where one is.
template <auto F>
BINADE_HD constexpr number<F> minimum_magnitude(number<F> x, number<F> y) {
  return detail::extreme(x, y, false, true, false);
}
/// The one of lesser absolute value, minimum() where these are equal; the number where one is NaN.
template <auto F>
BINADE_HD constexpr number<F> minimum_magnitude_number(number<F> x, number<F> y) {
  return detail::extreme(x, y, false, true, true);
}
/// The greater of x and y; NaN where one is.
template <auto F>
BINADE_HD constexpr number<F> maximum(number<F> x, number<F> y) {
  return detail::extreme(x, y, true, false, false);
}
/// The greater of x and y; the number where one is NaN.
template <auto F>
BINADE_HD constexpr number<F> maximum_number(number<F> x, number<F> y) {
  return detail::extreme(x, y, true, false, true);
}
/// The one of greater absolute value, maximum() where these are equal; NaN where one is.
template <auto F>
BINADE_HD constexpr number<F> maximum_magnitude(number<F> x, number<F> y) {
  return detail::extreme(x, y, true, true, false);
}
/// The one of greater absolute value, maximum() where these are equal; the number where one is NaN.
template <auto F>
BINADE_HD constexpr number<F> maximum_magnitude_number(number<F> x, number<F> y) {
  return detail::extreme(x, y, true, true, true);
}

}  // namespace binade
