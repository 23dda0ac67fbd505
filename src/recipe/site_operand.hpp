#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace binade {

/// The three matrix products of a site.
enum class site_gemm : std::uint8_t { forward, input_gradient, weight_gradient };

/// Their names in recipe files, noise streams and stored counters, in the order of the enumerators.
inline constexpr std::array<std::string_view, 3> site_gemm_names{"forward", "input_gradient", "weight_gradient"};
inline constexpr std::size_t site_gemm_count = site_gemm_names.size();

constexpr std::string_view gemm_name(site_gemm gemm) {
  return site_gemm_names[std::size_t(gemm)];
}

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
  site_gemm gemm;
  std::string_view name;
};
/// Every operand in the order of the enumerators: the names in recipe files, noise streams and stored counters.  The
/// two operands of a GEMM are neighbours.
inline constexpr std::array site_operands{
    site_operand_names{site_operand::forward_input, site_gemm::forward, "input"},
    site_operand_names{site_operand::forward_weight, site_gemm::forward, "weight"},
    site_operand_names{site_operand::input_gradient_grad_output, site_gemm::input_gradient, "grad_output"},
    site_operand_names{site_operand::input_gradient_weight, site_gemm::input_gradient, "weight"},
    site_operand_names{site_operand::weight_gradient_grad_output, site_gemm::weight_gradient, "grad_output"},
    site_operand_names{site_operand::weight_gradient_input, site_gemm::weight_gradient, "input"},
};
inline constexpr std::size_t site_operand_count = site_operands.size();

constexpr site_gemm gemm_of(site_operand operand) {
  return site_operands[std::size_t(operand)].gemm;
}
/// "forward", "input_gradient" or "weight_gradient"
constexpr std::string_view gemm_name(site_operand operand) {
  return gemm_name(gemm_of(operand));
}
/// "input", "weight" or "grad_output"
constexpr std::string_view operand_name(site_operand operand) {
  return site_operands[std::size_t(operand)].name;
}

}  // namespace binade
