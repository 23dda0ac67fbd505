#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "binade/accumulator.hpp"
#include "binade/quantizer.hpp"
#include "recipe/optimizer_formats.hpp"
#include "recipe/output_kind.hpp"
#include "recipe/site_operand.hpp"
#include "recipe/straight_through.hpp"
#include "util/toml_reader.hpp"

namespace binade {

/// What a rule says about one operand or result: a quantizer, or `none`.
struct operand_choice {
  std::optional<quantizer> value;
  bool operator==(const operand_choice&) const = default;
};

/// What becomes of the part D that `clamp` cuts off an operand.
enum class residual_rule : std::uint8_t {
  added,    ///< it is added to the quantized operand, as quantize() does
  product,  ///< D times the other operand, not quantized, is added to the product: a sparse product in float32
  dropped,  ///< it is left out
};

/// Where the signs of a random Hadamard transform come from.
enum class sign_rule : std::uint8_t {
  fixed,  ///< from the seed in the transform's text
  fresh,  ///< from that seed, the seed of the run, the step, the site and the GEMM: others in every step
};

/// What a rule says about a GEMM beside its operands; what it says nothing about is left as earlier rules have it.
struct gemm_choice {
  std::optional<accumulator> sum;
  std::optional<operand_choice> result;  ///< what the product is rounded to, a bias included
  std::optional<residual_rule> residual;
  std::optional<sign_rule> signs;
  bool operator==(const gemm_choice&) const = default;
};

/// The table that something was read from, for messages; none if it is from no file.  It is no part of what is said:
/// all are equal.
struct source_table {
  std::optional<toml_section> table;
  bool operator==(const source_table&) const { return true; }
};

/// Quantizers and accumulators for the sites whose names match, in the steps that it is for.
struct recipe_rule {
  std::vector<std::string> layers;  ///< globs, one or more; the rule is for a site that matches any of them
  std::uint32_t first_step = 0, end_step = no_end;  ///< optimizer steps [first, end)
  /// By site_operand; an operand without a choice is left as earlier rules have it.
  std::array<std::optional<operand_choice>, site_operand_count> operands = {};
  std::array<gemm_choice, site_gemm_count> gemms = {};  ///< by site_gemm
  /// What operands that are no parameters are kept as for the backward pass; none: as they are.
  std::optional<operand_choice> saved = {};
  /// How gradients pass through the quantizers of the forward operands: input, weight.
  std::array<std::optional<straight_through>, 2> gradients = {};
  source_table source = {};
  bool operator==(const recipe_rule&) const = default;

  static constexpr std::uint32_t no_end = std::numeric_limits<std::uint32_t>::max();
};

/// Which operand of which matrix product gets which quantizer.  docs/recipes.md has the file form, key by key.
struct recipe {
  std::string name;
  std::string description;
  std::vector<recipe_rule> rules;  ///< in order: for each operand the last rule that says something holds
  /// By output_kind: what results of other operations are rounded to; none: they are as they are.
  std::array<std::optional<quantizer>, output_kind_count> outputs = {};
  optimizer_formats optimizer = {};  ///< of weights, gradients and states between steps
  source_table source = {};
  bool operator==(const recipe&) const = default;

  /// The quantizer of an operand; none: the operand is used as it is, in float32.
  std::optional<quantizer> resolve(std::string_view site, site_operand operand, std::uint32_t step = 0) const;
  /// Everything said about a GEMM beside its operands; float32, no result quantizer, `added` and `fixed` where no rule
  /// says anything.
  gemm_choice resolve(std::string_view site, site_gemm gemm, std::uint32_t step = 0) const;
  /// How the gradient of a forward operand passes through its quantizer.  @pre operand is one of the forward GEMM
  straight_through resolve_gradient(std::string_view site, site_operand operand, std::uint32_t step = 0) const;
  /// The quantizer of what a site keeps of its operands for the backward pass; none: they are kept as they are.
  std::optional<quantizer> resolve_saved(std::string_view site, std::uint32_t step = 0) const;
  /// The steps at which what holds may change, ascending; the first is 0.
  std::vector<std::uint32_t> changes() const;

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
