#include "optim/optimizer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "binade/reduction.hpp"
#include "binade/text.hpp"
#include "kernels/quantize.hpp"
#include "train/records.hpp"
#include "util/fnv.hpp"

namespace binade {
namespace {

constexpr std::string_view weight_stream = "master_weights", gradient_stream = "gradients";

std::string state_name(optimizer_state state, const std::string& parameter) {
  return std::string(to_string(state)) + "." + parameter;
}

/// What became of the changes of a weight.
///
/// @param before, wanted, stored  the weight as it was kept, as the update left it, and as it is kept now
quantize_counters count_changes(std::span<const float> before, std::span<const float> wanted,
                                std::span<const float> stored) {
  quantize_counters c;
  c.count = before.size();
  reduction::neighbour_tree<detail::counter_sums> tree;
  constexpr std::size_t chunk = reduction::chunk_size;
  for (std::size_t first = 0; first < before.size(); first += chunk) {
    detail::counter_sums sums;
    for (std::size_t i = first; i < std::min(before.size(), first + chunk); ++i) {
      const double change = double(wanted[i]) - double(before[i]), kept = double(stored[i]) - double(before[i]);
      if (std::isnan(change)) {
        ++c.nans;
        continue;
      }
      c.nonzero += change != 0;
      c.infinities += std::isinf(change);
      c.saturated += std::isinf(change);
      c.underflowed += std::isfinite(change) && change != 0 && kept == 0;
      c.exact += std::isfinite(change) && change == kept;
      if (!std::isfinite(change) || !std::isfinite(kept)) continue;
      c.amax = std::max(c.amax, float(std::fabs(change)));
      sums.square += change * change;
      sums.error += (change - kept) * (change - kept);
      sums.value_square += kept * kept;
      sums.magnitude += std::fabs(change);
      sums.growth += std::fabs(kept) - std::fabs(change);
    }
    tree.push(sums);
  }
  tree.root().write_to(c);
  return c;
}

}  // namespace

template <class T>
optimizer<T>::optimizer(std::span<const parameter<T>> parameters, const optimizer_choice& choice,
                        const optimizer_formats& formats, std::uint64_t seed)
    : parameters_(parameters), formats_(formats), seed_(seed) {
  std::visit([](const auto& settings) { validate(settings); }, choice);
  try {
    require_states(choice, formats);
  } catch (const std::invalid_argument& e) {
    throw std::invalid_argument(std::string("optimizer: ") + e.what());
  }
  rule_ = std::visit([&](const auto& settings) { return make_rule<T>(settings, parameters); }, choice);
  thread_pool one(1);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    std::string what(weight_stream);
    try {
      round_weight(i, one, "initial_weights", {}, {});
      auto& kept = states_.emplace_back();
      for (const optimizer_state state : rule_->states()) {
        what = to_string(state);
        storage_format storage{.view = view_of(i, formats_.flat), .packed = formats_.packed};
        if (is_formatted(i)) storage.format = formats_.of(state);
        kept.emplace_back(parameters_[i].value.shape(), storage, noise(i, "initial_" + what));
      }
    } catch (const std::invalid_argument& e) {
      throw std::invalid_argument("optimizer: " + what + " of " + parameters_[i].name + ": " + e.what());
    }
  }
}

template <class T>
noise_source optimizer<T>::noise(std::size_t parameter, std::string_view what) const {
  return {.seed = seed_,
          .stream = fnv1a(what, fnv1a("/", fnv1a(parameters_[parameter].name))),
          .step = std::uint32_t(steps_)};
}

template <class T>
bool optimizer<T>::is_formatted(std::size_t parameter) const {
  return !formats_.matrices_only || parameters_[parameter].value.shape().rank() > 1;
}

template <class T>
axis_view optimizer<T>::view_of(std::size_t parameter, bool flat) const {
  const extents& shape = parameters_[parameter].value.shape();
  if (flat) return {.outer = 1, .length = shape.count(), .inner = 1};
  return {.outer = shape.count() / shape.back(), .length = shape.back(), .inner = 1};
}

template <class T>
void optimizer<T>::report(const observer_function& observer, std::size_t parameter, std::string_view what,
                          const kernels::rounding_counts& counts) const {
  const std::string_view name = parameters_[parameter].name;
  const std::size_t dot = name.rfind('.');
  const std::string_view site = dot == name.npos ? name : name.substr(0, dot);
  observer({std::uint32_t(steps_), site, what, dot == name.npos ? "weight" : name.substr(dot + 1), counts});
}

