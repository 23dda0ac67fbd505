#include "report/table.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>
#include <vector>

#include "report/number_text.hpp"
#include "report/report.hpp"
#include "report/verdict.hpp"

namespace binade {
namespace {

/// Characters of UTF-8 text, which is its width as long as nobody names a recipe in double-width letters.
int width_of(std::string_view text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
}

std::string repeated(std::string_view piece, int n) {
  std::string text;
  for (int i = 0; i < n; ++i) text += piece;
  return text;
}

struct column {
  std::string title;
  int drop_order;  ///< when the terminal is narrow the largest goes first; 0 stays
  bool left;
  std::function<std::string(const recipe_analysis&)> cell;
  std::function<std::string_view(const recipe_analysis&)> ansi = nullptr;
};

std::string difference_cell(const recipe_analysis& recipe) {
  if (!recipe.to_baseline) return "-";
  const paired_difference& d = *recipe.to_baseline;
  if (!d.interval) return signed_text(d.mean);
  return signed_text(d.mean) + " [" + signed_text(d.interval->low) + ", " + signed_text(d.interval->high) + "]";
}

std::string_view verdict_colour(const recipe_analysis& recipe) {
  switch (recipe.finding) {
    case verdict::better:
      return "\033[32m";
    case verdict::worse:
    case verdict::diverged:
      return "\033[31m";
    case verdict::baseline:
      return "\033[1m";
    default:
      return "\033[2m";
  }
}

std::vector<column> columns_of(const study_analysis& study) {
  std::vector<column> columns;
  columns.push_back({"recipe", 0, true, [](const recipe_analysis& r) { return r.label; }});
  columns.push_back({"best lr", 0, false, [](const recipe_analysis& r) {
                       return r.best ? rate_text(r.best_rate()->learning_rate) : std::string("-");
                     }});
  const int loss_order = study.floor ? 1 : 0;
  columns.push_back({"loss", loss_order, false, [](const recipe_analysis& r) {
                       return r.best ? fixed_text(r.best_rate()->loss) : std::string("-");
                     }});
  if (study.floor)
    columns.push_back({"excess", 0, false, [](const recipe_analysis& r) {
                         return r.best ? fixed_text(r.best_rate()->excess) : std::string("-");
                       }});
  if (study.baseline) columns.push_back({"vs " + study.baseline_recipe()->label + " [95 %]", 0, true, difference_cell});
  columns.push_back(
      {"verdict", 0, true, [](const recipe_analysis& r) { return std::string(to_string(r.finding)); }, verdict_colour});
  columns.push_back({"diverged", 0, false, [](const recipe_analysis& r) {
                       return std::to_string(r.diverged) + "/" + std::to_string(r.done);
                     }});
  columns.push_back({"seed sd", 4, false, [](const recipe_analysis& r) { return fixed_text(r.deviation); }});
  columns.push_back({"LRS", 5, false, [](const recipe_analysis& r) { return fixed_text(r.sensitivity); }});
  columns.push_back({"sat %", 3, false,
                     [](const recipe_analysis& r) { return percent_text(r.quantization.totals.saturated_share()); }});
  columns.push_back({"under %", 2, false,
                     [](const recipe_analysis& r) { return percent_text(r.quantization.totals.underflowed_share()); }});
  return columns;
}

std::string padded(const std::string& text, int width, bool left) {
  const std::string blanks(static_cast<std::size_t>(std::max(0, width - width_of(text))), ' ');
  return left ? text + blanks : blanks + text;
}

}  // namespace

std::string wrapped(const std::string& text, int width, int indent) {
  std::string result, line;
  std::size_t from = 0;
  while (from < text.size()) {
    const std::size_t to = std::min(text.find(' ', from), text.size());
    const std::string word = text.substr(from, to - from);
    from = to + 1;
    const int used = width_of(line);
    if (used > indent && used + 1 + width_of(word) > width) {
      result += line + "\n";
      line.assign(static_cast<std::size_t>(indent), ' ');
      line += word;
    } else {
      line += (line.find_first_not_of(' ') == std::string::npos ? "" : " ") + word;
    }
  }
  return result + line;
}

std::string terminal_table(const study_analysis& study, int width, bool colour) {
  constexpr int gap = 2;
  std::vector<column> columns = columns_of(study);
  std::vector<std::vector<std::string>> cells;
  std::vector<int> widths;
  const auto lay_out = [&] {
    cells.assign(study.recipes.size(), {});
    widths.clear();
    for (const column& c : columns) {
      int widest = width_of(c.title);
      for (std::size_t r = 0; r < study.recipes.size(); ++r) {
        cells[r].push_back(c.cell(study.recipes[r]));
        widest = std::max(widest, width_of(cells[r].back()));
      }
      widths.push_back(widest);
    }
    int total = -gap;
    for (int w : widths) total += w + gap;
    return total;
  };
  int total = lay_out();
  while (total > width) {
    const auto least = std::max_element(columns.begin(), columns.end(),
                                        [](const column& a, const column& b) { return a.drop_order < b.drop_order; });
    if (least->drop_order == 0) break;
    columns.erase(least);
    total = lay_out();
  }

  const std::string between(gap, ' ');
  std::string text;
  const auto add_line = [&](const std::function<std::string(std::size_t)>& cell) {
    std::string line;
    for (std::size_t c = 0; c < columns.size(); ++c) line += (c == 0 ? "" : between) + cell(c);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add_line([&](std::size_t c) { return padded(columns[c].title, widths[c], columns[c].left); });
  text += repeated("─", total) + "\n";
  for (std::size_t r = 0; r < study.recipes.size(); ++r)
    add_line([&](std::size_t c) {
      const std::string cell = padded(cells[r][c], widths[c], columns[c].left);
      if (!colour || !columns[c].ansi) return cell;
      return std::string(columns[c].ansi(study.recipes[r])) + cell + "\033[0m";
    });

  const study_verdict judged = judge(study);
  text += "\n" + wrapped(judged.overall, width) + "\n";
  for (const std::string& note : judged.caveats) text += wrapped("- " + note, width, 2) + "\n";
  return text;
}

std::string terminal_table(const study_store& store, int width, bool colour) {
  return terminal_table(analyse(store), width, colour);
}

}  // namespace binade
