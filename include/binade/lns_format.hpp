#pragma once
// The descriptor of logarithmic formats, and the logarithm that decides their rounding.

#include <cstdint>
#include <string_view>

#include "binade/float_format.hpp"
#include "binade/wide_integer.hpp"

namespace binade {

/// What "between two neighbours" is measured in.
enum class lns_domain : std::uint8_t {
  logarithm,  ///< nearest means nearest exponent: the border of two neighbours is their geometric mean
  linear,     ///< nearest means nearest value: their arithmetic mean
};

/// A sign and an exponent code k of width - 1 bits: the value is +-2^((k - bias) / gamma), gamma = 2^gamma_log2.
/// (multi-base LNS: Zhao et al., LNS-Madam, arXiv:2106.13914)
///
/// As a number, the value of a code is the binary32 nearest to that power, so that it is the same in every binary type;
/// products are exact as codes: k1 + k2 - bias.  No infinities, no NaN.  With a zero, code k = 0 is zero (of either
/// sign) and stands, for rounding in the logarithm, where the power of k = 0 would stand.  Without one, zero and all
/// below the smallest value go to it.
struct lns_format {
  int width = 8;       ///< bits in a code: 3..24
  int gamma_log2 = 3;  ///< codes per binade, as a power of two: 0..16
  int bias = 0;        ///< in codes: that of the value 1
  bool has_zero = false;
  lns_domain domain = lns_domain::logarithm;
  nan_code nan = nan_code::refuse;  ///< of an encoded NaN: there is no code for it

  bool operator==(const lns_format&) const = default;

