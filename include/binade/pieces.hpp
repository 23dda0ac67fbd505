#pragma once
// The verbs of quantize.hpp piece by piece: pieces can be worked on in any order and at the same time, and the bits are
// those of the whole.

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "binade/group_amax.hpp"
#include "binade/quantize.hpp"
#include "binade/scratch.hpp"

namespace binade {

/// The plainest way to run pieces: one after the other, in the calling thread.
struct in_turn {
  template <class F>
  void operator()(std::size_t count, const F& f) const {
    for (std::size_t k = 0; k < count; ++k) f(k);
  }
};

/// What runs pieces: run(count, f) calls f(k) once for each k < count, in any order, at the same time if it likes, and
/// hands on what they throw.
using piece_runner = std::function<void(std::size_t count, const std::function<void(std::size_t)>& piece)>;

namespace detail {

/// The largest magnitude of an array among those that a scaling counts, found in pieces of `least` elements.
template <class Run>
float tensor_amax(std::span<const float> x, const scaling& s, Run run, std::size_t least) {
  scratch_vector<std::uint32_t> largest((x.size() + least - 1) / least);  // as bits, above which are infinity and NaN
  run(largest.size(), [&](std::size_t k) {
    const std::span<const float> here = x.subspan(k * least, std::min(least, x.size() - k * least));
    group_amax amax(here.data(), {{1, here.size(), 1}, 1, here.size()}, s);
    amax.all();
    largest[k] = std::bit_cast<std::uint32_t>(amax[0]);
  });
  return largest.empty() ? 0.0f : std::bit_cast<float>(*std::max_element(largest.begin(), largest.end()));
}

/// q with the scale of the whole tensor found and given as a static one, where this gives the same bits; else q.
template <class Run>
quantizer with_known_tensor_scale(std::span<const float> x, const quantizer& q, Run run, std::size_t least) {
  if (q.levels == 0 || q.transform_count != 0 || x.empty()) return q;
  const std::size_t outermost = std::size_t(q.levels - 1);
  const scaling& s = q.scalings[outermost];
  if (s.per != granularity::tensor || s.rule == scale_rule::static_scale || !needs_only_amax(s)) return q;
  const float amax = tensor_amax(x, s, run, least);
  const scale_levels levels(q);
  quantizer known = q;
  known.scalings[outermost].rule = scale_rule::static_scale;
  known.scalings[outermost].static_value = q.levels == 2 ? levels.outer(amax).scale : levels.inner(amax);
  return defect(known).empty() ? known : q;
}

}  // namespace detail

/// An array cut so that no scale and no transform reaches across a cut.
class array_pieces {
 public:
  struct piece {
    std::size_t first;  ///< its first element in storage order
    axis_view view;
  };

  /// @param each            the quantizer of every piece (and of the whole)
  /// @param least           elements that a piece has at least, but for the last one; 1 or more
  /// @param has_all_scales  the scales of the whole are there: none is found from the elements
  array_pieces(const axis_view& view, const quantizer& each, std::size_t least, bool has_all_scales = false)
      : whole_(view), cut_(view) {
    if (view.size() == 0) return;
    std::size_t columns = each.transform_count == 0 ? 1 : view.length, rows = 1;
    bool is_whole = false;
    for (int level = 0; level < each.levels; ++level) {
      const scaling& s = each.scalings[std::size_t(level)];
      switch (s.per) {
        case granularity::tensor:
          is_whole = is_whole || (s.rule != scale_rule::static_scale && !has_all_scales);
          break;
        case granularity::col:
          is_whole = is_whole || !has_all_scales;
          columns = view.length;
          break;
        case granularity::row:
          columns = view.length;
          break;
        case granularity::tile:
          columns = std::max<std::size_t>(columns, s.tile_cols);
          rows = std::max<std::size_t>(rows, s.tile_rows);
          break;
      }
    }
    if (view.outer == 1 && !is_whole) {  // along the axis, at the ends of groups
      const std::size_t unit = columns * view.inner, units = (least + unit - 1) / unit;
      step_ = std::min(view.length, units * columns);
      count_ = (view.length + step_ - 1) / step_;
      return;
    }
    // Parts of a row, each of whole groups, are rows themselves: in tiles of several rows they would be the wrong ones.
    if (rows == 1 && !is_whole && view.length % columns == 0)
      cut_ = {view.outer * (view.length / columns), columns, view.inner};
    const std::size_t unit = rows / std::gcd(rows, view.inner), size = cut_.length * cut_.inner;
    const std::size_t units = (least + size - 1) / size;
    together_ = is_whole ? cut_.outer : std::min(cut_.outer, (units + unit - 1) / unit * unit);
    count_ = (cut_.outer + together_ - 1) / together_;
  }

