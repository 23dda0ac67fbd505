#include "report/table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "report/crafted_study.hpp"
#include "report/report.hpp"

namespace {

using namespace binade;
using namespace binade::crafted;

std::size_t characters(const std::string& line) {
  return static_cast<std::size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(terminal_table, columns_line_up_under_names_of_any_alphabet) {
  temporary_folder folder;
  study_builder study(folder.path());
  for (const char* name : {"f32", "größe-Ω", "a"})
    for (std::int64_t seed : {0, 1}) study.done(name, 1e-3, seed, 0.6 + 0.01 * static_cast<double>(seed));
  const auto lines = lines_of(terminal_table(study.store()));
  const std::size_t verdict_at = lines[0].find("verdict");
  ASSERT_NE(verdict_at, std::string::npos);
  EXPECT_EQ(lines[2].find("baseline"), verdict_at);
  const std::size_t found = lines[3].find("identical");
  ASSERT_NE(found, std::string::npos);
  EXPECT_EQ(characters(lines[3].substr(0, found)), verdict_at);
}

TEST(terminal_table, a_narrow_terminal_loses_columns_and_no_line_is_too_long) {
  temporary_folder folder;
  write_invented_study(folder.path() / "study", {});
  const study_store store = study_store::open_read_only(folder.path() / "study" / study_store::file_name);
  const std::string wide = terminal_table(store, 120), narrow = terminal_table(store, 90);
  EXPECT_NE(wide.find("under %"), std::string::npos);
  EXPECT_EQ(narrow.find("under %"), std::string::npos);
  EXPECT_NE(narrow.find("verdict"), std::string::npos);
  for (const std::string& line : lines_of(wide)) EXPECT_LE(characters(line), 120u) << line;
  for (const std::string& line : lines_of(narrow)) EXPECT_LE(characters(line), 90u) << line;
}

TEST(terminal_table, there_is_colour_only_when_asked_for) {
  temporary_folder folder;
  write_invented_study(folder.path() / "study", {});
  const study_store store = study_store::open_read_only(folder.path() / "study" / study_store::file_name);
  const std::string plain = terminal_table(store, 120, false);
  std::string coloured = terminal_table(store, 120, true);
  EXPECT_EQ(plain.find('\033'), std::string::npos);
  EXPECT_NE(coloured.find('\033'), std::string::npos);
  for (std::size_t at; (at = coloured.find('\033')) != std::string::npos;)
    coloured.erase(at, coloured.find('m', at) - at + 1);
  EXPECT_EQ(lines_of(coloured)[0], lines_of(plain)[0]);
}

TEST(terminal_table, a_study_without_trials_or_with_pending_ones_alone_prints) {
  temporary_folder folder;
  study_builder study(folder.path());
  EXPECT_NE(terminal_table(study.store()).find("no trials yet"), std::string::npos);
  study.with_status("f32", 1e-3, 0, trial_status::pending).with_status("bf16", 1e-3, 0, trial_status::pending);
  const std::string text = terminal_table(study.store());
  EXPECT_NE(text.find("unfinished"), std::string::npos);
  EXPECT_EQ(text.find("nan"), std::string::npos);
}

TEST(wrapped, lines_keep_to_the_width_and_lose_no_word) {
  const std::string text = "one two three four averyveryverylongword five";
  EXPECT_EQ(wrapped(text, 10), "one two\nthree four\naveryveryverylongword\nfive");
  EXPECT_EQ(wrapped("- note that goes on", 9, 2), "- note\n  that\n  goes on");
}

}  // namespace
