// From its third step on a run takes nothing from the system: everything comes from pools that the first steps filled.
// What a data source makes, the batch, is counted beside it.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>

#include "train/small_training.hpp"

namespace {

std::atomic<std::size_t> allocations{0};

void* allocate(std::size_t size, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  // A size for aligned_alloc is a multiple of the alignment.
  void* const block = std::aligned_alloc(alignment, (size + alignment) / alignment * alignment);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

}  // namespace

void* operator new(std::size_t size) {
  return allocate(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, std::size_t(alignment));
}
void operator delete(void* block) noexcept {
  std::free(block);
}
void operator delete(void* block, std::size_t) noexcept {
  std::free(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
  std::free(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  std::free(block);
}

namespace binade {
namespace {

using test::small_run;
using test::training;

class allocations_of : public testing::TestWithParam<std::string> {};

TEST_P(allocations_of, a_step_are_those_of_its_batch) {
  run_settings run = small_run();
  const std::unique_ptr<data_source> source = open_source(run);
  std::size_t before = allocations;
  source->training_batch(1, 2, run.train.batch);
  const std::size_t of_batch = allocations - before;
  EXPECT_GT(of_batch, 0u) << "nothing is counted";
  // Each thread keeps small lists of its own, and which thread takes which piece of work is left to chance.
  for (const std::size_t threads : {std::size_t{1}, std::size_t{2}}) {
    training trained(run, find_recipe(GetParam()), threads);
    std::size_t least = 0;
    for (int step = 0; step < (threads == 1 ? 3 : 30); ++step) {
      before = allocations;
      trained->step(false);
      least = step == 0 ? allocations - before : std::min(least, allocations - before);
    }
    EXPECT_EQ(least, of_batch) << threads << " threads";
  }
}

INSTANTIATE_TEST_SUITE_P(recipes, allocations_of,
                         testing::Values("f32", "bf16", "fp8_hybrid", "fp8_tiles", "int8_row", "mxfp8", "mxfp4",
                                         "mxfp4_hadamard", "nvfp4", "lns8_tensor"),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace binade
