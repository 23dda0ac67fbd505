// Every pair of codes of every format of 8 bits and fewer, all of P3109's among them, and millions of triples, judged
// by exact numbers.

#include <cstdio>

#include "numbers/arithmetic_judged.hpp"

namespace {

using judged::arithmetic;
using oracle::beyond;

/// One format of 8 bits or fewer: a test of its own, so that shards share them out.
class small_format : public testing::TestWithParam<judged::named_grid> {
 protected:
  const oracle::grid& grid() const { return GetParam().grid; }
  void TearDown() override {
    RecordProperty("judged", std::to_string(judge_.judged()));
    std::printf("%s: %llu results\n", GetParam().name.c_str(), static_cast<unsigned long long>(judge_.judged()));
  }
  arithmetic judge_{GetParam().name, GetParam().grid};
};

TEST_P(small_format, every_pair_of_codes_under_every_rounding_and_overflow_rule) {
  judge_.all_operands(1, judged::arithmetic_rules(grid()));
  judge_.all_operands(2, judged::arithmetic_rules(grid()));
}

TEST_P(small_format, every_pair_of_codes_with_flushed_subnormal_operands) {
  judge_.all_operands(2, judged::deterministic_rules(beyond::saturate, oracle::tiny::flush_inputs));
}

TEST_P(small_format, every_triple_of_codes_of_4_bits_under_every_rounding_and_overflow_rule) {
  if (grid().width <= 4) judge_.all_operands(3, judged::arithmetic_rules(grid()));
}

TEST_P(small_format, a_hundred_thousand_triples_of_codes) {
  std::mt19937_64 random(1);
  for (const char* o : {"fma", "faa"})
    for (int i = 0; i < 50'000; ++i)
      if (!judge_(o, judge_.random_codes(random), judged::arithmetic_rules(grid()))) return;
}

TEST_P(small_format, every_pair_of_codes_of_6_bits_with_every_noise_of_3_bits) {
  if (grid().width > 6) return;
  for (const auto m : judged::stochastic_modes)
    judge_.all_operands(2, {{.rounding = m, .noise_bits = 3, .overflow = beyond::spec}}, {0, 1, 2, 3, 4, 5, 6, 7});
}

INSTANTIATE_TEST_SUITE_P(arithmetic, small_format, testing::ValuesIn(judged::small_formats()),
                         [](const auto& tested) { return tested.param.name; });

TEST(arithmetic, random_operands_of_every_format_and_mixture) {
  std::mt19937_64 random(2);
  const std::vector<judged::named_grid> all = judged::named_grids();
  std::uint64_t judged = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto pick = [&] { return all[random() % all.size()]; };
    const judged::named_grid a = pick(), b = pick(), c = pick(), r = i % 2 == 0 ? a : pick();
    arithmetic judge(a.name + ", " + b.name + ", " + c.name + " -> " + r.name, {a.grid, b.grid, c.grid}, r.grid);
    judge.random_operands(20, random, judged::arithmetic_rules(r.grid));
    judged += judge.judged();
  }
  std::printf("%llu results\n", static_cast<unsigned long long>(judged));
}

}  // namespace
