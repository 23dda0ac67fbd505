#include <optional>
#include <stdexcept>
#include <string>

#include "bodies.hpp"
#include "device_element.cuh"
#include "kept_scratch.cuh"
#include "launch.cuh"
#include "quantize.hpp"
#include "scratch.cuh"
#include "segment_launch.cuh"

namespace binade::cuda {
namespace {

/// What a call can be refused for before anything is launched.
void require(const std::string& name, const axis_view& view, const quantizer& q, const noise_source& noise) {
  if (const std::string_view why = defect(q); !why.empty())
    throw std::invalid_argument(name + ": q: " + std::string(why));
  if (is_delayed(q))
    throw std::invalid_argument(name +
                                ": q has a delayed scale, which follows from arrays seen before; give amax, exact, or "
                                "static=X with the scale that the history gives");
  if (q.transform_count > 0 || (q.levels > 0 && q.scalings[0].rule == scale_rule::four_over_six))
    throw std::invalid_argument(name +
                                ": q has a transform or the scale rule 4over6, which this release has on the "
                                "CPU alone: use the same verb there");
  if (is_stochastic(q.elem.rounding) && noise.first + view.size() > noise_capacity(q.elem.noise_bits))
    throw std::invalid_argument(name + ": x has " + std::to_string(view.size()) + " elements from noise index " +
                                std::to_string(noise.first) + "; there is noise for " +
                                std::to_string(noise_capacity(q.elem.noise_bits)) +
                                ": use another stream for the rest");
}

/// Calls f with a null pointer of the unsigned type that holds a code of the format.
template <class F>
void with_code_type(const number_format& format, F&& f) {
  switch (code_bytes(format)) {
    case 1:
      return f(static_cast<std::uint8_t*>(nullptr));
    case 2:
      return f(static_cast<std::uint16_t*>(nullptr));
    case 4:
      return f(static_cast<std::uint32_t*>(nullptr));
    default:
      return f(static_cast<std::uint64_t*>(nullptr));
  }
}

/// The scales of an array, in scratch memory.
class found_scales {
 public:
  /// @param kept  null, or memory for the scale of a second level
  found_scales(const char* call, const axis_view& view, const quantizer& q, stream on,
               kept_scratch::words* kept = nullptr)
      : call_(call), view_(view), quantizer_(q), on_(on), kept_(kept) {}

  array_scales get() const { return {view_, quantizer_, inner(), outer()}; }
  const float* inner() const { return inner_ ? inner_->get() : nullptr; }
  const outer_scale* outer() const {
    return outer_ ? outer_->get() : kept_ != nullptr && quantizer_.levels == 2 ? &kept_->outer : nullptr;
  }

  /// @param codes  null, or where their codes go
  void find_outer(const float* x, void* codes = nullptr) {
    if (quantizer_.levels < 2) return;
    find(x, quantizer_.scalings[1], outer_scale_count(view_, quantizer_), outer_, codes,
         [&](const std::uint32_t* largest) {
           return outer_scale_body{scale_levels(quantizer_), largest, outer_->get()};
         });
  }
  void find_inner(const float* x, void* codes = nullptr) {
    if (quantizer_.levels < 1) return;
    find(x, quantizer_.scalings[0], scale_count(view_, quantizer_), inner_, codes, [&](const std::uint32_t* largest) {
      return inner_scale_body{scale_levels(quantizer_), get(), largest, inner_->get()};
    });
  }
  void decode_inner(const void* codes) {
    if (quantizer_.levels > 0) decode(codes, scale_count(view_, quantizer_), quantizer_.scalings[0], inner_);
  }
  void decode_outer(const void* codes) {
    if (quantizer_.levels > 1) decode(codes, outer_scale_count(view_, quantizer_), quantizer_.scalings[1], outer_);
  }

 private:
  /// @param body_of  makes of the bits of each group's amax a body whose index is the group
  template <class Scale, class BodyOf>
  void find(const float* x, const scaling& s, std::size_t count, std::optional<scratch<Scale>>& scales, void* codes,
            BodyOf body_of) {
    constexpr bool is_outer = std::is_same_v<Scale, outer_scale>;
    const bool is_read = s.rule != scale_rule::static_scale, is_last = is_outer || quantizer_.levels == 1;
    const bool is_one = is_read && is_last && s.per == granularity::tensor && needs_only_amax(s) && is_aligned(x);
    const auto find_one = [&](amax_of_all* all, Scale* scale) {
      launch_amax(call_, view_.size(), x, all,
                  tensor_scale_body<Scale>{scale_levels(quantizer_), s.format, code_bytes(s.format), scale, codes},
                  on_);
    };
    if constexpr (is_outer)
      if (is_one && kept_ != nullptr) return find_one(&kept_->all, &kept_->outer);
    scales.emplace(call_, on_, count);
    if (is_one) return find_one(scratch<amax_of_all>(call_, on_, 1, 0).get(), scales->get());
    const scratch<std::uint32_t> largest(call_, on_, count, 0);
    if (is_read)
      for_each_index(call_, view_.size(),
                     amax_body{detail::plain_grid_of(s, view_), detail::magnitude_filter::of(s), x, largest.get()},
                     on_);
    for_each_index(call_, count, body_of(largest.get()), on_);
    if (codes != nullptr) encode(scales->get(), count, s, codes);
  }
  template <class Scale>
  void encode(const Scale* scales, std::size_t count, const scaling& s, void* codes) const {
    with_code_type(s.format, [&]<class Code>(Code*) {
      for_each_index(call_, count, encode_scale_body<Scale, Code>{s.format, scales, static_cast<Code*>(codes)}, on_);
    });
  }
  template <class Scale>
  void decode(const void* codes, std::size_t count, const scaling& s, std::optional<scratch<Scale>>& scales) {
    scales.emplace(call_, on_, count);
    with_code_type(s.format, [&]<class Code>(Code*) {
      for_each_index(call_, count,
                     decode_scale_body<Scale, Code>{s.format, static_cast<const Code*>(codes), scales->get()}, on_);
    });
  }

