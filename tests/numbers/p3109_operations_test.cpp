// The operations that IEEE P3109 4.0 asks of every implementation (4.5): the report's formulas on closed extended
// reals, transcribed line by line, against p3109.hpp.  All pairs of its conformance formats, results in binary16 and
// bfloat16 too; all pairs of the 4-bit formats of every kind under every projection.

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "binade/p3109.hpp"
#include "numbers/judged.hpp"
#include "oracle/exact_result.hpp"
#include "oracle/p3109.hpp"

namespace {

using binade::p3109::datum;
using binade::p3109::projection;
using oracle::big;
using oracle::exact_result;

// ---- the report ----------------------------------------------------------------------------------------------------

/// NaN, -Inf, +Inf or a real number, numerator / denominator.
struct real {
  enum class sort { nan, minus, plus, number } is = sort::number;
  big numerator{}, denominator{1, 0};  // > 0
};
const real NaN{.is = real::sort::nan}, plus_infinity{.is = real::sort::plus}, minus_infinity{.is = real::sort::minus};

bool is(const real& x, const real& special) {
  return x.is == special.is;
}
bool is_number(const real& x) {
  return x.is == real::sort::number;
}
int sign(const real& x) {
  return is(x, plus_infinity) ? 1 : is(x, minus_infinity) ? -1 : oracle::sign(x.numerator);
}
real number(const big& x) {
  return {.numerator = x};
}
big opposite(const big& x) {
  return {-x.units, x.exponent};
}
real infinity(int s) {
  return s > 0 ? plus_infinity : minus_infinity;
}
/// x < y of real numbers whose denominators are 1.
bool below(const real& x, const real& y) {
  return oracle::compare(x.numerator, y.numerator) < 0;
}

real Negate(const real& x) {
  if (is(x, NaN)) return NaN;
  return is_number(x) ? number(opposite(x.numerator)) : infinity(-sign(x));
}
real Abs(const real& x) {
  return sign(x) < 0 && !is(x, NaN) ? Negate(x) : x;
}
real Recip(const real& x) {
  if (is(x, NaN) || (is_number(x) && sign(x) == 0)) return NaN;
  if (!is_number(x)) return number({});
  real r{.numerator = {1, 0}, .denominator = x.numerator};
  if (sign(x) < 0) {
    r.numerator = opposite(r.numerator);
    r.denominator = opposite(r.denominator);
  }
  return r;
}
real Add(const real& x, const real& y) {
  if (is(x, NaN) || is(y, NaN)) return NaN;
  if (!is_number(x) && !is_number(y) && x.is != y.is) return NaN;
  if (!is_number(x)) return x;
  if (!is_number(y)) return y;
  return number(x.numerator + y.numerator);
}
real Subtract(const real& x, const real& y) {
  return Add(x, Negate(y));
}
real Multiply(const real& x, const real& y) {
  if (is(x, NaN) || is(y, NaN)) return NaN;
  if (is_number(x) && is_number(y)) return number(x.numerator * y.numerator);
  return sign(x) * sign(y) == 0 ? NaN : infinity(sign(x) * sign(y));
}
real FMA(const real& x, const real& y, const real& z) {
  return Add(Multiply(x, y), z);  // "is equivalent to", 4.10
}
real FAA(const real& x, const real& y, const real& z) {
  return Add(Add(x, y), z);
}

real Minimum(const real& x, const real& y) {
  if (is(x, NaN) || is(y, NaN)) return NaN;
  if (is(x, minus_infinity) || is(y, minus_infinity)) return minus_infinity;
  if (is(x, plus_infinity)) return y;
  if (is(y, plus_infinity)) return x;
  return below(x, y) ? x : y;
}
real Maximum(const real& x, const real& y) {
  return Negate(Minimum(Negate(x), Negate(y)));
}
real MinimumNumber(const real& x, const real& y) {
  return is(y, NaN) ? x : is(x, NaN) ? y : Minimum(x, y);
}
real MaximumNumber(const real& x, const real& y) {
  return is(y, NaN) ? x : is(x, NaN) ? y : Maximum(x, y);
}
real MinimumMagnitude(const real& x, const real& y) {
  if (is(x, NaN) || is(y, NaN)) return NaN;
  if (!is_number(x) && !is_number(y)) return x.is == y.is ? x : minus_infinity;
  if (!is_number(x)) return y;
  if (!is_number(y)) return x;
  if (below(Abs(x), Abs(y))) return x;
  if (below(Abs(y), Abs(x))) return y;
  return below(x, y) ? x : y;
}
real MaximumMagnitude(const real& x, const real& y) {
  if (is(x, NaN) || is(y, NaN)) return NaN;
  if (is(x, plus_infinity) || is(y, plus_infinity)) return plus_infinity;
  if (is(x, minus_infinity) || is(y, minus_infinity)) return minus_infinity;
  if (below(Abs(y), Abs(x))) return x;
  if (below(Abs(x), Abs(y))) return y;
  return below(x, y) ? y : x;
}
real MinimumMagnitudeNumber(const real& x, const real& y) {
  return is(y, NaN) ? x : is(x, NaN) ? y : MinimumMagnitude(x, y);
}
real MaximumMagnitudeNumber(const real& x, const real& y) {
  return is(y, NaN) ? x : is(x, NaN) ? y : MaximumMagnitude(x, y);
}
real MinimumFinite(const real& x, const real& y) {
  if (is(x, NaN)) return y;
  if (is(y, NaN)) return x;
  if (is_number(x) != is_number(y)) return is_number(x) ? x : y;
  return Minimum(x, y);
}
real MaximumFinite(const real& x, const real& y) {
  if (is(x, NaN)) return y;
  if (is(y, NaN)) return x;
  if (is_number(x) != is_number(y)) return is_number(x) ? x : y;
  return Maximum(x, y);
}

bool CompareLess(const real& x, const real& y) {
  if (is(x, NaN) || is(y, NaN) || is(x, plus_infinity)) return false;
  if (is(y, plus_infinity)) return true;
  if (is(x, minus_infinity)) return !is(y, minus_infinity);
  if (is(y, minus_infinity)) return false;
  return below(x, y);
}
bool CompareLessEqual(const real& x, const real& y) {
  if (is(x, NaN) || is(y, NaN)) return false;
  if (is(y, plus_infinity) || is(x, minus_infinity)) return true;
  if (is(x, plus_infinity) || is(y, minus_infinity)) return false;
  return !below(y, x);
}

// ---- formats -------------------------------------------------------------------------------------------------------

/// A format as the oracle states it, its values, and the projection of the report into it.
struct format {
  std::string name;
  oracle::grid grid;
  bool is_external = false;
  binade::float_format ours = judged::format_of(grid);
  std::vector<real> values{};  // of every code

