#pragma once
// What loops over groups of elements need beyond lanes.hpp, in its namespaces.

#include <climits>
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
BINADE_LANE words flipped(words a, words bits_to_flip) {
  return _mm256_xor_si256(a, bits_to_flip);
}
/// The larger one of |a| and |b|; a NaN if both are NaN, and perhaps if one is.
BINADE_LANE floats larger_magnitude(floats a, floats b) {
  return number(greatest(magnitude(a), magnitude(b)));
}
/// Each pair of lanes (a, b) that are Stride apart: (a + b, a - b).
template <std::size_t Stride>
BINADE_LANE floats sums_and_differences(floats x) {
  const words minus_b =
      _mm256_setr_epi32(0, Stride == 1 ? INT_MIN : 0, Stride == 2 ? INT_MIN : 0, Stride <= 2 ? INT_MIN : 0,
                        Stride == 4 ? INT_MIN : 0, Stride != 2 ? INT_MIN : 0, Stride != 1 ? INT_MIN : 0, INT_MIN);
  floats other;
  if constexpr (Stride == 4)
    other = _mm256_permute2f128_ps(x, x, 0x01);
  else
    other = _mm256_permute_ps(x, Stride == 1 ? 0xb1 : 0x4e);
  return plus(other, number(flipped(bits(x), minus_b)));
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
BINADE_LANE words flipped(words a, words bits_to_flip) {
  return _mm512_xor_si512(a, bits_to_flip);
}
BINADE_LANE floats larger_magnitude(floats a, floats b) {
  return _mm512_range_ps(a, b, 0b1011);
}
template <std::size_t Stride>
BINADE_LANE floats sums_and_differences(floats x) {
  constexpr mask is_b = Stride == 1 ? 0xaaaa : Stride == 2 ? 0xcccc : Stride == 4 ? 0xf0f0 : 0xff00;
  const floats signs = _mm512_mask_mov_ps(every(1.0f), is_b, every(-1.0f));
  floats other;
  if constexpr (Stride >= 4)
    other = _mm512_shuffle_f32x4(x, x, Stride == 4 ? 0xb1 : 0x4e);
  else
    other = _mm512_permute_ps(x, Stride == 1 ? 0xb1 : 0x4e);
  return product_plus(x, signs, other);
}
#undef BINADE_LANE
}  // namespace lanes_16

BINADE_INTRINSICS_END

#endif

}  // namespace binade::detail
