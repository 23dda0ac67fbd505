// Quantizers with transforms: what quantize, encode and decode do around the transforms themselves, which have tests of
// their own.

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "binade/quantize.hpp"
#include "binade/sqnr.hpp"
#include "binade/text.hpp"
#include "binade/transform_chain.hpp"

namespace {

using namespace binade;

const noise_source no_noise{};

std::vector<float> heavy_tailed(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float& v : x) v = normal(random) * (random() % 50 == 0 ? 30.0f : 1.0f);
  return x;
}
std::vector<float> quantized(const std::vector<float>& x, const axis_view& view, const std::string& text) {
  std::vector<float> out(x.size());
  quantize(x, view, parse_quantizer(text), {.seed = 7}, out);
  return out;
}
double relative_error(const std::vector<float>& x, const std::vector<float>& y) {
  double square = 0, error = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    square += double(x[i]) * double(x[i]);
    error += (double(x[i]) - double(y[i])) * (double(x[i]) - double(y[i]));
  }
  return error / square;
}

TEST(transformed_quantize, is_apply_then_quantize_then_undo_in_reverse) {
  const std::vector<float> x = heavy_tailed(4 * 128, 1);
  const axis_view view{4, 128, 1};
  const transform first = clamp_transform({990'000'000}), second = random_hadamard_transform(16, 3);
  std::vector<float> y(x.size()), want(x.size());
  const transform_record cut = apply(first, 128, x, y), none = apply(second, 128, y, y);
  quantize(y, view, parse_quantizer("nvfp4"), no_noise, want);
  undo(second, none, 128, want);
  undo(first, cut, 128, want);
  EXPECT_EQ(quantized(x, view, "clamp(0.99)+rht(16,3)+nvfp4"), want);
}

// Piece by piece or whole, in place too; lengths that pieces and batches of groups do not divide.
TEST(transformed_quantize, of_blocks_is_apply_then_quantize_then_undo) {
  for (const axis_view& view : {axis_view{1, 4096 + 5 * 192, 1}, axis_view{70, 192, 1}, axis_view{1, 192, 1}})
    for (const char* text :
         {"hadamard(32)+mxfp4", "rht(64,5)+mxfp8_e4m3", "hadamard(16)+e2m1fn@block(48)", "hadamard(2)+mxfp4",
          "rht(64,5)+e5m2/spec@block(32,ceil)", "hadamard(32)+nvfp4", "rht(32,5)+e4m3fn", "rht(32,5)+mxfp4",
          "hadamard(16)+e2m1fn@block(16)", "rht(16,5)+e5m2@block(16)", "rht(32,5)+e5m2/spec@block(32)"}) {
      quantizer q = parse_quantizer(text);
      std::vector<float> x = heavy_tailed(view.size(), 9);
      for (std::size_t i = 40; i < x.size(); i += 700)
        x[i] = i % 3 == 0   ? std::numeric_limits<float>::infinity()
               : i % 3 == 1 ? std::numeric_limits<float>::quiet_NaN()
                            : 0.0f;
      // Zeros of both signs, alone and beside a number.
      for (std::size_t i = 1024; i < 2048 && i < x.size(); ++i)
        if (i < 1536 || i % 5 != 0) x[i] = i % 3 == 0 ? 0.0f : -0.0f;
      const transform t = q.transforms[0];
      std::vector<float> want(x.size());
      const transform_record record = apply(t, view.length, x, want);
      q.transform_count = 0;
      q.transforms = {};
      quantize(want, view, q, no_noise, want);
      undo(t, record, view.length, want);
      const auto bits = [](const std::vector<float>& values) {
        std::vector<std::uint32_t> result;
        for (const float v : values) result.push_back(v == v ? std::bit_cast<std::uint32_t>(v) : 0x7fc00000);
        return result;
      };
      ASSERT_EQ(bits(quantized(x, view, text)), bits(want)) << text;
      std::vector<float> streamed(x.size());
      detail::quantize_part(x, view, parse_quantizer(text), no_noise, streamed, nullptr, nullptr, true);
      ASSERT_EQ(bits(streamed), bits(want)) << text << ", around the caches";
      quantize(x, view, parse_quantizer(text), no_noise, x);
      ASSERT_EQ(bits(x), bits(want)) << text << ", in place";
    }
}

