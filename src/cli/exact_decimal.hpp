#pragma once
/// Numbers with all their digits: what decimals and binary numbers both are exactly.

#include <boost/multiprecision/cpp_int.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "binade/exact.hpp"

namespace binade::cli {

/// units * 10^exponent.
class exact_decimal {
 public:
  exact_decimal() = default;
  /// A finite number of a format.
  explicit exact_decimal(const detail::unpacked& x);
  /// digits * 10^ten * 2^two.
  /// @param digits  in base 10 or 16, without sign; may be empty, which is 0
  exact_decimal(bool negative, std::string_view digits, int base, std::int64_t ten, std::int64_t two);

  bool is_zero() const { return units_ == 0; }
  exact_decimal operator-(const exact_decimal& other) const;
  exact_decimal magnitude() const;
  bool operator==(const exact_decimal& other) const { return compare(other) == 0; }
  bool operator<(const exact_decimal& other) const { return compare(other) < 0; }
  bool operator>(const exact_decimal& other) const { return compare(other) > 0; }

  /// this / divisor, cut to so many digits that one rounding to binary64 is that of the quotient.  @pre divisor is not
  /// 0
  exact_decimal over(const exact_decimal& divisor) const;

  /// The nearest binary64 number; infinity where it is beyond, zero where it is below.
  double nearest() const;
  /// The first 128 bits, and whether anything follows.  @pre not 0
  detail::exact leading_digits() const;
  /// All digits; none if they are more than 30.
  std::optional<std::string> text() const;
  /// At most six significant digits, of numbers outside binary64 too.
  std::string first_digits() const;

 private:
  using integer = boost::multiprecision::cpp_int;

  int compare(const exact_decimal& other) const;
  /// Digits of the magnitude without zeros at the end, and the exponent of ten of the first one.
  std::pair<std::string, std::int64_t> scientific() const;
  /// Units where the exponent is this lower one.
  integer units_at(std::int64_t exponent) const;

  integer units_ = 0;
  std::int64_t exponent_ = 0;
};

}  // namespace binade::cli
