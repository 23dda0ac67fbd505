#pragma once
// Numbers as text and back: to_chars() and from_chars() as <charconv> has them, for all number types.

#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "binade/decimal.hpp"
#include "binade/number.hpp"

namespace binade {
namespace detail {

/// Reads what std::from_chars reads.
class number_reader {
 public:
  constexpr number_reader(const char* first, const char* last) : at_(first), end_(last) {}

  /// True if a number stood there; it is then in `value`, and position() is behind it.
  constexpr bool read(std::chars_format format, exact& value) {
    const bool negative = take('-');
    if (take_word("inf")) {
      take_word("inity");
      value = exact_infinity(negative);
      return true;
    }
    if (take_word("nan")) {
      take_payload();
      value = exact_nan();
      value.negative = negative;
      return true;
    }
    return format == std::chars_format::hex ? read_hex(negative, value) : read_decimal(format, negative, value);
  }
  constexpr const char* position() const { return at_; }

 private:
  static constexpr int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
  }
  constexpr bool take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  constexpr bool take_word(std::string_view word) {
    const char* at = at_;
    for (const char c : word) {
      if (at == end_ || static_cast<char>(*at | 0x20) != c) return false;
      ++at;
    }
    at_ = at;
    return true;
  }
  /// nan(letters, digits and underscores), which are not looked at.
  constexpr void take_payload() {
    const char* start = at_;
    if (!take('(')) return;
    while (at_ != end_ &&
           (*at_ == '_' || (*at_ >= '0' && *at_ <= '9') || ((*at_ | 0x20) >= 'a' && (*at_ | 0x20) <= 'z')))
      ++at_;
    if (!take(')')) at_ = start;
  }
  /// Digits with at most one point among them; false if there is none.
  template <class Append>
  constexpr bool take_digits(int base, Append append) {
    bool any = false, after_point = false;
    for (; at_ != end_; ++at_) {
      const int digit = digit_of(*at_);
      if (digit < base) {
        append(digit, after_point);
        any = true;
      } else if (*at_ == '.' && !after_point) {
        after_point = true;
      } else {
        break;
      }
    }
    return any;
  }
  /// The exponent behind `letter`; 0, and nothing taken, if none is there.  Held at 10^9, far outside every format.
  constexpr bool take_exponent(char letter, std::int64_t& exponent) {
    const char* start = at_;
    exponent = 0;
    if (at_ == end_ || static_cast<char>(*at_ | 0x20) != letter) return false;
    ++at_;
    const bool negative = take('-');
    if (!negative) take('+');
    bool any = false;
    for (; at_ != end_ && *at_ >= '0' && *at_ <= '9'; ++at_) {
      any = true;
      if (exponent < 100'000'000) exponent = 10 * exponent + (*at_ - '0');
    }
    if (!any) {
      at_ = start;
      exponent = 0;
      return false;
    }
    if (negative) exponent = -exponent;
    return true;
  }
  constexpr bool read_decimal(std::chars_format format, bool negative, exact& value) {
    decimal_significand decimal;
    if (!take_digits(10, [&](int digit, bool after_point) { decimal.append(digit, after_point); })) return false;
    std::int64_t exponent = 0;
    if (format != std::chars_format::fixed) {
      const bool given = take_exponent('e', exponent);
      if (!given && format == std::chars_format::scientific) return false;
    }
    decimal.exponent += exponent;
    value = decimal.value(negative);
    return true;
  }
  constexpr bool read_hex(bool negative, exact& value) {
    constexpr int most_digits = 40;  // 157 bits at least; the rest only says whether something nonzero follows
    big_unsigned units;
    std::int64_t exponent = 0;
    int count = 0;
    bool more = false;
    const bool any = take_digits(16, [&](int digit, bool after_point) {
      if (count == most_digits) {
        more = more || digit != 0;
        exponent += 4 * int(!after_point);
      } else {
        units.multiply_add(16, static_cast<std::uint32_t>(digit));
        count += int(!units.is_zero());
        exponent -= 4 * int(after_point);
      }
    });
    if (!any) return false;
    std::int64_t given = 0;
    take_exponent('p', given);
    exact x = leading_bits(negative, units, 0, more);
    if (!x.is_zero()) {
      const std::int64_t leading = x.exponent + exponent + given;
      x.exponent = static_cast<int>(leading > 2200 ? 2200 : leading < -2200 ? -2200 : leading);
    }
    value = x;
    return true;
  }

