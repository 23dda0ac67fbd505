#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tensor.hpp"

namespace binade {

struct parameter_plan;  // model/parameter_plan.hpp

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

/// How arrays get their first values.  In the formulas, fan_in of an array (outputs, inputs, ...) is the product of all
/// sizes but the first, and fan_out of all but the second: those of a linear layer and of a convolution.
enum class initialization_kind : std::uint8_t {
  zeros,             ///< 0 everywhere
  ones,              ///< 1 everywhere
  normal,            ///< deviation `parameter`
  truncated_normal,  ///< the same without what lies beyond 2 deviations, which leaves a deviation of 0.8796 `parameter`
  xavier_uniform,    ///< in +-gain sqrt(6 / (fan_in + fan_out)).  (Glorot and Bengio 2010)
  xavier_normal,     ///< deviation gain sqrt(2 / (fan_in + fan_out))
  kaiming_uniform,   ///< in +-sqrt(6 / fan), for networks of ReLU.  (He et al. 2015)
  kaiming_normal,    ///< deviation sqrt(2 / fan)
  orthogonal,        ///< gain times a matrix whose shorter side is orthonormal.  (Saxe et al. 2014)
};

/// A kind and its number.
struct initialization {
  initialization_kind kind = initialization_kind::zeros;
  double parameter = 1;       ///< the deviation of normal kinds, the gain of xavier and orthogonal ones
  bool uses_fan_out = false;  ///< of kaiming kinds: fan is fan_out, else fan_in

  bool operator==(const initialization&) const = default;
};

/// Reads `zeros`, `ones`, `normal(DEVIATION)`, `truncated_normal(DEVIATION)`, `xavier_uniform`, `xavier_normal`,
/// `orthogonal`, these three also with `(GAIN)`, `kaiming_uniform`, `kaiming_normal`, these two also with `(fan_in)` or
/// `(fan_out)`.
/// @throws std::invalid_argument that says what is valid; the numbers must be finite and above 0
initialization parse_initialization(std::string_view text);
/// The text that parse_initialization() reads back to an equal value.
std::string to_string(const initialization& how);

/// First values of an array, a function of (seed, name, element index) alone (for orthogonal: of the whole shape).
///
/// Noise is drawn as fill_normal() draws it.  A uniform element is bound ((2 n + 1) / 2^32 - 1), n its 32 bits of step
/// 0.  A truncated normal element is the first of the numbers of steps (0, 1), (2, 3), ... within 2 deviations.  An
/// orthogonal matrix comes from Gram and Schmidt's process, twice per vector, on normal vectors along the longer side.
/// All is worked out in double and rounded to T.
/// @throws std::invalid_argument for a kind with fans, or orthogonal, and an array of one size
template <class T>
tensor<T> initial_value(const initialization& how, std::uint64_t seed, std::string_view name, const extents& shape);

}  // namespace binade
