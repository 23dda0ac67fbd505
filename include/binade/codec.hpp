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

/// Magnitude = significand * 2^(exponent - 63), the top bit of significand set; significand = 0 is zero.  Of a NaN,
/// significand is the trailing significand field, its top bit at bit 63.
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

/// The number that a code stands for.
BINADE_HD constexpr unpacked unpack(const float_format& f, std::uint64_t code) {
  const std::uint64_t magnitude = code & f.magnitude_mask();
  const bool negative = code != magnitude;
  if (magnitude > f.max_finite_code()) {
    const bool is_infinite = f.has_infinity && magnitude == f.infinity_code();
    const std::uint64_t payload = f.trailing_bits() == 0 || is_infinite ? 0 : magnitude << (64 - f.trailing_bits());
    return {.negative = negative, .is_nan = !is_infinite, .is_infinite = is_infinite, .significand = payload};
  }
  if (magnitude == 0 && f.has_zero) return {.negative = negative, .is_nan = negative && !f.has_negative_zero};
  const int field = int(magnitude >> f.trailing_bits());
  const bool subnormal = field == 0 && f.has_subnormals;
  return normalized(negative, (magnitude & (f.leading() - 1)) | (subnormal ? 0 : f.leading()),
                    field + int(subnormal) - f.bias - f.trailing_bits());
}

template <binary_float T>
BINADE_HD constexpr unpacked unpack(T x) {
  constexpr float_format f = native_format<T>;  // a copy: the device has no address of the other
  return unpack(f, std::bit_cast<native_bits<T>>(x));
}

/// The same for a format of any kind.
BINADE_HD constexpr unpacked unpack(const number_format& f, std::uint64_t code) {
  if (f.kind == format_kind::floating) return unpack(f.floating, code);
  return unpack(f.visit([&](const auto& descriptor) { return descriptor.value_of_code(code); }));
}

