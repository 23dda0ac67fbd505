// Products of float32 matrices under accumulators, beside Eigen's float32 product of the same shape, with one thread
// and with two.  BINADE_VECTOR_BITS=256 gives the rows of AVX2, on both sides.
//
// One iteration times both once, in turn, on the same operands.  Two outputs are compared with the reference's steps
// first.  GF: GFLOP/s at the median time, two operations per step (multiply and add); vs_eigen: Eigen's median time
// over ours, 1 where both are as fast.  Times of one thread are processor time; with two threads they are by the clock,
// each after 50 milliseconds of calls that are not timed, on a process that was idle; what else is at work on the
// machine is in them.

#include <benchmark/benchmark.h>

#include <bit>
#include <string>
#include <vector>

#include "bench/eigen_product.hpp"
#include "bench/timing.hpp"
#include "binade/accumulator_text.hpp"
#include "binade/matmul.hpp"
#include "binade/versions.hpp"
#include "binade/wide_sum.hpp"
#include "kernels/parallel.hpp"

namespace binade::bench {
namespace {

/// Both signs, spread over 12 binades below 2, in a format.
std::vector<float> inputs(std::size_t count, std::uint64_t stream, const element& e) {
  std::vector<float> x(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = noise_at({.seed = 1, .stream = stream}, i, 32);
    x[i] = float(round(e, std::bit_cast<float>((bits & 0x807fffff) | (116 + (bits >> 23 & 0xff) % 12) << 23)));
  }
  return x;
}

/// Output (i, j) of a chain, or of the exact sum, step by step.
float expected(const accumulator& sum, const std::vector<float>& a, const std::vector<float>& b, const matmul_shape& s,
               std::size_t i, std::size_t j) {
  const accumulator_stage &first = sum.stages[0], &last = sum.stages[1];
  const element& e = first.running;
  detail::wide_sum exact;
  double running = 0, total = 0;
  for (std::size_t p = 0; p < s.k; ++p) {
    const float x = a[i * s.k + p], y = b[p * s.n + j];
    const std::uint32_t noise = is_stochastic(e.rounding) ? noise_at({}, (i * s.k + p) * s.n + j, e.noise_bits) : 0;
    const double term = operand_product(e, x, y);
    running = rounded_step(e, first.rounds_products ? rounded_term(first.product, term) : term, running, noise);
    exact.add_product(double(x), double(y));
    if (first.chunk == 0 || ((p + 1) % first.chunk != 0 && p + 1 < s.k)) continue;
    total = rounded_step(last.running, running, total);
    running = 0;
  }
  if (first.order == summation::exact) return detail::nearest_float(exact.total());
  return float(first.chunk == 0 ? running : total);
}

struct row {
  const char *accumulator, *operands;
};

void compare(benchmark::State& state, const row& r, const matmul_shape& s, std::size_t threads) {
  const accumulator sum = parse_accumulator(r.accumulator);
  const element operands = parse_element(r.operands);
  const std::vector<float> a = inputs(s.m * s.k, 1, operands), b = inputs(s.k * s.n, 2, operands);
  std::vector<float> out(s.m * s.n), of_eigen(s.m * s.n);
  thread_pool pool(threads);
  eigen_threads(int(threads));
  const auto ours = [&] {
    matmul(a, b, s, sum, {}, out, [&pool](std::size_t count, const auto& f) { pool.parallel_for(count, f); });
  };
#ifdef BINADE_WIDE_256
  const bool in_512_bits = detail::vector_bits() >= 512;
#else
  const bool in_512_bits = false;
#endif
  const auto eigen = [&] {
    eigen_product(in_512_bits, {s.m, s.n, s.k, false, false}, a.data(), b.data(), of_eigen.data());
  };
  ours();
  eigen();
  if (out.front() != expected(sum, a, b, s, 0, 0) || out.back() != expected(sum, a, b, s, s.m - 1, s.n - 1))
    return state.SkipWithError("the values are wrong");
  std::vector<double> our_times, eigen_times;
  for (auto _ : state) {
    eigen_times.push_back(seconds_on(threads, eigen, 1));
    our_times.push_back(seconds_on(threads, ours, 1));
    state.SetIterationTime(our_times.back());
  }
  const double our_median = median(our_times);
  state.counters["GF"] = 2.0 * double(s.m) * double(s.k) * double(s.n) / our_median * 1e-9;
  state.counters["vs_eigen"] = median(eigen_times) / our_median;
}

// Rounded in every step, fused and with the product rounded first; in chunks; exact, of operands whose sums are exact
// in float64 (e4m3fn) and in float32 (e2m1fn).
constexpr row rows[] = {{"f32", "f32"},
                        {"f64", "f32"},
                        {"e8m10", "f32"},
                        {"e8m7", "f32"},
                        {"e5m10", "f32"},
                        {"e5m10", "e4m3fn"},
                        {"e8m13/rtz", "f32"},
                        {"f32:chunk=32", "f32"},
                        {"f32:chunk=128", "f32"},
                        {"e8m10:chunk=64", "f32"},
                        {"e5m10:chunk=64->f32", "f32"},
                        {"e8m13/rtz:chunk=128->f32", "f32"},
                        {"f32:mul=f32", "f32"},
                        {"f32:mul=e8m10", "f32"},
                        {"e8m10:mul=e8m10", "f32"},
                        {"e8m7:mul=e8m7", "f32"},
                        {"e5m10:mul=e5m10", "f32"},
                        {"e5m10:mul=e5m10", "e4m3fn"},
                        {"exact", "e4m3fn"},
                        {"exact", "e5m2"},
                        {"exact", "e2m1fn"}};
// What takes another way: one thread and few rows.
constexpr row slower_rows[] = {
    {"exact", "f32"}, {"e8m7/sr:8", "f32"}, {"e8m23/rtz", "f32"}, {"posit16", "f32"}, {"e5m10/daz", "e4m3fn"}};

void add(const row& r, const matmul_shape& s, std::size_t threads, int iterations) {
  const std::string name = std::string("matmul/") + r.accumulator + "/of " + r.operands + "/" + std::to_string(s.m) +
                           "x" + std::to_string(s.n) + "x" + std::to_string(s.k) + (threads == 1 ? "" : "/2 threads");
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { compare(state, r, s, threads); })
      ->UseManualTime()
      ->Iterations(iterations)
      ->Unit(benchmark::kMicrosecond);
}

const bool registered = [] {
  for (const std::size_t threads : {std::size_t(1), std::size_t(2)})
    for (const std::size_t size : {std::size_t(512), std::size_t(1024)})
      for (const row& r : rows) add(r, {size, size, size}, threads, 21);
  for (const row& r : slower_rows) add(r, {64, 512, 512}, 1, 5);
  return true;
}();

}  // namespace
}  // namespace binade::bench
