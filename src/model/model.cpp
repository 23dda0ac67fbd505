#include "model/model.hpp"

#include <stdexcept>

#include "model/initialization.hpp"

namespace binade {

template <class T>
model<T>::model(std::span<const parameter_plan> parameters, std::span<const parameter_plan> buffers,
                std::uint64_t seed) {
  for (const parameter_plan& plan : parameters)
    parameters_.push_back({plan.name, variable<T>(initial_value<T>(plan, seed), true)});
  for (const parameter_plan& plan : buffers)
    buffers_.push_back({plan.name, variable<T>(initial_value<T>(plan, seed), false)});
}

template <class T>
variable<T> model<T>::find(std::string_view name) const {
  for (const parameter<T>& p : parameters_)
    if (p.name == name) return p.value;
  return {};
}

template <class T>
norm_parameters<T> model<T>::find_norm(const std::string& name) const {
  return {at(name + ".weight"), find(name + ".bias")};
}

template <class T>
linear_parameters<T> model<T>::find_linear(const std::string& name) const {
  return {name, at(name + ".weight"), find(name + ".bias")};
}

template <class T>
const variable<T>& model<T>::at(std::string_view name) const {
  for (const auto* arrays : {&parameters_, &buffers_})
    for (const parameter<T>& p : *arrays)
      if (p.name == name) return p.value;
  throw std::invalid_argument("model::at: no parameter or buffer is called '" + std::string(name) + "'");
}

template <class T>
void model<T>::clear_gradients() const {
  for (const parameter<T>& p : parameters_) p.value.clear_gradient();
}

template class model<float>;
template class model<double>;

}  // namespace binade
