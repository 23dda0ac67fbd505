#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/parallel.hpp"
#include "recipe/optimizer_formats.hpp"

namespace binade {

/// One array at its update.
template <class T>
struct update_target {
  std::size_t index;  ///< of the parameter
  bool is_matrix;     ///< two sizes or more; biases and weights of norms are none
  std::span<const T> gradient;
  std::span<T> weight;
  std::span<const std::span<T>> states;  ///< in the order of update_rule::states()
};

/// What an update was like, as far as the arithmetic of an optimizer knows such numbers.
struct update_sizes {
  std::optional<double> gradient_ratio = {};  ///< root mean of g^2 / max(v, epsilon^2), v free of its bias: far above 1
                                              ///< where v is out of date.  (RMS_t of Wortsman et al. 2023,
                                              ///< arXiv 2304.13013)
  std::optional<double> step_rms = {};        ///< root mean square of the change over the learning rate, without decay
  std::optional<double> over_epsilon = {};    ///< root mean square of the gradient over epsilon
};

/// The arithmetic of an optimizer, array by array: it keeps nothing that a checkpoint would have to hold.
template <class T>
class update_rule {
 public:
  virtual ~update_rule() = default;
  /// The states of every array, of the weight's shape and zero at first; at most two.
  virtual std::span<const optimizer_state> states() const = 0;
  /// Works out the factors of a step: in double from these numbers alone, then rounded to T.
  /// @param number           of the step, from 1
  /// @param gradient_factor  multiplies every gradient first
  virtual void begin(std::uint64_t number, double learning_rate, double gradient_factor) = 0;
  /// Updates weight and states in place.
  virtual void apply(thread_pool& pool, const update_target<T>& target) const = 0;
  /// What apply() did, which has just been called with the same target.
  virtual update_sizes measure([[maybe_unused]] thread_pool& pool,
                               [[maybe_unused]] const update_target<T>& target) const {
    return {};
  }
};

/// Why the settings of an optimizer are impossible: "KEY WHY".
struct setting_defect {
  std::string_view key;
  std::string why;
};

/// @throws std::invalid_argument that names optimizer, setting, value and what is valid
template <class Settings>
void validate(const Settings& settings) {
  if (const std::optional<setting_defect> d = settings.defect())
    throw std::invalid_argument(std::string(Settings::name) + ": " + std::string(d->key) + " " + d->why);
}

/// Keys of a training file and their values, every default spelled out.
using setting_lines = std::vector<std::pair<std::string_view, std::string>>;

}  // namespace binade
