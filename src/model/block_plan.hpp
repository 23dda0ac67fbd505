#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "model/model_config.hpp"

namespace binade {

/// A norm over `width` elements, with the parts that the architecture's norms have.
void append_norm(std::vector<parameter_plan>& plans, const architecture& a, const std::string& name, std::size_t width);

/// The parameters of one block of attention and mlp, in the order of the computation, as parameter_plans() says.
void append_block_parameters(std::vector<parameter_plan>& plans, const model_config& config, std::size_t layer);

/// The GEMM sites of one block, in the order of the computation.
void append_block_sites(std::vector<std::string>& sites, const model_config& config, std::size_t layer);

}  // namespace binade
