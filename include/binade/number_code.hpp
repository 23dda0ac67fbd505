#pragma once
// What a code of a format of any kind is: its sign, its place in the order of values, its class.

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "binade/codec.hpp"

namespace binade {

/// The descriptor of one kind of format, which is what a number type is made of.
template <class D>
concept format_descriptor =
    std::same_as<D, float_format> || std::same_as<D, fixed_format> || std::same_as<D, lns_format> ||
    std::same_as<D, tapered_format> || std::same_as<D, book_format>;

/// The kind of the descriptor F.  Without the reference: nvcc's front end makes decltype((F)) of decltype(F), and g++
/// 12 has a const there.
template <auto F>
using descriptor_type = std::remove_cvref_t<decltype(F)>;

namespace detail {

template <class D>
concept sign_magnitude_descriptor = std::same_as<D, float_format> || std::same_as<D, lns_format>;
template <class D>
concept twos_complement_descriptor = std::same_as<D, fixed_format> || std::same_as<D, tapered_format>;

/// A code as compose() takes it: the order of the numbers of a format is that of their signs, and then magnitudes.
struct signed_magnitude {
  bool negative = false;
  std::uint64_t magnitude = 0;
};

BINADE_HD constexpr std::uint64_t magnitude_mask(const float_format& f) {
  return f.magnitude_mask();
}
BINADE_HD constexpr std::uint64_t magnitude_mask(const lns_format& f) {
  return f.max_magnitude(false);
}

template <sign_magnitude_descriptor Format>
BINADE_HD constexpr signed_magnitude decomposed(const Format& f, std::uint64_t code) {
  const std::uint64_t magnitude = code & magnitude_mask(f);
  return {.negative = code != magnitude, .magnitude = magnitude};
}
/// NaR comes out as the negative number of the largest magnitude, below all others.
template <twos_complement_descriptor Format>
BINADE_HD constexpr signed_magnitude decomposed(const Format& f, std::uint64_t code) {
  const bool negative = f.is_signed && code > f.code_mask() >> 1;
  return {.negative = negative, .magnitude = negative ? f.code_mask() + 1 - code : code};
}
/// A code beyond the last entry comes out above all numbers.
BINADE_HD constexpr signed_magnitude decomposed(const book_format& f, std::uint64_t code) {
  const bool negative = f.value_of_code(code) < 0;
  return {.negative = negative, .magnitude = negative ? f.last() - code : code};
}

/// x before y in the order of sign and magnitude: -0 before +0.
template <format_descriptor Format>
BINADE_HD constexpr bool precedes(const Format& f, std::uint64_t x, std::uint64_t y) {
  const signed_magnitude a = decomposed(f, x), b = decomposed(f, y);
  if (a.negative != b.negative) return a.negative;
  return a.negative ? a.magnitude > b.magnitude : a.magnitude < b.magnitude;
}

BINADE_HD constexpr bool is_nan_code(const float_format& f, std::uint64_t code) {
  return (code & f.magnitude_mask()) > f.max_finite_code() + std::uint64_t(f.has_infinity) ||
         (f.is_signed && !f.has_negative_zero && code == f.sign_bit());
}
BINADE_HD constexpr bool is_nan_code(const fixed_format&, std::uint64_t) {
  return false;
}
BINADE_HD constexpr bool is_nan_code(const lns_format&, std::uint64_t) {
  return false;
}
BINADE_HD constexpr bool is_nan_code(const tapered_format& f, std::uint64_t code) {
  return code == f.canonical_nan();
}
BINADE_HD constexpr bool is_nan_code(const book_format& f, std::uint64_t code) {
  return code > f.last();
}

template <format_descriptor Format>
BINADE_HD constexpr bool is_infinite_code(const Format& f, std::uint64_t code) {
  return f.has_infinity && decomposed(f, code).magnitude == f.infinity_code();
}

template <format_descriptor Format>
BINADE_HD constexpr bool is_zero_code(const Format& f, std::uint64_t code) {
  if constexpr (std::same_as<Format, book_format>)
    return f.value_of_code(code) == 0;
  else
    return f.has_zero && decomposed(f, code).magnitude == 0 && !is_nan_code(f, code);
}

/// x < y in absolute value.
template <format_descriptor Format>
BINADE_HD constexpr bool is_smaller(const Format& f, std::uint64_t x, std::uint64_t y) {
  if constexpr (std::same_as<Format, book_format>) {  // the magnitudes of its signs are not comparable
    const double a = f.value_of_code(x), b = f.value_of_code(y);
    return (a < 0 ? -a : a) < (b < 0 ? -b : b);
  } else {
    return decomposed(f, x).magnitude < decomposed(f, y).magnitude;
  }
}

/// The codes of the least and the greatest number, infinities included.
template <format_descriptor Format>
BINADE_HD constexpr std::uint64_t extreme_code(const Format& f, bool negative) {
  if constexpr (std::same_as<Format, float_format>) {
    if (negative && !f.is_signed) return 0;
  }
  return f.compose(negative, f.has_infinity ? f.infinity_code() : f.max_magnitude(negative));
}

/// The code of the least value above zero, or of the greatest value where there is none.
template <format_descriptor Format>
BINADE_HD constexpr std::uint64_t least_positive_code(const Format& f) {
  if constexpr (std::same_as<Format, book_format>) {
    std::uint64_t code = 0;
    while (code < f.last() && f.value_of_code(code) <= 0) ++code;
    return code;
  } else {
    return f.has_zero ? 1 : 0;
  }
}

}  // namespace detail
}  // namespace binade
