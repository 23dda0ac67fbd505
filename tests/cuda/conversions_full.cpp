// What the device's conversion instructions gave on all 2^32 inputs, recomputed on the CPU.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "binade/text.hpp"
#include "conversions.hpp"

namespace binade {
namespace {

std::uint64_t checksum_of_all(const conversions::conversion& c) {
  const element e = parse_element(c.text);
  std::atomic<std::uint64_t> sum = 0, next = 0;
  constexpr std::uint64_t part = 1 << 20;
  std::vector<std::thread> workers;
  for (unsigned t = 0; t < std::max(1u, std::thread::hardware_concurrency()); ++t)
    workers.emplace_back([&] {
      for (std::uint64_t first = next.fetch_add(part); first < conversions::inputs; first = next.fetch_add(part))
        sum += conversions::checksum(c, e, first, first + part, 1);
    });
  for (std::thread& worker : workers) worker.join();
  return sum;
}

TEST(gpu_conversions, give_the_codes_of_the_profile_on_all_inputs) {
  for (const auto& c : conversions::all) {
    const std::uint64_t sum = checksum_of_all(c);
    for (const conversions::device_record& device : conversions::stored())
      EXPECT_EQ(sum, device.elements.at(c.text).all) << device.name << ": " << c.text;
  }
}

}  // namespace
}  // namespace binade
