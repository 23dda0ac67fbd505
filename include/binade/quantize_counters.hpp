#pragma once
// What happens to the elements of an array when it is quantized, counted.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "binade/codec.hpp"
#include "binade/group_amax.hpp"
#include "binade/reduction.hpp"
#include "binade/versions.hpp"

namespace binade {

/// What happened to the elements of an array.  The counts are sums, so that parts can be merged; the sums of numbers
/// are in double in a written order (that of every reduction here): chunks of 4096 in storage order, in a chunk
/// element i in lane i mod 32, lanes joined (l, l+16) ... (l, l+1), chunks joined as a binary tree of neighbours.
///
/// Each element is one of nans, saturated, underflowed, exact and rounded().
struct quantize_counters {
  std::uint64_t count = 0;        ///< elements
  std::uint64_t nonzero = 0;      ///< neither zero nor NaN
  std::uint64_t saturated = 0;    ///< infinite, or x / s beyond the finite values of the format; below zero for an
                                  ///< unsigned one
  std::uint64_t underflowed = 0;  ///< nonzero and not saturated, but the value is zero
  std::uint64_t nans = 0;         ///< NaN going in
  float amax = 0;                 ///< largest finite |x|
  double sum_sq = 0;              ///< sum of x^2 over the elements where x and its value are finite
  double sum_sq_error = 0;        ///< sum of (x - value)^2 over the same
  std::uint64_t infinities = 0;   ///< infinity going in
  std::uint64_t exact = 0;        ///< the value is x, and x is not saturated
  std::uint64_t subnormal = 0;    ///< the value is not zero and a subnormal number of the format, times s
  std::uint64_t top_binade = 0;   ///< the value is finite and in the format's highest binade, or above it, times s
  float smallest_scale = std::numeric_limits<float>::infinity();  ///< of all finite s; 1 without scales
  float largest_scale = 0;                                        ///< likewise; of two levels the products
  double sum_sq_value = 0;   ///< sum of value^2 over the elements where x and its value are finite
  double sum_magnitude = 0;  ///< sum of |x| over the same; in float32 in a lane, in double from there on
  double sum_growth = 0;     ///< sum of |value| - |x| over the same; likewise

  /// Elements whose rounding changed them, to another number than zero, or to NaN where that is the scale of their
  /// group.
  constexpr std::uint64_t rounded() const { return count - nans - saturated - underflowed - exact; }
  /// Growth of magnitudes: the sum of |value| - |x| over that of |x|; 0 where all are zero, NaN where a sum is
  /// infinite.
  constexpr double bias() const {
    if (sum_magnitude == 0) return 0;
    return sum_magnitude <= std::numeric_limits<double>::max() ? sum_growth / sum_magnitude
                                                               : std::numeric_limits<double>::quiet_NaN();
  }
  /// Of the angle between x and its values; 1 where both are zero, 0 where one is.
  double cosine() const {
    const double norms = std::sqrt(sum_sq) * std::sqrt(sum_sq_value);
    if (norms == 0) return sum_sq == sum_sq_value ? 1 : 0;
    return (sum_sq + sum_sq_value - sum_sq_error) / 2 / norms;
  }

  /// Adds the counts of another part.
  constexpr void merge(const quantize_counters& other) {
    count += other.count;
    nonzero += other.nonzero;
    saturated += other.saturated;
    underflowed += other.underflowed;
    nans += other.nans;
    infinities += other.infinities;
    exact += other.exact;
    subnormal += other.subnormal;
    top_binade += other.top_binade;
    amax = std::max(amax, other.amax);
    smallest_scale = std::min(smallest_scale, other.smallest_scale);
    largest_scale = std::max(largest_scale, other.largest_scale);
    sum_sq += other.sum_sq;
    sum_sq_error += other.sum_sq_error;
    sum_sq_value += other.sum_sq_value;
    sum_magnitude += other.sum_magnitude;
    sum_growth += other.sum_growth;
  }
  bool operator==(const quantize_counters&) const = default;
};

namespace detail {

/// The sums of quantize_counters.
struct counter_sums {
  double square = 0, error = 0, value_square = 0, magnitude = 0, growth = 0;

