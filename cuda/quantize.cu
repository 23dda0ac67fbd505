#include <optional>
#include <stdexcept>
#include <string>

#include "bodies.hpp"
#include "device_element.cuh"
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

/// The bits of each group's amax.
void find_amax(const char* call, const float* x, const axis_view& view, const scaling& s, std::uint32_t* largest,
               stream on) {
  if (s.rule == scale_rule::static_scale) return;
  if (s.per == granularity::tensor && needs_only_amax(s) && is_aligned(x))
    return launch_amax(call, view.size(), x, largest, on);
  for_each_index(call, view.size(),
                 amax_body{detail::plain_grid_of(s, view), detail::magnitude_filter::of(s), x, largest}, on);
}

/// The scales of an array, in scratch memory.
class found_scales {
 public:
  found_scales(const char* call, const axis_view& view, const quantizer& q, stream on)
      : call_(call), view_(view), quantizer_(q), on_(on) {}

  array_scales get() const { return {view_, quantizer_, inner(), outer()}; }
  const float* inner() const { return inner_ ? inner_->get() : nullptr; }
  const outer_scale* outer() const { return outer_ ? outer_->get() : nullptr; }

  void find_outer(const float* x) {
    if (quantizer_.levels < 2) return;
    const std::size_t count = outer_scale_count(view_, quantizer_);
    outer_.emplace(call_, on_, count);
    const scratch<std::uint32_t> largest(call_, on_, count, 0);
    find_amax(call_, x, view_, quantizer_.scalings[1], largest.get(), on_);
    for_each_index(call_, count, outer_scale_body{scale_levels(quantizer_), largest.get(), outer_->get()}, on_);
  }
  void find_inner(const float* x) {
    if (quantizer_.levels < 1) return;
    const std::size_t count = scale_count(view_, quantizer_);
    inner_.emplace(call_, on_, count);
    const scratch<std::uint32_t> largest(call_, on_, count, 0);
    find_amax(call_, x, view_, quantizer_.scalings[0], largest.get(), on_);
    for_each_index(call_, count, inner_scale_body{scale_levels(quantizer_), get(), largest.get(), inner_->get()}, on_);
  }
  void encode_inner(void* codes) const {
    if (inner_) encode(inner_->get(), scale_count(view_, quantizer_), quantizer_.scalings[0], codes);
  }
  void encode_outer(void* codes) const {
    if (outer_) encode(outer_->get(), outer_scale_count(view_, quantizer_), quantizer_.scalings[1], codes);
  }
  void decode_inner(const void* codes) {
    if (quantizer_.levels > 0) decode(codes, scale_count(view_, quantizer_), quantizer_.scalings[0], inner_);
  }
  void decode_outer(const void* codes) {
    if (quantizer_.levels > 1) decode(codes, outer_scale_count(view_, quantizer_), quantizer_.scalings[1], outer_);
  }

 private:
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
  std::optional<scratch<float>> inner_;
  std::optional<scratch<outer_scale>> outer_;
};

void check_refused(const std::optional<scratch<unsigned long long>>& nans) {
  if (!nans) return;
  if (const unsigned long long count = nans->value(); count != 0)
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
  std::optional<scratch<unsigned long long>> nans;
  if (q.elem.format.refuses_nan()) nans.emplace(call, on, 1, 0);
  unsigned long long* const of_nans = nans ? nans->get() : nullptr;
  found_scales scales(call, view, q, on);
  scales.find_outer(x);
  scales.encode_outer(outer_codes);
  if (const std::optional<segment_launch> fast = segment_launch::find(call, view, q, noise, on);
      fast && fast->can_encode() && is_aligned(x) && is_aligned(codes)) {
    if (fast->has_one_scale()) {
      scales.find_inner(x);
      scales.encode_inner(scale_codes);
    }
    fast->encode(x, scales.inner(), scales.outer(), codes, static_cast<std::uint8_t*>(scale_codes), of_nans);
    return check_refused(nans);
  }
  scales.find_inner(x);
  scales.encode_inner(scale_codes);
  if (nans) for_each_index(call, view.size(), count_nan_body{scale_levels(q), scales.get(), x, of_nans}, on);
  const device_element elem(call, q.elem, on);
  with_code_type(q.elem.format, [&]<class Code>(Code*) {
    for_each_index(call, view.size(),
                   encode_body<Code>{{q, elem.get(), noise}, scales.get(), x, static_cast<Code*>(codes)}, on);
  });
  check_refused(nans);
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
