#pragma once
// Arrays of float32 to the grid of one element, in the fastest of the ways that give the reference's bits.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "binade/fast_round.hpp"
#include "binade/lane_round.hpp"

namespace binade::detail {

class array_rounder {
 public:
  /// @pre defect(e) is empty
  explicit array_rounder(const element& e)
      : element_(e),
        has_lanes_(lane_rounder::covers(e)),
        is_fast_(fast_rounder::covers(e)),
        lanes_(has_lanes_ ? e : element{ieee_format(5, 2)}),
        fast_(is_fast_ ? e : element{ieee_format(5, 2)}) {}

  /// The rounder whose loops take scales too; null where the element is not its own.
  const lane_rounder* lanes() const { return has_lanes_ ? &lanes_ : nullptr; }

  /// values[i] = round(e, x[i], noise[i]).
  /// @param noise  null unless the rounding is stochastic   @pre the arrays do not overlap
  void quantize(const float* x, const std::uint32_t* noise, float* values, std::size_t count) const {
    if (has_lanes_) return lane_quantize(lanes_, x, noise, values, count);
    if (is_fast_) return fast_quantize(fast_, element_.rounding, x, noise, values, count);
    for (std::size_t i = 0; i < count; ++i) values[i] = round(element_, x[i], noise == nullptr ? 0 : noise[i]);
  }

  /// codes[i] = encode(e, x[i], noise[i]), as above; Code is unsigned and holds one.
  template <class Code>
  void encode(const float* x, const std::uint32_t* noise, Code* codes, std::size_t count) const {
    if constexpr (sizeof(Code) <= sizeof(std::uint32_t))
      if (has_lanes_) return lane_encode(lanes_, x, noise, codes, count);
    if (!is_fast_) {
      for (std::size_t i = 0; i < count; ++i)
        codes[i] = Code(binade::encode(element_, x[i], noise == nullptr ? 0 : noise[i]));
      return;
    }
    constexpr std::size_t piece = 1024;
    std::uint32_t wide[piece];
    for (std::size_t done = 0; done < count; done += piece) {
      const std::size_t here = std::min(piece, count - done);
      fast_encode(fast_, element_.rounding, x + done, noise == nullptr ? nullptr : noise + done, wide, here);
      for (std::size_t i = 0; i < here; ++i) codes[done + i] = Code(wide[i]);
    }
  }

 private:
  element element_;
  bool has_lanes_, is_fast_;
  lane_rounder lanes_;
  fast_rounder fast_;
};

}  // namespace binade::detail
