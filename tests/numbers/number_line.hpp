#pragma once
// The codes that results get in a format that is no floating point, all beyond its ends saturating.

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "numbers/other_formats.hpp"

namespace judged {

class number_line {
 public:
  /// @param text  of a line `form` of a golden table
  explicit number_line(const std::string& text) : ladders_(form_of(text)) {
    for (const double v : values()) numbers_.push_back(oracle::number_of(v));
  }

  const std::vector<double>& values() const { return ladders_.f.values; }
  const oracle::exact_result& number(std::uint64_t code) const { return numbers_[code]; }
  std::uint64_t size() const { return numbers_.size(); }

  /// Where |x| lies on its side: found once, serves every mode.
  oracle::rung locate(const oracle::exact_result& x) const {
    const bool finite = x.is == oracle::kind::finite || x.is == oracle::kind::zero;
    return finite ? oracle::locate(ladders_.side(x.negative), x) : oracle::rung{};
  }
  /// The code of x under a mode; a NaN without a code of its own is the zero, or code 0.
  std::uint64_t code(const oracle::exact_result& x, const oracle::rung& place, oracle::mode rounding) const {
    return project(ladders_, {.rounding = rounding, .overflow = oracle::beyond::saturate}, x, place).code;
  }
  /// True if |x| is above the last value.
  bool is_beyond(const oracle::exact_result& x) const { return x.against(ladders_.side(x.negative).steps.back()) > 0; }

 private:
  static const oracle::other_form& form_of(const std::string& text) {
    const auto found = std::find_if(other_forms().begin(), other_forms().end(),
                                    [&](const oracle::other_form& f) { return f.text == text; });
    if (found == other_forms().end()) throw std::runtime_error("no golden table has the form " + text);
    return *found;
  }

  oracle::other_ladders ladders_;
  std::vector<oracle::exact_result> numbers_;
};

}  // namespace judged
