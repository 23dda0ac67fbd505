// Text to numbers and back: against the standard library for binary32 and binary64, against exact rationals for all.

#include "binade/charconv.hpp"

#include <charconv>
#include <cmath>
#include <random>
#include <string>

#include "binade/literals.hpp"
#include "numbers/judged.hpp"
#include "oracle/exact_result.hpp"

namespace {

using binade::float_format;
using binade::minifloat;
using oracle::big;
using oracle::cpp_int;
using oracle::exact_result;
namespace formats = binade::formats;

template <float_format F>
std::string text_of(minifloat<F> x) {
  char text[32];
  const auto [end, error] = binade::to_chars(text, text + sizeof text, x);
  EXPECT_EQ(error, std::errc());
  return {text, end};
}
template <float_format F>
minifloat<F> number_of(const std::string& text, const binade::policies<F>& how = {}, std::uint32_t noise = 0) {
  minifloat<F> x{};
  const auto [end, error] =
      binade::from_chars(text.data(), text.data() + text.size(), x, std::chars_format::general, how, noise);
  EXPECT_TRUE(error == std::errc() && end == text.data() + text.size()) << text;
  return x;
}

/// units * 10^exponent as the oracle takes it.
exact_result decimal(const cpp_int& units, int exponent) {
  if (units == 0) return oracle::zero_result(false);
  exact_result x = oracle::finite_result({units, 0});
  cpp_int power = 1;
  for (int i = 0; i < std::abs(exponent); ++i) power *= 10;
  if (exponent >= 0)
    x.numerator.units *= power;
  else
    x.denominator.units = power;
  return x;
}
std::uint64_t nearest_code(const oracle::grid& g, const exact_result& x) {
  const oracle::exact_place p = oracle::locate(g, x);
  return p.code + static_cast<std::uint64_t>(oracle::exact_goes_up(x, p, {}, 0));
}

template <class Test>
void for_each_format(Test test) {
  test.template operator()<formats::e5m10>();
  test.template operator()<formats::e8m7>();
  test.template operator()<formats::e5m2>();
  test.template operator()<formats::e4m3fn>();
  test.template operator()<formats::e4m3fnuz>();
  test.template operator()<formats::e3m2fn>();
  test.template operator()<formats::e2m1fn>();
  test.template operator()<formats::e3m0>();
  test.template operator()<formats::e8m0fnu>();
  test.template operator()<formats::ue5m3>();
  test.template operator()<binade::p3109_format(8, 4, true, true)>();
  test.template operator()<binade::p3109_format(8, 1, false, true)>();
}

TEST(charconv, every_number_of_narrow_formats_is_written_with_the_fewest_digits_that_read_back) {
  for_each_format([]<float_format F>() {
    const oracle::grid g = oracle::grid_of(F);
    for (std::uint64_t code = 0; code <= F.code_mask(); code += F.width > 8 && code > 64 ? 7 : 1) {
      const auto x = minifloat<F>::from_code(code);
      const std::string text = text_of(x);
      if (is_nan(x)) continue;
      const binade::policies<F> how{.overflow = binade::overflow_rule::propagate};
      ASSERT_EQ(number_of<F>(text, how).code, x.code) << text;
      if (!is_finite(x) || is_zero(x)) continue;
      // The digits and the power of ten of what was written.
      std::string digits;
      int exponent = 0;
      std::size_t i = text[0] == '-' ? 1 : 0;
      bool after_point = false;
      for (; i < text.size() && text[i] != 'e'; ++i) {
        if (text[i] == '.')
          after_point = true;
        else {
          digits += text[i];
          exponent -= after_point ? 1 : 0;
        }
      }
      if (i < text.size()) exponent += std::stoi(text.substr(i + 1));
      const bool is_integer = text.find_first_of(".e") == std::string::npos;
      while (digits.size() > 1 && digits.back() == '0') {
        digits.pop_back();
        ++exponent;
      }
      const cpp_int units(digits.substr(std::min(digits.find_first_not_of('0'), digits.size() - 1)));
      const std::uint64_t magnitude = code & g.top_code();
      ASSERT_EQ(nearest_code(g, decimal(units, exponent)), magnitude) << text;
      // One digit less: neither neighbour of the value reads back.  An integer may have more digits, all exact.
      const exact_result value = oracle::number_of(g, magnitude);
      if (is_integer && value.against(oracle::big_of(g.value(magnitude))) == 0 && units >= 10) {
        const exact_result written = decimal(units, exponent);
        if (written.against(value.numerator) == 0) continue;
      }
      if (units < 10) continue;
      for (const cpp_int& shorter : {cpp_int(units / 10), cpp_int(units / 10 + 1)})
        ASSERT_NE(nearest_code(g, decimal(shorter, exponent + 1)), magnitude) << text << " could be shorter";
      // And no other number of as many digits that reads back is nearer.
      for (const cpp_int& other : {cpp_int(units - 1), cpp_int(units + 1)}) {
        if (nearest_code(g, decimal(other, exponent)) != magnitude) continue;
        // |other - value| >= |units - value|  <=>  value is on the side of units of their middle.
        const exact_result middle = decimal(other + units, exponent);  // twice the middle
        const big twice = oracle::big_of(g.value(magnitude)) * big{2, 0};
        const int side = -middle.against(twice);  // sign of value - middle
        ASSERT_TRUE(side == 0 || (side > 0) == (units > other)) << text;
      }
    }
  });
}

template <class T, float_format F>
void standard_text_agrees(int count, std::uint64_t seed) {
  using bits = std::conditional_t<std::is_same_v<T, float>, std::uint32_t, std::uint64_t>;
  std::mt19937_64 random(seed);
  for (int i = 0; i < count; ++i) {
    T value = std::bit_cast<T>(static_cast<bits>(random() >> random() % 3));
    if (i % 4 == 1) value = static_cast<T>(static_cast<double>(random() >> random() % 64));  // integers
    if (i % 4 == 2)
      value = static_cast<T>(static_cast<double>(random() % 100000) / std::pow(10, static_cast<double>(random() % 8)));
    if (i % 4 == 3)
      value = std::ldexp(T(1), static_cast<int>(random() % 2200) - 1100);  // where the interval is lopsided
    char want[32];
    const auto end = std::to_chars(want, want + sizeof want, value).ptr;
    const std::string text = text_of(minifloat<F>::from_code(std::bit_cast<bits>(value)));
    ASSERT_EQ(text, std::string(want, end));
    if (!std::isnan(value)) {
      ASSERT_EQ(number_of<F>(text).code, std::bit_cast<bits>(value)) << text;
    }
  }
}
TEST(charconv, binary32_is_written_as_the_standard_library_writes_float) {
  standard_text_agrees<float, formats::e8m23>(100'000, 1);
}
TEST(charconv, binary64_is_written_as_the_standard_library_writes_double) {
  standard_text_agrees<double, formats::e11m52>(50'000, 2);
}

TEST(charconv, binary64_is_read_as_the_standard_library_reads_double) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 50'000; ++i) {
    std::string text = random() % 2 == 0 ? "-" : "";
    for (std::uint64_t n = 1 + random() % (i % 50 == 0 ? 900 : 25); n > 0; --n)
      text += static_cast<char>('0' + random() % 10);
    text.insert(text.begin() + 1 + static_cast<std::ptrdiff_t>(random() % text.size()), '.');
    if (text.back() == '-') text += '1';
    if (random() % 4 != 0) text += "e" + std::to_string(static_cast<int>(random() % 700) - 370);
    double want = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), want);
    if (error == std::errc::result_out_of_range) continue;  // the standard library keeps the value to itself
    ASSERT_TRUE(error == std::errc() && end == text.data() + text.size()) << text;
    ASSERT_EQ(number_of<formats::e11m52>(text).code, std::bit_cast<std::uint64_t>(want)) << text;
  }
}

