#pragma once

#include <memory>

#include "model/model.hpp"
#include "util/toml_reader.hpp"

namespace binade {

/// A table [model] of one of the architectures of model_config.hpp.
/// @throws std::invalid_argument with file, line and key
std::shared_ptr<const model_plan> read_decoder(const toml_section& table);

}  // namespace binade
