#pragma once
// A number type of any kind beside the line of its golden table: arithmetic, order, signs, text.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "binade/charconv.hpp"
#include "binade/minifloat.hpp"
#include "numbers/number_line.hpp"

namespace judged {

inline constexpr int modes = int(oracle::mode::to_odd) + 1;
static_assert(int(binade::rounding_mode::to_odd) == int(oracle::mode::to_odd) &&
                  int(binade::rounding_mode::up) == int(oracle::mode::up) &&
                  int(binade::rounding_mode::nearest_away) == int(oracle::mode::nearest_away),
              "the oracle lists the same modes in the same order");

/// The same format, its zero taking every NaN: so that no operation throws.
template <class Descriptor>
constexpr Descriptor forgiving(Descriptor f) {
  if constexpr (requires { f.nan = binade::nan_code::zero; }) f.nan = binade::nan_code::zero;
  return f;
}

template <auto F>
constexpr binade::policies<F> rounded_by(int mode) {
  return {.rounding = static_cast<binade::rounding_mode>(mode), .overflow = binade::overflow_rule::saturate};
}

/// Judges the codes that operations deliver in all modes; counts, and stops at the first counterexample.
template <auto F>
class operations_judge {
 public:
  using number = binade::number<F>;

  explicit operations_judge(const number_line& line) : line_(line) {}

  /// exact(down): the result, which depends on the mode in the sign of a zero alone.
  template <class Exact, class Ours>
  bool operator()(const char* name, Exact exact, Ours ours, const std::array<std::uint64_t, 3>& codes) {
    const oracle::exact_result result = exact(false);
    const oracle::rung place = line_.locate(result);
    for (int mode = 0; mode < modes; ++mode) {
      const auto m = static_cast<oracle::mode>(mode);
      const bool down = m == oracle::mode::down && result.is == oracle::exact_result::kind::zero;
      const oracle::exact_result zero = down ? exact(true) : result;
      const std::uint64_t want = down ? line_.code(zero, line_.locate(zero), m) : line_.code(result, place, m);
      const std::uint64_t got = ours(rounded_by<F>(mode)).code;
      ++judged_;
      if (got == want) continue;
      ADD_FAILURE() << name << " of codes " << codes[0] << " " << codes[1] << " " << codes[2] << " in mode " << mode
                    << ", exactly " << to_string(result) << ": got code " << got << ", want " << want;
      return false;
    }
    return true;
  }
  std::uint64_t judged() const { return judged_; }

 private:
  const number_line& line_;
  std::uint64_t judged_ = 0;
};

/// + - of every pair; also * / of every pair and sqrt of every code, if the numbers are what is multiplied; fma and faa
/// of random triples.
template <auto F>
void operations_are_rounded_once(const std::string& text_form, bool multiplies_numbers = true) {
  using number = binade::number<F>;
  const number_line line(text_form);
  operations_judge<F> judge(line);
  const auto at = [](std::uint64_t code) { return number::from_code(code); };
  for (std::uint64_t a = 0; a < line.size(); ++a) {
    const oracle::exact_result& x = line.number(a);
    if (multiplies_numbers &&
        !judge(
            "sqrt", [&](bool) { return oracle::exact_root(x); }, [&](auto how) { return sqrt(at(a), how); }, {a, 0, 0}))
      return;
    for (std::uint64_t b = 0; b < line.size(); ++b) {
      const oracle::exact_result& y = line.number(b);
      const std::array<std::uint64_t, 3> codes{a, b, 0};
      const bool good = judge(
                            "add",
                            [&](bool down) {
                              return oracle::exact_sum({x, y}, down);
                            },
                            [&](auto how) { return add(at(a), at(b), how); }, codes) &&
                        judge(
                            "subtract",
                            [&](bool down) {
                              return oracle::exact_sum({x, oracle::opposite(y)}, down);
                            },
                            [&](auto how) { return subtract(at(a), at(b), how); }, codes) &&
                        (!multiplies_numbers || (judge(
                                                     "multiply", [&](bool) { return oracle::exact_product(x, y); },
                                                     [&](auto how) { return multiply(at(a), at(b), how); }, codes) &&
                                                 judge(
                                                     "divide", [&](bool) { return oracle::exact_quotient(x, y); },
                                                     [&](auto how) { return divide(at(a), at(b), how); }, codes)));
      if (!good) return;
    }
  }
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    const std::array<std::uint64_t, 3> codes{random() % line.size(), random() % line.size(), random() % line.size()};
    const auto [a, b, c] = codes;
    const oracle::exact_result &x = line.number(a), &y = line.number(b), &z = line.number(c);
    const bool good = judge(
                          "fma",
                          [&](bool down) {
                            return oracle::exact_sum({oracle::exact_product(x, y), z}, down);
                          },
                          [&](auto how) { return fma(at(codes[0]), at(codes[1]), at(codes[2]), how); }, codes) &&
                      judge(
                          "faa",
                          [&](bool down) {
                            return oracle::exact_sum({x, y, z}, down);
                          },
                          [&](auto how) { return faa(at(codes[0]), at(codes[1]), at(codes[2]), how); }, codes);
    if (!good) return;
  }
  testing::Test::RecordProperty("judged", std::to_string(judge.judged()));
  EXPECT_GE(judge.judged(), modes * (line.size() * line.size() * 2 + 40000));
}

