#pragma once
// Chains of a matrix product in tiles that stay in vector registers: what matmul() takes where it gives the same bits.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "binade/accumulator.hpp"
#include "binade/group_scales.hpp"
#include "binade/lane_sums.hpp"
#include "binade/lanes.hpp"
#include "binade/pieces.hpp"
#include "binade/product_plan.hpp"
#include "binade/sum_rounder.hpp"
#include "binade/versions.hpp"

namespace binade::detail {

/// What becomes of a product before it is added.
enum class tile_product : std::uint8_t {
  exact,
  single,           ///< rounded to float32
  by_addition,      ///< rounded to nearest even in a format of at most 11 digits, in one fused addition
  with_subnormals,  ///< the same of subnormal numbers too
  by_binade,        ///< the same in a format of any digits
  in_place          ///< rounded to odd first, and then as sums
};
constexpr bool goes_by_addition(tile_product p) {
  return p == tile_product::by_addition || p == tile_product::with_subnormals || p == tile_product::by_binade;
}
/// How a + b or a b + s is rounded.
///
/// The formats `toward_zero` and `nearest` round to have fewer digits than float32 by two at least, and no normal
/// number that is subnormal in float32.  Toward zero, they cut off what float32 cut off.  To nearest even, the sum is
/// rounded to odd in float32 first: of the two neighbours that the sum rounded down and up gives, where they differ,
/// the one with the last bit set.  Rounding that once more gives what rounding the exact sum gives.
enum class tile_sum : std::uint8_t {
  native,  ///< to nearest even in the type itself
  toward_zero,
  nearest_in_place,     ///< in the bits of float32, where the format has float32's smallest exponent
  nearest_by_addition,  ///< with a number added that has the format's ulp, where no subnormal number is rounded
  /// The same of subnormal numbers too, with a number added that has no smaller ulp than those, and with the sign of
  /// zeros.  Their bits could be rounded in place as float32's subnormal numbers, of operands scaled down: multiplying
  /// those takes some processors a hundred cycles.
  nearest_with_subnormals,
  nearest_short,  ///< the same of at most 11 digits, where no subnormal number is rounded
  /// The same of x + s rounded to nearest even in float32 first, where both have 11 digits at most, and x no more than
  /// s.  With up to 12 binades between their leading digits, float32 holds the sum.  With more, the smaller is below
  /// 2^-12 of the larger's leading digit, which is how near a tie can be: float32 rounds the sum to no tie.
  nearest_twice,
  /// a b + s rounded to nearest even in float32 first, and then in place: half an ulp up, and cut off.  Where float32
  /// rounds to a tie, which is rare if products have many more digits than the format, it is rounded to odd instead.
  nearest_but_ties,
  /// The same of formats whose subnormal numbers are rare, and rounded apart: the smallest normal number is scaled to
  /// 2, so that a bit of float32 tells them.
  nearest_but_rare
};
constexpr bool leaves_rare(tile_sum s) {
  return s == tile_sum::nearest_but_ties || s == tile_sum::nearest_but_rare;
}
/// True if a sum may be -0, so that it tells the sign of a zero product.
constexpr bool tells_zeros(tile_sum s) {
  return s == tile_sum::toward_zero || s == tile_sum::nearest_in_place || s == tile_sum::nearest_with_subnormals;
}

/// The digits of float32 that roundings drop.
struct tile_rounding {
  int dropped = 0, dropped_of_product = 0;
  float least = 0, least_of_product = 0;  ///< smallest normal numbers
  // No constants: a compiler that knew one could fuse 1 (a b) + s, and makes two instructions of a comparison with
  // size.
  float one = 1;
  std::uint32_t size = 0x40000000;  ///< the bit of float32's exponents from that of 2 on
};

/// Sums the products of a tile.
template <class T>
struct tile_kernel {
  /// a is (depth, rows), b (depth, columns), sums (rows, columns); starts: chains start from +0, and not from sums
  void (*sum)(const tile_rounding&, const T* a, const T* b, std::size_t depth, bool starts, T* sums) = nullptr;
  std::size_t rows = 0, columns = 0;
};
using tile_fold = void (*)(const tile_rounding&, const float* terms, std::size_t count, bool starts, float* totals);

#ifdef BINADE_WIDE_256

BINADE_INTRINSICS_BEGIN

namespace lanes_8 {

#define BINADE_LANE BINADE_FUSED_256 BINADE_ALWAYS_INLINE
#define BINADE_TILE BINADE_FUSED_256 __attribute__((noinline))
using doubles = __m256d;
BINADE_LANE doubles load(const double* from) {
  return _mm256_loadu_pd(from);
}
BINADE_LANE void store(double* to, doubles x) {
  _mm256_storeu_pd(to, x);
}
BINADE_LANE doubles every(double x) {
  return _mm256_set1_pd(x);
}
BINADE_LANE doubles fused(doubles a, doubles b, doubles s) {
  return _mm256_fmadd_pd(a, b, s);
}
BINADE_LANE floats fused(floats a, floats b, floats s) {
  return _mm256_fmadd_ps(a, b, s);
}
/// a b - s.
BINADE_LANE floats fused_minus(floats a, floats b, floats s) {
  return _mm256_fmsub_ps(a, b, s);
}
/// a, or b > 0 with the sign of a if that is larger.
BINADE_LANE floats at_least(floats a, floats b) {
  return number(with_sign_of(greatest(both(bits(a), every(0x7fffffffu)), bits(b)), a));
}
/// @pre the processor rounds toward zero
BINADE_LANE floats fused_toward_zero(floats a, floats b, floats s) {
  return fused(a, b, s);
}
/// The bits of a b + s rounded to odd.  @pre the processor rounds up
BINADE_LANE words fused_to_odd(words, floats a, floats b, floats s) {
  floats same = a;
  asm("" : "+x"(same));  // a compiler that knew them equal could take -(-a b - s) for a b + s, which is rounded up
  const floats up = fused(a, b, s), minus_down = _mm256_fnmsub_ps(same, b, s);
  const floats down = _mm256_xor_ps(minus_down, every(-0.0f));
  return bits(_mm256_blendv_ps(up, down, number(_mm256_slli_epi32(bits(down), 31))));
}
/// The same for now and then.  @pre the processor rounds to nearest
BINADE_LANE words rarely_to_odd(words one_bit, floats a, floats b, floats s) {
  // What is computed between the two changes of direction takes the results of the one, and gives those of the other.
  const unsigned nearest = _mm_getcsr(), up = nearest | _MM_ROUND_UP;
  asm volatile("ldmxcsr %3" : "+x"(a), "+x"(b), "+x"(s) : "m"(up));
  words odd = fused_to_odd(one_bit, a, b, s);
  asm volatile("ldmxcsr %1" : "+x"(odd) : "m"(nearest));
  return odd;
}
/// The same of x + s.
BINADE_LANE words sum_to_odd(words one_bit, floats one, floats x, floats s) {
  return fused_to_odd(one_bit, one, x, s);
}
#include "binade/tile_loops.inc"
#undef BINADE_LANE
#undef BINADE_TILE

}  // namespace lanes_8

namespace lanes_16 {

#define BINADE_LANE BINADE_FUSED_512 BINADE_ALWAYS_INLINE
#define BINADE_TILE BINADE_FUSED_512 __attribute__((noinline))
using doubles = __m512d;
BINADE_LANE doubles load(const double* from) {
  return _mm512_loadu_pd(from);
}
BINADE_LANE void store(double* to, doubles x) {
  _mm512_storeu_pd(to, x);
}
BINADE_LANE doubles every(double x) {
  return _mm512_set1_pd(x);
}
BINADE_LANE doubles fused(doubles a, doubles b, doubles s) {
  return _mm512_fmadd_pd(a, b, s);
}
BINADE_LANE floats fused(floats a, floats b, floats s) {
  return _mm512_fmadd_ps(a, b, s);
}
BINADE_LANE floats fused_minus(floats a, floats b, floats s) {
  return _mm512_fmsub_ps(a, b, s);
}
BINADE_LANE floats at_least(floats a, floats b) {
  return _mm512_range_ps(a, b, 0b0011);
}
BINADE_LANE floats fused_toward_zero(floats a, floats b, floats s) {
  return _mm512_fmadd_round_ps(a, b, s, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
}
/// The bits of a b + s rounded to odd.
BINADE_LANE words fused_to_odd(words one_bit, floats a, floats b, floats s) {
  const floats down = _mm512_fmadd_round_ps(a, b, s, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC),
               up = _mm512_fmadd_round_ps(a, b, s, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
  return chosen(has_bit(bits(down), one_bit), bits(down), bits(up));
}
BINADE_LANE words rarely_to_odd(words one_bit, floats a, floats b, floats s) {
  return fused_to_odd(one_bit, a, b, s);
}
/// The same of x + s.
BINADE_LANE words sum_to_odd(words one_bit, floats, floats x, floats s) {
  const floats down = _mm512_add_round_ps(x, s, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC),
               up = _mm512_add_round_ps(x, s, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
  return chosen(has_bit(bits(down), one_bit), bits(down), bits(up));
}
#include "binade/tile_loops.inc"
#undef BINADE_LANE
#undef BINADE_TILE

}  // namespace lanes_16

BINADE_INTRINSICS_END

/// The rounding direction of the processor for AVX2 code while this lives.
///
/// What is computed meanwhile must be in functions that are not inlined: compilers move arithmetic across.
class rounding_direction {
 public:
  explicit rounding_direction(unsigned direction) : before_(_mm_getcsr()) {
    _mm_setcsr((before_ & ~unsigned(_MM_ROUND_MASK)) | direction);
  }
  ~rounding_direction() { _mm_setcsr(before_); }
  rounding_direction(const rounding_direction&) = delete;
  rounding_direction& operator=(const rounding_direction&) = delete;

 private:
  unsigned before_;
};

#endif

/// How a product is summed in tiles.
template <class T>
struct tile_plan {
  tile_kernel<T> kernel;
  tile_rounding rounding = {};
  unsigned direction = 0;    ///< of the processor
  tile_fold fold = nullptr;  ///< adds chunks, if there is a second stage
  tile_rounding fold_rounding = {};
  unsigned fold_direction = 0;
  T scale_of_a = 1, scale_of_b = 1, scale_of_sums = 1;  ///< powers of two: all products with them are exact
};

#ifdef BINADE_WIDE_256

/// True if this processor has vectors for tiles.
inline bool has_tiles() {
  static const bool has_fma = [] {
    __builtin_cpu_init();
    return __builtin_cpu_supports("fma") != 0;
  }();
  return has_fma && vector_bits() >= 256;
}

/// The direction that AVX2 code for it asks for.
constexpr unsigned direction_of(tile_sum s) {
  if (s == tile_sum::toward_zero) return _MM_ROUND_TOWARD_ZERO;
  return s == tile_sum::nearest_in_place ? _MM_ROUND_UP : _MM_ROUND_NEAREST;
}

/// Numbers of a sum: multiples of 2^lowest, of at most 2^highest each.
struct term_range {
  int lowest = 0, highest = 0;
};

/// How sums of terms are rounded into an element, or nothing where tiles do not give what rounded_step() gives.
struct sum_way {
  tile_sum sum = tile_sum::native;
  int dropped = 0;
  int shift = 0;  ///< the binades that operands go down, so that the smallest normal number is float32's
  bool rounds_subnormals = false;
  float least = 0;   ///< the smallest normal number
  term_range range;  ///< of the sums

  /// @pre the terms are finite
  static std::optional<sum_way> of(const element& e, const term_range& terms, std::size_t count) {
    if (!takes(e)) return {};
    const float_format& f = e.format.floating;
    const int quantum = f.min_exponent() - f.trailing_bits();
    // With M = 2^highest, a multiple of the quantum, no sum is beyond min(count, 2^precision) M.  For a sum of at most
    // (i - 1) M and a term of at most M are at most i M, which is in the format if i <= 2^precision, and rounding is
    // monotonic.  From 2^precision M on the next number is 2 M away: M is a tie, which goes to 2^precision M, the even
    // one, or is cut off.
    const int highest = std::max(terms.highest, quantum) + std::min(int(std::bit_width(count - 1)), f.precision);
    if (highest > f.max_exponent()) return {};
    sum_way way{.range = {std::max(terms.lowest, quantum), highest}};
    if (e == single_element) return way;
    way.dropped = 23 - f.trailing_bits();
    // Sums of multiples of the quantum that are subnormal are in the format: rounding leaves them.
    way.rounds_subnormals = terms.lowest < quantum;
    way.least = float(exact_double(false, 1, f.min_exponent()));
    const bool is_nearest = e.rounding != rounding_mode::toward_zero;
    if (is_nearest && vector_bits() >= 512 && highest + way.dropped < 127) {
      way.sum = way.rounds_subnormals ? tile_sum::nearest_with_subnormals
                : f.precision <= 11   ? tile_sum::nearest_short
                                      : tile_sum::nearest_by_addition;
    } else {
      way.sum = is_nearest ? tile_sum::nearest_in_place : tile_sum::toward_zero;
      if (way.rounds_subnormals) way.shift = f.min_exponent() + 126;
    }
    return way;
  }
  bool rounds_as(const sum_way& other) const { return dropped == other.dropped && least == other.least; }
  /// Rounds to odd where that is needed only, if that is rare: a dozen digits at least are below half an ulp, of most
  /// products and of float32.
  /// @param fold  of these sums
  /// @pre meet_ties() is false of the operands
  void leave_rare(int digits_of_products, const sum_way& fold) {
    const bool is_nearest = sum == tile_sum::nearest_in_place || sum == tile_sum::nearest_by_addition ||
                            sum == tile_sum::nearest_short || sum == tile_sum::nearest_with_subnormals;
    const int digits = 24 - dropped;
    if (!is_nearest || dropped < 10 || digits_of_products < digits + 12) return;
    const int up = 1 - std::ilogb(least);
    // In the ulp of subnormal numbers, sums below 2^45 and 1.5 2^23 have an exact sum.
    const bool adds_exactly = range.highest + up < 45 - digits;
    if (!rounds_subnormals || up == 127) {
      sum = tile_sum::nearest_but_ties;
    } else if (adds_exactly && std::max(range.highest, fold.range.highest) + up < 127 &&
               (fold.sum == tile_sum::native || fold.rounds_as(*this))) {
      sum = tile_sum::nearest_but_rare;
      shift = -up;
    }
  }
  static bool takes(const element& e) {
    if (e == single_element) return true;
    if (!odd_float_suffices(e) || e.subnormals != subnormal_rule::gradual || e.choices != conversion_choices{} ||
        (e.rounding != rounding_mode::nearest_even && e.rounding != rounding_mode::toward_zero))
      return false;
    const float_format& f = e.format.floating;
    // Where float32's numbers are normal the format's must be: a subnormal one has fewer digits to drop.
    return f.is_signed && f.has_zero && f.has_negative_zero && f.has_subnormals && f.fits_float() && f.precision >= 2 &&
           f.min_exponent() >= -126;
  }
};

/// How products are rounded, likewise.
struct product_way {
  tile_product product = tile_product::exact;
  int dropped = 0;
  int shift = 0;     ///< if in place
  int digits = 0;    ///< of the rounded products, at most
  float least = 0;   ///< the smallest normal number
  term_range range;  ///< of the rounded products

  /// @pre the operands are finite
  static std::optional<product_way> of(const accumulator_stage& s, const number_extent& a, const number_extent& b) {
    product_way way;
    way.digits = a.digits + b.digits;
    if (!a.is_zero() && !b.is_zero()) way.range = {a.lowest + b.lowest, a.highest + b.highest};
    if (!s.rounds_products) return way;
    if (!sum_way::takes(s.product)) return {};
    const float_format& f = s.product.format.floating;
    const int quantum = f.min_exponent() - f.trailing_bits();
    const bool rounds_subnormals = way.range.lowest < quantum;
    way.range = {std::max(way.range.lowest, quantum), std::max(way.range.highest, quantum)};
    if (way.range.highest > f.max_exponent()) return {};
    if (!rounds_subnormals && a.digits + b.digits <= f.precision) return way;
    way.digits = f.precision;
    if (s.product == single_element) {
      way.product = tile_product::single;
      return way;
    }
    if (s.product.rounding != rounding_mode::nearest_even) return {};
    way.dropped = 23 - f.trailing_bits();
    if (rounds_subnormals) way.shift = f.min_exponent() + 126;
    way.least = float(exact_double(false, 1, f.min_exponent()));
    if (std::max(way.range.highest, b.highest) + way.dropped >= 127)
      way.product = tile_product::in_place;
    else if (f.precision > 11 || (rounds_subnormals && vector_bits() < 512))  // takes AVX2 fewer instructions
      way.product = tile_product::by_binade;
    else
      way.product = rounds_subnormals ? tile_product::with_subnormals : tile_product::by_addition;
    return way;
  }

  /// Makes both ways go together, with one shift; false if they do not.
  bool join(sum_way& sum) {
    const bool has_directions = vector_bits() >= 512;  // each operation its own
    const bool is_nearest = sum.sum == tile_sum::nearest_in_place || sum.sum == tile_sum::nearest_short;
    if (is_nearest && (has_directions || product != tile_product::in_place) && sum.dropped >= 24 - 11 &&
        digits <= 24 - sum.dropped && !sum.rounds_subnormals && sum.range.highest + sum.dropped < 127)
      sum.sum = tile_sum::nearest_twice;
    if (product == tile_product::exact) return true;
    // Subnormal products of a single would be rounded elsewhere.
    if (product == tile_product::single) return sum.shift == 0 && (has_directions || sum.sum == tile_sum::native);
    if (goes_by_addition(product) && sum.shift == 0 &&
        (has_directions || sum.sum == tile_sum::native || sum.sum == tile_sum::nearest_twice))
      return true;
    if (sum.sum == tile_sum::nearest_with_subnormals) return false;
    product = tile_product::in_place;
    if (!has_directions && sum.sum != tile_sum::nearest_in_place) return false;
    // Where the shift is that of the products alone, subnormal float32 numbers have their digits, and sums need them.
    if (sum.shift == 0 && shift != 0 && sum.dropped <= dropped) {
      sum.shift = shift;
      return true;
    }
    return sum.shift == shift;
  }
};

template <tile_product Product>
tile_kernel<float> kernel_of(tile_sum sum) {
  if (vector_bits() >= 512) {
    if (sum == tile_sum::native) return lanes_16::kernel_of<float, Product, tile_sum::native>();
    if (sum == tile_sum::toward_zero) return lanes_16::kernel_of<float, Product, tile_sum::toward_zero>();
    if (sum == tile_sum::nearest_in_place) return lanes_16::kernel_of<float, Product, tile_sum::nearest_in_place>();
    if (sum == tile_sum::nearest_with_subnormals)
      return lanes_16::kernel_of<float, Product, tile_sum::nearest_with_subnormals>();
    if (sum == tile_sum::nearest_short) return lanes_16::kernel_of<float, Product, tile_sum::nearest_short>();
    if constexpr (Product == tile_product::exact) {
      if (sum == tile_sum::nearest_but_ties) return lanes_16::kernel_of<float, Product, tile_sum::nearest_but_ties>();
      if (sum == tile_sum::nearest_but_rare) return lanes_16::kernel_of<float, Product, tile_sum::nearest_but_rare>();
    }
    if constexpr (Product != tile_product::single)
      if (sum == tile_sum::nearest_twice) return lanes_16::kernel_of<float, Product, tile_sum::nearest_twice>();
    return lanes_16::kernel_of<float, Product, tile_sum::nearest_by_addition>();
  }
  // One direction is for both roundings.
  if constexpr (Product == tile_product::exact) {
    if (sum == tile_sum::nearest_but_ties) return lanes_8::kernel_of<float, Product, tile_sum::nearest_but_ties>();
    if (sum == tile_sum::nearest_but_rare) return lanes_8::kernel_of<float, Product, tile_sum::nearest_but_rare>();
  }
  if constexpr (Product == tile_product::exact || goes_by_addition(Product))
    if (sum == tile_sum::nearest_twice) return lanes_8::kernel_of<float, Product, tile_sum::nearest_twice>();
  if constexpr (Product != tile_product::in_place)
    if (sum == tile_sum::native) return lanes_8::kernel_of<float, Product, tile_sum::native>();
  if constexpr (Product == tile_product::exact || Product == tile_product::in_place)
    if (sum == tile_sum::nearest_in_place) return lanes_8::kernel_of<float, Product, tile_sum::nearest_in_place>();
  return lanes_8::kernel_of<float, tile_product::exact, tile_sum::toward_zero>();
}
inline tile_kernel<float> kernel_of(tile_product product, tile_sum sum) {
  if (product == tile_product::single) return kernel_of<tile_product::single>(sum);
  if (product == tile_product::by_addition) return kernel_of<tile_product::by_addition>(sum);
  if (product == tile_product::with_subnormals) return kernel_of<tile_product::with_subnormals>(sum);
  if (product == tile_product::by_binade) return kernel_of<tile_product::by_binade>(sum);
  if (product == tile_product::in_place) return kernel_of<tile_product::in_place>(sum);
  return kernel_of<tile_product::exact>(sum);
}
inline tile_kernel<double> double_kernel() {
  constexpr tile_product exact = tile_product::exact;
  return vector_bits() >= 512 ? lanes_16::kernel_of<double, exact, tile_sum::native>()
                              : lanes_8::kernel_of<double, exact, tile_sum::native>();
}
inline tile_fold fold_of(tile_sum sum) {
  if (vector_bits() >= 512) {
    if (sum == tile_sum::native) return lanes_16::fold_tile<tile_sum::native>;
    if (sum == tile_sum::toward_zero) return lanes_16::fold_tile<tile_sum::toward_zero>;
    if (sum == tile_sum::nearest_in_place) return lanes_16::fold_tile<tile_sum::nearest_in_place>;
    if (sum == tile_sum::nearest_with_subnormals) return lanes_16::fold_tile<tile_sum::nearest_with_subnormals>;
    if (sum == tile_sum::nearest_short) return lanes_16::fold_tile<tile_sum::nearest_short>;
    return lanes_16::fold_tile<tile_sum::nearest_by_addition>;
  }
  if (sum == tile_sum::native) return lanes_8::fold_tile<tile_sum::native>;
  if (sum == tile_sum::toward_zero) return lanes_8::fold_tile<tile_sum::toward_zero>;
  return lanes_8::fold_tile<tile_sum::nearest_in_place>;
}

/// Counts the numbers that are short: not zero, and of 12 digits at most.
struct count_short_body {
  BINADE_ALWAYS_INLINE static void run(const float* x, std::size_t count, std::size_t* shorts) {
    std::size_t found = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(x[i]);
      found += (bits & 0xfff) == 0 && (bits & 0x7fffffff) != 0;
    }
    *shorts = found;
  }
};
/// True if more than one product of 256 is of two short numbers, which often makes a tie with a sum of as few digits.
inline bool meet_ties(std::span<const float> a, std::span<const float> b) {
  std::size_t of_a = 0, of_b = 0;
  run_best<count_short_body>(a.data(), a.size(), &of_a);
  run_best<count_short_body>(b.data(), b.size(), &of_b);
  return 256 * double(of_a) * double(of_b) > double(a.size()) * double(b.size());
}

/// Powers of two for the operands, together 2^-shift, which take no digit from them; false if there are none.
inline bool scale(tile_plan<float>& plan, int shift, const number_extent& a, const number_extent& b) {
  if (shift == 0) return true;
  const auto of_operand = [](const number_extent& e, int wanted) {
    return e.is_zero() ? std::clamp(wanted, -126, 126)
                       : std::clamp(wanted, std::max(-126, e.highest - 128), std::min(126, e.lowest + 149));
  };
  const int of_a = of_operand(a, shift), of_b = of_operand(b, shift - of_a);
  if (std::abs(shift) > 126 || of_a + of_b != shift) return false;
  plan.scale_of_a = float(exact_double(false, 1, -of_a));
  plan.scale_of_b = float(exact_double(false, 1, -of_b));
  plan.scale_of_sums = float(exact_double(false, 1, shift));
  return true;
}

/// The plan of chains, if tiles give the same bits.
/// @pre the product has outputs and steps
inline std::optional<tile_plan<float>> plan_of_chains(const product_plan& plan, std::span<const float> a,
                                                      std::span<const float> b) {
  const accumulator_stage &first = plan.sum.stages[0], &last = plan.sum.stages[1];
  const bool has_fold = plan.sum.stage_count == 2;
  if (plan.sum.stage_count > 2 || first.order != summation::chain || (has_fold && last.order != summation::chain) ||
      !sum_way::takes(first.running) || !sum_way::takes(last.running))
    return {};
  tile_plan<float> tiles;
  if (first.running == single_element && (!first.rounds_products || first.product == single_element) &&
      (!has_fold || last.running == single_element)) {  // whatever the operands are: IEEE 754 throughout
    tiles.kernel = kernel_of(first.rounds_products ? tile_product::single : tile_product::exact, tile_sum::native);
    if (has_fold) tiles.fold = fold_of(tile_sum::native);
    return tiles;
  }
  const number_extent of_a = number_extent::of(a), of_b = number_extent::of(b);
  if (!of_a.all_finite || !of_b.all_finite) return {};
  const std::size_t k = plan.shape.k, chunk = has_fold ? std::min<std::size_t>(first.chunk, k) : k;
  auto product = product_way::of(first, of_a, of_b);
  if (!product) return {};
  auto sum = sum_way::of(first.running, product->range, chunk);
  if (!sum || !product->join(*sum)) return {};
  auto fold = has_fold ? sum_way::of(last.running, sum->range, (k + chunk - 1) / chunk) : sum;
  if (!fold) return {};
  if (product->product == tile_product::exact && !meet_ties(a, b)) sum->leave_rare(product->digits, *fold);
  if (!scale(tiles, sum->shift, of_a, of_b)) return {};
  tiles.kernel = kernel_of(product->product, sum->sum);
  tiles.rounding = {.dropped = sum->dropped,
                    .dropped_of_product = product->dropped,
                    .least = sum->sum == tile_sum::nearest_but_rare ? 2 : sum->least,
                    .least_of_product = product->least};
  if (vector_bits() < 512) tiles.direction = direction_of(sum->sum);
  if (!has_fold) return tiles;
  if (sum->shift != 0 && fold->sum != tile_sum::native) {  // on numbers that are scaled: in the same format only
    if (!fold->rounds_as(*sum)) return {};
    if (fold->sum != tile_sum::toward_zero) fold->sum = tile_sum::nearest_in_place;
  }
  if (sum->shift == 0 && fold->shift != 0) return {};
  tiles.fold = fold_of(fold->sum);
  tiles.fold_rounding = {.dropped = fold->dropped, .least = fold->least};
  if (vector_bits() < 512) tiles.fold_direction = direction_of(fold->sum);
  return tiles;
}

/// Memory that a thread keeps from product to product, so that packing does not pay for fresh pages.
class kept_memory {
 public:
  explicit kept_memory(std::size_t bytes) : block_(std::exchange(kept(), {})) {
    if (block_.size >= bytes) return;
    block_ = {};  // before there is more
    block_ = {memory(static_cast<std::byte*>(::operator new(bytes, line))), bytes};
  }
  ~kept_memory() {
    if (block_.size <= most && block_.size > kept().size) kept() = std::move(block_);
  }
  kept_memory(const kept_memory&) = delete;
  kept_memory& operator=(const kept_memory&) = delete;
  std::byte* data() const { return block_.start.get(); }

 private:
  static constexpr std::align_val_t line{64};
  static constexpr std::size_t most = std::size_t(1) << 26;  // what is larger is worked on for longer
  struct release {
    void operator()(std::byte* start) const { ::operator delete(start, line); }
  };
  using memory = std::unique_ptr<std::byte, release>;
  struct block {
    memory start;
    std::size_t size = 0;
  };
  static block& kept() {
    thread_local block kept_block;
    return kept_block;
  }
  block block_;
};

/// An operand in the order in which tiles read it: (count, k, lines).
template <class T>
struct packed_tiles {
  std::size_t lines, count, k;  ///< lines of a tile, and tiles
  T* numbers = nullptr;

  packed_tiles(std::size_t total, std::size_t width, std::size_t depth)
      : lines(width), count((total + width - 1) / width), k(depth) {}
  /// In bytes, as whole lines of a cache.
  std::size_t size() const { return (count * k * lines * sizeof(T) + 63) / 64 * 64; }
  T* at(std::size_t tile, std::size_t p) const { return numbers + (tile * k + p) * lines; }
};
/// Steps [begin, end) of b (k, n) to packed panels.
template <class T, class Source>
struct pack_rows_body {
  BINADE_ALWAYS_INLINE static void run(const Source* b, std::size_t k, std::size_t n, std::size_t begin,
                                       std::size_t end, T scale, std::size_t width, T* to) {
    for (std::size_t p = begin; p < end; ++p)
      for (std::size_t first = 0, panel = 0; first < n; first += width, ++panel) {
        const Source* __restrict const from = b + p * n + first;
        T* __restrict const line = to + (panel * k + p) * width;
        const std::size_t here = std::min(width, n - first);
        for (std::size_t j = 0; j < here; ++j) line[j] = T(from[j]) * scale;
        for (std::size_t j = here; j < width; ++j) line[j] = 0;
      }
  }
};
/// Rows [first, first + rows) of a (m, k) to a packed tile.
template <class T, class Source>
void pack_tile(std::span<const Source> a, std::size_t k, std::size_t first, std::size_t rows, T scale, T* to) {
  constexpr std::size_t block = 16;  // steps of each row at a time, which are neighbours there
  const std::size_t m = a.size() / k;
  for (std::size_t begin = 0; begin < k; begin += block) {
    const std::size_t end = std::min(k, begin + block);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t p = begin; p < end; ++p)
        to[p * rows + r] = first + r < m ? T(a[(first + r) * k + p]) * scale : T(0);
  }
}

/// Every output of a product, tile by tile.
template <class T, class Source>
class product_in_tiles {
 public:
  product_in_tiles(const product_plan& plan, const tile_plan<T>& tiles, std::span<const Source> a,
                   std::span<const Source> b, std::span<float> out)
      : plan_(plan),
        tiles_(tiles),
        a_(a),
        b_(b),
        out_(out),
        packed_a_(plan.shape.m, tiles.kernel.rows, plan.shape.k),
        packed_b_(plan.shape.n, tiles.kernel.columns, plan.shape.k),
        memory_(packed_a_.size() + packed_b_.size()) {
    packed_b_.numbers = reinterpret_cast<T*>(memory_.data());
    packed_a_.numbers = reinterpret_cast<T*>(memory_.data() + packed_b_.size());
    std::size_t p = 0;
    for (const std::size_t end : plan.ends)
      for (bool starts = true; p < end; starts = false) {
        const std::size_t stop = std::min(end, p + block_of_k);
        segments_.push_back({p, stop, starts, stop == end});
        p = stop;
      }
  }

