#include "model/transformer.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <variant>

#include "ops/add.hpp"
#include "ops/causal_attention.hpp"
#include "ops/embedding.hpp"
#include "ops/gelu.hpp"
#include "ops/heads.hpp"
#include "ops/layer_norm.hpp"
#include "ops/linear.hpp"
#include "ops/rms_norm.hpp"
#include "ops/swiglu.hpp"

namespace binade {

template <class T>
transformer<T>::transformer(const model_config& config, std::uint64_t seed)
    : model<T>(parameter_plans(config), {}, seed), config_(config), architecture_(&config_.shape()) {
  token_embedding_ = this->at("token_embedding.weight");
  position_embedding_ = this->find("position_embedding.weight");
  if (architecture_->positions == position_encoding::rotary)
    rotations_ = rotation_table<T>::make(config_.context, config_.head_width(), architecture_->rotary_base);
  for (std::size_t layer = 0; layer < config_.layers; ++layer) {
    const std::string name = "blocks." + std::to_string(layer);
    blocks_.push_back({.attention_norm = this->find_norm(name + ".attention_norm"),
                       .mlp_norm = this->find_norm(name + ".mlp_norm"),
                       .query_key_value = this->find_linear(name + ".attention.query_key_value"),
                       .output = this->find_linear(name + ".attention.output"),
                       .gate = architecture_->mlp == feed_forward::swiglu ? this->find_linear(name + ".mlp.gate")
                                                                          : linear_parameters<T>{},
                       .up = this->find_linear(name + ".mlp.up"),
                       .down = this->find_linear(name + ".mlp.down"),
                       .scores_site = name + ".attention.scores",
                       .values_site = name + ".attention.values"});
  }
  final_norm_ = this->find_norm("final_norm");
  head_ = {"head", config_.ties_head() ? token_embedding_ : this->at("head.weight"), {}};
}

template <class T>
variable<T> transformer<T>::normalize(graph<T>& pass, const variable<T>& x, const norm_parameters<T>& norm) const {
  return architecture_->norm == normalization::layer_norm
             ? layer_norm(pass, x, norm.weight, norm.bias, architecture_->epsilon)
             : rms_norm(pass, x, norm.weight, architecture_->epsilon);
}

template <class T>
variable<T> transformer<T>::attend(graph<T>& pass, const variable<T>& x, const block& b) const {
  const linear_parameters<T>& joint = b.query_key_value;
  attention_heads<T> heads = split_heads(pass, linear(pass, joint.site, x, joint.weight, joint.bias), config_.heads);
  if (architecture_->positions == position_encoding::rotary) {
    heads.query = rope(pass, heads.query, rotations_);
    heads.key = rope(pass, heads.key, rotations_);
  }
  const variable<T> mixed = merge_heads(pass, causal_attention(pass, b.scores_site, b.values_site, heads));
  return linear(pass, b.output.site, mixed, b.output.weight, b.output.bias);
}

template <class T>
variable<T> transformer<T>::feed(graph<T>& pass, const variable<T>& x, const block& b) const {
  const auto apply = [&pass](const linear_parameters<T>& l, const variable<T>& input) {
    return linear(pass, l.site, input, l.weight, l.bias);
  };
  if (architecture_->mlp == feed_forward::gelu) return apply(b.down, gelu(pass, apply(b.up, x)));
  const variable<T> gate = apply(b.gate, x);
  return apply(b.down, swiglu(pass, gate, apply(b.up, x)));
}

template <class T>
variable<T> transformer<T>::logits(graph<T>& pass, std::span<const std::int32_t> tokens, std::size_t rows) const {
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
  if (architecture_->positions == position_encoding::learned) {
    std::vector<std::int32_t> positions(tokens.size());
    for (std::size_t i = 0; i < positions.size(); ++i) positions[i] = std::int32_t(i % length);
    x = add(pass, x, embedding<T>(pass, position_embedding_, positions, stream));
  }
  for (const block& b : blocks_) {
    x = add(pass, x, attend(pass, normalize(pass, x, b.attention_norm), b));
    x = add(pass, x, feed(pass, normalize(pass, x, b.mlp_norm), b));
  }
  return linear(pass, head_.site, normalize(pass, x, final_norm_), head_.weight, head_.bias);
}

template <class T>
language_model_loss<T> transformer<T>::loss(graph<T>& pass, std::span<const std::int32_t> tokens,
                                            std::span<const std::int32_t> targets, std::size_t rows) const {
  return cross_entropy(pass, logits(pass, tokens, rows), targets, config_.vocabulary);
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
