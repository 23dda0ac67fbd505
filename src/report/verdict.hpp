#pragma once

#include <string>
#include <vector>

#include "report/analysis.hpp"

namespace binade {

/// What the numbers allow to say, in sentences.  They name a size and an interval for each claim, say "within the
/// noise" where the interval holds 0 and how large a difference would have shown, and count every divergence.  No
/// sentence contains NaN or an unknown number.
struct study_verdict {
  std::string overall;
  std::vector<std::string> recipes;  ///< one sentence or two each, in the order of study_analysis::recipes
  std::vector<std::string> caveats;  ///< what a reader must know before believing it; may be empty
};

study_verdict judge(const study_analysis& study);

/// "a", "a and b", "a, b and c".
std::string joined(const std::vector<std::string>& items);

}  // namespace binade
