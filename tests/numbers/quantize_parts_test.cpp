// Quantizing an array part by part against one call for all of it, which is judged elsewhere.
#include "binade/quantize_parts.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "binade/text.hpp"

namespace binade {
namespace {

std::vector<float> values(std::size_t count) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float& value : x) value = normal(random) * std::exp2(float(random() % 24) - 12.0f);
  for (std::size_t i = 0; i < count; i += 97) x[i] = 0;
  if (count > 300) x[count / 2] = std::numeric_limits<float>::infinity();
  if (count > 300) x[count / 3] = std::numeric_limits<float>::quiet_NaN();
  return x;
}

std::vector<std::uint32_t> bits(const std::vector<float>& x) {
  std::vector<std::uint32_t> result;
  for (const float value : x) result.push_back(std::bit_cast<std::uint32_t>(value));
  return result;
}

// Axis along rows, in the middle, down the columns; lengths and rows with odd factors, and short tails.
constexpr axis_view views[] = {{1, 0, 1},   {1, 1, 1},    {1, 9001, 1}, {60, 128, 1}, {1, 128, 64},
                               {33, 77, 1}, {4, 96, 32},  {7, 33, 10},  {5, 64, 3},   {400, 1, 1},
                               {1, 1, 400}, {3, 4096, 1}, {48, 17, 16}, {12, 50, 6}};
constexpr const char* quantizers[] = {"e4m3fn",
                                      "e5m2/sr",
                                      "posit8",
                                      "e4m3fn@tensor",
                                      "e4m3fn/sr:8@tensor",
                                      "e4m3fn@tensor(static=0.25)",
                                      "e4m3fn@tensor(nan=group,inf=group)",
                                      "e4m3fn@tensor(pow2,zero=lowest)",
                                      "e2m1fn@tensor(e4m3fn,4over6)",
                                      "int8/sr@row",
                                      "e4m3fn@row(nan=group)",
                                      "e4m3fn@row(static=2)",
                                      "e4m3fn/sr@col",
                                      "int8@col(inf=largest)",
                                      "e4m3fn@row(order=reciprocal)",
                                      "mxfp4",
                                      "mxfp4:torchao",
                                      "e2m1fn/sr:8@block(16)",
                                      "e4m3fn@tile(4,24)",
                                      "e4m3fn/sr:16@tile(16,16)",
                                      "e2m1fn@tile(3,5,f32)",
                                      "nvfp4",
                                      "nvfp4:2d",
                                      "nvfp4:te",
                                      "nvfp4:te_2d",
                                      "nvfp4:torchao",
                                      "nvfp4:4over6",
                                      "mx9",
                                      "int4@block(16,e4m3fn)@row",
                                      "int4@col(e4m3fn)@tensor",
                                      "clamp(0.99)+mxfp4",
                                      "clamp(0.9)+e4m3fn@tensor",
                                      "expand(16)+e4m3fn@col"};
constexpr std::size_t sizes[] = {1, 100, 1000, 5000, 1'000'000};

