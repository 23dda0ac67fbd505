// Small training runs have the stored bits: whatever the threads, the vectors (the build runs these tests again with
// BINADE_VECTOR_BITS), the kernels' instruction set and the compiler.
#include "train/training_digests.hpp"

#include <gtest/gtest.h>

#include <string>

#include "kernels/cpu.hpp"

namespace binade {
namespace {

constexpr std::int64_t steps = 20;

class training_digests : public testing::TestWithParam<std::string> {
 protected:
  void expect_stored_bits(std::size_t threads) const {
    const nlohmann::ordered_json stored = test::stored_training_digests().at(GetParam());
    test::training_run run(GetParam(), threads);
    const auto digests = run.digests_after(steps);
    EXPECT_EQ(nlohmann::ordered_json(run.losses()), stored.at("losses")) << threads << " threads";
    EXPECT_EQ(digests, stored.at("after_20_steps")) << threads << " threads";
  }
};

TEST_P(training_digests, are_the_stored_ones_on_any_number_of_threads) {
#if defined(BINADE_SANITIZED)
  for (const std::size_t threads : {1u, 3u}) expect_stored_bits(threads);  // many times slower
#elif defined(BINADE_EMULATED)
  expect_stored_bits(2);  // slower still
#else
  for (const std::size_t threads : {1u, 2u, 3u, 7u}) expect_stored_bits(threads);
#endif
}

TEST_P(training_digests, are_the_stored_ones_under_every_instruction_set) {
  if (kernels::active_isa() == kernels::isa::portable)
    GTEST_SKIP() << "the portable kernels are all that there are, and the other test runs them: a processor with "
                    "vectors ends this skip";
  for (const kernels::isa level : {kernels::isa::portable, kernels::isa::x86_64_v3}) {
    if (level >= kernels::active_isa()) continue;  // the best one is what the other test runs
    const kernels::isa_scope scope(level);
    SCOPED_TRACE(kernels::to_string(level));
    expect_stored_bits(2);
  }
}

INSTANTIATE_TEST_SUITE_P(stored, training_digests, testing::ValuesIn(test::training_names()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace binade
