// Both ends of the range: every overflow rule under every rounding mode at the largest finite value, half an ulp above
// it and its neighbours; infinities, NaN of both signs, both zeros, the smallest value and half of it; unsigned
// formats, formats without zero, flushing, NaN choices.

#include "numbers/judged.hpp"

namespace {

using oracle::beyond;
using oracle::mode;
using oracle::tiny;

/// Every rounding mode under every overflow and subnormal rule that the format allows; stochastic modes with few and
/// with all noise bits.
std::vector<oracle::rule> all_rules(const oracle::grid& g) {
  std::vector<oracle::rule> rules;
  for (const beyond b : {beyond::saturate, beyond::propagate, beyond::infinity, beyond::nan, beyond::spec})
    for (const tiny t : {tiny::gradual, tiny::flush_results, tiny::flush_inputs})
      for (int m = 0; m < 9; ++m)
        for (const int bits : {3, 32}) {
          const auto rounding = static_cast<mode>(m);
          if ((b == beyond::infinity && !g.has_infinity) || (b == beyond::nan && !g.has_nan())) continue;
          if (!is_stochastic(rounding) && bits != 32) continue;
          // Without a normal value everything is flushed; nobody asks for that.
          if (t == tiny::flush_results && g.min_normal_code() > g.max_code()) continue;
          rules.push_back({.rounding = rounding, .noise_bits = bits, .overflow = b, .subnormals = t});
        }
  return rules;
}

template <class T>
class codec_overflow : public testing::Test {};
using inputs = testing::Types<float, double>;
TYPED_TEST_SUITE(codec_overflow, inputs);

TYPED_TEST(codec_overflow, every_rule_in_every_mode_is_right_at_both_ends_of_every_named_format) {
  oracle::tally seen;
  for (const auto& [name, grid] : judged::named_grids()) {
    const auto rules = all_rules(grid);
    const judged::codec codec{judged::format_of(grid)};
    for (const oracle::rule& r : rules)
      ASSERT_EQ(binade::defect(judged::element_of(codec.format, r)), "") << name << to_string(r);
    judged::expect_none(name, oracle::extremes_counterexample<TypeParam>(grid, rules, codec, seen));
  }
  this->RecordProperty("conversions", std::to_string(seen.conversions));
}

TYPED_TEST(codec_overflow, every_rule_in_every_mode_is_right_at_both_ends_of_any_split_bias_and_specials) {
  oracle::tally seen;
  std::size_t index = 0;
  for (const oracle::grid& grid : judged::generic_grids()) {
    if (++index % 23 != 0)
      continue;  // 23 shares no factor with the loops of generic_grids(), so that all their values come up
    judged::expect_none("generic", oracle::extremes_counterexample<TypeParam>(
                                       grid, all_rules(grid), judged::codec{judged::format_of(grid)}, seen));
  }
  this->RecordProperty("conversions", std::to_string(seen.conversions));
}

/// Descriptors that combine what no named format does.
std::vector<oracle::grid> odd_grids() {
  std::vector<oracle::grid> grids;
  for (const bool is_signed : {true, false})
    for (const bool has_infinity : {true, false})
      for (const std::uint64_t high_nans : {0u, 1u, 3u})
        for (const bool has_negative_zero : {true, false})
          for (const bool has_subnormals : {true, false})
            for (const bool has_zero : {true, false})
              for (const int precision : {1, 2, 3, 5}) {
                if ((!is_signed && has_negative_zero) || (!has_zero && (is_signed || has_subnormals))) continue;
                if (high_nans == 3 && precision != 3) continue;  // a block of NaNs is IEEE 754's
                grids.push_back({.width = 7,
                                 .precision = precision,
                                 .bias = 3,
                                 .is_signed = is_signed,
                                 .has_infinity = has_infinity,
                                 .high_nans = high_nans,
                                 .has_negative_zero = has_negative_zero,
                                 .has_subnormals = has_subnormals,
                                 .has_zero = has_zero});
              }
  return grids;
}

TYPED_TEST(codec_overflow, odd_combinations_of_specials_are_right_everywhere) {
  oracle::tally seen;
  const auto grids = odd_grids();
  EXPECT_GT(grids.size(), 60u);
  for (const oracle::grid& grid : grids) {
    const judged::codec codec{judged::format_of(grid)};
    ASSERT_EQ(binade::defect(codec.format), "") << to_string(grid);
    judged::expect_none("odd", oracle::extremes_counterexample<TypeParam>(grid, all_rules(grid), codec, seen));
    std::vector<oracle::rule> deterministic;
    for (const oracle::rule& r : all_rules(grid))
      if (!is_stochastic(r.rounding) && (r.overflow == beyond::propagate || r.overflow == beyond::spec))
        deterministic.push_back(r);
    judged::expect_none("odd", oracle::staircase_counterexample<TypeParam>(grid, deterministic,
                                                                           oracle::steps_of(grid, 128), codec, seen));
  }
  this->RecordProperty("conversions", std::to_string(seen.conversions));
}

TYPED_TEST(codec_overflow, flushing_is_right_on_both_sides_of_every_value_and_midpoint) {
  oracle::tally seen;
  for (const auto& [name, grid] : judged::named_grids()) {
    std::vector<oracle::rule> rules;
    for (const tiny t : {tiny::flush_results, tiny::flush_inputs})
      for (int m = 0; m < 6; ++m)
        rules.push_back({.rounding = static_cast<mode>(m), .overflow = beyond::spec, .subnormals = t});
    judged::expect_none(name,
                        oracle::staircase_counterexample<TypeParam>(grid, rules, oracle::steps_of(grid, 512),
                                                                    judged::codec{judged::format_of(grid)}, seen));
  }
  this->RecordProperty("conversions", std::to_string(seen.conversions));
}

TYPED_TEST(codec_overflow, nan_in_a_format_without_one_is_what_was_chosen) {
  for (const char* name : {"e3m2fn", "e2m3fn", "e2m1fn", "e3m0", "e1m2"})
    for (const auto choice : {oracle::nan_choice::refuse, oracle::nan_choice::max, oracle::nan_choice::zero,
                              oracle::nan_choice::opposite_zero}) {
      oracle::tally seen;
      oracle::grid grid = judged::golden().at(name).definition();
      grid.nan = choice;
      judged::expect_none(name, oracle::extremes_counterexample<TypeParam>(
                                    grid, all_rules(grid), judged::codec{judged::format_of(grid)}, seen));
    }
}

// ---- what the specifications print
// -----------------------------------------------------------------------------------

TEST(codec_overflow_named, thresholds_of_rounding_to_nearest_even_are_those_of_the_format_card) {
  struct row {
    const char* name;
    double threshold;
    bool tie_stays;
  };
  // max + ulp/2; only e4m3fn has an even largest significand, so that only its tie stays.
  const row rows[] = {{"e4m3fn", 464, true},     {"e5m2", 61440, false},   {"e4m3", 248, false},
                      {"e3m4", 15.75, false},    {"e4m3fnuz", 248, false}, {"e5m2fnuz", 61440, false},
                      {"e4m3b11fnuz", 31, false}};
  for (const auto& [name, threshold, tie_stays] : rows) {
    const binade::float_format f = binade::find_format(name)->format;
    const binade::element e{.format = f, .overflow = binade::overflow_rule::spec};
    const std::uint64_t max = f.max_finite_code(), over = f.has_infinity ? f.infinity_code() : f.canonical_nan();
    EXPECT_EQ(binade::encode(e, threshold), tie_stays ? max : over) << name;
    EXPECT_EQ(binade::encode(e, std::nextafter(threshold, 0)), max) << name;
    EXPECT_EQ(binade::encode(e, std::nextafter(threshold, 1e9)), over) << name;
    EXPECT_EQ(binade::encode(e, std::nextafterf(static_cast<float>(threshold), 0)), max) << name;
    EXPECT_EQ(binade::encode(e, std::nextafterf(static_cast<float>(threshold), 1e9f)), over) << name;
    EXPECT_EQ(binade::encode(binade::element{.format = f}, 1e30), max) << name << " saturates by default";
  }
}

TEST(codec_overflow_named, e4m3fn_and_e5m2_convert_specials_as_the_saturating_conversion_does) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const binade::element e4m3{.format = binade::formats::e4m3fn}, e5m2{.format = binade::formats::e5m2};
  const std::pair<float, std::uint64_t> fp8[] = {
      {nan, 0x7f}, {-nan, 0x7f},  {inf, 0x7e},       {-inf, 0xfe},     {464, 0x7e},
      {465, 0x7e}, {-0.0f, 0x80}, {-0x1p-30f, 0x80}, {0x1p-10f, 0x00}, {std::nextafter(0x1p-10f, 1.0f), 0x01}};
  for (const auto& [x, code] : fp8) EXPECT_EQ(binade::encode(e4m3, x), code) << x;
  EXPECT_EQ(binade::encode(e5m2, inf), 0x7bu);
  EXPECT_EQ(binade::encode(e5m2, 61440.0f), 0x7bu);
  const binade::element e4m3_nan{.format = binade::formats::e4m3fn, .overflow = binade::overflow_rule::spec};
  const binade::element e5m2_inf{.format = binade::formats::e5m2, .overflow = binade::overflow_rule::spec};
  EXPECT_EQ(binade::encode(e4m3_nan, 464.0f), 0x7eu);
  EXPECT_EQ(binade::encode(e4m3_nan, 464.0f + 0x1p-15f), 0x7fu);
  EXPECT_EQ(binade::encode(e5m2_inf, 61440.0f), 0x7cu);
  EXPECT_EQ(binade::encode(e5m2_inf, 61439.996f), 0x7bu);
  EXPECT_EQ(binade::encode(e5m2_inf, -inf), 0xfcu);
}

