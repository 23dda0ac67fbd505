#include "optim/clip.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/reduce.hpp"

namespace binade {

template <class T>
double gradient_norm(std::span<const parameter<T>> parameters, thread_pool& pool) {
  double total = 0;
  for (const parameter<T>& p : parameters)
    total += double(kernels::sum_of_squares<T>(pool, p.value.gradient().values()));
  return std::sqrt(total);
}

double clip_factor(double norm, double max_norm) {
  if (!(max_norm >= 0) || !std::isfinite(max_norm))
    throw std::invalid_argument("clip_factor: max_norm is " + std::to_string(max_norm) +
                                "; it must be a finite number above 0, or 0 for no clipping");
  if (max_norm == 0) return 1;
  const double factor = max_norm / (norm + 1e-6);
  return factor > 1 ? 1 : factor;
}

template double gradient_norm(std::span<const parameter<float>>, thread_pool&);
template double gradient_norm(std::span<const parameter<double>>, thread_pool&);

}  // namespace binade
