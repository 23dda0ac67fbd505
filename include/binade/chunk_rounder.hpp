#pragma once
// Chunks of an array to the grid of a quantizer, by the scales that lie beside them.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "binade/array_rounder.hpp"
#include "binade/group_scales.hpp"
#include "binade/noise.hpp"
#include "binade/quantize_counters.hpp"
#include "binade/quantizer.hpp"

namespace binade::detail {

/// The noise of a chunk, or null where the mode asks for none.
inline const std::uint32_t* chunk_noise(const element& e, const noise_source& source, std::size_t first,
                                        std::span<std::uint32_t> buffer) {
  if (!is_stochastic(e.rounding)) return nullptr;
  fill_noise(source, first, e.noise_bits, buffer);
  return buffer.data();
}

/// values[i] times the product of both levels' scales.
inline void multiply(const near_scales& s, float* values, std::size_t count) {
  if (s.run > 1) return lane_product(s.product, s.run, values, count);
  run_best<product_body>(s.product, s.run, values, count);
}

/// use(x / scale in parts, exact to the last bit that a rounding asks for); a zero of x's sign where the scale is 0.
template <class Use>
BINADE_HD auto with_quotient(float x, double scale, Use use) {
  if (scale == 0 && x == x) return use(unpack(std::bit_cast<std::uint32_t>(x) >> 31 != 0 ? -0.0 : 0.0));
  if (x - x != 0 || scale != scale) return use(unpack(double(x) / scale));
  return use(exact_quotient(unpack(double(x)), unpack(scale)));
}

/// Quotients rounded with stochastic_a: on the grid of an element, which goes on beyond its largest value.
struct stochastic_grid {
  std::uint64_t lowest, cap;  ///< bits of float64: the smallest normal value, and what a larger quotient counts as
  std::uint64_t trailing, per_ulp;  ///< ulp = binade - trailing, and 2^N / ulp = per_ulp - binade, N the noise bits
  double noise_unit;                ///< 2^-N

  /// True if it can be made: quotients and noise are added in float64, and a rounded one is a float32 of the grid,
  /// which the element rounds to itself or to what stands beyond its largest value.
  static constexpr bool covers(const element& e) {
    if (e.rounding != rounding_mode::stochastic_a || !lane_rounder::covers(e) || e.choices != conversion_choices{})
      return false;
    const float_format& f = e.format.floating;
    return f.trailing_bits() <= 12 && f.max_exponent() <= 100 && f.min_exponent() - f.trailing_bits() >= -100;
  }
  /// @pre covers(e)
  static constexpr stochastic_grid of(const element& e) {
    const float_format& f = e.format.floating;
    const auto power = [](int exponent) { return std::uint64_t(exponent + 1023) << 52; };
    return {power(f.min_exponent()), power(f.max_exponent() + 2), std::uint64_t(f.trailing_bits()) << 52,
            std::uint64_t(2 * 1023 + f.trailing_bits() + e.noise_bits) << 52,
            std::bit_cast<double>(power(-e.noise_bits))};
  }
  BINADE_ALWAYS_INLINE float rounded_quotient(float x, double s, std::uint32_t noise) const {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x), sign = bits & 0x80000000;
    const double magnitude = double(std::bit_cast<float>(bits ^ sign));
    // Cut, not rounded: no whole number of 2^-N ulps lies between the quotient and its first 53 bits.
    const double q = magnitude / s, rest = std::fma(-q, s, magnitude);
    const std::uint64_t cut = std::min(std::bit_cast<std::uint64_t>(q) - std::uint64_t(rest < 0), cap);
    const std::uint64_t binade = std::max(cut & 0x7ff0000000000000, lowest);
    const double units = std::floor(std::bit_cast<double>(cut) * std::bit_cast<double>(per_ulp - binade));
    const double ulps = std::floor((units + double(noise)) * noise_unit);
    const float finite = float(ulps * std::bit_cast<double>(binade - trailing));
    const float found = q - q == 0 ? finite : float(q), result = s == 0 && x == x ? 0.0f : found;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(result) | sign);
  }
};
/// scaled[i] = grid.rounded_quotient(x[i], scales[i / run], noise[i]).
struct stochastic_quotient_body {
  BINADE_ALWAYS_INLINE static void run(stochastic_grid grid, const float* __restrict x, const double* __restrict scales,
                                       std::size_t run, const std::uint32_t* __restrict noise, float* __restrict scaled,
                                       std::size_t count) {
    each_in_runs(scales, run, count, [=](double s, std::size_t i) BINADE_INLINE_LAMBDA {
      scaled[i] = grid.rounded_quotient(x[i], s, noise[i]);
    });
  }
};

/// True if elements are brought to the grid by one division in float32 by a scale that is neither 0 nor NaN.
constexpr bool divides_directly(const quantizer& q) {
  return q.levels < 2 && q.order == operation_order::standard && q.scalings[0].zero != zero_rule::zero &&
         q.scalings[0].nan == special_rule::element && q.scalings[0].infinity != special_rule::group;
}

/// Rounds chunks of an array by a quantizer without transforms.
class chunk_rounder {
 public:
  explicit chunk_rounder(const quantizer& q)
      : element_(q.elem), rounder_(q.elem), is_direct_(divides_directly(q)), in_float_(odd_float_suffices(q.elem)) {
    if (!in_float_ && stochastic_grid::covers(q.elem)) stochastic_ = stochastic_grid::of(q.elem);
  }

