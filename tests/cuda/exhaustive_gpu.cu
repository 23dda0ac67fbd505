// Every float32 through the device: values and codes must equal the CPU's, bit for bit.
//
//   exhaustive_gpu                compares all 2^32 inputs of every element of the sweep with the CPU
//   exhaustive_gpu --write FILE   also writes the digests, with device, driver, CUDA version and date, as JSON

#include <cuda_runtime.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <thread>

#include "device.cuh"
#include "device_report.hpp"
#include "launch.cuh"
#include "quantize.hpp"
#include "sweep.hpp"

namespace {

using namespace binade;

/// Index: input minus first.
struct inputs_body {
  std::uint64_t first;
  float* x;
  BINADE_HD void operator()(std::size_t i) const { x[i] = std::bit_cast<float>(std::uint32_t(first + i)); }
};

struct comparison {
  std::uint64_t differing = 0, lowest = sweep::inputs;
};

/// Compares a slice with the CPU on all cores.
comparison compare(const element& e, std::uint64_t first, const sweep::results& got) {
  const std::size_t threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<comparison> found(threads);
  std::vector<std::thread> workers;
  for (std::size_t t = 0; t < threads; ++t)
    workers.emplace_back([&, t] {
      comparison mine;
      for (std::size_t i = got.values.size() * t / threads; i < got.values.size() * (t + 1) / threads; ++i) {
        float value;
        std::uint8_t code;
        sweep::evaluate(e, first + i, value, code);
        if (std::bit_cast<std::uint32_t>(value) == std::bit_cast<std::uint32_t>(got.values[i]) && code == got.codes[i])
          continue;
        if (mine.differing++ == 0) mine.lowest = first + i;
      }
      found[t] = mine;
    });
  for (std::thread& worker : workers) worker.join();
  comparison all;
  for (const comparison& c : found) {
    all.differing += c.differing;
    all.lowest = std::min(all.lowest, c.lowest);
  }
  return all;
}

void describe(const char* text, const element& e, const comparison& c, float device_value, std::uint8_t device_code) {
  float value;
  std::uint8_t code;
  sweep::evaluate(e, c.lowest, value, code);
  std::printf(
      "%s: %llu inputs of a slice differ; first: bits 0x%08llx: device value 0x%08x code 0x%02x, CPU value 0x%08x code "
      "0x%02x\n",
      text, static_cast<unsigned long long>(c.differing), static_cast<unsigned long long>(c.lowest),
      std::bit_cast<std::uint32_t>(device_value), device_code, std::bit_cast<std::uint32_t>(value), code);
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string file = argc == 3 && std::string_view(argv[1]) == "--write" ? argv[2] : "";
  if (argc != 1 && file.empty()) {
    std::cerr << "usage: exhaustive_gpu [--write FILE]\n";
    return 2;
  }
  if (!has_device()) return skipped;
  nlohmann::ordered_json report = device_report();
  report["seed"] = sweep::noise.seed;
  report["stream"] = sweep::noise.stream;
  report["step"] = sweep::noise.step;
  report["elements"] = nlohmann::ordered_json::array();
  const device_array<float> inputs(sweep::slice), values(sweep::slice);
  const device_array<std::uint8_t> codes(sweep::slice);
  sweep::results got(sweep::slice);
  std::uint64_t differing = 0;
  for (const char* text : sweep::elements) {
    const auto start = std::chrono::steady_clock::now();
    const element e = parse_element(text);
    std::vector<sweep::digests> slices;
    sweep::results sample(std::size_t((sweep::inputs + sweep::sample_stride - 1) / sweep::sample_stride));
    std::uint64_t here = 0;
    for (std::uint64_t first = 0; first < sweep::inputs; first += sweep::slice) {
      cuda::for_each_index("sweep", sweep::slice, inputs_body{first, inputs.get()}, nullptr);
      noise_source noise = sweep::noise;
      noise.first = first;
      const axis_view view{1, sweep::slice, 1};
      cuda::quantize(inputs.get(), view, unscaled(e), noise, values.get());
      cuda::encode(inputs.get(), view, unscaled(e), noise, codes.get(), nullptr, nullptr);
      values.copy_to(got.values);
      codes.copy_to(got.codes);
      const comparison c = compare(e, first, got);
      if (c.differing != 0 && here == 0)
        describe(text, e, c, got.values[c.lowest - first], got.codes[c.lowest - first]);
      here += c.differing;
      slices.push_back(sweep::digest(got));
      for (std::uint64_t i = (first + sweep::sample_stride - 1) / sweep::sample_stride * sweep::sample_stride;
           i < first + sweep::slice; i += sweep::sample_stride) {
        sample.values[i / sweep::sample_stride] = got.values[i - first];
        sample.codes[i / sweep::sample_stride] = got.codes[i - first];
      }
    }
    const sweep::digests all = sweep::join(slices), some = sweep::digest(sample);
    report["elements"].push_back({{"element", text},
                                  {"values", all.values},
                                  {"codes", all.codes},
                                  {"sample_values", some.values},
                                  {"sample_codes", some.codes}});
    differing += here;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%-20s %llu inputs, %llu differ, %.1f s\n", text, static_cast<unsigned long long>(sweep::inputs),
                static_cast<unsigned long long>(here), seconds.count());
    std::fflush(stdout);
  }
  if (!file.empty()) write_report(file, report);
  std::printf("%s: %zu elements x %llu inputs on %s, %llu differences\n", differing == 0 ? "equal" : "DIFFERENT",
              sweep::elements.size(), static_cast<unsigned long long>(sweep::inputs),
              report["device"].get<std::string>().c_str(), static_cast<unsigned long long>(differing));
  return differing == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "exhaustive_gpu: " << error.what() << '\n';
  return 1;
}
