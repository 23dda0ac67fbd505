#include "ops/dispatch.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "binade/reduction.hpp"
#include "kernels/elementwise.hpp"

namespace binade {
namespace {

/// Rows of arrays, or null where there is no array.
template <class T>
std::vector<const T*> rows_of(std::span<const tensor<T>> arrays) {
  std::vector<const T*> rows;
  for (const tensor<T>& array : arrays) rows.push_back(array.empty() ? nullptr : array.data());
  return rows;
}

}  // namespace

template <class T>
std::vector<variable<T>> dispatch(graph<T>& pass, const variable<T>& x, const routing<T>& r) {
  if (x.shape().rank() == 0 || x.value().size() != r.tokens * x.shape().back())
    throw std::invalid_argument("dispatch: x has shape " + to_string(x.shape()) + "; the routing is of " +
                                std::to_string(r.tokens) + " tokens");
  const std::size_t width = x.shape().back();
  const bool differentiates = pass.differentiates({&x});
  std::vector<variable<T>> parts(r.experts);
  for (std::size_t expert = 0; expert < r.experts; ++expert) {
    const std::vector<std::size_t>& tokens = r.tokens_of[expert];
    if (tokens.empty()) continue;
    tensor<T> part = tensor<T>::uninitialized({tokens.size(), width});
    kernels::for_each_row(pass.pool(), tokens.size(), width,
                          [width, from = x.value().data(), to = part.data(), token = tokens.data()](std::size_t row)
                              BINADE_KERNEL_BODY { std::copy_n(from + token[row] * width, width, to + row * width); });
    parts[expert] = variable<T>(std::move(part), differentiates);
  }
  if (differentiates)
    pass.record([&pool = pass.pool(), x, parts, chosen = r.chosen, place = r.place, top_k = r.top_k, width] {
      std::vector<tensor<T>> gradients;
      for (const variable<T>& part : parts) gradients.push_back(part ? part.gradient() : tensor<T>());
      const std::vector<const T*> rows = rows_of<T>(gradients);
      tensor<T> result = tensor<T>::uninitialized(x.shape());
      kernels::for_each_row(pool, result.size() / width, width,
                            [rows = rows.data(), chosen = chosen.data(), place = place.data(), top_k, width,
                             dx = result.data()](std::size_t token) BINADE_KERNEL_BODY {
                              T* const sum = dx + token * width;
                              for (std::size_t j = 0; j < width; ++j) sum[j] = T(0);
                              for (std::size_t i = token * top_k; i < (token + 1) * top_k; ++i) {
                                const T* const expert = rows[chosen[i]];
                                if (expert == nullptr) continue;
                                for (std::size_t j = 0; j < width; ++j) sum[j] += expert[place[i] * width + j];
                              }
                            });
      x.add_gradient(std::move(result), pool);
    });
  return parts;
}

template <class T>
variable<T> combine(graph<T>& pass, std::span<const variable<T>> results, const routing<T>& r, const extents& shape) {
  if (results.size() != r.experts || shape.rank() == 0 || shape.count() != r.tokens * shape.back())
    throw std::invalid_argument("combine: " + std::to_string(results.size()) + " results given for shape " +
                                to_string(shape) + "; the routing is of " + std::to_string(r.experts) +
                                " experts and " + std::to_string(r.tokens) + " tokens");
  const std::size_t width = shape.back(), top_k = r.top_k;
  std::vector<tensor<T>> values(r.experts);
  bool differentiates = pass.differentiates({&r.weights});
  for (std::size_t expert = 0; expert < r.experts; ++expert) {
    if (r.tokens_of[expert].empty()) continue;
    if (!results[expert])
      throw std::invalid_argument("combine: expert " + std::to_string(expert) + " has " +
                                  std::to_string(r.tokens_of[expert].size()) + " tokens and no result");
    require_shape("combine", "result of expert " + std::to_string(expert), results[expert].shape(),
                  {r.tokens_of[expert].size(), width});
    values[expert] = results[expert].value();
    differentiates = differentiates || pass.differentiates({&results[expert]});
  }
  const std::vector<const T*> sources = rows_of<T>(values);
  tensor<T> mixed = tensor<T>::uninitialized(shape);
  kernels::for_each_row(pass.pool(), r.tokens, width,
                        [rows = sources.data(), chosen = r.chosen.data(), place = r.place.data(),
                         w = r.weights.value().data(), y = mixed.data(), top_k, width](std::size_t token)
                            BINADE_KERNEL_BODY {
                              T* const sum = y + token * width;
                              for (std::size_t j = 0; j < width; ++j) sum[j] = T(0);
                              for (std::size_t i = token * top_k; i < (token + 1) * top_k; ++i) {
                                const T* const expert = rows[chosen[i]] + place[i] * width;
                                const T weight = w[i];
                                for (std::size_t j = 0; j < width; ++j) sum[j] += weight * expert[j];
                              }
                            });
  variable<T> output(std::move(mixed), differentiates);
  if (differentiates)
    pass.record([&pool = pass.pool(), output, results = std::vector<variable<T>>(results.begin(), results.end()),
                 values = std::move(values), r, width, top_k] {
      const tensor<T>& gradient = output.gradient();
      if (gradient.empty()) return;
      for (std::size_t expert = 0; expert < r.experts; ++expert) {
        const std::vector<std::size_t>& tokens = r.tokens_of[expert];
        if (tokens.empty()) continue;
        tensor<T> result = tensor<T>::uninitialized({tokens.size(), width});
        kernels::for_each_row(pool, tokens.size(), width,
                              [=, token = tokens.data(), chosen = r.chosen.data(), w = r.weights.value().data(),
                               d = gradient.data(), out = result.data()](std::size_t row) BINADE_KERNEL_BODY {
                                std::size_t i = token[row] * top_k;
                                while (chosen[i] != std::int32_t(expert)) ++i;
                                const T weight = w[i];
                                for (std::size_t j = 0; j < width; ++j)
                                  out[row * width + j] = weight * d[token[row] * width + j];
                              });
        results[expert].add_gradient(std::move(result), pool);
      }
      const std::vector<const T*> rows = rows_of<T>(values);
      tensor<T> weights_gradient = tensor<T>::uninitialized(r.weights.shape());
      kernels::for_each_row(pool, r.tokens, width,
                            [=, rows = rows.data(), chosen = r.chosen.data(), place = r.place.data(),
                             d = gradient.data(), dw = weights_gradient.data()](std::size_t token) BINADE_KERNEL_BODY {
                              for (std::size_t i = token * top_k; i < (token + 1) * top_k; ++i)
                                dw[i] = reduction::dot(d + token * width, rows[chosen[i]] + place[i] * width, width);
                            });
      r.weights.add_gradient(std::move(weights_gradient), pool);
    });
  return output;
}

template <class T>
void take_no_part(graph<T>& pass, const variable<T>& operand) {
  if (!pass.differentiates({&operand})) return;
  pass.record([&pool = pass.pool(), operand] {
    if (operand.gradient().empty()) operand.add_gradient(tensor<T>::zeros(operand.shape()), pool);
  });
}

#define BINADE_INSTANTIATE(T)                                                                               \
  template std::vector<variable<T>> dispatch(graph<T>&, const variable<T>&, const routing<T>&);             \
  template variable<T> combine(graph<T>&, std::span<const variable<T>>, const routing<T>&, const extents&); \
  template void take_no_part(graph<T>&, const variable<T>&);
BINADE_INSTANTIATE(float)
BINADE_INSTANTIATE(double)
#undef BINADE_INSTANTIATE

}  // namespace binade
