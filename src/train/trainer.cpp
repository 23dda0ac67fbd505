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

#include "binade/sqnr.hpp"
#include "binade/version.hpp"
#include "data/mix.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/parallel.hpp"
#include "kernels/reduce.hpp"
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
        rows_.try_emplace({std::string(q.site), std::string(q.gemm), std::string(q.operand)}, q.counters);
    if (!is_new) row->second.merge(q.counters);
  }
  /// In the order of site, GEMM, operand.
  std::vector<counter_record> records(std::int64_t step) const {
    std::vector<counter_record> result;
    for (const auto& [key, c] : rows_) {
      const auto& [site, gemm, operand] = key;
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
                        .sqnr_db = sqnr_db(c.sum_sq, c.sum_sq_error)});
    }
    return result;
  }

 private:
  std::map<std::tuple<std::string, std::string, std::string>, quantize_counters> rows_;
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
  void add_update(std::size_t i, tensor<float> before) {
    if (norms_[i] == 0) return;
    float* const change = before.data();
    const float* const now = std::as_const(parameters_[i].value.value()).data();
    kernels::for_each_element(pool_, before.size(),
                              [change, now](std::size_t j) BINADE_KERNEL_BODY { change[j] = now[j] - change[j]; });
    into_.add(parameters_[i].name, "update_ratio", root_sum_of_squares(pool_, before) / norms_[i]);
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

trainer::step_result trainer::step(bool count) {
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
    // Rows in parts have the numbers that they have in the whole batch.
    const data_batch batch = [&] {
      const work_scope scope(work_kind::data);
      return s.source.training_batch(s.seeds.data, number * parts + part, s.run.train.batch / parts);
    }();
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
  if (overflowed) {
    ++s.skipped;
    result.finite = std::isfinite(record.loss);
  } else {
    const double factor = clip_factor(record.gradient_norm, s.run.train.clip);
    record.clipped = factor < 1;
    const optimizer<float>::update_function on_update =
        update ? [&update](std::size_t i, tensor<float> before) { update->add_update(i, std::move(before)); }
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
