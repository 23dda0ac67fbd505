#pragma once
// The formats that are no floating point, as their golden tables (tests/golden/other/) define them: ladders of values,
// and what becomes of a number.  Includes nothing of the library.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "oracle/float_walk.hpp"
#include "oracle/golden.hpp"
#include "oracle/ladder.hpp"

namespace oracle {

/// A text form, the values of its codes and where the borders between them lie: the line `form` of a golden table.
struct other_form {
  std::string name;  ///< the text in letters, digits and underscores; of a code book that of its table
  std::string text;
  int width = 0;
  std::vector<double> values;
  std::string border;  ///< linear, entries, string, power
  bool is_symmetric = false, is_takum = false;
  bool is_swept = true;         ///< in the sweep over all float32
  bool is_logarithmic = false;  ///< every conversion takes a logarithm
  int es = 0, gamma = 0, bias = 0;

  bool has_nan() const { return border == "string"; }
  std::uint64_t nan_code() const { return std::uint64_t{1} << (width - 1); }
  /// What a NaN is refused with.
  std::uint64_t zero_code() const {
    std::uint64_t code = 0;
    if (border == "entries")
      while (code + 1 < values.size() && values[code + 1] <= 0) ++code;
    return code;
  }
};

inline void PrintTo(const other_form& f, std::ostream* out) {  // for the messages of tests
  *out << f.name;
}

inline std::vector<other_form> read_other_forms(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<other_form> all;
  for (const auto& path : paths) {
    std::ifstream file(path);
    std::vector<other_form> forms;
    std::vector<double> values;
    int width = 0;
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string word;
      words >> word;
      if (word == "width") words >> width;
      if (word == "codes") {
        words >> word;
        while (words >> word) values.push_back(golden_number(word));
      }
      if (word != "form") continue;
      other_form& f = forms.emplace_back();
      words >> f.text >> f.border;
      f.name = f.text.starts_with("book") ? path.stem().string() : f.text;
      f.is_logarithmic = f.text.starts_with("lns");
      for (char& c : f.name)
        if (std::string_view(":=.-").find(c) != std::string_view::npos) c = '_';
      if (f.border == "power") words >> f.gamma >> f.bias;
      while (words >> word) {
        if (word == "symmetric") f.is_symmetric = true;
        if (word == "unswept") f.is_swept = false;
        if (word == "takum") f.is_takum = true;
        if (word == "posit") words >> f.es;
      }
    }
    if (forms.empty() || values.size() != std::size_t{1} << width)
      throw std::runtime_error("golden table " + path.string() + " is damaged");
    for (other_form& f : forms) {
      f.width = width;
      f.values = values;
      all.push_back(std::move(f));
    }
  }
  if (all.empty()) throw std::runtime_error("no golden tables in " + folder.string());
  return all;
}

// ---- borders -------------------------------------------------------------------------------------------------------

/// A positive posit or takum of any width, straight from its bits: `digits` after the sign, zeros beyond.
inline double posit_value(const std::string& digits, int es) {
  const std::size_t end = std::min(digits.find_first_not_of(digits[0]), digits.size());
  const int k = digits[0] == '1' ? static_cast<int>(end) - 1 : -static_cast<int>(end);
  const std::string rest = end + 1 < digits.size() ? digits.substr(end + 1) : "";
  int exponent = 0;
  for (int i = 0; i < es; ++i)
    exponent = 2 * exponent +
               static_cast<int>(static_cast<std::size_t>(i) < rest.size() && rest[static_cast<std::size_t>(i)] == '1');
  double significand = 1, weight = 0.5;
  for (std::size_t i = static_cast<std::size_t>(es); i < rest.size(); ++i, weight /= 2)
    significand += rest[i] == '1' ? weight : 0;
  return std::ldexp(significand, k * (1 << es) + exponent);
}
inline double takum_value(std::string digits) {
  digits.resize(std::max<std::size_t>(digits.size(), 11), '0');
  const auto number = [&](std::size_t at, int count) {
    int n = 0;
    for (int i = 0; i < count; ++i) n = 2 * n + (digits[at + static_cast<std::size_t>(i)] - '0');
    return n;
  };
  const bool d = digits[0] == '1';
  const int r = d ? number(1, 3) : 7 - number(1, 3), c = number(4, r);
  double significand = 1, weight = 0.5;
  for (std::size_t i = 4 + static_cast<std::size_t>(r); i < digits.size(); ++i, weight /= 2)
    significand += digits[i] == '1' ? weight : 0;
  return std::ldexp(significand, d ? (1 << r) - 1 + c : 1 - (2 << r) + c);
}
inline std::string binary_digits(std::uint64_t n, int digits) {
  std::string text;
  for (int bit = digits - 1; bit >= 0; --bit) text += (n >> bit & 1) != 0 ? '1' : '0';
  return text;
}
inline double tapered_value(const other_form& f, std::uint64_t magnitude, int digits) {
  const std::string text = binary_digits(magnitude, digits);
  return f.is_takum ? takum_value(text) : posit_value(text, f.es);
}

