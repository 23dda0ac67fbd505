// Loops over groups of elements with a scale each against the rules of one group and one element.

#include "binade/group_round.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "binade/chunk_rounder.hpp"
#include "binade/quantize.hpp"
#include "binade/scale_codes.hpp"
#include "binade/text.hpp"

namespace binade {
namespace {

struct sequence {
  std::uint64_t state = 1;
  std::uint32_t bits() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return std::uint32_t(state >> 32);
  }
};

constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

/// What an array is made of.
enum class content { near_one, steps, anywhere, few_specials, many_specials, zeros, subnormals };
constexpr content contents[] = {content::near_one,      content::steps, content::anywhere,  content::few_specials,
                                content::many_specials, content::zeros, content::subnormals};

std::vector<float> array_of(content what, std::size_t count, std::uint64_t seed) {
  sequence random{seed};
  std::vector<float> x(count);
  std::uint32_t binade = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = random.bits(), choice = random.bits();
    if (i % 16 == 0) binade = random.bits() % 246;
    std::uint32_t field = 120 + choice % 14, fraction = bits & 0x7fffff;
    if (what == content::steps) fraction &= 0x780000;  // few bits: on the grid and in the middle between its points
    if (what == content::anywhere) field = binade + choice % 9;
    if (what == content::subnormals) field = choice % 3;
    x[i] = std::bit_cast<float>((bits & 0x80000000) | field << 23 | fraction);
    const std::uint32_t rare = what == content::few_specials ? 701 : 5;
    if ((what == content::few_specials || what == content::many_specials) && choice % rare == 0) {
      constexpr float specials[] = {nan, infinity, -infinity, 0, -0.0f, 1e-40f, 3e38f};
      x[i] = specials[choice / rare % 7];
    }
    if (what == content::zeros && i / 64 % 3 != 0) x[i] = bits % 2 == 0 ? 0.0f : -0.0f;
  }
  return x;
}

/// What one array becomes by the rules of one group and one element.
struct expected {
  std::vector<float> values;
  std::vector<std::uint64_t> codes;
  std::vector<float> scales;
};
/// @param view  groups are whole tiles of one row, numbered row by row
expected by_rules(const quantizer& q, const std::vector<float>& x, const axis_view& view) {
  const scale_levels levels(q);
  const auto magnitude = [](float v) { return v - v == 0 ? std::fabs(v) : 0.0f; };
  outer_scale outer;
  if (q.levels == 2) {
    float amax = 0;
    for (const float v : x) amax = std::max(amax, magnitude(v));
    outer = levels.outer(amax);
  }
  const std::size_t size = q.scalings[0].tile_cols;
  expected result{std::vector<float>(x.size()), std::vector<std::uint64_t>(x.size()), {}};
  for (std::size_t row = 0; row < view.rows(); ++row)
    for (std::size_t first = 0; first < view.length; first += size) {
      const auto at = [&](std::size_t j) {
        return (row / view.inner * view.length + j) * view.inner + row % view.inner;
      };
      const std::size_t end = std::min(view.length, first + size);
      float amax = 0;
      for (std::size_t j = first; j < end; ++j) amax = std::max(amax, magnitude(x[at(j)]));
      const float inner = levels.inner(amax, outer);
      const double product = levels.product(inner, outer);
      result.scales.push_back(inner);
      for (std::size_t j = first; j < end; ++j) {
        const float v = x[at(j)];
        const std::uint32_t noise = is_stochastic(q.elem.rounding) ? noise_at({}, at(j), q.elem.noise_bits) : 0;
        if (q.levels == 1) {
          result.values[at(j)] = rescaled(round(q.elem, v / inner, noise), inner);
          if (v == v) result.codes[at(j)] = encode(q.elem, v / inner, noise);
        } else {
          detail::with_quotient(v, product, [&](const auto& quotient) {
            const double on_grid =
                q.elem.format.visit([&](const auto& f) { return detail::rounded_value(f, q.elem, quotient, noise); });
            result.values[at(j)] = detail::rescaled_exactly(float(on_grid), product);
            if (v == v) result.codes[at(j)] = detail::encode_number(q.elem, quotient, noise);
          });
        }
      }
    }
  return result;
}