  void run(const piece_runner& run) {
    const auto [m, k, n] = plan_.shape;
    const std::size_t pieces_of_b = (k + block_of_k - 1) / block_of_k;
    run(pieces_of_b + packed_a_.count, [&](std::size_t i) {
      if (i < pieces_of_b) {
        run_best<pack_rows_body<T, Source>>(b_.data(), k, n, i * block_of_k, std::min(k, (i + 1) * block_of_k),
                                            tiles_.scale_of_b, packed_b_.lines, packed_b_.numbers);
        return;
      }
      const std::size_t tile = i - pieces_of_b, rows = packed_a_.lines;
      pack_tile(a_, k, tile * rows, rows, tiles_.scale_of_a, packed_a_.at(tile, 0));
    });
    const std::size_t wanted_bands = (m + rows_of_band - 1) / rows_of_band,
                      tiles_of_band = (packed_a_.count + wanted_bands - 1) / wanted_bands,
                      bands = (packed_a_.count + tiles_of_band - 1) / tiles_of_band,
                      groups = (packed_b_.count + panels_of_group - 1) / panels_of_group;
    run(bands * groups, [&](std::size_t i) {
      const std::size_t first = i % bands * tiles_of_band, panel = i / bands * panels_of_group;
      band(first, std::min(packed_a_.count, first + tiles_of_band), panel,
           std::min(packed_b_.count, panel + panels_of_group));
    });
  }

