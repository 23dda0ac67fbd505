#pragma once
// What the specifications of a conversion leave open beside rounding and overflow, as choices.  profile.hpp has the
// sets of choices that other libraries made.

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "binade/number_format.hpp"

namespace binade {

/// The code of a NaN in a format that has several.  A format with one NaN has no choice, and what happens where there
/// is none is float_format::nan.
enum class nan_rule : std::uint8_t {
  canonical,         ///< float_format::canonical_nan(), positive whatever the sign of the input
  canonical_signed,  ///< the same magnitude with the sign of the input
  ones,              ///< all bits below the sign, positive
  ones_signed,       ///< all bits below the sign, with the sign of the input
  ones_negative,     ///< all bits, whatever the sign of the input
  payload,           ///< sign and leading payload bits of the input, made quiet (IEEE 754-2019, 6.2.3)
};

/// The defaults are binade's own choices.
struct conversion_choices {
  nan_rule nan = nan_rule::canonical;           ///< of a NaN in the input
  nan_rule overflow_nan = nan_rule::canonical;  ///< of what overflows to NaN; payload stands for canonical_signed
  bool magnitude_only = false;                  ///< unsigned formats: the sign of the input is dropped
  bool zero_is_nan = false;                     ///< formats without zero: zero gives NaN, not code 0
  bool lowest_step_up = false;  ///< formats without zero: up from code 0 whatever the rounding mode, unless exact

  bool operator==(const conversion_choices&) const = default;
};

/// Why choices are impossible for a format; empty if they are not.
constexpr std::string_view defect(const conversion_choices& c, const number_format& format) {
  if (format.kind != format_kind::floating)
    return c == conversion_choices{} ? "" : "conversion choices are for floating-point formats";
  const float_format& f = format.floating;
  const bool chosen = c.nan != nan_rule::canonical || c.overflow_nan != nan_rule::canonical;
  if (chosen && f.high_nans == 0) return "a choice of NaN code is for formats with NaN codes of both signs";
  if (c.magnitude_only && f.is_signed) return "only an unsigned format can drop the sign of its input";
  if ((c.zero_is_nan || c.lowest_step_up) && f.has_zero) return "this choice is for formats without zero";
  return {};
}

namespace detail {

/// The code of a NaN under a rule; where the format has none, what f.nan says (0 if it refuses).
/// @param payload  the trailing significand field of the input, its top bit at bit 63
BINADE_HD constexpr std::uint64_t nan_code_of(const float_format& f, nan_rule rule, bool negative,
                                              std::uint64_t payload) {
  if (!f.has_nan()) {
    if (f.nan == nan_code::max) return f.max_finite_code();
    return f.nan == nan_code::opposite_zero && !negative ? f.sign_bit() : 0;
  }
  const std::uint64_t canonical = f.canonical_nan(), sign = negative ? f.sign_bit() : 0;
  if (f.high_nans == 0) return canonical;
  switch (rule) {
    case nan_rule::canonical:
      return canonical;
    case nan_rule::canonical_signed:
      return canonical | sign;
    case nan_rule::ones:
      return f.magnitude_mask();
    case nan_rule::ones_signed:
      return f.magnitude_mask() | sign;
    case nan_rule::ones_negative:
      return f.code_mask();
    case nan_rule::payload:  // the NaNs of a single code have no room for one
      return canonical | sign |
             (f.high_nans == 1 || f.trailing_bits() == 0 ? 0 : payload >> (64 - f.trailing_bits()));  // NOLINT
  }
  return canonical;
}

/// The same for formats of other kinds, which have one NaN or none.
template <class Format>
  requires(!std::is_same_v<Format, float_format>)
BINADE_HD constexpr std::uint64_t nan_code_of(const Format& f, nan_rule, bool, std::uint64_t) {
  if (f.has_nan()) return f.canonical_nan();
  return f.nan == nan_code::max ? f.compose(false, f.max_magnitude(false)) : f.zero_code();
}

}  // namespace detail

}  // namespace binade
