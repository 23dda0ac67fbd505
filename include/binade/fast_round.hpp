#pragma once
// Rounding float32 to a format's grid without branches, eight or sixteen lanes at a time: equal to round() and
// encode(), beside which it stands.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "binade/codec.hpp"
#include "binade/versions.hpp"

namespace binade {

/// The constants of a branch-free conversion from float32, worked out once per element.
///
/// A magnitude's float32 bits, shifted right by the trailing bits that the format lacks, are its code but for an
/// offset (the difference of the biases); the bits shifted out are the tail.  Below the smallest normal value of the
/// format the significand is shifted further, to the fixed quantum there, and the code is the result itself.  All of
/// it is 32-bit integer arithmetic; the codes of these formats stay below 2^31 even where the grid continues.
class fast_rounder {
 public:
  /// True if float32 lanes suffice: a signed format of at most 32 bits with zero and subnormals, whose values float32
  /// holds as normal numbers, or whose subnormals are float32's own range; a NaN keeps no payload.
  static constexpr bool covers(const element& e) {
    if (e.format.kind != format_kind::floating) return false;
    const float_format& f = e.format.floating;
    const int lowest = f.min_exponent();
    return f.is_signed && f.has_zero && f.has_subnormals && f.width <= 32 && f.fits_float() && lowest <= 127 &&
           e.choices.nan != nan_rule::payload && (lowest == -126 || lowest - f.trailing_bits() >= -126);
  }

  /// @pre covers(e)
  constexpr explicit fast_rounder(const element& e) : fast_rounder(e, e.format.floating) {}

  /// round(e, x, noise) as bits.  @pre noise < 2^noise_bits
  template <rounding_mode Mode>
  BINADE_HD BINADE_ALWAYS_INLINE constexpr std::uint32_t value(std::uint32_t x, std::uint32_t noise) const {
    const std::uint32_t sign = x & 0x80000000, magnitude = x ^ sign, code = code_on_grid<Mode>(magnitude, sign, noise);
    // A code below the normal ones counts quanta: its conversion to float is exact, and so is the scaling by a
    // power of two in the exponent field, because every value is a normal float32.
    const std::uint32_t counted = std::bit_cast<std::uint32_t>(float(std::int32_t(code))) + quantum_;
    const std::uint32_t fixed = choose(code == 0, 0, counted);
    std::uint32_t bits = choose(code < fixed_codes_, fixed, (code + offset_) << shift_);
    bits |= sign & choose(code == 0, zero_sign_, 0x80000000);
    bits = choose(code > largest_code_, choose(sign != 0, beyond_value_[1], beyond_value_[0]), bits);
    bits = choose(magnitude == infinity, choose(sign != 0, infinite_value_[1], infinite_value_[0]), bits);
    return choose(magnitude > infinity, canonical_nan, bits);
  }

  /// encode(e, x, noise).  @pre noise < 2^noise_bits
  template <rounding_mode Mode>
  BINADE_HD BINADE_ALWAYS_INLINE constexpr std::uint32_t code(std::uint32_t x, std::uint32_t noise) const {
    const std::uint32_t sign = x & 0x80000000, magnitude = x ^ sign;
    std::uint32_t code = code_on_grid<Mode>(magnitude, sign, noise);
    const std::uint32_t signed_code =
        code | choose((sign & choose(code == 0, zero_sign_, 0x80000000)) != 0, sign_code_, 0);
    code = choose(code > largest_code_, choose(sign != 0, beyond_code_[1], beyond_code_[0]), signed_code);
    code = choose(magnitude == infinity, choose(sign != 0, infinite_code_[1], infinite_code_[0]), code);
    return choose(magnitude > infinity, choose(sign != 0, nan_code_[1], nan_code_[0]), code);
  }

 private:
  constexpr fast_rounder(const element& e, const float_format& f)
      : shift_(std::uint32_t(23 - f.trailing_bits())),
        lowest_field_(std::uint32_t(f.min_exponent() + 127)),
        offset_((lowest_field_ - 1) << f.trailing_bits()),
        fixed_below_(lowest_field_ == 1 ? 0 : lowest_field_ << 23),
        fixed_codes_(lowest_field_ == 1 ? 0 : std::uint32_t(f.leading())),
        quantum_(std::uint32_t(f.min_exponent() - f.trailing_bits()) << 23),
        largest_code_(std::uint32_t(f.max_finite_code())),
        flush_below_(e.subnormals == subnormal_rule::flush_inputs ? lowest_field_ << 23 : 0),
        flush_codes_(e.subnormals == subnormal_rule::flush_results ? std::uint32_t(f.leading()) : 0),
        zero_sign_(f.has_negative_zero ? 0x80000000 : 0),
        noise_shift_(std::uint32_t(32 - e.noise_bits)) {
    for (int sign = 0; sign < 2; ++sign) {
      const detail::rounded finite = detail::beyond_largest(f, e, sign != 0, false);
      const detail::rounded infinite = detail::beyond_largest(f, e, sign != 0, true);
      beyond_value_[sign] = value_bits(f, finite);
      infinite_value_[sign] = value_bits(f, infinite);
      beyond_code_[sign] = std::uint32_t(detail::code_of(f, finite));
      infinite_code_[sign] = std::uint32_t(detail::code_of(f, infinite));
      nan_code_[sign] = std::uint32_t(detail::code_of(f, detail::nan_result(f, e, sign != 0, 0)));
    }
    sign_code_ = std::uint32_t(f.sign_bit());
  }

