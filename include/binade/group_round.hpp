#pragma once
// Groups of neighbours with a scale each: largest magnitude, scale and rounding of a few groups at a time, at the speed
// of memory; equal to scale_levels and the loops of lane_round.hpp.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "binade/group_amax.hpp"
#include "binade/group_lanes.hpp"
#include "binade/group_scales.hpp"
#include "binade/hadamard.hpp"
#include "binade/lane_round.hpp"
#include "binade/quantizer.hpp"
#include "binade/scale_finder.hpp"

namespace binade::detail {

/// scale_finder's powers of two for usual groups: of amax bits a, the exponent field of a + to_carry less that of the
/// amax whose scale is 1.
struct group_powers {
  std::uint32_t to_carry, power_of_one;
  std::uint32_t amax_of_one;                ///< some amax whose scale is 1
  std::uint32_t lowest_amax, highest_amax;  ///< of groups that are usual, beside those of zeros
};

/// The scales of the inner one of two levels, as quotients.
struct group_quotients {
  lane_rounder scales;                  ///< to the format of the inner scale
  std::uint32_t lowest_scale = 0;       ///< bits of the smallest one
  float outer = 1;                      ///< the scale of the outer level
  float divisor = 1, divisor_rest = 0;  ///< of amax, in two parts
  float inverse = 1;                    ///< of their sum, rounded
  /// What half an ulp is below the binade, as float32 bits, and the error of a product with a rounded inverse more.
  std::uint32_t least_scale_gap = 0, least_gap = 0;

  explicit group_quotients(const element& scale) : scales(scale) {}
};

/// Columns whose scales lie in the nearest cache together.
inline constexpr std::size_t columns_together = 1024;

#define BINADE_LANE BINADE_ALWAYS_INLINE
#define BINADE_LOOP inline
namespace lanes_1 {
#include "binade/group_loops.inc"
}
#undef BINADE_LANE
#undef BINADE_LOOP
#define BINADE_LOOPS "binade/group_loops.inc"
#include "binade/wide_loops.inc"
#define BINADE_LOOPS "binade/transformed_group_loops.inc"
#include "binade/wide_loops.inc"

/// Rounds whole groups of the inner level of a quantizer, which follow each other in memory.
class group_rounder {
 public:
  /// One for groups of this size, if they are blocks of whole vectors whose scale follows from amax alone and is a
  /// power of two, or of two levels a number of few bits; and lane_rounder rounds the elements to nearest even by
  /// addition.
  /// @param outer  the scale of the outer level, if there is one
  static std::optional<group_rounder> of(const quantizer& q, std::size_t size, const outer_scale& outer = {}) {
    return size % 16 == 0 ? of_any(q, size, outer) : std::nullopt;
  }
  /// One for groups that are columns of this many rows.
  static std::optional<group_rounder> of_columns(const quantizer& q, std::size_t size, const outer_scale& outer = {}) {
    return of_any(q, size, outer);
  }

  /// to[i]: the value that x[i] becomes, or its code if To is not float; to may be x.  Returns how many NaNs got code 0
  /// because the format has none for them.
  /// @param scales   null, or where the inner scale of each group goes
  /// @param streams  stores of numbers go around the caches: to is not x then, and of an array that they do not hold
  template <class To>
  std::uint64_t operator()(const float* x, std::size_t groups, To* to, float* scales = nullptr,
                           bool streams = false) const {
    streams = streams_to(to, size_, streams);
    std::uint64_t refused = 0;
    for (std::size_t group = 0;;) {
      group += usual(x + group * size_, groups - group, to + group * size_,
                     scales == nullptr ? nullptr : scales + group, streams);
      const std::size_t here = std::min(batch, groups - group), first = group * size_, count = here * size_;
      if (here == 0) return refused;
      if (!std::is_same_v<To, float> && refuses_nan_)
        refused += std::uint64_t(std::count_if(x + first, x + first + count, [](float v) { return v != v; }));
      one_by_one(x + first, here, size_, to + first, scales == nullptr ? nullptr : scales + group);
      group += here;
    }
  }

