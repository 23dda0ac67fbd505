#include "ops/attention.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "binade/elementary.hpp"
#include "binade/reduction.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"
#include "measurement.hpp"
#include "recipe/output_kind.hpp"
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

/// The products of one GEMM of a site, for all heads.
template <class T>
class head_products {
 public:
  head_products(const attention_shape& shape, const site_quantization<T>& site, site_gemm gemm)
      : shape_(shape), site_(site), gemm_(gemm) {}

  /// left right^T: rows of queries, as many keys as the last of them sees.
  /// @param left   (heads of queries, length, width)
  /// @param right  (heads of keys, length, width)
  tensor<T> vectors_to_scores(const gemm_operand<T>& left, const gemm_operand<T>& right) {
    // What no query sees is not written, and read where the whole array is rounded or transformed.
    const bool is_read_whole = site_.rounds_result(gemm_) || site_.changes_gradient(site_operand::forward_input);
    tensor<T> scores = is_read_whole ? tensor<T>::zeros(shape_.square()) : tensor<T>::uninitialized(shape_.square());
    const std::size_t length = shape_.length, width = left.values.shape().back();
    for (std::size_t first = 0; first < length; first += shape_.tile()) {
      const std::size_t last = std::min(first + shape_.tile(), length);
      run({transpose::no, transpose::yes, last - first, last, width, width, width, length}, {left, first * width, 1},
          {right, 0, shape_.group}, scores, first * length, 1);
    }
    return scores;
  }
  /// scores vectors, over the keys that a query sees.
  /// @param vectors  (heads of keys, length, width)
  /// @param shape    (heads of queries, length, width)
  tensor<T> scores_times_keys(const gemm_operand<T>& scores, const gemm_operand<T>& vectors, const extents& shape) {
    tensor<T> result = tensor<T>::uninitialized(shape);
    const std::size_t length = shape_.length, width = shape.back();
    for (std::size_t first = 0; first < length; first += shape_.tile()) {
      const std::size_t last = std::min(first + shape_.tile(), length);
      run({transpose::no, transpose::no, last - first, width, last, length, width, width}, {scores, first * length, 1},
          {vectors, 0, shape_.group}, result, first * width, 1);
    }
    return result;
  }
  /// scores^T vectors, over the queries that see a key.
  /// @param vectors  (heads of queries, length, width)
  /// @param shape    (heads of keys, length, width)
  tensor<T> scores_times_queries(const gemm_operand<T>& scores, const gemm_operand<T>& vectors, const extents& shape) {
    tensor<T> result = tensor<T>::uninitialized(shape);
    const std::size_t length = shape_.length, width = shape.back();
    for (std::size_t first = 0; first < length; first += shape_.tile()) {
      const std::size_t last = std::min(first + shape_.tile(), length);
      for (std::size_t member = 0; member < shape_.group; ++member)
        run({transpose::yes, transpose::no, last - first, width, length - first, length, width, width},
            {scores, first * length + first, 1}, {vectors, first * width, 1}, result, first * width, shape_.group,
            member);
    }
    return result;
  }

 private:
  /// One operand of a product for all heads: where it begins in each, one head for `sharing` queries.
  struct head_operand {
    const gemm_operand<T>& operand;
    std::size_t first, sharing;
  };

  /// One product for each of the heads member, member + step, ..., where step of them share a result: the first one of
  /// them writes it, each further one is added.
  void run(const gemm_layout& layout, const head_operand& a, const head_operand& b, tensor<T>& c, std::size_t c_first,
           std::size_t step, std::size_t member = 0) {
    pooled_vector<gemm_place> places;
    places.reserve(shape_.count);
    for (std::size_t head = member; head < shape_.count; head += step)
      places.push_back({head / a.sharing * shape_.length * layout.lda + a.first,
                        head / b.sharing * shape_.length * layout.ldb + b.first,
                        head / step * shape_.length * layout.ldc + c_first});
    noise_ = site_.multiply(gemm_, layout, a.operand, b.operand, c.data(), member != 0, places, noise_);
  }

  attention_shape shape_;
  const site_quantization<T>& site_;
  site_gemm gemm_;
  std::uint64_t noise_ = 0;  ///< where that of the next product begins
};

