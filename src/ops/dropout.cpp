#include "ops/dropout.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "binade/noise.hpp"
#include "kernels/elementwise.hpp"
#include "util/fnv.hpp"

namespace binade {
namespace {

/// The mask is a function: the backward step works it out again instead of keeping it.
struct dropout_mask {
  noise_source noise;
  std::uint64_t threshold;  ///< of noise of 32 bits
  double factor;

  template <class T>
  tensor<T> apply(const tensor<T>& x, thread_pool& pool) const {
    tensor<T> result = tensor<T>::uninitialized(x.shape());
    pool.parallel_ranges(x.size(), kernels::element_tile, [&](std::size_t begin, std::size_t end) {
      constexpr std::size_t block = 1024;
      std::array<std::uint32_t, block> bits;
      for (std::size_t first = begin; first < end; first += block) {
        const std::size_t count = std::min(block, end - first);
        fill_noise(noise, first, 32, std::span(bits).first(count));
        const T* const in = x.data() + first;
        T* const out = result.data() + first;
        for (std::size_t i = 0; i < count; ++i) out[i] = bits[i] < threshold ? in[i] * T(factor) : T(0);
      }
    });
    return result;
  }
};

}  // namespace

template <class T>
variable<T> dropout(graph<T>& pass, std::string_view site, const variable<T>& x, double keep) {
  if (!(keep > 0 && keep <= 1))
    throw std::invalid_argument("dropout: keep is " + std::to_string(keep) +
                                "; it must be a probability above 0 and at most 1");
  if (!pass.is_training() || keep == 1) return x;
  const dropout_mask mask{
      {.seed = pass.quantization().seed, .stream = fnv1a("/dropout", fnv1a(site)), .step = pass.quantization().step},
      std::uint64_t(std::nearbyint(keep * 0x1p32)),
      1 / keep};
  return pass.result(
      mask.apply(x.value(), pass.pool()), {&x},
      [&pool = pass.pool(), x, mask](const tensor<T>& gradient) { x.add_gradient(mask.apply(gradient, pool), pool); });
}

template variable<float> dropout(graph<float>&, std::string_view, const variable<float>&, double);
template variable<double> dropout(graph<double>&, std::string_view, const variable<double>&, double);

}  // namespace binade
