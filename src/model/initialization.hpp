#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "model/model_config.hpp"
#include "tensor.hpp"

namespace binade {

/// Normal numbers that are a function of (seed, name, element index) alone, whatever the machine.
///
/// Element i has two uniform numbers from the rounding-noise generator (noise.hpp; stream = FNV-1a of the name, 32
/// bits): u = (noise of step 0 + 1) / 2^32 and v = (noise of step 1) / 2^32.  Its value is sqrt(-2 ln u) cos(2 pi v) *
/// deviation + mean, worked out in double and rounded to T.  (Box and Muller 1958)  Nothing lies beyond 6.67
/// deviations.
template <class T>
void fill_normal(std::uint64_t seed, std::string_view name, double mean, double deviation, std::span<T> out);

/// A parameter's first value.
template <class T>
tensor<T> initial_value(const parameter_plan& plan, std::uint64_t seed);

}  // namespace binade
