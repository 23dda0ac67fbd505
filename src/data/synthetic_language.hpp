#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "data/token_source.hpp"

namespace binade {

/// Which documents: those of different splits have nothing in common.
enum class split : std::uint64_t { training = 0, validation = 1, probe = 2 };

/// A language whose documents are made by a known random process, so that the true probability of every token is known:
/// the mean of -log p over a validation set is the floor that no model beats on average, and loss - floor is a direct
/// estimate of the Kullback-Leibler divergence.
///
/// Documents have random access: document d of a split is a function of (parameters, split, d).
class synthetic_language {
 public:
  virtual ~synthetic_language() = default;

  /// Ids are below it; id 0 starts a document.
  virtual std::size_t vocabulary() const = 0;
  /// Tokens of a document, the start token included.
  virtual std::size_t length() const = 0;
  /// Writes document d.
  /// @param tokens             (length)
  /// @param log_probabilities  (length) true log p of each token given those before it, nat, or empty;
  ///                           [0] is 0: the start token is given, not predicted
  /// @throws std::invalid_argument if a buffer has another size
  virtual void document(split which, std::uint64_t d, std::span<std::int32_t> tokens,
                        std::span<double> log_probabilities = {}) const = 0;

  /// One line for people, without the sizes of documents and validation set.
  virtual std::string description() const = 0;
  /// As data_source::canonical_text(), without what belongs to the validation set.
  virtual std::string canonical_text() const = 0;
};

/// The raw draws of document d: draw i (0..3) at position t is a function of (seed, split, d, t, i).
class document_draws {
 public:
  document_draws(std::uint64_t seed, split which, std::uint64_t d);
  std::uint64_t operator()(std::size_t t, std::uint64_t i) const;

 private:
  std::uint64_t base_;
};

/// @throws std::invalid_argument that begins with `who` if document() cannot write into these buffers
void check_document_buffers(const char* who, std::size_t length, std::size_t tokens, std::size_t log_probabilities);

/// A synthetic language as a source of sequences: one document is one sequence.  Training documents come in the order
/// 0, 1, 2, ... offset by data_seed * 2^32 (mod 2^64); no document comes twice.
class language_source final : public token_source {
 public:
  /// @param context          positions of a sequence: the document's first tokens, each with the one that follows it.
  ///                         A document of just `context` tokens has nothing after its last.
  /// @param validation_rows  documents in the validation set, >= 1
  /// @throws std::invalid_argument if validation_rows is 0, or documents are shorter than `context` or longer than
  ///         context + 1
  language_source(std::shared_ptr<const synthetic_language> language, std::size_t context, std::size_t validation_rows);

  std::size_t vocabulary() const override { return language_->vocabulary(); }
  std::size_t length() const override { return context_; }
  token_batch training_tokens(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const override;
  std::size_t validation_rows() const override { return validation_rows_; }
  token_batch validation_tokens(std::size_t first, std::size_t rows) const override;
  std::optional<double> validation_floor() const override { return floor_; }
  double unigram_entropy() const override { return unigram_entropy_; }
  std::string unit() const override { return "token"; }
  std::string description() const override;
  std::string canonical_text() const override;

 private:
  token_batch documents(split which, std::uint64_t first, std::size_t rows) const;

  std::shared_ptr<const synthetic_language> language_;
  std::size_t context_, validation_rows_;
  double floor_, unigram_entropy_;
};

}  // namespace binade
