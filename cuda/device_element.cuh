#pragma once
// An element as device code can read it: a code book is a list in memory, which must be the device's.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "binade/element.hpp"
#include "launch.cuh"

namespace binade::cuda {

/// An element, and if its format is a code book a copy of the list on the device for as long as this lives, in the
/// order of the stream.
class device_element {
 public:
  /// @throws std::runtime_error, naming the call, for what the device reports
  device_element(const char* call, const element& e, cudaStream_t on) : element_(e), on_(on) {
    if (e.format.kind != format_kind::book) return;
    const std::span<const float> values = e.format.book.book->values;
    std::vector<std::byte> bytes(sizeof(code_book) + values.size_bytes());
    check(cudaMallocAsync(&copy_, bytes.size(), on), std::string(call) + ": memory for a code book");
    auto* const book = static_cast<code_book*>(copy_);
    const code_book moved{
        .name = {}, .values = {reinterpret_cast<const float*>(book + 1), values.size()}, .source = {}};
    std::memcpy(bytes.data(), &moved, sizeof moved);
    std::memcpy(bytes.data() + sizeof moved, values.data(), values.size_bytes());
    // From pageable memory the call returns when it has read all.
    check(cudaMemcpyAsync(copy_, bytes.data(), bytes.size(), cudaMemcpyHostToDevice, on),
          std::string(call) + ": copying a code book");
    element_.format.book.book = book;
  }
  ~device_element() {
    if (copy_ != nullptr) cudaFreeAsync(copy_, on_);
  }
  device_element(const device_element&) = delete;
  device_element& operator=(const device_element&) = delete;

  /// For device code alone: the host cannot read a code book of it.
  const element& get() const { return element_; }

 private:
  element element_;
  cudaStream_t on_;
  void* copy_ = nullptr;
};

}  // namespace binade::cuda