  const char* at_;
  const char* end_;
};

/// digit[0].digit[1]... * 10^exponent.
struct decimal_digits {
  std::array<char, 17> digit{};
  int count = 0;
  int exponent = 0;
};

/// The magnitude on the grid continued that a number rounds to, ties to the even code.
template <class Format>
constexpr std::uint64_t nearest_magnitude(const Format& f, const exact& x) {
  const grid_place place = place_on_grid(f, x);
  const bool odd = f.compose(x.negative, place.code) % 2 == 1;
  return place.code + std::uint64_t(rounds_away(rounding_mode::nearest_even, place.tail, place.sticky, odd, false));
}

/// The fewest digits that read back as the absolute value of this code, and of these the nearest to it, ties to the
/// even digit.  17 always suffice for 53 bits.  @pre the value is finite and not zero
template <class Format>
constexpr decimal_digits shortest_digits(const Format& f, std::uint64_t code) {
  constexpr int places = 17;
  constexpr std::uint64_t one = 100'000'000'000'000'000;  // 10^places
  const unpacked x = unpack(f, code);
  const std::uint64_t magnitude = decomposed(f, code).magnitude;
  const int exponent = floor_log10(x);
  // floor(x * 10^(17 - exponent)): 18 digits, and whether anything follows.
  const exact scaled_up =
      scaled(false, big_unsigned(x.significand), places - exponent, x.exponent - 63 + places - exponent);
  const std::uint64_t digits = scaled_up.significand >> (63 - scaled_up.exponent);
  const bool more = scaled_up.significand << (scaled_up.exponent + 1) != 0 || scaled_up.low != 0 || scaled_up.sticky;
  std::uint64_t unit = one;
  for (int count = 1;; ++count, unit /= 10) {
    const std::uint64_t below = digits / unit, rest = digits % unit;
    const bool is_exact = rest == 0 && !more;
    const bool above_is_nearer = rest > unit - rest || (rest == unit - rest && (more || below % 2 == 1));
    for (const bool above : {above_is_nearer, !above_is_nearer}) {
      const std::uint64_t candidate = below + std::uint64_t(above);
      const int power = exponent - count + 1;
      if (!(is_exact && !above) &&
          nearest_magnitude(f, scaled(x.negative, big_unsigned(candidate), power, power)) != magnitude)
        continue;
      decimal_digits result{.count = count, .exponent = exponent};
      std::uint64_t left = candidate;
      for (int i = count - 1; i >= 0; --i, left /= 10)
        result.digit[static_cast<std::size_t>(i)] = static_cast<char>('0' + left % 10);
      if (left != 0) {  // 9.99 went to 10.0: one digit is enough
        result = {.count = 1, .exponent = exponent + 1};
        result.digit[0] = '1';
      }
      return result;
    }
  }
}

/// Writes what it is given, as far as there is room, and counts.
class text_writer {
 public:
  constexpr text_writer(char* first, char* last) : at_(first), end_(last) {}

  constexpr void put(char c) {
    fits_ = fits_ && at_ != end_;
    if (fits_) *at_++ = c;
  }
  constexpr void put(std::string_view text) {
    for (const char c : text) put(c);
  }
  constexpr void zeros(int n) {
    for (; n > 0; --n) put('0');
  }
  constexpr std::to_chars_result result() const {
    return {fits_ ? at_ : end_, fits_ ? std::errc() : std::errc::value_too_large};
  }

 private:
  char* at_;
  char* end_;
  bool fits_ = true;
};

/// True if F has an infinity of this sign.
template <auto F>
constexpr bool spells_infinity(bool negative) {
  return number_format(F).has_infinity() && (!negative || number_format(F).is_signed());
}

constexpr bool is_integer(const unpacked& x) {
  return x.exponent >= 63 || (x.exponent >= 0 && x.significand << x.exponent << 1 == 0);
}
/// All digits of an integer of up to 24 digits.  @pre is_integer(x)
constexpr void put_integer(text_writer& out, const unpacked& x) {
  big_unsigned rest(x.significand >> (x.exponent >= 63 ? 0 : 63 - x.exponent));
  if (x.exponent > 63) rest.shift_left(x.exponent - 63);
  std::array<char, 24> digits{};
  std::size_t count = 0;
  while (!rest.is_zero()) digits[count++] = static_cast<char>('0' + rest.divide(10));
  while (count > 0) out.put(digits[--count]);
}

}  // namespace detail

