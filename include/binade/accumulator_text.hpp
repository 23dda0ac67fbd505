#pragma once
// The text form of accumulators: parse and print.  docs/text_form.md has the grammar for users.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "binade/accumulator.hpp"
#include "binade/text.hpp"

namespace binade {

namespace detail {

inline constexpr std::array summation_words{
    text_word<summation>{"exact", summation::exact},
    text_word<summation>{"mx", summation::mx},
    text_word<summation>{"kahan", summation::kahan},
    text_word<summation>{"pairwise", summation::pairwise},
};
/// How accumulators call their elements, where that is not to_string().
inline constexpr std::array running_words{
    text_word<element>{"f32", {formats::e8m23}},
    text_word<element>{"f64", {formats::e11m52}},
};

/// Reads accumulators.
class accumulator_reader : public quantizer_reader {
 public:
  static constexpr std::array<std::string_view, 2> keys{"chunk", "mul"};

  explicit accumulator_reader(std::string_view text) : quantizer_reader(text) {
    outer_keys_.assign(keys.begin(), keys.end());
    outer_keys_valid_ = "chunk=L, mul=ELEMENT";
    add_names(other_names_, summation_words);
    other_kind_ = "an accumulator";
  }

  binade::accumulator accumulator() {
    const std::size_t start = at_;
    binade::accumulator a{.stage_count = 0};
    bool promotes = false;
    do {
      const std::size_t stage_at = at_;
      const accumulator_stage s = stage(stage_at, a.stage_count == 0);
      append(a, s, stage_at);
      const std::size_t arrow_at = at_;
      promotes = take_arrow();
      if (promotes && s.chunk == 0)
        fail(arrow_at, "'->' takes on the results of chunks, and no chunks are said", "':chunk=L' before it");
      if (!promotes && s.chunk != 0) append(a, usual_next(s), arrow_at);
    } while (promotes);
    if (const std::string_view why = defect(a); !why.empty()) fail(start, why, "");
    return a;
  }

 private:
  static constexpr std::string_view tensor_core_word = "tc";

  void append(binade::accumulator& a, const accumulator_stage& s, std::size_t at) const {
    if (a.stage_count == int(a.stages.size()))
      fail(at, "an accumulator has at most four stages (chunks count as one, and so does what adds them)", "the end");
    a.stages[std::size_t(a.stage_count++)] = s;
  }

  bool take_arrow() {
    if (!take('-')) return false;
    if (!take('>')) fail_missing(at_, "'>'", "'->' and the accumulator that adds the chunks", {});
    return true;
  }

  accumulator_stage stage(std::size_t start, bool is_first) {
    accumulator_stage s;
    if (const auto* order = find_word(summation_words, peek_word())) {
      at_ += order->name.size();
      s.order = order->value;
    } else {
      if (peek_word() == tensor_core_word)
        fail(start, "tc(...), the model of a tensor core, is not implemented", valid_accumulator());
      if (peek_word().empty()) fail_missing(start, "an accumulator", valid_accumulator(), {});
      s.running = element();
    }
    if (s.order == summation::mx && (!is_first || peek() == ':' || peek() == '-'))
      fail(is_first ? at_ : start, "mx has the blocks of its operands' scales: it has no chunks and takes none on",
           is_first ? "the end of the text; exact:chunk=L->f32 sums exactly in chunks of L" : "f32, exact, kahan, ...");
    std::array<bool, keys.size()> seen{};
    while (take(':')) {
      const std::size_t key_at = at_;
      const std::string_view key = word();
      const auto which = std::size_t(std::find(keys.begin(), keys.end(), key) - keys.begin());
      if (which == keys.size()) fail_key(key_at, key);
      once(seen[which], key_at, key);
      take_equals(key);
      if (which == 0) {
        s.chunk = std::uint32_t(number("a chunk length", 1, std::numeric_limits<std::uint32_t>::max()));
        continue;
      }
      if (s.order != summation::chain) fail(key_at, "mul= is for accumulators that are elements", "chunk=L");
      if (!is_first) fail(key_at, "mul= is for the first stage, which has the products", "chunk=L");
      s.rounds_products = true;
      s.product = element();
    }
    return s;
  }

  [[noreturn]] void fail_key(std::size_t at, std::string_view key) const {
    if (key.empty()) fail_missing(at, "a key of the accumulator", outer_keys_valid_, {});
    fail(at, "unknown key '" + std::string(key) + "' of an accumulator", outer_keys_valid_, nearest_name(key, keys));
  }

  static std::string valid_accumulator() {
    std::vector<std::string_view> names;
    add_names(names, running_words);
    add_names(names, summation_words);
    return listed(names) + ", or an element such as e8m13/rtz";
  }
};

inline std::string stage_text(const accumulator_stage& s, bool every_choice) {
  std::string text(word_of(summation_words, s.order));
  if (s.order == summation::chain) {
    text = every_choice ? std::string() : word_of(running_words, s.running);
    if (text.empty()) text = element_text(s.running, every_choice);
  }
  if (s.rounds_products) text += ":mul=" + element_text(s.product, every_choice);
  if (s.chunk != 0) text += ":chunk=" + std::to_string(s.chunk);
  return text;
}

inline std::string accumulator_text(const accumulator& a, bool every_choice) {
  if (const std::string_view why = defect(a); !why.empty())
    throw std::invalid_argument("to_string(accumulator): impossible accumulator: " + std::string(why));
  std::string text;
  for (int i = 0; i < a.stage_count; ++i) {
    const accumulator_stage& s = a.stages[std::size_t(i)];
    const bool is_implied = i > 0 && i + 1 == a.stage_count && s == usual_next(a.stages[std::size_t(i) - 1]);
    if (is_implied && !every_choice) break;
    text += (i > 0 ? "->" : "") + stage_text(s, every_choice);
  }
  return text;
}

}  // namespace detail

/// The shortest text that parse_accumulator() takes for this value.
/// @throws std::invalid_argument as to_string(element), or if the accumulator is impossible
inline std::string to_string(const accumulator& a) {
  return detail::accumulator_text(a, false);
}
/// Every choice of the elements and every stage spelled out: the form that is hashed and stored with results.  Parses
/// back equal.
inline std::string expanded(const accumulator& a) {
  return detail::accumulator_text(a, true);
}

/// f32, f64, exact, mx, kahan, pairwise or an element, { ":chunk=" L | ":mul=" element }, [ "->" accumulator ]; e.g.
/// "f32", "f32:chunk=128", "e8m13/rtz:chunk=128->f32", "e5m10/sr:8:mul=e5m10", "exact:chunk=32->kahan".
/// @throws text_error
inline accumulator parse_accumulator(std::string_view text) {
  detail::accumulator_reader reader(text);
  const accumulator a = reader.accumulator();
  reader.finish("':chunk=L', ':mul=ELEMENT', '->' and an accumulator, or the end of the text");
  return a;
}

}  // namespace binade
