#include "ops/cross_entropy.hpp"

#include <limits>
#include <string>
#include <vector>

#include "binade/elementary.hpp"
#include "binade/reduction.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"
#include "measurement.hpp"

namespace binade {
namespace {

std::size_t count_targets(std::span<const std::int32_t> targets, std::size_t positions, std::size_t vocabulary) {
  if (targets.size() != positions)
    throw std::invalid_argument("cross_entropy: " + std::to_string(targets.size()) + " targets given for logits of " +
                                std::to_string(positions) + " positions");
  std::size_t predicted = 0;
  for (std::size_t position = 0; position < positions; ++position) {
    const std::int32_t target = targets[position];
    if (target == no_target) continue;
    if (target < 0 || std::size_t(target) >= vocabulary)
      throw std::invalid_argument("cross_entropy: target " + std::to_string(target) + " at position " +
                                  std::to_string(position) + " is outside the vocabulary (0 to " +
                                  std::to_string(vocabulary - 1) + ", or -1 for no target)");
    ++predicted;
  }
  if (predicted == 0) throw std::invalid_argument("cross_entropy: no position has a target; at least one must");
  return predicted;
}

void require_valid(const cross_entropy_settings& settings) {
  if (!(settings.label_smoothing >= 0 && settings.label_smoothing < 1))
    throw std::invalid_argument("cross_entropy: label_smoothing is " + std::to_string(settings.label_smoothing) +
                                "; it must be at least 0 and below 1");
  if (!(settings.z_loss >= 0 && settings.z_loss < std::numeric_limits<double>::infinity()))
    throw std::invalid_argument("cross_entropy: z_loss is " + std::to_string(settings.z_loss) +
                                "; it must be a finite number, 0 or above");
}

}  // namespace

template <class T>
language_model_loss<T> cross_entropy(graph<T>& pass, const variable<T>& logits, std::span<const std::int32_t> targets,
                                     std::size_t vocabulary, const cross_entropy_settings& settings) {
  const work_scope scope(work_kind::loss);
  require_valid(settings);
  if (logits.shape().rank() == 0 || vocabulary == 0 || vocabulary > logits.shape().back())
    throw std::invalid_argument("cross_entropy: logits have shape " + to_string(logits.shape()) +
                                "; their last size must hold a vocabulary of " + std::to_string(vocabulary) +
                                " (at least 1)");
  const std::size_t columns = logits.shape().back(), rows = logits.value().size() / columns;
  const std::size_t predicted = count_targets(targets, rows, vocabulary);
  thread_pool& pool = pass.pool();

  tensor<T> positions = tensor<T>::uninitialized({rows}), probabilities = tensor<T>::uninitialized(logits.shape());
  tensor<T> spread = tensor<T>::uninitialized({rows});    // mean(-log p) of every position
  tensor<T> log_sums = tensor<T>::uninitialized({rows});  // log Z
  const bool smooths = settings.label_smoothing != 0;
  kernels::for_each_row(
      pool, rows, columns,
      [in = logits.value().data(), out = probabilities.data(), losses = positions.data(), spread = spread.data(),
       log_sums = log_sums.data(), target = targets.data(), columns, vocabulary, smooths](std::size_t row)
          BINADE_KERNEL_BODY {
            const T* __restrict const x = in + row * columns;
            T* __restrict const p = out + row * columns;
            if (target[row] == no_target) {
              losses[row] = spread[row] = log_sums[row] = T(0);
              return;
            }
            const T top = reduction::largest(x, vocabulary);
            const auto below = [x, top](std::size_t j) BINADE_KERNEL_BODY { return top - x[j]; };
            for (std::size_t j = 0; j < vocabulary; ++j) p[j] = math::exp(x[j] - top);
            const T sum = reduction::sum(p, vocabulary);
            for (std::size_t j = 0; j < vocabulary; ++j) p[j] = p[j] / sum;
            losses[row] = math::log(sum) - (x[target[row]] - top);
            spread[row] = smooths ? math::log(sum) + reduction::sum_terms<T>(vocabulary, below) / T(vocabulary) : T(0);
            log_sums[row] = math::log(sum) + top;
          });
  const T plain = kernels::sum<T>(pool, positions.values()) / T(predicted);
  if (const auto& meter = pass.quantization().meter) {
    meter({"logits", "log_z",
           static_cast<double>(kernels::sum<T>(pool, log_sums.values())) / static_cast<double>(predicted)});
    meter({"logits", "largest_log_z", static_cast<double>(kernels::max_abs<T>(pool, log_sums.values())), true});
  }
  const T smoothing = T(settings.label_smoothing), coefficient = T(settings.z_loss);
  T mean = plain, z_loss = T(0);
  if (smooths) mean = (T(1) - smoothing) * plain + smoothing * (kernels::sum<T>(pool, spread.values()) / T(predicted));
  if (settings.z_loss != 0) {
    z_loss = coefficient * (kernels::sum_of_squares<T>(pool, log_sums.values()) / T(predicted));
    mean = mean + z_loss;
  }

  pooled_vector<std::int32_t> saved(targets.begin(), targets.end());
  variable<T> loss = pass.result(
      tensor<T>::full({1}, mean), {&logits},
      [&pool, logits = logits.without_value(), probabilities = std::move(probabilities), log_sums,
       saved = std::move(saved), predicted, rows, columns, vocabulary, smoothing,
       coefficient](const tensor<T>& gradient) mutable {
        // d loss / d logit = p (1 + 2 z_loss log Z) - smoothing / vocabulary - (1 - smoothing at the target)
        tensor<T> logits_gradient = std::move(probabilities);
        const T factor = gradient[0] / T(predicted), even = smoothing / T(vocabulary), rest = T(1) - smoothing;
        kernels::for_each_row(pool, rows, columns,
                              [dx = logits_gradient.data(), log_sums = log_sums.data(), target = saved.data(), factor,
                               even, rest, coefficient, columns, vocabulary](std::size_t row) BINADE_KERNEL_BODY {
                                T* const d = dx + row * columns;  // of the probabilities that lie there
                                const std::size_t used = target[row] == no_target ? 0 : vocabulary;
                                const T slope = T(1) + T(2) * coefficient * log_sums[row];
                                const T at_target = used == 0 ? T(0) : (d[target[row]] * slope - even - rest) * factor;
                                for (std::size_t j = 0; j < used; ++j) d[j] = (d[j] * slope - even) * factor;
                                for (std::size_t j = used; j < columns; ++j) d[j] = T(0);
                                if (used != 0) d[target[row]] = at_target;
                              });
        logits.add_gradient(std::move(logits_gradient), pool);
      });
  return {std::move(loss), std::move(positions), predicted, plain, z_loss};
}

template language_model_loss<float> cross_entropy(graph<float>&, const variable<float>&, std::span<const std::int32_t>,
                                                  std::size_t, const cross_entropy_settings&);
template language_model_loss<double> cross_entropy(graph<double>&, const variable<double>&,
                                                   std::span<const std::int32_t>, std::size_t,
                                                   const cross_entropy_settings&);

}  // namespace binade
