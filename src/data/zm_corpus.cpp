#include "data/zm_corpus.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "binade/elementary.hpp"
#include "data/mix.hpp"

namespace binade {
namespace {

constexpr std::uint64_t golden = 0x9E3779B97F4A7C15u;               // increment between the raw draws of a document
constexpr std::array<int, zm_language::orders> weight{2, 6, 5, 3};  // of the orders, in sixteenths
constexpr double marker_share = 1.0 / 64;                           // chance of a marker where one may come
constexpr std::array<std::size_t, zm_language::markers> distance_sixteenths{1, 2, 4, 6};
constexpr std::size_t shortest_distance = 12;

// Sum in a fixed tree of halves, so that the rounding error grows with log n and the result is a function of the
// values.
double pairwise_sum(std::span<const double> x) {
  if (x.size() <= 2) return x.empty() ? 0.0 : x.size() == 1 ? x[0] : x[0] + x[1];
  const std::size_t half = x.size() / 2;
  return pairwise_sum(x.first(half)) + pairwise_sum(x.subspan(half));
}

// A floor of n tokens from their log probabilities, the start tokens' zeros included in the sum and not in the count.
double mean_surprise(std::span<const double> log_probabilities, std::size_t predicted) {
  return -pairwise_sum(log_probabilities) / static_cast<double>(predicted);
}

}  // namespace

zm_language::zm_language(int bits, std::size_t length, std::uint64_t seed) : bits_(bits), length_(length), seed_(seed) {
  // 14: ids are packed 16 bits each, and 2^14 + 4 of them still leave every marker below 2^16.
  if (bits < 2 || bits > 14)
    throw std::invalid_argument("zm_language: bits is " + std::to_string(bits) + "; valid is 2..14");
  if (length < 2 || length > (std::size_t{1} << 20))
    throw std::invalid_argument("zm_language: length is " + std::to_string(length) + "; valid is 2..1048576");
  for (std::size_t k = 0; k < order_key_.size(); ++k) order_key_[k] = derived_seed(seed, k);
  for (std::size_t j = 0; j < distance_.size(); ++j)
    distance_[j] = std::max(shortest_distance, length * distance_sixteenths[j] / 16);
  eligible_at_all_ = distance_[markers - 1] + run + 1 <= length;
}

std::int32_t zm_language::zipf(std::uint64_t u) const {
  const auto octave = static_cast<int>(((u >> 32) * static_cast<std::uint64_t>(bits_)) >> 32);
  const std::uint64_t first = std::uint64_t{1} << octave;
  return static_cast<std::int32_t>(first + (u & (first - 1)));
}

std::array<std::uint64_t, zm_language::orders> zm_language::context_hashes(std::uint64_t last_tokens) const {
  std::array<std::uint64_t, orders> hash{};
  for (std::size_t k = 1; k < hash.size(); ++k) {
    const std::uint64_t context = last_tokens & ((std::uint64_t{1} << (16 * k)) - 1);
    hash[k] = mix(order_key_[k] ^ context);
  }
  return hash;
}

double zm_language::regular_probability(const std::array<std::uint64_t, orders>& context_hash, std::int32_t id) const {
  const int octave = static_cast<int>(std::bit_width(static_cast<std::uint32_t>(id))) - 1;
  double p = weight[0] / 16.0 / (bits_ * static_cast<double>(std::uint32_t{1} << octave));
  for (std::size_t k = 1; k < context_hash.size(); ++k)
    for (int z = 0; z < ranks; ++z)
      if (zipf(mix(context_hash[k] + static_cast<std::uint64_t>(z))) == id) {
        const int halvings = z + 1 < ranks ? z + 1 : ranks - 1;  // the last rank takes all that is left
        p += weight[k] / 16.0 / static_cast<double>(1 << halvings);
      }
  return p;
}

void zm_language::document(split which, std::uint64_t d, std::span<std::int32_t> tokens,
                           std::span<double> log_probabilities) const {
  const bool wants_probabilities = !log_probabilities.empty();
  if (tokens.size() != length_ || (wants_probabilities && log_probabilities.size() != length_))
    throw std::invalid_argument("zm_language::document: tokens has room for " + std::to_string(tokens.size()) +
                                " and a document has " + std::to_string(length_));
  const std::uint64_t base = mix(derived_seed(seed_, 16 + static_cast<std::uint64_t>(which)) ^ d);
  std::uint64_t last_tokens = 0;  // 16 bits each, the most recent lowest; the document's start counts as id 0
  std::size_t left_to_copy = 0, distance = 0;
  const double log_marker = wants_probabilities ? math::log(marker_share / markers) : 0;
  tokens[0] = 0;
  if (wants_probabilities) log_probabilities[0] = 0;
  for (std::size_t t = 1; t < length_; ++t) {
    const auto draw = [&](std::uint64_t i) { return mix(base + (4 * std::uint64_t{t} + i) * golden); };
    double log_p = 0;
    if (left_to_copy > 0) {
      tokens[t] = tokens[t - distance];
      --left_to_copy;
    } else if (eligible(t) && draw(0) >> 58 == 0) {
      const std::uint64_t j = draw(3) >> 62;
      tokens[t] = static_cast<std::int32_t>((std::uint64_t{1} << bits_) + j);
      log_p = log_marker;
      left_to_copy = run;
      distance = distance_[j];
    } else {
      const auto pick = static_cast<int>(draw(1) >> 60);
      std::size_t order = 0;
      for (int below = weight[0]; pick >= below; below += weight[order]) ++order;
      const auto hash = context_hashes(last_tokens);
      if (order == 0) {
        tokens[t] = zipf(draw(2));
      } else {
        const int rank = std::min(std::countl_zero(draw(2)), ranks - 1);
        tokens[t] = zipf(mix(hash[order] + static_cast<std::uint64_t>(rank)));
      }
      // Which source spoke is hidden from the reader: the probability is the sum over all of them.
      if (wants_probabilities)
        log_p = math::log((eligible(t) ? 1 - marker_share : 1.0) * regular_probability(hash, tokens[t]));
    }
    if (wants_probabilities) log_probabilities[t] = log_p;
    last_tokens = (last_tokens << 16) | static_cast<std::uint64_t>(tokens[t]);
  }
}

double zm_language::probability(std::size_t t, std::span<const std::int32_t> previous, std::int32_t id) const {
  if (t < 1 || t >= length_ || previous.size() != t)
    throw std::invalid_argument("zm_language::probability: t is " + std::to_string(t) + " with " +
                                std::to_string(previous.size()) + " tokens before it; valid is 1.." +
                                std::to_string(length_ - 1) + " with t tokens");
  const auto regular_end = static_cast<std::int32_t>(1) << bits_;
  if (id < 1 || static_cast<std::size_t>(id) >= vocabulary()) return 0;
  if (id >= regular_end) return eligible(t) ? marker_share / markers : 0;
  std::uint64_t last_tokens = 0;
  for (std::size_t back = std::min<std::size_t>(t, 3); back > 0; --back)
    last_tokens = (last_tokens << 16) | static_cast<std::uint64_t>(previous[t - back]);
  return (eligible(t) ? 1 - marker_share : 1.0) * regular_probability(context_hashes(last_tokens), id);
}

zm_source::zm_source(const zm_language& language, std::size_t validation_rows)
    : language_(language), validation_rows_(validation_rows) {
  if (validation_rows < 1)
    throw std::invalid_argument("zm_source: validation_rows is 0; at least 1 document is needed");
  floor_ = *batch(zm_language::split::validation, 0, validation_rows).floor;
  // 2^18 tokens or so: the plug-in estimate is then low by about (ids - 1) / 2^19, far below what it is compared with.
  const std::size_t documents = std::max<std::size_t>(1, (std::size_t{1} << 18) / language.length());
  std::vector<std::uint64_t> counts(vocabulary());
  std::vector<std::int32_t> tokens(language.length());
  for (std::size_t d = 0; d < documents; ++d) {
    language.document(zm_language::split::probe, d, tokens);
    for (std::size_t t = 1; t < tokens.size(); ++t) ++counts[static_cast<std::size_t>(tokens[t])];
  }
  unigram_entropy_ = entropy_of_counts(counts);
}

token_batch zm_source::batch(zm_language::split which, std::uint64_t first, std::size_t rows) const {
  const std::size_t length = language_.length();
  token_batch result{.rows = rows,
                     .length = length,
                     .inputs = std::vector<std::int32_t>(rows * length),
                     .targets = std::vector<std::int32_t>(rows * length),
                     .predicted = rows * (length - 1),
                     .floor = {}};
  std::vector<double> log_probabilities(rows * length);
  for (std::size_t r = 0; r < rows; ++r) {
    const auto inputs = std::span(result.inputs).subspan(r * length, length);
    const auto targets = std::span(result.targets).subspan(r * length, length);
    language_.document(which, first + r, inputs, std::span(log_probabilities).subspan(r * length, length));
    std::copy(inputs.begin() + 1, inputs.end(), targets.begin());
    targets.back() = token_batch::no_target;
  }
  result.floor = mean_surprise(log_probabilities, result.predicted);
  return result;
}

token_batch zm_source::training_tokens(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const {
  return batch(zm_language::split::training, (data_seed << 32) + step * rows, rows);
}

token_batch zm_source::validation_tokens(std::size_t first, std::size_t rows) const {
  if (first + rows > validation_rows_)
    throw std::invalid_argument("zm_source::validation_tokens: documents up to " + std::to_string(first + rows) +
                                " are asked for and there are " + std::to_string(validation_rows_));
  return batch(zm_language::split::validation, first, rows);
}

std::string zm_source::description() const {
  return "zm corpus: " + std::to_string((1 << language_.bits()) - 1) + " Zipf ids, documents of " +
         std::to_string(language_.length()) + " tokens, language seed " + std::to_string(language_.seed()) +
         (language_.has_copy_runs() ? "" : ", too short for copy runs") + "; validation on " +
         std::to_string(validation_rows_) + " documents";
}

std::string zm_source::canonical_text() const {
  return "corpus = \"zm\"\nbits = " + std::to_string(language_.bits()) +
         "\nseed = " + std::to_string(language_.seed()) +
         "\nvalidation_documents = " + std::to_string(validation_rows_) + "\n";
}

}  // namespace binade
