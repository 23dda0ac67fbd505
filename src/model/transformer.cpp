#include "model/transformer.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <variant>

#include "ops/add.hpp"
#include "ops/dropout.hpp"
#include "ops/embedding.hpp"
#include "ops/linear.hpp"
#include "ops/scale.hpp"

namespace binade {

template <class T>
transformer<T>::transformer(const model_config& config, std::uint64_t seed)
    : model<T>(parameter_plans(config), {}, seed), config_(config), architecture_(&config_.shape()) {
  token_embedding_ = this->at("token_embedding.weight");
  position_embedding_ = this->find("position_embedding.weight");
  rotation_table<T> rotations;
  if (config_.rotated_width() != 0)
    rotations = rotation_table<T>::make(config_.context, config_.rotated_width(), architecture_->rotary_base);
  for (std::size_t layer = 0; layer < config_.layers; ++layer)
    blocks_.emplace_back(config_, layer, this->parameters(), rotations);
  final_norm_ = this->find_norm("final_norm");
  head_ = {"head", config_.ties_head() ? token_embedding_ : this->at("head.weight"), {}};
}

template <class T>
typename transformer<T>::decoded transformer<T>::outputs(graph<T>& pass, std::span<const std::int32_t> tokens,
                                                         std::size_t rows) const {
  if (rows == 0 || tokens.empty() || tokens.size() % rows != 0)
    throw std::invalid_argument("transformer: " + std::to_string(tokens.size()) + " tokens given in " +
                                std::to_string(rows) + " rows; there must be at least 1 row, all of one length");
  const std::size_t length = tokens.size() / rows;
  if (length > config_.context)
    throw std::invalid_argument("transformer: a sequence has " + std::to_string(length) +
                                " tokens; the context of the model is " + std::to_string(config_.context));
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || std::size_t(tokens[i]) >= config_.vocabulary)
      throw std::invalid_argument("transformer: token " + std::to_string(tokens[i]) + " in row " +
                                  std::to_string(i / length) + " at position " + std::to_string(i % length) +
                                  " is outside the vocabulary (0 to " + std::to_string(config_.vocabulary - 1) + ")");

  const extents stream{rows, length, config_.width};
  variable<T> x = embedding(pass, token_embedding_, tokens, stream);
  if (position_embedding_) {
    pooled_vector<std::int32_t> positions(tokens.size());
    for (std::size_t i = 0; i < positions.size(); ++i) positions[i] = std::int32_t(i % length);
    x = add_to_stream(pass, x, embedding<T>(pass, position_embedding_, positions, stream));
  }
  x = dropout(pass, "embedding", x, 1 - config_.dropout);
  decoded result;
  for (const transformer_block<T>& block : blocks_) {
    const block_result<T> passed = block.forward(pass, x, kernels::row_mask::causal);
    x = passed.x;
    if (passed.balance) result.balances.push_back(passed.balance);
  }
  result.logits = linear(pass, head_.site, apply_norm(pass, *architecture_, x, final_norm_), head_.weight, head_.bias);
  return result;
}

template <class T>
language_model_loss<T> transformer<T>::loss(graph<T>& pass, std::span<const std::int32_t> tokens,
                                            std::span<const std::int32_t> targets, std::size_t rows) const {
  const decoded result = outputs(pass, tokens, rows);
  language_model_loss<T> loss = cross_entropy(pass, result.logits, targets, config_.vocabulary,
                                              {.label_smoothing = config_.label_smoothing, .z_loss = config_.z_loss});
  for (const variable<T>& balance : result.balances)
    loss.mean = add(pass, loss.mean, scale(pass, balance, config_.balance_loss));
  return loss;
}

template <class T>
model_loss<T> transformer<T>::loss(graph<T>& pass, const data_batch& examples) const {
  const auto* tokens = std::get_if<token_batch>(&examples);
  if (tokens == nullptr)
    throw std::invalid_argument("transformer: a decoder reads batches of tokens; the data give another kind");
  return loss(pass, tokens->inputs, tokens->targets, tokens->rows);
}

template class transformer<float>;
template class transformer<double>;

}  // namespace binade
