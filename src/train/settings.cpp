#include "train/settings.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "model/model_kinds.hpp"
#include "report/number_text.hpp"
#include "util/toml_numbers.hpp"
#include "util/toml_reader.hpp"

namespace binade {
namespace {

loss_scaling_settings read_loss_scaling(const toml_section& s, bool is_there) {
  loss_scaling_settings l;
  if (!is_there) return l;
  static constexpr std::array<std::string_view, 2> kinds{"static", "dynamic"};
  l.how = s.word("kind", kinds) == 0 ? loss_scaling_settings::kind::fixed : loss_scaling_settings::kind::dynamic;
  l.scale = s.number("scale", l.scale);
  if (l.how == loss_scaling_settings::kind::dynamic) {
    l.growth = s.number("growth", l.growth);
    l.backoff = s.number("backoff", l.backoff);
    l.interval = s.integer("interval", l.interval);
  }
  if (const auto defect = l.defect())
    s.fail(defect->key, "is " + exact_text(s.number(defect->key)) + "; it " + std::string(defect->why));
  return l;
}

train_settings read_train(const toml_section& s);

/// Every choice of [train] that has keys of its own.  @param optimizer  the one that is chosen
std::vector<key_sample> train_samples(const std::string& optimizer) {
  std::vector<key_sample> samples;
  const auto add = [&](const std::string& choice, const std::string& lines) {
    samples.push_back({choice, "steps = 100\nbatch = 1\n" + choice + "\n" + lines,
                       [](const toml_section& table) { read_train(table); }});
  };
  for (const std::string_view name : optimizer_names()) add("optimizer = \"" + std::string(name) + "\"", "");
  for (const std::string_view name : schedule_names)
    add("schedule = \"" + std::string(name) + "\"", "optimizer = \"" + optimizer + "\"");
  return samples;
}

train_settings read_train(const toml_section& s) {
  constexpr std::int64_t most = 1'000'000'000;
  train_settings t;
  t.steps = read_whole(s, "steps", 1, most);
  t.batch = read_size(s, "batch", 1, 65536);
  t.warmup = read_whole(s, "warmup", 0, t.steps - 1, t.steps / 10);
  t.accumulate = read_size(s, "accumulate", 1, 65536, 1);
  if (t.batch % t.accumulate != 0)
    s.fail("accumulate",
           "is " + std::to_string(t.accumulate) + "; it must divide batch, which is " + std::to_string(t.batch));
  if (t.steps > std::numeric_limits<std::uint32_t>::max() / static_cast<std::int64_t>(t.accumulate))
    s.fail("accumulate", "times steps is more than 2^32 - 1, the number of passes that have noise of their own");
  t.optimizer = read_optimizer(s);
  t.clip = read_real(s, "clip", 0, bound::included, unlimited, bound::included, t.clip);
  t.schedule = s.word("schedule", schedule_names, std::optional(t.schedule));
  if (t.schedule == schedule_shape::constant && s.has("final_lr_fraction"))
    s.fail("final_lr_fraction", "is given and schedule is \"constant\"; remove one of the two");
  t.final_lr_fraction = read_real(s, "final_lr_fraction", 0, bound::included, 1, bound::included, t.final_lr_fraction);
  if (t.schedule == schedule_shape::wsd) {
    t.decay = read_real(s, "decay", 0, bound::excluded, 1, bound::included, t.decay);
    t.fall = s.word("decay_shape", decay_names, std::optional(t.fall));
    const auto falling = static_cast<std::int64_t>(schedule_of(t, 1).decay_steps());
    if (falling == 0 || t.warmup + falling > t.steps)
      s.fail("decay", "gives " + std::to_string(falling) + " steps of " + std::to_string(t.steps) +
                          "; valid are 1 to the " + std::to_string(t.steps - t.warmup) + " after the warm-up");
  }
  t.loss_scaling = read_loss_scaling(s.section("loss_scaling"), s.has("loss_scaling"));
  s.explain_unknown([optimizer = std::string(name_of(t.optimizer)),
                     schedule = schedule_names[static_cast<std::size_t>(t.schedule)]](std::string_view key) {
    const std::string choices = choices_with_key(train_samples(optimizer), key);
    return choices.empty() ? choices
                           : "is a key of " + choices + "; optimizer " + optimizer + " and schedule " +
                                 std::string(schedule) + " have";
  });
  t.evaluate_every = read_whole(s, "evaluate_every", 0, most, t.evaluate_every);
  t.telemetry_every = read_whole(s, "telemetry_every", 0, most, t.telemetry_every);
  t.shadow_every = read_whole(s, "shadow_every", 0, most, t.shadow_every);
  t.checkpoint_every = read_whole(s, "checkpoint_every", 1, most, t.checkpoint_every);
  return t;
}

run_settings read_run(const toml_section& file, const std::filesystem::path& path, const std::filesystem::path& data) {
  run_settings r;
  r.name = file.text("name", path.stem().string());
  if (r.name.empty() ||
      std::any_of(r.name.begin(), r.name.end(), [](char c) { return static_cast<unsigned char>(c) < 32; }))
    file.fail("name", "must be a line of text");
  r.model = read_model(file.section("model"));
  const toml_section data_table = file.section("data");
  r.data.open = read_data({data_table, path.parent_path(), r.model->positions(), data}, r.data.corpus);
  const toml_section train = file.section("train");
  r.train = read_train(train);
  if (train.has("from")) {
    const std::string from = train.text("from");
    if (from.empty()) train.fail("from", "is empty; give a .safetensors file, or leave it out");
    r.from = path.parent_path() / from;
  }
  return r;
}

template <class T>
void refuse_empty_or_repeated(const toml_section& s, const char* key, const std::vector<T>& values) {
  if (values.empty()) s.fail(key, "is empty; give at least one");
  if (std::set<T>(values.begin(), values.end()).size() != values.size()) s.fail(key, "names the same value twice");
}

void require_positive(const toml_section& s, const char* key, const std::vector<double>& values) {
  for (const double value : values)
    if (!(value > 0)) s.fail(key, "holds " + exact_text(value) + "; valid is more than 0");
}

void require_seed(const toml_section& s, const char* key, std::int64_t seed) {
  if (seed < 0) s.fail(key, "is or holds " + std::to_string(seed) + "; valid is 0 or more");
}

}  // namespace

train_file read_train_file(const std::filesystem::path& path, const std::filesystem::path& data) {
  const toml_section file = toml_section::read_file(path);
  if (file.has("study"))
    file.fail("study", "makes this a study file, and one run is asked for; use: binade study FILE --out DIR");
  train_file result;
  result.file = path;
  result.run = read_run(file, path, data);
  const toml_section train = file.section("train");
  result.recipe = train.text("recipe", result.recipe);
  result.learning_rate = read_positive(train, "learning_rate");
  result.seed = train.integer("seed", 0);
  require_seed(train, "seed", result.seed);
  file.finish();
  return result;
}

study_file read_study_file(const std::filesystem::path& path, const std::filesystem::path& data) {
  const toml_section file = toml_section::read_file(path);
  if (!file.has("study"))
    file.fail("study",
              "is missing: a study file has a table [study] with recipes, learning_rates and seeds; for one run "
              "use: binade train FILE");
  study_file result;
  result.file = path;
  result.run = read_run(file, path, data);
  const toml_section train = file.section("train");
  for (const char* key : {"recipe", "learning_rate", "seed"})
    if (train.has(key))
      train.fail(key, "belongs to a training file; a study says recipes, learning_rates and seeds in [study]");
  const toml_section study = file.section("study");
  result.recipes = study.texts("recipes");
  result.learning_rates = study.numbers("learning_rates");
  result.seeds = study.integers("seeds");
  refuse_empty_or_repeated(study, "recipes", result.recipes);
  refuse_empty_or_repeated(study, "learning_rates", result.learning_rates);
  refuse_empty_or_repeated(study, "seeds", result.seeds);
  require_positive(study, "learning_rates", result.learning_rates);
  for (const std::int64_t seed : result.seeds) require_seed(study, "seeds", seed);
  result.baseline = study.text("baseline", result.recipes.front());
  if (std::find(result.recipes.begin(), result.recipes.end(), result.baseline) == result.recipes.end())
    study.fail("baseline", "is \"" + result.baseline + "\", which is not among recipes");
  file.finish();
  return result;
}

std::unique_ptr<data_source> open_source(run_settings& settings) {
  std::unique_ptr<data_source> source = settings.data.open();
  settings.model = settings.model->fitted_to(source->shape());
  if (!settings.from.empty()) {
    settings.start = std::make_shared<const initial_weights>(settings.from);
    settings.start->require_fit(*settings.model);
  }
  return source;
}

learning_rate_schedule schedule_of(const train_settings& train, double peak) {
  return {.peak = peak,
          .steps = static_cast<std::uint64_t>(train.steps),
          .warmup = static_cast<std::uint64_t>(train.warmup),
          .final_fraction = train.final_lr_fraction,
          .shape = train.schedule,
          .decay = train.decay,
          .fall = train.fall};
}

std::string canonical_text(const run_settings& r, const data_source& source) {
  const auto quoted = [](const std::string& text) {
    std::string out = "\"";
    for (const char c : text) out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    return out + "\"";
  };
  std::string text = "name = " + quoted(r.name) + "\n";
  const auto line = [&](const char* key, const std::string& value) { text += std::string(key) + " = " + value + "\n"; };
  text += "\n[model]\n" + r.model->canonical_text();
  text += "\n[data]\n" + source.canonical_text();
  text += "\n[train]\n";
  line("steps", std::to_string(r.train.steps));
  line("batch", std::to_string(r.train.batch));
  line("warmup", std::to_string(r.train.warmup));
  if (r.start) line("from", quoted("sha256:" + r.start->sha256()));
  // What is not said keeps the text of a file, and so its identity, as it was before the key existed.
  const train_settings& t = r.train;
  if (t.accumulate != 1) line("accumulate", std::to_string(t.accumulate));
  if (!std::holds_alternative<adamw_settings>(t.optimizer))
    line("optimizer", quoted(std::string(name_of(t.optimizer))));
  line("weight_decay", exact_text(weight_decay_of(t.optimizer)));
  line("clip", exact_text(t.clip));
  for (const auto& [key, value] : lines_of(t.optimizer)) line(std::string(key).c_str(), value);
  if (t.schedule != schedule_shape::cosine)
    line("schedule", quoted(std::string(schedule_names[static_cast<std::size_t>(t.schedule)])));
  if (t.schedule != schedule_shape::constant) line("final_lr_fraction", exact_text(t.final_lr_fraction));
  if (t.schedule == schedule_shape::wsd) {
    line("decay", exact_text(t.decay));
    line("decay_shape", quoted(std::string(decay_names[static_cast<std::size_t>(t.fall)])));
  }
  line("evaluate_every", std::to_string(r.train.evaluate_every));
  line("telemetry_every", std::to_string(r.train.telemetry_every));
  if (t.shadow_every != 0) line("shadow_every", std::to_string(t.shadow_every));
  line("checkpoint_every", std::to_string(r.train.checkpoint_every));
  if (const loss_scaling_settings& l = t.loss_scaling; l.how != loss_scaling_settings::kind::none) {
    const bool dynamic = l.how == loss_scaling_settings::kind::dynamic;
    text += "\n[train.loss_scaling]\n";
    line("kind", dynamic ? "\"dynamic\"" : "\"static\"");
    line("scale", exact_text(l.scale));
    if (dynamic) {
      line("growth", exact_text(l.growth));
      line("backoff", exact_text(l.backoff));
      line("interval", std::to_string(l.interval));
    }
  }
  return text;
}

}  // namespace binade
