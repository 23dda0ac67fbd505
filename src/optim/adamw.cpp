#include "optim/adamw.hpp"

#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/elementwise.hpp"

namespace binade {
namespace {

void require(bool valid, const char* field, double value, const char* range) {
  if (!valid)
    throw std::invalid_argument(std::string("adamw: ") + field + " is " + std::to_string(value) + "; it must be " +
                                range);
}

/// base^exponent by squaring, the same multiplications everywhere.
double power(double base, std::uint64_t exponent) {
  double result = 1;
  for (; exponent != 0; exponent >>= 1, base *= base)
    if (exponent & 1) result *= base;
  return result;
}

}  // namespace

void adamw_settings::validate() const {
  require(beta1 >= 0 && beta1 < 1, "beta1", beta1, "at least 0 and below 1");
  require(beta2 >= 0 && beta2 < 1, "beta2", beta2, "at least 0 and below 1");
  require(epsilon > 0 && std::isfinite(epsilon), "epsilon", epsilon, "a finite number above 0");
  require(weight_decay >= 0 && std::isfinite(weight_decay), "weight_decay", weight_decay, "finite and at least 0");
}

template <class T>
adamw<T>::adamw(std::span<const parameter<T>> parameters, const adamw_settings& settings)
    : parameters_(parameters), settings_(settings) {
  settings.validate();
  for (const parameter<T>& p : parameters_) {
    first_.push_back(tensor<T>::zeros(p.value.shape()));
    second_.push_back(tensor<T>::zeros(p.value.shape()));
  }
}

template <class T>
void adamw<T>::step(double learning_rate, double gradient_factor, thread_pool& pool) {
  ++steps_;
  kernels::adamw_coefficients<T> coefficients{
      .gradient_scale = T(gradient_factor),
      .decay = T(1),
      .beta1 = T(settings_.beta1),
      .one_minus_beta1 = T(1 - settings_.beta1),
      .beta2 = T(settings_.beta2),
      .one_minus_beta2 = T(1 - settings_.beta2),
      .step_size = T(learning_rate / (1 - power(settings_.beta1, steps_))),
      .root_correction2 = T(std::sqrt(1 - power(settings_.beta2, steps_))),
      .epsilon = T(settings_.epsilon),
  };
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const variable<T>& p = parameters_[i].value;
    if (p.gradient().empty()) continue;
    const bool is_matrix = p.shape().rank() > 1;
    coefficients.decay = is_matrix ? T(1 - learning_rate * settings_.weight_decay) : T(1);
    kernels::adamw<T>(pool, coefficients, std::as_const(p.gradient()).values(), p.mutable_value().values(),
                      first_[i].values(), second_[i].values());
  }
}

template <class T>
void adamw<T>::restore(std::uint64_t steps, std::span<const tensor<T>> first, std::span<const tensor<T>> second) {
  if (first.size() != parameters_.size() || second.size() != parameters_.size())
    throw std::invalid_argument("adamw::restore: " + std::to_string(first.size()) + " first and " +
                                std::to_string(second.size()) + " second moments given for " +
                                std::to_string(parameters_.size()) + " parameters");
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    require_shape("adamw::restore", "first moment of " + parameters_[i].name, first[i].shape(), first_[i].shape());
    require_shape("adamw::restore", "second moment of " + parameters_[i].name, second[i].shape(), second_[i].shape());
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    first_[i] = first[i].clone();
    second_[i] = second[i].clone();
  }
  steps_ = steps;
}

template class adamw<float>;
template class adamw<double>;

}  // namespace binade
