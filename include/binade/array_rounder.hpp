#pragma once
// Arrays of float32 to the grid of one element, in the fastest of the ways that give the reference's bits.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "binade/fast_round.hpp"
#include "binade/lane_round.hpp"

namespace binade::detail {

class array_rounder {
 public:
  /// @pre defect(e) is empty
  explicit array_rounder(const element& e) : element_(e) {
    if (lane_rounder::covers(e))
      lanes_.emplace(e);
    else if (fast_rounder::covers(e))
      fast_.emplace(e);
  }

  /// The rounder whose loops take scales too; null where the element is not its own.
  const lane_rounder* lanes() const { return lanes_ && lanes_->takes_scales() ? &*lanes_ : nullptr; }

  /// True if values may be x in quantize().
  bool works_in_place() const { return lanes_.has_value(); }

  /// values[i] = round(e, x[i], noise[i]).
  /// @param noise    null unless the rounding is stochastic
  /// @param streams  as for lane_quantize()
  /// @pre the arrays do not overlap, but for x itself where works_in_place()
  void quantize(const float* x, const std::uint32_t* noise, float* values, std::size_t count,
                bool streams = false) const {
    if (lanes_) return lane_quantize(*lanes_, x, noise, values, count, streams);
    if (fast_) return fast_quantize(*fast_, element_.rounding, x, noise, values, count);
    for (std::size_t i = 0; i < count; ++i) values[i] = round(element_, x[i], noise == nullptr ? 0 : noise[i]);
  }

  /// codes[i] = encode(e, x[i], noise[i]), as above; Code is unsigned and holds one.  Returns true if x has a NaN, and
  /// perhaps if it has not.
  template <class Code>
  bool encode(const float* x, const std::uint32_t* noise, Code* codes, std::size_t count) const {
    if constexpr (sizeof(Code) <= sizeof(std::uint32_t))
      if (lanes_) return lane_encode(*lanes_, x, noise, codes, count);
    if (!fast_) {
      for (std::size_t i = 0; i < count; ++i)
        codes[i] = Code(binade::encode(element_, x[i], noise == nullptr ? 0 : noise[i]));
      return true;
    }
    constexpr std::size_t piece = 1024;
    std::uint32_t wide[piece];
    for (std::size_t done = 0; done < count; done += piece) {
      const std::size_t here = std::min(piece, count - done);
      fast_encode(*fast_, element_.rounding, x + done, noise == nullptr ? nullptr : noise + done, wide, here);
      for (std::size_t i = 0; i < here; ++i) codes[done + i] = Code(wide[i]);
    }
    return true;
  }

 private:
  element element_;
  std::optional<lane_rounder> lanes_;
  std::optional<fast_rounder> fast_;
};

}  // namespace binade::detail
