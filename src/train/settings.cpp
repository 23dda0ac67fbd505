#include "train/settings.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "data/text_source.hpp"
#include "data/zm_corpus.hpp"
#include "model/model_kinds.hpp"
#include "report/number_text.hpp"
#include "util/toml_numbers.hpp"
#include "util/toml_reader.hpp"

namespace binade {
namespace {

// A path in a file is relative to that file, so that a study runs from any folder.
std::filesystem::path beside(const std::filesystem::path& folder, const std::filesystem::path& path) {
  return path.is_absolute() ? path : folder / path;
}

constexpr std::size_t most_validation_tokens = std::size_t{1}
                                               << 24;  // they are held in memory when the floor is computed

data_settings read_data(const toml_section& s, const std::filesystem::path& folder, const std::filesystem::path& given,
                        std::size_t context) {
  data_settings d;
  const bool has_text = s.has("text");
  d.corpus = s.text("corpus", has_text ? "text" : "zm");
  if (d.corpus != "zm" && d.corpus != "text")
    s.fail("corpus",
           "is \"" + d.corpus + "\"; valid are \"zm\" (synthetic, with a known entropy) and \"text\" (a file)");
  if (has_text) d.text = beside(folder, s.text("text"));
  d.bits = static_cast<int>(read_whole(s, "bits", 2, 14, d.bits));
  d.seed = static_cast<std::uint64_t>(read_whole(s, "seed", 0, std::numeric_limits<std::int64_t>::max(), 0));
  d.validation_documents = read_size(s, "validation_documents", 1, 1 << 20, 256);
  if (d.validation_documents > most_validation_tokens / context)
    s.fail("validation_documents", "is " + std::to_string(d.validation_documents) + " sequences of " +
                                       std::to_string(context) + "; valid are up to 2^24 tokens in all");
  if (!given.empty()) {
    d.corpus = "text";
    d.text = given;
  } else if (d.corpus == "text" && !has_text) {
    s.fail("corpus", "is \"text\" and no file is named; say text = \"FILE\" here or --data FILE on the command line");
  } else if (d.corpus != "text" && has_text) {
    s.fail("text", "is given and corpus is \"" + d.corpus + "\"; remove one of the two");
  }
  return d;
}

train_settings read_train(const toml_section& s) {
  constexpr std::int64_t most = 1'000'000'000;
  train_settings t;
  t.steps = read_whole(s, "steps", 1, most);
  t.batch = read_size(s, "batch", 1, 65536);
  t.warmup = read_whole(s, "warmup", 0, t.steps - 1, t.steps / 10);
  t.weight_decay = read_real(s, "weight_decay", 0, bound::included, unlimited, bound::included, t.weight_decay);
  t.clip = read_real(s, "clip", 0, bound::included, unlimited, bound::included, t.clip);
  const std::vector<double> betas = s.numbers("betas", std::vector{t.beta1, t.beta2});
  if (betas.size() != 2 || !std::all_of(betas.begin(), betas.end(), [](double b) { return b >= 0 && b < 1; }))
    s.fail("betas", "must be two numbers of at least 0 and less than 1, such as [0.9, 0.95]");
  t.beta1 = betas[0];
  t.beta2 = betas[1];
  t.epsilon = read_positive(s, "epsilon", t.epsilon);
  t.final_lr_fraction = read_real(s, "final_lr_fraction", 0, bound::included, 1, bound::included, t.final_lr_fraction);
  t.evaluate_every = read_whole(s, "evaluate_every", 0, most, t.evaluate_every);
  t.telemetry_every = read_whole(s, "telemetry_every", 0, most, t.telemetry_every);
  t.checkpoint_every = read_whole(s, "checkpoint_every", 1, most, t.checkpoint_every);
  return t;
}

run_settings read_run(const toml_section& file, const std::filesystem::path& path, const std::filesystem::path& data) {
  run_settings r;
  r.name = file.text("name", path.stem().string());
  if (r.name.empty() || std::any_of(r.name.begin(), r.name.end(), [](char c) { return c >= 0 && c < 32; }))
    file.fail("name", "must be a line of text");
  r.model = read_model(file.section("model"));
  r.data = read_data(file.section("data"), path.parent_path(), data, r.model->positions());
  r.train = read_train(file.section("train"));
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
  const data_settings& d = settings.data;
  const std::size_t context = settings.model->positions();
  std::unique_ptr<data_source> source;
  if (d.corpus == "text")
    source = std::make_unique<text_source>(d.text, context, d.validation_documents);
  else
    source = std::make_unique<zm_source>(zm_language(d.bits, context, d.seed), d.validation_documents);
  settings.model = settings.model->fitted_to(source->shape());
  return source;
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
  line("weight_decay", exact_text(r.train.weight_decay));
  line("clip", exact_text(r.train.clip));
  line("betas", "[" + exact_text(r.train.beta1) + ", " + exact_text(r.train.beta2) + "]");
  line("epsilon", exact_text(r.train.epsilon));
  line("final_lr_fraction", exact_text(r.train.final_lr_fraction));
  line("evaluate_every", std::to_string(r.train.evaluate_every));
  line("telemetry_every", std::to_string(r.train.telemetry_every));
  line("checkpoint_every", std::to_string(r.train.checkpoint_every));
  return text;
}

}  // namespace binade
