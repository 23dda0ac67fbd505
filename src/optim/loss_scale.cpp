#include "optim/loss_scale.hpp"

#include <bit>

namespace binade {
namespace {

bool is_power_of_two(double x) {
  constexpr std::uint64_t fraction = (std::uint64_t(1) << 52) - 1;
  return x >= loss_scale::smallest && x <= loss_scale::largest && (std::bit_cast<std::uint64_t>(x) & fraction) == 0;
}

}  // namespace

std::optional<loss_scaling_settings::defect_found> loss_scaling_settings::defect() const {
  if (!is_power_of_two(scale)) return defect_found{"scale", "must be a power of two, 2^-100 to 2^100"};
  if (!is_power_of_two(growth) || growth <= 1) return defect_found{"growth", "must be a power of two, more than 1"};
  if (!is_power_of_two(backoff) || backoff >= 1) return defect_found{"backoff", "must be a power of two, less than 1"};
  if (interval < 1) return defect_found{"interval", "must be at least 1"};
  return {};
}

bool loss_scale::update(bool overflowed) {
  if (settings_.how != loss_scaling_settings::kind::dynamic) return true;
  if (overflowed) {
    steps_ = 0;
    if (scale_ * settings_.backoff < smallest) return false;
    scale_ *= settings_.backoff;
    return true;
  }
  if (++steps_ < settings_.interval) return true;
  steps_ = 0;
  if (scale_ * settings_.growth <= largest) scale_ *= settings_.growth;
  return true;
}

}  // namespace binade
