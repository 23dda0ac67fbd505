#include "train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <utility>

#include "binade/elementary.hpp"
#include "binade/exponent_histogram.hpp"
#include "binade/sqnr.hpp"
#include "binade/version.hpp"
#include "data/mix.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/parallel.hpp"
#include "kernels/quantize.hpp"
#include "kernels/reduce.hpp"
#include "kernels/sum_terms.hpp"
#include "measurement.hpp"
#include "model/model.hpp"
#include "optim/clip.hpp"
#include "optim/loss_scale.hpp"
#include "optim/optimizer.hpp"
#include "optim/schedule.hpp"
#include "recipe/quantized_matmul.hpp"
#include "report/number_text.hpp"
#include "train/measured_values.hpp"
#include "util/hash.hpp"
#include "util/safetensors.hpp"

namespace binade {
namespace {

constexpr std::string_view checkpoint_format = "binade checkpoint 1";
constexpr const char* loss_history = "history.loss";
constexpr std::string_view amax_history = "history.amax.";  // before the name of an array

/// The scale of a loss, as the largest magnitude of one element that saturates where the step was skipped.
counter_record scale_record(std::int64_t step, double scale, bool skipped) {
  return {.trial = 0,
          .step = step,
          .site = "loss",
          .gemm = std::string(loss_scale_row),
          .operand = "scale",
          .count = 1,
          .nonzero = 1,
          .saturated = skipped ? 1 : 0,
          .underflowed = 0,
          .amax = scale,
          .sqnr_db = std::numeric_limits<double>::infinity()};
}

/// What the quantizers did in a step; the micro-batches of an operand are added up.
class counter_rows {
 public:
  void add(const quantization_record& q) {
    const auto [row, is_new] =
        rows_.try_emplace({std::string(q.site), std::string(q.gemm), std::string(q.operand)}, q.counts);
    if (!is_new) row->second.merge(q.counts);
  }
  /// In the order of site, GEMM, operand.
  std::vector<counter_record> records(std::int64_t step) const {
    std::vector<counter_record> result;
    for (const auto& [key, counts] : rows_) {
      const auto& [site, gemm, operand] = key;
      const quantize_counters& c = counts.counters;
      result.push_back({.trial = 0,
                        .step = step,
                        .site = site,
                        .gemm = gemm,
                        .operand = operand,
                        .count = static_cast<std::int64_t>(c.count),
                        .nonzero = static_cast<std::int64_t>(c.nonzero),
                        .saturated = static_cast<std::int64_t>(c.saturated),
                        .underflowed = static_cast<std::int64_t>(c.underflowed),
                        .amax = c.amax,
                        .sqnr_db = sqnr_db(c.sum_sq, c.sum_sq_error),
                        .details = details_of(counts)});
    }
    return result;
  }

 private:
  static rounding_details details_of(const kernels::rounding_counts& counts) {
    constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
    const quantize_counters& c = counts.counters;
    const bool has_scale = counts.largest_value > 0 && c.count > 0 && c.smallest_scale <= c.largest_scale;
    rounding_details d{.nans = static_cast<std::int64_t>(c.nans),
                       .infinities = static_cast<std::int64_t>(c.infinities),
                       .exact = static_cast<std::int64_t>(c.exact),
                       .subnormal = static_cast<std::int64_t>(c.subnormal),
                       .top_binade = static_cast<std::int64_t>(c.top_binade),
                       .smallest_scale = has_scale ? static_cast<double>(c.smallest_scale) : unknown,
                       .largest_scale = has_scale ? static_cast<double>(c.largest_scale) : unknown,
                       .headroom = unknown,
                       .bias = c.bias(),
                       .cosine = c.cosine()};
    if (has_scale && c.amax > 0)
      d.headroom = math::log(counts.largest_value * d.largest_scale / static_cast<double>(c.amax)) / math::log(2.0);
    const exponent_histogram& h = counts.exponents;
    d.exponents.zeros = static_cast<std::int64_t>(h.zeros);
    if (h.smallest() > h.largest()) return d;
    d.exponents.first = h.smallest();
    for (int e = h.smallest(); e <= h.largest(); ++e)
      d.exponents.counts.push_back(static_cast<std::int64_t>(h.count(e)));
    return d;
  }

