// All 2^16 codes of 16-bit formats of every kind: their values, encode(decode(c)) = c in every rounding, square root,
// negation, neighbours; every 37th code into 8-bit formats (sixteen_bits_full.cpp takes all).

#include "numbers/sixteen_bits.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "binade/minifloat.hpp"

namespace {

using binade::rounding_mode;

/// encode, round and convert keep every number in every rounding mode, with the largest noise too.
void keeps_every_code(const binade::number_format& f, const std::vector<double>& values,
                      const std::vector<std::uint64_t>& want) {
  for (int mode = 0; mode <= int(rounding_mode::stochastic_c); ++mode) {
    const binade::element e{.format = f, .rounding = rounding_mode(mode), .overflow = binade::overflow_rule::spec};
    for (std::uint64_t code = 0; code < values.size(); ++code) {
      if (std::isnan(values[code]) && !f.has_nan()) continue;
      ASSERT_EQ(binade::encode(e, values[code], 0xffffffff), want[code]) << "mode " << mode << " code " << code;
      ASSERT_EQ(binade::convert(e, {f, code}, 0xffffffff), want[code]) << "mode " << mode << " code " << code;
      ASSERT_TRUE(oracle::same_value(binade::round(e, values[code], 0xffffffff), values[code])) << code;
    }
  }
}

TEST(codes_of_16_bits, of_floating_point_have_their_values_and_keep_them) {
  for (const auto& [name, grid] : judged::grids_of_16_bits()) {
    const binade::number_format f = judged::format_of(grid);
    std::vector<double> values;
    std::vector<std::uint64_t> want;
    for (std::uint64_t code = 0; code >> 16 == 0; ++code) {
      const oracle::exact_result x = oracle::number_of(grid, code);
      const double magnitude = x.is == oracle::kind::finite     ? oracle::to_double(grid.value(code & grid.top_code()))
                               : x.is == oracle::kind::infinite ? std::numeric_limits<double>::infinity()
                               : x.is == oracle::kind::zero     ? 0.0
                                                                : std::numeric_limits<double>::quiet_NaN();
      values.push_back(x.negative ? -magnitude : magnitude);
      want.push_back(x.is == oracle::kind::nan ? grid.delivered_nan() : code);
      const double got = binade::decode(f, code);
      ASSERT_TRUE(oracle::same_value(got, values.back())) << name << " code " << code << ": " << got;
    }
    keeps_every_code(f, values, want);
    ASSERT_FALSE(HasFailure()) << name;
  }
}

TEST(codes_of_16_bits, of_other_kinds_have_their_values_and_keep_them) {
  for (const oracle::other_form& form : judged::other_forms_of_16_bits()) {
    const binade::number_format f = binade::parse_format(form.text);
    std::vector<double> values = form.values;
    std::vector<std::uint64_t> want;
    for (std::uint64_t code = 0; code >> 16 == 0; ++code) {
      const double got = binade::decode(f, code);
      ASSERT_TRUE(oracle::same_value(got, values[code])) << form.text << " code " << code << ": " << got;
      want.push_back(code);
    }
    if (form.is_symmetric) want[0x8000] = 0x8001;  // the lowest code is left out
    if (form.is_symmetric) values[0x8000] = values[0x8001];
    keeps_every_code(f, values, want);
    ASSERT_FALSE(HasFailure()) << form.text;
  }
}

TEST(codes_of_16_bits, have_correctly_rounded_square_roots_in_every_direction) {
  for (const auto& [name, grid] : judged::grids_of_16_bits()) {
    judged::arithmetic judge(name, grid);
    for (std::uint64_t code = 0; code >> 16 == 0; ++code)
      ASSERT_TRUE(judge(judged::operation_of("sqrt"), {code, 0, 0}, judged::deterministic_rules(oracle::beyond::spec)));
  }
  for (const oracle::other_form& form : judged::other_forms_of_16_bits()) {
    if (form.border == "power") continue;  // at level full: its borders are high powers
    judged::other_arithmetic judge(form);
    for (std::uint64_t code = 0; code >> 16 == 0; ++code)
      ASSERT_TRUE(judge(judged::operation_of("sqrt"), {code, 0, 0}, judged::deterministic_rules(oracle::beyond::spec)));
  }
}

/// Negation and neighbours of every code of one format, against the order of the oracle's values.
template <binade::float_format F>
void negates_and_steps(const oracle::grid& grid) {
  using number = binade::minifloat<F>;
  ASSERT_EQ(oracle::grid_of(F), grid);
  std::vector<std::uint64_t> order;  // of all numbers; -0 just below +0
  const auto key = [&](std::uint64_t code) {
    const auto magnitude = static_cast<std::int64_t>(code & grid.top_code());
    return code > grid.top_code() ? -2 * magnitude - 1 : 2 * magnitude;
  };
  for (std::uint64_t code = 0; code >> 16 == 0; ++code)
    if (!grid.is_nan_code(code)) order.push_back(code);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return key(a) < key(b); });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const number x = number::from_code(order[i]);
    const double v = oracle::to_double(grid.value(order[i] & grid.top_code()));
    const bool zero = v == 0;
    if constexpr (F.is_signed) {
      const std::uint64_t flipped = order[i] ^ grid.sign_code();
      ASSERT_EQ((-x).code, zero && !grid.has_negative_zero ? order[i] : flipped) << order[i];
    }
    // The two zeros are one number: a step from either leads past both.
    std::size_t up = std::min(i + 1, order.size() - 1), down = i == 0 ? 0 : i - 1;
    if (grid.has_negative_zero && order[i] == grid.sign_code()) up = i + 2;
    if (grid.has_negative_zero && order[i] == 0) down = i - 2;
    std::uint64_t above = order[up], below = order[down];
    if (grid.has_negative_zero && below == grid.sign_code()) below = 0;  // -next_up(-x)
    ASSERT_EQ(binade::next_up(x).code, above) << order[i];
    ASSERT_EQ(binade::next_down(x).code, below) << order[i];
  }
}

