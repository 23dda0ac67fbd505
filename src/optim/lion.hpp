#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "model/parameter.hpp"
#include "optim/update_rule.hpp"

namespace binade {

/// Lion: the sign of an interpolated momentum.  (Chen et al. 2023, arXiv 2302.06675, algorithm 2)
///
///     w = w (1 - learning_rate weight_decay) - learning_rate sign(beta1 m + (1 - beta1) g)
///     m = beta2 m + (1 - beta2) g
///
/// sign(0) = 0.  Matrices alone decay.
struct lion_settings {
  static constexpr std::string_view name = "lion";

  double beta1 = 0.9, beta2 = 0.99;  ///< 0 <= beta < 1
  double weight_decay = 0.1;         ///< >= 0, times the learning rate

  bool operator==(const lion_settings&) const = default;
  std::optional<setting_defect> defect() const;
  /// Keys betas and weight_decay.
  static lion_settings read(const toml_section& s);
  /// All keys but weight_decay.
  setting_lines lines() const;
};

template <class T>
std::unique_ptr<update_rule<T>> make_rule(const lion_settings& settings, std::span<const parameter<T>> parameters);

}  // namespace binade
