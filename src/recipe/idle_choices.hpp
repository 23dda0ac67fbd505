#pragma once

#include <span>
#include <string>
#include <vector>

#include "recipe/output_kind.hpp"
#include "recipe/recipe.hpp"

namespace binade {

/// Refuses a recipe file that chooses what no product and no result of a model can show: `layers` of no site; fresh
/// `signs` without a random Hadamard transform, `residual` without a clamp, `straight_through` without a quantizer, in
/// all products that the rule is for; `outputs` of operations that the model has not.
/// @param sites    gemm_sites() of the model
/// @param outputs  the kinds of results that it has
/// @throws std::invalid_argument with file, line and key
void refuse_idle_choices(const recipe& r, const std::vector<std::string>& sites, std::span<const output_kind> outputs);

}  // namespace binade
