// All 2^16 codes of 16-bit formats of every kind into 8-bit formats of every kind under every rule, and the square
// roots that sixteen_bits_test.cpp leaves out.

#include <gtest/gtest.h>

#include <cstdio>

#include "numbers/sixteen_bits.hpp"

namespace {

TEST(codes_of_16_bits, of_floating_point_convert_to_8_bit_formats_under_every_rule) {
  std::uint64_t judged = 0;
  for (const auto& [name, grid] : judged::grids_of_16_bits()) {
    std::vector<oracle::exact_result> numbers;
    for (std::uint64_t code = 0; code >> 16 == 0; ++code) numbers.push_back(oracle::number_of(grid, code));
    judged += judged::judge_conversions(judged::format_of(grid), numbers, 1);
    ASSERT_FALSE(HasFailure()) << name;
  }
  std::printf("%llu results\n", static_cast<unsigned long long>(judged));
}

TEST(codes_of_16_bits, of_other_kinds_convert_to_8_bit_formats_under_every_rule) {
  std::uint64_t judged = 0;
  for (const oracle::other_form& form : judged::other_forms_of_16_bits()) {
    std::vector<oracle::exact_result> numbers;
    for (const double v : form.values) numbers.push_back(oracle::number_of(v));
    judged += judged::judge_conversions(binade::parse_format(form.text), numbers, 1);
    ASSERT_FALSE(HasFailure()) << form.text;
  }
  std::printf("%llu results\n", static_cast<unsigned long long>(judged));
}

TEST(codes_of_16_bits, of_every_format_have_correctly_rounded_square_roots_under_every_rule) {
  std::uint64_t judged = 0;
  for (const auto& [name, grid] : judged::grids_of_16_bits()) {
    judged::arithmetic judge(name, grid);
    for (std::uint64_t code = 0; code >> 16 == 0; ++code)
      ASSERT_TRUE(judge(judged::operation_of("sqrt"), {code, 0, 0}, judged::arithmetic_rules(grid)));
    judged += judge.judged();
  }
  for (const oracle::other_form& form : judged::other_forms_of_16_bits()) {
    judged::other_arithmetic judge(form);
    for (std::uint64_t code = 0; code >> 16 == 0; ++code)
      ASSERT_TRUE(judge(judged::operation_of("sqrt"), {code, 0, 0}, judged::deterministic_rules(form)));
    judged += judge.judged();
  }
  std::printf("%llu results\n", static_cast<unsigned long long>(judged));
}

}  // namespace
