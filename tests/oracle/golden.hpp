#pragma once
// Reads the golden tables of tests/golden/; the README there describes the lines.

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "oracle/grid.hpp"

namespace oracle {

struct golden_value {
  std::uint64_t code;
  double value;  ///< exact: every value of a format is a binary64 number
};

struct golden_table {
  std::string name, source, policy;
  int sign_bits = 0, exponent_bits = 0, trailing_bits = 0, bias = 0;
  golden_value max{}, min_normal{};
  std::optional<golden_value> min_subnormal;
  std::uint64_t finite = 0, nans = 0;
  std::vector<std::uint64_t> infinity;  ///< positive first
  std::optional<std::uint64_t> negative_zero;
  std::vector<golden_value> codes;  ///< in order of code

  int bits() const { return sign_bits + exponent_bits + trailing_bits; }

  /// What the layout, bias and policy mean in the oracle's terms.
  grid definition() const {
    grid g{.width = bits(),
           .precision = trailing_bits + 1,
           .bias = bias,
           .is_signed = sign_bits == 1,
           .has_negative_zero = sign_bits == 1};
    if (policy == "ieee") {
      g.has_infinity = true;
      g.high_nans = (std::uint64_t{1} << trailing_bits) - 1;
    } else if (policy == "fn") {
      g.high_nans = 1;
    } else if (policy == "fnuz") {
      g.has_negative_zero = false;
    } else if (policy == "fnu") {
      g.high_nans = 1;
      g.has_zero = g.has_subnormals = g.has_negative_zero = false;
    } else if (policy == "powers") {
      g.has_zero = g.has_subnormals = g.has_negative_zero = false;
    } else if (policy == "merged") {
      g.high_nans = 1;
      g.has_subnormals = false;
    } else if (policy.starts_with("p3109")) {
      g.has_negative_zero = false;
      g.high_nans = g.is_signed ? 0 : 1;
      g.has_infinity = policy.back() == 'e';
      g.sat_none = true;
    } else if (policy != "none") {
      throw std::runtime_error("golden table " + name + ": unknown policy " + policy);
    }
    return g;
  }
};

/// 0, -0, inf, -inf, nan or NpE.
inline double golden_number(const std::string& text) {
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (text == "0") return 0.0;
  if (text == "-0") return -0.0;
  const auto p = text.find('p');
  if (p == std::string::npos) throw std::runtime_error("golden number " + text);
  return std::ldexp(static_cast<double>(std::stoll(text.substr(0, p))), std::stoi(text.substr(p + 1)));
}

inline golden_table read_golden_table(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  golden_table t;
  const auto code = [](const std::string& text) { return std::stoull(text, nullptr, 16); };
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    std::string key, word;
    words >> key;
    const auto code_and_value = [&] {
      std::string c, v;
      words >> c >> v;
      return golden_value{code(c), golden_number(v)};
    };
    if (key == "name") {
      words >> t.name;
    } else if (key == "source") {
      std::getline(words >> std::ws, t.source);
    } else if (key == "policy") {
      words >> t.policy;
    } else if (key == "layout") {
      char slash = 0;
      words >> t.sign_bits >> slash >> t.exponent_bits >> slash >> t.trailing_bits;
    } else if (key == "bias") {
      words >> t.bias;
    } else if (key == "max") {
      t.max = code_and_value();
    } else if (key == "min_normal") {
      t.min_normal = code_and_value();
    } else if (key == "min_subnormal") {
      if (!line.ends_with("none")) t.min_subnormal = code_and_value();
    } else if (key == "finite") {
      words >> t.finite;
    } else if (key == "nans") {
      words >> t.nans;
    } else if (key == "infinity") {
      while (words >> word)
        if (word != "none") t.infinity.push_back(code(word));
    } else if (key == "negative_zero") {
      words >> word;
      if (word != "none") t.negative_zero = code(word);
    } else if (key == "codes") {
      words >> word;
      for (std::uint64_t c = code(word); words >> word; ++c) t.codes.push_back({c, golden_number(word)});
    } else {
      throw std::runtime_error("golden table " + path.string() + ": unknown line " + line);
    }
  }
  return t;
}

/// Every golden table by name.
inline std::map<std::string, golden_table> golden_tables(const std::filesystem::path& folder) {
  std::map<std::string, golden_table> tables;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".txt") continue;
    golden_table t = read_golden_table(entry.path());
    if (t.name != entry.path().stem() || t.codes.empty())
      throw std::runtime_error("golden table " + entry.path().string() + " is damaged");
    tables.emplace(t.name, std::move(t));
  }
  if (tables.empty()) throw std::runtime_error("no golden tables in " + folder.string());
  return tables;
}

}  // namespace oracle
