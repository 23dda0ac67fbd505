#include "ops/causal_attention.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/elementwise.hpp"
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

/// The products of one GEMM of a site, for all heads.
template <class T>
class head_products {
 public:
  head_products(const attention_shape& shape, const site_quantization<T>& site, site_gemm gemm)
      : shape_(shape), site_(site), gemm_(gemm) {}

  /// left right^T below the diagonal: rows of queries, as many keys as the last of them sees.
  tensor<T> vectors_to_scores(const gemm_operand<T>& left, const gemm_operand<T>& right) {
    // What no query sees is not written, and read where the whole array is rounded or transformed.
    const bool is_read_whole = site_.rounds_result(gemm_) || site_.changes_gradient(site_operand::forward_input);
    tensor<T> scores = is_read_whole ? tensor<T>::zeros(shape_.square()) : tensor<T>::uninitialized(shape_.square());
    const auto [count, length, width] = shape_;
    for (std::size_t first = 0; first < length; first += tile) {
      const std::size_t last = std::min(first + tile, length);
      run({transpose::no, transpose::yes, last - first, last, width, width, width, length}, left, first * width, right, 0,
          scores, first * length);
    }
    return scores;
  }
  /// scores vectors, over the keys that a query sees.
  tensor<T> scores_times_keys(const gemm_operand<T>& scores, const gemm_operand<T>& vectors, const extents& shape) {
    tensor<T> result = tensor<T>::uninitialized(shape);
    const auto [count, length, width] = shape_;
    for (std::size_t first = 0; first < length; first += tile) {
      const std::size_t last = std::min(first + tile, length);
      run({transpose::no, transpose::no, last - first, width, last, length, width, width}, scores, first * length,
          vectors, 0, result, first * width);
    }
    return result;
  }
  /// scores^T vectors, over the queries that see a key.
  tensor<T> scores_times_queries(const gemm_operand<T>& scores, const gemm_operand<T>& vectors, const extents& shape) {
    tensor<T> result = tensor<T>::uninitialized(shape);
    const auto [count, length, width] = shape_;
    for (std::size_t first = 0; first < length; first += tile) {
      const std::size_t last = std::min(first + tile, length);
      run({transpose::yes, transpose::no, last - first, width, length - first, length, width, width}, scores,
          first * length + first, vectors, first * width, result, first * width);
    }
    return result;
  }

 private:
  void run(const gemm_layout& layout, const gemm_operand<T>& a, std::size_t a_first, const gemm_operand<T>& b,
           std::size_t b_first, tensor<T>& c, std::size_t c_first) {
    std::vector<gemm_place> places(shape_.count);
    for (std::size_t head = 0; head < shape_.count; ++head) {
      const std::size_t row = head * shape_.length;
      places[head] = {row * layout.lda + a_first, row * layout.ldb + b_first, row * layout.ldc + c_first};
    }
    noise_ = site_.multiply(gemm_, layout, a, b, c.data(), false, places, noise_);
  }

  attention_shape shape_;
  const site_quantization<T>& site_;
  site_gemm gemm_;
  std::uint64_t noise_ = 0;  ///< where that of the next product begins
};

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
  tensor<T> probabilities =
      head_products<T>(s, scoring, site_gemm::forward).vectors_to_scores(queries, keys);
  scoring.round_result(site_gemm::forward, probabilities);
  kernels::softmax_rows<T>(pool, probabilities.values(), s.count * s.length, s.length, scale, kernels::row_mask::causal,
                           probabilities.values());
  gemm_operand<T> weights = mixing.quantize(forward_input, probabilities, s.along_keys());
  gemm_operand<T> values = mixing.quantize(forward_weight, value.value(), s.along_positions());
  tensor<T> mixed = head_products<T>(s, mixing, site_gemm::forward).scores_times_keys(weights, values, shape);
  mixing.round_result(site_gemm::forward, mixed);

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
        tensor<T> scores_gradient =
            head_products<T>(s, mixing, site_gemm::input_gradient).vectors_to_scores(arrived, v);
        mixing.finish_gradient(forward_input, probabilities, s.along_keys(), scores_gradient);
        if (value.requires_gradient()) {
          const gemm_operand<T> g = mixing.quantize_again(weight_gradient_grad_output, gradient, s.along_positions(),
                                                          input_gradient_grad_output, arrived);
          const gemm_operand<T> p =
              mixing.quantize_again(weight_gradient_input, probabilities, s.along_queries(), forward_input, weights);
          tensor<T> value_gradient =
              head_products<T>(s, mixing, site_gemm::weight_gradient).scores_times_queries(p, g, shape);
          mixing.finish_gradient(forward_weight, value.value(), s.along_positions(), value_gradient);
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
          tensor<T> query_gradient =
              head_products<T>(s, scoring, site_gemm::input_gradient).scores_times_keys(d, k, shape);
          scoring.finish_gradient(forward_input, query.value(), s.along_width(), query_gradient);
          query.add_gradient(std::move(query_gradient), pool);
        }
        if (key.requires_gradient()) {
          d = scoring.quantize_again(weight_gradient_grad_output, scores_gradient, s.along_queries(),
                                     input_gradient_grad_output, d);
          const gemm_operand<T> q =
              scoring.quantize_again(weight_gradient_input, query.value(), s.along_positions(), forward_input, queries);
          tensor<T> key_gradient =
              head_products<T>(s, scoring, site_gemm::weight_gradient).scores_times_queries(d, q, shape);
          scoring.finish_gradient(forward_weight, key.value(), s.along_width(), key_gradient);
          key.add_gradient(std::move(key_gradient), pool);
        }
      });
}

template variable<float> causal_attention(graph<float>&, std::string_view, std::string_view,
                                          const attention_heads<float>&);
template variable<double> causal_attention(graph<double>&, std::string_view, std::string_view,
                                           const attention_heads<double>&);

}  // namespace binade
