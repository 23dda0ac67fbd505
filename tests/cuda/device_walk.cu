#include <algorithm>
#include <string>

#include "binade/codec.hpp"
#include "device.cuh"
#include "device_element.cuh"
#include "device_report.hpp"
#include "device_walk.hpp"

namespace binade {
namespace {

constexpr std::uint64_t inputs = std::uint64_t{1} << 32;
constexpr std::uint32_t chunk = 1 << 15;  ///< consecutive inputs of one warp
constexpr unsigned lanes = 32;

/// A kernel for each kind of format.
template <class Descriptor>
struct codes_of {
  Descriptor format;
  element e;
  BINADE_HD std::uint32_t operator()(float x) const {
    const element known{.format = format,
                        .rounding = e.rounding,
                        .noise_bits = e.noise_bits,
                        .overflow = e.overflow,
                        .subnormals = e.subnormals,
                        .choices = e.choices};
    return std::uint32_t(encode(known, x));
  }
};

struct findings {
  unsigned long long judged, wrong;  ///< wrong: input << 32 | code of the lowest input that differs, or all ones
};

template <class Codes>
__global__ void walk(Codes codes, const oracle::expectation* expected, std::uint32_t count, findings* found) {
  const std::uint32_t lane = threadIdx.x % lanes, warps = gridDim.x * blockDim.x / lanes;
  std::uint32_t judged = 0;
  for (std::uint64_t first = std::uint64_t((blockIdx.x * blockDim.x + threadIdx.x) / lanes) * chunk; first < inputs;
       first += std::uint64_t(warps) * chunk) {
    std::uint32_t low = 0, high = count - 1;  // the expectation that holds `first`
    while (low < high) {
      const std::uint32_t middle = (low + high) / 2;
      if (expected[middle].last < first)
        low = middle + 1;
      else
        high = middle;
    }
    oracle::expectation here = expected[low];
    for (std::uint32_t i = lane; i < chunk; i += lanes) {
      const auto bits = std::uint32_t(first) + i;
      while (here.last < bits) here = expected[++low];
      const std::uint32_t code = codes(std::bit_cast<float>(bits));
      ++judged;
      if (code != here.want) atomicMin(&found->wrong, (unsigned long long)bits << 32 | code);
    }
  }
  atomicAdd(&found->judged, (unsigned long long)judged);
}

template <class Codes>
void launch(const Codes& codes, std::span<const oracle::expectation> expected, findings* found) {
  const device_array<oracle::expectation> on_device(expected);
  constexpr unsigned threads = 128;
  int device = 0, processors = 0, resident = 0;
  cuda::check(cudaGetDevice(&device), "cudaGetDevice");
  cuda::check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute");
  cuda::check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, walk<Codes>, threads, 0),
              "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
  walk<<<unsigned(processors * resident), threads>>>(codes, on_device.get(), std::uint32_t(expected.size()), found);
  cuda::check(cudaGetLastError(), "device_walk: launch");
  cuda::check(cudaDeviceSynchronize(), "device_walk");
}

}  // namespace

std::optional<oracle::mismatch> device_walk(const element& e, std::span<const oracle::expectation> expected,
                                            std::uint64_t& judged) {
  findings found{0, ~0ull};
  const device_array<findings> on_device{std::span<const findings>(&found, 1)};
  const cuda::device_element elem("device_walk", e, nullptr);
  elem.get().format.visit([&]<class Descriptor>(const Descriptor& format) {
    launch(codes_of<Descriptor>{format, elem.get()}, expected, on_device.get());
  });
  on_device.copy_to(std::span(&found, 1));
  judged += found.judged;
  if (found.wrong == ~0ull) return std::nullopt;
  const auto input = std::uint32_t(found.wrong >> 32);
  const auto at = std::partition_point(expected.begin(), expected.end(), [&](const auto& s) { return s.last < input; });
  return oracle::mismatch{.which = 0, .input = input, .got = std::uint32_t(found.wrong), .want = at->want};
}

std::optional<device_name> find_device() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) return std::nullopt;
  const nlohmann::ordered_json report = device_report();
  return device_name{
      .processor = report["device"].get<std::string>() + ", driver " + report["driver"].get<std::string>(),
      .compiler = "nvcc " + std::to_string(__CUDACC_VER_MAJOR__) + "." + std::to_string(__CUDACC_VER_MINOR__) + "." +
                  std::to_string(__CUDACC_VER_BUILD__)};
}

}  // namespace binade