/// x against 2^((k + j / 2^n - bias) / gamma): both sides to the power gamma 2^n, twice that of a root.
inline int against_power(const exact_result& x, int gamma, std::int64_t steps, unsigned j, int n) {
  if (x.is == kind::zero) return -1;
  const auto power = static_cast<unsigned>(gamma) << n;
  const std::int64_t target = ((steps << n) + j) * (x.is_root ? 2 : 1);
  cpp_int left = pow(x.numerator.units, power), right = pow(x.denominator.units, power);
  const std::int64_t shift = std::int64_t{x.numerator.exponent - x.denominator.exponent} * power - target;
  (shift >= 0 ? left : right) <<= static_cast<unsigned>(std::abs(shift));
  return left.compare(right);
}

/// One sign of a format.  Of a format without this sign: its least value alone.
inline ladder ladder_of(const other_form& f, bool negative) {
  ladder l{.negative = negative};
  if (f.border == "entries") {
    for (std::size_t i = 0; i < f.values.size(); ++i) {
      const std::size_t code = negative ? f.values.size() - 1 - i : i;
      if (!std::isnan(f.values[code])) l.push(negative ? -f.values[code] : f.values[code], code);
    }
  } else {
    std::map<double, std::uint64_t> ordered;
    for (std::uint64_t code = 0; code < f.values.size(); ++code) {
      const double v = f.values[code];
      if (std::isnan(v) || (v != 0 && (v < 0) != negative)) continue;
      if (v == 0 && ordered.contains(0) && std::signbit(v) != negative) continue;  // of two zeros that of this sign
      if (f.is_symmetric && code == f.nan_code()) continue;
      ordered[std::fabs(v)] = code;
    }
    for (const auto& [magnitude, code] : ordered) l.push(magnitude, code);
  }
  if (f.border == "string") {
    // Cut after n bits more: the border is the value of that longer string.
    l.never_zero = true;
    l.compare = [f](const exact_result& x, std::size_t i, unsigned j, int n) {
      if (i == 0) return x.is == kind::zero ? -1 : 1;
      return x.against(signed_big(tapered_value(f, i << n | j, f.width - 1 + n)));
    };
  } else if (f.border == "power") {
    l.compare = [gamma = f.gamma, bias = f.bias](const exact_result& x, std::size_t i, unsigned j, int n) {
      return against_power(x, gamma, static_cast<std::int64_t>(i) - bias, j, n);
    };
  } else {
    l.compare = linear_border(l.steps);
  }
  return l;
}

// ---- projection ----------------------------------------------------------------------------------------------------

inline std::vector<beyond> possible_overflows(const other_form& f) {
  std::vector<beyond> all{beyond::saturate, beyond::propagate, beyond::spec};
  if (f.has_nan()) all.push_back(beyond::nan);
  return all;
}

/// Both signs of a format.
struct other_ladders {
  explicit other_ladders(const other_form& form) : f(form), sides{ladder_of(form, false), ladder_of(form, true)} {}

  other_form f;
  ladder sides[2];

  const ladder& side(bool negative) const { return sides[static_cast<int>(negative)]; }
  answer at(bool negative, std::size_t i) const {
    const std::uint64_t code = side(negative).codes[i];
    return {.code = code, .value = f.values[code]};
  }
  answer nan() const {
    return {.code = f.has_nan() ? f.nan_code() : f.zero_code(),
            .value = std::numeric_limits<double>::quiet_NaN(),
            .refused = !f.has_nan()};
  }
  answer infinity(bool negative, const rule& r) const {
    const bool stays = r.overflow == beyond::saturate || r.overflow == beyond::propagate || !f.has_nan();
    return stays ? at(negative, side(negative).codes.size() - 1) : nan();
  }
};

