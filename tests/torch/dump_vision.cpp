// dump_vision FILE: what the operations of image networks compute in double, values and gradients, with all that they
// were given.  Read by test_vision.py.
//
// Every case is a prefix such as "conv2d.0": its arrays are PREFIX/x, PREFIX/weight, ... and PREFIX/y; the loss is the
// mean squared difference of y and PREFIX/target, or y itself for a loss; PREFIX/gradient/NAME are its gradients.
// Settings are metadata of the same prefix.

#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/random_values.hpp"
#include "ops/batch_norm.hpp"
#include "ops/conv2d.hpp"
#include "ops/cross_entropy.hpp"
#include "ops/gelu.hpp"
#include "ops/mse.hpp"
#include "ops/pool2d.hpp"
#include "util/safetensors.hpp"

namespace binade {
namespace {

class dump {
 public:
  thread_pool pool{1};
  test::random_values random{17};

  variable<double> input(const std::string& name, const extents& shape, double scale = 1) {
    const variable<double> x(random.values<double>(shape, scale), true);
    keep(name, x.value());
    inputs_.emplace_back(name, x);
    return x;
  }
  void keep(const std::string& name, const tensor<double>& value) {
    kept_.push_back(value.clone());
    std::vector<std::size_t> sizes;
    for (std::size_t i = 0; i < value.shape().rank(); ++i) sizes.push_back(value.shape()[i]);
    tensors_.push_back(stored(prefix_ + "/" + name, sizes, std::span<const double>(kept_.back().values())));
  }
  void begin(const std::string& prefix, const std::string& settings) {
    prefix_ = prefix;
    settings_[prefix] = settings;
    inputs_.clear();
  }
  /// Writes the result and the gradients of its distance from a random target.
  void finish(graph<double>& pass, const variable<double>& y) {
    const variable<double> target(random.values<double>(y.shape()));
    keep("y", y.value());
    keep("target", target.value());
    finish_loss(pass, mse(pass, y, target));
  }
  void finish_loss(graph<double>& pass, const variable<double>& loss) {
    keep("loss", loss.value());
    pass.backward(loss);
    for (const auto& [name, x] : inputs_) keep("gradient/" + name, x.gradient());
  }
  void write(const std::string& file) const { write_safetensors(file, tensors_, settings_); }

 private:
  std::string prefix_;
  std::vector<std::pair<std::string, variable<double>>> inputs_;
  std::vector<tensor<double>> kept_;  // what the stored views look into
  std::vector<stored_tensor> tensors_;
  std::map<std::string, std::string> settings_;
};

std::string numbers(std::initializer_list<std::size_t> values) {
  std::string text;
  for (const std::size_t value : values) text += (text.empty() ? "" : " ") + std::to_string(value);
  return text;
}

void dump_convolutions(dump& d) {
  struct shape {
    extents x, weight;
    conv2d_settings settings;
  };
  std::size_t index = 0;
  for (const shape& c : {shape{{3, 5, 9, 8}, {7, 5, 3, 3}, {.padding = 1}},
                         shape{{2, 6, 9, 10}, {8, 3, 5, 3}, {.stride = 2, .padding = 2, .groups = 2}},
                         shape{{2, 8, 8, 8}, {8, 1, 3, 3}, {.stride = 2, .padding = 1, .groups = 8}},
                         shape{{2, 4, 6, 6}, {5, 4, 1, 1}, {.stride = 2}}}) {
    d.begin("conv2d." + std::to_string(index++), numbers({c.settings.stride, c.settings.padding, c.settings.groups}));
    graph<double> pass(d.pool);
    const auto x = d.input("x", c.x), weight = d.input("weight", c.weight), bias = d.input("bias", {c.weight[0]});
    d.finish(pass, conv2d(pass, "site", x, weight, bias, c.settings));
  }
}

void dump_batch_norm(dump& d) {
  std::size_t index = 0;
  for (const extents& shape : {extents{4, 3, 5, 6}, extents{7, 5}}) {
    d.begin("batch_norm." + std::to_string(index++), "0.125 0.0625");
    const auto buffers = batch_norm_buffers<double>::make(shape[1]);
    const batch_norm_settings settings{.epsilon = 0.0625, .momentum = 0.125};
    graph<double> pass(d.pool), evaluation(d.pool, {}, false);
    const auto x = d.input("x", shape, 3), weight = d.input("weight", {shape[1]}), bias = d.input("bias", {shape[1]});
    const auto y = batch_norm(pass, x, weight, bias, buffers, settings);
    d.keep("running_mean", buffers.mean.value());
    d.keep("running_variance", buffers.variance.value());
    d.keep("evaluation", batch_norm(evaluation, x, weight, bias, buffers, settings).value());
    d.finish(pass, y);
  }
}

void dump_pooling(dump& d) {
  std::size_t index = 0;
  for (const pool2d_settings& s : {pool2d_settings{2}, pool2d_settings{3, 2, 1}, pool2d_settings{3, 1, 1}}) {
    for (const bool largest : {true, false}) {
      d.begin((largest ? "max_pool2d." : "avg_pool2d.") + std::to_string(index),
              numbers({s.kernel, s.stride == 0 ? s.kernel : s.stride, s.padding}));
      graph<double> pass(d.pool);
      const auto x = d.input("x", {2, 3, 9, 8});
      d.finish(pass, largest ? max_pool2d(pass, x, s) : avg_pool2d(pass, x, s));
    }
    ++index;
  }
}

void dump_gelu(dump& d) {
  d.begin("gelu_erf.0", "");
  graph<double> pass(d.pool);
  d.finish(pass, gelu_erf(pass, d.input("x", {400}, 9)));
}

void dump_losses(dump& d) {
  d.begin("cross_entropy.0", "0.125 0.03125");
  graph<double> pass(d.pool);
  const std::vector<std::int32_t> targets{4, no_target, 0, 8, 3, 3};
  tensor<double> ids = tensor<double>::uninitialized({targets.size()});
  for (std::size_t i = 0; i < targets.size(); ++i) ids[i] = targets[i];
  d.keep("targets", ids);
  const auto logits = d.input("x", {targets.size(), 9}, 4);
  const auto loss = cross_entropy(pass, logits, std::span(targets), 9, {.label_smoothing = 0.125, .z_loss = 0.03125});
  d.finish_loss(pass, loss.mean);
}

}  // namespace
}  // namespace binade

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: dump_vision FILE\n", stderr);
    return 2;
  }
  try {
    binade::dump d;
    binade::dump_convolutions(d);
    binade::dump_batch_norm(d);
    binade::dump_pooling(d);
    binade::dump_gelu(d);
    binade::dump_losses(d);
    d.write(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dump_vision: %s\n", error.what());
    return 1;
  }
}
