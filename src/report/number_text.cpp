#include "report/number_text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace binade {
namespace {

template <class... Format>
std::string characters(double x, Format... format) {
  std::array<char, 512> buffer;  // fixed notation of the largest double has 309 digits before the point
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), x, format...);
  return error == std::errc() ? std::string(buffer.data(), end) : std::string("-");
}

bool has_digit_above_zero(const std::string& text) {
  return text.find_first_of("123456789") != std::string::npos;
}

}  // namespace

std::string fixed_text(std::optional<double> x, int decimals) {
  if (!x || !std::isfinite(*x)) return "-";
  std::string text = characters(*x, std::chars_format::fixed, decimals);
  if (text.front() == '-' && !has_digit_above_zero(text)) text.erase(0, 1);
  return text;
}

std::string signed_text(std::optional<double> x, int decimals) {
  std::string text = fixed_text(x, decimals);
  return text.front() != '-' && has_digit_above_zero(text) ? "+" + text : text;
}

int decimals_for(double size) {
  int decimals = 3;
  for (double scale = 1e3; decimals < 6 && std::fabs(size) * scale < 10; scale *= 10) ++decimals;
  return decimals;
}

std::string percent_text(std::optional<double> share) {
  if (!share || !std::isfinite(*share)) return "-";
  const double percent = *share * 100;
  if (percent == 0) return "0";
  if (percent < 0.001) return "<0.001";
  return fixed_text(percent, percent < 0.1 ? 3 : percent < 1 ? 2 : percent < 99.95 ? 1 : 0);
}

std::string rate_text(double learning_rate) {
  std::string text = characters(learning_rate, std::chars_format::scientific);
  const std::size_t e = text.find('e');
  if (e == std::string::npos) return text;
  std::string exponent = text.substr(e + 1);
  const bool negative = exponent.front() == '-';
  exponent.erase(0, exponent.find_first_of("123456789"));
  if (exponent.empty() || exponent.find_first_of("123456789") == std::string::npos) return text.substr(0, e);
  return text.substr(0, e) + (negative ? "e-" : "e") + exponent;
}

std::string exact_text(double x) {
  if (std::isnan(x)) return {};
  return characters(x);
}

std::string count_text(double x) {
  constexpr std::array<std::pair<double, const char*>, 4> units{{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}}};
  for (const auto& [size, suffix] : units)
    if (x >= size) {
      const double scaled = x / size;
      return fixed_text(scaled, scaled < 10 ? 2 : scaled < 100 ? 1 : 0) + suffix;
    }
  return fixed_text(x, 0);
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::nearbyint(seconds));
  if (whole < 60) return fixed_text(seconds, seconds < 10 ? 1 : 0) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

std::string counted(std::int64_t n, const std::string& noun) {
  return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
}

}  // namespace binade