/// What a significand has below its 64 bits: nothing here, something in an exact result (exact.hpp).
BINADE_HD constexpr std::uint64_t low_bits(const unpacked&) {
  return 0;
}
BINADE_HD constexpr bool is_sticky(const unpacked&) {
  return false;
}
BINADE_HD constexpr bool is_root_of_two(const unpacked&) {
  return false;
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
template <class Number>
BINADE_HD constexpr grid_place fraction_of(const Number& x, const unpacked& y) {
  std::uint64_t remainder = x.significand, quotient = 0;
  const std::uint64_t low = low_bits(x);
  const bool integer = remainder >= y.significand;
  if (integer) remainder -= y.significand;
  for (int bit = 0; bit < 64; ++bit) {
    const bool carry = remainder >> 63 != 0;
    remainder = remainder << 1 | (low >> (63 - bit) & 1);
    quotient <<= 1;
    if (carry || remainder >= y.significand) {
      remainder -= y.significand;
      quotient |= 1;
    }
  }
  const int shift = y.exponent - x.exponent;  // 0 only if !integer, since x < y
  grid_place place{.tail = quotient, .sticky = remainder != 0 || is_sticky(x), .is_tiny = true};
  if (shift > 0) {
    const std::uint64_t lost = shift < 64 ? quotient << (64 - shift) : quotient;
    place.tail = (shift < 64 ? quotient >> shift : 0) | (shift <= 64 ? std::uint64_t(integer) << (64 - shift) : 0);
    place.sticky = place.sticky || lost != 0 || (shift > 64 && integer);
  }
  return place;
}

/// @pre x is finite
template <class Number>
BINADE_HD constexpr grid_place place_on_grid(const float_format& f, const Number& x) {
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
  // Where the grid continued has no codes of 64 bits, a code beyond every finite one stands for it.
  if (std::uint64_t(binade - lowest) >> (63 - trailing) != 0) return {.code = std::uint64_t(1) << 63};
  const int dropped = 63 - trailing + (binade - x.exponent);  // bits below the quantum; 11 at least
  grid_place place{.is_tiny = tiny};
  std::uint64_t kept = 0;
  if (dropped < 64) {
    kept = x.significand >> dropped;
    place.tail = x.significand << (64 - dropped) | low_bits(x) >> dropped;
    place.sticky = low_bits(x) << (64 - dropped) != 0 || is_sticky(x);
  } else if (dropped < 128) {
    place.tail = x.significand >> (dropped - 64);
    place.sticky = (dropped > 64 && x.significand << (128 - dropped) != 0) || low_bits(x) != 0 || is_sticky(x);
  } else {
    place.sticky = true;
  }
  // kept counts from the leading bit of exponent field 1, so that a carry out of it raises the exponent field.
  place.code = (std::uint64_t(binade - lowest) << trailing) + kept - (f.has_subnormals ? 0 : f.leading());
  return place;
}

/// The same for integers and fixed point.  @pre x is finite
template <class Number>
BINADE_HD constexpr grid_place place_on_grid(const fixed_format& f, const Number& x) {
  const int exponent = x.exponent + f.fraction_bits;  // of x in quanta
  const std::uint64_t low = low_bits(x);
  if (x.significand == 0) return {};
  if (exponent >= 63) return {.code = std::uint64_t(1) << 63};  // beyond every width
  if (exponent >= 0)
    return {.code = x.significand >> (63 - exponent),
            .tail = x.significand << exponent << 1 | low >> (63 - exponent),
            .sticky = low << exponent << 1 != 0 || is_sticky(x)};
  if (exponent < -64) return {.sticky = true};
  const int down = -1 - exponent;  // 0..63
  return {.tail = x.significand >> down,
          .sticky = (down != 0 && x.significand << (64 - down) != 0) || low != 0 || is_sticky(x)};
}

/// The same for posits and takums: a place on the string of bits.  They keep 31 bits at most, and the modes read 33
/// more: bits that x has below its first 64 can only be known to be there.  @pre x is finite
template <class Number>
BINADE_HD constexpr grid_place place_on_grid(const tapered_format& f, const Number& x) {
  if (x.significand == 0) return {};
  if (x.exponent > highest_exponent(f)) return {.code = f.max_magnitude(false)};
  if (x.exponent < lowest_exponent(f)) return {.code = 1};
  const bit_string text = tapered_string(f, x.exponent, x.significand);
  const int kept = f.width - 1;  // 2..31
  const std::uint64_t code = text.high >> (64 - kept);
  if (code == 0) return {.code = 1};
  return {.code = code,
          .tail = text.high << kept | text.low >> (64 - kept),
          .sticky = text.sticky || text.low << kept != 0 || low_bits(x) != 0 || is_sticky(x)};
}

/// (whole + tail / 2^64) / span as a place, whole < span.
BINADE_HD constexpr grid_place place_in_span(std::uint64_t code, std::uint64_t whole, std::uint64_t tail, bool sticky,
                                             std::uint64_t span) {
  std::uint64_t remainder = whole, quotient = 0;
  for (int bit = 63; bit >= 0; --bit) {
    const bool carry = remainder >> 63 != 0;
    remainder = remainder << 1 | (tail >> bit & 1);
    quotient <<= 1;
    if (carry || remainder >= span) {
      remainder -= span;
      quotient |= 1;
    }
  }
  return {.code = code, .tail = quotient, .sticky = sticky || remainder != 0};
}

/// x between the values of code and code + 1 of a logarithmic format, as the place that it has between them.
template <class Number>
BINADE_HD constexpr grid_place linear_place(const lns_format& f, std::uint64_t code, const Number& x) {
  const unpacked next = unpack(f.value(code + 1));
  if (f.has_zero && code == 0) return fraction_of(x, next);
  // All in units of 2^(exponent of the lower value - 62): its significand, and the next one's below 2^64.
  const unpacked low = unpack(f.value(code));
  const std::uint64_t begin = low.significand >> 1,
                      end = next.exponent == low.exponent ? next.significand >> 1 : next.significand;
  const bool same = x.exponent == low.exponent;
  const std::uint64_t tail = same ? x.significand << 63 | low_bits(x) >> 1 : low_bits(x);
  const bool sticky = is_sticky(x) || (same && (low_bits(x) & 1) != 0);
  return place_in_span(code, (same ? x.significand >> 1 : x.significand) - begin, tail, sticky, end - begin);
}

/// x < y in magnitude.
template <class Number>
BINADE_HD constexpr bool is_below(const Number& x, const unpacked& y) {
  return x.exponent != y.exponent ? x.exponent < y.exponent : x.significand < y.significand;
}

/// The same for logarithmic formats.  @pre x is finite
template <class Number>
BINADE_HD constexpr grid_place place_on_grid(const lns_format& f, const Number& x) {
  if (x.significand == 0) return {};
  // gamma log2(x) + bias = steps + nu; 34 bits of nu are one more than any mode reads, and only a power of two ends.
  constexpr int digits = 34;
  const bool ends = x.significand << 1 == 0 && low_bits(x) == 0 && !is_sticky(x);
  const std::uint64_t fraction = log2_digits({x.significand, low_bits(x)}, f.gamma_log2 + digits);
  const std::int64_t steps =
      std::int64_t(x.exponent) * f.gamma() + std::int64_t(fraction >> digits) + std::int64_t(f.bias);
  if (steps > std::int64_t(f.max_magnitude(false))) return {.code = f.max_magnitude(false) + 1};
  grid_place place{
      .code = std::uint64_t(steps < 0 ? 0 : steps), .tail = steps < 0 ? 0 : fraction << (64 - digits), .sticky = !ends};
  // The values are the powers rounded to binary32: x may lie between the two, on either side.
  const unpacked value = unpack(f.value(place.code)), next = unpack(f.value(place.code + 1));
  const auto is_value = [&](const unpacked& v) {
    return x.exponent == v.exponent && x.significand == v.significand && low_bits(x) == 0 && !is_sticky(x);
  };
  if (place.code > 0 && is_below(x, value)) {
    place = {.code = place.code - 1, .tail = ~std::uint64_t(0), .sticky = true};
  } else if (place.code < f.max_magnitude(false) && !is_below(x, next)) {
    place = {.code = place.code + 1, .sticky = !is_value(next)};
  } else if (place.code == 0 && f.has_zero) {
    place.sticky = true;  // x is not the zero, though it may be where the zero stands or below
  } else if (steps < 0) {
    // All below the smallest value goes to it; what lies above it, though below the power that was rounded down to it,
    // is between two values.
    place.sticky = !is_below(x, value) && !is_value(value);
  } else if (is_value(value)) {
    return {.code = place.code};
  }
  // Half way in the logarithm between two codes that are a binade apart: the only irrational number that is.
  if (is_root_of_two(x) && f.gamma_log2 == 0 && f.domain == lns_domain::logarithm && place.tail != 0)
    return {.code = place.code, .tail = std::uint64_t(1) << 63};
  const bool linear =
      f.domain == lns_domain::linear && place.code < f.max_magnitude(false) && (steps >= 0 || place.sticky);
  return linear ? linear_place(f, place.code, x) : place;
}

/// The same for code books.  @pre x is finite
template <class Number>
BINADE_HD constexpr grid_place place_on_grid(const book_format& f, const Number& x) {
  // |x| in quanta: whole + tail / 2^64.
  const int exponent = x.exponent - f.quantum_exponent;
  std::int64_t whole = std::int64_t(1) << 62;  // beyond every entry
  std::uint64_t tail = 0;
  bool sticky = false;
  if (x.significand == 0) {
    whole = 0;
  } else if (exponent < 0) {
    whole = 0;
    tail = exponent >= -64 ? x.significand >> (-1 - exponent) : 0;
    sticky =
        exponent < -64 || (exponent < -1 && x.significand << (65 + exponent) != 0) || low_bits(x) != 0 || is_sticky(x);
  } else if (exponent < 62) {
    whole = std::int64_t(x.significand >> (63 - exponent));
    tail = x.significand << exponent << 1 | low_bits(x) >> (63 - exponent);
    sticky = low_bits(x) << exponent << 1 != 0 || is_sticky(x);
  }
  const bool exact = tail == 0 && !sticky;
  // The entry from which the magnitude is counted: the last one that is not further from the far end than x.
  const auto reached = [&](std::uint64_t magnitude) {
    const std::int64_t entry = f.quanta(f.compose(x.negative, magnitude));
    return (x.negative ? -entry : entry) <= whole;
  };
  std::uint64_t low = 0, high = f.last() + 1;  // reached(low), or low is the end; not reached(high)
  if (!reached(0)) return {};
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (reached(middle) ? low : high) = middle;
  }
  const auto distance_of = [&](std::uint64_t magnitude) {
    const std::int64_t entry = f.quanta(f.compose(x.negative, magnitude));
    return x.negative ? -entry : entry;
  };
  const std::int64_t begin = distance_of(low);
  if (low == f.last() || (begin == whole && exact)) return {.code = low};
  return place_in_span(low, std::uint64_t(whole - begin), tail, sticky, std::uint64_t(distance_of(low + 1) - begin));
}

