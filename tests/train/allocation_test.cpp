// From its third step on a run of a dense decoder takes nothing from the system: everything comes from pools that the
// first steps filled.  What a data source makes, the batch, is counted beside it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "binade/scratch.hpp"
#include "counted_allocations.hpp"
#include "train/small_training.hpp"

namespace binade {
namespace {

using test::allocations;
using test::small_run;
using test::training;

struct tested {
  std::string name, recipe;
  run_settings run;
};
run_settings run_of(const char* model) {
  run_settings run = small_run();
  run.model = read_model(toml_section::parse(model, "model"));
  return run;
}
/// 300,000 numbers: more than one piece of work for each thread, lists of scales of some thousands.
run_settings large_run() {
  run_settings run = run_of("layers = 1\nwidth = 128\nheads = 2\ncontext = 16\n");
  run.train.batch = 32;
  return run;
}
std::vector<tested> cases() {
  std::vector<tested> list;
  for (const char* recipe : {"f32", "bf16", "fp8_hybrid", "fp8_tiles", "int8_row", "mxfp8", "mxfp4", "mxfp4_hadamard",
                             "nvfp4", "lns8_tensor"})
    list.push_back({std::string("gpt2_") + recipe, recipe, small_run()});
  for (const char* recipe : {"f32", "mxfp8", "nvfp4"})
    list.push_back({std::string("large_") + recipe, recipe, large_run()});
  list.push_back(
      {"llama_mxfp4", "mxfp4", run_of("kind = \"llama\"\nlayers = 1\nwidth = 32\nheads = 2\ncontext = 16\n")});
  return list;
}
std::size_t allocations_of_step(training& trained) {
  const std::size_t before = allocations;
  trained->step(false);
  return allocations - before;
}

class allocations_of : public testing::TestWithParam<tested> {
 protected:
  void SetUp() override {
    if (BINADE_ADDRESS_SANITIZER)
      GTEST_SKIP()
          << "under the address sanitizer lists of scales are of the system: a build without it ends this skip";
    run = GetParam().run;
    const std::unique_ptr<data_source> source = open_source(run);
    const std::size_t before = allocations;
    source->training_batch(1, 2, run.train.batch);
    of_batch = allocations - before;
    ASSERT_GT(of_batch, 0u) << "nothing is counted";
  }

  run_settings run;
  std::size_t of_batch = 0;
};

TEST_P(allocations_of, every_step_from_the_third_on_are_those_of_its_batch) {
  training trained(run, find_recipe(GetParam().recipe), 1);
  trained.steps(2);
  for (int step = 3; step < 9; ++step) EXPECT_EQ(allocations_of_step(trained), of_batch) << step;
}

// Each thread keeps small lists of its own, and which thread takes which piece of work is left to chance.
TEST_P(allocations_of, some_step_of_two_threads_are_those_of_its_batch) {
  training trained(run, find_recipe(GetParam().recipe), 2);
  std::size_t least = allocations_of_step(trained);
  for (int step = 1; step < 30; ++step) least = std::min(least, allocations_of_step(trained));
  EXPECT_EQ(least, of_batch);
}

INSTANTIATE_TEST_SUITE_P(recipes, allocations_of, testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace binade