TEST(codes_of_16_bits, of_floating_point_are_negated_and_have_the_neighbours_that_their_order_says) {
  const std::vector<judged::named_grid> all = judged::grids_of_16_bits();
  ASSERT_EQ(all.size(), 7u);
  for (const auto& [name, grid] : all) {
    SCOPED_TRACE(name);
    if (name == "e5m10") negates_and_steps<binade::formats::e5m10>(grid);
    if (name == "e8m7") negates_and_steps<binade::formats::e8m7>(grid);
    if (name == "dlfloat16") negates_and_steps<binade::formats::dlfloat16>(grid);
    if (name == "binary16p11se") negates_and_steps<binade::p3109_format(16, 11, true, true)>(grid);
    if (name == "binary16p8sf") negates_and_steps<binade::p3109_format(16, 8, true, false)>(grid);
    if (name == "binary16p12ue") negates_and_steps<binade::p3109_format(16, 12, false, true)>(grid);
    if (name == "binary16p6sf") negates_and_steps<binade::p3109_format(16, 6, true, false)>(grid);
  }
}

TEST(codes_of_16_bits, of_other_kinds_are_negated_by_a_subtraction_from_zero) {
  for (const oracle::other_form& form : judged::other_forms_of_16_bits()) {
    if (form.values[0] != 0) continue;
    judged::other_arithmetic judge(form);
    for (std::uint64_t code = 0; code >> 16 == 0; ++code)
      ASSERT_TRUE(judge(judged::operation_of("subtract"), {0, code, 0}, {{.overflow = oracle::beyond::spec}}));
  }
}

TEST(codes_of_16_bits, convert_to_8_bit_formats_of_every_kind_every_37th_of_them) {
  std::uint64_t judged = 0;
  for (const auto& [name, grid] : judged::grids_of_16_bits()) {
    std::vector<oracle::exact_result> numbers;
    for (std::uint64_t code = 0; code >> 16 == 0; ++code) numbers.push_back(oracle::number_of(grid, code));
    judged += judged::judge_conversions(judged::format_of(grid), numbers, 37);
    ASSERT_FALSE(HasFailure()) << name;
  }
  for (const oracle::other_form& form : judged::other_forms_of_16_bits()) {
    std::vector<oracle::exact_result> numbers;
    for (const double v : form.values) numbers.push_back(oracle::number_of(v));
    judged += judged::judge_conversions(binade::parse_format(form.text), numbers, 37);
    ASSERT_FALSE(HasFailure()) << form.text;
  }
  RecordProperty("results", std::to_string(judged));
}

}  // namespace
