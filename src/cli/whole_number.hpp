#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <limits>
#include <string>

namespace binade::cli {

/// Takes decimal digits of a number up to `most`, and nothing else.  CLI11 takes -1 for 2^64 - 1, and so all that is
/// larger.
inline CLI::Validator whole_number(std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
  return {[most](const std::string& text) {
            std::uint64_t value = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
            if (error == std::errc() && end == text.data() + text.size() && value <= most) return std::string();
            return "'" + text + "' is no whole number from 0 to " + std::to_string(most);
          },
          ""};
}

}  // namespace binade::cli
