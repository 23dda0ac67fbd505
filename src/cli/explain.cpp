// `binade explain`: what becomes of one number.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "binade/charconv.hpp"
#include "binade/text.hpp"
#include "cli/commands.hpp"
#include "cli/exact_decimal.hpp"
#include "cli/number_view.hpp"
#include "report/number_text.hpp"

namespace binade::cli {
namespace {

using json = nlohmann::ordered_json;
using detail::exact;

constexpr std::int64_t largest_exponent = 40000;  // of VALUE: of ten or two
constexpr std::size_t most_digits = 1000;         // of VALUE

// ---- the number ----------------------------------------------------------------------------------------------------

/// The number that is asked about: as digits for the one rounding, and whole for everything else.
struct number_given {
  exact digits;
  exact_decimal value;  ///< 0 where it is not finite
  bool is_finite() const { return !digits.is_nan && !digits.is_infinite; }
};

[[noreturn]] void refuse(const std::string& text, const std::string& why) {
  throw std::invalid_argument("explain: VALUE '" + text + "' " + why);
}

/// digits with a point, and what stands behind e or p.  @pre number_reader takes the text
exact_decimal decimal_of(const std::string& given, std::string_view text, bool is_hex) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t end = std::min(text.find_first_of(is_hex ? "pP" : "eE"), text.size());
  std::string digits(text.substr(0, end));
  const std::size_t point = digits.find('.');
  std::int64_t after_point = 0;
  if (point != digits.npos) {
    digits.erase(point, 1);
    after_point = std::int64_t(digits.size() - point);
  }
  if (digits.size() > most_digits) refuse(given, "has more than " + std::to_string(most_digits) + " digits");
  std::int64_t exponent = 0;
  if (end < text.size()) {
    std::string_view rest = text.substr(end + 1);
    if (rest.starts_with('+')) rest.remove_prefix(1);
    const auto [at, error] = std::from_chars(rest.data(), rest.data() + rest.size(), exponent);
    if (error != std::errc() || std::abs(exponent) > largest_exponent)
      refuse(given, "has an exponent beyond " + std::to_string(largest_exponent) + " or below " +
                        std::to_string(-largest_exponent));
  }
  return is_hex ? exact_decimal(negative, digits, 16, 0, exponent - 4 * after_point)
                : exact_decimal(negative, digits, 10, exponent - after_point, 0);
}

/// 0x7e, a code of the format asked about, or FORMAT:0x3f80, one of another.
number_given number_of_code(const std::string& given, std::string_view hex, const number_format& f) {
  std::uint64_t code = 0;
  const auto [at, error] = std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
  if (hex.empty() || error == std::errc::invalid_argument || at != hex.data() + hex.size())
    refuse(given, "is no code: 0x and hexadecimal digits");
  if (error != std::errc() || code > f.code_mask())
    refuse(given, "is wider than the " + std::to_string(f.width) + " bits of " + to_string(f) +
                      "; the bits of another format are written as in f32:0x3f8ccccd, and a hexadecimal number with p, "
                      "as in 0x1.8p3");
  const detail::unpacked value = detail::unpack(f, code);
  number_given x{.digits = detail::exactly(value), .value = {}};
  if (x.is_finite()) x.value = exact_decimal(value);
  return x;
}

number_given number_of(const std::string& given, const number_format& f) {
  std::string_view text = given;
  const std::size_t hex = text.find("0x");
  const bool is_code = hex != text.npos && text.find_first_of(".pP", hex) == text.npos;
  if (is_code && (hex == 0 || text[hex - 1] == ':'))
    return number_of_code(given, text.substr(hex + 2), hex == 0 ? f : parse_format(text.substr(0, hex - 1)));
  if (is_code) refuse(given, "has a sign before a code; a hexadecimal number has a p, as in -0x18p0");

  if (text.starts_with('+')) text.remove_prefix(1);
  std::string plain(text);
  const std::size_t sign = plain.starts_with('-') ? 1 : 0;
  const bool is_hex = plain.compare(sign, 2, "0x") == 0 || plain.compare(sign, 2, "0X") == 0;
  if (is_hex) plain.erase(sign, 2);
  number_given x;
  detail::number_reader reader(plain.data(), plain.data() + plain.size());
  if (!reader.read(is_hex ? std::chars_format::hex : std::chars_format::general, x.digits) ||
      reader.position() != plain.data() + plain.size())
    refuse(given,
           "is no number: give a decimal (0.3, 1e-5), a hexadecimal number (0x1.8p-3), inf, nan, a code (0x7e) or "
           "the bits of another format (f32:0x3f8ccccd)");
  if (!x.is_finite()) return x;
  x.value = decimal_of(given, plain, is_hex);
  // The reader knows the exponents of binary64; beyond them the digits are those of the whole number.
  if (!f.fits_double() && !x.value.is_zero()) x.digits = x.value.leading_digits();
  return x;
}

std::string number_text(const exact_decimal& x) {
  return x.text().value_or("about " + x.first_digits());
}
/// A value exactly: as a decimal where that is short, else with a power of two.
std::string value_text(const detail::unpacked& x) {
  if (x.is_nan) return "NaN";
  if (x.is_infinite) return x.negative ? "-inf" : "inf";
  if (x.significand == 0) return power_text(x);
  return exact_decimal(x).text().value_or(power_text(x));
}

// ---- what becomes of it --------------------------------------------------------------------------------------------

/// A code and its value.
struct outcome {
  std::uint64_t code = 0;
  detail::unpacked value;
  bool is_finite() const { return !value.is_nan && !value.is_infinite; }
};
/// None where the element refuses a NaN.
std::optional<outcome> outcome_of(const element& e, const exact& x, std::uint32_t noise = 0) {
  if (x.is_nan && e.format.refuses_nan()) return std::nullopt;
  const std::uint64_t code = detail::encode_number(e, x, noise);
  return outcome{code, detail::unpack(e.format, code)};
}

element with_rounding(element e, rounding_mode mode) {
  e.rounding = mode;
  e.noise_bits = element{e.format}.noise_bits;
  return e;
}

/// A little further from zero than x, which is finite, or nearer to it.  Nothing in any format lies between.
exact beside(exact x, bool further) {
  x.sticky = true;
  if (further) return x;
  const bool is_power = x.significand == std::uint64_t(1) << 63 && x.low == 0;
  if (is_power) {
    --x.exponent;
    x.significand = x.low = ~std::uint64_t(0);
  } else {
    x.significand -= std::uint64_t(x.low == 0);
    --x.low;
  }
  return x;
}
exact beside_zero(bool negative) {
  return {.negative = negative, .exponent = -4 * widest_exponent, .significand = std::uint64_t(1) << 63};
}

/// The values of the format around x; none where there is no finite one.
struct neighbours {
  bool is_value = false;  ///< x is one; `below` and `above` are then the next ones
  std::optional<outcome> below, above;
  std::optional<exact_decimal> ulp;  ///< the distance of the neighbours that x lies between; beyond the range that of
                                     ///< the last two values
};

/// The nearest value strictly below x, or above.
std::optional<outcome> neighbour(const number_format& f, const number_given& x, bool is_value, bool above) {
  exact digits = x.digits;
  if (is_value) digits = x.value.is_zero() ? beside_zero(!above) : beside(x.digits, x.digits.negative != above);
  const element up{.format = f, .rounding = rounding_mode::up, .overflow = overflow_rule::saturate},
      down{.format = f, .rounding = rounding_mode::down, .overflow = overflow_rule::saturate};
  // Beside what rounding finds: where it leads to no zero, or there is none, it does not cross from one sign to the
  // other.
  std::optional<outcome> nearest;
  for (const std::optional<outcome>& candidate :
       {outcome_of(above ? up : down, digits), outcome_of(up, detail::exact_zero(false)),
        outcome_of(up, beside_zero(false)), outcome_of(down, beside_zero(true))}) {
    if (!candidate || !candidate->is_finite()) continue;
    const exact_decimal value(candidate->value);
    if (!(above ? value > x.value : value < x.value)) continue;
    if (!nearest || (value - x.value).magnitude() < (exact_decimal(nearest->value) - x.value).magnitude())
      nearest = candidate;
  }
  return nearest;
}

neighbours neighbours_of(const number_format& f, const number_given& x) {
  neighbours result;
  const element nearest{.format = f, .overflow = overflow_rule::saturate};
  const detail::unpacked rounded = outcome_of(nearest, x.digits)->value;
  result.is_value = exact_decimal(rounded) == x.value;
  result.below = neighbour(f, x, result.is_value, false);
  result.above = neighbour(f, x, result.is_value, true);
  if (result.is_value) return result;  // errors are 0, and the binade below may have another step than the one above
  if (result.below && result.above) {
    result.ulp = exact_decimal(result.above->value) - exact_decimal(result.below->value);
    return result;
  }
  const number_given end{.digits = detail::exactly(rounded), .value = exact_decimal(rounded)};
  if (const std::optional<outcome> inward = neighbour(f, end, true, result.above.has_value()))
    result.ulp = (end.value - exact_decimal(inward->value)).magnitude();
  return result;
}

/// What is wrong with a result.
struct deviation {
  exact_decimal error;
  std::optional<exact_decimal> relative, in_ulp;
};
std::optional<deviation> deviation_of(const number_given& x, const neighbours& near,
                                      const std::optional<outcome>& got) {
  if (!x.is_finite() || !got || !got->is_finite()) return std::nullopt;
  deviation result{.error = exact_decimal(got->value) - x.value, .relative = {}, .in_ulp = {}};
  if (!x.value.is_zero()) result.relative = result.error.over(x.value.magnitude());
  if (result.error.is_zero())
    result.in_ulp = exact_decimal();
  else if (near.ulp)
    result.in_ulp = result.error.over(*near.ulp);
  return result;
}

/// A stochastic result: two codes, and how many of the 2^bits noise values lead to the one further from zero.
struct chances {
  outcome nearer, further;
  std::uint64_t further_count = 0;
  int noise_bits = 0;
};
std::optional<chances> chances_of(const element& e, const exact& x) {
  const std::optional<outcome> first = outcome_of(e, x, 0);
  if (!first) return std::nullopt;
  // The larger the noise, the further: the first noise value that gives another code is found by halving.
  std::uint64_t low = 0, high = std::uint64_t(1) << e.noise_bits;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (outcome_of(e, x, std::uint32_t(middle))->code == first->code ? low : high) = middle;
  }
  const std::uint64_t count = (std::uint64_t(1) << e.noise_bits) - high;
  return chances{*first, *outcome_of(e, x, ~std::uint32_t(0) >> (32 - e.noise_bits)), count, e.noise_bits};
}

