#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace binade {

/// How the learning rate goes on after the warm-up.
enum class schedule_shape : std::uint8_t {
  cosine,    ///< half a cosine down to a fraction of the peak
  linear,    ///< a line down to it
  constant,  ///< the peak to the end
  wsd,       ///< the peak, then down to the fraction in the last steps (warmup-stable-decay)
};
/// By enumerator: their names in training files.
inline constexpr std::array<std::string_view, 4> schedule_names{"cosine", "linear", "constant", "wsd"};

/// How the last steps of wsd fall: 1 - x, or 1 - sqrt(x).  (Hägele et al. 2024, arXiv 2405.18392)
enum class decay_shape : std::uint8_t { linear, one_minus_sqrt };
inline constexpr std::array<std::string_view, 2> decay_names{"linear", "1-sqrt"};

/// Linear warm-up to the peak, then as `shape` says.
struct learning_rate_schedule {
  double peak;
  std::uint64_t steps;          ///< of the whole run
  std::uint64_t warmup = 0;     ///< steps of warm-up, at most `steps`
  double final_fraction = 0.1;  ///< of the peak, 0 to 1; of no effect where the shape is constant
  schedule_shape shape = schedule_shape::cosine;
  double decay = 0.2;  ///< wsd: share of all steps that fall, rounded to whole steps, more than 0, up to 1
  decay_shape fall = decay_shape::linear;

  /// Steps of wsd that fall.
  std::uint64_t decay_steps() const;

  /// @throws std::invalid_argument that names the field, the value and what is valid
  void validate() const;

  /// The learning rate of a step counted from 0:  peak (step + 1) / warmup  during warm-up, then
  ///
  ///     cosine, linear  peak (f + (1 - f) h(x)),  x = (step - warmup) / (steps - warmup)
  ///     wsd             the same with x = (step - s) / (steps - s) from s = steps - decay_steps() on; before, peak
  ///     constant        peak
  ///
  /// f = final_fraction; h(x) = (1 + cos(pi x)) / 2, 1 - x or 1 - sqrt(x).  Beyond the last step peak f, or peak.  In
  /// double, with binade's own cosine: the same bits everywhere.
  double at(std::uint64_t step) const;
};

}  // namespace binade
