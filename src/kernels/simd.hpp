// The few vector operations that a matrix product needs, for every instruction set.
//
// A vector is passed by reference and every operation carries its instruction set as a target attribute, so that a
// template over simd<T, level> can be written without one and be inlined into a function that has it.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace binade::kernels {

/// vector: `lanes` values of T.  Operations:
///   zero(v)  load(v, p)  load(v, p, count)  store(p, v)  store(p, v, count)   count <= lanes: the first `count` lanes
///   alone broadcast(v, p)      every lane = *p fma(c, a, b)         c = a * b + c, rounded once add(c, a)            c
///   = c + a transpose<block>(source, source_stride, target, target_stride)   a block x block square, rows to columns,
///   for every
///                        block in `blocks`, which descend
template <class T, isa Level>
struct simd;

template <class T>
struct simd<T, isa::portable> {
  using vector = T;
  static constexpr std::size_t lanes = 1;
  static constexpr std::array<std::size_t, 1> blocks{1};
  static void zero(vector& v) { v = 0; }
  static void load(vector& v, const T* p) { v = *p; }
  static void load(vector& v, const T* p, std::size_t count) { v = count > 0 ? *p : T(0); }
  static void store(T* p, const vector& v) { *p = v; }
  static void store(T* p, const vector& v, std::size_t count) {
    if (count > 0) *p = v;
  }
  static void broadcast(vector& v, const T* p) { v = *p; }
  static void fma(vector& c, const vector& a, const vector& b) { c = std::fma(a, b, c); }
  static void add(vector& c, const vector& a) { c = c + a; }
  template <std::size_t>
  static void transpose(const T* source, std::size_t, T* target, std::size_t) {
    *target = *source;
  }
};

#if defined(__x86_64__)

