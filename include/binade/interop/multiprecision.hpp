#pragma once
// Number types from and to the numbers of Boost.Multiprecision: integers, rationals, binary floating point of any size.

#include <boost/multiprecision/number.hpp>
#include <limits>

#include "binade/decimal.hpp"
#include "binade/number.hpp"

namespace binade {
namespace detail {

/// The exact result that these words spell, highest first, once all are in.
struct word_collector {
  big_unsigned units;

  constexpr void append(std::uint32_t word) {
    units.shift_left(32);
    units.multiply_add(1, word);
  }
  /// units * 2^exponent, its exponent held where no format reaches.
  constexpr exact value(bool negative, std::int64_t exponent, bool sticky) const {
    exact x = leading_bits(negative, units, 0, sticky);
    if (x.is_zero()) return x;
    const std::int64_t leading = x.exponent + exponent;
    constexpr std::int64_t farthest = 4 * widest_exponent;
    x.exponent = static_cast<int>(leading > farthest ? farthest : leading < -farthest ? -farthest : leading);
    return x;
  }
};

/// numerator / denominator, both positive, by one division that gives 160 bits.
template <class Integer>
exact exact_ratio(bool negative, Integer numerator, Integer denominator) {
  const auto shift = 160 - (static_cast<std::int64_t>(msb(numerator)) - static_cast<std::int64_t>(msb(denominator)));
  if (shift >= 0)
    numerator <<= static_cast<unsigned>(shift);
  else
    denominator <<= static_cast<unsigned>(-shift);
  Integer quotient = numerator / denominator;
  const bool sticky = Integer(quotient * denominator) != numerator;
  word_collector words;
  const Integer mask(0xffffffffu);
  for (int i = static_cast<int>(msb(quotient)) / 32; i >= 0; --i) {
    Integer word = quotient >> (32u * static_cast<unsigned>(i));
    word &= mask;
    words.append(word.template convert_to<std::uint32_t>());
  }
  return words.value(negative, -shift, sticky);
}

template <class Number>
exact exact_number(const Number& x) {
  namespace mp = boost::multiprecision;
  constexpr auto kind = mp::number_category<Number>::value;
  static_assert(kind == mp::number_kind_integer || kind == mp::number_kind_rational ||
                    (kind == mp::number_kind_floating_point && std::numeric_limits<Number>::radix == 2),
                "binade::from_number takes integers, rationals and binary floating point; turn a decimal number into a "
                "cpp_rational first, which is exact");
  if constexpr (kind == mp::number_kind_integer) {
    return x == 0 ? exact_zero(false) : exact_ratio(x < 0, Number(abs(x)), Number(1));
  } else if constexpr (kind == mp::number_kind_rational) {
    const auto top = numerator(x);
    using integer = std::remove_cv_t<decltype(top)>;
    return top == 0 ? exact_zero(false) : exact_ratio(top < 0, integer(abs(top)), integer(denominator(x)));
  } else {
    if (mp::isnan(x)) return exact_nan();
    const bool negative = mp::signbit(x) != 0;
    if (mp::isinf(x)) return exact_infinity(negative);
    if (x == 0) return exact_zero(negative);
    typename Number::backend_type::exponent_type exponent = 0;
    Number rest = frexp(Number(abs(x)), &exponent);
    word_collector words;
    for (int i = 0; i < 5; ++i) {  // exact: powers of two, and a difference of neighbours
      rest = ldexp(rest, 32);
      const Number whole = trunc(rest);
      words.append(whole.template convert_to<std::uint32_t>());
      rest -= whole;
    }
    return words.value(negative, static_cast<std::int64_t>(exponent) - 160, rest != 0);
  }
}

}  // namespace detail

/// The exact number of a number type as a number of Boost.Multiprecision; one of fewer than 53 bits rounds it, as it
/// does double.  NaN and infinities only in floating-point types.
template <class Number, auto F>
Number to_number(number<F> x) {
  static_assert(number_format(F).fits_double(), "to_number is for formats of which binary64 holds every value");
  return Number(static_cast<double>(x));
}

/// A number of Boost.Multiprecision rounded once into F: an integer, a rational or binary floating point (cpp_int,
/// cpp_rational, cpp_bin_float, gmp_int, gmp_rational, mpfr_float), of any size and precision.
///
/// NaN, infinities, zeros and errors as number's constructors.
template <auto F, class Backend, boost::multiprecision::expression_template_option ET>
number<F> from_number(const boost::multiprecision::number<Backend, ET>& x, const policies<F>& how = {},
                      std::uint32_t noise = 0) {
  return number<F>::from_code(detail::rounded_code<F>(how.on(), detail::exact_number(x), noise));
}

}  // namespace binade
