// The reproducible matrix product beside Eigen's and OpenBLAS's, with one thread and with two.
//
// One iteration times each of them once, in turn, on the same operands.  The output is judged first: by a scalar chain
// of std::fma, bit for bit, on sampled elements.  GF: GFLOP/s at the median time, 2 m n k operations; vs: median time
// of the other over ours, so above 1 ours is faster.  Times of one thread are processor time; with two threads they are
// by the clock, each after 50 milliseconds of calls that are not timed, on a process that was idle; what else is at
// work on the machine is in them.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/timing.hpp"
#include "eigen_product.hpp"
#include "kernels/cpu.hpp"
#include "kernels/gemm.hpp"

#ifdef BINADE_HAS_OPENBLAS
#include <cblas.h>
#endif

namespace binade::bench {
namespace {

using kernels::isa;

class product {
 public:
  product(const product_shape& shape, std::size_t threads)
      : shape_(shape), pool_(threads), a_(shape.m * shape.k), b_(shape.k * shape.n), c_(shape.m * shape.n) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (float& x : a_) x = normal(random);
    for (float& x : b_) x = normal(random);
  }

  void ours() {
    gemm(shape_.a_transposed ? transpose::yes : transpose::no, shape_.b_transposed ? transpose::yes : transpose::no,
         shape_.m, shape_.n, shape_.k, a_.data(), a_stride(), b_.data(), b_stride(), c_.data(), shape_.n, false, pool_);
  }
  void eigen() { eigen_product(kernels::active_isa() == isa::x86_64_v4, shape_, a_.data(), b_.data(), c_.data()); }
#ifdef BINADE_HAS_OPENBLAS
  void openblas() {
    cblas_sgemm(CblasRowMajor, shape_.a_transposed ? CblasTrans : CblasNoTrans,
                shape_.b_transposed ? CblasTrans : CblasNoTrans, blasint(shape_.m), blasint(shape_.n),
                blasint(shape_.k), 1.0f, a_.data(), blasint(a_stride()), b_.data(), blasint(b_stride()), 0.0f,
                c_.data(), blasint(shape_.n));
  }
#endif

  /// ours() gives the chain on 500 elements, and eigen() is near it.
  bool is_right() {
    eigen();
    const std::vector<float> near = c_;
    ours();
    std::mt19937 random(2);
    for (int sample = 0; sample < 500; ++sample) {
      const std::size_t i = random() % shape_.m, j = random() % shape_.n;
      float chain = 0, magnitude = 0;
      for (std::size_t p = 0; p < shape_.k; ++p) {
        const float x = shape_.a_transposed ? a_[p * shape_.m + i] : a_[i * shape_.k + p];
        const float y = shape_.b_transposed ? b_[j * shape_.k + p] : b_[p * shape_.n + j];
        chain = std::fma(x, y, chain);
        magnitude += std::fabs(x * y);
      }
      const std::size_t at = i * shape_.n + j;
      if (std::bit_cast<std::uint32_t>(c_[at]) != std::bit_cast<std::uint32_t>(chain)) return false;
      if (!(std::fabs(near[at] - chain) <= 1e-5f * magnitude)) return false;
    }
    return true;
  }

 private:
  std::size_t a_stride() const { return shape_.a_transposed ? shape_.m : shape_.k; }
  std::size_t b_stride() const { return shape_.b_transposed ? shape_.k : shape_.n; }

