#pragma once
// The unit of work of the fast kernels: a segment of 64 consecutive elements, shared by a quad of four lanes.
//
// Lane l of the quad holds, for each word w < 4, the elements 16 w + 4 l + k, k < 4: a load is 16 bytes, a block of 16
// or 32 elements lies within the quad, and the four words of a counter of noise_at() all serve one lane.

#include <array>
#include <bit>
#include <cmath>
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
  // parts is a power of two; divisions take as long as the counters.
  const int parts_log = noise_bits > 16 ? 0 : noise_bits > 8 ? 1 : 2;
  const std::uint32_t group = std::uint32_t(segment >> parts_log);
  const std::uint32_t part = std::uint32_t(segment - (std::uint64_t(group) << parts_log));
  for (std::uint32_t k = 0; k < word_size; ++k) {
    const std::array words = noise_words(source, 16 * group + word_size * lane + k);
    for (std::uint32_t w = 0; w < words_of_lane; ++w) at[word_size * w + k] = words[w];
  }
  if (noise_bits == 32) return;
  const std::uint32_t left = 32 - (std::uint32_t(32) >> parts_log) * (part + 1);
  const std::uint32_t mask = 0 - (std::uint32_t(1) << (32 - noise_bits));
  for (std::uint32_t& bits : at) bits = (bits << left) & mask;
}

/// a b + c and a b, rounded toward zero.
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
/// a b, rounded toward zero or up.  @pre a and b are not negative
BINADE_HD BINADE_ALWAYS_INLINE float product_toward_zero(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rz(a, b);
#else
  const double product = double(a) * double(b);
  const float near = float(product);
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(near) - std::uint32_t(double(near) > product));
#endif
}
BINADE_HD BINADE_ALWAYS_INLINE float product_upward(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_ru(a, b);
#else
  const double product = double(a) * double(b);
  const float near = float(product);
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(near) + std::uint32_t(double(near) < product));
#endif
}
/// The upper bytes of four words.
BINADE_HD BINADE_ALWAYS_INLINE std::uint32_t upper_bytes(std::uint32_t a, std::uint32_t b, std::uint32_t c,
                                                         std::uint32_t d) {
#if defined(__CUDA_ARCH__)
  return __byte_perm(__byte_perm(a, b, 0x0073), __byte_perm(c, d, 0x0073), 0x5410);
#else
  return a >> 24 | b >> 24 << 8 | c >> 24 << 16 | d >> 24 << 24;
#endif
}

/// What a segment_rounder does with a magnitude.
enum class segment_way : std::uint8_t {
  nearest,  ///< with a power of two added
  nearest_in_place,
  short_noise,  ///< added to the bits that are left of it where the format's subnormals are those of float32
  long_noise,   ///< the same, and what is below these bits by another addition
  noise_in_place,
  fixed,  ///< as short_noise, with what is added said by the sign
  fixed_in_place,
};
constexpr bool is_in_place(segment_way way) {
  return way == segment_way::nearest_in_place || way == segment_way::noise_in_place ||
         way == segment_way::fixed_in_place;
}

/// lane_rounder in the form that is shortest where floating point is cheap and integers are not.  For all but NaN.
///
/// Times down_, the format's smallest normal value is float32's, and so its subnormals are float32's.  There a number
/// of the format has the bits of its code, `shift` to the left.
class segment_rounder {
 public:
  static bool covers(const element& e) {
    if (!detail::lane_rounder::covers(e) || e.rounding == rounding_mode::to_odd) return false;
    const detail::lane_rounder lanes(e);
    if (!lanes.takes_scales() && !saturates(lanes)) return false;
    if (!detail::is_by_addition(lanes.way)) return true;
    const bool has_up = e.format.floating.min_exponent() <= 1;
    return has_up && (way_of(e, lanes) != segment_way::long_noise || 32 - lanes.shift <= 22);
  }
  /// @pre covers(e)
  explicit segment_rounder(const element& e) : segment_rounder(e, detail::lane_rounder(e)) {}

