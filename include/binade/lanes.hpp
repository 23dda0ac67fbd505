#pragma once
// Vectors of float32 and of 32-bit integers for the loops that compilers do not vectorise well: the same names for one
// lane, for AVX2 and for AVX-512, in a namespace each.  Only operations on bits, and additions, multiplications and
// divisions that IEEE 754 rounds: every width gives the same bits.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "binade/versions.hpp"

namespace binade::detail {

/// Elements from which on the values of an array do not fit in the caches, and are stored around them.
inline constexpr std::size_t streamed_from = std::size_t(1) << 23;

/// How far ahead of what is stored around the caches memory is asked for, in elements.  Such stores wait for memory,
/// and loads that are far behind them in the program wait too.
inline constexpr std::size_t streamed_ahead = 2048;

/// True if stream_parts() may store there.
BINADE_ALWAYS_INLINE bool takes_streamed_parts(const float* to) {
  return std::bit_cast<std::uintptr_t>(to) % 16 == 0;
}

/// Elements before the first one whose address is a multiple of `width` elements.
BINADE_ALWAYS_INLINE std::size_t before_aligned(const float* from, std::size_t width) {
  return (0 - std::bit_cast<std::uintptr_t>(from) / sizeof(float)) % width;
}

/// One lane: what is left over at the end of an array, processors without a namespace of their own, and the device.
namespace lanes_1 {

#define BINADE_LANE BINADE_HD BINADE_ALWAYS_INLINE
inline constexpr std::size_t width = 1;
using floats = float;
using words = std::uint32_t;
using mask = bool;

BINADE_LANE floats load(const float* from) {
  return *from;
}
BINADE_LANE words load(const std::uint32_t* from) {
  return *from;
}
template <class Code>
BINADE_LANE words load_codes(const Code* from) {
  return words(*from);
}
BINADE_LANE void store(float* to, floats x) {
  *to = x;
}
template <class Code>
BINADE_LANE void store_codes(Code* to, words x) {
  *to = Code(x);
}
/// Four vectors of codes, each of which fits.
template <class Code>
BINADE_LANE void store_codes(Code* to, words a, words b, words c, words d) {
  store_codes(to, a);
  store_codes(to + width, b);
  store_codes(to + 2 * width, c);
  store_codes(to + 3 * width, d);
}
/// Around the caches; to is a multiple of a vector's size.  wait_for_streams() before anyone else reads it.
BINADE_LANE void stream(float* to, floats x) {
  *to = x;
}
/// The same in parts of 16 bytes: to is a multiple of that.
BINADE_LANE void stream_parts(float* to, floats x) {
  *to = x;
}
BINADE_LANE void wait_for_streams() {}
/// Asks for the line of an address, of any memory or none, in the nearest cache.
BINADE_LANE void prefetch(const float*) {}
BINADE_LANE floats every(float x) {
  return x;
}
BINADE_LANE words every(std::uint32_t x) {
  return x;
}
BINADE_LANE words bits(floats x) {
  return std::bit_cast<std::uint32_t>(x);
}
BINADE_LANE floats number(words x) {
  return std::bit_cast<float>(x);
}
BINADE_LANE floats plus(floats a, floats b) {
  return a + b;
}
BINADE_LANE floats minus(floats a, floats b) {
  return a - b;
}
BINADE_LANE floats times(floats a, floats b) {
  return a * b;
}
BINADE_LANE floats over(floats a, floats b) {
  return a / b;
}
BINADE_LANE words plus(words a, words b) {
  return a + b;
}
BINADE_LANE words minus(words a, words b) {
  return a - b;
}
BINADE_LANE words both(words a, words b) {
  return a & b;
}
BINADE_LANE words either(words a, words b) {
  return a | b;
}
BINADE_LANE words least(words a, words b) {
  return std::min(a, b);
}
BINADE_LANE words greatest(words a, words b) {
  return std::max(a, b);
}
/// a >> count, 0 <= count < 32.
BINADE_LANE words shifted_right(words a, int count) {
  return a >> count;
}
/// min(|x|, cap), cap where x is NaN.
BINADE_LANE words capped_magnitude(floats x, words cap) {
  return std::min(bits(x) & 0x7fffffff, cap);
}
/// a with the sign of x.  @pre the sign of a is positive
BINADE_LANE words with_sign_of(words a, floats x) {
  return a | (bits(x) & 0x80000000);
}
/// min(|a|, cap) with the sign of a, as numbers; any number where a is NaN.
BINADE_LANE words capped_number(words a, words cap) {
  return std::min(a & 0x7fffffff, cap) | (a & 0x80000000);
}
BINADE_LANE mask is_nan(floats a, floats b) {
  return a != a || b != b;
}
/// True unless a <= b: also where one is NaN.
BINADE_LANE mask not_at_most(floats a, floats b) {
  return !(a <= b);
}
/// a > b, as signed integers.
BINADE_LANE mask exceeds(words a, words b) {
  return std::int32_t(a) > std::int32_t(b);
}
BINADE_LANE mask equals(words a, words b) {
  return a == b;
}
BINADE_LANE words chosen(mask which, words a, words b) {
#if defined(__CUDA_ARCH__)
  return which ? a : b;
#else
  return b ^ ((a ^ b) & (0 - words(which)));
#endif
}
BINADE_LANE words shifted_left(words a, int count) {
  return a << count;
}
/// True if any lane is.
BINADE_LANE bool any(mask a, mask b) {
  return a || b;
}
BINADE_LANE mask either(mask a, mask b) {
  return a || b;
}
/// a + binade * factor, rounded to nearest even; likewise cut off to a multiple of its ulp; and taken back from the
/// sum.
/// @pre binade and factor are powers of two; 0 <= a, and the sum is below twice the product
BINADE_LANE floats raised(floats a, floats binade, floats factor) {
  return a + binade * factor;
}
BINADE_LANE floats raised_toward_zero(floats a, floats binade, floats factor) {
#if defined(__CUDA_ARCH__)
  return __fadd_rz(a, binade * factor);
#else
  const floats power = binade * factor, near = a + power;
  return number(bits(near) - words(near - power > a));
#endif
}
BINADE_LANE floats lowered(floats sum, floats binade, floats factor) {
  return sum - binade * factor;
}
/// The sum cut off, but rounded away from zero where `away`.
BINADE_LANE floats raised_directed(mask away, floats a, floats binade, floats factor) {
  const floats cut = raised_toward_zero(a, binade, factor);
  return number(bits(cut) + words(away && lowered(cut, binade, factor) != a));
}
/// x cut off to a whole number.  @pre 0 <= x < 2^32
BINADE_LANE words whole(floats x) {
  return words(x);
}
/// True where a + b has a 33rd bit.
BINADE_LANE mask carries(words a, words b) {
  return a + b < a;
}
BINADE_LANE words incremented(mask where, words a) {
  return a + words(where);
}
/// True where a has the one bit that b has.
BINADE_LANE mask has_bit(words a, words b) {
  return (a & b) != 0;
}

/// q to 40 bits, ties up, on its bits: no compiler's fused multiply-add can come between.
BINADE_LANE double snapped_to_40_bits(double q) {
  return std::bit_cast<double>((std::bit_cast<std::uint64_t>(q) + 0x1000) & ~std::uint64_t(0x1fff));
}
/// Near x / s, inverse being 1 / s rounded: what lies on the same side of every number of 38 bits or fewer as the
/// quotient, and is such a number where the quotient is, rounded to odd in float32.
/// @pre no quotient of 38 bits or fewer is nearer to another such number than 2^-38 of it
BINADE_LANE floats short_quotient(floats x, double inverse) {
  const double snapped = snapped_to_40_bits(double(x) * inverse);
  const float near = float(snapped);
  const double back = double(near);
  if (snapped != snapped) return x;
  if (back == snapped) return near;
  const std::uint32_t cut =
      std::bit_cast<std::uint32_t>(near) - words((back < 0 ? -back : back) > (snapped < 0 ? -snapped : snapped));
  return number(cut | 1);
}
BINADE_LANE floats times_double(floats x, double factor) {
  return float(double(x) * factor);
}

#undef BINADE_LANE
}  // namespace lanes_1

#ifdef BINADE_WIDE_256

BINADE_INTRINSICS_BEGIN

namespace lanes_8 {

#define BINADE_LANE BINADE_WIDE_256 BINADE_ALWAYS_INLINE
inline constexpr std::size_t width = 8;
using floats = __m256;
using words = __m256i;
using mask = __m256i;

BINADE_LANE floats load(const float* from) {
  return _mm256_loadu_ps(from);
}
BINADE_LANE words load(const std::uint32_t* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}
BINADE_LANE words load_codes(const std::uint16_t* from) {
  return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
BINADE_LANE words load_codes(const std::uint8_t* from) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
}
BINADE_LANE void store(float* to, floats x) {
  _mm256_storeu_ps(to, x);
}
BINADE_LANE void store_codes(std::uint32_t* to, words x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), x);
}
BINADE_LANE void store_codes(std::uint16_t* to, words x) {
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(x, x), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(packed));
}
BINADE_LANE void store_codes(std::uint8_t* to, words x) {
  const __m128i halves = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(halves, halves));
}
BINADE_LANE void store_codes(std::uint8_t* to, words a, words b, words c, words d) {
  const words bytes = _mm256_packus_epi16(_mm256_packus_epi32(a, b), _mm256_packus_epi32(c, d));
  const words order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permutevar8x32_epi32(bytes, order));
}
template <class Code>
BINADE_LANE void store_codes(Code* to, words a, words b, words c, words d) {
  store_codes(to, a);
  store_codes(to + width, b);
  store_codes(to + 2 * width, c);
  store_codes(to + 3 * width, d);
}
BINADE_LANE void stream(float* to, floats x) {
  _mm256_stream_ps(to, x);
}
BINADE_LANE void stream_parts(float* to, floats x) {
  _mm_stream_ps(to, _mm256_castps256_ps128(x));
  _mm_stream_ps(to + 4, _mm256_extractf128_ps(x, 1));
}
BINADE_LANE void wait_for_streams() {
  _mm_sfence();
}
BINADE_LANE void prefetch(const float* from) {
  _mm_prefetch(reinterpret_cast<const char*>(from), _MM_HINT_T0);
}
BINADE_LANE floats every(float x) {
  return _mm256_set1_ps(x);
}
BINADE_LANE words every(std::uint32_t x) {
  return _mm256_set1_epi32(std::int32_t(x));
}
BINADE_LANE words bits(floats x) {
  return _mm256_castps_si256(x);
}
BINADE_LANE floats number(words x) {
  return _mm256_castsi256_ps(x);
}
BINADE_LANE floats plus(floats a, floats b) {
  return _mm256_add_ps(a, b);
}
BINADE_LANE floats minus(floats a, floats b) {
  return _mm256_sub_ps(a, b);
}
BINADE_LANE floats times(floats a, floats b) {
  return _mm256_mul_ps(a, b);
}
BINADE_LANE floats over(floats a, floats b) {
  return _mm256_div_ps(a, b);
}
BINADE_LANE words plus(words a, words b) {
  return _mm256_add_epi32(a, b);
}
BINADE_LANE words minus(words a, words b) {
  return _mm256_sub_epi32(a, b);
}
BINADE_LANE words both(words a, words b) {
  return _mm256_and_si256(a, b);
}
BINADE_LANE words either(words a, words b) {
  return _mm256_or_si256(a, b);
}
BINADE_LANE words least(words a, words b) {
  return _mm256_min_epu32(a, b);
}
BINADE_LANE words greatest(words a, words b) {
  return _mm256_max_epu32(a, b);
}
BINADE_LANE words shifted_right(words a, int count) {
  return _mm256_srl_epi32(a, _mm_cvtsi32_si128(count));
}
BINADE_LANE words capped_magnitude(floats x, words cap) {
  return least(both(bits(x), every(0x7fffffffu)), cap);
}
BINADE_LANE words with_sign_of(words a, floats x) {
  return either(a, both(bits(x), every(0x80000000u)));
}
BINADE_LANE words capped_number(words a, words cap) {
  return with_sign_of(capped_magnitude(number(a), cap), number(a));
}
BINADE_LANE mask is_nan(floats a, floats b) {
  return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_UNORD_Q));
}
BINADE_LANE mask not_at_most(floats a, floats b) {
  return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_NLE_UQ));
}
BINADE_LANE mask exceeds(words a, words b) {
  return _mm256_cmpgt_epi32(a, b);
}
BINADE_LANE mask equals(words a, words b) {
  return _mm256_cmpeq_epi32(a, b);
}
BINADE_LANE words chosen(mask which, words a, words b) {
  return _mm256_blendv_epi8(b, a, which);
}
BINADE_LANE words shifted_left(words a, int count) {
  return _mm256_sll_epi32(a, _mm_cvtsi32_si128(count));
}
BINADE_LANE bool any(mask a, mask b) {
  const mask both_masks = _mm256_or_si256(a, b);
  return _mm256_testz_si256(both_masks, both_masks) == 0;
}
BINADE_LANE floats raised(floats a, floats binade, floats factor) {
  return plus(a, times(binade, factor));
}
BINADE_LANE floats raised_toward_zero(floats a, floats binade, floats factor) {
  const floats power = times(binade, factor), near = plus(a, power);
  const floats above = _mm256_cmp_ps(minus(near, power), a, _CMP_GT_OQ);
  return number(plus(bits(near), bits(above)));
}
BINADE_LANE floats lowered(floats sum, floats binade, floats factor) {
  return minus(sum, times(binade, factor));
}
BINADE_LANE floats raised_directed(mask away, floats a, floats binade, floats factor) {
  const floats cut = raised_toward_zero(a, binade, factor);
  const floats is_cut = _mm256_cmp_ps(lowered(cut, binade, factor), a, _CMP_NEQ_UQ);
  return number(minus(bits(cut), both(away, bits(is_cut))));
}
BINADE_LANE words whole(floats x) {
  const floats half = every(0x1p31f), is_large = _mm256_cmp_ps(x, half, _CMP_GE_OQ);
  const words low = _mm256_cvttps_epi32(minus(x, _mm256_and_ps(is_large, half)));
  return plus(low, both(bits(is_large), every(0x80000000u)));
}
BINADE_LANE mask carries(words a, words b) {
  const words sum = plus(a, b);
  return _mm256_xor_si256(_mm256_cmpeq_epi32(greatest(sum, a), sum), every(~0u));
}
BINADE_LANE words incremented(mask where, words a) {
  return minus(a, where);
}
BINADE_LANE mask has_bit(words a, words b) {
  return _mm256_cmpeq_epi32(both(a, b), b);
}

