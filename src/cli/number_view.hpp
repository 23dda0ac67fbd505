#pragma once
/// Codes and values as the commands show them.

#include <cstdint>
#include <string>
#include <vector>

#include "binade/number_format.hpp"

namespace binade::cli {

/// A code in hexadecimal, as many digits as the format has: 0x7e.
std::string code_text(const number_format& f, std::uint64_t code);
/// The bits of a code; of a floating-point one sign, exponent field and trailing significand field with a blank
/// between.
std::string bits_text(const number_format& f, std::uint64_t code);

/// "7*2^13": a finite value as an odd whole number times a power of two; whole numbers below 1000 as they are.
std::string power_text(double x);
/// "448" or "0.015625 = 2^-6"
std::string both_texts(double x);
/// At most six significant digits.
std::string short_text(double x);

/// Prints rows on standard output as columns, all but the last padded to the widest cell; empty cells at the end are
/// left out.
void print_columns(const std::vector<std::vector<std::string>>& rows);

}  // namespace binade::cli
