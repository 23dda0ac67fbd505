#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "model/parameter.hpp"
#include "optim/update_rule.hpp"

namespace binade {

/// AdamW with the operations of torch.optim.AdamW in their order.  (Loshchilov and Hutter 2019)
struct adamw_settings {
  static constexpr std::string_view name = "adamw";

  double beta1 = 0.9, beta2 = 0.95;  ///< 0 <= beta < 1
  double epsilon = 1e-8;             ///< > 0
  double weight_decay = 0.1;  ///< >= 0, times the learning rate; of matrices: biases and norm weights do not decay

  bool operator==(const adamw_settings&) const = default;
  std::optional<setting_defect> defect() const;
  /// Keys betas, epsilon and weight_decay; what is missing has its default.
  static adamw_settings read(const toml_section& s);
  /// All keys but weight_decay.
  setting_lines lines() const;
};

template <class T>
std::unique_ptr<update_rule<T>> make_rule(const adamw_settings& settings, std::span<const parameter<T>> parameters);

}  // namespace binade
