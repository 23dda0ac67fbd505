#include "time_shares.hpp"

namespace binade {

std::string_view to_string(work_kind kind) {
  constexpr std::array<std::string_view, work_kind_count> names{"rest",
                                                                "forward_products",
                                                                "input_gradient_products",
                                                                "weight_gradient_products",
                                                                "attention_products",
                                                                "quantization",
                                                                "attention",
                                                                "norms",
                                                                "activations",
                                                                "loss",
                                                                "optimizer",
                                                                "data"};
  return names[std::size_t(kind)];
}

}  // namespace binade
