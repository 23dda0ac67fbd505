#pragma once

#include <span>
#include <string_view>

namespace binade {

/// A recipe file of experiments/recipes/, built into the program so that an installed one has it.
struct shipped_recipe {
  std::string_view name;  ///< of the file, without .toml
  std::string_view text;
};

/// Sorted by name.  The definition is written by cmake/embed_recipes.cmake from the files.
std::span<const shipped_recipe> shipped_recipes();

}  // namespace binade
