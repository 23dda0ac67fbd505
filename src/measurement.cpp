#include "measurement.hpp"

#include <cmath>

#include "kernels/reduce.hpp"

namespace binade {

template <class T>
void measure_input(const graph<T>& pass, std::string_view site, const tensor<T>& x) {
  const auto& meter = pass.quantization().meter;
  if (!meter || x.empty()) return;
  const kernels::moments moments = kernels::moments_of<T>(pass.pool(), x.values());
  meter({site, "input_rms", std::sqrt(moments.square)});
  if (moments.variance > 0) meter({site, "input_kurtosis", moments.fourth / (moments.variance * moments.variance)});
}

template void measure_input(const graph<float>&, std::string_view, const tensor<float>&);
template void measure_input(const graph<double>&, std::string_view, const tensor<double>&);

}  // namespace binade
