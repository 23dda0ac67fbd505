#pragma once
// What the GPU programs share: device memory, and leaving politely where there is no device.

#include <cuda_runtime.h>

#include <cstddef>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "launch.cuh"

namespace binade {

/// Exit code that ctest takes for "skipped".
inline constexpr int skipped = 77;

inline bool has_device() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0) return true;
  std::cout << "skipped: no CUDA device; a machine with an NVIDIA GPU and its driver ends the skip\n";
  return false;
}

template <class T>
class device_array {
 public:
  explicit device_array(std::size_t count) : count_(count) {
    cuda::check(cudaMalloc(&data_, count * sizeof(T)), "cudaMalloc of " + std::to_string(count * sizeof(T)) + " bytes");
    // What a kernel does not write must show.
    cuda::check(cudaMemset(data_, 0xa5, count * sizeof(T)), "cudaMemset");
  }
  explicit device_array(std::span<const T> host) : device_array(host.size()) {
    cuda::check(cudaMemcpy(data_, host.data(), host.size_bytes(), cudaMemcpyHostToDevice), "cudaMemcpy to the device");
  }
  ~device_array() { cudaFree(data_); }
  device_array(const device_array&) = delete;
  device_array& operator=(const device_array&) = delete;

  T* get() const { return data_; }
  void copy_to(std::span<T> host) const {
    cuda::check(cudaMemcpy(host.data(), data_, host.size_bytes(), cudaMemcpyDeviceToHost),
                "cudaMemcpy from the device");
  }
  std::vector<T> host() const {
    std::vector<T> result(count_);
    copy_to(result);
    return result;
  }

 private:
  std::size_t count_;
  T* data_ = nullptr;
};

}  // namespace binade
