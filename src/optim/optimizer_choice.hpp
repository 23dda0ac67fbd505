#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "optim/adamw.hpp"
#include "optim/lion.hpp"
#include "optim/madam.hpp"
#include "optim/sgd.hpp"

namespace binade {

class toml_section;

/// An optimizer and its settings.  A new optimizer is a pair of files and its place in this list.
using optimizer_choice = std::variant<adamw_settings, sgd_settings, lion_settings, madam_settings>;

/// The names of all.
std::vector<std::string_view> optimizer_names();
std::string_view name_of(const optimizer_choice& choice);

/// Reads the key `optimizer` ("adamw" if it is not there) and the keys of that optimizer.
/// @throws std::invalid_argument with file, line, key and what is valid
optimizer_choice read_optimizer(const toml_section& s);

double weight_decay_of(const optimizer_choice& choice);
/// The settings, but for name and weight_decay.
setting_lines lines_of(const optimizer_choice& choice);

/// @throws std::invalid_argument if a format is for a state that the optimizer does not keep
void require_states(const optimizer_choice& choice, const optimizer_formats& formats);

}  // namespace binade
