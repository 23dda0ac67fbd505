// Damaged text: only text_error is ever thrown, nothing crashes, and what is accepted prints and parses back equal.

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <string_view>

#include "binade/accumulator_text.hpp"

namespace binade {
namespace {

constexpr std::array<std::string_view, 30> seeds{
    "e4m3fn",
    "e5m2/sr:8/infinity/ftz",
    "mxfp4",
    "mxfp6_e2m3",
    "bf16:bias=100",
    "e2m1:specials=ieee",
    "e8m0:specials=none:bias=-3:nan=max",
    "binary8p4se/rto/propagate",
    "binary16p11uf:bias=3",
    "e4m3fn@tensor",
    "e4m3fn/srb:32@row(f32,static=0.1)",
    "e2m1fn/src:4/saturate/daz@block(16,e4m3fn,amax)",
    "e2m1fn:nan=zero@tile(128,128,pow2,rceil)",
    "e3m4fnuz@col(e8m0fnu,even)",
    "e11m52/rna",
    "e1m0:specials=none",
    "e4m3fn/spec/as=cuda",
    "e8m0fnu/as=ml_dtypes@row",
    "hadamard(32)+mxfp4",
    "nvfp4:2d",
    "int8:sym@row",
    "e4m3fn@tensor(delayed=1024)",
    "rht(16,7)+nvfp4:te",
    "clamp(0.99)+int4@block(16,e4m3fn,4over6,zero=zero)@row(order=standard)",
    "expand(128,range=4096,steps=8)+e4m3fn@tile(1,128,f32,min=1e-4,nan=group,inf=largest,order=reciprocal)",
    "int8@block(2,ue1m0)@block(16)",
    "f32:chunk=128",
    "e8m13/rtz:chunk=128->f32",
    "e4m3fn/sr:8:mul=e5m2:bias=3:chunk=4->pairwise:chunk=16->kahan",
    "exact:chunk=32->exact",
};

/// Pieces that steer a mutation into the corners of the grammar.
constexpr std::array<std::string_view, 42> pieces{
    "as=",   "/",         "@",      ":",      "(",      ")",       ",",       "=",
    "bias=", "specials=", "nan=",   "sr:",    "block(", "tile(1,", "static=", "99999999999999999999",
    "-",     "0",         "1e-45",  "e4m3fn", "fnuz",   "nan",     "inf",     "e8m0fnu",
    "pow2",  "rceil",     "binary", "p",      "\xff",   "@tensor", "4over6",  "zero=",
    "min=",  "order=te",  "+",      "clamp(", "->",     ":chunk=", ":mul=",   "exact",
    "mx",    "tc("};

std::string mutated(std::mt19937_64& random) {
  const auto pick = [&](std::size_t n) { return std::size_t(random() % n); };
  std::string text(seeds[pick(seeds.size())]);
  for (std::size_t edits = 1 + pick(4); edits > 0; --edits) {
    const std::size_t at = pick(text.size() + 1);
    switch (pick(7)) {
      case 0:
        text.insert(at, 1, char(pick(256)));
        break;
      case 1:
        if (at < text.size()) text[at] = char(pick(256));
        break;
      case 2:
        if (at < text.size()) text[at] = char(text[at] ^ (1 << pick(8)));
        break;
      case 3:
        text.erase(at, 1 + pick(3));
        break;
      case 4:
        text.insert(at, pieces[pick(pieces.size())]);
        break;
      case 5:
        text.insert(at, seeds[pick(seeds.size())]);
        break;
      default:
        text.resize(at);
        break;
    }
  }
  return text;
}

template <class Parse>
void expect_value_or_text_error(const std::string& text, Parse parse, int& accepted) {
  try {
    const auto value = parse(text);
    ASSERT_EQ(parse(to_string(value)), value) << text;
    ASSERT_EQ(parse(expanded(value)), value) << text;
    ++accepted;
  } catch (const text_error& error) {
    ASSERT_LE(error.position(), text.size()) << text;
    ASSERT_EQ(error.text(), text);
  } catch (const std::exception& error) {
    FAIL() << text << ": " << error.what();
  }
}

TEST(text_fuzz, damaged_text_gives_a_value_that_round_trips_or_a_text_error) {
  std::mt19937_64 random(4);
  int accepted = 0;
  for (int i = 0; i < 30000; ++i) {
    const std::string text = mutated(random);
    expect_value_or_text_error(
        text, [](std::string_view t) { return parse_quantizer(t); }, accepted);
    expect_value_or_text_error(
        text, [](std::string_view t) { return parse_element(t); }, accepted);
    expect_value_or_text_error(
        text, [](std::string_view t) { return parse_format(t); }, accepted);
    expect_value_or_text_error(
        text, [](std::string_view t) { return parse_accumulator(t); }, accepted);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(accepted, 1000) << "the mutations no longer reach the accepted part of the grammar";
}

TEST(text_fuzz, random_bytes_give_a_value_that_round_trips_or_a_text_error) {
  std::mt19937_64 random(5);
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text(random() % 24, '\0');
    for (char& c : text) c = char(random());
    expect_value_or_text_error(
        text, [](std::string_view t) { return parse_quantizer(t); }, accepted);
    expect_value_or_text_error(
        text, [](std::string_view t) { return parse_accumulator(t); }, accepted);
    if (HasFatalFailure()) return;
  }
}

TEST(text_fuzz, every_prefix_of_a_good_text_gives_a_value_that_round_trips_or_a_text_error) {
  int accepted = 0;
  for (std::string_view seed : seeds) {
    for (std::size_t length = 0; length <= seed.size(); ++length) {
      expect_value_or_text_error(
          std::string(seed.substr(0, length)), [](std::string_view t) { return parse_quantizer(t); }, accepted);
      expect_value_or_text_error(
          std::string(seed.substr(0, length)), [](std::string_view t) { return parse_accumulator(t); }, accepted);
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace binade
