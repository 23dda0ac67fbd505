#include "ops/linear.hpp"

#include <algorithm>
#include <utility>

#include "kernels/reduce.hpp"
#include "measurement.hpp"
#include "recipe/quantized_matmul.hpp"

namespace binade {
namespace {

extents with_last(const extents& shape, std::size_t last) {
  switch (shape.rank()) {
    case 1:
      return {last};
    case 2:
      return {shape[0], last};
    case 3:
      return {shape[0], shape[1], last};
    default:
      return {shape[0], shape[1], shape[2], last};
  }
}

}  // namespace

template <class T>
variable<T> linear(graph<T>& pass, std::string_view site, const variable<T>& x, const variable<T>& weight,
                   const variable<T>& bias) {
  require_rank("linear", "weight", weight.shape(), 2);
  const std::size_t outputs = weight.shape()[0], inputs = weight.shape()[1];
  if (x.shape().rank() == 0 || x.shape().back() != inputs)
    throw std::invalid_argument("linear: x has shape " + to_string(x.shape()) + "; its last size must be " +
                                std::to_string(inputs) + ", as weight has shape " + to_string(weight.shape()));
  if (bias) require_shape("linear", "bias", bias.shape(), {outputs});
  const std::size_t rows = x.value().size() / inputs;
  thread_pool& pool = pass.pool();

  measure_input(pass, site, x.value());
  using enum site_operand;
  const site_quantization<T> quantization(pass, site);
  gemm_operand<T> input = quantization.quantize(forward_input, x.value(), {rows, inputs, 1});
  gemm_operand<T> matrix = quantization.quantize(forward_weight, weight.value(), {outputs, inputs, 1});

  tensor<T> y = tensor<T>::uninitialized(with_last(x.shape(), outputs));
  if (bias)
    pool.parallel_ranges(rows, 256, [&](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row)
        std::copy_n(bias.value().data(), outputs, y.data() + row * outputs);
    });
  quantization.multiply(site_gemm::forward,
                        {transpose::no, transpose::yes, rows, outputs, inputs, inputs, inputs, outputs}, input, matrix,
                        y.data(), bool(bias));
  quantization.round_result(site_gemm::forward, y);

  // What is kept of x for the weight gradient: nothing, x, or x quantized.
  kept_array<T> kept;
  if (weight.requires_gradient() && pass.differentiates({&x, &weight, &bias}))
    kept = quantization.keep(forward_input, x.value());
  // What the backward products can take as it is stays; the rest is quantized anew, along their own axes.
  if (quantization.keeps_codes() || !quantization.interchangeable(forward_input, weight_gradient_input)) input = {};
  if (!quantization.interchangeable(forward_weight, input_gradient_weight)) matrix = {};
  if (!input.values.empty()) kept = {};
  return pass.result(
      std::move(y), {&x, &weight, &bias},
      [&pool, quantization, x = quantization.needs_value(forward_input) ? x : x.without_value(), kept = std::move(kept),
       weight, bias, input = std::move(input), matrix = std::move(matrix), rows, inputs,
       outputs](const tensor<T>& gradient) {
        gemm_operand<T> arrived;
        if (x.requires_gradient()) {
          arrived = quantization.quantize(input_gradient_grad_output, gradient, {rows, outputs, 1});
          const gemm_operand<T> w = quantization.quantize_again(input_gradient_weight, weight.value(),
                                                                {1, outputs, inputs}, forward_weight, matrix);
          quantization.add_gradient(forward_input, {rows, inputs, 1}, x,
                                    {transpose::no, transpose::no, rows, inputs, outputs, outputs, inputs, inputs},
                                    arrived, w);
        }
        if (weight.requires_gradient()) {
          const gemm_operand<T> g = quantization.quantize_again(
              weight_gradient_grad_output, gradient, {1, rows, outputs}, input_gradient_grad_output, arrived);
          const gemm_operand<T> a = quantization.quantize_again(weight_gradient_input, kept.restored(pool),
                                                                {1, rows, inputs}, forward_input, input);
          quantization.add_gradient(forward_weight, {outputs, inputs, 1}, weight,
                                    {transpose::yes, transpose::no, outputs, inputs, rows, outputs, inputs, inputs}, g,
                                    a);
        }
        if (bias.requires_gradient()) {
          const auto target = bias.target();
          kernels::column_sum<T>(pool, gradient.values(), rows, outputs, target.sum.values(), target.accumulate);
        }
      });
}

template variable<float> linear(graph<float>&, std::string_view, const variable<float>&, const variable<float>&,
                                const variable<float>&);
template variable<double> linear(graph<double>&, std::string_view, const variable<double>&, const variable<double>&,
                                 const variable<double>&);

}  // namespace binade
