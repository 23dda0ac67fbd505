#pragma once
// What a format is, for the oracle: its magnitudes in order, and where an exact number lies between them.

#include <bit>
#include <cstdint>
#include <string>

#include "oracle/dyadic.hpp"

namespace oracle {

/// What the code of a NaN is in a format without one.
enum class nan_choice { refuse, max, zero, opposite_zero };

/// The oracle's own description of a format; the codes of one sign are 0 .. 2^(width - is_signed) - 1, from the top:
/// high_nans NaNs, the infinity if there is one, then the finite values.
struct grid {
  int width = 8;
  int precision = 4;
  int bias = 7;
  bool is_signed = true;
  bool has_infinity = false;
  std::uint64_t high_nans = 0;
  bool has_negative_zero = true;
  bool has_subnormals = true;
  bool has_zero = true;
  bool sat_none = false;  ///< the overflow rule `spec` is P3109's SatNone
  nan_choice nan = nan_choice::refuse;

  std::uint64_t top_code() const { return ~std::uint64_t{0} >> (64 - width + static_cast<int>(is_signed)); }
  std::uint64_t sign_code() const { return is_signed ? std::uint64_t{1} << (width - 1) : 0; }
  std::uint64_t max_code() const { return top_code() - high_nans - static_cast<std::uint64_t>(has_infinity); }
  bool nan_at_negative_zero() const { return is_signed && !has_negative_zero; }
  bool has_nan() const { return high_nans > 0 || nan_at_negative_zero(); }
  std::uint64_t infinity_code() const { return max_code() + 1; }
  bool is_nan_code(std::uint64_t code) const {
    const std::uint64_t magnitude = code & top_code();
    return magnitude > max_code() + static_cast<std::uint64_t>(has_infinity) ||
           (code != 0 && magnitude == 0 && nan_at_negative_zero());
  }
  /// The NaN that a conversion delivers.  A block of NaNs at the top is IEEE 754's, whose default has the top trailing
  /// bit alone; a single NaN is itself.
  std::uint64_t delivered_nan() const {
    if (high_nans == 0) return sign_code();
    return high_nans == 1 ? top_code() : top_code() - high_nans + (std::uint64_t{1} << (precision - 2));
  }

  /// Smallest magnitude code of a normal value.
  std::uint64_t min_normal_code() const {
    if (has_subnormals) return std::uint64_t{1} << (precision - 1);
    return has_zero ? 1 : 0;
  }

  /// The value of a magnitude code; the codes above max_code() as if the grid went on there.
  dyadic value(std::uint64_t magnitude) const {
    const std::uint64_t codes_per_binade = std::uint64_t{1} << (precision - 1);
    const auto field = static_cast<int>(magnitude / codes_per_binade);
    const std::uint64_t trailing = magnitude % codes_per_binade;
    if (magnitude == 0 && has_zero) return {};
    if (field == 0 && has_subnormals) return {trailing, 1 - bias - (precision - 1)};
    return {codes_per_binade + trailing, field - bias - (precision - 1)};
  }
  dyadic max_finite() const { return value(max_code()); }

  /// Every finite value is a binary64 number.  Units grow upwards, so that the smallest value carries the smallest.
  bool fits_binary64() const {
    return precision <= 53 && value(has_zero ? 1 : 0).exponent >= -1074 && compare(max_finite(), dyadic{1, 1024}) < 0;
  }

  /// Greatest magnitude code in [0, max_code() + 1] whose value is at most x, which is at least value(0).  Found by
  /// bisection.
  std::uint64_t code_at_or_below(dyadic x) const {
    std::uint64_t low = 0, high = max_code() + 1;
    if (compare(value(high), x) <= 0) return high;
    while (high - low > 1) {
      const std::uint64_t middle = low + (high - low) / 2;
      (compare(value(middle), x) <= 0 ? low : high) = middle;
    }
    return low;
  }

  friend bool operator==(const grid&, const grid&) = default;
};

/// Reads the fields of a descriptor, and calls nothing of it.
template <class Format>
grid grid_of(const Format& f) {
  return {.width = f.width,
          .precision = f.precision,
          .bias = f.bias,
          .is_signed = f.is_signed,
          .has_infinity = f.has_infinity,
          .high_nans = f.high_nans,
          .has_negative_zero = f.has_negative_zero,
          .has_subnormals = f.has_subnormals,
          .has_zero = f.has_zero,
          .sat_none = f.sat_none,
          .nan = static_cast<nan_choice>(f.nan)};
}

inline std::string to_string(const grid& g) {
  const auto flag = [](bool value, const char* text) { return value ? std::string(text) : std::string(); };
  return "width " + std::to_string(g.width) + ", precision " + std::to_string(g.precision) + ", bias " +
         std::to_string(g.bias) + flag(!g.is_signed, ", unsigned") + flag(g.has_infinity, ", infinity") + ", " +
         std::to_string(g.high_nans) + " high NaNs" + flag(!g.has_negative_zero, ", no -0") +
         flag(!g.has_subnormals, ", no subnormals") + flag(!g.has_zero, ", no zero") + flag(g.sat_none, ", P3109") +
         flag(g.nan == nan_choice::max, ", nan=max") + flag(g.nan == nan_choice::zero, ", nan=zero") +
         flag(g.nan == nan_choice::opposite_zero, ", nan=opposite_zero");
}

}  // namespace oracle
