#pragma once
// Unsigned integers of 128 bits.

#include <cstdint>

#include "binade/config.hpp"

namespace binade::detail {

/// An unsigned integer of 128 bits: what standard C++ does not have, on the host and the device alike.
struct uint128 {
  std::uint64_t high = 0, low = 0;

  bool operator==(const uint128&) const = default;
  BINADE_HD constexpr bool is_zero() const { return (high | low) == 0; }
};

BINADE_HD constexpr bool less(uint128 a, uint128 b) {
  return a.high < b.high || (a.high == b.high && a.low < b.low);
}
/// Modulo 2^128.
BINADE_HD constexpr uint128 plus(uint128 a, uint128 b) {
  const std::uint64_t low = a.low + b.low;
  return {a.high + b.high + std::uint64_t(low < a.low), low};
}
/// Modulo 2^128.
BINADE_HD constexpr uint128 minus(uint128 a, uint128 b) {
  return {a.high - b.high - std::uint64_t(a.low < b.low), a.low - b.low};
}
/// @pre 0 <= n < 128
BINADE_HD constexpr uint128 shifted_left(uint128 a, int n) {
  if (n == 0) return a;
  if (n >= 64) return {a.low << (n - 64), 0};
  return {a.high << n | a.low >> (64 - n), a.low << n};
}
/// @pre 0 <= n < 128
BINADE_HD constexpr uint128 shifted_right(uint128 a, int n) {
  if (n == 0) return a;
  if (n >= 64) return {0, a.high >> (n - 64)};
  return {a.high >> n, a.low >> n | a.high << (64 - n)};
}
BINADE_HD constexpr uint128 product(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t mask = 0xffffffff;
  const std::uint64_t ll = (a & mask) * (b & mask), lh = (a & mask) * (b >> 32), hl = (a >> 32) * (b & mask),
                      hh = (a >> 32) * (b >> 32);
  const std::uint64_t middle = (ll >> 32) + (lh & mask) + (hl & mask);  // below 3 * 2^32
  return {hh + (lh >> 32) + (hl >> 32) + (middle >> 32), middle << 32 | (ll & mask)};
}

}  // namespace binade::detail
