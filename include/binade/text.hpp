#pragma once
// The text form of formats, elements and quantizers: parse and print.  docs/text_form.md has the grammar for users.
//
//     parse_quantizer("e4m3fn/sr:8@block(32)")  ->  to_string: the shortest text that parses back equal
//                                                   expanded:  the same with every default spelled out
//
// Names are rows of tables (catalogue.hpp, quantizer_catalogue.hpp and the words of each part), never branches.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "binade/element.hpp"
#include "binade/profile.hpp"
#include "binade/quantizer.hpp"
#include "binade/quantizer_catalogue.hpp"
#include "binade/text_formats.hpp"

namespace binade {

namespace detail {

// ---- the words -----------------------------------------------------------------------------------------------------

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
    text_word<scale_rule>{"rceil", scale_rule::rceil}, text_word<scale_rule>{"nearest", scale_rule::nearest},
    text_word<scale_rule>{"exact", scale_rule::exact}, text_word<scale_rule>{"4over6", scale_rule::four_over_six},
};
inline constexpr std::array nan_rule_words{
    text_word<special_rule>{"element", special_rule::element},
    text_word<special_rule>{"group", special_rule::group},
};
inline constexpr std::array infinity_rule_words{
    text_word<special_rule>{"element", special_rule::element},
    text_word<special_rule>{"group", special_rule::group},
    text_word<special_rule>{"largest", special_rule::largest},
};
inline constexpr std::array zero_rule_words{
    text_word<zero_rule>{"one", zero_rule::one},
    text_word<zero_rule>{"lowest", zero_rule::lowest},
    text_word<zero_rule>{"zero", zero_rule::zero},
};
inline constexpr std::array order_words{
    text_word<operation_order>{"standard", operation_order::standard},
    text_word<operation_order>{"reciprocal", operation_order::reciprocal},
    text_word<operation_order>{"te", operation_order::transformer_engine},
    text_word<operation_order>{"torchao", operation_order::torchao},
};
inline constexpr std::array transform_words{
    text_word<transform_kind>{"hadamard", transform_kind::hadamard},
    text_word<transform_kind>{"rht", transform_kind::random_hadamard},
    text_word<transform_kind>{"expand", transform_kind::expand},
    text_word<transform_kind>{"clamp", transform_kind::clamp},
};
/// How scales call their formats, where that is not to_string().
inline constexpr std::array scale_format_words{text_word<float_format>{"f32", formats::e8m23}};

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

// ---- read ----------------------------------------------------------------------------------------------------------

/// Reads elements and quantizers.
class quantizer_reader : public format_reader {
 public:
  static constexpr std::string_view pow2_word = "pow2", profile_word = "as";

  using format_reader::format_reader;

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
        if (is_stochastic(mode->value) && take_key_mark()) e.noise_bits = int(number("a number of noise bits", 1, 32));
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
      if (peek() == ':' && outer_keys_.empty())
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
    add_names(other_names_, quantizer_catalogue);
    binade::quantizer q = unscaled({float_storage});
    std::array<transform, 4> transforms;
    int count = 0;
    std::size_t start = at_;
    while (const auto* kind = find_word(transform_words, peek_word())) {
      if (count == int(transforms.size())) fail(at_, "a quantizer has at most four transforms", "an element");
      transforms[std::size_t(count++)] = transform_of(kind->value);
      if (!take('+')) fail_missing(at_, "'+'", "'+' and one more transform, an element or a named quantizer", {});
      start = at_;
    }
    if (const named_quantizer* named = named_one()) {
      q = named->value;
    } else {
      q.elem = element();
      for (std::size_t level_at = at_; take('@'); level_at = at_) {
        if (q.levels == int(q.scalings.size())) fail(level_at, "there are at most two levels of scales", "the end");
        q.scalings[std::size_t(q.levels++)] = scaling(q);
      }
    }
    q.transform_count = count;
    q.transforms = transforms;
    if (const std::string_view why = defect(q); !why.empty()) fail(start, why, "");
    return q;
  }