  std::map<std::tuple<std::string, std::string, std::string>, kernels::rounding_counts> rows_;
};

double root_sum_of_squares(thread_pool& pool, const tensor<float>& x) {
  return std::sqrt(static_cast<double>(kernels::sum_of_squares<float>(pool, x.values())));
}

/// Weights and gradients around an update.
class update_measurement {
 public:
  /// @param gradient_scale  what the gradients are multiplied by
  update_measurement(std::span<const parameter<float>> parameters, double gradient_scale, thread_pool& pool,
                     measured_values& into)
      : parameters_(parameters), pool_(pool), into_(into) {
    for (const auto& [name, value] : parameters_) {
      const double root_count = std::sqrt(static_cast<double>(value.value().size()));
      norms_.push_back(root_sum_of_squares(pool_, value.value()));
      into_.add(name, "weight_rms", norms_.back() / root_count);
      if (!value.gradient().empty())
        into_.add(name, "gradient_rms", root_sum_of_squares(pool_, value.gradient()) / root_count / gradient_scale);
    }
  }
  /// For optimizer::step(), so that no more than one parameter is held twice.
  void add_update(std::size_t i, tensor<float> before, const update_sizes& sizes) {
    const std::string& name = parameters_[i].name;
    const auto add_known = [&](const char* quantity, const std::optional<double>& value) {
      if (value) into_.add(name, quantity, *value);
    };
    add_known("rms_t", sizes.gradient_ratio);
    add_known("update_rms", sizes.step_rms);
    add_known("gradient_over_epsilon", sizes.over_epsilon);
    float* const change = before.data();
    const float* const now = std::as_const(parameters_[i].value.value()).data();
    kernels::for_each_element(pool_, before.size(),
                              [change, now](std::size_t j) BINADE_KERNEL_BODY { change[j] = now[j] - change[j]; });
    const float* const gradient = std::as_const(parameters_[i].value.gradient()).data();
    const double wanted = kernels::sum_terms<double>(
        pool_, before.size(), [gradient](std::size_t j) BINADE_KERNEL_BODY { return gradient[j] != 0 ? 1.0 : 0.0; });
    const double lost =
        kernels::sum_terms<double>(pool_, before.size(), [gradient, change](std::size_t j) BINADE_KERNEL_BODY {
          return gradient[j] != 0 && change[j] == 0 ? 1.0 : 0.0;
        });
    if (wanted > 0) into_.add(name, "lost_updates", lost / wanted);
    if (norms_[i] > 0) into_.add(name, "update_ratio", root_sum_of_squares(pool_, before) / norms_[i]);
  }

 private:
  std::span<const parameter<float>> parameters_;
  thread_pool& pool_;
  measured_values& into_;
  std::vector<double> norms_;
};

bool all_finite(std::span<const float> values, thread_pool& pool) {
  return std::isfinite(kernels::max_abs<float>(pool, values));
}
bool weights_finite(std::span<const parameter<float>> parameters, thread_pool& pool) {
  return std::all_of(parameters.begin(), parameters.end(),
                     [&](const auto& p) { return all_finite(p.value.value().values(), pool); });
}
bool gradients_finite(std::span<const parameter<float>> parameters, thread_pool& pool) {
  return std::all_of(parameters.begin(), parameters.end(),
                     [&](const auto& p) { return all_finite(std::as_const(p.value.gradient()).values(), pool); });
}

std::unique_ptr<model<float>> first_values(const run_settings& run, std::uint64_t seed) {
  std::unique_ptr<model<float>> network = run.model->make(seed);
  if (run.start) run.start->copy_to(*network);
  return network;
}

}  // namespace

struct trainer::state {
  run_settings run;
  const data_source& source;
  trial_settings trial;
  trial_seeds seeds;
  thread_pool pool;
  std::unique_ptr<model<float>> network;
  bound_recipe formats;
  scale_histories histories;
  binade::optimizer<float> optimizer;
  learning_rate_schedule schedule;
  loss_scale scale;
  std::uint64_t steps = 0;   // made, skipped ones included
  std::int64_t skipped = 0;  // for overflow of the scaled loss

  state(const run_settings& r, const data_source& s, const trial_settings& t)
      : run(r),
        source(s),
        trial(t),
        seeds(trial_seeds::from(static_cast<std::uint64_t>(t.seed))),
        pool(t.threads),
        network(first_values(r, seeds.initialization)),
        formats(t.formats, r.model->gemm_sites()),
        optimizer(network->parameters(), r.train.optimizer, t.formats.optimizer, seeds.rounding),
        schedule(schedule_of(r.train, t.learning_rate)),
        scale(r.train.loss_scaling) {
    schedule.validate();
  }

