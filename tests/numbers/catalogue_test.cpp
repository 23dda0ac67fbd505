// Every catalogue entry has its golden table, and everything derived from its descriptor equals what the table states.

#include <set>

#include "numbers/judged.hpp"

namespace {

using judged::golden;

TEST(catalogue, every_entry_has_a_golden_table_of_its_own_definition) {
  for (const binade::named_format& entry : binade::catalogue) {
    const auto found = golden().find(std::string(entry.name));
    ASSERT_NE(found, golden().end()) << entry.name << ": add its row to tests/golden/make_golden.py and run it";
    const oracle::grid defined = found->second.definition(), described = oracle::grid_of(entry.format);
    EXPECT_EQ(described, defined) << entry.name << ": [" << to_string(described) << "], the table defines ["
                                  << to_string(defined) << "]";
    EXPECT_FALSE(entry.source.empty()) << entry.name;
  }
}

TEST(catalogue, every_name_and_every_alias_finds_its_entry) {
  std::set<std::string_view> names;
  for (const binade::named_format& entry : binade::catalogue) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name << " stands twice";
    ASSERT_NE(binade::find_format(entry.name), nullptr) << entry.name;
    EXPECT_EQ(binade::find_format(entry.name)->format, entry.format) << entry.name;
  }
  for (const binade::format_alias& alias : binade::aliases) {
    ASSERT_NE(binade::find_format(alias.alias), nullptr) << alias.alias;
    EXPECT_EQ(binade::find_format(alias.alias)->name, alias.name);
  }
  EXPECT_EQ(binade::find_format("e4m3fm"), nullptr);
}

TEST(catalogue, derived_properties_equal_the_specification) {
  for (const auto& [name, table] : golden()) {
    const binade::float_format f = judged::format_of(table.definition());
    EXPECT_EQ(f.width, table.bits()) << name;
    EXPECT_EQ(f.exponent_bits(), table.exponent_bits) << name;
    EXPECT_EQ(f.trailing_bits(), table.trailing_bits) << name;
    EXPECT_EQ(f.max_finite_code(), table.max.code) << name;
    EXPECT_EQ(f.max_finite(), table.max.value) << name;
    EXPECT_EQ(f.min_normal(), table.min_normal.value) << name;
    const double smallest = table.min_subnormal ? table.min_subnormal->value : table.min_normal.value;
    EXPECT_EQ(f.smallest_positive(), smallest) << name;
    EXPECT_EQ(binade::decode(f, f.smallest_positive_code()), smallest) << name;
    EXPECT_EQ(f.max_exponent(), std::ilogb(table.max.value)) << name;
    EXPECT_EQ(f.finite_count(), table.finite) << name;
    EXPECT_EQ(f.has_nan(), table.nans > 0) << name;
    EXPECT_EQ(f.has_infinity, !table.infinity.empty()) << name;
    if (f.has_infinity) {
      EXPECT_EQ(f.infinity_code(), table.infinity[0]) << name;
    }
    EXPECT_EQ(f.has_negative_zero, table.negative_zero.has_value()) << name;
    EXPECT_EQ(f.sign_bit(), f.is_signed ? std::uint64_t{1} << (f.width - 1) : 0) << name;
    const bool fits_float =
        table.trailing_bits <= 23 && table.max.value <= std::numeric_limits<float>::max() && smallest >= 0x1p-149;
    EXPECT_EQ(f.fits_float(), fits_float) << name;
  }
}

TEST(catalogue, counting_codes_gives_the_specified_counts) {
  for (const auto& [name, table] : golden()) {
    if (table.bits() > 19) continue;
    const binade::float_format f = judged::format_of(table.definition());
    std::uint64_t nans = 0, finite = 0, zeros = 0;
    std::vector<std::uint64_t> infinities;
    double previous = -1;
    for (std::uint64_t code = 0; code >> f.width == 0; ++code) {
      const double value = binade::decode(f, code);
      if (code == f.sign_bit()) previous = -1;
      if (std::isnan(value)) {
        ++nans;
      } else if (std::isinf(value)) {
        infinities.push_back(code);
      } else {
        ++finite;
        zeros += value == 0;
        const double magnitude = std::fabs(value);
        EXPECT_GT(magnitude, previous) << name << " code " << code << ": codes of one sign are in order of value";
        previous = magnitude;
      }
    }
    EXPECT_EQ(nans, table.nans) << name;
    EXPECT_EQ(finite - (zeros == 2 ? 1 : 0), table.finite) << name;
    EXPECT_EQ(infinities, table.infinity) << name;
  }
}

