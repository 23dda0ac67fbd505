#include "measurement.hpp"

#include <cmath>

#include "kernels/reduce.hpp"

namespace binade {

template <class T>
void measure_input(const graph<T>& pass, std::string_view site, const tensor<T>& x) {
  const auto& meter = pass.quantization().meter;
  if (!meter || x.empty()) return;
  const kernels::power_sums sums = kernels::sums_of_powers<T>(pass.pool(), x.values());
  const double count = static_cast<double>(x.size());
  const double mean = sums.first / count, square = sums.second / count;
  const double variance = square - mean * mean;
  const double fourth =
      sums.fourth / count - 4 * mean * (sums.third / count) + 6 * mean * mean * square - 3 * mean * mean * mean * mean;
  meter({site, "input_rms", std::sqrt(square)});
  if (variance > 0) meter({site, "input_kurtosis", fourth / (variance * variance)});
}

template void measure_input(const graph<float>&, std::string_view, const tensor<float>&);
template void measure_input(const graph<double>&, std::string_view, const tensor<double>&);

}  // namespace binade
