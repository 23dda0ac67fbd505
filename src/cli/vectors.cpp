// `binade vectors`: conformance vectors for others to test against.
#include "vectors/vectors.hpp"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "binade/catalogue.hpp"
#include "binade/text.hpp"
#include "cli/commands.hpp"
#include "cli/interruption.hpp"

namespace binade::cli {
namespace {

struct vectors_options {
  std::filesystem::path out;
  std::vector<std::string> formats;
  bool as_json = false;
};

int run(const vectors_options& given) {
  std::vector<number_format> formats;
  for (const std::string& name : given.formats) formats.push_back(parse_format(name));
  if (formats.empty()) {
    for (const named_format& entry : catalogue) formats.push_back(entry.format);
    for (const code_book* book : book_catalogue) formats.push_back(format_of(*book));
    for (const bool is_signed : {true, false})  // P3109's formats of 8 bits
      for (int precision = 1; precision <= 8 - int(is_signed); ++precision)
        for (const bool is_extended : {true, false})
          formats.push_back(p3109_format(8, precision, is_signed, is_extended));
  }

  const interruption interrupted_by_user;
  const nlohmann::ordered_json manifest =
      write_vectors(given.out, formats, [&] { return interrupted_by_user.requested().load(); });
  if (manifest.is_null()) {
    std::cerr << "interrupted: " << given.out.string() << " has no manifest.json and is not whole; run again\n";
    return exit_code::interrupted;
  }
  if (given.as_json) {
    std::cout << manifest.dump(2) << '\n';
    return exit_code::done;
  }
  std::uint64_t bytes = 0;
  for (const auto& file : manifest["files"]) bytes += file["bytes"].get<std::uint64_t>();
  std::cout << manifest["files"].size() << " files, " << (bytes + 500'000) / 1'000'000 << " MB, in "
            << given.out.string() << "; manifest.json has their checksums\n";
  return exit_code::done;
}

}  // namespace

void add_vectors_command(CLI::App& program, int& result) {
  const auto given = std::make_shared<vectors_options>();
  CLI::App* command =
      program.add_subcommand("vectors", "Write conformance vectors: inputs and the codes they must give");
  command->add_option("--out", given->out, "folder for the files; made if need be")->required();
  command->add_option("--format", given->formats,
                      "formats in the text form; all named ones and P3109's of 8 bits if not given");
  command->add_flag("--json", given->as_json, "print the manifest as one JSON document");
  command->footer(
      "docs/vectors.md has the layout of the files.\n"
      "Examples:\n"
      "  binade vectors --out vectors\n"
      "  binade vectors --out vectors --format e4m3fn binary8p4se e5m3:bias=10 int8 posit16");
  command->callback([given, &result] { result = run(*given); });
}

}  // namespace binade::cli
