#pragma once
// What happens to the elements of an array when it is quantized, counted.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "binade/codec.hpp"
#include "binade/group_amax.hpp"
#include "binade/versions.hpp"

namespace binade {

/// What happened to the elements of an array.  The counts are sums, so that parts can be merged; the sums of squares
/// are in double in a written order (that of every reduction here): chunks of 4096 in storage order, in a chunk
/// element i in lane i mod 32, lanes joined (l, l+16) ... (l, l+1), chunks joined as a binary tree of neighbours.
struct quantize_counters {
  std::uint64_t count = 0;        ///< elements
  std::uint64_t nonzero = 0;      ///< neither zero nor NaN
  std::uint64_t saturated = 0;    ///< x / s beyond the finite values of the format, infinities included; below zero
                                  ///< for an unsigned one
  std::uint64_t underflowed = 0;  ///< nonzero, but the value is zero
  std::uint64_t nans = 0;         ///< NaN going in
  float amax = 0;                 ///< largest finite |x|
  double sum_sq = 0;              ///< sum of x^2 over the elements where x and its value are finite
  double sum_sq_error = 0;        ///< sum of (x - value)^2 over the same

  /// Adds the counts of another part.
  constexpr void merge(const quantize_counters& other) {
    count += other.count;
    nonzero += other.nonzero;
    saturated += other.saturated;
    underflowed += other.underflowed;
    nans += other.nans;
    amax = std::max(amax, other.amax);
    sum_sq += other.sum_sq;
    sum_sq_error += other.sum_sq_error;
  }
  bool operator==(const quantize_counters&) const = default;
};

namespace detail {

/// The counters of an array as its elements come in, in storage order.
class counter {
 public:
  explicit counter(const number_format& f)
      : largest_(cut(f.max_finite())), least_(f.is_signed() ? cut(f.min_finite()) : 0.0f) {}

  /// The next count elements.
  /// @param scales  x / scales is what is rounded
  void add(const float* x, const float* scales, const float* values, std::size_t count) {
    add_pieces<true>(x, scales, values, count);
  }
  /// @param scaled  what is rounded
  void add_scaled(const float* x, const float* scaled, const float* values, std::size_t count) {
    add_pieces<false>(x, scaled, values, count);
  }

  /// All counters.  Call it once, at the end.
  quantize_counters total() {
    if (next_ % chunk != 0) close();
    while (tree_.size() > 1) join();
    quantize_counters result = counts_;
    result.count = next_;
    if (!tree_.empty()) {
      result.sum_sq = tree_[0].square;
      result.sum_sq_error = tree_[0].error;
    }
    return result;
  }
  static constexpr std::size_t chunk = 4096, lanes = 32;

 private:
  /// Pieces that end where chunks do: a part of a larger array may begin anywhere.
  template <bool Divides>
  void add_pieces(const float* x, const float* by, const float* values, std::size_t count) {
    for (std::size_t done = 0; done < count;) {
      const std::size_t here = std::min(count - done, chunk - next_ % chunk);
      run_best<add_body<Divides>>(this, x + done, by + done, values + done, here);
      done += here;
      next_ += here;
      if (next_ % chunk == 0) close();
    }
  }
  /// To float32, toward zero.
  static float cut(double x) {
    const element e{
        .format = formats::e8m23, .rounding = rounding_mode::toward_zero, .overflow = overflow_rule::saturate};
    return std::bit_cast<float>(std::uint32_t(encode(e, x)));
  }
  struct sums {
    double square = 0, error = 0;
    std::size_t level = 0;
  };

  template <bool Divides>
  struct add_body {
    BINADE_ALWAYS_INLINE static void run(counter* self, const float* __restrict x, const float* __restrict by,
                                         const float* __restrict values, std::size_t count) {
      std::uint32_t nonzero = 0, saturated = 0, underflowed = 0, nans = 0, amax = 0;
      const float largest = self->largest_, least = self->least_;
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffff;
        const std::uint32_t is_nan = std::uint32_t(magnitude > 0x7f800000);
        const std::uint32_t is_nonzero = std::uint32_t(magnitude != 0) & ~is_nan;
        nans += is_nan;
        nonzero += is_nonzero;
        const float scaled = Divides ? x[i] / by[i] : by[i];
        saturated += std::uint32_t(scaled > largest) | std::uint32_t(scaled < least);  // false for NaN
        underflowed += is_nonzero & std::uint32_t((std::bit_cast<std::uint32_t>(values[i]) & 0x7fffffff) == 0);
        amax = std::max(amax, finite_magnitude(x[i]));
      }
      self->counts_.nonzero += nonzero;
      self->counts_.saturated += saturated;
      self->counts_.underflowed += underflowed;
      self->counts_.nans += nans;
      self->counts_.amax = std::max(self->counts_.amax, std::bit_cast<float>(amax));
      double* const square = self->square_;
      double* const error = self->error_;
      std::size_t i = 0, lane = self->next_ % lanes;
      for (; i < count && lane % lanes != 0; ++i, ++lane) add_one(x[i], values[i], square[lane], error[lane]);
      for (; i + lanes <= count; i += lanes)
        for (std::size_t l = 0; l < lanes; ++l) add_one(x[i + l], values[i + l], square[l], error[l]);
      for (lane = 0; i < count; ++i, ++lane) add_one(x[i], values[i], square[lane], error[lane]);
    }
    BINADE_ALWAYS_INLINE static void add_one(float x, float value, double& square, double& error) {
      // A factor of 0 would make NaN of infinity; a mask does not.
      const std::uint32_t both = (std::bit_cast<std::uint32_t>(x) & 0x7fffffff) < 0x7f800000 &&
                                         (std::bit_cast<std::uint32_t>(value) & 0x7fffffff) < 0x7f800000
                                     ? 0xffffffff
                                     : 0;
      const double a = double(std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & both));
      const double d = a - double(std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) & both));
      square += a * a;
      error += d * d;
    }
  };

  /// Ends a chunk: its lanes join, and the chunk joins the tree, where equal levels meet.
  void close() {
    for (std::size_t half = lanes / 2; half > 0; half /= 2)
      for (std::size_t l = 0; l < half; ++l) {
        square_[l] += square_[l + half];
        error_[l] += error_[l + half];
      }
    tree_.push_back({square_[0], error_[0], 0});
    std::fill_n(square_, lanes, 0.0);
    std::fill_n(error_, lanes, 0.0);
    while (tree_.size() > 1 && tree_[tree_.size() - 2].level == tree_.back().level) join();
  }
  void join() {
    const sums right = tree_.back();
    tree_.pop_back();
    sums& left = tree_.back();
    left = {left.square + right.square, left.error + right.error, left.level + 1};
  }

  float largest_, least_;
  std::size_t next_ = 0;
  double square_[lanes] = {}, error_[lanes] = {};
  std::vector<sums> tree_;
  quantize_counters counts_;
};

}  // namespace detail

}  // namespace binade
