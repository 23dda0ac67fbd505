#include "util/toml_reader.hpp"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace binade {
namespace {

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

constexpr const char* good = R"(name = "demo"
[train]
steps = 100
rate = 1
betas = [0.9, 1]
quiet = true
[[rule]]
layers = "*"
forward = { input = "e4m3fn" }
[[rule]]
layers = ["head", "blocks.*"]
)";

TEST(toml_reader, values_are_read_by_kind_and_fallbacks_hold_only_where_the_key_is_absent) {
  const toml_section file = toml_section::parse(good, "demo.toml");
  EXPECT_EQ(file.text("name"), "demo");
  const toml_section train = file.section("train");
  EXPECT_EQ(train.integer("steps", 7), 100);
  EXPECT_EQ(train.integer("warmup", 7), 7);
  EXPECT_EQ(train.number("rate"), 1.0);
  EXPECT_EQ(train.numbers("betas"), (std::vector<double>{0.9, 1.0}));
  EXPECT_TRUE(train.flag("quiet"));
  const auto rules = file.sections("rule");
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules[0].texts("layers"), std::vector<std::string>{"*"});
  EXPECT_EQ(rules[1].texts("layers"), (std::vector<std::string>{"head", "blocks.*"}));
  EXPECT_EQ(rules[0].section("forward").text("input"), "e4m3fn");
  EXPECT_EQ(rules[1].section("forward").text("input", "none"), "none");
  EXPECT_TRUE(file.sections("absent").empty());
  EXPECT_NO_THROW(file.finish());
}

TEST(toml_reader, finish_names_file_line_unknown_key_nearest_key_and_all_valid_keys) {
  const toml_section file = toml_section::parse("[train]\nsteps = 1\nwarmp = 2\n", "demo.toml");
  const toml_section train = file.section("train");
  train.integer("steps");
  train.integer("warmup", 0);
  EXPECT_EQ(error_of([&] { file.finish(); }),
            "demo.toml:3: key \"train.warmp\": unknown key; the nearest is \"warmup\"; valid here: steps, warmup");
}

TEST(toml_reader, a_word_is_its_place_or_the_error_lists_all) {
  enum class colour { red, green };
  static constexpr std::array<std::string_view, 2> colours{"red", "green"};
  const toml_section file = toml_section::parse("a = \"green\"\nb = \"blue\"\n", "f");
  EXPECT_EQ(file.word<colour>("a", colours), colour::green);
  EXPECT_EQ(file.word("c", colours, std::optional(colour::red)), colour::red);
  EXPECT_EQ(error_of([&] { file.word<colour>("b", colours); }),
            "f:2: key \"b\": is \"blue\"; valid are \"red\", \"green\"");
  EXPECT_NE(error_of([&] { file.word<colour>("c", colours); }).find("f: key \"c\": is missing"), std::string::npos);
}

TEST(toml_reader, finish_explains_a_key_that_belongs_to_another_choice) {
  const std::vector<key_sample> samples{
      {"big", "size = \"big\"", [](const toml_section& t) { t.flag("heavy", false); }},
      {"small", "size = \"small\"", [](const toml_section& t) { t.flag("light", false); }}};
  EXPECT_EQ(choices_with_key(samples, "light"), "small");
  EXPECT_EQ(choices_with_key(samples, "dark"), "");
  const auto error = [&](const char* text) {
    const toml_section file = toml_section::parse(text, "f");
    file.explain_unknown([&](std::string_view key) {
      const std::string choices = choices_with_key(samples, key);
      return choices.empty() ? choices : "is a key of " + choices + "; big has";
    });
    file.flag("heavy", false);
    return error_of([&] { file.finish(); });
  };
  EXPECT_EQ(error("light = true\n"), "f:1: key \"light\": is a key of small; big has: heavy");
  EXPECT_EQ(error("heavi = true\n"), "f:1: key \"heavi\": unknown key; the nearest is \"heavy\"; valid here: heavy");
}

TEST(toml_reader, finish_reports_the_first_unknown_key_of_the_file) {
  const toml_section file = toml_section::parse("zeta = 1\nalpha = 2\nknown = 3\n", "f");
  file.integer("known");
  EXPECT_NE(error_of([&] { file.finish(); }).find("f:1: key \"zeta\""), std::string::npos);
}

TEST(toml_reader, a_section_nobody_asked_for_is_an_unknown_key) {
  const toml_section file = toml_section::parse("name = \"x\"\n[trian]\nsteps = 1\n", "f");
  file.text("name");
  file.section("train").integer("steps", 1);
  EXPECT_EQ(error_of([&] { file.finish(); }),
            "f:2: key \"trian\": unknown key; the nearest is \"train\"; valid here: name, train");
}

TEST(toml_reader, a_missing_key_names_the_table_and_a_misspelt_neighbour) {
  const toml_section file = toml_section::parse("[train]\nsteps_ = 1\n", "f");
  EXPECT_EQ(error_of([&] { file.section("train").integer("steps"); }),
            "f:1: key \"train.steps\": is missing (line 2 has \"steps_\"); give it a whole number");
  EXPECT_EQ(error_of([&] { file.text("name"); }), "f: key \"name\": is missing; give it a text in quotes");
}

TEST(toml_reader, a_value_of_another_kind_says_what_is_expected_and_what_is_given) {
  const toml_section file = toml_section::parse("a = \"1\"\nb = 1.5\nc = nan\nd = [1, \"x\"]\ne = 3\n", "f");
  EXPECT_EQ(error_of([&] { file.integer("a"); }), "f:1: key \"a\": expected a whole number, given '1'");
  EXPECT_EQ(error_of([&] { file.integer("b"); }), "f:2: key \"b\": expected a whole number, given 1.5");
  EXPECT_EQ(error_of([&] { file.number("c"); }), "f:3: key \"c\": expected a finite number, given nan");
  EXPECT_EQ(error_of([&] { file.numbers("d"); }),
            "f:4: key \"d\": expected a finite number or a list of such, given 'x'");
  EXPECT_EQ(error_of([&] { file.section("e"); }), "f:5: key \"e\": expected a table, given 3");
  EXPECT_EQ(error_of([&] { file.sections("e"); }), "f:5: key \"e\": expected tables, each under [[e]], given 3");
  EXPECT_EQ(error_of([&] { file.flag("e"); }), "f:5: key \"e\": expected true or false, given 3");
  EXPECT_EQ(error_of([&] { file.text("d"); }), "f:4: key \"d\": expected a text in quotes, given a list");
}

TEST(toml_reader, text_that_is_not_toml_names_file_and_line) {
  EXPECT_EQ(error_of([] { toml_section::parse("a = 1\nb = = 2\n", "f"); }).rfind("f:2: not valid TOML: ", 0), 0u);
}

TEST(toml_reader, files_that_cannot_be_toml_are_refused_by_name) {
  const auto folder = std::filesystem::temp_directory_path() / "binade_toml_reader_test";
  std::filesystem::create_directories(folder);
  EXPECT_NE(error_of([&] { toml_section::read_file(folder / "absent.toml"); }).find("there is no such file"),
            std::string::npos);
  EXPECT_NE(error_of([&] { toml_section::read_file(folder); }).find("is a folder"), std::string::npos);
  std::ofstream(folder / "binary.toml", std::ios::binary).write("a\0b", 3);
  EXPECT_NE(error_of([&] { toml_section::read_file(folder / "binary.toml"); }).find("is a binary file"),
            std::string::npos);
  std::ofstream(folder / "good.toml") << good;
  EXPECT_EQ(toml_section::read_file(folder / "good.toml").text("name"), "demo");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace binade
