#include "ops/causal_attention.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "kernels/elementwise.hpp"
#include "kernels/gemm.hpp"
#include "recipe/quantized_matmul.hpp"

namespace binade {
namespace {

constexpr std::size_t tile = 32;

/// The shapes of one attention: `count` heads, each with (length, width) vectors and (length, length) scores.
struct attention_shape {
  std::size_t count, length, width;

  extents square() const { return {count, length, length}; }
  axis_view along_width() const { return {count * length, width, 1}; }  ///< of vectors
  axis_view along_keys() const { return {count * length, length, 1}; }  ///< of scores
  axis_view along_positions() const { return {count, length, width}; }  ///< of vectors
  axis_view along_queries() const { return {count, length, length}; }   ///< of scores
};

template <class T>
void run(const attention_shape& s, transpose a_form, transpose b_form, std::size_t m, std::size_t n, std::size_t k,
         const T* a, std::size_t a_row, const T* b, std::size_t b_row, T* c, std::size_t c_row, thread_pool& pool) {
  std::vector<gemm_operands<T>> batch(s.count);
  for (std::size_t head = 0; head < s.count; ++head)
    batch[head] = {a + head * s.length * a_row, b + head * s.length * b_row, c + head * s.length * c_row};
  gemm_batched(a_form, b_form, m, n, k, batch, a_row, b_row, c_row, false, pool);
}

/// scores = left right^T below the diagonal: rows of queries, as many keys as the last of them sees.
template <class T>
void vectors_to_scores(const attention_shape& s, const tensor<T>& left, const tensor<T>& right, tensor<T>& scores,
                       thread_pool& pool) {
  for (std::size_t first = 0; first < s.length; first += tile) {
    const std::size_t last = std::min(first + tile, s.length);
    run<T>(s, transpose::no, transpose::yes, last - first, last, s.width, left.data() + first * s.width, s.width,
           right.data(), s.width, scores.data() + first * s.length, s.length, pool);
  }
}

/// result = scores vectors, over the keys that a query sees.
template <class T>
void scores_times_keys(const attention_shape& s, const tensor<T>& scores, const tensor<T>& vectors, tensor<T>& result,
                       thread_pool& pool) {
  for (std::size_t first = 0; first < s.length; first += tile) {
    const std::size_t last = std::min(first + tile, s.length);
    run<T>(s, transpose::no, transpose::no, last - first, s.width, last, scores.data() + first * s.length, s.length,
           vectors.data(), s.width, result.data() + first * s.width, s.width, pool);
  }
}

/// result = scores^T vectors, over the queries that see a key.
template <class T>
void scores_times_queries(const attention_shape& s, const tensor<T>& scores, const tensor<T>& vectors,
                          tensor<T>& result, thread_pool& pool) {
  for (std::size_t first = 0; first < s.length; first += tile) {
    const std::size_t last = std::min(first + tile, s.length);
    run<T>(s, transpose::yes, transpose::no, last - first, s.width, s.length - first,
           scores.data() + first * s.length + first, s.length, vectors.data() + first * s.width, s.width,
           result.data() + first * s.width, s.width, pool);
  }
}

}  // namespace

template <class T>
variable<T> causal_attention(graph<T>& pass, std::string_view scores_site, std::string_view values_site,
                             const attention_heads<T>& heads) {
  const auto& [query, key, value] = heads;
  require_rank("causal_attention", "query", query.shape(), 4);
  require_shape("causal_attention", "key", key.shape(), query.shape());
  require_shape("causal_attention", "value", value.shape(), query.shape());
  const extents shape = query.shape();
  const attention_shape s{shape[0] * shape[1], shape[2], shape[3]};
  const T scale = T(1) / std::sqrt(T(s.width));
  thread_pool& pool = pass.pool();

  using enum site_operand;
  const site_quantization<T> scoring(pass, scores_site), mixing(pass, values_site);
  gemm_operand<T> queries = scoring.quantize(forward_input, query.value(), s.along_width());
  gemm_operand<T> keys = scoring.quantize(forward_weight, key.value(), s.along_width());
  tensor<T> probabilities = tensor<T>::uninitialized(s.square());
  vectors_to_scores(s, queries.values, keys.values, probabilities, pool);
  kernels::softmax_rows<T>(pool, probabilities.values(), s.count * s.length, s.length, scale, kernels::row_mask::causal,
                           probabilities.values());
  gemm_operand<T> weights = mixing.quantize(forward_input, probabilities, s.along_keys());
  gemm_operand<T> values = mixing.quantize(forward_weight, value.value(), s.along_positions());
  tensor<T> mixed = tensor<T>::uninitialized(shape);
  scores_times_keys(s, weights.values, values.values, mixed, pool);

  if (!scoring.interchangeable(forward_input, weight_gradient_input)) queries = {};
  if (!scoring.interchangeable(forward_weight, input_gradient_weight)) keys = {};
  if (!mixing.interchangeable(forward_input, weight_gradient_input)) weights = {};
  if (!mixing.interchangeable(forward_weight, input_gradient_weight)) values = {};
  return pass.result(
      std::move(mixed), {&query, &key, &value},
      [&pool, scoring, mixing, query, key, value, probabilities = std::move(probabilities),
       queries = std::move(queries), keys = std::move(keys), weights = std::move(weights), values = std::move(values),
       s, shape, scale](const tensor<T>& gradient) {
        // mixed = probabilities value
        const gemm_operand<T> arrived = mixing.quantize(input_gradient_grad_output, gradient, s.along_width());
        const gemm_operand<T> v =
            mixing.quantize_again(input_gradient_weight, value.value(), s.along_width(), forward_weight, values);
        tensor<T> scores_gradient = tensor<T>::uninitialized(s.square());
        vectors_to_scores(s, arrived.values, v.values, scores_gradient, pool);
        if (value.requires_gradient()) {
          const gemm_operand<T> g = mixing.quantize_again(weight_gradient_grad_output, gradient, s.along_positions(),
                                                          input_gradient_grad_output, arrived);
          const gemm_operand<T> p =
              mixing.quantize_again(weight_gradient_input, probabilities, s.along_queries(), forward_input, weights);
          tensor<T> value_gradient = tensor<T>::uninitialized(shape);
          scores_times_queries(s, p.values, g.values, value_gradient, pool);
          value.add_gradient(std::move(value_gradient), pool);
        }

        // probabilities = softmax(scale scores), scores = query key^T
        kernels::softmax_rows_backward<T>(pool, probabilities.values(), scores_gradient.values(), s.count * s.length,
                                          s.length, scale, kernels::row_mask::causal, scores_gradient.values());
        gemm_operand<T> d;
        if (query.requires_gradient()) {
          d = scoring.quantize(input_gradient_grad_output, scores_gradient, s.along_keys());
          const gemm_operand<T> k =
              scoring.quantize_again(input_gradient_weight, key.value(), s.along_positions(), forward_weight, keys);
          tensor<T> query_gradient = tensor<T>::uninitialized(shape);
          scores_times_keys(s, d.values, k.values, query_gradient, pool);
          query.add_gradient(std::move(query_gradient), pool);
        }
        if (key.requires_gradient()) {
          d = scoring.quantize_again(weight_gradient_grad_output, scores_gradient, s.along_queries(),
                                     input_gradient_grad_output, d);
          const gemm_operand<T> q =
              scoring.quantize_again(weight_gradient_input, query.value(), s.along_positions(), forward_input, queries);
          tensor<T> key_gradient = tensor<T>::uninitialized(shape);
          scores_times_queries(s, d.values, q.values, key_gradient, pool);
          key.add_gradient(std::move(key_gradient), pool);
        }
      });
}

template variable<float> causal_attention(graph<float>&, std::string_view, std::string_view,
                                          const attention_heads<float>&);
template variable<double> causal_attention(graph<double>&, std::string_view, std::string_view,
                                           const attention_heads<double>&);

}  // namespace binade
