#include "ops/routing.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "binade/elementary.hpp"
#include "binade/reduction.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace binade {
namespace {

/// scores and probabilities of every row of logits.
template <class T>
void score_rows(thread_pool& pool, const tensor<T>& logits, std::size_t experts, router_gate gate, tensor<T>& scores,
                tensor<T>& probabilities) {
  const std::size_t tokens = logits.size() / experts;
  if (gate == router_gate::softmax) {
    kernels::softmax_rows<T>(pool, logits.values(), tokens, experts, T(1), kernels::row_mask::none, scores.values());
    probabilities = scores;
    return;
  }
  kernels::for_each_row(pool, tokens, experts,
                        [experts, x = logits.data(), s = scores.data(), p = probabilities.data()](std::size_t row)
                            BINADE_KERNEL_BODY {
                              const std::size_t first = row * experts;
                              for (std::size_t e = first; e < first + experts; ++e) s[e] = math::sigmoid(x[e]);
                              const T sum = reduction::sum(s + first, experts);
                              for (std::size_t e = first; e < first + experts; ++e) p[e] = s[e] / sum;
                            });
}

template <class T>
bool is_nan(T x) {
  return x != x;
}

/// The indices of the largest scores of a row, ascending.
template <class T>
void choose(const T* scores, std::size_t experts, std::span<std::int32_t> chosen) {
  std::vector<bool> taken(experts);
  for (std::int32_t& choice : chosen) {
    std::size_t best = experts;
    for (std::size_t e = 0; e < experts; ++e)
      if (!taken[e] && (best == experts || scores[e] > scores[best] || (is_nan(scores[best]) && !is_nan(scores[e]))))
        best = e;
    taken[best] = true;
    choice = std::int32_t(best);
  }
  std::sort(chosen.begin(), chosen.end());
}

}  // namespace

template <class T>
routing<T> route(graph<T>& pass, const variable<T>& logits, std::size_t top_k, router_gate gate) {
  if (logits.shape().rank() == 0) throw std::invalid_argument("route: logits hold nothing");
  const std::size_t experts = logits.shape().back(), tokens = logits.value().size() / experts;
  if (top_k == 0 || top_k > experts)
    throw std::invalid_argument("route: top_k is " + std::to_string(top_k) + "; for " + std::to_string(experts) +
                                " experts it must be 1 to " + std::to_string(experts));
  thread_pool& pool = pass.pool();
  tensor<T> scores = tensor<T>::uninitialized({tokens, experts});
  tensor<T> probabilities = tensor<T>::uninitialized({tokens, experts});
  score_rows(pool, logits.value(), experts, gate, scores, probabilities);

  routing<T> r{.tokens = tokens,
               .experts = experts,
               .top_k = top_k,
               .weights = {},
               .balance = {},
               .chosen = {},
               .place = {},
               .tokens_of = {}};
  r.chosen.resize(tokens * top_k);
  tensor<T> weights = tensor<T>::uninitialized({tokens, top_k});
  pool.parallel_ranges(
      tokens, 64, [&, s = std::as_const(scores).data(), w = weights.data()](std::size_t begin, std::size_t end) {
        for (std::size_t token = begin; token < end; ++token) {
          const std::span<std::int32_t> chosen(r.chosen.data() + token * top_k, top_k);
          choose(s + token * experts, experts, chosen);
          const auto score = [&](std::size_t j) { return s[token * experts + std::size_t(chosen[j])]; };
          const T sum = reduction::sum_terms<T>(top_k, score);
          for (std::size_t j = 0; j < top_k; ++j) w[token * top_k + j] = score(j) / sum;
        }
      });
  r.place.resize(tokens * top_k);
  r.tokens_of.resize(experts);
  for (std::size_t i = 0; i < r.chosen.size(); ++i) {
    std::vector<std::size_t>& served = r.tokens_of[std::size_t(r.chosen[i])];
    r.place[i] = served.size();
    served.push_back(i / top_k);
  }

  tensor<T> loads = tensor<T>::uninitialized({experts}), means = tensor<T>::uninitialized({experts});
  kernels::column_sum<T>(pool, std::as_const(probabilities).values(), tokens, experts, means.values(), false);
  for (std::size_t e = 0; e < experts; ++e) {
    loads[e] = T(double(experts) * double(r.tokens_of[e].size()) / (double(top_k) * double(tokens)));
    means[e] = means[e] / T(tokens);
  }
  const T balance = reduction::dot(std::as_const(loads).data(), std::as_const(means).data(), experts);

  const bool differentiates = pass.differentiates({&logits});
  r.weights = variable<T>(std::move(weights), differentiates);
  r.balance = variable<T>(tensor<T>::full({1}, balance), differentiates);
  if (differentiates)
    pass.record([&pool, logits, gate, scores, probabilities, loads, weights = r.weights, balance = r.balance,
                 chosen = r.chosen, tokens, experts, top_k] {
      const tensor<T>& arrived = weights.gradient();
      const tensor<T>& balance_arrived = balance.gradient();
      if (arrived.empty() && balance_arrived.empty()) return;
      const T per_token = balance_arrived.empty() ? T(0) : balance_arrived[0] / T(tokens);
      tensor<T> result = tensor<T>::uninitialized(logits.shape());
      kernels::for_each_row(pool, tokens, experts,
                            [=, s = scores.data(), p = probabilities.data(), load = loads.data(),
                             w = weights.value().data(), dw = arrived.empty() ? nullptr : arrived.data(),
                             chosen = chosen.data(), dx = result.data()](std::size_t token) BINADE_KERNEL_BODY {
                              const T* const score = s + token * experts;
                              const T* const probability = p + token * experts;
                              T* const out = dx + token * experts;
                              // By the probabilities, which sum to 1: p = s / sum(s).
                              for (std::size_t e = 0; e < experts; ++e) out[e] = per_token * load[e];
                              if (gate == router_gate::sigmoid) {
                                const T mean = reduction::dot(out, probability, experts);
                                const T sum = reduction::sum(score, experts);
                                for (std::size_t e = 0; e < experts; ++e) out[e] = (out[e] - mean) / sum;
                              }
                              // By the weights: w[j] = s[chosen j] / sum over the chosen.
                              if (dw != nullptr) {
                                const std::int32_t* const expert = chosen + token * top_k;
                                const T mean = reduction::dot(dw + token * top_k, w + token * top_k, top_k);
                                const auto chosen_score = [score, expert](std::size_t j) BINADE_KERNEL_BODY {
                                  return score[std::size_t(expert[j])];
                                };
                                const T sum = reduction::sum_terms<T>(top_k, chosen_score);
                                for (std::size_t j = 0; j < top_k; ++j)
                                  out[std::size_t(expert[j])] += (dw[token * top_k + j] - mean) / sum;
                              }
                              // From scores to logits.
                              if (gate == router_gate::sigmoid) {
                                for (std::size_t e = 0; e < experts; ++e)
                                  out[e] = out[e] * (score[e] * (T(1) - score[e]));
                              } else {
                                const T mean = reduction::dot(out, score, experts);
                                for (std::size_t e = 0; e < experts; ++e) out[e] = score[e] * (out[e] - mean);
                              }
                            });
      logits.add_gradient(std::move(result), pool);
    });
  return r;
}

template routing<float> route(graph<float>&, const variable<float>&, std::size_t, router_gate);
template routing<double> route(graph<double>&, const variable<double>&, std::size_t, router_gate);

}  // namespace binade
