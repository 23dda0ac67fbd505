#pragma once
// Which binades the elements of an array are in: what decides how many exponent bits a format needs.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "binade/config.hpp"
#include "binade/versions.hpp"

namespace binade {

/// floor(log2 |x|) from the bits, -149..127.  @pre x is finite and not zero
BINADE_HD constexpr int exponent_of(float x) {
  const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x) & 0x7fffffff;
  return magnitude >= 0x800000 ? int(magnitude >> 23) - 127 : -86 - detail::leading_zeros(magnitude);
}

namespace detail {

/// Counts of a piece, added to `counts`: by exponent field, and zeros, infinities apart.
struct count_fields_body {
  BINADE_ALWAYS_INLINE static void run(const float* x, std::size_t count, std::uint64_t* fields, std::uint64_t* zeros,
                                       std::uint64_t* infinities) {
    // Neighbours are often in the same binade: four tables keep an increment from waiting for the one before.
    std::uint32_t tables[4][256] = {};
    std::uint32_t is_zero = 0, is_infinite = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffff;
      is_zero += std::uint32_t(magnitude == 0);
      is_infinite += std::uint32_t(magnitude == 0x7f800000);
    }
    for (std::size_t i = 0; i < count; ++i) ++tables[i % 4][std::bit_cast<std::uint32_t>(x[i]) << 1 >> 24];
    for (std::size_t field = 0; field < 256; ++field)
      fields[field] += std::uint64_t(tables[0][field]) + tables[1][field] + tables[2][field] + tables[3][field];
    *zeros += is_zero;
    *infinities += is_infinite;
  }
};

}  // namespace detail

/// How many elements have each exponent.  Histograms of parts add up to that of the whole, in any order.
class exponent_histogram {
 public:
  static constexpr int lowest = -149, highest = 127;  ///< of float32, subnormals by their own exponents

  std::uint64_t zeros = 0, infinities = 0, nans = 0;

  /// Elements with floor(log2 |x|) = exponent; 0 outside lowest..highest.
  constexpr std::uint64_t count(int exponent) const {
    return exponent < lowest || exponent > highest ? 0 : bins_[std::size_t(exponent - lowest)];
  }
  /// Finite non-zero elements with first <= exponent <= last.
  constexpr std::uint64_t count(int first, int last) const {
    std::uint64_t sum = 0;
    for (int e = std::max(first, lowest); e <= std::min(last, highest); ++e) sum += count(e);
    return sum;
  }
  /// All elements.
  constexpr std::uint64_t total() const { return zeros + infinities + nans + count(lowest, highest); }

  /// Smallest and largest exponent with an element; highest + 1 and lowest - 1 where there is none.
  constexpr int smallest() const {
    int e = lowest;
    while (e <= highest && count(e) == 0) ++e;
    return e;
  }
  constexpr int largest() const {
    int e = highest;
    while (e >= lowest && count(e) == 0) --e;
    return e;
  }

  /// Counts the elements of x too.
  void add(std::span<const float> x) {
    constexpr std::size_t piece = std::size_t(1) << 16;
    for (std::size_t begin = 0; begin < x.size(); begin += piece)
      add_piece(x.subspan(begin, std::min(piece, x.size() - begin)));
  }
  /// Adds the counts of another part.
  constexpr void merge(const exponent_histogram& other) {
    zeros += other.zeros;
    infinities += other.infinities;
    nans += other.nans;
    for (std::size_t i = 0; i < bins_.size(); ++i) bins_[i] += other.bins_[i];
  }
  bool operator==(const exponent_histogram&) const = default;

 private:
  void add_piece(std::span<const float> x) {
    std::uint64_t fields[256] = {}, here_zero = 0, here_infinite = 0;
    detail::run_best<detail::count_fields_body>(x.data(), x.size(), &fields[0], &here_zero, &here_infinite);
    zeros += here_zero;
    infinities += here_infinite;
    nans += fields[255] - here_infinite;
    for (int field = 1; field < 255; ++field) bins_[std::size_t(field - 127 - lowest)] += fields[field];
    if (fields[0] == here_zero) return;
    for (const float v : x)
      if (const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(v) & 0x7fffffff; magnitude - 1 < 0x7fffff)
        ++bins_[std::size_t(exponent_of(v) - lowest)];
  }

  std::array<std::uint64_t, std::size_t(highest - lowest + 1)> bins_ = {};
};

}  // namespace binade
