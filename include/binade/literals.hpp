#pragma once
// Literals of the catalogue's formats, 1.5_e4m3fn, and of the usual ones of other kinds, 1.5_posit16.

#include <cstddef>

#include "binade/catalogue.hpp"
#include "binade/charconv.hpp"

namespace binade {
namespace detail {

/// The number that the characters of a literal spell, rounded once, to nearest, from the text itself.
template <auto F, char... Text>
consteval number<F> literal() {
  constexpr std::size_t size = sizeof...(Text);
  const char text[] = {Text...};
  char plain[size + 1]{};  // a zero behind
  std::size_t count = 0;
  for (const char c : text)
    if (c != '\'') plain[count++] = c;
  const bool is_hex = plain[0] == '0' && (plain[1] == 'x' || plain[1] == 'X');
  number<F> x{};
  const std::from_chars_result result =
      is_hex ? from_chars(plain + 2, plain + count, x, std::chars_format::hex) : from_chars(plain, plain + count, x);
  if (result.ec != std::errc() || result.ptr != plain + count)
    throw "a binade literal is a decimal number or 0x and a hexadecimal one; no binary or octal ones";
  if (!is_hex && plain[0] == '0' && plain[1] >= '0' && plain[1] <= '9')
    throw "a binade literal has no leading zero: C++ reads that as octal";
  return x;
}

}  // namespace detail

/// 1.5_e4m3fn, 448_e4m3fn, 0x1.8p3_e5m2: digits of any number, rounded once to nearest, ties to even; beyond the
/// largest finite value number_overflow() decides.
inline namespace literals {

#define BINADE_LITERAL_OF(name, format)          \
  template <char... Text>                        \
  consteval number<format> operator""_##name() { \
    return detail::literal<format, Text...>();   \
  }
#define BINADE_LITERAL(name, ...) BINADE_LITERAL_OF(name, formats::name)
BINADE_FORMAT_TABLE(BINADE_LITERAL)
BINADE_LITERAL_OF(int4, int_format(4))
BINADE_LITERAL_OF(int8, int_format(8))
BINADE_LITERAL_OF(uint4, uint_format(4))
BINADE_LITERAL_OF(uint8, uint_format(8))
BINADE_LITERAL_OF(lns8, lns_format{})
BINADE_LITERAL_OF(posit8, posit_format(8))
BINADE_LITERAL_OF(posit16, posit_format(16))
BINADE_LITERAL_OF(posit32, posit_format(32))
BINADE_LITERAL_OF(takum8, takum_format(8))
BINADE_LITERAL_OF(takum16, takum_format(16))
BINADE_LITERAL_OF(takum32, takum_format(32))
BINADE_LITERAL_OF(nf4, format_of(books::nf4))
#undef BINADE_LITERAL
#undef BINADE_LITERAL_OF

}  // namespace literals
}  // namespace binade
