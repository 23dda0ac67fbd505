#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "model/model_config.hpp"
#include "model/transformer_block.hpp"
#include "tape.hpp"

namespace binade {

/// A decoder that predicts the next token: of the style of GPT-2 or Llama, dense or with mixtures of experts, as its
/// configuration says.
///
///     transformer<float> model({.kind = "llama", .vocabulary = 260}, seeds.initialization);
///     bound_recipe recipe(find_recipe("mxfp8_e4m3"), gemm_sites(model.config()));
///     graph<float> pass(pool, {.recipe = &recipe, .seed = seeds.rounding, .step = step});
///     language_model_loss<float> loss = model.loss(pass, inputs, targets, rows);
///     pass.backward(loss.mean);
template <class T>
class transformer final : public model<T> {
 public:
  /// Weights that depend on the configuration and the seed alone (see initialization.hpp).
  /// @throws std::invalid_argument as model_config::validate
  transformer(const model_config& config, std::uint64_t seed);

  const model_config& config() const { return config_; }
  /// The logits of every position; those from the vocabulary on are padding and mean nothing.
  /// @param tokens  (rows, length), row by row, ids below the vocabulary; length at most the context
  /// @return        (rows, length, padded vocabulary)
  /// @throws std::invalid_argument if the sizes do not fit or an id is outside the vocabulary
  variable<T> logits(graph<T>& pass, std::span<const std::int32_t> tokens, std::size_t rows) const {
    return outputs(pass, tokens, rows).logits;
  }

  /// The mean of -log p(target) over the positions that have one, plus balance_loss times the load-balancing loss of
  /// every mixture.
  /// @param tokens, targets  (rows, length); a target is the token that follows, or no_target
  language_model_loss<T> loss(graph<T>& pass, std::span<const std::int32_t> tokens,
                              std::span<const std::int32_t> targets, std::size_t rows) const;

  /// @throws std::invalid_argument also for a batch that holds no tokens
  model_loss<T> loss(graph<T>& pass, const data_batch& examples) const override;

 private:
  struct decoded {
    variable<T> logits;
    std::vector<variable<T>> balances;  ///< of the mixtures
  };
  decoded outputs(graph<T>& pass, std::span<const std::int32_t> tokens, std::size_t rows) const;

  model_config config_;
  const architecture* architecture_;
  variable<T> token_embedding_, position_embedding_;
  std::vector<transformer_block<T>> blocks_;
  norm_parameters<T> final_norm_;
  linear_parameters<T> head_;
};

}  // namespace binade
