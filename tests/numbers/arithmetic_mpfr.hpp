#pragma once
// Arithmetic judged by MPFR: of IEEE 754 and extended P3109 formats with the format's precision and exponent range, of
// posits, takums, integers and fixed point with so many bits that only quotients and roots are rounded.

#include <mpfr.h>

#include <array>
#include <bit>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>

#include "numbers/arithmetic_judged.hpp"
#include "numbers/sixteen_bits.hpp"

namespace judged {

/// One IEEE 754 or signed extended P3109 format as MPFR sees it: e.overflow is `infinity`.  P3109's infinity stands
/// where MPFR has one number more in the last binade.
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
    if (!g.has_negative_zero) {
      values_[g.sign_code()] = std::numeric_limits<double>::quiet_NaN();
      code_of_[std::bit_cast<std::uint64_t>(-0.0)] = 0;
      beyond_ = oracle::to_double(g.value(g.infinity_code()));
    }
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
    const double result = mpfr_get_d(result_, MPFR_RNDN);
    if (std::fabs(result) == beyond_) {
      const std::uint64_t sign = result < 0 ? grid_.sign_code() : 0;
      const bool inward = direction == MPFR_RNDZ || direction == (result < 0 ? MPFR_RNDU : MPFR_RNDD);
      return sign | (inward ? grid_.max_code() : grid_.infinity_code());
    }
    return code_of_.at(std::bit_cast<std::uint64_t>(result));
  }

  oracle::grid grid_;
  arithmetic source_;
  mpfr_t x_, y_, z_, result_;
  std::unordered_map<std::uint64_t, std::uint64_t> code_of_;
  std::vector<double> values_;
  double beyond_ =
      std::numeric_limits<double>::quiet_NaN();  ///< of P3109: the number of MPFR where the infinity stands
  std::uint64_t judged_ = 0;
};

/// A posit or takum of 16 bits, a symmetric or unsigned integer or fixed-point format.  The result of MPFR, toward
/// zero, is placed among the values and the borders between them, half way or the value of the string of bits that is
/// one longer; what was cut off decides where it is on a border.
class other_mpfr_judge {
 public:
  explicit other_mpfr_judge(const oracle::other_form& f)
      : f_(f),
        format_(binade::parse_format(f.text)),
        is_tapered_(f.border == "string"),
        is_signed_(f.values.back() < 0) {
    for (std::uint64_t code = 0; code < (is_signed_ ? f.nan_code() : f.values.size()); ++code)
      values_.push_back(f.values[code]);
    for (std::uint64_t code = 0; code + 1 < values_.size(); ++code)
      borders_.push_back(!is_tapered_ ? (values_[code] + values_[code + 1]) / 2
                         : code == 0  ? 0
                                      : oracle::tapered_value(f, 2 * code + 1, 16));
    // Sums of three values between 2^-255 and 2^255 with 12 bits each, and products of two, are exact.
    for (mpfr_t* x : {&x_, &y_, &z_, &result_}) mpfr_init2(*x, 1100);
  }
  other_mpfr_judge(const other_mpfr_judge&) = delete;
  other_mpfr_judge& operator=(const other_mpfr_judge&) = delete;
  ~other_mpfr_judge() {
    for (mpfr_t* x : {&x_, &y_, &z_, &result_}) mpfr_clear(*x);
  }

  /// One operation in all deterministic roundings.  False at a counterexample, which is reported.
  bool operator()(const operation& o, const std::array<std::uint64_t, 3>& codes) {
    const binade::operand operands[3] = {{format_, codes[0]}, {format_, codes[1]}, {format_, codes[2]}};
    mpfr_set_d(x_, f_.values[codes[0]], MPFR_RNDN);
    mpfr_set_d(y_, f_.values[codes[1]], MPFR_RNDN);
    mpfr_set_d(z_, f_.values[codes[2]], MPFR_RNDN);
    const bool inexact = compute(o.name) != 0;
    for (const oracle::mode m : deterministic_modes) {
      const std::uint64_t want = code_of_result(m, inexact);
      const binade::element e{.format = format_,
                              .rounding = static_cast<binade::rounding_mode>(m),
                              .overflow = binade::overflow_rule::spec};
      const std::uint64_t got = o.ours(e, operands, 0);
      ++judged_;
      if (got == want) continue;
      ADD_FAILURE() << f_.text << " " << o.name << " of codes " << codes[0] << " " << codes[1] << " " << codes[2]
                    << ", mode " << static_cast<int>(m) << ": got " << got << ", MPFR " << want;
      return false;
    }
    return true;
  }

