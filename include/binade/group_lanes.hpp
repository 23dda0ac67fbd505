#pragma once
// What loops over groups of elements need beyond lanes.hpp, in its namespaces.

#include <cstddef>
#include <cstdint>

#include "binade/lanes.hpp"

namespace binade::detail {

namespace lanes_1 {

#define BINADE_LANE BINADE_ALWAYS_INLINE
/// Lane k: the greatest of the lanes of vector k, of `width` vectors.
BINADE_LANE words greatest_in_each(const words* vectors) {
  return vectors[0];
}
/// a b + c, rounded once.  @pre the product is exact
BINADE_LANE floats product_plus(floats a, floats b, floats c) {
  return a * b + c;
}
/// Bits of |x|.
BINADE_LANE words magnitude(floats x) {
  return bits(x) & 0x7fffffff;
}
/// a b - product, product being a b rounded.  @pre the result is exact
BINADE_LANE floats product_rest(floats a, floats b, floats product) {
  return float(double(a) * double(b) - double(product));
}
/// a b + c, rounded once.  @pre c is no more than an ulp of a b, and a b + c has at most 53 bits
BINADE_LANE floats product_plus_rounded(floats a, floats b, floats c) {
  return float(double(a) * double(b) + double(c));
}
/// True if a mask has a lane.
BINADE_LANE bool any(mask which) {
  return which;
}
#undef BINADE_LANE
}  // namespace lanes_1

#ifdef BINADE_WIDE_256

BINADE_INTRINSICS_BEGIN

namespace lanes_8 {

#define BINADE_LANE BINADE_WIDE_256 BINADE_ALWAYS_INLINE
/// Of four vectors, in each half of 128 bits: the greatest of every vector's.
BINADE_LANE words greatest_of_four(const words* v) {
  const words ab = greatest(_mm256_unpacklo_epi32(v[0], v[1]), _mm256_unpackhi_epi32(v[0], v[1])),
              cd = greatest(_mm256_unpacklo_epi32(v[2], v[3]), _mm256_unpackhi_epi32(v[2], v[3]));
  return greatest(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
}
BINADE_LANE words greatest_in_each(const words* vectors) {
  const words low = greatest_of_four(vectors), high = greatest_of_four(vectors + 4);
  return greatest(_mm256_permute2x128_si256(low, high, 0x20), _mm256_permute2x128_si256(low, high, 0x31));
}
BINADE_LANE floats product_plus(floats a, floats b, floats c) {
  return plus(times(a, b), c);
}
BINADE_LANE words magnitude(floats x) {
  return both(bits(x), every(0x7fffffffu));
}
/// f(a, b, c) in double, rounded to float32 once more, of each half.
BINADE_LANE __m128 half_product(__m128 a, __m128 b, __m128 c) {
  return _mm256_cvtpd_ps(_mm256_add_pd(_mm256_mul_pd(_mm256_cvtps_pd(a), _mm256_cvtps_pd(b)), _mm256_cvtps_pd(c)));
}
BINADE_LANE floats product_plus_rounded(floats a, floats b, floats c) {
  const __m128 low = half_product(_mm256_castps256_ps128(a), _mm256_castps256_ps128(b), _mm256_castps256_ps128(c));
  return _mm256_insertf128_ps(
      _mm256_castps128_ps256(low),
      half_product(_mm256_extractf128_ps(a, 1), _mm256_extractf128_ps(b, 1), _mm256_extractf128_ps(c, 1)), 1);
}
BINADE_LANE floats product_rest(floats a, floats b, floats product) {
  return product_plus_rounded(a, b, minus(every(0.0f), product));
}
BINADE_LANE bool any(mask which) {
  return _mm256_testz_si256(which, which) == 0;
}
/// Turn t of two vectors, t being 0, 1, ...: the numbers of them at places whose bit t was 0 before the first turn, and
/// those whose bit was 1, in the same order.  After as many turns as two vectors have place bits, untwisted() puts the
/// numbers of each vector where they were.
template <std::size_t Turn>
BINADE_LANE void turn(floats a, floats b, floats& zeros, floats& ones) {
  if constexpr (Turn == 2) {
    zeros = _mm256_permute2f128_ps(a, b, 0x20);
    ones = _mm256_permute2f128_ps(a, b, 0x31);
  } else {
    zeros = _mm256_shuffle_ps(a, b, 0x88);
    ones = _mm256_shuffle_ps(a, b, 0xdd);
  }
}
BINADE_LANE floats untwisted(floats a) {
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(a), 0xd8));
}
#undef BINADE_LANE
}  // namespace lanes_8

namespace lanes_16 {

#define BINADE_LANE BINADE_WIDE_512 BINADE_ALWAYS_INLINE
BINADE_LANE words greatest_of_four(const words* v) {
  const words ab = greatest(_mm512_unpacklo_epi32(v[0], v[1]), _mm512_unpackhi_epi32(v[0], v[1])),
              cd = greatest(_mm512_unpacklo_epi32(v[2], v[3]), _mm512_unpackhi_epi32(v[2], v[3]));
  return greatest(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}
BINADE_LANE words greatest_in_each(const words* vectors) {
  const words a = greatest_of_four(vectors), b = greatest_of_four(vectors + 4), c = greatest_of_four(vectors + 8),
              d = greatest_of_four(vectors + 12);
  const words ab = greatest(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xee)),
              cd = greatest(_mm512_shuffle_i32x4(c, d, 0x44), _mm512_shuffle_i32x4(c, d, 0xee));
  return greatest(_mm512_shuffle_i32x4(ab, cd, 0x88), _mm512_shuffle_i32x4(ab, cd, 0xdd));
}
BINADE_LANE floats product_plus(floats a, floats b, floats c) {
  return _mm512_fmadd_ps(a, b, c);
}
BINADE_LANE words magnitude(floats x) {
  return both(bits(x), every(0x7fffffffu));
}
BINADE_LANE floats product_rest(floats a, floats b, floats product) {
  return _mm512_fmsub_ps(a, b, product);
}
BINADE_LANE floats product_plus_rounded(floats a, floats b, floats c) {
  return _mm512_fmadd_ps(a, b, c);
}
BINADE_LANE bool any(mask which) {
  return which != 0;
}
template <std::size_t Turn>
BINADE_LANE void turn(floats a, floats b, floats& zeros, floats& ones) {
  if constexpr (Turn == 2 || Turn == 3) {
    zeros = _mm512_shuffle_f32x4(a, b, 0x88);
    ones = _mm512_shuffle_f32x4(a, b, 0xdd);
  } else {
    zeros = _mm512_shuffle_ps(a, b, 0x88);
    ones = _mm512_shuffle_ps(a, b, 0xdd);
  }
}
BINADE_LANE floats untwisted(floats a) {
  const __m512i places = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  return _mm512_castpd_ps(_mm512_permutexvar_pd(places, _mm512_castps_pd(a)));
}
#undef BINADE_LANE
}  // namespace lanes_16

BINADE_INTRINSICS_END

#endif

}  // namespace binade::detail
