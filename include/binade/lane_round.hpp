#pragma once
// Rounding float32 to nearest even or with stochastic_a, and codes back to float32, a vector at a time at the speed of
// memory: equal to round(), encode() and decode(), beside which it stands.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "binade/codec.hpp"
#include "binade/lanes.hpp"

namespace binade {

/// q * s in float32, the value of an element on the grid and its scale.  A NaN is the positive quiet one on every
/// processor (their multiplications differ in which NaN they deliver).
BINADE_HD BINADE_ALWAYS_INLINE constexpr float rescaled(float q, float s) {
  const float product = q * s;
  return product == product ? product : std::numeric_limits<float>::quiet_NaN();
}

}  // namespace binade

namespace binade::detail {

/// The same with the exact product rounded once.
BINADE_HD BINADE_ALWAYS_INLINE float rescaled_exactly(float q, double s) {
  const float product = float(double(q) * s);
  return product == product ? product : std::numeric_limits<float>::quiet_NaN();
}

/// x / s to odd in float32, which one more rounding takes to what the exact quotient gives; a zero of x's sign where s
/// is 0.  @pre s is NaN, or 0, or from 2^-300 to 2^300
BINADE_HD BINADE_ALWAYS_INLINE float odd_float_quotient(float x, double s) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x), sign = bits & 0x80000000;
  const double magnitude = double(std::bit_cast<float>(bits ^ sign));
  const double q = magnitude / s;
  const float near = float(q);
  // How far the quotient is from near: first what the cut to float32 took, then what the division rounded.  Both are
  // NaN where x or s is, and where q is infinite: no step then.
  const double cut = q - double(near), rest = std::fma(-q, s, magnitude);
  const double beyond = cut != 0 ? cut : rest;
  const std::uint32_t found = std::bit_cast<std::uint32_t>(near), even = ~found & 1;
  const std::uint32_t up = std::uint32_t(beyond > 0) & even, down = std::uint32_t(beyond < 0) & even;
  // A finite quotient beyond float32 is its largest number, which is odd.
  const std::uint32_t odd = found == 0x7f800000 && magnitude < 0x1p128 ? 0x7f7fffff : found + up - down;
  const std::uint32_t result = magnitude != magnitude || s != 0 ? odd : 0;
  return std::bit_cast<float>(result | sign);
}

/// How a magnitude is rounded to a multiple of its ulp.
enum class lane_way : std::uint8_t {
  nearest_by_addition,  ///< with a power of two added that has this ulp
  nearest_in_place,     ///< in the float32 bits, where the format has float32's exponents
  stochastic_by_addition,
  stochastic_in_place,
  directed_by_addition,      ///< toward zero, up and down
  by_threshold_by_addition,  ///< the other modes: up where what is cut exceeds a threshold, by sign or parity
  by_threshold_in_place
};
BINADE_HD constexpr bool is_by_addition(lane_way w) {
  return w == lane_way::nearest_by_addition || w == lane_way::stochastic_by_addition ||
         w == lane_way::directed_by_addition || w == lane_way::by_threshold_by_addition;
}
BINADE_HD constexpr bool is_stochastic(lane_way w) {
  return w == lane_way::stochastic_by_addition || w == lane_way::stochastic_in_place;
}
BINADE_HD constexpr bool is_nearest(lane_way w) {
  return w == lane_way::nearest_by_addition || w == lane_way::nearest_in_place;
}
/// True for the ways of a recipe's arrays, which have a loop for every ending and with scales.
BINADE_HD constexpr bool is_nearest_or_stochastic(lane_way w) {
  return is_nearest(w) || is_stochastic(w);
}

/// What becomes of magnitudes beyond the largest finite value.
enum class lane_ending : std::uint8_t {
  saturates,  ///< they are the largest value of their sign
  alike,      ///< another value, the same for both signs and for infinities
  saturates_without_negative_zero,
  by_sign  ///< each sign, and infinities, have their own; and there may be no -0
};
BINADE_HD constexpr bool has_sign_of_zero(lane_ending e) {
  return e == lane_ending::saturates || e == lane_ending::alike;
}

/// The constants of a conversion.
///
/// By addition: a magnitude of binade e is added to 2^(e + 23 - t), t being the trailing bits of the format, whose ulp
/// in float32 is the format's; below the smallest normal value e stays.  So float32 addition itself rounds to nearest
/// even.  The sum holds the code's trailing bits, and is even where the code is.  Subtraction is exact.
struct lane_rounder {
  static constexpr std::uint32_t canonical_nan = 0x7fc00000;

