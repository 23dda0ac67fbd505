#pragma once
// The unit of work of the fast kernels: a segment of 64 consecutive elements, shared by a quad of four lanes.
//
// Lane l of the quad holds, for each word w < 4, the elements 16 w + 4 l + k, k < 4: a load is 16 bytes, a block of 16
// or 32 elements lies within the quad, and the four words of a counter of noise_at() all serve one lane.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "binade/group_amax.hpp"
#include "binade/lane_round.hpp"
#include "binade/noise.hpp"

namespace binade::cuda {

inline constexpr unsigned segment_size = 64, quad_lanes = 4, words_of_lane = 4, word_size = 4;
inline constexpr unsigned elements_of_lane = words_of_lane * word_size;

/// Position in the segment of a lane's word.
BINADE_HD constexpr unsigned word_position(unsigned lane, unsigned w) {
  return 16 * w + word_size * lane;
}

/// The noise of a lane's elements, in the upper bits: at[4 w + k] >> (32 - noise_bits) is noise_at() of element
/// 16 w + 4 lane + k of the segment.
/// @param segment  number of the segment from the source's first element 0; source.first is not added
BINADE_HD inline void segment_noise(const noise_source& source, std::uint64_t segment, int noise_bits, unsigned lane,
                                    std::uint32_t (&at)[elements_of_lane]) {
  const std::uint32_t parts = std::uint32_t(noise_parts(noise_bits)), part_bits = 32 / parts;
  const std::uint32_t group = std::uint32_t(segment / parts), part = std::uint32_t(segment % parts);
  const std::uint32_t left = 32 - part_bits * (part + 1), mask = 0 - (std::uint32_t(1) << (32 - noise_bits));
  for (std::uint32_t k = 0; k < word_size; ++k) {
    const std::array words = noise_words(source, 16 * group + word_size * lane + k);
    for (std::uint32_t w = 0; w < words_of_lane; ++w) at[word_size * w + k] = (words[w] << left) & mask;
  }
}

/// a b + c and a + b, rounded toward zero.
BINADE_HD BINADE_ALWAYS_INLINE float fused_toward_zero(float a, float b, float c) {
#if defined(__CUDA_ARCH__)
  return __fmaf_rz(a, b, c);
#else
  // The product is exact.  Of the sum in double, what was cut is found (Knuth's two-sum).
  const double product = double(a) * double(b), sum = product + double(c), back = sum - product;
  const double cut = (product - (sum - back)) + (double(c) - back);
  const float near = float(sum);
  const bool is_above = double(near) > sum || (double(near) == sum && cut < 0);
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(near) - std::uint32_t(is_above));
#endif
}
/// The upper or the lower half of a word, as a fraction of 2^16.
BINADE_HD BINADE_ALWAYS_INLINE float upper_fraction(std::uint32_t word) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(__byte_perm(word, 0x43000000, 0x7432)) - 128;
#else
  return std::bit_cast<float>(0x43000000 | word >> 16) - 128;
#endif
}
BINADE_HD BINADE_ALWAYS_INLINE float lower_fraction(std::uint32_t word) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(__byte_perm(word, 0x43000000, 0x7410)) - 128;
#else
  return upper_fraction(word << 16);
#endif
}
/// The upper half of a product.
BINADE_HD BINADE_ALWAYS_INLINE std::uint32_t upper_product(std::uint32_t a, std::uint32_t b) {
#if defined(__CUDA_ARCH__)
  return __umulhi(a, b);
#else
  return std::uint32_t(std::uint64_t(a) * b >> 32);
#endif
}

/// lane_rounder in the form that is shortest where floating point is cheap and integers are not: powers of two are
/// multiplied, noise is added as a number.  For all but NaN.
class segment_rounder {
 public:
  static bool covers(const element& e) {
    return detail::lane_rounder::covers(e) && detail::lane_rounder(e).takes_scales();
  }
  /// @pre covers(e)
  explicit segment_rounder(const element& e) : segment_rounder(e, detail::lane_rounder(e)) {}

  bool is_stochastic() const { return detail::is_stochastic(lanes_.way); }