  /// 1 where nothing can be cut, or nothing is there.
  std::size_t count() const { return count_; }
  piece operator[](std::size_t k) const {
    if (step_ != 0) return {k * step_ * whole_.inner, {1, std::min(step_, whole_.length - k * step_), whole_.inner}};
    const std::size_t first = k * together_;
    return {first * cut_.length * cut_.inner, {std::min(together_, cut_.outer - first), cut_.length, cut_.inner}};
  }

  /// Groups of a level in piece k.
  std::size_t group_count(std::size_t k, const scaling& s) const {
    return detail::plain_grid_of(s, (*this)[k].view).count();
  }
  /// Calls visit(number in the piece, number in the whole) for each group of a level in piece k.
  template <class Visit>
  void each_group(std::size_t k, const scaling& s, Visit visit) const {
    const detail::scale_grid whole = detail::plain_grid_of(s, whole_), part = detail::plain_grid_of(s, (*this)[k].view);
    if (s.per == granularity::tensor || s.per == granularity::col) {
      for (std::size_t group = 0; group < part.count(); ++group) visit(group, group);
      return;
    }
    if (step_ != 0) {
      const std::size_t before = k * step_ / part.tile_cols;
      for (std::size_t group = 0; group < part.count(); ++group)
        visit(group, group / part.per_row() * whole.per_row() + before + group % part.per_row());
      return;
    }
    const std::size_t parts = cut_.length == 0 ? 1 : whole_.length / cut_.length;  // of a row of the whole
    for (std::size_t group = 0; group < part.count(); ++group) {
      const std::size_t row = k * together_ * cut_.inner + group / part.per_row() * part.tile_rows;
      const std::size_t outer = row / cut_.inner, whole_row = outer / parts * cut_.inner + row % cut_.inner;
      visit(group,
            whole_row / whole.tile_rows * whole.per_row() + outer % parts * part.per_row() + group % part.per_row());
    }
  }

