#pragma once
// Device memory for the length of a call.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "launch.cuh"

namespace binade::cuda {

/// Device memory, freed in the order of the stream.
template <class T>
class scratch {
 public:
  scratch(const char* call, cudaStream_t on, std::size_t count) : call_(call), on_(on) {
    if (count == 0) return;
    check(cudaMallocAsync(&data_, count * sizeof(T), on),
          std::string(call) + ": scratch of " + std::to_string(count * sizeof(T)) + " bytes");
  }
  scratch(const char* call, cudaStream_t on, std::size_t count, std::uint8_t fill) : scratch(call, on, count) {
    if (count > 0) check(cudaMemsetAsync(data_, fill, count * sizeof(T), on), std::string(call) + ": clearing scratch");
  }
  ~scratch() {
    if (data_ != nullptr) cudaFreeAsync(data_, on_);
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  T* get() const { return data_; }
  /// The first one.  Waits for the stream.
  T value() const {
    T result;
    check(cudaMemcpyAsync(&result, data_, sizeof(T), cudaMemcpyDeviceToHost, on_),
          std::string(call_) + ": reading scratch");
    check(cudaStreamSynchronize(on_), std::string(call_) + ": waiting for the stream");
    return result;
  }

 private:
  const char* call_;
  cudaStream_t on_;
  T* data_ = nullptr;
};

}  // namespace binade::cuda
