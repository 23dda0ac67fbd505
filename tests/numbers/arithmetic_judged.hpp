#pragma once
// Every operation of arithmetic.hpp beside the oracle's exact result of it.

#include <array>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "binade/arithmetic.hpp"
#include "numbers/small_formats.hpp"
#include "oracle/exact_result.hpp"

namespace judged {

struct operation {
  const char* name;
  std::size_t operands;
  std::uint64_t (*ours)(const binade::element&, const binade::operand*, std::uint32_t noise);
  oracle::exact_result (*exact)(const oracle::exact_result*, bool down);
};

inline constexpr std::array operations{
    operation{"add", 2, [](auto& e, auto* x, auto noise) { return binade::add(e, x[0], x[1], noise); },
              [](auto* x, bool down) {
                return oracle::exact_sum({x[0], x[1]}, down);
              }},
    operation{"subtract", 2, [](auto& e, auto* x, auto noise) { return binade::subtract(e, x[0], x[1], noise); },
              [](auto* x, bool down) {
                return oracle::exact_sum({x[0], oracle::opposite(x[1])}, down);
              }},
    operation{"multiply", 2, [](auto& e, auto* x, auto noise) { return binade::multiply(e, x[0], x[1], noise); },
              [](auto* x, bool) { return oracle::exact_product(x[0], x[1]); }},
    operation{"divide", 2, [](auto& e, auto* x, auto noise) { return binade::divide(e, x[0], x[1], noise); },
              [](auto* x, bool) { return oracle::exact_quotient(x[0], x[1]); }},
    operation{"sqrt", 1, [](auto& e, auto* x, auto noise) { return binade::sqrt(e, x[0], noise); },
              [](auto* x, bool) { return oracle::exact_root(x[0]); }},
    operation{"fma", 3, [](auto& e, auto* x, auto noise) { return binade::fma(e, x[0], x[1], x[2], noise); },
              [](auto* x, bool down) {
                return oracle::exact_sum({oracle::exact_product(x[0], x[1]), x[2]}, down);
              }},
    operation{"faa", 3, [](auto& e, auto* x, auto noise) { return binade::faa(e, x[0], x[1], x[2], noise); },
              [](auto* x, bool down) {
                return oracle::exact_sum({x[0], x[1], x[2]}, down);
              }},
    operation{"convert", 1, [](auto& e, auto* x, auto noise) { return binade::convert(e, x[0], noise); },
              [](auto* x, bool) { return x[0]; }},
};
inline const operation& operation_of(std::string_view name) {
  for (const operation& o : operations)
    if (o.name == name) return o;
  throw std::logic_error("no operation " + std::string(name));
}

/// Every deterministic rounding with every overflow rule, and each rounding once with flushed results.
inline std::vector<oracle::rule> arithmetic_rules(const oracle::grid& g) {
  std::vector<oracle::rule> all = deterministic_rules(g);
  for (const oracle::mode m : deterministic_modes)
    all.push_back({.rounding = m, .overflow = oracle::beyond::spec, .subnormals = oracle::tiny::flush_results});
  return all;
}
/// Each deterministic rounding with one overflow rule.
inline std::vector<oracle::rule> deterministic_rules(oracle::beyond b, oracle::tiny t = oracle::tiny::gradual) {
  std::vector<oracle::rule> all;
  for (const oracle::mode m : deterministic_modes) all.push_back({.rounding = m, .overflow = b, .subnormals = t});
  return all;
}

/// Judges operations on operands of some formats, one each for x, y and z, whose results are of another.
class arithmetic {
 public:
  arithmetic(std::string name, const std::array<oracle::grid, 3>& operands, const oracle::grid& results)
      : name_(std::move(name)), operands_(operands), results_(results), result_format_(format_of(results)) {
    for (std::size_t i = 0; i < 3; ++i) {
      formats_[i] = format_of(operands[i]);
      // Numbers of narrow formats are looked up; of one format for all three, in one table.
      if (operands[i].width > 16 || (i > 0 && operands[i] == operands[0])) continue;
      for (std::uint64_t code = 0; code >> operands[i].width == 0; ++code)
        numbers_[i].push_back(oracle::number_of(operands[i], code));
    }
  }
  arithmetic(std::string name, const oracle::grid& all) : arithmetic(std::move(name), {all, all, all}, all) {}

