#include "train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <utility>

#include "binade/sqnr.hpp"
#include "binade/version.hpp"
#include "data/mix.hpp"
#include "kernels/parallel.hpp"
#include "optim/adamw.hpp"
#include "optim/clip.hpp"
#include "optim/schedule.hpp"
#include "recipe/quantized_matmul.hpp"
#include "report/number_text.hpp"
#include "util/hash.hpp"
#include "util/safetensors.hpp"

namespace binade {
namespace {

constexpr std::string_view checkpoint_format = "binade checkpoint 1";
constexpr const char* loss_history = "history.loss";
constexpr std::string_view amax_history = "history.amax.";  // before the name of an array

counter_record to_record(std::int64_t step, const quantization_record& q) {
  const quantize_counters& c = q.counters;
  return {.trial = 0,
          .step = step,
          .site = std::string(q.site),
          .gemm = std::string(q.gemm),
          .operand = std::string(q.operand),
          .count = static_cast<std::int64_t>(c.count),
          .nonzero = static_cast<std::int64_t>(c.nonzero),
          .saturated = static_cast<std::int64_t>(c.saturated),
          .underflowed = static_cast<std::int64_t>(c.underflowed),
          .amax = c.amax,
          .sqnr_db = sqnr_db(c.sum_sq, c.sum_sq_error)};
}

bool all_finite(std::span<const parameter<float>> parameters) {
  return std::all_of(parameters.begin(), parameters.end(), [](const parameter<float>& p) {
    const auto values = p.value.value().values();
    return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
  });
}

std::vector<std::size_t> sizes_of(const extents& shape) {
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < shape.rank(); ++i) sizes.push_back(shape[i]);
  return sizes;
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
  adamw<float> optimizer;
  learning_rate_schedule schedule;

  state(const run_settings& r, const data_source& s, const trial_settings& t)
      : run(r),
        source(s),
        trial(t),
        seeds(trial_seeds::from(static_cast<std::uint64_t>(t.seed))),
        pool(t.threads),
        network(r.model->make(seeds.initialization)),
        formats(t.formats, r.model->gemm_sites()),
        optimizer(network->parameters(), {.beta1 = r.train.beta1,
                                          .beta2 = r.train.beta2,
                                          .epsilon = r.train.epsilon,
                                          .weight_decay = r.train.weight_decay}),
        schedule{.peak = t.learning_rate,
                 .steps = static_cast<std::uint64_t>(r.train.steps),
                 .warmup = static_cast<std::uint64_t>(r.train.warmup),
                 .final_fraction = r.train.final_lr_fraction} {
    schedule.validate();
  }

  quantization_context quantization() {
    return {.recipe = &formats,
            .seed = seeds.rounding,
            .step = static_cast<std::uint32_t>(optimizer.steps()),
            .optimizer_step = static_cast<std::uint32_t>(optimizer.steps()),
            .histories = &histories,
            .observer = {}};
  }
};

trainer::trainer(const run_settings& run, const data_source& source, const trial_settings& trial)
    : state_(std::make_unique<state>(run, source, trial)) {}
trainer::~trainer() = default;

std::size_t trainer::parameter_count() const {
  return count_parameters(state_->run.model->parameters()).total;
}
std::int64_t trainer::steps_done() const {
  return static_cast<std::int64_t>(state_->optimizer.steps());
}

trainer::step_result trainer::step(bool count) {
  state& s = *state_;
  const auto number = s.optimizer.steps();
  const data_batch batch = s.source.training_batch(s.seeds.data, number, s.run.train.batch);

  step_result result;
  step_record& record = result.record;
  record.step = static_cast<std::int64_t>(number);
  record.floor = floor_of(batch);
  record.learning_rate = s.schedule.at(number);

  quantization_context quantization = s.quantization();
  if (count)
    quantization.observer = [&](const quantization_record& q) { result.counters.push_back(to_record(record.step, q)); };
  graph<float> pass(s.pool, quantization);
  s.network->clear_gradients();
  const model_loss<float> loss = s.network->loss(pass, batch);
  record.loss = static_cast<double>(loss.mean.value()[0]);
  pass.backward(loss.mean);
  record.gradient_norm = gradient_norm(s.network->parameters(), s.pool);
  const double factor = clip_factor(record.gradient_norm, s.run.train.clip);
  record.clipped = factor < 1;
  s.optimizer.step(record.learning_rate, factor, s.pool);
  s.histories.advance();
  result.finite =
      std::isfinite(record.loss) && std::isfinite(record.gradient_norm) && all_finite(s.network->parameters());
  std::sort(result.counters.begin(), result.counters.end(), [](const counter_record& a, const counter_record& b) {
    return std::tie(a.site, a.gemm, a.operand) < std::tie(b.site, b.gemm, b.operand);
  });
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
  const auto parameters = s.network->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& [name, value] = parameters[i];
    const auto sizes = sizes_of(value.shape());
    tensors.push_back(stored(name, sizes, value.value().values()));
    tensors.push_back(stored("first_moment." + name, sizes, s.optimizer.first_moments()[i].values()));
    tensors.push_back(stored("second_moment." + name, sizes, s.optimizer.second_moments()[i].values()));
  }
  const std::map<std::string, std::vector<float>> amax = s.histories.past();
  for (const auto& [name, values] : amax)
    tensors.push_back(stored(std::string(amax_history) + name, {values.size()}, std::span(values)));
  for (const auto& [name, value] : s.network->buffers())
    tensors.push_back(stored(name, sizes_of(value.shape()), value.value().values()));
  tensors.push_back(stored(loss_history, {notes.losses.size()}, std::span(notes.losses)));
  write_safetensors(file, tensors,
                    {{"format", std::string(checkpoint_format)},
                     {"identity", identity()},
                     {"steps", std::to_string(s.optimizer.steps())},
                     {"seconds", exact_text(notes.seconds)},
                     {"settings", canonical_text(s.run, s.source)},
                     {"recipe", s.trial.formats.canonical_text()},
                     {"learning_rate", exact_text(s.trial.learning_rate)},
                     {"seed", std::to_string(s.trial.seed)},
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
  const auto parameters = s.network->parameters();
  const auto load = [&](const std::string& name, const extents& shape) {
    return tensor<float>::from(shape, saved.at(name).f32());
  };
  std::vector<tensor<float>> first, second;
  for (const auto& [name, value] : parameters) {
    value.mutable_value() = load(name, value.shape());
    first.push_back(load("first_moment." + name, value.shape()));
    second.push_back(load("second_moment." + name, value.shape()));
  }
  for (const auto& [name, value] : s.network->buffers()) value.mutable_value() = load(name, value.shape());
  s.optimizer.restore(std::stoull(note("steps")), first, second);
  std::map<std::string, std::vector<float>> amax;
  for (const stored_tensor& t : saved.tensors())
    if (t.name.starts_with(amax_history)) {
      const std::span<const float> values = t.f32();
      amax.emplace(t.name.substr(amax_history.size()), std::vector<float>(values.begin(), values.end()));
    }
  s.histories.restore(amax);
  const auto losses = saved.at(loss_history).f64();
  return {.losses = {losses.begin(), losses.end()}, .seconds = std::stod(note("seconds"))};
}

}  // namespace binade
