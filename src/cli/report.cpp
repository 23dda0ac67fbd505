// binade report: the table, the page and the CSV files of a study that has run or is running.
#include "report/report.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cli/commands.hpp"
#include "cli/progress.hpp"
#include "cli/results.hpp"
#include "study/store.hpp"

namespace binade::cli {
namespace {

struct report_options {
  std::filesystem::path folder, csv, events;
  bool as_json = false;
};

}  // namespace

void show_results(const std::filesystem::path& folder, bool as_json, const std::filesystem::path& csv) {
  const std::filesystem::path file = folder / study_store::file_name;
  if (!std::filesystem::exists(file))
    throw std::invalid_argument(folder.string() + " holds no study (" + file.string() +
                                " is not there); give the folder that `binade study` wrote");
  const study_store store = study_store::open_read_only(file);
  write_report(folder);
  if (!csv.empty()) export_csv(store, csv);
  if (as_json) {
    std::cout << report_summary(store).dump(2) << "\n";
    return;
  }
  const bool colour = ::isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  std::cout << terminal_table(store, terminal_width(STDOUT_FILENO, 120), colour)
            << "\nreport: " << (folder / "report.html").string() << "\n";
  if (!csv.empty()) std::cout << "csv:    " << csv.string() << "\n";
}

void add_report_command(CLI::App& program, int& result) {
  auto options = std::make_shared<report_options>();
  CLI::App* command = program.add_subcommand("report", "Rebuild table and report.html of a study");
  command->add_option("DIR", options->folder, "folder of a study")->required();
  command->add_option("--csv", options->csv, "folder for the whole store as CSV files");
  command->add_option("--tensorboard", options->events,
                      "folder for the whole store as event files of TensorBoard, one folder per trial");
  command->add_flag("--json", options->as_json, "print the result as one JSON document");
  command->footer(
      "A study that is still running is reported as far as it has come.\n"
      "Examples:\n"
      "  binade report runs/demo\n"
      "  binade report runs/demo --csv runs/demo/csv\n"
      "  binade report runs/demo --tensorboard runs/demo/events && tensorboard --logdir runs/demo/events");
  command->callback([options, &result] {
    show_results(options->folder, options->as_json, options->csv);
    if (!options->events.empty())
      export_events(study_store::open_read_only(options->folder / study_store::file_name), options->events);
    result = exit_code::done;
  });
}

}  // namespace binade::cli
