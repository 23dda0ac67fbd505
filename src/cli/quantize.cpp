// `binade quantize`: a .npy file rounded to a format.
#include <CLI/CLI.hpp>
#include <array>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "binade/text.hpp"
#include "cli/array_pass.hpp"
#include "cli/commands.hpp"
#include "cli/interruption.hpp"
#include "cli/number_view.hpp"
#include "cli/whole_number.hpp"
#include "report/number_text.hpp"

namespace binade::cli {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

struct quantize_options {
  fs::path in, out, codes, scales, outer_scales;
  std::string spec;
  std::int64_t axis = -1;
  std::uint64_t seed = 0, stream = 0;
  std::uint32_t step = 0;
  bool as_json = false;
};

bool same_file(const fs::path& a, const fs::path& b) {
  std::error_code ignored;
  const auto place = [&](const fs::path& p) { return fs::weakly_canonical(fs::absolute(p, ignored), ignored); };
  return fs::equivalent(a, b, ignored) || place(a) == place(b);
}

/// Each file of the command has a path of its own.
void check_paths(const quantize_options& given) {
  const std::array<std::pair<const char*, const fs::path*>, 5> files{{{"IN", &given.in},
                                                                      {"OUT", &given.out},
                                                                      {"--codes", &given.codes},
                                                                      {"--scales", &given.scales},
                                                                      {"--outer-scales", &given.outer_scales}}};
  for (std::size_t i = 0; i < files.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (!files[i].second->empty() && !files[k].second->empty() && same_file(*files[i].second, *files[k].second))
        throw std::invalid_argument("quantize: " + std::string(files[i].first) + " and " + files[k].first +
                                    " are the same file, " + files[i].second->string() + "; give another path");
}

/// What the options ask of the quantizer.
void check_codes(const quantize_options& given, const quantizer& q) {
  const auto refuse = [&](const char* option, const std::string& why) {
    throw std::invalid_argument("quantize: " + std::string(option) + ": " + to_string(q) + " " + why);
  };
  if (!given.scales.empty() && q.levels < 1)
    refuse("--scales", "has no scales; leave it out, or give a scaling, such as " + to_string(q) + "@tensor");
  if (!given.outer_scales.empty() && q.levels < 2)
    refuse("--outer-scales", "has no second level of scales; leave it out");
  if (given.codes.empty() && given.scales.empty() && given.outer_scales.empty()) return;
  for (int k = 0; k < q.transform_count; ++k)
    if (const transform& t = q.transforms[std::size_t(k)];
        t.kind == transform_kind::expand || t.kind == transform_kind::clamp)
      refuse("--codes", "remembers of each array what undoes expand and clamp, and codes and scales alone lack it");
}

npy_type type_of_codes(int width) {
  return width <= 8    ? npy_type::uint8
         : width <= 16 ? npy_type::uint16
         : width <= 32 ? npy_type::uint32
                       : npy_type::uint64;
}
/// Scale codes; those of float32 are the numbers themselves.
npy_type type_of_scales(const scaling& s) {
  return s.format == float_storage ? npy_type::float32 : type_of_codes(s.format.width);
}

void write_all(npy_writer& file, const code_array& codes) {
  std::visit([&](const auto& c) { file.write(std::as_bytes(std::span(c))); }, codes);
}

/// The files of codes and scales, those that are asked for.
class code_files {
 public:
  code_files(const quantize_options& given, const quantizer& q, const npy_header& in, const axis_view& view) {
    if (!given.codes.empty()) codes_.emplace(given.codes, npy_header{type_of_codes(q.elem.format.width), in.shape});
    const std::array<const fs::path*, 2> paths{&given.scales, &given.outer_scales};
    for (std::size_t level = 0; level < paths.size(); ++level) {
      if (paths[level]->empty()) continue;
      const scaling& s = q.scalings[level];
      const auto [rows, columns] = scale_shape(s, view);
      scales_[level].emplace(*paths[level], npy_header{type_of_scales(s), {rows, columns}});
    }
  }
  bool are_wanted() const { return codes_ || scales_[0] || scales_[1]; }

  template <class Parts, class T>
  void add(Parts& parts, const array_part& part, std::span<const T> x) {
    if (!are_wanted()) return;
    const encoded result = parts.encode(part, x);
    if (codes_) write_all(*codes_, result.codes);
  }
  /// All parts are added.
  template <class Parts>
  void complete(Parts& parts) {
    if (codes_) parts.check_codes();
    if constexpr (std::is_same_v<Parts, part_quantizer>)
      for (std::size_t level = 0; level < scales_.size(); ++level)
        if (scales_[level]) write_all(*scales_[level], parts.scales(level));
    for (npy_writer* file : all()) file->complete();
  }
  void commit() {
    for (npy_writer* file : all()) file->commit();
  }

 private:
  std::vector<npy_writer*> all() {
    std::vector<npy_writer*> files;
    for (std::optional<npy_writer>* file : {&codes_, &scales_[0], &scales_[1]})
      if (*file) files.push_back(&**file);
    return files;
  }

  std::optional<npy_writer> codes_;
  std::array<std::optional<npy_writer>, 2> scales_;
};

int run(const quantize_options& given) {
  const quantizer q = parse_quantizer(given.spec);
  check_codes(given, q);
  const input_array in(given.in);
  const axis_view view = in.view(given.axis);
  check_paths(given);

  const interruption interrupted_by_user;
  npy_writer out(given.out, in.header());
  code_files codes(given, q, in.header(), view);
  std::uint64_t rounded_again = 0;
  const auto visit = [&](auto& parts, const array_part& part, auto x, auto values) {
    if constexpr (std::is_same_v<decltype(values), std::span<const float>>)
      rounded_again += out.write(values);
    else
      out.write(std::as_bytes(values));
    codes.add(parts, part, x);
  };
  const std::optional<array_counts> counts =
      quantize_array("quantize", in, given.axis, q, {.seed = given.seed, .stream = given.stream, .step = given.step},
                     interrupted_by_user.requested(), visit, [&](auto& parts) { codes.complete(parts); });
  if (counts) out.complete();
  if (!counts || interrupted_by_user.requested()) {
    std::cerr << "interrupted: nothing was written\n";
    return exit_code::interrupted;
  }
  codes.commit();
  out.commit();  // last: where OUT is, all files are

  const double bytes = stored_bits(q, view) / 8;
  const std::string_view type = name_of(in.header().type);
  if (given.as_json) {
    json document{{"in", given.in.string()},
                  {"out", given.out.string()},
                  {"dtype", type},
                  {"shape", in.header().shape},
                  {"text", to_string(q)},
                  {"expanded", expanded(q)},
                  {"axis", given.axis},
                  {"seed", given.seed},
                  {"stream", given.stream},
                  {"step", given.step},
                  {"counts", to_json(*counts)},
                  {"bytes_per_element", bytes},
                  {"rounded_to_dtype", rounded_again}};
    std::cout << document.dump(2) << '\n';
    return exit_code::done;
  }
  std::vector<std::vector<std::string>> rows{{"quantizer", to_string(q)},
                                             {"array", shape_text(in.header().shape) + " of " + std::string(type)}};
  for (auto& row : count_rows(*counts)) rows.push_back(std::move(row));
  rows.push_back({"bytes per element", exact_text(bytes) + (q.levels > 0 ? ", scales included" : "")});
  if (rounded_again > 0)
    rows.push_back({"rounded again", std::to_string(rounded_again) + " values that " + std::string(type) +
                                         " cannot hold, to the nearest that it can"});
  rows.push_back({"written", given.out.string()});
  print_columns(rows);
  return exit_code::done;
}

}  // namespace

void add_quantize_command(CLI::App& program, int& result) {
  const auto given = std::make_shared<quantize_options>();
  CLI::App* command = program.add_subcommand("quantize", "Round the array of a .npy file to a format");
  command->add_option("IN", given->in, ".npy file of float16, bfloat16, float32 or float64")->required();
  command->add_option("OUT", given->out, ".npy file for the values, of IN's shape and dtype")->required();
  command->add_option("--to", given->spec, "a format, element or quantizer in the text form: e4m3fn, mxfp4")
      ->required();
  command->add_option("--codes", given->codes, ".npy file for the codes, one unsigned integer per element");
  command->add_option("--scales", given->scales,
                      ".npy file for the scales (of two levels the inner ones): codes, or float32, as (tile rows, tile "
                      "columns)");
  command->add_option("--outer-scales", given->outer_scales, ".npy file for the outer scales of two levels");
  command->add_option("--axis", given->axis, "the axis that blocks and rows run along")->capture_default_str();
  command->add_option("--seed", given->seed, "of stochastic rounding")->check(whole_number())->capture_default_str();
  command->add_option("--stream", given->stream, "of stochastic rounding: one for each array")
      ->check(whole_number())
      ->capture_default_str();
  command->add_option("--step", given->step, "of stochastic rounding: one for each time")
      ->check(whole_number(std::numeric_limits<std::uint32_t>::max()))
      ->capture_default_str();
  command->add_flag("--json", given->as_json, "print the summary as one JSON document");
  command->footer(
      "The array may be larger than memory: it is read in parts of whole groups with a common scale, and twice where "
      "a\n"
      "scale is of the tensor, a row or a column.  In memory at once is the largest group that cannot be split: of\n"
      "4over6 scales per tensor, and of the outer scales of rows or columns beside inner ones.\n"
      "float64 is rounded once, without a scale; with scales, which work in float32, it must hold float32 numbers.\n"
      "Examples:\n"
      "  binade quantize w.npy q.npy --to e4m3fn\n"
      "  binade quantize w.npy q.npy --to mxfp4 --codes codes.npy --scales scales.npy\n"
      "  binade quantize w.npy q.npy --to 'e4m3fn/sr@tensor' --seed 1 --json");
  command->callback([given, &result] { result = run(*given); });
}

}  // namespace binade::cli
