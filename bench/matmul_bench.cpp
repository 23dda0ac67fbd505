// Products of float32 matrices under accumulators, one thread.  Two outputs are compared with the reference's steps
// first. The last column is steps (multiply and add) per second; divide by f32's of the same shape.

#include <benchmark/benchmark.h>

#include <bit>
#include <vector>

#include "binade/accumulator_text.hpp"
#include "binade/matmul.hpp"
#include "binade/wide_sum.hpp"

namespace binade {
namespace {

/// Both signs, spread over 12 binades below 2.
std::vector<float> inputs(std::size_t count, std::uint64_t stream) {
  std::vector<float> x(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = noise_at({.seed = 1, .stream = stream}, i, 32);
    x[i] = std::bit_cast<float>((bits & 0x807fffff) | (116 + (bits >> 23 & 0xff) % 12) << 23);
  }
  return x;
}

/// Output (i, j) of a chain, or of the exact sum, step by step.
float expected(const accumulator& sum, const std::vector<float>& a, const std::vector<float>& b, const matmul_shape& s,
               std::size_t i, std::size_t j) {
  const element& e = sum.stages[0].running;
  detail::wide_sum exact;
  double running = 0;
  for (std::size_t p = 0; p < s.k; ++p) {
    const float x = a[i * s.k + p], y = b[p * s.n + j];
    const std::uint32_t noise = is_stochastic(e.rounding) ? noise_at({}, (i * s.k + p) * s.n + j, e.noise_bits) : 0;
    running = rounded_step(e, operand_product(e, x, y), running, noise);
    exact.add_product(double(x), double(y));
  }
  return sum.stages[0].order == summation::exact ? detail::nearest_float(exact.total()) : float(running);
}

void multiply(benchmark::State& state, const char* text) {
  const matmul_shape s{std::size_t(state.range(0)), 512, 512};
  const accumulator sum = parse_accumulator(text);
  const std::vector<float> a = inputs(s.m * s.k, 1), b = inputs(s.k * s.n, 2);
  std::vector<float> out(s.m * s.n);
  matmul(a, b, s, sum, {}, out);
  if (out.front() != expected(sum, a, b, s, 0, 0) || out.back() != expected(sum, a, b, s, s.m - 1, s.n - 1))
    return state.SkipWithError("the values are wrong");
  for (auto _ : state) {
    matmul(a, b, s, sum, {}, out);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * std::int64_t(s.m * s.k * s.n));
}

#define BINADE_ROWS ->Arg(64)->Unit(benchmark::kMillisecond)
BENCHMARK_CAPTURE(multiply, f32, "f32") BINADE_ROWS;
BENCHMARK_CAPTURE(multiply, f64, "f64") BINADE_ROWS;
BENCHMARK_CAPTURE(multiply, exact, "exact") BINADE_ROWS;
BENCHMARK_CAPTURE(multiply, e8m13_rtz, "e8m13/rtz") BINADE_ROWS;
BENCHMARK_CAPTURE(multiply, e5m10, "e5m10") BINADE_ROWS;
BENCHMARK_CAPTURE(multiply, e8m7_sr8, "e8m7/sr:8") BINADE_ROWS;
BENCHMARK_CAPTURE(multiply, e8m23_rtz, "e8m23/rtz") BINADE_ROWS;
BENCHMARK_CAPTURE(multiply, posit16, "posit16") BINADE_ROWS;

}  // namespace
}  // namespace binade
