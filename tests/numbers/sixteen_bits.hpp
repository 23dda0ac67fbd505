#pragma once
// All codes of 16-bit formats of every kind as inputs, judged by exact numbers.

#include <array>
#include <limits>
#include <string>
#include <vector>

#include "numbers/arithmetic_judged.hpp"
#include "numbers/other_arithmetic.hpp"
#include "oracle/p3109.hpp"

namespace judged {

/// The value of every code of +-2^((k - bias) / gamma), as the binary32 nearest to the power: by bisection.
inline std::vector<double> logarithmic_values(int width, int gamma, int bias) {
  std::vector<double> significands;
  for (int rest = 0; rest < gamma; ++rest) {
    // The least n with (n + 1/2) / 2^23 >= 2^(rest / gamma).
    std::uint64_t low = (std::uint64_t{1} << 23) - 1, high = std::uint64_t{1} << 24;
    while (high - low > 1) {
      const std::uint64_t n = low + (high - low) / 2;
      const auto middle = oracle::finite_result({2 * n + 1, -24});
      (oracle::against_power(middle, gamma, rest, 0, 0) >= 0 ? high : low) = n;
    }
    significands.push_back(std::ldexp(static_cast<double>(high), -23));
  }
  std::vector<double> values;
  for (std::uint64_t code = 0; code >> width == 0; ++code) {
    const int steps = static_cast<int>(code & ((std::uint64_t{1} << (width - 1)) - 1)) - bias;
    const int octave = (steps - ((steps % gamma + gamma) % gamma)) / gamma;
    const double v = std::ldexp(significands[static_cast<std::size_t>(steps - octave * gamma)], octave);
    values.push_back(code >> (width - 1) != 0 ? -v : v);
  }
  return values;
}

/// Formats of 16 bits that are no floating point, from their definitions.
inline std::vector<oracle::other_form> other_forms_of_16_bits() {
  std::vector<oracle::other_form> all;
  const auto add = [&](std::string text, std::string border) -> oracle::other_form& {
    oracle::other_form f;
    f.name = f.text = std::move(text);
    f.width = 16;
    f.border = std::move(border);
    for (char& c : f.name)
      if (c == ':' || c == '=' || c == '.') c = '_';
    return all.emplace_back(std::move(f));
  };
  const auto integers = [](oracle::other_form& f, double unit, bool is_signed) {
    for (int code = 0; code < 1 << 16; ++code)
      f.values.push_back((is_signed && code >= 1 << 15 ? code - (1 << 16) : code) * unit);
  };
  add("int16", "linear").is_symmetric = true;
  integers(all.back(), 1, true);
  integers(add("int16:asym", "linear"), 1, true);
  integers(add("uint16", "linear"), 1, false);
  add("fixed3.12", "linear").is_symmetric = true;
  integers(all.back(), 0x1p-12, true);
  integers(add("ufixed4.12", "linear"), 0x1p-12, false);
  oracle::other_form& logarithmic = add("lns16:gamma=256:bias=16384", "power");
  logarithmic.gamma = 256;
  logarithmic.bias = 16384;
  logarithmic.values = logarithmic_values(16, 256, 16384);
  for (const int es : {1, 2}) add(es == 2 ? "posit16" : "posit16:es=1", "string").es = es;
  add("takum16", "string").is_takum = true;
  for (oracle::other_form& f : all)
    if (f.border == "string") {
      const std::uint64_t half = f.nan_code();
      f.values.assign(2 * half, 0);
      f.values[half] = std::numeric_limits<double>::quiet_NaN();
      for (std::uint64_t code = 1; code < half; ++code) {
        f.values[code] = oracle::tapered_value(f, code, 15);
        f.values[2 * half - code] = -f.values[code];
      }
    }
  return all;
}

/// Floating-point formats of 16 bits: the catalogue's and some of P3109's.
inline std::vector<named_grid> grids_of_16_bits() {
  std::vector<named_grid> all;
  for (const char* name : {"e5m10", "e8m7", "dlfloat16"}) all.push_back({name, golden().at(name).definition()});
  for (const oracle::p3109_format& member : oracle::p3109_family(16, 16))
    for (const char* name : {"binary16p11se", "binary16p8sf", "binary16p12ue", "binary16p6sf"})
      if (member.name == name) all.push_back({name, member.definition});
  return all;
}

/// Code to code: every code of one format in the narrow formats of every kind, under every rule.
/// @param stride  1: all codes
inline std::uint64_t judge_conversions(const binade::number_format& from,
                                       const std::vector<oracle::exact_result>& numbers, std::uint64_t stride) {
  static const std::vector<oracle::other_ladders> others = [] {
    std::vector<oracle::other_ladders> found;
    for (const oracle::other_form& f : other_forms())
      for (const char* text : {"int8", "uint8", "fixed1.6", "posit8", "takum8", "lns8", "nf4"})
        if (f.text == text) found.emplace_back(f);
    return found;
  }();
  std::uint64_t judged = 0;
  const auto judge = [&](const auto& rules, const auto& element_under, const auto& want_under, const std::string& to) {
    std::vector<binade::element> elements;
    for (const oracle::rule& r : rules) elements.push_back(element_under(r));
    for (std::uint64_t code = 0; code < numbers.size(); code += stride) {
      const auto want = want_under(numbers[code]);
      for (std::size_t i = 0; i < rules.size(); ++i) {
        const std::uint64_t got = binade::convert(elements[i], {from, code});
        ++judged;
        if (got == want(rules[i])) continue;
        ADD_FAILURE() << "code " << code << " to " << to << " " << to_string(rules[i]) << ": got " << got << ", want "
                      << want(rules[i]);
        return;
      }
    }
  };
  for (const char* name : {"e4m3fn", "e5m2", "e4m3fnuz", "e2m1fn", "e8m0fnu", "ue4m3", "binary8p4se", "binary8p3ue"}) {
    const oracle::grid& g = golden().at(name).definition();
    judge(
        deterministic_rules(g), [&](const oracle::rule& r) { return element_of(format_of(g), r); },
        [&](const oracle::exact_result& x) {
          return [&g, x, place = oracle::locate(g, x)](const oracle::rule& r) {
            return oracle::project(g, r, x, place).code;
          };
        },
        name);
  }
  for (const oracle::other_ladders& l : others)
    judge(
        deterministic_rules(l.f), [&](const oracle::rule& r) { return element_of(l.f, r); },
        [&](const oracle::exact_result& x) {
          const bool finite = x.is == oracle::kind::finite || x.is == oracle::kind::zero;
          return [&l, x, place = finite ? locate(l.side(x.negative), x) : oracle::rung{}](const oracle::rule& r) {
            return project(l, r, x, place).code;
          };
        },
        l.f.text);
  return judged;
}

}  // namespace judged