  /// The same where each of `count` columns is a group, of `rows` rows.
  /// @param rows  size or less   @param stride  from a row to the next one   @param streams  as above
  template <class To>
  std::uint64_t columns(const float* x, std::size_t rows, std::size_t stride, std::size_t count, To* to, float* scales,
                        bool streams) const {
    streams = streams_to(to, stride, streams);
    std::uint64_t refused = 0;
    for (std::size_t i = 0; i < count;) {
      const std::size_t here = std::min(columns_together, count - i), whole = here / batch * batch;
      const auto usual = [&](std::size_t at, std::size_t some) {
        return usual_columns(x + at, rows, stride, some, to + at, scales == nullptr ? nullptr : scales + at, streams);
      };
      const std::size_t end = i + here;
      if (whole > 0 && usual(i, whole)) i += whole;
      for (; i < end; i += std::min(batch, end - i)) {
        const std::size_t some = std::min(batch, end - i);
        if (some == batch && usual(i, batch)) continue;
        for (std::size_t k = i; k < i + some; ++k)
          refused += column(x + k, rows, stride, to + k, scales == nullptr ? nullptr : scales + k);
      }
    }
    return refused;
  }

  /// Groups that are blocks of a Hadamard transform, which goes before the rounding and after it: as many as whole
  /// batches of usual groups of a size in use are; returns how many.
  /// @param flips  null, or the sign bits of one group that are flipped before the transform and after it
  /// @param to     x or memory apart from it   @param streams  as above
  std::size_t transformed([[maybe_unused]] const float* x, [[maybe_unused]] std::size_t groups,
                          [[maybe_unused]] float* to, [[maybe_unused]] const std::uint32_t* flips,
                          [[maybe_unused]] bool streams) const {
#ifdef BINADE_WIDE_256
    const auto with_size = [&]<std::size_t Size>() {
      const auto with_signs = [&]<bool HasSigns>() {
        const float scale = hadamard_scale(Size);
        const bool around = streams_to(to, Size, streams);
        if (vector_bits() >= 512)
          return lanes_16::round_transformed<Size, HasSigns>(lanes_, powers_, x, groups, to, scale, flips, around);
        return lanes_8::round_transformed<Size, HasSigns>(lanes_, powers_, x, groups, to, scale, flips, around);
      };
      return flips == nullptr ? with_signs.template operator()<false>() : with_signs.template operator()<true>();
    };
    if (vector_bits() < 256 || quotients_ || !lanes_.saturates()) return 0;
    if (size_ == 16) return with_size.template operator()<16>();
    if (size_ == 32) return with_size.template operator()<32>();
#endif
    return 0;
  }

 private:
  static constexpr std::size_t longest_group = 1024, batch = 16;
  static constexpr int scale_range = 60;  ///< scales from 2^-60 to 2^60 are usual

