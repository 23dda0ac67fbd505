// All 2^32 float32 inputs: the profile `cuda` gives the codes of the CUDA headers, bit for bit, NaN and infinities
// included.

#include <gtest/gtest.h>

#if __has_include(<cuda_fp4.h>)

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "binade/quantize.hpp"
#include "binade/text.hpp"
#include "libraries/cuda_conversions.hpp"

namespace {

/// The number of inputs on which they differ; `first` is one of them.
std::uint64_t differences(const cuda_headers::conversion& theirs, const binade::element& ours, std::uint32_t& first) {
  constexpr std::uint32_t chunk = 1 << 16, chunks = 1 << 16;
  std::atomic<std::uint64_t> count = 0;
  std::atomic<std::uint32_t> next = 0, example = 0;
  const auto walk = [&] {
    std::vector<float> x(chunk);
    for (std::uint32_t part = next++; part < chunks; part = next++) {
      for (std::uint32_t low = 0; low < chunk; ++low) x[low] = std::bit_cast<float>(part << 16 | low);
      const binade::encoded made = binade::encode(x, {1, chunk, 1}, binade::unscaled(ours), {});
      std::visit(
          [&](const auto& codes) {
            for (std::uint32_t low = 0; low < chunk; ++low) {
              if (theirs.from_float(x[low]) == codes[low]) continue;
              ++count;
              example = part << 16 | low;
            }
          },
          made.codes);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) threads.emplace_back(walk);
  for (std::thread& thread : threads) thread.join();
  first = example;
  return count;
}

class cuda_headers_float32 : public testing::TestWithParam<cuda_headers::conversion> {};

TEST_P(cuda_headers_float32, the_profile_gives_their_code_for_every_input) {
  std::uint32_t first = 0;
  const std::uint64_t count = differences(GetParam(), binade::parse_element(GetParam().text), first);
  EXPECT_EQ(count, 0u) << GetParam().text << ": for instance float32 bits 0x" << std::hex << first;
}

INSTANTIATE_TEST_SUITE_P(conversions, cuda_headers_float32, testing::ValuesIn(cuda_headers::all()),
                         [](const auto& conversion) {
                           std::string name = conversion.param.text;
                           for (char& c : name)
                             if (c == '/' || c == '=') c = '_';
                           return name;
                         });

}  // namespace

#else

TEST(cuda_headers_float32, the_profile_gives_their_code_for_every_input) {
  GTEST_SKIP() << "cuda_fp4.h is not there: the CUDA toolkit (12.8 or newer) ends this skip; no nvcc or GPU is needed";
}

#endif
