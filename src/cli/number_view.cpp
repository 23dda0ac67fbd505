#include "cli/number_view.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <iostream>

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

std::string power_text(double x) {
  if (x == 0) return std::signbit(x) ? "-0" : "0";
  int exponent = 0;
  double significand = std::frexp(x, &exponent);
  while (significand != std::floor(significand)) {
    significand *= 2;
    --exponent;
  }
  if (exponent == 0 || (exponent > 0 && std::fabs(x) < 1000)) return exact_text(x);
  const std::string power = "2^" + std::to_string(exponent);
  if (std::fabs(significand) == 1) return (x < 0 ? "-" : "") + power;
  return exact_text(significand) + "*" + power;
}

std::string both_texts(double x) {
  const std::string decimal = exact_text(x), power = power_text(x);
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