 private:
  axis_view whole_, cut_;  ///< the same storage; cut_ is cut along outer
  std::size_t together_ = 1, count_ = 1;
  std::size_t step_ = 0;  ///< of a single o: positions along the axis that a piece has; else 0
};

/// Elements of a piece: enough to outweigh what a piece costs, few enough for the cache.
inline constexpr std::size_t piece_size = std::size_t(1) << 17;

namespace detail {

inline noise_source from_element(noise_source source, std::size_t first) {
  source.first += first;
  return source;
}

/// Puts the scales of piece k where they belong in the whole, or takes them from there.
inline void put_scales(const array_pieces& pieces, std::size_t k, const scaling& s, const code_array& part,
                       code_array& whole) {
  std::visit(
      [&](auto& codes) {
        const auto& from = std::get<std::remove_reference_t<decltype(codes)>>(part);
        pieces.each_group(k, s, [&](std::size_t here, std::size_t there) { codes[there] = from[here]; });
      },
      whole);
}
inline code_array take_scales(const array_pieces& pieces, std::size_t k, const scaling& s, const code_array& whole) {
  return std::visit(
      [&](const auto& codes) {
        std::remove_cvref_t<decltype(codes)> taken(pieces.group_count(k, s));
        pieces.each_group(k, s, [&](std::size_t here, std::size_t there) { taken[here] = codes[there]; });
        return code_array(std::move(taken));
      },
      whole);
}

}  // namespace detail

/// quantize() in pieces.
/// @param run  run(count, f) calls f(k) once for each k < count, in any order, at the same time if it likes, and hands
///             on what they throw
/// @throws as quantize(); nothing is written
template <class Run>
void quantize_in_pieces(std::span<const float> x, const axis_view& view, const quantizer& q, const noise_source& source,
                        std::span<float> out, Run run, std::size_t least = piece_size) {
  detail::check_arguments("quantize", x.size(), view, q, &source);
  detail::check_output(x, view, out);
  const quantizer each = detail::with_known_tensor_scale(x, q, run, least);
  const array_pieces pieces(view, each, least);
  const bool streams = detail::goes_around_caches(x, out);
  run(pieces.count(), [&](std::size_t k) {
    const auto [first, part] = pieces[k];
    detail::quantize_part(x.subspan(first, part.size()), part, each, detail::from_element(source, first),
                          out.subspan(first, part.size()), nullptr, nullptr, streams);
  });
}

/// encode() in pieces; of a quantizer with transforms as one piece.
/// @param codes  x.size() unsigned integers of the smallest type that holds a code
/// @return what encode() gives, without the codes
/// @throws as encode(); codes are then some that were found
template <std::unsigned_integral Code, class Run>
encoded encode_in_pieces(std::span<const float> x, const axis_view& view, const quantizer& q,
                         const noise_source& source, std::span<Code> codes, Run run, std::size_t least = piece_size) {
  detail::check_arguments("encode", x.size(), view, q, &source);
  if (codes.size() != x.size())
    throw std::invalid_argument("encode: codes has room for " + std::to_string(codes.size()) + " and " +
                                std::to_string(x.size()) + " are needed for " + detail::described(view));
  const quantizer each = detail::with_known_tensor_scale(x, q, run, least);
  const array_pieces pieces(view, each, q.transform_count == 0 ? least : std::max<std::size_t>(1, x.size()));
  encoded result;
  if (q.levels > 0) detail::with_codes(result.scales, q.scalings[0].format.width, scale_count(view, q), [](auto&) {});
  if (q.levels > 1)
    detail::with_codes(result.outer_scales, q.scalings[1].format.width, outer_scale_count(view, q), [](auto&) {});
  const auto encode_piece = [&](std::size_t k) {
    const auto [first, part] = pieces[k];
    encoded found = encode(x.subspan(first, part.size()), part, each, detail::from_element(source, first));
    const auto& found_codes = std::get<std::vector<Code>>(found.codes);
    std::copy(found_codes.begin(), found_codes.end(), codes.begin() + std::ptrdiff_t(first));
    // What all pieces have in common, the first one writes.
    const auto keep = [&](const scaling& s, code_array& all, code_array& of_part) {
      if (k == 0 || s.per != granularity::tensor) detail::put_scales(pieces, k, s, of_part, all);
    };
    if (q.levels > 0) keep(q.scalings[0], result.scales, found.scales);
    if (q.levels > 1) keep(q.scalings[1], result.outer_scales, found.outer_scales);
    if (q.transform_count != 0) result.transforms = std::move(found.transforms);
  };
  try {
    run(pieces.count(), encode_piece);
  } catch (const std::invalid_argument&) {
    if (pieces.count() > 1) encode(x, view, q, source);  // throws the sum of what the pieces refuse
    throw;
  }
  return result;
}

/// decode() in pieces; of a quantizer with transforms as one piece.
/// @param codes   as encode_in_pieces() fills it
/// @param scales  as encode_in_pieces() gives it: an encoded array without its codes
/// @throws as decode(); out then has the values of some pieces
template <std::unsigned_integral Code, class Run>
void decode_in_pieces(std::span<const Code> codes, const encoded& scales, const axis_view& view, const quantizer& q,
                      std::span<float> out, Run run, std::size_t least = piece_size) {
  detail::check_arguments("decode", codes.size(), view, q, nullptr);
  detail::check_decoded(codes.size(), scales, view, q, out);
  const array_pieces pieces(view, q, q.transform_count == 0 ? least : std::max<std::size_t>(1, codes.size()), true);
  const auto with_these = [&](std::span<const Code> some, code_array inner, code_array outer) {
    return encoded{std::vector<Code>(some.begin(), some.end()), std::move(inner), std::move(outer), scales.transforms};
  };
  const auto decode_piece = [&](std::size_t k) {
    const auto [first, part] = pieces[k];
    const auto taken = [&](int level, const code_array& all) {
      return level < q.levels ? detail::take_scales(pieces, k, q.scalings[std::size_t(level)], all) : code_array();
    };
    decode(with_these(codes.subspan(first, part.size()), taken(0, scales.scales), taken(1, scales.outer_scales)), part,
           q, out.subspan(first, part.size()));
  };
  try {
    run(pieces.count(), decode_piece);
  } catch (const std::invalid_argument&) {
    // Says where in the whole the code is that some piece refused.
    if (pieces.count() > 1) decode(with_these(codes, scales.scales, scales.outer_scales), view, q, out);
    throw;
  }
}

}  // namespace binade
