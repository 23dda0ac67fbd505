#pragma once
// Scales on the device: found, rounded and stored by the shortest way that gives the reference's bits.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

#include "binade/group_scales.hpp"
#include "binade/lane_round.hpp"
#include "binade/scale_finder.hpp"
#include "binade/scaling.hpp"

namespace binade::cuda {

/// The codes of a scale format.  Equals encode() of its values, and decode<float>().
class scale_codec {
 public:
  explicit scale_codec(const float_format& f)
      : format_(f),
        way_(way_of(f)),
        lanes_(way_ == way::lanes ? stored_in(f) : element{ieee_format(5, 2)}),
        decoder_(way_ == way::lanes ? f : ieee_format(5, 2)) {}

  /// @pre scale is a value of the format, or NaN in one that has it
  BINADE_HD std::uint64_t code(float scale) const {
    using namespace detail::lanes_1;
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(scale);
    switch (way_) {
      case way::bits:
        return scale == scale ? bits : detail::lane_rounder::canonical_nan;
      case way::fields:
        return scale == scale ? bits >> 23 : 0xff;
      case way::lanes:
        return lane_code<detail::lane_way::nearest_by_addition, detail::lane_ending::alike>(lane_constants(lanes_),
                                                                                            scale, 0);
      case way::reference:
        break;
    }
    return encode(stored_in(format_), scale);
  }
  BINADE_HD float value(std::uint64_t code) const {
    const auto bits = std::uint32_t(code);
    switch (way_) {
      case way::bits: {
        const float scale = std::bit_cast<float>(bits);
        return scale == scale ? scale : std::bit_cast<float>(detail::lane_rounder::canonical_nan);
      }
      case way::fields:
        if (bits == 0xff) return std::bit_cast<float>(detail::lane_rounder::canonical_nan);
        return std::bit_cast<float>(bits == 0 ? 0x00400000 : bits << 23);
      case way::lanes:
        return detail::lanes_1::lane_decoded(detail::lanes_1::decoder_constants(decoder_), bits);
      case way::reference:
        break;
    }
    return decode<float>(format_, code);
  }
  bool has_lanes() const { return way_ == way::lanes; }
  /// x rounded to a value of the format, saturating.  @pre has_lanes()
  BINADE_HD float rounded(float x) const {
    using namespace detail::lanes_1;
    return lane_value<detail::lane_way::nearest_by_addition, detail::lane_ending::alike>(lane_constants(lanes_), x, 0);
  }

 private:
  enum class way : std::uint8_t { bits, fields, lanes, reference };

  BINADE_HD static constexpr element stored_in(const float_format& f) {
    return {.format = f, .overflow = overflow_rule::saturate};
  }
  static way way_of(const float_format& f) {
    if (f == float_storage) return way::bits;
    if (detail::has_fields_of_float(f)) return way::fields;
    if (!detail::lane_rounder::covers(stored_in(f)) || !detail::lane_decoder::covers(f)) return way::reference;
    const detail::lane_rounder lanes(stored_in(f));
    return lanes.takes_scales() && detail::is_by_addition(lanes.way) ? way::lanes : way::reference;
  }

  float_format format_;
  way way_;
  detail::lane_rounder lanes_;
  detail::lane_decoder decoder_;
};

/// True if a number of float32 is within `slack` ulps of a tie between numbers of `trailing` bits behind the leading
/// one, or of such numbers.  @param tie_factor  2^(10 + trailing): leaves the bits below the tie's
BINADE_HD BINADE_ALWAYS_INLINE constexpr bool is_near_tie(float x, std::uint32_t tie_factor, std::uint32_t slack) {
  return (std::bit_cast<std::uint32_t>(x) + slack) * tie_factor <= 2 * slack * tie_factor;
}
/// 1 / x, or NaN where that is no normal number: a product by it is then near a tie as well.
BINADE_HD BINADE_ALWAYS_INLINE float normal_inverse(float x) {
  const float inverse = 1 / x;
  return inverse >= std::numeric_limits<float>::min() && inverse <= std::numeric_limits<float>::max()
             ? inverse
             : std::numeric_limits<float>::quiet_NaN();
}

/// The scales of groups.  Equals scale_levels, in the standard order.
class group_scaler {
 public:
  explicit group_scaler(const quantizer& q)
      : levels_(q),
        codec_(q.scalings[0].format),
        tie_factor_(std::uint32_t(1) << (10 + std::min(q.scalings[0].format.trailing_bits(), 21))),
        way_(way_of(q)) {
    if (way_ != way::power) return;
    const scale_finder& finder = levels_.inner_finder();
    power_carry_ = finder.power_carry();
    power_offset_ = finder.power_offset();
    lowest_ = std::bit_cast<std::int32_t>(finder.lowest_power());
    highest_ = std::bit_cast<std::int32_t>(finder.highest_power());
  }

  BINADE_HD float operator()(float amax, const outer_scale& outer) const {
    const scale_finder& finder = levels_.inner_finder();
    if (way_ == way::power && finder.is_usual(amax)) {
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(amax);
      const std::uint32_t carry = std::uint32_t((bits & 0x7fffff) >= power_carry_) << 23;
      const std::int32_t scale = std::int32_t((bits & 0x7f800000) + carry) - power_offset_;
      return std::bit_cast<float>(scale < lowest_ ? lowest_ : scale > highest_ ? highest_ : scale);
    }
    if (way_ < way::float_quotient || !finder.has_quotient(amax) || outer.scale != outer.scale)
      return levels_.inner(amax, outer);
    const double divisor = finder.divisor(double(outer.scale));
    if (way_ == way::float_quotient) return finder.from_quotient(codec_.rounded(amax / float(divisor)));
    // The divisor in float32, its inverse and the product: less than 3 ulps from the quotient.
    float quotient = amax * normal_inverse(float(divisor));
    if (is_near_tie(quotient, tie_factor_, 4)) quotient = detail::odd_float_quotient(amax, divisor);
    return finder.from_quotient(codec_.rounded(quotient));
  }
  BINADE_HD const scale_codec& codec() const { return codec_; }

 private:
  enum class way : std::uint8_t { reference, power, float_quotient, quotient };

  way way_of(const quantizer& q) const {
    const scale_finder& finder = levels_.inner_finder();
    if (q.order != operation_order::standard) return way::reference;
    if (q.levels == 1 && finder.has_powers()) return way::power;
    if (!codec_.has_lanes() || !finder.rounds_quotients()) return way::reference;
    if (finder.divides_in_float()) return way::float_quotient;
    return detail::odd_float_suffices({.format = q.scalings[0].format}) ? way::quotient : way::reference;
  }

  scale_levels levels_;
  scale_codec codec_;
  std::uint32_t tie_factor_;
  way way_;
  std::uint32_t power_carry_ = 0;  ///< of the finder, and its lowest and highest power as bits
  std::int32_t power_offset_ = 0, lowest_ = 0, highest_ = 0;
};

}  // namespace binade::cuda