  product_shape shape_;
  thread_pool pool_;
  std::vector<float> a_, b_, c_;
};

/// How many threads the libraries take.
void set_threads(std::size_t threads) {
  eigen_threads(int(threads));
#ifdef BINADE_HAS_OPENBLAS
  openblas_set_num_threads(int(threads));
#endif
}

void compare(benchmark::State& state, const product_shape& shape, isa level, std::size_t threads) {
  const kernels::isa_scope scope(level);
  set_threads(threads);
  product p(shape, threads);
  if (!p.is_right()) return state.SkipWithError("the product is wrong");
  const double operations = 2.0 * double(shape.m) * double(shape.n) * double(shape.k);
  const int repetitions = std::max(1, int(2e8 / operations));  // about two milliseconds per sample, or more
  const auto timed = [&](const auto& call) { return seconds_on(threads, call, repetitions); };
  std::vector<double> ours, eigen, openblas;
  for (auto _ : state) {
    eigen.push_back(timed([&] { p.eigen(); }));
#ifdef BINADE_HAS_OPENBLAS
    openblas.push_back(timed([&] { p.openblas(); }));
#endif
    ours.push_back(timed([&] { p.ours(); }));
    state.SetIterationTime(ours.back());
  }
  const double our_median = median(ours);
  state.counters["GF"] = operations / our_median * 1e-9;
  state.counters["vs_eigen"] = median(eigen) / our_median;
  if (!openblas.empty()) state.counters["vs_openblas"] = median(openblas) / our_median;
}

// The products of a small transformer (2048 tokens, width 64): projections, their input gradients and weight gradients;
// then attention heads (128 positions, heads of 16 and 32).
constexpr product_shape model_shapes[] = {
    {2048, 192, 64, false, true},  {2048, 256, 64, false, true},  {2048, 64, 256, false, true},
    {2048, 64, 192, false, false}, {2048, 64, 256, false, false}, {192, 64, 2048, true, false},
    {256, 64, 2048, true, false},  {64, 256, 2048, true, false},  {2048, 1024, 64, false, true},
    {128, 128, 16, false, true},   {128, 128, 32, false, true},   {128, 16, 128, false, false},
    {128, 32, 128, false, false},  {128, 32, 128, true, false},
};

// Squares, ragged and small ones in the three forms that training has; then those of the model.
std::vector<product_shape> all_shapes() {
  constexpr std::size_t sizes[][3] = {{512, 512, 512},    {1024, 1024, 1024}, {2048, 2048, 2048}, {511, 513, 509},
                                      {1023, 1025, 1021}, {777, 333, 555},    {129, 65, 33},      {100, 10, 300},
                                      {37, 53, 71},       {64, 64, 64},       {32, 32, 32},       {16, 16, 16}};
  std::vector<product_shape> result;
  for (const auto& [m, n, k] : sizes)
    for (const auto& [a, b] : {std::pair{false, false}, {false, true}, {true, false}})
      result.push_back({m, n, k, a, b});
  result.insert(result.end(), std::begin(model_shapes), std::end(model_shapes));
  return result;
}

/// With fewer operations a second thread is not worth its start.
constexpr double operations_for_two_threads = 3e7;

const bool registered = [] {
#if defined(__x86_64__)
  constexpr isa levels[] = {isa::x86_64_v4, isa::x86_64_v3};
#else
  constexpr isa levels[] = {isa::portable};
#endif
  for (const isa level : levels) {
    if (level > kernels::detected_isa()) continue;
    for (const std::size_t threads : {std::size_t(1), std::size_t(2)})
      for (const product_shape& shape : all_shapes()) {
        if (threads > 1 && 2.0 * double(shape.m * shape.n) * double(shape.k) < operations_for_two_threads) continue;
        const std::string name = "gemm/" + std::string(to_string(level)) + "/" + (shape.a_transposed ? "T" : "N") +
                                 (shape.b_transposed ? "T" : "N") + "/" + std::to_string(shape.m) + "x" +
                                 std::to_string(shape.n) + "x" + std::to_string(shape.k) +
                                 (threads == 1 ? "" : "/2 threads");
        benchmark::RegisterBenchmark(name.c_str(),
                                     [=](benchmark::State& state) { compare(state, shape, level, threads); })
            ->UseManualTime()
            ->Iterations(21)
            ->Unit(benchmark::kMicrosecond);
      }
  }
  return true;
}();

}  // namespace
}  // namespace binade::bench