  /// @param part  of the batch, counted from 0
  quantization_context quantization(std::size_t part = 0) {
    return {.recipe = &formats,
            .seed = seeds.rounding,
            .step = static_cast<std::uint32_t>(steps * run.train.accumulate + part),
            .optimizer_step = static_cast<std::uint32_t>(steps),
            .histories = &histories,
            .observer = {},
            .meter = {}};
  }

  /// A part of this step's batch.  Rows in parts have the numbers that they have in the whole batch.
  data_batch batch(std::size_t part) const {
    const work_scope scope(work_kind::data);
    return source.training_batch(seeds.data, steps * run.train.accumulate + part,
                                 run.train.batch / run.train.accumulate);
  }

  /// Measures the gradients that are there against those of passes without a recipe; leaves all arrays as they were.
  void compare_with_float32(measured_values& into) {
    const std::span<const parameter<float>> parameters = network->parameters(), buffers = network->buffers();
    std::vector<tensor<float>> gradients, kept;
    for (const auto& p : parameters) gradients.push_back(p.value.gradient());
    for (const auto& b : buffers) kept.push_back(b.value.value().clone());
    network->clear_gradients();
    const std::size_t parts = run.train.accumulate;
    for (std::size_t part = 0; part < parts; ++part) {
      const data_batch rows = batch(part);
      quantization_context context = quantization(part);
      context.recipe = nullptr;
      context.histories = nullptr;
      graph<float> pass(pool, context);
      pass.backward(network->loss(pass, rows).mean, static_cast<float>(1 / static_cast<double>(parts)));
    }
    double errors = 0, squares = 0, exact_squares = 0, products = 0;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const variable<float>& p = parameters[i].value;
      const tensor<float> exact = p.gradient();
      p.clear_gradient();
      if (gradients[i].empty() && exact.empty()) continue;
      if (!gradients[i].empty()) p.add_gradient(gradients[i], pool);
      const tensor<float> none = tensor<float>::zeros(p.shape());  // an expert that one of the two sends no token to
      const float* const g = (gradients[i].empty() ? none : std::as_const(gradients[i])).data();
      const float* const f = (exact.empty() ? none : exact).data();
      const double factor = 1 / scale.scale();
      const auto sum = [&](const auto& term) { return kernels::sum_terms<double>(pool, none.size(), term); };
      const double error = sum([g, f, factor](std::size_t j) BINADE_KERNEL_BODY {
        const double e = static_cast<double>(g[j]) * factor - static_cast<double>(f[j]);
        return e * e;
      });
      const double square = sum([g, factor](std::size_t j) BINADE_KERNEL_BODY {
        const double x = static_cast<double>(g[j]) * factor;
        return x * x;
      });
      const double exact_square =
          sum([f](std::size_t j) BINADE_KERNEL_BODY { return static_cast<double>(f[j]) * static_cast<double>(f[j]); });
      const double product = sum([g, f, factor](std::size_t j) BINADE_KERNEL_BODY {
        return static_cast<double>(g[j]) * factor * static_cast<double>(f[j]);
      });
      add_error(parameters[i].name, error, square, exact_square, product, into);
      errors += error;
      squares += square;
      exact_squares += exact_square;
      products += product;
    }
    add_error("model", errors, squares, exact_squares, products, into);
    for (std::size_t i = 0; i < buffers.size(); ++i) buffers[i].value.mutable_value() = kept[i];
  }
  static void add_error(const std::string& subject, double error, double square, double exact_square, double product,
                        measured_values& into) {
    if (exact_square == 0) return;
    into.add(subject, "error_ratio", std::sqrt(error / exact_square));
    if (square != 0) into.add(subject, "gradient_cosine", product / std::sqrt(square) / std::sqrt(exact_square));
  }
};

trainer::trainer(const run_settings& run, const data_source& source, const trial_settings& trial)
    : state_(std::make_unique<state>(run, source, trial)) {}
trainer::~trainer() = default;

std::size_t trainer::parameter_count() const {
  return count_parameters(state_->run.model->parameters()).total;
}
std::int64_t trainer::steps_done() const {
  return static_cast<std::int64_t>(state_->steps);
}
std::int64_t trainer::skipped_steps() const {
  return state_->skipped;
}
std::size_t trainer::optimizer_bytes() const {
  return state_->optimizer.states_bytes();
}

