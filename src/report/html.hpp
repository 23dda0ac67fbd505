#pragma once

#include <string>

#include "report/analysis.hpp"

namespace binade {

/// The whole text of report.html.  Everything from the store is escaped; nothing is loaded from outside.
std::string html_report(const study_analysis& study, const study_store& store);

/// The tables of the report, as HTML.
namespace html {
std::string summary_table(const study_analysis& study);
std::string evaluation_table(const study_analysis& study, const study_store& store);
std::string rate_table(const study_analysis& study);
std::string seed_table(const study_analysis& study);
std::string trial_table(const study_analysis& study);
/// Heat tables of saturated and underflowed shares and of SQNR: sites down, GEMMs and operands across.
std::string quantization_tables(const study_analysis& study);
/// A square in the recipe's colour.
std::string recipe_swatch(const study_analysis& study, std::size_t recipe);
/// The square and the recipe's name.
std::string recipe_name(const study_analysis& study, std::size_t recipe);
}  // namespace html

}  // namespace binade
