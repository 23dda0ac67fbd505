// The device's own conversion instructions on all 2^32 float32: the elements of conversions.hpp must give their codes.
//
//   conversions_gpu                compares
//   conversions_gpu --write FILE   also writes the checksums of the instructions' codes, with device, driver, CUDA
//                                  version and date, as JSON

#include <cuda_runtime.h>

#include <cstdio>
#include <iostream>

#include "binade/text.hpp"
#include "conversions.hpp"
#include "device.cuh"
#include "device_report.hpp"

namespace {

using namespace binade;

// In the order of conversions::all.
template <int Which>
__device__ std::uint32_t instruction(float x) {
  std::uint16_t code = 0;
  std::uint32_t bits = 0;
  if constexpr (Which == 0) asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(code) : "f"(0.0f), "f"(x));
  if constexpr (Which == 1) asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(code) : "f"(0.0f), "f"(x));
  if constexpr (Which == 2) asm("cvt.rn.f16.f32 %0, %1;" : "=h"(code) : "f"(x));
  if constexpr (Which == 3) asm("cvt.rz.f16.f32 %0, %1;" : "=h"(code) : "f"(x));
  if constexpr (Which == 4) asm("cvt.rp.f16.f32 %0, %1;" : "=h"(code) : "f"(x));
  if constexpr (Which == 5) asm("cvt.rm.f16.f32 %0, %1;" : "=h"(code) : "f"(x));
  if constexpr (Which == 6) asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(code) : "f"(x));
  if constexpr (Which == 7) asm("cvt.rz.bf16.f32 %0, %1;" : "=h"(code) : "f"(x));
  if constexpr (Which == 8) asm("cvt.rn.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  if constexpr (Which == 9) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  if constexpr (Which == 10) asm("cvt.rz.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return Which < 8 ? code : bits;
}
constexpr int first_tf32 = 8, tf32_rest = 13;

struct findings {
  unsigned long long differing, nans_differing;
  unsigned long long lowest;  ///< input << 32 | what the instruction left; all ones if none differs
  unsigned long long all, sample;
  std::uint32_t rest;  ///< any bit that an instruction left set below the code, for an input that is no NaN
};

template <int Which>
__global__ void compare(element e, findings* found) {
  constexpr conversions::conversion conversion = conversions::all[Which];
  findings mine{0, 0, ~0ull, 0, 0, 0};
  for (std::uint64_t i = std::uint64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < conversions::inputs;
       i += std::uint64_t(gridDim.x) * blockDim.x) {
    const auto input = std::uint32_t(i);
    const float x = std::bit_cast<float>(input);
    const std::uint32_t bits = instruction<Which>(x), code = Which < first_tf32 ? bits : bits >> tf32_rest;
    if (Which >= first_tf32 && x == x) mine.rest |= bits & ((1u << tf32_rest) - 1);
    if (code != conversions::expected(conversion, e, input)) {
      ++(x == x ? mine.differing : mine.nans_differing);
      atomicMin(&found->lowest, (unsigned long long)input << 32 | bits);
    }
    const std::uint64_t share = conversions::share(input, code);
    mine.all += share;
    if (i % conversions::sample_stride == 0) mine.sample += share;
  }
  atomicAdd(&found->differing, mine.differing);
  atomicAdd(&found->nans_differing, mine.nans_differing);
  atomicAdd(&found->all, mine.all);
  atomicAdd(&found->sample, mine.sample);
  atomicOr(&found->rest, mine.rest);
}

/// @return how many inputs differ
template <int Which>
std::uint64_t judge(nlohmann::ordered_json& report) {
  const conversions::conversion& conversion = conversions::all[Which];
  const element e = parse_element(conversion.text);
  findings found{0, 0, ~0ull, 0, 0, 0};
  const device_array<findings> on_device{std::span<const findings>(&found, 1)};
  compare<Which><<<4096, 256>>>(e, on_device.get());
  cuda::check(cudaGetLastError(), "compare");
  on_device.copy_to(std::span(&found, 1));
  report.push_back({{"element", conversion.text}, {"all", found.all}, {"sample", found.sample}});
  const std::uint64_t differing = found.differing + found.nans_differing + (found.rest != 0);
  std::printf("%-20s %llu numbers and %llu NaNs differ", conversion.text, found.differing, found.nans_differing);
  if (found.lowest != ~0ull) {
    const auto input = std::uint32_t(found.lowest >> 32);
    std::printf("; first: 0x%08x gives 0x%x, not 0x%x", input, std::uint32_t(found.lowest),
                conversions::expected(conversion, e, input));
  }
  if (found.rest != 0) std::printf("; below the code of a number stand the bits 0x%x", found.rest);
  std::printf("\n");
  return differing;
}

template <int... Which>
std::uint64_t judge_all(nlohmann::ordered_json& report, std::integer_sequence<int, Which...>) {
  return (judge<Which>(report) + ...);
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string file = argc == 3 && std::string_view(argv[1]) == "--write" ? argv[2] : "";
  if (argc != 1 && file.empty()) {
    std::cerr << "usage: conversions_gpu [--write FILE]\n";
    return 2;
  }
  if (!has_device()) return skipped;
  nlohmann::ordered_json report = device_report();
  report["conversions"] = nlohmann::ordered_json::array();
  const std::uint64_t differing =
      judge_all(report["conversions"], std::make_integer_sequence<int, int(conversions::all.size())>());
  if (!file.empty()) write_report(file, report);
  std::printf("%s: %zu conversions x %llu inputs, %llu differences\n", differing == 0 ? "equal" : "DIFFERENT",
              conversions::all.size(), (unsigned long long)conversions::inputs, (unsigned long long)differing);
  return differing == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "conversions_gpu: " << error.what() << '\n';
  return 1;
}
