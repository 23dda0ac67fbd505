#include "optim/lion.hpp"

#include "kernels/elementwise.hpp"
#include "optim/setting_values.hpp"
#include "util/toml_reader.hpp"

namespace binade {
namespace {

template <class T>
class lion_rule final : public update_rule<T> {
 public:
  explicit lion_rule(const lion_settings& settings) : settings_(settings) {}

  std::span<const optimizer_state> states() const override {
    static constexpr std::array kept{optimizer_state::momentum};
    return kept;
  }
  void begin(std::uint64_t, double learning_rate, double gradient_factor) override {
    rate_ = T(learning_rate);
    factor_ = T(gradient_factor);
    matrix_decay_ = T(1 - learning_rate * settings_.weight_decay);
  }
  void apply(thread_pool& pool, const update_target<T>& target) const override {
    kernels::for_each_element(pool, target.weight.size(),
                              [gradient = target.gradient.data(), w = target.weight.data(), m = target.states[0].data(),
                               rate = rate_, factor = factor_, decay = target.is_matrix ? matrix_decay_ : T(1),
                               beta1 = T(settings_.beta1), rest1 = T(1 - settings_.beta1), beta2 = T(settings_.beta2),
                               rest2 = T(1 - settings_.beta2)](std::size_t i) BINADE_KERNEL_BODY {
                                const T g = gradient[i] * factor;
                                const T mixed = beta1 * m[i] + rest1 * g;
                                // NaN: both comparisons are false, and the weight must not hide it.
                                const T sign = mixed > T(0) ? T(1) : mixed < T(0) ? T(-1) : mixed;
                                m[i] = beta2 * m[i] + rest2 * g;
                                w[i] = w[i] * decay - rate * sign;
                              });
  }

 private:
  lion_settings settings_;
  T rate_ = T(0), factor_ = T(1), matrix_decay_ = T(1);
};

}  // namespace

std::optional<setting_defect> lion_settings::defect() const {
  if (auto d = betas_defect(beta1, beta2)) return d;
  return negative_defect("weight_decay", weight_decay);
}

lion_settings lion_settings::read(const toml_section& s) {
  lion_settings r;
  read_betas(s, r.beta1, r.beta2);
  r.weight_decay = s.number("weight_decay", r.weight_decay);
  return r;
}

setting_lines lion_settings::lines() const {
  return {{"betas", betas_text(beta1, beta2)}};
}

template <class T>
std::unique_ptr<update_rule<T>> make_rule(const lion_settings& settings, std::span<const parameter<T>>) {
  return std::make_unique<lion_rule<T>>(settings);
}
template std::unique_ptr<update_rule<float>> make_rule(const lion_settings&, std::span<const parameter<float>>);
template std::unique_ptr<update_rule<double>> make_rule(const lion_settings&, std::span<const parameter<double>>);

}  // namespace binade
