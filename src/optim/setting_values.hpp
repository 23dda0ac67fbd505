#pragma once
// What the settings of several optimizers have in common: how they are read, refused and spelled out.

#include <optional>
#include <string>
#include <string_view>

#include "optim/update_rule.hpp"

namespace binade {

class toml_section;

/// The two betas of a training file; `betas` as it was where it says none.
void read_betas(const toml_section& s, double& beta1, double& beta2);
std::string betas_text(double beta1, double beta2);

std::optional<setting_defect> betas_defect(double beta1, double beta2);
/// Unless 0 <= value < 1.
std::optional<setting_defect> share_defect(std::string_view key, double value);
/// Unless the value is finite and at least 0.
std::optional<setting_defect> negative_defect(std::string_view key, double value);
/// Unless the value is finite and more than 0.
std::optional<setting_defect> positive_defect(std::string_view key, double value);

/// base^exponent by squaring, the same multiplications everywhere.
double whole_power(double base, std::uint64_t exponent);

}  // namespace binade
