#include "model/block_plan.hpp"

#include <cmath>

namespace binade {
namespace {

/// Walks through one block and tells a visitor of its norms, linear layers and products without weights.
/// @param visitor  norm(name, width), linear(name, outputs, inputs, writes_residual, has_bias) and product(name)
template <class Visitor>
void visit_block(const model_config& c, std::size_t layer, Visitor& visitor) {
  const architecture& a = c.shape();
  const std::string block = "blocks." + std::to_string(layer), attention = block + ".attention.";
  const std::size_t head = c.head_width(), inner = c.heads * head;
  visitor.norm(block + ".attention_norm", c.width);
  if (c.attention == attention_kind::latent) {
    const std::size_t turned = c.rotated_width(), queries = c.heads * (head + turned);
    if (c.query_latent != 0) {
      visitor.linear(attention + "query_down", c.query_latent, c.width, false, a.has_biases);
      visitor.norm(attention + "query_norm", c.query_latent);
      visitor.linear(attention + "query_up", queries, c.query_latent, false, a.has_biases);
    } else {
      visitor.linear(attention + "query", queries, c.width, false, a.has_biases);
    }
    visitor.linear(attention + "key_value_down", c.kv_latent_width() + turned, c.width, false, a.has_biases);
    visitor.norm(attention + "key_value_norm", c.kv_latent_width());
    visitor.linear(attention + "key_value_up", 2 * inner, c.kv_latent_width(), false, a.has_biases);
  } else {
    visitor.linear(attention + "query_key_value", (c.heads + 2 * c.kv_head_count()) * head, c.width, false,
                   a.has_biases);
    if (c.qk_norm) {
      visitor.norm(attention + "query_norm", head);
      visitor.norm(attention + "key_norm", head);
    }
  }
  visitor.product(attention + "scores");
  visitor.product(attention + "values");
  visitor.linear(attention + "output", c.width, inner, true, a.has_biases);

  visitor.norm(block + ".mlp_norm", c.width);
  const auto mlp = [&](const std::string& name, std::size_t hidden) {
    if (a.mlp == feed_forward::swiglu) visitor.linear(name + ".gate", hidden, c.width, false, a.has_biases);
    visitor.linear(name + ".up", hidden, c.width, false, a.has_biases);
    visitor.linear(name + ".down", c.width, hidden, true, a.has_biases);
  };
  if (c.expert_count() == 0) return mlp(block + ".mlp", c.hidden_width());
  visitor.linear(block + ".moe.router", c.expert_count(), c.width, false, false);
  for (std::size_t expert = 0; expert < c.expert_count(); ++expert)
    mlp(block + ".moe.experts." + std::to_string(expert), c.hidden_width());
  if (c.shared_experts != 0) mlp(block + ".moe.shared", c.shared_experts * c.hidden_width());
}

}  // namespace

void append_norm(std::vector<parameter_plan>& plans, const architecture& a, const std::string& name,
                 std::size_t width) {
  plans.push_back({name + ".weight", {width}, 1, 0});
  if (a.has_biases) plans.push_back({name + ".bias", {width}, 0, 0});
}

void append_block_parameters(std::vector<parameter_plan>& plans, const model_config& config, std::size_t layer) {
  const double deviation = 0.02, residual_deviation = deviation / std::sqrt(2 * double(config.layers));
  struct {
    std::vector<parameter_plan>& plans;
    const architecture& a;
    double spread, residual_spread;

    void norm(const std::string& name, std::size_t width) { append_norm(plans, a, name, width); }
    void linear(const std::string& name, std::size_t outputs, std::size_t inputs, bool writes_residual, bool has_bias) {
      plans.push_back({name + ".weight", {outputs, inputs}, 0, writes_residual ? residual_spread : spread});
      if (has_bias) plans.push_back({name + ".bias", {outputs}, 0, 0});
    }
    void product(const std::string&) {}
  } visitor{plans, config.shape(), deviation, residual_deviation};
  visit_block(config, layer, visitor);
}

void append_block_sites(std::vector<std::string>& sites, const model_config& config, std::size_t layer) {
  struct {
    std::vector<std::string>& sites;

    void norm(const std::string&, std::size_t) {}
    void linear(const std::string& name, std::size_t, std::size_t, bool, bool) { sites.push_back(name); }
    void product(const std::string& name) { sites.push_back(name); }
  } visitor{sites};
  visit_block(config, layer, visitor);
}

}  // namespace binade
