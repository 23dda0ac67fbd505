#pragma once

#include <filesystem>

namespace binade::cli {

/// Rebuilds report.html in a study's folder and prints the result: a table for people or one JSON document.
/// @param csv  folder that receives the store as CSV files; empty for none
void show_results(const std::filesystem::path& folder, bool as_json, const std::filesystem::path& csv);

}  // namespace binade::cli
