#include "data/facts_corpus.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>

#include "binade/elementary.hpp"
#include "data/data_kind.hpp"
#include "data/mix.hpp"
#include "report/number_text.hpp"
#include "util/toml_numbers.hpp"

namespace binade {
namespace {

const double ln2 = math::log(2.0);

void require(bool holds, const char* what, const std::string& given, const char* valid) {
  if (!holds)
    throw std::invalid_argument(std::string("facts_language: ") + what + " is " + given + "; valid is " + valid);
}

std::uint64_t power(std::uint64_t base, int exponent) {
  std::uint64_t result = 1;
  for (int i = 0; i < exponent; ++i) result *= base;
  return result;
}

}  // namespace

facts_language::facts_language(const parameters& p, std::size_t length) : p_(p), length_(length) {
  // 31: the weights sum to 4^32 - 3^32, which 64 bits just hold.
  require(p.levels >= 1 && p.levels <= 31, "levels", std::to_string(p.levels), "1..31");
  require(p.digit_bits >= 1 && p.digit_bits <= 12 && digits * p.digit_bits >= p.levels, "digit_bits",
          std::to_string(p.digit_bits), "1..12 and at least a quarter of levels, so that four digits hold a number");
  require(p.values >= 1 && p.values <= 64, "values", std::to_string(p.values), "1..64");
  require(p.noise >= 0 && p.noise < 1, "noise", exact_text(p.noise), "at least 0 and less than 1");
  require(length >= 2 && length <= (std::size_t{1} << 20), "length", std::to_string(length), "2..1048576");
  for (int l = 0; l <= p.levels; ++l) weights_.push_back(power(3, l) * power(4, p.levels - l));
  for (const std::uint64_t w : weights_) total_weight_ += w;
  for (const std::uint64_t w : weights_)
    log_level_.push_back(math::log(static_cast<double>(w) / static_cast<double>(total_weight_)));
  for (int i = 0; i < p.values; ++i) value_key_.push_back(derived_seed(p.seed, 64 + static_cast<std::uint64_t>(i)));
  noise_below_ = static_cast<std::uint64_t>(p.noise * 0x1p64);
  const double wrong = p.noise / symbols, right = 1 - (symbols - 1) * wrong;
  log_right_ = math::log(right);
  log_wrong_ = wrong > 0 ? math::log(wrong) : 0;
}

std::size_t facts_language::vocabulary() const {
  return static_cast<std::size_t>(first_symbol()) + static_cast<std::size_t>(symbols);
}

double facts_language::record_floor() const {
  double level_entropy = 0, mean_level = 0;
  for (int l = 0; l <= p_.levels; ++l) {
    const auto at = static_cast<std::size_t>(l);
    const double share = static_cast<double>(weights_[at]) / static_cast<double>(total_weight_);
    level_entropy -= share * log_level_[at];
    mean_level += share * l;
  }
  const double wrong = p_.noise / symbols, right = 1 - (symbols - 1) * wrong;
  const double value_entropy = -right * log_right_ - (symbols - 1) * wrong * log_wrong_;
  return (level_entropy + ln2 * mean_level + p_.values * value_entropy) / static_cast<double>(record());
}

void facts_language::document(split which, std::uint64_t d, std::span<std::int32_t> tokens,
                              std::span<double> log_probabilities) const {
  check_document_buffers("facts_language", length_, tokens.size(), log_probabilities.size());
  const document_draws draw(p_.seed, which, d);
  std::size_t t = 0;
  const auto put = [&](std::int32_t token, double log_p) {
    if (t < length_) {
      tokens[t] = token;
      if (!log_probabilities.empty()) log_probabilities[t] = log_p;
    }
    ++t;
  };
  put(0, 0);
  while (t < length_) {
    std::uint64_t x = scaled_below(draw(t, 0), total_weight_);
    std::size_t l = 0;
    for (; x >= weights_[l]; ++l) x -= weights_[l];
    const int level = static_cast<int>(l);
    const std::uint64_t fact = scaled_below(draw(t, 1), std::uint64_t{1} << level);
    put(1 + level, log_level_[l]);
    for (int digit = digits - 1; digit >= 0; --digit) {
      const int live = std::clamp(level - digit * p_.digit_bits, 0, p_.digit_bits);  // bits that are not 0 for certain
      const std::uint64_t value = (fact >> (digit * p_.digit_bits)) & ((std::uint64_t{1} << p_.digit_bits) - 1);
      put(first_digit() + static_cast<std::int32_t>(value), -live * ln2);
    }
    for (const std::uint64_t key : value_key_) {
      const std::uint64_t right = mix(key ^ (std::uint64_t{l} << 48 | fact)) >> 58;
      const std::uint64_t said = draw(t, 0) < noise_below_ ? draw(t, 2) >> 58 : right;
      put(first_symbol() + static_cast<std::int32_t>(said), said == right ? log_right_ : log_wrong_);
    }
  }
}

std::string facts_language::description() const {
  return "facts corpus: " + std::to_string((std::uint64_t{2} << p_.levels) - 1) + " facts on " +
         std::to_string(p_.levels + 1) + " levels, records of " + std::to_string(record()) + " tokens, noise " +
         exact_text(p_.noise) + ", documents of " + std::to_string(length_ - 1) + " tokens, seed " +
         std::to_string(p_.seed);
}

std::string facts_language::canonical_text() const {
  return "corpus = \"facts\"\nlevels = " + std::to_string(p_.levels) +
         "\ndigit_bits = " + std::to_string(p_.digit_bits) + "\nvalues = " + std::to_string(p_.values) +
         "\nnoise = " + exact_text(p_.noise) + "\nseed = " + std::to_string(p_.seed) + "\n";
}

data_kind facts_kind() {
  return {"facts", "synthetic facts of Zipf frequencies, with a known entropy",
          [](const data_request& r) -> data_opener {
            facts_language::parameters p;
            p.levels = static_cast<int>(read_whole(r.table, "levels", 1, 31, p.levels));
            const std::int64_t least_bits = (p.levels + facts_language::digits - 1) / facts_language::digits;
            p.digit_bits = static_cast<int>(
                read_whole(r.table, "digit_bits", least_bits, 12, std::max<std::int64_t>(p.digit_bits, least_bits)));
            p.values = static_cast<int>(read_whole(r.table, "values", 1, 64, p.values));
            p.noise = read_real(r.table, "noise", 0, bound::included, 1, bound::excluded, p.noise);
            p.seed = r.seed();
            const std::size_t context = r.sequence_length(), rows = r.validation_documents();
            return [=] {
              return std::make_unique<language_source>(std::make_shared<const facts_language>(p, context + 1), context,
                                                       rows);
            };
          }};
}

}  // namespace binade
