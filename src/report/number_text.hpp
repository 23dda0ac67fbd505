#pragma once
/// Numbers as people read them.  Independent of the locale.  A value that is not finite or not known prints as "-":
/// a report says in words what it does not know and never shows NaN.

#include <cstdint>
#include <optional>
#include <string>

namespace binade {

/// Fixed point with `decimals` digits after the point: 3.142, -0.050 ("-0.000" prints as 0.000).
std::string fixed_text(std::optional<double> x, int decimals = 3);

/// fixed_text with a sign in front of positive values too: +0.031.
std::string signed_text(std::optional<double> x, int decimals = 3);

/// Digits after the point that show `size` (a difference, a half width) with at least two significant digits: 3 to 6.
int decimals_for(double size);

/// A share in percent, with the digits that matter: 0, <0.001, 0.012, 3.4, 57.
std::string percent_text(std::optional<double> share);

/// A learning rate: 3e-3, 2.5e-4, 1.
std::string rate_text(double learning_rate);

/// Shortest text that parses back to the same double; empty for NaN, "inf" and "-inf" for infinities.
std::string exact_text(double x);

/// 1234567 as 1.23M: three significant digits.
std::string count_text(double x);

/// A duration: 8 s, 2 min 5 s, 3 h 20 min.
std::string duration_text(double seconds);

/// "1 seed", "2 seeds".
std::string counted(std::int64_t n, const std::string& noun);

}  // namespace binade
