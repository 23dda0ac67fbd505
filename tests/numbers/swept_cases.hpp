#pragma once
// What the sweeps over all 2^32 float32 inputs judge: which formats, under which rules.

#include <string>
#include <vector>

#include "binade/fast_round.hpp"
#include "numbers/other_formats.hpp"
#include "numbers/small_formats.hpp"

namespace judged {

inline bool is_covered(const named_grid& f) {
  return binade::fast_rounder::covers({format_of(f.grid)});
}
inline std::vector<named_grid> covered_formats() {
  std::vector<named_grid> all = small_formats();
  std::erase_if(all, [](const auto& f) { return !is_covered(f); });
  return all;
}
/// Where programs run the reference, and the catalogue.  What is left out, the signed P3109 formats, would take as long
/// again, and is the same code with other widths.
inline std::vector<named_grid> core_formats() {
  std::vector<named_grid> all = small_formats();
  std::erase_if(all, [](const auto& f) { return is_covered(f) && binade::find_format(f.name) == nullptr; });
  return all;
}

/// All, but of a logarithmic format: a conversion into it takes a microsecond, and it has neither infinity nor NaN for
/// an overflow rule to choose.  So all its roundings that saturate; the other rules are judged at every border (quick).
inline std::vector<oracle::rule> swept_rules(const oracle::other_form& f) {
  std::vector<oracle::rule> all = deterministic_rules(f);
  if (f.is_logarithmic)
    std::erase_if(all, [](const oracle::rule& r) { return r.overflow != oracle::beyond::saturate; });
  return all;
}
inline std::vector<oracle::other_form> swept_forms() {
  std::vector<oracle::other_form> all = small_other_forms();
  std::erase_if(all, [](const auto& f) { return !f.is_swept; });
  return all;
}
inline std::string name_of_grid(const testing::TestParamInfo<named_grid>& info) {
  return info.param.name;
}

}  // namespace judged