  /// Half of the tuples with codes near one another, or near each other's negative.
  void random_operands(std::uint64_t tuples, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (const operation& o : operations) {
      if (std::string_view(o.name) == "convert") continue;
      for (std::uint64_t i = 0; i < tuples; ++i) {
        const std::uint64_t r = random();
        std::array<std::uint64_t, 3> codes{r & 0xffff, r >> 16 & 0xffff, r >> 32 & 0xffff};
        if (r >> 63 != 0)
          for (std::size_t k = 1; k < 3; ++k) {
            codes[k] = (codes[0] + codes[k] % 4096 - 2048) & 0xffff;
            if ((r >> (48 + k) & 1) != 0) codes[k] = -codes[k] & 0xffff;
          }
        if (!is_tapered_ && (r >> 62 & 1) != 0)  // of all sizes, so that products are within the range
          for (std::size_t k = 0; k < 3; ++k) {
            const int bits = static_cast<int>(r >> (52 + 3 * k) & 7) + 8;
            codes[k] = is_signed_ && codes[k] >> 15 != 0 ? (0 - (0x10000 - codes[k]) % (1u << bits)) & 0xffff
                                                         : codes[k] % (1u << bits);
          }
        if (!(*this)(o, codes)) return;
      }
    }
  }
  void every_square_root() {
    for (std::uint64_t code = 0; code >> 16 == 0; ++code)
      if (!(*this)(operation_of("sqrt"), {code, 0, 0})) return;
  }
  std::uint64_t judged() const { return judged_; }

 private:
  int compute(std::string_view name) {
    if (name == "add") return mpfr_add(result_, x_, y_, MPFR_RNDZ);
    if (name == "subtract") return mpfr_sub(result_, x_, y_, MPFR_RNDZ);
    if (name == "multiply") return mpfr_mul(result_, x_, y_, MPFR_RNDZ);
    if (name == "divide") return mpfr_div(result_, x_, y_, MPFR_RNDZ);
    if (name == "sqrt") return mpfr_sqrt(result_, x_, MPFR_RNDZ);
    if (name == "fma") return mpfr_fma(result_, x_, y_, z_, MPFR_RNDZ);
    const mpfr_ptr terms[] = {x_, y_, z_};
    return mpfr_sum(result_, terms, 3, MPFR_RNDZ);
  }
  /// |result_|, which was cut if `inexact`, against c.
  int against(double c, bool inexact) const {
    const int side = mpfr_signbit(result_) != 0 ? -mpfr_cmp_d(result_, -c) : mpfr_cmp_d(result_, c);
    return side == 0 && inexact ? 1 : side;
  }
  std::uint64_t code_of_result(oracle::mode m, bool inexact) const {
    // Without a NaN, an infinity saturates and a NaN is refused: code 0.
    const bool negative = mpfr_signbit(result_) != 0;
    if (mpfr_nan_p(result_)) return is_tapered_ ? f_.nan_code() : 0;
    if (mpfr_inf_p(result_) && is_tapered_) return f_.nan_code();
    if (mpfr_zero_p(result_) || (negative && !is_signed_)) return 0;
    std::size_t low = 0, high = values_.size();
    while (high - low > 1) {
      const std::size_t middle = low + (high - low) / 2;
      (against(values_[middle], inexact) >= 0 ? low : high) = middle;
    }
    bool up = is_tapered_ && low == 0;  // nothing but zero goes to zero
    const bool is_number = low + 1 < values_.size() && (up || against(values_[low], inexact) != 0);
    if (is_number && !up) {
      const int side = against(borders_[low], inexact);
      switch (m) {
        case oracle::mode::nearest_even:
          up = side > 0 || (side == 0 && low % 2 == 1);
          break;
        case oracle::mode::nearest_away:
          up = side >= 0;
          break;
        case oracle::mode::up:
          up = !negative;
          break;
        case oracle::mode::down:
          up = negative;
          break;
        case oracle::mode::to_odd:
          up = low % 2 == 0;
          break;
        default:
          break;
      }
    }
    const std::uint64_t magnitude = low + static_cast<std::uint64_t>(up);
    return (negative ? 0 - magnitude : magnitude) & 0xffff;
  }

  oracle::other_form f_;
  binade::number_format format_;
  bool is_tapered_, is_signed_;
  std::vector<double> values_, borders_;
  mpfr_t x_, y_, z_, result_;
  std::uint64_t judged_ = 0;
};

/// The forms of 16 bits that other_mpfr_judge takes.
inline std::vector<oracle::other_form> forms_for_mpfr() {
  std::vector<oracle::other_form> all = other_forms_of_16_bits();
  std::erase_if(all, [](const oracle::other_form& f) { return f.border == "power" || f.text.ends_with(":asym"); });
  return all;
}
inline constexpr std::array p3109_precisions_for_mpfr{11, 8, 6};
inline oracle::grid p3109_for_mpfr(int precision) {
  return oracle::p3109_grid(16, precision, true, true);
}

}  // namespace judged
