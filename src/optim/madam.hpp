#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "model/parameter.hpp"
#include "optim/update_rule.hpp"

namespace binade {

/// LNS-Madam: a multiplicative update, a step of equal size on a logarithmic grid whatever the weight.
/// (Bernstein et al. 2020, arXiv 2006.14560; Zhao et al. 2021, arXiv 2106.13914, as in its released optimizer)
///
///     v = beta v + (1 - beta) g^2;   r = g / sqrt(v / (1 - beta^t)), 0 where g is 0, within +-largest_step
///     r = r rounded to an integer, ties to even  (whole_steps)
///     w = w 2^(-learning_rate r sign(w)) (1 - learning_rate weight_decay), within +-weight_limit rms(w at first)
///
/// Signs never change and a zero stays zero; so biases and norm weights (no matrices), which start at zero or one, take
/// the additive step w - learning_rate r instead, without limit: a choice of this project.
struct madam_settings {
  static constexpr std::string_view name = "madam";

  double beta = 0.999;       ///< 0 <= beta < 1
  double largest_step = 10;  ///< > 0, at most 2^30
  bool whole_steps = true;
  double weight_limit = 3;  ///< times the root mean square of the initial array; 0: no limit
  double weight_decay = 0;  ///< >= 0, times the learning rate; of matrices

  bool operator==(const madam_settings&) const = default;
  std::optional<setting_defect> defect() const;
  /// Keys beta, largest_step, whole_steps, weight_limit and weight_decay.
  static madam_settings read(const toml_section& s);
  /// All keys but weight_decay.
  setting_lines lines() const;
};

/// @param parameters  hold their initial values, which the limits of the weights follow from
template <class T>
std::unique_ptr<update_rule<T>> make_rule(const madam_settings& settings, std::span<const parameter<T>> parameters);

}  // namespace binade
