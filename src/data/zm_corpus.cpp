#include "data/zm_corpus.hpp"

#include <algorithm>
#include <bit>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "binade/elementary.hpp"
#include "data/data_kind.hpp"
#include "data/mix.hpp"
#include "util/toml_numbers.hpp"

namespace binade {
namespace {

constexpr std::array<int, zm_language::orders> weight{2, 6, 5, 3};  // of the orders, in sixteenths
constexpr double marker_share = 1.0 / 64;                           // chance of a marker where one may come
constexpr std::array<std::size_t, zm_language::markers> distance_sixteenths{1, 2, 4, 6};
constexpr std::size_t shortest_distance = 12;

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
  check_document_buffers("zm_language", length_, tokens.size(), log_probabilities.size());
  const document_draws draw(seed_, which, d);
  std::uint64_t last_tokens = 0;  // 16 bits each, the most recent lowest; the document's start counts as id 0
  std::size_t left_to_copy = 0, distance = 0;
  const double log_marker = wants_probabilities ? math::log(marker_share / markers) : 0;
  tokens[0] = 0;
  if (wants_probabilities) log_probabilities[0] = 0;
  for (std::size_t t = 1; t < length_; ++t) {
    double log_p = 0;
    if (left_to_copy > 0) {
      tokens[t] = tokens[t - distance];
      --left_to_copy;
    } else if (eligible(t) && draw(t, 0) >> 58 == 0) {
      const std::uint64_t j = draw(t, 3) >> 62;
      tokens[t] = static_cast<std::int32_t>((std::uint64_t{1} << bits_) + j);
      log_p = log_marker;
      left_to_copy = run;
      distance = distance_[j];
    } else {
      const auto pick = static_cast<int>(draw(t, 1) >> 60);
      std::size_t order = 0;
      for (int below = weight[0]; pick >= below; below += weight[order]) ++order;
      const auto hash = context_hashes(last_tokens);
      if (order == 0) {
        tokens[t] = zipf(draw(t, 2));
      } else {
        const int rank = std::min(std::countl_zero(draw(t, 2)), ranks - 1);
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

std::string zm_language::description() const {
  return "zm corpus: " + std::to_string((1 << bits_) - 1) + " Zipf ids, documents of " + std::to_string(length_) +
         " tokens, language seed " + std::to_string(seed_) + (has_copy_runs() ? "" : ", too short for copy runs");
}

std::string zm_language::canonical_text() const {
  return "corpus = \"zm\"\nbits = " + std::to_string(bits_) + "\nseed = " + std::to_string(seed_) + "\n";
}

data_kind zm_kind() {
  return {"zm", "synthetic, with a known entropy", [](const data_request& r) -> data_opener {
            const auto bits = static_cast<int>(read_whole(r.table, "bits", 2, 14, 8));
            const std::uint64_t seed = r.seed();
            const std::size_t context = r.sequence_length(), rows = r.validation_documents();
            return [=] {
              return std::make_unique<language_source>(std::make_shared<const zm_language>(bits, context, seed),
                                                       context, rows);
            };
          }};
}

}  // namespace binade
