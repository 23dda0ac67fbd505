#pragma once
// All 2^32 float32 inputs by a threshold walk: the exact thresholds of every code first, then one comparison per input.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "oracle/staircase.hpp"

namespace oracle {

/// Bit patterns [first, last] of one sign that all have the same answer.
struct stretch {
  std::uint32_t first, last;
  answer want;
};

/// Every bit pattern of float32 in order.  Rounding is monotone in the input, so the inputs of one code are contiguous
/// and bisection finds where they end; each end is judged on both sides by construction.
inline std::vector<stretch> stretches_of(const grid& g, const rule& r, std::uint32_t noise) {
  std::vector<stretch> all;
  const auto want = [&](std::uint32_t bits) {
    return project(g, r, static_cast<double>(std::bit_cast<float>(bits)), noise);
  };
  for (const std::uint32_t sign : {0u, 0x80000000u}) {
    constexpr std::uint32_t infinity = 0x7f800000;
    for (std::uint32_t first = 0; first < infinity;) {
      const answer here = want(sign | first);
      std::uint32_t last = first, beyond = infinity;
      while (beyond - last > 1) {
        const std::uint32_t middle = last + (beyond - last) / 2;
        (want(sign | middle).code == here.code ? last : beyond) = middle;
      }
      all.push_back({sign | first, sign | last, here});
      first = last + 1;
    }
    all.push_back({sign | infinity, sign | infinity, want(sign | infinity)});
    all.push_back({sign | (infinity + 1), sign | 0x7fffffff, want(sign | (infinity + 1))});
  }
  return all;
}

/// Judges convert(float) -> code on all 2^32 inputs, on all processors; noise is the one that convert uses.  Returns
/// the first counterexample that any of them met.
template <class Convert>
std::optional<counterexample> float_walk_counterexample(const grid& g, const rule& r, std::uint32_t noise,
                                                        const Convert& convert, tally& seen) {
  const std::vector<stretch> stretches = stretches_of(g, r, noise);
  std::optional<counterexample> bad;
  std::mutex lock;
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> judged = 0;
  std::atomic<std::uint32_t> next_part = 0;
  constexpr std::uint32_t parts = 256;
  const auto walk = [&] {
    for (std::uint32_t part = next_part++; part < parts && !stop; part = next_part++) {
      const std::uint32_t begin = part << 24, end = begin | 0xffffff;
      std::uint64_t count = 0;
      for (const stretch& s : stretches) {
        if (s.last < begin || s.first > end) continue;
        const std::uint32_t last = s.last < end ? s.last : end;
        std::uint32_t bits = s.first > begin ? s.first : begin;
        for (;; ++bits) {
          ++count;
          const std::uint64_t code = convert(std::bit_cast<float>(bits));
          if (code != s.want.code) {
            const std::lock_guard hold(lock);
            stop = true;
            if (!bad)
              bad = counterexample{.format = g,
                                   .how = r,
                                   .input = static_cast<double>(std::bit_cast<float>(bits)),
                                   .input_is_float = true,
                                   .noise = noise,
                                   .got = {.code = code},
                                   .want = s.want};
            return;
          }
          if (bits == last) break;
        }
      }
      judged += count;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) threads.emplace_back(walk);
  for (std::thread& thread : threads) thread.join();
  seen.conversions += judged;
  return bad;
}

}  // namespace oracle
