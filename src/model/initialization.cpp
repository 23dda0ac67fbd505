#include "model/initialization.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "binade/elementary.hpp"
#include "binade/nearest_name.hpp"
#include "binade/noise.hpp"
#include "binade/reduction.hpp"
#include "model/parameter_plan.hpp"
#include "util/fnv.hpp"

namespace binade {
namespace {

extents extents_of(const parameter_plan& plan) {
  switch (plan.sizes.size()) {
    case 1:
      return {plan.sizes[0]};
    case 2:
      return {plan.sizes[0], plan.sizes[1]};
    case 3:
      return {plan.sizes[0], plan.sizes[1], plan.sizes[2]};
    case 4:
      return {plan.sizes[0], plan.sizes[1], plan.sizes[2], plan.sizes[3]};
    default:
      throw std::invalid_argument("initial_value: parameter '" + plan.name + "' has " +
                                  std::to_string(plan.sizes.size()) + " sizes; it must have 1 to 4");
  }
}

/// Box and Muller's normal number.
double normal_of(std::uint32_t radius, std::uint32_t angle) {
  const double u = (double(radius) + 1) * 0x1p-32, v = double(angle) * 0x1p-32;
  return std::sqrt(-2 * math::log(u)) * math::cos(6.283185307179586 * v);
}

enum class argument { none, deviation, gain, fan };

struct kind_row {
  std::string_view name;
  initialization_kind kind;
  argument takes;
};
constexpr kind_row kinds[] = {
    {"zeros", initialization_kind::zeros, argument::none},
    {"ones", initialization_kind::ones, argument::none},
    {"normal", initialization_kind::normal, argument::deviation},
    {"truncated_normal", initialization_kind::truncated_normal, argument::deviation},
    {"xavier_uniform", initialization_kind::xavier_uniform, argument::gain},
    {"xavier_normal", initialization_kind::xavier_normal, argument::gain},
    {"kaiming_uniform", initialization_kind::kaiming_uniform, argument::fan},
    {"kaiming_normal", initialization_kind::kaiming_normal, argument::fan},
    {"orthogonal", initialization_kind::orthogonal, argument::gain},
};

std::optional<double> positive_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool valid = error == std::errc() && end == text.data() + text.size() && value > 0 &&
                     value <= std::numeric_limits<double>::max();
  return valid ? std::optional(value) : std::nullopt;
}

std::string shortest(double value) {
  char digits[32];
  return std::string(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

struct fans {
  double in, out;
};
fans fans_of(std::string_view name, const initialization& how, const extents& shape) {
  if (shape.rank() < 2)
    throw std::invalid_argument("initial_value: '" + std::string(name) + "' has shape " + to_string(shape) + "; " +
                                to_string(how) + " needs at least 2 sizes");
  return {double(shape.count() / shape[0]), double(shape.count() / shape[1])};
}

template <class T>
void fill_uniform(std::uint64_t seed, std::string_view name, double bound, std::span<T> out) {
  constexpr std::size_t block = 1024;
  std::array<std::uint32_t, block> bits;
  for (std::size_t begin = 0; begin < out.size(); begin += block) {
    const std::size_t count = std::min(block, out.size() - begin);
    fill_noise({.seed = seed, .stream = fnv1a(name)}, begin, 32, std::span(bits).first(count));
    for (std::size_t i = 0; i < count; ++i) out[begin + i] = T(bound * ((2 * double(bits[i]) + 1) * 0x1p-32 - 1));
  }
}

template <class T>
void fill_truncated_normal(std::uint64_t seed, std::string_view name, double deviation, std::span<T> out) {
  noise_source source{.seed = seed, .stream = fnv1a(name)};
  const auto number = [&](std::size_t element, std::uint32_t attempt) {
    source.step = 2 * attempt;
    const std::uint32_t radius = noise_at(source, element, 32);
    source.step = 2 * attempt + 1;
    return normal_of(radius, noise_at(source, element, 32));
  };
  for (std::size_t i = 0; i < out.size(); ++i) {
    double value = number(i, 0);
    for (std::uint32_t attempt = 1; std::abs(value) > 2; ++attempt) value = number(i, attempt);
    out[i] = T(value * deviation);
  }
}

template <class T>
void fill_orthogonal(std::uint64_t seed, std::string_view name, double gain, std::size_t rows, std::size_t columns,
                     std::span<T> out) {
  const std::size_t count = std::min(rows, columns), length = std::max(rows, columns);
  const bool by_rows = rows <= columns;
  std::vector<double> vectors(count * length);
  fill_normal<double>(seed, name, 0, 1, vectors);
  for (std::size_t i = 0; i < count; ++i) {
    double* const v = vectors.data() + i * length;
    for (int round = 0; round < 2; ++round)  // after two rounds what is left is orthogonal to rounding
      for (std::size_t j = 0; j < i; ++j) {
        const double* const u = vectors.data() + j * length;
        const double along = reduction::dot(u, v, length);
        for (std::size_t k = 0; k < length; ++k) v[k] -= along * u[k];
      }
    const double norm = std::sqrt(reduction::sum_of_squares(v, length));
    for (std::size_t k = 0; k < length; ++k) v[k] /= norm;
    for (std::size_t k = 0; k < length; ++k) out[by_rows ? i * length + k : k * count + i] = T(gain * v[k]);
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
    for (std::size_t i = 0; i < count; ++i) out[begin + i] = T(normal_of(radius[i], angle[i]) * deviation + mean);
  }
}

template <class T>
tensor<T> initial_value(const parameter_plan& plan, std::uint64_t seed) {
  if (plan.initial) return initial_value<T>(*plan.initial, seed, plan.name, extents_of(plan));
  if (plan.initial_deviation == 0) return tensor<T>::full(extents_of(plan), T(plan.initial_mean));
  tensor<T> value = tensor<T>::uninitialized(extents_of(plan));
  fill_normal<T>(seed, plan.name, plan.initial_mean, plan.initial_deviation, value.values());
  return value;
}

initialization parse_initialization(std::string_view text) {
  const std::size_t bracket = text.find('(');
  const std::string_view name = text.substr(0, bracket);
  const bool has_argument = bracket != std::string_view::npos;
  const auto fail = [&](const std::string& valid) -> initialization {
    throw std::invalid_argument("initialization: '" + std::string(text) + "' is not valid; " + valid);
  };
  std::vector<std::string_view> names;
  for (const kind_row& row : kinds) {
    names.push_back(row.name);
    if (row.name != name) continue;
    initialization how{.kind = row.kind};
    if (!has_argument) {
      if (row.takes == argument::deviation) return fail("write " + std::string(name) + "(DEVIATION)");
      return how;
    }
    if (row.takes == argument::none || text.back() != ')')
      return fail(row.takes == argument::none ? "write " + std::string(name) : "the bracket must end it");
    const std::string_view given = text.substr(bracket + 1, text.size() - bracket - 2);
    if (row.takes == argument::fan) {
      if (given != "fan_in" && given != "fan_out") return fail("in the brackets there must be fan_in or fan_out");
      how.uses_fan_out = given == "fan_out";
      return how;
    }
    const std::optional<double> number = positive_number(given);
    if (!number) return fail("in the brackets there must be a finite number above 0");
    how.parameter = *number;
    return how;
  }
  std::string all;
  for (const std::string_view known : names) all += (all.empty() ? "" : ", ") + std::string(known);
  return fail("known are " + all + "; nearest: " + std::string(nearest_name(name, names)));
}

std::string to_string(const initialization& how) {
  const kind_row& row = kinds[std::size_t(how.kind)];
  std::string text(row.name);
  if (row.takes == argument::deviation || (row.takes == argument::gain && how.parameter != 1))
    text += "(" + shortest(how.parameter) + ")";
  if (row.takes == argument::fan && how.uses_fan_out) text += "(fan_out)";
  return text;
}

template <class T>
tensor<T> initial_value(const initialization& how, std::uint64_t seed, std::string_view name, const extents& shape) {
  tensor<T> value = tensor<T>::uninitialized(shape);
  const auto fan = [&] {
    const fans f = fans_of(name, how, shape);
    return how.uses_fan_out ? f.out : f.in;
  };
  const auto both_fans = [&] {
    const fans f = fans_of(name, how, shape);
    return f.in + f.out;
  };
  switch (how.kind) {
    case initialization_kind::zeros:
      return tensor<T>::zeros(shape);
    case initialization_kind::ones:
      return tensor<T>::full(shape, T(1));
    case initialization_kind::normal:
      fill_normal<T>(seed, name, 0, how.parameter, value.values());
      break;
    case initialization_kind::truncated_normal:
      fill_truncated_normal<T>(seed, name, how.parameter, value.values());
      break;
    case initialization_kind::xavier_uniform:
      fill_uniform<T>(seed, name, how.parameter * std::sqrt(6 / both_fans()), value.values());
      break;
    case initialization_kind::xavier_normal:
      fill_normal<T>(seed, name, 0, how.parameter * std::sqrt(2 / both_fans()), value.values());
      break;
    case initialization_kind::kaiming_uniform:
      fill_uniform<T>(seed, name, std::sqrt(6 / fan()), value.values());
      break;
    case initialization_kind::kaiming_normal:
      fill_normal<T>(seed, name, 0, std::sqrt(2 / fan()), value.values());
      break;
    case initialization_kind::orthogonal:
      fans_of(name, how, shape);  // refuses an array of one size
      fill_orthogonal<T>(seed, name, how.parameter, shape[0], shape.count() / shape[0], value.values());
      break;
  }
  return value;
}

template tensor<float> initial_value(const initialization&, std::uint64_t, std::string_view, const extents&);
template tensor<double> initial_value(const initialization&, std::uint64_t, std::string_view, const extents&);
template void fill_normal(std::uint64_t, std::string_view, double, double, std::span<float>);
template void fill_normal(std::uint64_t, std::string_view, double, double, std::span<double>);
template tensor<float> initial_value(const parameter_plan&, std::uint64_t);
template tensor<double> initial_value(const parameter_plan&, std::uint64_t);

}  // namespace binade
