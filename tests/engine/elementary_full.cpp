// Every float32 input of every function of binade/elementary.hpp, against the C library in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/elementary_oracle.hpp"

namespace binade::elementary_oracle {
namespace {

class every_float : public testing::TestWithParam<entry> {};

TEST_P(every_float, stays_within_the_stated_bound) {
  const entry& function = GetParam();
  constexpr std::uint64_t count = std::uint64_t(1) << 32;
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  worst_case worst;
  std::mutex mutex;
  {
    std::vector<std::jthread> workers;
    for (unsigned i = 0; i < threads; ++i)
      workers.emplace_back([&, i] {
        const worst_case part = worst_float(function, count * i / threads, count * (i + 1) / threads, 1);
        const std::lock_guard lock(mutex);
        worst.add(part);
      });
  }
  RecordProperty("worst_ulp", std::to_string(worst.error));
  RecordProperty("misrounded", std::to_string(worst.misrounded));
  std::printf("%s: at most %.6f ulp (at %a), %llu of 2^32 results are not the nearest float\n", function.name,
              worst.error, worst.input, static_cast<unsigned long long>(worst.misrounded));
  EXPECT_LE(worst.error, function.narrow_bound) << "at " << worst.input;
}

INSTANTIATE_TEST_SUITE_P(elementary, every_float, testing::ValuesIn(entries),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

}  // namespace
}  // namespace binade::elementary_oracle
