#include "optim/madam.hpp"

#include <cmath>
#include <limits>

#include "binade/elementary.hpp"
#include "binade/reduction.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/sum_terms.hpp"
#include "optim/setting_values.hpp"
#include "report/number_text.hpp"
#include "util/toml_reader.hpp"

namespace binade {
namespace {

constexpr double log_of_2 = 0.6931471805599453;

/// To the nearest integer, ties to even.  |x| <= 2^30: adding 1.5 2^52 leaves no bits below the point.
BINADE_KERNEL_INLINE double to_integer(double x) {
  return (x + 0x1.8p52) - 0x1.8p52;
}

template <class T>
class madam_rule final : public update_rule<T> {
 public:
  madam_rule(const madam_settings& settings, std::span<const parameter<T>> parameters) : settings_(settings) {
    for (const parameter<T>& p : parameters) {
      const auto values = p.value.value().values();
      const double square = double(reduction::sum_of_squares(values.data(), values.size()));
      const double limit = settings.weight_limit * std::sqrt(square / double(values.size()));
      limits_.push_back(settings.weight_limit > 0 ? T(limit) : std::numeric_limits<T>::infinity());
    }
  }

  std::span<const optimizer_state> states() const override {
    static constexpr std::array kept{optimizer_state::second_moment};
    return kept;
  }
  void begin(std::uint64_t number, double learning_rate, double gradient_factor) override {
    rate_ = learning_rate;
    factor_ = T(gradient_factor);
    correction_ = T(std::sqrt(1 - whole_power(settings_.beta, number)));
  }
  void apply(thread_pool& pool, const update_target<T>& target) const override {
    const double shrink = 1 - rate_ * settings_.weight_decay, rate = rate_;
    const T limit = limits_[target.index], most = T(settings_.largest_step);
    const bool is_matrix = target.is_matrix, whole = settings_.whole_steps;
    kernels::for_each_element(pool, target.weight.size(),
                              [gradient = target.gradient.data(), w = target.weight.data(), v = target.states[0].data(),
                               factor = factor_, beta = T(settings_.beta), rest = T(1 - settings_.beta),
                               correction = correction_, shrink, rate, limit, most, is_matrix, whole](std::size_t i)
                                  BINADE_KERNEL_BODY {
                                    const T g = gradient[i] * factor;
                                    const T second = beta * v[i] + (rest * g) * g;
                                    v[i] = second;
                                    T ratio = g == T(0) ? T(0) : g / (math::sqrt(second) / correction);
                                    ratio = ratio > most ? most : ratio < -most ? -most : ratio;
                                    const double step = rate * (whole ? to_integer(double(ratio)) : double(ratio));
                                    if (!is_matrix) {
                                      w[i] = T(double(w[i]) - step);
                                      return;
                                    }
                                    const double power = (w[i] > T(0) ? -step : step) * log_of_2;
                                    const T moved = T(double(w[i]) * math::exp(power) * shrink);
                                    w[i] = moved > limit ? limit : moved < -limit ? -limit : moved;
                                  });
  }

  update_sizes measure(thread_pool& pool, const update_target<T>& target) const override {
    const T* const g = target.gradient.data();
    const T* const v = target.states[0].data();
    const double factor = static_cast<double>(factor_);
    const double correction = static_cast<double>(correction_) * static_cast<double>(correction_);
    const auto ratio = [g, v, factor, correction](std::size_t i) BINADE_KERNEL_BODY {
      const double x = static_cast<double>(g[i]) * factor, second = static_cast<double>(v[i]) / correction;
      return x == 0 || second == 0 ? 0 : x * x / second;  // a mean that is too small for its type tells nothing
    };
    return {.gradient_ratio = std::sqrt(kernels::sum_terms<double>(pool, target.gradient.size(), ratio) /
                                        static_cast<double>(target.gradient.size()))};
  }

 private:
  madam_settings settings_;
  std::vector<T> limits_;  ///< by parameter
  double rate_ = 0;
  T factor_ = T(1), correction_ = T(1);
};

}  // namespace

std::optional<setting_defect> madam_settings::defect() const {
  if (auto d = share_defect("beta", beta)) return d;
  if (auto d = positive_defect("largest_step", largest_step)) return d;
  if (largest_step > 0x1p30) return setting_defect{"largest_step", "is more than 2^30"};
  if (auto d = negative_defect("weight_limit", weight_limit)) return d;
  return negative_defect("weight_decay", weight_decay);
}

madam_settings madam_settings::read(const toml_section& s) {
  madam_settings r;
  r.beta = s.number("beta", r.beta);
  r.largest_step = s.number("largest_step", r.largest_step);
  r.whole_steps = s.flag("whole_steps", r.whole_steps);
  r.weight_limit = s.number("weight_limit", r.weight_limit);
  r.weight_decay = s.number("weight_decay", r.weight_decay);
  return r;
}

setting_lines madam_settings::lines() const {
  return {{"beta", exact_text(beta)},
          {"largest_step", exact_text(largest_step)},
          {"whole_steps", whole_steps ? "true" : "false"},
          {"weight_limit", exact_text(weight_limit)}};
}

template <class T>
std::unique_ptr<update_rule<T>> make_rule(const madam_settings& settings, std::span<const parameter<T>> parameters) {
  return std::make_unique<madam_rule<T>>(settings, parameters);
}
template std::unique_ptr<update_rule<float>> make_rule(const madam_settings&, std::span<const parameter<float>>);
template std::unique_ptr<update_rule<double>> make_rule(const madam_settings&, std::span<const parameter<double>>);

}  // namespace binade
