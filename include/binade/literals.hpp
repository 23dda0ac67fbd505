#pragma once
// Literals of the catalogue's formats: 1.5_e4m3fn.

#include <cstddef>

#include "binade/catalogue.hpp"
#include "binade/charconv.hpp"

namespace binade {
namespace detail {

/// The number that the characters of a literal spell, rounded once, to nearest, from the text itself.
template <float_format F, char... Text>
consteval minifloat<F> literal() {
  constexpr std::size_t size = sizeof...(Text);
  const char text[] = {Text...};
  char plain[size + 1]{};  // a zero behind
  std::size_t count = 0;
  for (const char c : text)
    if (c != '\'') plain[count++] = c;
  const bool is_hex = plain[0] == '0' && (plain[1] == 'x' || plain[1] == 'X');
  minifloat<F> x{};
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
/// largest finite value default_overflow() decides.
inline namespace literals {

#define BINADE_LITERAL(name)                               \
  template <char... Text>                                  \
  consteval minifloat<formats::name> operator""_##name() { \
    return detail::literal<formats::name, Text...>();      \
  }
BINADE_LITERAL(e11m52)
BINADE_LITERAL(e8m23)
BINADE_LITERAL(e8m15)
BINADE_LITERAL(e7m16)
BINADE_LITERAL(e8m10)
BINADE_LITERAL(e5m10)
BINADE_LITERAL(e8m7)
BINADE_LITERAL(dlfloat16)
BINADE_LITERAL(e5m2)
BINADE_LITERAL(e4m3)
BINADE_LITERAL(e3m4)
BINADE_LITERAL(e4m3fn)
BINADE_LITERAL(e3m4fn)
BINADE_LITERAL(e4m3fnuz)
BINADE_LITERAL(e5m2fnuz)
BINADE_LITERAL(e4m3b11fnuz)
BINADE_LITERAL(e3m2fn)
BINADE_LITERAL(e2m3fn)
BINADE_LITERAL(e2m1fn)
BINADE_LITERAL(e3m0)
BINADE_LITERAL(e1m2)
BINADE_LITERAL(e8m0fnu)
BINADE_LITERAL(ue4m3)
BINADE_LITERAL(ue5m3)
#undef BINADE_LITERAL

}  // namespace literals
}  // namespace binade
