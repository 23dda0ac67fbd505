#include <stdexcept>
#include <string>

#include "bodies.hpp"
#include "device_element.cuh"
#include "launch.cuh"
#include "quantize.hpp"

namespace binade::cuda {
namespace {

/// Device memory for the length of a call, freed in the order of the stream.
template <class T>
class scratch {
 public:
  scratch(const char* call, stream on) : call_(call), on_(on) {
    check(cudaMallocAsync(&data_, sizeof(T), on),
          std::string(call) + ": scratch of " + std::to_string(sizeof(T)) + " bytes");
    check(cudaMemsetAsync(data_, 0, sizeof(T), on), std::string(call) + ": clearing scratch");
  }
  ~scratch() { cudaFreeAsync(data_, on_); }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  T* get() const { return data_; }
  /// Waits for the stream.
  T value() const {
    T result;
    check(cudaMemcpyAsync(&result, data_, sizeof(T), cudaMemcpyDeviceToHost, on_),
          std::string(call_) + ": reading scratch");
    check(cudaStreamSynchronize(on_), std::string(call_) + ": waiting for the stream");
    return result;
  }

 private:
  const char* call_;
  stream on_;
  T* data_ = nullptr;
};

/// What a call can be refused for before anything is launched.
void require(const char* call, const axis_view& view, const quantizer& q, const noise_source& noise) {
  const std::string name = std::string("cuda::") + call + ": ";
  if (const std::string_view why = defect(q); !why.empty())
    throw std::invalid_argument(name + "q: " + std::string(why));
  if (!is_plain(q))
    throw std::invalid_argument(
        name +
        "q has a transform, two levels of scales, an operation order or a rule for NaNs, infinities or zeros; on the "
        "device this release has an element and one scaling without these: use the same verb on the CPU");
  if (q.levels != 0) {
    const scaling& s = q.scalings[0];
    if (s.per == granularity::col || (s.per == granularity::tile && s.tile_rows != 1))
      throw std::invalid_argument(
          name +
          "q has a scale per column or per tile of several rows; on the device this release has "
          "tensor, row and block(n): use one of these, or the same verb on the CPU");
  }
  if (is_stochastic(q.elem.rounding) && noise.first + view.size() > noise_capacity(q.elem.noise_bits))
    throw std::invalid_argument(name + "x has " + std::to_string(view.size()) + " elements from noise index " +
                                std::to_string(noise.first) + "; there is noise for " +
                                std::to_string(noise_capacity(q.elem.noise_bits)) +
                                ": use another stream for the rest");
}

bool has_one_scale(const quantizer& q) {
  return q.levels == 0 || q.scalings[0].per == granularity::tensor;
}

block_groups groups_of(const axis_view& view, const quantizer& q) {
  const scaling& s = q.scalings[0];
  return {view, s.per == granularity::row ? view.length : s.tile_cols};
}

/// The scale of a whole tensor as a code.
template <class Code>
struct scale_code_body {
  scale_finder finder;
  float_format format;
  const std::uint32_t* amax;
  Code* scale;
  BINADE_HD void operator()(std::size_t) const {
    *scale = Code(binade::encode(element{.format = format}, finder(std::bit_cast<float>(*amax))));
  }
};
template <class Code>
struct scale_value_body {
  float_format format;
  const Code* code;
  float* scale;
  BINADE_HD void operator()(std::size_t) const { *scale = binade::decode<float>(format, *code); }
};

struct count_nan_body {
  const float* x;
  unsigned long long* count;
  BINADE_HD void operator()(std::size_t i) const {
    if (x[i] == x[i]) return;
#if defined(__CUDA_ARCH__)
    atomicAdd(count, 1ull);
#else
    ++*count;
#endif
  }
};

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

/// amax of a tensor scaling; nothing for no scaling.
const std::uint32_t* find_amax(const char* call, const float* x, const axis_view& view, const quantizer& q,
                               std::uint32_t* amax, stream on) {
  if (q.levels == 0) return nullptr;
  for_each_index(call, view.size(), amax_body{x, amax}, on);
  return amax;
}

}  // namespace

void quantize(const float* x, const axis_view& view, const quantizer& q, const noise_source& noise, float* out,
              stream on) {
  require("quantize", view, q, noise);
  if (view.size() == 0) return;
  const device_element elem("cuda::quantize", q.elem, on);
  const element_rounder rounder{elem.get(), noise};
  const scale_finder finder(q.scalings[0], q.elem.format);
  if (has_one_scale(q)) {
    const scratch<std::uint32_t> amax("cuda::quantize", on);
    const std::uint32_t* const found = find_amax("cuda::quantize", x, view, q, amax.get(), on);
    return for_each_index("cuda::quantize", view.size(), fake_quantize_body{rounder, finder, found, x, out}, on);
  }
  const block_groups groups = groups_of(view, q);
  for_each_index("cuda::quantize", groups.count(), fake_quantize_group_body{rounder, finder, groups, x, out}, on);
}

void encode(const float* x, const axis_view& view, const quantizer& q, const noise_source& noise, void* codes,
            void* scales, stream on) {
  require("encode", view, q, noise);
  if (view.size() == 0) return;
  if (q.elem.format.refuses_nan()) {
    const scratch<unsigned long long> nans("cuda::encode", on);
    for_each_index("cuda::encode", view.size(), count_nan_body{x, nans.get()}, on);
    if (const unsigned long long count = nans.value(); count != 0)
      throw std::invalid_argument(
          "cuda::encode: x holds " + std::to_string(count) +
          " NaN and the format has no code for NaN; choose one with :nan=max or :nan=zero, or use quantize");
  }
  const device_element elem("cuda::encode", q.elem, on);
  const element_rounder rounder{elem.get(), noise};
  const scale_finder finder(q.scalings[0], q.elem.format);
  const float_format scale_format = q.scalings[0].format;
  with_code_type(q.elem.format, [&]<class Code>(Code*) {
    with_code_type(scale_format, [&]<class ScaleCode>(ScaleCode*) {
      const auto code = static_cast<Code*>(codes);
      const auto scale = static_cast<ScaleCode*>(scales);
      if (has_one_scale(q)) {
        const scratch<std::uint32_t> amax("cuda::encode", on);
        const std::uint32_t* const found = find_amax("cuda::encode", x, view, q, amax.get(), on);
        if (q.levels != 0)
          for_each_index("cuda::encode", 1, scale_code_body<ScaleCode>{finder, scale_format, found, scale}, on);
        for_each_index("cuda::encode", view.size(), encode_body<Code>{rounder, finder, found, x, code}, on);
        return;
      }
      const block_groups groups = groups_of(view, q);
      for_each_index("cuda::encode", groups.count(),
                     encode_group_body<Code, ScaleCode>{rounder, finder, scale_format, groups, x, code, scale}, on);
    });
  });
}

void decode(const void* codes, const void* scales, const axis_view& view, const quantizer& q, float* out, stream on) {
  require("decode", view, q, {});
  if (view.size() == 0) return;
  const device_element elem("cuda::decode", q.elem, on);
  const number_format& format = elem.get().format;
  const float_format scale_format = q.scalings[0].format;
  with_code_type(q.elem.format, [&]<class Code>(Code*) {
    with_code_type(scale_format, [&]<class ScaleCode>(ScaleCode*) {
      const auto code = static_cast<const Code*>(codes);
      const auto scale = static_cast<const ScaleCode*>(scales);
      if (has_one_scale(q)) {
        const scratch<float> value("cuda::decode", on);
        if (q.levels != 0)
          for_each_index("cuda::decode", 1, scale_value_body<ScaleCode>{scale_format, scale, value.get()}, on);
        const float* const known = q.levels != 0 ? value.get() : nullptr;
        for_each_index("cuda::decode", view.size(), decode_body<Code>{format, known, code, out}, on);
        return;
      }
      const block_groups groups = groups_of(view, q);
      for_each_index("cuda::decode", groups.count(),
                     decode_group_body<Code, ScaleCode>{format, scale_format, groups, code, scale, out}, on);
    });
  });
}

}  // namespace binade::cuda