TEST(part_quantizer, gives_the_values_codes_scales_and_counters_of_one_call) {
  for (const axis_view& view : views) {
    const std::vector<float> x = values(view.size());
    for (const char* text : quantizers) {
      const quantizer q = parse_quantizer(text);
      const noise_source source{.seed = 3, .stream = 4, .step = 5, .first = 70};
      std::vector<float> want(x.size());
      quantize_counters want_counters;
      quantize(x, view, q, source, want, &want_counters);
      std::uint64_t refused = 0;
      encoded want_codes;
      detail::encode_part(x, view, q, source, nullptr, refused, want_codes);
      for (const std::size_t wanted : sizes) {
        SCOPED_TRACE(std::string(text) + " on " + detail::described(view) + " in parts of " + std::to_string(wanted));
        part_quantizer parts(q, view, source, wanted);
        const auto elements = [&](const array_part& part) { return std::span(x).subspan(part.first, part.size()); };
        for (std::size_t k = 0; parts.reads_twice() && k < parts.part_count(); ++k)
          parts.look_at(parts.part(k), elements(parts.part(k)));
        std::vector<float> got(x.size());
        std::vector<std::uint64_t> codes, all_codes;
        std::size_t next = 0;
        for (std::size_t k = 0; k < parts.part_count(); ++k) {
          const array_part part = parts.part(k);
          ASSERT_EQ(part.first, next);
          ASSERT_LE(part.size(), parts.largest_part());
          next += part.size();
          parts.quantize(part, elements(part), std::span(got).subspan(part.first, part.size()));
          std::visit([&](const auto& c) { codes.insert(codes.end(), c.begin(), c.end()); },
                     parts.encode(part, elements(part)).codes);
        }
        ASSERT_EQ(next, x.size());
        ASSERT_EQ(bits(got), bits(want));
        ASSERT_EQ(parts.counters(), want_counters);
        std::visit([&](const auto& c) { all_codes.assign(c.begin(), c.end()); }, want_codes.codes);
        ASSERT_EQ(codes, all_codes);
        if (x.empty()) continue;
        ASSERT_TRUE(q.levels < 1 || parts.scales(0) == want_codes.scales);
        ASSERT_TRUE(q.levels < 2 || parts.scales(1) == want_codes.outer_scales);
        if (q.levels > 0) {
          const auto [rows, columns] = scale_shape(q.scalings[0], view);
          ASSERT_EQ(rows * columns, scale_count(view, q));
        }
        if (refused == 0)
          parts.check_codes();
        else
          ASSERT_THROW(parts.check_codes(), std::invalid_argument);
      }
    }
  }
}

TEST(part_quantizer, keeps_parts_small_where_groups_let_it) {
  const auto largest = [](const char* text, const axis_view& view) {
    return part_quantizer(parse_quantizer(text), view, {}, 1000).largest_part();
  };
  EXPECT_LE(largest("e4m3fn", {1, 1'000'000, 1}), 1000u);
  EXPECT_LE(largest("e4m3fn@tensor", {1000, 1000, 1}), 1000u);
  EXPECT_LE(largest("int8@row", {10, 100'000, 1}), 1000u);
  EXPECT_LE(largest("int8@row", {1, 100'000, 10}), 1000u);
  EXPECT_LE(largest("int8@col", {100'000, 10, 1}), 1000u);
  EXPECT_LE(largest("int8@col", {10, 10, 10'000}), 10'000u);  // one position is 10,000 neighbours
  EXPECT_LE(largest("mxfp4", {10, 100'000, 1}), 1000u);
  EXPECT_LE(largest("mxfp4", {1, 100'000, 10}), 1000u);
  EXPECT_LE(largest("nvfp4", {10, 100'000, 1}), 1000u);
  EXPECT_LE(largest("nvfp4:2d", {1000, 50, 1}), 1000u);
  EXPECT_LE(largest("nvfp4:te", {1, 100'000, 1}), 1000u);
}

TEST(part_quantizer, refuses_what_one_call_refuses_before_any_part) {
  const auto make = [](const char* text, const axis_view& view, std::uint64_t first = 0) {
    part_quantizer(parse_quantizer(text), view, {.first = first}, 1000);
  };
  EXPECT_THROW(make("hadamard(32)+mxfp4", {4, 33, 1}), std::invalid_argument);
  EXPECT_THROW(make("e4m3fn/sr", {1, 100000, 1}, noise_capacity(32) - 50000), std::invalid_argument);
  EXPECT_THROW(make("e4m3fn", {std::size_t(1) << 40, std::size_t(1) << 40, 1}), std::invalid_argument);
  part_quantizer parts(parse_quantizer("e4m3fn@tensor"), {1, 5000, 1}, {}, 1000);
  std::vector<float> short_part(7);
  EXPECT_THROW(parts.look_at(parts.part(0), short_part), std::invalid_argument);
  EXPECT_THROW(parts.quantize(parts.part(0), short_part, short_part), std::invalid_argument);
  EXPECT_THROW(parts.encode(parts.part(0), short_part), std::invalid_argument);
}

}  // namespace
}  // namespace binade
