// dump_training NAME float|double FILE: trains a small model on the synthetic corpus without quantization and writes
// everything that another implementation needs to do the same: sizes and settings (metadata), first weights, tokens and
// targets of every step, gradients of the first step, and the loss and gradient norm of every step.  The name is gpt2,
// llama, or one of the models with other parts below.  Read by test_parity.py.

#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "data/zm_corpus.hpp"
#include "kernels/parallel.hpp"
#include "model/transformer.hpp"
#include "optim/adamw.hpp"
#include "optim/clip.hpp"
#include "optim/schedule.hpp"
#include "util/safetensors.hpp"

namespace binade {
namespace {

constexpr std::size_t rows = 8;
constexpr std::uint64_t steps = 50;
constexpr double clip = 1;

std::vector<std::size_t> sizes(const extents& shape) {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < shape.rank(); ++i) result.push_back(shape[i]);
  return result;
}

model_config config_of(const std::string& name, std::size_t vocabulary) {
  model_config c{.kind = name, .layers = 2, .width = 64, .heads = 4, .context = 64, .vocabulary = vocabulary};
  if (name == "moe") {
    c.kv_heads = 2;
    c.qk_norm = true;
    c.experts = 4;
    c.shared_experts = 1;
  } else if (name == "latent") {
    c.kind = "llama";
    c.attention = attention_kind::latent;
    c.query_latent = 24;
  }
  return c;
}

template <class T>
void dump(const std::string& kind, const std::string& file) {
  const zm_source source(zm_language(8, 64, 0), 1);
  const model_config config = config_of(kind, source.vocabulary());
  const learning_rate_schedule schedule{.peak = 3e-3, .steps = steps, .warmup = 10, .final_fraction = 0.1};
  const adamw_settings optimizer_settings;
  const transformer<T> model(config, 1);
  adamw<T> optimizer(model.parameters(), optimizer_settings);
  thread_pool pool(1);

  std::vector<tensor<T>> kept;  // what the stored views look into
  std::vector<stored_tensor> file_tensors;
  const auto keep = [&](const std::string& name, const tensor<T>& value) {
    kept.push_back(value.clone());
    file_tensors.push_back(stored(name, sizes(value.shape()), kept.back().values()));
  };
  for (const parameter<T>& p : model.parameters()) keep("weight/" + p.name, p.value.value());

  std::vector<double> tokens, targets, losses, norms;
  for (std::uint64_t step = 0; step < steps; ++step) {
    const token_batch batch = source.training_tokens(0, step, rows);
    tokens.insert(tokens.end(), batch.inputs.begin(), batch.inputs.end());
    targets.insert(targets.end(), batch.targets.begin(), batch.targets.end());
    graph<T> pass(pool);
    const language_model_loss<T> loss = model.loss(pass, batch.inputs, batch.targets, rows);
    pass.backward(loss.mean);
    if (step == 0)
      for (const parameter<T>& p : model.parameters()) keep("gradient/" + p.name, p.value.gradient());
    const double norm = gradient_norm(model.parameters(), pool);
    optimizer.step(schedule.at(step), clip_factor(norm, clip), pool);
    model.clear_gradients();
    losses.push_back(double(loss.mean.value()[0]));
    norms.push_back(norm);
  }
  const std::vector<std::size_t> token_sizes{steps, rows, config.context};
  file_tensors.push_back(stored("tokens", token_sizes, std::span<const double>(tokens)));
  file_tensors.push_back(stored("targets", token_sizes, std::span<const double>(targets)));
  file_tensors.push_back(stored("losses", {steps}, std::span<const double>(losses)));
  file_tensors.push_back(stored("gradient_norms", {steps}, std::span<const double>(norms)));

  const auto text = [](double value) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.17g", value);
    return std::string(digits);
  };
  write_safetensors(file, file_tensors,
                    {{"kind", kind},
                     {"layers", std::to_string(config.layers)},
                     {"width", std::to_string(config.width)},
                     {"heads", std::to_string(config.heads)},
                     {"context", std::to_string(config.context)},
                     {"vocabulary", std::to_string(config.vocabulary)},
                     {"padded_vocabulary", std::to_string(config.padded_vocabulary())},
                     {"hidden", std::to_string(config.hidden_width())},
                     {"kv_heads", std::to_string(config.kv_head_count())},
                     {"kv_latent", std::to_string(config.kv_latent_width())},
                     {"rotary_width", std::to_string(config.rotated_width())},
                     {"experts", std::to_string(config.expert_count())},
                     {"top_k", std::to_string(config.experts_per_token())},
                     {"balance_loss", text(config.balance_loss)},
                     {"learning_rate", text(schedule.peak)},
                     {"warmup", std::to_string(schedule.warmup)},
                     {"final_fraction", text(schedule.final_fraction)},
                     {"beta1", text(optimizer_settings.beta1)},
                     {"beta2", text(optimizer_settings.beta2)},
                     {"epsilon", text(optimizer_settings.epsilon)},
                     {"weight_decay", text(optimizer_settings.weight_decay)},
                     {"clip", text(clip)}});
}

}  // namespace
}  // namespace binade

int main(int argc, char** argv) {
  const std::string scalar = argc == 4 ? argv[2] : "";
  if (scalar != "float" && scalar != "double") {
    std::fputs("usage: dump_training NAME float|double FILE\n", stderr);
    return 2;
  }
  try {
    (scalar == "float" ? binade::dump<float> : binade::dump<double>)(argv[1], argv[3]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dump_training: %s\n", error.what());
    return 1;
  }
}
