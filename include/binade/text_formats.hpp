#pragma once
// The text form of formats: their words, the reader and the printer.

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "binade/catalogue.hpp"
#include "binade/code_book_registry.hpp"
#include "binade/number_format.hpp"
#include "binade/text_cursor.hpp"

namespace binade {

namespace detail {

// ---- the words -----------------------------------------------------------------------------------------------------

inline constexpr std::array nan_words{
    text_word<nan_code>{"max", nan_code::max},
    text_word<nan_code>{"zero", nan_code::zero},
    text_word<nan_code>{"opposite_zero", nan_code::opposite_zero},
};

/// What the specials of a split eXmY can be.
struct specials_family {
  std::string_view specials;                 ///< after `:specials=`
  std::string_view suffix;                   ///< after eXmY
  bool has_suffix;                           ///< false: no suffix says this family
  int min_exponent_bits, min_trailing_bits;  ///< where the suffix may be used
  float_format (*make)(int exponent_bits, int trailing_bits);
};
inline constexpr std::array specials_families{
    specials_family{"ieee", "", true, 2, 1, [](int e, int m) { return ieee_format(e, m); }},
    specials_family{"nan", "fn", true, 1, 0, [](int e, int m) { return fn_format(e, m); }},
    specials_family{"none", "", false, 1, 0, [](int e, int m) { return finite_format(e, m); }},
    specials_family{"fnuz", "fnuz", true, 1, 0, [](int e, int m) { return fnuz_format(e, m); }},
};

/// Names that people use for two things.
struct ambiguous_name {
  std::string_view name, first, first_meaning, second, second_meaning;
};
inline constexpr std::array ambiguous_names{
    ambiguous_name{"e2m1", "e2m1fn", "the FP4 of OCP MX, all codes finite", "e2m1:specials=ieee",
                   "infinities and NaN as in IEEE 754"},
    ambiguous_name{"e3m2", "e3m2fn", "the FP6 of OCP MX, all codes finite", "e3m2:specials=ieee",
                   "infinities and NaN as in IEEE 754"},
    ambiguous_name{"e2m3", "e2m3fn", "the FP6 of OCP MX, all codes finite", "e2m3:specials=ieee",
                   "infinities and NaN as in IEEE 754"},
    ambiguous_name{"e8m0", "e8m0fnu", "the scale of OCP MX, unsigned, without zero", "e8m0:specials=none",
                   "signed powers of two and zero"},
};

inline constexpr std::array domain_words{
    text_word<lns_domain>{"log", lns_domain::logarithm},
    text_word<lns_domain>{"linear", lns_domain::linear},
};

/// Names made of a stem and a number.
enum class family : std::uint8_t { integer, unsigned_integer, fixed, unsigned_fixed, lns, posit, takum };
inline constexpr std::array family_words{
    text_word<family>{"int", family::integer}, text_word<family>{"uint", family::unsigned_integer},
    text_word<family>{"fixed", family::fixed}, text_word<family>{"ufixed", family::unsigned_fixed},
    text_word<family>{"lns", family::lns},     text_word<family>{"posit", family::posit},
    text_word<family>{"takum", family::takum},
};
inline constexpr std::string_view book_stem = "book";

inline std::vector<std::string_view> format_names() {
  std::vector<std::string_view> names;
  add_names(names, catalogue);
  for (const format_alias& a : aliases) names.push_back(a.alias);
  for (const code_book* book : book_catalogue) names.push_back(book->name);
  return names;
}

// ---- names made of numbers -----------------------------------------------------------------------------------------

/// The number that starts at text[at]: at least one digit, no leading zero, at most 9 digits; at moves behind it.
inline std::optional<int> take_number(std::string_view text, std::size_t& at) {
  std::size_t end = at;
  int value = 0;
  while (end < text.size() && is_digit(text[end]) && end - at < 9) value = 10 * value + (text[end++] - '0');
  if (end == at || (end < text.size() && is_digit(text[end])) || (text[at] == '0' && end - at > 1)) return {};
  at = end;
  return value;
}

/// eXmY and what follows.
struct split_name {
  int exponent_bits = 0, trailing_bits = 0;
  std::string_view suffix = {};
};
inline std::optional<split_name> match_split(std::string_view name) {
  if (name.empty() || name[0] != 'e') return {};
  std::size_t at = 1;
  const auto x = take_number(name, at);
  if (!x || at >= name.size() || name[at] != 'm') return {};
  const auto y = take_number(name, ++at);
  if (!y) return {};
  return split_name{*x, *y, name.substr(at)};
}

/// binaryKpP{s|u}{e|f}
struct p3109_name {
  int width = 0, precision = 0;
  bool is_signed = true, is_extended = true;
};
inline std::optional<p3109_name> match_p3109(std::string_view name) {
  constexpr std::string_view lead = "binary";
  if (!name.starts_with(lead)) return {};
  std::size_t at = lead.size();
  const auto k = take_number(name, at);
  if (!k || at >= name.size() || name[at] != 'p') return {};
  const auto p = take_number(name, ++at);
  if (!p || name.size() != at + 2) return {};
  const char sign = name[at], domain = name[at + 1];
  if ((sign != 's' && sign != 'u') || (domain != 'e' && domain != 'f')) return {};
  return p3109_name{*k, *p, sign == 's', domain == 'e'};
}

/// A stem and a number: int8, posit16, fixed4 (of fixed4.4).
struct numbered_name {
  family kind;
  int number;
};
inline std::optional<numbered_name> match_family(std::string_view name) {
  const std::size_t letters = std::min(name.size(), name.find_first_not_of("abcdefghijklmnopqrstuvwxyz"));
  const auto* word = find_word(family_words, name.substr(0, letters));
  if (!word) return {};
  std::size_t at = letters;
  const auto n = take_number(name, at);
  if (!n || at != name.size()) return {};
  return numbered_name{word->value, *n};
}

// ---- read ----------------------------------------------------------------------------------------------------------

/// Reads formats.
class format_reader : public text_cursor {
 public:
  using text_cursor::text_cursor;