  const char* call_;
  axis_view view_;
  quantizer quantizer_;
  stream on_;
  kept_scratch::words* kept_;
  std::optional<scratch<float>> inner_;
  std::optional<scratch<outer_scale>> outer_;
};

void check_refused(unsigned long long count) {
  if (count != 0)
    throw std::invalid_argument(
        "cuda::encode: x holds " + std::to_string(count) +
        " NaN and the format has no code for NaN; choose one with :nan=max or :nan=zero, or use quantize");
}

}  // namespace

void quantize(const float* x, const axis_view& view, const quantizer& q, const noise_source& noise, float* out,
              stream on) {
  constexpr const char* call = "cuda::quantize";
  require(call, view, q, noise);
  if (view.size() == 0) return;
  found_scales scales(call, view, q, on);
  scales.find_outer(x);
  if (const std::optional<segment_launch> fast = segment_launch::find(call, view, q, noise, on);
      fast && is_aligned(x) && is_aligned(out)) {
    if (fast->has_one_scale()) scales.find_inner(x);
    return fast->quantize(x, scales.inner(), scales.outer(), out);
  }
  scales.find_inner(x);
  const device_element elem(call, q.elem, on);
  for_each_index(call, view.size(), quantize_body{{q, elem.get(), noise}, scales.get(), x, out}, on);
}

void encode(const float* x, const axis_view& view, const quantizer& q, const noise_source& noise, void* codes,
            void* scale_codes, void* outer_codes, stream on) {
  constexpr const char* call = "cuda::encode";
  require(call, view, q, noise);
  if (view.size() == 0) return;
  const bool refuses_nan = q.elem.format.refuses_nan();
  if (const std::optional<segment_launch> fast = segment_launch::find(call, view, q, noise, on);
      fast && fast->can_encode() && is_aligned(x) && is_aligned(codes)) {
    std::optional<kept_scratch> kept;
    if (refuses_nan) kept.emplace(call, on);
    found_scales scales(call, view, q, on, kept ? kept->get() : nullptr);
    scales.find_outer(x, outer_codes);
    if (fast->has_one_scale()) scales.find_inner(x, scale_codes);
    fast->encode(x, scales.inner(), scales.outer(), codes, static_cast<std::uint8_t*>(scale_codes),
                 kept ? kept->tally() : nan_tally{});
    if (kept) check_refused(kept->nans());
    return;
  }
  found_scales scales(call, view, q, on);
  scales.find_outer(x, outer_codes);
  scales.find_inner(x, scale_codes);
  std::optional<scratch<unsigned long long>> nans;
  if (refuses_nan) {
    nans.emplace(call, on, 1, 0);
    for_each_index(call, view.size(), count_nan_body{scale_levels(q), scales.get(), x, nans->get()}, on);
  }
  const device_element elem(call, q.elem, on);
  with_code_type(q.elem.format, [&]<class Code>(Code*) {
    for_each_index(call, view.size(),
                   encode_body<Code>{{q, elem.get(), noise}, scales.get(), x, static_cast<Code*>(codes)}, on);
  });
  if (nans) check_refused(nans->value());
}

void decode(const void* codes, const void* scale_codes, const void* outer_codes, const axis_view& view,
            const quantizer& q, float* out, stream on) {
  constexpr const char* call = "cuda::decode";
  require(call, view, q, {});
  if (view.size() == 0) return;
  found_scales scales(call, view, q, on);
  scales.decode_outer(outer_codes);
  if (const std::optional<segment_decoder> fast = segment_decoder::find(call, view, q, on);
      fast && is_aligned(codes) && is_aligned(out)) {
    if (fast->has_one_scale()) scales.decode_inner(scale_codes);
    return fast->decode(codes, scales.inner(), static_cast<const std::uint8_t*>(scale_codes), scales.outer(), out);
  }
  scales.decode_inner(scale_codes);
  const device_element elem(call, q.elem, on);
  with_code_type(q.elem.format, [&]<class Code>(Code*) {
    for_each_index(call, view.size(),
                   decode_body<Code>{{q, elem.get(), {}}, scales.get(), static_cast<const Code*>(codes), out}, on);
  });
}

}  // namespace binade::cuda
