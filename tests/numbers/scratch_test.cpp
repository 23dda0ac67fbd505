#include "binade/scratch.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

namespace {

using binade::detail::scratch_blocks;
using binade::detail::scratch_vector;

TEST(scratch, a_list_gets_the_memory_of_the_last_one_of_its_size) {
  const float* first = nullptr;
  for (int round = 0; round < 3; ++round) {
    const scratch_vector<float> list(1000, 1.0f);
    if (first == nullptr) first = list.data();
    EXPECT_EQ(list.data(), first);
    const scratch_vector<float> another(1000);
    EXPECT_NE(another.data(), first);
  }
}

TEST(scratch, blocks_hold_the_bytes_asked_for) {
  scratch_blocks blocks;
  for (std::size_t bytes = 1; bytes < 2 * scratch_blocks::largest; bytes += 1 + bytes / 5) {
    void* const block = blocks.take(bytes);
    std::memset(block, 1, bytes);  // the address sanitizer judges, and it finds what is not given back
    blocks.give_back(block, bytes);
  }
}

TEST(scratch, keeps_few_blocks_of_a_size_and_no_large_ones) {
  scratch_blocks blocks;
  for (const std::size_t bytes : {std::size_t{100}, scratch_blocks::largest + 1}) {
    std::vector<void*> taken;
    for (std::size_t i = 0; i < 3 * scratch_blocks::most_kept; ++i) taken.push_back(blocks.take(bytes));
    EXPECT_EQ(std::set<void*>(taken.begin(), taken.end()).size(), taken.size());
    for (void* block : taken) blocks.give_back(block, bytes);
  }
}

TEST(scratch, a_block_may_go_back_on_another_thread) {
  scratch_vector<double> list(5000, 2.0);
  std::thread([moved = std::move(list)] { EXPECT_EQ(moved[4999], 2.0); }).join();
}

}  // namespace
