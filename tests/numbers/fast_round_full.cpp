// All 2^32 float32 inputs: the vector loops against the reference.

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "binade/catalogue.hpp"
#include "binade/noise.hpp"
#include "numbers/fast_round_points.hpp"

namespace binade {
namespace {

class fast_round_of : public ::testing::TestWithParam<std::tuple<int, rounding_mode>> {};

constexpr float_format judged[] = {formats::e4m3fn, formats::e5m2, formats::e2m1fn, ieee_format(8, 3), formats::e5m10};

TEST_P(fast_round_of, every_float_equals_the_reference) {
  const auto [index, mode] = GetParam();
  const element e{.format = judged[index], .rounding = mode};
  constexpr std::uint64_t chunk = 1 << 14, chunks = (std::uint64_t(1) << 32) / chunk;
  const unsigned workers = std::max(1u, std::thread::hardware_concurrency());
  std::vector<float> values;
  for (std::uint64_t code = 0; code <= e.format.code_mask(); ++code) values.push_back(decode<float>(e.format, code));
  std::vector<std::string> failures(workers);
  std::vector<std::thread> threads;
  for (unsigned worker = 0; worker < workers; ++worker)
    threads.emplace_back([&, worker] {
      std::vector<float> x(chunk);
      std::vector<std::uint32_t> noise(chunk);
      for (std::uint64_t c = worker; c < chunks && failures[worker].empty(); c += workers) {
        for (std::uint64_t i = 0; i < chunk; ++i) x[i] = std::bit_cast<float>(std::uint32_t(c * chunk + i));
        if (is_stochastic(mode)) fill_noise({.seed = 1}, c * chunk, e.noise_bits, noise);
        if (const auto found = testing::disagreement(e, x, noise, values)) failures[worker] = *found;
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& failure : failures) EXPECT_EQ(failure, "");
}

INSTANTIATE_TEST_SUITE_P(all, fast_round_of,
                         ::testing::Combine(::testing::Range(0, int(std::size(judged))),
                                            ::testing::ValuesIn(testing::all_modes())));

}  // namespace
}  // namespace binade
