#include "model/activation.hpp"

#include <array>
#include <stdexcept>
#include <string>

#include "binade/nearest_name.hpp"
#include "ops/gelu.hpp"
#include "ops/relu.hpp"
#include "ops/silu.hpp"

namespace binade {
namespace {

/// In the order of the enumerators.
constexpr std::array<std::string_view, 5> names{"relu", "relu6", "gelu", "gelu_erf", "silu"};

}  // namespace

activation find_activation(std::string_view name) {
  std::string list;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return activation(i);
    list += (i == 0 ? "" : ", ") + std::string(names[i]);
  }
  throw std::invalid_argument("activation: unknown function '" + std::string(name) + "'; valid: " + list +
                              "; the nearest is " + std::string(nearest_name(name, names)));
}

std::string_view to_string(activation a) {
  return names[std::size_t(a)];
}

template <class T>
variable<T> apply(graph<T>& pass, activation a, const variable<T>& x) {
  switch (a) {
    case activation::relu:
      return relu(pass, x);
    case activation::relu6:
      return relu(pass, x, 6);
    case activation::gelu:
      return gelu(pass, x);
    case activation::gelu_erf:
      return gelu_erf(pass, x);
    case activation::silu:
      break;
  }
  return silu(pass, x);
}

template variable<float> apply(graph<float>&, activation, const variable<float>&);
template variable<double> apply(graph<double>&, activation, const variable<double>&);

}  // namespace binade
