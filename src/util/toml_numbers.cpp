#include "util/toml_numbers.hpp"

#include <cmath>
#include <string>

#include "report/number_text.hpp"

namespace binade {

std::int64_t read_whole(const toml_section& s, const char* key, std::int64_t low, std::int64_t high,
                        std::optional<std::int64_t> fallback) {
  const std::int64_t value = s.integer(key, fallback);
  if (value < low || value > high)
    s.fail(key, "is " + std::to_string(value) + "; valid is " + std::to_string(low) + ".." + std::to_string(high));
  return value;
}

std::size_t read_size(const toml_section& s, const char* key, std::int64_t low, std::int64_t high,
                      std::optional<std::int64_t> fallback) {
  return static_cast<std::size_t>(read_whole(s, key, low, high, fallback));
}

double read_real(const toml_section& s, const char* key, double low, bound low_bound, double high, bound high_bound,
                 std::optional<double> fallback) {
  const double value = s.number(key, fallback);
  const bool low_fits = low_bound == bound::included ? value >= low : value > low;
  const bool high_fits = high_bound == bound::included ? value <= high : value < high;
  if (low_fits && high_fits) return value;
  std::string valid = (low_bound == bound::included ? "at least " : "more than ") + exact_text(low);
  if (std::isfinite(high))
    valid += (high_bound == bound::included ? " and at most " : " and less than ") + exact_text(high);
  s.fail(key, "is " + exact_text(value) + "; valid is " + valid);
}

double read_positive(const toml_section& s, const char* key, std::optional<double> fallback) {
  return read_real(s, key, 0, bound::excluded, unlimited, bound::included, fallback);
}

}  // namespace binade