  /// values[i]: what x[i] becomes.
  /// @param streams  stores may go around the caches, as for lane_quantize()
  void quantize(const float* x, const near_scales& s, const std::uint32_t* noise, float* values, std::size_t count,
                bool streams) {
    if (is_direct_ && s.run > 1 && rounder_.lanes() != nullptr)
      return lane_quantize(*rounder_.lanes(), x, s.stored, s.inverse, s.run, noise, values, count, streams);
    elements(x, s, noise, values, count);
    if (s.stored == nullptr) return;
    if (s.product != nullptr) return multiply(s, values, count);
    lane_scale_up(s.stored, s.run, values, count);
  }
  /// values[i]: the element that x[i] becomes, not yet multiplied by its scales.
  void elements(const float* x, const near_scales& s, const std::uint32_t* noise, float* values, std::size_t count) {
    if (s.stored == nullptr) {
      rounder_.quantize(x, noise, values, count);
      return;
    }
    scale_down(x, s, noise, count);
    if (rounds_quotients(s))
      for (std::size_t i = 0; i < count; ++i)
        values[i] = with_quotient(x[i], s.product[i / s.run], [&](const auto& quotient) {
          return element_.format.visit([&](const auto& f) {
            return float(rounded_value(f, element_, quotient, noise == nullptr ? 0 : noise[i]));
          });
        });
    else
      rounder_.quantize(scaled_, noise, values, count);
  }
  /// codes[i]: the code of x[i] scaled; 0 for the NaN of a group in a format without one.
  template <class Code>
  void encode(const float* x, const near_scales& s, const std::uint32_t* noise, Code* codes, std::size_t count) {
    scale_down(x, s, noise, count);
    if (rounds_quotients(s))
      for (std::size_t i = 0; i < count; ++i)
        codes[i] = with_quotient(x[i], s.product[i / s.run], [&](const auto& quotient) {
          return Code(encode_number(element_, quotient, noise == nullptr ? 0 : noise[i]));
        });
    else
      rounder_.encode(scaled_, noise, codes, count);
    if (is_direct_ || !element_.format.refuses_nan()) return;
    for (std::size_t i = 0; i < count; ++i)
      if (s.stored[i / s.run] != s.stored[i / s.run] || scaled_[i] != scaled_[i]) codes[i] = 0;
  }
  /// Adds what quantize() was last given and gave to the counters.
  void count(counter& counts, const float* x, const near_scales& s, const float* values, std::size_t count) {
    const float* const scales = scale_of_each(s, count);
    counts.note_scales(scales, s.run >= count || s.stored == nullptr ? 1 : count);
    if (is_direct_) return counts.add(x, scales, values, count);
    if (is_rounded_by_noise(s)) run_best_fused<odd_quotient_body>(x, s.product, s.run, scaled_, count);
    counts.add_scaled(x, scales, s.stored == nullptr ? x : scaled_, values, count);
  }

 private:
  /// The quotient by the product of two scales is rounded as it is: float32 does not suffice.
  bool rounds_quotients(const near_scales& s) const {
    return s.product != nullptr && s.multiplier == nullptr && !in_float_ && !stochastic_;
  }
  /// What scale_down() leaves is rounded already.
  bool is_rounded_by_noise(const near_scales& s) const {
    return s.product != nullptr && s.multiplier == nullptr && stochastic_;
  }
  void scale_down(const float* x, const near_scales& s, const std::uint32_t* noise, std::size_t count) {
    float* const scaled = scaled_;
    if (is_direct_) return lane_scale_down(x, s.stored, s.inverse, s.run, scaled, count);
    if (s.multiplier != nullptr) return run_best<multiply_body>(x, s.multiplier, s.run, scaled, count);
    if (is_rounded_by_noise(s))
      return run_best_fused<stochastic_quotient_body>(*stochastic_, x, s.product, s.run, noise, scaled, count);
    if (s.inverse_product != nullptr) return lane_odd_quotient(x, s.product, s.inverse_product, s.run, scaled, count);
    if (s.product != nullptr) return run_best_fused<odd_quotient_body>(x, s.product, s.run, scaled, count);
    run_best<divide_body>(x, s.stored, s.run, scaled, count);
  }

  /// The scale of every element; of two levels their product in float32.
  const float* scale_of_each(const near_scales& s, std::size_t count) {
    if (s.product == nullptr && s.run == 1 && s.stored != nullptr) return s.stored;
    if (s.stored == nullptr || s.run >= count) {
      const float only = s.stored == nullptr ? 1 : s.product == nullptr ? s.stored[0] : float(s.product[0]);
      if (only != filled_with_ || filled_ < count) std::fill_n(scales_, count, only);
      filled_ = only == filled_with_ ? std::max(filled_, count) : count;
      filled_with_ = only;
      return scales_;
    }
    filled_ = 0;
    for (std::size_t begin = 0, group = 0; begin < count; begin += s.run, ++group) {
      const float scale = s.product == nullptr ? s.stored[group] : float(s.product[group]);
      std::fill_n(scales_ + begin, std::min(s.run, count - begin), scale);
    }
    return scales_;
  }

  element element_;
  array_rounder rounder_;
  bool is_direct_, in_float_;
  std::optional<stochastic_grid> stochastic_ = {};  ///< where float32 does not suffice
  float filled_with_ = 0;                           // what the first filled_ of scales_ are
  std::size_t filled_ = 0;
  float scaled_[scaled_walk::longest], scales_[scaled_walk::longest];
};

}  // namespace binade::detail
