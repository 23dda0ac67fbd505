// Float32 all over its range, 2^16 of them and as many at random, into every format of other_kinds_test.cpp under every
// rule: what lies between the borders that it tries.  exhaustive_proof.cpp takes all 2^32.

#include <gtest/gtest.h>

#include <bit>
#include <cstdio>
#include <random>

#include "numbers/other_formats.hpp"

namespace {

TEST(other_kinds, give_float32_from_all_over_the_range_its_code_under_every_deterministic_rule) {
  std::mt19937 random(8);
  std::vector<float> x;
  for (std::uint64_t bits = 0; bits >> 32 == 0; bits += 65537)
    for (const auto pattern : {static_cast<std::uint32_t>(bits), static_cast<std::uint32_t>(random())})
      x.push_back(std::bit_cast<float>(pattern));
  std::vector<std::uint32_t> codes(x.size());
  std::uint64_t judged = 0;
  for (const oracle::other_form& form : judged::other_forms()) {
    const oracle::other_steps steps(form);
    for (const oracle::rule& r : judged::deterministic_rules(form)) {
      const auto stretches = steps.stretches(r);
      judged::other_codes{judged::element_of(form, r)}(x, codes);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const auto bits = std::bit_cast<std::uint32_t>(x[i]);
        const auto s = std::partition_point(stretches.begin(), stretches.end(),
                                            [&](const oracle::stretch& part) { return part.last < bits; });
        ASSERT_EQ(codes[i], s->want.code) << form.text << " " << to_string(r) << std::hex << " 0x" << bits;
      }
      judged += x.size();
    }
  }
  std::printf("%llu results\n", static_cast<unsigned long long>(judged));
}

}  // namespace
