#include "optim/adamw.hpp"

#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/sum_terms.hpp"
#include "optim/setting_values.hpp"
#include "report/number_text.hpp"
#include "util/toml_reader.hpp"

namespace binade {
namespace {

template <class T>
class adamw_rule final : public update_rule<T> {
 public:
  explicit adamw_rule(const adamw_settings& settings) : settings_(settings) {}

  std::span<const optimizer_state> states() const override {
    static constexpr std::array kept{optimizer_state::first_moment, optimizer_state::second_moment};
    return kept;
  }
  void begin(std::uint64_t number, double learning_rate, double gradient_factor) override {
    coefficients_ = {
        .gradient_scale = T(gradient_factor),
        .decay = T(1),
        .beta1 = T(settings_.beta1),
        .one_minus_beta1 = T(1 - settings_.beta1),
        .beta2 = T(settings_.beta2),
        .one_minus_beta2 = T(1 - settings_.beta2),
        .step_size = T(learning_rate / (1 - whole_power(settings_.beta1, number))),
        .root_correction2 = T(std::sqrt(1 - whole_power(settings_.beta2, number))),
        .epsilon = T(settings_.epsilon),
    };
    matrix_decay_ = T(1 - learning_rate * settings_.weight_decay);
    mean_factor_ = 1 / (1 - whole_power(settings_.beta1, number));
    second_factor_ = 1 / (1 - whole_power(settings_.beta2, number));
  }
  void apply(thread_pool& pool, const update_target<T>& target) const override {
    kernels::adamw_coefficients<T> coefficients = coefficients_;
    if (target.is_matrix) coefficients.decay = matrix_decay_;
    kernels::adamw<T>(pool, coefficients, target.gradient, target.weight, target.states[0], target.states[1]);
  }
  update_sizes measure(thread_pool& pool, const update_target<T>& target) const override {
    const T* const g = target.gradient.data();
    const T* const m = target.states[0].data();
    const T* const v = target.states[1].data();
    const double factor = static_cast<double>(coefficients_.gradient_scale), epsilon = settings_.epsilon,
                 least = epsilon * epsilon;
    const double mean_factor = mean_factor_, second_factor = second_factor_;
    const auto root_mean_of = [&](const auto& term) {
      return std::sqrt(kernels::sum_terms<double>(pool, target.gradient.size(), term) /
                       static_cast<double>(target.gradient.size()));
    };
    const double gradient_rms = root_mean_of([g, factor](std::size_t i) BINADE_KERNEL_BODY {
      const double x = static_cast<double>(g[i]) * factor;
      return x * x;
    });
    return {.gradient_ratio = root_mean_of([g, v, factor, second_factor, least](std::size_t i) BINADE_KERNEL_BODY {
              const double x = static_cast<double>(g[i]) * factor, second = static_cast<double>(v[i]) * second_factor;
              return x * x / (second > least ? second : least);
            }),
            .step_rms = root_mean_of([m, v, mean_factor, second_factor, epsilon](std::size_t i) BINADE_KERNEL_BODY {
              const double step = static_cast<double>(m[i]) * mean_factor /
                                  (std::sqrt(static_cast<double>(v[i]) * second_factor) + epsilon);
              return step * step;
            }),
            .over_epsilon = gradient_rms / epsilon};
  }

 private:
  adamw_settings settings_;
  kernels::adamw_coefficients<T> coefficients_ = {};
  T matrix_decay_ = T(1);
  double mean_factor_ = 1, second_factor_ = 1;  ///< 1 over what the moments' bias is
};

}  // namespace

std::optional<setting_defect> adamw_settings::defect() const {
  if (auto d = betas_defect(beta1, beta2)) return d;
  if (auto d = positive_defect("epsilon", epsilon)) return d;
  if (epsilon < 0x1p-126)
    return setting_defect{"epsilon",
                          "is " + exact_text(epsilon) + "; valid is at least 2^-126, as it is a float32 number"};
  return negative_defect("weight_decay", weight_decay);
}

adamw_settings adamw_settings::read(const toml_section& s) {
  adamw_settings r;
  read_betas(s, r.beta1, r.beta2);
  r.epsilon = s.number("epsilon", r.epsilon);
  r.weight_decay = s.number("weight_decay", r.weight_decay);
  return r;
}

setting_lines adamw_settings::lines() const {
  return {{"betas", betas_text(beta1, beta2)}, {"epsilon", exact_text(epsilon)}};
}

template <class T>
std::unique_ptr<update_rule<T>> make_rule(const adamw_settings& settings, std::span<const parameter<T>>) {
  return std::make_unique<adamw_rule<T>>(settings);
}
template std::unique_ptr<update_rule<float>> make_rule(const adamw_settings&, std::span<const parameter<float>>);
template std::unique_ptr<update_rule<double>> make_rule(const adamw_settings&, std::span<const parameter<double>>);

}  // namespace binade
