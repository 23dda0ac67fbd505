#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <set>

#include "report/html.hpp"
#include "report/markup.hpp"
#include "report/number_text.hpp"
#include "report/verdict.hpp"

namespace binade::html {
namespace {

constexpr std::size_t recipe_colours = 8;  // --r0 (the baseline) to --r7 in report.css
const std::string unknown = "\u2013";

/// A cell for a number: a dash where it is not known.
std::string number(const std::string& text) {
  return text == "-" ? unknown : typeset(text);
}

std::string cell(const std::string& content, const char* css_class = "") {
  return "<td" + (*css_class ? " class=\"" + std::string(css_class) + "\"" : "") + ">" + content + "</td>";
}
std::string with_sub(const std::string& main, const std::string& sub) {
  return sub.empty() ? main : main + "<span class=\"sub\">" + sub + "</span>";
}
std::string head(const std::string& title, const char* css_class = "", int columns = 1) {
  return "<th scope=\"col\"" + (*css_class ? " class=\"" + std::string(css_class) + "\"" : "") +
         (columns > 1 ? " colspan=\"" + std::to_string(columns) + "\"" : "") + ">" + title + "</th>";
}
std::string table(const std::string& header, const std::string& body, const char* css_class = "",
                  const char* scroll = "scroll") {
  return "<div class=\"" + std::string(scroll) + "\" tabindex=\"0\"><table" +
         (*css_class ? " class=\"" + std::string(css_class) + "\"" : "") + "><thead>" + header + "</thead><tbody>" +
         body + "</tbody></table></div>";
}
std::string range(const statistics::interval& i, int decimals, bool sign = false) {
  const auto text = [&](double x) { return typeset(sign ? signed_text(x, decimals) : fixed_text(x, decimals)); };
  return text(i.low) + " to " + text(i.high);
}

std::string colour_of(const study_analysis& study, std::size_t recipe) {
  const std::size_t slot = colour_slot(study, recipe);
  return "var(--r" + std::to_string(slot == 0 ? 0 : 1 + (slot - 1) % (recipe_colours - 1)) + ")";
}

/// The scale of the plots of differences in nat: holds 0, all means and most of the intervals; long ones leave it.
statistics::interval forest_range(const study_analysis& study) {
  double means = 0;
  for (const recipe_analysis& recipe : study.recipes)
    if (recipe.to_baseline) means = std::max(means, std::fabs(recipe.to_baseline->mean));
  statistics::interval range;
  for (const recipe_analysis& recipe : study.recipes) {
    if (!recipe.to_baseline) continue;
    const paired_difference& d = *recipe.to_baseline;
    const statistics::interval whole = d.interval.value_or(statistics::interval{d.mean, d.mean});
    range.low = std::min({range.low, d.mean, std::max(whole.low, -1.5 * means)});
    range.high = std::max({range.high, d.mean, std::min(whole.high, 1.5 * means)});
  }
  return range;
}

/// A small picture of the difference and its interval around zero; the same scale in all rows.
std::string forest(const paired_difference& d, const std::string& colour, const statistics::interval& range) {
  if (range.half_width() <= 0) return {};
  constexpr double width = 152, edge = 7;
  const auto at = [&](double x) {
    const double share = (std::clamp(x, range.low, range.high) - range.low) / (range.high - range.low);
    return edge + share * (width - 2 * edge);
  };
  const auto text = [](double x) { return fixed_text(x, 1); };
  const std::string zero = text(at(0));
  std::string svg = "<svg class=\"forest\" viewBox=\"0 0 152 16\" aria-hidden=\"true\"><line class=\"zero\" x1=\"" +
                    zero + "\" x2=\"" + zero + "\" y1=\"0\" y2=\"16\"/>";
  if (d.interval) {
    svg += "<line class=\"bar\" stroke=\"" + colour + "\" x1=\"" + text(at(d.interval->low)) + "\" x2=\"" +
           text(at(d.interval->high)) + "\" y1=\"8\" y2=\"8\"/>";
    const auto end = [&](double x, double way) {
      const std::string tip = text(at(x) + (range.contains(x) ? 0 : 5 * way));
      // An arrow says that the interval goes on beyond the plot, a stroke that it ends here.
      if (!range.contains(x))
        svg += "<path fill=\"" + colour + "\" d=\"M" + tip + " 8l" + text(-6 * way) + " -4v8z\"/>";
      else
        svg += "<path class=\"bar\" stroke=\"" + colour + "\" d=\"M" + tip + " 4.5v7\"/>";
    };
    end(d.interval->low, -1);
    end(d.interval->high, 1);
  }
  return svg + "<circle fill=\"" + colour + "\" cx=\"" + text(at(d.mean)) + "\" cy=\"8\" r=\"3.2\"/></svg>";
}

std::string word(verdict finding) {
  std::string css_class(to_string(finding));
  std::replace(css_class.begin(), css_class.end(), ' ', '-');
  return "<span class=\"word " + css_class + "\">" + std::string(to_string(finding)) + "</span>";
}

std::string difference_content(const paired_difference& d) {
  const std::string mean = typeset(signed_text(d.mean, 3));
  return with_sub(mean, d.interval ? range(*d.interval, 3, true) : "one seed, no interval");
}

std::string usable_text(const recipe_analysis& recipe) {
  if (!recipe.usable_rates) return unknown;
  const auto [low, high] = *recipe.usable_rates;
  return low == high ? rate_text(low) + " alone" : rate_text(low) + " to " + rate_text(high);
}

std::string status_text(const trial_record& trial) {
  const std::string kind = divergence_of(trial);
  const std::string status(to_string(trial.status));
  return kind.empty() || kind == status ? status : status + " (" + kind + ")";
}

}  // namespace

std::string recipe_swatch(const study_analysis& study, std::size_t recipe) {
  return "<span class=\"swatch\" style=\"background:" + colour_of(study, recipe) + "\"></span>";
}

std::string recipe_name(const study_analysis& study, std::size_t recipe) {
  return "<span class=\"recipe\">" + recipe_swatch(study, recipe) + "<span>" + escaped(study.recipes[recipe].label) +
         "</span></span>";
}

std::string summary_table(const study_analysis& study) {
  if (study.recipes.empty()) return {};
  const std::string base = study.baseline ? escaped(study.baseline_recipe()->label) : "";
  const bool quantized = std::any_of(study.recipes.begin(), study.recipes.end(),
                                     [](const recipe_analysis& r) { return !r.quantization.empty(); });
  std::string header = head("Recipe", "text") + head("Best<br>rate") + head("Validation<br>loss");
  if (study.floor)
    header += head("Above the floor<br>95 % interval");
  else if (study.unit == "byte")
    header += head("Bits per<br>byte");
  if (study.baseline) header += head("Minus " + base + ", by seed<br>95 % interval") + head("Verdict", "text");
  header += head("Diverged<br>trials") + head("Seed<br>s.d.") + head("LR sen-<br>sitivity");
  if (quantized) header += head("Satu-<br>rated %") + head("Under-<br>flowed %");

  const statistics::interval scale = forest_range(study);
  std::string body;
  for (std::size_t r = 0; r < study.recipes.size(); ++r) {
    const recipe_analysis& recipe = study.recipes[r];
    const rate_analysis* best = recipe.best_rate();
    std::string row = cell(recipe_name(study, r), "text name");
    row += cell(best ? number(rate_text(best->learning_rate)) : unknown);
    const bool interval_of_loss = recipe.excesses.empty() && recipe.interval;
    row += cell(best ? with_sub(number(fixed_text(best->loss)), interval_of_loss ? range(*recipe.interval, 3) : "")
                     : unknown);
    if (study.floor)
      row += cell(best ? with_sub(number(fixed_text(best->excess)),
                                  !interval_of_loss && recipe.interval ? range(*recipe.interval, 3) : "")
                       : unknown);
    else if (study.unit == "byte")
      row += cell(best && best->loss ? number(fixed_text(*best->loss / std::numbers::ln2)) : unknown);
    if (study.baseline) {
      row += cell(recipe.to_baseline ? difference_content(*recipe.to_baseline) : unknown);
      row += cell(
          word(recipe.finding) + (recipe.to_baseline ? forest(*recipe.to_baseline, colour_of(study, r), scale) : ""),
          "text");
    }
    std::string classes;
    for (const auto& [name, n] : recipe.divergence_classes) classes += (classes.empty() ? "" : ", ") + escaped(name);
    row += cell(with_sub(std::to_string(recipe.diverged) + " of " + std::to_string(recipe.done), classes));
    row += cell(number(fixed_text(recipe.deviation))) + cell(number(fixed_text(recipe.sensitivity)));
    if (quantized)
      row += cell(number(percent_text(recipe.quantization.totals.saturated_share()))) +
             cell(number(percent_text(recipe.quantization.totals.underflowed_share())));
    body += "<tr>" + row + "</tr>";
  }
  return table("<tr>" + header + "</tr>", body);
}

std::string evaluation_table(const study_analysis& study, const study_store& store) {
  constexpr std::size_t most_columns = 12;
  std::set<std::int64_t> steps;
  std::map<std::int64_t, std::map<std::int64_t, double>> losses;  // by trial, by step
  for (const recipe_analysis& recipe : study.recipes)
    for (std::size_t i : recipe.shown_rate()->trials)
      for (const evaluation_record& e : store.evaluations(study.trials[i].id)) {
        steps.insert(e.step);
        losses[study.trials[i].id][e.step] = e.validation_loss;
      }
  if (steps.empty()) return "<p class=\"note\">No validation loss is stored yet.</p>";
  const std::vector<std::int64_t> all(steps.begin(), steps.end());
  const std::size_t columns = std::min(all.size(), most_columns);
  std::vector<std::int64_t> chosen;
  for (std::size_t c = 0; c < columns; ++c)
    chosen.push_back(all[columns == 1 ? all.size() - 1 : c * (all.size() - 1) / (columns - 1)]);
  std::string header = head("Recipe", "text") + head("Learning rate") + head("Seed");
  for (std::int64_t step : chosen) header += head("step " + std::to_string(step));
  std::string body;
  for (std::size_t r = 0; r < study.recipes.size(); ++r) {
    const rate_analysis& rate = *study.recipes[r].shown_rate();
    for (std::size_t i : rate.trials) {
      const trial_record& trial = study.trials[i];
      body += "<tr>" + cell(recipe_name(study, r), "text name") + cell(number(rate_text(rate.learning_rate))) +
              cell(std::to_string(trial.seed));
      for (std::int64_t step : chosen) {
        const auto& of_trial = losses[trial.id];
        const auto found = of_trial.find(step);
        const bool known = found != of_trial.end() && std::isfinite(found->second);
        body += cell(known ? number(fixed_text(found->second)) : unknown);
      }
      body += "</tr>";
    }
  }
  return table("<tr>" + header + "</tr>", body, "", "scroll high");
}

std::string rate_table(const study_analysis& study) {
  const std::string base = study.baseline ? escaped(study.baseline_recipe()->label) : "";
  std::string header = head("Recipe", "text") + head("Learning<br>rate") + head("Trials<br>ended") + head("Diverged") +
                       head("Mean validation<br>loss");
  if (study.floor) header += head("Above<br>the floor");
  if (study.baseline) header += head("Minus " + base + " at this rate<br>95 % interval");
  std::string body;
  for (std::size_t r = 0; r < study.recipes.size(); ++r) {
    const recipe_analysis& recipe = study.recipes[r];
    for (const rate_analysis& rate : recipe.rates) {
      std::int64_t ended = 0, diverged = 0;
      for (std::size_t i : rate.trials) {
        const trial_record& trial = study.trials[i];
        ended += trial.status == trial_status::done || trial.status == trial_status::diverged;
        diverged += !divergence_of(trial).empty();
      }
      body += "<tr>" + cell(recipe_name(study, r), "text name") +
              cell(number(rate_text(rate.learning_rate)) + (&rate == recipe.best_rate() ? " \u2190 best" : "")) +
              cell(std::to_string(ended) + " of " + std::to_string(rate.trials.size())) +
              cell(std::to_string(diverged)) + cell(number(fixed_text(rate.loss)));
      if (study.floor) body += cell(number(fixed_text(rate.excess)));
      if (study.baseline) body += cell(rate.to_baseline ? difference_content(*rate.to_baseline) : unknown);
      body += "</tr>";
    }
  }
  std::string more_body;
  for (std::size_t r = 0; r < study.recipes.size(); ++r) {
    const recipe_analysis& recipe = study.recipes[r];
    more_body +=
        "<tr>" + cell(recipe_name(study, r), "text name") +
        cell(with_sub(number(fixed_text(recipe.sensitivity)),
                      recipe.sensitivity_interval ? range(*recipe.sensitivity_interval, 3) : "")) +
        cell(usable_text(recipe)) +
        cell(recipe.largest_stable_rate ? rate_text(*recipe.largest_stable_rate) : unknown) +
        cell(recipe.divergence_rate ? with_sub(std::to_string(recipe.diverged) + " of " + std::to_string(recipe.done),
                                               percent_text(recipe.divergence_rate->low) + " to " +
                                                   percent_text(recipe.divergence_rate->high) + " %")
                                    : unknown) +
        cell(std::to_string(recipe.degraded)) + cell(std::to_string(recipe.spikes)) + "</tr>";
  }
  const std::string more_header = head("Recipe", "text") + head("LR sensitivity<br>95 %, bootstrap") +
                                  head("Rates within<br>0.1 nat of the best") +
                                  head("Largest rate without<br>divergence") + head("Diverged<br>95 %, Wilson") +
                                  head("Trials 0.1 nat above<br>the baseline") + head("Loss<br>spikes");
  return table("<tr>" + header + "</tr>", body, "", "scroll high") + "<h3>Stability of each recipe</h3>" +
         table("<tr>" + more_header + "</tr>", more_body);
}

std::string seed_table(const study_analysis& study) {
  const char* what = study.floor ? "Above the floor, by seed" : "Validation loss, by seed";
  std::string header =
      head("Recipe", "text") + head("Learning rate") + head(what, "text") + head("s.d.<br>95 %, chi-square");
  if (study.baseline)
    header += head("Minus " + escaped(study.baseline_recipe()->label) + ", by seed", "text") + head("p, t test") +
              head("p, Holm");
  const auto list = [](const std::vector<std::int64_t>& seeds, const std::vector<double>& values, bool sign) {
    std::string text;
    for (std::size_t i = 0; i < values.size(); ++i)
      text += (i == 0 ? "" : " &nbsp; ") + std::string("<span class=\"seed\">") + std::to_string(seeds[i]) + ":&nbsp;" +
              typeset(sign ? signed_text(values[i], 4) : fixed_text(values[i], 4)) + "</span>";
    return text.empty() ? unknown : text;
  };
  std::string body;
  for (std::size_t r = 0; r < study.recipes.size(); ++r) {
    const recipe_analysis& recipe = study.recipes[r];
    body += "<tr>" + cell(recipe_name(study, r), "text name") +
            cell(recipe.best ? rate_text(recipe.best_rate()->learning_rate) : unknown) +
            cell(list(recipe.seeds, recipe.excesses.empty() ? recipe.losses : recipe.excesses, false), "text wrap") +
            cell(with_sub(number(fixed_text(recipe.deviation, 4)),
                          recipe.deviation_interval ? range(*recipe.deviation_interval, 4) : ""));
    if (study.baseline) {
      const auto& d = recipe.to_baseline;
      body += cell(d ? list(d->seeds, d->differences, true) : unknown, "text wrap") +
              cell(d ? number(fixed_text(d->p_value, 4)) : unknown) +
              cell(d ? number(fixed_text(d->p_holm, 4)) : unknown);
    }
    body += "</tr>";
  }
  return table("<tr>" + header + "</tr>", body);
}

std::string trial_table(const study_analysis& study) {
  std::string header = head("Trial") + head("Recipe", "text") + head("Learning<br>rate") + head("Seed") +
                       head("Status", "text") + head("Steps") + head("First<br>loss") + head("Validation<br>loss");
  if (study.floor) header += head("Above<br>the floor");
  header += head("Tokens<br>per second") + head("Weights", "text");
  std::string body;
  for (std::size_t r = 0; r < study.recipes.size(); ++r)
    for (const rate_analysis& rate : study.recipes[r].rates)
      for (std::size_t i : rate.trials) {
        const trial_record& t = study.trials[i];
        body += "<tr>" + cell(std::to_string(t.id)) + cell(recipe_name(study, r), "text name") +
                cell(rate_text(t.learning_rate)) + cell(std::to_string(t.seed)) +
                cell(escaped(status_text(t)), "text") + cell(std::to_string(t.steps_done)) +
                cell(number(fixed_text(t.initial_loss))) + cell(number(fixed_text(loss_of(t))));
        if (study.floor) body += cell(number(fixed_text(excess_of(t))));
        body += cell(t.seconds > 0 ? count_text(static_cast<double>(t.tokens) / t.seconds) : unknown) +
                cell(t.weights_digest.empty() ? unknown : "<code>" + escaped(t.weights_digest) + "</code>", "text") +
                "</tr>";
      }
  return table("<tr>" + header + "</tr>", body, "", "scroll high");
}

namespace {

/// The shade of a share: none for 0, then one per decade from 0.01 % up.
std::string share_class(std::optional<double> share) {
  if (!share || *share == 0) return "";
  int shade = 1;
  for (double limit = 1e-4; limit < 0.5 && *share >= limit; limit *= 10) ++shade;
  return " h" + std::to_string(shade);
}
std::string share_scale(const char* measure, const char* name) {
  const std::string m(measure);
  std::string text = "<b>" + std::string(name) + "</b><span>0</span>";
  constexpr std::array labels{"&lt; 0.01 %", "&lt; 0.1 %", "&lt; 1 %", "&lt; 10 %", "\u2265 10 %"};
  for (std::size_t i = 0; i < labels.size(); ++i)
    text += "<span class=\"" + m + " h" + std::to_string(i + 1) + "\">" + labels[i] + "</span>";
  return text;
}

/// Less than 10 dB is darkest: the error is a third of the signal and more.
std::string decibel_class(double decibel) {
  constexpr std::array limits{40.0, 30.0, 20.0, 10.0};
  std::size_t shade = 1;
  for (double limit : limits) shade += decibel < limit;
  return " h" + std::to_string(shade);
}
std::string decibel_scale() {
  std::string text = "<b>SQNR</b>";
  constexpr std::array labels{"\u2265 40 dB", "\u2265 30 dB", "\u2265 20 dB", "\u2265 10 dB", "&lt; 10 dB"};
  for (std::size_t i = 0; i < labels.size(); ++i)
    text += "<span class=\"db h" + std::to_string(i + 1) + "\">" + labels[i] + "</span>";
  return text;
}

std::string spaced(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return escaped(name);
}

/// Header rows for the measures side by side: measure, GEMM, operand.
std::string heat_header(const quantization_analysis& q, const std::vector<std::string>& measures) {
  const int operands = static_cast<int>(q.operands.size());
  std::string measure_row = "<th></th>", gemm_row = "<th></th>", operand_row = "<th class=\"text\">site</th>";
  for (const std::string& measure : measures) {
    const char* gap = "<th class=\"gap\"></th>";
    measure_row += gap + head(measure, "group", operands);
    gemm_row += gap;
    operand_row += gap;
    for (std::size_t i = 0; i < q.operands.size();) {
      std::size_t j = i;
      while (j < q.operands.size() && q.operands[j].first == q.operands[i].first) ++j;
      gemm_row += head(spaced(q.operands[i].first), "group", static_cast<int>(j - i));
      i = j;
    }
    for (const operand_key& key : q.operands) operand_row += head(spaced(key.second));
  }
  return (measures.size() > 1 ? "<tr>" + measure_row + "</tr>" : "") + "<tr>" + gemm_row + "</tr><tr>" + operand_row +
         "</tr>";
}

const quantization_cell* find_cell(const quantization_analysis& q, const std::string& site,
                                   const operand_key& operand) {
  const auto found = q.last_step.find({site, operand});
  return found == q.last_step.end() ? nullptr : &found->second;
}

std::string heat_of(const quantization_analysis& q) {
  std::string shares, decibels;
  bool lossy = false;
  for (const std::string& site : q.sites) {
    const std::string name = "<tr><th scope=\"row\">" + escaped(site) + "</th>";
    shares += name;
    decibels += name + "<td class=\"gap\"></td>";
    for (const bool saturated : {true, false}) {
      shares += "<td class=\"gap\"></td>";
      for (const operand_key& operand : q.operands) {
        const quantization_cell* c = find_cell(q, site, operand);
        const auto share = !c          ? std::optional<double>()
                           : saturated ? c->totals.saturated_share()
                                       : c->totals.underflowed_share();
        const std::string css_class = !c ? "none" : (saturated ? "sat" : "und") + share_class(share);
        shares += cell(c ? number(percent_text(share)) : "", css_class.c_str());
      }
    }
    for (const operand_key& operand : q.operands) {
      const quantization_cell* c = find_cell(q, site, operand);
      lossy = lossy || (c && c->sqnr_db);
      const std::string css_class = !c ? "none" : c->sqnr_db ? "db" + decibel_class(*c->sqnr_db) : "db";
      decibels += cell(!c ? "" : c->sqnr_db ? number(fixed_text(*c->sqnr_db, 1)) : "exact", css_class.c_str());
    }
    shares += "</tr>";
    decibels += "</tr>";
  }
  std::string text =
      "<p class=\"scale\">" + share_scale("sat", "saturated") + share_scale("und", "underflowed") + "</p>" +
      table(heat_header(q, {"Saturated, % of nonzero inputs", "Underflowed to zero, % of nonzero inputs"}), shares,
            "heat", "scroll high");
  if (lossy)
    text += "<h3>Signal to quantization noise, dB</h3><p class=\"scale\">" + decibel_scale() + "</p>" +
            table(heat_header(q, {"SQNR"}), decibels, "heat", "scroll high");
  return text;
}

}  // namespace

std::string quantization_tables(const study_analysis& study) {
  // The recipe that lost most is open: it is what a reader looks for.
  const recipe_analysis* open = nullptr;
  const auto loss_share = [](const recipe_analysis& r) {
    return r.quantization.totals.underflowed_share().value_or(0) + r.quantization.totals.saturated_share().value_or(0);
  };
  for (const recipe_analysis& recipe : study.recipes)
    if (!recipe.quantization.empty() && (!open || loss_share(recipe) > loss_share(*open))) open = &recipe;
  std::string text;
  for (std::size_t r = 0; r < study.recipes.size(); ++r) {
    const recipe_analysis& recipe = study.recipes[r];
    if (recipe.quantization.empty()) continue;
    text += std::string("<details") + (&recipe == open ? " open" : "") + "><summary>" + recipe_name(study, r) +
            ", each GEMM in the last recorded step (learning rate " + rate_text(recipe.quantization.learning_rate) +
            ")</summary>" + heat_of(recipe.quantization) + "</details>";
  }
  return text;
}

}  // namespace binade::html