std::uint32_t bits_of(float x) {
  return std::bit_cast<std::uint32_t>(x);
}

/// quantize(), in place too, and encode() of an array that begins `shift` floats after a multiple of the vectors' size.
void judge(const std::string& text, const std::vector<float>& x, const axis_view& view, std::size_t shift) {
  const quantizer q = parse_quantizer(text);
  const expected want = by_rules(q, x, view);
  std::vector<float> moved(x.size() + shift), out(x.size() + shift + 1, -7.0f);
  std::copy(x.begin(), x.end(), moved.begin() + std::ptrdiff_t(shift));
  const std::span<float> from = std::span(moved).subspan(shift), to = std::span(out).subspan(shift, x.size());
  quantize(from, view, q, {}, to);
  const std::string what = text + " on " + detail::described(view);
  for (std::size_t i = 0; i < x.size(); ++i)
    ASSERT_EQ(bits_of(to[i]), bits_of(want.values[i])) << what << ", element " << i << ": " << x[i];
  ASSERT_EQ(out.back(), -7.0f) << what << " wrote beyond the end";

  const bool refuses = q.elem.format.refuses_nan() && std::any_of(x.begin(), x.end(), [](float v) { return v != v; });
  if (refuses) {
    EXPECT_THROW(encode(from, view, q, {}), std::invalid_argument) << what;
  } else {
    const encoded codes = encode(from, view, q, {});
    std::visit(
        [&](const auto& got) {
          for (std::size_t i = 0; i < x.size(); ++i)
            ASSERT_TRUE(x[i] != x[i] || std::uint64_t(got[i]) == want.codes[i])
                << what << ", code " << i << ": " << x[i];
        },
        codes.codes);
    const std::vector<float> scales = detail::decode_scales(q.scalings[0].format, codes.scales);
    ASSERT_EQ(scales, want.scales) << what;
    std::vector<float> decoded(x.size());
    decode(codes, view, q, decoded);
    for (std::size_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(bits_of(decoded[i]), bits_of(want.values[i])) << what << ", decoded " << i << ": " << x[i];
  }

  quantize(from, view, q, {}, from);
  for (std::size_t i = 0; i < x.size(); ++i)
    ASSERT_EQ(bits_of(from[i]), bits_of(want.values[i])) << what << ", in place, element " << i << ": " << x[i];
}

// Whole batches of groups, their ends, and a short last group; blocks that are rows, and rows of blocks.
constexpr axis_view rows_of_blocks[] = {{1, 4096 + 3 * 32 + 5, 1}, {40, 32, 1}, {9, 256, 1}, {1, 2048, 1}, {5, 70, 1}};

TEST(groups, with_powers_of_two_as_scales_follow_the_rules_of_one_group) {
  constexpr const char* texts[] = {"mxfp4",
                                   "mxfp8_e4m3",
                                   "mxfp8_e5m2",
                                   "mxfp6_e2m3",
                                   "mxfp6_e3m2",
                                   "e5m10@block(32)",
                                   "e4m3/infinity@block(32)",
                                   "e5m2/spec@block(32,ceil)",
                                   "e5m2/infinity@block(16)",
                                   "e5m10/infinity@block(64)",
                                   "e2m1fn@block(16)",
                                   "e2m1fn@block(32,even)",
                                   "e2m1fn@block(48,rceil)",
                                   "e2m1fn@block(32,nearest)",
                                   "e4m3fn@block(128,ceil)",
                                   "e4m3fn@block(1024,pow2)",
                                   "e3m2fn@block(32,e8m0fnu,zero=lowest)",
                                   "e2m1fn@block(24)",
                                   "e8m7@block(32)",
                                   "e4m3fn@block(32,e4m3fn,floor)"};
  std::uint64_t seed = 0;
  for (const char* text : texts)
    for (const axis_view& view : rows_of_blocks)
      for (const content what : contents) {
        ++seed;
        judge(text, array_of(what, view.size(), seed), view, seed % 5);
      }
}

TEST(groups, of_two_levels_follow_the_rules_of_one_group) {
  constexpr const char* texts[] = {"nvfp4",
                                   "e2m1fn@block(16,e4m3fn)@tensor(f32,static=0.001953125)",
                                   "e2m1fn@block(16,e4m3fn)@tensor(f32,static=1)",
                                   "e2m1fn@block(16,e4m3fn)@tensor(e8m0fnu)",
                                   "e2m1fn@block(32,e4m3fn,exact)@tensor(e5m10)",
                                   "e4m3fn@block(48,e5m2)@tensor",
                                   "e3m2fn@block(16,e4m3fn)@tensor(pow2)",
                                   "e5m10@block(16,e4m3fn)@tensor",
                                   "e2m1fn@block(16,e5m10)@tensor"};
  std::uint64_t seed = 1000;
  for (const char* text : texts)
    for (const axis_view& view : rows_of_blocks)
      for (const content what : contents) {
        ++seed;
        judge(text, array_of(what, view.size(), seed), view, seed % 5);
      }
}

/// Groups whose amax and elements lie at the floats around what is half-way between two scales, and two values.
TEST(groups, of_two_levels_decide_next_to_ties) {
  const quantizer q = parse_quantizer("nvfp4");
  const scale_levels levels(q);
  const auto step = [](float x, int ulps) { return std::bit_cast<float>(bits_of(x) + std::uint32_t(ulps)); };
  sequence random{77};
  for (int round = 0; round < 60; ++round) {
    const float largest = std::bit_cast<float>((random.bits() & 0x7fffff) | (100 + random.bits() % 40) << 23);
    const outer_scale outer = levels.outer(largest);
    std::vector<float> x;
    for (int group = 0; group < 64; ++group) {
      // A code of E4M3 and a half, from 2 to 120.
      const std::uint64_t code = 8 + random.bits() % 112;
      const double middle =
          (decode(number_format(formats::e4m3fn), code) + decode(number_format(formats::e4m3fn), code + 1)) / 2;
      const float amax =
          group == 0 ? largest
                     : std::min(largest, step(float(middle * 6 * double(outer.scale)), int(random.bits() % 5) - 2));
      const double product = levels.product(levels.inner(amax, outer), outer);
      x.push_back(amax);
      constexpr double halves[] = {0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5};
      for (int i = 1; i < 16; ++i) {
        const float near = step(float(halves[random.bits() % 7] * product), int(random.bits() % 7) - 3);
        x.push_back(std::copysign(std::min(near, amax), i % 2 == 0 ? 1.0f : -1.0f));
      }
    }
    judge("nvfp4", x, {1, x.size(), 1}, 0);
    std::vector<float> columns(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) columns[i % 16 * 64 + i / 16] = x[i];
    judge("nvfp4", columns, {1, 16, 64}, 0);
  }
}

// Columns in whole vectors and beside them, more than are taken together, and a short last tile.
TEST(groups, that_are_columns_follow_the_rules_of_one_group) {
  std::uint64_t seed = 2000;
  for (const axis_view& view :
       {axis_view{1, 64, 1024}, axis_view{2, 70, 48}, axis_view{1, 33, 1063}, axis_view{3, 5, 20}})
    for (const char* text : {"mxfp4", "mxfp8_e5m2", "e5m2/spec@block(32,ceil)", "e2m1fn@block(5)",
                             "e5m10@block(24,even)", "nvfp4", "e2m1fn@block(16,e4m3fn)@tensor(f32,static=1)",
                             "e4m3fn@block(7,e5m2)@tensor", "e5m10@block(24,e4m3fn)@tensor"})
      for (const content what : contents) {
        ++seed;
        judge(text, array_of(what, view.size(), seed), view, seed % 5);
      }
}

// Rows and columns of groups whose elements go up or down by noise; static scales leave them beyond the largest value.
TEST(groups, of_two_levels_rounded_by_noise_follow_the_rules_of_one_element) {
  std::uint64_t seed = 4000;
  for (const axis_view& view : {axis_view{1, 4096 + 3 * 32 + 5, 1}, axis_view{9, 256, 1}, axis_view{1, 64, 256},
                                axis_view{2, 70, 48}, axis_view{3, 21, 5}})
    for (const char* text :
         {"e2m1fn/sr@block(16,e4m3fn)@tensor", "e2m1fn/sr:8@block(16,e4m3fn)@tensor",
          "e2m1fn/sr:20@block(16,e4m3fn)@tensor(f32,static=0.0009765625)",
          "e4m3fn/sr@block(7,e5m2)@tensor(f32,static=1)", "e4m3fnuz/sr@block(16,e4m3fn)@tensor",
          "e5m2/sr/infinity@block(16,e4m3fn)@tensor(f32,static=0.000001)", "e5m10/sr:31@block(24,e4m3fn)@tensor",
          "e2m1fn/srb@block(16,e4m3fn)@tensor", "e4m3/sr/nan@block(16,e4m3fn,static=0.5)@tensor(f32,static=1)"})
      for (const content what : contents) {
        ++seed;
        judge(text, array_of(what, view.size(), seed), view, seed % 5);
      }
}

/// Quotients that float64 rounds to a whole number of 2^-32 ulps, with the noise that goes up just there.
TEST(groups, of_two_levels_cut_quotients_before_noise_is_added) {
  const element e = parse_quantizer("e2m1fn/sr").elem;
  const detail::stochastic_grid grid = detail::stochastic_grid::of(e);
  sequence random{99};
  int found = 0;
  for (int k = 0; k < 1 << 23; ++k) {
    const auto x = std::bit_cast<float>(0x3f800000 | (random.bits() & 0x7fffff));
    const double s = double(std::bit_cast<float>(0x3f000000 | (random.bits() & 0x7fffff))) * double(8 + k % 8) / 16;
    const double q = double(x) / s, ulps = std::ldexp(q, q < 2 ? 33 : q < 4 ? 32 : 31);
    if (ulps != std::floor(ulps)) continue;
    ++found;
    const auto up = std::uint32_t(0 - std::uint64_t(ulps));
    for (const std::uint32_t noise : {up - 1, up, up + 1}) {
      const float want = detail::with_quotient(x, s, [&](const auto& quotient) {
        return float(detail::rounded_value(e.format.floating, e, quotient, noise));
      });
      ASSERT_EQ(round(e, grid.rounded_quotient(x, s, noise), noise), want) << x << " / " << s << ", noise " << noise;
    }
  }
  EXPECT_GT(found, 4);
}

// Stores around the caches ask for an alignment, and are followed by others.
TEST(groups, and_all_else_have_the_same_bits_around_the_caches) {
  std::uint64_t seed = 3000;
  for (const axis_view& view : {axis_view{1, 4096 + 3 * 32 + 5, 1}, axis_view{9, 256, 1}, axis_view{5, 70, 1},
                                axis_view{1, 64, 1024}, axis_view{2, 33, 41}})
    for (const char* text : {"mxfp4", "e5m2/infinity@block(16)", "e2m1fn@block(24)", "nvfp4", "e4m3fn", "e5m2/spec",
                             "e4m3fn/sr:8", "e8m7@row", "e4m3fn@tensor", "e4m3fn/sr@row", "posit8@tensor"})
      for (const content what : contents) {
        const quantizer q = parse_quantizer(text);
        ++seed;
        const std::size_t shift = seed % 5, size = view.size();
        const std::vector<float> x = array_of(what, size, seed);
        std::vector<float> want(size), out(size + shift + 1, -7.0f);
        quantize(x, view, q, {}, want);
        detail::quantize_part(x, view, q, {}, std::span(out).subspan(shift, size), nullptr, nullptr, true);
        for (std::size_t i = 0; i < size; ++i)
          ASSERT_EQ(bits_of(out[shift + i]), bits_of(want[i]))
              << text << " on " << detail::described(view) << ", element " << i << ": " << x[i];
        ASSERT_EQ(out.back(), -7.0f) << text << " wrote beyond the end";
      }
}

}  // namespace
}  // namespace binade
