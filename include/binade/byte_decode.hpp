#pragma once
// Codes of at most 8 bits to float32, whatever their format: a table of all values, cut into tables of their bytes that
// stay in vector registers.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "binade/lanes.hpp"

namespace binade::detail {

/// Byte b of the float32 that code c stands for.
struct byte_planes {
  alignas(64) std::uint8_t of_byte[4][256];
  bool has_low_bytes;  ///< not all values are whole in their two upper bytes
  bool is_wide;        ///< there are codes of 8 bits

  /// @param values  of all codes, 256 or fewer
  explicit byte_planes(std::span<const float> values) : of_byte{}, has_low_bytes(false), is_wide(values.size() > 128) {
    std::uint32_t all = 0;
    for (std::size_t c = 0; c < values.size(); ++c) {
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(values[c]);
      for (std::size_t b = 0; b < 4; ++b) of_byte[b][c] = std::uint8_t(bits >> (8 * b));
      all |= bits;
    }
    has_low_bytes = all % 0x10000 != 0;
  }
};

#ifdef BINADE_WIDE_256

/// True if byte_decode() can be called.
inline bool has_byte_tables() {
  static const bool has_bytes = [] {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512vbmi") != 0;
  }();
  return has_bytes && vector_bits() >= 512;
}

BINADE_INTRINSICS_BEGIN

/// The planes from byte `First` on, in registers.
template <int First, bool IsWide>
struct plane_registers {
  static constexpr int parts = IsWide ? 4 : 2;
  __m512i of_byte[4 - First][parts];

  BINADE_BYTES_512 BINADE_ALWAYS_INLINE explicit plane_registers(const byte_planes& planes) {
    for (int b = First; b < 4; ++b)
      for (int part = 0; part < parts; ++part)
        of_byte[b - First][part] = _mm512_load_si512(planes.of_byte[b] + 64 * part);
  }
  /// Byte b of the values of these codes.
  BINADE_BYTES_512 BINADE_ALWAYS_INLINE __m512i operator()(int b, __m512i codes) const {
    const __m512i(&table)[parts] = of_byte[b - First];
    const __m512i low = _mm512_permutex2var_epi8(table[0], codes, table[1]);
    if constexpr (!IsWide) return low;
    const __m512i high = _mm512_permutex2var_epi8(table[IsWide ? 2 : 0], codes, table[IsWide ? 3 : 1]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high);
  }
};
template <int First, bool IsWide>
BINADE_BYTES_512 BINADE_ALWAYS_INLINE void decode_64(const plane_registers<First, IsWide>& table,
                                                     const std::uint8_t* codes, float* values, bool streams) {
  // So that bytes put side by side within parts of 16 bytes come out in order.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i c = _mm512_permutexvar_epi32(order, _mm512_loadu_si512(codes));
  const __m512i byte_2 = table(2, c), byte_3 = table(3, c);
  __m512i lower[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  if constexpr (First == 0) {
    const __m512i byte_0 = table(0, c), byte_1 = table(1, c);
    lower[0] = _mm512_unpacklo_epi8(byte_0, byte_1);
    lower[1] = _mm512_unpackhi_epi8(byte_0, byte_1);
  }
  const __m512i upper[2] = {_mm512_unpacklo_epi8(byte_2, byte_3), _mm512_unpackhi_epi8(byte_2, byte_3)};
  for (int half = 0; half < 2; ++half) {
    const __m512 first = _mm512_castsi512_ps(_mm512_unpacklo_epi16(lower[half], upper[half])),
                 second = _mm512_castsi512_ps(_mm512_unpackhi_epi16(lower[half], upper[half]));
    float* const to = values + 32 * half;
    if (streams) {
      _mm512_stream_ps(to, first);
      _mm512_stream_ps(to + 16, second);
    } else {
      _mm512_storeu_ps(to, first);
      _mm512_storeu_ps(to + 16, second);
    }
  }
}
template <int First, bool IsWide>
BINADE_BYTES_512 inline void decode_bytes(const byte_planes& planes, const std::uint8_t* codes, float* values,
                                          std::size_t count) {
  const plane_registers<First, IsWide> table(planes);
  const bool streams = count >= streamed_from;
  decode_64(table, codes, values, false);
  for (std::size_t i = before_aligned(values, lanes_16::width); i + 64 <= count; i += 64)
    decode_64(table, codes + i, values + i, streams);
  if (streams) lanes_16::wait_for_streams();
  decode_64(table, codes + count - 64, values + count - 64, false);
}

BINADE_INTRINSICS_END

/// values[i]: what codes[i] stands for.  @pre has_byte_tables(), count >= 64, and the arrays do not overlap
inline void byte_decode(const byte_planes& planes, const std::uint8_t* codes, float* values, std::size_t count) {
  if (planes.has_low_bytes)
    planes.is_wide ? decode_bytes<0, true>(planes, codes, values, count)
                   : decode_bytes<0, false>(planes, codes, values, count);
  else
    planes.is_wide ? decode_bytes<2, true>(planes, codes, values, count)
                   : decode_bytes<2, false>(planes, codes, values, count);
}

#else

inline bool has_byte_tables() {
  return false;
}

#endif

}  // namespace binade::detail