/// The words of the modes that need no noise.
std::vector<detail::text_word<rounding_mode>> deterministic_modes() {
  std::vector<detail::text_word<rounding_mode>> modes;
  std::copy_if(detail::rounding_words.begin(), detail::rounding_words.end(), std::back_inserter(modes),
               [](const auto& word) { return !is_stochastic(word.value); });
  return modes;
}

/// Everything that is said about a number.
struct explanation {
  element e;
  std::string given;
  number_given x;
  neighbours near = {};
  bool is_beyond = false;  ///< the largest or the least value

  explanation(const element& how, std::string text) : e(how), given(std::move(text)), x(number_of(given, e.format)) {
    if (x.is_finite()) near = neighbours_of(e.format, x);
    const auto end = [&](bool negative) {  // of the values of the format
      const element to_end{.format = e.format, .overflow = overflow_rule::saturate};
      return exact_decimal(outcome_of(to_end, detail::exact_infinity(negative))->value);
    };
    is_beyond = x.digits.is_infinite || (x.is_finite() && (x.value > end(false) || x.value < end(true)));
  }
  /// The element under a rule for what is beyond; its rounding where that needs no noise, else to nearest even.
  element with_overflow(overflow_rule rule) const {
    element result = is_stochastic(e.rounding) ? with_rounding(e, rounding_mode::nearest_even) : e;
    result.overflow = rule;
    return result;
  }
  std::string x_text() const {
    if (x.digits.is_nan) return "NaN";
    const std::string sign = x.digits.negative ? "-" : "";
    if (x.digits.is_infinite) return sign + "inf";
    if (x.value.is_zero()) return sign + "0";
    return near.is_value ? value_text(outcome_of(element{e.format}, x.digits)->value) : number_text(x.value);
  }
};

