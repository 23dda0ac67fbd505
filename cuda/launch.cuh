#pragma once
// Runs a body over an index space on the device.  Launch errors say call, count and launch geometry.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>

namespace binade::cuda {

/// @throws std::runtime_error naming the call, if status is an error
inline void check(cudaError_t status, const std::string& call) {
  if (status != cudaSuccess)
    throw std::runtime_error(call + ": " + cudaGetErrorName(status) + ": " + cudaGetErrorString(status));
}

template <class Body>
__global__ void for_each_index_kernel(std::size_t count, Body body) {
  const std::size_t stride = std::size_t(gridDim.x) * blockDim.x;
  for (std::size_t i = std::size_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride) body(i);
}

/// Calls body(i) once for each 0 <= i < count, in any order, on the stream; returns before they are done.
template <class Body>
void for_each_index(const char* call, std::size_t count, const Body& body, cudaStream_t stream) {
  if (count == 0) return;
  constexpr unsigned threads = 256, most_blocks = 1u << 20;
  const auto blocks = unsigned(std::min<std::size_t>((count + threads - 1) / threads, most_blocks));
  for_each_index_kernel<<<blocks, threads, 0, stream>>>(count, body);
  check(cudaGetLastError(), std::string(call) + ": launch of " + std::to_string(blocks) + " blocks of " +
                                std::to_string(threads) + " threads for " + std::to_string(count) + " indices");
}

}  // namespace binade::cuda
