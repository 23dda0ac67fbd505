#pragma once
// Running sums side by side, one lane each, rounded by the fastest way that is exact for their element.

#include <bit>
#include <cstddef>
#include <cstdint>

#include "binade/accumulator_steps.hpp"
#include "binade/fast_round.hpp"
#include "binade/group_scales.hpp"
#include "binade/versions.hpp"

namespace binade::detail {

inline constexpr element single_element = {native_format<float>}, double_element = {native_format<double>};

/// sum + rest as float32 rounded to odd, which one more rounding takes to what the exact number gives: cut toward zero,
/// and the last bit set where anything was cut off.
///
/// A magnitude of 2^128 or more becomes the largest float32, which is odd and goes where the number belongs; but in the
/// stochastic modes, where chance could keep it, infinity.
/// @param rest  what the double `sum` lacks: at most half its last place; NaN where the sum is no finite number
template <rounding_mode Mode>
BINADE_ALWAYS_INLINE std::uint32_t odd_bits(double sum, double rest) {
  constexpr std::uint64_t magnitude_mask = ~std::uint64_t(0) >> 1, infinity = std::uint64_t(0x7ff) << 52,
                          beyond_float = std::uint64_t(1023 + 128) << 52;
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(sum),
                      opposite = (std::bit_cast<std::uint64_t>(rest) ^ bits) >> 63;
  const std::uint64_t has_rest = std::uint64_t(rest < 0) | std::uint64_t(rest > 0);
  const std::uint64_t magnitude = ((bits & magnitude_mask) - (has_rest & opposite)) | has_rest;
  const float near = float(std::bit_cast<double>(magnitude));
  const std::uint64_t back = std::bit_cast<std::uint64_t>(double(near));
  std::uint32_t odd =
      (std::bit_cast<std::uint32_t>(near) - std::uint32_t(back > magnitude)) | std::uint32_t(back != magnitude);
  if constexpr (is_stochastic(Mode)) {
    const std::uint32_t is_beyond = std::uint32_t(magnitude >= beyond_float) & std::uint32_t(magnitude < infinity);
    odd += is_beyond;  // infinity is next to the largest number
  }
  return odd | std::uint32_t(bits >> 63) << 31;
}

/// sums[l] = round(terms[l] + sums[l]).
template <rounding_mode Mode>
struct odd_step_body {
  BINADE_ALWAYS_INLINE static void run(const fast_rounder* prepared, const double* __restrict terms,
                                       const std::uint32_t* __restrict noise, double* __restrict sums,
                                       std::size_t lanes) {
    const fast_rounder rounder = *prepared;
    for (std::size_t l = 0; l < lanes; ++l) {
      // sum + rest is the exact sum (Knuth's two-sum).
      const double x = terms[l], y = sums[l], sum = x + y, part = sum - x, rest = (x - (sum - part)) + (y - part);
      const std::uint32_t r = is_stochastic(Mode) ? noise[l] : 0;
      sums[l] = double(std::bit_cast<float>(rounder.value<Mode>(odd_bits<Mode>(sum, rest), r)));
    }
  }
};
/// terms[l] = round(terms[l]).
template <rounding_mode Mode>
struct odd_term_body {
  BINADE_ALWAYS_INLINE static void run(const fast_rounder* prepared, const std::uint32_t* __restrict noise,
                                       double* __restrict terms, std::size_t lanes) {
    const fast_rounder rounder = *prepared;
    for (std::size_t l = 0; l < lanes; ++l) {
      const std::uint32_t r = is_stochastic(Mode) ? noise[l] : 0;
      terms[l] = double(std::bit_cast<float>(rounder.value<Mode>(odd_bits<Mode>(terms[l], 0), r)));
    }
  }
};

/// rounded_term() and rounded_step() of every lane, by the fastest way that is exact for the element.
class sum_rounder {
 public:
  explicit sum_rounder(const element& e)
      : element_(e), way_(way_of(e)), rounder_(way_ == way::odd ? e : single_element) {}

  /// terms[l] = round(terms[l]).
  void round(double* terms, const std::uint32_t* noise, std::size_t lanes) const {
    switch (way_) {
      case way::native_double:
        return;
      case way::native_single:
        for (std::size_t l = 0; l < lanes; ++l) terms[l] = double(float(terms[l]));
        return;
      case way::odd:
        return with_mode(element_.rounding,
                         [&]<rounding_mode Mode>() { run_best<odd_term_body<Mode>>(&rounder_, noise, terms, lanes); });
      case way::scalar:
        for (std::size_t l = 0; l < lanes; ++l)
          terms[l] = rounded_term(element_, terms[l], noise == nullptr ? 0 : noise[l]);
    }
  }
  /// sums[l] = round(terms[l] + sums[l]).
  /// @param in_float  the terms are values of float32
  void step(const double* terms, double* sums, const std::uint32_t* noise, std::size_t lanes, bool in_float) const {
    if (way_ == way::native_double)
      for (std::size_t l = 0; l < lanes; ++l) sums[l] = terms[l] + sums[l];
    else if (way_ == way::native_single && in_float)
      for (std::size_t l = 0; l < lanes; ++l) sums[l] = double(float(terms[l]) + float(sums[l]));
    else if (way_ == way::odd)
      with_mode(element_.rounding,
                [&]<rounding_mode Mode>() { run_best<odd_step_body<Mode>>(&rounder_, terms, noise, sums, lanes); });
    else
      for (std::size_t l = 0; l < lanes; ++l)
        sums[l] = rounded_step(element_, terms[l], sums[l], noise == nullptr ? 0 : noise[l]);
  }

 private:
  enum class way : std::uint8_t { native_single, native_double, odd, scalar };

  /// `odd` takes what is beyond float32 for infinite in the stochastic modes, which `propagate` would tell.
  static way way_of(const element& e) {
    if (e == single_element) return way::native_single;
    if (e == double_element) return way::native_double;
    const bool tells_infinity = is_stochastic(e.rounding) && e.overflow == overflow_rule::propagate;
    const bool is_odd = odd_float_suffices(e) && fast_rounder::covers(e) && !tells_infinity &&
                        e.rounding != rounding_mode::down &&  // whose zero sum is -0
                        e.subnormals != subnormal_rule::flush_inputs;
    return is_odd ? way::odd : way::scalar;
  }

  element element_;
  way way_;
  fast_rounder rounder_;
};

}  // namespace binade::detail