TEST(codec_overflow_named, e8m0fnu_takes_zero_and_all_below_its_smallest_value_to_code_0) {
  for (int m = 0; m < 6; ++m) {
    const binade::element e{.format = binade::formats::e8m0fnu, .rounding = static_cast<binade::rounding_mode>(m)};
    for (const double x : {0.0, -0.0, 0x1p-1074, 0x1p-149, 0x1.8p-128, 0x1p-127, -1.0})
      EXPECT_EQ(binade::encode(e, x), 0u) << m << " " << x;
    EXPECT_EQ(binade::encode(e, std::numeric_limits<double>::infinity()), 0xfeu);
    EXPECT_EQ(binade::encode(e, std::numeric_limits<double>::quiet_NaN()), 0xffu);
  }
  const auto scale = [](binade::rounding_mode m, float x) {
    return binade::encode(binade::element{.format = binade::formats::e8m0fnu, .rounding = m}, x);
  };
  using enum binade::rounding_mode;
  EXPECT_EQ(scale(toward_zero, 1.5f), 0x7fu);
  EXPECT_EQ(scale(up, 1.5f), 0x80u);
  EXPECT_EQ(scale(toward_zero, 6.0f), 0x81u);
  EXPECT_EQ(scale(up, 6.0f), 0x82u);
  EXPECT_EQ(scale(toward_zero, std::numeric_limits<float>::max()), 0xfeu);
  EXPECT_EQ(scale(up, std::numeric_limits<float>::max()), 0xfeu);
}

