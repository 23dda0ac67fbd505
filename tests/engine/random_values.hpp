#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "tensor.hpp"

namespace binade::test {

/// Numbers in [-1, 1) from a fixed generator, the same on every machine.
class random_values {
 public:
  explicit random_values(std::uint64_t seed) : engine_(seed) {}

  double next() { return double(engine_() >> 11) * 0x1p-52 - 1; }
  std::size_t below(std::size_t bound) { return std::size_t(engine_() % bound); }

  template <class T>
  tensor<T> values(const extents& shape, double scale = 1, double shift = 0) {
    tensor<T> result = tensor<T>::uninitialized(shape);
    for (T& value : result.values()) value = T(next() * scale + shift);
    return result;
  }

  /// Token ids below `bound`.
  std::vector<std::int32_t> ids(std::size_t count, std::size_t bound) {
    std::vector<std::int32_t> result(count);
    for (std::int32_t& id : result) id = std::int32_t(below(bound));
    return result;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace binade::test