  /// One operation on one tuple of codes under all rules; each with each noise.  False at a counterexample, reported.
  bool operator()(const operation& o, const std::array<std::uint64_t, 3>& codes, const std::vector<oracle::rule>& rules,
                  const std::vector<std::uint32_t>& noises = {0}) {
    const binade::operand operands[3] = {{formats_[0], codes[0]}, {formats_[1], codes[1]}, {formats_[2], codes[2]}};
    oracle::exact_result numbers[3], flushed[3];
    for (std::size_t i = 0; i < o.operands; ++i) {
      numbers[i] = number(i, codes[i]);
      const std::uint64_t magnitude = codes[i] & operands_[i].top_code();
      const bool is_subnormal =
          operands_[i].has_subnormals && magnitude != 0 && magnitude < operands_[i].min_normal_code();
      flushed[i] = is_subnormal ? oracle::zero_result(codes[i] != magnitude) : numbers[i];
    }
    // One place serves all rules but those that change the exact result.
    const oracle::exact_result exact = o.exact(numbers, false);
    const oracle::exact_place place = oracle::locate(results_, exact);
    for (const oracle::rule& r : rules) {
      const bool down = r.rounding == oracle::mode::down, daz = r.subnormals == oracle::tiny::flush_inputs;
      const oracle::exact_result result = daz ? o.exact(flushed, down) : down ? o.exact(numbers, true) : exact;
      const oracle::exact_place result_place = daz ? oracle::locate(results_, result) : place;
      const binade::element e = element_of(result_format_, r);
      for (const std::uint32_t noise : noises) {
        const oracle::answer want = oracle::project(results_, r, result, result_place, noise);
        const std::uint64_t got = o.ours(e, operands, noise);
        ++judged_;
        if (got == want.code) continue;
        std::string text = name_ + " " + o.name + " " + to_string(r) + " noise " + std::to_string(noise) + ": codes";
        for (std::size_t i = 0; i < o.operands; ++i) text += " " + std::to_string(codes[i]);
        ADD_FAILURE() << text << ", exactly " << to_string(result) << ": got code " << got << ", want " << want.code
                      << "\nresults in " << to_string(results_);
        return false;
      }
    }
    return true;
  }
  bool operator()(const char* o, const std::array<std::uint64_t, 3>& codes, const std::vector<oracle::rule>& rules,
                  const std::vector<std::uint32_t>& noises = {0}) {
    return (*this)(operation_of(o), codes, rules, noises);
  }

  /// All operands of every operation that takes this many.
  void all_operands(std::size_t operands, const std::vector<oracle::rule>& rules,
                    const std::vector<std::uint32_t>& noises = {0}) {
    std::array<std::uint64_t, 3> last{};
    for (std::size_t i = 0; i < operands; ++i) last[i] = (std::uint64_t{1} << operands_[i].width) - 1;
    for (const operation& o : operations) {
      if (o.operands != operands) continue;
      for (std::uint64_t a = 0; a <= last[0]; ++a)
        for (std::uint64_t b = 0; b <= last[1]; ++b)
          for (std::uint64_t c = 0; c <= last[2]; ++c)
            if (!(*this)(o, {a, b, c}, rules, noises)) return;
    }
  }

  /// Random operands for every operation: codes that are uniform, and some whose exponents are near one another, which
  /// uniform codes of wide formats never are.
  void random_operands(int tuples, std::mt19937_64& random, const std::vector<oracle::rule>& rules,
                       const std::vector<std::uint32_t>& noises = {0}) {
    for (const operation& o : operations)
      for (int i = 0; i < tuples; ++i)
        if (!(*this)(o, random_codes(random), rules, noises)) return;
  }

  std::array<std::uint64_t, 3> random_codes(std::mt19937_64& random) const {
    std::array<std::uint64_t, 3> codes;
    const std::uint64_t together = random(), kind = random() % 4;
    for (std::size_t i = 0; i < 3; ++i) {
      const oracle::grid& g = operands_[i];
      codes[i] = random() >> (64 - g.width);
      if (kind == 0) continue;
      // The sign and the top of the exponent from the common number, or all but the last few bits of the code.
      const int own = kind == 1 ? g.precision + 3 : kind == 2 ? g.precision - 1 : 3;
      if (own >= g.width - 1) continue;
      const std::uint64_t mask = (std::uint64_t{1} << own) - 1;
      const std::uint64_t sign = codes[i] & g.sign_code();
      codes[i] = (codes[i] & mask) | ((together >> (64 - g.width)) & g.top_code() & ~mask) | sign;
    }
    return codes;
  }

  std::uint64_t judged() const { return judged_; }

 private:
  oracle::exact_result number(std::size_t i, std::uint64_t code) const {
    const auto& table = numbers_[i].empty() && operands_[i] == operands_[0] ? numbers_[0] : numbers_[i];
    return table.empty() ? oracle::number_of(operands_[i], code) : table[code];
  }

  std::string name_;
  std::array<oracle::grid, 3> operands_;
  oracle::grid results_;
  binade::float_format result_format_, formats_[3];
  std::vector<oracle::exact_result> numbers_[3];
  std::uint64_t judged_ = 0;
};

inline const oracle::grid& grid_named(std::string_view name) {
  static const std::vector<named_grid> all = named_grids();
  for (const named_grid& entry : all)
    if (entry.name == name) return entry.grid;
  throw std::logic_error("no grid " + std::string(name));
}

}  // namespace judged
