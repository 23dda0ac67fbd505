#include "model/transformer_block.hpp"

#include <string_view>

#include "ops/add.hpp"
#include "ops/dispatch.hpp"
#include "ops/dropout.hpp"
#include "ops/gelu.hpp"
#include "ops/heads.hpp"
#include "ops/layer_norm.hpp"
#include "ops/linear.hpp"
#include "ops/rms_norm.hpp"
#include "ops/routing.hpp"
#include "ops/scale.hpp"
#include "ops/smooth_swiglu.hpp"
#include "ops/swiglu.hpp"

namespace binade {
namespace {

template <class T>
variable<T> apply_linear(graph<T>& pass, const linear_parameters<T>& l, const variable<T>& x) {
  return linear(pass, l.site, x, l.weight, l.bias);
}

}  // namespace

template <class T>
variable<T> apply_norm(graph<T>& pass, const architecture& a, const variable<T>& x, const norm_parameters<T>& norm) {
  return a.norm == normalization::layer_norm ? layer_norm(pass, x, norm.weight, norm.bias, a.epsilon)
                                             : rms_norm(pass, x, norm.weight, a.epsilon);
}

template <class T>
transformer_block<T>::transformer_block(const model_config& config, std::size_t layer,
                                        std::span<const parameter<T>> parameters, const rotation_table<T>& rotations)
    : config_(config),
      architecture_(&config_.shape()),
      attention_site_("blocks." + std::to_string(layer) + ".attention"),
      mlp_site_("blocks." + std::to_string(layer) + ".mlp"),
      rotations_(rotations) {
  const std::string block = "blocks." + std::to_string(layer), attention = block + ".attention.";
  const auto find = [parameters](const std::string& name) {
    for (const parameter<T>& p : parameters)
      if (p.name == name) return p.value;
    return variable<T>();
  };
  const auto find_norm = [find](const std::string& name) {
    return norm_parameters<T>{find(name + ".weight"), find(name + ".bias")};
  };
  const auto find_linear = [find](const std::string& name) {
    return linear_parameters<T>{name, find(name + ".weight"), find(name + ".bias")};
  };
  const auto find_mlp = [find_linear](const std::string& name) {
    return mlp{find_linear(name + ".gate"), find_linear(name + ".up"), find_linear(name + ".down")};
  };
  attention_norm_ = find_norm(block + ".attention_norm");
  query_norm_ = find_norm(attention + "query_norm");
  key_norm_ = find_norm(attention + "key_norm");
  key_value_norm_ = find_norm(attention + "key_value_norm");
  mlp_norm_ = find_norm(block + ".mlp_norm");
  query_key_value_ = find_linear(attention + "query_key_value");
  query_ = find_linear(attention + "query");
  query_down_ = find_linear(attention + "query_down");
  query_up_ = find_linear(attention + "query_up");
  key_value_down_ = find_linear(attention + "key_value_down");
  key_value_up_ = find_linear(attention + "key_value_up");
  output_ = find_linear(attention + "output");
  scores_site_ = attention + "scores";
  values_site_ = attention + "values";
  router_ = find_linear(block + ".moe.router");
  for (std::size_t expert = 0; expert < config_.expert_count(); ++expert)
    experts_.push_back(find_mlp(block + ".moe.experts." + std::to_string(expert)));
  mlp_ = find_mlp(block + (experts_.empty() ? ".mlp" : ".moe.shared"));
}

template <class T>
variable<T> transformer_block<T>::normalize(graph<T>& pass, const variable<T>& x,
                                            const norm_parameters<T>& norm) const {
  return apply_norm(pass, *architecture_, x, norm);
}

template <class T>
attention_heads<T> transformer_block<T>::multi_head(graph<T>& pass, const variable<T>& x) const {
  attention_heads<T> heads =
      split_heads(pass, apply_linear(pass, query_key_value_, x), config_.heads, config_.kv_head_count());
  if (config_.qk_norm) {
    heads.query = normalize(pass, heads.query, query_norm_);
    heads.key = normalize(pass, heads.key, key_norm_);
  }
  if (config_.rotated_width() != 0) {
    heads.query = rope(pass, heads.query, rotations_);
    heads.key = rope(pass, heads.key, rotations_);
  }
  return heads;
}

template <class T>
attention_heads<T> transformer_block<T>::latent(graph<T>& pass, const variable<T>& x) const {
  const std::size_t count = config_.heads, head = config_.head_width(), turned = config_.rotated_width();
  const variable<T> queries =
      config_.query_latent == 0
          ? apply_linear(pass, query_, x)
          : apply_linear(pass, query_up_, normalize(pass, apply_linear(pass, query_down_, x), query_norm_));
  const variable<T> down = apply_linear(pass, key_value_down_, x);
  attention_heads<T> heads;
  variable<T> vector = down;
  variable<T> turned_key, turned_query;
  if (turned == 0) {
    heads.query = split_columns(pass, queries, {{count, head}})[0];
  } else {
    const auto query_parts = split_columns(pass, queries, {{count, head}, {count, turned}});
    const auto down_parts = split_columns(pass, down, {{1, config_.kv_latent_width()}, {1, turned}});
    heads.query = concatenate_widths(pass, query_parts[0], rope(pass, query_parts[1], rotations_));
    vector = merge_heads(pass, down_parts[0]);
    turned_key = rope(pass, down_parts[1], rotations_);
  }
  const variable<T> up = apply_linear(pass, key_value_up_, normalize(pass, vector, key_value_norm_));
  const auto up_parts = split_columns(pass, up, {{count, head}, {count, head}});
  heads.key = turned == 0 ? up_parts[0] : concatenate_widths(pass, up_parts[0], turned_key);
  heads.value = up_parts[1];
  return heads;
}

template <class T>
variable<T> transformer_block<T>::attend(graph<T>& pass, const variable<T>& x, kernels::row_mask mask) const {
  const attention_heads<T> heads = config_.attention == attention_kind::latent ? latent(pass, x) : multi_head(pass, x);
  const attention_settings settings{.mask = mask, .alibi = config_.position_kind() == position_encoding::alibi};
  return apply_linear(pass, output_, merge_heads(pass, attention(pass, scores_site_, values_site_, heads, settings)));
}

template <class T>
variable<T> transformer_block<T>::feed(graph<T>& pass, const variable<T>& x, const mlp& m) const {
  if (architecture_->mlp == feed_forward::gelu)
    return apply_linear(pass, m.down, gelu(pass, apply_linear(pass, m.up, x)));
  const variable<T> gate = apply_linear(pass, m.gate, x), up = apply_linear(pass, m.up, x);
  if (config_.smooth_swiglu)
    return smooth_swiglu_down(pass, m.down.site, gate, up, m.down.weight, *config_.smooth_swiglu);
  return apply_linear(pass, m.down, swiglu(pass, gate, up));
}

template <class T>
block_result<T> transformer_block<T>::mix(graph<T>& pass, const variable<T>& x) const {
  const routing<T> r = route(pass, apply_linear(pass, router_, x), config_.experts_per_token(), config_.gate);
  std::vector<variable<T>> results = dispatch(pass, x, r);
  for (std::size_t expert = 0; expert < experts_.size(); ++expert) {
    const mlp& m = experts_[expert];
    if (results[expert]) {
      results[expert] = feed(pass, results[expert], m);
    } else {
      for (const linear_parameters<T>* l : {&m.gate, &m.up, &m.down}) {
        take_no_part(pass, l->weight);
        take_no_part(pass, l->bias);
      }
    }
  }
  const variable<T> mixed = combine<T>(pass, results, r, x.shape());
  return {config_.shared_experts == 0 ? mixed : add(pass, mixed, feed(pass, x, mlp_)), r.balance};
}

template <class T>
block_result<T> transformer_block<T>::forward(graph<T>& pass, const variable<T>& x, kernels::row_mask mask) const {
  const auto add_branch = [this, &pass](const variable<T>& stream, const std::string& site, const variable<T>& branch) {
    const variable<T> kept = dropout(pass, site, branch, 1 - config_.dropout);
    return add_to_stream(pass, stream, config_.residual_scale == 1 ? kept : scale(pass, kept, config_.residual_scale));
  };
  const variable<T> attended = add_branch(x, attention_site_, attend(pass, normalize(pass, x, attention_norm_), mask));
  const variable<T> normed = normalize(pass, attended, mlp_norm_);
  if (experts_.empty()) return {add_branch(attended, mlp_site_, feed(pass, normed, mlp_)), {}};
  const block_result<T> mixed = mix(pass, normed);
  return {add_branch(attended, mlp_site_, mixed.x), mixed.balance};
}

#define BINADE_INSTANTIATE(T)          \
  template class transformer_block<T>; \
  template variable<T> apply_norm(graph<T>&, const architecture&, const variable<T>&, const norm_parameters<T>&);
BINADE_INSTANTIATE(float)
BINADE_INSTANTIATE(double)
#undef BINADE_INSTANTIATE

}  // namespace binade
