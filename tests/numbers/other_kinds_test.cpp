// Integers, fixed point, logarithmic formats, posits, takums and code books: decode against the golden tables, rounding
// at both sides of every border between two values.

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "binade/quantize.hpp"
#include "numbers/other_formats.hpp"

namespace {

using namespace binade;
using oracle::ladder;
using oracle::other_form;

class other_kinds : public testing::TestWithParam<other_form> {};

TEST_P(other_kinds, decode_every_code_as_their_golden_table_says) {
  const number_format f = parse_format(GetParam().text);
  const std::vector<double>& want = GetParam().values;
  ASSERT_EQ(want.size(), f.code_mask() + 1);
  for (std::uint64_t code = 0; code < want.size(); ++code) {
    const double got = decode(f, code);
    EXPECT_TRUE(std::isnan(want[code]) ? std::isnan(got)
                                       : got == want[code] && std::signbit(got) == std::signbit(want[code]))
        << "code " << code << ": " << got;
  }
}

TEST_P(other_kinds, round_float64_right_at_both_sides_of_every_border_under_every_deterministic_rule) {
  const oracle::other_ladders ladders(GetParam());
  const std::vector<oracle::rule> rules = judged::deterministic_rules(GetParam());
  std::vector<element> elements;
  for (const oracle::rule& r : rules) elements.push_back(judged::element_of(GetParam(), r));
  std::uint64_t judged = 0;
  for (const bool negative : {false, true}) {
    const ladder& l = ladders.side(negative);
    std::vector<double> points{0, 0x1p-1074, 0x1p-1000, std::fabs(l.magnitudes.back()) * 1.25, 0x1p1000};
    for (int e = -130; e <= 130; ++e) points.push_back(std::ldexp(1.0, e));  // one is the power that a zero stands for
    for (std::size_t i = 0; i < l.magnitudes.size(); ++i) {
      if (l.magnitudes[i] >= 0) points.push_back(l.magnitudes[i]);
      if (i + 1 < l.magnitudes.size() && l.magnitudes[i] >= 0)
        for (const double x : oracle::points_of(l, i, 1, 1)) points.push_back(x);
    }
    for (const double point : points) {
      const double x = negative ? -point : point;
      const oracle::exact_result number = oracle::number_of(x);
      const oracle::rung place = locate(l, number);
      for (std::size_t r = 0; r < rules.size(); ++r) {
        const oracle::answer want = project(ladders, rules[r], number, place);
        ASSERT_EQ(encode(elements[r], x), want.code) << GetParam().text << " " << to_string(rules[r]) << " x " << x;
        const double value = round(elements[r], x);
        ASSERT_TRUE(oracle::same_value(value, want.value)) << GetParam().text << " x " << x << ": " << value;
        ++judged;
      }
    }
  }
  RecordProperty("judged", std::to_string(judged));
  EXPECT_GT(judged, 200u);
}

TEST_P(other_kinds, decide_each_noise_value_of_every_stochastic_rounding_as_the_place_between_two_values_says) {
  const oracle::other_ladders ladders(GetParam());
  // As many noise bits as the powers that decide in the logarithm leave time for.
  const int n = GetParam().width > 8 || (GetParam().border == "power" && GetParam().width == 8) ? 1 : 2;
  for (const oracle::rule& r : judged::stochastic_rules(n)) {
    const element e = judged::element_of(GetParam(), r);
    for (const bool negative : {false, true}) {
      const ladder& l = ladders.side(negative);
      for (std::size_t i = 0; i + 1 < l.magnitudes.size(); ++i) {
        if (l.magnitudes[i] < 0 || (l.never_zero && i == 0)) continue;
        for (unsigned j = 1; j < 2u << n; ++j)
          for (const double point : oracle::points_of(l, i, j, n + 1)) {
            const double x = negative ? -point : point;
            const oracle::exact_result number = oracle::number_of(x);
            const oracle::rung place = locate(l, number);
            for (std::uint32_t noise = 0; noise < 1u << n; ++noise)
              ASSERT_EQ(encode(e, x, noise), project(ladders, r, number, place, noise).code)
                  << GetParam().text << " " << to_string(r) << " x " << x << " noise " << noise;
          }
      }
    }
  }
}

TEST_P(other_kinds, keep_every_value_in_every_mode) {
  const number_format f = parse_format(GetParam().text);
  for (std::uint64_t code = 0; code <= f.code_mask(); ++code) {
    const double v = decode(f, code);
    if (std::isnan(v) || v < f.min_finite()) continue;
    for (int mode = 0; mode <= int(rounding_mode::stochastic_c); ++mode) {
      const element e{.format = f, .rounding = rounding_mode(mode)};
      EXPECT_EQ(round(e, v, 0xffffffff), v) << GetParam().text << " mode " << mode;
      if (f.fits_float()) {
        EXPECT_EQ(round(e, float(v), 0xffffffff), float(v)) << GetParam().text << " mode " << mode;
      }
    }
  }
}

TEST_P(other_kinds, saturate_beyond_their_ends_and_send_infinities_where_their_rule_says) {
  const number_format f = parse_format(GetParam().text);
  const double huge = 0x1p1000, infinity = std::numeric_limits<double>::infinity();
  for (const overflow_rule rule : {overflow_rule::saturate, overflow_rule::propagate, overflow_rule::spec}) {
    const element e{.format = f, .overflow = rule};
    EXPECT_EQ(round(e, huge), f.max_finite());
    EXPECT_EQ(round(e, -huge), f.min_finite());
    const double at_infinity = round(e, infinity);
    if (rule == overflow_rule::spec && f.has_nan())
      EXPECT_TRUE(std::isnan(at_infinity));  // a posit's infinity is NaR
    else
      EXPECT_EQ(at_infinity, f.max_finite());
  }
}

TEST_P(other_kinds, keep_nan_a_nan_as_a_value_and_refuse_it_as_a_code_where_there_is_none) {
  const number_format f = parse_format(GetParam().text);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isnan(round(element{f}, nan)));
  EXPECT_EQ(refuses(element{f}, nan), !f.has_nan());
  if (f.has_nan()) {
    EXPECT_TRUE(std::isnan(decode(f, encode(element{f}, nan))));
    return;
  }
  EXPECT_EQ(decode(f, encode(element{parse_format(GetParam().text + ":nan=max")}, nan)), f.max_finite());
  if (f.can_be_zero()) {
    EXPECT_EQ(decode(f, encode(element{parse_format(GetParam().text + ":nan=zero")}, nan)), 0);
  }
}