  number_format format() {
    const std::size_t start = at_;
    const std::string_view name = word();
    if (name.empty()) fail_missing(start, "a format", valid_format, {});
    for (const code_book* book : book_catalogue) {
      if (book->name == name) return book_keys(*book);
    }
    if (name == book_stem && peek() == '(') return book_keys(*written_book(start));
    if (const auto numbered = match_family(name)) return from_family(start, *numbered);
    return floating(start, name);
  }

 protected:
  /// Names that could stand in place of a format, where a format is what is missing, and what they are names of.
  std::vector<std::string_view> other_names_;
  std::string_view other_kind_ = "a quantizer";

 private:
  static constexpr std::string_view valid_format =
      "a named format (e4m3fn, e5m2, e8m7, nf4, ...), eXmY, eXmYfn or eXmYfnuz (X 1..11, Y 0..52), "
      "binaryKpP{s|u}{e|f}, "
      "intN, uintN, fixedI.F, ufixedI.F, lnsN, positN, takumN, book(v,v,...)";

  float_format floating(std::size_t start, std::string_view name) {
    const named_format* entry = find_format(name);
    const std::optional<split_name> split = match_split(entry ? entry->name : name);
    const std::optional<p3109_name> p3109 = match_p3109(name);
    if (!entry && !split && !p3109) fail_unknown_format(start, name);
    const format_options options = read_options();
    float_format f{};
    if (options.specials != nullptr) {
      f = with_specials(start, name, split, options);
    } else if (entry != nullptr) {
      f = entry->format;
    } else if (split) {
      f = from_split(start, name, *split);
    } else if (p3109) {
      f = from_p3109(start, *p3109);
    }
    if (options.bias) f.bias = *options.bias;
    if (options.nan != nan_code::refuse) {
      if (f.has_nan()) fail(options.nan_at, "a choice for NaN is only for formats without a NaN code", "");
      f.nan = options.nan;
    }
    if (const std::string_view why = defect(f); !why.empty())
      fail(options.bias ? options.bias_at : start, "impossible format: " + std::string(why), "");
    return f;
  }

  // ---- the other kinds of formats ----

  template <class Format>
  Format checked(std::size_t start, const Format& f) const {
    if (const std::string_view why = defect(f); !why.empty()) fail(start, "impossible format: " + std::string(why), "");
    return f;
  }

  number_format from_family(std::size_t start, const numbered_name& name) {
    switch (name.kind) {
      case family::integer:
      case family::unsigned_integer:
        return fixed_keys(start, {.width = name.number, .is_signed = name.kind == family::integer});
      case family::fixed:
      case family::unsigned_fixed: {
        if (!take('.')) fail_missing(at_, "'.' and a number of fraction bits", "fixedI.F, e.g. fixed1.6", {});
        const int fraction_bits = int(number("a number of fraction bits", 0, 32));
        const bool is_signed = name.kind == family::fixed;
        return fixed_keys(start, {.width = int(is_signed) + name.number + fraction_bits,
                                  .fraction_bits = fraction_bits,
                                  .is_signed = is_signed});
      }
      case family::lns:
        return lns_keys(start, {.width = name.number});
      case family::posit: {
        tapered_format f = posit_format(name.number);
        read_keys(std::array<std::string_view, 1>{"es"}, "es=0..4", [&](std::size_t) {
          take_equals("es");
          f.exponent_bits = int(number("es", 0, 4));
        });
        return checked(start, f);
      }
      case family::takum:
        break;
    }
    return checked(start, takum_format(name.number));
  }

