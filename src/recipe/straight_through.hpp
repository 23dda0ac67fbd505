#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "binade/quantize.hpp"

namespace binade {

/// What the derivative of round(x / s) s by x is taken for.  v = x / s; Q(x) is the quantized value.
enum class gradient_rule : std::uint8_t {
  plain,  ///< 1
  clip,   ///< 1 where |v| is within the finite values of the format, else 0
  trust,  ///< 1 where |x - Q(x)| <= threshold s, else 0  (QuEST, arXiv:2502.05003)
  /// (1/k) |2t/d - 1|^(1/k - 1) and at most `cap`, where v lies t above the lower of its two neighbours in the format,
  /// which are d apart; 1/k on a value of the format; 0 beyond them all  (DGE, arXiv:2501.17116)
  differentiable,
};

/// How the gradient of an operand goes through its quantizer, as a value.
///
/// The text form: `plain`, `clip`, `trust(0.5)`, `dge(5,3)` for k = 5 and a cap of 3.
struct straight_through {
  gradient_rule rule = gradient_rule::plain;
  double threshold = 0;   ///< of trust: more than 0
  double k = 1, cap = 0;  ///< of differentiable: k of 1 or more, cap more than 0; the defaults otherwise
  bool operator==(const straight_through&) const = default;
};

/// @throws std::invalid_argument that says what is valid
straight_through parse_straight_through(std::string_view text);
std::string to_string(const straight_through& s);

/// gradient[i] times the derivative at x[i].
/// @param x         what was quantized; the gradient has its shape
/// @param q         a quantizer without transforms
/// @param noise     what it was quantized with
/// @pre the arguments are ones that quantize() takes
void pass_through(const straight_through& s, std::span<const float> x, const axis_view& view, const quantizer& q,
                  const noise_source& noise, std::span<float> gradient);

}  // namespace binade
