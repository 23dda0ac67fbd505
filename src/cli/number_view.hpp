#pragma once
/// Codes and values as the commands show them.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "binade/codec.hpp"

namespace binade::cli {

/// A code in hexadecimal, as many digits as the format has: 0x7e.
std::string code_text(const number_format& f, std::uint64_t code);
/// The bits of a code; of a floating-point one sign, exponent field and trailing significand field with a blank
/// between.
std::string bits_text(const number_format& f, std::uint64_t code);

/// The finite number as a double; none where double does not hold it.
std::optional<double> exact_double_of(const detail::unpacked& x);

/// The finite number for JSON: a number, or a text such as "2^-16382" where double does not hold it.
nlohmann::ordered_json exact_json(const detail::unpacked& x);

/// "7*2^13": a finite value as an odd whole number times a power of two; whole numbers below 1000 as they are.
std::string power_text(const detail::unpacked& x);
std::string power_text(double x);
/// "448" or "0.015625 = 2^-6"; as a power alone where double does not hold it.
std::string both_texts(const detail::unpacked& x);
/// At most six significant digits.
std::string short_text(double x);

/// Prints rows on standard output as columns, all but the last padded to the widest cell; empty cells at the end are
/// left out.
void print_columns(const std::vector<std::vector<std::string>>& rows);

}  // namespace binade::cli
