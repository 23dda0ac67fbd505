#pragma once
// The verbs over spans: quantize, encode and decode, with scales and counters.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "binade/fast_round.hpp"
#include "binade/noise.hpp"
#include "binade/quantizer.hpp"

namespace binade {

/// An array seen along one axis: element (o, j, i) is at (o * length + j) * inner + i.
///
/// As a matrix for scales it has outer * inner rows, row o * inner + i, and length columns.
struct axis_view {
  std::size_t outer = 1, length = 0, inner = 1;

  constexpr std::size_t rows() const { return outer * inner; }
  constexpr std::size_t size() const { return outer * length * inner; }
  bool operator==(const axis_view&) const = default;
};

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

/// Codes in the smallest unsigned type that holds one.
using code_array = std::variant<std::vector<std::uint8_t>, std::vector<std::uint16_t>, std::vector<std::uint32_t>,
                                std::vector<std::uint64_t>>;

/// An encoded array: one code per element in storage order, and one scale code per group, (tile row, tile column) in
/// row-major order; float32 scales are codes of e8m23, which are their bit patterns.
struct encoded {
  code_array codes, scales;

  bool operator==(const encoded&) const = default;
};

namespace detail {

/// Scales of a view: groups of tile_rows x tile_cols, numbered (row / tile_rows) * per_row + column / tile_cols.
struct scale_grid {
  axis_view view;
  std::size_t tile_rows, tile_cols;

  constexpr std::size_t per_row() const { return (view.length + tile_cols - 1) / tile_cols; }
  constexpr std::size_t count() const {
    return view.size() == 0 ? 0 : (view.rows() + tile_rows - 1) / tile_rows * per_row();
  }
};

/// The grid of a scaling, in the equal view that is walked fastest: same storage, same numbers of scales.
constexpr scale_grid grid_of(const scaling& s, const axis_view& view) {
  scale_grid grid{view, 1, 1};
  switch (s.per) {
    case granularity::tensor:
      return {{1, view.size(), 1}, 1, std::max<std::size_t>(1, view.size())};
    case granularity::row:
      grid.tile_cols = std::max<std::size_t>(1, view.length);
      break;
    case granularity::col:
      grid.tile_rows = std::max<std::size_t>(1, view.rows());
      break;
    case granularity::tile:
      grid.tile_rows = s.tile_rows;
      grid.tile_cols = s.tile_cols;
      break;
  }
  if (view.inner != 1 || view.size() == 0) return grid;
  // Whole blocks of contiguous rows are rows themselves; columns of contiguous rows are rows of the transposed view.
  if (grid.tile_rows == 1 && view.length % grid.tile_cols == 0)
    return {{view.size() / grid.tile_cols, grid.tile_cols, 1}, 1, grid.tile_cols};
  if (grid.tile_cols == 1 && grid.tile_rows >= view.outer) return {{1, view.outer, view.length}, 1, view.outer};
  return grid;
}

/// Bits of |x|, 0 where x is not finite: what amax is the maximum of.
BINADE_ALWAYS_INLINE std::uint32_t finite_magnitude(float x) {
  const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x) & 0x7fffffff;
  return magnitude & (0 - std::uint32_t(magnitude < 0x7f800000));
}

template <std::size_t Count>
BINADE_ALWAYS_INLINE std::uint32_t amax_of(const float* x) {
  std::uint32_t amax = 0;
  for (std::size_t i = 0; i < Count; ++i) amax = std::max(amax, finite_magnitude(x[i]));
  return amax;
}

/// amax[k] = max of amax[k] and block k of x; all blocks but a shorter last one have `size` elements.
struct amax_blocks_body {
  BINADE_ALWAYS_INLINE static void run(const float* __restrict x, std::size_t count, std::size_t size,
                                       float* __restrict amax) {
    for (std::size_t k = 0; k * size < count; ++k) {
      const float* const block = x + k * size;
      const std::size_t here = std::min(size, count - k * size);
      std::uint32_t bits = std::bit_cast<std::uint32_t>(amax[k]);
      if (here == 32) {  // the block sizes in use deserve loops of known length
        bits = std::max(bits, amax_of<32>(block));
      } else if (here == 16) {
        bits = std::max(bits, amax_of<16>(block));
      } else {
        for (std::size_t i = 0; i < here; ++i) bits = std::max(bits, finite_magnitude(block[i]));
      }
      amax[k] = std::bit_cast<float>(bits);
    }
  }
};

/// amax[i] = max of amax[i] and |x[i]|.
struct amax_lanes_body {
  BINADE_ALWAYS_INLINE static void run(const float* __restrict x, std::size_t count, float* __restrict amax) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t bits = std::max(std::bit_cast<std::uint32_t>(amax[i]), finite_magnitude(x[i]));
      amax[i] = std::bit_cast<float>(bits);
    }
  }
};