  lane_way way;
  lane_ending ending;
  std::uint32_t cap;                     ///< what a larger magnitude rounds as
  std::uint32_t lowest, magic;           ///< by addition: bits of the smallest normal value; adder - binade
  std::uint32_t tail_scale;              ///< by addition: tail_scale - binade is 2^32 / ulp
  std::uint32_t half, keep;              ///< in place: just below half an ulp, and the bits that stay
  std::uint32_t largest, largest_code;   ///< the largest finite value, as bits of float32 and as a code
  std::uint32_t beyond[2], infinite[2];  ///< by sign: bits of what stands for larger numbers, and for infinities
  std::uint32_t beyond_code[2], infinite_code[2], nan_code[2];
  std::uint32_t zero_sign;  ///< 0x80000000 if -0 stays
  /// By threshold: the bits of x and of the magnitude cut off that select the second threshold where one of them is
  /// set.
  std::uint32_t selecting_sign = 0, selecting_parity = 0;
  std::uint32_t threshold[2] = {};  ///< in place in ulps of float32; by addition in binades, as bits of float32
  /// Directed: away from zero where bits of x, the sign turned, are below this as signed integers.
  std::uint32_t away_below = 0, turned = 0;
  int shift, sign_shift, noise_shift;

  /// True if it can be made: into a signed format of at most 32 bits with zero and gradual subnormals.
  static constexpr bool covers(const element& e) {
    const bool stochastic = e.rounding == rounding_mode::stochastic_a;
    if (e.format.kind != format_kind::floating || (is_stochastic(e.rounding) && !stochastic) ||
        e.subnormals != subnormal_rule::gradual || e.choices.nan == nan_rule::payload)
      return false;
    const float_format& f = e.format.floating;
    const int trailing = f.trailing_bits(), lowest_field = f.min_exponent() + 127;
    // Without trailing bits a tie would go to the even sum, which is not the even code.
    if (!f.is_signed || !f.has_zero || !f.has_subnormals || f.width > 32 || !f.fits_float() || trailing < 1 ||
        trailing > 22)
      return false;
    if (lowest_field == 1) return true;
    if (stochastic && lowest_field < 32 + trailing) return false;  // 2^32 / ulp is a float32 number
    // Half an ulp and the number below it are float32 numbers with all bits.
    return f.max_exponent() + 24 - trailing <= 127 && lowest_field - trailing >= 3;
  }

  /// @pre covers(e)
  constexpr explicit lane_rounder(const element& e) : lane_rounder(e, e.format.floating) {}

  /// True if the loops with scales have this way and ending.
  constexpr bool takes_scales() const { return is_nearest_or_stochastic(way) && has_sign_of_zero(ending); }
  constexpr bool saturates() const { return ending == lane_ending::saturates; }

