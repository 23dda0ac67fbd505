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
BINADE_LANE bool any(mask which) {
  return _mm256_testz_si256(which, which) == 0;
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
BINADE_LANE bool any(mask which) {
  return which != 0;
}
#undef BINADE_LANE
}  // namespace lanes_16

BINADE_INTRINSICS_END

#endif

}  // namespace binade::detail
