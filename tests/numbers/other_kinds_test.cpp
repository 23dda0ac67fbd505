// Integers, fixed point, logarithmic formats, posits, takums and code books: decode against the golden tables, rounding
// at both sides of every border between two values.

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "binade/codec.hpp"
#include "binade/quantize.hpp"
#include "binade/text.hpp"
#include "oracle/number_line.hpp"

namespace {

using namespace binade;
using oracle::ladder;
using oracle::ladder_mode;

struct subject {
  std::string text, table;  ///< text form and golden table
  enum { linear, string_of_bits, logarithm } border = linear;
};

const std::vector<subject> subjects{
    {"int2:asym", "int2", subject::linear},
    {"int4", "int4", subject::linear},
    {"int4:asym", "int4", subject::linear},
    {"int8", "int8", subject::linear},
    {"int8:asym", "int8", subject::linear},
    {"uint4", "uint4", subject::linear},
    {"uint8", "uint8", subject::linear},
    {"fixed1.6", "fixed1.6", subject::linear},
    {"ufixed3.5", "ufixed3.5", subject::linear},
    {"posit4", "posit4", subject::string_of_bits},
    {"posit8", "posit8", subject::string_of_bits},
    {"posit8:es=0", "posit8_es0", subject::string_of_bits},
    {"posit10", "posit10", subject::string_of_bits},
    {"takum6", "takum6", subject::string_of_bits},
    {"takum8", "takum8", subject::string_of_bits},
    {"takum12", "takum12", subject::string_of_bits},
    {"lns4", "lns4", subject::logarithm},
    {"lns8", "lns8", subject::logarithm},
    {"lns8:nearest=linear", "lns8", subject::linear},
    {"lns8:gamma=1:bias=64:zero", "lns8_gamma1_bias64_zero", subject::logarithm},
    {"lns8:gamma=1:bias=64:zero:nearest=linear", "lns8_gamma1_bias64_zero", subject::linear},
    {"lns10:gamma=32:bias=256:zero", "lns10_gamma32_bias256_zero", subject::logarithm},
    {"lns10:gamma=32:bias=256:zero:nearest=linear", "lns10_gamma32_bias256_zero", subject::linear},
    {"nf4", "nf4", subject::linear},
};

/// One sign of a format, from its golden table.
ladder ladder_of(const subject& s, bool negative) {
  const number_format f = parse_format(s.text);
  const std::vector<double> values = oracle::other_golden_values(s.table);
  std::map<double, std::uint64_t> ordered;
  for (std::uint64_t code = 0; code < values.size(); ++code) {
    const double v = values[code];
    if (std::isnan(v) || (v < 0) != negative) {
      if (v != 0) continue;
    }
    if (v == 0 && ordered.contains(0) && std::signbit(v) != negative) continue;  // of two zeros that of this sign
    if (f.kind == format_kind::fixed && f.fixed.is_symmetric && -v > f.max_finite()) continue;
    ordered[std::fabs(v)] = code;
  }
  ladder l;
  l.negative = negative;
  for (const auto& [magnitude, code] : ordered) {
    l.magnitudes.push_back(magnitude);
    l.codes.push_back(code);
  }
  if (s.border == subject::linear) {
    l.compare = oracle::linear_border(l.magnitudes);
  } else if (s.border == subject::string_of_bits) {
    // Cut after n bits more: the border is the value of that longer string.  Nothing lies between 0 and the least
    // value.
    l.compare = [f](double x, std::size_t i, unsigned j, int n) {
      if (i == 0) return x > 0 ? 1 : -1;
      const std::string digits = oracle::binary(i << n | j, f.width - 1 + n);
      return oracle::exact(x).compare(oracle::exact(f.tapered.kind == tapered_kind::posit
                                                        ? oracle::posit_value(digits, f.tapered.exponent_bits)
                                                        : oracle::takum_value(digits)));
    };
  } else {
    // x > 2^((k + j / 2^n - bias) / gamma), both sides to the power gamma 2^n.
    l.compare = [f, l](double x, std::size_t i, unsigned j, int n) {
      namespace mp = boost::multiprecision;
      if (x == 0) return -1;
      const int steps = int(i) - f.logarithmic.bias, power = f.logarithmic.gamma() << n;
      const std::int64_t target = (std::int64_t(steps) << n) + j;
      int exponent = 0;
      const auto significand = mp::cpp_int(static_cast<std::int64_t>(std::ldexp(std::frexp(x, &exponent), 53)));
      mp::cpp_int left = mp::pow(significand, unsigned(power)), right = 1;
      const std::int64_t shift = std::int64_t(exponent - 53) * power - target;
      (shift >= 0 ? left : right) <<= unsigned(std::abs(shift));
      return left.compare(right);
    };
  }
  return l;
}

class other_kinds : public testing::TestWithParam<subject> {};

TEST_P(other_kinds, decode_every_code_as_their_golden_table_says) {
  const number_format f = parse_format(GetParam().text);
  const std::vector<double> want = oracle::other_golden_values(GetParam().table);
  ASSERT_EQ(want.size(), f.code_mask() + 1);
  for (std::uint64_t code = 0; code < want.size(); ++code) {
    const double got = decode(f, code);
    EXPECT_TRUE(std::isnan(want[code]) ? std::isnan(got) : got == want[code]) << "code " << code << ": " << got;
  }
}

TEST_P(other_kinds, round_right_at_both_sides_of_every_border_in_every_deterministic_mode) {
  const number_format f = parse_format(GetParam().text);
  std::uint64_t judged = 0;
  for (const bool negative : {false, true}) {
    if (negative && !f.is_signed()) continue;
    const ladder l = ladder_of(GetParam(), negative);
    for (std::size_t i = 0; i + 1 < l.magnitudes.size(); ++i)
      for (const double x : oracle::points_of(l, i, 1, 1))
        for (int mode = 0; mode <= int(ladder_mode::to_odd); ++mode) {
          const element e{.format = f, .rounding = rounding_mode(mode)};
          // -0 goes where +0 goes in formats without it; a posit leaves nothing between 0 and its least value.
          if (x == 0 && l.codes[i] != encode(e, 0.0)) continue;
          const bool only_up = f.kind == format_kind::tapered && i == 0 && x > 0;
          const bool up = only_up || oracle::goes_away(l, ladder_mode(mode), x, i);
          const std::uint64_t got = encode(e, negative ? -x : x), want = l.codes[i + std::size_t(up)];
          ASSERT_EQ(got, want) << GetParam().text << " mode " << mode << " x " << (negative ? -x : x)
                               << " between codes " << l.codes[i] << " and " << l.codes[i + 1];
          ASSERT_EQ(decode(f, got), round(e, negative ? -x : x));
          ++judged;
        }
  }
  RecordProperty("judged", std::to_string(judged));
  EXPECT_GT(judged, 20u);
}

TEST_P(other_kinds, go_up_for_as_many_noise_values_as_the_place_between_two_values_says) {
  const number_format f = parse_format(GetParam().text);
  constexpr int n = 3;
  const element e{.format = f, .rounding = rounding_mode::stochastic_a, .noise_bits = n};
  for (const bool negative : {false, true}) {
    if (negative && !f.is_signed()) continue;
    const ladder l = ladder_of(GetParam(), negative);
    for (std::size_t i = 0; i + 1 < l.magnitudes.size(); ++i) {
      if (f.kind == format_kind::tapered && i == 0) continue;
      for (unsigned j = 1; j < 1u << n; ++j)
        for (const double x : oracle::points_of(l, i, j, n)) {
          if (x == 0 || x == l.magnitudes[i]) continue;
          unsigned place = 0;  // floor(nu 2^n)
          while (place + 1 < 1u << n && l.compare(x, i, place + 1, n) >= 0) ++place;
          unsigned ups = 0;
          for (std::uint32_t noise = 0; noise < 1u << n; ++noise)
            ups += unsigned(encode(e, negative ? -x : x, noise) == l.codes[i + 1]);
          ASSERT_EQ(ups, place) << GetParam().text << " x " << x << " above code " << l.codes[i];
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

INSTANTIATE_TEST_SUITE_P(numbers, other_kinds, testing::ValuesIn(subjects), [](const auto& one) {
  std::string name = one.param.text;
  for (char& c : name)
    if (c == ':' || c == '=' || c == '.') c = '_';
  return name;
});

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
