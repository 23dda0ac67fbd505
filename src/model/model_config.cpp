#include "model/model_config.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace binade {
namespace {

/// Sizes beyond this make products overflow before memory could ever hold the tensors.
constexpr std::size_t largest_size = std::size_t(1) << 31;

void require_size(const char* field, std::size_t value, std::size_t least) {
  if (value < least || value > largest_size)
    throw std::invalid_argument(std::string("model: ") + field + " is " + std::to_string(value) + "; it must be " +
                                std::to_string(least) + " to " + std::to_string(largest_size));
}

std::string block_name(std::size_t layer) {
  return "blocks." + std::to_string(layer);
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
  const architecture& a = find_architecture(kind);
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
  if (a.positions == position_encoding::rotary && head_width() % 2 != 0)
    throw std::invalid_argument("model: width " + std::to_string(width) + " / heads " + std::to_string(heads) + " = " +
                                std::to_string(head_width()) + " is odd; rotary positions need an even head width");
}

std::vector<parameter_plan> parameter_plans(const model_config& config) {
  config.validate();
  const architecture& a = config.shape();
  const double deviation = 0.02, residual_deviation = deviation / std::sqrt(2 * double(config.layers));
  std::vector<parameter_plan> plans;
  const auto norm = [&](const std::string& name) {
    plans.push_back({name + ".weight", {config.width}, 1, 0});
    if (a.has_biases) plans.push_back({name + ".bias", {config.width}, 0, 0});
  };
  const auto matrix = [&](const std::string& name, std::size_t outputs, std::size_t inputs, double spread) {
    plans.push_back({name + ".weight", {outputs, inputs}, 0, spread});
    if (a.has_biases) plans.push_back({name + ".bias", {outputs}, 0, 0});
  };

  plans.push_back({"token_embedding.weight", {config.padded_vocabulary(), config.width}, 0, deviation});
  if (a.positions == position_encoding::learned)
    plans.push_back({"position_embedding.weight", {config.context, config.width}, 0, deviation});
  const std::size_t hidden = config.hidden_width();
  for (std::size_t layer = 0; layer < config.layers; ++layer) {
    const std::string block = block_name(layer);
    norm(block + ".attention_norm");
    matrix(block + ".attention.query_key_value", 3 * config.width, config.width, deviation);
    matrix(block + ".attention.output", config.width, config.width, residual_deviation);
    norm(block + ".mlp_norm");
    if (a.mlp == feed_forward::swiglu) matrix(block + ".mlp.gate", hidden, config.width, deviation);
    matrix(block + ".mlp.up", hidden, config.width, deviation);
    matrix(block + ".mlp.down", config.width, hidden, residual_deviation);
  }
  norm("final_norm");
  if (!config.ties_head()) plans.push_back({"head.weight", {config.padded_vocabulary(), config.width}, 0, deviation});
  return plans;
}

std::vector<std::string> gemm_sites(const model_config& config) {
  config.validate();
  std::vector<std::string> sites;
  for (std::size_t layer = 0; layer < config.layers; ++layer) {
    const std::string block = block_name(layer);
    for (const char* site :
         {".attention.query_key_value", ".attention.scores", ".attention.values", ".attention.output"})
      sites.push_back(block + site);
    if (config.shape().mlp == feed_forward::swiglu) sites.push_back(block + ".mlp.gate");
    sites.push_back(block + ".mlp.up");
    sites.push_back(block + ".mlp.down");
  }
  sites.push_back("head");
  return sites;
}

parameter_counts count_parameters(const model_config& config) {
  return count_parameters(parameter_plans(config));
}

double flops_per_token(const model_config& config) {
  const double head = config.ties_head() ? double(config.padded_vocabulary()) * double(config.width) : 0;
  return 6 * (head + double(count_matrix_elements(parameter_plans(config)))) +
         12 * double(config.layers) * double(config.width) * double(config.context);
}

}  // namespace binade