  /// One for groups of any size, of elements and scales as of() says.
  static std::optional<group_rounder> of_any(const quantizer& q, std::size_t size, const outer_scale& outer) {
    if (q.levels == 0 || q.order != operation_order::standard || size == 0 || size > longest_group ||
        !needs_only_amax(q.scalings[0]) || !lane_rounder::covers(q.elem))
      return std::nullopt;
    group_rounder found(q, size, outer);
    if (!found.covers(q) || (q.levels == 2 && !found.find_quotients(q))) return std::nullopt;
    return found;
  }
  group_rounder(const quantizer& q, std::size_t size, const outer_scale& outer)
      : lanes_(q.elem), levels_(q), outer_(outer), size_(size), refuses_nan_(q.elem.format.refuses_nan()) {
    const scale_finder& finder = levels_.inner_finder();
    powers_.to_carry = 0x800000 - finder.power_carry();
    powers_.power_of_one = 0x3f800000 + std::uint32_t(finder.power_offset());
    powers_.amax_of_one = finder.power_carry() == 0 ? powers_.power_of_one - 0x800000 : powers_.power_of_one;
    powers_.lowest_amax = powers_.power_of_one - (std::uint32_t(scale_range - 1) << 23);
    powers_.highest_amax = powers_.power_of_one + (std::uint32_t(scale_range - 1) << 23);
  }
  bool covers(const quantizer& q) const {
    if (lanes_.way != lane_way::nearest_by_addition || !lanes_.takes_scales() || levels_.inner(0, outer_) != 1)
      return false;
    if (q.levels == 2) return lanes_.saturates() && short_quotients_suffice(q) && scale_divisors_are_short(q);
    // Magnitudes times scales and adders stay normal numbers of float32.
    const scale_finder& finder = levels_.inner_finder();
    return is_within(q.elem.format.floating, 40) && finder.has_powers() &&
           finder.has_powers_between(-scale_range, scale_range);
  }
  /// What two levels need more; false where they are not of the kind.
  bool find_quotients(const quantizer& q) {
    const scale_finder& finder = levels_.inner_finder();
    if (!finder.rounds_quotients() || !lane_rounder::covers(finder.storage()) || !is_within(q.scalings[0].format, 20) ||
        !is_within(q.elem.format.floating, 20) || !(outer_.scale >= 0x1p-60f) || !(outer_.scale <= 0x1p60f))
      return false;
    group_quotients& found = quotients_.emplace(finder.storage());
    const double divisor = finder.divisor(double(outer_.scale));
    found.lowest_scale = std::bit_cast<std::uint32_t>(finder.lowest());
    found.outer = outer_.scale;
    found.divisor = float(divisor);
    found.divisor_rest = float(divisor - double(found.divisor));
    found.inverse = float(1 / divisor);
    found.least_scale_gap = least_gap_of(q.scalings[0].format);
    found.least_gap = least_gap_of(q.elem.format.floating);
    return found.scales.way == lane_way::nearest_by_addition && found.scales.saturates();
  }
  /// True if numbers are stored around the caches, each `step` elements after another one that is stored so.
  template <class To>
  static bool streams_to(const To* to, std::size_t step, bool wanted) {
    if constexpr (std::is_same_v<To, float>) return wanted && step % 4 == 0 && takes_streamed_parts(to);
    return false;
  }
  static bool is_within(const float_format& f, int binades) {
    return f.min_exponent() - f.trailing_bits() >= -binades && f.max_exponent() <= binades && f.trailing_bits() <= 12;
  }
  /// A product with an inverse that is rounded twice is off by less than 2^-22 of it, which is less than two binades.
  static std::uint32_t least_gap_of(const float_format& f) {
    const float half_ulp = std::bit_cast<float>(std::uint32_t(126 - f.trailing_bits()) << 23);
    return 0x3f800000 - std::bit_cast<std::uint32_t>(half_ulp - 0x1p-21f);
  }

  /// Any groups of this size, by the loops that take a list of scales.
  template <class To>
  void one_by_one(const float* x, std::size_t groups, std::size_t size, To* to, float* scales) const {
    float amax[batch] = {}, found[batch], scaled[longest_group];
    run_best<amax_blocks_body>(x, groups * size, size, &amax[0]);
    for (std::size_t k = 0; k < groups; ++k) found[k] = levels_.inner(amax[k], outer_);
    if (scales != nullptr) std::copy_n(found, groups, scales);
    for (std::size_t k = 0; k < groups; ++k, x += size, to += size) {
      const double product = levels_.product(found[k], outer_), inverse = 1 / product;
      if (quotients_)
        lane_odd_quotient(x, &product, &inverse, size, scaled, size);
      else
        lane_scale_down(x, &found[k], nullptr, size, scaled, size);
      if constexpr (!std::is_same_v<To, float>) {
        lane_encode(lanes_, scaled, nullptr, to, size);
      } else {
        lane_quantize(lanes_, scaled, nullptr, to, size);
        if (quotients_)
          lane_product(&product, size, to, size);
        else
          lane_scale_up(&found[k], size, to, size);
      }
    }
  }

