#pragma once
// Device memory for the length of a call.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "launch.cuh"

namespace binade::cuda {

/// The pool that scratch on this device comes from.  It keeps what was freed, up to 64 MiB: the device's own pool gives
/// all of it back at each synchronization, and asks for it anew.
inline cudaMemPool_t scratch_pool(const char* call) {
  static std::mutex guard;
  static std::map<int, cudaMemPool_t> pools;
  int device = 0;
  check(cudaGetDevice(&device), std::string(call) + ": the current device");
  const std::lock_guard<std::mutex> locked(guard);
  if (const auto found = pools.find(device); found != pools.end()) return found->second;
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location = {cudaMemLocationTypeDevice, device};
  cudaMemPool_t pool = nullptr;
  check(cudaMemPoolCreate(&pool, &properties), std::string(call) + ": a pool for scratch");
  std::uint64_t kept = std::uint64_t(64) << 20;
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &kept), std::string(call) + ": keeping scratch");
  return pools.emplace(device, pool).first->second;
}

/// Device memory, freed in the order of the stream.
template <class T>
class scratch {
 public:
  scratch(const char* call, cudaStream_t on, std::size_t count) : call_(call), on_(on) {
    if (count == 0) return;
    check(cudaMallocFromPoolAsync(&data_, count * sizeof(T), scratch_pool(call), on),
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
