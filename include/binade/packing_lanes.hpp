#pragma once
// Codes of 4 and 6 bits to packed bytes and back, a vector at a time: equal to the loops of packing.hpp, which do the
// rest of an array.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "binade/versions.hpp"

namespace binade::detail {

/// *joined: all codes, or-ed.
template <class Code>
struct join_body {
  BINADE_ALWAYS_INLINE static constexpr void run(const Code* codes, std::size_t count, Code* joined) {
    Code all = 0;
    for (std::size_t i = 0; i < count; ++i) all = Code(all | codes[i]);
    *joined = all;
  }
};

/// True if no code has a bit outside of mask.
template <class Code>
constexpr bool all_fit(const Code* codes, std::size_t count, std::uint64_t mask) {
  Code joined = 0;
  if (std::is_constant_evaluated())
    join_body<Code>::run(codes, count, &joined);
  else
    run_best<join_body<Code>>(codes, count, &joined);
  return (joined & ~mask) == 0;
}

#ifdef BINADE_WIDE_256

BINADE_INTRINSICS_BEGIN

// The two codes of a pair are put together by one multiplication and addition, and so are two pairs of 6 bits: 24 bits
// in each 32, whose upper bytes a permutation leaves out.

BINADE_WIDE_512 inline std::size_t pack_4_bits_512(const std::uint8_t* codes, std::size_t count, std::uint8_t* bytes) {
  std::size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512i pairs = _mm512_maddubs_epi16(_mm512_loadu_si512(codes + i), _mm512_set1_epi16(0x1001));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bytes + i / 2), _mm512_cvtepi16_epi8(pairs));
  }
  return i;
}
BINADE_WIDE_512 inline std::size_t pack_6_bits_512(const std::uint8_t* codes, std::size_t count, std::uint8_t* bytes) {
  const __m512i three_of_four =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
  const __m512i together = _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0, 0, 0, 0);
  std::size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512i pairs = _mm512_maddubs_epi16(_mm512_loadu_si512(codes + i), _mm512_set1_epi16(0x4001));
    const __m512i fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x10000001));
    const __m512i packed = _mm512_permutexvar_epi32(together, _mm512_shuffle_epi8(fours, three_of_four));
    _mm512_mask_storeu_epi32(bytes + i / 4 * 3, 0x0fff, packed);
  }
  return i;
}
BINADE_WIDE_512 inline std::size_t unpack_4_bits_512(const std::uint8_t* bytes, std::size_t count,
                                                     std::uint8_t* codes) {
  std::size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512i pairs = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + i / 2)));
    const __m512i apart = _mm512_or_si512(pairs, _mm512_slli_epi16(pairs, 4));
    _mm512_storeu_si512(codes + i, _mm512_and_si512(apart, _mm512_set1_epi8(0x0f)));
  }
  return i;
}
BINADE_WIDE_512 inline std::size_t unpack_6_bits_512(const std::uint8_t* bytes, std::size_t count,
                                                     std::uint8_t* codes) {
  const __m512i apart = _mm512_setr_epi32(0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11);
  const __m512i fours_of_three =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1));
  std::size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512i packed = _mm512_maskz_loadu_epi32(0x0fff, bytes + i / 4 * 3);
    const __m512i fours = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(apart, packed), fours_of_three);
    const __m512i first = _mm512_and_si512(fours, _mm512_set1_epi32(0x3f)),
                  second = _mm512_and_si512(_mm512_slli_epi32(fours, 2), _mm512_set1_epi32(0x3f00)),
                  third = _mm512_and_si512(_mm512_slli_epi32(fours, 4), _mm512_set1_epi32(0x3f0000)),
                  fourth = _mm512_and_si512(_mm512_slli_epi32(fours, 6), _mm512_set1_epi32(0x3f000000));
    _mm512_storeu_si512(codes + i, _mm512_or_si512(_mm512_or_si512(first, second), _mm512_or_si512(third, fourth)));
  }
  return i;
}

BINADE_INTRINSICS_END