// ---- JSON ----------------------------------------------------------------------------------------------------------

json to_json(const number_format& f, const std::optional<outcome>& o) {
  if (!o) return nullptr;
  return {{"code", o->code},
          {"bits", bits_text(f, o->code)},
          {"value", o->is_finite() ? exact_json(o->value) : json(nullptr)},
          {"text", value_text(o->value)}};
}
json to_json(const std::optional<exact_decimal>& x) {
  return x ? json(x->nearest()) : json(nullptr);
}
json result_json(const explanation& about, const element& e) {
  const std::optional<outcome> got = outcome_of(e, about.x.digits);
  json result = to_json(e.format, got);
  if (!got) return result;
  const std::optional<deviation> off = deviation_of(about.x, about.near, got);
  const std::optional<std::string> digits = off ? off->error.text() : std::nullopt;
  result["error"] = off ? to_json(off->error) : json(nullptr);
  result["error_text"] = digits ? json(*digits) : json(nullptr);
  result["relative_error"] = off ? to_json(off->relative) : json(nullptr);
  result["error_in_ulp"] = off ? to_json(off->in_ulp) : json(nullptr);
  return result;
}
/// null where the element is impossible
json possible_result_json(const explanation& about, const element& e) {
  return defect(e).empty() ? result_json(about, e) : json(nullptr);
}

