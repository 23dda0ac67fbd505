#include "model/initialization.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <string>

#include "binade/elementary.hpp"
#include "binade/noise.hpp"
#include "util/fnv.hpp"

namespace binade {
namespace {

extents extents_of(const parameter_plan& plan) {
  switch (plan.sizes.size()) {
    case 1:
      return {plan.sizes[0]};
    case 2:
      return {plan.sizes[0], plan.sizes[1]};
    default:
      throw std::invalid_argument("initial_value: parameter '" + plan.name + "' has " +
                                  std::to_string(plan.sizes.size()) + " sizes; it must have 1 or 2");
  }
}

}  // namespace

template <class T>
void fill_normal(std::uint64_t seed, std::string_view name, double mean, double deviation, std::span<T> out) {
  constexpr std::size_t block = 1024;
  std::array<std::uint32_t, block> radius, angle;
  const noise_source first{.seed = seed, .stream = fnv1a(name), .step = 0};
  const noise_source second{.seed = seed, .stream = fnv1a(name), .step = 1};
  for (std::size_t begin = 0; begin < out.size(); begin += block) {
    const std::size_t count = std::min(block, out.size() - begin);
    fill_noise(first, begin, 32, std::span(radius).first(count));
    fill_noise(second, begin, 32, std::span(angle).first(count));
    for (std::size_t i = 0; i < count; ++i) {
      const double u = (double(radius[i]) + 1) * 0x1p-32, v = double(angle[i]) * 0x1p-32;
      const double normal = std::sqrt(-2 * math::log(u)) * math::cos(6.283185307179586 * v);
      out[begin + i] = T(normal * deviation + mean);
    }
  }
}

template <class T>
tensor<T> initial_value(const parameter_plan& plan, std::uint64_t seed) {
  if (plan.initial_deviation == 0) return tensor<T>::full(extents_of(plan), T(plan.initial_mean));
  tensor<T> value = tensor<T>::uninitialized(extents_of(plan));
  fill_normal<T>(seed, plan.name, plan.initial_mean, plan.initial_deviation, value.values());
  return value;
}

template void fill_normal(std::uint64_t, std::string_view, double, double, std::span<float>);
template void fill_normal(std::uint64_t, std::string_view, double, double, std::span<double>);
template tensor<float> initial_value(const parameter_plan&, std::uint64_t);
template tensor<double> initial_value(const parameter_plan&, std::uint64_t);

}  // namespace binade