BINADE_WIDE_256 inline std::size_t pack_4_bits_256(const std::uint8_t* codes, std::size_t count, std::uint8_t* bytes) {
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256i c = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i));
    const __m256i pairs = _mm256_maddubs_epi16(c, _mm256_set1_epi16(0x1001));
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi16(pairs, pairs), 0x08);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes + i / 2), _mm256_castsi256_si128(packed));
  }
  return i;
}
BINADE_WIDE_256 inline std::size_t pack_6_bits_256(const std::uint8_t* codes, std::size_t count, std::uint8_t* bytes) {
  const __m256i three_of_four =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
  const __m256i together = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 0, 0),
                kept = _mm256_setr_epi32(-1, -1, -1, -1, -1, -1, 0, 0);
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256i c = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i));
    const __m256i pairs = _mm256_maddubs_epi16(c, _mm256_set1_epi16(0x4001));
    const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x10000001));
    const __m256i packed = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(fours, three_of_four), together);
    _mm256_maskstore_epi32(reinterpret_cast<int*>(bytes + i / 4 * 3), kept, packed);
  }
  return i;
}
BINADE_WIDE_256 inline std::size_t unpack_4_bits_256(const std::uint8_t* bytes, std::size_t count,
                                                     std::uint8_t* codes) {
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256i pairs = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i / 2)));
    const __m256i apart = _mm256_or_si256(pairs, _mm256_slli_epi16(pairs, 4));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + i), _mm256_and_si256(apart, _mm256_set1_epi8(0x0f)));
  }
  return i;
}
BINADE_WIDE_256 inline std::size_t unpack_6_bits_256(const std::uint8_t* bytes, std::size_t count,
                                                     std::uint8_t* codes) {
  const __m256i apart = _mm256_setr_epi32(0, 1, 2, 2, 3, 4, 5, 5),
                kept = _mm256_setr_epi32(-1, -1, -1, -1, -1, -1, 0, 0);
  const __m256i fours_of_three =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1));
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256i packed = _mm256_maskload_epi32(reinterpret_cast<const int*>(bytes + i / 4 * 3), kept);
    const __m256i fours = _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(packed, apart), fours_of_three);
    const __m256i first = _mm256_and_si256(fours, _mm256_set1_epi32(0x3f)),
                  second = _mm256_and_si256(_mm256_slli_epi32(fours, 2), _mm256_set1_epi32(0x3f00)),
                  third = _mm256_and_si256(_mm256_slli_epi32(fours, 4), _mm256_set1_epi32(0x3f0000)),
                  fourth = _mm256_and_si256(_mm256_slli_epi32(fours, 6), _mm256_set1_epi32(0x3f000000));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + i),
                        _mm256_or_si256(_mm256_or_si256(first, second), _mm256_or_si256(third, fourth)));
  }
  return i;
}

/// Packs the first codes, or unpacks them; returns how many, a multiple of 8.  @pre the codes fit
inline std::size_t pack_lanes(const std::uint8_t* codes, int width, std::size_t count, std::uint8_t* bytes) {
  if (vector_bits() < 256) return 0;
  const bool is_wide = vector_bits() >= 512;
  if (width == 4) return is_wide ? pack_4_bits_512(codes, count, bytes) : pack_4_bits_256(codes, count, bytes);
  if (width == 6) return is_wide ? pack_6_bits_512(codes, count, bytes) : pack_6_bits_256(codes, count, bytes);
  return 0;
}
inline std::size_t unpack_lanes(const std::uint8_t* bytes, int width, std::size_t count, std::uint8_t* codes) {
  if (vector_bits() < 256) return 0;
  const bool is_wide = vector_bits() >= 512;
  if (width == 4) return is_wide ? unpack_4_bits_512(bytes, count, codes) : unpack_4_bits_256(bytes, count, codes);
  if (width == 6) return is_wide ? unpack_6_bits_512(bytes, count, codes) : unpack_6_bits_256(bytes, count, codes);
  return 0;
}

#else

inline std::size_t pack_lanes(const std::uint8_t*, int, std::size_t, std::uint8_t*) {
  return 0;
}
inline std::size_t unpack_lanes(const std::uint8_t*, int, std::size_t, std::uint8_t*) {
  return 0;
}

#endif

}  // namespace binade::detail