  fixed_format fixed_keys(std::size_t start, fixed_format f) {
    f.is_symmetric = f.is_signed;
    if (!f.is_signed) {
      read_keys(std::array<std::string_view, 1>{"nan"}, "nan=max|zero",
                [&](std::size_t) { f.nan = value_of_key("nan", nan_words); });
      return checked(start, f);
    }
    bool said = false;
    read_keys(std::array<std::string_view, 3>{"sym", "asym", "nan"}, "sym, asym, nan=max|zero", [&](std::size_t key) {
      if (key == 2) {
        f.nan = value_of_key("nan", nan_words);
        return;
      }
      once(said, at_, "the range (sym or asym)");
      f.is_symmetric = key == 0;
    });
    return checked(start, f);
  }

  lns_format lns_keys(std::size_t start, lns_format f) {
    constexpr std::array<std::string_view, 5> keys{"gamma", "bias", "zero", "nearest", "nan"};
    read_keys(keys, "gamma=G (a power of two), bias=B, zero, nearest=log|linear, nan=max|zero", [&](std::size_t key) {
      if (key == 0) {
        take_equals(keys[key]);
        const std::size_t at = at_;
        const std::uint64_t gamma = number("gamma", 1, 65536);
        if (!std::has_single_bit(gamma)) fail(at, "gamma must be a power of two", "1, 2, 4, 8, ... 65536");
        f.gamma_log2 = std::countr_zero(gamma);
      } else if (key == 1) {
        take_equals(keys[key]);
        f.bias = signed_number("a bias", 1 << 24);
      } else if (key == 2) {
        f.has_zero = true;
      } else if (key == 3) {
        f.domain = value_of_key(keys[key], domain_words);
      } else {
        f.nan = value_of_key(keys[key], nan_words);
      }
    });
    return checked(start, f);
  }

  book_format book_keys(const code_book& book) {
    book_format f = format_of(book);
    read_keys(std::array<std::string_view, 1>{"nan"}, "nan=max|zero",
              [&](std::size_t) { f.nan = value_of_key("nan", nan_words); });
    return f;
  }
  /// book(v,v,...), at the parenthesis.
  const code_book* written_book(std::size_t start) {
    std::vector<float> values;
    take('(');
    do values.push_back(real("a value of a code book", false));
    while (take(','));
    if (!take(')')) fail_missing(at_, "')'", "',' and one more value, or ')'", {});
    if (const std::string_view why = defect(code_book{{}, values, {}}); !why.empty()) fail(start, why, "");
    return intern_code_book(values);
  }

  // ---- floating-point formats ----

  struct format_options {
    std::optional<int> bias = {};
    const specials_family* specials = nullptr;
    nan_code nan = nan_code::refuse;
    std::size_t bias_at = 0, specials_at = 0, nan_at = 0;
  };

  format_options read_options() {
    format_options options;
    while (take_key_mark()) {
      const std::size_t start = at_;
      const std::string_view key = word();
      constexpr std::array<std::string_view, 3> keys{"bias", "specials", "nan"};
      const auto which = std::size_t(std::find(keys.begin(), keys.end(), key) - keys.begin());
      if (which == keys.size())
        fail_unknown_key(start, key, "bias=B, specials=ieee|nan|none|fnuz, nan=max|zero|opposite_zero", keys);
      if (!take('=')) fail_missing(at_, "'='", std::string(key) + "=...", {});
      const std::size_t value_at = at_;
      if (which == 0) {
        if (options.bias) fail_twice(start, "bias");
        const bool negative = take('-');
        const int magnitude = int(number("a bias", 0, widest_exponent, "-65536 to 65536"));
        options.bias = negative ? -magnitude : magnitude;
        options.bias_at = value_at;
      } else {
        const std::string_view value = word();
        std::vector<std::string_view> valid;
        if (which == 1) {
          if (options.specials) fail_twice(start, "specials");
          for (const specials_family& family : specials_families) {
            valid.push_back(family.specials);
            if (family.specials == value) options.specials = &family;
          }
          options.specials_at = start;
          if (options.specials) continue;
        } else {
          if (options.nan != nan_code::refuse) fail_twice(start, "nan");
          options.nan_at = start;
          add_names(valid, nan_words);
          if (const auto* choice = find_word(nan_words, value)) {
            options.nan = choice->value;
            continue;
          }
        }
        fail(value_at, "unknown value '" + std::string(value) + "' of " + std::string(key), listed(valid),
             nearest_name(value, valid));
      }
    }
    return options;
  }

