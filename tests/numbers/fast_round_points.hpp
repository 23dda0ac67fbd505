#pragma once
// The element variants and the comparison that the quick and the full test of fast_rounder share.

#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "binade/array_rounder.hpp"
#include "binade/codec.hpp"

namespace binade::testing {

inline std::vector<rounding_mode> all_modes() {
  return {rounding_mode::nearest_even, rounding_mode::nearest_away, rounding_mode::toward_zero,
          rounding_mode::up,           rounding_mode::down,         rounding_mode::to_odd,
          rounding_mode::stochastic_a, rounding_mode::stochastic_b, rounding_mode::stochastic_c};
}

/// A sequence of 32-bit numbers; enough to pick inputs, and the same on every machine.
struct sequence {
  std::uint64_t state;
  std::uint32_t operator()() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return std::uint32_t(state >> 32);
  }
};

/// The first x and noise at which the vector loops disagree with round() or encode(), in words.  @pre covers(e)
/// @param values_of_codes  decode() of every code, to spare round() in long runs; empty: round() is called
inline std::optional<std::string> disagreement(const element& e, std::span<const float> x,
                                               std::span<const std::uint32_t> noise,
                                               std::span<const float> values_of_codes = {}) {
  const detail::array_rounder rounder(e);
  std::vector<float> values(x.size());
  std::vector<std::uint32_t> codes(x.size());
  rounder.quantize(x.data(), noise.data(), values.data(), x.size());
  rounder.encode(x.data(), noise.data(), codes.data(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::uint64_t code = encode(e, x[i], noise[i]);
    const float rounded = values_of_codes.empty() ? round(e, x[i], noise[i])
                          : x[i] != x[i]          ? std::numeric_limits<float>::quiet_NaN()
                                                  : values_of_codes[code];
    const auto value = std::bit_cast<std::uint32_t>(rounded);
    if (std::bit_cast<std::uint32_t>(values[i]) == value && codes[i] == code) continue;
    std::ostringstream text;
    text << std::hexfloat << "width " << e.format.width << " precision " << e.format.floating.precision << " bias "
         << e.format.floating.bias << " rounding " << int(e.rounding) << " noise bits " << e.noise_bits << " overflow "
         << int(e.overflow) << " subnormals " << int(e.subnormals) << ": x = " << x[i] << " noise " << noise[i]
         << " gives " << values[i] << " code " << codes[i] << ", the reference " << std::bit_cast<float>(value)
         << " code " << code;
    return text.str();
  }
  return std::nullopt;
}

}  // namespace binade::testing