  format(std::string n, oracle::grid g, bool external = false) : name(std::move(n)), grid(g), is_external(external) {
    grid.sat_none = true;
    for (std::uint64_t code = 0; code >> grid.width == 0; ++code) {
      const exact_result x = oracle::number_of(grid, code);
      values.push_back(x.is == oracle::kind::nan        ? NaN
                       : x.is == oracle::kind::infinite ? infinity(x.negative ? -1 : 1)
                                                        : number(oracle::value_of(x)));
    }
  }
  std::uint64_t size() const { return values.size(); }

  std::uint64_t project(const oracle::rule& r, const real& x) const {
    exact_result e = oracle::nan_result();
    if (is(x, plus_infinity) || is(x, minus_infinity)) e = oracle::infinite_result(sign(x) < 0);
    if (is_number(x)) {
      e = sign(x) == 0 ? oracle::zero_result(false) : oracle::finite_result(x.numerator);
      e.denominator = x.denominator;
    }
    const std::uint64_t code = oracle::project(grid, r, e, oracle::locate(grid, e)).code;
    return is_external && code == grid.sign_code() ? 0 : code;
  }
};

const format binary8p4se{"binary8p4se", oracle::p3109_grid(8, 4, true, true)},
    binary8p3se{"binary8p3se", oracle::p3109_grid(8, 3, true, true)},
    binary4p2sf{"binary4p2sf", oracle::p3109_grid(4, 2, true, false)},
    binary8p1uf{"binary8p1uf", oracle::p3109_grid(8, 1, false, false)},
    binary16{"binary16", judged::exmy(5, 10, judged::specials::ieee, 15), true},
    bfloat16{"bfloat16", judged::exmy(8, 7, judged::specials::ieee, 127), true};
const std::vector<const format*> narrow{&binary4p2sf, &binary8p4se, &binary8p3se}, external{&binary16, &bfloat16},
    results{&binary8p4se, &binary8p3se, &binary16, &bfloat16};

struct how {
  oracle::rule rule{.overflow = oracle::beyond::spec};
  projection into(const format& f) const {
    return {.format = f.ours,
            .rounding = static_cast<binade::rounding_mode>(rule.rounding),
            .saturates = rule.overflow == oracle::beyond::saturate    ? binade::p3109::saturation::sat_finite
                         : rule.overflow == oracle::beyond::propagate ? binade::p3109::saturation::sat_propagate
                                                                      : binade::p3109::saturation::sat_none};
  }
};

// ---- operations ----------------------------------------------------------------------------------------------------

struct unary {
  const char* name;
  std::uint64_t (*ours)(const projection&, const datum&, std::uint32_t);
  real (*report)(const real&);
};
const unary unaries[] = {{"convert", binade::p3109::convert, [](const real& x) { return x; }},
                         {"negate", binade::p3109::negate, Negate},
                         {"abs", binade::p3109::abs, Abs},
                         {"recip", binade::p3109::recip, Recip}};
struct binary {
  const char* name;
  std::uint64_t (*ours)(const projection&, const datum&, const datum&);
  real (*report)(const real&, const real&);
};
namespace ours = binade::p3109;
const binary arithmetic[] = {{"add", [](auto& p, auto& x, auto& y) { return ours::add(p, x, y); }, Add},
                             {"subtract", [](auto& p, auto& x, auto& y) { return ours::subtract(p, x, y); }, Subtract},
                             {"multiply", [](auto& p, auto& x, auto& y) { return ours::multiply(p, x, y); }, Multiply}};
const binary extrema[] = {{"minimum", ours::minimum, Minimum},
                          {"maximum", ours::maximum, Maximum},
                          {"minimum_number", ours::minimum_number, MinimumNumber},
                          {"maximum_number", ours::maximum_number, MaximumNumber},
                          {"minimum_magnitude", ours::minimum_magnitude, MinimumMagnitude},
                          {"maximum_magnitude", ours::maximum_magnitude, MaximumMagnitude},
                          {"minimum_magnitude_number", ours::minimum_magnitude_number, MinimumMagnitudeNumber},
                          {"maximum_magnitude_number", ours::maximum_magnitude_number, MaximumMagnitudeNumber},
                          {"minimum_finite", ours::minimum_finite, MinimumFinite},
                          {"maximum_finite", ours::maximum_finite, MaximumFinite}};

std::uint64_t judged_results = 0;

/// False at a counterexample.
bool same(const std::string& what, std::uint64_t got, std::uint64_t want) {
  ++judged_results;
  if (got == want) return true;
  ADD_FAILURE() << what << ": code " << got << ", the report says " << want;
  return false;
}

void judge(const unary& o, const format& from, const format& to, const how& h) {
  for (std::uint64_t x = 0; x < from.size(); ++x)
    if (!same(std::string(o.name) + " of " + from.name + " " + std::to_string(x) + " to " + to.name + " " +
                  to_string(h.rule),
              o.ours(h.into(to), {from.ours, x}, 0), to.project(h.rule, o.report(from.values[x]))))
      return;
}
void judge(const binary& o, const format& f1, const format& f2, const format& to, const how& h) {
  const projection p = h.into(to);
  for (std::uint64_t x = 0; x < f1.size(); ++x)
    for (std::uint64_t y = 0; y < f2.size(); ++y) {
      const std::uint64_t got = o.ours(p, {f1.ours, x}, {f2.ours, y});
      const std::uint64_t want = to.project(h.rule, o.report(f1.values[x], f2.values[y]));
      ++judged_results;
      if (got == want) continue;
      ADD_FAILURE() << o.name << " of " << f1.name << " " << x << " and " << f2.name << " " << y << " to " << to.name
                    << " " << to_string(h.rule) << ": code " << got << ", the report says " << want;
      return;
    }
}

class p3109_operations : public testing::Test {
 protected:
  void SetUp() override { judged_results = 0; }
  void TearDown() override { RecordProperty("results", std::to_string(judged_results)); }
};

TEST_F(p3109_operations, convert_and_recip_of_every_code_among_all_conformance_formats) {
  std::vector<const format*> all = narrow;
  all.insert(all.end(), external.begin(), external.end());
  for (const format* from : all)
    for (const format* to : all)
      for (const unary& o : {unaries[0], unaries[3]}) judge(o, *from, *to, {});
}

TEST_F(p3109_operations, negate_and_abs_of_every_code) {
  for (const format* f : narrow)
    for (const unary& o : {unaries[1], unaries[2]}) judge(o, *f, *f, {});
}

TEST_F(p3109_operations, add_subtract_and_multiply_every_pair_into_every_result_format) {
  for (const format* f1 : narrow)
    for (const format* f2 : narrow)
      for (const format* to : results)
        for (const binary& o : arithmetic) judge(o, *f1, *f2, *to, {});
  EXPECT_EQ(judged_results, 3u * 4 * (256 + 256 + 16) * (256 + 256 + 16));
}

TEST_F(p3109_operations, fma_and_faa_of_every_pair_with_one_addend_each_and_of_specials) {
  std::mt19937 random(1);
  const how h;
  for (const format* f1 : narrow)
    for (const format* f2 : narrow)
      for (const format* to : external) {
        const projection p = h.into(*to);
        const std::uint64_t sign = to->grid.sign_code(), infinite = to->grid.infinity_code();
        const std::vector<std::uint64_t> specials{0, sign, infinite, sign | infinite, infinite + 1, 1, sign | 1};
        for (std::uint64_t x = 0; x < f1->size(); ++x)
          for (std::uint64_t y = 0; y < f2->size(); ++y) {
            // Half of the addends near the product, or so.
            std::uint64_t z = random() % to->size();
            if (random() % 2 == 0)
              z = to->project(h.rule, Multiply(f1->values[x], f2->values[y])) ^ sign ^ random() % 8;
            if (random() % 4 == 0) z = specials[random() % specials.size()];
            const datum a{f1->ours, x}, b{f2->ours, y}, c{to->ours, z};
            const std::string what = f1->name + " " + std::to_string(x) + ", " + f2->name + " " + std::to_string(y) +
                                     ", " + to->name + " " + std::to_string(z);
            if (!same("fma of " + what, ours::fma(p, a, b, c),
                      to->project(h.rule, FMA(f1->values[x], f2->values[y], to->values[z]))))
              return;
            if (!same("faa of " + what, ours::faa(p, a, b, c),
                      to->project(h.rule, FAA(f1->values[x], f2->values[y], to->values[z]))))
              return;
          }
      }
}

TEST_F(p3109_operations, the_ten_extrema_of_every_pair) {
  for (const format* f : narrow)
    for (const binary& o : extrema) judge(o, *f, *f, *f, {});
}

TEST_F(p3109_operations, the_five_comparisons_of_every_pair_of_codes_of_every_two_formats) {
  for (const format* f1 : narrow)
    for (const format* f2 : narrow)
      for (std::uint64_t x = 0; x < f1->size(); ++x)
        for (std::uint64_t y = 0; y < f2->size(); ++y) {
          const datum a{f1->ours, x}, b{f2->ours, y};
          const real &u = f1->values[x], &v = f2->values[y];
          ASSERT_EQ(ours::compare_less(a, b), CompareLess(u, v)) << f1->name << " " << x << " " << f2->name << " " << y;
          ASSERT_EQ(ours::compare_less_equal(a, b), CompareLessEqual(u, v)) << x << " " << y;
          ASSERT_EQ(ours::compare_equal(a, b), CompareLessEqual(u, v) && CompareLessEqual(v, u)) << x << " " << y;
          ASSERT_EQ(ours::compare_greater(a, b), CompareLess(v, u)) << x << " " << y;
          ASSERT_EQ(ours::compare_greater_equal(a, b), CompareLessEqual(v, u)) << x << " " << y;
          judged_results += 5;
        }
}

/// 4.13, 4.14 and 4.16 of one format, every code.
void judge_classification_and_neighbours(const format& f) {
  const oracle::grid& g = f.grid;
  const big least_normal = oracle::big_of(g.value(std::uint64_t{1} << (g.precision - 1)));
  std::uint64_t nan = 0;
  while (!is(f.values[nan], NaN)) ++nan;
  if (f.is_external) nan = g.delivered_nan();
  for (std::uint64_t code = 0; code < f.size(); ++code) {
    const datum x{f.ours, code};
    const real& v = f.values[code];
    const bool zero = is_number(v) && sign(v) == 0, finite = is_number(v);
    const bool normal = finite && !zero && oracle::compare(Abs(v).numerator, least_normal) >= 0;
    ASSERT_EQ(ours::is_zero(x), zero) << f.name << " " << code;
    ASSERT_EQ(ours::is_one(x), finite && oracle::compare(v.numerator, {1, 0}) == 0) << f.name << " " << code;
    ASSERT_EQ(ours::is_nan(x), is(v, NaN)) << f.name << " " << code;
    ASSERT_EQ(ours::is_infinite(x), is(v, plus_infinity) || is(v, minus_infinity)) << f.name << " " << code;
    ASSERT_EQ(ours::is_finite(x), finite) << f.name << " " << code;
    ASSERT_EQ(ours::is_sign_minus(x), !is(v, NaN) && sign(v) < 0) << f.name << " " << code;
    ASSERT_EQ(ours::is_normal(x), normal) << f.name << " " << code;
    ASSERT_EQ(ours::is_subnormal(x), finite && !zero && !normal) << f.name << " " << code;
    judged_results += 8;
    if (f.is_external) continue;
    // "Least floating-point number that compares greater than, or NaN", by search.
    std::uint64_t up = nan, down = nan;
    for (std::uint64_t other = 0; other < f.size(); ++other) {
      const real& w = f.values[other];
      if (CompareLess(v, w) && (up == nan || CompareLess(w, f.values[up]))) up = other;
      if (CompareLess(w, v) && (down == nan || CompareLess(f.values[down], w))) down = other;
    }
    ASSERT_EQ(ours::next_greater_than(x), up) << f.name << " " << code;
    ASSERT_EQ(ours::next_less_than(x), down) << f.name << " " << code;
    judged_results += 2;
  }
  // Formats, by search among the values.
  std::uint64_t most = 0, least = 0, least_positive = nan, greatest_subnormal = nan, first_normal = nan;
  for (std::uint64_t code = 0; code < f.size(); ++code) {
    const real& v = f.values[code];
    if (!is_number(v)) continue;
    if (below(f.values[most], v)) most = code;
    if (below(v, f.values[least])) least = code;
    if (sign(v) <= 0) continue;
    const bool normal = oracle::compare(v.numerator, least_normal) >= 0;
    if (least_positive == nan || below(v, f.values[least_positive])) least_positive = code;
    if (!normal && (greatest_subnormal == nan || below(f.values[greatest_subnormal], v))) greatest_subnormal = code;
    if (normal && (first_normal == nan || below(v, f.values[first_normal]))) first_normal = code;
  }
  EXPECT_EQ(ours::max_finite_of(f.ours), most) << f.name;
  EXPECT_EQ(ours::min_finite_of(f.ours), least) << f.name;
  EXPECT_EQ(ours::min_positive_of(f.ours), least_positive) << f.name;
  EXPECT_EQ(ours::max_subnormal_of(f.ours), greatest_subnormal) << f.name;
  EXPECT_EQ(ours::min_normal_of(f.ours), first_normal) << f.name;
}

TEST_F(p3109_operations, classification_neighbours_and_extreme_values_of_every_code) {
  for (const format* f : narrow) judge_classification_and_neighbours(*f);
  for (const format* f : external) judge_classification_and_neighbours(*f);
  for (const oracle::p3109_format& member : oracle::p3109_family(3, 8))
    judge_classification_and_neighbours({member.name, member.definition});
}

TEST_F(p3109_operations, format_queries_say_what_the_tables_of_the_report_say) {
  for (int k = 3; k <= 8; ++k)
    for (const bool is_signed : {true, false})
      for (int p = 1; p <= (is_signed ? k - 1 : k); ++p)
        for (const bool extended : {true, false}) {
          const binade::float_format f = judged::format_of(oracle::p3109_grid(k, p, is_signed, extended));
          EXPECT_EQ(ours::bitwidth_of(f), k);
          EXPECT_EQ(ours::precision_of(f), p);
          EXPECT_EQ(ours::signedness_of(f), is_signed);
          EXPECT_EQ(ours::domain_of(f), extended);
          EXPECT_EQ(ours::exponent_bitwidth_of(f), is_signed ? k - p : k - p + 1);
          EXPECT_EQ(ours::trailing_significand_bitwidth_of(f), p - 1);
          EXPECT_EQ(ours::exponent_bias_of(f), is_signed ? 1 << (k - p - 1) : 1 << (k - p));
        }
  const auto row = [](const format& f) {
    return std::vector<int>{ours::bitwidth_of(f.ours),          ours::precision_of(f.ours),
                            ours::signedness_of(f.ours),        ours::domain_of(f.ours),
                            ours::exponent_bitwidth_of(f.ours), ours::trailing_significand_bitwidth_of(f.ours),
                            ours::exponent_bias_of(f.ours)};
  };
  EXPECT_EQ(row(binary16), (std::vector<int>{16, 11, 1, 1, 5, 10, 15}));
  EXPECT_EQ(row(bfloat16), (std::vector<int>{16, 8, 1, 1, 8, 7, 127}));
}

TEST_F(p3109_operations, scaled_add_subtract_and_multiply_of_random_operands_and_every_special) {
  std::mt19937 random(2);
  const how h;
  for (const format* f1 : narrow)
    for (const format* f2 : narrow)
      for (const format* to : results) {
        const projection p = h.into(*to);
        for (int i = 0; i < 10'000; ++i) {
          // Most scales near one another, so that both terms matter; 0, NaN and the ends among them.
          std::uint64_t s1 = random() % 256, s2 = random() % 4 == 0 ? random() % 256 : (s1 + random() % 8) % 256;
          if (random() % 16 == 0) s1 = random() % 2 == 0 ? 0 : 255;
          const std::uint64_t x = random() % f1->size(), y = random() % f2->size();
          const datum a{binary8p1uf.ours, s1}, b{f1->ours, x}, c{binary8p1uf.ours, s2}, d{f2->ours, y};
          const real u = Multiply(binary8p1uf.values[s1], f1->values[x]),
                     v = Multiply(binary8p1uf.values[s2], f2->values[y]);
          const std::string what = std::to_string(s1) + " " + f1->name + " " + std::to_string(x) + ", " +
                                   std::to_string(s2) + " " + f2->name + " " + std::to_string(y) + " to " + to->name;
          if (!same("scaled_add " + what, ours::scaled_add(p, a, b, c, d), to->project(h.rule, Add(u, v))) ||
              !same("scaled_subtract " + what, ours::scaled_subtract(p, a, b, c, d),
                    to->project(h.rule, Subtract(u, v))) ||
              !same("scaled_multiply " + what, ours::scaled_multiply(p, a, b, c, d),
                    to->project(h.rule, Multiply(u, v))))
            return;
        }
      }
}

TEST_F(p3109_operations, of_every_pair_of_4_bit_formats_of_every_kind_under_every_projection) {
  for (const oracle::p3109_format& member : oracle::p3109_family(4, 4)) {
    const format f{member.name, member.definition};
    for (int m = 0; m <= static_cast<int>(oracle::mode::to_odd); ++m)
      for (const oracle::beyond b : {oracle::beyond::saturate, oracle::beyond::propagate, oracle::beyond::spec}) {
        const how h{{.rounding = static_cast<oracle::mode>(m), .overflow = b}};
        for (const unary& o : unaries) judge(o, f, f, h);
        for (const binary& o : arithmetic) judge(o, f, f, f, h);
        for (const binary& o : extrema) judge(o, f, f, f, h);
        for (const binary& o : arithmetic) judge(o, f, f, binary16, h);
      }
  }
}

}  // namespace
