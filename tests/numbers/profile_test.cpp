// Conversion profiles: their text form, and the codes and values that they give at the places where libraries differ.
// tests/libraries/ compares each with its library.

#include "binade/profile.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "binade/codec.hpp"
#include "binade/text.hpp"
#include "numbers/fast_round_points.hpp"

namespace binade {
namespace {

constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

/// Every element that a profile's row and explicit policies can say.
std::vector<element> elements_of(const profile_row& row) {
  std::vector<element> all;
  for (int mode = 0; mode <= int(rounding_mode::stochastic_c); ++mode)
    for (int rule = 0; rule <= int(overflow_rule::spec); ++rule) {
      element e = row.applied_to(row.format);
      e.rounding = rounding_mode(mode);
      e.overflow = overflow_rule(rule);
      if (row.covers(e)) all.push_back(e);
    }
  return all;
}

TEST(profile, every_element_of_every_row_prints_and_parses_back_equal) {
  std::size_t count = 0;
  for (const profile_row& row : profile_rows)
    for (const element& e : elements_of(row)) {
      ++count;
      EXPECT_EQ(parse_element(to_string(e)), e) << to_string(e);
      EXPECT_EQ(parse_element(expanded(e)), e) << expanded(e);
      EXPECT_EQ(to_string(parse_element(to_string(e))), to_string(e));
      EXPECT_LE(to_string(e).size(), expanded(e).size());
    }
  EXPECT_GT(count, 200u);
}

TEST(profile, the_text_of_each_row_means_the_row) {
  for (const profile_row& row : profile_rows) {
    const std::string as(detail::word_of(profiles, row.as));
    const std::string text = to_string(row.format) + "/as=" + as;
    EXPECT_EQ(parse_element(text), row.applied_to(row.format)) << text;
  }
  EXPECT_EQ(parse_element("E4M3FN/AS=CUDA"), parse_element("e4m3fn/as=cuda"));
  EXPECT_EQ(parse_element("e4m3fn/as=cuda/spec"), parse_element("e4m3fn/spec/as=cuda"));
  EXPECT_EQ(parse_quantizer("e4m3fn/as=pytorch@tensor").elem, parse_element("e4m3fn/as=pytorch"));
}

TEST(profile, print_names_the_profile_where_the_choices_are_its_own) {
  const auto expect = [](const char* text, const char* shortest, const char* all) {
    EXPECT_EQ(to_string(parse_element(text)), shortest);
    EXPECT_EQ(expanded(parse_element(text)), all);
  };
  expect("e4m3fn/saturate/as=cuda/rne", "e4m3fn/as=cuda", "e4m3fn/rne/saturate/gradual/as=cuda");
  expect("e4m3fn/as=cuda/sr:8/spec", "e4m3fn/sr:8/spec/as=cuda", "e4m3fn/sr:8/spec/gradual/as=cuda");
  expect("e8m0fnu/as=cuda", "e8m0fnu/as=cuda", "e8m0fnu/rup/saturate/gradual/as=cuda");
  expect("e2m1fn/as=ml_dtypes", "e2m1fn/as=ml_dtypes", "e2m1fn:nan=opposite_zero/rne/saturate/gradual");
  // Nothing but what other words say too.
  expect("e4m3fn/as=ocp", "e4m3fn", "e4m3fn/rne/saturate/gradual");
  expect("binary8p3se/as=p3109", "binary8p3se/spec", "binary8p3se/rne/spec/gradual");
  expect("e2m1fn/as=cuda", "e2m1fn:nan=max", "e2m1fn:nan=max/rne/saturate/gradual");
  EXPECT_EQ(parse_element("e5m2fnuz/as=pytorch"), parse_element("e5m2fnuz/as=ml_dtypes"));
}

TEST(profile, what_contradicts_a_profile_is_an_error_that_says_what_does_not) {
  const auto expect_error = [](const char* text, std::size_t position, const char* part) {
    try {
      parse_element(text);
      ADD_FAILURE() << text << " is taken";
    } catch (const text_error& error) {
      EXPECT_EQ(error.position(), position) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  expect_error("e4m3fnuz/as=cuda", 12, "with e4m3fn, e5m2, e3m2fn, e2m3fn, e2m1fn, e8m0fnu, e5m10, e8m7");
  expect_error("e4m3fn/as=p3109", 10, "with binaryKpP{s|u}{e|f}");
  expect_error("e4m3fn:bias=5/as=cuda", 17, "has no conversion to this format");
  expect_error("e2m1fn:nan=zero/as=cuda", 19, "leave out :nan=");
  expect_error("e4m3fn/as=cuda/nan", 15, "valid here: saturate, spec");
  expect_error("e4m3fn/saturate/as=ml_dtypes", 7, "this contradicts as=ml_dtypes");
  expect_error("e8m0fnu/rne/as=pytorch", 8, "valid here: rna");
  expect_error("e8m0fnu/as=cuda/sr", 16, "valid here: rtz, rup");
  expect_error("e4m3fn/as=cuda/ftz", 15, "valid here: gradual");
  expect_error("e4m3fn/as=cuda/as=cuda", 15, "is given twice");
  expect_error("e4m3fn/as=pytroch", 10, "nearest known name: pytorch");
  expect_error("e4m3fn/as=", 10, "a conversion profile is expected");
  expect_error("e4m3fn/as", 9, "'=' is expected");
}

TEST(profile, choices_that_no_profile_makes_have_no_text) {
  element e{.format = formats::e4m3fn, .choices = {.nan = nan_rule::ones_negative}};
  EXPECT_THROW(to_string(e), std::invalid_argument);
  e = parse_element("e4m3fn/as=ml_dtypes");
  e.overflow = overflow_rule::propagate;
  EXPECT_THROW(to_string(e), std::invalid_argument);
}

TEST(profile, choices_that_a_format_cannot_have_are_defects) {
  EXPECT_NE(defect({.format = formats::e4m3fnuz, .choices = {.nan = nan_rule::ones}}), "");
  EXPECT_NE(defect({.format = formats::e2m1fn, .choices = {.overflow_nan = nan_rule::ones}}), "");
  EXPECT_NE(defect({.format = formats::e4m3fn, .choices = {.magnitude_only = true}}), "");
  EXPECT_NE(defect({.format = formats::ue4m3, .choices = {.zero_is_nan = true}}), "");
  EXPECT_NE(defect({.format = formats::e4m3fn, .choices = {.lowest_step_up = true}}), "");
  float_format unsigned_fp4 = unsigned_format(formats::e2m1fn);
  unsigned_fp4.nan = nan_code::opposite_zero;
  EXPECT_NE(defect(unsigned_fp4), "");
}

/// The codes of NaN, -NaN, a NaN with payload, +inf, -inf, 1e30, -1e30.
std::vector<std::uint64_t> specials(const char* text) {
  const element e = parse_element(text);
  std::vector<std::uint64_t> codes;
  for (const float x : {nan, -nan, std::bit_cast<float>(0xff812345), inf, -inf, 1e30f, -1e30f})
    codes.push_back(encode(e, x));
  return codes;
}

TEST(profile, specials_get_the_codes_of_the_library) {
  using codes = std::vector<std::uint64_t>;
  EXPECT_EQ(specials("e4m3fn"), (codes{0x7f, 0x7f, 0x7f, 0x7e, 0xfe, 0x7e, 0xfe}));
  EXPECT_EQ(specials("e4m3fn/spec"), (codes{0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f}));
  EXPECT_EQ(specials("e4m3fn/as=cuda"), (codes{0x7f, 0x7f, 0x7f, 0x7e, 0xfe, 0x7e, 0xfe}));
  EXPECT_EQ(specials("e4m3fn/spec/as=cuda"), (codes{0x7f, 0x7f, 0x7f, 0x7f, 0xff, 0x7f, 0xff}));
  EXPECT_EQ(specials("e4m3fn/as=ml_dtypes"), (codes{0x7f, 0xff, 0xff, 0x7f, 0xff, 0x7f, 0xff}));
  EXPECT_EQ(specials("e4m3fn/as=pytorch"), (codes{0x7f, 0xff, 0xff, 0x7e, 0xfe, 0x7e, 0xfe}));
  EXPECT_EQ(specials("e5m2/as=cuda"), (codes{0x7f, 0x7f, 0x7f, 0x7b, 0xfb, 0x7b, 0xfb}));
  EXPECT_EQ(specials("e5m2/as=ml_dtypes"), (codes{0x7e, 0xfe, 0xfe, 0x7c, 0xfc, 0x7c, 0xfc}));
  EXPECT_EQ(specials("e5m2/as=pytorch"), (codes{0x7f, 0xff, 0xff, 0x7c, 0xfc, 0x7c, 0xfc}));
  EXPECT_EQ(specials("e4m3fnuz/as=pytorch"), codes(7, 0x80));
  EXPECT_EQ(specials("e2m1fn/as=cuda"), (codes{7, 7, 7, 7, 0xf, 7, 0xf}));
  EXPECT_EQ(specials("e2m1fn/as=ml_dtypes"), (codes{8, 0, 0, 7, 0xf, 7, 0xf}));
  EXPECT_EQ(specials("e5m10/as=pytorch"), (codes{0x7e00, 0xfe00, 0xfe09, 0x7c00, 0xfc00, 0x7c00, 0xfc00}));
  EXPECT_EQ(specials("e8m7/as=pytorch"), (codes{0xffff, 0xffff, 0xffff, 0x7f80, 0xff80, 0x714a, 0xf14a}));
  EXPECT_EQ(specials("e8m0fnu/as=cuda"), (codes{0xff, 0xff, 0xff, 0xfe, 0xfe, 0xe3, 0xe3}));
  EXPECT_EQ(specials("e8m0fnu/as=ml_dtypes"), (codes{0xff, 0xff, 0xff, 0xff, 0xff, 0xe3, 0xff}));
}

TEST(profile, scales_of_e8m0fnu_are_rounded_as_each_library_does) {
  const float inputs[] = {0.0f,
                          -0.0f,
                          -1.0f,
                          1.5f,
                          3.0f,
                          0x1p-127f,
                          std::nextafter(0x1p-127f, 1.0f),
                          0x1p-149f,
                          std::numeric_limits<float>::max()};
  const auto codes = [&](const char* text) {
    std::vector<std::uint64_t> result;
    for (const float x : inputs) result.push_back(encode(parse_element(text), x));
    return result;
  };
  using list = std::vector<std::uint64_t>;
  EXPECT_EQ(codes("e8m0fnu"), (list{0, 0, 0, 0x80, 0x80, 0, 0, 0, 0xfe}));  // ties to the even code
  EXPECT_EQ(codes("e8m0fnu/as=cuda"), (list{0, 0, 0x7f, 0x80, 0x81, 0, 1, 0, 0xfe}));
  EXPECT_EQ(codes("e8m0fnu/rtz/as=cuda"), (list{0, 0, 0x7f, 0x7f, 0x80, 0, 0, 0, 0xfe}));
  EXPECT_EQ(codes("e8m0fnu/spec/as=cuda"), (list{0, 0, 0x7f, 0x80, 0x81, 0, 1, 0, 0xff}));
  EXPECT_EQ(codes("e8m0fnu/as=pytorch"), (list{0, 0, 0x7f, 0x80, 0x81, 0, 1, 0, 0xff}));
  EXPECT_EQ(codes("e8m0fnu/as=ml_dtypes"), (list{0xff, 0xff, 0xff, 0x80, 0x81, 0, 1, 0, 0xff}));
}

TEST(profile, a_rounded_nan_stays_nan_and_all_else_is_the_value_of_its_code) {
  const float inputs[] = {0.0f, -0.0f, 1.0f, -1.0f, 1e-40f, 0.3f, -7.9f, 500.0f, -1e30f, inf, -inf};
  for (const profile_row& row : profile_rows)
    for (const element& e : elements_of(row)) {
      for (const float x : {nan, -nan}) {
        EXPECT_TRUE(std::isnan(round(e, x))) << to_string(e);
        EXPECT_TRUE(std::isnan(round(e, double(x)))) << to_string(e);
        EXPECT_TRUE(!e.format.has_nan() || std::isnan(decode(e.format, encode(e, x)))) << to_string(e);
      }
      for (const float x : inputs) {
        const double value = decode(e.format, encode(e, x)), rounded = round(e, double(x));
        EXPECT_TRUE(value == rounded || (std::isnan(value) && std::isnan(rounded))) << to_string(e) << " " << x;
      }
    }
}

TEST(profile, the_fast_path_gives_the_same_codes_and_values) {
  std::vector<float> x;
  for (std::uint32_t i = 0; i < 1u << 16; ++i) x.push_back(std::bit_cast<float>(i * 65537));
  testing::sequence random{3};
  std::size_t fast = 0;
  for (const profile_row& row : profile_rows)
    for (const element& e : elements_of(row)) {
      if (!fast_rounder::covers(e)) continue;
      ++fast;
      std::vector<std::uint32_t> noise(x.size());
      for (std::uint32_t& r : noise) r = random();
      if (const auto found = testing::disagreement(e, x, noise)) ADD_FAILURE() << to_string(e) << ": " << *found;
    }
  EXPECT_GT(fast, 150u);
}

}  // namespace
}  // namespace binade
