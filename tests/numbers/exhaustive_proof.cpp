// The whole product: all 2^32 float32 inputs into every format of 8 bits or fewer under every deterministic rounding
// and every overflow rule that is possible for it.  Floating point has three sweeps: the reference, and codes and
// values of the vector loops, which is what programs run where these cover the format; the other kinds have one, the
// reference. Every result is computed and compared with the exact thresholds of the oracle.
//
// Days of one core; docs/proofs.md says how to run it, and the record of the last run is under docs/proof/.

#include "numbers/array_paths.hpp"
#include "numbers/proof_record.hpp"
#include "numbers/swept_cases.hpp"
#include "oracle/block_walk.hpp"

namespace {

/// One sweep of one format: paths[i] must deliver expected[i] on every bit pattern.
template <class Path>
void judge_all(std::string_view sweep, const std::string& name, const std::vector<oracle::rule>& rules,
               const std::vector<std::vector<oracle::expectation>>& expected, const std::vector<Path>& paths,
               const judged::proof_record& record) {
  oracle::tally seen;
  const auto bad = oracle::block_walk(
      expected, 0, 0xffffffff,
      [&](std::size_t which, std::span<const float> x, std::span<std::uint32_t> results) { paths[which](x, results); },
      seen);
  if (bad)
    ADD_FAILURE() << sweep << " " << name << " " << to_string(rules[bad->which]) << std::hex << ": input 0x"
                  << bad->input << " gives 0x" << bad->got << ", want 0x" << bad->want;
  else
    EXPECT_EQ(seen.conversions, rules.size() << 32);
  testing::Test::RecordProperty("conversions", std::to_string(seen.conversions));
  record.finish(rules.size(), seen.conversions, !testing::Test::HasFailure());
}

class every_float32 : public testing::TestWithParam<judged::named_grid> {
 protected:
  template <class Path>
  void judge(std::string_view sweep, oracle::delivered what) {
    const auto& [name, grid] = GetParam();
    const judged::proof_record record(sweep, name);
    if (record.is_there()) GTEST_SKIP() << "already in the record; another file of lines ends this skip";
    const std::vector<oracle::rule> rules = judged::deterministic_rules(grid);
    std::vector<std::vector<oracle::expectation>> expected;
    std::vector<Path> paths;
    for (const oracle::rule& r : rules) {
      const binade::element e = judged::element_of(judged::format_of(grid), r);
      ASSERT_EQ(binade::defect(e), "") << to_string(r);
      expected.push_back(oracle::expectations_of(oracle::stretches_of(grid, r, 0), what));
      paths.emplace_back(e);
    }
    judge_all(sweep, name, rules, expected, paths, record);
  }
};

class vector_encode : public every_float32 {};
class vector_quantize : public every_float32 {};
class core_encode : public every_float32 {};

TEST_P(vector_encode, gets_its_code) {
  judge<judged::vector_codes>("vector_encode", oracle::delivered::code);
}
TEST_P(vector_quantize, gets_its_value) {
  judge<judged::vector_values>("vector_quantize", oracle::delivered::value);
}
TEST_P(core_encode, gets_its_code) {
  judge<judged::core_codes>("core_encode", oracle::delivered::code);
}

class other_encode : public testing::TestWithParam<oracle::other_form> {};

TEST_P(other_encode, gets_its_code) {
  const oracle::other_form& form = GetParam();
  const judged::proof_record record("other_encode", form.name);
  if (record.is_there()) GTEST_SKIP() << "already in the record; another file of lines ends this skip";
  const std::vector<oracle::rule> rules = judged::swept_rules(form);
  const oracle::other_steps steps(form);
  std::vector<std::vector<oracle::expectation>> expected;
  std::vector<judged::other_codes> paths;
  for (const oracle::rule& r : rules) {
    const binade::element e = judged::element_of(form, r);
    ASSERT_EQ(binade::defect(e), "") << to_string(r);
    expected.push_back(oracle::expectations_of(steps.stretches(r), oracle::delivered::code));
    paths.emplace_back(e);
  }
  judge_all("other_encode", form.name, rules, expected, paths, record);
}

// In this order, so that a run that is cut short has judged what most programs run.
INSTANTIATE_TEST_SUITE_P(all, vector_encode, testing::ValuesIn(judged::covered_formats()), judged::name_of_grid);
INSTANTIATE_TEST_SUITE_P(all, vector_quantize, testing::ValuesIn(judged::covered_formats()), judged::name_of_grid);
INSTANTIATE_TEST_SUITE_P(all, core_encode, testing::ValuesIn(judged::core_formats()), judged::name_of_grid);
INSTANTIATE_TEST_SUITE_P(all, other_encode, testing::ValuesIn(judged::swept_forms()), judged::name_of_form);

}  // namespace