json to_json(const explanation& about) {
  const element& e = about.e;
  const number_format& f = e.format;
  json document{{"text", to_string(e)}, {"expanded", expanded(e)}, {"given", about.given}, {"x", about.x_text()}};
  document["is_value"] = about.near.is_value;
  document["below"] = to_json(f, about.near.below);
  document["above"] = to_json(f, about.near.above);
  if (is_stochastic(e.rounding)) {
    json& result = document["result"] = nullptr;
    if (const std::optional<chances> c = chances_of(e, about.x.digits))
      result = {{"nearer", to_json(f, c->nearer)},
                {"further", to_json(f, c->further)},
                {"further_count", c->further_count},
                {"noise_values", std::uint64_t(1) << c->noise_bits}};
  } else {
    document["result"] = result_json(about, e);
  }
  for (const auto& mode : deterministic_modes())
    document["roundings"][std::string(mode.name)] = possible_result_json(about, with_rounding(e, mode.value));
  json& overflow = document["overflow"] = nullptr;
  if (about.is_beyond)
    for (const auto& rule : detail::overflow_words)
      overflow[std::string(rule.name)] = possible_result_json(about, about.with_overflow(rule.value));
  document["nan"] = to_json(f, outcome_of(e, detail::exact_nan()));
  document["infinity"] = to_json(f, outcome_of(e, detail::exact_infinity(false)));
  document["negative_infinity"] = to_json(f, outcome_of(e, detail::exact_infinity(true)));
  return document;
}

// ---- text ----------------------------------------------------------------------------------------------------------

using text_rows = std::vector<std::vector<std::string>>;

constexpr const char* no_code = "an error: the format has no code for it";

std::string outcome_text(const number_format& f, const std::optional<outcome>& o, const char* otherwise) {
  return o ? code_text(f, o->code) + "  " + bits_text(f, o->code) + "  " + value_text(o->value) : otherwise;
}

std::vector<std::string> result_row(const explanation& about, std::string name, const element& e) {
  if (!defect(e).empty()) return {std::move(name), "-", "-", "not possible"};
  const std::optional<outcome> got = outcome_of(e, about.x.digits);
  if (!got) return {std::move(name), "-", "-", "no code"};
  std::vector<std::string> row{std::move(name), code_text(e.format, got->code), bits_text(e.format, got->code),
                               value_text(got->value)};
  if (const std::optional<deviation> off = deviation_of(about.x, about.near, got)) {
    row.push_back(number_text(off->error));
    row.push_back(off->relative ? off->relative->first_digits() : "-");
    row.push_back(off->in_ulp ? off->in_ulp->first_digits() : "-");
  }
  return row;
}

