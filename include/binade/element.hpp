#pragma once
// A format together with how values get into it.

#include <string_view>

#include "binade/conversion_choices.hpp"
#include "binade/number_format.hpp"
#include "binade/rounding.hpp"

namespace binade {

/// What happens to a magnitude beyond the largest finite value.  Decided after rounding, on the grid continued.
enum class overflow_rule : std::uint8_t {
  saturate,   ///< the largest finite value, for infinities too (OFP8's saturating conversion)
  propagate,  ///< finite values saturate, infinities stay where the format has them (P3109 SatPropagate)
  infinity,   ///< infinity where the rounding direction leads beyond the largest finite value (IEEE 754-2019, 7.4)
  nan,        ///< NaN likewise, and for infinities
  spec,       ///< infinity where the format has one, else NaN, else saturate; P3109 formats: SatNone
};

/// What happens to subnormal numbers, where not all of them are kept.
enum class subnormal_rule : std::uint8_t {
  gradual,        ///< they stay
  flush_results,  ///< ftz: a rounded result that is subnormal in the format becomes zero of its sign
  flush_inputs,   ///< daz: an input below the format's smallest normal value counts as zero of its sign
};

/// `saturate` for formats of 8 bits or fewer, `spec` above.
BINADE_HD constexpr overflow_rule default_overflow(const number_format& f) {
  return f.width <= 8 ? overflow_rule::saturate : overflow_rule::spec;
}

/// A format, and every choice that a conversion into it leaves open.  Structural.
struct element {
  number_format format;
  rounding_mode rounding = rounding_mode::nearest_even;
  int noise_bits = 32;  ///< of the stochastic modes: 1..32; 32 for the others
  overflow_rule overflow = default_overflow(format);
  subnormal_rule subnormals = subnormal_rule::gradual;
  conversion_choices choices = {};

  bool operator==(const element&) const = default;
};

namespace detail {

/// Why the rounding and overflow of an element do not fit its format; empty if they do.
BINADE_HD constexpr std::string_view policy_defect(const element& e) {
  if (e.noise_bits < 1 || e.noise_bits > 32) return "stochastic rounding uses 1 to 32 noise bits";
  if (!is_stochastic(e.rounding) && e.noise_bits != 32) return "noise bits are only for stochastic rounding";
  const bool has_infinity = e.format.has_infinity(), has_nan = e.format.has_nan();
  if (e.overflow == overflow_rule::infinity && !has_infinity)
    return has_nan ? "the format has no infinity to overflow to: use saturate, nan or spec"
                   : "the format has no infinity to overflow to, and no NaN: use saturate or spec";
  if (e.overflow == overflow_rule::nan && !has_nan)
    return has_infinity ? "the format has no NaN to overflow to: use saturate, infinity or spec"
                        : "the format has no NaN to overflow to, and no infinity: use saturate or spec";
  return {};
}

}  // namespace detail

/// Why an element is impossible; empty if it is not.
constexpr std::string_view defect(const element& e) {
  if (const std::string_view why = defect(e.format); !why.empty()) return why;
  if (const std::string_view why = detail::policy_defect(e); !why.empty()) return why;
  return defect(e.choices, e.format);
}

/// Where a magnitude beyond the `largest` finite value goes: there, to `infinity` or to `nan`.
enum class beyond : std::uint8_t { largest, infinity, nan };

/// The overflow rule as a decision, for e.format's descriptor f.  is_infinite: the input was, which is beyond in every
/// rounding direction.
template <class Format>
BINADE_HD constexpr beyond where_beyond(const Format& f, const element& e, bool negative, bool is_infinite) {
  beyond special = beyond::nan;
  switch (e.overflow) {
    case overflow_rule::saturate:
      return beyond::largest;
    case overflow_rule::propagate:
      return is_infinite && f.has_infinity ? beyond::infinity : beyond::largest;
    case overflow_rule::infinity:
      special = beyond::infinity;
      break;
    case overflow_rule::nan:
      break;
    case overflow_rule::spec:
      if (f.has_infinity)
        special = beyond::infinity;
      else if (f.sat_none || !f.has_nan())
        return beyond::largest;
      // The largest finite code of a signed extended P3109 format is even, so that SatNone takes to_odd to infinity.
      if (f.sat_none && f.is_signed && e.rounding == rounding_mode::to_odd) return special;
      break;
  }
  return !is_infinite && (f.saturates_finite || is_inward(e.rounding, negative)) ? beyond::largest : special;
}

}  // namespace binade
