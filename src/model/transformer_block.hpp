#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "model/model_config.hpp"
#include "ops/attention.hpp"
#include "ops/rope.hpp"
#include "tape.hpp"

namespace binade {

/// What a block makes of the residual stream.
template <class T>
struct block_result {
  variable<T> x;
  variable<T> balance;  ///< (1): the load-balancing loss of the block's mixture; no variable without one
};

/// One pre-norm block: x + scale attention(norm(x)), then x + scale mlp(norm(x)), scale being residual_scale; dropout
/// takes from what each branch adds.
///
/// Attention is multi-head with shared keys and values as kv_heads says, or multi-head latent attention (DeepSeek-V2
/// 2024, section 2.1, with the order of columns written here):
///
///     c        = norm(key_value_down x, but its last rotary_width columns)
///     [k | v]  = key_value_up c, keys of all heads, then values of all heads, each a head width wide
///     [q | r]  = query x, or query_up norm(query_down x): a head width and rotary_width for each head
///     key      = [k, rope(last columns of key_value_down x)], the turned part shared by all heads
///     query    = [q, rope(r)]
///
/// The mlp is one, or a mixture: sum over the chosen experts of weight times expert(x), plus shared(x).
template <class T>
class transformer_block {
 public:
  /// @param parameters  among which those of append_block_parameters() are
  /// @param rotations   for rotary positions, of width rotated_width()
  transformer_block(const model_config& config, std::size_t layer, std::span<const parameter<T>> parameters,
                    const rotation_table<T>& rotations);

  /// @param x     (batch, length, width)
  /// @param mask  of the attention
  block_result<T> forward(graph<T>& pass, const variable<T>& x, kernels::row_mask mask) const;

 private:
  struct mlp {
    linear_parameters<T> gate, up, down;
  };

  variable<T> normalize(graph<T>& pass, const variable<T>& x, const norm_parameters<T>& norm) const;
  attention_heads<T> multi_head(graph<T>& pass, const variable<T>& x) const;
  attention_heads<T> latent(graph<T>& pass, const variable<T>& x) const;
  variable<T> attend(graph<T>& pass, const variable<T>& x, kernels::row_mask mask) const;
  variable<T> feed(graph<T>& pass, const variable<T>& x, const mlp& m) const;
  block_result<T> mix(graph<T>& pass, const variable<T>& x) const;

  model_config config_;
  const architecture* architecture_;
  std::string attention_site_, mlp_site_;  ///< of dropout
  rotation_table<T> rotations_;
  norm_parameters<T> attention_norm_, query_norm_, key_norm_, key_value_norm_, mlp_norm_;
  linear_parameters<T> query_key_value_, query_, query_down_, query_up_, key_value_down_, key_value_up_, output_;
  std::string scores_site_, values_site_;
  linear_parameters<T> router_;
  std::vector<mlp> experts_;
  mlp mlp_;  ///< the one, or the shared one of a mixture
};

/// Norm of the architecture's kind.
template <class T>
variable<T> apply_norm(graph<T>& pass, const architecture& a, const variable<T>& x, const norm_parameters<T>& norm);

}  // namespace binade
