#pragma once
// Dynamic range expansion: a power of each element, group by group, so that the group fills the range of a format.
//
// The elements of a group span the ratio largest / smallest of their magnitudes, zeros aside.  With k = log(range) /
// log(ratio), x -> sign(x) (|x| / center)^k spans `range`; k > 1 expands and k < 1 compresses.  The center is the
// geometric mean of largest and smallest, which keeps the power near 1.  A quantizer with a scale per group, amax /
// max, then maps the largest to max and the smallest to max / range.  (COAT, Xi et al., ICLR 2025, arXiv 2410.19313; k
// in steps of 1/16, rounded down, and the center as in its code)
//
// Powers are exp(k log(ratio)) by binade::math in double, rounded once to float32: the same bits everywhere, and off by
// at most 0.50001 ulp, as log and exp err by less than an ulp of double and |k log(ratio)| stays below 2^7.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "binade/config.hpp"
#include "binade/elementary.hpp"
#include "binade/versions.hpp"

namespace binade {

/// Settings of the expansion.
struct power_expansion {
  std::uint32_t group = 128;  ///< consecutive elements of a row that share a power; a short tail is a group of its own
  /// Ratio of largest to smallest magnitude to fill.  The paper's is max / min_subnormal of the element format; COAT's
  /// code has 448^2 / 2 for E4M3, which puts the smallest magnitude at 2.3 subnormals.
  float range = 100352;
  std::uint32_t steps = 16;  ///< k is a multiple of 1 / steps

  bool operator==(const power_expansion&) const = default;
};

inline constexpr int largest_power = 16;  ///< k is at most this, also where all magnitudes of a group are equal

/// Why an expansion is impossible; empty if it is not.
constexpr std::string_view defect(const power_expansion& e) {
  if (e.group == 0) return "a group has 1 or more elements";
  if (!(e.range >= 2) || e.range > std::numeric_limits<float>::max())
    return "the range to fill is a ratio: finite and 2 or more";
  if (e.steps < 2 || e.steps > 256) return "the power is a multiple of 1/2 to 1/256";
  return {};
}

/// What a group's elements were raised with.
struct expanded_group {
  float center = 1, power = 1;