/// The counters of an array as its elements come in, in storage order.
class counter {
 public:
  explicit counter(const number_format& f)
      : largest_(cut(f.max_finite())), least_(f.is_signed() ? cut(f.min_finite()) : 0.0f) {}

  /// The next count elements, which do not cross a multiple of 4096.
  void add(const float* x, const float* scales, const float* values, std::size_t count) {
    run_best<add_body>(this, x, scales, values, count);
    next_ += count;
    if (next_ % chunk == 0) close();
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

  struct add_body {
    BINADE_ALWAYS_INLINE static void run(counter* self, const float* __restrict x, const float* __restrict scales,
                                         const float* __restrict values, std::size_t count) {
      std::uint32_t nonzero = 0, saturated = 0, underflowed = 0, nans = 0, amax = 0;
      const float largest = self->largest_, least = self->least_;
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffff;
        const std::uint32_t is_nan = std::uint32_t(magnitude > 0x7f800000);
        const std::uint32_t is_nonzero = std::uint32_t(magnitude != 0) & ~is_nan;
        nans += is_nan;
        nonzero += is_nonzero;
        const float scaled = x[i] / scales[i];
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

inline std::string described(const axis_view& view) {
  return "(outer " + std::to_string(view.outer) + ", length " + std::to_string(view.length) + ", inner " +
         std::to_string(view.inner) + ")";
}

/// Throws unless the arguments of a verb fit together.
inline void check_arguments(const std::string& verb, std::size_t elements, const axis_view& view, const quantizer& q,
                            const noise_source* noise) {
  const std::size_t most = std::numeric_limits<std::size_t>::max();
  const bool overflows = view.outer != 0 && view.length != 0 && view.inner != 0 &&
                         (view.length > most / view.outer || view.inner > most / (view.outer * view.length));
  if (overflows || view.size() != elements)
    throw std::invalid_argument(verb + ": the array has " + std::to_string(elements) + " elements and the axis view " +
                                described(view) +
                                (overflows ? " more than memory holds" : " names " + std::to_string(view.size())) +
                                "; give the view of the whole array");
  if (const std::string_view why = defect(q); !why.empty())
    throw std::invalid_argument(verb + ": the quantizer is impossible: " + std::string(why));
  if (noise != nullptr && is_stochastic(q.elem.rounding)) {
    const std::uint64_t capacity = noise_capacity(q.elem.noise_bits);
    if (noise->first > capacity || elements > capacity - noise->first)
      throw std::invalid_argument(verb + ": noise for elements " + std::to_string(noise->first) + " to " +
                                  std::to_string(noise->first + elements) + " is asked for and one stream has " +
                                  std::to_string(capacity) + "; give each array a stream of its own");
  }
}

/// Walks an array in storage order, chunk by chunk, with the scale of each element beside it.
class scaled_walk {
 public:
  /// Elements that a chunk has at most; counter::chunk is a multiple.
  static constexpr std::size_t chunk = 1024;

  /// @param x  the array; null where run() is not called
  scaled_walk(const float* x, const axis_view& view, const quantizer& q)
      : x_(x),
        size_(view.size()),
        quantizer_(q),
        grid_(q.levels == 0 ? scale_grid{{1, view.size(), 1}, 1, std::max<std::size_t>(1, view.size())}
                            : grid_of(q.scalings[0], view)) {}

  /// Calls visit(first, count, scales of these elements) for every chunk; chunks begin at multiples of `chunk` or
  /// where the groups that they need begin.  A group's scale is found before its first chunk.
  template <class Visit>
  void run(Visit visit) {
    if (size_ == 0) return;
    scales_.assign(grid_.count(), 0.0f);
    if (quantizer_.levels == 0) {
      scales_[0] = 1;
      return visit_all(0, size_, visit);
    }
    const scale_finder find(quantizer_.scalings[0], quantizer_.elem.format);
    const bool needs_amax = quantizer_.scalings[0].rule != scale_rule::static_scale;
    const auto found = [&](std::size_t first_scale, std::size_t count) {
      for (std::size_t k = first_scale; k < first_scale + count; ++k) scales_[k] = find(scales_[k]);
    };
    const axis_view& view = grid_.view;
    if (view.inner == 1) {
      // Whole rows of tiles at a time, enough of them to be worth a loop.
      const std::size_t tile_row = grid_.tile_rows * view.length,
                        together = std::max<std::size_t>(1, 4 * chunk / tile_row);
      const std::size_t tile_rows = (view.outer + grid_.tile_rows - 1) / grid_.tile_rows;
      for (std::size_t row = 0; row < tile_rows; row += together) {
        const std::size_t rows = std::min(together, tile_rows - row), begin = row * tile_row;
        const std::size_t end = std::min(size_, begin + rows * tile_row);
        if (needs_amax) amax_rows(begin, end);
        found(row * grid_.per_row(), rows * grid_.per_row());
        visit_all(begin, end, visit);
      }
      return;
    }
    // Strips of tile_cols columns of one o: contiguous, and vectors run across i.
    if (view.outer == 1 || view.inner % grid_.tile_rows == 0) {
      for (std::size_t o = 0; o < view.outer; ++o)
        for (std::size_t tile = 0; tile < grid_.per_row(); ++tile) {
          if (needs_amax) amax_strip(o, tile);
          for (std::size_t row = 0; row < view.inner; row += grid_.tile_rows)
            found(scale_index(o * view.inner + row, tile), 1);
          visit_strip(o, tile, visit);
        }
      return;
    }
    // Tiles that reach across several o: all scales first.
    if (needs_amax)
      for (std::size_t o = 0; o < view.outer; ++o)
        for (std::size_t tile = 0; tile < grid_.per_row(); ++tile) amax_strip(o, tile);
    found(0, scales_.size());
    visit_known(visit);
  }

  /// run() with these scales, one for each group.
  template <class Visit>
  void run_with(std::vector<float> scales, Visit visit) {
    scales_ = std::move(scales);
    if (size_ != 0) visit_known(visit);
  }

  /// The scales, once run() is done.
  const std::vector<float>& scales() const { return scales_; }

 private:
  std::size_t scale_index(std::size_t row, std::size_t tile) const {
    return row / grid_.tile_rows * grid_.per_row() + tile;
  }

  void amax_rows(std::size_t begin, std::size_t end) {
    const std::size_t length = grid_.view.length;
    if (grid_.tile_rows == 1 && grid_.tile_cols == length)  // blocks follow each other through all the rows
      return run_best<amax_blocks_body>(x_ + begin, end - begin, length, scales_.data() + begin / length);
    for (std::size_t row = begin / length; row < end / length; ++row)
      run_best<amax_blocks_body>(x_ + row * length, length, grid_.tile_cols, scales_.data() + scale_index(row, 0));
  }

  std::size_t strip_begin(std::size_t o, std::size_t column) const {
    return (o * grid_.view.length + column) * grid_.view.inner;
  }

  void amax_strip(std::size_t o, std::size_t tile) {
    const axis_view& view = grid_.view;
    lane_.assign(view.inner, 0.0f);
    const std::size_t last = std::min(view.length, (tile + 1) * grid_.tile_cols);
    for (std::size_t j = tile * grid_.tile_cols; j < last; ++j)
      run_best<amax_lanes_body>(x_ + strip_begin(o, j), view.inner, lane_.data());
    for (std::size_t i = 0; i < view.inner; ++i) {
      float& scale = scales_[scale_index(o * view.inner + i, tile)];
      scale = std::max(scale, lane_[i]);
    }
  }

  template <class Visit>
  void visit_known(Visit visit) {
    if (grid_.view.inner == 1) return visit_all(0, size_, visit);
    for (std::size_t o = 0; o < grid_.view.outer; ++o)
      for (std::size_t tile = 0; tile < grid_.per_row(); ++tile) visit_strip(o, tile, visit);
  }

  template <class Visit>
  void visit_strip(std::size_t o, std::size_t tile, Visit visit) {
    const axis_view& view = grid_.view;
    lane_.resize(view.inner);
    for (std::size_t i = 0; i < view.inner; ++i) lane_[i] = scales_[scale_index(o * view.inner + i, tile)];
    visit_all(strip_begin(o, tile * grid_.tile_cols),
              strip_begin(o, std::min(view.length, (tile + 1) * grid_.tile_cols)), visit);
  }

  /// Chunks of [begin, end), for which all scales are known, and lane_ holds one of each i where inner > 1.
  template <class Visit>
  void visit_all(std::size_t begin, std::size_t end, Visit visit) {
    for (std::size_t first = begin; first < end;) {
      const std::size_t count = std::min(end, (first / chunk + 1) * chunk) - first;
      fill_scales(first, count);
      visit(first, count, static_cast<const float*>(near_));
      first += count;
    }
  }

  void fill_scales(std::size_t first, std::size_t count) {
    const axis_view& view = grid_.view;
    if (view.inner != 1) {
      std::size_t i = first % view.inner;
      for (std::size_t done = 0; done < count; i = 0) {
        const std::size_t run = std::min(count - done, view.inner - i);
        std::copy_n(lane_.data() + i, run, near_ + done);
        done += run;
      }
      return;
    }
    const std::size_t row = first / view.length;
    std::size_t row_in_tile = row % grid_.tile_rows, scales_before = row / grid_.tile_rows * grid_.per_row();
    std::size_t column = first % view.length, tile = column / grid_.tile_cols;
    for (std::size_t done = 0; done < count;) {
      const std::size_t tile_end = std::min(view.length, (tile + 1) * grid_.tile_cols);
      const std::size_t run = std::min(count - done, tile_end - column);
      std::fill_n(near_ + done, run, scales_[scales_before + tile]);
      done += run;
      column += run;
      tile += std::size_t(column == tile_end);
      if (column < view.length) continue;
      column = tile = 0;
      if (++row_in_tile < grid_.tile_rows) continue;
      row_in_tile = 0;
      scales_before += grid_.per_row();
    }
  }

  const float* x_;
  std::size_t size_;
  quantizer quantizer_;
  scale_grid grid_;
  std::vector<float> scales_, lane_;
  float near_[chunk];
};

/// The noise of a chunk, or null where the mode asks for none.
inline const std::uint32_t* chunk_noise(const element& e, const noise_source& source, std::size_t first,
                                        std::span<std::uint32_t> buffer) {
  if (!is_stochastic(e.rounding)) return nullptr;
  fill_noise(source, first, e.noise_bits, buffer);
  return buffer.data();
}

template <class T>
std::vector<T>& resized(code_array& codes, std::size_t count) {
  return codes.emplace<std::vector<T>>(count);
}
/// Calls visit with a vector of the smallest type for codes of this width.
template <class Visit>
void with_codes(code_array& codes, int width, std::size_t count, Visit visit) {
  if (width <= 8) return visit(resized<std::uint8_t>(codes, count));
  if (width <= 16) return visit(resized<std::uint16_t>(codes, count));
  if (width <= 32) return visit(resized<std::uint32_t>(codes, count));
  return visit(resized<std::uint64_t>(codes, count));
}

}  // namespace detail

/// Scales that a quantizer has for a view; 0 without a scaling.
/// @pre the view's size fits in size_t
inline std::size_t scale_count(const axis_view& view, const quantizer& q) {
  return q.levels == 0 ? 0 : detail::grid_of(q.scalings[0], view).count();
}

/// Rounds each element to the grid of the quantizer: out = round(x / s) * s, division and product in float32.
///
/// A group's scale s follows from its largest finite magnitude (scale_rule); a group of zeros, NaNs and infinities
/// alone has scale 1.  Without a scaling s is 1.  A NaN stays NaN (the positive quiet one) and does not touch its
/// group, in MX blocks too; an infinity goes where the overflow rule of the element sends it, times s.  A product
/// beyond float32 is infinity.  A format that float32 cannot hold is rounded in exactly, then delivered in float32.
/// @param x         size() elements, any float
/// @param source    of the stochastic modes: element k of x in storage order, whatever the axis, has noise index k
/// @param out       size() elements; x itself or memory apart from it
/// @param counters  null, or where the counters of this array go
/// @throws std::invalid_argument if sizes disagree, out overlaps x in part, the quantizer is impossible or the noise
///         stream too short; nothing is written
inline void quantize(std::span<const float> x, const axis_view& view, const quantizer& q, const noise_source& source,
                     std::span<float> out, quantize_counters* counters = nullptr) {
  detail::check_arguments("quantize", x.size(), view, q, &source);
  if (out.size() != x.size())
    throw std::invalid_argument("quantize: out has room for " + std::to_string(out.size()) + " values and " +
                                std::to_string(x.size()) + " are needed for " + detail::described(view));
  const bool in_place = out.data() == x.data();
  const auto address = [](const float* p) { return std::bit_cast<std::uintptr_t>(p); };
  if (!in_place && address(out.data()) < address(x.data() + x.size()) &&
      address(x.data()) < address(out.data() + out.size()))
    throw std::invalid_argument("quantize: out overlaps x in part; give x itself or memory apart from it");

  constexpr std::size_t chunk = detail::scaled_walk::chunk;
  const element& e = q.elem;
  const bool fast = fast_rounder::covers(e);
  const fast_rounder rounder(fast ? e : element{formats::e8m23});
  detail::counter count(e.format);
  std::uint32_t noise_buffer[chunk];
  float value_buffer[chunk];
  detail::scaled_walk walk(x.data(), view, q);
  walk.run([&](std::size_t first, std::size_t n, const float* scales) {
    const float* const from = x.data() + first;
    float* const to = in_place ? value_buffer : out.data() + first;
    const std::uint32_t* const noise = detail::chunk_noise(e, source, first, {noise_buffer, n});
    if (fast)
      detail::fast_quantize(rounder, e.rounding, from, scales, noise, to, n);
    else
      for (std::size_t i = 0; i < n; ++i)
        to[i] = rescaled(round(e, from[i] / scales[i], noise == nullptr ? 0 : noise[i]), scales[i]);
    if (counters != nullptr) count.add(from, scales, to, n);
    if (in_place) std::copy_n(to, n, out.data() + first);
  });
  if (counters != nullptr) *counters = count.total();
}

/// The codes of each element and the scales: decode() of them is what quantize() gives.
///
/// In MX blocks too a NaN is the NaN of its element: the scale is never the NaN of E8M0, which would take the whole
/// block.  An element format without NaN refuses unless format.nan says what to take instead.
/// @param x, view, source  as for quantize
/// @throws std::invalid_argument as quantize, and if x has NaNs that the format refuses: the message counts them
inline encoded encode(std::span<const float> x, const axis_view& view, const quantizer& q, const noise_source& source) {
  detail::check_arguments("encode", x.size(), view, q, &source);
  const element& e = q.elem;
  if (e.format.refuses_nan()) {
    const auto nans = std::count_if(x.begin(), x.end(), [](float v) { return v != v; });
    if (nans != 0)
      throw std::invalid_argument("encode: x has " + std::to_string(nans) +
                                  " NaN and the format has no code for it; say "
                                  "what to take instead (:nan=max or :nan=zero) or remove them");
  }
  constexpr std::size_t chunk = detail::scaled_walk::chunk;
  const bool fast = fast_rounder::covers(e);
  const fast_rounder rounder(fast ? e : element{formats::e8m23});
  std::uint32_t noise_buffer[chunk], code_buffer[chunk];
  detail::scaled_walk walk(x.data(), view, q);
  encoded result;
  detail::with_codes(result.codes, e.format.width, x.size(), [&](auto& codes) {
    using code_type = typename std::remove_reference_t<decltype(codes)>::value_type;
    walk.run([&](std::size_t first, std::size_t n, const float* scales) {
      const std::uint32_t* const noise = detail::chunk_noise(e, source, first, {noise_buffer, n});
      if (fast) {
        detail::fast_encode(rounder, e.rounding, x.data() + first, scales, noise, code_buffer, n);
        for (std::size_t i = 0; i < n; ++i) codes[first + i] = code_type(code_buffer[i]);
      } else {
        for (std::size_t i = 0; i < n; ++i)
          codes[first + i] = code_type(encode(e, x[first + i] / scales[i], noise == nullptr ? 0 : noise[i]));
      }
    });
  });
  if (q.levels == 0) return result;
  const element storage{.format = q.scalings[0].format, .overflow = overflow_rule::saturate};
  detail::with_codes(result.scales, storage.format.width, walk.scales().size(), [&](auto& codes) {
    using code_type = typename std::remove_reference_t<decltype(codes)>::value_type;
    std::transform(walk.scales().begin(), walk.scales().end(), codes.begin(),
                   [&](float s) { return code_type(encode(storage, s)); });
  });
  return result;
}

/// The values of codes: decode(code) * decode(scale), the product in float32; NaN where either is NaN.
/// @param view  the one that the array was encoded with
/// @param out   size() elements
/// @throws std::invalid_argument if sizes disagree, the quantizer is impossible, or a code is wider than its format;
///         nothing is written
inline void decode(const encoded& array, const axis_view& view, const quantizer& q, std::span<float> out) {
  const auto size_of = [](const code_array& codes) {
    return std::visit([](const auto& c) { return c.size(); }, codes);
  };
  const std::size_t count = size_of(array.codes);
  detail::check_arguments("decode", count, view, q, nullptr);
  if (out.size() != count)
    throw std::invalid_argument("decode: out has room for " + std::to_string(out.size()) + " values and " +
                                std::to_string(count) + " are needed for " + detail::described(view));
  if (size_of(array.scales) != scale_count(view, q))
    throw std::invalid_argument("decode: " + std::to_string(size_of(array.scales)) + " scales are given and " +
                                std::to_string(scale_count(view, q)) + " are needed for " + detail::described(view));
  const auto check_codes = [](const code_array& codes, const number_format& f, const char* what) {
    std::visit(
        [&](const auto& c) {
          const auto wide = std::find_if(c.begin(), c.end(), [&](auto code) { return code > f.code_mask(); });
          if (wide != c.end())
            throw std::invalid_argument("decode: " + std::string(what) + " code " + std::to_string(*wide) +
                                        " at index " + std::to_string(wide - c.begin()) + " is wider than the " +
                                        std::to_string(f.width) + " bits of its format");
        },
        codes);
  };
  check_codes(array.codes, q.elem.format, "element");
  if (q.levels != 0) check_codes(array.scales, q.scalings[0].format, "scale");

  // Few codes: all their values once.
  std::vector<float> table;
  if (q.elem.format.width <= 16 && count > q.elem.format.code_mask())
    for (std::uint64_t code = 0; code <= q.elem.format.code_mask(); ++code)
      table.push_back(decode<float>(q.elem.format, code));
  std::visit(
      [&](const auto& codes) {
        for (std::size_t k = 0; k < count; ++k)
          out[k] = table.empty() ? decode<float>(q.elem.format, codes[k]) : table[codes[k]];
      },
      array.codes);
  if (q.levels == 0) return;
  std::vector<float> scales(scale_count(view, q));
  std::visit(
      [&](const auto& codes) {
        std::transform(codes.begin(), codes.end(), scales.begin(),
                       [&](auto code) { return decode<float>(q.scalings[0].format, code); });
      },
      array.scales);
  detail::scaled_walk walk(nullptr, view, q);
  walk.run_with(std::move(scales), [&](std::size_t first, std::size_t n, const float* near) {
    for (std::size_t i = 0; i < n; ++i) out[first + i] = rescaled(out[first + i], near[i]);
  });
}

}  // namespace binade
