// Every format of the P3109 family, 3 to 16 bits wide, by its name: values and conversions in exact numbers.  The
// exponents of 50 of the 504 go beyond those of binary64, so that inputs come from a format of wider exponents still.

#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

#include "binade/accumulator.hpp"
#include "binade/number_order.hpp"
#include "binade/text.hpp"
#include "numbers/arithmetic_judged.hpp"
#include "oracle/p3109.hpp"

namespace {

using judged::arithmetic;
using oracle::dyadic;
using oracle::grid;
using oracle::p3109_format;

/// Numbers of 47 bits from 2^-32785 to 2^32795: all values of the family, midpoints, and what lies beside and beyond.
grid source_grid() {
  return {.width = 64, .precision = 47, .bias = 32740, .high_nans = std::uint64_t{1} << 62};
}

/// The magnitude code of a value in a grid that has it.
std::uint64_t code_of(const grid& g, dyadic value) {
  if (value.is_zero()) return 0;
  const dyadic d = oracle::normalized(value);
  const int leading = d.exponent + 63, lowest = 1 - g.bias, quantum = std::max(leading, lowest) - (g.precision - 1);
  const int shift = quantum - d.exponent;
  if (shift < 0 || shift > 63 || (d.significand & ((std::uint64_t{1} << shift) - 1)) != 0)
    throw std::logic_error("no value of the grid: " + to_string(value));
  const std::uint64_t field = static_cast<std::uint64_t>(std::max(leading - lowest, 0));
  return (field << (g.precision - 1)) + (d.significand >> shift);
}

std::vector<p3109_format> wide_formats() {
  std::vector<p3109_format> all = oracle::p3109_family(3, 16);
  std::erase_if(all, [](const p3109_format& member) { return member.definition.fits_binary64(); });
  return all;
}

std::vector<oracle::rule> rules_of(const grid& g) {
  std::vector<oracle::rule> rules = judged::arithmetic_rules(g);
  for (const oracle::mode m : judged::stochastic_modes)
    rules.push_back({.rounding = m, .noise_bits = 3, .overflow = oracle::beyond::spec});
  return rules;
}

TEST(p3109_family, each_of_the_504_names_is_the_format_of_the_report) {
  const std::vector<p3109_format> family = oracle::p3109_family(3, 16);
  EXPECT_EQ(family.size(), 504u);
  EXPECT_EQ(wide_formats().size(), 50u);
  for (const p3109_format& member : family) {
    const binade::number_format f = binade::parse_format(member.name);
    EXPECT_EQ(oracle::grid_of(f.floating), member.definition) << member.name;
    EXPECT_EQ(binade::to_string(f), member.name);
    EXPECT_EQ(f.fits_double(), member.definition.fits_binary64()) << member.name;
  }
}

TEST(p3109_family, every_code_has_the_value_of_the_report) {
  const grid binary32{.width = 32, .precision = 24, .bias = 127, .has_infinity = true, .high_nans = 0x7fffff};
  const oracle::rule nearest{.overflow = oracle::beyond::infinity};
  std::uint64_t codes = 0;
  for (const auto& [name, g] : oracle::p3109_family(3, 16)) {
    const binade::float_format f = binade::parse_format(name).floating;
    for (std::uint64_t code = 0; code >> g.width == 0; ++code, ++codes) {
      const binade::detail::unpacked got = binade::detail::unpack(f, code);
      const double as_double = binade::decode(f, code);
      const std::uint64_t magnitude = code & g.top_code();
      ASSERT_EQ(got.is_nan, g.is_nan_code(code)) << name << " " << code;
      if (got.is_nan) {
        ASSERT_TRUE(std::isnan(as_double)) << name << " " << code;
        continue;
      }
      ASSERT_EQ(got.negative, code != magnitude) << name << " " << code;
      ASSERT_EQ(got.is_infinite, magnitude > g.max_code()) << name << " " << code;
      if (got.is_infinite) {
        ASSERT_EQ(as_double, got.negative ? -HUGE_VAL : HUGE_VAL) << name << " " << code;
        continue;
      }
      const dyadic want = g.value(magnitude), exact = oracle::normalized(want);
      ASSERT_EQ(got.significand, exact.significand) << name << " " << code;
      ASSERT_TRUE(want.is_zero() || got.exponent == exact.exponent + 63) << name << " " << code;
      const double sign = got.negative ? -1 : 1;
      ASSERT_EQ(as_double, sign * oracle::to_double(want)) << name << " " << code;
      if (code % 64 > 3) continue;
      const double single =
          oracle::project(binary32, nearest, 1.0, want.is_zero() ? oracle::place{} : oracle::locate(binary32, want))
              .value;
      ASSERT_EQ(double(binade::decode<float>(f, code)), sign * (want.is_zero() ? 0.0 : single)) << name << " " << code;
    }
  }
  RecordProperty("judged", std::to_string(codes));
}

TEST(p3109_family, both_sides_of_borders_between_codes_from_exact_numbers_under_every_rule) {
  const grid source = source_grid();
  ASSERT_EQ(binade::defect(judged::format_of(source)), "");
  std::uint64_t judged = 0;
  for (const auto& [name, g] : oracle::p3109_family(9, 16)) {
    arithmetic judge(name, {source, source, source}, g);
    const std::vector<oracle::rule> rules = rules_of(g);
    for (const std::uint64_t below : oracle::steps_of(g, 24)) {
      const dyadic low = g.value(below), high = g.value(below + 1);
      for (const dyadic& mark : {low, midpoint(low, high), high}) {
        const std::uint64_t at = code_of(source, mark);
        for (const std::uint64_t code : {at == 0 ? 1 : at - 1, at, at + 1})
          for (const std::uint64_t sign : {std::uint64_t{0}, source.sign_code()})
            if (!judge("convert", {sign | code, 0, 0}, rules, {0, 3, 7})) return;
      }
    }
    // The ends of what there is.
    for (const std::uint64_t code : {std::uint64_t{0}, std::uint64_t{1}, source.max_code()})
      for (const std::uint64_t sign : {std::uint64_t{0}, source.sign_code()})
        if (!judge("convert", {sign | code, 0, 0}, rules, {0, 3, 7})) return;
    judged += judge.judged();
  }
  RecordProperty("judged", std::to_string(judged));
}

TEST(p3109_family, binary64_and_binary32_go_into_formats_of_wider_exponents_once_rounded) {
  std::mt19937_64 random(7);
  std::vector<double> inputs{0, 0x1p-1074, 0x1p-1022, 0x1p-149, 1, 1.5, 0x1.fffffffffffffp1023, HUGE_VAL};
  for (int i = 0; i < 200; ++i)
    inputs.push_back(std::ldexp(1 + std::ldexp(double(random() >> 12), -52), int(random() % 2098) - 1074));
  std::uint64_t judged = 0;
  for (const auto& [name, g] : wide_formats()) {
    const binade::float_format f = binade::parse_format(name).floating;
    for (const oracle::rule& r : rules_of(g)) {
      const binade::element e = judged::element_of(f, r);
      for (const double magnitude : inputs)
        for (const double x : {magnitude, -magnitude})
          for (const std::uint32_t noise : {0u, 5u}) {
            ASSERT_EQ(binade::encode(e, x, noise), oracle::project(g, r, x, noise).code) << name << " " << x;
            const auto single = static_cast<float>(x);
            ASSERT_EQ(binade::encode(e, single, noise), oracle::project(g, r, double(single), noise).code)
                << name << " " << single;
            judged += 2;
          }
    }
  }
  RecordProperty("judged", std::to_string(judged));
}

TEST(p3109_family, arithmetic_in_formats_of_wider_exponents_is_exact_before_its_one_rounding) {
  std::mt19937_64 random(8);
  std::uint64_t judged = 0;
  const std::vector<p3109_format> all = wide_formats();
  for (const auto& [name, g] : all) {
    arithmetic judge(name, g);
    judge.random_operands(6, random, rules_of(g), {0, 5});
    const grid& other = all[random() % all.size()].definition;
    arithmetic mixed(name + " and another", {g, other, g}, other);
    mixed.random_operands(2, random, rules_of(other), {0, 5});
    judged += judge.judged() + mixed.judged();
  }
  RecordProperty("judged", std::to_string(judged));
}

TEST(p3109_family, a_number_type_of_wider_exponents_compares_and_computes_by_its_codes) {
  using number = binade::number<binade::p3109_format(16, 1, false, true)>;  // binary16p1ue: 2^-32767 to 2^32765
  constexpr number least = number::from_code(1), next = number::from_code(2), large = number::from_code(65533);
  static_assert(double(least) == 0 && double(next) == 0 && double(large) == HUGE_VAL);
  static_assert(!is_zero(least) && least < next && least != next && is_finite(large) && next_up(least) == next);
  static_assert((least * large).code == 32768 - 2 && least + least == next && next / least == number(2.0));
  static_assert(sqrt(number(16)) == number(4) && double(number(0x1p-1000)) == 0x1p-1000);
  EXPECT_EQ(least * least, number(0.0)) << "2^-65534 is below half of 2^-32767";
}

TEST(p3109_family, an_exmy_of_any_bias_has_its_exact_values) {
  for (const char* name : {"e11m10fn", "e11m10:specials=none", "e11m52:specials=none", "e8m7:bias=1100",
                           "e8m7:bias=-1100", "e4m3fn:bias=65536", "e4m3fn:bias=-65536", "e1m52:specials=none"}) {
    const binade::float_format f = binade::parse_format(name).floating;
    const grid g = oracle::grid_of(f);
    EXPECT_EQ(binade::to_string(f), name);
    for (const std::uint64_t code : oracle::steps_of(g, 4096)) {
      const dyadic want = g.value(code), exact = oracle::normalized(want);
      const binade::detail::unpacked got = binade::detail::unpack(f, code);
      ASSERT_EQ(got.significand, exact.significand) << name << " " << code;
      ASSERT_TRUE(want.is_zero() || got.exponent == exact.exponent + 63) << name << " " << code;
      ASSERT_EQ(binade::convert(binade::element{f}, {f, code}), code) << name;
    }
    arithmetic judge(name, g);
    std::mt19937_64 random(9);
    judge.random_operands(40, random, rules_of(g), {0, 5});
  }
}

TEST(p3109_family, what_computes_in_binary64_refuses_wider_exponents_by_name) {
  EXPECT_NE(binade::defect(binade::chain_of(binade::parse_element("binary12p1ue"))).find("binary64"),
            std::string_view::npos);
  EXPECT_THROW(binade::parse_quantizer("binary12p1ue@tensor"), binade::text_error);
  EXPECT_NO_THROW(binade::parse_quantizer("binary12p1ue/sr"));
}

}  // namespace
