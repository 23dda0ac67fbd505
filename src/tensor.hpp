#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "buffer_pool.hpp"

namespace binade {

/// The shape of a tensor: 1 to 4 sizes, each at least 1; none for a tensor that holds nothing.
class extents {
 public:
  static constexpr std::size_t max_rank = 4;

  extents() = default;
  /// @throws std::invalid_argument for more than 4 sizes, a size of 0, or more elements than memory can have
  extents(std::initializer_list<std::size_t> sizes) {
    if (sizes.size() > max_rank)
      throw std::invalid_argument("extents: " + std::to_string(sizes.size()) + " sizes given; a tensor has at most 4");
    std::size_t total = 1;
    for (const std::size_t size : sizes) {
      if (size == 0)
        throw std::invalid_argument("extents: size " + std::to_string(rank_) + " is 0; every size must be at least 1");
      if (size > std::numeric_limits<std::ptrdiff_t>::max() / sizeof(double) / total)
        throw std::invalid_argument("extents: the sizes multiply to more elements than memory can hold");
      total *= size;
      sizes_[rank_++] = size;
    }
  }

  std::size_t rank() const { return rank_; }
  /// @pre i < rank()
  std::size_t operator[](std::size_t i) const { return sizes_[i]; }
  std::size_t back() const { return sizes_[rank_ - 1]; }
  /// Number of elements; 0 without sizes.
  std::size_t count() const {
    if (rank_ == 0) return 0;
    std::size_t total = 1;
    for (std::size_t i = 0; i < rank_; ++i) total *= sizes_[i];
    return total;
  }
  std::vector<std::size_t> sizes() const { return {sizes_.begin(), sizes_.begin() + std::ptrdiff_t(rank_)}; }
  bool operator==(const extents&) const = default;

 private:
  std::array<std::size_t, max_rank> sizes_{};
  std::size_t rank_ = 0;
};

/// "(16, 128)"
inline std::string to_string(const extents& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.rank(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

/// @throws std::invalid_argument that names function and argument unless the shapes are equal
inline void require_shape(std::string_view function, std::string_view argument, const extents& given,
                          const extents& wanted) {
  if (given != wanted)
    throw std::invalid_argument(std::string(function) + ": " + std::string(argument) + " has shape " +
                                to_string(given) + "; it must have " + to_string(wanted));
}
/// @throws std::invalid_argument that names function and argument unless the tensor has that many sizes
inline void require_rank(std::string_view function, std::string_view argument, const extents& given,
                         std::size_t wanted) {
  if (given.rank() != wanted)
    throw std::invalid_argument(std::string(function) + ": " + std::string(argument) + " has shape " +
                                to_string(given) + "; it must have " + std::to_string(wanted) + " sizes");
}

/// Contiguous row-major array.  Copies share the elements; clone() does not.
template <class T>
class tensor {
 public:
  tensor() = default;

  /// The elements hold anything.
  static tensor uninitialized(const extents& shape) {
    tensor result;
    result.shape_ = shape;
    result.size_ = shape.count();
    if (result.size_ != 0) result.storage_ = buffer_pool::instance().take(result.size_ * sizeof(T));
    return result;
  }
  static tensor full(const extents& shape, T value) {
    tensor result = uninitialized(shape);
    std::fill_n(result.data(), result.size(), value);
    return result;
  }
  static tensor zeros(const extents& shape) { return full(shape, T(0)); }
  /// @throws std::invalid_argument unless there is one value per element
  static tensor from(const extents& shape, std::span<const T> values) {
    if (values.size() != shape.count())
      throw std::invalid_argument("tensor: " + std::to_string(values.size()) + " values given for shape " +
                                  to_string(shape) + ", which has " + std::to_string(shape.count()) + " elements");
    tensor result = uninitialized(shape);
    std::copy(values.begin(), values.end(), result.data());
    return result;
  }

  const extents& shape() const { return shape_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  T* data() { return reinterpret_cast<T*>(storage_.get()); }
  const T* data() const { return reinterpret_cast<const T*>(storage_.get()); }
  std::span<T> values() { return {data(), size_}; }
  std::span<const T> values() const { return {data(), size_}; }
  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return data()[i]; }

  /// The same elements under another shape.  @throws std::invalid_argument unless the number of elements is the same
  tensor reshaped(const extents& shape) const {
    if (shape.count() != size_)
      throw std::invalid_argument("tensor::reshaped: shape " + to_string(shape) + " has " +
                                  std::to_string(shape.count()) + " elements; " + to_string(shape_) + " has " +
                                  std::to_string(size_));
    tensor result = *this;
    result.shape_ = shape;
    return result;
  }
  tensor clone() const { return from(shape_, values()); }
  /// True if no other tensor shares the elements: writing is seen by nobody else.
  bool is_sole_owner() const { return storage_.use_count() == 1; }
  void release() { *this = tensor(); }

 private:
  extents shape_;
  std::size_t size_ = 0;
  std::shared_ptr<std::byte> storage_;
};

}  // namespace binade
