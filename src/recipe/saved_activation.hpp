#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "binade/quantize.hpp"
#include "kernels/parallel.hpp"
#include "tensor.hpp"

namespace binade {

/// An array as it waits for the backward pass: quantized along its last size, as codes and scales.
///
/// Codes lie densely in bytes, two of 4 bits in one.  restored() is what quantize() gives.  An array with a NaN that
/// the format has no code for stays as quantize() gives it, so that a run that breaks down shows.
class saved_activation {
 public:
  /// @param q  neither delayed nor with transforms
  /// @throws std::invalid_argument as encode
  saved_activation(thread_pool& pool, const tensor<float>& x, const quantizer& q, const noise_source& noise);

  tensor<float> restored(thread_pool& pool) const;
  /// Of codes and scales, or of the array.
  std::size_t bytes() const;

 private:
  axis_view view() const { return {shape_.count() / shape_.back(), shape_.back(), 1}; }

  extents shape_;
  quantizer quantizer_;
  tensor<float> values_;               ///< of an array without codes
  std::shared_ptr<std::byte> packed_;  ///< codes
  std::size_t packed_size_ = 0;
  encoded scales_;  ///< without codes
};

/// What waits of an array for the backward pass: the array, its codes, or nothing.
template <class T>
class kept_array {
 public:
  kept_array() = default;
  explicit kept_array(tensor<T> as_it_is) : as_it_is_(std::move(as_it_is)) {}
  explicit kept_array(saved_activation codes)
    requires std::is_same_v<T, float>
      : codes_(std::move(codes)) {}

  /// The array, or the values of its codes; empty if nothing waits.
  tensor<T> restored([[maybe_unused]] thread_pool& pool) const {
    if constexpr (std::is_same_v<T, float>)
      if (codes_) return codes_->restored(pool);
    return as_it_is_;
  }

 private:
  tensor<T> as_it_is_;
  std::optional<saved_activation> codes_;
};

}  // namespace binade