  bool operator==(const expanded_group&) const = default;
};

/// Center and power of a group.
///
/// center = float32(sqrt(largest smallest)), product and root in double; power = floor(steps log(range) /
/// log(largest / smallest)) / steps, at least 1 / steps and at most largest_power.  The quotient of logarithms is
/// raised by 2^-32 before the floor, so that an exact one is not lost to rounding.
///
/// @param smallest, largest  of the finite non-zero magnitudes of the group; largest is 0 where there are none, which
///                           gives center 1 and power 1
/// @pre defect(e) is empty
BINADE_HD constexpr expanded_group expansion_of(const power_expansion& e, float smallest, float largest) {
  if (largest == 0) return {};
  const double low = double(smallest), high = double(largest);
  const double ratio = math::log(high / low), steps = double(e.steps), most = steps * largest_power;
  // Up to `most` <= 2^12 the ratio is at least log(2) / 16, where its errors, that of high / low included, are below
  // 2^-47 of it; those of log(range) are below 2^-51.  So the quotient is off by less than 2^-34.
  const double wanted = steps * math::log(double(e.range)) + 0x1p-32 * ratio;
  const double count = wanted >= most * ratio ? most : wanted < ratio ? 1.0 : double(std::int64_t(wanted / ratio));
  return {float(math::sqrt(low * high)), float(count / steps)};
}

/// sign(x) (|x| / center)^power in float32.  NaN stays NaN, infinities and zeros stay, with their signs; increasing in
/// x.
BINADE_HD BINADE_ALWAYS_INLINE constexpr float expand(const expanded_group& g, float x) {
  const double magnitude = math::detail::magnitude(double(x));
  const double power = math::exp(double(g.power) * math::log(magnitude / double(g.center)));
  return float(math::detail::with_sign_of(power, double(x)));
}

/// The inverse, center sign(y) |y|^(1 / power), in float32; a quotient, a product and the root are rounded in double.
/// NaN, infinities, zeros as expand; beyond float32 it overflows to infinity.
BINADE_HD BINADE_ALWAYS_INLINE constexpr float contract(const expanded_group& g, float y) {
  const double root = math::exp(math::log(math::detail::magnitude(double(y))) / double(g.power));
  return float(math::detail::with_sign_of(double(g.center) * root, double(y)));
}

namespace detail {

inline void check_expansion(const std::string& verb, const power_expansion& e, std::size_t count,
                            std::size_t row_length) {
  if (const std::string_view why = defect(e); !why.empty())
    throw std::invalid_argument(verb + ": the expansion is impossible: " + std::string(why));
  if (row_length == 0 ? count != 0 : count % row_length != 0)
    throw std::invalid_argument(verb + ": " + std::to_string(count) + " elements are not whole rows of " +
                                std::to_string(row_length));
}

inline void check_size(const std::string& verb, const char* what, std::size_t given, std::size_t needed) {
  if (given != needed)
    throw std::invalid_argument(verb + ": " + what + " has room for " + std::to_string(given) + " and " +
                                std::to_string(needed) + " are needed");
}

/// Expands one group, as its elements have it.
struct expand_body {
  BINADE_ALWAYS_INLINE static void run(const power_expansion* e, const float* x, float* out, std::size_t count,
                                       expanded_group* group) {
    // Magnitudes compare as their bits; infinity and NaN are above the largest of the finite ones.
    constexpr std::uint32_t infinity = 0x7f800000;
    std::uint32_t smallest = infinity, largest = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffff;
      const bool counts = magnitude - 1 < infinity - 1;
      smallest = std::min(smallest, counts ? magnitude : infinity);
      largest = std::max(largest, counts ? magnitude : 0);
    }
    const expanded_group g = expansion_of(*e, std::bit_cast<float>(smallest), std::bit_cast<float>(largest));
    *group = g;
    for (std::size_t i = 0; i < count; ++i) out[i] = expand(g, x[i]);
  }
};
struct contract_body {
  BINADE_ALWAYS_INLINE static void run(const expanded_group* g, float* y, std::size_t count) {
    const expanded_group group = *g;
    for (std::size_t i = 0; i < count; ++i) y[i] = contract(group, y[i]);
  }
};

/// Calls visit(group, first, count) for each group in order.
template <class Visit>
void for_each_group(const power_expansion& e, std::size_t count, std::size_t row_length, Visit visit) {
  std::size_t group = 0;
  for (std::size_t row = 0; row < count; row += row_length)
    for (std::size_t first = 0; first < row_length; first += e.group)
      visit(group++, row + first, row_length - first < e.group ? row_length - first : std::size_t(e.group));
}

}  // namespace detail

/// Groups of an array of whole rows.
/// @throws std::invalid_argument if the expansion is impossible or count is no multiple of row_length
inline std::size_t expanded_group_count(const power_expansion& e, std::size_t count, std::size_t row_length) {
  detail::check_expansion("expanded_group_count", e, count, row_length);
  return count == 0 ? 0 : count / row_length * (row_length / e.group + (row_length % e.group != 0));
}

/// Expands each group of each row.
///
/// @param x       whole rows
/// @param out     x.size() elements; may be x
/// @param groups  expanded_group_count() of them, row by row
/// @throws std::invalid_argument if the expansion is impossible or a size does not fit; nothing is written
inline void expand(const power_expansion& e, std::size_t row_length, std::span<const float> x, std::span<float> out,
                   std::span<expanded_group> groups) {
  detail::check_expansion("expand", e, x.size(), row_length);
  detail::check_size("expand", "out", out.size(), x.size());
  detail::check_size("expand", "groups", groups.size(), expanded_group_count(e, x.size(), row_length));
  detail::for_each_group(e, x.size(), row_length, [&](std::size_t group, std::size_t first, std::size_t count) {
    detail::run_best<detail::expand_body>(&e, x.data() + first, out.data() + first, count, &groups[group]);
  });
}

/// Undoes expand in place: each element by the center and power of its group.
/// @param groups  as expand wrote them, powers and centers positive
/// @throws std::invalid_argument if the expansion is impossible or a size does not fit; y is as before
inline void contract(const power_expansion& e, std::size_t row_length, std::span<const expanded_group> groups,
                     std::span<float> y) {
  detail::check_expansion("contract", e, y.size(), row_length);
  detail::check_size("contract", "groups", groups.size(), expanded_group_count(e, y.size(), row_length));
  detail::for_each_group(e, y.size(), row_length, [&](std::size_t group, std::size_t first, std::size_t count) {
    detail::run_best<detail::contract_body>(&groups[group], y.data() + first, count);
  });
}

}  // namespace binade