 private:
  constexpr lane_rounder(const element& e, const float_format& f)
      : way(way_of(e, f)),
        ending(lane_ending::by_sign),
        cap(0),
        lowest(std::uint32_t(f.min_exponent() + 127) << 23),
        magic(std::uint32_t(23 - f.trailing_bits()) << 23),
        tail_scale(std::uint32_t(2 * 127 + 32 + f.trailing_bits()) << 23),
        half((std::uint32_t(1) << (22 - f.trailing_bits())) - 1),
        keep(0 - (std::uint32_t(1) << (23 - f.trailing_bits()))),
        largest(std::bit_cast<std::uint32_t>(decode<float>(f, f.max_finite_code()))),
        largest_code(std::uint32_t(f.max_finite_code())),
        beyond{},
        infinite{},
        beyond_code{},
        infinite_code{},
        nan_code{},
        zero_sign(f.has_negative_zero ? 0x80000000 : 0),
        shift(23 - f.trailing_bits()),
        sign_shift(32 - f.width),
        noise_shift(32 - e.noise_bits) {
    for (const int sign : {0, 1}) {
      const rounded finite = beyond_largest(f, e, sign != 0, false), infinity = beyond_largest(f, e, sign != 0, true);
      beyond[sign] = value_bits(f, finite);
      infinite[sign] = value_bits(f, infinity);
      beyond_code[sign] = std::uint32_t(code_of(f, finite));
      infinite_code[sign] = std::uint32_t(code_of(f, infinity));
      nan_code[sign] = std::uint32_t(code_of(f, nan_result(f, e, sign != 0, 0)));
    }
    constexpr std::uint32_t sign_bit = 0x80000000;
    const bool is_alike = beyond[0] < sign_bit && beyond[0] == infinite[0] && beyond[1] == (beyond[0] | sign_bit) &&
                          infinite[1] == beyond[1];
    if (is_alike && beyond[0] == largest) {
      if (f.has_negative_zero)
        ending = lane_ending::saturates;
      else if (way == lane_way::nearest_by_addition)
        ending = lane_ending::saturates_without_negative_zero;
    } else if (is_alike && f.has_negative_zero && is_nearest_or_stochastic(way)) {
      ending = lane_ending::alike;
      // Where infinity is the next step of the grid, numbers saturate there.
      if (!is_by_addition(way) && beyond_code[0] == largest_code + 1) {
        ending = lane_ending::saturates;
        largest = beyond[0];
        largest_code = beyond_code[0];
      }
    }
    // Of what is too large, the next power of two is the nearest grid point beyond the largest value.
    if (saturates() || ending == lane_ending::saturates_without_negative_zero)
      cap = largest;
    else
      cap = is_by_addition(way) ? std::uint32_t(f.max_exponent() + 1 + 127) << 23 : 0x7f800000;
    if (is_nearest_or_stochastic(way)) return;
    if (e.rounding == rounding_mode::up) turned = sign_bit;
    if (e.rounding == rounding_mode::toward_zero) away_below = sign_bit;
    for (const int second : {0, 1}) threshold[second] = threshold_of(e.rounding, second != 0);
    if (e.rounding == rounding_mode::up || e.rounding == rounding_mode::down) selecting_sign = sign_bit;
    if (e.rounding == rounding_mode::to_odd) selecting_parity = is_by_addition(way) ? 1 : ~keep + 1;
  }
  static constexpr std::uint32_t value_bits(const float_format& f, const rounded& r) {
    return r.kind == result_kind::nan ? canonical_nan : std::bit_cast<std::uint32_t>(decode<float>(f, code_of(f, r)));
  }
  static constexpr lane_way way_of(const element& e, const float_format& f) {
    const bool in_place = f.min_exponent() == -126;
    if (e.rounding == rounding_mode::nearest_even)
      return in_place ? lane_way::nearest_in_place : lane_way::nearest_by_addition;
    if (e.rounding == rounding_mode::stochastic_a)
      return in_place ? lane_way::stochastic_in_place : lane_way::stochastic_by_addition;
    if (in_place) return lane_way::by_threshold_in_place;
    const bool by_threshold = e.rounding == rounding_mode::nearest_away || e.rounding == rounding_mode::to_odd;
    return by_threshold ? lane_way::by_threshold_by_addition : lane_way::directed_by_addition;
  }
  /// What a tail must exceed: nothing, anything, or what is just below half an ulp.
  constexpr std::uint32_t threshold_of(rounding_mode mode, bool second) const {
    const std::uint32_t never = is_by_addition(way) ? 0x3f800000 : 0x7fffffff;
    switch (mode) {
      case rounding_mode::nearest_away:
        return is_by_addition(way) ? (std::uint32_t(127 - (24 - shift)) << 23) - 1 : half;
      case rounding_mode::up:
        return second ? never : 0;
      case rounding_mode::down:
        return second ? 0 : never;
      case rounding_mode::to_odd:
        return second ? never : 0;
      default:
        return never;
    }
  }
};

/// The constants of a conversion back.
struct lane_decoder {
  static constexpr std::uint32_t canonical_nan = 0x7fc00000;

  std::uint32_t magnitude_mask;
  std::uint32_t base;            ///< bits of half the smallest normal value
  std::uint32_t last_subnormal;  ///< -1 where float32 has the same subnormals
  std::uint32_t largest_code;
  std::uint32_t last_number;  ///< the largest magnitude that is no NaN: infinity's, if there is one
  std::uint32_t nan_code;     ///< a NaN in the place of -0, or no code
  int shift, sign_shift;

  /// True if it can be made: for a signed format of at most 16 bits with zero and subnormals whose values are normal
  /// float32 numbers, or that has float32's exponents.
  static constexpr bool covers(const number_format& format) {
    if (format.kind != format_kind::floating) return false;
    const float_format& f = format.floating;
    return f.is_signed && f.has_zero && f.has_subnormals && f.width <= 16 && f.fits_float() && f.trailing_bits() >= 0 &&
           (f.min_exponent() == -126 || f.min_exponent() - f.trailing_bits() >= -126);
  }
  /// @pre covers(f)
  constexpr explicit lane_decoder(const float_format& f)
      : magnitude_mask(std::uint32_t(f.magnitude_mask())),
        base(std::uint32_t(f.min_exponent() + 126) << 23),
        last_subnormal(f.min_exponent() == -126 ? ~std::uint32_t(0) : std::uint32_t(f.subnormals_end()) - 1),
        largest_code(std::uint32_t(f.max_finite_code())),
        last_number(largest_code + std::uint32_t(f.has_infinity)),
        nan_code(f.has_negative_zero ? ~std::uint32_t(0) : std::uint32_t(f.sign_bit())),
        shift(23 - f.trailing_bits()),
        sign_shift(32 - f.width) {}
};

