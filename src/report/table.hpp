#pragma once

#include <string>

#include "report/analysis.hpp"

namespace binade {

/// terminal_table (report.hpp) of an analysis at hand.
std::string terminal_table(const study_analysis& study, int width, bool colour);

/// Breaks text at blanks so that no line is longer than `width` characters (a longer word gets a line of its own);
/// further lines start with `indent` blanks.  No newline at the end.
std::string wrapped(const std::string& text, int width, int indent = 0);

}  // namespace binade
