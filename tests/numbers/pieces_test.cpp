#include "binade/pieces.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "binade/elementwise.hpp"
#include "binade/text.hpp"

// The whole is judged elsewhere; here it judges the pieces.

namespace binade {
namespace {

const std::vector<std::string> quantizers{"e4m3fn",
                                          "e5m10/sr",
                                          "e5m2/sr:5",
                                          "int8",
                                          "posit8",
                                          "nf4:nan=zero",
                                          "lns8",
                                          "e8m23",
                                          "e4m3fn@tensor",
                                          "e4m3fn/sr@tensor",
                                          "int8@tensor(pow2)",
                                          "int8@row",
                                          "int8@col",
                                          "e4m3fn@tensor(static=0.5)",
                                          "e5m2@col(static=2)",
                                          "mxfp4",
                                          "mxfp8_e4m3:torchao",
                                          "e2m1fn/sr:8@block(4)",
                                          "e2m1fn@tile(2,4)",
                                          "e2m1fn@tile(3,5)",
                                          "nvfp4",
                                          "nvfp4:2d",
                                          "nvfp4:te",
                                          "nvfp4:torchao",
                                          "nvfp4:4over6",
                                          "mx9",
                                          "mx6",
                                          "deepseek_1x128",
                                          "e4m3fn@block(4)@row",
                                          "e4m3fn@tile(4,1,e4m3fn)@col",
                                          "e4m3fn@tensor(min=1)",
                                          "e4m3fn@tensor(nan=group)",
                                          "hadamard(4)+mxfp4",
                                          "rht(4,7)+e4m3fn@row",
                                          "rht(4,7)+e4m3fn@tensor",
                                          "clamp(0.9)+e4m3fn@row",
                                          "expand(4)+e4m3fn@block(4)"};
const std::vector<axis_view> views{{1, 64, 1}, {1, 67, 1}, {12, 32, 1}, {5, 20, 1},  {1, 20, 7}, {1, 32, 4},
                                   {3, 32, 4}, {4, 20, 3}, {6, 12, 2},  {7, 4, 6},   {1, 1, 1},  {40, 1, 1},
                                   {1, 1, 40}, {0, 4, 1},  {3, 0, 2},   {2, 128, 1}, {4, 16, 16}};
constexpr noise_source source{.seed = 11, .stream = 3, .step = 2, .first = 100};

/// Values of many sizes, zeros, and specials where they are asked for.
std::vector<float> values(std::size_t count, bool has_specials) {
  std::vector<float> x(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t word = philox({std::uint32_t(i), 0, 0, 0}, {1, 2})[0];
    x[i] = std::ldexp(float(std::int32_t(word)), -31 + int(word % 13) - 6);
    if (i % 17 == 0) x[i] = 0;
    if (has_specials && i % 29 == 5) x[i] = std::numeric_limits<float>::infinity();
    if (has_specials && i % 31 == 7) x[i] = std::numeric_limits<float>::quiet_NaN();
  }
  return x;
}
std::vector<std::uint32_t> bits(const std::vector<float>& x) {
  std::vector<std::uint32_t> b;
  for (const float v : x) b.push_back(std::bit_cast<std::uint32_t>(v));
  return b;
}

constexpr auto backwards = [](std::size_t count, const auto& f) {
  while (count-- > 0) f(count);
};

/// Calls check(text, quantizer, view, x, elements of a piece) for every case that the quantizer takes.
template <class Check>
void every_case(Check check) {
  for (const std::string& text : quantizers)
    for (const axis_view& view : views)
      for (const bool has_specials : {false, true})
        for (const std::size_t least : {std::size_t(1), std::size_t(13), std::size_t(64), std::size_t(1000)}) {
          const quantizer q = parse_quantizer(text);
          if (q.transform_count != 0 && (view.length % 4 != 0 || view.length == 0)) continue;
          const std::vector<float> x = values(view.size(), has_specials && !q.elem.format.refuses_nan());
          SCOPED_TRACE(text + " " + detail::described(view) + " in pieces of " + std::to_string(least));
          check(q, view, x, least);
        }
}

TEST(pieces, quantize_gives_the_bits_of_the_whole) {
  std::size_t cut = 0;
  every_case([&](const quantizer& q, const axis_view& view, const std::vector<float>& x, std::size_t least) {
    std::vector<float> whole(x.size()), out(x.size()), in_place = x;
    quantize(x, view, q, source, whole);
    quantize_in_pieces(x, view, q, source, out, backwards, least);
    quantize_in_pieces(in_place, view, q, source, in_place, backwards, least);
    EXPECT_EQ(bits(out), bits(whole));
    EXPECT_EQ(bits(in_place), bits(whole));
    cut += std::size_t(array_pieces(view, detail::with_known_tensor_scale(x, q, in_turn{}, least), least).count() > 1);
  });
  EXPECT_GT(cut, 500u);
}

TEST(pieces, encode_and_decode_give_the_bits_of_the_whole) {
  every_case([&](const quantizer& q, const axis_view& view, const std::vector<float>& x, std::size_t least) {
    const encoded whole = encode(x, view, q, source);
    std::vector<float> values_of_whole(x.size()), out(x.size());
    decode(whole, view, q, values_of_whole);
    std::visit(
        [&](auto codes) {
          using code = typename decltype(codes)::value_type;
          std::vector<code> found(codes.size());
          const encoded scales = encode_in_pieces(x, view, q, source, std::span<code>(found), backwards, least);
          EXPECT_EQ(found, codes);
          EXPECT_EQ(scales.scales, whole.scales);
          EXPECT_EQ(scales.outer_scales, whole.outer_scales);
          EXPECT_EQ(scales.transforms, whole.transforms);
          decode_in_pieces(std::span<const code>(codes), whole, view, q, out, backwards, least);
          EXPECT_EQ(bits(out), bits(values_of_whole));
        },
        whole.codes);
  });
}

TEST(pieces, refusals_speak_of_the_whole) {
  std::vector<float> x(100, 1.0f);
  x[3] = x[40] = x[99] = std::numeric_limits<float>::quiet_NaN();
  const quantizer q = parse_quantizer("e2m1fn@block(4)");
  std::vector<std::uint8_t> codes(100);
  const axis_view view{1, 100, 1};
  try {
    encode_in_pieces(x, view, q, source, std::span<std::uint8_t>(codes), backwards, 8);
    FAIL();
  } catch (const std::invalid_argument& e) {
    EXPECT_NE(std::string(e.what()).find("x has 3 NaN"), std::string::npos) << e.what();
  }
  codes.assign(100, 0);
  codes[77] = 16;
  std::vector<float> out(100);
  const encoded scales{.codes = {}, .scales = std::vector<std::uint8_t>(25)};
  try {
    decode_in_pieces(std::span<const std::uint8_t>(codes), scales, view, q, out, backwards, 8);
    FAIL();
  } catch (const std::invalid_argument& e) {
    EXPECT_NE(std::string(e.what()).find("code 16 at index 77"), std::string::npos) << e.what();
  }
  EXPECT_THROW(quantize_in_pieces(std::span<const float>(x).first(60), {1, 60, 1}, q, source,
                                  std::span<float>(x).subspan(1, 60), backwards, 8),
               std::invalid_argument);
}

// ---- element by element --------------------------------------------------------------------------------------------

TEST(elementwise, float32_gives_what_the_array_verbs_give) {
  for (const std::string text : {"e4m3fn", "e5m10/sr", "e2m1fn/srb:3/ftz", "posit16", "int8", "e11m52", "e8m0fnu"}) {
    SCOPED_TRACE(text);
    const element e = parse_element(text);
    const std::vector<float> x = values(3000, !e.format.refuses_nan());
    const axis_view view{1, x.size(), 1};
    std::vector<float> whole(x.size()), out(x.size());
    quantize(x, view, unscaled(e), source, whole);
    round_each<float>(e, x, source, out);
    EXPECT_EQ(bits(out), bits(whole));
    const encoded found = encode(x, view, unscaled(e), source);
    std::visit(
        [&](const auto& codes) {
          using code = typename std::remove_cvref_t<decltype(codes)>::value_type;
          std::vector<code> each(x.size());
          encode_each<float, code>(e, x, source, each);
          EXPECT_EQ(each, codes);
          std::vector<float> values_of_whole(x.size());
          decode(found, view, unscaled(e), values_of_whole);
          for (const std::size_t count : {std::size_t(1), std::size_t(1) << 20}) {
            decode_each<float, code>(e.format, codes, code_values<float>(e.format, count), out);
            EXPECT_EQ(bits(out), bits(values_of_whole));
          }
        },
        found.codes);
  }
}

TEST(elementwise, binary64_is_rounded_once) {
  // Just above the tie of 1 and 1.125: as float32 it would be the tie, which goes to the even code of 1.
  const std::vector<double> x{1.0625 + 0x1p-40, 1.0625, 0x1p-1074, 1e300};
  std::vector<double> out(4);
  round_each<double>(parse_element("e4m3fn"), x, {}, out);
  EXPECT_EQ(out, (std::vector<double>{1.125, 1, 0, 448}));
  std::vector<std::uint8_t> codes(4);
  encode_each<double, std::uint8_t>(parse_element("e4m3fn"), x, {}, codes);
  EXPECT_EQ(codes, (std::vector<std::uint8_t>{0x39, 0x38, 0, 0x7e}));
}

TEST(elementwise, refusals_say_what_is_wrong) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> x{nan, 1, nan};
  std::vector<std::uint8_t> codes(3);
  const auto message_of = [](auto f) -> std::string {
    try {
      f();
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "nothing was refused";
  };
  EXPECT_NE(
      message_of([&] { encode_each<double, std::uint8_t>(parse_element("int8"), x, {}, codes); }).find("has 2 NaN"),
      std::string::npos);
  std::vector<double> out(2);
  EXPECT_NE(message_of([&] { round_each<double>(parse_element("int8"), x, {}, out); }).find("room for 2"),
            std::string::npos);
  const element noisy = parse_element("e4m3fn/sr");
  out.resize(3);
  EXPECT_NE(message_of([&] {
              round_each<double>(noisy, x, {.first = noise_capacity(32) - 2}, out);
            }).find("a stream of its own"),
            std::string::npos);
  const std::vector<std::uint8_t> wide{1, 16};
  EXPECT_NE(message_of([&] {
              const number_format f = parse_format("e2m1fn");
              decode_each<double, std::uint8_t>(f, wide, code_values<double>(f, 2), std::span(out).first(2));
            }).find("code 16 at index 1"),
            std::string::npos);
}

}  // namespace
}  // namespace binade