trainer::step_result trainer::step(bool count, bool shadow) {
  state& s = *state_;
  const auto number = s.steps;
  const std::size_t parts = s.run.train.accumulate;
  const auto average = [parts](double sum) { return sum / static_cast<double>(parts); };

  step_result result;
  step_record& record = result.record;
  record.step = static_cast<std::int64_t>(number);
  record.learning_rate = s.schedule.at(number);

  counter_rows counters;
  const std::function<void(const quantization_record&)> observer =
      count ? [&](const quantization_record& q) { counters.add(q); }
            : std::function<void(const quantization_record&)>();
  measured_values measured;
  s.network->clear_gradients();
  double losses = 0, floors = 0;
  bool floor_is_known = true;
  for (std::size_t part = 0; part < parts; ++part) {
    const data_batch batch = s.batch(part);
    quantization_context quantization = s.quantization(part);
    quantization.observer = observer;
    if (count) quantization.meter = [&measured](const measurement& m) { measured.add(m); };
    graph<float> pass(s.pool, quantization);
    const model_loss<float> loss = s.network->loss(pass, batch);
    losses += static_cast<double>(loss.plain);
    const std::optional<double> floor = floor_of(batch);
    floor_is_known = floor_is_known && floor;
    floors += floor.value_or(0);
    pass.backward(loss.mean, static_cast<float>(average(s.scale.scale())));
  }
  record.loss = average(losses);
  if (floor_is_known) record.floor = average(floors);

  const work_scope scope(work_kind::optimizer);
  // Before they are rounded: a format that saturates would hide an infinity.
  const bool finite_gradients = gradients_finite(s.network->parameters(), s.pool);
  std::optional<update_measurement> update;
  if (count) update.emplace(s.network->parameters(), s.scale.scale(), s.pool, measured);
  s.optimizer.round_gradients(s.pool, observer);
  const double scaled_norm = gradient_norm(s.network->parameters(), s.pool);
  record.gradient_norm = scaled_norm / s.scale.scale();
  const bool overflowed = s.scale.is_on() && !(finite_gradients && std::isfinite(scaled_norm));
  if (shadow && !overflowed) s.compare_with_float32(measured);
  if (overflowed) {
    ++s.skipped;
    result.finite = std::isfinite(record.loss);
  } else {
    const double factor = clip_factor(record.gradient_norm, s.run.train.clip);
    record.clipped = factor < 1;
    const optimizer<float>::update_function on_update =
        update ? [&update](std::size_t i, tensor<float> before,
                           const update_sizes& sizes) { update->add_update(i, std::move(before), sizes); }
               : optimizer<float>::update_function();
    s.optimizer.step(record.learning_rate, factor / s.scale.scale(), s.pool, observer, on_update);
    result.finite = finite_gradients && std::isfinite(record.loss) && std::isfinite(record.gradient_norm) &&
                    weights_finite(s.network->parameters(), s.pool);
  }
  result.counters = counters.records(record.step);
  result.measurements = measured.records(record.step);
  if (s.scale.is_on()) {
    result.counters.push_back(scale_record(record.step, s.scale.scale(), overflowed));
    result.finite = s.scale.update(overflowed) && result.finite;
  }
  s.histories.advance();
  ++s.steps;
  return result;
}

double trainer::validation_loss() {
  state& s = *state_;
  double sum = 0;
  std::size_t predicted = 0;
  const std::size_t rows = s.source.validation_rows();
  for (std::size_t first = 0; first < rows; first += s.run.train.batch) {
    const data_batch batch = s.source.validation_batch(first, std::min(s.run.train.batch, rows - first));
    graph<float> pass(s.pool, s.quantization(), false);
    const auto loss = s.network->loss(pass, batch);
    for (const float x : loss.positions.values()) sum += static_cast<double>(x);
    predicted += predictions_of(batch);
  }
  return sum / static_cast<double>(predicted);
}

std::string trainer::weights_digest() const {
  return binade::weights_digest(state_->network->parameters());
}

std::string trainer::identity() const {
  const state& s = *state_;
  return hash_of(canonical_text(s.run, s.source) + s.trial.formats.canonical_text() + "learning_rate = " +
                 exact_text(s.trial.learning_rate) + "\nseed = " + std::to_string(s.trial.seed) + "\n");
}

