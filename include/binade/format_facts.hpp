#pragma once
// What a catalogue and a descriptor say about a format beside its arithmetic: for those who print or report it.

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "binade/catalogue.hpp"
#include "binade/codec.hpp"

namespace binade {

/// "floating point", "fixed point", "logarithmic", "tapered" or "code book".
constexpr std::string_view kind_text(format_kind kind) {
  switch (kind) {
    case format_kind::floating:
      return "floating point";
    case format_kind::fixed:
      return "fixed point";
    case format_kind::logarithmic:
      return "logarithmic";
    case format_kind::tapered:
      return "tapered";
    case format_kind::book:
      break;
  }
  return "code book";
}

/// The document that defines a named format; empty for the others.
constexpr std::string_view source_of(const float_format& f) {
  const named_format* entry = find_format(f);
  return entry != nullptr ? entry->source : std::string_view();
}
constexpr std::string_view source_of(const number_format& f) {
  if (f.kind == format_kind::floating) return source_of(f.floating);
  return f.kind == format_kind::book ? f.book.book->source : std::string_view();
}

/// The second names of a format.
constexpr std::vector<std::string_view> aliases_of(const float_format& f) {
  std::vector<std::string_view> names;
  for (const format_alias& a : aliases)
    if (find_format(a.name)->format == f) names.push_back(a.alias);
  return names;
}

/// How many codes are NaN.
constexpr std::uint64_t nan_count(const float_format& f) {
  return f.high_nans * (f.is_signed ? 2 : 1) + (f.is_signed && !f.has_negative_zero ? 1 : 0);
}

/// The smallest subnormal value, where there are any; rounded as decode() where double does not hold it.
constexpr std::optional<double> min_subnormal(const float_format& f) {
  const bool has_any = f.has_subnormals && f.precision > 1;
  return has_any ? std::optional<double>(f.smallest_positive()) : std::nullopt;
}

/// Smallest value above zero: by the codec, which is asked for the least thing there is.
constexpr double smallest_positive(const number_format& f) {
  if (f.kind == format_kind::floating) return f.floating.smallest_positive();
  return round(element{.format = f, .rounding = rounding_mode::up, .overflow = overflow_rule::saturate},
               std::numeric_limits<double>::denorm_min());
}

}  // namespace binade
