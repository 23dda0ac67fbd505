// Every step of every catalogue format and every P3109 format of up to 8 bits, with 1 and 3 noise bits: all noise
// values.  stochastic_steps_full.cpp takes 1 to 8 noise bits and every overflow rule.

#include "numbers/stochastic_steps.hpp"

namespace {

TEST(stochastic_steps, all_noise_of_1_and_3_bits_rounds_up_as_often_as_the_closed_form_at_every_step) {
  constexpr oracle::beyond spec[] = {oracle::beyond::spec};
  oracle::tally seen;
  for (const judged::named_grid& f : judged::all_formats())
    for (const std::uint64_t below : oracle::steps_of(f.grid, 128)) {
      for (const double x : judged::places_within(f.grid, below))
        for (const int bits : {1, 3}) judged::judge_all_noise(f, x, bits, spec, seen);
      if (HasFailure()) return;
    }
  RecordProperty("conversions", std::to_string(seen.conversions));
}

TEST(stochastic_steps, all_noise_overflows_by_every_rule_above_the_largest_value) {
  oracle::tally seen;
  for (const judged::named_grid& f : judged::all_formats()) {
    const auto overflows = judged::possible_overflows(f.grid);
    for (const double x : judged::places_within(f.grid, f.grid.max_code()))
      judged::judge_all_noise(f, x, 3, overflows, seen);
    if (HasFailure()) return;
  }
  RecordProperty("conversions", std::to_string(seen.conversions));
}

}  // namespace
