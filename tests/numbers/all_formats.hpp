#pragma once
// The floating-point formats as template arguments: what holds of every number type is asked of every one, and of a new
// row of the catalogue at once.

#include <array>
#include <cstddef>
#include <utility>

#include "binade/catalogue.hpp"

namespace all_formats {

namespace detail {

/// P3109's formats of 3 to 8 bits.
template <class Visit>
constexpr void visit_p3109(Visit visit) {
  for (int width = 3; width <= 8; ++width)
    for (const bool is_signed : {true, false})
      for (int precision = 1; precision <= width - int(is_signed); ++precision)
        for (const bool is_extended : {true, false}) {
          const binade::float_format f = binade::p3109_format(width, precision, is_signed, is_extended);
          if (defect(f).empty()) visit(f);
        }
}
inline constexpr std::size_t p3109_count = [] {
  std::size_t count = 0;
  visit_p3109([&](const binade::float_format&) { ++count; });
  return count;
}();
inline constexpr auto p3109 = [] {
  std::array<binade::float_format, p3109_count> all{};
  std::size_t i = 0;
  visit_p3109([&](const binade::float_format& f) { all[i++] = f; });
  return all;
}();

/// Calls test.template operator()<F>() with each format F of an array that is no wider than Width.
template <const auto& Formats, int Width, class Test>
void visit(Test test) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    const auto one = [&]<std::size_t J>() {
      constexpr binade::float_format f = Formats[J];
      if constexpr (f.width <= Width) test.template operator()<f>();
    };
    (one.template operator()<I>(), ...);
  }(std::make_index_sequence<Formats.size()>{});
}

inline constexpr auto catalogue = [] {
  std::array<binade::float_format, binade::catalogue.size()> all{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = binade::catalogue[i].format;
  return all;
}();

}  // namespace detail

/// The catalogue's formats of Width bits or fewer, and P3109's of 3 to 8.
template <int Width, class Test>
void for_each(Test test) {
  detail::visit<detail::catalogue, Width>(test);
  detail::visit<detail::p3109, Width>(test);
}

}  // namespace all_formats
