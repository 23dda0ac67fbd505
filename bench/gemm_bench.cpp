// The reproducible matrix product beside Eigen's and OpenBLAS's, one thread.
//
// One iteration times each of them once, in turn, on the same operands.  The output is judged first: by a scalar chain
// of std::fma, bit for bit, on sampled elements.  GF: GFLOP/s at the median time, 2 m n k operations; vs: median time
// of the other over ours, so above 1 ours is faster.  Times are processor time of the one thread.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <string>
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

void eigen_product(const product_shape& shape, const float* a, const float* b, float* c) {
#if defined(__x86_64__)
  (kernels::active_isa() == isa::x86_64_v4 ? eigen_product_v4 : eigen_product_v3)(shape, a, b, c);
#else
  eigen_product_portable(shape, a, b, c);
#endif
}

class product {
 public:
  explicit product(const product_shape& shape)
      : shape_(shape), a_(shape.m * shape.k), b_(shape.k * shape.n), c_(shape.m * shape.n) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (float& x : a_) x = normal(random);
    for (float& x : b_) x = normal(random);
  }

  void ours() {
    gemm(shape_.a_transposed ? transpose::yes : transpose::no, shape_.b_transposed ? transpose::yes : transpose::no,
         shape_.m, shape_.n, shape_.k, a_.data(), a_stride(), b_.data(), b_stride(), c_.data(), shape_.n, false, pool_);
  }
  void eigen() { eigen_product(shape_, a_.data(), b_.data(), c_.data()); }
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
  thread_pool pool_{1};
  std::vector<float> a_, b_, c_;
};

void compare(benchmark::State& state, const product_shape& shape, isa level) {
  const kernels::isa_scope scope(level);
  product p(shape);
  if (!p.is_right()) return state.SkipWithError("the product is wrong");
  const double operations = 2.0 * double(shape.m) * double(shape.n) * double(shape.k);
  const int repetitions = std::max(1, int(2e8 / operations));  // about two milliseconds per sample, or more
  std::vector<double> ours, eigen, openblas;
  for (auto _ : state) {
    eigen.push_back(seconds([&] { p.eigen(); }, repetitions));
#ifdef BINADE_HAS_OPENBLAS
    openblas.push_back(seconds([&] { p.openblas(); }, repetitions));
#endif
    ours.push_back(seconds([&] { p.ours(); }, repetitions));
    state.SetIterationTime(ours.back());
  }
  const double our_median = median(ours);
  state.counters["GF"] = operations / our_median * 1e-9;
  state.counters["vs_eigen"] = median(eigen) / our_median;
  if (!openblas.empty()) state.counters["vs_openblas"] = median(openblas) / our_median;
}

// Squares; then the products of a small transformer (2048 tokens, width 64): projections, their input gradients and
// weight gradients; then attention heads (128 positions, heads of 16 and 32).
constexpr product_shape shapes[] = {
    {512, 512, 512, false, false}, {1024, 1024, 1024, false, false}, {2048, 2048, 2048, false, false},
    {2048, 192, 64, false, true},  {2048, 256, 64, false, true},     {2048, 64, 256, false, true},
    {2048, 64, 192, false, false}, {2048, 64, 256, false, false},    {192, 64, 2048, true, false},
    {256, 64, 2048, true, false},  {64, 256, 2048, true, false},     {2048, 1024, 64, false, true},
    {128, 128, 16, false, true},   {128, 128, 32, false, true},      {128, 16, 128, false, false},
    {128, 32, 128, false, false},  {128, 32, 128, true, false},
};

const bool registered = [] {
#ifdef BINADE_HAS_OPENBLAS
  openblas_set_num_threads(1);
#endif
#if defined(__x86_64__)
  constexpr isa levels[] = {isa::x86_64_v4, isa::x86_64_v3};
#else
  constexpr isa levels[] = {isa::portable};
#endif
  for (const isa level : levels) {
    if (level > kernels::detected_isa()) continue;
    for (const product_shape& shape : shapes) {
      const std::string name = "gemm/" + std::string(to_string(level)) + "/" + (shape.a_transposed ? "T" : "N") +
                               (shape.b_transposed ? "T" : "N") + "/" + std::to_string(shape.m) + "x" +
                               std::to_string(shape.n) + "x" + std::to_string(shape.k);
      benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { compare(state, shape, level); })
          ->UseManualTime()
          ->Iterations(21)
          ->Unit(benchmark::kMicrosecond);
    }
  }
  return true;
}();

}  // namespace
}  // namespace binade::bench
