#pragma once
// A number format of any kind.

#include <cstdint>
#include <string_view>
#include <utility>

#include "binade/code_book.hpp"
#include "binade/fixed_format.hpp"
#include "binade/float_format.hpp"
#include "binade/lns_format.hpp"
#include "binade/tapered_format.hpp"

namespace binade {

/// How codes map to values: `floating` point, `fixed` point (integers too), `logarithmic`, `tapered` (posits and
/// takums), or a code `book` that lists its values.
enum class format_kind : std::uint8_t { floating, fixed, logarithmic, tapered, book };

/// How a code maps to a value: one of the descriptors, which each convert to this.  Structural, as they are.
///
/// The descriptors answer the same questions, which is all that the codec asks: width, is_signed, has_infinity,
/// has_zero, has_negative_zero, nan; has_nan(), canonical_nan(), infinity_code(), max_magnitude(negative),
/// subnormals_end(), compose(negative, magnitude) and value_of_code(code).  A *magnitude* counts values of one sign
/// away from zero.
struct number_format {
  format_kind kind = format_kind::floating;
  int width = 32;                              ///< bits in a code
  float_format floating = ieee_format(8, 23);  ///< of kind floating; this default otherwise, as the ones below
  fixed_format fixed = {};
  lns_format logarithmic = {};
  tapered_format tapered = {};
  book_format book = {};

  BINADE_HD constexpr number_format(const float_format& f) : width(f.width), floating(f) {}
  BINADE_HD constexpr number_format(const fixed_format& f) : kind(format_kind::fixed), width(f.width), fixed(f) {}
  BINADE_HD constexpr number_format(const lns_format& f)
      : kind(format_kind::logarithmic), width(f.width), logarithmic(f) {}
  BINADE_HD constexpr number_format(const tapered_format& f) : kind(format_kind::tapered), width(f.width), tapered(f) {}
  BINADE_HD constexpr number_format(const book_format& f)
      : kind(format_kind::book), width(f.book == nullptr ? 0 : f.width()), book(f) {}

  bool operator==(const number_format&) const = default;

  /// Calls f with the descriptor.
  template <class F>
  BINADE_HD constexpr decltype(auto) visit(F&& f) const {
    switch (kind) {
      case format_kind::fixed:
        return f(fixed);
      case format_kind::logarithmic:
        return f(logarithmic);
      case format_kind::tapered:
        return f(tapered);
      case format_kind::book:
        return f(book);
      case format_kind::floating:
        break;
    }
    return f(floating);
  }

  BINADE_HD constexpr bool is_signed() const {
    return visit([](const auto& f) { return bool(f.is_signed); });
  }
  BINADE_HD constexpr bool has_infinity() const {
    return visit([](const auto& f) { return bool(f.has_infinity); });
  }
  BINADE_HD constexpr bool has_nan() const {
    return visit([](const auto& f) { return f.has_nan(); });
  }
  /// What a NaN becomes when it is encoded where there is no code for it.
  BINADE_HD constexpr nan_code nan() const {
    return visit([](const auto& f) { return f.nan; });
  }
  /// True if zero is a value.
  BINADE_HD constexpr bool can_be_zero() const {
    if (kind == format_kind::floating) return floating.has_zero;
    return visit([](const auto& f) { return f.value_of_code(f.zero_code()) == 0; });
  }
  BINADE_HD constexpr bool refuses_nan() const { return !has_nan() && nan() == nan_code::refuse; }
  BINADE_HD constexpr std::uint64_t code_mask() const { return ~std::uint64_t(0) >> (64 - width); }
  /// Largest finite value, and the least one (of an unsigned format its smallest value); rounded as decode() where
  /// double does not hold them.
  BINADE_HD constexpr double max_finite() const {
    return visit([](const auto& f) { return f.value_of_code(f.compose(false, f.max_magnitude(false))); });
  }
  BINADE_HD constexpr double min_finite() const {
    return visit([](const auto& f) {
      return f.is_signed ? f.value_of_code(f.compose(true, f.max_magnitude(true))) : f.value_of_code(0);
    });
  }
  /// floor(log2(largest finite value)); what MX calls emax.
  BINADE_HD constexpr int max_exponent() const {
    return kind == format_kind::floating ? floating.max_exponent() : detail::floor_log2_of(max_finite());
  }
  /// Trailing significand bits of the values in the largest value's binade; 0 for tapered and logarithmic formats and
  /// code books, whose spacing there is no power of two.
  BINADE_HD constexpr int trailing_bits() const {
    if (kind == format_kind::floating) return floating.trailing_bits();
    return kind == format_kind::fixed ? width - 1 - int(fixed.is_signed) : 0;
  }
  /// True if float (binary32) holds every finite value exactly.
  BINADE_HD constexpr bool fits_float() const {
    switch (kind) {
      case format_kind::floating:
        return floating.fits_float();
      case format_kind::fixed:
        return width - int(fixed.is_signed) <= 24;
      case format_kind::tapered:
        return detail::fits_float(tapered);
      case format_kind::logarithmic:
      case format_kind::book:
        break;
    }
    return true;
  }
  /// True if double (binary64) does: no only for floating-point formats of wide exponents.
  BINADE_HD constexpr bool fits_double() const { return kind != format_kind::floating || floating.fits_double(); }
};

/// Why a descriptor cannot be a format; empty if it can.
constexpr std::string_view defect(const number_format& f) {
  return f.visit([](const auto& descriptor) { return defect(descriptor); });
}

}  // namespace binade
