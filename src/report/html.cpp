#include "report/html.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "report/assets.hpp"
#include "report/chart_data.hpp"
#include "report/markup.hpp"
#include "report/number_text.hpp"
#include "report/report.hpp"
#include "report/verdict.hpp"
#include "util/atomic_file.hpp"

namespace binade {
namespace {

std::string state_text(const study_analysis& study) {
  if (study.complete()) return {};
  return " \u00b7 " + std::to_string(study.ended()) + " of " + std::to_string(study.trials.size()) + " trials finished";
}

/// "30 trials: 5 recipes x 3 learning rates x 2 seeds | 131k parameters | ..."
std::string facts(const study_analysis& study) {
  std::vector<std::string> items;
  const auto n = [](std::size_t size) { return static_cast<std::int64_t>(size); };
  items.push_back(counted(n(study.trials.size()), "trial") + ": " + counted(n(study.recipes.size()), "recipe") +
                  " \u00d7 " + counted(n(study.learning_rates.size()), "learning rate") + " \u00d7 " +
                  counted(n(study.seeds.size()), "seed"));
  if (const auto parameters = study.number("parameters")) items.push_back(count_text(*parameters) + " parameters");
  if (const auto steps = study.number("steps")) {
    std::string text = count_text(*steps) + " steps";
    if (const auto tokens = study.number("tokens_per_step"))
      text += " of " + count_text(*tokens) + " " + study.unit + "s (" + count_text(*steps * *tokens) + " in all)";
    items.push_back(text);
  }
  if (const std::string data = study.text("data"); !data.empty()) items.push_back("data: " + data);
  double seconds = 0;
  for (const trial_record& trial : study.trials) seconds += trial.seconds;
  if (seconds > 0) items.push_back(duration_text(seconds) + " of training in all");
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : " \u00b7 ") + escaped(item);
  return text;
}

std::string list(const std::vector<std::string>& items, const char* css_class) {
  if (items.empty()) return {};
  std::string text = "<ul class=\"" + std::string(css_class) + "\">";
  for (const std::string& item : items) text += "<li>" + item + "</li>";
  return text + "</ul>";
}

std::string sentences(const study_analysis& study, const study_verdict& judged) {
  std::string text = "<ul>";
  for (std::size_t r = 0; r < judged.recipes.size(); ++r)
    text += "<li>" + html::recipe_swatch(study, r) + "<span>" + typeset(judged.recipes[r]) + "</span></li>";
  return text + "</ul>";
}

std::string curve_lead(const study_analysis& study) {
  std::string text = study.floor
                         ? "Training loss above the true entropy of each batch, so 0 is the best that any model can do."
                         : "Training loss of each batch.";
  if (study.seeds.size() > 1) text += " One line per seed, the first one bold.";
  if (study.learning_rates.size() > 1)
    text += " Each recipe at its best learning rate; choose another above the chart.";
  return text + " A cross marks where a run diverged.";
}

std::string rate_lead(const study_analysis& study) {
  return std::string("One mark per trial, a line through the means. ") +
         (study.learning_rates.size() > 1 ? "A flat curve forgives a badly chosen learning rate; the sensitivity in "
                                            "the table above is its mean height "
                                            "over its lowest point."
                                          : "One learning rate was tried.");
}

std::string seed_lead(const study_analysis& study) {
  if (study.seeds.size() == 1) return "One seed: there is no spread to show.";
  return "Trials of one seed share initial weights and data, so a difference within a seed is free of both. The tick "
         "is the mean" +
         std::string(study.baseline
                         ? "; on the right the bar is its 95 % interval, and a recipe is told from the baseline only "
                           "where the bar stays clear of 0."
                         : ".");
}

std::string quantization_section(const study_analysis& study) {
  const std::string tables = html::quantization_tables(study);
  if (tables.empty())
    return "<p class=\"lead\">No quantizer left a record: nothing was quantized, or nothing has run yet.</p>";
  return "<p class=\"lead\">Saturated: beyond the largest value of the format after scaling. Underflowed: not zero "
         "before, zero "
         "after. Each recipe at its best learning rate, all sites and seeds added.</p>"
         "<div class=\"controls\" id=\"quantization-controls\"></div><div class=\"pair\">"
         "<figure><figcaption>Saturated</figcaption><div class=\"chart\"><canvas id=\"saturated\" role=\"img\" "
         "aria-label=\"Saturated share by step\"></canvas></div></figure>"
         "<figure><figcaption>Underflowed</figcaption><div class=\"chart\"><canvas id=\"underflowed\" role=\"img\" "
         "aria-label=\"Underflowed share by step\"></canvas></div></figure></div>" +
         tables;
}

/// Different values of a field over the trials.
template <class Field>
std::string distinct(const study_analysis& study, Field field) {
  std::set<std::string> values;
  for (const trial_record& trial : study.trials)
    if (const std::string& value = trial.*field; !value.empty()) values.insert(value);
  return joined({values.begin(), values.end()});
}

std::string reproduce(const study_analysis& study) {
  std::string text =
      "<p class=\"lead\">The same configuration gives the same bits on any machine and any number of threads: compare "
      "the digests of "
      "the weights below.</p><pre>binade study study.toml --out DIR    # study.toml: the configuration below\n"
      "binade report DIR                    # this page again, from DIR/study.db</pre><dl>";
  const auto entry = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) text += "<dt>" + name + "</dt><dd>" + escaped(value) + "</dd>";
  };
  std::vector<std::string> seeds, rates;
  for (std::int64_t seed : study.seeds) seeds.push_back(std::to_string(seed));
  for (double rate : study.learning_rates) rates.push_back(rate_text(rate));
  const auto or_property = [&](std::string found, const char* key) { return found.empty() ? study.text(key) : found; };
  entry("binade", or_property(distinct(study, &trial_record::binade_version), "binade_version"));
  entry("compiler", or_property(distinct(study, &trial_record::compiler), "compiler"));
  entry("processor", or_property(distinct(study, &trial_record::cpu), "cpu"));
  entry("created", study.text("created"));
  entry("learning rates", joined(rates));
  entry("seeds", joined(seeds));
  entry("data", study.text("data"));
  if (const auto tokens = study.number("validation_tokens"))
    entry("validation loss on", fixed_text(*tokens, 0) + " " + study.unit + "s");
  if (study.floor) entry("entropy floor", fixed_text(study.floor, 4) + " nat per " + study.unit);
  if (study.unigram_entropy) entry("unigram entropy", fixed_text(study.unigram_entropy, 4) + " nat per " + study.unit);
  entry("configuration hash", study.text("config_hash"));
  text += "</dl>";
  if (const std::string config = study.text("config_text"); !config.empty())
    text += "<details open><summary>Configuration</summary><pre class=\"fold\">" + escaped(config) + "</pre></details>";
  std::string recipes;
  for (std::size_t r = 0; r < study.recipes.size(); ++r)
    recipes += "<h3>" + html::recipe_name(study, r) + "</h3><pre class=\"fold\">" +
               escaped(study.recipes[r].text.empty() ? "(empty)" : study.recipes[r].text) + "</pre>";
  return text + "<details><summary>Recipes, every choice spelled out</summary><div>" + recipes +
         "</div></details><details><summary>Every trial</summary>" + html::trial_table(study) + "</details>";
}