#define BINADE_LANE BINADE_HD BINADE_ALWAYS_INLINE
#define BINADE_LOOP inline
namespace lanes_1 {
#include "binade/lane_loops.inc"
}
#undef BINADE_LANE
#undef BINADE_LOOP
#define BINADE_LOOPS "binade/lane_loops.inc"
#include "binade/wide_loops.inc"

/// Calls visit with way and ending as compile-time constants.
template <class Visit>
void with_way(const lane_rounder& r, Visit visit) {
  using enum lane_way;
  const auto with = [&]<lane_way Way>() {
    if (r.ending == lane_ending::saturates) return visit.template operator()<Way, lane_ending::saturates>();
    if constexpr (is_nearest_or_stochastic(Way))
      if (r.ending == lane_ending::alike) return visit.template operator()<Way, lane_ending::alike>();
    if constexpr (Way == nearest_by_addition)
      if (r.ending == lane_ending::saturates_without_negative_zero)
        return visit.template operator()<Way, lane_ending::saturates_without_negative_zero>();
    visit.template operator()<Way, lane_ending::by_sign>();
  };
  switch (r.way) {
    case nearest_by_addition:
      return with.template operator()<nearest_by_addition>();
    case nearest_in_place:
      return with.template operator()<nearest_in_place>();
    case stochastic_by_addition:
      return with.template operator()<stochastic_by_addition>();
    case stochastic_in_place:
      return with.template operator()<stochastic_in_place>();
    case directed_by_addition:
      return with.template operator()<directed_by_addition>();
    case by_threshold_by_addition:
      return with.template operator()<by_threshold_by_addition>();
    case by_threshold_in_place:
      return with.template operator()<by_threshold_in_place>();
  }
}
/// The same for loops with scales.  @pre r.takes_scales()
template <class Visit>
void with_scaled_way(const lane_rounder& r, Visit visit) {
  using enum lane_way;
  const auto with = [&]<lane_way Way>() {
    r.saturates() ? visit.template operator()<Way, true>() : visit.template operator()<Way, false>();
  };
  switch (r.way) {
    case nearest_by_addition:
      return with.template operator()<nearest_by_addition>();
    case nearest_in_place:
      return with.template operator()<nearest_in_place>();
    case stochastic_by_addition:
      return with.template operator()<stochastic_by_addition>();
    default:
      return with.template operator()<stochastic_in_place>();
  }
}

