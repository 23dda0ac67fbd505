#pragma once
// Memory of the calls that wait for the stream: kept from one to the next.

#include <cuda_runtime.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "launch.cuh"
#include "segment_kernels.cuh"

namespace binade::cuda {

/// Scratch of a call that waits for the stream, and the count of NaNs it waits for.  It is kept for later calls, which
/// find the count and `all` as 0: the usual call allocates, clears and copies nothing.
class kept_scratch {
 public:
  struct words {
    unsigned long long nans;
    amax_of_all all;
    outer_scale outer;
  };

  kept_scratch(const char* call, cudaStream_t on) : call_(call), on_(on), memory_(taken()) {}
  ~kept_scratch() {
    if (!is_clear_) return;  // of a call that failed: kernels may still write
    const std::lock_guard<std::mutex> locked(guard());
    kept()[device_].push_back(memory_);
  }
  kept_scratch(const kept_scratch&) = delete;
  kept_scratch& operator=(const kept_scratch&) = delete;
  words* get() const { return memory_.on_device; }
  nan_tally tally() const { return {&memory_.on_device->nans, memory_.any_nan}; }
  /// The count.  Waits for the stream.
  unsigned long long nans() {
    const std::string what(call_);
    check(cudaStreamSynchronize(on_), what + ": waiting for the stream");
    unsigned long long count = 0;
    if (*static_cast<volatile std::uint32_t*>(memory_.any_nan) != 0) {
      unsigned long long* const from = &memory_.on_device->nans;
      check(cudaMemcpyAsync(&count, from, sizeof count, cudaMemcpyDeviceToHost, on_), what + ": reading scratch");
      check(cudaMemsetAsync(from, 0, sizeof count, on_), what + ": clearing scratch");
      check(cudaStreamSynchronize(on_), what + ": waiting for the stream");
      *memory_.any_nan = 0;
    }
    is_clear_ = true;
    return count;
  }

 private:
  struct memory {
    words* on_device = nullptr;
    std::uint32_t* any_nan = nullptr;  ///< of the host
  };
  static std::mutex& guard() {
    static std::mutex one;
    return one;
  }
  static std::map<int, std::vector<memory>>& kept() {
    static std::map<int, std::vector<memory>> of_devices;
    return of_devices;
  }
  memory taken() {
    const std::string what(call_);
    check(cudaGetDevice(&device_), what + ": the current device");
    {
      const std::lock_guard<std::mutex> locked(guard());
      if (std::vector<memory>& free = kept()[device_]; !free.empty()) {
        const memory last = free.back();
        free.pop_back();
        return last;
      }
    }
    memory made;
    check(cudaMalloc(&made.on_device, sizeof(words)), what + ": scratch");
    check(cudaMemset(made.on_device, 0, sizeof(words)), what + ": clearing scratch");
    check(cudaStreamSynchronize(nullptr), what + ": waiting for the stream");
    check(cudaHostAlloc(&made.any_nan, sizeof *made.any_nan, cudaHostAllocPortable), what + ": host memory");
    *made.any_nan = 0;
    return made;
  }

  const char* call_;
  cudaStream_t on_;
  int device_ = 0;
  memory memory_;
  bool is_clear_ = false;
};

}  // namespace binade::cuda
