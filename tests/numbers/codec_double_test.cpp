// Conversion from double rounds once.  Through float it would round twice, and these inputs would show it.

#include "numbers/judged.hpp"

namespace {

using binade::element;
using binade::encode;
using binade::formats::e4m3fn;
using binade::formats::e8m7;

TEST(codec_double, minus_431_99999999999994_into_e4m3fn_is_minus_416) {
  const double x = -431.99999999999994;
  EXPECT_EQ(encode(element{.format = e4m3fn}, x), 0xfdu);
  EXPECT_EQ(encode(element{.format = e4m3fn}, static_cast<float>(x)), 0xfeu)
      << "float has already rounded it to the tie -432";
}

TEST(codec_double, integer_16973823_into_e8m7_is_16908288) {
  EXPECT_EQ(encode(element{.format = e8m7}, 16973823.0), 0x4b81u);
  EXPECT_EQ(encode(element{.format = e8m7}, 16973823.0f), 0x4b82u) << "float has already rounded it to a tie";
}

/// Both binary64 neighbours of every midpoint, in every format that float could have rounded for: the answer is one of
/// the two codes beside the midpoint, known without arithmetic.
TEST(codec_double, neighbours_of_every_midpoint_go_to_their_own_side) {
  std::uint64_t midpoints = 0, twice_differs = 0;
  for (const auto& [name, grid] : judged::named_grids()) {
    if (grid.precision > 22) continue;
    const binade::float_format f = judged::format_of(grid);
    for (const auto mode : {binade::rounding_mode::nearest_even, binade::rounding_mode::nearest_away}) {
      const element e{.format = f, .rounding = mode, .overflow = binade::overflow_rule::saturate};
      for (const std::uint64_t below : oracle::steps_of(grid, 1 << 15)) {
        if (below == grid.max_code()) continue;
        const double middle = to_double(midpoint(grid.value(below), grid.value(below + 1)));
        ASSERT_EQ(compare(oracle::magnitude_of(middle), midpoint(grid.value(below), grid.value(below + 1))), 0)
            << name << ": the midpoint is a double";
        const double under = std::nextafter(middle, 0), over = std::nextafter(middle, HUGE_VAL);
        ASSERT_EQ(encode(e, under), below) << name << " " << under;
        ASSERT_EQ(encode(e, over), below + 1) << name << " " << over;
        const bool up = mode == binade::rounding_mode::nearest_away || below % 2 == 1;
        ASSERT_EQ(encode(e, middle), below + (up ? 1 : 0)) << name << " " << middle;
        ++midpoints;
        twice_differs +=
            encode(e, static_cast<float>(under)) != below || encode(e, static_cast<float>(over)) != below + 1;
      }
    }
  }
  RecordProperty("midpoints", std::to_string(midpoints));
  RecordProperty("twice_rounded_differs", std::to_string(twice_differs));
  EXPECT_GT(twice_differs, midpoints / 2) << "the inputs must be able to show double rounding";
}

TEST(codec_double, directed_modes_see_what_float_cannot) {
  const double above = std::nextafter(448.0, 1e9), below = std::nextafter(1.0, 0), tiny = 0x1p-1074;
  EXPECT_EQ(
      encode(element{.format = e4m3fn, .rounding = binade::rounding_mode::up, .overflow = binade::overflow_rule::nan},
             above),
      0x7fu);
  EXPECT_EQ(encode(element{.format = e4m3fn, .rounding = binade::rounding_mode::toward_zero}, below), 0x37u);
  EXPECT_EQ(encode(element{.format = e4m3fn, .rounding = binade::rounding_mode::up}, tiny), 0x01u);
  EXPECT_EQ(encode(element{.format = e4m3fn, .rounding = binade::rounding_mode::down}, -tiny), 0x81u);
  EXPECT_EQ(encode(element{.format = e4m3fn, .rounding = binade::rounding_mode::to_odd}, 1 + 0x1p-52), 0x39u);
}

TEST(codec_double, to_odd_through_float_then_to_nearest_is_rounding_once) {
  // The known cure: with two bits more than the target, round-to-odd keeps what decides.
  const element odd{.format = binade::formats::e8m23, .rounding = binade::rounding_mode::to_odd};
  std::uint64_t checked = 0;
  for (const auto& [name, grid] : judged::named_grids()) {
    const binade::float_format f = judged::format_of(grid);
    if (grid.precision > 22 || f.max_exponent() > 100 || f.min_exponent() - f.trailing_bits() < -120) continue;
    const element e{.format = f};
    for (const std::uint64_t below : oracle::steps_of(grid, 4096))
      for (const double x : oracle::both_sides<double>(midpoint(grid.value(below), grid.value(below + 1)))) {
        ASSERT_EQ(encode(e, static_cast<float>(binade::round(odd, x))), encode(e, x)) << name << " " << x;
        ++checked;
      }
  }
  EXPECT_GT(checked, 10000u);
}

}  // namespace
