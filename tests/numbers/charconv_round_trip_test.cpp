// Every code of every number type of 8 bits or fewer, written and read back: specials, signs and all.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "binade/charconv.hpp"
#include "binade/code_book.hpp"
#include "binade/number_limits.hpp"
#include "numbers/all_formats.hpp"

namespace {

using binade::number;
using binade::overflow_rule;

/// What from_chars() makes of text whose every character it must take.
template <auto F>
number<F> number_of(const std::string& text, const binade::policies<F>& how = {}) {
  number<F> x{};
  const char* end = text.data() + text.size();
  const std::from_chars_result read = binade::from_chars(text.data(), end, x, std::chars_format::general, how);
  EXPECT_TRUE(read.ec == std::errc() && read.ptr == end) << text;
  return x;
}

/// Codes that came back as others, under the default overflow rule and the two that every format has.
template <auto F>
std::string changed_codes() {
  std::string changed;
  for (std::uint64_t code = 0; code <= binade::number_format(F).code_mask(); ++code) {
    const auto x = number<F>::from_code(code);
    char buffer[24];
    const std::to_chars_result written = binade::to_chars(buffer, buffer + sizeof buffer, x);
    if (written.ec != std::errc()) return "no room for code " + std::to_string(code);
    const std::string text(buffer, written.ptr);
    if (is_nan(x) && !binade::number_format(F).has_nan()) continue;  // a code beyond the entries of a code book
    if (x < std::numeric_limits<number<F>>::lowest() && !is_infinite(x)) continue;  // integers: encode() never gives it
    for (const overflow_rule overflow : {binade::number_overflow(F), overflow_rule::saturate, overflow_rule::spec}) {
      const number<F> back = number_of<F>(text, {.overflow = overflow});
      if (is_nan(x) ? !is_nan(back) : back.code != x.code)
        changed += text + " (" + std::to_string(code) + ") came back as " + std::to_string(back.code) + "; ";
    }
  }
  return changed;
}

TEST(charconv_round_trip, every_code_of_every_small_floating_point_format_reads_back) {
  std::size_t count = 0;
  all_formats::for_each<8>([&]<binade::float_format F>() {
    ++count;
    EXPECT_EQ(changed_codes<F>(), "") << "width " << F.width << ", precision " << F.precision << ", bias " << F.bias;
  });
  EXPECT_GE(count, 130u);
}

TEST(charconv_round_trip, every_code_of_the_other_kinds_reads_back) {
  EXPECT_EQ(changed_codes<binade::int_format(4)>(), "");
  EXPECT_EQ(changed_codes<binade::uint_format(8)>(), "");
  EXPECT_EQ((changed_codes<binade::fixed_format{.width = 8, .fraction_bits = 6}>()), "");
  EXPECT_EQ(changed_codes<binade::lns_format{}>(), "");
  EXPECT_EQ(changed_codes<binade::posit_format(8)>(), "");
  EXPECT_EQ(changed_codes<binade::takum_format(8)>(), "");
  EXPECT_EQ(changed_codes<binade::format_of(binade::books::nf4)>(), "");
}

TEST(charconv_round_trip, an_infinity_that_is_spelled_out_is_no_number_too_large) {
  constexpr binade::float_format e5m2 = binade::formats::e5m2, e4m3fn = binade::formats::e4m3fn;
  EXPECT_EQ(+number_of<e5m2>("inf").code, 0x7c);
  EXPECT_EQ(+number_of<e5m2>("-Infinity").code, 0xfc);
  EXPECT_EQ(+number_of<e5m2>("inf", {.overflow = overflow_rule::nan}).code, 0x7c);
  EXPECT_EQ(+number_of<e5m2>("1e99").code, 0x7b);
  EXPECT_EQ(+number_of<e4m3fn>("inf").code, 0x7e);  // no infinity: as encode() takes it
  EXPECT_EQ(+number_of<e4m3fn>("-inf", {.overflow = overflow_rule::spec}).code, 0x7f);
  constexpr binade::float_format binary8p8ue = binade::p3109_format(8, 8, false, true);
  EXPECT_EQ(+number_of<binary8p8ue>("inf").code, 0xfe);
  EXPECT_EQ(+number_of<binary8p8ue>("-inf").code, 0);  // below the range of an unsigned format
}

}  // namespace