/// Masks of four lanes each, as one of eight.
BINADE_LANE words narrowed(__m256d low, __m256d high) {
  const __m256 pairs = _mm256_shuffle_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high), 0x88);
  return _mm256_permute4x64_epi64(_mm256_castps_si256(pairs), 0xd8);
}
struct snapped_quotient {
  __m128 near;
  __m256d is_cut, is_above;
};
BINADE_LANE snapped_quotient half_quotient(__m128 x, double inverse) {
  const __m256d q = _mm256_mul_pd(_mm256_cvtps_pd(x), _mm256_set1_pd(inverse)), sign = _mm256_set1_pd(-0.0);
  const __m256i sum = _mm256_add_epi64(_mm256_castpd_si256(q), _mm256_set1_epi64x(0x1000));
  const __m256d snapped = _mm256_castsi256_pd(_mm256_and_si256(sum, _mm256_set1_epi64x(~0x1fffll)));
  const __m128 near = _mm256_cvtpd_ps(snapped);
  const __m256d back = _mm256_cvtps_pd(near);
  return {near, _mm256_cmp_pd(back, snapped, _CMP_NEQ_UQ),
          _mm256_cmp_pd(_mm256_andnot_pd(sign, back), _mm256_andnot_pd(sign, snapped), _CMP_GT_OQ)};
}
BINADE_LANE floats short_quotient(floats x, double inverse) {
  const snapped_quotient low = half_quotient(_mm256_castps256_ps128(x), inverse),
                         high = half_quotient(_mm256_extractf128_ps(x, 1), inverse);
  const floats near = _mm256_insertf128_ps(_mm256_castps128_ps256(low.near), high.near, 1);
  const words cut = plus(bits(near), narrowed(low.is_above, high.is_above));
  const words odd = either(cut, both(narrowed(low.is_cut, high.is_cut), every(1u)));
  return number(chosen(is_nan(near, near), bits(x), odd));
}
BINADE_LANE floats times_double(floats x, double factor) {
  const __m256d all = _mm256_set1_pd(factor);
  const __m128 low = _mm256_cvtpd_ps(_mm256_mul_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(x)), all));
  const __m128 high = _mm256_cvtpd_ps(_mm256_mul_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)), all));
  return _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
}