TEST_P(other_kinds, give_float32_its_code_and_value_around_every_border_under_every_deterministic_rule) {
  const oracle::other_steps steps(GetParam());
  std::uint64_t judged = 0;
  for (const oracle::rule& r : judged::deterministic_rules(GetParam())) {
    const oracle::borders at = oracle::borders_of(steps.stretches(r));
    const element e = judged::element_of(GetParam(), r);
    ASSERT_EQ(defect(e), "") << GetParam().text;
    std::vector<std::uint32_t> codes(at.inputs.size());
    judged::other_codes{e}(at.inputs, codes);
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const float x = at.inputs[i];
      ASSERT_EQ(codes[i], at.want[i].code) << GetParam().text << " " << to_string(r) << " x " << x;
      ASSERT_EQ(refuses(e, x), at.want[i].refused);
      // A value that float32 does not hold is rounded to it.
      ASSERT_TRUE(oracle::same_value(double(round(e, x)), double(float(at.want[i].value))))
          << GetParam().text << " " << x;
    }
    judged += codes.size();
  }
  RecordProperty("judged", std::to_string(judged));
}

TEST_P(other_kinds, stretches_say_what_the_exact_place_of_any_float32_says) {
  const oracle::other_steps steps(GetParam());
  std::mt19937 random(7);
  for (const oracle::rule& r : judged::deterministic_rules(GetParam())) {
    const auto stretches = steps.stretches(r);
    ASSERT_NO_THROW(oracle::expectations_of(stretches, oracle::delivered::code));
    for (int i = 0; i < 100; ++i) {
      auto bits = std::uint32_t(random());
      if (i % 2 == 0) bits = (bits & 0x80ffffff) | (0x3b000000 + (bits >> 4 & 0x0b000000));  // near 1
      const auto s = std::partition_point(stretches.begin(), stretches.end(),
                                          [&](const oracle::stretch& part) { return part.last < bits; });
      const oracle::answer want = project(steps.ladders(), r, oracle::number_of(double(std::bit_cast<float>(bits))));
      ASSERT_EQ(s->want.code, want.code) << GetParam().text << " " << to_string(r) << std::hex << " 0x" << bits;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(numbers, other_kinds, testing::ValuesIn(judged::other_forms()), judged::name_of_form);

TEST(other_kinds_of_8_bits_and_fewer, are_of_every_width_kind_and_range) {
  std::map<std::string, int> kinds;
  for (const other_form& f : judged::small_other_forms()) {
    ++kinds[f.border];
    const number_format ours = parse_format(f.text);
    EXPECT_EQ(ours.width, f.width) << f.text;
    EXPECT_EQ(ours.has_nan(), f.has_nan()) << f.text;
    for (const oracle::beyond b : {oracle::beyond::saturate, oracle::beyond::propagate, oracle::beyond::infinity,
                                   oracle::beyond::nan, oracle::beyond::spec}) {
      const auto possible = possible_overflows(f);
      EXPECT_EQ(defect(judged::element_of(f, {.overflow = b})).empty(),
                std::find(possible.begin(), possible.end(), b) != possible.end())
          << f.text;
    }
  }
  EXPECT_EQ(kinds["string"], 6 * 3 + 6);  // posits of 3 to 8 bits with es 0, 1 and 2, takums of 3 to 8 bits
  EXPECT_EQ(kinds["power"], 11);
  EXPECT_EQ(kinds["entries"], 7);
  EXPECT_EQ(kinds["linear"], 3 * 7 + 2 * 5 + 3 + 11);  // integers of 2 to 8 bits in three ranges, fixed point, lns
}

TEST(code_book, with_equal_values_is_the_same_format) {
  EXPECT_EQ(parse_format("book(-1,0,0.5,1)"), parse_format("book(-1,0,0.5,1)"));
  EXPECT_NE(parse_format("book(-1,0,0.5,1)"), parse_format("book(-1,0,0.25,1)"));
  const number_format f = parse_format("book(-1,-0.25,0.25,3)");
  EXPECT_EQ(round(element{f}, 0.0f), 0.25f);  // half way between codes 1 and 2: to the even one, 2
  EXPECT_EQ(round(element{f}, -0.0f), 0.25f);
  EXPECT_EQ(round(element{f}, 1e30f), 3.0f);
  EXPECT_EQ(round(element{f}, 1.625f), 0.25f);  // half way between codes 2 and 3
}

/// Shared exponent e of the largest magnitude, every value a whole number of 2^(e - bits + 1) on the symmetric range.
void expect_block(const std::string& text, int bits, int emax) {
  std::vector<float> x(32), got(32);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::ldexp(float(int(i * 37 % 61) - 30), int(i % 5) - 9);
  const quantizer q = parse_quantizer(text);
  quantize(x, {1, x.size(), 1}, q, {}, got);
  const std::size_t block = q.scalings[0].tile_cols;
  for (std::size_t begin = 0; begin < x.size(); begin += block) {
    float amax = 0;
    for (std::size_t i = begin; i < begin + block; ++i) amax = std::max(amax, std::fabs(x[i]));
    const double unit = std::ldexp(1.0, std::ilogb(amax) - bits + 1), most = std::ldexp(1.0, bits) - 1;
    for (std::size_t i = begin; i < begin + block; ++i) {
      const double steps = std::nearbyint(double(x[i]) / unit);  // exact, then ties to even
      EXPECT_EQ(double(got[i]), std::fmax(-most, std::fmin(most, steps)) * unit) << text << " " << i << " " << x[i];
    }
  }
  EXPECT_EQ(q.elem.format.max_exponent(), emax);
}
TEST(shared_exponent, blocks_count_in_units_of_the_largest_elements_binade) {
  expect_block("mxint8", 7, 0);
  expect_block("msfp12", 3, 2);
  expect_block("msfp13", 4, 3);
  expect_block("msfp14", 5, 4);
  expect_block("msfp15", 6, 5);
  expect_block("msfp16", 7, 6);
}

TEST(posit, knows_the_limits_of_the_standard) {
  const number_format posit16 = parse_format("posit16"), posit32 = parse_format("posit32");
  EXPECT_EQ(posit16.max_finite(), 0x1p56);
  EXPECT_EQ(decode(posit16, 1), 0x1p-56);
  EXPECT_EQ(posit32.max_finite(), 0x1p120);
  EXPECT_EQ(decode(posit16, 0x4000), 1);
  EXPECT_EQ(encode(element{posit16}, 0x1p-80), 1u);
  EXPECT_EQ(encode(element{posit16}, -0x1p-80), 0xffffu);
}

}  // namespace
