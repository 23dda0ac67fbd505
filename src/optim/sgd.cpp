#include "optim/sgd.hpp"

#include "kernels/elementwise.hpp"
#include "optim/setting_values.hpp"
#include "report/number_text.hpp"
#include "util/toml_reader.hpp"

namespace binade {
namespace {

template <class T>
class sgd_rule final : public update_rule<T> {
 public:
  explicit sgd_rule(const sgd_settings& settings) : settings_(settings) {}

  std::span<const optimizer_state> states() const override {
    static constexpr std::array kept{optimizer_state::momentum};
    return settings_.momentum > 0 ? std::span<const optimizer_state>(kept) : std::span<const optimizer_state>();
  }
  void begin(std::uint64_t, double learning_rate, double gradient_factor) override {
    rate_ = T(learning_rate);
    factor_ = T(gradient_factor);
  }
  void apply(thread_pool& pool, const update_target<T>& target) const override {
    const T decay = target.is_matrix ? T(settings_.weight_decay) : T(0);
    if (target.states.empty()) return descend(pool, target, decay);
    const bool nesterov = settings_.nesterov;
    kernels::for_each_element(
        pool, target.weight.size(),
        [gradient = target.gradient.data(), w = target.weight.data(), m = target.states[0].data(), rate = rate_,
         factor = factor_, decay, momentum = T(settings_.momentum), nesterov](std::size_t i) BINADE_KERNEL_BODY {
          const T g = gradient[i] * factor + decay * w[i];
          const T mean = momentum * m[i] + g;
          m[i] = mean;
          w[i] = w[i] - rate * (nesterov ? g + momentum * mean : mean);
        });
  }

 private:
  void descend(thread_pool& pool, const update_target<T>& target, T decay) const {
    kernels::for_each_element(pool, target.weight.size(),
                              [gradient = target.gradient.data(), w = target.weight.data(), rate = rate_,
                               factor = factor_, decay](std::size_t i)
                                  BINADE_KERNEL_BODY { w[i] = w[i] - rate * (gradient[i] * factor + decay * w[i]); });
  }

  sgd_settings settings_;
  T rate_ = T(0), factor_ = T(1);
};

}  // namespace

std::optional<setting_defect> sgd_settings::defect() const {
  if (auto d = share_defect("momentum", momentum)) return d;
  if (nesterov && momentum == 0) return setting_defect{"nesterov", "is true and momentum is 0; give momentum"};
  return negative_defect("weight_decay", weight_decay);
}

sgd_settings sgd_settings::read(const toml_section& s) {
  sgd_settings r;
  r.momentum = s.number("momentum", r.momentum);
  r.nesterov = s.flag("nesterov", r.nesterov);
  r.weight_decay = s.number("weight_decay", r.weight_decay);
  return r;
}

setting_lines sgd_settings::lines() const {
  return {{"momentum", exact_text(momentum)}, {"nesterov", nesterov ? "true" : "false"}};
}

template <class T>
std::unique_ptr<update_rule<T>> make_rule(const sgd_settings& settings, std::span<const parameter<T>>) {
  return std::make_unique<sgd_rule<T>>(settings);
}
template std::unique_ptr<update_rule<float>> make_rule(const sgd_settings&, std::span<const parameter<float>>);
template std::unique_ptr<update_rule<double>> make_rule(const sgd_settings&, std::span<const parameter<double>>);

}  // namespace binade