TEST(catalogue, the_delivered_nan_is_positive_and_quiet) {
  for (const auto& [name, grid] : judged::named_grids()) {
    const binade::float_format f = judged::format_of(grid);
    if (!f.has_nan()) continue;
    EXPECT_EQ(f.canonical_nan(), grid.delivered_nan()) << name;
    EXPECT_TRUE(std::isnan(binade::decode(f, f.canonical_nan()))) << name;
  }
  EXPECT_EQ(binade::formats::e8m23.canonical_nan(), 0x7fc00000u);
  EXPECT_EQ(binade::formats::e11m52.canonical_nan(), 0x7ff8000000000000u);
  EXPECT_EQ(binade::formats::e8m15.canonical_nan(), 0x7fc000u);
  EXPECT_EQ(binade::formats::e7m16.canonical_nan(), 0x7f8000u);
  EXPECT_EQ(binade::formats::e5m2.canonical_nan(), 0x7eu);
  EXPECT_EQ(binade::formats::e4m3fn.canonical_nan(), 0x7fu);
  EXPECT_EQ(binade::formats::e4m3fnuz.canonical_nan(), 0x80u);
  EXPECT_EQ(binade::formats::e8m0fnu.canonical_nan(), 0xffu);
}

TEST(catalogue, the_families_build_what_they_say) {
  for (int x = 1; x <= 11; ++x)
    for (int y = 0; y <= 52; ++y) {
      const int ieee = x == 1 ? 1 : (1 << (x - 1)) - 1;
      using judged::specials;
      EXPECT_EQ(oracle::grid_of(binade::ieee_format(x, y)), judged::exmy(x, y, specials::ieee, ieee)) << x << " " << y;
      EXPECT_EQ(oracle::grid_of(binade::fn_format(x, y)), judged::exmy(x, y, specials::fn, ieee)) << x << " " << y;
      EXPECT_EQ(oracle::grid_of(binade::fnuz_format(x, y)), judged::exmy(x, y, specials::fnuz, 1 << (x - 1)))
          << x << " " << y;
      EXPECT_EQ(oracle::grid_of(binade::finite_format(x, y)), judged::exmy(x, y, specials::none, ieee))
          << x << " " << y;
      EXPECT_EQ(oracle::grid_of(binade::fn_format(x, y, 5)), judged::exmy(x, y, specials::fn, 5)) << x << " " << y;
    }
  int p3109 = 0;
  for (const auto& [name, table] : golden()) {
    if (!table.policy.starts_with("p3109")) continue;
    ++p3109;
    const oracle::grid g = table.definition();
    EXPECT_EQ(oracle::grid_of(binade::p3109_format(g.width, g.precision, g.is_signed, g.has_infinity)), g) << name;
  }
  EXPECT_EQ(p3109, 40);
}

TEST(catalogue, a_split_is_possible_exactly_if_a_code_is_left_for_a_value_and_says_whether_binary64_holds_all) {
  int possible = 0, impossible = 0, beyond = 0;
  for (int x = 1; x <= 11; ++x)
    for (int y = 0; y <= 52; ++y)
      for (const auto kind :
           {judged::specials::ieee, judged::specials::fn, judged::specials::fnuz, judged::specials::none})
        for (const int bias :
             {-1100, -900, -3, 0, 1, 7, 127, 970, 1000, 1022, 1023, 1024, 1030, 1074, 1075, 1500, 2046, 2100}) {
          const oracle::grid g = judged::exmy(x, y, kind, bias);
          const std::uint64_t specials_at_top = g.high_nans + (g.has_infinity ? 1 : 0);
          const bool want = g.top_code() > specials_at_top;
          const binade::float_format f = judged::format_of(g);
          const auto why = binade::defect(f);
          EXPECT_EQ(why.empty(), want) << to_string(g) << ": " << why;
          ++(want ? possible : impossible);
          if (!want) continue;
          EXPECT_EQ(f.fits_double(), g.fits_binary64()) << to_string(g);
          beyond += int(!g.fits_binary64());
        }
  EXPECT_GT(possible, 1000);
  EXPECT_GT(impossible, 10);
  EXPECT_GT(beyond, 1000);
}

}  // namespace