/// x, found at `place`, under r.
inline answer project(const other_ladders& l, const rule& r, const exact_result& x, const rung& place,
                      std::uint32_t noise = 0) {
  if (x.is == kind::nan) return l.nan();
  if (x.is == kind::infinite) return l.infinity(x.negative, r);
  return l.at(x.negative, place.i + static_cast<std::size_t>(goes_away(l.side(x.negative), r, x, place, noise)));
}
inline answer project(const other_ladders& l, const rule& r, const exact_result& x, std::uint32_t noise = 0) {
  const bool finite = x.is == kind::finite || x.is == kind::zero;
  return project(l, r, x, finite ? locate(l.side(x.negative), x) : rung{}, noise);
}

// ---- all float32 ---------------------------------------------------------------------------------------------------

/// Where the values and borders of a format lie among the float32 numbers, found once by bisection: from them follows
/// where each code begins under each deterministic rule.
class other_steps {
 public:
  explicit other_steps(const other_form& f) : ladders_(f) {
    for (const bool negative : {false, true}) {
      const ladder& l = ladders_.side(negative);
      auto& found = found_[static_cast<int>(negative)];
      for (std::size_t i = 0; i < l.steps.size(); ++i) {
        step s;
        s.value = first_where([&](const exact_result& x) { return x.against(l.steps[i]); }, s.on_value);
        if (i + 1 < l.steps.size())
          s.border = first_where([&](const exact_result& x) { return l.compare(x, i, 1, 1); }, s.on_border);
        found.push_back(s);
      }
    }
  }

  const other_ladders& ladders() const { return ladders_; }

  std::vector<stretch> stretches(const rule& r) const {
    std::vector<stretch> all;
    for (const bool negative : {false, true}) {
      const std::uint32_t sign = negative ? 0x80000000 : 0;
      const ladder& l = ladders_.side(negative);
      const auto& found = found_[static_cast<int>(negative)];
      std::uint32_t begin = 0;
      for (std::size_t i = 0; i < found.size(); ++i) {
        const std::uint32_t end = i + 1 < found.size() ? start_above(l, found, i, r.rounding) : infinity;
        if (end > begin) all.push_back({sign | begin, sign | (end - 1), ladders_.at(negative, i)});
        begin = std::max(begin, end);
      }
      all.push_back({sign | infinity, sign | infinity, ladders_.infinity(negative, r)});
      all.push_back({sign | (infinity + 1), sign | 0x7fffffff, ladders_.nan()});
    }
    return all;
  }

 private:
  static constexpr std::uint32_t infinity = 0x7f800000;
  struct step {
    std::uint32_t value = 0, border = infinity;  ///< the least float32 that is not below it
    bool on_value = false, on_border = false;    ///< which is equal to it
  };

  /// The least magnitude, infinity at most, whose side is not negative, and whether that is 0 there.
  template <class Side>
  static std::uint32_t first_where(const Side& side, bool& is_equal) {
    const auto at = [&](std::uint32_t bits) {
      return side(number_of(static_cast<double>(std::bit_cast<float>(bits))));
    };
    std::uint32_t low = 0, high = infinity;  // all below low are below, high is not
    while (low < high) {
      const std::uint32_t middle = low + (high - low) / 2;
      if (at(middle) < 0)
        low = middle + 1;
      else
        high = middle;
    }
    is_equal = low < infinity && at(low) == 0;
    return low;
  }

  /// Where code i + 1 begins.
  static std::uint32_t start_above(const ladder& l, const std::vector<step>& found, std::size_t i, mode m) {
    const std::uint32_t above_value = found[i].value + static_cast<std::uint32_t>(found[i].on_value);
    const bool odd = l.codes[i] % 2 == 1;
    if (l.never_zero && i == 0) return above_value;
    switch (m) {
      case mode::nearest_even:
        return found[i].border + static_cast<std::uint32_t>(found[i].on_border && !odd);
      case mode::nearest_away:
        return found[i].border;
      case mode::toward_zero:
        return found[i + 1].value;
      case mode::up:
        return l.negative ? found[i + 1].value : above_value;
      case mode::down:
        return l.negative ? above_value : found[i + 1].value;
      case mode::to_odd:
        return odd ? found[i + 1].value : above_value;
      default:
        throw std::logic_error("oracle: no deterministic rounding");
    }
  }

  other_ladders ladders_;
  std::vector<step> found_[2];
};

}  // namespace oracle
