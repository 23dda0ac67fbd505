#include "binade/scratch.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "binade/quantize.hpp"
#include "binade/text.hpp"
#include "counted_allocations.hpp"

namespace {

using binade::detail::scratch_blocks;
using binade::detail::scratch_vector;
using binade::test::allocations;
using binade::test::releases;

TEST(scratch, a_list_takes_the_memory_of_the_last_one_of_its_size) {
  if (BINADE_ADDRESS_SANITIZER)
    GTEST_SKIP() << "under the address sanitizer every list is of the system: a build without it ends this skip";
  const auto two_lists = [] {
    const scratch_vector<float> list(1000, 1.0f), another(1000, 2.0f);
    return list[999] + another[0];
  };
  EXPECT_EQ(two_lists(), 3);
  const std::size_t before = allocations;
  EXPECT_EQ(two_lists(), 3);
  EXPECT_EQ(allocations, before);
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
  constexpr std::size_t taken = 3 * scratch_blocks::most_kept;
  for (const auto& [bytes, kept] : {std::pair(std::size_t{100}, scratch_blocks::most_kept),
                                    std::pair(scratch_blocks::largest + 1, std::size_t{0})}) {
    std::vector<void*> list(taken);
    scratch_blocks blocks;
    for (void*& block : list) block = blocks.take(bytes);
    const std::size_t before = releases;
    for (void* block : list) blocks.give_back(block, bytes);
    EXPECT_EQ(releases - before, taken - kept) << bytes;
  }
}

TEST(scratch, a_block_may_go_back_on_another_thread) {
  scratch_vector<double> list(5000, 2.0);
  std::thread([moved = std::move(list)] { EXPECT_EQ(moved[4999], 2.0); }).join();
}

// Objects of a thread are destroyed in the reverse order of their construction: this one after the thread's blocks.
struct quantizes_at_the_end {
  bool is_first = true;
  ~quantizes_at_the_end() {
    std::vector<float> x(4096, 0.3f);
    for (const char* text : {"nvfp4", "e4m3fn@row", "e4m3fn@tile(8,8)", "e4m3fn@tensor"})
      binade::quantize(x, {64, 64, 1}, binade::parse_quantizer(text), {}, x);
    EXPECT_NE(x[0], 0.3f);
  }
};

TEST(scratch, arrays_may_be_quantized_while_a_thread_ends) {
  std::thread([] {
    static thread_local quantizes_at_the_end last;
    last.is_first = false;
    const scratch_vector<float> list(1000);
    const scratch_vector<double> other(3);
  }).join();
}

}  // namespace
