#pragma once
// The verbs over spans: quantize, encode and decode, with scales and counters.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "binade/array_decoder.hpp"
#include "binade/array_rounder.hpp"
#include "binade/group_round.hpp"
#include "binade/group_scales.hpp"
#include "binade/noise.hpp"
#include "binade/packing_lanes.hpp"
#include "binade/quantize_counters.hpp"
#include "binade/quantizer.hpp"
#include "binade/transform.hpp"

namespace binade {

/// Codes in the smallest unsigned type that holds one.
using code_array = std::variant<std::vector<std::uint8_t>, std::vector<std::uint16_t>, std::vector<std::uint32_t>,
                                std::vector<std::uint64_t>>;

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

/// The noise of a chunk, or null where the mode asks for none.
inline const std::uint32_t* chunk_noise(const element& e, const noise_source& source, std::size_t first,
                                        std::span<std::uint32_t> buffer) {
  if (!is_stochastic(e.rounding)) return nullptr;
  fill_noise(source, first, e.noise_bits, buffer);
  return buffer.data();
}

/// The codes as a vector of this type and size, in the memory that they have if that is of this type.
template <class T>
std::vector<T>& resized(code_array& codes, std::size_t count) {
  if (!std::holds_alternative<std::vector<T>>(codes)) codes.emplace<std::vector<T>>();
  std::get<std::vector<T>>(codes).resize(count);
  return std::get<std::vector<T>>(codes);
}
/// Calls visit with a vector of the smallest type for codes of this width.
template <class Visit>
void with_codes(code_array& codes, int width, std::size_t count, Visit visit) {
  if (width <= 8) return visit(resized<std::uint8_t>(codes, count));
  if (width <= 16) return visit(resized<std::uint16_t>(codes, count));
  if (width <= 32) return visit(resized<std::uint32_t>(codes, count));
  return visit(resized<std::uint64_t>(codes, count));
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

/// True if elements are brought to the grid by one division in float32 by a scale that is neither 0 nor NaN.
constexpr bool divides_directly(const quantizer& q) {
  return q.levels < 2 && q.order == operation_order::standard && q.scalings[0].zero != zero_rule::zero &&
         q.scalings[0].nan == special_rule::element && q.scalings[0].infinity != special_rule::group;
}

/// Rounds chunks of an array by a quantizer without transforms.
class chunk_rounder {
 public:
  explicit chunk_rounder(const quantizer& q)
      : element_(q.elem), rounder_(q.elem), is_direct_(divides_directly(q)), in_float_(odd_float_suffices(q.elem)) {}

  /// values[i]: what x[i] becomes.
  /// @param streams  stores may go around the caches, as for lane_quantize()
  void quantize(const float* x, const near_scales& s, const std::uint32_t* noise, float* values, std::size_t count,
                bool streams) {
    if (is_direct_ && s.run > 1 && rounder_.lanes() != nullptr)
      return lane_quantize(*rounder_.lanes(), x, s.stored, s.inverse, s.run, noise, values, count, streams);
    elements(x, s, noise, values, count);
    if (s.product != nullptr) return multiply(s, values, count);
    lane_scale_up(s.stored, s.run, values, count);
  }
  /// values[i]: the element that x[i] becomes, not yet multiplied by its scales.
  void elements(const float* x, const near_scales& s, const std::uint32_t* noise, float* values, std::size_t count) {
    if (s.stored == nullptr) {
      rounder_.quantize(x, noise, values, count);
      return;
    }
    scale_down(x, s, count);
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
    scale_down(x, s, count);
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
  void count(counter& counts, const float* x, const near_scales& s, const float* values, std::size_t count) const {
    if (is_direct_) return counts.add(x, s.stored, values, count);
    counts.add_scaled(x, scaled_, values, count);
  }

 private:
  /// The quotient by the product of two scales is rounded as it is: float32 does not suffice.
  bool rounds_quotients(const near_scales& s) const {
    return s.product != nullptr && s.multiplier == nullptr && !in_float_;
  }
  void scale_down(const float* x, const near_scales& s, std::size_t count) {
    float* const scaled = scaled_;
    if (is_direct_) return lane_scale_down(x, s.stored, s.inverse, s.run, scaled, count);
    if (s.multiplier != nullptr) return run_best<multiply_body>(x, s.multiplier, s.run, scaled, count);
    if (s.inverse_product != nullptr) return lane_odd_quotient(x, s.product, s.inverse_product, s.run, scaled, count);
    if (s.product != nullptr) return run_best<odd_quotient_body>(x, s.product, s.run, scaled, count);
    run_best<divide_body>(x, s.stored, s.run, scaled, count);
  }

  element element_;
  array_rounder rounder_;
  bool is_direct_, in_float_;
  float scaled_[scaled_walk::longest];
};

/// Rows along the axis, one after the other, from storage order or back.
inline void gather_rows(std::span<const float> x, const axis_view& view, std::span<float> rows) {
  if (view.inner == 1) return void(std::copy(x.begin(), x.end(), rows.begin()));
  for (std::size_t o = 0; o < view.outer; ++o)
    for (std::size_t i = 0; i < view.inner; ++i)
      for (std::size_t j = 0; j < view.length; ++j)
        rows[(o * view.inner + i) * view.length + j] = x[(o * view.length + j) * view.inner + i];
}
inline void scatter_rows(std::span<const float> rows, const axis_view& view, std::span<float> x) {
  if (view.inner == 1) return void(std::copy(rows.begin(), rows.end(), x.begin()));
  for (std::size_t o = 0; o < view.outer; ++o)
    for (std::size_t i = 0; i < view.inner; ++i)
      for (std::size_t j = 0; j < view.length; ++j)
        x[(o * view.length + j) * view.inner + i] = rows[(o * view.inner + i) * view.length + j];
}

/// The transforms of a quantizer over an array in storage order.
class transform_chain {
 public:
  transform_chain(const quantizer& q, const axis_view& view) : quantizer_(q), view_(view), rows_(view.size()) {}

  /// x transformed, in storage order.
  std::vector<float> apply(std::span<const float> x) {
    gather_rows(x, view_, rows_);
    for (const transform& t : transforms()) records_.push_back(binade::apply(t, view_.length, rows_, rows_));
    std::vector<float> result(x.size());
    scatter_rows(rows_, view_, result);
    return result;
  }
  /// Takes x back, in place.
  void undo(std::span<float> x) {
    gather_rows(x, view_, rows_);
    for (int k = quantizer_.transform_count; k-- > 0;)
      binade::undo(quantizer_.transforms[std::size_t(k)], records_[std::size_t(k)], view_.length, rows_);
    scatter_rows(rows_, view_, x);
  }
  std::vector<transform_record>& records() { return records_; }
  /// The quantizer of what is transformed.
  quantizer without_transforms() const {
    quantizer q = quantizer_;
    q.transform_count = 0;
    q.transforms = {};
    return q;
  }

 private:
  std::span<const transform> transforms() const {
    return {quantizer_.transforms.data(), std::size_t(quantizer_.transform_count)};
  }

  quantizer quantizer_;
  axis_view view_;
  std::vector<float> rows_;
  std::vector<transform_record> records_;
};

/// True if codes are exponent fields of float32.
inline bool has_fields_of_float(const float_format& f) {
  return !f.is_signed && f.precision == 1 && f.width == 8 && f.bias == 127 && !f.has_zero && f.high_nans == 1 &&
         !f.has_infinity;
}
/// scales[k]: the value of a code that is an exponent field of float32.
template <class Code>
struct fields_body {
  BINADE_ALWAYS_INLINE static void run(const Code* __restrict codes, float* __restrict scales, std::size_t count) {
    for (std::size_t k = 0; k < count; ++k) {
      const std::uint32_t field = std::uint32_t(codes[k]) << 23;
      scales[k] = std::bit_cast<float>(field == 0 ? 0x00400000 : field < 0x7f800000 ? field : 0x7fc00000);
    }
  }
};
/// The codes of scales, which are values of this format.
inline void encode_scales(const float_format& f, const std::vector<float>& scales, code_array& to) {
  const array_rounder storage(element{.format = f, .overflow = overflow_rule::saturate});
  with_codes(to, f.width, scales.size(), [&](auto& codes) {
    using code_type = typename std::remove_reference_t<decltype(codes)>::value_type;
    if (!has_fields_of_float(f)) {
      storage.encode(scales.data(), nullptr, codes.data(), scales.size());
      return;
    }
    for (std::size_t k = 0; k < scales.size(); ++k) codes[k] = code_type(std::bit_cast<std::uint32_t>(scales[k]) >> 23);
  });
}
inline std::vector<float> decode_scales(const float_format& f, const code_array& codes) {
  return std::visit(
      [&](const auto& c) {
        std::vector<float> scales(c.size());
        if (has_fields_of_float(f)) {
          run_best<fields_body<typename std::remove_cvref_t<decltype(c)>::value_type>>(c.data(), scales.data(),
                                                                                       c.size());
          return scales;
        }
        array_decoder(f, c.size())(c.data(), scales.data(), c.size());
        return scales;
      },
      codes);
}

/// The elements of an unscaled array at once, or in chunks, with the noise of each where the mode asks for it.
/// @param at_once  whether one call may take all: without noise
/// @param visit    of the first element, how many there are, and their noise or null
template <class Visit>
void visit_unscaled(const element& e, const noise_source& source, std::size_t count, bool at_once, Visit visit) {
  if (at_once && !is_stochastic(e.rounding)) return visit(std::size_t(0), count, nullptr);
  constexpr std::size_t chunk = scaled_walk::longest;
  std::uint32_t noise[chunk];
  for (std::size_t first = 0; first < count; first += chunk) {
    const std::size_t n = std::min(chunk, count - first);
    visit(first, n, chunk_noise(e, source, first, {noise, n}));
  }
}
/// quantize_part() without scales and counters.
inline void quantize_unscaled(std::span<const float> x, const element& e, const noise_source& source,
                              std::span<float> out, bool streams) {
  const array_rounder rounder(e);
  const bool is_direct = out.data() != x.data() || rounder.works_in_place();
  float buffer[scaled_walk::longest];
  visit_unscaled(e, source, x.size(), is_direct, [&](std::size_t first, std::size_t n, const std::uint32_t* noise) {
    rounder.quantize(x.data() + first, noise, is_direct ? out.data() + first : buffer, n, streams && is_direct);
    if (!is_direct) std::copy_n(buffer, n, out.data() + first);
  });
}
/// encode_part() without scales.
template <class Code>
void encode_unscaled(std::span<const float> x, const element& e, const noise_source& source, std::uint64_t& refused,
                     Code* codes) {
  const array_rounder rounder(e);
  bool may_have_nan = false;
  visit_unscaled(e, source, x.size(), true, [&](std::size_t first, std::size_t n, const std::uint32_t* noise) {
    may_have_nan |= rounder.encode(x.data() + first, noise, codes + first, n);
  });
  if (may_have_nan && e.format.refuses_nan())
    refused += std::uint64_t(std::count_if(x.begin(), x.end(), [](float value) { return value != value; }));
}
/// The elements of a group where they are neighbours, and where all groups but a shorter last one have as many; else 0.
inline std::size_t neighbours_in_group(const axis_view& view, const quantizer& q) {
  const scaling& s = q.scalings[0];
  if (q.levels == 0 || s.per != granularity::tile || s.tile_rows != 1 || view.inner != 1 || view.size() == 0) return 0;
  if (q.levels == 2 && q.scalings[1].per != granularity::tensor) return 0;
  return view.outer == 1 || view.length % s.tile_cols == 0 ? s.tile_cols : 0;
}
/// What rounds groups that are columns in memory, if they are, with a power of two as the scale of each.
inline std::optional<group_rounder> rounder_of_columns(const axis_view& view, const quantizer& q) {
  const scaling& s = q.scalings[0];
  if (q.levels != 1 || s.per != granularity::tile || s.tile_rows != 1 || view.inner < 16) return std::nullopt;
  return group_rounder::of_columns(q, s.tile_cols);
}
/// Rounds all columns of groups of `size`; returns how many NaNs got code 0.
/// @param scales  null, or where scales go, numbered as groups   @param streams  as for group_rounder
template <class To>
std::uint64_t round_all_columns(const group_rounder& rounder, std::size_t size, const float* x, const axis_view& view,
                                To* to, float* scales, bool streams) {
  const std::size_t tiles = (view.length + size - 1) / size;
  std::vector<float> found(scales == nullptr ? 0 : view.inner);
  std::uint64_t refused = 0;
  for (std::size_t o = 0; o < view.outer; ++o)
    for (std::size_t tile = 0; tile < tiles; ++tile) {
      const std::size_t first = (o * view.length + tile * size) * view.inner;
      refused += rounder.columns(x + first, std::min(size, view.length - tile * size), view.inner, view.inner,
                                 to + first, scales == nullptr ? nullptr : found.data(), streams);
      for (std::size_t i = 0; i < found.size(); ++i) scales[(o * view.inner + i) * tiles + tile] = found[i];
    }
  return refused;
}
/// The scale of the outer level, that of the tensor.
inline outer_scale outer_of(std::span<const float> x, const axis_view& view, const quantizer& q,
                            const known_scales* known) {
  if (known != nullptr && known->outer) return *known->outer;
  const scaling& s = q.scalings[1];
  group_amax amax(x.data(), grid_of(s, view), s);
  if (s.rule != scale_rule::static_scale) amax.all();
  return scale_levels(q).outer(amax[0]);
}

/// quantize() by a Hadamard transform of blocks and groups that follow each other, piece by piece in the nearest cache;
/// false, and nothing is done, where the quantizer or the array is not of that kind.
inline bool quantize_in_blocks(std::span<const float> x, const axis_view& view, quantizer q, std::span<float> out,
                               bool streams) {
  const transform t = q.transforms[0];
  const bool has_signs = t.kind == transform_kind::random_hadamard;
  if (q.transform_count != 1 || (t.kind != transform_kind::hadamard && !has_signs)) return false;
  q.transform_count = 0;
  q.transforms = {};
  const std::size_t size = neighbours_in_group(view, q);
  if (size == 0 || view.length % t.block != 0 || q.levels != 1) return false;
  constexpr std::size_t longest = 2048;
  const std::size_t step = std::lcm(size, std::size_t(t.block));
  if (step > longest || x.size() % step != 0) return false;

  const std::optional<group_rounder> rounder = group_rounder::of(q, size);
  if (!rounder) return false;
  const std::vector<std::uint32_t> flips = has_signs ? sign_flips(t.block, t.seed) : std::vector<std::uint32_t>{};
  float piece[longest];
  for (std::size_t first = 0; first < x.size();) {
    if (size == t.block)
      first += size * rounder->transformed(x.data() + first, (x.size() - first) / size, out.data() + first,
                                           has_signs ? flips.data() : nullptr, streams);
    const std::size_t count = std::min(longest / step * step, x.size() - first);
    const float* from = x.data() + first;
    float* const to = out.data() + first;
    if (has_signs) flip_signs(std::exchange(from, piece), piece, count, flips);
    transform_blocks(from, piece, count, t.block);
    (*rounder)(piece, count / size, piece);
    transform_blocks(piece, to, count, t.block);
    if (has_signs) flip_signs(to, to, count, flips);
    first += count;
  }
  return true;
}

/// Rounds whole groups with powers of two as scales, and counts.
inline void count_groups(const group_rounder& rounder, std::size_t size, std::span<const float> x, std::span<float> out,
                         counter& counters) {
  constexpr std::size_t longest = counter::chunk;
  float values[longest], scaled[longest], scales[longest / 16], inverse[longest / 16];
  for (std::size_t first = 0; first < x.size();) {
    const std::size_t count = std::min(longest / size * size, x.size() - first), groups = count / size;
    const float* const from = x.data() + first;
    rounder(from, groups, &values[0], &scales[0]);
    for (std::size_t k = 0; k < groups; ++k) inverse[k] = 1 / scales[k];
    lane_scale_down(from, scales, inverse, size, scaled, count);
    counters.add_scaled(from, scaled, values, count);
    std::copy_n(values, count, out.data() + first);
    first += count;
  }
}

/// True if the values of an array are better stored around the caches, which they do not fit in.
inline bool goes_around_caches(std::span<const float> x, std::span<const float> out) {
  return out.size() >= streamed_from && out.data() != x.data();
}

/// quantize() of an array, or of a part of a larger one.
/// @param counters  null, or what counts the elements of the larger array, in storage order
/// @param known     null, or scales found before
/// @param streams   stores go around the caches, where there is a loop that does so: out is not x then
inline void quantize_part(std::span<const float> x, const axis_view& view, const quantizer& q,
                          const noise_source& source, std::span<float> out, counter* counters,
                          const known_scales* known, bool streams = false) {
  check_arguments("quantize", x.size(), view, q, &source);
  check_output(x, view, out);
  if (q.transform_count > 0) {
    if (counters == nullptr && known == nullptr && quantize_in_blocks(x, view, q, out, streams)) return;
    transform_chain chain(q, view);
    const std::vector<float> transformed = chain.apply(x);
    quantize_part(transformed, view, chain.without_transforms(), source, out, counters, known);
    return chain.undo(out);
  }
  if (q.levels == 0 && counters == nullptr) return quantize_unscaled(x, q.elem, source, out, streams);

  const std::size_t size = neighbours_in_group(view, q);
  if (size != 0 && x.size() >= size && (counters == nullptr || q.levels == 1) &&
      (known == nullptr || known->inner.empty())) {
    const std::size_t done = x.size() / size * size;
    const outer_scale outer = q.levels == 2 ? outer_of(x, view, q, known) : outer_scale{};
    if (const std::optional<group_rounder> rounder = group_rounder::of(q, size, outer)) {
      if (counters == nullptr)
        (*rounder)(x.data(), x.size() / size, out.data(), nullptr, streams);
      else
        count_groups(*rounder, size, x.first(done), out.first(done), *counters);
      if (done == x.size()) return;
      const known_scales of_rest{.outer = outer};
      return quantize_part(x.subspan(done), {1, x.size() - done, 1}, q, source, out.subspan(done), counters, &of_rest);
    }
  }

  if (counters == nullptr && (known == nullptr || known->inner.empty()))
    if (const std::optional<group_rounder> columns = rounder_of_columns(view, q))
      return void(
          round_all_columns<float>(*columns, q.scalings[0].tile_cols, x.data(), view, out.data(), nullptr, streams));

  const bool in_place = out.data() == x.data();
  constexpr std::size_t longest = scaled_walk::longest;
  chunk_rounder rounder(q);
  std::uint32_t noise_buffer[longest];
  float value_buffer[longest];
  scaled_walk walk(x.data(), view, q, counters != nullptr, known);
  walk.run([&](std::size_t first, std::size_t n, const near_scales& scales) {
    const float* const from = x.data() + first;
    float* const to = in_place ? value_buffer : out.data() + first;
    rounder.quantize(from, scales, chunk_noise(q.elem, source, first, {noise_buffer, n}), to, n, streams);
    if (counters != nullptr) rounder.count(*counters, from, scales, to, n);
    if (in_place) std::copy_n(to, n, out.data() + first);
  });
}

/// encode() of an array, or of a part of a larger one.
/// @param known    null, or scales found before
/// @param refused  grows by the NaNs that the format has no code for, which get code 0
inline void encode_part(std::span<const float> x, const axis_view& view, const quantizer& q, const noise_source& source,
                        const known_scales* known, std::uint64_t& refused, encoded& result) {
  check_arguments("encode", x.size(), view, q, &source);
  if (q.transform_count > 0) {
    transform_chain chain(q, view);
    encode_part(chain.apply(x), view, chain.without_transforms(), source, known, refused, result);
    result.transforms = std::move(chain.records());
    return;
  }
  result.scales = {};
  result.outer_scales = {};
  result.transforms.clear();
  const element& e = q.elem;
  if (q.levels == 0)
    return with_codes(result.codes, e.format.width, x.size(),
                      [&](auto& codes) { encode_unscaled(x, e, source, refused, codes.data()); });
  if (const std::size_t size = neighbours_in_group(view, q);
      size != 0 && x.size() % size == 0 && (known == nullptr || known->inner.empty())) {
    const outer_scale outer = q.levels == 2 ? outer_of(x, view, q, known) : outer_scale{};
    if (const std::optional<group_rounder> rounder = group_rounder::of(q, size, outer)) {
      std::vector<float> scales(x.size() / size);
      with_codes(result.codes, e.format.width, x.size(), [&](auto& codes) {
        if constexpr (sizeof(codes[0]) <= sizeof(std::uint32_t))
          refused += (*rounder)(x.data(), scales.size(), codes.data(), scales.data());
      });
      encode_scales(q.scalings[0].format, scales, result.scales);
      if (q.levels == 2) encode_scales(q.scalings[1].format, {outer.scale}, result.outer_scales);
      return;
    }
  }
  if (known == nullptr || known->inner.empty())
    if (const std::optional<group_rounder> columns = rounder_of_columns(view, q)) {
      std::vector<float> scales(plain_grid_of(q.scalings[0], view).count());
      with_codes(result.codes, e.format.width, x.size(), [&](auto& codes) {
        if constexpr (sizeof(codes[0]) <= sizeof(std::uint32_t))
          refused +=
              round_all_columns(*columns, q.scalings[0].tile_cols, x.data(), view, codes.data(), scales.data(), false);
      });
      return encode_scales(q.scalings[0].format, scales, result.scales);
    }
  chunk_rounder rounder(q);
  std::uint32_t noise_buffer[scaled_walk::longest];
  scaled_walk walk(x.data(), view, q, false, known);
  with_codes(result.codes, e.format.width, x.size(), [&](auto& codes) {
    walk.run([&](std::size_t first, std::size_t n, const near_scales& scales) {
      const std::uint32_t* const noise = chunk_noise(e, source, first, {noise_buffer, n});
      rounder.encode(x.data() + first, scales, noise, codes.data() + first, n);
      if (!e.format.refuses_nan()) return;
      // The NaN of a group has its say in the scale alone.
      const auto is_nan = [](const auto* list, std::size_t i) {
        const double number = list == nullptr ? 0 : double(list[i]);
        return number != number;
      };
      for (std::size_t i = 0; i < n; ++i)
        refused += std::uint64_t(x[first + i] != x[first + i] && !is_nan(scales.stored, i / scales.run) &&
                                 !is_nan(scales.product, i / scales.run));
    });
  });
  encode_scales(q.scalings[0].format, walk.inner_scales(), result.scales);
  if (q.levels > 1) encode_scales(q.scalings[1].format, walk.outer_scales(), result.outer_scales);
}
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

inline std::size_t size_of(const code_array& codes) {
  return std::visit([](const auto& c) { return c.size(); }, codes);
}

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
inline void decode(const encoded& array, const axis_view& view, const quantizer& q, std::span<float> out) {
  const std::size_t count = detail::size_of(array.codes);
  detail::check_arguments("decode", count, view, q, nullptr);
  detail::check_decoded(count, array, view, q, out);
  const auto check_codes = [](const code_array& codes, const number_format& f, const char* what) {
    std::visit(
        [&](const auto& c) {
          if (detail::all_fit(c.data(), c.size(), f.code_mask())) return;
          const auto wide = std::find_if(c.begin(), c.end(), [&](auto code) { return code > f.code_mask(); });
          throw std::invalid_argument("decode: " + std::string(what) + " code " + std::to_string(*wide) + " at index " +
                                      std::to_string(wide - c.begin()) + " is wider than the " +
                                      std::to_string(f.width) + " bits of its format");
        },
        codes);
  };
  check_codes(array.codes, q.elem.format, "element");
  if (q.levels > 0) check_codes(array.scales, q.scalings[0].format, "scale");
  if (q.levels > 1) check_codes(array.outer_scales, q.scalings[1].format, "outer scale");

  const detail::array_decoder decoder(q.elem.format, count);
  if (q.levels == 0 && q.transform_count == 0)
    return std::visit([&](const auto& codes) { decoder(codes.data(), out.data(), count); }, array.codes);
  const std::vector<float> inner = detail::decode_scales(q.scalings[0].format, array.scales),
                           outer = detail::decode_scales(q.scalings[1].format, array.outer_scales);
  detail::scaled_walk walk(nullptr, view, q, false);
  std::visit(
      [&](const auto& codes) {
        walk.run_with(inner, outer, [&](std::size_t first, std::size_t n, const detail::near_scales& near) {
          float* const values = out.data() + first;
          decoder(codes.data() + first, values, n);
          if (near.product != nullptr) return detail::multiply(near, values, n);
          if (near.stored != nullptr) detail::lane_scale_up(near.stored, near.run, values, n);
        });
      },
      array.codes);
  if (q.transform_count == 0) return;
  detail::transform_chain chain(q, view);
  chain.records() = array.transforms;
  chain.undo(out);
}

}  // namespace binade