/// values[i] = round(e, x[i], noise[i]); values may be x.
/// @param noise    null unless the rounding is stochastic
/// @param streams  stores go around the caches: values is not x then, and of an array that they do not hold
inline void lane_quantize(const lane_rounder& r, const float* x, const std::uint32_t* noise, float* values,
                          std::size_t count, bool streams = false) {
  with_way(r, [&]<lane_way Way, lane_ending Ending>() {
    std::size_t done = 0;
#ifdef BINADE_WIDE_256
    if (vector_bits() >= 512)
      done = lanes_16::lane_quantize<Way, Ending>(r, x, noise, values, count, streams);
    else if (vector_bits() >= 256)
      done = lanes_8::lane_quantize<Way, Ending>(r, x, noise, values, count, streams);
#endif
    if (done == 0) lanes_1::lane_quantize<Way, Ending>(r, x, noise, values, count, streams);
  });
}
/// codes[i] = encode(e, x[i], noise[i]).  Returns true if x has a NaN, and perhaps if it has not.
template <class Code>
bool lane_encode(const lane_rounder& r, const float* x, const std::uint32_t* noise, Code* codes, std::size_t count) {
  bool may_have_nan = false;
  with_way(r, [&]<lane_way Way, lane_ending Ending>() {
    std::size_t done = 0;
#ifdef BINADE_WIDE_256
    if (vector_bits() >= 512)
      done = lanes_16::lane_encode<Way, Ending>(r, x, noise, codes, count, may_have_nan);
    else if (vector_bits() >= 256)
      done = lanes_8::lane_encode<Way, Ending>(r, x, noise, codes, count, may_have_nan);
#endif
    if (done == 0) lanes_1::lane_encode<Way, Ending>(r, x, noise, codes, count, may_have_nan);
  });
  return may_have_nan;
}
/// values[i] = decode(f, codes[i]); Code has at most 16 bits.
template <class Code>
void lane_decode(const lane_decoder& d, const Code* codes, float* values, std::size_t count) {
  std::size_t done = 0;
#ifdef BINADE_WIDE_256
  if (vector_bits() >= 512)
    done = lanes_16::lane_decode(d, codes, values, count);
  else if (vector_bits() >= 256)
    done = lanes_8::lane_decode(d, codes, values, count);
#endif
  lanes_1::lane_decode(d, codes + done, values + done, count - done);
}
/// values[i] = round(e, x[i] / s, noise[i]) s with s = scale[i / run]; values may be x.
/// @param inverse  1 / s, where all of these are exact; else null   @param streams  as above
inline void lane_quantize(const lane_rounder& r, const float* x, const float* scale, const float* inverse,
                          std::size_t run, const std::uint32_t* noise, float* values, std::size_t count, bool streams) {
  streams = streams && run % 4 == 0 && takes_streamed_parts(values);
  with_scaled_way(r, [&]<lane_way Way, bool Saturates>() {
    const auto loop = [&]<bool HasInverse, std::size_t Run>() {
#ifdef BINADE_WIDE_256
      if (vector_bits() >= 512)
        return lanes_16::lane_quantize_scaled<Way, Saturates, HasInverse, Run>(r, x, scale, inverse, run, noise, values,
                                                                               count, streams);
      if (vector_bits() >= 256)
        return lanes_8::lane_quantize_scaled<Way, Saturates, HasInverse, Run>(r, x, scale, inverse, run, noise, values,
                                                                              count, streams);
#endif
      lanes_1::lane_quantize_scaled<Way, Saturates, HasInverse, Run>(r, x, scale, inverse, run, noise, values, count,
                                                                     streams);
    };
    if (inverse == nullptr) return loop.template operator()<false, 0>();
    if constexpr (is_by_addition(Way)) {  // the blocks of the MX formats deserve loops of known length
      if (run == 32 && count % 32 == 0) return loop.template operator()<true, 32>();
      if (run == 16 && count % 16 == 0) return loop.template operator()<true, 16>();
    }
    loop.template operator()<true, 0>();
  });
}

/// scaled[i] = x[i] / s with s = scale[i / run].  @param inverse  1 / s, where all of these are exact; else null
inline void lane_scale_down(const float* x, const float* scale, const float* inverse, std::size_t run, float* scaled,
                            std::size_t count) {
  const auto loop = [&]<bool HasInverse>() {
#ifdef BINADE_WIDE_256
    if (vector_bits() >= 512) return lanes_16::lane_scale_down<HasInverse>(x, scale, inverse, run, scaled, count);
    if (vector_bits() >= 256) return lanes_8::lane_scale_down<HasInverse>(x, scale, inverse, run, scaled, count);
#endif
    lanes_1::lane_scale_down<HasInverse>(x, scale, inverse, run, scaled, count);
  };
  inverse != nullptr ? loop.template operator()<true>() : loop.template operator()<false>();
}
/// values[i] = rescaled(values[i], scale[i / run]).
inline void lane_scale_up(const float* scale, std::size_t run, float* values, std::size_t count) {
#ifdef BINADE_WIDE_256
  if (vector_bits() >= 512) return lanes_16::lane_scale_up(scale, run, values, count);
  if (vector_bits() >= 256) return lanes_8::lane_scale_up(scale, run, values, count);
#endif
  lanes_1::lane_scale_up(scale, run, values, count);
}

/// scaled[i]: x[i] / scale[i / run] to odd, where short_quotients_suffice(); inverse is that of scale, rounded.
inline void lane_odd_quotient(const float* x, const double* scale, const double* inverse, std::size_t run,
                              float* scaled, std::size_t count) {
#ifdef BINADE_WIDE_256
  if (vector_bits() >= 512) return lanes_16::lane_odd_quotient(x, scale, inverse, run, scaled, count);
  if (vector_bits() >= 256) return lanes_8::lane_odd_quotient(x, scale, inverse, run, scaled, count);
#endif
  lanes_1::lane_odd_quotient(x, scale, inverse, run, scaled, count);
}
/// values[i] = rescaled_exactly(values[i], scale[i / run]).
inline void lane_product(const double* scale, std::size_t run, float* values, std::size_t count) {
#ifdef BINADE_WIDE_256
  if (vector_bits() >= 512) return lanes_16::lane_product(scale, run, values, count);
  if (vector_bits() >= 256) return lanes_8::lane_product(scale, run, values, count);
#endif
  lanes_1::lane_product(scale, run, values, count);
}

}  // namespace binade::detail