  static constexpr std::uint32_t infinity = 0x7f800000, canonical_nan = 0x7fc00000;

  /// c ? a : b as arithmetic: a conditional expression becomes a branch in front of g++ 12's vectorizer.
  BINADE_HD BINADE_ALWAYS_INLINE static constexpr std::uint32_t choose(bool c, std::uint32_t a, std::uint32_t b) {
    return b ^ ((a ^ b) & (0 - std::uint32_t(c)));
  }

  BINADE_HD static constexpr std::uint32_t value_bits(const float_format& f, const detail::rounded& r) {
    return r.kind == detail::result_kind::nan ? canonical_nan
                                              : std::bit_cast<std::uint32_t>(decode<float>(f, detail::code_of(f, r)));
  }

  /// The magnitude's code, the grid continued above the largest finite one.
  template <rounding_mode Mode>
  BINADE_HD BINADE_ALWAYS_INLINE constexpr std::uint32_t code_on_grid(std::uint32_t magnitude, std::uint32_t sign,
                                                                      std::uint32_t noise) const {
    const std::uint32_t a = choose(magnitude < flush_below_, 0, magnitude);
    const std::uint32_t kept = (a >> shift_) - offset_, tail = (a << 1) << (31 - shift_);
    const std::uint32_t normal = kept + goes_up<Mode>(tail, 0, kept & 1, sign, noise);
    const std::uint32_t code = choose(a < fixed_below_, fixed_code<Mode>(a, sign, noise), normal);
    return choose(code < flush_codes_, 0, code);
  }

  /// The same for magnitudes below the smallest normal value, where the quantum is fixed; else any number.
  template <rounding_mode Mode>
  BINADE_HD BINADE_ALWAYS_INLINE constexpr std::uint32_t fixed_code(std::uint32_t a, std::uint32_t sign,
                                                                    std::uint32_t noise) const {
    const std::uint32_t field = a >> 23, subnormal = std::uint32_t(field == 0);
    const std::uint32_t significand = (a & 0x7fffff) | ((1 - subnormal) << 23);
    const std::uint32_t drop = shift_ + lowest_field_ - field - subnormal;
    // Cutting the count to 31 keeps nothing, leaves a tail below half, and 0 only for 0: all that the modes without
    // noise ask for.
    const std::uint32_t near = choose(drop < 31, drop, 31), kept = significand >> near;
    std::uint32_t tail = (significand << 1) << (31 - near), low_tail = 0;
    if constexpr (is_stochastic(Mode)) {
      // From 32 on the tail continues downward; beyond 63 nu < 2^-39, too little to be seen by 32 bits and one more.
      const std::uint32_t far = choose(drop < 63, drop, 63) - choose(drop > 31, 32, drop);
      tail = choose(drop > 31, significand >> far, tail);
      low_tail = choose(drop > 31, (significand << 1) << (31 - far), 0);
    }
    return kept + goes_up<Mode>(tail, low_tail, kept & 1, sign, noise);
  }

