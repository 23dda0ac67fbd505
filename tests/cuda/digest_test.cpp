// The digests that a GPU left behind, recomputed on the CPU: a sample of the inputs here, all of them in
// digest_full.cpp.
#include <gtest/gtest.h>

#include "stored_digests.hpp"
#include "sweep.hpp"

namespace binade {
namespace {

TEST(gpu_digests, cover_every_element_of_the_sweep) {
  const auto stored = sweep::stored_digests();
  ASSERT_FALSE(stored.empty());
  for (const sweep::device_record& device : stored)
    for (const char* text : sweep::elements) EXPECT_TRUE(device.elements.contains(text)) << device.file << ": " << text;
}

TEST(gpu_digests, equal_the_cpu_on_the_sample) {
  for (const sweep::device_record& device : sweep::stored_digests())
    for (const auto& [text, entry] : device.elements) {
      const element e = parse_element(text);
      const sweep::digests got = sweep::sample_digests(
          [&](std::uint64_t i, float& value, std::uint8_t& code) { sweep::evaluate(e, i, value, code); });
      EXPECT_EQ(got.values, entry.sample.values) << device.name << ": " << text;
      EXPECT_EQ(got.codes, entry.sample.codes) << device.name << ": " << text;
    }
}

}  // namespace
}  // namespace binade
