#include "recipe/recipe.hpp"

#include <algorithm>
#include <stdexcept>

#include "binade/nearest_name.hpp"
#include "binade/text.hpp"
#include "recipe/shipped_recipes.hpp"
#include "util/hash.hpp"
#include "util/toml_reader.hpp"

namespace binade {
namespace {

constexpr std::string_view none_text = "none";        // an operand, or a whole recipe, without quantizers
constexpr std::string_view unquantized_name = "f32";  // the recipe without quantizers, by its usual name

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::optional<operand_choice> read_choice(const toml_section& section, std::string_view key) {
  if (!section.has(key)) return {};
  const std::string text = section.text(key);
  if (lower_case(text) == none_text) return operand_choice{};
  try {
    return operand_choice{parse_quantizer(text)};
  } catch (const text_error& error) {
    section.fail(key, std::string(error.what()) + "\n  (\"none\" leaves the operand in float32)");
  }
}

bool matches_any(const std::vector<std::string>& globs, std::string_view site) {
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) { return matches_glob(glob, site); });
}

std::vector<std::string> read_layers(const toml_section& section) {
  std::vector<std::string> layers = section.texts("layers");
  if (layers.empty()) section.fail("layers", "is empty; give a glob such as \"*\" or \"blocks.*.mlp.*\"");
  for (const std::string& glob : layers) {
    const bool valid = !glob.empty() && std::all_of(glob.begin(), glob.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
             c == '.' || c == '*' || c == '?';
    });
    if (!valid)
      section.fail("layers", "'" + glob +
                                 "' is no glob for site names; valid are letters, digits, '_', '-', '.', '*' " +
                                 "(any run of characters) and '?' (any one character)");
  }
  return layers;
}

recipe_rule read_rule(const toml_section& section) {
  recipe_rule rule{.layers = read_layers(section)};
  rule.operands.fill(read_choice(section, "operands"));
  for (const site_operand_names& names : site_operands) {
    if (const auto choice = read_choice(section.section(names.gemm), names.name))
      rule.operands[static_cast<std::size_t>(names.operand)] = choice;
  }
  return rule;
}

recipe read_recipe_table(const toml_section& file, const std::string& name) {
  recipe result{.name = file.text("name", name), .description = file.text("description", std::string()), .rules = {}};
  const std::vector<toml_section> rules = file.sections("rule");
  for (const toml_section& section : rules) result.rules.push_back(read_rule(section));
  result.optimizer = read_optimizer_formats(file.section("optimizer"));
  file.finish();
  // After finish(): a misspelt key is the likelier reason for an empty rule.
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const auto& operands = result.rules[i].operands;
    if (std::none_of(operands.begin(), operands.end(), [](const auto& choice) { return choice.has_value(); }))
      rules[i].fail("operands",
                    "is missing, and so are forward, input_gradient and weight_gradient: the rule says nothing");
  }
  return result;
}

}  // namespace

bool matches_glob(std::string_view glob, std::string_view name) {
  // Where a star has matched too little, it takes one character more; only the last star can have to.
  std::size_t g = 0, n = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      resume = n;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == name[n])) {
      ++g;
      ++n;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', g) == std::string_view::npos;
}

std::optional<quantizer> recipe::resolve(std::string_view site, site_operand operand) const {
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
    const std::optional<operand_choice>& choice = rule->operands[static_cast<std::size_t>(operand)];
    if (choice && matches_any(rule->layers, site)) return choice->value;
  }
  return {};
}

std::string recipe::canonical_text() const {
  if (rules.empty()) return "rule = []\n" + optimizer.canonical_text();
  std::string text;
  for (const recipe_rule& rule : rules) {
    text += "[[rule]]\nlayers = [";
    for (std::size_t i = 0; i < rule.layers.size(); ++i) text += (i > 0 ? ", \"" : "\"") + rule.layers[i] + '"';
    text += "]\n";
    std::string_view gemm;
    for (const site_operand_names& names : site_operands) {
      const auto& choice = rule.operands[static_cast<std::size_t>(names.operand)];
      if (!choice) continue;
      if (!gemm.empty()) text += names.gemm == gemm ? ", " : " }\n";
      if (names.gemm != gemm) text += std::string(names.gemm) + " = { ";
      gemm = names.gemm;
      const std::string value = choice->value ? expanded(*choice->value) : std::string(none_text);
      text += std::string(names.name) + " = \"" + value + '"';
    }
    if (!gemm.empty()) text += " }\n";
  }
  return text + optimizer.canonical_text();
}

std::string recipe::digest() const {
  return hash_of(canonical_text());
}

std::vector<unmatched_layers> find_unmatched_layers(const recipe& r, const std::vector<std::string>& sites) {
  std::vector<unmatched_layers> result;
  for (std::size_t i = 0; i < r.rules.size(); ++i) {
    for (const std::string& glob : r.rules[i].layers) {
      const bool matches =
          std::any_of(sites.begin(), sites.end(), [&](const std::string& site) { return matches_glob(glob, site); });
      if (!matches) result.push_back({i, glob, std::string(nearest_name(glob, sites))});
    }
  }
  return result;
}

recipe uniform_recipe(const quantizer& q) {
  recipe_rule rule{.layers = {"*"}};
  rule.operands.fill(operand_choice{q});
  return {.name = to_string(q), .description = "on all operands of every site", .rules = {rule}};
}

recipe parse_recipe(std::string_view text, const std::string& source, const std::string& name) {
  return read_recipe_table(toml_section::parse(text, source), name);
}

recipe read_recipe(const std::filesystem::path& file) {
  return read_recipe_table(toml_section::read_file(file), file.stem().string());
}

recipe find_recipe(std::string_view reference, const std::filesystem::path& folder) {
  const std::string lower = lower_case(reference);
  if (lower == unquantized_name || lower == none_text)
    return {
        .name = std::string(unquantized_name), .description = "no quantizer: every operand in float32", .rules = {}};
  if (lower.ends_with(".toml")) return read_recipe(folder / std::filesystem::path(reference));
  std::string why;
  try {
    return uniform_recipe(parse_quantizer(reference));
  } catch (const text_error& error) {
    why = error.what();
  }
  std::vector<std::string_view> names;
  std::string list;
  for (const shipped_recipe& shipped : shipped_recipes()) {
    if (shipped.name == lower)
      return parse_recipe(shipped.text, "shipped recipe " + std::string(shipped.name), std::string(shipped.name));
    names.push_back(shipped.name);
    list += (list.empty() ? "" : ", ") + std::string(shipped.name);
  }
  throw std::invalid_argument("recipe '" + std::string(reference) + "' is no quantizer: " + why +
                              "\n  a recipe is such a text, a file that ends in .toml, or one of: " + list +
                              "\n  nearest recipe: " + std::string(nearest_name(lower, names)));
}

}  // namespace binade
