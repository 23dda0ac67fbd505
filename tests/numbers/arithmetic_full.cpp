// Every pair of codes of every format of 8 bits and fewer, and millions of triples, judged by exact numbers.

#include <cstdio>

#include "numbers/arithmetic_judged.hpp"

namespace {

using judged::arithmetic;
using oracle::beyond;

template <class Judge>
void for_each_format(int most_bits, Judge judge_one) {
  std::uint64_t judged = 0;
  int formats = 0;
  for (const auto& [name, grid] : judged::named_grids()) {
    if (grid.width > most_bits) continue;
    arithmetic judge(name, grid);
    judge_one(judge, grid);
    judged += judge.judged();
    ++formats;
  }
  std::printf("%d formats, %llu results\n", formats, static_cast<unsigned long long>(judged));
}

TEST(arithmetic, every_pair_of_codes_of_formats_of_8_bits_under_every_rounding_and_overflow_rule) {
  for_each_format(8, [](arithmetic& judge, const oracle::grid& g) {
    judge.all_operands(1, judged::arithmetic_rules(g));
    judge.all_operands(2, judged::arithmetic_rules(g));
  });
}

TEST(arithmetic, every_pair_of_codes_of_formats_of_8_bits_with_flushed_subnormal_operands) {
  for_each_format(8, [](arithmetic& judge, const oracle::grid&) {
    judge.all_operands(2, judged::deterministic_rules(beyond::saturate, oracle::tiny::flush_inputs));
  });
}

TEST(arithmetic, every_triple_of_codes_of_formats_of_4_bits_under_every_rounding_and_overflow_rule) {
  for_each_format(4,
                  [](arithmetic& judge, const oracle::grid& g) { judge.all_operands(3, judged::arithmetic_rules(g)); });
}

TEST(arithmetic, a_million_triples_of_codes_of_formats_of_8_bits) {
  std::mt19937_64 random(1);
  for_each_format(8, [&](arithmetic& judge, const oracle::grid& g) {
    for (const char* o : {"fma", "faa"})
      for (int i = 0; i < 50'000; ++i)
        if (!judge(o, judge.random_codes(random), judged::arithmetic_rules(g))) return;
  });
}

TEST(arithmetic, every_pair_of_codes_of_formats_of_6_bits_with_every_noise_of_3_bits) {
  for_each_format(6, [](arithmetic& judge, const oracle::grid&) {
    for (const auto m : {oracle::mode::stochastic_a, oracle::mode::stochastic_b, oracle::mode::stochastic_c})
      judge.all_operands(2, {{.rounding = m, .noise_bits = 3, .overflow = beyond::spec}}, {0, 1, 2, 3, 4, 5, 6, 7});
  });
}

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