  /// Equals round().  @param noise  in the upper bits of 32
  template <bool Stochastic, bool ByAddition>
  BINADE_HD BINADE_ALWAYS_INLINE float value(float x, std::uint32_t noise) const {
    std::uint32_t rounded;
    if constexpr (ByAddition) {
      const sum s = sum_of<Stochastic>(capped(x), noise);
      rounded = std::bit_cast<std::uint32_t>(s.sum - s.adder);
    } else {
      rounded = in_place<Stochastic>(capped(x), noise) & lanes_.keep;
    }
    rounded = rounded > lanes_.largest ? lanes_.beyond[0] : rounded;
    return std::bit_cast<float>(rounded | (std::bit_cast<std::uint32_t>(x) & 0x80000000));
  }
  /// Equals encode().
  template <bool Stochastic, bool ByAddition>
  BINADE_HD BINADE_ALWAYS_INLINE std::uint32_t code(float x, std::uint32_t noise) const {
    std::uint32_t code;
    if constexpr (ByAddition) {
      const sum s = sum_of<Stochastic>(capped(x), noise);
      // The sum's bits less the adder's, and the binades above the lowest: (binade >> shift) by a product.
      code = std::bit_cast<std::uint32_t>(s.sum) - s.binade - code_offset_ + upper_product(s.binade, code_factor_);
    } else {
      code = in_place<Stochastic>(capped(x), noise) >> lanes_.shift;
    }
    code =
        code < lanes_.beyond_code[0] ? code : lanes_.beyond_code[0];  // infinity's code is the largest number's plus 1
    return code | (std::bit_cast<std::uint32_t>(x) >> lanes_.sign_shift & sign_bit_);
  }
  /// The same for NaN too.
  template <bool Stochastic, bool ByAddition>
  BINADE_HD BINADE_ALWAYS_INLINE float any_value(float x, std::uint32_t noise) const {
    return x == x ? value<Stochastic, ByAddition>(x, noise) : std::bit_cast<float>(detail::lane_rounder::canonical_nan);
  }
  template <bool Stochastic, bool ByAddition>
  BINADE_HD BINADE_ALWAYS_INLINE std::uint32_t any_code(float x, std::uint32_t noise) const {
    if (x == x) return code<Stochastic, ByAddition>(x, noise);
    return lanes_.nan_code[std::bit_cast<std::uint32_t>(x) >> 31];
  }
  /// Calls visit with whether rounding is by addition as a compile-time constant.
  template <class Visit>
  BINADE_HD BINADE_ALWAYS_INLINE void with_way(Visit visit) const {
    if (detail::is_by_addition(lanes_.way))
      visit.template operator()<true>();
    else
      visit.template operator()<false>();
  }

 private:
  struct sum {
    float sum, adder;
    std::uint32_t binade;
  };

  segment_rounder(const element& e, const detail::lane_rounder& lanes)
      : lanes_(lanes),
        adder_factor_(std::bit_cast<float>(std::uint32_t(127 + lanes.shift) << 23)),
        code_factor_(std::uint32_t(1) << (32 - lanes.shift)),
        code_offset_(lanes.magic + (lanes.lowest >> lanes.shift)),
        sign_bit_(std::uint32_t(1) << (e.format.width - 1)) {}

  BINADE_HD BINADE_ALWAYS_INLINE float capped(float x) const {
    const float cap = std::bit_cast<float>(lanes_.cap);
#if defined(__CUDA_ARCH__)
    return fminf(fabsf(x), cap);
#else
    const float a = std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0x7fffffff);
    return a < cap ? a : cap;
#endif
  }
  /// Noise is a fraction r of an ulp u, and x goes to the multiple of u below a + r u.  Lower and upper half of r are
  /// added one after the other, each sum cut off to 24 bits.  Nothing that counts is cut off: either the sum holds
  /// multiples of 2^-16 u, of which the upper half is one; or a is a multiple of 2 2^-16 u or more, and then the lower
  /// half alone is cut off, which cannot carry a + r u to the next multiple of 2^-16 u.
  template <bool Stochastic>
  BINADE_HD BINADE_ALWAYS_INLINE sum sum_of(float a, std::uint32_t noise) const {
    const std::uint32_t own = std::bit_cast<std::uint32_t>(a) & 0x7f800000;
    const std::uint32_t binade = own > lanes_.lowest ? own : lanes_.lowest;
    const float adder = std::bit_cast<float>(binade) * adder_factor_;
    if constexpr (!Stochastic) return {a + adder, adder, binade};
    const float ulp = adder * 0x1p-23f;
    const float with_lower = fused_toward_zero(lower_fraction(noise), ulp * 0x1p-16f, a);
    const float with_noise = fused_toward_zero(upper_fraction(noise), ulp, with_lower);
    return {detail::lanes_1::raised_toward_zero(with_noise, adder, 1), adder, binade};
  }
  /// In the bits of float32: those below the format's ulp are any.
  template <bool Stochastic>
  BINADE_HD BINADE_ALWAYS_INLINE std::uint32_t in_place(float a, std::uint32_t noise) const {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(a);
    return bits + (Stochastic ? noise >> (32 - lanes_.shift) : lanes_.half + (bits >> lanes_.shift & 1));
  }

  detail::lane_rounder lanes_;
  float adder_factor_;         ///< adder / binade
  std::uint32_t code_factor_;  ///< 2^(32 - shift)
  std::uint32_t code_offset_, sign_bit_;
};

/// Largest finite magnitude of a word, as bits.
BINADE_HD BINADE_ALWAYS_INLINE std::uint32_t word_magnitude(const float* x) {
  std::uint32_t largest = 0;
  for (unsigned k = 0; k < word_size; ++k) {
    const std::uint32_t here = detail::finite_magnitude(x[k]);
    largest = largest > here ? largest : here;
  }
  return largest;
}

}  // namespace binade::cuda