 private:
  /// Steps of which a panel's numbers lie in the first-level cache, and rows of which as many steps lie in the second.
  static constexpr std::size_t block_of_k = 128, rows_of_band = 192, panels_of_group = 4;
  struct segment {
    std::size_t begin, end;
    bool starts, ends;  ///< a chunk
  };

  void band(std::size_t first, std::size_t last, std::size_t first_panel, std::size_t last_panel) const {
    const std::size_t size = packed_a_.lines * packed_b_.lines;
    std::vector<T> sums((last - first) * size), totals(tiles_.fold == nullptr ? 0 : sums.size());
    for (std::size_t panel = first_panel; panel < last_panel; ++panel) {
      for (const segment& s : segments_) {
        const rounding_direction direction(tiles_.direction);
        for (std::size_t i = first; i < last; ++i)
          tiles_.kernel.sum(tiles_.rounding, packed_a_.at(i, s.begin), packed_b_.at(panel, s.begin), s.end - s.begin,
                            s.starts, sums.data() + (i - first) * size);
        if constexpr (std::is_same_v<T, float>) {
          if (tiles_.fold == nullptr || !s.ends) continue;
          const rounding_direction of_fold(tiles_.fold_direction);
          tiles_.fold(tiles_.fold_rounding, sums.data(), sums.size(), s.end <= plan_.ends.front(), totals.data());
        }
      }
      for (std::size_t i = first; i < last; ++i)
        put(i, panel, (tiles_.fold == nullptr ? sums : totals).data() + (i - first) * size);
    }
  }
  void put(std::size_t tile, std::size_t panel, const T* sums) const {
    const std::size_t rows = packed_a_.lines, columns = packed_b_.lines, n = plan_.shape.n;
    const std::size_t height = std::min(rows, plan_.shape.m - tile * rows),
                      width = std::min(columns, n - panel * columns);
    for (std::size_t r = 0; r < height; ++r) {
      float* const to = out_.data() + (tile * rows + r) * n + panel * columns;
      for (std::size_t j = 0; j < width; ++j) {
        const float x = float(sums[r * columns + j] * tiles_.scale_of_sums);
        to[j] = x == x ? x : std::numeric_limits<float>::quiet_NaN();
      }
    }
  }