  bool is_stochastic() const { return detail::is_stochastic(lanes_.way); }

  /// Equals round().  @param noise  in the upper bits of 32
  template <segment_way Way>
  BINADE_HD BINADE_ALWAYS_INLINE float value(float x, std::uint32_t noise) const {
    std::uint32_t rounded;
    if constexpr (Way == segment_way::nearest) {
      rounded = std::bit_cast<std::uint32_t>(nearest(capped(x)));
    } else {
      rounded = magnitude<Way, false>(x, noise) & lanes_.keep;
      if constexpr (!is_in_place(Way)) rounded = std::bit_cast<std::uint32_t>(std::bit_cast<float>(rounded) * up_);
    }
    rounded = rounded > lanes_.largest ? lanes_.beyond[0] : rounded;
    const std::uint32_t has_sign = (rounded + 0x7fffffff) | lanes_.zero_sign;  // in the place of the sign
    return std::bit_cast<float>(rounded | (std::bit_cast<std::uint32_t>(x) & has_sign & 0x80000000));
  }
  /// Equals encode().
  template <segment_way Way>
  BINADE_HD BINADE_ALWAYS_INLINE std::uint32_t code(float x, std::uint32_t noise) const {
    const std::uint32_t code = magnitude<Way, false>(x, noise) >> lanes_.shift;
    const std::uint32_t has_sign = (code + (sign_bit_ - 1)) | zero_signs_;
    return code | (std::bit_cast<std::uint32_t>(x) >> lanes_.sign_shift & has_sign & sign_bit_);
  }
  /// The codes of four numbers, a byte each.  @pre they have 8 bits or fewer
  template <segment_way Way>
  BINADE_HD BINADE_ALWAYS_INLINE std::uint32_t four_codes(const float* x, const std::uint32_t* noise) const {
    std::uint32_t m[word_size], signs[word_size];
    for (unsigned k = 0; k < word_size; ++k) {
      m[k] = magnitude<Way, true>(x[k], noise[k]);
      signs[k] = std::bit_cast<std::uint32_t>(x[k]);
    }
    const std::uint32_t codes = upper_bytes(m[0], m[1], m[2], m[3]), sign_bits = sign_bit_ * 0x01010101;
    const std::uint32_t has_sign = (codes + (sign_bits - 0x01010101)) | zero_signs_;  // no byte carries
    return codes | (upper_bytes(signs[0], signs[1], signs[2], signs[3]) >> byte_shift_ & has_sign & sign_bits);
  }
  /// value() and code() of any number, NaN too.
  template <bool Stochastic>
  BINADE_HD BINADE_ALWAYS_INLINE float any_value(float x, std::uint32_t noise) const {
    float found = std::bit_cast<float>(detail::lane_rounder::canonical_nan);
    if (x == x) with_way<Stochastic>([&]<segment_way Way>() { found = value<Way>(x, noise); });
    return found;
  }
  template <bool Stochastic>
  BINADE_HD BINADE_ALWAYS_INLINE std::uint32_t any_code(float x, std::uint32_t noise) const {
    std::uint32_t found = lanes_.nan_code[std::bit_cast<std::uint32_t>(x) >> 31];
    if (x == x) with_way<Stochastic>([&]<segment_way Way>() { found = code<Way>(x, noise); });
    return found;
  }
  /// Calls visit with the way as a compile-time constant.  @pre Stochastic == is_stochastic()
  template <bool Stochastic, class Visit>
  BINADE_HD BINADE_ALWAYS_INLINE void with_way(Visit visit) const {
    using enum segment_way;
    if constexpr (Stochastic) {
      if (way_ == long_noise) return visit.template operator()<long_noise>();
      if (way_ == short_noise) return visit.template operator()<short_noise>();
      visit.template operator()<noise_in_place>();
    } else {
      if (way_ == segment_way::nearest) return visit.template operator()<segment_way::nearest>();
      if (way_ == nearest_in_place) return visit.template operator()<nearest_in_place>();
      if (way_ == fixed) return visit.template operator()<fixed>();
      visit.template operator()<fixed_in_place>();
    }
  }