  /// rounds_away() on a tail of 32 bits, and 32 more in the stochastic modes.
  template <rounding_mode Mode>
  BINADE_HD BINADE_ALWAYS_INLINE constexpr std::uint32_t goes_up(std::uint32_t tail, std::uint32_t low_tail,
                                                                 std::uint32_t odd, std::uint32_t sign,
                                                                 std::uint32_t noise) const {
    constexpr std::uint32_t half = 0x80000000;
    if constexpr (Mode == rounding_mode::nearest_even) return std::uint32_t(tail > half - odd);
    if constexpr (Mode == rounding_mode::nearest_away) return tail >> 31;
    if constexpr (Mode == rounding_mode::toward_zero) return 0;
    if constexpr (Mode == rounding_mode::up) return std::uint32_t(tail != 0) & ~(sign >> 31);
    if constexpr (Mode == rounding_mode::down) return std::uint32_t(tail != 0) & (sign >> 31);
    if constexpr (Mode == rounding_mode::to_odd) return std::uint32_t(tail != 0) & ~odd;
    // The noise at the top of 32 bits: what lies below its lowest bit cannot carry into it.
    const std::uint32_t top = noise << noise_shift_;
    if constexpr (Mode == rounding_mode::stochastic_a) return std::uint32_t(tail + top < tail);
    // What lies below the noise is first rounded into its lowest bit: half up, or to even.
    const std::uint32_t whole = 0 - std::uint32_t(noise_shift_ == 0), unit = std::uint32_t(1) << noise_shift_;
    const std::uint32_t rest = (low_tail & whole) | ((tail << 1) << (31 - noise_shift_) & ~whole);
    std::uint32_t carry = rest >> 31;
    if constexpr (Mode == rounding_mode::stochastic_c)
      carry &= std::uint32_t(((rest << 1) | (tail & unit) | (low_tail & ~whole)) != 0);
    const std::uint32_t rounded = (tail & (0 - unit)) + (carry << noise_shift_);
    return (carry & std::uint32_t(rounded == 0)) | std::uint32_t(rounded + top < rounded);
  }

  std::uint32_t shift_, lowest_field_, offset_, fixed_below_, fixed_codes_, quantum_, largest_code_;
  std::uint32_t flush_below_, flush_codes_, zero_sign_, noise_shift_;
  std::uint32_t beyond_value_[2] = {}, infinite_value_[2] = {}, beyond_code_[2] = {}, infinite_code_[2] = {},
                nan_code_[2] = {};
  std::uint32_t sign_code_ = 0;
};

namespace detail {

/// values[i] = round(x[i]); a NaN is the canonical one.
template <rounding_mode Mode>
struct quantize_body {
  BINADE_ALWAYS_INLINE static void run(const fast_rounder* prepared, const float* __restrict x,
                                       const std::uint32_t* __restrict noise, float* __restrict values,
                                       std::size_t count) {
    const fast_rounder rounder = *prepared;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(x[i]), r = is_stochastic(Mode) ? noise[i] : 0;
      values[i] = std::bit_cast<float>(rounder.value<Mode>(bits, r));
    }
  }
};

/// codes[i] = encode(x[i]).
template <rounding_mode Mode>
struct encode_body {
  BINADE_ALWAYS_INLINE static void run(const fast_rounder* prepared, const float* __restrict x,
                                       const std::uint32_t* __restrict noise, std::uint32_t* __restrict codes,
                                       std::size_t count) {
    const fast_rounder rounder = *prepared;
    for (std::size_t i = 0; i < count; ++i)
      codes[i] = rounder.code<Mode>(std::bit_cast<std::uint32_t>(x[i]), is_stochastic(Mode) ? noise[i] : 0);
  }
};

/// Calls visit with the mode as a compile-time constant.
template <class Visit>
void with_mode(rounding_mode mode, Visit visit) {
  switch (mode) {
    case rounding_mode::nearest_even:
      return visit.template operator()<rounding_mode::nearest_even>();
    case rounding_mode::nearest_away:
      return visit.template operator()<rounding_mode::nearest_away>();
    case rounding_mode::toward_zero:
      return visit.template operator()<rounding_mode::toward_zero>();
    case rounding_mode::up:
      return visit.template operator()<rounding_mode::up>();
    case rounding_mode::down:
      return visit.template operator()<rounding_mode::down>();
    case rounding_mode::to_odd:
      return visit.template operator()<rounding_mode::to_odd>();
    case rounding_mode::stochastic_a:
      return visit.template operator()<rounding_mode::stochastic_a>();
    case rounding_mode::stochastic_b:
      return visit.template operator()<rounding_mode::stochastic_b>();
    case rounding_mode::stochastic_c:
      return visit.template operator()<rounding_mode::stochastic_c>();
  }
}

/// values[i] = round(e, x[i], noise[i]).
/// @param noise  null unless the mode is stochastic   @pre covers(e); the arrays do not overlap
inline void fast_quantize(const fast_rounder& rounder, rounding_mode mode, const float* x, const std::uint32_t* noise,
                          float* values, std::size_t count) {
  with_mode(mode, [&]<rounding_mode Mode>() { run_best<quantize_body<Mode>>(&rounder, x, noise, values, count); });
}

/// codes[i] = encode(e, x[i], noise[i]).  As above.
inline void fast_encode(const fast_rounder& rounder, rounding_mode mode, const float* x, const std::uint32_t* noise,
                        std::uint32_t* codes, std::size_t count) {
  with_mode(mode, [&]<rounding_mode Mode>() { run_best<encode_body<Mode>>(&rounder, x, noise, codes, count); });
}

}  // namespace detail

}  // namespace binade
