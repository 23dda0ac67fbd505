#include "optim/optimizer_choice.hpp"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>
#include <vector>

#include "binade/nearest_name.hpp"
#include "util/toml_reader.hpp"

namespace binade {
namespace {

template <std::size_t... Index>
std::vector<std::string_view> names(std::index_sequence<Index...>) {
  return {std::variant_alternative_t<Index, optimizer_choice>::name...};
}
using every_optimizer = std::make_index_sequence<std::variant_size_v<optimizer_choice>>;

template <class Settings>
void read_if_named(const std::string& name, const toml_section& s, optimizer_choice& choice) {
  if (name != Settings::name) return;
  const Settings settings = Settings::read(s);
  if (const auto defect = settings.defect()) s.fail(defect->key, defect->why);
  choice = settings;
}
template <std::size_t... Index>
optimizer_choice read_named(const std::string& name, const toml_section& s, std::index_sequence<Index...>) {
  optimizer_choice choice;
  (read_if_named<std::variant_alternative_t<Index, optimizer_choice>>(name, s, choice), ...);
  return choice;
}

}  // namespace

std::vector<std::string_view> optimizer_names() {
  return names(every_optimizer{});
}

std::string_view name_of(const optimizer_choice& choice) {
  return std::visit([](const auto& settings) { return std::remove_cvref_t<decltype(settings)>::name; }, choice);
}

optimizer_choice read_optimizer(const toml_section& s) {
  const std::string name = s.text("optimizer", std::string(adamw_settings::name));
  const std::vector<std::string_view> known = optimizer_names();
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    std::string list;
    for (const std::string_view n : known) list += (list.empty() ? "" : ", ") + std::string(n);
    s.fail("optimizer",
           "is \"" + name + "\"; valid are " + list + "; nearest is " + std::string(nearest_name(name, known)));
  }
  return read_named(name, s, every_optimizer{});
}

double weight_decay_of(const optimizer_choice& choice) {
  return std::visit([](const auto& settings) { return settings.weight_decay; }, choice);
}

setting_lines lines_of(const optimizer_choice& choice) {
  return std::visit([](const auto& settings) { return settings.lines(); }, choice);
}

void require_states(const optimizer_choice& choice, const optimizer_formats& formats) {
  const auto rule = std::visit(
      [](const auto& settings) { return make_rule<float>(settings, std::span<const parameter<float>>()); }, choice);
  const auto kept = rule->states();
  for (const optimizer_state state :
       {optimizer_state::first_moment, optimizer_state::second_moment, optimizer_state::momentum}) {
    if (!formats.of(state) || std::find(kept.begin(), kept.end(), state) != kept.end()) continue;
    std::string list;
    for (const optimizer_state s : kept) list += (list.empty() ? "" : ", ") + std::string(to_string(s));
    throw std::invalid_argument("a format is given for " + std::string(to_string(state)) + ", and optimizer " +
                                std::string(name_of(choice)) + " keeps " +
                                (list.empty() ? "no state" : list + " alone") + "; remove it");
  }
}

}  // namespace binade
