#pragma once
// The verbs over spans: quantize, encode and decode, with scales and counters.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "binade/code_array.hpp"
#include "binade/lanes.hpp"
#include "binade/noise.hpp"
#include "binade/quantize_counters.hpp"
#include "binade/quantizer.hpp"
#include "binade/scale_finder.hpp"
#include "binade/scale_grid.hpp"
#include "binade/transform.hpp"

namespace binade {

/// An encoded array: one code per element in storage order, and one scale code per group of each level, (tile row, tile
/// column) in row-major order; float32 scales are codes of e8m23, which are their bit patterns.
struct encoded {
  code_array codes;
  code_array scales = {};                         ///< of the innermost level
  code_array outer_scales = {};                   ///< of the second level
  std::vector<transform_record> transforms = {};  ///< what each transform remembers to be undone

  bool operator==(const encoded&) const = default;
};

namespace detail {

/// Throws unless the arguments of a verb fit together.
inline void check_arguments(const std::string& verb, std::size_t elements, const axis_view& view, const quantizer& q,
                            const noise_source* noise) {
  const std::size_t most = std::numeric_limits<std::size_t>::max();
  const bool overflows = view.outer != 0 && view.length != 0 && view.inner != 0 &&
                         (view.length > most / view.outer || view.inner > most / (view.outer * view.length));
  if (overflows || view.size() != elements)
    throw std::invalid_argument(verb + ": the array has " + std::to_string(elements) + " elements and the axis view " +
                                described(view) +
                                (overflows ? " more than memory holds" : " names " + std::to_string(view.size())) +
                                "; give the view of the whole array");
  if (const std::string_view why = defect(q); !why.empty())
    throw std::invalid_argument(verb + ": the quantizer is impossible: " + std::string(why));
  if (is_delayed(q))
    throw std::invalid_argument(verb +
                                ": a delayed scale follows from arrays seen before, which this call does not know; "
                                "give amax, exact, or static=X with the scale that the history gives");
  if (noise != nullptr && is_stochastic(q.elem.rounding)) {
    const std::uint64_t capacity = noise_capacity(q.elem.noise_bits);
    if (noise->first > capacity || elements > capacity - noise->first)
      throw std::invalid_argument(verb + ": noise for elements " + std::to_string(noise->first) + " to " +
                                  std::to_string(noise->first + elements) + " is asked for and one stream has " +
                                  std::to_string(capacity) + "; give each array a stream of its own");
  }
}

/// Throws unless quantize() can write its result to out.
inline void check_output(std::span<const float> x, const axis_view& view, std::span<const float> out) {
  if (out.size() != x.size())
    throw std::invalid_argument("quantize: out has room for " + std::to_string(out.size()) + " values and " +
                                std::to_string(x.size()) + " are needed for " + described(view));
  const auto address = [](const float* p) { return std::bit_cast<std::uintptr_t>(p); };
  if (out.data() != x.data() && address(out.data()) < address(x.data() + x.size()) &&
      address(x.data()) < address(out.data() + out.size()))
    throw std::invalid_argument("quantize: out overlaps x in part; give x itself or memory apart from it");
}
/// True if the values of an array are better stored around the caches, which they do not fit in.
inline bool goes_around_caches(std::span<const float> x, std::span<const float> out) {
  return out.size() >= streamed_from && out.data() != x.data();
}

/// quantize() of an array, or of a part of a larger one.
/// @param counters  null, or what counts the elements of the larger array, in storage order
/// @param known     null, or scales found before
/// @param streams   stores go around the caches, where there is a loop that does so: out is not x then
BINADE_LOOP_FUNCTION void quantize_part(std::span<const float> x, const axis_view& view, const quantizer& q,
                                        const noise_source& source, std::span<float> out, counter* counters,
                                        const known_scales* known, bool streams = false);

/// encode() of an array, or of a part of a larger one.
/// @param known    null, or scales found before
/// @param refused  grows by the NaNs that the format has no code for, which get code 0
BINADE_LOOP_FUNCTION void encode_part(std::span<const float> x, const axis_view& view, const quantizer& q,
                                      const noise_source& source, const known_scales* known, std::uint64_t& refused,
                                      encoded& result);

/// Throws if encode() met NaNs that the format has no code for.
inline void check_refused(std::uint64_t refused) {
  if (refused != 0)
    throw std::invalid_argument("encode: x has " + std::to_string(refused) +
                                " NaN and the format has no code for it; say what to take instead (:nan=max or "
                                ":nan=zero), let it take its group (nan=group) or remove them");
}

}  // namespace detail

/// Scales that a quantizer has for a view: of the innermost level, and of the second one; 0 where there is none.
/// @pre the view's size fits in size_t
inline std::size_t scale_count(const axis_view& view, const quantizer& q) {
  return q.levels == 0 ? 0 : detail::grid_of(q.scalings[0], view).count();
}
/// Scales of the outer level; 0 of a quantizer with fewer than two levels.
inline std::size_t outer_scale_count(const axis_view& view, const quantizer& q) {
  return q.levels < 2 ? 0 : detail::grid_of(q.scalings[1], view).count();
}

namespace detail {

/// Throws unless there are as many scales and records as decode() needs, and room for `count` values.
inline void check_decoded(std::size_t count, const encoded& array, const axis_view& view, const quantizer& q,
                          std::span<const float> out) {
  if (out.size() != count)
    throw std::invalid_argument("decode: out has room for " + std::to_string(out.size()) + " values and " +
                                std::to_string(count) + " are needed for " + described(view));
  const auto check_count = [&](const code_array& codes, std::size_t wanted, const char* what) {
    if (size_of(codes) != wanted)
      throw std::invalid_argument("decode: " + std::to_string(size_of(codes)) + what + " are given and " +
                                  std::to_string(wanted) + " are needed for " + described(view));
  };
  check_count(array.scales, scale_count(view, q), " scales");
  check_count(array.outer_scales, outer_scale_count(view, q), " outer scales");
  if (array.transforms.size() != std::size_t(q.transform_count))
    throw std::invalid_argument("decode: " + std::to_string(array.transforms.size()) +
                                " records of transforms are given, and the quantizer has " +
                                std::to_string(q.transform_count) + " transforms");
}

}  // namespace detail

/// Rounds each element to the grid of the quantizer: out = round(x / s) s.
///
/// A group's scale s follows from its largest finite magnitude (scale_rule); a group of zeros, NaNs and infinities
/// alone has scale 1; scaling has the rules that say otherwise.  Without a scaling s is 1.  A NaN stays NaN (the
/// positive quiet one); an infinity goes where the overflow rule of the element sends it, times s.  With one level
/// division and product are in float32; with two the quotient by the product of the scales is exact before it is
/// rounded, and so is the value; operation_order has the vendors' other ways.  A value beyond float32 is infinity.  A
/// format that float32 cannot hold is rounded in exactly, then delivered in float32.
///
/// Transforms are applied to the rows of the axis first, and undone last: the result approximates x.
/// @param x         size() elements, any float
/// @param source    of the stochastic modes: element k of x in storage order, whatever the axis, has noise index k
/// @param out       size() elements; x itself or memory apart from it
/// @param counters  null, or where the counters of this array go; of what is rounded, where there are transforms
/// @throws std::invalid_argument if sizes disagree, out overlaps x in part, the quantizer is impossible, a transform
///         does not fit the length of the axis or the noise stream is too short; nothing is written
inline void quantize(std::span<const float> x, const axis_view& view, const quantizer& q, const noise_source& source,
                     std::span<float> out, quantize_counters* counters = nullptr) {
  if (counters == nullptr)
    return detail::quantize_part(x, view, q, source, out, nullptr, nullptr, detail::goes_around_caches(x, out));
  detail::counter count(q.elem.format);
  detail::quantize_part(x, view, q, source, out, &count, nullptr);
  *counters = count.total();
}

/// The codes of each element and the scales: decode() of them is what quantize() gives.
///
/// In MX blocks too a NaN is the NaN of its element unless the scaling says `nan=group`: the scale is then NaN, and the
/// codes of its group are those of NaN, or 0 in a format without one.  Else a format without NaN refuses unless
/// format.nan says what to take instead.
/// @param x, view, source  as for quantize
/// @param result  whatever it was before; its memory is used again
/// @throws std::invalid_argument as quantize, and if x has NaNs that the format refuses: the message counts them, and
///         result is any array
inline void encode(std::span<const float> x, const axis_view& view, const quantizer& q, const noise_source& source,
                   encoded& result) {
  std::uint64_t refused = 0;
  detail::encode_part(x, view, q, source, nullptr, refused, result);
  detail::check_refused(refused);
}
inline encoded encode(std::span<const float> x, const axis_view& view, const quantizer& q, const noise_source& source) {
  encoded result;
  encode(x, view, q, source, result);
  return result;
}
/// The values of codes: decode(code) * decode(scale), the product in float32; of two scales, the exact product rounded
/// once; NaN where any is NaN.  Transforms are undone.
/// @param view  the one that the array was encoded with
/// @param out   size() elements
/// @throws std::invalid_argument if sizes disagree, the quantizer is impossible, or a code is wider than its format;
///         nothing is written
BINADE_LOOP_FUNCTION void decode(const encoded& array, const axis_view& view, const quantizer& q, std::span<float> out);

}  // namespace binade

#ifndef BINADE_COMPILED_LOOPS
#include "binade/quantize_loops.hpp"
#endif