/// The shortest text that from_chars() reads back as x (a NaN as the canonical one), in fixed or scientific notation,
/// whichever is shorter, fixed where both are; "inf" and "nan" with a sign.  What std::to_chars writes for float and
/// double.  No locale.
///
/// Of the shortest ones it is the nearest to x; an integer in fixed notation is written in full.  Beyond the largest
/// finite value the grid counts as continued, so that what is written does not lean on saturation; that of posits,
/// takums and code books ends there, and all beyond reads back as the last value.  24 characters hold every number.
/// One code does not read back: that below the symmetric range of integers and fixed point, which no rounding gives.
/// Of formats that binary64 holds (fits_double()): the others would need digits and powers of ten without end.
/// @return {end, errc()}, or {last, errc::value_too_large} where there is no room; the characters are then unspecified
template <auto F>
constexpr std::to_chars_result to_chars(char* first, char* last, number<F> x) noexcept {
  static_assert(number_format(F).fits_double(), "to_chars is for formats of which binary64 holds every value");
  detail::text_writer out(first, last);
  if (sign_bit(x)) out.put('-');
  if (is_nan(x)) {
    out.put("nan");
  } else if (is_infinite(x)) {
    out.put("inf");
  } else if (is_zero(x)) {
    out.put('0');
  } else {
    const detail::decimal_digits d = detail::shortest_digits(x.descriptor(), x.code);
    const int exponent_size = d.exponent <= -100 || d.exponent >= 100 ? 5 : 4;
    const int scientific_size = d.count + int(d.count > 1) + exponent_size;
    const int fixed_size = d.exponent >= d.count - 1 ? d.exponent + 1
                           : d.exponent >= 0         ? d.count + 1
                                                     : d.count + 1 - d.exponent;
    const std::string_view digits(d.digit.data(), static_cast<std::size_t>(d.count));
    if (fixed_size <= scientific_size) {
      if (d.exponent >= d.count - 1) {
        const detail::unpacked value = detail::unpack(x.descriptor(), x.code);
        if (detail::is_integer(value)) {
          detail::put_integer(out, value);
        } else {
          out.put(digits);
          out.zeros(d.exponent - d.count + 1);
        }
      } else if (d.exponent >= 0) {
        out.put(digits.substr(0, static_cast<std::size_t>(d.exponent) + 1));
        out.put('.');
        out.put(digits.substr(static_cast<std::size_t>(d.exponent) + 1));
      } else {
        out.put("0.");
        out.zeros(-d.exponent - 1);
        out.put(digits);
      }
    } else {
      out.put(digits[0]);
      if (d.count > 1) out.put('.');
      out.put(digits.substr(1));
      out.put('e');
      out.put(d.exponent < 0 ? '-' : '+');
      const int size = d.exponent < 0 ? -d.exponent : d.exponent;
      if (size >= 100) out.put(static_cast<char>('0' + size / 100));
      out.put(static_cast<char>('0' + size / 10 % 10));
      out.put(static_cast<char>('0' + size % 10));
    }
  }
  return out.result();
}

/// Reads a number as std::from_chars does (the same grammar and formats, no locale, no leading blanks or '+') and
/// rounds it once: the decimal number itself, of however many digits.
///
/// A number beyond the largest finite value is what how.overflow makes of it: that is a result, not an error; so is one
/// that underflows.  An infinity that is spelled out is no number too large: it is F's infinity of that sign, whatever
/// how.overflow says, and only where F has none as encode() takes it.  The sign and payload of a NaN are not kept.
/// @return {end of the number, errc()}; {first, errc::invalid_argument} where there is none, for a NaN that F has no
///         code for, and where `how` is impossible for F (defect(how) says why); x is then as it was
template <auto F>
constexpr std::from_chars_result from_chars(const char* first, const char* last, number<F>& x,
                                            std::chars_format format = std::chars_format::general,
                                            const policies<F>& how = {}, std::uint32_t noise = 0) noexcept {
  static_assert(number_format(F).fits_double(), "from_chars is for formats of which binary64 holds every value");
  detail::number_reader reader(first, last);
  detail::exact value;
  if (!defect(how).empty() || !reader.read(format, value) || (value.is_nan && number_format(F).refuses_nan()))
    return {first, std::errc::invalid_argument};
  if (value.is_infinite && detail::spells_infinity<F>(value.negative))
    x = number<F>::from_code(detail::extreme_code(number<F>::descriptor(), value.negative));
  else
    x = number<F>::from_code(detail::rounded_code<F>(how.on(), value, noise));
  return {reader.position(), std::errc()};
}

}  // namespace binade
