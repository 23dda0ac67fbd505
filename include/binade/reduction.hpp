#pragma once
// Sums in a written order, so that any machine, vector width and number of threads gives the same bits.
//
// The elements are cut into chunks of 4096.  In a chunk element i belongs to lane i mod 32; each lane adds its elements
// in ascending order to +0; the lanes join as (l, l+16), (l, l+8), ... (l, l+1).  The chunks join as a binary tree of
// neighbours: in each round 0 with 1, 2 with 3, ..., and an odd one at the end passes through.  No element gives +0.
//
// A term (a square, a product) is rounded, then added: two operations, no fused one.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

#include "binade/config.hpp"

namespace binade::reduction {

/// Elements of a chunk: chunks are reduced on their own, then joined in order.
inline constexpr std::size_t chunk_size = 4096;
/// Partial results that a chunk is reduced in, before join_lanes().
inline constexpr std::size_t lane_count = 32;

/// (l, l+16), (l, l+8), (l, l+4), (l, l+2), (l, l+1); destroys the lanes.
template <class T>
BINADE_HD BINADE_ALWAYS_INLINE constexpr T join_lanes(T* lanes) {
  for (std::size_t half = lane_count / 2; half > 0; half /= 2)
    for (std::size_t l = 0; l < half; ++l) lanes[l] = lanes[l] + lanes[l + half];
  return lanes[0];
}

/// Joins values that arrive one after the other as the binary tree of neighbours does, without storing them all.
///
/// Complete subtrees wait, the largest at the bottom, as the bits of a counter do.  At the end they join from the top:
/// that is what "an odd one passes through" does level by level.
template <class Value>
class neighbour_tree {
 public:
  BINADE_HD constexpr void push(Value value) {
    for (std::uint64_t c = pushed_; c & 1; c >>= 1) value = waiting_[--depth_] + value;
    waiting_[depth_++] = value;
    ++pushed_;
  }
  /// The root; Value{} if nothing was pushed.
  BINADE_HD constexpr Value root() const {
    if (depth_ == 0) return Value{};
    Value value = waiting_[depth_ - 1];
    for (int level = depth_ - 2; level >= 0; --level) value = waiting_[level] + value;
    return value;
  }

 private:
  Value waiting_[52] = {};  // 2^52 chunks of 4096 fill any address space
  int depth_ = 0;
  std::uint64_t pushed_ = 0;
};

/// term(begin) + ... + term(end - 1) in the order of one chunk.  begin is the chunk's first element, end - begin <=
/// 4096.
template <class T, class Term>
BINADE_HD BINADE_ALWAYS_INLINE constexpr T sum_chunk(std::size_t begin, std::size_t end, const Term& term) {
  T lanes[lane_count] = {};
  std::size_t i = begin;
  for (; end - i >= lane_count; i += lane_count)
    for (std::size_t l = 0; l < lane_count; ++l) lanes[l] = lanes[l] + term(i + l);
  for (std::size_t l = 0; i + l < end; ++l) lanes[l] = lanes[l] + term(i + l);
  return join_lanes(lanes);
}

/// term(0) + ... + term(count - 1) in the written order.
template <class T, class Term>
BINADE_HD BINADE_ALWAYS_INLINE constexpr T sum_terms(std::size_t count, const Term& term) {
  if (count <= chunk_size) return sum_chunk<T>(0, count, term);
  neighbour_tree<T> tree;
  for (std::size_t begin = 0; begin < count; begin += chunk_size)
    tree.push(sum_chunk<T>(begin, count - begin < chunk_size ? count : begin + chunk_size, term));
  return tree.root();
}

/// x[0] + x[1] + ...
template <class T>
BINADE_HD BINADE_ALWAYS_INLINE constexpr T sum(const T* x, std::size_t count) {
  return sum_terms<T>(count, [x](std::size_t i) { return x[i]; });
}

/// x[0]^2 + x[1]^2 + ...
template <class T>
BINADE_HD BINADE_ALWAYS_INLINE constexpr T sum_of_squares(const T* x, std::size_t count) {
  return sum_terms<T>(count, [x](std::size_t i) { return x[i] * x[i]; });
}

/// x[0] y[0] + x[1] y[1] + ...
template <class T>
BINADE_HD BINADE_ALWAYS_INLINE constexpr T dot(const T* x, const T* y, std::size_t count) {
  return sum_terms<T>(count, [x, y](std::size_t i) { return x[i] * y[i]; });
}

/// The integer type that holds the bits of a float or double.
template <class T>
using bits_of = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

/// Largest |x|; +0 for no element.  Any NaN makes the result NaN.  Free of order: magnitudes compare as integers, NaN
/// above infinity above all else.
template <class T>
BINADE_HD BINADE_ALWAYS_INLINE constexpr T max_abs(const T* x, std::size_t count) {
  using bits = bits_of<T>;
  bits largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const bits magnitude = std::bit_cast<bits>(x[i]) & (std::numeric_limits<bits>::max() >> 1);
    largest = magnitude > largest ? magnitude : largest;
  }
  return std::bit_cast<T>(largest);
}

/// Largest of x, NaN aside; -infinity for no element.  Free of order but for the sign of zero.
template <class T>
BINADE_HD BINADE_ALWAYS_INLINE constexpr T largest(const T* x, std::size_t count) {
  T lanes[lane_count] = {};
  for (std::size_t l = 0; l < lane_count; ++l) lanes[l] = -std::numeric_limits<T>::infinity();
  std::size_t i = 0;
  for (; count - i >= lane_count; i += lane_count)
    for (std::size_t l = 0; l < lane_count; ++l) lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
  T result = -std::numeric_limits<T>::infinity();
  for (; i < count; ++i) result = x[i] > result ? x[i] : result;
  for (std::size_t l = 0; l < lane_count; ++l) result = lanes[l] > result ? lanes[l] : result;
  return result;
}

/// out[j] = x[0][j] + x[1][j] + ... in the written order (element index = row), for `Columns` neighbouring columns.
/// @param x  (rows, Columns) values, rows `stride` apart
template <class T, std::size_t Columns>
BINADE_HD BINADE_ALWAYS_INLINE constexpr void column_sum(const T* x, std::size_t rows, std::size_t stride, T* out) {
  struct row_value {
    T v[Columns];
    BINADE_HD constexpr row_value operator+(const row_value& other) const {
      row_value result{};
      for (std::size_t j = 0; j < Columns; ++j) result.v[j] = v[j] + other.v[j];
      return result;
    }
  };
  neighbour_tree<row_value> tree;
  for (std::size_t begin = 0; begin < rows; begin += chunk_size) {
    const std::size_t end = rows - begin < chunk_size ? rows : begin + chunk_size;
    row_value lanes[lane_count] = {};
    for (std::size_t row = begin; row < end; ++row) {
      T* lane = lanes[(row - begin) % lane_count].v;
      for (std::size_t j = 0; j < Columns; ++j) lane[j] = lane[j] + x[row * stride + j];
    }
    tree.push(join_lanes(lanes));
  }
  const row_value total = tree.root();
  for (std::size_t j = 0; j < Columns; ++j) out[j] = total.v[j];
}

}  // namespace binade::reduction