  const product_plan& plan_;
  const tile_plan<T>& tiles_;
  std::span<const Source> a_, b_;
  std::span<float> out_;
  packed_tiles<T> packed_a_, packed_b_;
  kept_memory memory_;
  std::vector<segment> segments_;
};

#endif

/// Sums a product in tiles, if they give the same bits; else false, and nothing is done.
/// @param a, b  as matmul(); the accumulator begins with a chain
inline bool sum_chains_in_tiles([[maybe_unused]] const product_plan& plan, [[maybe_unused]] std::span<const float> a,
                                [[maybe_unused]] std::span<const float> b, [[maybe_unused]] std::span<float> out,
                                [[maybe_unused]] const piece_runner& run) {
#ifdef BINADE_WIDE_256
  if (!has_tiles() || plan.shape.k == 0 || out.empty()) return false;
  if (plan.sum == chain_of(double_element)) {
    const tile_plan<double> tiles{.kernel = double_kernel()};
    product_in_tiles<double, float>(plan, tiles, a, b, out).run(run);
    return true;
  }
  if (const auto tiles = plan_of_chains(plan, a, b)) {
    product_in_tiles<float, float>(plan, *tiles, a, b, out).run(run);
    return true;
  }
#endif
  return false;
}
/// The same for an exact sum, which is the chain of any type that holds every partial sum.
/// @param of_a, of_b  of the operands
template <class Source>
bool sum_exactly_in_tiles([[maybe_unused]] const product_plan& plan, [[maybe_unused]] std::span<const Source> a,
                          [[maybe_unused]] std::span<const Source> b, [[maybe_unused]] const number_extent& of_a,
                          [[maybe_unused]] const number_extent& of_b, [[maybe_unused]] std::span<float> out,
                          [[maybe_unused]] const piece_runner& run) {
#ifdef BINADE_WIDE_256
  if (!has_tiles() || plan.shape.k == 0 || out.empty() || plan.sum.stage_count > 1) return false;
  // k products of less than 2^highest each, and so any sum of some of them, have a magnitude below
  // 2^(highest + bit_width(k)), and are multiples of 2^lowest.
  term_range range;
  if (!of_a.is_zero() && !of_b.is_zero())
    range = {of_a.lowest + of_b.lowest, of_a.highest + of_b.highest + int(std::bit_width(plan.shape.k))};
  const auto fits_float = [](int lowest, int highest) { return lowest >= -149 && highest <= 128; };
  if (range.highest - range.lowest <= 24 && fits_float(range.lowest, range.highest) &&
      fits_float(of_a.lowest, of_a.highest) && fits_float(of_b.lowest, of_b.highest)) {
    const tile_plan<float> tiles{.kernel = kernel_of(tile_product::exact, tile_sum::native)};
    product_in_tiles<float, Source>(plan, tiles, a, b, out).run(run);
    return true;
  }
  if (range.highest - range.lowest <= 53) {
    const tile_plan<double> tiles{.kernel = double_kernel()};
    product_in_tiles<double, Source>(plan, tiles, a, b, out).run(run);
    return true;
  }
#endif
  return false;
}

}  // namespace binade::detail
