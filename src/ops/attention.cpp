#include "ops/attention.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "binade/elementary.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/gemm.hpp"
#include "recipe/quantized_matmul.hpp"

namespace binade {
namespace {

using kernels::row_mask;

/// The shapes of one attention: `count` heads of queries in all sequences, each with (length, length) scores; `group`
/// of them in a row share a head of keys and values.
struct attention_shape {
  std::size_t count, group, length;
  row_mask mask;

  /// Rows of scores that one product computes.
  std::size_t tile() const { return mask == row_mask::causal ? 32 : length; }
  extents square() const { return {count, length, length}; }
  axis_view along_keys() const { return {count * length, length, 1}; }  ///< of scores
  axis_view along_queries() const { return {count, length, length}; }   ///< of scores
};

axis_view along_width(const extents& heads) {
  return {heads[0] * heads[1] * heads[2], heads[3], 1};
}
axis_view along_positions(const extents& heads) {
  return {heads[0] * heads[1], heads[2], heads[3]};
}

/// One operand of a product for all heads: `length` rows of `row` elements per head, one head for `sharing` queries.
template <class T>
struct head_rows {
  T* data;
  std::size_t row, sharing;
};

/// One product for each of the heads first, first + step, ...
template <class T>
void run(const attention_shape& s, std::size_t first, std::size_t step, transpose a_form, transpose b_form,
         std::size_t m, std::size_t n, std::size_t k, const head_rows<const T>& a, const head_rows<const T>& b,
         const head_rows<T>& c, bool accumulate, thread_pool& pool) {
  const auto of = [&s](const auto& operand, std::size_t head) {
    return operand.data + head / operand.sharing * s.length * operand.row;
  };
  std::vector<gemm_operands<T>> batch;
  for (std::size_t head = first; head < s.count; head += step) batch.push_back({of(a, head), of(b, head), of(c, head)});
  gemm_batched(a_form, b_form, m, n, k, batch, a.row, b.row, c.row, accumulate, pool);
}

/// scores = left right^T: rows of queries, as many keys as the last of them sees.
/// @param left   (heads of queries, length, width)
/// @param right  (heads of keys, length, width)
template <class T>
void vectors_to_scores(const attention_shape& s, const tensor<T>& left, const tensor<T>& right, tensor<T>& scores,
                       thread_pool& pool) {
  const std::size_t width = left.shape().back();
  for (std::size_t first = 0; first < s.length; first += s.tile()) {
    const std::size_t last = std::min(first + s.tile(), s.length);
    run<T>(s, 0, 1, transpose::no, transpose::yes, last - first, last, width, {left.data() + first * width, width, 1},
           {right.data(), width, s.group}, {scores.data() + first * s.length, s.length, 1}, false, pool);
  }
}

/// result = scores vectors, over the keys that a query sees.
/// @param vectors  (heads of keys, length, width)
/// @param result   (heads of queries, length, width)
template <class T>
void scores_times_keys(const attention_shape& s, const tensor<T>& scores, const tensor<T>& vectors, tensor<T>& result,
                       thread_pool& pool) {
  const std::size_t width = vectors.shape().back();
  for (std::size_t first = 0; first < s.length; first += s.tile()) {
    const std::size_t last = std::min(first + s.tile(), s.length);
    run<T>(s, 0, 1, transpose::no, transpose::no, last - first, width, last,
           {scores.data() + first * s.length, s.length, 1}, {vectors.data(), width, s.group},
           {result.data() + first * width, width, 1}, false, pool);
  }
}

/// result = scores^T vectors, over the queries that see a key.
/// @param vectors  (heads of queries, length, width)
/// @param result   (heads of keys, length, width)
template <class T>
void scores_times_queries(const attention_shape& s, const tensor<T>& scores, const tensor<T>& vectors,
                          tensor<T>& result, thread_pool& pool) {
  const std::size_t width = vectors.shape().back();
  for (std::size_t first = 0; first < s.length; first += s.tile()) {
    const std::size_t last = std::min(first + s.tile(), s.length);
    for (std::size_t member = 0; member < s.group; ++member)
      run<T>(s, member, s.group, transpose::yes, transpose::no, last - first, width, s.length - first,
             {scores.data() + first * s.length + first, s.length, 1}, {vectors.data() + first * width, width, 1},
             {result.data() + first * width, width, s.group}, member != 0, pool);
  }
}

/// scores = scale scores - slope |distance| where a position sees another.
template <class T>
void scale_and_slope(const attention_shape& s, std::size_t heads, T scale, tensor<T>& scores, thread_pool& pool) {
  std::vector<T> slopes(heads);
  for (std::size_t head = 0; head < heads; ++head) slopes[head] = T(alibi_slope(head, heads));
  kernels::for_each_row(pool, s.count * s.length, s.length,
                        [s, heads, scale, slopes = slopes.data(), scores = scores.data()](std::size_t row)
                            BINADE_KERNEL_BODY {
                              const std::size_t query = row % s.length;
                              const std::size_t extent = s.mask == row_mask::causal ? query + 1 : s.length;
                              const T slope = slopes[row / s.length % heads];
                              T* const x = scores + row * s.length;
                              for (std::size_t key = 0; key < extent; ++key)
                                x[key] = scale * x[key] - slope * T(key < query ? query - key : key - query);
                            });
}

template <class T>
attention_shape shape_of(const attention_heads<T>& heads, row_mask mask) {
  const auto& [query, key, value] = heads;
  require_rank("attention", "query", query.shape(), 4);
  require_rank("attention", "key", key.shape(), 4);
  require_rank("attention", "value", value.shape(), 4);
  const extents& q = query.shape();
  const std::size_t shared = key.shape()[1];
  if (q[1] % shared != 0)
    throw std::invalid_argument("attention: query has " + std::to_string(q[1]) + " heads and key has " +
                                std::to_string(shared) + "; the former must be a multiple of the latter");
  require_shape("attention", "key", key.shape(), {q[0], shared, q[2], q[3]});
  require_shape("attention", "value", value.shape(), {q[0], shared, q[2], value.shape()[3]});
  return {q[0] * q[1], q[1] / shared, q[2], mask};
}

}  // namespace

double alibi_slope(std::size_t head, std::size_t heads) {
  const std::size_t power = std::bit_floor(heads);
  const bool first = head < power;
  const std::size_t place = first ? head + 1 : 2 * (head - power) + 1, count = first ? power : 2 * power;
  // 2^(-8 place / count): the whole part of the exponent by halving, which is exact.
  constexpr double ln2 = 0.6931471805599453;
  double slope = math::exp(-(double(8 * place % count) / double(count)) * ln2);
  for (std::size_t halving = 0; halving < 8 * place / count; ++halving) slope /= 2;
  return slope;
}

template <class T>
variable<T> attention(graph<T>& pass, std::string_view scores_site, std::string_view values_site,
                      const attention_heads<T>& heads, const attention_settings& settings) {
  const auto& [query, key, value] = heads;
  const attention_shape s = shape_of(heads, settings.mask);
  const extents shape{query.shape()[0], query.shape()[1], s.length, value.shape()[3]};
  const T scale = T(1) / std::sqrt(T(query.shape()[3]));
  thread_pool& pool = pass.pool();

  using enum site_operand;
  const site_quantization<T> scoring(pass, scores_site), mixing(pass, values_site);
  gemm_operand<T> queries = scoring.quantize(forward_input, query.value(), along_width(query.shape()));
  gemm_operand<T> keys = scoring.quantize(forward_weight, key.value(), along_width(key.shape()));
  tensor<T> probabilities = tensor<T>::uninitialized(s.square());
  vectors_to_scores(s, queries.values, keys.values, probabilities, pool);
  if (settings.alibi) scale_and_slope(s, query.shape()[1], scale, probabilities, pool);
  kernels::softmax_rows<T>(pool, probabilities.values(), s.count * s.length, s.length, settings.alibi ? T(1) : scale,
                           s.mask, probabilities.values());
  gemm_operand<T> weights = mixing.quantize(forward_input, probabilities, s.along_keys());
  gemm_operand<T> values = mixing.quantize(forward_weight, value.value(), along_positions(value.shape()));
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
        const gemm_operand<T> arrived = mixing.quantize(input_gradient_grad_output, gradient, along_width(shape));
        const gemm_operand<T> v = mixing.quantize_again(input_gradient_weight, value.value(),
                                                        along_width(value.shape()), forward_weight, values);
        tensor<T> scores_gradient = tensor<T>::uninitialized(s.square());
        vectors_to_scores(s, arrived.values, v.values, scores_gradient, pool);
        if (value.requires_gradient()) {
          const gemm_operand<T> g = mixing.quantize_again(weight_gradient_grad_output, gradient, along_positions(shape),
                                                          input_gradient_grad_output, arrived);
          const gemm_operand<T> p =
              mixing.quantize_again(weight_gradient_input, probabilities, s.along_queries(), forward_input, weights);
          tensor<T> value_gradient = tensor<T>::uninitialized(value.shape());
          scores_times_queries(s, p.values, g.values, value_gradient, pool);
          value.add_gradient(std::move(value_gradient), pool);
        }

        // probabilities = softmax(scale scores), scores = query key^T
        kernels::softmax_rows_backward<T>(pool, probabilities.values(), scores_gradient.values(), s.count * s.length,
                                          s.length, scale, s.mask, scores_gradient.values());
        gemm_operand<T> d;
        if (query.requires_gradient()) {
          d = scoring.quantize(input_gradient_grad_output, scores_gradient, s.along_keys());
          const gemm_operand<T> k = scoring.quantize_again(input_gradient_weight, key.value(),
                                                           along_positions(key.shape()), forward_weight, keys);
          tensor<T> query_gradient = tensor<T>::uninitialized(query.shape());
          scores_times_keys(s, d.values, k.values, query_gradient, pool);
          query.add_gradient(std::move(query_gradient), pool);
        }
        if (key.requires_gradient()) {
          d = scoring.quantize_again(weight_gradient_grad_output, scores_gradient, s.along_queries(),
                                     input_gradient_grad_output, d);
          const gemm_operand<T> q = scoring.quantize_again(weight_gradient_input, query.value(),
                                                           along_positions(query.shape()), forward_input, queries);
          tensor<T> key_gradient = tensor<T>::uninitialized(key.shape());
          scores_times_queries(s, d.values, q.values, key_gradient, pool);
          key.add_gradient(std::move(key_gradient), pool);
        }
      });
}

template variable<float> attention(graph<float>&, std::string_view, std::string_view, const attention_heads<float>&,
                                   const attention_settings&);
template variable<double> attention(graph<double>&, std::string_view, std::string_view, const attention_heads<double>&,
                                    const attention_settings&);

}  // namespace binade