/// scores = scale scores - slope |distance| where a position sees another.
template <class T>
void scale_and_slope(const attention_shape& s, std::size_t heads, T scale, tensor<T>& scores, thread_pool& pool) {
  pooled_vector<T> slopes(heads);
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

/// largest_logit of a site: the largest magnitude that a query sees of scale scores.
template <class T>
void measure_logits(const graph<T>& pass, std::string_view site, const attention_shape& s, T scale,
                    const tensor<T>& scores) {
  const auto& meter = pass.quantization().meter;
  if (!meter) return;
  tensor<T> largest = tensor<T>::uninitialized({s.count * s.length});
  kernels::for_each_row(pass.pool(), largest.size(), s.length,
                        [s, scores = scores.data(), out = largest.data()](std::size_t row) BINADE_KERNEL_BODY {
                          const std::size_t extent = s.mask == row_mask::causal ? row % s.length + 1 : s.length;
                          out[row] = reduction::max_abs(scores + row * s.length, extent);
                        });
  meter({site, "largest_logit", static_cast<double>(scale * kernels::max_abs<T>(pass.pool(), largest.values())), true});
}

/// entropy of a site: mean over all queries of - sum p ln p.
template <class T>
void measure_entropy(const graph<T>& pass, std::string_view site, const attention_shape& s,
                     const tensor<T>& probabilities) {
  const auto& meter = pass.quantization().meter;
  if (!meter) return;
  constexpr std::size_t lanes = reduction::lane_count;
  tensor<T> entropy = tensor<T>::uninitialized({s.count * s.length});
  kernels::for_each_row(
      pass.pool(), entropy.size(), s.length,
      [s, probabilities = probabilities.data(), out = entropy.data()](std::size_t row) BINADE_KERNEL_BODY {
        const std::size_t seen = s.mask == row_mask::causal ? row % s.length + 1 : s.length;
        // To the end of the lanes: what a query does not see is +0 and adds +0, and whole lanes are vectors.
        const std::size_t extent = std::min(s.length, (seen + lanes - 1) / lanes * lanes);
        const T* const p = probabilities + row * s.length;
        out[row] = reduction::sum_terms<T>(
            extent, [p](std::size_t i) BINADE_KERNEL_BODY { return p[i] > T(0) ? -(p[i] * math::log(p[i])) : T(0); });
      });
  meter({site, "entropy",
         static_cast<double>(kernels::sum<T>(pass.pool(), entropy.values())) / static_cast<double>(entropy.size())});
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
  std::size_t power = 1;  // the largest power of two within heads
  while (power <= heads / 2) power *= 2;
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
  const work_scope scope(work_kind::attention);
  const auto& [query, key, value] = heads;
  const attention_shape s = shape_of(heads, settings.mask);
  const extents shape{query.shape()[0], query.shape()[1], s.length, value.shape()[3]};
  const T scale = T(1) / std::sqrt(T(query.shape()[3]));
  thread_pool& pool = pass.pool();

  using enum site_operand;
  const site_quantization<T> scoring(pass, scores_site), mixing(pass, values_site);
  gemm_operand<T> queries = scoring.quantize(forward_input, query.value(), along_width(query.shape()));
  gemm_operand<T> keys = scoring.quantize(forward_weight, key.value(), along_width(key.shape()));
  tensor<T> probabilities = head_products<T>(s, scoring, site_gemm::forward).vectors_to_scores(queries, keys);
  scoring.round_result(site_gemm::forward, probabilities);
  if (settings.alibi) scale_and_slope(s, query.shape()[1], scale, probabilities, pool);
  measure_logits(pass, scores_site, s, settings.alibi ? T(1) : scale, probabilities);
  kernels::softmax_rows<T>(pool, probabilities.values(), s.count * s.length, s.length, settings.alibi ? T(1) : scale,
                           s.mask, probabilities.values());
  measure_entropy(pass, scores_site, s, probabilities);
  round_output(pass, output_kind::softmax, probabilities);
  gemm_operand<T> weights = mixing.quantize(forward_input, probabilities, s.along_keys());
  gemm_operand<T> values = mixing.quantize(forward_weight, value.value(), along_positions(value.shape()));
  tensor<T> mixed = head_products<T>(s, mixing, site_gemm::forward).scores_times_keys(weights, values, shape);
  mixing.round_result(site_gemm::forward, mixed);

  const auto reusable = [](const site_quantization<T>& site, site_operand forward, site_operand backward) {
    return !site.keeps_codes() && site.interchangeable(forward, backward);
  };
  if (!reusable(scoring, forward_input, weight_gradient_input)) queries = {};
  if (!reusable(scoring, forward_weight, input_gradient_weight)) keys = {};
  if (!reusable(mixing, forward_input, weight_gradient_input)) weights = {};
  if (!reusable(mixing, forward_weight, input_gradient_weight)) values = {};
  // The backward products read what was kept; gradients through a quantizer look at the operand itself.
  kept_array<T> kept_query, kept_key, kept_value, kept_probabilities;
  if (pass.differentiates({&query, &key, &value})) {
    kept_query = scoring.keep(forward_input, query.value());
    kept_key = scoring.keep(forward_weight, key.value());
    kept_value = mixing.keep(forward_weight, value.value());
    kept_probabilities = mixing.keep(forward_input, probabilities);
  }
  const auto with_value_if_needed = [](const site_quantization<T>& site, site_operand operand, const variable<T>& v) {
    return site.needs_value(operand) ? v : v.without_value();
  };
  return pass.result(
      std::move(mixed), {&query, &key, &value},
      [&pool, scoring, mixing, query = with_value_if_needed(scoring, forward_input, query),
       key = with_value_if_needed(scoring, forward_weight, key),
       value = with_value_if_needed(mixing, forward_weight, value), kept_query = std::move(kept_query),
       kept_key = std::move(kept_key), kept_value = std::move(kept_value),
       kept_probabilities = std::move(kept_probabilities), queries = std::move(queries), keys = std::move(keys),
       weights = std::move(weights), values = std::move(values), s, shape, scale](const tensor<T>& gradient) {
        const tensor<T> restored = kept_probabilities.restored(pool);
        // mixed = probabilities value
        const gemm_operand<T> arrived = mixing.quantize(input_gradient_grad_output, gradient, along_width(shape));
        const gemm_operand<T> v = mixing.quantize_again(input_gradient_weight, kept_value.restored(pool),
                                                        along_width(value.shape()), forward_weight, values);
        tensor<T> scores_gradient =
            head_products<T>(s, mixing, site_gemm::input_gradient).vectors_to_scores(arrived, v);
        mixing.finish_gradient(forward_input, restored, s.along_keys(), scores_gradient);
        if (value.requires_gradient()) {
          const gemm_operand<T> g = mixing.quantize_again(weight_gradient_grad_output, gradient, along_positions(shape),
                                                          input_gradient_grad_output, arrived);
          const gemm_operand<T> p =
              mixing.quantize_again(weight_gradient_input, restored, s.along_queries(), forward_input, weights);
          tensor<T> value_gradient =
              head_products<T>(s, mixing, site_gemm::weight_gradient).scores_times_queries(p, g, value.shape());
          mixing.finish_gradient(forward_weight, value, along_positions(value.shape()), value_gradient);
          value.add_gradient(std::move(value_gradient), pool);
        }

        // probabilities = softmax(scale scores), scores = query key^T
        kernels::softmax_rows_backward<T>(pool, restored.values(), scores_gradient.values(), s.count * s.length,
                                          s.length, scale, s.mask, scores_gradient.values());
        gemm_operand<T> d;
        if (query.requires_gradient()) {
          d = scoring.quantize(input_gradient_grad_output, scores_gradient, s.along_keys());
          const gemm_operand<T> k = scoring.quantize_again(input_gradient_weight, kept_key.restored(pool),
                                                           along_positions(key.shape()), forward_weight, keys);
          tensor<T> query_gradient =
              head_products<T>(s, scoring, site_gemm::input_gradient).scores_times_keys(d, k, query.shape());
          scoring.finish_gradient(forward_input, query, along_width(query.shape()), query_gradient);
          query.add_gradient(std::move(query_gradient), pool);
        }
        if (key.requires_gradient()) {
          d = scoring.quantize_again(weight_gradient_grad_output, scores_gradient, s.along_queries(),
                                     input_gradient_grad_output, d);
          const gemm_operand<T> q = scoring.quantize_again(weight_gradient_input, kept_query.restored(pool),
                                                           along_positions(query.shape()), forward_input, queries);
          tensor<T> key_gradient =
              head_products<T>(s, scoring, site_gemm::weight_gradient).scores_times_queries(d, q, key.shape());
          scoring.finish_gradient(forward_weight, key, along_width(key.shape()), key_gradient);
          key.add_gradient(std::move(key_gradient), pool);
        }
      });
}

template variable<float> attention(graph<float>&, std::string_view, std::string_view, const attention_heads<float>&,
                                   const attention_settings&);
template variable<double> attention(graph<double>&, std::string_view, std::string_view, const attention_heads<double>&,
                                    const attention_settings&);

}  // namespace binade