/// Operators are the functions without policies, and the typed functions are those of codes.
template <auto F>
void operators_are_the_operations_of_codes() {
  using number = binade::number<F>;
  constexpr auto f = F;
  const binade::element e = binade::policies<F>{}.on();
  const std::uint64_t last = binade::number_format(f).code_mask();
  for (std::uint64_t a = 0; a <= last; a += 3)
    for (std::uint64_t b = 0; b <= last; b += 2) {
      const number x = number::from_code(a), y = number::from_code(b);
      const binade::operand p{f, a}, q{f, b};
      ASSERT_EQ((x + y).code, add(e, p, q));
      ASSERT_EQ((x - y).code, subtract(e, p, q));
      ASSERT_EQ((x * y).code, multiply(e, p, q));
      ASSERT_EQ((x / y).code, divide(e, p, q));
      ASSERT_EQ(sqrt(x).code, sqrt(e, p));
      ASSERT_EQ(fma(x, y, y).code, fma(e, p, q, q));
      ASSERT_EQ(faa(x, y, y).code, faa(e, p, q, q));
    }
}

template <auto F>
void order_signs_and_classes_are_those_of_the_values(const std::string& text_form) {
  using number = binade::number<F>;
  const std::vector<double> values = number_line(text_form).values();
  const double highest = static_cast<double>(std::numeric_limits<number>::max()),
               lowest = static_cast<double>(std::numeric_limits<number>::lowest());
  const auto reached = [&](double v) { return v >= lowest && v <= highest; };  // of values that results can have
  std::vector<number> sorted;
  for (std::uint64_t code = 0; code < values.size(); ++code) {
    const number x = number::from_code(code);
    const double a = values[code];
    SCOPED_TRACE(text_form + " code " + std::to_string(code));
    sorted.push_back(x);
    ASSERT_TRUE(std::isnan(a) ? std::isnan(double(x)) : double(x) == a);
    ASSERT_TRUE(std::isnan(a) ? std::isnan(float(x)) : float(x) == static_cast<float>(a));
    ASSERT_EQ(is_nan(x), std::isnan(a));
    ASSERT_EQ(is_zero(x), a == 0);
    ASSERT_EQ(is_finite(x), !std::isnan(a));
    ASSERT_EQ(is_normal(x), !std::isnan(a) && a != 0);
    ASSERT_FALSE(is_subnormal(x) || is_infinite(x));
    ASSERT_EQ(sign_bit(x), !std::isnan(a) && std::signbit(a));
    // -x, or what is nearest to it; NaR and a zero without sign stay.
    double negative = 0, up = a, down = a;
    bool any = false;
    for (const double v : values) {
      if (std::isnan(v)) continue;
      if (v > a && reached(v) && (up == a || v < up)) up = v;
      if (v < a && reached(v) && (down == a || v > down)) down = v;
      if (!reached(v) || (any && std::fabs(v + a) >= std::fabs(negative + a))) continue;
      negative = v;
      any = true;
    }
    if (std::isnan(a)) {
      ASSERT_EQ((-x).code, x.code);
      ASSERT_TRUE(next_up(x).code == x.code && next_down(x).code == x.code && abs(x).code == x.code);
    } else {
      ASSERT_EQ(double(-x), negative);
      ASSERT_EQ(double(next_up(x)), up);
      ASSERT_EQ(double(next_down(x)), a < lowest ? a : down);
      ASSERT_EQ(double(abs(x)), a < 0 ? negative : a);
    }
    for (std::uint64_t other = 0; other < values.size(); ++other) {
      const number y = number::from_code(other);
      const double b = values[other];
      ASSERT_EQ(x < y, a < b);
      ASSERT_EQ(x <= y, a <= b);
      ASSERT_EQ(x == y, a == b);
      ASSERT_TRUE((x <=> y) == (a <=> b));
      if (a == b) {
        ASSERT_EQ(std::hash<number>{}(x), std::hash<number>{}(y));
      }
      const bool some_nan = std::isnan(a) || std::isnan(b);
      const double given = std::isnan(a) ? b : a, size_a = std::fabs(a), size_b = std::fabs(b);
      const std::pair<number, double> extrema[] = {
          {minimum(x, y), some_nan ? NAN : std::min(a, b)},
          {maximum(x, y), some_nan ? NAN : std::max(a, b)},
          {minimum_number(x, y), some_nan ? given : std::min(a, b)},
          {maximum_number(x, y), some_nan ? given : std::max(a, b)},
          {minimum_magnitude(x, y), some_nan           ? NAN
                                    : size_a != size_b ? (size_a < size_b ? a : b)
                                                       : std::min(a, b)},
          {maximum_magnitude_number(x, y), some_nan           ? given
                                           : size_a != size_b ? (size_a > size_b ? a : b)
                                                              : std::max(a, b)}};
      for (const auto& [got, want] : extrema)
        ASSERT_TRUE(std::isnan(want) ? is_nan(got) : double(got) == want) << other << ": " << double(got);
      const number signed_x = copysign(x, y);
      if (some_nan)
        ASSERT_TRUE(is_nan(signed_x));
      else
        ASSERT_EQ(signed_x.code, std::signbit(a) == std::signbit(b) ? x.code : (-x).code);
    }
  }
  // NaR first, -0 before +0.
  std::mt19937_64 random(1);
  std::shuffle(sorted.begin(), sorted.end(), random);
  std::sort(sorted.begin(), sorted.end(), [](number x, number y) { return total_order(x, y) < 0; });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    const double a = values[sorted[i - 1].code], b = values[sorted[i].code];
    ASSERT_TRUE(total_order(sorted[i - 1], sorted[i]) < 0 && total_order(sorted[i], sorted[i - 1]) > 0);
    if (std::isnan(a)) {
      ASSERT_EQ(i, 1u);
    } else {
      ASSERT_TRUE(a < b || (a == 0 && b == 0 && std::signbit(a) && !std::signbit(b))) << a << " before " << b;
    }
  }
}

