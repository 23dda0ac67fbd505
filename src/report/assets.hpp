#pragma once

#include <string_view>

/// The files that a report is made of, compiled into the program (see assets.cmake).
namespace binade::report_assets {

extern const std::string_view page;           ///< assets/report.html, with {{placeholders}}
extern const std::string_view style;          ///< assets/report.css
extern const std::string_view script;         ///< assets/report.js
extern const std::string_view chart_library;  ///< Chart.js, minified

}  // namespace binade::report_assets