enum class result_kind : std::uint8_t { finite, infinity, nan };

/// A result before it takes a form: a magnitude code, or a special.
struct rounded {
  result_kind kind = result_kind::finite;
  bool negative = false;
  std::uint64_t magnitude = 0;  ///< of a NaN: its whole code
};

/// A NaN that came in, of this sign and payload.
template <class Format>
BINADE_HD constexpr rounded nan_result(const Format& f, const element& e, bool negative, std::uint64_t payload) {
  return {.kind = result_kind::nan, .magnitude = nan_code_of(f, e.choices.nan, negative, payload)};
}
/// A NaN for a number that the format has no place for.
template <class Format>
BINADE_HD constexpr rounded overflow_nan(const Format& f, const element& e, bool negative) {
  return {.kind = result_kind::nan, .magnitude = nan_code_of(f, e.choices.overflow_nan, negative, 0)};
}

template <class Format>
BINADE_HD constexpr rounded beyond_largest(const Format& f, const element& e, bool negative, bool is_infinite) {
  switch (where_beyond(f, e, negative, is_infinite)) {
    case beyond::largest:
      break;
    case beyond::infinity:
      return {.kind = result_kind::infinity, .negative = negative};
    case beyond::nan:
      return overflow_nan(f, e, negative);
  }
  return {.negative = negative, .magnitude = f.max_magnitude(negative)};
}

