#pragma once
// From an exact number to a code, by search and comparison of exact numbers: IEEE 754-2019 4.3 and 7.4, P3109 4.0
// projection, and the project's rules for what these leave open.  Shares no code and no technique with the codec.

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "oracle/grid.hpp"

namespace oracle {

enum class mode { nearest_even, nearest_away, toward_zero, up, down, to_odd, stochastic_a, stochastic_b, stochastic_c };
enum class beyond { saturate, propagate, infinity, nan, spec };
enum class tiny { gradual, flush_results, flush_inputs };

/// How numbers get into a grid.
struct rule {
  mode rounding = mode::nearest_even;
  int noise_bits = 32;
  beyond overflow = beyond::saturate;
  tiny subnormals = tiny::gradual;
};

inline bool is_stochastic(mode m) {
  return m == mode::stochastic_a || m == mode::stochastic_b || m == mode::stochastic_c;
}

inline std::string to_string(const rule& r) {
  static constexpr const char* modes[] = {"rne", "rna", "rtz", "rup", "rdn", "rto", "sr:", "srb:", "src:"};
  static constexpr const char* rules[] = {"saturate", "propagate", "infinity", "nan", "spec"};
  static constexpr const char* tinies[] = {"gradual", "ftz", "daz"};
  return std::string(modes[static_cast<int>(r.rounding)]) +
         (is_stochastic(r.rounding) ? std::to_string(r.noise_bits) : "") + "/" + rules[static_cast<int>(r.overflow)] +
         "/" + tinies[static_cast<int>(r.subnormals)];
}

/// Where a magnitude lies: between the values of code and code + 1, on the grid continued one step above the largest
/// finite value.
struct place {
  std::uint64_t code = 0;
  bool exact = true;        ///< on the value of code; also whatever is off either end, which has nowhere to move
  int against_middle = -1;  ///< sign of magnitude - middle of both values
  dyadic tail{}, step{};    ///< magnitude - value(code), value(code + 1) - value(code)
};

inline place locate(const grid& g, dyadic x) {
  if (compare(x, g.value(0)) <= 0) return {};
  const std::uint64_t code = g.code_at_or_below(x);
  if (code > g.max_code()) return {.code = code};
  const dyadic low = g.value(code), high = g.value(code + 1);
  return {.code = code,
          .exact = compare(low, x) == 0,
          .against_middle = compare(x, midpoint(low, high)),
          .tail = difference(x, low),
          .step = difference(high, low)};
}

/// floor(a / b * 2^k) and the sign of what is left minus one half; a < b.  By doubling and subtracting.
struct quotient {
  std::uint64_t floor = 0;
  int rest_against_half = -1;
};
inline quotient scaled_quotient(dyadic a, dyadic b, int k) {
  quotient q;
  const auto doubled = [](dyadic d) { return dyadic{d.significand, d.exponent + 1}; };
  for (int i = 0; i < k; ++i) {
    a = doubled(a);
    q.floor *= 2;
    if (compare(a, b) >= 0) {
      a = difference(a, b);
      ++q.floor;
    }
  }
  q.rest_against_half = compare(doubled(a), b);
  return q;
}

/// What a stochastic mode keeps of a place: the integer that the noise is added to (P3109 4.0; card of the
/// formats, 3.1).
inline std::uint64_t stochastic_tail(const place& p, mode m, int noise_bits) {
  if (p.exact) return 0;
  const quotient q = scaled_quotient(p.tail, p.step, m == mode::stochastic_b ? noise_bits + 1 : noise_bits);
  if (m != mode::stochastic_c) return q.floor;
  const bool up = q.rest_against_half > 0 || (q.rest_against_half == 0 && q.floor % 2 == 1);
  return q.floor + static_cast<std::uint64_t>(up);
}

/// How many of the 2^noise_bits noise values take the place up.
inline std::uint64_t stochastic_ups(const place& p, mode m, int noise_bits) {
  const std::uint64_t kept = stochastic_tail(p, m, noise_bits);
  return m == mode::stochastic_b ? (kept + 1) / 2 : kept;
}

inline bool goes_up(const place& p, const rule& r, bool negative, std::uint32_t noise) {
  if (p.exact) return false;
  const bool odd = p.code % 2 == 1;
  const std::uint64_t all = is_stochastic(r.rounding) ? std::uint64_t{1} << r.noise_bits : 0;
  switch (r.rounding) {
    case mode::nearest_even:
      return p.against_middle > 0 || (p.against_middle == 0 && odd);
    case mode::nearest_away:
      return p.against_middle >= 0;
    case mode::toward_zero:
      return false;
    case mode::up:
      return !negative;
    case mode::down:
      return negative;
    case mode::to_odd:
      return !odd;
    case mode::stochastic_a:
    case mode::stochastic_c:
      return stochastic_tail(p, r.rounding, r.noise_bits) + noise >= all;
    case mode::stochastic_b:
      return stochastic_tail(p, r.rounding, r.noise_bits) + 2 * std::uint64_t{noise} + 1 >= 2 * all;
  }
  return false;
}

/// What a conversion delivers.
struct answer {
  std::uint64_t code = 0;
  double value = 0;      ///< NaN stays NaN, whatever its code
  bool refused = false;  ///< there is no code for a NaN, and none was chosen
};

namespace detail {

/// negative: the sign of the NaN that came in.
inline answer nan_answer(const grid& g, bool negative = false) {
  answer a{.value = std::numeric_limits<double>::quiet_NaN()};
  if (g.has_nan())
    a.code = g.delivered_nan();
  else if (g.nan == nan_choice::max)
    a.code = g.max_code();
  else if (g.nan == nan_choice::opposite_zero)
    a.code = negative ? 0 : g.sign_code();
  else
    a.refused = g.nan == nan_choice::refuse;
  return a;
}

inline answer finite_answer(const grid& g, bool negative, std::uint64_t magnitude) {
  const double value = to_double(g.value(magnitude));
  const bool is_zero = magnitude == 0 && g.has_zero;
  if (!negative || (is_zero && !(g.is_signed && g.has_negative_zero))) return {.code = magnitude, .value = value};
  return {.code = g.sign_code() | magnitude, .value = -value};
}

inline answer infinite_answer(const grid& g, bool negative) {
  const double infinity = std::numeric_limits<double>::infinity();
  return {.code = g.infinity_code() | (negative ? g.sign_code() : 0), .value = negative ? -infinity : infinity};
}

/// A magnitude beyond the largest finite value, of a sign that the format has.
inline answer beyond_answer(const grid& g, const rule& r, bool negative, bool infinite_input) {
  const answer largest = finite_answer(g, negative, g.max_code());
  // The direction leads inward: towards zero for this sign.  to_odd never leaves the finite values by its own choice.
  const bool inward =
      r.rounding == mode::toward_zero || r.rounding == mode::to_odd || r.rounding == (negative ? mode::up : mode::down);
  switch (r.overflow) {
    case beyond::saturate:
      return largest;
    case beyond::propagate:
      return infinite_input && g.has_infinity ? infinite_answer(g, negative) : largest;
    case beyond::infinity:
      return inward && !infinite_input ? largest : infinite_answer(g, negative);
    case beyond::nan:
      return inward && !infinite_input ? largest : nan_answer(g);
    case beyond::spec:
      break;
  }
  if (g.sat_none) {  // P3109 SatNone, the table's column by column
    if (!g.has_infinity) return largest;
    if (infinite_input) return infinite_answer(g, negative);
    if (r.rounding == mode::toward_zero || r.rounding == (negative ? mode::up : mode::down)) return largest;
    if (r.rounding == mode::to_odd && !g.is_signed) return largest;
    return infinite_answer(g, negative);
  }
  if (!g.has_infinity && !g.has_nan()) return largest;
  if (inward && !infinite_input) return largest;
  return g.has_infinity ? infinite_answer(g, negative) : nan_answer(g);
}

}  // namespace detail

/// x, found at p (of |x|; not used for infinities and NaN), into g under r.
inline answer project(const grid& g, const rule& r, double x, const place& p, std::uint32_t noise = 0) {
  using namespace detail;
  if (std::isnan(x)) return nan_answer(g, std::signbit(x));
  const bool negative = std::signbit(x), infinite = std::isinf(x);
  bool is_zero = x == 0;
  if (!infinite && r.subnormals == tiny::flush_inputs && compare(magnitude_of(x), g.value(g.min_normal_code())) < 0)
    is_zero = true;
  if (is_zero) return finite_answer(g, negative && g.is_signed, 0);
  if (negative && !g.is_signed) {
    if (r.overflow == beyond::saturate || r.overflow == beyond::propagate || !g.has_nan())
      return finite_answer(g, false, 0);
    if (g.sat_none && r.overflow == beyond::spec && !infinite) {
      if (r.rounding == mode::toward_zero || r.rounding == mode::up) return finite_answer(g, false, 0);
      if (p.code == 0 && !goes_up(p, r, true, noise)) return finite_answer(g, false, 0);
    }
    return nan_answer(g);
  }
  if (infinite) return beyond_answer(g, r, negative, true);
  const std::uint64_t magnitude = p.code + static_cast<std::uint64_t>(goes_up(p, r, negative, noise));
  if (magnitude > g.max_code()) return beyond_answer(g, r, negative, false);
  if (r.subnormals == tiny::flush_results && g.has_subnormals && magnitude < g.min_normal_code())
    return finite_answer(g, negative, 0);
  return finite_answer(g, negative, magnitude);
}

inline answer project(const grid& g, const rule& r, double x, std::uint32_t noise = 0) {
  return project(g, r, x, std::isfinite(x) ? locate(g, magnitude_of(x)) : place{}, noise);
}

}  // namespace oracle