  void check_split(std::size_t start, const split_name& split) const {
    if (split.exponent_bits < 1 || split.exponent_bits > 11)
      fail(start + 1, std::to_string(split.exponent_bits) + " exponent bits; binary64 has 11", "1 to 11");
    if (split.trailing_bits > 52)
      fail(start + 1 + lower_.substr(start + 1).find('m') + 1,
           std::to_string(split.trailing_bits) + " trailing significand bits; binary64 has 52", "0 to 52");
  }

  float_format with_specials(std::size_t start, std::string_view name, const std::optional<split_name>& split,
                             const format_options& options) const {
    if (!split || !split->suffix.empty())
      fail(options.specials_at, "specials= is for names of the form eXmY; '" + std::string(name) + "' has its own", "");
    check_split(start, *split);
    return options.specials->make(split->exponent_bits, split->trailing_bits);
  }

  float_format from_split(std::size_t start, std::string_view name, const split_name& split) const {
    check_split(start, split);
    if (const auto* two = find_word(ambiguous_names, name))
      fail(start, "'" + std::string(name) + "' is used for two formats; say which",
           std::string(two->first) + " (" + std::string(two->first_meaning) + ") or " + std::string(two->second) +
               " (" + std::string(two->second_meaning) + ")",
           two->first);
    for (const specials_family& family : specials_families) {
      if (!family.has_suffix || family.suffix != split.suffix) continue;
      if (split.exponent_bits < family.min_exponent_bits || split.trailing_bits < family.min_trailing_bits)
        fail(start, "'" + std::string(name) + "' would have IEEE specials, which need X >= 2 and Y >= 1",
             std::string(name) + "fn, " + std::string(name) + "fnuz, or " + std::string(name) +
                 ":specials=ieee|nan|none|fnuz, which says it outright");
      return family.make(split.exponent_bits, split.trailing_bits);
    }
    fail_unknown_format(start, name);
  }

  float_format from_p3109(std::size_t start, const p3109_name& name) const {
    const std::string valid = "binaryKpP{s|u}{e|f}, K 3..64, P 1..53, P < K (signed) or P <= K (unsigned)";
    if (name.width < 3 || name.width > 64 || name.precision < 1 || name.precision > 53)
      fail(start, "K or P is out of range", valid);
    const int exponent_bits = name.width - name.precision + int(!name.is_signed);
    if (exponent_bits < 1) fail(start, "the precision P leaves no bit for the exponent", valid);
    if (exponent_bits > 16)
      fail(start, std::to_string(exponent_bits) + " exponent bits are too many",
           "K - P up to 16 (signed) or 15 (unsigned)");
    return p3109_format(name.width, name.precision, name.is_signed, name.is_extended);
  }