template <auto F>
std::uint64_t code_of_text(const std::string& text, const binade::policies<F>& how = {}) {
  binade::number<F> x{};
  const auto [end, error] =
      binade::from_chars(text.data(), text.data() + text.size(), x, std::chars_format::general, how);
  EXPECT_TRUE(error == std::errc() && end == text.data() + text.size()) << text;
  return x.code;
}

/// Decimal numbers of every size are rounded once in every mode; every number reads back from what is written, and not
/// from anything with a digit less.
template <auto F>
void text_goes_there_and_back(const std::string& text_form) {
  using number = binade::number<F>;
  const number_line line(text_form);
  const auto decimal = [](std::uint64_t units, int exponent, bool negative) {
    if (units == 0) return oracle::zero_result(negative);
    oracle::exact_result x = oracle::finite_result({oracle::cpp_int(units), 0});
    const oracle::cpp_int power = boost::multiprecision::pow(oracle::cpp_int(10), unsigned(std::abs(exponent)));
    (exponent >= 0 ? x.numerator : x.denominator).units *= power;
    x.negative = negative;
    return x;
  };
  std::mt19937_64 random(3);
  for (int i = 0; i < 3000; ++i) {
    const double near = line.values()[random() % line.size()];
    if (std::isnan(near)) continue;
    const std::uint64_t units = random() >> (4 + random() % 60);
    const int about = near == 0 ? -3 : int(std::floor(std::log10(std::fabs(near))));
    const int exponent = about - int(std::to_string(units).size()) + 1;
    const bool negative = random() % 2 == 0;
    const oracle::exact_result x = decimal(units, exponent, negative);
    const oracle::rung place = line.locate(x);
    const std::string text = (negative ? "-" : "") + std::to_string(units) + "e" + std::to_string(exponent);
    for (int mode = 0; mode < modes; ++mode)
      ASSERT_EQ(code_of_text<F>(text, rounded_by<F>(mode)), line.code(x, place, static_cast<oracle::mode>(mode)))
          << text << " mode " << mode;
  }
  for (std::uint64_t code = 0; code < line.size(); ++code) {
    const number x = number::from_code(code);
    char buffer[32];
    const auto [end, error] = binade::to_chars(buffer, buffer + sizeof buffer, x);
    ASSERT_EQ(error, std::errc());
    const std::string text(buffer, end);
    const double value = line.values()[code];
    if (std::isnan(value)) {
      ASSERT_EQ(text, "nan");
      continue;
    }
    if (value >= double(std::numeric_limits<number>::lowest())) {
      ASSERT_EQ(code_of_text<F>(text), code) << text;
    }
    if (value == 0) continue;
    // One digit less: the two such decimals around the value are other codes.  Integers may be written in full.
    std::string digits;
    int exponent = 0;
    bool after_point = false;
    std::size_t i = text[0] == '-' ? 1 : 0;
    for (; i < text.size() && text[i] != 'e'; ++i) {
      if (text[i] == '.') {
        after_point = true;
        continue;
      }
      digits += text[i];
      exponent -= int(after_point);
    }
    if (i < text.size()) exponent += std::stoi(text.substr(i + 1));
    const std::uint64_t units = std::stoull(digits);
    if (std::to_string(units).size() < 2 || (text.find_first_of(".e") == std::string::npos)) continue;
    for (const std::uint64_t shorter : {units / 10, units / 10 + 1}) {
      const oracle::exact_result x10 = decimal(shorter, exponent + 1, value < 0);
      const oracle::rung place = line.locate(x10);
      // Beyond the last value the grid counts as continued where there is one, which the line does not know.
      if (line.is_beyond(x10)) continue;
      ASSERT_NE(line.code(x10, place, oracle::mode::nearest_even), code) << text;
    }
  }
}

}  // namespace judged
