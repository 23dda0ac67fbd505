#include "recipe/output_kind.hpp"

#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "binade/text.hpp"
#include "kernels/quantize.hpp"
#include "recipe/quantized_matmul.hpp"

namespace binade {

template <class T>
void round_output(const graph<T>& pass, output_kind kind, tensor<T>& result) {
  const bound_recipe* const recipe = pass.quantization().recipe;
  if (recipe == nullptr || !recipe->output(kind)) return;
  const work_scope scope(work_kind::quantization);
  const quantizer& q = *recipe->output(kind);
  if constexpr (!std::is_same_v<T, float>) {
    throw std::invalid_argument("round_output: outputs." + std::string(output_kind_names[std::size_t(kind)]) +
                                " has quantizer " + to_string(q) +
                                ", but emulated values are float32 numbers: use float, or a recipe without quantizers");
  } else {
    const std::size_t columns = result.shape().back();
    const quantization_context& context = pass.quantization();
    const axis_view view{result.size() / columns, columns, 1};
    if (context.observer)
      context.observer({context.step, "outputs", "forward", output_kind_names[std::size_t(kind)],
                        kernels::quantize_counted(pass.pool(), result.values(), view, q, {}, result.values())});
    else
      kernels::quantize(pass.pool(), result.values(), view, q, {}, result.values());
  }
}

template void round_output(const graph<float>&, output_kind, tensor<float>&);
template void round_output(const graph<double>&, output_kind, tensor<double>&);

}  // namespace binade
