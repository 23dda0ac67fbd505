// dump_optimizers FILE: updates two arrays by every optimizer that PyTorch has too, in float64, and writes down
// settings (metadata), first weights, the gradients of every step and the weights after it.  Read by
// test_optimizers.py.

#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "engine/random_values.hpp"
#include "optim/optimizer.hpp"
#include "util/safetensors.hpp"

namespace binade {
namespace {

constexpr int steps = 20;

void dump(const std::string& file) {
  const std::map<std::string, optimizer_choice> choices{
      {"AdamW", adamw_settings{.beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-6, .weight_decay = 0.3}},
      {"SGD", sgd_settings{.momentum = 0, .weight_decay = 0.3}},
      {"SGD_momentum", sgd_settings{.momentum = 0.7, .weight_decay = 0.3}},
      {"SGD_nesterov", sgd_settings{.momentum = 0.7, .nesterov = true}}};
  std::vector<tensor<double>> kept;  // what the stored views look into
  std::vector<stored_tensor> tensors;
  const auto keep = [&](const std::string& name, const tensor<double>& value) {
    kept.push_back(value.clone());
    std::vector<std::size_t> sizes;
    for (std::size_t i = 0; i < value.shape().rank(); ++i) sizes.push_back(value.shape()[i]);
    tensors.push_back(stored(name, sizes, std::span<const double>(kept.back().values())));
  };
  thread_pool pool(1);
  for (const auto& [name, choice] : choices) {
    test::random_values random(1);
    const std::vector<parameter<double>> parameters{{"matrix", variable<double>(random.values<double>({5, 7}), true)},
                                                    {"vector", variable<double>(random.values<double>({7}), true)}};
    optimizer<double> updates(parameters, choice);
    for (int step = 0; step < steps; ++step)
      for (const auto& p : parameters) {
        const std::string place = name + "/" + p.name + "/" + std::to_string(step);
        if (step == 0) keep(name + "/" + p.name, p.value.value());
        p.value.clear_gradient();
        p.value.add_gradient(random.values<double>(p.value.shape()), pool);
        keep(place + "/gradient", p.value.gradient());
        if (&p != &parameters.back()) continue;
        updates.step(0.1 / (step + 1), 1, pool);
        for (const auto& q : parameters)
          keep(name + "/" + q.name + "/" + std::to_string(step) + "/after", q.value.value());
      }
  }
  write_safetensors(file, tensors, {{"steps", std::to_string(steps)}});
}

}  // namespace
}  // namespace binade

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: dump_optimizers FILE\n", stderr);
    return 2;
  }
  try {
    binade::dump(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dump_optimizers: %s\n", error.what());
    return 1;
  }
}
