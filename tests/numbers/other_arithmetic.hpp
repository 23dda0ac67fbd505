#pragma once
// Arithmetic between codes of formats that are no floating point, judged by exact numbers.

#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "numbers/arithmetic_judged.hpp"
#include "numbers/other_formats.hpp"

namespace judged {

/// One format for operands and results.  The first counterexample is reported, and nothing is judged after it.
class other_arithmetic {
 public:
  explicit other_arithmetic(const oracle::other_form& f) : ladders_(f), format_(binade::parse_format(f.text)) {
    for (const double v : f.values) numbers_.push_back(oracle::number_of(v));
  }

  bool operator()(const operation& o, const std::array<std::uint64_t, 3>& codes, const std::vector<oracle::rule>& rules,
                  const std::vector<std::uint32_t>& noises = {0}) {
    const binade::operand operands[3] = {{format_, codes[0]}, {format_, codes[1]}, {format_, codes[2]}};
    const oracle::exact_result numbers[3] = {numbers_[codes[0]], numbers_[codes[1]], numbers_[codes[2]]};
    const placed all = place(o.exact(numbers, false)), down = place(o.exact(numbers, true));
    for (const oracle::rule& r : rules) {
      const placed& exact = r.rounding == oracle::mode::down ? down : all;
      const binade::element e = element_of(r);
      for (const std::uint32_t noise : noises) {
        const std::uint64_t want = project(ladders_, r, exact.number, exact.where, noise).code;
        const std::uint64_t got = o.ours(e, operands, noise);
        ++judged_;
        if (got == want) continue;
        ADD_FAILURE() << ladders_.f.text << " " << o.name << " " << to_string(r) << " noise " << noise << ": codes "
                      << codes[0] << " " << codes[1] << " " << codes[2] << ", exactly " << to_string(exact.number)
                      << ": got code " << got << ", want " << want;
        return false;
      }
    }
    return true;
  }

  /// All operands of every operation that takes this many.
  void all_operands(std::size_t operands, const std::vector<oracle::rule>& rules,
                    const std::vector<std::uint32_t>& noises = {0}) {
    const std::uint64_t end = numbers_.size();
    for (const operation& o : operations) {
      if (o.operands != operands || !is_on_numbers(o)) continue;
      for (std::uint64_t a = 0; a < end; ++a)
        for (std::uint64_t b = 0; b < (operands > 1 ? end : 1); ++b)
          for (std::uint64_t c = 0; c < (operands > 2 ? end : 1); ++c)
            if (is_number(a) && is_number(b) && is_number(c) && !(*this)(o, {a, b, c}, rules, noises)) return;
    }
  }
  void random_operands(std::size_t operands, int tuples, std::mt19937_64& random,
                       const std::vector<oracle::rule>& rules) {
    const auto pick = [&] { return random() % numbers_.size(); };
    for (const operation& o : operations)
      for (int i = 0; o.operands == operands && is_on_numbers(o) && i < tuples; ++i) {
        const std::array<std::uint64_t, 3> codes{pick(), pick(), pick()};
        if (is_number(codes[0]) && is_number(codes[1]) && is_number(codes[2]) && !(*this)(o, codes, rules)) return;
      }
  }

  std::uint64_t judged() const { return judged_; }

 private:
  struct placed {
    oracle::exact_result number;
    oracle::rung where;
  };
  placed place(const oracle::exact_result& x) const {
    const bool finite = x.is == oracle::kind::finite || x.is == oracle::kind::zero;
    return {x, finite ? locate(ladders_.side(x.negative), x) : oracle::rung{}};
  }
  /// Logarithmic formats multiply, divide and take roots of their powers, not of their numbers: lns_test.cpp judges
  /// that.
  bool is_on_numbers(const operation& o) const {
    const std::string_view name = o.name;
    return !ladders_.f.is_logarithmic || (name != "multiply" && name != "divide" && name != "sqrt");
  }
  /// A code beyond the entries of a code book is none.
  bool is_number(std::uint64_t code) const {
    return ladders_.f.border != "entries" || numbers_[code].is != oracle::kind::nan;
  }
  binade::element element_of(const oracle::rule& r) const {
    return {.format = format_,
            .rounding = static_cast<binade::rounding_mode>(r.rounding),
            .noise_bits = r.noise_bits,
            .overflow = static_cast<binade::overflow_rule>(r.overflow)};
  }

  oracle::other_ladders ladders_;
  binade::number_format format_;
  std::vector<oracle::exact_result> numbers_;
  std::uint64_t judged_ = 0;
};

}  // namespace judged
