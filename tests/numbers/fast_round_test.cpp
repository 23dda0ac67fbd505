#include "binade/fast_round.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "binade/catalogue.hpp"
#include "numbers/fast_round_points.hpp"

namespace binade {
namespace {

using testing::disagreement;
using testing::sequence;

/// Every value, every midpoint, the floats beside both, specials, and random bits around the format's range.
std::vector<float> points(const float_format& f, sequence& random) {
  std::vector<float> x = {0.0f,      -0.0f,      0x1p-149f,     -0x1p-149f,      0x1p-126f,       -0x1p-126f,
                          HUGE_VALF, -HUGE_VALF, std::nanf(""), -std::nanf("5"), 0x1.fffffep127f, -0x1.fffffep127f};
  const std::uint64_t codes = f.max_finite_code() + 1, step = std::max<std::uint64_t>(1, codes / 64);
  for (std::uint64_t c = 0; c < codes; c += step) {
    const double below = c == 0 ? 0 : f.value(c - 1), value = f.value(c), middle = below + (value - below) / 2;
    for (const double v : {value, middle, f.max_finite() + (value - below) / 2}) {
      const float near = float(v);
      for (const float t : {near, std::nextafter(near, 0.0f), std::nextafter(near, HUGE_VALF)}) {
        x.push_back(t);
        x.push_back(-t);
      }
    }
  }
  const int lowest = std::clamp(f.min_exponent() + 127 - 60, 0, 254);
  for (int i = 0; i < 256; ++i) {
    const std::uint32_t field = std::uint32_t(lowest) + random() % 80;
    x.push_back(std::bit_cast<float>((random() & 0x807fffff) | std::min(field, 255u) << 23));
  }
  return x;
}

std::vector<std::uint32_t> noise_for(const element& e, std::size_t count, sequence& random) {
  std::vector<std::uint32_t> noise(count);
  for (std::size_t i = 0; i < count; ++i)
    noise[i] = (i % 5 == 0 ? 0xffffffff : i % 7 == 0 ? 0 : random()) >> (32 - e.noise_bits);
  return noise;
}

std::vector<float_format> formats_to_judge() {
  std::vector<float_format> list;
  for (const named_format& entry : catalogue) list.push_back(entry.format);
  for (int exponent_bits = 1; exponent_bits <= 8; ++exponent_bits)
    for (int trailing = 0; trailing <= 23; ++trailing)
      for (const int shift : {0, 3, 20, -20, -60, 70}) {
        const int bias = ieee_bias(exponent_bits) + shift;
        for (const float_format& f :
             {ieee_format(exponent_bits, trailing, bias), fn_format(exponent_bits, trailing, bias),
              fnuz_format(exponent_bits, trailing, bias), finite_format(exponent_bits, trailing, bias)})
          if (defect(f).empty()) list.push_back(f);
      }
  for (int width = 3; width < 10; ++width)
    for (int precision = 1; precision < width; ++precision)
      for (const bool extended : {false, true}) list.push_back(p3109_format(width, precision, true, extended));
  return list;
}

TEST(fast_round, equals_the_reference_at_every_step_of_the_staircase) {
  sequence random{1};
  std::size_t covered = 0;
  for (const float_format& f : formats_to_judge()) {
    if (!fast_rounder::covers({f})) continue;
    ++covered;
    const std::vector<float> x = points(f, random);
    for (const rounding_mode mode : testing::all_modes())
      for (const auto overflow : {overflow_rule::saturate, overflow_rule::propagate, overflow_rule::infinity,
                                  overflow_rule::nan, overflow_rule::spec})
        for (const auto subnormals :
             {subnormal_rule::gradual, subnormal_rule::flush_results, subnormal_rule::flush_inputs})
          for (const int noise_bits : {32, 31, 17, 8, 1}) {
            const element e{f, mode, noise_bits, overflow, subnormals};
            // A part of the combinations, another part for each format.
            if (!defect(e).empty() || random() % 40 != 0) continue;
            const auto noise = noise_for(e, x.size(), random);
            if (const auto found = disagreement(e, x, noise)) FAIL() << *found;
          }
  }
  EXPECT_GT(covered, 3000u);
}

TEST(fast_round, all_named_signed_formats_of_up_to_32_bits_with_subnormals_are_covered) {
  for (const named_format& entry : catalogue)
    EXPECT_EQ(fast_rounder::covers({entry.format}),
              entry.format.is_signed && entry.format.width <= 32 && entry.format.has_subnormals)
        << entry.name;
}

TEST(fast_round, every_vector_width_gives_the_same_bits) {
  sequence random{2};
  for (const float_format& f : {formats::e4m3fn, formats::e5m2, formats::e2m1fn, formats::e8m7, formats::e5m10})
    for (const rounding_mode mode : testing::all_modes()) {
      const element e{.format = f, .rounding = mode};
      const fast_rounder rounder(e);
      const std::vector<float> x = points(f, random);
      const auto noise = noise_for(e, x.size(), random);
      std::vector<float> narrow(x.size()), wide(x.size());
      detail::with_mode(mode, [&]<rounding_mode Mode>() {
        for (std::size_t i = 0; i < x.size(); ++i)
          narrow[i] = std::bit_cast<float>(rounder.value<Mode>(std::bit_cast<std::uint32_t>(x[i]), noise[i]));
      });
      const auto check = [&](const char* version) {
        for (std::size_t i = 0; i < x.size(); ++i)
          ASSERT_EQ(std::bit_cast<std::uint32_t>(wide[i]), std::bit_cast<std::uint32_t>(narrow[i]))
              << version << " " << x[i];
      };
      detail::fast_quantize(rounder, mode, x.data(), noise.data(), wide.data(), x.size());
      check("best");
#ifdef BINADE_WIDE_256
      detail::with_mode(mode, [&]<rounding_mode Mode>() {
        using body = detail::quantize_body<Mode>;
        detail::run_128<body>(&rounder, x.data(), noise.data(), wide.data(), x.size());
        check("128");
        if (detail::vector_bits() < 256) return;
        detail::run_256<body>(&rounder, x.data(), noise.data(), wide.data(), x.size());
        check("256");
      });
#endif
    }
}

TEST(array_rounder, takes_special_values_at_every_place_of_an_array_of_any_length_and_alignment_in_place_too) {
  sequence random{3};
  const std::vector<element> elements = {
      {formats::e4m3fn},
      {formats::e8m7},
      {formats::e5m10},
      {formats::e4m3fnuz},
      {.format = formats::e4m3fn, .rounding = rounding_mode::toward_zero},
      {.format = formats::e5m10, .rounding = rounding_mode::up},
      {.format = formats::e8m7, .rounding = rounding_mode::to_odd},
      {.format = formats::e5m2, .rounding = rounding_mode::down, .overflow = overflow_rule::spec},
      {.format = formats::e5m2fnuz, .rounding = rounding_mode::stochastic_a, .noise_bits = 8}};
  const std::vector<float> specials = {std::nanf(""), -std::nanf("5"), std::bit_cast<float>(0x7f800001u), HUGE_VALF,
                                       -HUGE_VALF,    -0.0f,           std::bit_cast<float>(0xff800001u), 0x1p-149f,
                                       -0x1p-149f,    0x1.fffffep127f};
  for (const element& e : elements) {
    const detail::array_rounder rounder(e);
    ASSERT_TRUE(rounder.works_in_place());
    for (std::size_t count = 0; count < 150; count += count < 70 ? 1 : 13)
      for (const std::size_t offset : {0u, 1u, 7u}) {
        std::vector<float> x(count + offset), values(count + offset + 1, 5.0f);
        std::vector<std::uint8_t> codes(256, 0xa5);
        for (float& v : x) v = float(std::int32_t(random())) * 0x1p-28f;
        if (count != 0) x[offset + random() % count] = specials[random() % specials.size()];
        if (count > 80) x[offset + random() % count] = specials[random() % specials.size()];
        const auto noise = noise_for(e, count, random);
        std::vector<float> in_place = x;
        rounder.quantize(x.data() + offset, noise.data(), values.data() + offset, count);
        rounder.quantize(in_place.data() + offset, noise.data(), in_place.data() + offset, count);
        const bool has_nan = std::any_of(x.begin() + std::ptrdiff_t(offset), x.end(), [](float v) { return v != v; });
        std::vector<std::uint16_t> wide(count);
        EXPECT_GE(rounder.encode(x.data() + offset, noise.data(), wide.data(), count), has_nan);
        if (e.format.width == 8) rounder.encode(x.data() + offset, noise.data(), codes.data(), count);
        for (std::size_t i = 0; i < count; ++i) {
          const auto want = std::bit_cast<std::uint32_t>(round(e, x[offset + i], noise[i]));
          ASSERT_EQ(std::bit_cast<std::uint32_t>(values[offset + i]), want) << x[offset + i] << " of " << count;
          ASSERT_EQ(std::bit_cast<std::uint32_t>(in_place[offset + i]), want) << x[offset + i] << " of " << count;
          ASSERT_EQ(wide[i], encode(e, x[offset + i], noise[i])) << x[offset + i] << " of " << count;
          ASSERT_EQ(codes[i], e.format.width == 8 ? wide[i] : 0xa5);
        }
        ASSERT_EQ(values[offset + count], 5.0f);
        ASSERT_EQ(codes[count], 0xa5);
      }
  }
}

}  // namespace
}  // namespace binade
