#pragma once
// Formats that are no floating point as lines of numbers with borders between them, and the code of an exact result on
// such a line: by search and comparison of exact numbers.  Includes nothing of the library.

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "oracle/exact_result.hpp"
#include "oracle/golden.hpp"
#include "oracle/ladder.hpp"

namespace oracle {

/// The values of all codes, from a table of tests/golden/other.
inline std::vector<double> other_golden_values(const std::string& table) {
  std::ifstream file(std::string(BINADE_SOURCE_DIR "/tests/golden/other/") + table + ".txt");
  std::vector<double> values;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word != "codes") continue;
    words >> word;
    while (words >> word) values.push_back(golden_number(word));
  }
  return values;
}

/// A positive posit or takum of any width, straight from its bits: `digits` after the sign, zeros beyond.
inline double posit_value(const std::string& digits, int es) {
  const std::size_t end = std::min(digits.find_first_not_of(digits[0]), digits.size());
  const int k = digits[0] == '1' ? int(end) - 1 : -int(end);
  std::string rest = end + 1 < digits.size() ? digits.substr(end + 1) : "";
  int exponent = 0;
  for (int i = 0; i < es; ++i)
    exponent = 2 * exponent + int(std::size_t(i) < rest.size() && rest[std::size_t(i)] == '1');
  double significand = 1, weight = 0.5;
  for (std::size_t i = std::size_t(es); i < rest.size(); ++i, weight /= 2) significand += rest[i] == '1' ? weight : 0;
  return std::ldexp(significand, k * (1 << es) + exponent);
}
inline double takum_value(std::string digits) {
  digits.resize(std::max<std::size_t>(digits.size(), 11), '0');
  const auto number = [&](std::size_t at, int count) {
    int n = 0;
    for (int i = 0; i < count; ++i) n = 2 * n + (digits[at + std::size_t(i)] - '0');
    return n;
  };
  const bool d = digits[0] == '1';
  const int r = d ? number(1, 3) : 7 - number(1, 3), c = number(4, r);
  double significand = 1, weight = 0.5;
  for (std::size_t i = 4 + std::size_t(r); i < digits.size(); ++i, weight /= 2)
    significand += digits[i] == '1' ? weight : 0;
  return std::ldexp(significand, d ? (1 << r) - 1 + c : 1 - (2 << r) + c);
}
inline std::string binary(std::uint64_t n, int digits) {
  std::string text;
  for (int bit = digits - 1; bit >= 0; --bit) text += (n >> bit & 1) != 0 ? '1' : '0';
  return text;
}

inline big big_of(double x) {
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);
  return {cpp_int(static_cast<std::int64_t>(std::ldexp(fraction, 53))), exponent - 53};
}

/// The number of a double.
inline exact_result result_of(double x) {
  if (std::isnan(x)) return nan_result();
  if (std::isinf(x)) return infinite_result(x < 0);
  return x == 0 ? zero_result(std::signbit(x)) : finite_result(big_of(x));
}

/// x^n of a positive number.
inline big power(const big& x, int n) {
  return {boost::multiprecision::pow(x.units, unsigned(n)), x.exponent * n};
}

enum class border { linear, posit, takum, logarithm };

/// What a line is made of.
struct line_kind {
  std::string table;                ///< golden table
  border between = border::linear;  ///< what lies halfway between two values
  int parameter = 0;                ///< es of a posit, gamma of a logarithmic format
  int bias = 0;                     ///< of a logarithmic format
  bool drops_lowest = false;        ///< a symmetric integer: nothing goes to the lowest code
  bool is_signed = true;
};

class number_line {
 public:
  explicit number_line(const line_kind& made_of) : kind_(made_of), values_(other_golden_values(made_of.table)) {
    if (values_.empty()) throw std::runtime_error("no golden table " + kind_.table);
    while (nan_ + 1 < values_.size() && values_[nan_] != 0) ++nan_;
    if (values_[nan_] != 0) nan_ = 0;
    for (const double v : values_) numbers_.push_back(result_of(v));
    for (const bool negative : {false, true}) {
      std::map<double, std::uint64_t> ordered;
      const double highest = *std::max_element(values_.begin(), values_.end(), [](double a, double b) {
        return (std::isnan(a) ? -1 : a) < (std::isnan(b) ? -1 : b);
      });
      for (std::uint64_t code = 0; code < values_.size(); ++code) {
        const double v = values_[code];
        if (std::isnan(v)) nan_ = code;
        if (std::isnan(v) || (v != 0 && (v < 0) != negative)) continue;
        if (v == 0 && ordered.contains(0) && std::signbit(v) != negative) continue;  // of two zeros that of this sign
        if (kind_.drops_lowest && -v > highest) continue;
        ordered[std::fabs(v)] = code;
      }
      side& s = sides_[negative];
      for (const auto& [magnitude, code] : ordered) {
        s.magnitudes.push_back(big_of(magnitude));
        s.codes.push_back(code);
      }
      for (std::size_t i = 0; i + 1 < s.codes.size(); ++i) s.borders.push_back(middle(s, i));
    }
  }

