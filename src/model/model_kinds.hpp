#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "model/model.hpp"
#include "util/toml_reader.hpp"

namespace binade {

/// A kind of model as files name it.
struct model_kind {
  std::string_view name;
  /// @param table  the table [model]; its kind is this one
  /// @throws std::invalid_argument with file, line and key
  std::shared_ptr<const model_plan> (*read)(const toml_section& table);
};

/// Every kind, in the order in which messages list them.  A new one is a file of its own and a line in the definition.
std::span<const model_kind> model_kinds();

/// The table [model] of a training or study file.  @throws std::invalid_argument with file, line and key
std::shared_ptr<const model_plan> read_model(const toml_section& table);

}  // namespace binade