TEST(transformed_quantize, approximates_x_whatever_the_transform) {
  const std::vector<float> x = heavy_tailed(64 * 128, 2);
  const axis_view view{64, 128, 1};
  for (const char* text : {"hadamard(32)+mxfp8_e4m3", "rht(128,5)+mxfp8_e4m3", "expand(128)+e4m3fn@block(128,f32)",
                           "clamp(0.99)+mxfp8_e4m3", "clamp(0.99)+hadamard(16)+nvfp4", "mxfp8_e4m3"})
    EXPECT_LT(relative_error(x, quantized(x, view, text)), text[0] == 'c' && text[12] == 'h' ? 0.02 : 0.002) << text;
}

TEST(transformed_quantize, a_hadamard_transform_helps_where_outliers_are) {
  const std::vector<float> x = heavy_tailed(64 * 128, 3);
  const axis_view view{64, 128, 1};
  EXPECT_LT(relative_error(x, quantized(x, view, "hadamard(32)+int4@block(32,f32)")),
            0.7 * relative_error(x, quantized(x, view, "int4@block(32,f32)")));
}

TEST(transformed_quantize, runs_along_any_axis_with_the_noise_of_storage_order) {
  const std::vector<float> x = heavy_tailed(3 * 32 * 5, 4);
  const axis_view strided{3, 32, 5};
  std::vector<float> rows(x.size()), back(x.size());
  detail::gather_rows(x, strided, rows);
  const std::vector<float> of_rows = quantized(rows, {15, 32, 1}, "hadamard(16)+e4m3fn@block(16)");
  detail::scatter_rows(of_rows, strided, back);
  EXPECT_EQ(quantized(x, strided, "hadamard(16)+e4m3fn@block(16)"), back);
  // Without rounding in the way: the noise of element k of x is that of index k in both.
  EXPECT_NE(quantized(x, strided, "hadamard(16)+e4m3fn/sr@block(16)"), back);
}

TEST(transformed_quantize, decode_of_encode_is_quantize_and_in_place_is_too) {
  const std::vector<float> x = heavy_tailed(6 * 64, 5);
  for (const axis_view& view : {axis_view{6, 64, 1}, axis_view{2, 64, 3}})
    for (const char* text : {"hadamard(32)+mxfp4", "rht(16,9)+nvfp4", "expand(64)+e4m3fn@block(64,f32)",
                             "clamp(0.98)+mxfp6_e2m3", "clamp(0.98)+expand(32)+hadamard(2)+e5m2/sr@block(32)"}) {
      const quantizer q = parse_quantizer(text);
      const std::vector<float> want = quantized(x, view, text);
      std::vector<float> got(x.size()), same = x;
      decode(encode(x, view, q, {.seed = 7}), view, q, got);
      EXPECT_EQ(got, want) << text;
      quantize(same, view, q, {.seed = 7}, same);
      EXPECT_EQ(same, want) << text;
    }
}

TEST(transformed_quantize, refuses_what_does_not_fit_and_writes_nothing) {
  const std::vector<float> x(2 * 24, 1.0f);
  std::vector<float> out(x.size(), 7.0f);
  const axis_view view{2, 24, 1};
  EXPECT_THROW(quantize(x, view, parse_quantizer("hadamard(16)+mxfp4"), no_noise, out), std::invalid_argument);
  EXPECT_EQ(out, std::vector<float>(x.size(), 7.0f));
  const quantizer q = parse_quantizer("clamp(0.9)+mxfp4");
  encoded array = encode(x, view, q, no_noise);
  array.transforms.clear();
  EXPECT_THROW(decode(array, view, q, out), std::invalid_argument);
  EXPECT_EQ(out, std::vector<float>(x.size(), 7.0f));
}

TEST(transformed_quantize, counters_are_of_what_is_rounded) {
  std::vector<float> x(32, 0.0f);
  x[0] = 1;
  std::vector<float> out(x.size());
  quantize_counters plain, spread;
  quantize(x, {1, 32, 1}, parse_quantizer("mxfp8_e4m3"), no_noise, out, &plain);
  quantize(x, {1, 32, 1}, parse_quantizer("hadamard(32)+mxfp8_e4m3"), no_noise, out, &spread);
  EXPECT_EQ(plain.nonzero, 1u);
  EXPECT_EQ(spread.nonzero, 32u);
}

}  // namespace
