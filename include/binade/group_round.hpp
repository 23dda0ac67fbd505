#pragma once
// Groups of neighbours with a power of two as the scale of each: largest magnitude, scale and rounding of a few groups
// at a time, at the speed of memory; equal to scale_finder and the loops of lane_round.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "binade/group_amax.hpp"
#include "binade/group_lanes.hpp"
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

#define BINADE_LANE BINADE_ALWAYS_INLINE
#define BINADE_LOOP inline
namespace lanes_1 {
#include "binade/group_loops.inc"
}
#undef BINADE_LANE
#undef BINADE_LOOP
#ifdef BINADE_WIDE_256
#define BINADE_LANE BINADE_WIDE_256 BINADE_ALWAYS_INLINE
#define BINADE_LOOP BINADE_WIDE_256 inline
namespace lanes_8 {
#include "binade/group_loops.inc"
}
#undef BINADE_LANE
#undef BINADE_LOOP
#define BINADE_LANE BINADE_WIDE_512 BINADE_ALWAYS_INLINE
#define BINADE_LOOP BINADE_WIDE_512 inline
namespace lanes_16 {
#include "binade/group_loops.inc"
}
#undef BINADE_LANE
#undef BINADE_LOOP
#endif

/// Rounds whole groups of the only level of a quantizer, which follow each other in memory.
class group_rounder {
 public:
  /// True for groups of this size: blocks of whole vectors, a scale that is a power of two and follows from amax alone,
  /// and an element that lane_rounder rounds to nearest even by addition.
  static bool covers(const quantizer& q, std::size_t size) {
    if (q.levels != 1 || q.order != operation_order::standard || size == 0 || size % 16 != 0 || size > longest_group)
      return false;
    const scaling& s = q.scalings[0];
    if (!needs_only_amax(s) || !lane_rounder::covers(q.elem)) return false;
    const float_format& f = q.elem.format.floating;
    // Magnitudes times scales and adders stay normal numbers of float32.
    if (f.min_exponent() - f.trailing_bits() < -40 || f.max_exponent() > 40) return false;
    const scale_finder finder(s, q.elem.format);
    return lane_rounder(q.elem).way == lane_way::nearest_by_addition && finder.has_powers() &&
           finder.has_powers_between(-scale_range, scale_range) && finder(0) == 1;
  }
  /// @pre covers(q, size)
  group_rounder(const quantizer& q, std::size_t size)
      : lanes_(q.elem), finder_(q.scalings[0], q.elem.format), size_(size), refuses_nan_(q.elem.format.refuses_nan()) {
    powers_.to_carry = 0x800000 - finder_.power_carry();
    powers_.power_of_one = 0x3f800000 + std::uint32_t(finder_.power_offset());
    powers_.amax_of_one = finder_.power_carry() == 0 ? powers_.power_of_one - 0x800000 : powers_.power_of_one;
    powers_.lowest_amax = powers_.power_of_one - (std::uint32_t(scale_range - 1) << 23);
    powers_.highest_amax = powers_.power_of_one + (std::uint32_t(scale_range - 1) << 23);
  }

  /// values[i]: what x[i] becomes; values may be x.  @param scales  null, or where the scale of each group goes
  void quantize(const float* x, std::size_t groups, float* values, float* scales) const {
    run(x, groups, values, scales,
        [&](const float* from, const float* s, const float* inverse, std::size_t count, float* to) {
          lane_quantize(lanes_, from, s, inverse, size_, nullptr, to, count);
        });
  }
  /// codes[i]: the code of x[i] scaled.  Returns how many NaNs got code 0 because the format has none for them.
  template <class Code>
  std::uint64_t encode(const float* x, std::size_t groups, Code* codes, float* scales) const {
    std::uint64_t refused = 0;
    run(x, groups, codes, scales,
        [&](const float* from, const float* s, const float* inverse, std::size_t count, Code* to) {
          float scaled[longest_group];
          for (std::size_t k = 0; k * size_ < count; ++k) {
            lane_scale_down(from + k * size_, s + k, inverse == nullptr ? nullptr : inverse + k, size_, scaled, size_);
            lane_encode(lanes_, scaled, nullptr, to + k * size_, size_);
          }
          if (refuses_nan_) refused += std::uint64_t(std::count_if(from, from + count, [](float v) { return v != v; }));
        });
    return refused;
  }

 private:
  static constexpr std::size_t longest_group = 1024, batch = 16;
  static constexpr int scale_range = 60;  ///< scales from 2^-60 to 2^60 are usual

  /// Batches of usual groups by the loops, the others by one_by_one(x, scales, inverses or null, count, to).
  template <class To, class Other>
  void run(const float* x, std::size_t groups, To* to, float* scales, Other one_by_one) const {
    for (std::size_t group = 0; group < groups;) {
      group +=
          usual(x + group * size_, groups - group, to + group * size_, scales == nullptr ? nullptr : scales + group);
      const std::size_t here = std::min(batch, groups - group), first = group * size_;
      if (here == 0) return;
      float amax[batch] = {}, found[batch], inverse[batch];
      run_best<amax_blocks_body>(x + first, here * size_, size_, &amax[0]);
      finder_.find(amax, found, here);
      bool is_exact = true;
      for (std::size_t k = 0; k < here; ++k) {
        inverse[k] = 1 / found[k];
        is_exact = is_exact && double(inverse[k]) * double(found[k]) == 1;
      }
      if (scales != nullptr) std::copy_n(found, here, scales + group);
      one_by_one(x + first, found, is_exact ? inverse : nullptr, here * size_, to + first);
      group += here;
    }
  }
  template <class To>
  std::size_t usual(const float* x, std::size_t groups, To* to, float* scales) const {
    const auto loop = [&]<bool Saturates, std::size_t Size>() {
#ifdef BINADE_WIDE_256
      if (vector_bits() >= 512)
        return lanes_16::round_groups<Saturates, Size>(lanes_, powers_, x, size_, groups, to, scales);
      if (vector_bits() >= 256)
        return lanes_8::round_groups<Saturates, Size>(lanes_, powers_, x, size_, groups, to, scales);
#endif
      return lanes_1::round_groups<Saturates, Size>(lanes_, powers_, x, size_, groups, to, scales);
    };
    const auto of_size = [&]<bool Saturates>() {
      if (size_ == 32) return loop.template operator()<Saturates, 32>();
      if (size_ == 16) return loop.template operator()<Saturates, 16>();
      return loop.template operator()<Saturates, 0>();
    };
    return lanes_.saturates ? of_size.template operator()<true>() : of_size.template operator()<false>();
  }

  lane_rounder lanes_;
  scale_finder finder_;
  group_powers powers_ = {};
  std::size_t size_;
  bool refuses_nan_;
};

}  // namespace binade::detail
