#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "binade/quantizer.hpp"
#include "recipe/optimizer_formats.hpp"
#include "recipe/site_operand.hpp"

namespace binade {

/// What a rule says about one operand: a quantizer, or `none`.
struct operand_choice {
  std::optional<quantizer> value;
  bool operator==(const operand_choice&) const = default;
};

/// Quantizers for the sites whose names match.
struct recipe_rule {
  std::vector<std::string> layers;  ///< globs, one or more; the rule is for a site that matches any of them
  /// By site_operand; an operand without a choice is left as earlier rules have it.
  std::array<std::optional<operand_choice>, site_operand_count> operands = {};
  bool operator==(const recipe_rule&) const = default;
};

/// Which operand of which matrix product gets which quantizer.  docs/recipes.md has the file form, key by key.
struct recipe {
  std::string name;
  std::string description;
  std::vector<recipe_rule> rules;    ///< in order: for each operand the last rule that says something holds
  optimizer_formats optimizer = {};  ///< of weights, gradients and states between steps
  bool operator==(const recipe&) const = default;

  /// The quantizer of an operand; none: the operand is used as it is, in float32.
  std::optional<quantizer> resolve(std::string_view site, site_operand operand) const;

  /// Rules and formats of the optimizer as TOML with every choice spelled out.  A function of these alone, so that a
  /// new name or description leaves it as it is; parse_recipe() reads it back to equal ones.
  std::string canonical_text() const;
  /// 16 hexadecimal digits: XXH3 (64 bits) of canonical_text().
  std::string digest() const;
};

/// True if a glob matches the whole name: `*` is any run of characters, dots too, `?` any one character.
bool matches_glob(std::string_view glob, std::string_view name);

/// A glob of a rule that is for no site: in most cases a typo.
struct unmatched_layers {
  std::size_t rule;  ///< index in recipe::rules
  std::string glob;
  std::string nearest_site;  ///< empty if there are no sites
  bool operator==(const unmatched_layers&) const = default;
};
/// @param sites  the names of all sites of a model
std::vector<unmatched_layers> find_unmatched_layers(const recipe& r, const std::vector<std::string>& sites);

/// One quantizer on all operands of every site; its name is the quantizer's text.
recipe uniform_recipe(const quantizer& q);

/// Reads the text of a recipe file.
/// @param source  what error messages call it
/// @param name    the recipe's name where the text gives none
/// @throws std::invalid_argument with source, line, key, what is valid and the nearest key or name
recipe parse_recipe(std::string_view text, const std::string& source, const std::string& name = {});

/// Reads a recipe file; without a name in it, its file name is its name.  @throws as parse_recipe
recipe read_recipe(const std::filesystem::path& file);

/// What a study, a training file or a command line calls a recipe, tried in this order:
///
///     f32 or none                        no quantizer at all
///     ends in .toml                      a recipe file, relative to `folder`
///     a quantizer's text                 uniform_recipe(), e.g. e4m3fn@tensor
///     a name                             a shipped recipe, e.g. fp8_hybrid
///
/// A shipped recipe whose name is a quantizer's text too (mxfp4) means the same as the text; a test holds it to that.
/// @throws std::invalid_argument (text_error where the text form is at fault) that names the nearest recipe
recipe find_recipe(std::string_view reference, const std::filesystem::path& folder = {});

}  // namespace binade
