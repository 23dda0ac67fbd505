// `binade formats`: what number formats can represent.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "binade/codec.hpp"
#include "binade/format_facts.hpp"
#include "binade/text.hpp"
#include "cli/commands.hpp"
#include "cli/number_view.hpp"
#include "report/number_text.hpp"

namespace binade::cli {
namespace {

using json = nlohmann::ordered_json;

constexpr int widest_table = 8;  // bits; 256 lines

// ---- facts ---------------------------------------------------------------------------------------------------------

/// The magnitudes that nearest-even rounding sends beyond the largest finite value: above, or from, half a unit in the
/// last place above it.
struct overflow_threshold {
  detail::unpacked value;
  bool included;  // the tie goes away from an odd code
};
overflow_threshold find_overflow(const float_format& f) {
  const detail::unpacked largest = detail::unpack(f, f.max_finite_code());
  const int half_step = std::max(largest.exponent, f.min_exponent()) - f.trailing_bits() - 1;
  const std::uint64_t half_steps = largest.significand >> (63 - (largest.exponent - half_step));
  return {detail::normalized(false, half_steps + 1, half_step), f.max_finite_code() % 2 == 1};
}

/// 2^min_exponent(), or what takes its place (float_format::min_normal()).
detail::unpacked min_normal_of(const float_format& f) {
  return f.has_subnormals ? detail::normalized(false, 1, f.min_exponent())
                          : detail::unpack(f, f.smallest_positive_code());
}
std::optional<detail::unpacked> min_subnormal_of(const float_format& f) {
  return min_subnormal(f) ? std::optional(detail::unpack(f, f.smallest_positive_code())) : std::nullopt;
}

std::string specials_text(const float_format& f) {
  std::vector<std::string> parts;
  if (f.has_infinity) parts.emplace_back("inf");
  if (f.high_nans == 1 && !f.has_infinity) parts.emplace_back("NaN (all ones)");
  if (f.high_nans > 1 || (f.high_nans == 1 && f.has_infinity)) parts.emplace_back("NaN");
  if (f.is_signed && !f.has_negative_zero) parts.emplace_back("NaN at -0");
  if (!f.has_zero) parts.emplace_back("no zero");
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text.empty() ? "none" : text;
}

std::string layout_text(const float_format& f) {
  return std::to_string(static_cast<int>(f.is_signed)) + "/" + std::to_string(f.exponent_bits()) + "/" +
         std::to_string(f.trailing_bits());
}

std::string_view kind_of(const number_format& f, std::uint64_t code) {
  const detail::unpacked value = detail::unpack(f, code);
  if (value.is_nan) return "nan";
  if (value.is_infinite) return "infinity";
  if (value.significand == 0) return "zero";
  const float_format& floating = f.floating;
  const bool subnormal =
      f.kind == format_kind::floating && (code & floating.magnitude_mask()) < floating.subnormals_end();
  return subnormal ? "subnormal" : "normal";
}

/// Storage of one element with its share of the scales; none where the share depends on the shape of the array, beyond
/// one scale of a whole tensor beside others.
std::optional<double> bits_per_element(const quantizer& q) {
  double bits = q.elem.format.width;
  for (int level = 0; level < q.levels; ++level) {
    const scaling& s = q.scalings[std::size_t(level)];
    if (level > 0 && s.per == granularity::tensor) continue;
    if (s.per != granularity::tile) return {};
    bits += s.format.width / (double(s.tile_rows) * double(s.tile_cols));
  }
  return bits;
}

// ---- JSON ----------------------------------------------------------------------------------------------------------

json json_or_null(std::optional<double> x) {
  return x ? json(*x) : json(nullptr);
}

json format_json(const float_format& f) {
  const auto subnormal = min_subnormal_of(f);
  json result{{"name", to_string(f)},
              {"bits", f.width},
              {"sign_bits", static_cast<int>(f.is_signed)},
              {"exponent_bits", f.exponent_bits()},
              {"trailing_bits", f.trailing_bits()},
              {"bias", f.bias},
              {"max", exact_json(detail::unpack(f, f.max_finite_code()))},
              {"min_normal", exact_json(min_normal_of(f))},
              {"min_subnormal", subnormal ? exact_json(*subnormal) : json(nullptr)},
              {"has_infinity", f.has_infinity},
              {"nan_codes", nan_count(f)},
              {"has_negative_zero", f.has_negative_zero},
              {"has_zero", f.has_zero},
              {"finite_values", f.finite_count()},
              {"aliases", aliases_of(f)}};
  result["source"] = source_of(f).empty() ? json(nullptr) : json(source_of(f));
  return result;
}

json any_format_json(const number_format& f) {
  if (f.kind == format_kind::floating) {
    json result = format_json(f.floating);
    result["kind"] = kind_text(f.kind);
    return result;
  }
  return {{"name", to_string(f)},
          {"kind", kind_text(f.kind)},
          {"bits", f.width},
          {"max", f.max_finite()},
          {"min", f.min_finite()},
          {"smallest_positive", smallest_positive(f)},
          {"has_infinity", f.has_infinity()},
          {"has_nan", f.has_nan()},
          {"source", source_of(f).empty() ? json(nullptr) : json(source_of(f))}};
}

json overview_json() {
  json formats = json::array(), books = json::array(), quantizers = json::array();
  for (const named_format& entry : catalogue) formats.push_back(any_format_json(entry.format));
  for (const code_book* book : book_catalogue) books.push_back(any_format_json(format_of(*book)));
  for (const named_quantizer& entry : quantizer_catalogue)
    quantizers.push_back({{"name", entry.name}, {"expanded", expanded(entry.value)}, {"source", entry.source}});
  return {{"formats", std::move(formats)}, {"code_books", std::move(books)}, {"quantizers", std::move(quantizers)}};
}

json detail_json(const quantizer& q) {
  const number_format& any = q.elem.format;
  json result{{"text", to_string(q)}, {"expanded", expanded(q)}};
  result["bits_per_element"] = json_or_null(bits_per_element(q));
  result["format"] = any_format_json(any);
  json& format = result["format"];
  if (any.kind == format_kind::floating) {
    const float_format& f = any.floating;
    format["max_code"] = f.max_finite_code();
    format["smallest_positive"] = exact_json(detail::unpack(f, f.smallest_positive_code()));
    format["max_exponent"] = f.max_exponent();
    format["min_exponent"] = f.min_exponent();
    format["canonical_nan_code"] = f.has_nan() ? json(f.canonical_nan()) : json(nullptr);
    format["infinity_code"] = f.has_infinity ? json(f.infinity_code()) : json(nullptr);
    const overflow_threshold overflow = find_overflow(f);
    format["nearest_even_overflow"] = {{"threshold", exact_json(overflow.value)}, {"included", overflow.included}};
  }
  format["float32_holds_every_value"] = any.fits_float();
  format["float64_holds_every_value"] = any.fits_double();
  if (any.width <= widest_table) {
    json values = json::array();
    for (std::uint64_t code = 0; code <= any.code_mask(); ++code) {
      const detail::unpacked value = detail::unpack(any, code);
      const bool is_finite = !value.is_nan && !value.is_infinite;
      json row{{"code", code}, {"kind", kind_of(any, code)}, {"negative", value.negative && !value.is_nan}};
      row["value"] = is_finite ? exact_json(value) : json(nullptr);  // JSON has no infinity and no NaN
      values.push_back(std::move(row));
    }
    format["values"] = std::move(values);
  }
  return result;
}

// ---- text ----------------------------------------------------------------------------------------------------------

void print_overview() {
  std::vector<std::vector<std::string>> rows{
      {"name", "bits", "S/E/M", "bias", "max", "min normal", "min subnormal", "specials", "also", "source"}};
  for (const named_format& entry : catalogue) {
    const float_format& f = entry.format;
    const auto subnormal = min_subnormal_of(f);
    std::string also;
    for (const std::string_view alias : aliases_of(f)) also += (also.empty() ? "" : ", ") + std::string(alias);
    rows.push_back({std::string(entry.name), std::to_string(f.width), layout_text(f), std::to_string(f.bias),
                    short_text(f.max_finite()), power_text(min_normal_of(f)),
                    subnormal ? power_text(*subnormal) : "none", specials_text(f), also, std::string(entry.source)});
  }
  print_columns(rows);
  std::cout << "\nCode books:\n";
  rows.clear();
  for (const code_book* book : book_catalogue)
    rows.push_back(
        {std::string(book->name), std::to_string(book->values.size()) + " values", std::string(book->source)});
  print_columns(rows);
  std::cout << "\nOther formats: eXmY (IEEE specials), eXmYfn (one NaN), eXmYfnuz, eXmY:specials=ieee|nan|none|fnuz (X "
               "1..11, Y 0..52),\nbinaryKpP{s|u}{e|f} (IEEE P3109); each with :bias=B.  Integers intN, uintN and "
               "fixed point fixedI.F, ufixedI.F;\nlnsN (logarithmic), positN, takumN, book(v,v,...).\n\nQuantizers:\n";
  rows.clear();
  for (const named_quantizer& entry : quantizer_catalogue)
    rows.push_back({std::string(entry.name), written_out(entry.value), std::string(entry.source)});
  print_columns(rows);
  std::cout << "\nbinade formats NAME says more about one.\n";
}

std::string nan_text(const float_format& f) {
  const std::uint64_t count = nan_count(f);
  if (count == 0) {
    if (f.nan == nan_code::refuse) return "none: encoding a NaN is an error";
    const auto code = [&](bool negative) {
      return code_text(f, detail::nan_code_of(f, nan_rule::canonical, negative, 0));
    };
    return "none: encoding a NaN gives code " + code(false) +
           (f.nan == nan_code::opposite_zero ? ", a negative one " + code(true) : "");
  }
  return std::to_string(count) + (count == 1 ? " code, " : " codes, canonical ") + code_text(f, f.canonical_nan());
}

std::string overflow_text(const float_format& f) {
  const overflow_threshold overflow = find_overflow(f);
  return std::string("|x| ") + (overflow.included ? ">= " : "> ") + both_texts(overflow.value);
}

void add_float_rows(std::vector<std::vector<std::string>>& rows, const float_format& f) {
  rows.push_back({"bits", std::to_string(f.width) + ": " + std::to_string(int(f.is_signed)) + " sign, " +
                              std::to_string(f.exponent_bits()) + " exponent, " + std::to_string(f.trailing_bits()) +
                              " trailing significand"});
  rows.push_back({"bias", std::to_string(f.bias)});
  rows.push_back(
      {"largest", both_texts(detail::unpack(f, f.max_finite_code())) + ", code " + code_text(f, f.max_finite_code())});
  rows.push_back({"smallest normal", both_texts(min_normal_of(f))});
  const auto subnormal = min_subnormal_of(f);
  rows.push_back({"smallest subnormal", subnormal ? both_texts(*subnormal) : "none"});
  rows.push_back({"finite values", std::to_string(f.finite_count())});
  rows.push_back({"infinity", f.has_infinity ? "code " + code_text(f, f.infinity_code()) : "none"});
  rows.push_back({"NaN", nan_text(f)});
  rows.push_back({"negative zero", f.has_negative_zero ? "code " + code_text(f, f.sign_bit()) : "none"});
  if (!f.has_zero) rows.push_back({"zero", "none"});
  rows.push_back({"overflow (rne)", overflow_text(f)});
}

void add_rows(std::vector<std::vector<std::string>>& rows, const number_format& f) {
  rows.push_back({"kind", std::string(kind_text(f.kind))});
  rows.push_back({"bits", std::to_string(f.width)});
  rows.push_back({"largest", both_texts(detail::unpack(f.max_finite()))});
  rows.push_back({"least", both_texts(detail::unpack(f.min_finite()))});
  rows.push_back({"smallest above zero", both_texts(detail::unpack(smallest_positive(f)))});
  rows.push_back(
      {"NaN", f.has_nan()       ? "code " + code_text(f, encode(element{f}, std::numeric_limits<double>::quiet_NaN()))
              : f.refuses_nan() ? "none: encoding a NaN is an error"
                                : "none: encoding a NaN gives code " +
                                      code_text(f, encode(element{f}, std::numeric_limits<double>::quiet_NaN()))});
}

void print_detail(const quantizer& q) {
  const number_format& f = q.elem.format;
  std::vector<std::vector<std::string>> rows{{"text form", to_string(q)}, {"every choice", expanded(q)}};
  for (const named_quantizer& entry : quantizer_catalogue)
    if (entry.name == to_string(q)) rows.push_back({"quantizer from", std::string(entry.source)});
  if (!source_of(f).empty()) rows.push_back({"format from", std::string(source_of(f))});
  if (const auto bits = bits_per_element(q); bits && q.levels > 0)
    rows.push_back({"bits per element", exact_text(*bits) + ", scale included"});
  if (f.kind == format_kind::floating)
    add_float_rows(rows, f.floating);
  else
    add_rows(rows, f);
  rows.push_back({"float32 holds it", f.fits_float() ? "every value" : "not every value"});
  if (!f.fits_double()) rows.push_back({"float64 holds it", "not every value"});
  print_columns(rows);
  if (f.width > widest_table) return;
  std::cout << '\n';
  rows.assign(1, {"code", "bits", "value", "exact"});
  for (std::uint64_t code = 0; code <= f.code_mask(); ++code) {
    const detail::unpacked value = detail::unpack(f, code);
    if (value.is_nan || value.is_infinite) {
      rows.push_back({code_text(f, code), bits_text(f, code), value.is_nan ? "NaN" : value.negative ? "-inf" : "inf"});
      continue;
    }
    const std::optional<double> held = exact_double_of(value);
    const std::string power = power_text(value);
    rows.push_back({code_text(f, code), bits_text(f, code), held ? exact_text(*held) : power, power});
  }
  print_columns(rows);
}

}  // namespace

void add_formats_command(CLI::App& program, int& result) {
  struct options {
    std::string name;
    bool as_json = false;
  };
  const auto given = std::make_shared<options>();
  CLI::App* command = program.add_subcommand("formats", "Show what number formats can represent");
  command->add_option("NAME", given->name,
                      "A format, element or quantizer in the text form, e.g. e4m3fn, e5m3:bias=10, mxfp4");
  command->add_flag("--json", given->as_json, "Print one JSON document");
  command->footer(
      "Examples:\n"
      "  binade formats                       every named format\n"
      "  binade formats e4m3fn                one format, with every value where it has 8 bits or fewer\n"
      "  binade formats 'e2m1fn@block(16)'    quote a text with parentheses for the shell\n"
      "  binade formats e6m9 --json");
  command->callback([command, given, &result] {
    // An empty NAME is a mistake of its own (an unset variable in a script), not a question for the overview.
    const bool has_name = command->count("NAME") > 0;
    if (given->as_json) {
      std::cout << (has_name ? detail_json(parse_quantizer(given->name)) : overview_json()).dump(2) << '\n';
    } else if (has_name) {
      print_detail(parse_quantizer(given->name));
    } else {
      print_overview();
    }
    result = exit_code::done;
  });
}

}  // namespace binade::cli
