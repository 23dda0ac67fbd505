#pragma once
// Arithmetic of IEEE 754 formats, judged by MPFR with the format's precision and exponent range.

#include <mpfr.h>

#include <array>
#include <bit>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>

#include "numbers/arithmetic_judged.hpp"

namespace judged {

/// One IEEE 754 format as MPFR sees it: e.overflow is `infinity`.
class mpfr_judge {
 public:
  explicit mpfr_judge(const oracle::grid& g) : grid_(g), source_("", g) {
    const oracle::dyadic largest = oracle::normalized(g.max_finite());
    // MPFR's exponents are those of significands in [1/2, 1); its smallest number is the format's smallest subnormal.
    mpfr_set_emax(largest.exponent + 64);
    mpfr_set_emin(g.value(1).exponent + 1);
    for (mpfr_t* x : {&x_, &y_, &z_, &result_}) mpfr_init2(*x, g.precision);
    for (std::uint64_t code = 0; code <= g.infinity_code(); ++code) {
      const double value =
          code == g.infinity_code() ? std::numeric_limits<double>::infinity() : oracle::to_double(g.value(code));
      code_of_[std::bit_cast<std::uint64_t>(value)] = code;
      code_of_[std::bit_cast<std::uint64_t>(-value)] = code | g.sign_code();
    }
    values_.resize(std::size_t{1} << g.width, std::numeric_limits<double>::quiet_NaN());
    for (const auto& [bits, code] : code_of_) values_[code] = std::bit_cast<double>(bits);
  }
  mpfr_judge(const mpfr_judge&) = delete;
  mpfr_judge& operator=(const mpfr_judge&) = delete;
  ~mpfr_judge() {
    for (mpfr_t* x : {&x_, &y_, &z_, &result_}) mpfr_clear(*x);
    mpfr_set_emin(mpfr_get_emin_min());
    mpfr_set_emax(mpfr_get_emax_max());
  }

  /// One operation in the four directions of MPFR.  False at a counterexample, which is reported.
  bool operator()(const operation& o, const std::array<std::uint64_t, 3>& codes) {
    static constexpr std::pair<mpfr_rnd_t, oracle::mode> directions[] = {{MPFR_RNDN, oracle::mode::nearest_even},
                                                                         {MPFR_RNDZ, oracle::mode::toward_zero},
                                                                         {MPFR_RNDU, oracle::mode::up},
                                                                         {MPFR_RNDD, oracle::mode::down}};
    const binade::float_format f = format_of(grid_);
    const binade::operand operands[3] = {{f, codes[0]}, {f, codes[1]}, {f, codes[2]}};
    mpfr_set_d(x_, values_[codes[0]], MPFR_RNDN);
    mpfr_set_d(y_, values_[codes[1]], MPFR_RNDN);
    mpfr_set_d(z_, values_[codes[2]], MPFR_RNDN);
    for (const auto& [direction, mode] : directions) {
      const std::uint64_t want = compute(o.name, direction);
      const binade::element e = element_of(f, {.rounding = mode, .overflow = oracle::beyond::infinity});
      const std::uint64_t got = o.ours(e, operands, 0);
      ++judged_;
      if (got == want) continue;
      ADD_FAILURE() << o.name << " of codes " << codes[0] << " " << codes[1] << " " << codes[2] << ", mode "
                    << static_cast<int>(mode) << ": got " << got << ", MPFR " << want << "\nin " << to_string(grid_);
      return false;
    }
    return true;
  }

  void random_operands(std::uint64_t tuples, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (const operation& o : operations) {
      if (std::string_view(o.name) == "convert") continue;
      for (std::uint64_t i = 0; i < tuples; ++i)
        if (!(*this)(o, source_.random_codes(random))) return;
    }
  }
  void every_square_root() {
    for (std::uint64_t code = 0; code >> grid_.width == 0; ++code)
      if (!(*this)(operation_of("sqrt"), {code, 0, 0})) return;
  }
  std::uint64_t judged() const { return judged_; }

 private:
  std::uint64_t compute(std::string_view name, mpfr_rnd_t direction) {
    int ternary = 0;
    if (name == "add") ternary = mpfr_add(result_, x_, y_, direction);
    if (name == "subtract") ternary = mpfr_sub(result_, x_, y_, direction);
    if (name == "multiply") ternary = mpfr_mul(result_, x_, y_, direction);
    if (name == "divide") ternary = mpfr_div(result_, x_, y_, direction);
    if (name == "sqrt") ternary = mpfr_sqrt(result_, x_, direction);
    if (name == "fma") ternary = mpfr_fma(result_, x_, y_, z_, direction);
    if (name == "faa") {
      const mpfr_ptr terms[] = {x_, y_, z_};
      ternary = mpfr_sum(result_, terms, 3, direction);
    }
    mpfr_subnormalize(result_, ternary, direction);
    if (mpfr_nan_p(result_)) return grid_.delivered_nan();
    return code_of_.at(std::bit_cast<std::uint64_t>(mpfr_get_d(result_, MPFR_RNDN)));
  }

  oracle::grid grid_;
  arithmetic source_;
  mpfr_t x_, y_, z_, result_;
  std::unordered_map<std::uint64_t, std::uint64_t> code_of_;
  std::vector<double> values_;
  std::uint64_t judged_ = 0;
};

}  // namespace judged