  /// One column, whatever is in it.
  template <class To>
  std::uint64_t column(const float* x, std::size_t rows, std::size_t stride, To* to, float* scale) const {
    float in[longest_group] = {};
    To out[longest_group];
    for (std::size_t j = 0; j < rows; ++j) in[j] = x[j * stride];
    one_by_one(in, 1, rows, out, scale);
    for (std::size_t j = 0; j < rows; ++j) to[j * stride] = out[j];
    if (std::is_same_v<To, float> || !refuses_nan_) return 0;
    return std::uint64_t(std::count_if(in, in + rows, [](float v) { return v != v; }));
  }
  /// Columns, a multiple of `batch`; false, and nothing is written, where one is not usual.
  template <class To>
  bool usual_columns(const float* x, std::size_t rows, std::size_t stride, std::size_t count, To* to, float* scales,
                     bool streams) const {
#ifdef BINADE_WIDE_256
    if (vector_bits() >= 512)
      return with_rule<lanes_16::by_powers<true>, lanes_16::by_powers<false>, lanes_16::by_quotients>(
          [&]<class Rule>(const auto& constants) {
            return lanes_16::round_columns<Rule>(lanes_, constants, x, rows, stride, count / 16, to, scales, streams);
          });
    if (vector_bits() >= 256)
      return with_rule<lanes_8::by_powers<true>, lanes_8::by_powers<false>, lanes_8::by_quotients>(
          [&]<class Rule>(const auto& constants) {
            return lanes_8::round_columns<Rule>(lanes_, constants, x, rows, stride, count / 8, to, scales, streams);
          });
#endif
    return with_rule<lanes_1::by_powers<true>, lanes_1::by_powers<false>, lanes_1::by_quotients>(
        [&]<class Rule>(const auto& constants) {
          return lanes_1::round_columns<Rule>(lanes_, constants, x, rows, stride, count, to, scales, streams);
        });
  }
  /// Calls loop with the rule.
  template <class Saturating, class Other, class Quotients, class Loop>
  bool with_rule(Loop loop) const {
    if (quotients_) return loop.template operator()<Quotients>(*quotients_);
    return lanes_.saturates() ? loop.template operator()<Saturating>(powers_)
                              : loop.template operator()<Other>(powers_);
  }

  /// Batches of usual groups.
  template <class To>
  std::size_t usual(const float* x, std::size_t groups, To* to, float* scales, bool streams) const {
#ifdef BINADE_WIDE_256
    if (vector_bits() >= 512)
      return usual_in<lanes_16::by_powers<true>, lanes_16::by_powers<false>, lanes_16::by_quotients>(
          [&]<class Rule, std::size_t Size>(const auto& constants) {
            return lanes_16::round_groups<Rule, Size>(lanes_, constants, x, size_, groups, to, scales, streams);
          });
    if (vector_bits() >= 256)
      return usual_in<lanes_8::by_powers<true>, lanes_8::by_powers<false>, lanes_8::by_quotients>(
          [&]<class Rule, std::size_t Size>(const auto& constants) {
            return lanes_8::round_groups<Rule, Size>(lanes_, constants, x, size_, groups, to, scales, streams);
          });
#endif
    return usual_in<lanes_1::by_powers<true>, lanes_1::by_powers<false>, lanes_1::by_quotients>(
        [&]<class Rule, std::size_t Size>(const auto& constants) {
          return lanes_1::round_groups<Rule, Size>(lanes_, constants, x, size_, groups, to, scales, streams);
        });
  }
  /// Calls loop with the rule, the sizes in use as constants.
  template <class Saturating, class Other, class Quotients, class Loop>
  std::size_t usual_in(Loop loop) const {
    if (quotients_)
      return size_ == 16 ? loop.template operator()<Quotients, 16>(*quotients_)
                         : loop.template operator()<Quotients, 0>(*quotients_);
    if (!lanes_.saturates()) return loop.template operator()<Other, 0>(powers_);
    if (size_ == 32) return loop.template operator()<Saturating, 32>(powers_);
    if (size_ == 16) return loop.template operator()<Saturating, 16>(powers_);
    return loop.template operator()<Saturating, 0>(powers_);
  }

  lane_rounder lanes_;
  scale_levels levels_;
  outer_scale outer_;
  group_powers powers_ = {};
  std::optional<group_quotients> quotients_ = {};  ///< of two levels
  std::size_t size_;
  bool refuses_nan_;
};

}  // namespace binade::detail
