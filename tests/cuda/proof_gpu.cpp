// The whole product on the device: all 2^32 float32 inputs through its encode(), for every format of 8 bits or fewer
// and every deterministic rule, judged by the oracle of the host's sweeps (numbers/exhaustive_proof.cpp).
//
// Some minutes of a GPU; ctest runs a few formats.  docs/proofs.md says how to run and record all.

#include "device_walk.hpp"
#include "numbers/proof_record.hpp"
#include "numbers/swept_cases.hpp"

namespace {

/// One sweep of one format on the device; expected_of(rule) is what the oracle says.
template <class Format, class Expected>
void judge_all(std::string_view sweep, const std::string& name, const Format& format,
               const std::vector<oracle::rule>& rules, const Expected& expected_of) {
  const std::optional<binade::device_name> device = binade::find_device();
  if (!device) GTEST_SKIP() << "no CUDA device; a machine with an NVIDIA GPU and its driver ends this skip";
  const judged::proof_record record(sweep, name, {device->processor, device->compiler, 0, 0});
  if (record.is_there()) GTEST_SKIP() << "already in the record; another file of lines ends this skip";
  std::uint64_t conversions = 0;
  for (const oracle::rule& r : rules) {
    const binade::element e = judged::element_of(format, r);
    ASSERT_EQ(binade::defect(e), "") << to_string(r);
    const auto expected = oracle::expectations_of(expected_of(r), oracle::delivered::code);
    if (const auto bad = binade::device_walk(e, expected, conversions))
      ADD_FAILURE() << sweep << " " << name << " " << to_string(r) << std::hex << ": input 0x" << bad->input
                    << " gives 0x" << bad->got << ", want 0x" << bad->want;
  }
  EXPECT_EQ(conversions, rules.size() << 32);
  record.finish(rules.size(), conversions, !testing::Test::HasFailure());
}

class device_core_encode : public testing::TestWithParam<judged::named_grid> {};
TEST_P(device_core_encode, gets_its_code) {
  const judged::named_grid& f = GetParam();
  judge_all("device_core_encode", f.name, judged::format_of(f.grid), judged::deterministic_rules(f.grid),
            [&](const oracle::rule& r) { return oracle::stretches_of(f.grid, r, 0); });
}

class other_form_on_device : public testing::TestWithParam<oracle::other_form> {
 protected:
  static void judge(std::string_view sweep) {
    const oracle::other_form& form = GetParam();
    const oracle::other_steps steps(form);
    judge_all(sweep, form.name, form, judged::swept_rules(form),
              [&](const oracle::rule& r) { return steps.stretches(r); });
  }
};
class device_other_encode : public other_form_on_device {};
TEST_P(device_other_encode, gets_its_code) {
  judge("device_other_encode");
}
class device_book_encode : public other_form_on_device {};
TEST_P(device_book_encode, gets_its_code) {
  judge("device_book_encode");
}
class device_log_encode : public other_form_on_device {};
TEST_P(device_log_encode, gets_its_code) {
  judge("device_log_encode");
}

/// One wrong result among all must show, wherever it is.
TEST(device_walk, finds_one_wrong_expectation) {
  if (!binade::find_device()) GTEST_SKIP() << "no CUDA device; a machine with an NVIDIA GPU ends this skip";
  const binade::element e = binade::parse_element("e4m3fn");
  const oracle::grid grid = judged::golden().at("e4m3fn").definition();
  const auto right = oracle::expectations_of(
      oracle::stretches_of(grid, {.rounding = oracle::mode::nearest_even, .overflow = oracle::beyond::saturate}, 0),
      oracle::delivered::code);
  for (const std::size_t at : {std::size_t{0}, right.size() / 2, right.size() - 1}) {
    std::vector<oracle::expectation> planted = right;
    // The first input of this stretch alone is to give another code.
    planted.insert(planted.begin() + std::ptrdiff_t(at), {planted[at].first, planted[at].first, planted[at].want ^ 1});
    if (planted[at + 1].first != planted[at + 1].last)
      ++planted[at + 1].first;
    else
      planted.erase(planted.begin() + std::ptrdiff_t(at) + 1);
    std::uint64_t judged = 0;
    const auto bad = binade::device_walk(e, planted, judged);
    EXPECT_EQ(judged, std::uint64_t{1} << 32);
    ASSERT_TRUE(bad.has_value()) << at;
    EXPECT_EQ(bad->input, planted[at].first);
    EXPECT_EQ(bad->got, right[at].want);
    EXPECT_EQ(bad->want, planted[at].want);
  }
}

/// The forms whose border between two neighbours is of this kind: of entries, in the logarithm, or any other.
enum class border { entries, logarithm, other };
std::vector<oracle::other_form> forms_with(border wanted) {
  std::vector<oracle::other_form> all = judged::small_other_forms();
  std::erase_if(all, [&](const oracle::other_form& f) {
    const border its = f.is_logarithmic ? border::logarithm : f.border == "entries" ? border::entries : border::other;
    return its != wanted;
  });
  return all;
}

INSTANTIATE_TEST_SUITE_P(all, device_core_encode, testing::ValuesIn(judged::small_formats()), judged::name_of_grid);
INSTANTIATE_TEST_SUITE_P(all, device_other_encode, testing::ValuesIn(forms_with(border::other)), judged::name_of_form);
INSTANTIATE_TEST_SUITE_P(all, device_book_encode, testing::ValuesIn(forms_with(border::entries)), judged::name_of_form);
INSTANTIATE_TEST_SUITE_P(all, device_log_encode, testing::ValuesIn(forms_with(border::logarithm)),
                         judged::name_of_form);

}  // namespace
