// IEEE P3109 4.0 for every format of 3 to 8 bits: the report's projection, transcribed formula by formula on numbers
// that binary64 holds exactly, against the codec; all four kinds of format, all saturation and rounding modes.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "binade/codec.hpp"

namespace {

enum class saturation { finite, propagate, none };  // SatFinite, SatPropagate, SatNone
using binade::rounding_mode;

/// Format parameters and value set as the report defines them.
struct p3109 {
  int K, P;
  bool is_signed, extended;

  int bias() const { return is_signed ? 1 << (K - P - 1) : 1 << (K - P); }
  int nan() const { return is_signed ? 1 << (K - 1) : (1 << K) - 1; }
  int codes() const { return 1 << K; }
  int positive_infinity() const { return is_signed ? (1 << (K - 1)) - 1 : (1 << K) - 2; }  // if extended

  /// Decode.
  double value(int code) const {
    if (code == nan()) return std::numeric_limits<double>::quiet_NaN();
    if (extended && code == positive_infinity()) return std::numeric_limits<double>::infinity();
    if (extended && is_signed && code == codes() - 1) return -std::numeric_limits<double>::infinity();
    if (is_signed && code > nan()) return -value(code - nan());
    const int trailing = code % (1 << (P - 1)), exponent = code >> (P - 1);
    if (exponent == 0) return std::ldexp(trailing, 1 - bias() - (P - 1));
    return std::ldexp((1 << (P - 1)) + trailing, exponent - bias() - (P - 1));
  }
  std::string name() const {
    return "binary" + std::to_string(K) + "p" + std::to_string(P) + (is_signed ? "s" : "u") + (extended ? "e" : "f");
  }
};

/// RoundToPrecision, to the grid of precision P and bias B, unbounded above.
double round_to_precision(const p3109& f, rounding_mode mode, double x, int N, int R) {
  if (x == 0 || std::isinf(x)) return x;
  const double magnitude = std::fabs(x);
  const int Q = std::max(std::ilogb(magnitude), 1 - f.bias()) - f.P + 1;
  const double s = std::ldexp(magnitude, -Q), kept = std::floor(s), nu = s - kept;
  const bool code_even = f.P > 1 ? std::fmod(kept, 2) == 0 : kept == 0 || (Q + f.bias()) % 2 == 0;
  const auto times = [&](int power) { return std::ldexp(nu, power); };
  const auto to_integer = [](double t) {  // RNE
    const double low = std::floor(t), rest = t - low;
    return low + (rest > 0.5 || (rest == 0.5 && std::fmod(low, 2) == 1));
  };
  bool away = false;
  switch (mode) {
    case rounding_mode::toward_zero:
      break;
    case rounding_mode::up:
      away = nu > 0 && x > 0;
      break;
    case rounding_mode::down:
      away = nu > 0 && x < 0;
      break;
    case rounding_mode::nearest_away:
      away = nu >= 0.5;
      break;
    case rounding_mode::nearest_even:
      away = nu > 0.5 || (nu == 0.5 && !code_even);
      break;
    case rounding_mode::to_odd:
      away = nu > 0 && code_even;
      break;
    case rounding_mode::stochastic_a:
      away = std::floor(times(N)) + R >= std::ldexp(1, N);
      break;
    case rounding_mode::stochastic_b:
      away = std::floor(times(N + 1)) + 2 * R + 1 >= std::ldexp(1, N + 1);
      break;
    case rounding_mode::stochastic_c:
      away = to_integer(times(N)) + R >= std::ldexp(1, N);
      break;
  }
  return std::copysign(std::ldexp(kept + away, Q), x);
}

/// Saturate: r is the rounded value, M_lo and M_hi the smallest and largest finite ones.
double saturate(const p3109& f, saturation mode, rounding_mode rounding, double r, double M_lo, double M_hi,
                bool was_infinite) {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  if (r >= M_lo && r <= M_hi) return r;
  const bool has_negative_infinity = f.is_signed && f.extended;
  switch (mode) {
    case saturation::finite:
      return r > M_hi ? M_hi : M_lo;
    case saturation::propagate:
      if (r > M_hi) return was_infinite && f.extended ? infinity : M_hi;
      return was_infinite && has_negative_infinity ? -infinity : M_lo;
    case saturation::none:
      break;
  }
  if (r > M_hi) {
    if (was_infinite) return f.extended ? infinity : M_hi;
    if (rounding == rounding_mode::toward_zero || rounding == rounding_mode::down) return M_hi;
    if (rounding == rounding_mode::to_odd && !f.is_signed && f.extended) return M_hi;
    return f.extended ? infinity : M_hi;
  }
  if (!was_infinite && (rounding == rounding_mode::toward_zero || rounding == rounding_mode::up)) return M_lo;
  if (has_negative_infinity) return -infinity;
  return f.is_signed ? M_lo : nan;
}

/// What is compared, all of one format.
struct judge {
  p3109 f;
  std::map<double, int> code_of;
  double M_lo = 0, M_hi = 0;

