#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace binade {

/// Number of single-character insertions, deletions, replacements and swaps of neighbours that turn a into b.
/// (Optimal string alignment: no piece is edited twice.)
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the usual table: a swap of neighbours looks back two rows.
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool equal = a[i - 1] == b[j - 1];
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (equal ? 0u : 1u)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

/// The candidate with the smallest edit distance to `given`, the earlier one of equals; empty if there is no candidate.
/// Of a very long `given` only the first 64 characters count, so that the cost stays small.
/// @param candidates  a range of things that convert to std::string_view and outlive the result
template <class Range>
std::string_view nearest_name(std::string_view given, const Range& candidates) {
  given = given.substr(0, 64);
  std::string_view best;
  std::size_t best_distance = 0;
  for (const auto& candidate : candidates) {
    const std::string_view name(candidate);
    const std::size_t distance = edit_distance(given, name);
    if (best.empty() || distance < best_distance) {
      best = name;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace binade
