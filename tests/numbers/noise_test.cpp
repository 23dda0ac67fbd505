#include "binade/noise.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace binade {
namespace {

using words = std::array<std::uint32_t, 4>;

// kat_vectors of Random123, philox4x32 10: the published known answers, at compile time.
static_assert(philox({0, 0, 0, 0}, {0, 0}) == words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
              words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

const noise_source source{.seed = 0x0123456789abcdef, .stream = 0xfedcba9876543210, .step = 77};

TEST(noise, known_answers_hold_at_run_time) {
  volatile std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}), (words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

// The mapping read the other way round: walk the counters and say which element each part serves.
TEST(noise, every_part_of_every_word_serves_the_element_that_the_mapping_names) {
  for (const int noise_bits : {1, 7, 8, 9, 15, 16, 17, 31, 32}) {
    const unsigned parts = noise_bits > 16 ? 1 : noise_bits > 8 ? 2 : 4, bits_per_part = 32 / parts;
    std::map<std::uint64_t, std::uint32_t> expected;
    for (std::uint32_t j = 0; j < 48; ++j) {
      const words block = philox({j, 77, 0x76543210, 0xfedcba98}, {0x89abcdef, 0x01234567});
      for (unsigned w = 0; w < 4; ++w)
        for (unsigned p = 0; p < parts; ++p) {
          const std::uint64_t part = (block[w] >> (bits_per_part * p)) & ((std::uint64_t(1) << bits_per_part) - 1);
          expected[64 * parts * (j / 16) + 64 * p + 16 * w + j % 16] =
              std::uint32_t(part >> (bits_per_part - unsigned(noise_bits)));
        }
    }
    ASSERT_EQ(expected.size(), 48 * 4 * parts);
    for (const auto& [element, noise] : expected)
      ASSERT_EQ(noise_at(source, element, noise_bits), noise) << "element " << element << ", bits " << noise_bits;
  }
}

TEST(noise, a_block_fill_equals_the_elements_wherever_it_starts_and_however_long_it_is) {
  for (const int noise_bits : {1, 8, 11, 16, 17, 32})
    for (const std::uint64_t first : {0u, 1u, 15u, 63u, 64u, 255u, 256u, 100000u})
      for (const std::size_t count : {0u, 1u, 63u, 64u, 65u, 256u, 700u}) {
        std::vector<std::uint32_t> got(count + 1, 0xabababab);
        fill_noise(source, first, noise_bits, std::span(got).first(count));
        for (std::size_t i = 0; i < count; ++i)
          ASSERT_EQ(got[i], noise_at(source, first + i, noise_bits)) << first << " + " << i << ", bits " << noise_bits;
        ASSERT_EQ(got[count], 0xabababab) << "written beyond the end";
      }
}

TEST(noise, a_source_that_starts_later_is_the_rest_of_the_one_that_starts_at_zero) {
  noise_source later = source;
  later.first = 1000;
  for (std::uint64_t i = 0; i < 300; ++i) ASSERT_EQ(noise_at(later, i, 8), noise_at(source, 1000 + i, 8));
}

TEST(noise, seed_stream_step_and_element_each_matter) {
  std::set<std::uint32_t> seen;
  for (const noise_source& s :
       {source, noise_source{1, source.stream, 77}, noise_source{source.seed + (1ull << 32), source.stream, 77},
        noise_source{source.seed, 1, 77}, noise_source{source.seed, source.stream ^ (1ull << 63), 77},
        noise_source{source.seed, source.stream, 78}})
    for (std::uint64_t i : {0u, 1u, 64u}) seen.insert(noise_at(s, i, 32));
  EXPECT_EQ(seen.size(), 18u);
}

TEST(noise, the_last_element_of_the_capacity_uses_the_last_counter) {
  for (const int noise_bits : {8, 16, 32}) {
    const std::uint64_t last = noise_capacity(noise_bits) - 1;
    const words block = philox({0xffffffff, 77, 0x76543210, 0xfedcba98}, {0x89abcdef, 0x01234567});
    EXPECT_EQ(noise_at(source, last, noise_bits), block[3] >> (32 - noise_bits)) << noise_bits;
  }
}

}  // namespace
}  // namespace binade