TEST(codec_overflow_named, p3109_sat_none_follows_its_table_for_all_four_kinds) {
  // "first" is the first value that rounds beyond M_hi; columns as in the interim report's SatNone.
  struct row {
    bool is_signed, extended;
    binade::rounding_mode mode;
    const char *positive, *negative;  // what a huge finite input gives: hi, inf, or lo, -inf, nan
  };
  using enum binade::rounding_mode;
  const row rows[] = {
      {true, true, nearest_even, "inf", "-inf"},
      {true, true, toward_zero, "hi", "lo"},
      {true, true, up, "inf", "lo"},
      {true, true, down, "hi", "-inf"},
      {true, true, to_odd, "inf", "-inf"},
      {true, true, nearest_away, "inf", "-inf"},
      {true, false, nearest_even, "hi", "lo"},
      {true, false, up, "hi", "lo"},
      {true, false, down, "hi", "lo"},
      {true, false, to_odd, "hi", "lo"},
      {true, false, toward_zero, "hi", "lo"},
      {false, true, nearest_even, "inf", "nan"},
      {false, true, toward_zero, "hi", "lo"},
      {false, true, up, "inf", "lo"},
      {false, true, down, "hi", "nan"},
      {false, true, to_odd, "hi", "nan"},
      {false, false, nearest_even, "hi", "nan"},
      {false, false, up, "hi", "lo"},
      {false, false, toward_zero, "hi", "lo"},
      {false, false, down, "hi", "nan"},
  };
  for (const row& r : rows) {
    const binade::float_format f = binade::p3109_format(8, 4, r.is_signed, r.extended);
    const binade::element e{.format = f, .rounding = r.mode, .overflow = binade::overflow_rule::spec};
    const auto code = [&](std::string_view what) -> std::uint64_t {
      if (what == "hi") return f.max_finite_code();
      if (what == "inf") return f.infinity_code();
      if (what == "lo") return f.is_signed ? f.sign_bit() | f.max_finite_code() : 0;
      if (what == "-inf") return f.sign_bit() | f.infinity_code();
      return f.canonical_nan();
    };
    const auto label = ::testing::Message()
                       << (r.is_signed ? "s" : "u") << (r.extended ? "e" : "f") << " mode " << static_cast<int>(r.mode);
    EXPECT_EQ(binade::encode(e, 1e9), code(r.positive)) << label;
    EXPECT_EQ(binade::encode(e, -1e9), code(r.negative)) << label;
    const double inf = std::numeric_limits<double>::infinity();
    EXPECT_EQ(binade::encode(e, inf), code(r.extended ? "inf" : "hi"))
        << label << ": an infinity is infinite in every mode";
    EXPECT_EQ(binade::encode(e, -inf), code(r.is_signed ? (r.extended ? "-inf" : "lo") : "nan")) << label;
  }
}

// The same path at compile time.
static_assert(binade::encode(binade::element{.format = binade::formats::e4m3fn}, 464.0f) == 0x7e);
static_assert(binade::encode(binade::element{.format = binade::formats::e4m3fn,
                                             .overflow = binade::overflow_rule::spec},
                             465.0) == 0x7f);
static_assert(binade::round(binade::element{.format = binade::formats::e2m1fn}, 1.75f) == 2.0f);
static_assert(binade::decode(binade::formats::e8m0fnu, 0) == 0x1p-127);

}  // namespace