std::string methods(const study_analysis& study) {
  std::vector<std::string> items;
  if (study.floor)
    items.push_back(
        "<b>Floor.</b> The corpus is drawn from a known law, so the entropy of the very tokens of the validation set "
        "is "
        "known. Loss minus floor is what the model has not learned; sampling noise of the data cancels.");
  items.push_back(
      "<b>Best learning rate.</b> The one with the smallest mean validation loss over seeds, among those where every "
      "seed "
      "has a loss. Never the best of the seeds. It is chosen on the same seeds that are compared, for all recipes "
      "alike.");
  items.push_back(
      "<b>Difference.</b> Recipe minus baseline, seed by seed, each at its best learning rate; the 95 % interval is "
      "Student\u2019s t on these differences. <b>Within noise</b>: the interval holds 0. That is no proof of "
      "equality.");
  items.push_back(
      "<b>Diverged.</b> <i>nonfinite</i>: a loss, gradient or weight stopped being finite; <i>blowup</i>: loss 1 nat "
      "above "
      "its start for 20 steps; <i>stuck</i>: in the end no better than token frequencies; <i>slow</i>: 0.3 nat above "
      "its own "
      "best. The last two have a final loss and keep it.");
  items.push_back(
      "<b>LR sensitivity.</b> Mean over the learning rates of min(loss, loss at the start), minus the smallest such "
      "loss "
      "(Wortsman et al. 2023, arXiv 2309.14322). Only grids that are equal compare.");
  items.push_back(
      "<b>Seed s.d.</b> Sample standard deviation over seeds at the best learning rate. The seed moves initial "
      "weights, "
      "data order and stochastic rounding together.");
  items.push_back(
      "<b>Saturated, underflowed.</b> Shares of the nonzero inputs of all quantizers over all recorded steps at the "
      "best "
      "learning rate.");
  items.push_back(
      "<b>Loss spikes.</b> Events, not steps: a loss above the running median by 7 robust deviations and by 0.1 nat.");
  return list(items, "methods");
}

