#pragma once
// decode, encode and round for any descriptor: the reference.  Integer arithmetic on bit patterns, one rounding, the
// same path at compile time, at run time and on the device.

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "binade/element.hpp"

namespace binade {
namespace detail {

template <class T>
concept binary_float = std::is_same_v<T, float> || std::is_same_v<T, double>;

/// The descriptor of a native type.
template <binary_float T>
inline constexpr float_format native_format = std::is_same_v<T, float> ? ieee_format(8, 23) : ieee_format(11, 52);
template <binary_float T>
using native_bits = std::conditional_t<std::is_same_v<T, float>, std::uint32_t, std::uint64_t>;

/// Magnitude = significand * 2^(exponent - 63), the top bit of significand set; significand = 0 is zero.
struct unpacked {
  bool negative = false, is_nan = false, is_infinite = false;
  int exponent = 0;
  std::uint64_t significand = 0;
};

BINADE_HD constexpr unpacked normalized(bool negative, std::uint64_t significand, int exponent) {
  if (significand == 0) return {.negative = negative};
  const int zeros = leading_zeros(significand);
  return {.negative = negative, .exponent = exponent + 63 - zeros, .significand = significand << zeros};
}

template <binary_float T>
BINADE_HD constexpr unpacked unpack(T x) {
  constexpr float_format f = native_format<T>;
  const std::uint64_t bits = std::bit_cast<native_bits<T>>(x), magnitude = bits & f.magnitude_mask();
  const bool negative = bits != magnitude;
  if (magnitude > f.max_finite_code())
    return {
        .negative = negative, .is_nan = magnitude > f.infinity_code(), .is_infinite = magnitude == f.infinity_code()};
  const int field = int(magnitude >> f.trailing_bits());
  const std::uint64_t trailing = magnitude & (f.leading() - 1);
  return field == 0 ? normalized(negative, trailing, f.min_exponent() - f.trailing_bits())
                    : normalized(negative, trailing | f.leading(), field - f.bias - f.trailing_bits());
}

/// A magnitude on the grid of a format: code, and what lies above it on the way to code + 1.
struct grid_place {
  std::uint64_t code = 0;  ///< of the largest grid value <= the magnitude, the grid continued above max_finite_code()
  std::uint64_t tail = 0;  ///< as rounds_away() takes it
  bool sticky = false;
  bool is_tiny = false;  ///< below the smallest normal value
};

/// x / y as a place between 0 and 1: the only step of a grid that need not be a power of two is the one from zero to
/// the smallest value of a format without subnormals.  @pre x < y, both nonzero
BINADE_HD constexpr grid_place fraction_of(const unpacked& x, const unpacked& y) {
  std::uint64_t remainder = x.significand, quotient = 0;
  const bool integer = remainder >= y.significand;
  if (integer) remainder -= y.significand;
  for (int bit = 0; bit < 64; ++bit) {
    const bool carry = remainder >> 63 != 0;
    remainder <<= 1;
    quotient <<= 1;
    if (carry || remainder >= y.significand) {
      remainder -= y.significand;
      quotient |= 1;
    }
  }
  const int shift = y.exponent - x.exponent;  // 0 only if !integer, since x < y
  grid_place place{.tail = quotient, .sticky = remainder != 0, .is_tiny = true};
  if (shift > 0) {
    const std::uint64_t lost = shift < 64 ? quotient << (64 - shift) : quotient;
    place.tail = (shift < 64 ? quotient >> shift : 0) | (shift <= 64 ? std::uint64_t(integer) << (64 - shift) : 0);
    place.sticky = place.sticky || lost != 0 || (shift > 64 && integer);
  }
  return place;
}

/// @pre x is finite
BINADE_HD constexpr grid_place place_on_grid(const float_format& f, const unpacked& x) {
  if (x.significand == 0) return {.is_tiny = true};
  const int trailing = f.trailing_bits(), lowest = f.min_exponent();
  if (!f.has_subnormals) {
    // The smallest value: code 0 is the bottom of its binade, code 1 one step up, which with precision 1 is a binade.
    const unpacked smallest = !f.has_zero || trailing != 0
                                  ? normalized(false, f.leading() | std::uint64_t(f.has_zero), lowest - trailing)
                                  : normalized(false, 1, lowest + 1);
    if (x.exponent < smallest.exponent || (x.exponent == smallest.exponent && x.significand < smallest.significand)) {
      if (!f.has_zero) return {.is_tiny = true};  // nothing lies below the smallest value: all go to it
      return fraction_of(x, smallest);
    }
  }
  const bool tiny = x.exponent < lowest;
  const int binade = tiny ? lowest : x.exponent;
  const int dropped = 63 - trailing + (binade - x.exponent);  // bits below the quantum; 11 at least
  grid_place place{.is_tiny = tiny};
  std::uint64_t kept = 0;
  if (dropped < 64) {
    kept = x.significand >> dropped;
    place.tail = x.significand << (64 - dropped);
  } else if (dropped < 128) {
    place.tail = x.significand >> (dropped - 64);
    place.sticky = dropped > 64 && x.significand << (128 - dropped) != 0;
  } else {
    place.sticky = true;
  }
  // kept counts from the leading bit of exponent field 1, so that a carry out of it raises the exponent field.
  place.code = (std::uint64_t(binade - lowest) << trailing) + kept - (f.has_subnormals ? 0 : f.leading());
  return place;
}

enum class result_kind : std::uint8_t { finite, infinity, nan };

/// A result before it takes a form: a magnitude code, or a special.
struct rounded {
  result_kind kind = result_kind::finite;
  bool negative = false;
  std::uint64_t magnitude = 0;
};

BINADE_HD constexpr rounded beyond_largest(const element& e, bool negative, bool is_infinite) {
  switch (where_beyond(e, negative, is_infinite)) {
    case beyond::largest:
      break;
    case beyond::infinity:
      return {.kind = result_kind::infinity, .negative = negative};
    case beyond::nan:
      return {.kind = result_kind::nan};
  }
  return {.negative = negative, .magnitude = e.format.max_finite_code()};
}

/// A negative value into an unsigned format: its smallest value under the saturating rules and where there is no NaN,
/// else NaN; except that P3109's SatNone rounds first, as a signed format would, and clamps toward zero and up.
BINADE_HD constexpr rounded below_zero(const element& e, const unpacked& x, const grid_place& place,
                                       std::uint32_t noise) {
  const float_format& f = e.format;
  if (e.overflow == overflow_rule::saturate || e.overflow == overflow_rule::propagate || !f.has_nan()) return {};
  if (f.sat_none && e.overflow == overflow_rule::spec && !x.is_infinite) {
    if (e.rounding == rounding_mode::toward_zero || e.rounding == rounding_mode::up) return {};
    if (place.code == 0 && !rounds_away(e.rounding, place.tail, place.sticky, false, true, noise, e.noise_bits))
      return {};
  }
  return {.kind = result_kind::nan};
}

BINADE_HD constexpr rounded round_unpacked(const element& e, const unpacked& x, std::uint32_t noise) {
  const float_format& f = e.format;
  if (x.is_nan) return {.kind = result_kind::nan};
  grid_place place = x.is_infinite ? grid_place{} : place_on_grid(f, x);
  const bool flushed = e.subnormals == subnormal_rule::flush_inputs && place.is_tiny && !x.is_infinite;
  if (flushed) place = {};
  if (x.negative && !f.is_signed && (x.is_infinite || (x.significand != 0 && !flushed)))
    return below_zero(e, x, place, noise);
  if (x.is_infinite) return beyond_largest(e, x.negative, true);
  const bool up =
      rounds_away(e.rounding, place.tail, place.sticky, place.code % 2 == 1, x.negative, noise, e.noise_bits);
  std::uint64_t magnitude = place.code + std::uint64_t(up);
  if (magnitude > f.max_finite_code()) return beyond_largest(e, x.negative, false);
  if (e.subnormals == subnormal_rule::flush_results && f.has_subnormals && magnitude < f.leading()) magnitude = 0;
  const bool zero = magnitude == 0 && f.has_zero;
  return {.negative = x.negative && f.is_signed && (!zero || f.has_negative_zero), .magnitude = magnitude};
}

BINADE_HD constexpr std::uint64_t code_of(const float_format& f, const rounded& r) {
  const std::uint64_t sign = r.negative ? f.sign_bit() : 0;
  switch (r.kind) {
    case result_kind::finite:
      return sign | r.magnitude;
    case result_kind::infinity:
      return sign | f.infinity_code();
    case result_kind::nan:
      break;
  }
  if (f.has_nan()) return f.canonical_nan();
  return f.nan == nan_code::max ? f.max_finite_code() : 0;
}

}  // namespace detail

/// True if encode has no code for x: a NaN, in a format that has none and was not told what to take instead.
template <detail::binary_float T>
BINADE_HD constexpr bool refuses(const element& e, T x) {
  return detail::unpack(x).is_nan && e.format.refuses_nan();
}

/// The code of x rounded once into e.format.
///
/// NaN gives the canonical NaN code, whatever its sign and payload; without one, what format.nan says.
/// Infinities and finite values beyond the largest: e.overflow.  Zero keeps its sign where the format has -0.
/// A format without zero: zero and all below the smallest value give code 0, in every rounding mode.
/// A negative value into an unsigned format: code 0 under saturate and propagate, else NaN where there is one.
/// @param noise  R of the stochastic modes, below 2^e.noise_bits; not used by the others
/// @pre defect(e) is empty; !refuses(e, x), where the answer is code 0
template <detail::binary_float T>
BINADE_HD constexpr std::uint64_t encode(const element& e, T x, std::uint32_t noise = 0) {
  return detail::code_of(e.format, detail::round_unpacked(e, detail::unpack(x), noise));
}

/// The value of a code, exact in double.  decode<float> is exact where format.fits_float(), else correctly rounded.
/// Every NaN code gives the positive quiet NaN.  @pre defect(f) is empty, code < 2^f.width
template <detail::binary_float T = double>
BINADE_HD constexpr T decode(const float_format& f, std::uint64_t code) {
  const std::uint64_t magnitude = code & f.magnitude_mask();
  const bool negative = code != magnitude;
  const bool nan_zero = negative && magnitude == 0 && !f.has_negative_zero;
  double value = std::numeric_limits<double>::quiet_NaN();
  if (!nan_zero && magnitude <= f.max_finite_code())
    value = f.value(magnitude);
  else if (!nan_zero && f.has_infinity && magnitude == f.infinity_code())
    value = std::numeric_limits<double>::infinity();
  if (negative && value == value) value = -value;
  if constexpr (std::is_same_v<T, double>)
    return value;
  else
    return std::bit_cast<float>(std::uint32_t(
        encode(element{.format = detail::native_format<float>, .overflow = overflow_rule::infinity}, value)));
}

/// x rounded once to a value of e.format: decode(encode(x)), except that NaN stays NaN (the positive quiet one) in
/// every format.  round(float) delivers float: exact where format.fits_float(); a wider format's result that float
/// has no number for is rounded to float, infinity from 2^128 on.
/// @param noise  as for encode   @pre defect(e) is empty
template <detail::binary_float T>
BINADE_HD constexpr T round(const element& e, T x, std::uint32_t noise = 0) {
  const detail::rounded r = detail::round_unpacked(e, detail::unpack(x), noise);
  if (r.kind == detail::result_kind::nan) return std::numeric_limits<T>::quiet_NaN();
  return decode<T>(e.format, detail::code_of(e.format, r));
}

}  // namespace binade