template <class T>
void optimizer<T>::round_weight(std::size_t parameter, thread_pool& pool, std::string_view stream,
                                const tensor<T>& before, const observer_function& observer) {
  if (!formats_.master_weights || !is_formatted(parameter)) return;
  if constexpr (std::is_same_v<T, float>) {
    tensor<T>& weight = parameters_[parameter].value.mutable_value();
    const tensor<T> wanted = observer ? weight.clone() : tensor<T>();
    kernels::quantize(pool, weight.values(), view_of(parameter, false), *formats_.master_weights,
                      noise(parameter, stream), weight.values());
    if (observer)
      report(observer, parameter, update_row,
             {.counters = count_changes(before.values(), wanted.values(), std::as_const(weight).values())});
  } else {
    throw std::invalid_argument("emulated values are float32 numbers, and this parameter is float64");
  }
}

template <class T>
void optimizer<T>::round_gradients(thread_pool& pool, const observer_function& observer) {
  if (!formats_.gradients) return;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const variable<T>& p = parameters_[i].value;
    if (p.gradient().empty() || !is_formatted(i)) continue;
    if constexpr (std::is_same_v<T, float>) {
      tensor<T>& gradient = p.target().sum;
      const axis_view view = view_of(i, formats_.flat);
      const noise_source source = noise(i, gradient_stream);
      if (observer)
        report(
            observer, i, gradient_stream,
            kernels::quantize_counted(pool, gradient.values(), view, *formats_.gradients, source, gradient.values()));
      else
        kernels::quantize(pool, gradient.values(), view, *formats_.gradients, source, gradient.values());
    } else {
      throw std::invalid_argument("optimizer: emulated values are float32 numbers, and the gradient of " +
                                  parameters_[i].name + " is float64");
    }
  }
}

template <class T>
void optimizer<T>::step(double learning_rate, double gradient_factor, thread_pool& pool,
                        const observer_function& observer, const update_function& on_update) {
  rule_->begin(steps_ + 1, learning_rate, gradient_factor);
  const auto kinds = rule_->states();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const variable<T>& p = parameters_[i].value;
    if (p.gradient().empty()) continue;
    const bool keeps_before = on_update || (observer && formats_.master_weights);
    const tensor<T> before = keeps_before ? p.value().clone() : tensor<T>();
    std::array<tensor<T>, 2> values;
    std::array<std::span<T>, 2> spans;
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      values[k] = states_[i][k].load();
      spans[k] = values[k].values();
    }
    const update_target<T> target{.index = i,
                                  .is_matrix = p.shape().rank() > 1,
                                  .gradient = std::as_const(p.gradient()).values(),
                                  .weight = p.mutable_value().values(),
                                  .states = std::span<const std::span<T>>(spans).first(kinds.size())};
    rule_->apply(pool, target);
    const update_sizes sizes = on_update ? rule_->measure(pool, target) : update_sizes();
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      state_array<T>& state = states_[i][k];
      const bool counts = observer && state.is_rounded();
      kernels::rounding_counts what;
      state.store(pool, std::move(values[k]), noise(i, to_string(kinds[k])), counts ? &what : nullptr);
      if (counts) report(observer, i, to_string(kinds[k]), what);
    }
    round_weight(i, pool, weight_stream, before, observer);
    if (on_update) on_update(i, before, sizes);
  }
  ++steps_;
}

template <class T>
std::size_t optimizer<T>::states_bytes() const {
  std::size_t total = 0;
  for (const auto& kept : states_)
    for (const state_array<T>& state : kept) total += state.bytes();
  return total;
}

template <class T>
tensor<T> optimizer<T>::state(std::size_t parameter, optimizer_state which) const {
  const auto kinds = rule_->states();
  const auto found = std::find(kinds.begin(), kinds.end(), which);
  return found == kinds.end() ? tensor<T>() : states_[parameter][std::size_t(found - kinds.begin())].load().clone();
}

template <class T>
std::vector<stored_tensor> optimizer<T>::states() const {
  std::vector<stored_tensor> result;
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    for (std::size_t k = 0; k < states_[i].size(); ++k)
      states_[i][k].save(state_name(rule_->states()[k], parameters_[i].name), result);
  return result;
}

template <class T>
void optimizer<T>::restore(std::uint64_t steps, const safetensors_file& saved) {
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    for (std::size_t k = 0; k < states_[i].size(); ++k)
      states_[i][k].restore(state_name(rule_->states()[k], parameters_[i].name), saved);
  steps_ = steps;
}

template class optimizer<float>;
template class optimizer<double>;

}  // namespace binade
