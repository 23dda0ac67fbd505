#pragma once
/// Numbers of a TOML table that must lie in a range.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "util/toml_reader.hpp"

namespace binade {

/// A whole number, low <= value <= high.  @throws std::invalid_argument with file, line, key and range
std::int64_t read_whole(const toml_section& s, const char* key, std::int64_t low, std::int64_t high,
                        std::optional<std::int64_t> fallback = {});
/// As read_whole.  @pre low >= 0
std::size_t read_size(const toml_section& s, const char* key, std::int64_t low, std::int64_t high,
                      std::optional<std::int64_t> fallback = {});

/// Whether a limit is a valid value itself.
enum class bound { included, excluded };

inline constexpr double unlimited = std::numeric_limits<double>::infinity();

/// A finite number between the limits.  @throws std::invalid_argument with file, line, key and range
double read_real(const toml_section& s, const char* key, double low, bound low_bound, double high, bound high_bound,
                 std::optional<double> fallback = {});
/// A finite number above 0.  @throws as read_real
double read_positive(const toml_section& s, const char* key, std::optional<double> fallback = {});

}  // namespace binade