  explicit judge(const p3109& format) : f(format) {
    for (int code = 0; code < f.codes(); ++code) {
      const double value = f.value(code);
      if (std::isnan(value)) continue;
      code_of[value] = code;
      if (std::isinf(value)) continue;
      M_lo = std::min(M_lo, value);
      M_hi = std::max(M_hi, value);
    }
  }

  int project(rounding_mode rounding, saturation mode, double x, int N, int R) const {
    if (std::isnan(x)) return f.nan();
    const double r = round_to_precision(f, rounding, x, N, R);
    const double result = saturate(f, mode, rounding, r, M_lo, M_hi, std::isinf(x));
    return std::isnan(result) ? f.nan() : code_of.at(result == 0 ? 0 : result);  // no -0
  }

  /// Both sides of every value and midpoint, far beyond both ends, and the specials.
  std::vector<double> inputs() const {
    std::set<double> marks{0, M_hi * 2, M_hi * 1e6, 1e-200, std::ldexp(1, -1074), 1e300};
    double previous = 0;
    for (const auto& [value, code] : code_of) {
      if (!(value > 0) || std::isinf(value)) continue;
      marks.insert({value, previous + (value - previous) / 2, previous + (value - previous) * 0.75,
                    previous + (value - previous) * 0.3125});
      previous = value;
    }
    const double before = f.value(code_of.at(M_hi) - 1);  // the step above M_hi is at most twice the one below
    for (const double part : {0.5, 1.0, 1.5, 2.0}) marks.insert(M_hi + (M_hi - before) * part);
    std::vector<double> all{std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
                            -std::numeric_limits<double>::infinity()};
    for (const double mark : marks)
      for (const double x : {std::nextafter(mark, -1.0), mark, std::nextafter(mark, 1e308)}) {
        all.push_back(x);
        all.push_back(-x);
      }
    return all;
  }
};

std::vector<p3109> all_formats() {
  std::vector<p3109> all;
  for (int K = 3; K <= 8; ++K)
    for (const bool is_signed : {true, false})
      for (const bool extended : {true, false})
        for (int P = 1; P <= K - int(is_signed); ++P) all.push_back({K, P, is_signed, extended});
  return all;
}

TEST(p3109, every_format_of_3_to_8_bits_has_the_values_of_the_report) {
  EXPECT_EQ(all_formats().size(), 120u);
  for (const p3109& f : all_formats()) {
    const binade::float_format ours = binade::p3109_format(f.K, f.P, f.is_signed, f.extended);
    for (int code = 0; code < f.codes(); ++code) {
      const double want = f.value(code), got = binade::decode(ours, std::uint64_t(code));
      EXPECT_TRUE(want == got || (std::isnan(want) && std::isnan(got))) << f.name() << " code " << code;
      EXPECT_FALSE(got == 0 && std::signbit(got)) << f.name();
    }
  }
}

TEST(p3109, every_projection_of_every_format_of_3_to_8_bits_is_that_of_the_report) {
  const std::pair<saturation, binade::overflow_rule> saturations[] = {
      {saturation::finite, binade::overflow_rule::saturate},
      {saturation::propagate, binade::overflow_rule::propagate},
      {saturation::none, binade::overflow_rule::spec}};
  constexpr int N = 3;
  std::size_t conversions = 0;
  for (const p3109& f : all_formats()) {
    const judge report(f);
    const std::vector<double> inputs = report.inputs();
    for (const auto& [mode, overflow] : saturations)
      for (int r = 0; r <= int(rounding_mode::stochastic_c); ++r) {
        const auto rounding = rounding_mode(r);
        const bool stochastic = is_stochastic(rounding);
        const binade::element e{.format = binade::p3109_format(f.K, f.P, f.is_signed, f.extended),
                                .rounding = rounding,
                                .noise_bits = stochastic ? N : 32,
                                .overflow = overflow};
        ASSERT_EQ(defect(e), "") << f.name();
        std::size_t wrong = 0;
        for (const double x : inputs)
          for (const int R : {0, 3, 7}) {
            if (R != 0 && !stochastic) break;
            ++conversions;
            const auto want = std::uint64_t(report.project(rounding, mode, x, N, R));
            const std::uint64_t got = binade::encode(e, x, std::uint32_t(R));
            if (want != got && ++wrong == 1)
              ADD_FAILURE() << f.name() << " rounding " << r << " saturation " << int(mode) << " R " << R << " of " << x
                            << ": code " << got << ", the report " << want;
          }
      }
  }
  EXPECT_GT(conversions, 2'000'000u);
  RecordProperty("conversions", std::to_string(conversions));
}

}  // namespace
