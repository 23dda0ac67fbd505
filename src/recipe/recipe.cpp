#include "recipe/recipe.hpp"

#include <algorithm>
#include <stdexcept>

#include "binade/accumulator_text.hpp"
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

/// By enumerator: their names in files.
constexpr std::array<std::string_view, 3> residual_words{"added", "product", "dropped"};
constexpr std::array<std::string_view, 2> sign_words{"fixed", "fresh"};

std::optional<accumulator> read_accumulator(const toml_section& section, std::string_view key) {
  if (!section.has(key)) return {};
  try {
    return parse_accumulator(section.text(key));
  } catch (const text_error& error) {
    section.fail(key, error.what());
  }
}

std::optional<straight_through> read_gradient(const toml_section& section, std::string_view key) {
  if (!section.has(key)) return {};
  try {
    return parse_straight_through(section.text(key));
  } catch (const std::invalid_argument& error) {
    section.fail(key, error.what());
  }
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

/// The keys of a GEMM; those of the rule itself hold for all three.
gemm_choice read_gemm(const toml_section& section, const gemm_choice& otherwise) {
  gemm_choice gemm = otherwise;
  if (const auto sum = read_accumulator(section, "accumulator")) gemm.sum = sum;
  if (const auto result = read_choice(section, "result")) gemm.result = result;
  if (section.has("residual")) gemm.residual = section.word<residual_rule>("residual", residual_words);
  if (section.has("signs")) gemm.signs = section.word<sign_rule>("signs", sign_words);
  return gemm;
}

void read_steps(const toml_section& section, recipe_rule& rule) {
  constexpr std::int64_t last = recipe_rule::no_end - 1;
  if (section.has("steps")) {
    if (section.has("start_step")) section.fail("start_step", "is given and so is steps; remove one of the two");
    const std::vector<std::int64_t> steps = section.integers("steps");
    if (steps.size() != 2 || steps[0] < 0 || steps[0] >= steps[1] || steps[1] > last)
      section.fail("steps", "must be [FROM, TO], the steps FROM, FROM + 1, ... TO - 1, with 0 <= FROM < TO <= " +
                                std::to_string(last));
    rule.first_step = static_cast<std::uint32_t>(steps[0]);
    rule.end_step = static_cast<std::uint32_t>(steps[1]);
    return;
  }
  const std::int64_t start = section.integer("start_step", 0);
  if (start < 0 || start > last)
    section.fail("start_step", "is " + std::to_string(start) + "; valid is 0.." + std::to_string(last));
  rule.first_step = static_cast<std::uint32_t>(start);
}

recipe_rule read_rule(const toml_section& section) {
  recipe_rule rule{.layers = read_layers(section)};
  read_steps(section, rule);
  rule.operands.fill(read_choice(section, "operands"));
  const gemm_choice all = read_gemm(section, {});
  for (std::size_t gemm = 0; gemm < site_gemm_count; ++gemm)
    rule.gemms[gemm] = read_gemm(section.section(site_gemm_names[gemm]), all);
  for (const site_operand_names& names : site_operands) {
    if (const auto choice = read_choice(section.section(gemm_name(names.gemm)), names.name))
      rule.operands[static_cast<std::size_t>(names.operand)] = choice;
  }
  rule.saved = read_choice(section, "saved");
  const toml_section gradients = section.section("straight_through");
  for (std::size_t i = 0; i < rule.gradients.size(); ++i)
    rule.gradients[i] = read_gradient(gradients, site_operands[i].name);
  rule.source.table = section;
  return rule;
}

recipe read_recipe_table(const toml_section& file, const std::string& name) {
  recipe result{.name = file.text("name", name), .description = file.text("description", std::string()), .rules = {}};
  const std::vector<toml_section> rules = file.sections("rule");
  for (const toml_section& section : rules) result.rules.push_back(read_rule(section));
  result.optimizer = read_optimizer_formats(file.section("optimizer"));
  const toml_section outputs = file.section("outputs");
  for (std::size_t kind = 0; kind < output_kind_count; ++kind)
    if (const auto choice = read_choice(outputs, output_kind_names[kind])) result.outputs[kind] = choice->value;
  result.source.table = file;
  file.finish();
  const bool any_output = std::any_of(result.outputs.begin(), result.outputs.end(),
                                      [](const std::optional<quantizer>& output) { return output.has_value(); });
  if (!file.has("rule") && result.optimizer.canonical_text().empty() && !any_output)
    file.fail("rule",
              "is missing, and optimizer and outputs give no format: the recipe says nothing; for float32 everywhere "
              "say rule = [], or name the recipe f32");
  // After finish(): a misspelt key is the likelier reason for an empty rule.
  for (std::size_t i = 0; i < rules.size(); ++i) {
    recipe_rule silent{.layers = result.rules[i].layers};
    silent.first_step = result.rules[i].first_step;
    silent.end_step = result.rules[i].end_step;
    if (result.rules[i] == silent)
      rules[i].fail(
          "operands",
          "is missing, and so are forward, input_gradient, weight_gradient, accumulator, result, residual, signs, "
          "saved and straight_through: the rule says nothing");
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

namespace {

/// What the last rule that matches and says something says.
/// @param choice_of  an optional of a rule
template <class T, class ChoiceOf>
T last_choice(const recipe& r, std::string_view site, std::uint32_t step, T otherwise, ChoiceOf choice_of) {
  for (auto rule = r.rules.rbegin(); rule != r.rules.rend(); ++rule) {
    if (step < rule->first_step || step >= rule->end_step) continue;
    const std::optional<T>& choice = choice_of(*rule);
    if (choice && matches_any(rule->layers, site)) return *choice;
  }
  return otherwise;
}

/// "key = { name = "value", ... }" with what was added, or nothing.
class inline_table {
 public:
  explicit inline_table(std::string_view key) : key_(key) {}
  void add(std::string_view name, std::string_view value) {
    text_ += (text_.empty() ? std::string() : ", ") + std::string(name) + " = \"" + std::string(value) + '"';
  }
  std::string line() const { return text_.empty() ? std::string() : key_ + " = { " + text_ + " }\n"; }

 private:
  std::string key_, text_;
};

std::string choice_text(const operand_choice& choice) {
  return choice.value ? expanded(*choice.value) : std::string(none_text);
}

}  // namespace

std::optional<quantizer> recipe::resolve(std::string_view site, site_operand operand, std::uint32_t step) const {
  return last_choice(*this, site, step, operand_choice{},
                     [&](const recipe_rule& rule) { return rule.operands[static_cast<std::size_t>(operand)]; })
      .value;
}

gemm_choice recipe::resolve(std::string_view site, site_gemm gemm, std::uint32_t step) const {
  const auto choice = [&](auto member, auto otherwise) {
    return last_choice(*this, site, step, otherwise,
                       [&](const recipe_rule& rule) { return rule.gemms[static_cast<std::size_t>(gemm)].*member; });
  };
  return {.sum = choice(&gemm_choice::sum, accumulator{}),
          .result = choice(&gemm_choice::result, operand_choice{}),
          .residual = choice(&gemm_choice::residual, residual_rule::added),
          .signs = choice(&gemm_choice::signs, sign_rule::fixed)};
}

straight_through recipe::resolve_gradient(std::string_view site, site_operand operand, std::uint32_t step) const {
  return last_choice(*this, site, step, straight_through{},
                     [&](const recipe_rule& rule) { return rule.gradients[static_cast<std::size_t>(operand)]; });
}

std::optional<quantizer> recipe::resolve_saved(std::string_view site, std::uint32_t step) const {
  return last_choice(*this, site, step, operand_choice{}, [](const recipe_rule& rule) { return rule.saved; }).value;
}

std::vector<std::uint32_t> recipe::changes() const {
  std::vector<std::uint32_t> steps{0};
  for (const recipe_rule& rule : rules) {
    steps.push_back(rule.first_step);
    if (rule.end_step != recipe_rule::no_end) steps.push_back(rule.end_step);
  }
  std::sort(steps.begin(), steps.end());
  steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
  return steps;
}

std::string recipe::canonical_text() const {
  std::string text = rules.empty() ? "rule = []\n" : "";
  for (const recipe_rule& rule : rules) {
    text += "[[rule]]\nlayers = [";
    for (std::size_t i = 0; i < rule.layers.size(); ++i) text += (i > 0 ? ", \"" : "\"") + rule.layers[i] + '"';
    text += "]\n";
    if (rule.end_step != recipe_rule::no_end)
      text += "steps = [" + std::to_string(rule.first_step) + ", " + std::to_string(rule.end_step) + "]\n";
    else if (rule.first_step != 0)
      text += "start_step = " + std::to_string(rule.first_step) + "\n";
    for (std::size_t gemm = 0; gemm < site_gemm_count; ++gemm) {
      inline_table table(site_gemm_names[gemm]);
      for (const site_operand_names& names : site_operands) {
        const auto& choice = rule.operands[static_cast<std::size_t>(names.operand)];
        if (choice && names.gemm == site_gemm(gemm)) table.add(names.name, choice_text(*choice));
      }
      const gemm_choice& said = rule.gemms[gemm];
      if (said.sum) table.add("accumulator", expanded(*said.sum));
      if (said.result) table.add("result", choice_text(*said.result));
      if (said.residual) table.add("residual", residual_words[static_cast<std::size_t>(*said.residual)]);
      if (said.signs) table.add("signs", sign_words[static_cast<std::size_t>(*said.signs)]);
      text += table.line();
    }
    if (rule.saved) text += "saved = \"" + choice_text(*rule.saved) + "\"\n";
    inline_table gradients("straight_through");
    for (std::size_t i = 0; i < rule.gradients.size(); ++i)
      if (rule.gradients[i]) gradients.add(site_operands[i].name, to_string(*rule.gradients[i]));
    text += gradients.line();
  }
  text += optimizer.canonical_text();
  std::string_view heading = "[outputs]\n";
  for (std::size_t kind = 0; kind < output_kind_count; ++kind) {
    if (!outputs[kind]) continue;
    text += std::string(heading) + std::string(output_kind_names[kind]) + " = \"" + expanded(*outputs[kind]) + "\"\n";
    heading = {};
  }
  return text;
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
