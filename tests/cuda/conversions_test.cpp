// What the device's conversion instructions gave, recomputed on the CPU: a sample of the inputs here, all of them in
// conversions_full.cpp.

#include "conversions.hpp"

#include <gtest/gtest.h>

#include "binade/text.hpp"

namespace binade {
namespace {

TEST(gpu_conversions, are_stored_for_every_instruction) {
  const auto stored = conversions::stored();
  ASSERT_FALSE(stored.empty());
  for (const conversions::device_record& device : stored)
    for (const auto& c : conversions::all) EXPECT_TRUE(device.elements.contains(c.text)) << device.file << c.text;
}

TEST(gpu_conversions, give_the_codes_of_the_profile_on_the_sample) {
  for (const conversions::device_record& device : conversions::stored())
    for (const auto& c : conversions::all)
      EXPECT_EQ(conversions::checksum(c, parse_element(c.text), 0, conversions::inputs, conversions::sample_stride),
                device.elements.at(c.text).sample)
          << device.name << ": " << c.text;
}

}  // namespace
}  // namespace binade