  static constexpr bool is_signed = true, has_infinity = false, has_negative_zero = true, sat_none = false,
                        saturates_finite = false;
  BINADE_HD constexpr std::uint64_t zero_code() const { return 0; }
  BINADE_HD constexpr bool has_nan() const { return false; }
  BINADE_HD constexpr std::uint64_t canonical_nan() const { return 0; }
  BINADE_HD constexpr std::uint64_t infinity_code() const { return 0; }
  BINADE_HD constexpr std::uint64_t code_mask() const { return ~std::uint64_t(0) >> (64 - width); }
  BINADE_HD constexpr std::uint64_t max_magnitude(bool) const { return code_mask() >> 1; }
  /// Magnitudes below this one are subnormal: there are none.
  BINADE_HD constexpr std::uint64_t subnormals_end() const { return 0; }
  BINADE_HD constexpr std::uint64_t compose(bool negative, std::uint64_t magnitude) const {
    return (negative ? max_magnitude(false) + 1 : 0) | magnitude;
  }
  /// floor and remainder of (k - bias) / gamma.
  BINADE_HD constexpr int octave(std::uint64_t k) const {
    const int steps = int(k) - bias;
    return steps >= 0 ? steps >> gamma_log2 : -((-steps + gamma() - 1) >> gamma_log2);
  }
  /// The mask changes nothing: it keeps clang-tidy's analyzer, which knows no range, from a false alarm.
  BINADE_HD constexpr int gamma() const { return 1 << (gamma_log2 & 31); }
  BINADE_HD constexpr double value(std::uint64_t magnitude) const;
  BINADE_HD constexpr double value_of_code(std::uint64_t code) const {
    const std::uint64_t magnitude = code & max_magnitude(false);
    const double v = value(magnitude);
    return code == magnitude ? v : -v;
  }
};

/// Why a descriptor cannot be a format; empty if it can.
constexpr std::string_view defect(const lns_format& f) {
  if (f.width < 3 || f.width > 24) return "a logarithmic format has 3 to 24 bits";
  if (f.gamma_log2 < 0 || f.gamma_log2 > 16) return "gamma must be a power of two, 1 to 65536";
  if (f.bias < -(1 << 24) || f.bias > 1 << 24) return "the bias must be -2^24 to 2^24";
  if (f.octave(std::uint64_t(f.has_zero)) < -126 || f.octave(f.max_magnitude(false)) > 126)
    return "binary32 must hold every value as a normal number: use fewer bits, a larger gamma or another bias";
  return {};
}

namespace detail {

/// A number in [1, 2): high 2^-63 + low 2^-127.
struct long_significand {
  std::uint64_t high = std::uint64_t(1) << 63, low = 0;
};

/// 2^(2^-i), i = 1..52, rounded down at 2^-127.
struct root_table {
  long_significand of[52];
};
inline constexpr root_table binary_roots = {{
    {0xb504f333f9de6484, 0x597d89b3754abe9f}, {0x9837f0518db8a96f, 0x46ad23182e42f6f6},
    {0x8b95c1e3ea8bd6e6, 0xfbe4628758a53c90}, {0x85aac367cc487b14, 0xc5c95b8c2154c1b2},
    {0x82cd8698ac2ba1d7, 0x3e2a475b46520bff}, {0x8164d1f3bc030773, 0x7be56527bd14def4},
    {0x80b1ed4fd999ab6c, 0x25335719b6e6fd20}, {0x8058d7d2d5e5f6b0, 0x94d589f608ee4aa2},
    {0x802c6436d0e04f50, 0xff8ce94a6797b3ce}, {0x8016302f17467628, 0x3690dfe44d11d008},
    {0x800b179c82028fd0, 0x945e54e2ae18f2f0}, {0x80058baf7fee3b5d, 0x1c718b38e549cb93},
    {0x8002c5d00fdcfcb6, 0xb6566a58c048be1f}, {0x800162e61bed4a48, 0xe84c2e1a463473d9},
    {0x8000b17292f702a3, 0xaa22beacca949013}, {0x800058b92abbae02, 0x030c5fa5256f41fe},
    {0x80002c5c8dade4d7, 0x1776c0f4dbea67d6}, {0x8000162e44eaf636, 0x526be456600bdbe4},
    {0x80000b1721fa7c18, 0x8307016c1cd4e8b6}, {0x8000058b90de7e4c, 0xecfc487503488bb1},
    {0x800002c5c8678f36, 0xcbfce50a6de60b14}, {0x80000162e431db9f, 0x80b2347b5d62e516},
    {0x800000b1721872d0, 0xc7b08cf1e0114152}, {0x80000058b90c1aa8, 0xa5c3736cb77e8dff},
    {0x8000002c5c8605a4, 0x635f2efc2362d978}, {0x800000162e4300e6, 0x35cf4a109e3939bd},
    {0x8000000b17217ff8, 0x1bef9c551590cf83}, {0x800000058b90bfdd, 0x4e39cd52c0cfa27c},
    {0x80000002c5c85fe6, 0xf72d669e0e76e411}, {0x8000000162e42ff1, 0x8f9ad35186d0df28},
    {0x80000000b17217f8, 0x4cce71aa0dcfffe7}, {0x8000000058b90bfc, 0x07a77ad56ed22aaa},
    {0x800000002c5c85fd, 0xfc23cdead40da8d6}, {0x80000000162e42fe, 0xfc25eb1571853a66},
    {0x800000000b17217f, 0x7d97f692baacded5}, {0x80000000058b90bf, 0xbead3b8b5dd254d7},
    {0x8000000002c5c85f, 0xdf4eedd62f084e67}, {0x800000000162e42f, 0xefa58aef378bf586},
    {0x8000000000b17217, 0xf7d24a78a3c7ef02}, {0x800000000058b90b, 0xfbe9067c93e474a6},
    {0x80000000002c5c85, 0xfdf47b8e5a72599f}, {0x8000000000162e42, 0xfefa3bdb315934a2},
    {0x80000000000b1721, 0x7f7d1d7299b49c46}, {0x8000000000058b90, 0xbfbe8e9a8d1c4ea0},
    {0x800000000002c5c8, 0x5fdf4745969ea76f}, {0x80000000000162e4, 0x2fefa3a0df5373bf},
    {0x800000000000b172, 0x17f7d1cff4aac1e1}, {0x80000000000058b9, 0x0bfbe8e7db95a2f1},
    {0x8000000000002c5c, 0x85fdf473e61ae1f8}, {0x800000000000162e, 0x42fefa39f121751c},
    {0x8000000000000b17, 0x217f7d1cf815bb96}, {0x800000000000058b, 0x90bfbe8e7bec1e0d},
}};
#ifdef __CUDACC__
/// Where kernels read it: one that is local to a function would be copied to each thread's memory in each call.
static __device__ const root_table device_binary_roots = binary_roots;
#endif
BINADE_HD constexpr long_significand binary_root(int i) {
#ifdef __CUDA_ARCH__
  return device_binary_roots.of[i - 1];
#else
  return binary_roots.of[i - 1];
#endif
}

/// a b / 2 as a significand and its carry: too small by less than 2^-124.
struct scaled_significand {
  long_significand value;
  bool doubled;  ///< the product is in [2, 4): value is half of it
};
BINADE_HD constexpr scaled_significand multiply(const long_significand& a, const long_significand& b) {
  const uint128 main = product(a.high, b.high);
  const std::uint64_t first = product(a.high, b.low).high, second = product(a.low, b.high).high;
  std::uint64_t high = main.high, low = main.low + first;
  high += std::uint64_t(low < first);
  low += second;
  high += std::uint64_t(low < second);
  if (high >> 63 != 0) return {{high, low}, true};
  return {{high << 1 | low >> 63, low << 1}, false};
}

/// The bits of log2 of a number m in [1, 2): `count` of them below the point, rounded down.
///
/// Digit by digit: a bit is one if the product so far times that root does not exceed m.  The products are too small by
/// less than count 2^-124, and only a power of two has a logarithm that ends.  So a digit could be wrong only for an m
/// above 1 that agrees with such an irrational product in 116 bits.  That no result of arithmetic and no decimal number
/// does is likely and not proven.
BINADE_HD constexpr std::uint64_t log2_digits(const long_significand& m, int count) {
  long_significand power;
  std::uint64_t digits = 0;
  for (int i = 0; i < count; ++i) {
    const scaled_significand next = multiply(power, binary_root(i + 1));
    digits <<= 1;
    const bool fits =
        !next.doubled && (next.value.high < m.high || (next.value.high == m.high && next.value.low <= m.low));
    if (!fits) continue;
    digits |= 1;
    power = next.value;
  }
  return digits;
}

/// 2^(digits / 2^count) in [1, 2).
BINADE_HD constexpr long_significand power_of_digits(std::uint64_t digits, int count) {
  long_significand power;
  for (int i = 0; i < count; ++i)
    if ((digits >> (count - 1 - i) & 1) != 0) power = multiply(power, binary_root(i + 1)).value;
  return power;
}

}  // namespace detail

/// Value of a magnitude: the binary32 nearest to 2^((k - bias) / gamma); 0 for the zero.
BINADE_HD constexpr double lns_format::value(std::uint64_t magnitude) const {
  if (has_zero && magnitude == 0) return 0;
  const int exponent = octave(magnitude), rest = int(magnitude) - bias - exponent * gamma();
  // Irrational but for rest 0: what lies below the 40 bits dropped decides no tie.
  const std::uint64_t significand = detail::power_of_digits(std::uint64_t(rest), gamma_log2).high;
  return detail::exact_double(false, (significand >> 40) + (significand >> 39 & 1), exponent - 23);
}

}  // namespace binade