  [[noreturn]] void fail_unknown_format(std::size_t start, std::string_view name) const {
    std::vector<std::string_view> names = format_names();
    std::string valid(valid_format);
    if (!other_names_.empty()) {
      names.insert(names.end(), other_names_.begin(), other_names_.end());
      std::vector<std::string_view> stems = other_names_;  // the variants of a name are for those who begin with it
      std::erase_if(stems, [](std::string_view other) { return other.find(':') != other.npos; });
      valid += ", or " + std::string(other_kind_) + " by name (" + listed(stems) + ")";
    }
    fail(start, "unknown format '" + std::string(name) + "'", valid, nearest_name(name, names));
  }
};

}  // namespace detail

// ---- print ---------------------------------------------------------------------------------------------------------

/// The shortest text that parse_format() takes for this value.
/// @throws std::invalid_argument if the format has no text form (a descriptor made by hand) or is impossible
inline std::string to_string(const float_format& f) {
  if (const std::string_view why = defect(f); !why.empty())
    throw std::invalid_argument("to_string(float_format): impossible format: " + std::string(why));
  std::string best;
  // A base serves if it differs in nothing but what `:bias=` and `:nan=` say.
  const auto offer = [&](std::string text, float_format base) {
    if (base.bias != f.bias) text += ":bias=" + std::to_string(f.bias);
    if (f.nan != nan_code::refuse) text += ":nan=" + std::string(detail::word_of(detail::nan_words, f.nan));
    base.bias = f.bias;
    base.nan = f.nan;
    if (base == f && (best.empty() || text.size() < best.size())) best = text;
  };
  for (const named_format& entry : catalogue) offer(std::string(entry.name), entry.format);
  const int e = f.exponent_bits(), m = f.trailing_bits();
  if (f.sat_none) {
    if (f.width >= 3)
      offer("binary" + std::to_string(f.width) + "p" + std::to_string(f.precision) + (f.is_signed ? "s" : "u") +
                (f.has_infinity ? "e" : "f"),
            p3109_format(f.width, f.precision, f.is_signed, f.has_infinity));
  } else if (e <= 11) {
    for (const detail::specials_family& family : detail::specials_families) {
      const std::string split = "e" + std::to_string(e) + "m" + std::to_string(m),
                        name = split + std::string(family.suffix);
      const bool is_taken = find_format(name) != nullptr || detail::find_word(detail::ambiguous_names, name) != nullptr;
      if (family.has_suffix && e >= family.min_exponent_bits && m >= family.min_trailing_bits && !is_taken)
        offer(name, family.make(e, m));
      offer(split + ":specials=" + std::string(family.specials), family.make(e, m));
    }
  }
  if (best.empty())
    throw std::invalid_argument(
        "to_string(float_format): this descriptor has no text form; it differs from every named format, split and "
        "P3109 format in more than bias and NaN choice");
  return best;
}

namespace detail {

inline std::string nan_key(nan_code choice) {
  return choice == nan_code::refuse ? std::string() : ":nan=" + std::string(word_of(nan_words, choice));
}
inline std::string format_text(const float_format& f) {
  return to_string(f);
}
inline std::string format_text(const fixed_format& f) {
  const std::string sign = f.is_signed ? "" : "u", range = f.is_signed && !f.is_symmetric ? ":asym" : "";
  const int integer_bits = f.width - f.fraction_bits - int(f.is_signed);
  if (f.fraction_bits < 0 || integer_bits < 0)
    throw std::invalid_argument(
        "to_string(fixed_format): no text form says a negative number of integer or fraction bits");
  const std::string name = f.fraction_bits == 0
                               ? "int" + std::to_string(f.width)
                               : "fixed" + std::to_string(integer_bits) + "." + std::to_string(f.fraction_bits);
  return sign + name + range + nan_key(f.nan);
}
inline std::string format_text(const lns_format& f) {
  constexpr lns_format usual;
  std::string text = "lns" + std::to_string(f.width);
  if (f.gamma_log2 != usual.gamma_log2) text += ":gamma=" + std::to_string(f.gamma());
  if (f.bias != 0) text += ":bias=" + std::to_string(f.bias);
  if (f.has_zero) text += ":zero";
  if (f.domain != usual.domain) text += ":nearest=" + std::string(word_of(domain_words, f.domain));
  return text + nan_key(f.nan);
}
inline std::string format_text(const tapered_format& f) {
  if (f.kind == tapered_kind::takum) return "takum" + std::to_string(f.width);
  const std::string es = f.exponent_bits == 2 ? "" : ":es=" + std::to_string(f.exponent_bits);
  return "posit" + std::to_string(f.width) + es;
}
inline std::string float_text(float x) {
  std::array<char, 32> digits;
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), x).ptr};
}
inline std::string format_text(const book_format& f) {
  std::string text(f.book->name);
  if (text.empty()) {
    for (const float v : f.book->values) text += (text.empty() ? std::string(book_stem) + "(" : ",") + float_text(v);
    text += ")";
  }
  return text + nan_key(f.nan);
}

}  // namespace detail

/// The shortest text that parse_format() takes for this value.  @throws std::invalid_argument as for float_format
inline std::string to_string(const number_format& f) {
  if (const std::string_view why = defect(f); !why.empty())
    throw std::invalid_argument("to_string(number_format): impossible format: " + std::string(why));
  return f.visit([](const auto& descriptor) { return detail::format_text(descriptor); });
}
/// The same: the name of a format leaves nothing open.
inline std::string expanded(const number_format& f) {
  return to_string(f);
}

/// NAME { ":" key "=" value }, e.g. "e4m3fn", "e5m10", "e2m1:specials=ieee", "binary8p4se", "bf16:bias=100".
/// Any case; no blanks.  @throws text_error
inline number_format parse_format(std::string_view text) {
  detail::format_reader reader(text);
  const number_format f = reader.format();
  reader.finish("':' and a key (bias, specials, nan), or the end of the text");
  return f;
}

}  // namespace binade
