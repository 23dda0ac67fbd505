#include "tensor.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace binade {
namespace {

using test_tensor = tensor<float>;

TEST(extents, count_is_the_product_and_nothing_without_sizes) {
  EXPECT_EQ((extents{2, 3, 4, 5}.count()), 120u);
  EXPECT_EQ(extents().count(), 0u);
  EXPECT_EQ(to_string(extents{16, 128}), "(16, 128)");
}

TEST(extents, impossible_sizes_are_refused_with_a_reason) {
  EXPECT_THROW((extents{1, 2, 3, 4, 5}), std::invalid_argument);
  EXPECT_THROW((extents{3, 0}), std::invalid_argument);
  EXPECT_THROW((extents{std::size_t(1) << 40, std::size_t(1) << 40}), std::invalid_argument);
  try {
    extents{3, 0};
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "extents: size 1 is 0; every size must be at least 1");
  }
}

TEST(tensor, storage_starts_at_a_multiple_of_64_bytes) {
  for (const std::size_t size : {1u, 3u, 17u, 1000u, 100000u}) {
    const test_tensor x = test_tensor::uninitialized({size});
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(x.data()) % 64, 0u) << size;
  }
}

TEST(tensor, copies_share_elements_and_clones_do_not) {
  test_tensor x = test_tensor::full({2, 2}, 1);
  test_tensor shared = x, cloned = x.clone();
  x[3] = 5;
  EXPECT_EQ(shared[3], 5);
  EXPECT_EQ(cloned[3], 1);
  EXPECT_FALSE(x.is_sole_owner());
  shared.release();
  EXPECT_TRUE(x.is_sole_owner());
  EXPECT_TRUE(shared.empty());
}

TEST(tensor, reshaping_keeps_the_elements_and_refuses_another_number_of_them) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const test_tensor x = test_tensor::from({2, 3}, values), y = x.reshaped({3, 2, 1});
  EXPECT_EQ(y.data(), x.data());
  EXPECT_EQ(y.shape(), (extents{3, 2, 1}));
  EXPECT_THROW(x.reshaped({4}), std::invalid_argument);
  EXPECT_THROW(test_tensor::from({2, 2}, values), std::invalid_argument);
}

TEST(buffer_pool, a_block_that_comes_back_serves_the_next_request_of_its_size) {
  buffer_pool pool;
  std::byte* const first = pool.take(5000).get();
  EXPECT_EQ(pool.take(4999).get(), first);
  EXPECT_EQ(pool.usage().system_requests, 1u);
  EXPECT_EQ(pool.usage().in_use, 0u);
  pool.trim();
  EXPECT_EQ(pool.usage().kept, 0u);
}

TEST(buffer_pool, what_is_kept_never_exceeds_twice_the_most_that_was_in_use) {
  buffer_pool pool;
  for (std::size_t bytes = 1000; bytes < 1000000; bytes += bytes / 3) {
    pool.take(bytes);
    EXPECT_LE(pool.usage().kept, 2 * pool.usage().peak);
  }
}

TEST(buffer_pool, sizes_that_nobody_asks_for_make_room_for_those_in_use) {
  buffer_pool pool;
  for (std::size_t bytes = 1000; bytes < 1000000; bytes += bytes / 3) pool.take(bytes);  // an earlier model
  std::uint64_t after_two = 0;
  for (int step = 0; step < 5; ++step) {
    std::vector<std::shared_ptr<std::byte>> in_use;
    for (std::size_t bytes = 700000; bytes < 900000; bytes += 50000) in_use.push_back(pool.take(bytes));
    if (step == 1) after_two = pool.usage().system_requests;
  }
  EXPECT_EQ(pool.usage().system_requests, after_two);
}

TEST(buffer_pool, blocks_hold_the_bytes_asked_for) {
  buffer_pool pool;
  for (std::size_t bytes = 1; bytes < 100000; bytes += 1 + bytes / 7) {
    const auto block = pool.take(bytes);
    std::fill_n(block.get(), bytes, std::byte{1});  // the address sanitizer judges
    EXPECT_GE(pool.usage().in_use, bytes);
    EXPECT_LE(pool.usage().in_use, bytes + bytes / 8 + 64);
  }
}

TEST(buffer_pool, threads_may_take_and_return_blocks_at_once) {
  buffer_pool pool;
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 4; ++t)
      threads.emplace_back([&pool, t] {
        for (std::size_t i = 0; i < 500; ++i) {
          const std::size_t bytes = 1000 + 700 * ((i + t) % 5);
          const auto block = pool.take(bytes);
          std::fill_n(block.get(), bytes, std::byte(t));
          for (std::size_t j = 0; j < bytes; ++j) ASSERT_EQ(block.get()[j], std::byte(t));
        }
      });
  }
  EXPECT_EQ(pool.usage().in_use, 0u);
}

}  // namespace
}  // namespace binade
