#pragma once
// Reading a text from left to right, with errors that show the place.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "binade/nearest_name.hpp"

namespace binade {

/// A text that is no format, element or quantizer.  what() shows the text, a caret under the position, what is valid
/// there and the nearest known name.
class text_error : public std::invalid_argument {
 public:
  /// @param position  offset in text, 0..text.size()
  /// @param valid     what could stand there; empty: nothing to say
  /// @param nearest   the nearest known name; empty: none
  text_error(std::string_view text, std::size_t position, std::string_view problem, std::string_view valid,
             std::string_view nearest)
      : std::invalid_argument(message(text, position, problem, valid, nearest)),
        text_(text),
        nearest_(nearest),
        position_(position) {}

  const std::string& text() const { return text_; }
  std::size_t position() const { return position_; }
  const std::string& nearest() const { return nearest_; }

 private:
  static std::string message(std::string_view text, std::size_t position, std::string_view problem,
                             std::string_view valid, std::string_view nearest) {
    // The caret must stand under its character: one column per byte, and only what is near it of a long text.
    constexpr std::size_t before = 60, after = 40;
    const std::size_t first = position > before ? position - before : 0;
    std::string shown(text.substr(first, before + after));
    for (char& c : shown) {
      if (c < ' ' || c > '~') c = '?';
    }
    const std::string lead = first > 0 ? "..." : "";
    std::string result(problem);
    result += "\n  " + lead + shown + (first + shown.size() < text.size() ? "..." : "");
    result += "\n  " + std::string(lead.size() + position - first, ' ') + "^";
    if (!valid.empty()) result += "\n  valid here: " + std::string(valid);
    if (!nearest.empty()) result += "\n  nearest known name: " + std::string(nearest);
    return result;
  }

