#pragma once
// The descriptor of code books: formats that list their values.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "binade/float_format.hpp"

namespace binade {

/// A list of 2 to 256 values, finite and strictly ascending; code i is entry i.  A book lives as long as the program:
/// formats refer to it, and are equal only if they refer to the same one (intern_code_book() makes one at run time, and
/// gives equal lists the same book).
struct code_book {
  std::string_view name;  ///< lower case; empty for a book that is written out
  std::span<const float> values;
  std::string_view source;

  /// Exponent of the largest power of two that divides every value: they are whole numbers of 2^quantum_exponent.
  constexpr int find_quantum_exponent() const {
    int lowest = 200;
    for (const float v : values) {
      const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(v) & 0x7fffffff, field = magnitude >> 23;
      if (magnitude == 0) continue;
      const std::uint32_t significand = (magnitude & 0x7fffff) | (field != 0 ? 0x800000 : 0);
      const int exponent = int(field != 0 ? field : 1) - 150 + std::countr_zero(significand);
      lowest = exponent < lowest ? exponent : lowest;
    }
    return lowest == 200 ? 0 : lowest;
  }
};

/// A code book as a format.  Nearest means the nearer value, a tie goes to the even code; -0 is no code, and without a
/// zero in the list the two values next to it are neighbours.  Beyond the ends all goes to the end.  No infinities, no
/// NaN.
///
/// A magnitude counts entries from the first one for what is positive, and from the last one for what is negative.
struct book_format {
  const code_book* book = nullptr;
  int quantum_exponent = 0;         ///< book->find_quantum_exponent()
  nan_code nan = nan_code::refuse;  ///< of an encoded NaN: there is no code for it

  bool operator==(const book_format&) const = default;

  static constexpr bool is_signed = true, has_infinity = false, has_zero = false, has_negative_zero = false,
                        sat_none = false, saturates_finite = true;
  BINADE_HD constexpr bool has_nan() const { return false; }
  BINADE_HD constexpr std::uint64_t canonical_nan() const { return 0; }
  BINADE_HD constexpr std::uint64_t infinity_code() const { return 0; }
  BINADE_HD constexpr std::uint64_t last() const { return book->values.size() - 1; }
  BINADE_HD constexpr int width() const { return 64 - detail::leading_zeros(last()); }
  BINADE_HD constexpr std::uint64_t max_magnitude(bool) const { return last(); }
  BINADE_HD constexpr std::uint64_t subnormals_end() const { return 0; }
  BINADE_HD constexpr std::uint64_t compose(bool negative, std::uint64_t magnitude) const {
    return negative ? last() - magnitude : magnitude;
  }
  /// The entry next to zero: the last one that is not above it, or the first.
  BINADE_HD constexpr std::uint64_t zero_code() const {
    std::uint64_t code = 0;
    while (code < last() && book->values[code + 1] <= 0) ++code;
    return code;
  }
  BINADE_HD constexpr double value_of_code(std::uint64_t code) const {
    return code <= last() ? double(book->values[code]) : std::numeric_limits<double>::quiet_NaN();
  }
  /// Entry i in quanta.
  BINADE_HD constexpr std::int64_t quanta(std::uint64_t i) const {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(book->values[i]), field = bits >> 23 & 0xff;
    const std::int64_t significand = std::int64_t((bits & 0x7fffff) | (field != 0 ? 0x800000 : 0));
    if (significand == 0) return 0;
    const int shift = int(field != 0 ? field : 1) - 150 - quantum_exponent;
    const std::int64_t magnitude = shift >= 0 ? significand << shift : significand >> -shift;
    return bits >> 31 != 0 ? -magnitude : magnitude;
  }
};

/// Why a list cannot be a code book; empty if it can.
constexpr std::string_view defect(const code_book& book) {
  if (book.values.size() < 2 || book.values.size() > 256) return "a code book has 2 to 256 values";
  const float largest = -book.values.front() > book.values.back() ? -book.values.front() : book.values.back();
  for (std::size_t i = 0; i < book.values.size(); ++i) {
    if (!(book.values[i] - book.values[i] == 0)) return "the values of a code book are finite";
    if (i > 0 && !(book.values[i - 1] < book.values[i])) return "the values of a code book ascend strictly";
  }
  if (largest != 0 && detail::floor_log2_of(double(largest)) - book.find_quantum_exponent() > 60)
    return "the values of a code book are whole numbers, below 2^61, of one power of two";
  return {};
}
constexpr std::string_view defect(const book_format& f) {
  if (f.book == nullptr) return "a code book format needs a book";
  if (const std::string_view why = defect(*f.book); !why.empty()) return why;
  return f.quantum_exponent == f.book->find_quantum_exponent() ? "" : "the quantum is not that of the book";
}

/// The format of a code book.  The book must outlive it.  @pre defect(book) is empty
constexpr book_format format_of(const code_book& book) {
  return {.book = &book, .quantum_exponent = book.find_quantum_exponent()};
}

namespace books {

/// The 16 levels of NormalFloat4 as bitsandbytes has them in binary32.  (Dettmers et al., QLoRA, arXiv:2305.14314)
inline constexpr std::array<float, 16> nf4_values{-1.0f,
                                                  -0.6961928009986877f,
                                                  -0.5250730514526367f,
                                                  -0.39491748809814453f,
                                                  -0.28444138169288635f,
                                                  -0.18477343022823334f,
                                                  -0.09105003625154495f,
                                                  0.0f,
                                                  0.07958029955625534f,
                                                  0.16093020141124725f,
                                                  0.24611230194568634f,
                                                  0.33791524171829224f,
                                                  0.44070982933044434f,
                                                  0.5626170039176941f,
                                                  0.7229568362236023f,
                                                  1.0f};
/// 4-bit NormalFloat: quantiles of a normal distribution, the largest scaled to 1.  The table as bitsandbytes ships it.
inline constexpr code_book nf4{"nf4", nf4_values, "Dettmers et al., QLoRA, arXiv:2305.14314"};

}  // namespace books

/// Every named code book.
inline constexpr std::array<const code_book*, 1> book_catalogue{&books::nf4};

}  // namespace binade
