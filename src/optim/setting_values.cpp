#include "optim/setting_values.hpp"

#include <cmath>

#include "report/number_text.hpp"
#include "util/toml_reader.hpp"

namespace binade {
namespace {

constexpr const char* betas_range = "must be two numbers of at least 0 and less than 1, such as [0.9, 0.95]";

bool is_share(double x) {
  return x >= 0 && x < 1;
}

std::optional<setting_defect> refused(bool valid, std::string_view key, double value, const char* range) {
  if (valid) return {};
  return setting_defect{key, "is " + (std::isnan(value) ? "nan" : exact_text(value)) + "; valid is " + range};
}

}  // namespace

void read_betas(const toml_section& s, double& beta1, double& beta2) {
  const std::vector<double> betas = s.numbers("betas", std::vector{beta1, beta2});
  if (betas.size() != 2) s.fail("betas", betas_range);
  beta1 = betas[0];
  beta2 = betas[1];
}

std::string betas_text(double beta1, double beta2) {
  return "[" + exact_text(beta1) + ", " + exact_text(beta2) + "]";
}

std::optional<setting_defect> betas_defect(double beta1, double beta2) {
  if (is_share(beta1) && is_share(beta2)) return {};
  return setting_defect{"betas", betas_range};
}
std::optional<setting_defect> share_defect(std::string_view key, double value) {
  return refused(is_share(value), key, value, "at least 0 and less than 1");
}
std::optional<setting_defect> negative_defect(std::string_view key, double value) {
  return refused(value >= 0 && std::isfinite(value), key, value, "at least 0 and finite");
}
std::optional<setting_defect> positive_defect(std::string_view key, double value) {
  return refused(value > 0 && std::isfinite(value), key, value, "more than 0 and finite");
}

double whole_power(double base, std::uint64_t exponent) {
  double result = 1;
  for (; exponent != 0; exponent >>= 1, base *= base)
    if (exponent & 1) result *= base;
  return result;
}

}  // namespace binade