/// n * 2^-k with all its digits.
std::string all_digits(cpp_int n, int k) {
  for (int i = 0; i < k; ++i) n *= 5;
  std::string text = n.str();
  if (k == 0) return text;
  if (text.size() <= static_cast<std::size_t>(k)) text.insert(0, static_cast<std::size_t>(k) + 1 - text.size(), '0');
  text.insert(text.size() - static_cast<std::size_t>(k), ".");
  return text;
}

template <float_format F>
void midpoints_split_in_the_last_of_a_thousand_digits(std::uint64_t step) {
  const oracle::grid g = oracle::grid_of(F);
  for (std::uint64_t code = 0; code < g.max_code(); code += step) {
    const oracle::dyadic low = g.value(code), high = g.value(code + 1), middle = oracle::midpoint(low, high);
    const bool whole = middle.exponent >= 0;
    const std::string tie =
        all_digits(cpp_int(middle.significand) << (whole ? middle.exponent : 0), whole ? 0 : -middle.exponent);
    const std::string point = tie.find('.') == std::string::npos ? "." : "";
    ASSERT_EQ(number_of<F>(tie).code, code + code % 2) << tie;
    ASSERT_EQ(number_of<F>(tie + point + std::string(1000, '0') + "1").code, code + 1) << tie;
    std::string below = tie;
    // One unit less in the last digit, then nines.
    std::size_t i = below.size() - 1;
    while (below[i] == '0' || below[i] == '.') {
      if (below[i] == '0') below[i] = '9';
      --i;
    }
    --below[i];
    ASSERT_EQ(number_of<F>(below + point + std::string(1000, '9')).code, code) << tie;
  }
}
TEST(charconv, midpoints_are_told_from_what_differs_in_the_last_of_a_thousand_digits) {
  midpoints_split_in_the_last_of_a_thousand_digits<formats::e4m3fn>(1);
  midpoints_split_in_the_last_of_a_thousand_digits<formats::e5m2>(1);
  midpoints_split_in_the_last_of_a_thousand_digits<formats::e2m1fn>(1);
  midpoints_split_in_the_last_of_a_thousand_digits<formats::e5m10>(331);
  midpoints_split_in_the_last_of_a_thousand_digits<formats::e8m23>(0x1234567);
  midpoints_split_in_the_last_of_a_thousand_digits<formats::e11m52>(0x00ab'cdef'0123'4567);
}

TEST(charconv, random_decimals_are_rounded_once_in_every_mode) {
  std::mt19937_64 random(4);
  for_each_format([&]<float_format F>() {
    const oracle::grid g = oracle::grid_of(F);
    for (int i = 0; i < 300; ++i) {
      const std::uint64_t units = random() >> random() % 64;
      const double spread = std::log10(F.max_finite()) - std::log10(F.smallest_positive());
      const int exponent = static_cast<int>(std::log10(F.smallest_positive()) - 20 +
                                            static_cast<double>(random() % 1000) / 1000 * (spread + 5));
      const exact_result exact = decimal(cpp_int(units), exponent);
      const oracle::exact_place place = oracle::locate(g, exact);
      for (int m = 0; m <= static_cast<int>(oracle::mode::stochastic_c); ++m) {
        const oracle::rule r{.rounding = static_cast<oracle::mode>(m),
                             .noise_bits = m < 6 ? 32 : 1 + i % 32,
                             .overflow = oracle::beyond::spec};
        const auto noise = static_cast<std::uint32_t>(random() >> (64 - r.noise_bits));
        const binade::policies<F> how{.rounding = static_cast<binade::rounding_mode>(m),
                                      .noise_bits = r.noise_bits,
                                      .overflow = binade::overflow_rule::spec};
        const std::string text = std::to_string(units) + "e" + std::to_string(exponent);
        ASSERT_EQ(number_of<F>(text, how, noise).code, oracle::project(g, r, exact, place, noise).code)
            << text << " " << to_string(r) << " noise " << noise << " into " << to_string(g);
      }
    }
  });
}

TEST(charconv, the_grammar_is_that_of_the_standard_library) {
  const char* texts[] = {"",        "1",        "-1",      "+1",   " 1",    "1 ",    ".",        ".5",     "5.",
                         "-.5e1",   "1e",       "1e+",     "1e-",  "1e5",   "1E-5",  "1.2.3",    "1e5.5",  "inf",
                         "-INF",    "infinity", "infinit", "nan",  "NaN()", "nan(a", "nan(_1z)", "nan(-)", "--1",
                         "0x1p3",   "1p3",      "e5",      "-",    "-e",    "1,5",   "0",        "-0",     "000012",
                         "1e00005", "a.8p1",    "A.8P-1",  "1.8p", ".8",    "f"};
  for (const char* t : texts)
    for (const auto format : {std::chars_format::general, std::chars_format::fixed, std::chars_format::scientific,
                              std::chars_format::hex}) {
      const std::string text = t;
      double want = 7;
      minifloat<formats::e11m52> got(7);
      const auto [want_end, want_error] = std::from_chars(text.data(), text.data() + text.size(), want, format);
      const auto [end, error] = binade::from_chars(text.data(), text.data() + text.size(), got, format);
      ASSERT_EQ(end - text.data(), want_end - text.data()) << "'" << text << "' " << static_cast<int>(format);
      ASSERT_EQ(error, want_error) << "'" << text << "'";
      ASSERT_TRUE(oracle::same_value(static_cast<double>(got), want))
          << "'" << text << "' " << static_cast<double>(got);
    }
}

TEST(charconv, hexadecimal_numbers_of_any_length_are_rounded_once) {
  const auto read = []<float_format F>(minifloat<F> x, const std::string& text) {
    const auto [end, error] = binade::from_chars(text.data(), text.data() + text.size(), x, std::chars_format::hex);
    EXPECT_TRUE(error == std::errc() && end == text.data() + text.size()) << text;
    return static_cast<std::uint64_t>(x.code);
  };
  const minifloat<formats::e4m3fn> e4m3fn{};
  EXPECT_EQ(read(e4m3fn, "1.1p0"), 0x38u);                                // a tie, to even
  EXPECT_EQ(read(e4m3fn, "1.1" + std::string(100, '0') + "1p0"), 0x39u);  // just above it
  EXPECT_EQ(read(e4m3fn, "1.0f" + std::string(100, 'f') + "p0"), 0x38u);  // just below
  EXPECT_EQ(read(e4m3fn, "11" + std::string(60, '0') + "p-244"), 0x38u);
  EXPECT_EQ(read(e4m3fn, "11" + std::string(59, '0') + "1p-244"), 0x39u);
  EXPECT_EQ(read(e4m3fn, "1p999999999999"), 0x7eu);
  EXPECT_EQ(read(e4m3fn, "1p-999999999999"), 0u);
}

TEST(charconv, extremes_do_what_the_overflow_rule_says_and_a_nan_without_a_code_is_refused) {
  EXPECT_EQ(+number_of<formats::e4m3fn>("1e999999999999999999999").code, 0x7e);
  EXPECT_EQ(+number_of<formats::e4m3fn>("-1e400", {.overflow = binade::overflow_rule::nan}).code, 0x7f);
  EXPECT_EQ(+number_of<formats::e5m10>("1e400").code, 0x7c00);
  EXPECT_EQ(+number_of<formats::e5m10>("65519.99999999999999999999999999").code, 0x7bff);
  EXPECT_EQ(+number_of<formats::e5m10>("65520").code, 0x7c00);
  EXPECT_EQ(+number_of<formats::e4m3fn>("-1e-99999999999").code, 0x80);
  EXPECT_EQ(+number_of<formats::e4m3fn>("1e-99999999999", {.rounding = binade::rounding_mode::up}).code, 1);
  EXPECT_EQ(+number_of<formats::e4m3fn>("0e99999999999").code, 0);
  const std::string long_zero = "0." + std::string(5000, '0') + "1e5001";
  EXPECT_EQ(+number_of<formats::e4m3fn>(long_zero).code, 0x38);
  EXPECT_EQ(+number_of<formats::e4m3fn>("1" + std::string(5000, '0') + "e-5000").code, 0x38);
  minifloat<formats::e2m1fn> x(3);
  const std::string nan = "nan";
  EXPECT_EQ(binade::from_chars(nan.data(), nan.data() + 3, x).ec, std::errc::invalid_argument);
  EXPECT_EQ(static_cast<double>(x), 3);
}

TEST(charconv, policies_that_the_format_cannot_follow_are_an_error_code_and_no_exception) {
  minifloat<formats::e2m1fn> x(3);
  for (const std::string text : {"100", "1", "inf"})
    for (const binade::overflow_rule overflow : {binade::overflow_rule::nan, binade::overflow_rule::infinity}) {
      const char* first = text.data();
      const auto [end, error] =
          binade::from_chars(first, first + text.size(), x, std::chars_format::general, {.overflow = overflow});
      EXPECT_TRUE(error == std::errc::invalid_argument && end == first) << text;
      EXPECT_EQ(static_cast<double>(x), 3);
    }
}

TEST(charconv, to_chars_reports_a_buffer_that_is_too_small) {
  char text[24];
  const minifloat<formats::e4m3fn> x(-0.15625);
  EXPECT_EQ(text_of(x), "-0.16");
  for (int room = 0; room < 5; ++room) {
    const auto [end, error] = binade::to_chars(text, text + room, x);
    EXPECT_EQ(error, std::errc::value_too_large);
    EXPECT_EQ(end, text + room);
  }
  EXPECT_EQ(binade::to_chars(text, text + 5, x).ec, std::errc());
}

// ---- literals ------------------------------------------------------------------------------------------------------

using namespace binade::literals;

static_assert((1.5_e4m3fn).code == 0x3c && (448_e4m3fn).code == 0x7e && (0x1.8p3_e5m2).code == 0x4a);
static_assert((431.99999999999994_e4m3fn).code == 0x7d && (432_e4m3fn).code == 0x7e,
              "the text is rounded, not a double");
static_assert(static_cast<double>(0.1_e11m52) == 0.1 && static_cast<float>(1e-45_e8m23) == 1e-45F);
static_assert((1'000_e5m10).code == 0x63d0 && (16973823_e8m7).code == 0x4b81);

TEST(charconv, every_catalogue_format_has_a_literal) {
#define EXPECT_LITERAL(name, ...)                      \
  EXPECT_TRUE(binade::find_format(#name) != nullptr && \
              binade::find_format(#name)->format == decltype(1_##name)::format);
  BINADE_FORMAT_TABLE(EXPECT_LITERAL)
#undef EXPECT_LITERAL
}

}  // namespace
