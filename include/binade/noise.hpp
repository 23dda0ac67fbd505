#pragma once
// The random bits of stochastic rounding: a function of (seed, stream, step, element) and of nothing else.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "binade/config.hpp"
#include "binade/versions.hpp"

namespace binade {

/// The constants of Philox4x32.  (Salmon et al., SC 2011; Random123)
inline constexpr std::uint32_t philox_m0 = 0xd2511f53, philox_m1 = 0xcd9e8d57;  // multipliers
/// The constants of its key schedule.
inline constexpr std::uint32_t philox_w0 = 0x9e3779b9, philox_w1 = 0xbb67ae85;  // key increments

namespace detail {

/// All 64 bits of a product.  On the device by the instruction itself: of the expression its compiler makes an addition
/// of zero more.
BINADE_HD constexpr std::uint64_t wide_product(std::uint32_t a, std::uint32_t b) {
#if defined(__CUDA_ARCH__)
  if (!std::is_constant_evaluated()) {
    std::uint64_t product = 0;
    asm("mul.wide.u32 %0, %1, %2;" : "=l"(product) : "r"(a), "r"(b));
    return product;
  }
#endif
  return std::uint64_t(a) * b;
}

}  // namespace detail

/// Philox4x32-10: four words from a counter and a key.  (Salmon et al., SC 2011; constants of Random123)
BINADE_HD constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                                        std::array<std::uint32_t, 2> key) {
  for (int i = 0; i < 10; ++i) {
    const std::uint64_t even = detail::wide_product(counter[0], philox_m0);
    const std::uint64_t odd = detail::wide_product(counter[2], philox_m1);
    counter = {std::uint32_t(odd >> 32) ^ counter[1] ^ key[0], std::uint32_t(odd),
               std::uint32_t(even >> 32) ^ counter[3] ^ key[1], std::uint32_t(even)};
    key[0] += philox_w0;
    key[1] += philox_w1;
  }
  return counter;
}

/// Where the noise of an array comes from: element i of the array has noise index first + i, in storage order.
struct noise_source {
  std::uint64_t seed = 0, stream = 0;
  std::uint32_t step = 0;
  std::uint64_t first = 0;  ///< for a part of a larger array: the index of its first element

  bool operator==(const noise_source&) const = default;
};

// A word serves 1 element when it takes 17 to 32 noise bits, 2 elements for 9 to 16 and 4 elements for 8 or fewer.
// Sixteen counters make a group, which serves 64 elements per part:
//   part p of word w of counter 16 g + l  serves  element 64 (P g + p) + 16 w + l,   0 <= l < 16, 0 <= w < 4.
// So consecutive elements come from consecutive counters, which is what vector lanes and warps want.  A part is the
// word's bits [32/P p, 32/P (p + 1)); its top noise_bits bits are the noise.

/// P above.  noise_bits: 1..32
BINADE_HD constexpr int noise_parts(int noise_bits) {
  return noise_bits > 16 ? 1 : noise_bits > 8 ? 2 : 4;
}

/// Elements that a source has noise for: the counter has 32 bits of its own.
BINADE_HD constexpr std::uint64_t noise_capacity(int noise_bits) {
  return (std::uint64_t(1) << 34) * std::uint64_t(noise_parts(noise_bits));
}

/// The four words of one counter.
BINADE_HD constexpr std::array<std::uint32_t, 4> noise_words(const noise_source& source, std::uint32_t counter) {
  return philox({counter, source.step, std::uint32_t(source.stream), std::uint32_t(source.stream >> 32)},
                {std::uint32_t(source.seed), std::uint32_t(source.seed >> 32)});
}

/// The noise of one element, below 2^noise_bits.
/// @param index  its index in the array, source.first not yet added
/// @pre source.first + index < noise_capacity(noise_bits)
BINADE_HD constexpr std::uint32_t noise_at(const noise_source& source, std::uint64_t index, int noise_bits) {
  const std::uint64_t element = source.first + index, parts = std::uint64_t(noise_parts(noise_bits));
  const std::uint64_t group = element / (64 * parts);
  const int part = int(element / 64 % parts), part_bits = 32 / int(parts);
  const std::uint32_t word = noise_words(source, std::uint32_t(16 * group + element % 16))[element / 16 % 4];
  return (word << (32 - part_bits * (part + 1))) >> (32 - noise_bits);
}

