#include "model/model_config.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "model/block_plan.hpp"

namespace binade {
namespace {

/// Sizes beyond this make products overflow before memory could ever hold the tensors.
constexpr std::size_t largest_size = std::size_t(1) << 31;

void require_size(const char* field, std::size_t value, std::size_t least) {
  if (value < least || value > largest_size)
    throw std::invalid_argument(std::string("model: ") + field + " is " + std::to_string(value) + "; it must be " +
                                std::to_string(least) + " to " + std::to_string(largest_size));
}

[[noreturn]] void refuse(const std::string& what) {
  throw std::invalid_argument("model: " + what);
}

void validate_attention(const model_config& c) {
  const std::string head = "width " + std::to_string(c.width) + " / heads " + std::to_string(c.heads) + " = " +
                           std::to_string(c.head_width());
  const bool rotary = c.position_kind() == position_encoding::rotary;
  if (c.attention == attention_kind::multi_head) {
    if (c.kv_latent != 0 || c.query_latent != 0 || c.rotary_width != 0)
      refuse("kv_latent, query_latent and rotary_width belong to attention = latent; leave them out");
    if (c.heads % c.kv_head_count() != 0)
      refuse("kv_heads is " + std::to_string(c.kv_heads) + "; it must divide heads " + std::to_string(c.heads));
    if (rotary && c.head_width() % 2 != 0) refuse(head + " is odd; rotary positions need an even head width");
    return;
  }
  if (c.kv_heads != 0) refuse("kv_heads belongs to attention = multi_head; a latent attention has keys for every head");
  if (c.qk_norm) refuse("qk_norm belongs to attention = multi_head; a latent attention norms its latent vectors");
  if (!rotary && c.rotary_width != 0) refuse("rotary_width belongs to rotary positions; leave it out");
  if (rotary && (c.rotated_width() == 0 || c.rotated_width() % 2 != 0))
    refuse("the rotary part of a head is " + std::to_string(c.rotated_width()) + " wide (" + head +
           "); it must be even and not 0: say rotary_width");
  if (c.kv_latent != 0) require_size("kv_latent", c.kv_latent, 1);
  if (c.query_latent != 0) require_size("query_latent", c.query_latent, 1);
  if (c.rotary_width != 0) require_size("rotary_width", c.rotary_width, 1);
}

void validate_mlp(const model_config& c) {
  const architecture& a = c.shape();
  if (c.smooth_swiglu && (a.mlp != feed_forward::swiglu || a.has_biases))
    refuse("smooth_swiglu belongs to SwiGLU blocks without biases, and " + c.kind + " has none; choose llama or moe");
  if (c.expert_count() == 0) {
    if (c.top_k != 0 || c.shared_experts != 0) refuse("top_k and shared_experts belong to a mixture; say experts");
    return;
  }
  require_size("experts", c.expert_count(), 1);
  if (c.experts_per_token() > c.expert_count())
    refuse("top_k is " + std::to_string(c.experts_per_token()) + "; there are " + std::to_string(c.expert_count()) +
           " experts");
  if (c.shared_experts != 0) require_size("shared_experts", c.shared_experts, 1);
  if (!(c.balance_loss >= 0) || !std::isfinite(c.balance_loss))
    refuse("balance_loss is " + std::to_string(c.balance_loss) + "; it must be finite and at least 0");
}

}  // namespace

const architecture& find_architecture(std::string_view kind) {
  std::string known;
  for (const architecture& candidate : architectures) {
    if (candidate.name == kind) return candidate;
    known += (known.empty() ? "" : ", ") + std::string(candidate.name);
  }
  throw std::invalid_argument("model: unknown kind '" + std::string(kind) + "'; valid: " + known);
}

std::size_t model_config::hidden_width() const {
  if (hidden != 0) return hidden;
  const architecture& a = shape();
  const std::size_t least = (width * a.hidden_numerator + a.hidden_denominator - 1) / a.hidden_denominator;
  return (least + 15) / 16 * 16;
}

void model_config::validate() const {
  find_architecture(kind);
  require_size("layers", layers, 1);
  require_size("width", width, 1);
  require_size("heads", heads, 1);
  require_size("context", context, 1);
  require_size("vocabulary", vocabulary, 2);
  if (hidden != 0) require_size("hidden", hidden, 1);
  if (width % heads != 0)
    throw std::invalid_argument("model: width " + std::to_string(width) + " is not a multiple of heads " +
                                std::to_string(heads) + "; choose, for instance, width " +
                                std::to_string((width + heads - 1) / heads * heads));
  validate_attention(*this);
  validate_mlp(*this);
  if (!(residual_scale > 0) || !std::isfinite(residual_scale))
    refuse("residual_scale is " + std::to_string(residual_scale) + "; it must be a finite number above 0");
}

std::size_t model_config::rotated_width() const {
  if (position_kind() != position_encoding::rotary) return 0;
  if (attention == attention_kind::multi_head) return head_width();
  return rotary_width != 0 ? rotary_width : head_width() / 2;
}

std::vector<parameter_plan> parameter_plans(const model_config& config) {
  config.validate();
  const double deviation = 0.02;
  std::vector<parameter_plan> plans;
  plans.push_back({"token_embedding.weight", {config.padded_vocabulary(), config.width}, 0, deviation});
  if (config.position_kind() == position_encoding::learned)
    plans.push_back({"position_embedding.weight", {config.context, config.width}, 0, deviation});
  for (std::size_t layer = 0; layer < config.layers; ++layer) append_block_parameters(plans, config, layer);
  append_norm(plans, config.shape(), "final_norm", config.width);
  if (!config.ties_head()) plans.push_back({"head.weight", {config.padded_vocabulary(), config.width}, 0, deviation});
  return plans;
}

std::vector<std::string> gemm_sites(const model_config& config) {
  config.validate();
  std::vector<std::string> sites;
  for (std::size_t layer = 0; layer < config.layers; ++layer) append_block_sites(sites, config, layer);
  sites.push_back("head");
  return sites;
}

parameter_counts count_parameters(const model_config& config) {
  return count_parameters(parameter_plans(config));
}

double flops_per_token(const model_config& c) {
  const double head = c.ties_head() ? double(c.padded_vocabulary()) * double(c.width) : 0;
  // A token meets top_k of the experts.
  const double matrices_of_mlp = c.shape().mlp == feed_forward::swiglu ? 3 : 2;
  const double idle = c.expert_count() == 0 ? 0 : double(c.expert_count() - c.experts_per_token());
  const double idle_weights = idle * double(c.layers) * matrices_of_mlp * double(c.hidden_width()) * double(c.width);
  const std::size_t beside = c.attention == attention_kind::latent ? c.rotated_width() : 0;
  const double products = double(c.layers) * double(c.heads) * double(2 * c.head_width() + beside) * double(c.context);
  return 6 * (head + double(count_matrix_elements(parameter_plans(c))) - idle_weights) + 6 * products;
}

}  // namespace binade
