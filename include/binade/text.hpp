#pragma once
// The text form of formats, elements and quantizers: parse and print.  docs/text_form.md has the grammar for users.
//
//     parse_quantizer("e4m3fn/sr:8@block(32)")  ->  to_string: the shortest text that parses back equal
//                                                   expanded:  the same with every default spelled out
//
// Names are rows of tables (catalogue.hpp, quantizer.hpp and the words below), never branches.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "binade/catalogue.hpp"
#include "binade/code_book_registry.hpp"
#include "binade/element.hpp"
#include "binade/nearest_name.hpp"
#include "binade/profile.hpp"
#include "binade/quantizer.hpp"

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

// ---- the words -----------------------------------------------------------------------------------------------------

template <class T>
struct text_word {
  std::string_view name;
  T value;
};

inline constexpr std::array rounding_words{
    text_word<rounding_mode>{"rne", rounding_mode::nearest_even},
    text_word<rounding_mode>{"rna", rounding_mode::nearest_away},
    text_word<rounding_mode>{"rtz", rounding_mode::toward_zero},
    text_word<rounding_mode>{"rup", rounding_mode::up},
    text_word<rounding_mode>{"rdn", rounding_mode::down},
    text_word<rounding_mode>{"rto", rounding_mode::to_odd},
    text_word<rounding_mode>{"sr", rounding_mode::stochastic_a},
    text_word<rounding_mode>{"srb", rounding_mode::stochastic_b},
    text_word<rounding_mode>{"src", rounding_mode::stochastic_c},
};
inline constexpr std::array overflow_words{
    text_word<overflow_rule>{"saturate", overflow_rule::saturate},
    text_word<overflow_rule>{"propagate", overflow_rule::propagate},
    text_word<overflow_rule>{"infinity", overflow_rule::infinity},
    text_word<overflow_rule>{"nan", overflow_rule::nan},
    text_word<overflow_rule>{"spec", overflow_rule::spec},
};
inline constexpr std::array subnormal_words{
    text_word<subnormal_rule>{"gradual", subnormal_rule::gradual},
    text_word<subnormal_rule>{"ftz", subnormal_rule::flush_results},
    text_word<subnormal_rule>{"daz", subnormal_rule::flush_inputs},
};
inline constexpr std::array granularity_words{
    text_word<granularity>{"tensor", granularity::tensor}, text_word<granularity>{"row", granularity::row},
    text_word<granularity>{"col", granularity::col},       text_word<granularity>{"block", granularity::tile},
    text_word<granularity>{"tile", granularity::tile},
};
inline constexpr std::array rule_words{
    text_word<scale_rule>{"amax", scale_rule::amax},   text_word<scale_rule>{"floor", scale_rule::floor},
    text_word<scale_rule>{"ceil", scale_rule::ceil},   text_word<scale_rule>{"even", scale_rule::even},
    text_word<scale_rule>{"rceil", scale_rule::rceil},
};
/// How scales call their formats, where that is not to_string().
inline constexpr std::array scale_format_words{text_word<float_format>{"f32", formats::e8m23}};
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

