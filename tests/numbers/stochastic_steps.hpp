#pragma once
// Stochastic rounding at every step of a format, all noise values enumerated: what the quick and the full test share.

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "binade/array_rounder.hpp"
#include "binade/fast_round.hpp"
#include "numbers/small_formats.hpp"

namespace judged {

/// Inputs between value(below) and value(below + 1): both ends, the eighths, one place between two of 2^8 noise steps,
/// and the doubles beside both ends.
inline std::vector<double> places_within(const oracle::grid& g, std::uint64_t below) {
  const double low = to_double(g.value(below)), high = to_double(g.value(below + 1)), step = high - low;
  std::vector<double> inputs{low, std::nextafter(low, HUGE_VAL), std::nextafter(high, 0.0)};
  for (int eighth = 1; eighth < 8; ++eighth) inputs.push_back(low + step * eighth / 8);
  inputs.push_back(low + step * 0x1.55p-3);
  std::erase_if(inputs, [](double x) { return !std::isfinite(x); });
  return inputs;
}

/// Judges every noise value of `noise_bits` bits for x and -x under each stochastic mode and the overflow rules given:
/// each single result, and that exactly as many as the closed form says go up.  double through the reference, float
/// through the reference and, where they cover the format, the vector loops.
inline void judge_all_noise(const named_grid& f, double x, int noise_bits, std::span<const oracle::beyond> overflows,
                            oracle::tally& seen) {
  const codec convert{format_of(f.grid)};
  const auto all = std::uint32_t{1} << noise_bits;
  const bool is_float = static_cast<double>(static_cast<float>(x)) == x;
  const oracle::place p = oracle::locate(f.grid, oracle::magnitude_of(x));
  for (const oracle::mode m : stochastic_modes) {
    std::uint64_t ups = 0;
    for (std::uint32_t noise = 0; noise < all; ++noise)
      ups += oracle::goes_up(p, {.rounding = m, .noise_bits = noise_bits}, false, noise);
    ASSERT_EQ(ups, oracle::stochastic_ups(p, m, noise_bits)) << f.name << " " << x;
    for (const oracle::beyond b : overflows) {
      const oracle::rule r{.rounding = m, .noise_bits = noise_bits, .overflow = b};
      const binade::element e = element_of(format_of(f.grid), r);
      const bool covered = is_float && binade::fast_rounder::covers(e);
      const binade::detail::array_rounder rounder(e);
      for (const double signed_x : {x, -x}) {
        std::vector<std::uint32_t> noises(all), codes(all);
        std::vector<float> values(all);
        for (std::uint32_t noise = 0; noise < all; ++noise) noises[noise] = noise;
        if (covered) {
          const std::vector<float> inputs(all, static_cast<float>(signed_x));
          rounder.encode(inputs.data(), noises.data(), codes.data(), all);
          rounder.quantize(inputs.data(), noises.data(), values.data(), all);
        }
        for (std::uint32_t noise = 0; noise < all; ++noise) {
          expect_none(f.name, oracle::judge(f.grid, r, signed_x, p, noise, convert, seen));
          if (is_float)
            expect_none(f.name, oracle::judge(f.grid, r, static_cast<float>(signed_x), p, noise, convert, seen));
          if (covered)
            expect_none(f.name, oracle::judge(
                                    f.grid, r, static_cast<float>(signed_x), p, noise,
                                    [&](const oracle::rule&, float, std::uint32_t n) {
                                      return oracle::converted{
                                          .code = codes[n], .value = static_cast<double>(values[n]), .refused = false};
                                    },
                                    seen));
        }
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

}  // namespace judged
