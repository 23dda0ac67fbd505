#pragma once
// The rounding modes and the one decision that each of them is.

#include <cstdint>

#include "binade/config.hpp"

namespace binade {

/// Where a number between two codes goes; rounds_away() decides.  (IEEE 754-2019, 4.3; P3109 4.0, projection)
enum class rounding_mode : std::uint8_t {
  nearest_even,  ///< rne: ties to the even *code*
  nearest_away,  ///< rna: ties to the larger magnitude
  toward_zero,   ///< rtz
  up,            ///< rup: toward +infinity
  down,          ///< rdn: toward -infinity
  to_odd,        ///< rto: what is not exact goes to the odd code
  stochastic_a,  ///< sr:  floor(nu 2^N) + R >= 2^N               (P3109 StochasticA)
  stochastic_b,  ///< srb: floor(nu 2^(N+1)) + 2R + 1 >= 2^(N+1)  (P3109 StochasticB)
  stochastic_c,  ///< src: RNE-to-integer(nu 2^N) + R >= 2^N      (P3109 StochasticC)
};

/// True if the mode takes noise.
BINADE_HD constexpr bool is_stochastic(rounding_mode mode) {
  return mode == rounding_mode::stochastic_a || mode == rounding_mode::stochastic_b ||
         mode == rounding_mode::stochastic_c;
}

/// True if the mode takes no finite magnitude of this sign beyond the largest finite value: the inward directions, and
/// to_odd, which stops there whatever the parity (P3109's SatNone differs: where_beyond()).
BINADE_HD constexpr bool is_inward(rounding_mode mode, bool negative) {
  return mode == rounding_mode::toward_zero || mode == rounding_mode::to_odd ||
         (mode == rounding_mode::up && negative) || (mode == rounding_mode::down && !negative);
}

/// True if a magnitude between two neighbouring codes goes to the upper one.
///
/// nu = (tail + something in [0, 1) that is 0 exactly if !sticky) / 2^64 is its place between them, 0 <= nu < 1.
/// Ties and to_odd look at the parity of the lower *code*: with precision 1 the significand has none.
/// @param noise       R of the stochastic modes, uniform in [0, 2^noise_bits)
/// @param noise_bits  N, 1..32
/// Source: IEEE 754-2019, 4.3; IEEE P3109 4.0, projection.
BINADE_HD constexpr bool rounds_away(rounding_mode mode, std::uint64_t tail, bool sticky, bool code_is_odd,
                                     bool negative, std::uint32_t noise = 0, int noise_bits = 32) {
  constexpr std::uint64_t half = std::uint64_t(1) << 63;
  const bool exact = tail == 0 && !sticky;
  switch (mode) {
    case rounding_mode::nearest_even:
      return tail > half || (tail == half && (sticky || code_is_odd));
    case rounding_mode::nearest_away:
      return tail >= half;
    case rounding_mode::toward_zero:
      return false;
    case rounding_mode::up:
      return !exact && !negative;
    case rounding_mode::down:
      return !exact && negative;
    case rounding_mode::to_odd:
      return !exact && !code_is_odd;
    case rounding_mode::stochastic_a:
      return (tail >> (64 - noise_bits)) + noise >= std::uint64_t(1) << noise_bits;
    case rounding_mode::stochastic_b:
      return (tail >> (63 - noise_bits)) + 2 * std::uint64_t(noise) + 1 >= std::uint64_t(2) << noise_bits;
    case rounding_mode::stochastic_c: {
      const std::uint64_t kept = tail >> (64 - noise_bits), rest = tail << noise_bits;
      const bool up = rest > half || (rest == half && (sticky || kept % 2 == 1));
      return kept + std::uint64_t(up) + noise >= std::uint64_t(1) << noise_bits;
    }
  }
  return false;
}

}  // namespace binade
