#pragma once
// All 2^32 float32 inputs, a block of consecutive bit patterns at a time: conversions of arrays are judged as they run,
// several of them on the same block.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

#include "oracle/float_walk.hpp"

namespace oracle {

/// Bit patterns [first, last] that must all give the same 32 bits.
struct expectation {
  std::uint32_t first, last, want;
};

/// What a conversion delivers: a code, or a value as the bits of a float32, every NaN the positive quiet one.
enum class delivered { code, value };

inline std::uint32_t bits_of(const answer& want, delivered what) {
  if (what == delivered::code) return static_cast<std::uint32_t>(want.code);
  if (std::isnan(want.value)) return 0x7fc00000;
  const auto narrow = static_cast<float>(want.value);
  if (static_cast<double>(narrow) != want.value) throw std::logic_error("oracle: a value is no float32 number");
  return std::bit_cast<std::uint32_t>(narrow);
}

/// The stretches of a rule in order of bit pattern.  Throws unless they cover every pattern once.
inline std::vector<expectation> expectations_of(const std::vector<stretch>& stretches, delivered what) {
  std::vector<expectation> all;
  std::uint64_t covered = 0;
  for (const stretch& s : stretches) {
    if (s.first != covered || s.last < s.first) throw std::logic_error("oracle: the stretches leave a gap");
    covered = std::uint64_t{s.last} + 1;
    all.push_back({s.first, s.last, bits_of(s.want, what)});
  }
  if (covered != std::uint64_t{1} << 32) throw std::logic_error("oracle: the stretches do not reach the last pattern");
  return all;
}

/// The 16 bit patterns around each border between two stretches, and what each must give.
struct borders {
  std::vector<float> inputs;
  std::vector<answer> want;
};
inline borders borders_of(const std::vector<stretch>& stretches) {
  borders all;
  std::uint64_t next = 0;
  std::size_t at = 0;
  const auto add = [&](std::uint64_t bits) {
    while (stretches[at].last < bits) ++at;
    all.inputs.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    all.want.push_back(stretches[at].want);
  };
  for (const stretch& s : stretches) {
    const std::uint64_t end = std::uint64_t{s.last} + 1;
    for (std::uint64_t bits = std::max(next, end < 8 ? 0 : end - 8); bits < end + 8 && bits >> 32 == 0; ++bits)
      add(bits);
    next = end + 8;
  }
  return all;
}

struct mismatch {
  std::size_t which;  ///< index of the conversion
  std::uint32_t input, got, want;
};

/// The first of `count` results that differs from `want`; count if there is none.
inline std::size_t first_other(const std::uint32_t* got, std::size_t count, std::uint32_t want) {
  std::uint32_t differences = 0;
  for (std::size_t i = 0; i < count; ++i) differences |= got[i] ^ want;
  if (differences == 0) return count;
  return static_cast<std::size_t>(std::find_if(got, got + count, [&](std::uint32_t g) { return g != want; }) - got);
}

inline constexpr std::size_t walk_block = 4096;

/// Judges convert(which, x, results) on the inputs [first, last], on all processors: x and results are arrays of at
/// most walk_block elements, and every element of results is compared.  expected[which] is what conversion `which`
/// must give.  Returns the first mismatch that any processor met.
template <class Convert>
std::optional<mismatch> block_walk(std::span<const std::vector<expectation>> expected, std::uint32_t first,
                                   std::uint32_t last, const Convert& convert, tally& seen) {
  constexpr std::uint64_t part_size = std::uint64_t{1} << 20;
  const std::uint64_t end = std::uint64_t{last} + 1;
  std::atomic<std::uint64_t> next_part = first, judged = 0;
  std::atomic<bool> stop = false;
  std::mutex lock;
  std::optional<mismatch> bad;
  const auto walk = [&] {
    std::vector<float> x(walk_block);
    std::vector<std::uint32_t> results(walk_block);
    std::vector<std::size_t> at(expected.size());
    for (std::uint64_t part = next_part.fetch_add(part_size); part < end && !stop;
         part = next_part.fetch_add(part_size)) {
      const std::uint64_t part_end = std::min(part + part_size, end);
      for (std::size_t which = 0; which < expected.size(); ++which)
        at[which] = static_cast<std::size_t>(std::partition_point(expected[which].begin(), expected[which].end(),
                                                                  [&](const expectation& e) { return e.last < part; }) -
                                             expected[which].begin());
      for (std::uint64_t block = part; block < part_end && !stop; block += walk_block) {
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(walk_block, part_end - block));
        for (std::size_t i = 0; i < count; ++i) x[i] = std::bit_cast<float>(static_cast<std::uint32_t>(block + i));
        for (std::size_t which = 0; which < expected.size(); ++which) {
          convert(which, std::span<const float>(x.data(), count), std::span<std::uint32_t>(results.data(), count));
          for (std::size_t done = 0; done < count;) {
            const expectation& e = expected[which][at[which]];
            const auto reach =
                static_cast<std::size_t>(std::min<std::uint64_t>(count, std::uint64_t{e.last} + 1 - block));
            const std::size_t wrong = done + first_other(results.data() + done, reach - done, e.want);
            if (wrong < reach) {
              const std::lock_guard hold(lock);
              stop = true;
              if (!bad) bad = mismatch{which, static_cast<std::uint32_t>(block + wrong), results[wrong], e.want};
              return;
            }
            if (std::uint64_t{e.last} + 1 == block + reach) ++at[which];
            done = reach;
          }
          judged += count;
        }
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) threads.emplace_back(walk);
  for (std::thread& thread : threads) thread.join();
  seen.conversions += judged;
  return bad;
}

}  // namespace oracle