/// Words of the text form whose meaning a later release brings: an error of their own, so that nothing is taken for
/// something else.
struct later_word {
  std::string_view stem;  ///< all letters up to the first digit or sign
  std::string_view what;
};
inline constexpr std::array later_formats{
    later_word{"nvfp", "two levels of scales"},
};
inline constexpr std::array later_transforms{
    later_word{"hadamard", "transforms"},
    later_word{"rht", "transforms"},
    later_word{"expand", "transforms"},
    later_word{"clamp", "transforms"},
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

inline std::vector<std::string_view> format_names() {
  std::vector<std::string_view> names;
  add_names(names, catalogue);
  for (const format_alias& a : aliases) names.push_back(a.alias);
  for (const code_book* book : book_catalogue) names.push_back(book->name);
  return names;
}
inline std::vector<std::string_view> policy_names() {
  std::vector<std::string_view> names;
  add_names(names, rounding_words);
  add_names(names, overflow_words);
  add_names(names, subnormal_words);
  return names;
}

/// Rules and scale formats where nothing is said.  A tile or block is an MX block; a scale that is not a power of two
/// follows from a division, so its rule is amax.
inline scaling default_scaling(granularity per) {
  return per == granularity::tile ? scale_per_tile(1, 1) : scale_per(per);
}
inline scale_rule default_rule(const scaling& s) {
  const bool powers_of_two = s.power_of_two || s.format.precision == 1;
  return s.per == granularity::tile && powers_of_two ? scale_rule::floor : scale_rule::amax;
}

// ---- names made of numbers -----------------------------------------------------------------------------------------

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

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

// ---- parse ---------------------------------------------------------------------------------------------------------

/// Reads one text from left to right.  Each member function reads one rule of the grammar and leaves the position
/// behind it; finish() refuses what is left.
class text_parser {
 public:
  static constexpr std::string_view pow2_word = "pow2", profile_word = "as";

  explicit text_parser(std::string_view text) : text_(text), lower_(text) {
    for (char& c : lower_) {
      if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
    }
    constexpr std::size_t longest = 8000;  // a code book of 256 values needs half of it
    if (text.size() > longest) fail(longest, "the text is longer than " + std::to_string(longest) + " characters", "");
  }

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

  binade::element element() {
    const number_format f = format();
    binade::element e{.format = f};
    std::size_t rounding_at = at_, overflow_at = at_, subnormals_at = at_, profile_at = at_;
    bool has_rounding = false, has_overflow = false, has_subnormals = false, has_profile = false;
    const named_profile* as = nullptr;
    while (take('/')) {
      const std::size_t start = at_;
      const std::string_view name = word();
      if (const auto* mode = find_word(rounding_words, name)) {
        once(has_rounding, start, "a rounding mode");
        e.rounding = mode->value;
        rounding_at = start;
        if (is_stochastic(mode->value) && take(':')) e.noise_bits = int(number("a number of noise bits", 1, 32));
      } else if (const auto* overflow = find_word(overflow_words, name)) {
        once(has_overflow, start, "an overflow rule");
        e.overflow = overflow->value;
        overflow_at = start;
      } else if (const auto* subnormals = find_word(subnormal_words, name)) {
        once(has_subnormals, start, "a rule for subnormals");
        e.subnormals = subnormals->value;
        subnormals_at = start;
      } else if (name == profile_word) {
        once(has_profile, start, "a conversion profile");
        if (!take('=')) fail_missing(at_, "'='", valid_profile(), {});
        profile_at = at_;
        as = profile_name();
      } else {
        const auto valid = policy_names();
        const std::string list = listed(valid) + ", " + valid_profile();
        if (name.empty()) fail_missing(start, "a policy", list, {});
        fail(start, "unknown policy '" + std::string(name) + "'", list, nearest_name(name, valid));
      }
      if (peek() == ':')
        fail(at_, "only sr, srb and src take a number; keys of the format stand before the first '/'", "'/', '@', end");
    }
    if (as) {
      const profile_row& row = row_of(*as, f, profile_at);
      const auto check = [&](bool fits, std::size_t at, std::string_view valid) {
        if (!fits) fail(at, "this contradicts " + std::string(profile_word) + "=" + std::string(as->name), valid);
      };
      const binade::element plain = row.applied_to(f.floating);
      if (!has_rounding) e.rounding = plain.rounding;
      if (!has_overflow) e.overflow = plain.overflow;
      check(row.roundings.has(e.rounding), rounding_at, allowed(rounding_words, row.roundings));
      check(row.overflows.has(e.overflow), overflow_at, allowed(overflow_words, row.overflows));
      check(e.subnormals == plain.subnormals, subnormals_at, word_of(subnormal_words, plain.subnormals));
      e.format = plain.format;
      e.choices = plain.choices;
    }
    if (const std::string_view why = defect(e); !why.empty()) fail(overflow_at, why, "");
    return e;
  }

  binade::quantizer quantizer() {
    const std::size_t start = at_;
    const std::string_view name = peek_word();
    for (const later_word& later : later_transforms) {
      if (later.stem == name) fail_later(start, later.what);
    }
    if (const named_quantizer* named = find_word(quantizer_catalogue, name)) {
      at_ += name.size();
      if (at_ < text_.size()) fail_after_named(*named);
      return named->value;
    }
    in_quantizer_ = true;
    const binade::element e = element();
    if (!take('@')) return unscaled(e);
    const binade::scaling s = scaling();
    if (peek() == '@')
      fail(at_, "this release has one level of scales; a second one comes later", "the end of the text");
    return scaled(e, s);
  }

  binade::scaling scaling() {
    const std::size_t start = at_;
    const std::string_view name = word();
    const auto* per = find_word(granularity_words, name);
    if (!per) {
      std::vector<std::string_view> names;
      add_names(names, granularity_words);
      const std::string valid = "tensor, row, col, block(n), tile(r,c)";
      if (name.empty()) fail_missing(start, "a scaling", valid, {});
      fail(start, "unknown scaling '" + std::string(name) + "'", valid, nearest_name(name, names));
    }
    binade::scaling s = default_scaling(per->value);
    const std::size_t sizes = per->value != granularity::tile ? 0 : name == block_word ? 1 : 2;
    std::vector<std::uint32_t> given_sizes;
    bool has_format = false, has_rule = false;
    std::size_t defect_at = start;
    if (take('(')) {
      do {
        const std::size_t item_at = at_;
        const std::string_view item = peek_word();
        const auto* rule = find_word(rule_words, item);
        if (!item.empty() && is_digit(item[0])) {
          if (given_sizes.size() == sizes) fail(item_at, std::string(name) + " takes " + size_count(sizes), valid_item);
          given_sizes.push_back(std::uint32_t(number("a size", 1, std::numeric_limits<std::uint32_t>::max())));
        } else if (rule || item == static_word || item == delayed_word) {
          once(has_rule, item_at, "a scale rule");
          at_ += item.size();
          if (rule) {
            s.rule = rule->value;
          } else {
            if (item == delayed_word) fail_later(item_at, "delayed scales");
            if (!take('=')) fail_missing(at_, "'='", "static=X, X positive and finite", {});
            s.rule = scale_rule::static_scale;
            defect_at = at_;
            s.static_value = real("a static scale", true);
          }
        } else {
          once(has_format, item_at, "a scale format");
          if (item == pow2_word) {
            at_ += item.size();
            s.power_of_two = true;
            s.format = float_storage;
          } else {
            if (item.empty()) fail_missing(item_at, "an item", valid_item, {});
            if (s.rule != scale_rule::static_scale) defect_at = item_at;
            in_items_ = true;
            const number_format storage = format();
            in_items_ = false;
            if (storage.kind != format_kind::floating)
              fail(item_at, "a scale is stored in a floating-point format", "f32, pow2, e8m0fnu, e4m3fn, ue4m3, ...");
            s.format = storage.floating;
          }
        }
      } while (take(','));
      if (!take(')')) fail_missing(at_, "')'", "',' and one more item, or ')'", {});
    }
    if (given_sizes.size() != sizes)
      fail(at_, std::string(name) + " takes " + size_count(sizes) + ", given " + std::to_string(given_sizes.size()),
           "block(32), tile(128,128)");
    if (sizes > 0) {
      s.tile_rows = sizes == 2 ? given_sizes[0] : 1;
      s.tile_cols = given_sizes.back();
    }
    if (!has_rule) s.rule = default_rule(s);
    if (const std::string_view why = defect(s); !why.empty()) fail(defect_at, why, "");
    return s;
  }

  /// @param valid  what could follow
  void finish(std::string_view valid) const {
    if (at_ < text_.size()) fail_missing(at_, "the end of the text", valid, {});
  }

 private:
  static constexpr std::string_view valid_format =
      "a named format (e4m3fn, e5m2, e8m7, nf4, ...), eXmY, eXmYfn or eXmYfnuz (X 1..11, Y 0..52), "
      "binaryKpP{s|u}{e|f}, "
      "intN, uintN, fixedI.F, ufixedI.F, lnsN, positN, takumN, book(v,v,...)";
  static constexpr std::string_view valid_item =
      "sizes of block and tile, a scale format (f32, pow2, e8m0fnu, any format), a rule (amax, floor, ceil, even, "
      "rceil, static=X)";
  static constexpr std::string_view block_word = "block", static_word = "static", delayed_word = "delayed";

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

  /// Reads ":key" and ":key=value" as long as there are any.  on_key(index of the key) reads what follows the key.
  template <std::size_t Count, class OnKey>
  void read_keys(const std::array<std::string_view, Count>& keys, std::string_view valid, OnKey on_key) {
    std::array<bool, Count> seen{};
    while (take(':')) {
      const std::size_t start = at_;
      const std::string_view key = word();
      const auto which = std::size_t(std::find(keys.begin(), keys.end(), key) - keys.begin());
      if (which == Count) {
        if (key.empty()) fail_missing(start, "a key of the format", valid, {});
        fail(start, "unknown key '" + std::string(key) + "'", valid, nearest_name(key, keys));
      }
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
    while (take(':')) {
      const std::size_t start = at_;
      const std::string_view key = word();
      constexpr std::array<std::string_view, 3> keys{"bias", "specials", "nan"};
      const auto which = std::size_t(std::find(keys.begin(), keys.end(), key) - keys.begin());
      if (which == keys.size()) {
        constexpr std::string_view valid = "bias=B, specials=ieee|nan|none|fnuz, nan=max|zero|opposite_zero";
        if (key.empty()) fail_missing(start, "a key of the format", valid, {});
        fail(start, "unknown key '" + std::string(key) + "'", valid, nearest_name(key, keys));
      }
      if (!take('=')) fail_missing(at_, "'='", std::string(key) + "=...", {});
      const std::size_t value_at = at_;
      if (which == 0) {
        if (options.bias) fail_twice(start, "bias");
        const bool negative = take('-');
        const int magnitude = int(number("a bias", 0, 2200, "-2200 to 2200"));
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

  static std::string valid_profile() {
    std::vector<std::string_view> names;
    add_names(names, profiles);
    return std::string(profile_word) + "= one of " + listed(names);
  }
  const named_profile* profile_name() {
    const std::size_t start = at_;
    const std::string_view name = word();
    std::vector<std::string_view> names;
    add_names(names, profiles);
    if (name.empty()) fail_missing(start, "a conversion profile", listed(names), {});
    const named_profile* known = find_word(profiles, name);
    if (!known)
      fail(start, "unknown conversion profile '" + std::string(name) + "'", listed(names), nearest_name(name, names));
    return known;
  }
  const profile_row& row_of(const named_profile& as, const number_format& f, std::size_t at) const {
    if (f.nan() != nan_code::refuse) fail(at, "the profile says what a NaN becomes: leave out :nan=", "");
    if (const profile_row* row = find_profile_row(as.value, f)) return *row;
    std::vector<std::string_view> names;
    for (const profile_row& row : profile_rows)
      if (row.as == as.value) names.push_back(row.every_p3109 ? "binaryKpP{s|u}{e|f}" : find_format(row.format)->name);
    fail(at, "the profile '" + std::string(as.name) + "' has no conversion to this format", "with " + listed(names));
  }
  template <class Words, class Set>
  static std::string allowed(const Words& words, const Set& set) {
    std::vector<std::string_view> names;
    for (const auto& word : words)
      if (set.has(word.value)) names.push_back(word.name);
    return listed(names);
  }

  void check_split(std::size_t start, const split_name& split) const {
    if (split.exponent_bits < 1 || split.exponent_bits > 11)
      fail(start + 1, std::to_string(split.exponent_bits) + " exponent bits; binary64 must hold every value",
           "1 to 11");
    if (split.trailing_bits > 52)
      fail(start + 1 + lower_.substr(start + 1).find('m') + 1,
           std::to_string(split.trailing_bits) + " trailing significand bits; binary64 must hold every value",
           "0 to 52");
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
    if (exponent_bits > 11)
      fail(start, std::to_string(exponent_bits) + " exponent bits; binary64 must hold every value",
           "K - P up to 11 (signed) or 10 (unsigned)");
    return p3109_format(name.width, name.precision, name.is_signed, name.is_extended);
  }

  [[noreturn]] void fail_unknown_format(std::size_t start, std::string_view name) const {
    const std::string_view stem =
        name.substr(0, std::min(name.size(), name.find_first_not_of("abcdefghijklmnopqrstuvwxyz")));
    for (const later_word& later : later_formats) {
      if (later.stem == stem && stem.size() < name.size()) fail_later(start, later.what);
    }
    std::vector<std::string_view> names = format_names();
    std::string valid(valid_format);
    if (in_quantizer_ && !in_items_) {
      add_names(names, quantizer_catalogue);
      std::vector<std::string_view> quantizers;
      add_names(quantizers, quantizer_catalogue);
      valid += ", or a quantizer by name (" + listed(quantizers) + ")";
    }
    fail(start, "unknown format '" + std::string(name) + "'", valid, nearest_name(name, names));
  }

  [[noreturn]] void fail_later(std::size_t at, std::string_view what) const {
    fail(at, "this release does not have " + std::string(what) + " yet",
         "float formats with rne, rna, rtz, rup, rdn, rto, sr, srb, src and one level of scales");
  }
  [[noreturn]] void fail_after_named(const named_quantizer& named) const;
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

  static std::string size_count(std::size_t sizes) {
    return sizes == 0 ? "no size" : sizes == 1 ? "1 size" : "2 sizes (rows, columns)";
  }

  char peek() const { return at_ < lower_.size() ? lower_[at_] : '\0'; }
  bool take(char c) {
    if (at_ >= lower_.size() || lower_[at_] != c) return false;
    ++at_;
    return true;
  }
  /// The longest run of letters, digits and underscores; empty if there is none.
  std::string_view peek_word() const {
    std::size_t end = at_;
    while (end < lower_.size() &&
           ((lower_[end] >= 'a' && lower_[end] <= 'z') || is_digit(lower_[end]) || lower_[end] == '_'))
      ++end;
    return std::string_view(lower_).substr(at_, end - at_);
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

  std::string text_, lower_;
  std::size_t at_ = 0;
  bool in_quantizer_ = false, in_items_ = false;
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

namespace detail {

inline std::string element_text(const element& e, bool every_choice) {
  if (const std::string_view why = defect(e); !why.empty())
    throw std::invalid_argument("to_string(element): impossible element: " + std::string(why));
  std::string best;
  // What `base` says is left out, unless every choice is asked for.
  const auto offer = [&](const element& base, std::string text, std::string_view profile_name) {
    if (every_choice || e.rounding != base.rounding) {
      text += "/" + std::string(word_of(rounding_words, e.rounding));
      if (is_stochastic(e.rounding) && (every_choice || e.noise_bits != 32)) text += ":" + std::to_string(e.noise_bits);
    }
    if (every_choice || e.overflow != base.overflow) text += "/" + std::string(word_of(overflow_words, e.overflow));
    if (every_choice || e.subnormals != base.subnormals)
      text += "/" + std::string(word_of(subnormal_words, e.subnormals));
    if (!profile_name.empty()) text += "/" + std::string(text_parser::profile_word) + "=" + std::string(profile_name);
    if (best.empty() || text.size() < best.size()) best = text;
  };
  if (e.choices == conversion_choices{}) offer(element{.format = e.format}, to_string(e.format), {});
  if (every_choice && !best.empty()) return best;
  float_format named = e.format.floating;
  named.nan = nan_code::refuse;
  for (const profile_row& row : profile_rows)
    if (row.covers(e)) offer(row.applied_to(named), to_string(named), word_of(profiles, row.as));
  if (best.empty())
    throw std::invalid_argument(
        "to_string(element): these conversion choices have no text form; those of a profile have (profile.hpp)");
  return best;
}

inline std::string scaling_text(const scaling& s, bool every_choice) {
  std::vector<std::string> items;
  std::string text(word_of(granularity_words, s.per));  // of the two words for tiles the first: block
  if (s.per == granularity::tile) {
    if (s.tile_rows != 1) {
      text = "tile";
      items.push_back(std::to_string(s.tile_rows));
    }
    items.push_back(std::to_string(s.tile_cols));
  }
  if (every_choice || s.power_of_two || s.format != default_scaling(s.per).format) {
    std::string format(s.power_of_two ? text_parser::pow2_word : word_of(scale_format_words, s.format));
    items.push_back(format.empty() ? to_string(s.format) : std::move(format));
  }
  if (s.rule == scale_rule::static_scale) {
    items.push_back("static=" + float_text(s.static_value));
  } else if (every_choice || s.rule != default_rule(s)) {
    items.emplace_back(word_of(rule_words, s.rule));
  }
  for (std::size_t i = 0; i < items.size(); ++i) text += (i == 0 ? "(" : ",") + items[i];
  return items.empty() ? text : text + ")";
}

inline std::string quantizer_text(const quantizer& q, bool every_choice) {
  if (const std::string_view why = defect(q); !why.empty())
    throw std::invalid_argument("to_string(quantizer): impossible quantizer: " + std::string(why));
  std::string text = element_text(q.elem, every_choice);
  if (q.levels > 0) text += "@" + scaling_text(q.scalings[0], every_choice);
  return text;
}

inline void text_parser::fail_after_named(const named_quantizer& named) const {
  fail(at_, "'" + std::string(named.name) + "' is a whole quantizer: nothing may follow",
       "the end of the text; to change a part, start from " + quantizer_text(named.value, true));
}

}  // namespace detail

/// The shortest text that parse_element() takes for this value.
/// @throws std::invalid_argument as to_string(float_format), or if no profile has its conversion choices
inline std::string to_string(const element& e) {
  return detail::element_text(e, false);
}
/// Rounding with its noise bits, overflow and subnormals spelled out, and the profile where the choices are not the
/// default ones; parses back equal.
inline std::string expanded(const element& e) {
  return detail::element_text(e, true);
}

/// The name of a named quantizer, else the shortest text that parse_quantizer() takes for this value.
/// @throws std::invalid_argument as to_string(float_format)
inline std::string to_string(const quantizer& q) {
  for (const named_quantizer& named : quantizer_catalogue) {
    if (named.value == q) return std::string(named.name);
  }
  return detail::quantizer_text(q, false);
}
/// Every choice spelled out: the form that is hashed and stored with results.  Parses back equal.
inline std::string expanded(const quantizer& q) {
  return detail::quantizer_text(q, true);
}

/// NAME { ":" key "=" value }, e.g. "e4m3fn", "e5m10", "e2m1:specials=ieee", "binary8p4se", "bf16:bias=100".
/// Any case; no blanks.  @throws text_error
inline number_format parse_format(std::string_view text) {
  detail::text_parser parser(text);
  const number_format f = parser.format();
  parser.finish("':' and a key (bias, specials, nan), or the end of the text");
  return f;
}

/// A format { "/" policy }, e.g. "e4m3fn/sr:8/spec/ftz".  @throws text_error
inline element parse_element(std::string_view text) {
  detail::text_parser parser(text);
  const element e = parser.element();
  parser.finish("'/' and a policy, or the end of the text");
  return e;
}

/// A named quantizer, or an element [ "@" scaling ], e.g. "mxfp4", "e4m3fn@tensor", "e2m1fn/sr@block(32)".
/// @throws text_error
inline quantizer parse_quantizer(std::string_view text) {
  detail::text_parser parser(text);
  const quantizer q = parser.quantizer();
  parser.finish("'/' and a policy, '@' and a scaling, or the end of the text");
  return q;
}

}  // namespace binade