/// A negative value into an unsigned format: its smallest value under the saturating rules and where there is no NaN,
/// else NaN; except that P3109's SatNone rounds first, as a signed format would, and clamps toward zero and up.
template <class Format, class Number>
BINADE_HD constexpr rounded below_zero(const Format& f, const element& e, const Number& x, const grid_place& place,
                                       std::uint32_t noise) {
  if (e.overflow == overflow_rule::saturate || e.overflow == overflow_rule::propagate || !f.has_nan()) return {};
  if (f.sat_none && e.overflow == overflow_rule::spec && !x.is_infinite) {
    if (e.rounding == rounding_mode::toward_zero || e.rounding == rounding_mode::up) return {};
    if (place.code == 0 && !rounds_away(e.rounding, place.tail, place.sticky, false, true, noise, e.noise_bits))
      return {};
  }
  return overflow_nan(f, e, true);
}

/// x rounded once into f, which is e.format's descriptor.
template <class Format, class Number>
BINADE_HD constexpr rounded round_unpacked(const Format& f, const element& e, Number x, std::uint32_t noise) {
  if (x.is_nan) return nan_result(f, e, x.negative, x.significand);
  if (e.choices.magnitude_only) x.negative = false;
  grid_place place = x.is_infinite ? grid_place{} : place_on_grid(f, x);
  const bool flushed = e.subnormals == subnormal_rule::flush_inputs && place.is_tiny && !x.is_infinite;
  if (flushed) place = {};
  if (e.choices.zero_is_nan && !x.is_infinite && (x.significand == 0 || flushed)) return overflow_nan(f, e, x.negative);
  if (x.negative && !f.is_signed && (x.is_infinite || (x.significand != 0 && !flushed)))
    return below_zero(f, e, x, place, noise);
  if (x.is_infinite) return beyond_largest(f, e, x.negative, true);
  const rounding_mode mode = e.choices.lowest_step_up && place.code == 0 ? rounding_mode::up : e.rounding;
  const bool odd = f.compose(x.negative, place.code) % 2 == 1;
  const bool up = rounds_away(mode, place.tail, place.sticky, odd, x.negative, noise, e.noise_bits);
  std::uint64_t magnitude = place.code + std::uint64_t(up);
  if (magnitude > f.max_magnitude(x.negative)) return beyond_largest(f, e, x.negative, false);
  if (e.subnormals == subnormal_rule::flush_results && magnitude < f.subnormals_end()) magnitude = 0;
  const bool zero = magnitude == 0 && f.has_zero;
  return {.negative = x.negative && f.is_signed && (!zero || f.has_negative_zero), .magnitude = magnitude};
}