void trainer::save(const std::filesystem::path& file, const checkpoint_notes& notes) const {
  const state& s = *state_;
  std::vector<stored_tensor> tensors;
  for (const auto& arrays : {s.network->parameters(), s.network->buffers()})
    for (const auto& [name, value] : arrays)
      tensors.push_back(stored(name, value.shape().sizes(), value.value().values()));
  for (stored_tensor& t : s.optimizer.states()) tensors.push_back(std::move(t));
  const std::map<std::string, std::vector<float>> amax = s.histories.past();
  for (const auto& [name, values] : amax)
    tensors.push_back(stored(std::string(amax_history) + name, {values.size()}, std::span(values)));
  tensors.push_back(stored(loss_history, {notes.losses.size()}, std::span(notes.losses)));
  std::map<std::string, std::string> metadata{{"format", std::string(checkpoint_format)},
                                              {"identity", identity()},
                                              {"steps", std::to_string(s.steps)},
                                              {"seconds", exact_text(notes.seconds)},
                                              {"settings", canonical_text(s.run, s.source)},
                                              {"recipe", s.trial.formats.canonical_text()},
                                              {"learning_rate", exact_text(s.trial.learning_rate)},
                                              {"seed", std::to_string(s.trial.seed)},
                                              {"binade_version", std::string(version_and_commit)}};
  if (s.scale.is_on()) {
    metadata["skipped_steps"] = std::to_string(s.skipped);
    metadata["loss_scale"] = exact_text(s.scale.scale());
    metadata["steps_without_overflow"] = std::to_string(s.scale.steps_without_overflow());
  }
  write_safetensors(file, tensors, metadata);
}

void trainer::export_weights(const std::filesystem::path& file) const {
  const state& s = *state_;
  std::vector<stored_tensor> tensors;
  for (const auto arrays : {s.network->parameters(), s.network->buffers()})
    for (const auto& [name, value] : arrays)
      tensors.push_back(stored(name, value.shape().sizes(), value.value().values()));
  write_safetensors(file, tensors,
                    {{"settings", canonical_text(s.run, s.source)},
                     {"recipe", s.trial.formats.canonical_text()},
                     {"steps", std::to_string(s.optimizer.steps())},
                     {"binade_version", std::string(version_and_commit)}});
}

checkpoint_notes trainer::restore(const std::filesystem::path& file) {
  state& s = *state_;
  const safetensors_file saved = safetensors_file::read(file);
  const auto note = [&](const char* key) {
    const auto found = saved.metadata().find(key);
    return found == saved.metadata().end() ? std::string() : found->second;
  };
  const auto refuse = [&](const std::string& why) {
    throw std::runtime_error(file.string() + " cannot be resumed: " + why);
  };
  if (note("format") != checkpoint_format || !saved.has_checksum()) refuse("it is no checkpoint of this program");
  if (note("identity") != identity())
    refuse(
        "it belongs to another run (its settings, data, recipe, learning rate or seed differ); choose another folder, "
        "or "
        "remove it to start over");

  // Identity is equal and the checksum right, so that names and shapes can only fit; at() and from() check all the
  // same.
  for (const auto& arrays : {s.network->parameters(), s.network->buffers()})
    for (const auto& [name, value] : arrays)
      value.mutable_value() = tensor<float>::from(value.shape(), saved.at(name).f32());
  s.steps = std::stoull(note("steps"));
  if (s.scale.is_on()) {
    s.skipped = std::stoll(note("skipped_steps"));
    s.scale.restore(std::stod(note("loss_scale")), std::stoll(note("steps_without_overflow")));
  }
  s.optimizer.restore(s.steps - static_cast<std::uint64_t>(s.skipped), saved);
  std::map<std::string, std::vector<float>> amax;
  for (const stored_tensor& t : saved.tensors())
    if (t.name.starts_with(amax_history)) {
      const std::span<const float> values = t.f32();
      amax.emplace(t.name.substr(amax_history.size()), std::vector<float>(values.begin(), values.end()));
    }
  s.histories.restore(amax);
  const auto losses = saved.at(loss_history).f64();
  return {.losses = {losses.begin(), losses.end()},
          .seconds = std::stod(note("seconds")),
          .binade_version = note("binade_version")};
}

}  // namespace binade
