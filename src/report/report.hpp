#pragma once
/// What a study found: the doors of src/report.  Everything here reads a store and changes none.

#include <filesystem>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace binade {

class study_store;

/// Writes DIR/report.html from DIR/study.db: one file that holds its data, styles and scripts and loads nothing else.
/// A study that is still running is reported as far as it has come.
///
/// @throws std::runtime_error if there is no store, it cannot be read, or the report cannot be written (an older report
///         is then still there, whole)
void write_report(const std::filesystem::path& study_dir);

/// The result as a table for a terminal, UTF-8, followed by the verdict in sentences; ends with a newline.
///
/// @param width   columns of the terminal: columns of least use are left out of a table that would not fit
/// @param colour  marks verdicts by ANSI colours: for a terminal alone, never for a file
std::string terminal_table(const study_store& store, int width = 120, bool colour = false);

/// Writes trials.csv, steps.csv, evaluations.csv, quantization.csv and measurements.csv (RFC 4180, UTF-8, header row,
/// LF line ends) into a folder, which is created when missing.  Numbers parse back to the stored bits; an empty field
/// is a value that is not known or not a number.
///
/// @throws std::runtime_error if a file cannot be written
void export_csv(const study_store& store, const std::filesystem::path& folder);

/// Writes an event file for TensorBoard per trial that has begun, each in a folder of its own, under a folder that is
/// created when missing.  The time of a step is that of the trial in proportion: times of single steps are not stored.
/// @throws as export_csv()
void export_events(const study_store& store, const std::filesystem::path& folder);

/// The result as one JSON document (object, stable key order): study, trials by status, recipes with their statistics
/// and sentences, the overall verdict.  Unknown values are null.
nlohmann::ordered_json report_summary(const study_store& store);

}  // namespace binade
