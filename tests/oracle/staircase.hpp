#pragma once
// A conversion is a staircase: both sides of every value and of every midpoint decide it.  The sweeps take the encoder
// as an argument, so that every implementation faces the same judge, and return the first counterexample with all it
// takes to repeat it.

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "oracle/projection.hpp"

namespace oracle {

/// What the judged conversion gave.  `value` in the input's own type, widened.
struct converted {
  std::uint64_t code = 0;
  double value = 0;
  bool refused = false;
};

struct counterexample {
  grid format;
  rule how;
  double input;
  bool input_is_float;
  std::uint32_t noise;
  converted got;
  answer want;
};

inline std::string to_string(const counterexample& c) {
  char text[512];
  const auto refusal = [](bool refused) { return refused ? " refused" : ""; };
  std::snprintf(text, sizeof text, "%s %a (%.17g), noise %u: got code 0x%llx value %a%s, want code 0x%llx value %a%s",
                c.input_is_float ? "float" : "double", c.input, c.input, c.noise,
                static_cast<unsigned long long>(c.got.code), c.got.value, refusal(c.got.refused),
                static_cast<unsigned long long>(c.want.code), c.want.value, refusal(c.want.refused));
  return "[" + to_string(c.format) + "] " + to_string(c.how) + ": " + text;
}

/// Same number; zeros by sign, NaN by class.
inline bool same_value(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

/// How much a test looked at; printed by the full sweeps.
struct tally {
  std::uint64_t conversions = 0;
};

/// Judges one conversion.  convert(rule, T x, noise) -> converted.
template <class T, class Convert>
std::optional<counterexample> judge(const grid& g, const rule& r, T x, const place& p, std::uint32_t noise,
                                    Convert&& convert, tally& seen) {
  const answer want = project(g, r, static_cast<double>(x), p, noise);
  const converted got = convert(r, x, noise);
  ++seen.conversions;
  // A value that T does not hold (possible only with float and a wider format) is the nearest T.
  if (got.code == want.code && got.refused == want.refused &&
      same_value(got.value, static_cast<double>(static_cast<T>(want.value))))
    return std::nullopt;
  return counterexample{.format = g,
                        .how = r,
                        .input = static_cast<double>(x),
                        .input_is_float = std::is_same_v<T, float>,
                        .noise = noise,
                        .got = got,
                        .want = want};
}

/// Magnitude codes for a sweep, each standing for the step up from it, max_code() included: all if there are at most
/// `limit`, else those around both ends and around the starts of binades, and pseudo-random ones.
inline std::vector<std::uint64_t> steps_of(const grid& g, std::uint64_t limit) {
  std::vector<std::uint64_t> codes;
  const std::uint64_t max = g.max_code();
  if (max < limit) {
    for (std::uint64_t c = 0; c <= max; ++c) codes.push_back(c);
    return codes;
  }
  const std::uint64_t per_binade = std::uint64_t{1} << (g.precision - 1), binades = max / per_binade;
  const auto around = [&](std::uint64_t mark) {
    for (std::uint64_t c = mark < 2 ? 0 : mark - 2; c <= max && c < mark + 2; ++c) codes.push_back(c);
  };
  around(0);
  around(per_binade / 2);
  around(per_binade);
  const std::uint64_t stride = 1 + 16 * binades / limit;
  for (std::uint64_t b = 2; b <= binades; b += stride) around(b * per_binade);
  for (std::uint64_t c = max - 2; c <= max; ++c) codes.push_back(c);
  std::mt19937_64 random(limit);  // the engine's sequence is fixed by the standard
  while (codes.size() < limit) codes.push_back(random() % (max + 1));
  return codes;
}

/// A T near x and its neighbours: x is one of them, or lies between the outer two.
template <class T>
std::array<T, 3> both_sides(dyadic x) {
  const T near = static_cast<T>(to_double(x)), infinity = std::numeric_limits<T>::infinity();
  return {std::nextafter(near, T{0}), near, std::nextafter(near, infinity)};
}

/// Both sides of each step's lower value, middle and upper value, of both signs, in the encoder's own input type T.
template <class T, class Convert>
std::optional<counterexample> staircase_counterexample(const grid& g, std::span<const rule> rules,
                                                       std::span<const std::uint64_t> steps, Convert&& convert,
                                                       tally& seen) {
  for (const std::uint64_t below : steps) {
    const dyadic low = g.value(below), high = g.value(below + 1);
    for (const dyadic& mark : {low, midpoint(low, high), high})
      for (const T magnitude : both_sides<T>(mark)) {
        if (!std::isfinite(magnitude)) continue;
        const place p = locate(g, magnitude_of(static_cast<double>(magnitude)));
        for (const rule& r : rules)
          for (const T x : {magnitude, -magnitude})
            if (auto bad = judge(g, r, x, p, 0, convert, seen)) return bad;
      }
  }
  return std::nullopt;
}

/// What lies at and beyond both ends of a format: zeros, NaN of both signs, infinities, the largest finite value, half
/// an ulp above it and on, the smallest value, half of it and below, the smallest normal value, and the ends of T.
template <class T>
std::vector<T> extremes(const grid& g) {
  using limits = std::numeric_limits<T>;
  std::vector<T> inputs{T{0},
                        limits::infinity(),
                        limits::quiet_NaN(),
                        limits::signaling_NaN(),
                        limits::max(),
                        limits::min(),
                        limits::denorm_min(),
                        T{1},
                        std::nextafter(limits::min(), T{0})};
  const std::uint64_t max = g.max_code(), lowest = g.has_zero ? 1 : 0;
  const dyadic top = g.value(max), after = g.value(max + 1), smallest = g.value(lowest),
               normal = g.value(g.min_normal_code());
  const auto times = [](dyadic d, int power) { return dyadic{d.significand, d.exponent + power}; };
  for (const dyadic& mark :
       {g.value(max - 1), top, midpoint(top, after), after, times(after, 1), times(after, 5), smallest,
        times(smallest, -1), times(smallest, -2), times(smallest, -9), times(smallest, 1), normal, times(normal, -1),
        midpoint(g.value(g.min_normal_code() == 0 ? 0 : g.min_normal_code() - 1), normal)})
    for (const T x : both_sides<T>(mark)) inputs.push_back(x);
  const std::size_t positive = inputs.size();
  for (std::size_t i = 0; i < positive; ++i) inputs.push_back(-inputs[i]);
  return inputs;
}

/// The extremes under every rule, for a handful of noises.
template <class T, class Convert>
std::optional<counterexample> extremes_counterexample(const grid& g, std::span<const rule> rules, Convert&& convert,
                                                      tally& seen) {
  for (const T x : extremes<T>(g)) {
    const place p = std::isfinite(x) ? locate(g, magnitude_of(static_cast<double>(x))) : place{};
    for (const rule& r : rules) {
      const std::uint32_t last = static_cast<std::uint32_t>((std::uint64_t{1} << r.noise_bits) - 1);
      for (const std::uint32_t noise : {0u, last, last / 2, last / 2 + 1}) {
        if (auto bad = judge(g, r, x, p, noise, convert, seen)) return bad;
        if (!is_stochastic(r.rounding)) break;
      }
    }
  }
  return std::nullopt;
}

/// Any bit pattern of T.
template <class T, class Convert>
std::optional<counterexample> random_counterexample(const grid& g, std::span<const rule> rules, std::uint64_t seed,
                                                    int count, Convert&& convert, tally& seen) {
  using bits = std::conditional_t<std::is_same_v<T, float>, std::uint32_t, std::uint64_t>;
  std::mt19937_64 random(seed);
  for (int i = 0; i < count; ++i) {
    const T x = std::bit_cast<T>(static_cast<bits>(random()));
    const auto draw = static_cast<std::uint32_t>(random());
    const place p = std::isfinite(x) ? locate(g, magnitude_of(static_cast<double>(x))) : place{};
    for (const rule& r : rules)
      if (auto bad = judge(g, r, x, p, draw >> (32 - r.noise_bits), convert, seen)) return bad;
  }
  return std::nullopt;
}

}  // namespace oracle
