#include "kernels/parallel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace binade {
namespace {

constexpr std::size_t pool_sizes[] = {1, 2, 3, 7};

TEST(thread_pool, runs_every_tile_exactly_once) {
  for (const std::size_t threads : pool_sizes) {
    thread_pool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (const std::size_t tiles : {0u, 1u, 2u, 6u, 1000u}) {
      std::vector<std::atomic<int>> calls(tiles);
      pool.parallel_for(tiles, [&](std::size_t tile) { ++calls[tile]; });
      for (const auto& count : calls) EXPECT_EQ(count, 1);
    }
  }
}

TEST(thread_pool, cuts_ranges_by_the_tile_size_alone) {
  for (const std::size_t threads : pool_sizes) {
    thread_pool pool(threads);
    std::mutex mutex;
    std::vector<std::pair<std::size_t, std::size_t>> ranges;
    pool.parallel_ranges(25, 10, [&](std::size_t begin, std::size_t end) {
      const std::lock_guard lock(mutex);
      ranges.emplace_back(begin, end);
    });
    std::sort(ranges.begin(), ranges.end());
    EXPECT_EQ(ranges, (std::vector<std::pair<std::size_t, std::size_t>>{{0, 10}, {10, 20}, {20, 25}}));
  }
}

TEST(thread_pool, of_one_thread_runs_tiles_in_order_in_the_calling_thread) {
  thread_pool pool(1);
  std::vector<std::size_t> order;
  const auto caller = std::this_thread::get_id();
  pool.parallel_for(5, [&](std::size_t tile) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    order.push_back(tile);
  });
  EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 3, 4}));
}

TEST(thread_pool, rethrows_the_exception_of_the_lowest_throwing_tile_and_stays_usable) {
  for (const std::size_t threads : pool_sizes) {
    thread_pool pool(threads);
    for (int repetition = 0; repetition < 50; ++repetition) {
      try {
        pool.parallel_for(64, [&](std::size_t tile) {
          if (tile == 13 || tile == 14 || tile == 60) throw std::runtime_error(std::to_string(tile));
        });
        ADD_FAILURE() << "nothing was thrown";
      } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "13");
      }
      std::atomic<int> calls = 0;
      pool.parallel_for(10, [&](std::size_t) { ++calls; });
      EXPECT_EQ(calls, 10);
    }
  }
}

TEST(thread_pool, runs_a_parallel_for_inside_a_tile) {
  for (const std::size_t threads : pool_sizes) {
    thread_pool pool(threads);
    std::atomic<int> calls = 0;
    pool.parallel_for(8, [&](std::size_t) { pool.parallel_for(8, [&](std::size_t) { ++calls; }); });
    EXPECT_EQ(calls, 64);
  }
}

TEST(thread_pool, serves_callers_from_several_threads) {
  thread_pool pool(2);
  std::atomic<int> calls = 0;
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 4; ++i)
      callers.emplace_back([&] {
        for (int repetition = 0; repetition < 100; ++repetition) pool.parallel_for(5, [&](std::size_t) { ++calls; });
      });
  }
  EXPECT_EQ(calls, 4 * 100 * 5);
}

TEST(thread_pool, shows_the_caller_everything_that_tiles_wrote) {
  thread_pool pool(3);
  std::vector<std::size_t> values(1000);
  for (std::size_t round = 1; round < 2000; ++round) {
    pool.parallel_for(10, [&](std::size_t tile) {
      for (std::size_t i = tile * 100; i < (tile + 1) * 100; ++i) values[i] += round;
    });
    ASSERT_EQ(std::accumulate(values.begin(), values.end(), std::size_t(0)), 1000 * round * (round + 1) / 2);
  }
}

TEST(thread_pool, wakes_up_after_a_long_sleep) {
  thread_pool pool(3);
  std::atomic<int> calls = 0;
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    pool.parallel_for(100, [&](std::size_t) { ++calls; });
  }
  EXPECT_EQ(calls, 300);
}

TEST(thread_pool, refuses_no_thread_and_too_many) {
  EXPECT_THROW(thread_pool(0), std::invalid_argument);
  EXPECT_THROW(thread_pool(thread_pool::max_threads + 1), std::invalid_argument);
}

}  // namespace
}  // namespace binade
