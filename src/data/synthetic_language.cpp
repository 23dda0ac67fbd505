#include "data/synthetic_language.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "data/mix.hpp"
#include "data/validation_range.hpp"

namespace binade {
namespace {

constexpr std::uint64_t golden = 0x9E3779B97F4A7C15u;  // increment between the raw draws of a document

// Sum in a fixed tree of halves, so that the rounding error grows with log n and the result is a function of the
// values.
double pairwise_sum(std::span<const double> x) {
  if (x.size() <= 2) return x.empty() ? 0.0 : x.size() == 1 ? x[0] : x[0] + x[1];
  const std::size_t half = x.size() / 2;
  return pairwise_sum(x.first(half)) + pairwise_sum(x.subspan(half));
}

}  // namespace

document_draws::document_draws(std::uint64_t seed, split which, std::uint64_t d)
    : base_(mix(derived_seed(seed, 16 + static_cast<std::uint64_t>(which)) ^ d)) {}

std::uint64_t document_draws::operator()(std::size_t t, std::uint64_t i) const {
  return mix(base_ + (4 * std::uint64_t{t} + i) * golden);
}

void check_document_buffers(const char* who, std::size_t length, std::size_t tokens, std::size_t log_probabilities) {
  if (tokens != length || (log_probabilities != 0 && log_probabilities != length))
    throw std::invalid_argument(std::string(who) + "::document: tokens has room for " + std::to_string(tokens) +
                                " and log_probabilities for " + std::to_string(log_probabilities) +
                                ", and a document has " + std::to_string(length));
}

language_source::language_source(std::shared_ptr<const synthetic_language> language, std::size_t context,
                                 std::size_t validation_rows)
    : language_(std::move(language)), context_(context), validation_rows_(validation_rows) {
  const std::size_t length = language_->length();
  if (validation_rows < 1)
    throw std::invalid_argument("language_source: validation_rows is 0; at least 1 document is needed");
  if (length != context && length != context + 1)
    throw std::invalid_argument("language_source: documents have " + std::to_string(length) +
                                " tokens and context is " + std::to_string(context) + "; valid is a context of " +
                                std::to_string(length - 1) + " or " + std::to_string(length));
  floor_ = *documents(split::validation, 0, validation_rows).floor;
  // 2^18 tokens or so: the plug-in estimate is then low by about (ids - 1) / 2^19, far below what it is compared with.
  const std::size_t probes = std::max<std::size_t>(1, (std::size_t{1} << 18) / length);
  std::vector<std::uint64_t> counts(vocabulary());
  std::vector<std::int32_t> tokens(length);
  for (std::size_t d = 0; d < probes; ++d) {
    language_->document(split::probe, d, tokens);
    for (std::size_t t = 1; t < length; ++t) ++counts[static_cast<std::size_t>(tokens[t])];
  }
  unigram_entropy_ = entropy_of_counts(counts);
}

token_batch language_source::documents(split which, std::uint64_t first, std::size_t rows) const {
  const std::size_t length = language_->length();
  token_batch result{.rows = rows,
                     .length = context_,
                     .inputs = std::vector<std::int32_t>(rows * context_),
                     .targets = std::vector<std::int32_t>(rows * context_, token_batch::no_target),
                     .predicted = rows * (length - 1),
                     .floor = {}};
  std::vector<std::int32_t> tokens(length);
  std::vector<double> log_probabilities(rows * length);
  for (std::size_t r = 0; r < rows; ++r) {
    language_->document(which, first + r, tokens, std::span(log_probabilities).subspan(r * length, length));
    const auto row = static_cast<std::ptrdiff_t>(r * context_);
    std::copy_n(tokens.begin(), context_, result.inputs.begin() + row);
    std::copy(tokens.begin() + 1, tokens.end(), result.targets.begin() + row);
  }
  // The zeros of the start tokens are in the sum and not in the count.
  result.floor = -pairwise_sum(log_probabilities) / static_cast<double>(result.predicted);
  return result;
}

token_batch language_source::training_tokens(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const {
  return documents(split::training, (data_seed << 32) + step * rows, rows);
}

token_batch language_source::validation_tokens(std::size_t first, std::size_t rows) const {
  require_validation_range("language_source::validation_tokens", "documents", first, rows, validation_rows_);
  return documents(split::validation, first, rows);
}

std::string language_source::description() const {
  return language_->description() + "; validation on " + std::to_string(validation_rows_) + " documents";
}

std::string language_source::canonical_text() const {
  return language_->canonical_text() + "validation_documents = " + std::to_string(validation_rows_) + "\n";
}

}  // namespace binade