std::string section(const study_analysis& study, const study_store& store, const study_verdict& judged,
                    std::string_view name) {
  if (name == "name") return escaped(study.name);
  if (name == "version") return escaped(study.text("binade_version"));
  if (name == "state") return state_text(study);
  if (name == "overall") return typeset(judged.overall);
  if (name == "facts") return facts(study);
  if (name == "summary") return html::summary_table(study);
  if (name == "caveats") {
    std::vector<std::string> items;
    for (const std::string& note : judged.caveats) items.push_back(typeset(note));
    return list(items, "caveats");
  }
  if (name == "sentences_open") return study.recipes.size() <= 8 ? " open" : "";
  if (name == "sentences") return sentences(study, judged);
  if (name == "curve_lead") return curve_lead(study);
  if (name == "rate_lead") return rate_lead(study);
  if (name == "seed_lead") return seed_lead(study);
  if (name == "seed_caption") return study.floor ? "Validation loss above the floor" : "Validation loss";
  if (name == "difference_caption")
    return study.baseline ? "Minus " + escaped(study.baseline_recipe()->label) + ", seed by seed"
                          : "No baseline to compare with";
  if (name == "evaluations") return html::evaluation_table(study, store);
  if (name == "rates") return html::rate_table(study);
  if (name == "seeds") return html::seed_table(study);
  if (name == "quantization") return quantization_section(study);
  if (name == "reproduce") return reproduce(study);
  if (name == "methods") return methods(study);
  if (name == "style") return std::string(report_assets::style);
  if (name == "script") return std::string(report_assets::script);
  if (name == "chart_library") return std::string(report_assets::chart_library);
  // A store may hold bytes that are no UTF-8 (a path in the data description): they become U+FFFD, as browsers show
  // them.
  if (name == "data")
    return script_safe(chart_data(study, store).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  throw std::logic_error("html_report: report.html has a placeholder {{" + std::string(name) + "}} that nothing fills");
}

}  // namespace

std::string html_report(const study_analysis& study, const study_store& store) {
  const study_verdict judged = judge(study);
  return fill(report_assets::page, [&](std::string_view name) { return section(study, store, judged, name); });
}

void write_report(const std::filesystem::path& study_dir) {
  const study_store store = study_store::open_read_only(study_dir / study_store::file_name);
  write_atomically(study_dir / "report.html", html_report(analyse(store), store));
}

}  // namespace binade
