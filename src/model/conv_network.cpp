#include "model/conv_network.hpp"

#include <algorithm>
#include <utility>

#include "ops/add.hpp"
#include "ops/linear.hpp"
#include "ops/pool2d.hpp"

namespace binade {
namespace {

/// Every convolution in the order of the computation.
template <class F>
void for_each_layer(const conv_network_plan& network, const F& f) {
  for (const conv_block_plan& block : network.blocks) {
    for (const conv_norm_plan& layer : block.layers) f(layer);
    if (block.shortcut) f(*block.shortcut);
  }
}

std::size_t last_channels(const conv_network_plan& network) {
  return network.blocks.back().layers.back().outputs;
}

std::size_t positions_after(std::size_t size, std::size_t stride) {
  return (size + stride - 1) / stride;  // of an odd kernel with half of it as padding
}

}  // namespace

std::vector<parameter_plan> conv_network_plan::parameters() const {
  std::vector<parameter_plan> result;
  for_each_layer(*this, [&](const conv_norm_plan& layer) {
    result.push_back({layer.name + ".weight",
                      {layer.outputs, layer.inputs / layer.groups, layer.kernel, layer.kernel},
                      0,
                      0,
                      classifier.weights});
    result.push_back({layer.name + "_norm.weight", {layer.outputs}, 1, 0});
    result.push_back({layer.name + "_norm.bias", {layer.outputs}, 0, 0});
  });
  result.push_back(head_weight(images.classes, last_channels(*this)));
  result.push_back(head_bias(images.classes));
  return result;
}

std::vector<parameter_plan> conv_network_plan::buffers() const {
  std::vector<parameter_plan> result;
  for_each_layer(*this, [&](const conv_norm_plan& layer) {
    result.push_back({layer.name + "_norm.running_mean", {layer.outputs}, 0, 0});
    result.push_back({layer.name + "_norm.running_variance", {layer.outputs}, 1, 0});
  });
  return result;
}

std::vector<std::string> conv_network_plan::gemm_sites() const {
  std::vector<std::string> sites;
  for_each_layer(*this, [&](const conv_norm_plan& layer) { sites.push_back(layer.name); });
  sites.push_back("head");
  return sites;
}

std::vector<output_kind> conv_network_plan::outputs() const {
  using enum output_kind;
  std::vector<output_kind> result{norm};
  if (std::any_of(blocks.begin(), blocks.end(), [](const conv_block_plan& b) { return b.is_residual; }))
    result.push_back(residual);
  result.push_back(activation);
  return result;
}

double conv_network_plan::flops_per_example() const {
  double products = double(last_channels(*this) * images.classes);
  std::size_t height = images.height, width = images.width;
  const auto count = [&](const conv_norm_plan& layer, std::size_t& h, std::size_t& w) {
    h = positions_after(h, layer.stride);
    w = positions_after(w, layer.stride);
    const std::size_t inputs = layer.inputs / layer.groups;
    products += double(layer.outputs * inputs * layer.kernel * layer.kernel) * double(h * w);
  };
  for (const conv_block_plan& block : blocks) {
    std::size_t shortcut_height = height, shortcut_width = width;
    for (const conv_norm_plan& layer : block.layers) count(layer, height, width);
    if (block.shortcut) count(*block.shortcut, shortcut_height, shortcut_width);
  }
  return 6 * products;
}

template <class T>
conv_network<T>::conv_network(const conv_network_plan& plan, std::uint64_t seed)
    : model<T>(plan.parameters(), plan.buffers(), seed), classifier_(plan.classifier), images_(plan.images) {
  for (const conv_block_plan& b : plan.blocks) {
    block made{{}, {}, b.is_residual, b.activates};
    for (const conv_norm_plan& l : b.layers) made.layers.push_back(make_layer(l));
    if (b.shortcut) made.shortcut = make_layer(*b.shortcut);
    blocks_.push_back(std::move(made));
  }
  head_ = this->find_linear("head");
}

template <class T>
typename conv_network<T>::layer conv_network<T>::make_layer(const conv_norm_plan& plan) const {
  const std::string norm = plan.name + "_norm";
  return {plan,
          this->at(plan.name + ".weight"),
          this->find_norm(norm),
          {this->at(norm + ".running_mean"), this->at(norm + ".running_variance")}};
}

template <class T>
variable<T> conv_network<T>::run(graph<T>& pass, const variable<T>& x, const layer& l) const {
  const variable<T> y = conv2d<T>(pass, l.plan.name, x, l.weight, {}, l.plan.settings());
  const variable<T> normalized = batch_norm(pass, y, l.norm.weight, l.norm.bias, l.running);
  return l.plan.activates ? apply(pass, classifier_.function, normalized) : normalized;
}

template <class T>
model_loss<T> conv_network<T>::loss(graph<T>& pass, const data_batch& examples) const {
  variable<T> x = pixels_of<T>(examples, images_);
  for (const block& b : blocks_) {
    variable<T> y = x;
    for (const layer& l : b.layers) y = run(pass, y, l);
    if (b.is_residual) y = add_to_stream(pass, y, b.shortcut ? run(pass, x, *b.shortcut) : x);
    x = b.activates ? apply(pass, classifier_.function, y) : y;
  }
  x = linear(pass, head_.site, global_avg_pool(pass, x), head_.weight, head_.bias);
  return classification_loss(pass, x, examples, classifier_);
}

template class conv_network<float>;
template class conv_network<double>;

}  // namespace binade