template <class Format>
BINADE_HD constexpr std::uint64_t code_of(const Format& f, const rounded& r) {
  switch (r.kind) {
    case result_kind::finite:
      return f.compose(r.negative, r.magnitude);
    case result_kind::infinity:
      return f.compose(r.negative, f.infinity_code());
    case result_kind::nan:
      break;
  }
  return r.magnitude;
}

/// encode() of a number in parts.
template <class Number>
BINADE_HD constexpr std::uint64_t encode_number(const element& e, const Number& x, std::uint32_t noise) {
  return e.format.visit([&](const auto& f) { return code_of(f, round_unpacked(f, e, x, noise)); });
}

}  // namespace detail

/// True if encode has no code for x: a NaN, in a format that has none and was not told what to take instead.
template <detail::binary_float T>
BINADE_HD constexpr bool refuses(const element& e, T x) {
  return detail::unpack(x).is_nan && e.format.refuses_nan();
}

/// The code of x rounded once into e.format.
///
/// NaN gives the canonical NaN code, whatever its sign and payload, unless e.choices says otherwise; without a NaN
/// code, what the format's nan choice says. Infinities and finite values beyond the largest: e.overflow.  Zero keeps
/// its sign where the format has -0. A format without zero: zero and all below the smallest value give code 0, in every
/// rounding mode. A negative value into an unsigned format: code 0 under saturate and propagate, else NaN where there
/// is one.
/// @param noise  R of the stochastic modes, below 2^e.noise_bits; not used by the others
/// @pre defect(e) is empty; !refuses(e, x), where the answer is the code of zero
template <detail::binary_float T>
BINADE_HD constexpr std::uint64_t encode(const element& e, T x, std::uint32_t noise = 0) {
  return detail::encode_number(e, detail::unpack(x), noise);
}

namespace detail {

/// A number in parts as float32: rounded to nearest even, infinity from 2^128 on; NaN is the positive quiet one.
template <class Number>
BINADE_HD constexpr float nearest_float(const Number& x) {
  const float_format single = native_format<float>;  // a copy: the device has no address of the constant
  const element e{.format = single, .overflow = overflow_rule::infinity};
  return std::bit_cast<float>(std::uint32_t(code_of(single, round_unpacked(single, e, x, 0))));
}
/// double to T: exact, or rounded to nearest even, infinity from 2^128 on.
template <binary_float T>
BINADE_HD constexpr T narrowed(double value) {
  if constexpr (std::is_same_v<T, double>)
    return value;
  else
    return nearest_float(unpack(value));
}

/// The value of x rounded once into f, which is e.format's descriptor.
template <class Format, class Number>
BINADE_HD constexpr double rounded_value(const Format& f, const element& e, const Number& x, std::uint32_t noise) {
  const rounded r = round_unpacked(f, e, x, noise);
  return r.kind == result_kind::nan ? std::numeric_limits<double>::quiet_NaN() : f.value_of_code(code_of(f, r));
}

}  // namespace detail

/// The value of a code: exact where the format's fits_double() is true, decode<float> where fits_float() is; else
/// rounded once, to nearest even, infinity beyond the largest number of T.  Every NaN code gives the positive quiet
/// NaN.  @pre defect(f) is empty, code < 2^f.width
template <detail::binary_float T = double>
BINADE_HD constexpr T decode(const number_format& f, std::uint64_t code) {
  return detail::narrowed<T>(f.visit([&](const auto& descriptor) { return descriptor.value_of_code(code); }));
}

/// x rounded once to a value of e.format: decode(encode(x)), except that NaN stays NaN (the positive quiet one) in
/// every format.  round(float) delivers float: exact where the format's fits_float() is true; a wider format's result
/// that float has no number for is rounded to float, infinity from 2^128 on.  So is round(double) where fits_double()
/// is not true, infinity from 2^1024 on: encode() and convert() are exact there too.
/// @param noise  as for encode   @pre defect(e) is empty
template <detail::binary_float T>
BINADE_HD constexpr T round(const element& e, T x, std::uint32_t noise = 0) {
  const detail::unpacked u = detail::unpack(x);
  return detail::narrowed<T>(e.format.visit([&](const auto& f) { return detail::rounded_value(f, e, u, noise); }));
}

}  // namespace binade
