// Fake-quantization of float32 arrays beside a copy of the same bytes, one thread.  Each output is compared with the
// decoded codes first.  The last column is elements per second; divide by the copy's of the same size.

#include <benchmark/benchmark.h>

#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include "binade/quantize.hpp"

namespace binade {
namespace {

/// Both signs, spread over 24 binades around 1.
std::vector<float> inputs(std::size_t count) {
  std::vector<float> x(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = noise_at({.seed = 1}, i, 32);
    x[i] = std::bit_cast<float>((bits & 0x807fffff) | (115 + (bits >> 23 & 0xff) % 24) << 23);
  }
  return x;
}

/// True if the values are those of the codes and scales.
bool is_right(const quantizer& q, const axis_view& view, const std::vector<float>& x, const std::vector<float>& got) {
  const encoded codes = encode(x, view, q, {});
  std::vector<float> want(x.size());
  decode(codes, view, q, want);
  return std::memcmp(got.data(), want.data(), got.size() * sizeof(float)) == 0;
}

void copy(benchmark::State& state) {
  const std::vector<float> x = inputs(std::size_t(state.range(0)));
  std::vector<float> out(x.size());
  for (auto _ : state) {
    std::memcpy(out.data(), x.data(), x.size() * sizeof(float));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void fake_quantize(benchmark::State& state, const quantizer& q, bool strided, bool counted) {
  const std::size_t count = std::size_t(state.range(0)), columns = 256;
  const axis_view view = strided ? axis_view{1, count / columns, columns} : axis_view{1, count, 1};
  const std::vector<float> x = inputs(count);
  std::vector<float> out(count);
  quantize(x, view, q, {}, out);
  if (!is_right(q, view, x, out)) return state.SkipWithError("the values are wrong");
  quantize_counters counters;
  for (auto _ : state) {
    quantize(x, view, q, {}, out, counted ? &counters : nullptr);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

const element e4m3{.format = formats::e4m3fn};
const element e4m3_sr{.format = formats::e4m3fn, .rounding = rounding_mode::stochastic_a};
const element e4m3_sr16{.format = formats::e4m3fn, .rounding = rounding_mode::stochastic_a, .noise_bits = 16};
const element e4m3_rtz{.format = formats::e4m3fn, .rounding = rounding_mode::toward_zero};
const quantizer mxfp4 = scaled({formats::e2m1fn}, scale_per_block(32));
const scaling per_tensor = scale_per(granularity::tensor);

#define BINADE_SIZES ->Arg(1 << 16)->Arg(1 << 24)
BENCHMARK(copy) BINADE_SIZES;
BENCHMARK_CAPTURE(fake_quantize, e4m3fn, unscaled(e4m3), false, false) BINADE_SIZES;
BENCHMARK_CAPTURE(fake_quantize, e8m7, unscaled({formats::e8m7}), false, false) BINADE_SIZES;
BENCHMARK_CAPTURE(fake_quantize, e4m3fn_rtz, unscaled(e4m3_rtz), false, false) BINADE_SIZES;
BENCHMARK_CAPTURE(fake_quantize, e4m3fn_at_tensor, scaled(e4m3, per_tensor), false, false) BINADE_SIZES;
BENCHMARK_CAPTURE(fake_quantize, e4m3fn_at_tensor_counted, scaled(e4m3, per_tensor), false, true) BINADE_SIZES;
BENCHMARK_CAPTURE(fake_quantize, e4m3fn_sr_at_tensor, scaled(e4m3_sr, per_tensor), false, false) BINADE_SIZES;
BENCHMARK_CAPTURE(fake_quantize, e4m3fn_sr16_at_tensor, scaled(e4m3_sr16, per_tensor), false, false) BINADE_SIZES;
BENCHMARK_CAPTURE(fake_quantize, mxfp4, mxfp4, false, false) BINADE_SIZES;
BENCHMARK_CAPTURE(fake_quantize, mxfp4_counted, mxfp4, false, true) BINADE_SIZES;
BENCHMARK_CAPTURE(fake_quantize, mxfp4_strided, mxfp4, true, false) BINADE_SIZES;
BENCHMARK_CAPTURE(fake_quantize, e4m3fn_at_tensor_strided, scaled(e4m3, per_tensor), true, false) BINADE_SIZES;

}  // namespace
}  // namespace binade