namespace detail {

/// The 64 words of a group of counters, in element order: words[16 w + l].
inline void philox_group(const noise_source& source, std::uint32_t group, std::uint32_t* words) {
  for (std::uint32_t l = 0; l < 16; ++l) {
    const std::array lane = noise_words(source, 16 * group + l);
    for (std::uint32_t w = 0; w < 4; ++w) words[16 * w + l] = lane[w];
  }
}

#ifdef BINADE_WIDE_256
/// The same with four counters to a vector, each word in the low half of 64 bits: the form in which one instruction
/// gives both halves of a product.  The upper halves hold what is left over there.  Two vectors at a time keep the
/// multiplier busy within 16 registers.
BINADE_WIDE_256 inline void philox_group_256(const noise_source& source, std::uint32_t group, std::uint32_t* words) {
  const __m256i even_multiplier = _mm256_set1_epi64x(philox_m0);
  const __m256i odd_multiplier = _mm256_set1_epi64x(philox_m1);
  const __m256i low_halves = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
  for (std::uint32_t first = 0; first < 16; first += 8) {
    __m256i c[4][2];
    for (std::uint32_t v = 0; v < 2; ++v) {
      const std::uint32_t counter = 16 * group + first + 4 * v;
      c[0][v] = _mm256_add_epi64(_mm256_set1_epi64x(counter), _mm256_setr_epi64x(0, 1, 2, 3));
      c[1][v] = _mm256_set1_epi64x(source.step);
      c[2][v] = _mm256_set1_epi64x(std::uint32_t(source.stream));
      c[3][v] = _mm256_set1_epi64x(std::int64_t(source.stream >> 32));
    }
    std::uint32_t key[2] = {std::uint32_t(source.seed), std::uint32_t(source.seed >> 32)};
    for (int round = 0; round < 10; ++round) {
      const __m256i key0 = _mm256_set1_epi64x(key[0]), key1 = _mm256_set1_epi64x(key[1]);
      for (int v = 0; v < 2; ++v) {
        const __m256i even = _mm256_mul_epu32(c[0][v], even_multiplier),
                      odd = _mm256_mul_epu32(c[2][v], odd_multiplier);
        c[0][v] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(odd, 32), c[1][v]), key0);
        c[1][v] = odd;
        c[2][v] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(even, 32), c[3][v]), key1);
        c[3][v] = even;
      }
      key[0] += philox_w0;
      key[1] += philox_w1;
    }
    for (int w = 0; w < 4; ++w)
      for (std::uint32_t v = 0; v < 2; ++v)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(words + 16 * w + first + 4 * v),
                         _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(c[w][v], low_halves)));
  }
}
BINADE_INTRINSICS_BEGIN
/// The same with eight counters to a vector, and all sixteen at a time.
BINADE_WIDE_512 inline void philox_group_512(const noise_source& source, std::uint32_t group, std::uint32_t* words) {
  const __m512i even_multiplier = _mm512_set1_epi64(philox_m0), odd_multiplier = _mm512_set1_epi64(philox_m1);
  __m512i c[4][2];
  for (int v = 0; v < 2; ++v) {
    c[0][v] = _mm512_add_epi64(_mm512_set1_epi64(16 * group + 8 * std::uint32_t(v)),
                               _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
    c[1][v] = _mm512_set1_epi64(source.step);
    c[2][v] = _mm512_set1_epi64(std::uint32_t(source.stream));
    c[3][v] = _mm512_set1_epi64(std::int64_t(source.stream >> 32));
  }
  std::uint32_t key[2] = {std::uint32_t(source.seed), std::uint32_t(source.seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const __m512i key0 = _mm512_set1_epi64(key[0]), key1 = _mm512_set1_epi64(key[1]);
    for (int v = 0; v < 2; ++v) {
      const __m512i even = _mm512_mul_epu32(c[0][v], even_multiplier), odd = _mm512_mul_epu32(c[2][v], odd_multiplier);
      constexpr int xor_of_three = 0x96;
      c[0][v] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(odd, 32), c[1][v], key0, xor_of_three);
      c[1][v] = odd;
      c[2][v] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(even, 32), c[3][v], key1, xor_of_three);
      c[3][v] = even;
    }
    key[0] += philox_w0;
    key[1] += philox_w1;
  }
  const __m512i low_halves = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  for (int w = 0; w < 4; ++w)
    _mm512_storeu_si512(words + 16 * w, _mm512_permutex2var_epi32(c[w][0], low_halves, c[w][1]));
}
BINADE_INTRINSICS_END
#endif

using group_function = void(const noise_source&, std::uint32_t, std::uint32_t*);

struct fill_noise_body {
  BINADE_ALWAYS_INLINE static void run(const noise_source* source, std::uint64_t first, int noise_bits,
                                       std::uint32_t* out, std::size_t count, group_function* fill_group) {
    const std::uint64_t parts = std::uint64_t(noise_parts(noise_bits)), per_group = 64 * parts;
    const int part_bits = 32 / int(parts);
    std::uint32_t words[64], noise[256];
    std::uint64_t element = source->first + first;
    for (std::size_t done = 0; done < count;) {
      fill_group(*source, std::uint32_t(element / per_group), words);
      const std::size_t skipped = std::size_t(element % per_group);
      const std::size_t taken = std::min<std::size_t>(std::size_t(per_group) - skipped, count - done);
      std::uint32_t* const whole = taken == per_group ? out + done : noise;
      for (int part = 0; part < int(parts); ++part) {
        const int left = 32 - part_bits * (part + 1), right = 32 - noise_bits;
        for (int i = 0; i < 64; ++i) whole[64 * part + i] = (words[i] << left) >> right;
      }
      if (taken != per_group) std::copy_n(noise + skipped, taken, out + done);
      done += taken;
      element += taken;
    }
  }
};

}  // namespace detail

/// out[i] = noise_at(source, first + i, noise_bits), a vector at a time.
/// @pre noise_bits is 1..32, source.first + first + out.size() <= noise_capacity(noise_bits)
inline void fill_noise(const noise_source& source, std::uint64_t first, int noise_bits, std::span<std::uint32_t> out) {
  detail::group_function* group = detail::philox_group;
#ifdef BINADE_WIDE_256
  if (detail::vector_bits() >= 512)
    group = detail::philox_group_512;
  else if (detail::vector_bits() >= 256)
    group = detail::philox_group_256;
#endif
  detail::run_best<detail::fill_noise_body>(&source, first, noise_bits, out.data(), out.size(), group);
}

}  // namespace binade
