#pragma once

#include <cstdint>

namespace binade {

/// A bijection of 64-bit integers that scatters neighbours: one step of SplitMix64 (Steele, Lea, Flood 2014).
constexpr std::uint64_t mix(std::uint64_t z) {
  z += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}
static_assert(mix(0) == 0xE220A8397B1DCDAFu);  // first output of SplitMix64 seeded with 0

/// floor(u n / 2^64): below n, and uniform to within n / 2^64 where u is uniform.
constexpr std::uint64_t scaled_below(std::uint64_t u, std::uint64_t n) {
  __extension__ using wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<wide>(u) * n) >> 64);
}
static_assert(scaled_below(~std::uint64_t{0}, 10) == 9 && scaled_below(0, 10) == 0);

/// The seed for the purpose `tag` of everything that starts from `seed`.  Different tags give unrelated seeds.
constexpr std::uint64_t derived_seed(std::uint64_t seed, std::uint64_t tag) {
  return mix(mix(seed) ^ tag);
}

/// The three independent seeds of a trial.  Trials of equal seed share all three, whatever their recipe: they start
/// from the same weights, read the same data and draw the same rounding noise where they round alike.
struct trial_seeds {
  std::uint64_t initialization, data, rounding;

  static constexpr trial_seeds from(std::uint64_t trial_seed) {
    return {derived_seed(trial_seed, 0x100), derived_seed(trial_seed, 0x101), derived_seed(trial_seed, 0x102)};
  }
};

}  // namespace binade
