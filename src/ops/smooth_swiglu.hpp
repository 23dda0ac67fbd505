#pragma once

#include <cstdint>
#include <string_view>

#include "tape.hpp"

namespace binade {

/// Which elements of the linear branch share a factor.
enum class smoothing : std::uint8_t {
  channel,  ///< a hidden channel of all tokens: as the paper has it
  token     ///< all channels of a token: as its reference code has it
};

struct smooth_swiglu_settings {
  smoothing per = smoothing::channel;
  bool power_of_two = false;  ///< factors are rounded up to powers of two, so that they change no significand
};

/// The down projection of a SwiGLU block with its input kept in a narrow range: Smooth-SwiGLU.  (Fishman et al. 2024,
/// "Scaling FP8 training to trillion-token LLMs")
///
///     channel:  m[i] = largest |up[t][i]| over t;  linear(swiglu(gate, up[t][i] / m[i]), weight[o][i] m[i])
///     token:    m[t] = largest |up[t][i]| over i;  linear(swiglu(gate, up[t][i] / m[t]), weight)[t][o] m[t]
///
/// The quantizers of the site see the divided input; per channel they see the weight that the factors are folded into,
/// per token the factors come back after the product.  Without quantizers both are linear(swiglu(gate, up), weight) up
/// to rounding, and bit for bit with factors that are powers of two as long as nothing over- or underflows.  The
/// largest is over finite values; where it is 0, or there is none, the factor is 1.  Factors are constants in the
/// backward pass: the result does not depend on them.
/// @param gate, up  (..., hidden), of one shape
/// @param weight    (outputs, hidden)
/// @return          (..., outputs)
/// @throws std::invalid_argument if the shapes do not fit
template <class T>
variable<T> smooth_swiglu_down(graph<T>& pass, std::string_view site, const variable<T>& gate, const variable<T>& up,
                               const variable<T>& weight, const smooth_swiglu_settings& settings);

}  // namespace binade
