// The verbs on the device beside copies of the same bytes within it, in turn, on arrays larger than its cache.
//
//   quantize_bench            all rows as a table
//   quantize_bench --json     one JSON object per row
//   quantize_bench --only S   the rows with S in their name

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "binade/noise.hpp"
#include "binade/text.hpp"
#include "launch.cuh"
#include "quantize.hpp"

namespace {

using namespace binade;
using cuda::check;

constexpr std::size_t elements = std::size_t(1) << 26;  // 256 MiB of float32
constexpr std::size_t sets = 3;                         // arrays in turn: none is in the cache when its turn comes
constexpr int rounds = 21, together = 3;                // medians of `rounds`, each of `together` calls

/// Normal float32 numbers over 24 binades.
struct fill_body {
  float* x;
  BINADE_HD void operator()(std::size_t i) const {
    const std::uint32_t bits = noise_at({.seed = 7}, i, 32);
    x[i] = std::bit_cast<float>((bits & 0x807fffff) | ((112 + (bits >> 23) % 24) << 23));
  }
};

template <class T>
T* allocated(std::size_t count) {
  T* p = nullptr;
  check(cudaMalloc(&p, count * sizeof(T)), "cudaMalloc of " + std::to_string(count * sizeof(T)) + " bytes");
  return p;
}

/// Milliseconds of what is queued between two events.
class stopwatch {
 public:
  stopwatch() {
    check(cudaEventCreate(&begin_), "cudaEventCreate");
    check(cudaEventCreate(&end_), "cudaEventCreate");
  }
  template <class Call>
  double milliseconds(const Call& call) {
    check(cudaEventRecord(begin_), "cudaEventRecord");
    for (int i = 0; i < together; ++i) call(turn_++ % sets);
    check(cudaEventRecord(end_), "cudaEventRecord");
    check(cudaEventSynchronize(end_), "cudaEventSynchronize");
    float time = 0;
    check(cudaEventElapsedTime(&time, begin_, end_), "cudaEventElapsedTime");
    return double(time) / together;
  }

 private:
  cudaEvent_t begin_, end_;
  std::size_t turn_ = 0;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(values.size() / 2), values.end());
  return values[values.size() / 2];
}

struct bench {
  float* x[sets];
  float* out[sets];
  std::uint8_t* codes[sets];
  std::uint8_t* scales[sets];
  std::uint8_t* outer;
  stopwatch watch;
  bool json;
  std::string only;

  bench(bool as_json, std::string part) : outer(allocated<std::uint8_t>(8)), json(as_json), only(std::move(part)) {
    for (std::size_t k = 0; k < sets; ++k) {
      // Half of the bytes of a call, which a copy reads and writes: 6 per element where x is read twice.
      x[k] = allocated<float>(elements * 3 / 2);
      out[k] = allocated<float>(elements * 3 / 2);
      codes[k] = allocated<std::uint8_t>(2 * elements);
      scales[k] = allocated<std::uint8_t>(elements / 4);
      cuda::for_each_index("fill", elements, fill_body{x[k]}, nullptr);
    }
  }

  /// A row: the call, and a copy that reads and writes as many bytes together.
  template <class Call>
  void row(const std::string& what, double bytes_per_element, const Call& call) {
    if (what.find(only) == std::string::npos) return;
    const auto half = std::size_t(bytes_per_element / 2 * double(elements));
    const auto copy = [&](std::size_t k) {
      check(cudaMemcpyAsync(out[k], x[k], half, cudaMemcpyDeviceToDevice), "cudaMemcpyAsync");
    };
    std::vector<double> ours, copies;
    for (int round = -2; round < rounds; ++round) {
      const double mine = watch.milliseconds(call), its = watch.milliseconds(copy);
      if (round < 0) continue;
      ours.push_back(mine);
      copies.push_back(its);
    }
    const double mine = median(ours), its = median(copies), bytes = bytes_per_element * double(elements);
    if (json)
      std::printf("{\"row\": \"%s\", \"milliseconds\": %.4f, \"copy_milliseconds\": %.4f, \"bytes\": %.0f}\n",
                  what.c_str(), mine, its, bytes);
    else
      std::printf("%-52s %8.3f ms %8.0f GB/s   copy %8.0f GB/s   ratio %.2f\n", what.c_str(), mine, bytes / mine * 1e-6,
                  bytes / its * 1e-6, its / mine);
    std::fflush(stdout);
  }

  /// The rows of a quantizer.  passes: how often x is read
  void rows(const std::string& text, const axis_view& view, const std::string& where) {
    const quantizer q = parse_quantizer(text);
    const double passes = q.levels == 2 || (q.levels == 1 && q.scalings[0].per == granularity::tensor) ? 2 : 1;
    const double code = double(cuda::code_bytes(q.elem.format));
    const double scale = double(scale_count(view, q)) * double(cuda::code_bytes(q.scalings[0].format)) / elements;
    const std::string name = text + where;
    row(name + " quantize", 4 * passes + 4, [&](std::size_t k) { cuda::quantize(x[k], view, q, {.seed = 1}, out[k]); });
    row(name + " encode", 4 * passes + code + scale,
        [&](std::size_t k) { cuda::encode(x[k], view, q, {.seed = 1}, codes[k], scales[k], outer); });
    row(name + " decode", 4 + code + scale,
        [&](std::size_t k) { cuda::decode(codes[k], scales[k], outer, view, q, out[k]); });
  }
};

}  // namespace

int main(int argc, char** argv) try {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::cout << "skipped: no CUDA device\n";
    return 77;
  }
  cudaDeviceProp device;
  check(cudaGetDeviceProperties(&device, 0), "cudaGetDeviceProperties");
  bool json = false;
  std::string only;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--json")
      json = true;
    else if (option == "--only" && i + 1 < argc)
      only = argv[++i];
    else
      throw std::invalid_argument(option + ": neither --json nor --only with a part of a name");
  }
  if (!json)
    std::printf("%s, %d MiB of cache, %zu Mi elements, %zu arrays in turn, medians of %d\n", device.name,
                device.l2CacheSize >> 20, elements >> 20, sets, rounds);
  bench b(json, only);
  b.row("copy against itself", 8, [&](std::size_t k) {
    check(cudaMemcpyAsync(b.out[k], b.x[k], elements * 4, cudaMemcpyDeviceToDevice), "cudaMemcpyAsync");
  });
  const axis_view flat{1, elements, 1}, rows{elements / 4096, 4096, 1}, columns{1, elements / 4096, 4096};
  for (const char* text : {"e4m3fn", "e5m2", "e3m4", "e2m1fn:nan=max", "e5m10", "e8m7", "e4m3fn/sr", "e4m3fn/sr:8",
                           "e8m7/sr:16", "e4m3fnuz", "e4m3fn/rtz", "e4m3fn/rup", "e4m3fn@tensor"})
    b.rows(text, flat, "");
  for (const char* text : {"mxfp8_e4m3", "e2m1fn:nan=max@block(32)", "mxfp4", "nvfp4", "e4m3fn/sr@block(32)"}) {
    b.rows(text, rows, " rows");
    b.rows(text, columns, " columns");
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << "quantize_bench: " << error.what() << '\n';
  return 1;
}
