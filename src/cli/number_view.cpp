#include "cli/number_view.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <iostream>
#include <nlohmann/json.hpp>

#include "report/number_text.hpp"

namespace binade::cli {

std::string code_text(const number_format& f, std::uint64_t code) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), code, 16).ptr;
  const std::string hex(digits.data(), end);
  const std::size_t width = static_cast<std::size_t>((f.width + 3) / 4);
  return "0x" + std::string(width > hex.size() ? width - hex.size() : 0, '0') + hex;
}

std::string bits_text(const number_format& f, std::uint64_t code) {
  std::string text;
  const bool fields = f.kind == format_kind::floating;
  for (int bit = f.width - 1; bit >= 0; --bit) {
    text += (code >> bit & 1) != 0 ? '1' : '0';
    if (fields && bit > 0 && (bit == f.floating.magnitude_bits() || bit == f.floating.trailing_bits())) text += ' ';
  }
  return text;
}

std::optional<double> exact_double_of(const detail::unpacked& x) {
  const double value = detail::nearest_double(x.significand >> 11, x.exponent - 52);
  const detail::unpacked held = detail::unpack(value);
  if (held.is_infinite || held.significand != x.significand || (value != 0 && held.exponent != x.exponent))
    return std::nullopt;
  return x.negative ? -value : value;
}

nlohmann::ordered_json exact_json(const detail::unpacked& x) {
  const std::optional<double> value = exact_double_of(x);
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(power_text(x));
}

std::string power_text(const detail::unpacked& x) {
  const std::string sign = x.negative ? "-" : "";
  if (x.significand == 0) return sign + "0";
  const int zeros = std::countr_zero(x.significand), exponent = x.exponent - 63 + zeros;
  const std::uint64_t odd = x.significand >> zeros;
  if (exponent == 0 || (exponent > 0 && x.exponent < 10 && odd << exponent < 1000))
    return sign + std::to_string(odd << exponent);
  const std::string power = "2^" + std::to_string(exponent);
  return sign + (odd == 1 ? power : std::to_string(odd) + "*" + power);
}

std::string power_text(double x) {
  return power_text(detail::unpack(x));
}

std::string both_texts(const detail::unpacked& x) {
  const std::string power = power_text(x);
  const std::optional<double> value = exact_double_of(x);
  if (!value) return power;
  const std::string decimal = exact_text(*value);
  return decimal == power ? decimal : decimal + " = " + power;
}

std::string short_text(double x) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), x, std::chars_format::general, 6).ptr;
  return {digits.data(), end};
}

void print_columns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::size_t cells = row.size();
    while (cells > 0 && row[cells - 1].empty()) --cells;
    for (std::size_t i = 0; i < cells; ++i) {
      std::cout << row[i];
      if (i + 1 < cells) std::cout << std::string(widths[i] - row[i].size() + 2, ' ');
    }
    std::cout << '\n';
  }
}

}  // namespace binade::cli
