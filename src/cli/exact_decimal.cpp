#include "cli/exact_decimal.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <system_error>
#include <utility>

#include "binade/interop/multiprecision.hpp"
#include "cli/number_view.hpp"

namespace binade::cli {
namespace {

constexpr std::size_t most_digits = 30;

boost::multiprecision::cpp_int power(int base, std::int64_t exponent) {
  boost::multiprecision::cpp_int result = 1;
  for (std::int64_t i = 0; i < exponent; ++i) result *= base;
  return result;
}

}  // namespace

exact_decimal::exact_decimal(const detail::unpacked& u) {
  if (u.significand == 0) return;
  const int trailing = std::countr_zero(u.significand);
  *this = exact_decimal(u.negative, std::to_string(u.significand >> trailing), 10, 0, u.exponent - 63 + trailing);
}

exact_decimal::exact_decimal(bool negative, std::string_view digits, int base, std::int64_t ten, std::int64_t two)
    : exponent_(ten) {
  for (const char c : digits) {
    const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    units_ = units_ * base + digit;
  }
  if (negative) units_ = -units_;
  // 2^-n = 5^n 10^-n.
  units_ *= two < 0 ? power(5, -two) : power(2, two);
  if (two < 0) exponent_ += two;
}

exact_decimal::integer exact_decimal::units_at(std::int64_t exponent) const {
  return units_ * power(10, exponent_ - exponent);
}

exact_decimal exact_decimal::operator-(const exact_decimal& other) const {
  exact_decimal result;
  result.exponent_ = std::min(exponent_, other.exponent_);
  result.units_ = units_at(result.exponent_) - other.units_at(result.exponent_);
  return result;
}

exact_decimal exact_decimal::magnitude() const {
  exact_decimal result = *this;
  if (units_ < 0) result.units_ = -units_;
  return result;
}

int exact_decimal::compare(const exact_decimal& other) const {
  const exact_decimal difference = *this - other;
  return difference.units_ < 0 ? -1 : difference.units_ > 0 ? 1 : 0;
}

exact_decimal exact_decimal::over(const exact_decimal& divisor) const {
  // 60 digits and, where something is left, one more that is not zero: binary64 has 17, and ties of it are not that
  // long unless something is left.
  const std::int64_t shift =
      std::max<std::int64_t>(0, 60 + std::int64_t(divisor.units_.str().size()) - std::int64_t(units_.str().size()));
  const integer dividend = units_ * power(10, shift);
  exact_decimal result;
  result.units_ = dividend / divisor.units_ * 10;
  if (dividend % divisor.units_ != 0) result.units_ += (units_ < 0) == (divisor.units_ < 0) ? 1 : -1;
  result.exponent_ = exponent_ - divisor.exponent_ - shift - 1;
  return result;
}

std::pair<std::string, std::int64_t> exact_decimal::scientific() const {
  std::string digits = magnitude().units_.str();
  const std::int64_t exponent = std::int64_t(digits.size()) - 1 + exponent_;
  digits.erase(std::max<std::size_t>(1, digits.find_last_not_of('0') + 1));
  return {std::move(digits), exponent};
}

double exact_decimal::nearest() const {
  const std::string text = magnitude().units_.str() + "e" + std::to_string(exponent_);
  double value = 0;
  const std::errc error = std::from_chars(text.data(), text.data() + text.size(), value).ec;
  if (error == std::errc::result_out_of_range)
    value = scientific().second > 0 ? std::numeric_limits<double>::infinity() : 0;
  return units_ < 0 ? -value : value;
}

detail::exact exact_decimal::leading_digits() const {
  integer numerator = magnitude().units_, denominator = 1;
  (exponent_ < 0 ? denominator : numerator) *= power(10, std::abs(exponent_));
  return detail::exact_ratio(units_ < 0, numerator, denominator);
}

std::optional<std::string> exact_decimal::text() const {
  if (is_zero()) return "0";
  auto [digits, exponent] = scientific();
  if (digits.size() > most_digits) return std::nullopt;
  const std::string sign = units_ < 0 ? "-" : "";
  const auto count = std::int64_t(digits.size());
  if (exponent < -5 || exponent > 20) {
    if (count > 1) digits.insert(1, 1, '.');
    return sign + digits + "e" + std::to_string(exponent);
  }
  if (exponent < 0) return sign + "0." + std::string(std::size_t(-exponent - 1), '0') + digits;
  if (count <= exponent + 1) return sign + digits + std::string(std::size_t(exponent + 1 - count), '0');
  return sign + digits.insert(std::size_t(exponent + 1), 1, '.');
}

std::string exact_decimal::first_digits() const {
  const double near = nearest();
  if (std::isfinite(near) && (near != 0 || is_zero())) return short_text(near);
  const auto [digits, exponent] = scientific();
  return (units_ < 0 ? "-" : "") + digits.substr(0, 1) + (digits.size() > 1 ? "." + digits.substr(1, 5) : "") + "e" +
         std::to_string(exponent);
}

}  // namespace binade::cli
