#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "model/parameter.hpp"
#include "optim/update_rule.hpp"

namespace binade {

/// Stochastic gradient descent with the operations of torch.optim.SGD in their order:
///
///     g = gradient + weight_decay w  (matrices)
///     m = momentum m + g;  g = g + momentum m  (nesterov)  or  m
///     w = w - learning_rate g
struct sgd_settings {
  static constexpr std::string_view name = "sgd";

  double momentum = 0.9;    ///< 0 <= momentum < 1; 0: none, and no state
  bool nesterov = false;    ///< needs momentum
  double weight_decay = 0;  ///< >= 0, added to the gradient; of matrices

  bool operator==(const sgd_settings&) const = default;
  std::optional<setting_defect> defect() const;
  /// Keys momentum, nesterov and weight_decay.
  static sgd_settings read(const toml_section& s);
  /// All keys but weight_decay.
  setting_lines lines() const;
};

template <class T>
std::unique_ptr<update_rule<T>> make_rule(const sgd_settings& settings, std::span<const parameter<T>> parameters);

}  // namespace binade
