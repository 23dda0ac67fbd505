// The digests that a GPU left behind, recomputed on the CPU over all 2^32 inputs.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "stored_digests.hpp"
#include "sweep.hpp"

namespace binade {
namespace {

sweep::digests digests_of_all(const element& e) {
  std::vector<sweep::digests> slices(sweep::inputs / sweep::slice);
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> workers;
  for (unsigned t = 0; t < std::max(1u, std::thread::hardware_concurrency()); ++t)
    workers.emplace_back([&] {
      sweep::results r(sweep::slice);
      for (std::size_t s = next++; s < slices.size(); s = next++) {
        for (std::size_t i = 0; i < sweep::slice; ++i)
          sweep::evaluate(e, s * sweep::slice + i, r.values[i], r.codes[i]);
        slices[s] = sweep::digest(r);
      }
    });
  for (std::thread& worker : workers) worker.join();
  return sweep::join(slices);
}

TEST(gpu_digests, equal_the_cpu_on_all_inputs) {
  for (const sweep::device_record& device : sweep::stored_digests())
    for (const auto& [text, entry] : device.elements) {
      const sweep::digests got = digests_of_all(parse_element(text));
      EXPECT_EQ(got.values, entry.all.values) << device.name << ": " << text;
      EXPECT_EQ(got.codes, entry.all.codes) << device.name << ": " << text;
    }
}

}  // namespace
}  // namespace binade