 private:
  static constexpr std::uint32_t below_ulp = 0xffffffff;

  segment_rounder(const element& e, const detail::lane_rounder& lanes)
      : lanes_(lanes),
        way_(way_of(e, lanes)),
        // Of what is too large, the number after the largest has the code that follows, which is infinity's.
        cap_(
            std::bit_cast<float>(saturates(lanes) ? lanes.largest : lanes.largest + (std::uint32_t(1) << lanes.shift))),
        adder_factor_(power(lanes.shift)),
        upper_byte_(std::uint32_t(1) << (24 - lanes.shift)),
        sign_bit_(std::uint32_t(1) << (e.format.width - 1)),
        zero_signs_(lanes.zero_sign != 0 ? ~std::uint32_t(0) : 0),
        fixed_{fixed_of(e.rounding, false), fixed_of(e.rounding, true)},
        byte_shift_(e.format.width < 8 ? 8 - e.format.width : 0) {
    if (is_in_place(way_)) return;
    const int lowest = e.format.floating.min_exponent();
    down_ = power(-126 - lowest);
    up_ = power(126 + lowest);
    if (way_ == segment_way::long_noise) rest_factor_ = power(32 + 23 - lanes.shift - lowest);
  }
  static segment_way way_of(const element& e, const detail::lane_rounder& lanes) {
    switch (lanes.way) {
      case detail::lane_way::nearest_by_addition:
        return segment_way::nearest;
      case detail::lane_way::stochastic_by_addition:
        return e.noise_bits <= lanes.shift ? segment_way::short_noise : segment_way::long_noise;
      case detail::lane_way::stochastic_in_place:
        return segment_way::noise_in_place;
      case detail::lane_way::nearest_in_place:
        return segment_way::nearest_in_place;
      case detail::lane_way::by_threshold_in_place:
        return segment_way::fixed_in_place;
      default:
        return segment_way::fixed;
    }
  }
  /// True if all that is too large becomes the largest number of its sign.
  static bool saturates(const detail::lane_rounder& lanes) {
    const std::uint32_t lowest = lanes.largest | 0x80000000;
    return lanes.beyond[0] == lanes.largest && lanes.infinite[0] == lanes.largest && lanes.beyond[1] == lowest &&
           lanes.infinite[1] == lowest;
  }
  /// What takes the other modes up where they go up: nothing, half an ulp or all below an ulp.
  static constexpr std::uint32_t fixed_of(rounding_mode mode, bool negative) {
    if (mode == rounding_mode::nearest_away) return 0x80000000;
    return mode == (negative ? rounding_mode::down : rounding_mode::up) ? below_ulp : 0;
  }
  /// 2^exponent, -149 <= exponent <= 127.
  static float power(int exponent) { return float(std::ldexp(1.0, exponent)); }

