// Every step of every catalogue format and every P3109 format of up to 8 bits, with 1 to 8 noise bits and every
// overflow rule: all noise values.

#include "numbers/proof_record.hpp"
#include "numbers/stochastic_steps.hpp"

namespace {

class stochastic_steps : public testing::TestWithParam<judged::named_grid> {};

TEST_P(stochastic_steps, all_noise_rounds_up_as_often_as_the_closed_form) {
  const judged::named_grid& f = GetParam();
  const judged::proof_record record("stochastic_steps", f.name);
  if (record.is_there()) GTEST_SKIP() << "already in the record; another file of lines ends this skip";
  const auto overflows = judged::possible_overflows(f.grid);
  oracle::tally seen;
  for (const std::uint64_t below : oracle::steps_of(f.grid, 256))
    for (const double x : judged::places_within(f.grid, below))
      for (int bits = 1; bits <= 8 && !HasFailure(); ++bits) judged::judge_all_noise(f, x, bits, overflows, seen);
  RecordProperty("conversions", std::to_string(seen.conversions));
  record.finish(3 * 8 * overflows.size(), seen.conversions, !HasFailure());
}

INSTANTIATE_TEST_SUITE_P(all, stochastic_steps, testing::ValuesIn(judged::all_formats()),
                         [](const auto& format_info) { return format_info.param.name; });

}  // namespace