#undef BINADE_LANE
}  // namespace lanes_8

namespace lanes_16 {

#define BINADE_LANE BINADE_WIDE_512 BINADE_ALWAYS_INLINE
inline constexpr std::size_t width = 16;
using floats = __m512;
using words = __m512i;
using mask = __mmask16;

BINADE_LANE floats load(const float* from) {
  return _mm512_loadu_ps(from);
}
BINADE_LANE words load(const std::uint32_t* from) {
  return _mm512_loadu_si512(from);
}
BINADE_LANE words load_codes(const std::uint16_t* from) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
BINADE_LANE words load_codes(const std::uint8_t* from) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
BINADE_LANE void store(float* to, floats x) {
  _mm512_storeu_ps(to, x);
}
BINADE_LANE void store_codes(std::uint32_t* to, words x) {
  _mm512_storeu_si512(to, x);
}
BINADE_LANE void store_codes(std::uint16_t* to, words x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(x));
}
BINADE_LANE void store_codes(std::uint8_t* to, words x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(x));
}
BINADE_LANE void store_codes(std::uint8_t* to, words a, words b, words c, words d) {
  const words bytes = _mm512_packus_epi16(_mm512_packus_epi32(a, b), _mm512_packus_epi32(c, d));
  const words order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  _mm512_storeu_si512(to, _mm512_permutexvar_epi32(order, bytes));
}
BINADE_LANE void store_codes(std::uint16_t* to, words a, words b) {
  const words order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  _mm512_storeu_si512(to, _mm512_permutexvar_epi64(order, _mm512_packus_epi32(a, b)));
}
BINADE_LANE void store_codes(std::uint16_t* to, words a, words b, words c, words d) {
  store_codes(to, a, b);
  store_codes(to + 2 * width, c, d);
}
BINADE_LANE void store_codes(std::uint32_t* to, words a, words b, words c, words d) {
  store_codes(to, a);
  store_codes(to + width, b);
  store_codes(to + 2 * width, c);
  store_codes(to + 3 * width, d);
}
BINADE_LANE void stream(float* to, floats x) {
  _mm512_stream_ps(to, x);
}
BINADE_LANE void stream_parts(float* to, floats x) {
  _mm_stream_ps(to, _mm512_castps512_ps128(x));
  _mm_stream_ps(to + 4, _mm512_extractf32x4_ps(x, 1));
  _mm_stream_ps(to + 8, _mm512_extractf32x4_ps(x, 2));
  _mm_stream_ps(to + 12, _mm512_extractf32x4_ps(x, 3));
}
BINADE_LANE void wait_for_streams() {
  _mm_sfence();
}
BINADE_LANE void prefetch(const float* from) {
  _mm_prefetch(reinterpret_cast<const char*>(from), _MM_HINT_T0);
}
BINADE_LANE floats every(float x) {
  return _mm512_set1_ps(x);
}
BINADE_LANE words every(std::uint32_t x) {
  return _mm512_set1_epi32(std::int32_t(x));
}
BINADE_LANE words bits(floats x) {
  return _mm512_castps_si512(x);
}
BINADE_LANE floats number(words x) {
  return _mm512_castsi512_ps(x);
}
BINADE_LANE floats plus(floats a, floats b) {
  return _mm512_add_ps(a, b);
}
BINADE_LANE floats minus(floats a, floats b) {
  return _mm512_sub_ps(a, b);
}
BINADE_LANE floats times(floats a, floats b) {
  return _mm512_mul_ps(a, b);
}
BINADE_LANE floats over(floats a, floats b) {
  return _mm512_div_ps(a, b);
}
BINADE_LANE words plus(words a, words b) {
  return _mm512_add_epi32(a, b);
}
BINADE_LANE words minus(words a, words b) {
  return _mm512_sub_epi32(a, b);
}
BINADE_LANE words both(words a, words b) {
  return _mm512_and_si512(a, b);
}
BINADE_LANE words either(words a, words b) {
  return _mm512_or_si512(a, b);
}
BINADE_LANE words least(words a, words b) {
  return _mm512_min_epu32(a, b);
}
BINADE_LANE words greatest(words a, words b) {
  return _mm512_max_epu32(a, b);
}
BINADE_LANE words shifted_right(words a, int count) {
  return _mm512_srl_epi32(a, _mm_cvtsi32_si128(count));
}
/// The smaller magnitude, sign cleared; of a quiet NaN and a number the number.  A signaling NaN stays one,
/// with its sign.
BINADE_LANE words capped_magnitude(floats x, words cap) {
  return bits(_mm512_range_ps(x, number(cap), 0b1010));
}
BINADE_LANE words with_sign_of(words a, floats x) {
  return _mm512_ternarylogic_epi32(a, bits(x), every(0x80000000u), 0xf8);  // a | (x & mask)
}
BINADE_LANE words capped_number(words a, words cap) {
  return bits(_mm512_range_ps(number(a), number(cap), 0b0010));
}
BINADE_LANE mask is_nan(floats a, floats b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q);
}
BINADE_LANE mask not_at_most(floats a, floats b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_NLE_UQ);
}
BINADE_LANE mask exceeds(words a, words b) {
  return _mm512_cmpgt_epi32_mask(a, b);
}
BINADE_LANE mask equals(words a, words b) {
  return _mm512_cmpeq_epi32_mask(a, b);
}
BINADE_LANE words chosen(mask which, words a, words b) {
  return _mm512_mask_mov_epi32(b, which, a);
}
BINADE_LANE words shifted_left(words a, int count) {
  return _mm512_sll_epi32(a, _mm_cvtsi32_si128(count));
}
BINADE_LANE bool any(mask a, mask b) {
  return _kortestz_mask16_u8(a, b) == 0;
}
BINADE_LANE mask either(mask a, mask b) {
  return _kor_mask16(a, b);
}
// One instruction each: the product is exact, so that a fused sum is the same number.
BINADE_LANE floats raised(floats a, floats binade, floats factor) {
  return _mm512_fmadd_ps(binade, factor, a);
}
BINADE_LANE floats raised_toward_zero(floats a, floats binade, floats factor) {
  return _mm512_fmadd_round_ps(binade, factor, a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
}
BINADE_LANE floats lowered(floats sum, floats binade, floats factor) {
  return _mm512_fnmadd_ps(binade, factor, sum);
}
BINADE_LANE floats raised_directed(mask away, floats a, floats binade, floats factor) {
  const floats up = _mm512_fmadd_round_ps(binade, factor, a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
  return _mm512_mask_mov_ps(raised_toward_zero(a, binade, factor), away, up);
}
BINADE_LANE words whole(floats x) {
  return _mm512_cvttps_epu32(x);
}
BINADE_LANE mask carries(words a, words b) {
  return _mm512_cmplt_epu32_mask(plus(a, b), a);
}
BINADE_LANE words incremented(mask where, words a) {
  return _mm512_mask_add_epi32(a, where, a, every(1u));
}
BINADE_LANE mask has_bit(words a, words b) {
  return _mm512_test_epi32_mask(a, b);
}

struct cut_quotient {
  __m256 cut;
  __mmask8 is_cut;
};
BINADE_LANE cut_quotient half_quotient(__m256 x, double inverse) {
  const __m512d q = _mm512_mul_pd(_mm512_cvtps_pd(x), _mm512_set1_pd(inverse));
  const __m512i sum = _mm512_add_epi64(_mm512_castpd_si512(q), _mm512_set1_epi64(0x1000));
  const __m512d snapped = _mm512_castsi512_pd(_mm512_and_si512(sum, _mm512_set1_epi64(~0x1fffll)));
  const __m256 cut = _mm512_cvt_roundpd_ps(snapped, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  return {cut, _mm512_cmp_pd_mask(_mm512_cvtps_pd(cut), snapped, _CMP_NEQ_UQ)};
}
BINADE_LANE floats joined(__m256 low, __m256 high) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}
BINADE_LANE floats short_quotient(floats x, double inverse) {
  const cut_quotient low = half_quotient(_mm512_castps512_ps256(x), inverse),
                     high = half_quotient(_mm512_extractf32x8_ps(x, 1), inverse);
  const floats cut = joined(low.cut, high.cut);
  const auto is_cut = mask(low.is_cut | high.is_cut << 8);
  const words odd = _mm512_mask_or_epi32(bits(cut), is_cut, bits(cut), every(1u));
  return number(chosen(is_nan(cut, cut), bits(x), odd));
}
BINADE_LANE floats times_double(floats x, double factor) {
  const __m512d all = _mm512_set1_pd(factor);
  const __m256 low = _mm512_cvtpd_ps(_mm512_mul_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(x)), all));
  const __m256 high = _mm512_cvtpd_ps(_mm512_mul_pd(_mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)), all));
  return joined(low, high);
}

#undef BINADE_LANE
}  // namespace lanes_16

BINADE_INTRINSICS_END

#endif

}  // namespace binade::detail