  BINADE_HD BINADE_ALWAYS_INLINE float capped(float x) const {
#if defined(__CUDA_ARCH__)
    return fminf(fabsf(x), cap_);
#else
    const float a = std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0x7fffffff);
    return a < cap_ ? a : cap_;
#endif
  }
  BINADE_HD BINADE_ALWAYS_INLINE float nearest(float a) const {
    const std::uint32_t own = std::bit_cast<std::uint32_t>(a) & 0x7f800000;
    const float adder = std::bit_cast<float>(own > lanes_.lowest ? own : lanes_.lowest) * adder_factor_;
    return (a + adder) - adder;
  }
  /// A rounded magnitude as the bits of its code, `shift` to the left of others; with Bytes in the upper byte,
  /// likewise.
  template <segment_way Way, bool Bytes>
  BINADE_HD BINADE_ALWAYS_INLINE std::uint32_t magnitude(float x, std::uint32_t noise) const {
    float a = capped(x);
    const std::uint32_t factor = Bytes ? upper_byte_ : 1;
    const int ulp_bits = 32 - lanes_.shift, low_bits = Bytes ? 8 : ulp_bits;
    if constexpr (Way == segment_way::nearest) {
      return std::bit_cast<std::uint32_t>(nearest(a) * down_) * factor;
    } else if constexpr (Way == segment_way::nearest_in_place) {
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(a);
      return (bits + lanes_.half + (bits >> lanes_.shift & 1)) * factor;
    } else if constexpr (Way == segment_way::noise_in_place) {
      return std::bit_cast<std::uint32_t>(a) * factor + (noise >> low_bits);
    } else if constexpr (Way == segment_way::fixed || Way == segment_way::fixed_in_place) {
      const std::uint32_t added = std::bit_cast<std::uint32_t>(x) >= 0x80000000 ? fixed_[1] : fixed_[0];
      if constexpr (Way == segment_way::fixed)
        a = added == below_ulp ? product_upward(a, down_) : product_toward_zero(a, down_);
      return (std::bit_cast<std::uint32_t>(a) + (added >> ulp_bits)) * factor;
    } else {
      // Of a's fraction of an ulp, as many bits as are to the right of a code; noise is added to them, and its carry
      // is what rounds up.  Where noise has more bits, so has the fraction: these are `rest`, a number below 1 in
      // units of the last bit.  They are added to the lower bits of noise as an integer in a float, cut off.
      const float cut = product_toward_zero(a, down_);
      const std::uint32_t sum = std::bit_cast<std::uint32_t>(cut) * factor + (noise >> low_bits);
      if constexpr (Way == segment_way::short_noise) return sum;
      const float rest = fused_toward_zero(cut, -up_, a);  // exact
      const std::uint32_t zero = 0x4b000000, low_noise = noise & ((std::uint32_t(1) << low_bits) - 1);
      const float low_sum = fused_toward_zero(rest, rest_factor_, std::bit_cast<float>(zero | low_noise));
      return sum + (std::bit_cast<std::uint32_t>(low_sum) >> low_bits) - (zero >> low_bits);
    }
  }

  detail::lane_rounder lanes_;
  segment_way way_;
  float cap_;           ///< what a larger magnitude rounds as
  float adder_factor_;  ///< adder / binade
  float down_ = 1, up_ = 1;
  float rest_factor_ = 1;     ///< makes of what is cut off an integer, as the noise is one of 32 bits
  std::uint32_t upper_byte_;  ///< takes a code to the upper byte
  std::uint32_t sign_bit_;
  std::uint32_t zero_signs_;  ///< all bits if a zero may have its sign
  std::uint32_t fixed_[2];    ///< of the modes that are neither nearest even nor stochastic, by sign
  int byte_shift_;
};

/// largest[g]: the largest finite magnitude of x[g GroupStride + k Stride], k < Count, as bits.
template <unsigned Groups, unsigned GroupStride, unsigned Count, unsigned Stride>
BINADE_HD BINADE_ALWAYS_INLINE void largest_magnitudes(const float* x, std::uint32_t (&largest)[Groups]) {
  std::uint32_t of_all = 0;
  for (unsigned g = 0; g < Groups; ++g) {
    float found = 0;
    for (unsigned k = 0; k < Count; ++k)
      found = std::fmax(found, std::fabs(x[g * GroupStride + k * Stride]));  // leaves NaN out
    largest[g] = std::bit_cast<std::uint32_t>(found);
    of_all |= largest[g];
  }
  if ((of_all & 0x7f800000) != 0x7f800000) return;
  for (unsigned g = 0; g < Groups; ++g) {  // infinity may be among them
    largest[g] = 0;
    for (unsigned k = 0; k < Count; ++k) {
      const std::uint32_t here = detail::finite_magnitude(x[g * GroupStride + k * Stride]);
      largest[g] = largest[g] > here ? largest[g] : here;
    }
  }
}
/// Of all in an array.
template <std::size_t Count>
BINADE_HD BINADE_ALWAYS_INLINE std::uint32_t largest_magnitude(const float (&x)[Count]) {
  std::uint32_t largest[1];
  largest_magnitudes<1, 0, unsigned(Count), 1>(x, largest);
  return largest[0];
}

}  // namespace binade::cuda
