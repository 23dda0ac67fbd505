#pragma once
// Every format of 8 bits or fewer that has a definition of its own, and every rule that is possible for it.

#include <string>
#include <vector>

#include "numbers/judged.hpp"
#include "oracle/p3109.hpp"

namespace judged {

/// The catalogue's formats of 8 bits or fewer, defined by their golden tables, then P3109's of 3 to 8 bits.
inline std::vector<named_grid> small_formats() {
  std::vector<named_grid> all;
  for (const binade::named_format& entry : binade::catalogue)
    if (entry.format.width <= 8)
      all.push_back({std::string(entry.name), golden().at(std::string(entry.name)).definition()});
  for (const oracle::p3109_format& member : oracle::p3109_family(3, 8)) all.push_back({member.name, member.definition});
  return all;
}

/// The same, and the catalogue's wider formats.
inline std::vector<named_grid> all_formats() {
  std::vector<named_grid> all = small_formats();
  for (const binade::named_format& entry : binade::catalogue)
    if (entry.format.width > 8)
      all.push_back({std::string(entry.name), golden().at(std::string(entry.name)).definition()});
  return all;
}

inline std::vector<oracle::beyond> possible_overflows(const oracle::grid& g) {
  std::vector<oracle::beyond> all{oracle::beyond::saturate, oracle::beyond::propagate, oracle::beyond::spec};
  if (g.has_infinity) all.push_back(oracle::beyond::infinity);
  if (g.has_nan()) all.push_back(oracle::beyond::nan);
  return all;
}

inline constexpr oracle::mode deterministic_modes[] = {oracle::mode::nearest_even, oracle::mode::nearest_away,
                                                       oracle::mode::toward_zero,  oracle::mode::up,
                                                       oracle::mode::down,         oracle::mode::to_odd};
inline constexpr oracle::mode stochastic_modes[] = {oracle::mode::stochastic_a, oracle::mode::stochastic_b,
                                                    oracle::mode::stochastic_c};

/// Every deterministic rounding with every overflow rule that is possible, subnormals gradual.
inline std::vector<oracle::rule> deterministic_rules(const oracle::grid& g) {
  std::vector<oracle::rule> all;
  for (const oracle::mode m : deterministic_modes)
    for (const oracle::beyond b : possible_overflows(g)) all.push_back({.rounding = m, .overflow = b});
  return all;
}

}  // namespace judged