  static counter_sums of(const quantize_counters& c) {
    return {c.sum_sq, c.sum_sq_error, c.sum_sq_value, c.sum_magnitude, c.sum_growth};
  }
  BINADE_HD constexpr counter_sums operator+(const counter_sums& other) const {
    return {square + other.square, error + other.error, value_square + other.value_square, magnitude + other.magnitude,
            growth + other.growth};
  }
  void write_to(quantize_counters& c) const {
    c.sum_sq = square;
    c.sum_sq_error = error;
    c.sum_sq_value = value_square;
    c.sum_magnitude = magnitude;
    c.sum_growth = growth;
  }
};

/// The counters of an array as its elements come in, in storage order.
class counter {
 public:
  /// @param sampled_from  none, or where the array begins in a larger one: the sums are of a quarter of its elements
  explicit counter(const number_format& f, std::optional<std::size_t> sampled_from = {})
      : sampled_from_(sampled_from),
        largest_(cut(f.max_finite())),
        least_(f.is_signed() ? cut(f.min_finite()) : 0.0f),
        lowest_normal_(f.kind == format_kind::floating && f.floating.has_subnormals ? cut(f.floating.min_normal())
                                                                                    : 0.0f),
        top_binade_(binade_of(cut(f.max_finite()))) {}

  /// Notes scales of groups, whose elements go to one of the others.  Returns the smallest one.
  float note_scales(const float* scales, std::size_t count) {
    std::uint32_t smallest = std::bit_cast<std::uint32_t>(std::numeric_limits<float>::infinity()), largest = 0;
    run_best<range_body>(scales, count, &smallest, &largest);
    const float least = std::bit_cast<float>(smallest);
    counts_.smallest_scale = std::min(counts_.smallest_scale, least);
    counts_.largest_scale = std::max(counts_.largest_scale, std::bit_cast<float>(largest));
    return least;
  }
  /// The next count elements.
  /// @param scales  x / scales is what is rounded
  void add(const float* x, const float* scales, const float* values, std::size_t count) {
    add_pieces<way::divide>(x, scales, scales, values, count);
  }
  /// @param powers  scales, all of them powers of two whose products with the largest and least value are exact
  void add_powers(const float* x, const float* powers, const float* values, std::size_t count) {
    add_pieces<way::compare>(x, powers, powers, values, count);
  }
  /// @param scaled  what is rounded
  void add_scaled(const float* x, const float* scales, const float* scaled, const float* values, std::size_t count) {
    add_pieces<way::take>(x, scales, scaled, values, count);
  }
  /// @param limits  of each element, limit() of what it is divided by
  void add_limited(const float* x, const float* scales, const float* limits, const float* values, std::size_t count) {
    add_pieces<way::limit>(x, scales, limits, values, count);
  }
  /// The largest magnitude that is not beyond the format when divided by this.
  /// @pre the format's finite values are the same with either sign; the product of the largest and the divisor is exact
  float limit(double divisor) const {
    const double exact = double(largest_) * divisor;
    const float near = float(exact);
    return double(near) > exact ? std::bit_cast<float>(std::bit_cast<std::uint32_t>(near) - 1) : near;
  }

  /// All counters.  Call it once, at the end.
  quantize_counters total() {
    if (next_ % chunk != 0) close();
    quantize_counters result = counts_;
    result.count = next_;
    tree_.root().write_to(result);
    return result;
  }
  static constexpr std::size_t chunk = reduction::chunk_size, lanes = reduction::lane_count;

 private:
  /// How an element over its scale is told to be beyond the format: divided, as it is given, by the product of the
  /// format's ends and the scale, or by the largest magnitude that is not.
  enum class way { divide, take, compare, limit };

