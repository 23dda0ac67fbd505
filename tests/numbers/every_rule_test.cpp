// Every rounding with every overflow rule that is possible, into every format of the catalogue and every P3109 format
// of up to 8 bits: float32 on both sides of each border between two codes, float64 on both sides of every value and
// midpoint.  exhaustive_proof.cpp takes all 2^32 float32 inputs through the same judges.

#include <bit>

#include "numbers/array_paths.hpp"
#include "numbers/small_formats.hpp"
#include "oracle/block_walk.hpp"

namespace {

using judged::named_grid;
using oracle::beyond;
using oracle::borders;
using oracle::rule;

TEST(small_formats, are_the_catalogue_s_and_the_p3109_family_and_their_descriptors_say_the_same) {
  std::size_t in_family = 0, in_catalogue = 0;
  for (const auto& [name, grid] : judged::small_formats())
    if (const binade::named_format* entry = binade::find_format(name)) {
      EXPECT_EQ(oracle::grid_of(entry->format), grid) << name;
      ++in_catalogue;
    } else {
      const bool is_signed = name.find('s') != name.npos, is_extended = name.back() == 'e';
      EXPECT_EQ(oracle::grid_of(binade::p3109_format(grid.width, grid.precision, is_signed, is_extended)), grid)
          << name;
      EXPECT_EQ(binade::defect(judged::format_of(grid)), "") << name;
      ++in_family;
    }
  EXPECT_EQ(in_family, 2u * (2 + 3 + 4 + 5 + 6 + 7) + 2u * (3 + 4 + 5 + 6 + 7 + 8));
  EXPECT_EQ(in_catalogue, 17u);
  for (const auto& [name, table] : judged::golden())
    for (const oracle::p3109_format& member : oracle::p3109_family(3, 8))
      if (member.name == name) {
        EXPECT_EQ(table.definition(), member.definition) << name;
      }
}

TEST(possible_overflows, are_those_that_the_library_takes) {
  for (const auto& [name, grid] : judged::all_formats()) {
    const std::vector<beyond> possible = judged::possible_overflows(grid);
    for (const beyond b : {beyond::saturate, beyond::propagate, beyond::infinity, beyond::nan, beyond::spec}) {
      const bool taken = binade::defect(judged::element_of(judged::format_of(grid), {.overflow = b})).empty();
      EXPECT_EQ(taken, std::find(possible.begin(), possible.end(), b) != possible.end()) << name;
    }
  }
}

template <class Path>
std::uint64_t judge_borders(const named_grid& f, const rule& r, const borders& at, oracle::delivered what) {
  const Path path(judged::element_of(judged::format_of(f.grid), r));
  std::vector<std::uint32_t> results(at.inputs.size());
  path(at.inputs, results);
  for (std::size_t i = 0; i < results.size(); ++i)
    if (results[i] != bits_of(at.want[i], what)) {
      ADD_FAILURE() << f.name << " " << to_string(r) << std::hex << ": input 0x"
                    << std::bit_cast<std::uint32_t>(at.inputs[i]) << " gives 0x" << results[i] << ", want 0x"
                    << bits_of(at.want[i], what);
      break;
    }
  return results.size();
}

TEST(every_rule, float32_gets_its_code_and_value_around_every_border_between_codes) {
  std::uint64_t judged = 0, cases = 0;
  for (const named_grid& f : judged::small_formats()) {
    const bool covered = binade::fast_rounder::covers({judged::format_of(f.grid)});
    EXPECT_EQ(covered, f.grid.is_signed) << f.name;
    for (const rule& r : judged::deterministic_rules(f.grid)) {
      const borders at = borders_of(oracle::stretches_of(f.grid, r, 0));
      judged += judge_borders<judged::core_codes>(f, r, at, oracle::delivered::code);
      if (covered) {
        judged += judge_borders<judged::vector_codes>(f, r, at, oracle::delivered::code);
        judged += judge_borders<judged::vector_values>(f, r, at, oracle::delivered::value);
      }
      ++cases;
    }
    if (HasFailure()) return;
  }
  RecordProperty("cases", std::to_string(cases));
  RecordProperty("conversions", std::to_string(judged));
}

TEST(every_rule, float64_gets_its_code_and_value_on_both_sides_of_every_value_and_midpoint) {
  oracle::tally seen;
  for (const auto& [name, grid] : judged::all_formats()) {
    std::vector<rule> rules = judged::deterministic_rules(grid);
    const std::size_t gradual = rules.size();
    for (std::size_t i = 0; i < gradual; ++i)
      for (const oracle::tiny t : {oracle::tiny::flush_results, oracle::tiny::flush_inputs}) {
        rules.push_back(rules[i]);
        rules.back().subnormals = t;
      }
    const judged::codec codec{judged::format_of(grid)};
    judged::expect_none(
        name, oracle::staircase_counterexample<double>(grid, rules, oracle::steps_of(grid, 512), codec, seen));
    judged::expect_none(name, oracle::extremes_counterexample<double>(grid, rules, codec, seen));
    judged::expect_none(name, oracle::extremes_counterexample<float>(grid, rules, codec, seen));
    if (HasFailure()) return;
  }
  RecordProperty("conversions", std::to_string(seen.conversions));
}

// ---- the judge -----------------------------------------------------------------------------------------------------

TEST(block_walk, finds_one_wrong_result_among_all_and_says_which) {
  const oracle::grid grid = judged::golden().at("e4m3fn").definition();
  const rule r{.overflow = beyond::spec};
  const std::vector<std::vector<oracle::expectation>> expected(
      2, oracle::expectations_of(oracle::stretches_of(grid, r, 0), oracle::delivered::code));
  const judged::core_codes path(judged::element_of(judged::format_of(grid), r));
  constexpr std::uint32_t first = 0x43dffffb, last = 0x43f10003;  // 447.99.. to beyond 464: no multiple of the block
  std::uint32_t wrong_input = 0;
  bool wrong = false;
  const auto walk = [&](oracle::tally& seen) {
    return oracle::block_walk(
        expected, first, last,
        [&](std::size_t which, std::span<const float> x, std::span<std::uint32_t> codes) {
          path(x, codes);
          for (std::size_t i = 0; wrong && which == 1 && i < x.size(); ++i)
            if (std::bit_cast<std::uint32_t>(x[i]) == wrong_input) codes[i] ^= 1;
        },
        seen);
  };
  oracle::tally seen;
  EXPECT_FALSE(walk(seen));
  EXPECT_EQ(seen.conversions, 2 * (std::uint64_t{last} - first + 1));
  wrong = true;
  for (const std::uint32_t input : {first, first + 4095, first + 4096, 0x43e80000u, 0x43e80001u, last}) {
    wrong_input = input;
    const auto bad = walk(seen);
    ASSERT_TRUE(bad) << std::hex << input;
    EXPECT_EQ(bad->which, 1u);
    EXPECT_EQ(bad->input, input);
    EXPECT_EQ(bad->got, bad->want ^ 1);
  }
}

TEST(block_walk, refuses_stretches_that_leave_a_gap) {
  const oracle::grid grid = judged::golden().at("e2m1fn").definition();
  std::vector<oracle::stretch> stretches = oracle::stretches_of(grid, {}, 0);
  EXPECT_NO_THROW(oracle::expectations_of(stretches, oracle::delivered::value));
  ++stretches[3].first;
  EXPECT_THROW(oracle::expectations_of(stretches, oracle::delivered::value), std::logic_error);
}

TEST(stretches, say_what_the_exact_place_of_any_input_says) {
  // The bisection that finds them rests on rounding being monotone; the projection of an input does not.
  std::mt19937 random(6);
  for (const named_grid& f : judged::small_formats())
    for (const rule& r : judged::deterministic_rules(f.grid)) {
      const auto stretches = oracle::stretches_of(f.grid, r, 0);
      for (int i = 0; i < 64; ++i) {
        // Half of the inputs near the format's range.
        std::uint32_t bits = static_cast<std::uint32_t>(random());
        if (i % 2 == 0) {
          const std::uint64_t code = random() % (f.grid.max_code() + 1);
          const double low = to_double(f.grid.value(code)), high = to_double(f.grid.value(code + 1));
          bits = (bits & 0x80000000) | std::bit_cast<std::uint32_t>(static_cast<float>(
                                           low + (high - low) * static_cast<double>(random() % 1025) / 1024));
        }
        const auto s = std::partition_point(stretches.begin(), stretches.end(),
                                            [&](const oracle::stretch& part) { return part.last < bits; });
        const oracle::answer want = oracle::project(f.grid, r, static_cast<double>(std::bit_cast<float>(bits)));
        ASSERT_EQ(s->want.code, want.code) << f.name << " " << to_string(r) << std::hex << " 0x" << bits;
        ASSERT_TRUE(oracle::same_value(s->want.value, want.value) && s->want.refused == want.refused);
      }
    }
}

}  // namespace