template <>
struct simd<float, isa::x86_64_v3> {
  using vector = __m256;
  static constexpr std::size_t lanes = 8;
  static constexpr std::array<std::size_t, 2> blocks{8, 4};
  BINADE_TARGET_V3 static inline void zero(vector& v) { v = _mm256_setzero_ps(); }
  BINADE_TARGET_V3 static inline void load(vector& v, const float* p) { v = _mm256_loadu_ps(p); }
  BINADE_TARGET_V3 static inline void load(vector& v, const float* p, std::size_t count) {
    v = _mm256_maskload_ps(p, mask(count));
  }
  BINADE_TARGET_V3 static inline void store(float* p, const vector& v) { _mm256_storeu_ps(p, v); }
  BINADE_TARGET_V3 static inline void store(float* p, const vector& v, std::size_t count) {
    _mm256_maskstore_ps(p, mask(count), v);
  }
  BINADE_TARGET_V3 static inline void broadcast(vector& v, const float* p) { v = _mm256_broadcast_ss(p); }
  BINADE_TARGET_V3 static inline void fma(vector& c, const vector& a, const vector& b) { c = _mm256_fmadd_ps(a, b, c); }
  BINADE_TARGET_V3 static inline void add(vector& c, const vector& a) { c = _mm256_add_ps(c, a); }
  template <std::size_t Block>
  BINADE_TARGET_V3 static inline void transpose(const float* source, std::size_t source_stride, float* target,
                                                std::size_t target_stride) {
    if constexpr (Block == 4) {
      __m128 r0 = _mm_loadu_ps(source), r1 = _mm_loadu_ps(source + source_stride),
             r2 = _mm_loadu_ps(source + 2 * source_stride), r3 = _mm_loadu_ps(source + 3 * source_stride);
      _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
      _mm_storeu_ps(target, r0);
      _mm_storeu_ps(target + target_stride, r1);
      _mm_storeu_ps(target + 2 * target_stride, r2);
      _mm_storeu_ps(target + 3 * target_stride, r3);
    } else {
      // Halves of rows r and r + 4 are loaded into one register, so that no shuffle has to cross the halves.
      for (std::size_t half = 0; half < 8; half += 4) {
        __m256 rows[4];
        for (std::size_t r = 0; r < 4; ++r)
          rows[r] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(source + r * source_stride + half)),
                                         _mm_loadu_ps(source + (r + 4) * source_stride + half), 1);
        const __m256 low01 = _mm256_unpacklo_ps(rows[0], rows[1]), high01 = _mm256_unpackhi_ps(rows[0], rows[1]),
                     low23 = _mm256_unpacklo_ps(rows[2], rows[3]), high23 = _mm256_unpackhi_ps(rows[2], rows[3]);
        float* const columns = target + half * target_stride;
        _mm256_storeu_ps(columns, _mm256_shuffle_ps(low01, low23, 0x44));
        _mm256_storeu_ps(columns + target_stride, _mm256_shuffle_ps(low01, low23, 0xee));
        _mm256_storeu_ps(columns + 2 * target_stride, _mm256_shuffle_ps(high01, high23, 0x44));
        _mm256_storeu_ps(columns + 3 * target_stride, _mm256_shuffle_ps(high01, high23, 0xee));
      }
    }
  }

 private:
  BINADE_TARGET_V3 static inline __m256i mask(std::size_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(int(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

template <>
struct simd<double, isa::x86_64_v3> {
  using vector = __m256d;
  static constexpr std::size_t lanes = 4;
  static constexpr std::array<std::size_t, 1> blocks{4};
  BINADE_TARGET_V3 static inline void zero(vector& v) { v = _mm256_setzero_pd(); }
  BINADE_TARGET_V3 static inline void load(vector& v, const double* p) { v = _mm256_loadu_pd(p); }
  BINADE_TARGET_V3 static inline void load(vector& v, const double* p, std::size_t count) {
    v = _mm256_maskload_pd(p, mask(count));
  }
  BINADE_TARGET_V3 static inline void store(double* p, const vector& v) { _mm256_storeu_pd(p, v); }
  BINADE_TARGET_V3 static inline void store(double* p, const vector& v, std::size_t count) {
    _mm256_maskstore_pd(p, mask(count), v);
  }
  BINADE_TARGET_V3 static inline void broadcast(vector& v, const double* p) { v = _mm256_broadcast_sd(p); }
  BINADE_TARGET_V3 static inline void fma(vector& c, const vector& a, const vector& b) { c = _mm256_fmadd_pd(a, b, c); }
  BINADE_TARGET_V3 static inline void add(vector& c, const vector& a) { c = _mm256_add_pd(c, a); }
  template <std::size_t>
  BINADE_TARGET_V3 static inline void transpose(const double* source, std::size_t source_stride, double* target,
                                                std::size_t target_stride) {
    const __m256d r0 = _mm256_loadu_pd(source), r1 = _mm256_loadu_pd(source + source_stride),
                  r2 = _mm256_loadu_pd(source + 2 * source_stride), r3 = _mm256_loadu_pd(source + 3 * source_stride);
    const __m256d even01 = _mm256_unpacklo_pd(r0, r1), odd01 = _mm256_unpackhi_pd(r0, r1),
                  even23 = _mm256_unpacklo_pd(r2, r3), odd23 = _mm256_unpackhi_pd(r2, r3);
    _mm256_storeu_pd(target, _mm256_permute2f128_pd(even01, even23, 0x20));
    _mm256_storeu_pd(target + target_stride, _mm256_permute2f128_pd(odd01, odd23, 0x20));
    _mm256_storeu_pd(target + 2 * target_stride, _mm256_permute2f128_pd(even01, even23, 0x31));
    _mm256_storeu_pd(target + 3 * target_stride, _mm256_permute2f128_pd(odd01, odd23, 0x31));
  }

 private:
  BINADE_TARGET_V3 static inline __m256i mask(std::size_t count) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(std::int64_t(count)), _mm256_setr_epi64x(0, 1, 2, 3));
  }
};

template <>
struct simd<float, isa::x86_64_v4> {
  using vector = __m512;
  static constexpr std::size_t lanes = 16;
  static constexpr std::array<std::size_t, 2> blocks{8, 4};
  BINADE_TARGET_V4 static inline void zero(vector& v) { v = _mm512_setzero_ps(); }
  BINADE_TARGET_V4 static inline void load(vector& v, const float* p) { v = _mm512_loadu_ps(p); }
  BINADE_TARGET_V4 static inline void load(vector& v, const float* p, std::size_t count) {
    v = _mm512_maskz_loadu_ps(mask(count), p);
  }
  BINADE_TARGET_V4 static inline void store(float* p, const vector& v) { _mm512_storeu_ps(p, v); }
  BINADE_TARGET_V4 static inline void store(float* p, const vector& v, std::size_t count) {
    _mm512_mask_storeu_ps(p, mask(count), v);
  }
  BINADE_TARGET_V4 static inline void broadcast(vector& v, const float* p) { v = _mm512_set1_ps(*p); }
  BINADE_TARGET_V4 static inline void fma(vector& c, const vector& a, const vector& b) { c = _mm512_fmadd_ps(a, b, c); }
  BINADE_TARGET_V4 static inline void add(vector& c, const vector& a) { c = _mm512_add_ps(c, a); }
  template <std::size_t Block>
  BINADE_TARGET_V4 static inline void transpose(const float* source, std::size_t source_stride, float* target,
                                                std::size_t target_stride) {
    simd<float, isa::x86_64_v3>::template transpose<Block>(source, source_stride, target, target_stride);
  }

 private:
  BINADE_TARGET_V4 static inline __mmask16 mask(std::size_t count) { return __mmask16((1u << count) - 1u); }
};

template <>
struct simd<double, isa::x86_64_v4> {
  using vector = __m512d;
  static constexpr std::size_t lanes = 8;
  static constexpr std::array<std::size_t, 1> blocks{4};
  BINADE_TARGET_V4 static inline void zero(vector& v) { v = _mm512_setzero_pd(); }
  BINADE_TARGET_V4 static inline void load(vector& v, const double* p) { v = _mm512_loadu_pd(p); }
  BINADE_TARGET_V4 static inline void load(vector& v, const double* p, std::size_t count) {
    v = _mm512_maskz_loadu_pd(mask(count), p);
  }
  BINADE_TARGET_V4 static inline void store(double* p, const vector& v) { _mm512_storeu_pd(p, v); }
  BINADE_TARGET_V4 static inline void store(double* p, const vector& v, std::size_t count) {
    _mm512_mask_storeu_pd(p, mask(count), v);
  }
  BINADE_TARGET_V4 static inline void broadcast(vector& v, const double* p) { v = _mm512_set1_pd(*p); }
  BINADE_TARGET_V4 static inline void fma(vector& c, const vector& a, const vector& b) { c = _mm512_fmadd_pd(a, b, c); }
  BINADE_TARGET_V4 static inline void add(vector& c, const vector& a) { c = _mm512_add_pd(c, a); }
  template <std::size_t Block>
  BINADE_TARGET_V4 static inline void transpose(const double* source, std::size_t source_stride, double* target,
                                                std::size_t target_stride) {
    simd<double, isa::x86_64_v3>::template transpose<Block>(source, source_stride, target, target_stride);
  }

 private:
  BINADE_TARGET_V4 static inline __mmask8 mask(std::size_t count) { return __mmask8((1u << count) - 1u); }
};

#endif  // __x86_64__

}  // namespace binade::kernels
