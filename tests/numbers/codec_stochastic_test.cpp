// Stochastic rounding, judged by enumerating the noise: of the 2^N noise values exactly as many round up as P3109's
// closed forms say.

#include <random>

#include "numbers/judged.hpp"

namespace {

using oracle::mode;

constexpr mode stochastic_modes[] = {mode::stochastic_a, mode::stochastic_b, mode::stochastic_c};

/// Inputs between value(code) and value(code + 1): simple fractions, the steps of N noise bits, their halves and a
/// little beside them, and the neighbours of both ends; those that a double holds.
std::vector<double> tails(const oracle::grid& g, std::uint64_t code, int noise_bits) {
  const double low = to_double(g.value(code)), step = to_double(g.value(code + 1)) - low;
  const double resolution = std::ldexp(step, -noise_bits);
  std::vector<double> inputs{std::nextafter(low, HUGE_VAL), std::nextafter(low + step, 0.0)};
  for (const double part : {0.25, 0.5, 1.0 / 3, 0.7, 0x1p-20, 1 - 0x1p-20}) inputs.push_back(low + part * step);
  const double last = std::ldexp(1.0, noise_bits) - 1;
  for (const double k : {0.0, 1.0, 2.0, std::floor(last / 2), last - 1, last})
    for (const double part : {0.0, 0.25, 0.5, 0.75, 0x1p-8, 0.5 - 0x1p-8, 0.5 + 0x1p-8})
      inputs.push_back(low + (k + part) * resolution);
  // Just beside a tie of the kept tail, as far below the smallest value as a double's own bits reach.
  if (code == 0)
    for (const double k : {0.5, 1.5, 2.5}) {
      inputs.push_back(std::nextafter(low + k * resolution, 0.0));
      inputs.push_back(std::nextafter(low + k * resolution, HUGE_VAL));
    }
  std::erase_if(inputs, [&](double x) { return !(x >= low && x <= low + step); });
  return inputs;
}

/// Enumerates every noise value for x; each single decision and the count of round-ups must be right.
template <class T>
void enumerate(const std::string& name, const oracle::grid& g, T x, mode m, int noise_bits, oracle::tally& seen) {
  const oracle::rule r{.rounding = m, .noise_bits = noise_bits, .overflow = oracle::beyond::spec};
  const judged::codec codec{judged::format_of(g)};
  const oracle::place p = oracle::locate(g, oracle::magnitude_of(static_cast<double>(x)));
  const std::uint64_t below = codec(r, x, 0).code;
  std::uint64_t ups = 0;
  for (std::uint32_t noise = 0; noise >> noise_bits == 0; ++noise) {
    const auto bad = oracle::judge(g, r, x, p, noise, codec, seen);
    if (bad) return judged::expect_none(name, bad);
    ups += codec(r, x, noise).code != below;
  }
  // Noise 0 goes up only where B or C rounds the tail itself up to 1: then all go up, and none differs from the first.
  const std::uint64_t all = std::uint64_t{1} << noise_bits, want = oracle::stochastic_ups(p, m, noise_bits);
  ASSERT_LE(want, all);
  if (p.code == g.max_code() && !g.has_infinity && !g.has_nan())
    return;  // going up saturates: both answers are the largest finite value
  ASSERT_EQ(ups, want == all ? 0 : want) << name << " " << to_string(r) << " x = " << static_cast<double>(x);
}

std::vector<judged::named_grid> small_grids() {
  std::vector<judged::named_grid> all;
  for (const auto& entry : judged::named_grids())
    if (entry.name == "e4m3fn" || entry.name == "e5m2" || entry.name == "e2m1fn" || entry.name == "e3m0" ||
        entry.name == "e8m0fnu" || entry.name == "e4m3fnuz" || entry.name == "ue4m3" || entry.name == "binary8p1se" ||
        entry.name == "binary8p4ue" || entry.name == "e5m10" || entry.name == "dlfloat16")
      all.push_back(entry);
  return all;
}

/// A few codes of every kind: both ends, a binade's end, the middle.  The one below code 1 is the step up from zero.
std::vector<std::uint64_t> some_steps(const oracle::grid& g) {
  const std::uint64_t binade = std::uint64_t{1} << (g.precision - 1), max = g.max_code();
  std::vector<std::uint64_t> codes{0, 1, binade - 1, binade, 2 * binade - 1, max / 2, max / 2 + 1, max - 1, max};
  return codes;
}

TEST(codec_stochastic, enumerated_noise_of_1_to_8_bits_rounds_up_as_often_as_the_closed_form) {
  oracle::tally seen;
  for (const auto& [name, grid] : small_grids())
    for (const mode m : stochastic_modes)
      for (int bits = 1; bits <= 8; ++bits)
        for (const std::uint64_t code : some_steps(grid))
          for (const double x : tails(grid, code, bits)) {
            enumerate(name, grid, x, m, bits, seen);
            if (grid.is_signed && bits <= 4) enumerate(name, grid, -x, m, bits, seen);
            if (static_cast<double>(static_cast<float>(x)) == x && bits <= 6)
              enumerate(name, grid, static_cast<float>(x), m, bits, seen);
            if (HasFatalFailure()) return;
          }
  RecordProperty("conversions", std::to_string(seen.conversions));
}

TEST(codec_stochastic, enumerated_noise_of_16_bits_rounds_up_as_often_as_the_closed_form) {
  oracle::tally seen;
  for (const char* name : {"e4m3fn", "e2m1fn"}) {
    const oracle::grid grid = judged::golden().at(name).definition();
    for (const mode m : stochastic_modes)
      for (const std::uint64_t code : {std::uint64_t{0}, std::uint64_t{3}, grid.max_code()})
        for (const double part : {0x1p-17, 0x1p-16, 0x1.8p-16, 0.3, 0.5, 1 - 0x1p-17}) {
          const double low = to_double(grid.value(code)), step = to_double(grid.value(code + 1)) - low;
          enumerate(name, grid, low + part * step, m, 16, seen);
          if (HasFatalFailure()) return;
        }
  }
  RecordProperty("conversions", std::to_string(seen.conversions));
}

TEST(codec_stochastic, decisions_of_any_number_of_noise_bits_change_exactly_at_the_closed_form) {
  // Too many values to enumerate: up is monotone in the noise, so the last value that stays and the first that goes
  // decide.
  oracle::tally seen;
  for (const auto& [name, grid] : small_grids())
    for (const mode m : stochastic_modes)
      for (int bits = 1; bits <= 32; ++bits) {
        const oracle::rule r{.rounding = m, .noise_bits = bits, .overflow = oracle::beyond::spec};
        for (const std::uint64_t code : some_steps(grid))
          for (const double x : tails(grid, code, bits)) {
            const oracle::place p = oracle::locate(grid, oracle::magnitude_of(x));
            const std::uint64_t all = std::uint64_t{1} << bits, stays = all - oracle::stochastic_ups(p, m, bits);
            for (const std::uint64_t noise : {std::uint64_t{0}, stays - 1, stays, all - 1})
              if (noise < all)
                judged::expect_none(name, oracle::judge(grid, r, x, p, static_cast<std::uint32_t>(noise),
                                                        judged::codec{judged::format_of(grid)}, seen));
          }
        if (HasFailure()) return;
      }
  RecordProperty("conversions", std::to_string(seen.conversions));
}

TEST(codec_stochastic, exact_inputs_never_move) {
  oracle::tally seen;
  for (const auto& [name, grid] : judged::named_grids())
    for (const mode m : stochastic_modes)
      for (const int bits : {1, 2, 8, 23, 32}) {
        const oracle::rule r{.rounding = m, .noise_bits = bits, .overflow = oracle::beyond::spec};
        const judged::codec codec{judged::format_of(grid)};
        const auto last = static_cast<std::uint32_t>((std::uint64_t{1} << bits) - 1);
        for (const std::uint64_t code : oracle::steps_of(grid, 256))
          for (const std::uint32_t noise : {0u, last / 2, last}) {
            const double x = to_double(grid.value(code));
            ++seen.conversions;
            ASSERT_EQ(codec(r, x, noise).code, code) << name << " " << to_string(r) << " noise " << noise;
          }
      }
  RecordProperty("conversions", std::to_string(seen.conversions));
}

TEST(codec_stochastic, deep_underflow_rounds_up_as_often_as_the_closed_form) {
  // Far below the smallest value the kept tail is empty: A and C never go up, and B goes for the last noise only down
  // to half a step.
  oracle::tally seen;
  for (const auto& [name, grid] : small_grids()) {
    const oracle::dyadic smallest = grid.value(grid.has_zero ? 1 : 0);
    for (int depth = 1; depth <= 80; ++depth)
      for (const double part : {1.0, 1.5, 1 + 0x1p-52}) {
        const double x = part * oracle::to_double({smallest.significand, smallest.exponent - depth});
        for (const mode m : stochastic_modes)
          for (const int bits : {1, 3, 8}) {
            enumerate(name, grid, x, m, bits, seen);
            if (x >= 0x1p-149 && grid.is_signed) enumerate(name, grid, -static_cast<float>(x), m, bits, seen);
            if (HasFatalFailure()) return;
          }
      }
    for (const double x : {0x1p-1074, 0x1p-1022, 0x1p-149})
      for (const mode m : stochastic_modes) enumerate(name, grid, x, m, 8, seen);
  }
  RecordProperty("conversions", std::to_string(seen.conversions));
}

TEST(codec_stochastic, is_right_for_any_split_bias_and_specials) {
  oracle::tally seen;
  std::mt19937_64 random(5);
  for (const oracle::grid& grid : judged::generic_grids())
    for (const mode m : stochastic_modes) {
      const int bits = 1 + static_cast<int>(random() % 32);
      const std::vector<oracle::rule> rules{{.rounding = m, .noise_bits = bits, .overflow = oracle::beyond::spec}};
      const judged::codec codec{judged::format_of(grid)};
      judged::expect_none("generic", oracle::random_counterexample<double>(grid, rules, random(), 20, codec, seen));
      judged::expect_none("generic", oracle::random_counterexample<float>(grid, rules, random(), 20, codec, seen));
      for (int i = 0; i < 20; ++i) {
        // Random bit patterns hardly meet a narrow format's range: take a place on the grid instead.
        const std::uint64_t code = random() % (grid.max_code() + 1);
        const double low = to_double(grid.value(code)), high = to_double(grid.value(code + 1));
        const double x = low + (high - low) * static_cast<double>(random() >> 11) * 0x1p-53;
        if (!std::isfinite(x)) continue;
        const auto noise = static_cast<std::uint32_t>(random() >> (64 - bits));
        judged::expect_none("generic", oracle::judge(grid, rules[0], x, oracle::locate(grid, oracle::magnitude_of(x)),
                                                     noise, codec, seen));
        const auto narrow = static_cast<float>(x);
        if (!std::isfinite(narrow)) continue;
        judged::expect_none(
            "generic", oracle::judge(grid, rules[0], narrow, oracle::locate(grid, oracle::magnitude_of(narrow)), noise,
                                     codec, seen));
      }
      if (HasFailure()) return;
    }
  RecordProperty("conversions", std::to_string(seen.conversions));
}

TEST(codec_stochastic, a_quarter_of_the_way_goes_up_for_a_quarter_of_the_noise) {
  // By hand: 1.0625 is 1/4 of the way from 1 to 1.25 in e5m2.
  for (const auto m : {binade::rounding_mode::stochastic_a, binade::rounding_mode::stochastic_b,
                       binade::rounding_mode::stochastic_c}) {
    const binade::element e{.format = binade::formats::e5m2, .rounding = m, .noise_bits = 8};
    for (std::uint32_t noise = 0; noise < 256; ++noise)
      EXPECT_EQ(binade::round(e, 1.0625f, noise), noise >= 192 ? 1.25f : 1.0f) << noise;
  }
}

}  // namespace
