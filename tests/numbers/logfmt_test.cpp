#include "binade/logfmt.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace binade {
namespace {

struct coded {
  std::vector<std::uint16_t> codes;
  std::vector<logfmt_tile> tiles;
};
coded encoded_of(const logfmt& f, const std::vector<float>& x) {
  coded c{std::vector<std::uint16_t>(x.size(), 0xeeee), std::vector<logfmt_tile>((x.size() + f.tile - 1) / f.tile)};
  encode(f, x, c.codes, c.tiles);
  return c;
}
std::vector<float> decoded(const logfmt& f, const coded& c) {
  std::vector<float> out(c.codes.size());
  decode(f, c.codes, c.tiles, out);
  return out;
}
/// The values of all codes of one tile, in code order.
std::vector<float> values_of(const logfmt& f, const logfmt_tile& tile) {
  const std::size_t count = std::size_t(1) << f.width;
  std::vector<std::uint16_t> codes(count);
  for (std::size_t c = 0; c < count; ++c) codes[c] = std::uint16_t(c);
  std::vector<float> out(count);
  decode({.width = f.width, .tile = std::uint32_t(count)}, codes, std::vector{tile}, out);
  return out;
}

std::vector<float> random_values(std::mt19937_64& engine, std::size_t count, double spread) {
  std::normal_distribution<double> normal;
  std::vector<float> x(count);
  for (float& v : x) v = float(normal(engine) * std::exp(spread * normal(engine)));
  return x;
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

TEST(logfmt, values_are_the_geometric_sequence_between_the_ends) {
  for (const int width : {3, 4, 8, 10, 16})
    for (const auto& [low, high] : {std::pair(1.0f, 2.0f), std::pair(0.003f, 7.25f), std::pair(0x1p-149f, 0x1p-118f),
                                    std::pair(1e30f, std::numeric_limits<float>::max()), std::pair(1.0f, 1.0000001f)}) {
      const std::vector<float> values = values_of({.width = width}, {low, high});
      const std::size_t largest = values.size() / 2 - 1;
      ASSERT_EQ(values[0], 0);
      ASSERT_EQ(values[1], low);
      ASSERT_EQ(values[largest], high);
      for (std::size_t k = 1; k <= largest; ++k) {
        const long double along = static_cast<long double>(k - 1) / static_cast<long double>(largest - 1);
        const long double want =
            std::pow(static_cast<long double>(low), 1 - along) * std::pow(static_cast<long double>(high), along);
        const long double ulp = static_cast<long double>(std::nextafter(values[k], INFINITY)) - values[k];
        ASSERT_LE(std::fabs(values[k] - want), 0.501L * (std::isinf(double(ulp)) ? 0x1p104L : ulp)) << k;
        ASSERT_GE(values[k], values[k - 1]);
        ASSERT_EQ(values[largest + 1 + k], -values[k]);
      }
      ASSERT_TRUE(values[largest + 1] == 0 && std::signbit(values[largest + 1]));
    }
}

TEST(logfmt, ends_of_a_tile_come_back_exactly_and_a_zero_keeps_its_sign) {
  std::mt19937_64 engine(40);
  for (const int width : {3, 8, 10, 13, 16})
    for (int trial = 0; trial < 50; ++trial) {
      std::vector<float> x = random_values(engine, 128, 2);
      x[17] = 0.0f;
      x[18] = -0.0f;
      const coded c = encoded_of({.width = width}, x);
      const std::vector<float> back = decoded({.width = width}, c);
      std::size_t least = 0, most = 0;
      for (std::size_t i = 1; i < x.size(); ++i) {
        if (x[i] != 0 && std::fabs(x[i]) < std::fabs(x[least])) least = i;
        if (std::fabs(x[i]) > std::fabs(x[most])) most = i;
      }
      ASSERT_EQ(c.tiles[0], (logfmt_tile{std::fabs(x[least]), std::fabs(x[most])}));
      ASSERT_EQ(back[least], x[least]);
      ASSERT_EQ(back[most], x[most]);
      ASSERT_EQ(c.codes[17], 0);
      ASSERT_EQ(c.codes[18], 1 << (width - 1));
      for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(std::signbit(back[i]), std::signbit(x[i]));
    }
}

/// All codes are tried but those that repeat a value: the nearest value, of two the upper one if its code is even.
std::uint16_t nearest(const std::vector<float>& values, float x) {
  const std::size_t count = values.size() / 2;
  const double magnitude = std::fabs(double(x));
  std::size_t best = 0;
  for (std::size_t k = 1; k < count; ++k) {
    if (values[k] == values[k - 1]) continue;
    const double distance = std::fabs(magnitude - values[k]), least = std::fabs(magnitude - values[best]);
    if (distance < least || (distance == least && k % 2 == 0)) best = k;
  }
  return std::uint16_t(best + (std::signbit(x) ? count : 0));
}

TEST(logfmt, encode_takes_the_nearest_value_and_ties_go_to_the_even_code) {
  std::mt19937_64 engine(41);
  std::size_t ties = 0;
  for (const int width : {3, 4, 5, 8, 10})
    for (const double spread : {0.0, 1.0, 6.0, 20.0})
      for (int trial = 0; trial < 8; ++trial) {
        std::vector<float> x = random_values(engine, 128, spread);
        // Both sides of every threshold between the ends that these elements give, and the threshold where it is a
        // float.
        const std::vector<float> values = values_of({.width = width}, encoded_of({.width = width}, x).tiles[0]);
        for (std::size_t k = 0; k + 1 < values.size() / 2; ++k) {
          const double sum = double(values[k]) + double(values[k + 1]);
          const float middle = float(sum / 2);
          ties += 2 * double(middle) == sum && values[k] != values[k + 1];
          for (const float v : {std::nextafter(middle, 0.0f), middle, std::nextafter(middle, INFINITY)})
            if (k > 0) x.push_back(engine() % 2 == 0 ? v : -v);
        }
        const logfmt f{.width = width, .tile = std::uint32_t(x.size())};
        const coded c = encoded_of(f, x);
        ASSERT_EQ(values_of(f, c.tiles[0]), values);
        for (std::size_t i = 0; i < x.size(); ++i)
          ASSERT_EQ(c.codes[i], nearest(values, x[i])) << x[i] << ", width " << width;
      }
  EXPECT_GT(ties, 100u);
}

// Fewer floats than codes, or subnormal ones: several codes share a value.
TEST(logfmt, of_codes_that_share_a_value_the_first_is_taken) {
  for (const int width : {3, 5, 8, 12})
    for (const float low : {1.0f, 0x1.ffffecp-1f, 0x1.fffff0p99f, 0x1p-149f})
      for (int count = 1; count <= 60; ++count) {
        std::vector<float> x{low};
        for (int i = 0; i < count; ++i) x.push_back(std::nextafter(x.back(), INFINITY));
        const logfmt f{.width = width};
        const coded c = encoded_of(f, x);
        const std::vector<float> values = values_of(f, c.tiles[0]);
        for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(c.codes[i], nearest(values, x[i])) << x[i];
        if (width == 12 && low > 1e-3f) {
          ASSERT_EQ(decoded(f, c), x);
        }
      }
}

// Half a gap between neighbours, relative to the smaller of them.
TEST(logfmt, relative_error_is_at_most_half_a_step) {
  std::mt19937_64 engine(42);
  for (const int width : {8, 10})
    for (int trial = 0; trial < 100; ++trial) {
      const std::vector<float> x = random_values(engine, 128, 1);
      const coded c = encoded_of({.width = width}, x);
      const std::vector<float> back = decoded({.width = width}, c);
      const double codes = std::ldexp(1.0, width - 1) - 2;
      const double step = std::log(double(c.tiles[0].largest) / double(c.tiles[0].smallest)) / codes;
      for (std::size_t i = 0; i < x.size(); ++i)
        ASSERT_LE(std::fabs(double(back[i]) - x[i]), std::fabs(x[i]) * (std::expm1(step) / 2 + 0x1p-23)) << x[i];
    }
}

// 1 and 2^-40 are further apart than 2^32: the scale begins at 2^-32, and half of that is a tie between codes 0 and 1.
TEST(logfmt, magnitudes_below_the_scale_go_to_its_first_value_or_to_zero) {
  const std::vector<float> x{1, 0x1p-40f, 0x1p-33f, -0x1.000002p-33f, 0x1p-32f, 0x1.8p-33f, -0x1p-149f};
  const coded c = encoded_of({}, x);
  EXPECT_EQ(c.tiles[0], (logfmt_tile{0x1p-32f, 1}));
  EXPECT_EQ(c.codes, (std::vector<std::uint16_t>{127, 0, 0, 129, 1, 1, 128}));
  // Exactly 2^32 apart nothing is raised.
  EXPECT_EQ(encoded_of({}, {0x1p-32f, 1}).tiles[0], (logfmt_tile{0x1p-32f, 1}));
  EXPECT_EQ(encoded_of({}, {0x1.fffffep-33f, 1}).tiles[0], (logfmt_tile{0x1p-32f, 1}));
  // 2^-32 of a small number is subnormal or zero.
  EXPECT_EQ(encoded_of({}, {0x1p-149f, 0x1p-120f}).tiles[0], (logfmt_tile{0x1p-149f, 0x1p-120f}));
}

TEST(logfmt, tiles_of_zeros_and_of_one_magnitude) {
  const coded zeros = encoded_of({.tile = 2}, {0.0f, -0.0f, 3.0f, -3.0f, -0.7f});
  EXPECT_EQ(zeros.tiles, (std::vector<logfmt_tile>{{0, 0}, {3, 3}, {0.7f, 0.7f}}));
  EXPECT_EQ(zeros.codes, (std::vector<std::uint16_t>{0, 128, 1, 129, 129}));
  EXPECT_EQ(decoded({.tile = 2}, zeros), (std::vector<float>{0.0f, -0.0f, 3.0f, -3.0f, -0.7f}));
  // Any code of a tile of zeros is zero.
  for (const float v : values_of({}, {})) EXPECT_EQ(v, 0);
  EXPECT_TRUE(encoded_of({}, {}).codes.empty());
}

TEST(logfmt, tiles_do_not_see_each_other) {
  std::mt19937_64 engine(43);
  const std::vector<float> x = random_values(engine, 5 * 128 + 7, 2);
  const coded all = encoded_of({}, x);
  ASSERT_EQ(all.tiles.size(), 6u);
  for (std::size_t t = 0; t < 6; ++t) {
    const std::size_t first = 128 * t, end = std::min<std::size_t>(first + 128, x.size());
    const coded one =
        encoded_of({}, std::vector<float>(x.begin() + std::ptrdiff_t(first), x.begin() + std::ptrdiff_t(end)));
    EXPECT_EQ(one.tiles[0], all.tiles[t]);
    EXPECT_TRUE(std::equal(one.codes.begin(), one.codes.end(), all.codes.begin() + std::ptrdiff_t(first)));
  }
}

TEST(logfmt, the_search_on_values_equals_that_in_a_table) {
  std::mt19937_64 engine(44);
  for (const int width : {3, 8, 16}) {
    const std::vector<float> x = random_values(engine, 128, 3);
    const coded c = encoded_of({.width = width}, x);
    const logfmt_scale scale({.width = width}, c.tiles[0]);
    for (std::size_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(scale.nearest(std::fabs(x[i])), c.codes[i] & ((1u << (width - 1)) - 1));
  }
}

TEST(logfmt, what_cannot_be_is_refused_and_nothing_is_written) {
  EXPECT_EQ(defect(logfmt{}), "");
  for (const int width : {2, 17}) EXPECT_EQ(defect(logfmt{.width = width}), "a LogFMT code has 3 to 16 bits");
  EXPECT_EQ(defect(logfmt{.tile = 0}), "a tile has 1 or more elements");
  std::vector<float> x{1, INFINITY, std::nanf(""), 2}, out(4, 7.0f);
  std::vector<std::uint16_t> codes(4, 9);
  std::vector<logfmt_tile> tiles(1), two(2);
  EXPECT_EQ(refusal([&] { encode(logfmt{}, x, codes, tiles); }),
            "encode: x has 2 NaN or infinities and LogFMT has no code for them; remove them");
  EXPECT_EQ(refusal([&] { encode(logfmt{.width = 2}, x, codes, tiles); }),
            "encode: the format is impossible: a LogFMT code has 3 to 16 bits");
  EXPECT_EQ(refusal([&] { encode(logfmt{}, x, codes, two); }),
            "encode: 2 tiles are given and 1 are needed for 4 elements");
  EXPECT_EQ(refusal([&] { encode(logfmt{}, x, std::span(codes).first(3), tiles); }),
            "encode: 3 codes are given and 4 are needed for 4 elements");
  EXPECT_EQ(codes, std::vector<std::uint16_t>(4, 9));
  codes[2] = 256;
  EXPECT_EQ(refusal([&] { decode(logfmt{}, codes, tiles, out); }),
            "decode: code 256 at index 2 is wider than the 8 bits of the format");
  codes[2] = 0;
  for (const logfmt_tile& bad : {logfmt_tile{2, 1}, logfmt_tile{0, 1}, logfmt_tile{-1, 1}, logfmt_tile{1, INFINITY},
                                 logfmt_tile{std::nanf(""), 1}})
    EXPECT_NE(refusal([&] { decode(logfmt{}, codes, std::vector{bad}, out); }).find("decode: the ends of tile 0 are"),
              std::string::npos);
  EXPECT_EQ(out, std::vector<float>(4, 7.0f));
}

}  // namespace
}  // namespace binade
