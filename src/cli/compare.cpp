// `binade compare`: what two formats make of one array.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "binade/exponent_histogram.hpp"
#include "binade/text.hpp"
#include "cli/array_pass.hpp"
#include "cli/commands.hpp"
#include "cli/interruption.hpp"
#include "cli/number_view.hpp"
#include "cli/whole_number.hpp"
#include "report/number_text.hpp"

namespace binade::cli {
namespace {

using json = nlohmann::ordered_json;

constexpr std::uint64_t sample_rows = 256, sample_columns = 4096;
constexpr int most_binades = 32;
constexpr std::uint64_t widest_bar = 40;

struct compare_options {
  std::array<std::string, 2> specs;
  std::filesystem::path in;
  std::int64_t axis = -1;
  std::uint64_t seed = 0;
  bool as_json = false;
};

/// How many elements are in each binade, of float64 too.
struct binade_counts {
  std::map<int, std::uint64_t, std::greater<>> finite;  ///< by floor(log2 |x|)
  std::uint64_t zeros = 0, infinities = 0, nans = 0;

  void add(std::span<const float> x) {
    exponent_histogram here;
    here.add(x);
    zeros += here.zeros;
    infinities += here.infinities;
    nans += here.nans;
    for (int e = here.smallest(); e <= here.largest(); ++e)
      if (here.count(e) > 0) finite[e] += here.count(e);
  }
  void add(std::span<const double> x) {
    for (const double value : x) {
      if (std::isfinite(value) && value != 0)
        ++finite[detail::unpack(value).exponent];
      else
        ++(value == 0 ? zeros : std::isnan(value) ? nans : infinities);
    }
  }
  std::uint64_t in(int exponent) const {
    const auto found = finite.find(exponent);
    return found == finite.end() ? 0 : found->second;
  }
};

/// One of the two.
struct side {
  quantizer q;
  array_counts counts = {};
  binade_counts values = {};
};

/// Rows of the histogram: a name, and how many elements of the array and of the values on both sides it has.
struct histogram_row {
  std::string name;
  std::array<std::uint64_t, 3> counts;
};
std::vector<histogram_row> histogram(const binade_counts& x, const std::array<side, 2>& sides) {
  const auto row = [&](std::string name, auto count) {
    return histogram_row{std::move(name), {count(x), count(sides[0].values), count(sides[1].values)}};
  };
  std::set<int, std::greater<>> exponents;
  for (const binade_counts* counts : {&x, &sides[0].values, &sides[1].values})
    for (const auto& [exponent, count] : counts->finite) exponents.insert(exponent);
  std::vector<histogram_row> rows;
  const auto any = [](const histogram_row& r) { return r.counts != std::array<std::uint64_t, 3>{}; };
  const auto add_if_any = [&](histogram_row r) {
    if (any(r)) rows.push_back(std::move(r));
  };
  add_if_any(row("NaN", [](const binade_counts& c) { return c.nans; }));
  add_if_any(row("inf", [](const binade_counts& c) { return c.infinities; }));
  histogram_row rest{"below", {}};
  int shown = 0;
  for (const int exponent : exponents) {
    histogram_row here = row("2^" + std::to_string(exponent), [&](const binade_counts& c) { return c.in(exponent); });
    if (shown++ < most_binades)
      rows.push_back(std::move(here));
    else
      for (std::size_t i = 0; i < here.counts.size(); ++i) rest.counts[i] += here.counts[i];
  }
  add_if_any(std::move(rest));
  add_if_any(row("0", [](const binade_counts& c) { return c.zeros; }));
  return rows;
}

json exponents_json(const binade_counts& counts) {
  json finite = json::object();
  for (const auto& [exponent, count] : counts.finite) finite[std::to_string(exponent)] = count;
  return {
      {"finite", std::move(finite)}, {"zeros", counts.zeros}, {"infinities", counts.infinities}, {"nans", counts.nans}};
}

void print(const input_array& in, const binade_counts& x, const std::array<side, 2>& sides, const axis_view& view) {
  std::vector<std::vector<std::string>> rows{{"", to_string(sides[0].q), to_string(sides[1].q)}};
  const auto first = count_rows(sides[0].counts), second = count_rows(sides[1].counts);
  for (std::size_t i = 0; i < first.size(); ++i) rows.push_back({first[i][0], first[i][1], second[i][1]});
  rows.push_back({"bytes per element", exact_text(stored_bits(sides[0].q, view) / 8),
                  exact_text(stored_bits(sides[1].q, view) / 8)});
  std::cout << in.name() << ", " << shape_text(in.header().shape) << " of " << name_of(in.header().type) << "\n\n";
  print_columns(rows);

  std::cout << "\nElements by binade, from 2^e to below 2^(e+1), in percent:\n";
  const std::vector<histogram_row> bins = histogram(x, sides);
  std::uint64_t largest = 1;
  for (const histogram_row& bin : bins) largest = std::max(largest, bin.counts[0]);
  rows.assign(1, {"", "array", to_string(sides[0].q), to_string(sides[1].q), "array"});
  for (const histogram_row& bin : bins) {
    std::vector<std::string> row{bin.name};
    for (const std::uint64_t count : bin.counts)
      row.push_back(percent_text(double(count) / double(in.header().count())));
    row.emplace_back((2 * widest_bar * bin.counts[0] + largest) / (2 * largest), '#');
    rows.push_back(std::move(row));
  }
  print_columns(rows);
}

int run(const compare_options& given, bool has_file) {
  std::array<side, 2> sides{side{parse_quantizer(given.specs[0])}, side{parse_quantizer(given.specs[1])}};
  const input_array in = has_file ? input_array(given.in) : input_array(given.seed, sample_rows, sample_columns);
  const axis_view view = in.view(given.axis);
  if (in.header().count() == 0)
    throw std::invalid_argument("compare: " + in.name() + " has no elements; give an array that has some");
  const interruption interrupted_by_user;
  binade_counts x;
  for (side& s : sides) {
    const bool is_first = &s == &sides[0];
    const auto visit = [&](auto&, const array_part&, auto elements, auto values) {
      if (is_first) x.add(elements);
      s.values.add(values);
    };
    const std::optional<array_counts> counts = quantize_array("compare", in, given.axis, s.q, {.seed = given.seed},
                                                              interrupted_by_user.requested(), visit, [](auto&) {});
    if (!counts) {
      std::cerr << "interrupted\n";
      return exit_code::interrupted;
    }
    s.counts = *counts;
  }
  if (!given.as_json) {
    print(in, x, sides, view);
    return exit_code::done;
  }
  json document{
      {"array", in.name()}, {"dtype", name_of(in.header().type)}, {"shape", in.header().shape}, {"axis", given.axis},
      {"seed", given.seed}, {"exponents", exponents_json(x)},     {"quantizers", json::array()}};
  for (const side& s : sides)
    document["quantizers"].push_back({{"text", to_string(s.q)},
                                      {"expanded", expanded(s.q)},
                                      {"bytes_per_element", stored_bits(s.q, view) / 8},
                                      {"counts", to_json(s.counts)},
                                      {"exponents", exponents_json(s.values)}});
  std::cout << document.dump(2) << '\n';
  return exit_code::done;
}

}  // namespace

void add_compare_command(CLI::App& program, int& result) {
  const auto given = std::make_shared<compare_options>();
  CLI::App* command = program.add_subcommand("compare", "Show what two formats make of one array");
  command->add_option("SPEC", given->specs[0], "a format, element or quantizer in the text form")->required();
  command->add_option("OTHER", given->specs[1], "another one")->required();
  CLI::Option* file =
      command->add_option("IN", given->in, ".npy file; if not given, 256 x 4096 standard normal numbers");
  command->add_option("--axis", given->axis, "the axis that blocks and rows run along")->capture_default_str();
  command->add_option("--seed", given->seed, "of stochastic rounding, and of the sample")
      ->check(whole_number())
      ->capture_default_str();
  command->add_flag("--json", given->as_json, "print one JSON document");
  command->footer(
      "The sample is a function of the seed alone, the same on every machine.\n"
      "Examples:\n"
      "  binade compare mxfp4 nvfp4\n"
      "  binade compare e4m3fn@tensor e5m2@tensor gradients.npy --json");
  command->callback([given, file, &result] { result = run(*given, file->count() > 0); });
}

}  // namespace binade::cli