  /// Pieces that end where chunks do: a part of a larger array may begin anywhere.
  template <way Way>
  void add_pieces(const float* x, const float* scales, const float* by, const float* values, std::size_t count) {
    for (std::size_t done = 0; done < count;) {
      const std::size_t here = std::min(count - done, chunk - next_ % chunk);
      bool is_finite = least_ == -largest_;
      if (is_finite)
        run_best<finite_count_body<Way>>(this, x + done, scales + done, by + done, values + done, here, &is_finite);
      if (!is_finite) run_best<count_body<Way>>(this, x + done, scales + done, by + done, values + done, here);
      if (is_finite)
        add_sums<true>(x + done, values + done, here);
      else
        add_sums<false>(x + done, values + done, here);
      done += here;
      next_ += here;
      if (next_ % chunk == 0) close();
    }
  }
  template <bool AreFinite>
  void add_sums(const float* x, const float* values, std::size_t count) {
    if (sampled_from_)
      run_best<sampled_sum_body<AreFinite>>(&sums_, *sampled_from_ + next_, x, values, count);
    else
      run_best<sum_body<AreFinite>>(&sums_, next_ % lanes, x, values, count);
  }
  /// To float32, toward zero.
  static float cut(double x) {
    const element e{
        .format = formats::e8m23, .rounding = rounding_mode::toward_zero, .overflow = overflow_rule::saturate};
    return std::bit_cast<float>(std::uint32_t(encode(e, x)));
  }
  /// The power of two at or below a normal number.
  static float binade_of(float x) { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0x7f800000); }

  /// Lanes of the sums of the chunk that is being added up.
  struct lane_sums {
    double square[lanes] = {}, error[lanes] = {}, value_square[lanes] = {};
    float magnitude[lanes] = {}, growth[lanes] = {};

    /// @tparam AreFinite  both are known to be
    template <bool AreFinite>
    BINADE_ALWAYS_INLINE void add(std::size_t lane, float x, float value) {
      const std::uint32_t a = std::bit_cast<std::uint32_t>(x), b = std::bit_cast<std::uint32_t>(value);
      // A factor of 0 would make NaN of infinity; a mask does not.
      const std::uint32_t both = AreFinite || std::max(a & 0x7fffffff, b & 0x7fffffff) < 0x7f800000 ? 0xffffffff : 0;
      const double from = double(std::bit_cast<float>(a & both)), to = double(std::bit_cast<float>(b & both));
      const double difference = from - to;
      square[lane] += from * from;
      error[lane] += difference * difference;
      value_square[lane] += to * to;
      const float size = std::bit_cast<float>(a & both & 0x7fffffff);
      magnitude[lane] += size;
      growth[lane] += std::bit_cast<float>(b & both & 0x7fffffff) - size;
    }
  };

  /// The range of finite scales.  They are not negative: their bits compare as they do.
  struct range_body {
    BINADE_ALWAYS_INLINE static void run(const float* scales, std::size_t count, std::uint32_t* smallest,
                                         std::uint32_t* largest) {
      std::uint32_t least = *smallest, most = *largest;
      for (std::size_t k = 0; k < count; ++k) {
        least = std::min(least, std::bit_cast<std::uint32_t>(scales[k]));
        most = std::max(most, finite_magnitude(scales[k]));
      }
      *smallest = least;
      *largest = most;
    }
  };

