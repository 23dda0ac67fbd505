#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace binade {

/// How the loss is scaled before the backward pass, so that gradients do not underflow in their formats.
struct loss_scaling_settings {
  enum class kind : std::uint8_t { none, fixed, dynamic };
  kind how = kind::none;
  double scale = 65536;          ///< the first one; a power of two, 2^-100 to 2^100
  double growth = 2;             ///< dynamic: a power of two, more than 1
  double backoff = 0.5;          ///< dynamic: a power of two, less than 1
  std::int64_t interval = 2000;  ///< dynamic: steps without overflow before the scale grows, >= 1

  bool operator==(const loss_scaling_settings&) const = default;

  struct defect_found {
    std::string_view key, why;
  };
  std::optional<defect_found> defect() const;
};

/// The scale of the loss and how it changes: torch.amp.GradScaler's rule.  All factors are powers of two, so that
/// scaling and its undoing change no bit of a gradient that neither overflows nor underflows.
class loss_scale {
 public:
  static constexpr double smallest = 0x1p-100, largest = 0x1p100;

  explicit loss_scale(const loss_scaling_settings& settings)
      : settings_(settings), scale_(settings.how == loss_scaling_settings::kind::none ? 1 : settings.scale) {}

  bool is_on() const { return settings_.how != loss_scaling_settings::kind::none; }
  double scale() const { return scale_; }
  /// Steps since the scale last changed.
  std::int64_t steps_without_overflow() const { return steps_; }

  /// After a step.  Overflow multiplies the scale by `backoff`, `interval` steps without one by `growth`; it stays
  /// between smallest and largest.
  /// @returns false if it cannot become smaller: the overflow does not come from the scale
  bool update(bool overflowed);

  void restore(double scale, std::int64_t steps_without_overflow) {
    scale_ = scale;
    steps_ = steps_without_overflow;
  }

 private:
  loss_scaling_settings settings_;
  double scale_;
  std::int64_t steps_ = 0;
};

}  // namespace binade
