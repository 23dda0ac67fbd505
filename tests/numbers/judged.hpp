#pragma once
// The codec as the oracle's sweeps take it: the oracle's terms in, the codec's answer out.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "binade/catalogue.hpp"
#include "binade/codec.hpp"
#include "oracle/golden.hpp"
#include "oracle/staircase.hpp"

namespace judged {

/// The checkout: where this was built, or what the environment variable BINADE_SOURCE_DIR says on another machine.
inline std::string source_folder() {
  const char* const said = std::getenv("BINADE_SOURCE_DIR");
  return said != nullptr ? said : BINADE_SOURCE_DIR;
}

inline const std::map<std::string, oracle::golden_table>& golden() {
  static const auto tables = oracle::golden_tables(source_folder() + "/tests/golden");
  return tables;
}

/// The descriptor with these fields; it need not be in the catalogue.
constexpr binade::float_format format_of(const oracle::grid& g) {
  return {.width = g.width,
          .precision = g.precision,
          .bias = g.bias,
          .is_signed = g.is_signed,
          .has_infinity = g.has_infinity,
          .high_nans = g.high_nans,
          .has_negative_zero = g.has_negative_zero,
          .has_subnormals = g.has_subnormals,
          .has_zero = g.has_zero,
          .nan = static_cast<binade::nan_code>(g.nan),
          .sat_none = g.sat_none};
}

constexpr binade::element element_of(const binade::float_format& f, const oracle::rule& r) {
  return {.format = f,
          .rounding = static_cast<binade::rounding_mode>(r.rounding),
          .noise_bits = r.noise_bits,
          .overflow = static_cast<binade::overflow_rule>(r.overflow),
          .subnormals = static_cast<binade::subnormal_rule>(r.subnormals)};
}
static_assert(static_cast<int>(binade::rounding_mode::stochastic_c) == static_cast<int>(oracle::mode::stochastic_c) &&
                  static_cast<int>(binade::rounding_mode::to_odd) == static_cast<int>(oracle::mode::to_odd) &&
                  static_cast<int>(binade::rounding_mode::up) == static_cast<int>(oracle::mode::up) &&
                  static_cast<int>(binade::overflow_rule::spec) == static_cast<int>(oracle::beyond::spec) &&
                  static_cast<int>(binade::overflow_rule::infinity) == static_cast<int>(oracle::beyond::infinity) &&
                  static_cast<int>(binade::subnormal_rule::flush_inputs) ==
                      static_cast<int>(oracle::tiny::flush_inputs) &&
                  static_cast<int>(binade::nan_code::opposite_zero) ==
                      static_cast<int>(oracle::nan_choice::opposite_zero),
              "the oracle lists the same choices in the same order");

/// encode, round and refuses of the codec for one format.
struct codec {
  binade::float_format format;

  template <class T>
  oracle::converted operator()(const oracle::rule& r, T x, std::uint32_t noise) const {
    const binade::element e = element_of(format, r);
    return {.code = binade::encode(e, x, noise),
            .value = static_cast<double>(binade::round(e, x, noise)),
            .refused = binade::refuses(e, x)};
  }
};

struct named_grid {
  std::string name;
  oracle::grid grid;
};

/// Every catalogue entry, then the golden tables that are no entry (the P3109 family has patterns for names).
inline std::vector<named_grid> named_grids() {
  std::vector<named_grid> all;
  for (const binade::named_format& entry : binade::catalogue)
    all.push_back({std::string(entry.name), oracle::grid_of(entry.format)});
  for (const auto& [name, table] : golden())
    if (binade::find_format(name) == nullptr) all.push_back({name, table.definition()});
  return all;
}

/// eXmY of every kind of specials, as the oracle states it.
enum class specials { ieee, fn, fnuz, none };
inline oracle::grid exmy(int exponent_bits, int trailing_bits, specials kind, int bias) {
  oracle::grid g{.width = 1 + exponent_bits + trailing_bits, .precision = trailing_bits + 1, .bias = bias};
  g.has_infinity = kind == specials::ieee;
  if (kind == specials::ieee) g.high_nans = (std::uint64_t{1} << trailing_bits) - 1;
  if (kind == specials::fn) g.high_nans = 1;
  g.has_negative_zero = kind != specials::fnuz;
  return g;
}

/// Formats that no catalogue lists: every exponent width, trailing widths of all sizes, every kind of specials, shifted
/// biases.  Those that binary64 does not hold are left out.
inline std::vector<oracle::grid> generic_grids() {
  std::vector<oracle::grid> all;
  for (int x = 1; x <= 11; ++x)
    for (const int y : {0, 1, 2, 3, 4, 5, 7, 10, 13, 16, 22, 23, 24, 31, 41, 51, 52})
      for (const specials kind : {specials::ieee, specials::fn, specials::fnuz, specials::none}) {
        const int usual = kind == specials::fnuz ? 1 << (x - 1) : (x == 1 ? 1 : (1 << (x - 1)) - 1);
        for (const int shift : {0, -3, 1, 17, -200}) {
          const oracle::grid g = exmy(x, y, kind, usual + shift);
          const std::uint64_t specials_at_top = g.high_nans + (g.has_infinity ? 1 : 0);
          if (g.top_code() > specials_at_top && g.fits_binary64()) all.push_back(g);
        }
      }
  return all;
}

/// The claim that a sweep found nothing.
inline void expect_none(const std::string& name, const std::optional<oracle::counterexample>& bad) {
  if (bad) ADD_FAILURE() << name << ": " << to_string(*bad);
}

inline std::vector<oracle::rule> rules_of(oracle::mode m, oracle::beyond b = oracle::beyond::saturate) {
  return {{.rounding = m, .overflow = b}};
}

}  // namespace judged