  /// @param q  receives an operation order, which is said among the items of the outermost scaling
  binade::scaling scaling(binade::quantizer& q) {
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
    bool has_format = false, has_rule = false, has_history = false, has_margin = false;
    std::array<bool, scaling_keys.size()> has_key{};
    std::size_t defect_at = start;
    if (take('(')) {
      do {
        const std::size_t item_at = at_;
        const std::string_view item = peek_word();
        const auto* rule = find_word(rule_words, item);
        const auto key = std::size_t(std::find(scaling_keys.begin(), scaling_keys.end(), item) - scaling_keys.begin());
        if (!item.empty() && is_digit(item[0]) && !rule) {
          if (given_sizes.size() == sizes) fail(item_at, std::string(name) + " takes " + size_count(sizes), valid_item);
          given_sizes.push_back(std::uint32_t(number("a size", 1, std::numeric_limits<std::uint32_t>::max())));
        } else if (rule || item == static_word) {
          once(has_rule, item_at, "a scale rule");
          at_ += item.size();
          if (rule) {
            s.rule = rule->value;
          } else {
            if (!take('=')) fail_missing(at_, "'='", "static=X, X positive and finite", {});
            s.rule = scale_rule::static_scale;
            defect_at = at_;
            s.static_value = real("a static scale", true);
          }
        } else if (item == delayed_word) {
          once(has_history, item_at, item);
          at_ += item.size();
          take_equals(delayed_word);
          defect_at = item_at;
          s.history = std::uint32_t(number("a length of the history", 1, 1 << 20));
        } else if (item == margin_word) {
          once(has_margin, item_at, item);
          at_ += item.size();
          take_equals(margin_word);
          defect_at = item_at;
          s.margin = std::uint32_t(number("a margin", 0, 64));
        } else if (key < scaling_keys.size()) {
          once(has_key[key], item_at, item);
          at_ += item.size();
          if (key > 0) defect_at = item_at;
          read_scaling_key(key, s, q);
        } else {
          once(has_format, item_at, "a scale format");
          if (item == pow2_word) {
            at_ += item.size();
            s.power_of_two = true;
            s.format = float_storage;
          } else {
            if (item.empty()) fail_missing(item_at, "an item", valid_item, {});
            if (s.rule != scale_rule::static_scale) defect_at = item_at;
            const std::vector<std::string_view> others = std::exchange(other_names_, {});
            const number_format storage = format();
            other_names_ = others;
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

 private:
  static constexpr std::string_view valid_item =
      "sizes of block and tile, a scale format (f32, pow2, e8m0fnu, any format), a rule (amax, exact, nearest, floor, "
      "ceil, even, rceil, 4over6, static=X), delayed=N, margin=M, min=X, nan=element|group, inf=element|group|largest, "
      "zero=one|lowest|zero, order=standard|reciprocal|te|torchao";
  static constexpr std::string_view block_word = "block", static_word = "static", delayed_word = "delayed",
                                    margin_word = "margin";
  static constexpr std::array<std::string_view, 5> scaling_keys{"min", "nan", "inf", "zero", "order"};

  void read_scaling_key(std::size_t key, binade::scaling& s, binade::quantizer& q) {
    const std::size_t at = at_;
    switch (key) {
      case 0:
        take_equals(scaling_keys[key]);
        s.least_amax = real("a least amax", true);
        return;
      case 1:
        s.nan = value_of_key(scaling_keys[key], nan_rule_words);
        return;
      case 2:
        s.infinity = value_of_key(scaling_keys[key], infinity_rule_words);
        return;
      case 3:
        s.zero = value_of_key(scaling_keys[key], zero_rule_words);
        return;
      default:
        if (q.order != operation_order::standard) fail_twice(at, "the order");
        q.order = value_of_key(scaling_keys[key], order_words);
    }
  }

  /// A transform and its numbers, up to the ')'.
  transform transform_of(transform_kind kind) {
    const std::size_t start = at_;
    const std::string_view name = word();
    transform t{.kind = kind};
    if (!take('(')) fail_missing(at_, "'('", "hadamard(n), rht(n,seed), expand(n), clamp(q)", {});
    constexpr auto most = std::numeric_limits<std::uint32_t>::max();
    switch (kind) {
      case transform_kind::hadamard:
        t.block = std::uint32_t(number("a block size", 1, most));
        break;
      case transform_kind::random_hadamard:
        t.block = std::uint32_t(number("a block size", 1, most));
        if (!take(',')) fail_missing(at_, "','", "',' and a seed: rht(n,seed)", {});
        t.seed = number("a seed", 0, std::numeric_limits<std::uint64_t>::max());
        break;
      case transform_kind::expand:
        t.expansion.group = std::uint32_t(number("a group size", 1, most));
        if (take(',')) expansion_keys(t.expansion);
        break;
      case transform_kind::clamp:
        t.quantile = {std::uint32_t(quantile())};
        break;
    }
    if (!take(')')) fail_missing(at_, "')'", "')'", {});
    if (const std::string_view why = defect(t); !why.empty())
      fail(start, "impossible " + std::string(name) + ": " + std::string(why), "");
    return t;
  }
  void expansion_keys(power_expansion& e) {
    constexpr std::array<std::string_view, 2> keys{"range", "steps"};
    std::array<bool, 2> seen{};
    do {
      const std::size_t start = at_;
      const std::string_view name = word();
      const auto key = std::size_t(std::find(keys.begin(), keys.end(), name) - keys.begin());
      if (key == keys.size())
        fail_missing(start, "a setting of the expansion", "range=R, steps=N", nearest_name(name, keys));
      once(seen[key], start, name);
      take_equals(name);
      if (key == 0)
        e.range = real("a range", true);
      else
        e.steps = std::uint32_t(number("steps", 2, 256));
    } while (take(','));
  }
  /// 10^9 q of a decimal 0.d... with at most 9 digits, or 1.
  std::uint64_t quantile() {
    const std::size_t start = at_;
    const std::uint64_t whole = number("a quantile", 0, 1, "a decimal above 0.5 and at most 1, of 9 digits at most");
    std::uint64_t billionths = whole * 1'000'000'000;
    if (!take('.')) return billionths;
    const std::string_view digits = word();
    if (digits.empty() || digits.size() > 9 || !std::all_of(digits.begin(), digits.end(), is_digit))
      fail(start, "this is no quantile", "a decimal above 0.5 and at most 1, of 9 digits at most");
    std::uint64_t unit = 1'000'000'000;
    for (const char c : digits) billionths += std::uint64_t(c - '0') * (unit /= 10);
    return billionths;
  }

  /// The named quantizer that the rest of the text is; null if it begins with none.
  const named_quantizer* named_one() {
    const std::string_view rest = std::string_view(lower_).substr(at_), stem = peek_word();
    if (const named_quantizer* named = find_word(quantizer_catalogue, rest)) {
      at_ = text_.size();
      return named;
    }
    std::vector<std::string_view> variants;
    for (const named_quantizer& named : quantizer_catalogue)
      if (named.name.substr(0, named.name.find(':')) == stem) variants.push_back(named.name);
    if (variants.empty()) return nullptr;
    const named_quantizer* const named = find_word(quantizer_catalogue, variants.front());
    at_ += stem.size();
    if (peek() != ':') fail_after_named(*named);
    fail(at_, "'" + std::string(stem) + "' has no such variant", listed(variants), nearest_name(rest, variants));
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

  [[noreturn]] void fail_after_named(const named_quantizer& named) const;

  static std::string size_count(std::size_t sizes) {
    return sizes == 0 ? "no size" : sizes == 1 ? "1 size" : "2 sizes (rows, columns)";
  }
};

// ---- print ---------------------------------------------------------------------------------------------------------

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
    if (!profile_name.empty())
      text += "/" + std::string(quantizer_reader::profile_word) + "=" + std::string(profile_name);
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

/// @param order  said here; standard where it is not to be
inline std::string scaling_text(const scaling& s, operation_order order, bool every_choice) {
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
    std::string format(s.power_of_two ? quantizer_reader::pow2_word : word_of(scale_format_words, s.format));
    items.push_back(format.empty() ? to_string(s.format) : std::move(format));
  }
  if (s.rule == scale_rule::static_scale) {
    items.push_back("static=" + float_text(s.static_value));
  } else if (every_choice || s.rule != default_rule(s)) {
    items.emplace_back(word_of(rule_words, s.rule));
  }
  const auto key = [&](std::string_view name, std::string_view value, bool is_usual) {
    if (every_choice || !is_usual) items.push_back(std::string(name) + "=" + std::string(value));
  };
  const bool looks_at_data = s.rule != scale_rule::static_scale;
  if (s.history != 0) items.push_back("delayed=" + std::to_string(s.history));
  if (s.margin != 0) items.push_back("margin=" + std::to_string(s.margin));
  if (s.least_amax != 0) items.push_back("min=" + float_text(s.least_amax));
  if (looks_at_data) {
    key("nan", word_of(nan_rule_words, s.nan), s.nan == special_rule::element);
    key("inf", word_of(infinity_rule_words, s.infinity), s.infinity == special_rule::element);
    key("zero", word_of(zero_rule_words, s.zero), s.zero == zero_rule::one);
  }
  if (order != operation_order::standard) items.push_back("order=" + std::string(word_of(order_words, order)));
  for (std::size_t i = 0; i < items.size(); ++i) text += (i == 0 ? "(" : ",") + items[i];
  return items.empty() ? text : text + ")";
}

inline std::string quantizer_text(const quantizer& q, bool every_choice) {
  if (const std::string_view why = defect(q); !why.empty())
    throw std::invalid_argument("to_string(quantizer): impossible quantizer: " + std::string(why));
  std::string text = element_text(q.elem, every_choice);
  for (int level = 0; level < q.levels; ++level) {
    const operation_order order = level + 1 == q.levels ? q.order : operation_order::standard;
    text += "@" + scaling_text(q.scalings[std::size_t(level)], order, every_choice);
  }
  return text;
}

inline std::string quantile_text(const quantile_clamp& c) {
  if (c.billionths == 1'000'000'000) return "1";
  std::string digits = std::to_string(1'000'000'000 + c.billionths).substr(1);
  digits.erase(digits.find_last_not_of('0') + 1);
  return "0." + digits;
}
inline std::string transform_text(const transform& t, bool every_choice) {
  std::string text = std::string(word_of(transform_words, t.kind)) + "(";
  switch (t.kind) {
    case transform_kind::hadamard:
      text += std::to_string(t.block);
      break;
    case transform_kind::random_hadamard:
      text += std::to_string(t.block) + "," + std::to_string(t.seed);
      break;
    case transform_kind::expand:
      text += std::to_string(t.expansion.group);
      if (every_choice || t.expansion.range != power_expansion{}.range)
        text += ",range=" + float_text(t.expansion.range);
      if (every_choice || t.expansion.steps != power_expansion{}.steps)
        text += ",steps=" + std::to_string(t.expansion.steps);
      break;
    case transform_kind::clamp:
      text += quantile_text(t.quantile);
      break;
  }
  return text + ")+";
}
/// A quantizer's transforms, each with its '+'; and the quantizer without them.
inline std::pair<std::string, quantizer> split_transforms(const quantizer& q, bool every_choice) {
  std::string text;
  for (int k = 0; k < q.transform_count; ++k) text += transform_text(q.transforms[std::size_t(k)], every_choice);
  quantizer rest = q;
  rest.transform_count = 0;
  rest.transforms = {};
  return {text, rest};
}

inline void quantizer_reader::fail_after_named(const named_quantizer& named) const {
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

/// The shortest text without the name of a quantizer.
inline std::string written_out(const quantizer& q) {
  const auto [transforms, rest] = detail::split_transforms(q, false);
  return transforms + detail::quantizer_text(rest, false);
}
/// The name of a named quantizer, else the shortest text that parse_quantizer() takes for this value.
/// @throws std::invalid_argument as to_string(float_format)
inline std::string to_string(const quantizer& q) {
  const auto [transforms, rest] = detail::split_transforms(q, false);
  for (const named_quantizer& named : quantizer_catalogue) {
    if (named.value == rest) return transforms + std::string(named.name);
  }
  return written_out(q);
}
/// Every choice spelled out: the form that is hashed and stored with results.  Parses back equal.
inline std::string expanded(const quantizer& q) {
  const auto [transforms, rest] = detail::split_transforms(q, true);
  return transforms + detail::quantizer_text(rest, true);
}

/// A format { "/" policy }, e.g. "e4m3fn/sr:8/spec/ftz".  @throws text_error
inline element parse_element(std::string_view text) {
  detail::quantizer_reader reader(text);
  const element e = reader.element();
  reader.finish("'/' and a policy, or the end of the text");
  return e;
}

/// { transform "+" } and a named quantizer or an element { "@" scaling }, e.g. "mxfp4", "e2m1fn/sr@block(32)",
/// "hadamard(32)+nvfp4:te".
/// @throws text_error
inline quantizer parse_quantizer(std::string_view text) {
  detail::quantizer_reader reader(text);
  const quantizer q = reader.quantizer();
  reader.finish("'/' and a policy, '@' and a scaling, or the end of the text");
  return q;
}

}  // namespace binade
