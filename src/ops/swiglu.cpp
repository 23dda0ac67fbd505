#include "ops/swiglu.hpp"

#include "binade/elementary.hpp"
#include "kernels/elementwise.hpp"
#include "recipe/output_kind.hpp"

namespace binade {

template <class T>
variable<T> swiglu(graph<T>& pass, const variable<T>& gate, const variable<T>& up) {
  const work_scope scope(work_kind::activations);
  require_shape("swiglu", "up", up.shape(), gate.shape());
  tensor<T> result = tensor<T>::uninitialized(gate.shape());
  kernels::for_each_element(pass.pool(), result.size(),
                            [g = gate.value().data(), u = up.value().data(), out = result.data()](std::size_t i)
                                BINADE_KERNEL_BODY { out[i] = g[i] * math::sigmoid(g[i]) * u[i]; });
  round_output(pass, output_kind::activation, result);
  return pass.result(std::move(result), {&gate, &up}, [&pool = pass.pool(), gate, up](const tensor<T>& gradient) {
    tensor<T> gate_gradient = tensor<T>::uninitialized(gate.shape());
    tensor<T> up_gradient = tensor<T>::uninitialized(gate.shape());
    kernels::for_each_element(pool, gradient.size(),
                              [g = gate.value().data(), u = up.value().data(), d = gradient.data(),
                               dg = gate_gradient.data(), du = up_gradient.data()](std::size_t i) BINADE_KERNEL_BODY {
                                const T s = math::sigmoid(g[i]), silu = g[i] * s;
                                // d silu / d g = s + g s (1 - s)
                                dg[i] = d[i] * u[i] * (s + silu * (T(1) - s));
                                du[i] = d[i] * silu;
                              });
    gate.add_gradient(std::move(gate_gradient), pool);
    up.add_gradient(std::move(up_gradient), pool);
  });
}

template variable<float> swiglu(graph<float>&, const variable<float>&, const variable<float>&);
template variable<double> swiglu(graph<double>&, const variable<double>&, const variable<double>&);

}  // namespace binade
