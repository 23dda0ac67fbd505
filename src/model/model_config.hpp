#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/parameter_plan.hpp"
#include "ops/routing.hpp"
#include "ops/smooth_swiglu.hpp"

namespace binade {

enum class normalization { layer_norm, rms_norm };
/// How positions enter: a table that is added to the embeddings, turned queries and keys (rope.hpp), scores that fall
/// with the distance (attention.hpp), or not at all.
enum class position_encoding { learned, rotary, alibi, none };
enum class feed_forward { gelu, swiglu };
/// Where keys and values come from: a projection for each head, or one latent vector of all heads.  (Multi-head latent
/// attention; DeepSeek-V2 2024)
enum class attention_kind { multi_head, latent };

/// What tells one kind of decoder from another.  All are pre-norm: x + attention(norm(x)), then x + mlp(norm(x)).
struct architecture {
  std::string_view name;
  normalization norm;
  position_encoding positions;
  feed_forward mlp;
  bool has_biases;  ///< on linear layers and norms
  bool ties_head;   ///< the output projection is the token embedding, unless the model says otherwise
  std::size_t hidden_numerator, hidden_denominator;  ///< hidden size of the mlp / width, rounded up to a multiple of 16
  double epsilon;                                    ///< of the norms
  double rotary_base;                                ///< of rotary positions
  std::size_t experts = 0, top_k = 0;                ///< of a mixture in place of the mlp; 0: none
};

inline constexpr architecture architectures[] = {
    // Radford et al. 2019.
    {"gpt2", normalization::layer_norm, position_encoding::learned, feed_forward::gelu, true, true, 4, 1, 1e-5, 0},
    // Touvron et al. 2023.
    {"llama", normalization::rms_norm, position_encoding::rotary, feed_forward::swiglu, false, false, 8, 3, 1e-5, 1e4},
    // Llama with a mixture of experts, as Jiang et al. 2024 (Mixtral).
    {"moe", normalization::rms_norm, position_encoding::rotary, feed_forward::swiglu, false, false, 8, 3, 1e-5, 1e4, 8,
     2},
};

/// @throws std::invalid_argument that lists the kinds
const architecture& find_architecture(std::string_view kind);

/// The size and the parts of a decoder.
struct model_config {
  std::string kind = "gpt2";  ///< name of an architecture
  std::size_t layers = 2;
  std::size_t width = 64;  ///< of the residual stream: a multiple of heads
  std::size_t heads = 4;
  std::size_t context = 128;           ///< most positions of a sequence
  std::size_t vocabulary = 260;        ///< number of token ids; padded inside to a multiple of 16
  std::size_t hidden = 0;              ///< of the mlp; 0: the architecture's
  std::optional<bool> tied_head = {};  ///< none: the architecture's

  std::optional<position_encoding> positions = {};  ///< none: the architecture's
  attention_kind attention = attention_kind::multi_head;
  std::size_t kv_heads = 0;      ///< multi_head: heads of keys and values, a divisor of heads; 0: heads
  std::size_t kv_latent = 0;     ///< latent: width of the vector of keys and values; 0: 4 head widths
  std::size_t query_latent = 0;  ///< latent: width of the vector of queries; 0: queries are projected from the stream
  std::size_t rotary_width = 0;  ///< latent: of the rotary part that is beside each key; 0: half a head width
  bool qk_norm = false;          ///< multi_head: queries and keys of each head are normed.  (Wortsman et al. 2023)
  double residual_scale = 1;     ///< multiplies what attention and mlp add to the residual stream; above 0
  std::optional<smooth_swiglu_settings> smooth_swiglu = {};  ///< none: the plain down projection

  std::optional<std::size_t> experts =
      {};                          ///< of a mixture in place of each mlp; 0: no mixture; none: the architecture's
  std::size_t top_k = 0;           ///< experts per token; 0: the architecture's, or 2
  std::size_t shared_experts = 0;  ///< that see every token: one mlp of as many hidden widths
  router_gate gate = router_gate::softmax;
  double balance_loss = 0.01;  ///< coefficient of the load-balancing loss of each mixture; at least 0

  /// @throws std::invalid_argument that names the field, the value, what is valid and what to do
  void validate() const;

  const architecture& shape() const { return find_architecture(kind); }
  std::size_t head_width() const { return width / heads; }
  position_encoding position_kind() const { return positions.value_or(shape().positions); }
  std::size_t kv_head_count() const { return kv_heads == 0 ? heads : kv_heads; }
  std::size_t kv_latent_width() const { return kv_latent == 0 ? 4 * head_width() : kv_latent; }
  /// Of the part of queries and keys that is turned: all of a head, or what a latent attention has beside it.
  std::size_t rotated_width() const;
  std::size_t expert_count() const { return experts.value_or(shape().experts); }
  std::size_t experts_per_token() const { return top_k != 0 ? top_k : shape().top_k != 0 ? shape().top_k : 2; }
  std::size_t hidden_width() const;
  std::size_t padded_vocabulary() const { return (vocabulary + 15) / 16 * 16; }
  bool ties_head() const { return tied_head.value_or(shape().ties_head); }
};

/// Every parameter in the order of the computation, a tied head once.
///
/// Matrices start normal with deviation 0.02, the two of each block that write to the residual stream with 0.02 /
/// sqrt(2 layers); biases start at 0 and norm weights at 1.  (Radford et al. 2019)
std::vector<parameter_plan> parameter_plans(const model_config& config);

/// The GEMM sites in the order of the computation: what patterns of a recipe are matched against.
std::vector<std::string> gemm_sites(const model_config& config);

parameter_counts count_parameters(const model_config& config);

/// Floating-point operations of one training token at full context, forward and backward: 6 per weight of a linear
/// layer that a token meets, the head included, and for attention 6 layers heads context (query width + value width),
/// the masked half counted too.  (Chowdhery et al. 2022, appendix B)
double flops_per_token(const model_config& config);

}  // namespace binade
