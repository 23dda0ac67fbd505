#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace binade {

/// The operands of the three matrix products of a site: result = input weight, with blocks along the summed axis of
/// each.
///
///     forward          result          = input weight
///     input_gradient   input gradient  = grad_output weight      (weight transposed)
///     weight_gradient  weight gradient = grad_output input       (one of them transposed)
///
/// In attention the query (scores) and the probabilities (values) are the input; the key and the value are the weight.
enum class site_operand : std::uint8_t {
  forward_input,
  forward_weight,
  input_gradient_grad_output,
  input_gradient_weight,
  weight_gradient_grad_output,
  weight_gradient_input,
};

struct site_operand_names {
  site_operand operand;
  std::string_view gemm, name;
};
/// Every operand in the order of the enumerators: the names in recipe files, noise streams and stored counters.
inline constexpr std::array site_operands{
    site_operand_names{site_operand::forward_input, "forward", "input"},
    site_operand_names{site_operand::forward_weight, "forward", "weight"},
    site_operand_names{site_operand::input_gradient_grad_output, "input_gradient", "grad_output"},
    site_operand_names{site_operand::input_gradient_weight, "input_gradient", "weight"},
    site_operand_names{site_operand::weight_gradient_grad_output, "weight_gradient", "grad_output"},
    site_operand_names{site_operand::weight_gradient_input, "weight_gradient", "input"},
};
inline constexpr std::size_t site_operand_count = site_operands.size();

/// "forward", "input_gradient" or "weight_gradient"
constexpr std::string_view gemm_name(site_operand operand) {
  return site_operands[std::size_t(operand)].gemm;
}
/// "input", "weight" or "grad_output"
constexpr std::string_view operand_name(site_operand operand) {
  return site_operands[std::size_t(operand)].name;
}

}  // namespace binade