  template <way Way>
  struct count_body {
    BINADE_ALWAYS_INLINE static void run(counter* self, const float* __restrict x, const float* __restrict scales,
                                         const float* __restrict by, const float* __restrict values,
                                         std::size_t count) {
      std::uint32_t nonzero = 0, saturated = 0, underflowed = 0, nans = 0, infinities = 0, exact = 0, subnormal = 0,
                    top = 0, amax = 0;
      const float largest = self->largest_, least = self->least_, lowest_normal = self->lowest_normal_,
                  top_binade = self->top_binade_;
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffff;
        const std::uint32_t is_nan = std::uint32_t(magnitude > 0x7f800000),
                            is_infinite = std::uint32_t(magnitude == 0x7f800000);
        const std::uint32_t is_nonzero = std::uint32_t(magnitude != 0) & ~is_nan;
        nans += is_nan;
        infinities += is_infinite;
        nonzero += is_nonzero;
        const float s = scales[i], scaled = Way == way::divide ? x[i] / s : Way == way::take ? by[i] : x[i];
        const float upper = Way == way::compare ? largest * s
                            : Way == way::limit ? by[i]
                                                : largest,
                    lower = Way == way::compare ? least * s
                            : Way == way::limit ? -by[i]
                                                : least;
        // Comparisons with NaN are false.
        const std::uint32_t is_saturated = std::uint32_t(scaled > upper) | std::uint32_t(scaled < lower) | is_infinite;
        saturated += is_saturated;
        const std::uint32_t value = std::bit_cast<std::uint32_t>(values[i]) & 0x7fffffff;
        const std::uint32_t is_zero = std::uint32_t(value == 0);
        underflowed += is_nonzero & is_zero & ~is_saturated;
        exact += std::uint32_t(x[i] == values[i]) & ~is_saturated;
        const float size = std::bit_cast<float>(value);
        subnormal += std::uint32_t(size < lowest_normal * s) & ~is_zero;
        top += std::uint32_t(size >= top_binade * s) & std::uint32_t(value < 0x7f800000) & ~is_zero;
        amax = std::max(amax, finite_magnitude(x[i]));
      }
      self->counts_.nonzero += nonzero;
      self->counts_.saturated += saturated;
      self->counts_.underflowed += underflowed;
      self->counts_.nans += nans;
      self->counts_.infinities += infinities;
      self->counts_.exact += exact;
      self->counts_.subnormal += subnormal;
      self->counts_.top_binade += top;
      self->counts_.amax = std::max(self->counts_.amax, std::bit_cast<float>(amax));
    }
  };
  /// count_body where all elements and values are finite, which is found out on the way: else nothing is counted.
  /// @pre the format's finite values are the same with either sign
  template <way Way>
  struct finite_count_body {
    BINADE_ALWAYS_INLINE static void run(counter* self, const float* __restrict x, const float* __restrict scales,
                                         const float* __restrict by, const float* __restrict values, std::size_t count,
                                         bool* are_finite) {
      std::uint32_t nonzero = 0, saturated = 0, underflowed = 0, exact = 0, subnormal = 0, top = 0, amax = 0,
                    largest_value = 0;
      const float largest = self->largest_, lowest_normal = self->lowest_normal_, top_binade = self->top_binade_;
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffff,
                            value = std::bit_cast<std::uint32_t>(values[i]) & 0x7fffffff;
        amax = std::max(amax, magnitude);
        largest_value = std::max(largest_value, value);
        const float s = scales[i], size = std::bit_cast<float>(value);
        const float scaled = Way == way::divide ? std::bit_cast<float>(magnitude) / s
                             : Way == way::take ? std::fabs(by[i])
                                                : std::bit_cast<float>(magnitude);
        // As conditions, not as numbers: these stay in masks where the processor has them.
        const bool is_nonzero = magnitude != 0, is_zero = value == 0,
                   is_saturated = scaled > (Way == way::compare ? largest * s
                                            : Way == way::limit ? by[i]
                                                                : largest);
        nonzero += is_nonzero;
        saturated += is_saturated;
        underflowed += is_nonzero & is_zero & !is_saturated;
        exact += (x[i] == values[i]) & !is_saturated;
        subnormal += (size < lowest_normal * s) & !is_zero;
        top += (size >= top_binade * s) & !is_zero;
      }
      *are_finite = std::max(amax, largest_value) < 0x7f800000;
      if (!*are_finite) return;
      self->counts_.nonzero += nonzero;
      self->counts_.saturated += saturated;
      self->counts_.underflowed += underflowed;
      self->counts_.exact += exact;
      self->counts_.subnormal += subnormal;
      self->counts_.top_binade += top;
      self->counts_.amax = std::max(self->counts_.amax, std::bit_cast<float>(amax));
    }
  };
  template <bool AreFinite>
  struct sum_body {
    /// @param lane  of the first element
    BINADE_ALWAYS_INLINE static void run(lane_sums* into, std::size_t lane, const float* __restrict x,
                                         const float* __restrict values, std::size_t count) {
      lane_sums sums = *into;  // its own, so that it stays in registers
      std::size_t i = 0;
      for (; i < count && lane % lanes != 0; ++i, ++lane) sums.template add<AreFinite>(lane, x[i], values[i]);
      for (; i + lanes <= count; i += lanes)
        for (std::size_t l = 0; l < lanes; ++l) sums.template add<AreFinite>(l, x[i + l], values[i + l]);
      for (lane = 0; i < count; ++i, ++lane) sums.template add<AreFinite>(lane, x[i], values[i]);
      *into = sums;
    }
  };

  /// Of 128 elements 32 neighbours: those whose number, 0 to 3, is the exclusive or of all digits of the 128 elements'
  /// number in base 4.  So in every matrix all columns and rows have their turn.
  template <bool AreFinite>
  struct sampled_sum_body {
    /// @param first  number of the first element
    BINADE_ALWAYS_INLINE static void run(lane_sums* into, std::size_t first, const float* __restrict x,
                                         const float* __restrict values, std::size_t count) {
      const std::size_t end = first + count;
      std::size_t group = first / period;
      if (first % period != 0) add_some(into, group++, first, x, values, count);
      // Nothing in this loop takes a lane by a number that it computes: the sums stay in registers.
      lane_sums sums = *into;
      for (; (group + 1) * period <= end; ++group) {
        const std::size_t from = sample_of(group) - first;
        for (std::size_t l = 0; l < lanes; ++l) sums.template add<AreFinite>(l, x[from + l], values[from + l]);
      }
      *into = sums;
      if (group * period < end) add_some(into, group, first, x, values, count);
    }

   private:
    static constexpr std::size_t period = 4 * lanes;

    BINADE_ALWAYS_INLINE static std::size_t sample_of(std::size_t group) {
      std::size_t digits = group ^ group >> 32;
      for (int shift = 16; shift >= 2; shift /= 2) digits ^= digits >> shift;
      return (4 * group + digits % 4) * lanes;
    }
    /// Those of a group that the piece has.
    BINADE_ALWAYS_INLINE static void add_some(lane_sums* into, std::size_t group, std::size_t first, const float* x,
                                              const float* values, std::size_t count) {
      const std::size_t from = sample_of(group);
      for (std::size_t i = std::max(from, first); i < std::min(from + lanes, first + count); ++i)
        into->template add<AreFinite>(i % lanes, x[i - first], values[i - first]);
    }
  };

  struct join_body {
    BINADE_ALWAYS_INLINE static void run(lane_sums* of, counter_sums* joined) {
      double magnitude[lanes], growth[lanes];
      for (std::size_t l = 0; l < lanes; ++l) {
        magnitude[l] = double(of->magnitude[l]);
        growth[l] = double(of->growth[l]);
      }
      *joined = {reduction::join_lanes(of->square), reduction::join_lanes(of->error),
                 reduction::join_lanes(of->value_square), reduction::join_lanes(magnitude),
                 reduction::join_lanes(growth)};
      *of = {};
    }
  };
  /// Ends a chunk: its lanes join, and the chunk joins the tree.
  void close() {
    counter_sums joined;
    run_best<join_body>(&sums_, &joined);
    tree_.push(joined);
  }

  std::optional<std::size_t> sampled_from_;
  float largest_, least_, lowest_normal_, top_binade_;
  std::size_t next_ = 0;
  lane_sums sums_;
  reduction::neighbour_tree<counter_sums> tree_;
  quantize_counters counts_;
};

}  // namespace detail

}  // namespace binade