void print_results(const explanation& about, const char* what,
                   const std::vector<std::pair<std::string, element>>& list) {
  text_rows rows{{what, "code", "bits", "value"}};
  if (about.x.is_finite()) rows[0].insert(rows[0].end(), {"error", "relative", "in ulp"});
  for (const auto& [name, e] : list) rows.push_back(result_row(about, name, e));
  std::cout << '\n';
  print_columns(rows);
}

void print(const explanation& about) {
  const element& e = about.e;
  const number_format& f = e.format;
  text_rows rows{{"format", to_string(e)}, {"x", about.x_text()}};
  if (about.x.is_finite()) {
    const char* infinite = f.has_infinity() ? "infinity" : "none";
    if (about.near.is_value) rows.push_back({"", "is a value of the format"});
    rows.push_back({"below", outcome_text(f, about.near.below, infinite)});
    rows.push_back({"above", outcome_text(f, about.near.above, infinite)});
  }
  if (is_stochastic(e.rounding)) {
    if (const std::optional<chances> c = chances_of(e, about.x.digits)) {
      const std::uint64_t all = std::uint64_t(1) << c->noise_bits;
      const auto row = [&](const outcome& o, std::uint64_t count) {
        rows.push_back({"gives", outcome_text(f, o, "") + "  for " + std::to_string(count) + " of " +
                                     std::to_string(all) + " noise values"});
      };
      row(c->nearer, all - c->further_count);
      if (c->further_count > 0) row(c->further, c->further_count);
    } else {
      rows.push_back({"gives", no_code});
    }
  } else {
    rows.push_back({"gives", outcome_text(f, outcome_of(e, about.x.digits), no_code)});
  }
  print_columns(rows);

  std::vector<std::pair<std::string, element>> list;
  for (const auto& mode : deterministic_modes()) list.emplace_back(mode.name, with_rounding(e, mode.value));
  print_results(about, "rounding", list);
  if (about.is_beyond) {
    list.clear();
    for (const auto& rule : detail::overflow_words) list.emplace_back(rule.name, about.with_overflow(rule.value));
    print_results(about, "overflow", list);
  }
  std::cout << '\n';
  print_columns({{"NaN becomes", outcome_text(f, outcome_of(e, detail::exact_nan()), no_code)},
                 {"inf becomes", outcome_text(f, outcome_of(e, detail::exact_infinity(false)), "")},
                 {"-inf becomes", outcome_text(f, outcome_of(e, detail::exact_infinity(true)), "")}});
}

element element_of(const std::string& spec) {
  const quantizer q = parse_quantizer(spec);
  if (q.levels > 0 || q.transform_count > 0)
    throw std::invalid_argument("explain: " + spec +
                                " has scales or transforms, which are of an array; explain its "
                                "element, " +
                                to_string(q.elem) + ", or round an array with `binade quantize`");
  return q.elem;
}

}  // namespace

void add_explain_command(CLI::App& program, int& result) {
  struct options {
    std::string spec, value;
    bool as_json = false;
  };
  const auto given = std::make_shared<options>();
  CLI::App* command = program.add_subcommand("explain", "Show what becomes of one number in a format");
  command->add_option("SPEC", given->spec, "a format or element in the text form: e4m3fn, e5m2/rtz/infinity")
      ->required();
  command
      ->add_option(
          "VALUE", given->value,
          "a decimal number (rounded as it stands), a hexadecimal one (0x1.8p3), inf, nan, a code of the format "
          "(0x7e), or the bits of another format (f32:0x3f8ccccd)")
      ->required();
  command->add_flag("--json", given->as_json, "print one JSON document");
  command->footer(
      "What begins with a minus sign and no digit comes behind --: binade explain e5m2 -- -inf\n"
      "Examples:\n"
      "  binade explain e4m3fn 0.3\n"
      "  binade explain e5m2/sr:8 1.1\n"
      "  binade explain e2m1fn f32:0x40b33333 --json");
  command->callback([given, &result] {
    const explanation about(element_of(given->spec), given->value);
    if (given->as_json)
      std::cout << to_json(about).dump(2) << '\n';
    else
      print(about);
    result = exit_code::done;
  });
}

}  // namespace binade::cli