  const std::vector<double>& values() const { return values_; }
  const exact_result& number(std::uint64_t code) const { return numbers_[code]; }
  std::uint64_t size() const { return values_.size(); }

  /// Where |x| lies on its side: found once, serves every mode.
  struct place {
    std::size_t i = 0;       ///< the last value <= |x|, or the first
    bool inexact = false;    ///< |x| is above it
    int against_border = 0;  ///< the sign of |x| - the border above it; -1 at the end
    bool beyond = false;     ///< |x| is above the last value
  };
  place locate(const exact_result& x) const {
    if (x.is != exact_result::kind::finite) return {};
    const side& s = sides_[x.negative && kind_.is_signed];
    std::size_t low = 0, high = s.codes.size();
    while (high - low > 1) {
      const std::size_t middle = low + (high - low) / 2;
      (x.against(s.magnitudes[middle]) >= 0 ? low : high) = middle;
    }
    const int beyond = x.against(s.magnitudes[low]);
    if (beyond < 0) return {.against_border = -1};
    return {.i = low,
            .inexact = beyond > 0,
            .against_border = low + 1 < s.codes.size() ? against(x, s.borders[low]) : -1,
            .beyond = beyond > 0 && low + 1 == s.codes.size()};
  }

  /// The code of x under a mode; what is beyond the ends saturates, infinities too, and a NaN without a code of its own
  /// is the zero, or code 0.
  std::uint64_t code(const exact_result& x, const place& p, ladder_mode mode) const {
    if (x.is == exact_result::kind::nan) return nan_;
    if (x.negative && !kind_.is_signed && x.is != exact_result::kind::zero) return 0;
    const side& s = sides_[x.negative && kind_.is_signed];
    if (x.is == exact_result::kind::infinite) return s.codes.back();
    if (x.is == exact_result::kind::zero || p.i + 1 == s.codes.size() || !p.inexact) return s.codes[p.i];
    const bool is_posit = kind_.between == border::posit || kind_.between == border::takum;
    return s.codes[p.i + std::size_t((is_posit && p.i == 0) || goes_away(s, p, mode, x.negative))];
  }

 private:
  struct side {
    std::vector<big> magnitudes;
    std::vector<std::uint64_t> codes;
    std::vector<std::pair<big, int>> borders;  ///< the number whose root of this degree is the border
  };

  std::pair<big, int> middle(const side& s, std::size_t i) const {
    const int width = int(std::bit_width(values_.size() - 1));
    switch (kind_.between) {
      case border::linear:
        break;
      case border::posit:
        return {big_of(posit_value(binary(i << 1 | 1, width), kind_.parameter)), 1};
      case border::takum:
        return {big_of(takum_value(binary(i << 1 | 1, width))), 1};
      case border::logarithm:  // 2^((2 (i - bias) + 1) / (2 gamma)), the zero standing where its code's power would
        return {big{1, 2 * (int(i) - kind_.bias) + 1}, 2 * kind_.parameter};
    }
    return {big{1, -1} * (s.magnitudes[i] + s.magnitudes[i + 1]), 1};
  }
  static int against(const exact_result& x, const std::pair<big, int>& border) {
    if (border.second == 1) return x.against(border.first);
    // |x|^degree against the number; of a square root |x|, its square to half the degree.
    const int degree = x.is_root ? border.second / 2 : border.second;
    return compare(power(x.numerator, degree), border.first * power(x.denominator, degree));
  }
  static bool goes_away(const side& s, const place& p, ladder_mode mode, bool negative) {
    const bool odd = s.codes[p.i] % 2 == 1;
    switch (mode) {
      case ladder_mode::nearest_even:
        return p.against_border > 0 || (p.against_border == 0 && odd);
      case ladder_mode::nearest_away:
        return p.against_border >= 0;
      case ladder_mode::toward_zero:
        return false;
      case ladder_mode::up:
        return !negative;
      case ladder_mode::down:
        return negative;
      case ladder_mode::to_odd:
        return !odd;
    }
    throw std::logic_error("oracle: a rounding mode without a rule");
  }

  line_kind kind_;
  std::vector<double> values_;
  std::vector<exact_result> numbers_;
  std::uint64_t nan_ = 0;
  side sides_[2];
};

}  // namespace oracle
