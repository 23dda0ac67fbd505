// numeric_limits of every named floating-point format, against what its numbers do.

#include "binade/number_limits.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "numbers/all_formats.hpp"

namespace {

using binade::float_format;
using binade::minifloat;
namespace formats = binade::formats;

/// What is said of subnormals and what is there: all codes, of wide formats those below 2^16.
template <float_format F>
std::string wrong_about_subnormals() {
  bool any = false;
  const std::uint64_t end = std::min(F.code_mask(), std::uint64_t(0xffff));
  for (std::uint64_t code = 0; code <= end; ++code) {
    const auto x = minifloat<F>::from_code(code);
    const double value = binade::decode(F, code);
    if (is_subnormal(x) != (std::isfinite(value) && value != 0 && std::fabs(value) < F.min_normal()))
      return "is_subnormal of code " + std::to_string(code);
    any = any || is_subnormal(x);
  }
  const bool said = std::numeric_limits<minifloat<F>>::has_denorm == std::denorm_present;
  return said == any ? "" : "has_denorm";
}

/// What IEEE 754 says of overflow, division by zero, and zeros, where is_iec559 is true.
template <float_format F>
std::string wrong_about_iec559() {
  using limits = std::numeric_limits<minifloat<F>>;
  if constexpr (limits::is_iec559) {
    const minifloat<F> max = limits::max(), one(1), zero(0);
    if (!is_infinite(max + max) || !is_infinite(max * max) || !is_infinite(-max - max))
      return "overflow is no infinity";
    if (!is_infinite(one / zero) || !is_infinite(-one / zero) || !is_nan(zero / zero)) return "division by zero";
    if (!sign_bit(-zero) || !is_nan(limits::infinity() - limits::infinity())) return "zeros and infinities";
    if (double(limits::min()) != std::ldexp(2, -std::ilogb(double(max)))) return "emin is not 1 - emax";
  }
  return "";
}

TEST(number_limits, subnormals_are_where_has_denorm_says_so_and_nowhere_else) {
  all_formats::for_each<64>([]<float_format F>() {
    EXPECT_EQ(wrong_about_subnormals<F>(), "") << F.width << " bits, precision " << F.precision << ", bias " << F.bias;
  });
  EXPECT_EQ(std::numeric_limits<minifloat<formats::e3m0>>::has_denorm, std::denorm_absent);
}

TEST(number_limits, is_iec559_is_true_only_where_the_operators_are_those_of_ieee_754) {
  std::string names;
  all_formats::for_each<64>([&]<float_format F>() {
    EXPECT_EQ(wrong_about_iec559<F>(), "") << F.width << " bits, precision " << F.precision << ", bias " << F.bias;
    if (std::numeric_limits<minifloat<F>>::is_iec559) names += std::string(binade::find_format(F)->name) + " ";
  });
  EXPECT_EQ(names, "e11m52 e8m23 e8m15 e7m16 e8m10 e5m10 e8m7 ");
  EXPECT_FALSE((std::numeric_limits<minifloat<binade::ieee_format(5, 10, 20)>>::is_iec559));  // emin is not 1 - emax
}

}  // namespace