  std::string text_, nearest_;
  std::size_t position_;
};

namespace detail {

/// A word of the text form and what it stands for.
template <class T>
struct text_word {
  std::string_view name;
  T value;
};

template <class Words>
auto find_word(const Words& words, std::string_view name) -> const typename Words::value_type* {
  for (const auto& word : words) {
    if (word.name == name) return &word;
  }
  return nullptr;
}
template <class Words, class T>
std::string_view word_of(const Words& words, T value) {
  for (const auto& word : words) {
    if (word.value == value) return word.name;
  }
  return {};
}
template <class Words>
void add_names(std::vector<std::string_view>& names, const Words& words) {
  for (const auto& word : words) names.push_back(word.name);
}
/// "a, b, c"
inline std::string listed(const std::vector<std::string_view>& names) {
  std::string list;
  for (std::string_view name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// A text and a position in it.  Readers of grammars derive from it: each of their functions reads one rule and leaves
/// the position behind it; finish() refuses what is left.
class text_cursor {
 public:
  explicit text_cursor(std::string_view text) : text_(text), lower_(text) {
    for (char& c : lower_) {
      if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
    }
    constexpr std::size_t longest = 8000;  // a code book of 256 values needs half of it
    if (text.size() > longest) fail(longest, "the text is longer than " + std::to_string(longest) + " characters", "");
  }

  /// @param valid  what could follow
  void finish(std::string_view valid) const {
    if (at_ < text_.size()) fail_missing(at_, "the end of the text", valid, {});
  }

 protected:
  [[noreturn]] void fail_twice(std::size_t at, std::string_view what) const {
    fail(at, std::string(what) + " is given twice", "each at most once");
  }

  /// Something else stands at a place, or the text ends there.
  [[noreturn]] void fail_missing(std::size_t at, std::string_view expected, std::string_view valid,
                                 std::string_view nearest) const {
    std::string found = "the text ends";
    if (at < text_.size()) {
      const char c = text_[at];
      found = c == ' ' || c == '\t' ? std::string("there is a blank (the text form has none)")
              : c < ' ' || c > '~'  ? std::string("there is a character that is not printable ASCII")
                                    : std::string("there is '") + c + "'";
    }
    fail(at, std::string(expected) + " is expected and " + found, valid, nearest);
  }
  [[noreturn]] void fail(std::size_t at, std::string_view problem, std::string_view valid,
                         std::string_view nearest = {}) const {
    throw text_error(text_, at, problem, valid, nearest);
  }

  void once(bool& seen, std::size_t at, std::string_view what) const {
    if (seen) fail_twice(at, what);
    seen = true;
  }

  char peek() const { return at_ < lower_.size() ? lower_[at_] : '\0'; }
  bool take(char c) {
    if (at_ >= lower_.size() || lower_[at_] != c) return false;
    ++at_;
    return true;
  }
  /// The longest run of letters, digits and underscores; empty if there is none.
  std::string_view peek_word() const { return word_at(at_); }
  std::string_view word_at(std::size_t start) const {
    std::size_t end = start;
    while (end < lower_.size() &&
           ((lower_[end] >= 'a' && lower_[end] <= 'z') || is_digit(lower_[end]) || lower_[end] == '_'))
      ++end;
    return std::string_view(lower_).substr(start, end - start);
  }
  std::string_view word() {
    const std::string_view result = peek_word();
    at_ += result.size();
    return result;
  }
  /// A whole number in [low, high].  range: what to call that in an error, if it is not "low to high".
  std::uint64_t number(std::string_view what, std::uint64_t low, std::uint64_t high, std::string range = {}) {
    const std::size_t start = at_;
    const std::string_view digits = word();
    if (range.empty()) range = std::to_string(low) + " to " + std::to_string(high);
    if (digits.empty()) fail_missing(start, what, range, {});
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool whole = end == digits.data() + digits.size() && (digits.size() == 1 || digits[0] != '0');
    if ((!whole && error == std::errc()) || error == std::errc::invalid_argument)
      fail(start, "'" + std::string(digits) + "' is not " + std::string(what) + " (digits, no leading zero)", range);
    if (error != std::errc() || value < low || value > high)
      fail(start, std::string(what) + " of " + std::string(digits) + " is out of range", range);
    return value;
  }
  /// A finite float32, correctly rounded from decimal; positive unless any sign is allowed.
  float real(const std::string& what, bool positive) {
    const std::size_t start = at_;
    while (at_ < lower_.size() && lower_[at_] != ',' && lower_[at_] != ')') ++at_;
    const std::string_view token = std::string_view(lower_).substr(start, at_ - start);
    const std::string valid = std::string(positive ? "a positive finite" : "a finite") +
                              " decimal number that float32 holds, such as 0.25 or 1e-3";
    float value = 0;
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
    if (token.empty()) fail_missing(start, "a number", valid, {});
    if (error == std::errc::result_out_of_range)
      fail(start, what + " of " + std::string(token) + " is outside the range of float32", valid);
    if (error != std::errc() || end != token.data() + token.size())
      fail(start, "'" + std::string(token) + "' is not a number", valid);
    if (!std::isfinite(value) || (positive && !(value > 0)))
      fail(start, what + " must be " + (positive ? "positive and " : "") + "finite, given " + std::string(token),
           valid);
    return value;
  }

  /// The next character is the ':' of a key that belongs to what surrounds the part that is being read.
  bool is_at_outer_key() const {
    return peek() == ':' && std::find(outer_keys_.begin(), outer_keys_.end(), word_at(at_ + 1)) != outer_keys_.end();
  }
  bool take_key_mark() { return !is_at_outer_key() && take(':'); }
  /// @param at     where the key is  @param keys   those that are known there
  template <class Keys>
  [[noreturn]] void fail_unknown_key(std::size_t at, std::string_view key, std::string valid, const Keys& keys) const {
    std::vector<std::string_view> names(keys.begin(), keys.end());
    names.insert(names.end(), outer_keys_.begin(), outer_keys_.end());
    if (!outer_keys_valid_.empty()) valid += ", " + std::string(outer_keys_valid_);
    if (key.empty()) fail_missing(at, "a key of the format", valid, {});
    fail(at, "unknown key '" + std::string(key) + "'", valid, nearest_name(key, names));
  }

  /// Reads ":key" and ":key=value" as long as there are any.  on_key(index of the key) reads what follows the key.
  template <std::size_t Count, class OnKey>
  void read_keys(const std::array<std::string_view, Count>& keys, std::string_view valid, OnKey on_key) {
    std::array<bool, Count> seen{};
    while (take_key_mark()) {
      const std::size_t start = at_;
      const std::string_view key = word();
      const auto which = std::size_t(std::find(keys.begin(), keys.end(), key) - keys.begin());
      if (which == Count) fail_unknown_key(start, key, std::string(valid), keys);
      once(seen[which], start, key);
      on_key(which);
    }
  }
  void take_equals(std::string_view key) {
    if (!take('=')) fail_missing(at_, "'='", std::string(key) + "=...", {});
  }
  template <class Words>
  auto value_of_key(std::string_view key, const Words& words) {
    take_equals(key);
    const std::size_t start = at_;
    const std::string_view value = word();
    if (const auto* found = find_word(words, value)) return found->value;
    std::vector<std::string_view> valid;
    add_names(valid, words);
    fail(start, "unknown value '" + std::string(value) + "' of " + std::string(key), listed(valid),
         nearest_name(value, valid));
  }
  int signed_number(std::string_view what, int limit) {
    const bool negative = take('-');
    const int magnitude =
        int(number(what, 0, std::uint64_t(limit), "-" + std::to_string(limit) + " to " + std::to_string(limit)));
    return negative ? -magnitude : magnitude;
  }

  std::string text_, lower_;
  std::size_t at_ = 0;
  std::vector<std::string_view> outer_keys_ = {};  ///< keys of what surrounds formats and elements
  std::string_view outer_keys_valid_ = {};         ///< how errors list them
};

}  // namespace detail

}  // namespace binade
