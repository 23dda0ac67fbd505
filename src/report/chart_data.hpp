#pragma once

#include <nlohmann/json_fwd.hpp>

#include "report/analysis.hpp"

namespace binade {

/// What assets/report.js draws: one JSON object without names or numbers that are not drawn.
///
/// Losses are above the floor where the corpus knows it (training losses above the entropy of their own batch), rounded
/// to 4 decimals; a missing one is null.  Curves of best learning rates have at most 400 points, the others fewer when
/// trials are many: a point is then the mean of `width` neighbouring steps.
nlohmann::ordered_json chart_data(const study_analysis& study, const study_store& store);

}  // namespace binade
