// dump_sequence FILE: attention, mixtures of experts and vision transformers in double on random numbers, with their
// results and the gradients of sum(weights * result) by every input.  Read by test_sequence.py, which has PyTorch do
// the same.

#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/random_values.hpp"
#include "model/vit.hpp"
#include "ops/attention.hpp"
#include "ops/dispatch.hpp"
#include "ops/linear.hpp"
#include "ops/routing.hpp"
#include "ops/swiglu.hpp"
#include "util/safetensors.hpp"

namespace binade {
namespace {

using named_variables = std::vector<std::pair<std::string, variable<double>>>;

/// Everything that goes into the file.
class dump {
 public:
  void write(const std::string& file) const { write_safetensors(file, tensors_, notes_); }

  variable<double> random(const extents& shape, double scale = 1) {
    return variable<double>(random_.values<double>(shape, scale), true);
  }

  std::vector<std::int32_t> ids(std::size_t count, std::size_t bound) { return random_.ids(count, bound); }

  /// Runs f, then backward from sum(weights * result), and keeps all of it under the name of the case.
  template <class F>
  void run(const std::string& name, const std::string& note, const named_variables& inputs, const F& f) {
    thread_pool pool(1);
    graph<double> pass(pool);
    const variable<double> result = f(pass);
    const tensor<double> weights = random_.values<double>(result.shape());
    pass.backward(pass.result(tensor<double>::zeros({1}), {&result},
                              [&pool, result, weights](const tensor<double>&) { result.add_gradient(weights, pool); }));
    for (const auto& [input, x] : inputs) {
      keep(name + "/input/" + input, x.value());
      if (x.requires_gradient()) keep(name + "/gradient/" + input, x.gradient());
    }
    keep(name + "/result", result.value());
    keep(name + "/weights", weights);
    notes_[name] = note;
  }

 private:
  void keep(const std::string& name, const tensor<double>& value) {
    kept_.push_back(value.clone());
    std::vector<std::size_t> sizes;
    for (std::size_t i = 0; i < value.shape().rank(); ++i) sizes.push_back(value.shape()[i]);
    tensors_.push_back(stored(name, sizes, std::as_const(kept_.back()).values()));
  }

  test::random_values random_{2};
  std::vector<tensor<double>> kept_;  // what the stored views look into
  std::vector<stored_tensor> tensors_;
  std::map<std::string, std::string> notes_;
};

void dump_attention(dump& out, const std::string& name, std::size_t heads, std::size_t key_heads,
                    const attention_settings& settings) {
  const std::size_t length = 45, width = 6, value_width = 5;
  const auto q = out.random({2, heads, length, width}, 2), k = out.random({2, key_heads, length, width}, 2),
             v = out.random({2, key_heads, length, value_width});
  const std::string note =
      std::string(settings.mask == kernels::row_mask::causal ? "causal" : "full") + (settings.alibi ? " alibi" : "");
  out.run("attention/" + name, note, {{"query", q}, {"key", k}, {"value", v}}, [&](graph<double>& pass) {
    return attention(pass, "scores", "values", attention_heads<double>{q, k, v}, settings);
  });
}

/// Experts with SwiGLU; the balance is the one row of a result of its own.
void dump_mixture(dump& out, const std::string& name, router_gate gate) {
  const std::size_t tokens = 30, width = 8, hidden = 6, experts = 5, top_k = 2;
  const auto x = out.random({tokens, width}), router = out.random({experts, width}, 2);
  named_variables inputs{{"x", x}, {"router", router}};
  for (std::size_t e = 0; e < experts; ++e) {
    const std::string expert = std::to_string(e);
    inputs.emplace_back("gate." + expert, out.random({hidden, width}));
    inputs.emplace_back("up." + expert, out.random({hidden, width}));
    inputs.emplace_back("down." + expert, out.random({width, hidden}));
  }
  const auto routed = [&](graph<double>& pass) {
    return route(pass, linear<double>(pass, "router", x, router, {}), top_k, gate);
  };
  const std::string note = gate == router_gate::softmax ? "softmax" : "sigmoid";
  out.run("mixture/" + name, note, inputs, [&](graph<double>& pass) {
    const routing<double> r = routed(pass);
    std::vector<variable<double>> results = dispatch(pass, x, r);
    for (std::size_t e = 0; e < experts; ++e) {
      const auto apply = [&](std::size_t i, const variable<double>& from) {
        return linear<double>(pass, "expert", from, inputs[2 + 3 * e + i].second, {});
      };
      results[e] = apply(2, swiglu(pass, apply(0, results[e]), apply(1, results[e])));
    }
    return combine<double>(pass, results, r, x.shape());
  });
  for (const auto& input : inputs) input.second.clear_gradient();
  out.run("balance/" + name, note, {{"x", x}, {"router", router}},
          [&](graph<double>& pass) { return routed(pass).balance; });
}

void dump_vit(dump& out, const std::string& name, vit_pooling pooling) {
  const vit_config config{.layers = 2,
                          .width = 12,
                          .heads = 3,
                          .hidden = 20,
                          .patch = 3,
                          .pooling = pooling,
                          .channels = 2,
                          .image_height = 6,
                          .image_width = 9,
                          .classes = 5};
  const vision_transformer<double> network(config, 1);
  image_batch images{.rows = 4, .channels = 2, .height = 6, .width = 9, .pixels = {}, .labels = {}, .floor = {}};
  tensor<double> pixels = tensor<double>::uninitialized({4, 2, 6, 9});
  for (double& pixel : pixels.values()) {
    pixel = double(out.ids(1, 256)[0]) / 64;  // a number that float has too
    images.pixels.push_back(float(pixel));
  }
  named_variables inputs{{"images", variable<double>(pixels)}};
  for (const auto& p : network.parameters()) {
    for (double& value : p.value.mutable_value().values()) value += 0.3 * std::as_const(out.random({1}).value())[0];
    inputs.emplace_back(p.name, p.value);
  }
  out.run("vit/" + name, pooling == vit_pooling::mean ? "mean" : "class_token", inputs,
          [&](graph<double>& pass) { return network.logits(pass, images); });
}

}  // namespace
}  // namespace binade

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: dump_sequence FILE\n", stderr);
    return 2;
  }
  try {
    using binade::kernels::row_mask;
    binade::dump out;
    binade::dump_attention(out, "multi_head", 4, 4, {row_mask::causal, false});
    binade::dump_attention(out, "grouped", 6, 2, {row_mask::causal, false});
    binade::dump_attention(out, "full", 4, 4, {row_mask::none, false});
    binade::dump_attention(out, "alibi", 6, 6, {row_mask::causal, true});
    binade::dump_attention(out, "full_grouped_alibi", 8, 1, {row_mask::none, true});
    binade::dump_mixture(out, "softmax", binade::router_gate::softmax);
    binade::dump_mixture(out, "sigmoid", binade::router_gate::sigmoid);
    binade::dump_vit(out, "class_token", binade::vit_pooling::class_token);
    binade::dump_vit(out, "mean", binade::vit_pooling::mean);
    out.write(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dump_sequence: %s\n", error.what());
    return 1;
  }
}
