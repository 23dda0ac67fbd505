// `binade formats` as a user runs it; its numbers judged by the golden tables.

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cli/run_program.hpp"
#include "oracle/golden.hpp"

namespace binade {
namespace {

using nlohmann::json;

program_result formats(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {BINADE_PROGRAM, "formats"});
  return run_program(std::move(arguments));
}

json formats_json(const std::string& name) {
  const program_result result = formats({name, "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  EXPECT_EQ(result.errors, "");
  return json::parse(result.output);
}

void expect_part(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in:\n" << text;
}

std::map<std::string, oracle::golden_table> golden() {
  return oracle::golden_tables(BINADE_SOURCE_DIR "/tests/golden");
}

/// The numbers of one format document against its golden table.
void expect_golden(const json& format, const oracle::golden_table& table) {
  EXPECT_EQ(format["bits"], table.bits());
  EXPECT_EQ(format["sign_bits"], table.sign_bits);
  EXPECT_EQ(format["exponent_bits"], table.exponent_bits);
  EXPECT_EQ(format["trailing_bits"], table.trailing_bits);
  EXPECT_EQ(format["bias"], table.bias);
  EXPECT_EQ(format["max"], table.max.value);
  EXPECT_EQ(format["min_normal"], table.min_normal.value);
  EXPECT_EQ(format["min_subnormal"].is_null(), !table.min_subnormal.has_value());
  if (table.min_subnormal) {
    EXPECT_EQ(format["min_subnormal"], table.min_subnormal->value);
  }
  EXPECT_EQ(format["finite_values"], table.finite);
  EXPECT_EQ(format["nan_codes"], table.nans);
  EXPECT_EQ(format["has_infinity"], !table.infinity.empty());
  EXPECT_EQ(format["has_negative_zero"], table.negative_zero.has_value());
}

TEST(formats_command, the_overview_as_json_agrees_with_the_golden_table_of_every_catalogue_format) {
  const program_result result = formats({"--json"});
  ASSERT_EQ(result.exit_code, 0) << result.errors;
  const json document = json::parse(result.output);
  const auto tables = golden();
  ASSERT_GE(document["formats"].size(), 20u);
  for (const json& format : document["formats"]) {
    const std::string name = format["name"];
    SCOPED_TRACE(name);
    ASSERT_TRUE(tables.contains(name));
    expect_golden(format, tables.at(name));
  }
}

TEST(formats_command, the_detail_as_json_agrees_with_every_code_of_the_golden_tables) {
  int codes = 0;
  for (const auto& [name, table] : golden()) {
    if (table.policy == "merged") continue;  // has no text form in this release
    SCOPED_TRACE(name);
    const json document = formats_json(name);
    EXPECT_EQ(document["text"], name);
    expect_golden(document["format"], table);
    EXPECT_EQ(document["format"]["max_code"], table.max.code);
    if (table.bits() > 8) {
      EXPECT_FALSE(document["format"].contains("values"));
      continue;
    }
    const json& values = document["format"]["values"];
    ASSERT_EQ(values.size(), table.codes.size());
    for (std::size_t i = 0; i < table.codes.size(); ++i) {
      const double want = table.codes[i].value;
      EXPECT_EQ(values[i]["code"], table.codes[i].code);
      EXPECT_EQ(values[i]["kind"] == "nan", std::isnan(want));
      EXPECT_EQ(values[i]["kind"] == "infinity", std::isinf(want));
      EXPECT_EQ(values[i]["value"].is_null(), !std::isfinite(want));
      if (std::isfinite(want)) {
        EXPECT_EQ(values[i]["value"], want);
      }
      if (!std::isnan(want)) {
        EXPECT_EQ(values[i]["negative"], std::signbit(want));
      }
      ++codes;
    }
  }
  EXPECT_GT(codes, 5000);
}

TEST(formats_command, overflow_thresholds_are_those_of_the_specifications) {
  for (const auto& [name, threshold, included] : {std::tuple{"e4m3fn", 464.0, false},
                                                  {"e5m2", 61440.0, true},
                                                  {"e4m3", 248.0, true},
                                                  {"e3m4", 15.75, true},
                                                  {"e4m3fnuz", 248.0, true},
                                                  {"e5m2fnuz", 61440.0, true},
                                                  {"e4m3b11fnuz", 31.0, true},
                                                  {"e3m2fn", 30.0, true},
                                                  {"e2m3fn", 7.75, true},
                                                  {"e2m1fn", 7.0, true},
                                                  {"e5m10", 65520.0, true},
                                                  {"e3m0", 24.0, true}}) {
    const json overflow = formats_json(name)["format"]["nearest_even_overflow"];
    EXPECT_EQ(overflow["threshold"], threshold) << name;
    EXPECT_EQ(overflow["included"], included) << name;
  }
  EXPECT_EQ(formats_json("f64")["format"]["nearest_even_overflow"]["threshold"], "18014398509481983*2^970");
}

TEST(formats_command, what_binary64_does_not_hold_is_a_power_of_two_as_text) {
  const json all = formats_json("binary12p1ue");
  const json& format = all["format"];
  EXPECT_EQ(format["max"], "2^2045");
  EXPECT_EQ(format["min_normal"], "2^-2047");
  EXPECT_EQ(format["nearest_even_overflow"]["threshold"], "3*2^2044");
  EXPECT_EQ(format["float64_holds_every_value"], false);
  EXPECT_EQ(formats_json("e4m3fn:bias=2000")["format"]["values"][1]["value"], "2^-2002");
  EXPECT_EQ(formats_json("e4m3fn")["format"]["float64_holds_every_value"], true);
}

TEST(formats_command, a_quantizer_shows_its_expansion_and_storage) {
  const json document = formats_json("MXFP4");
  EXPECT_EQ(document["text"], "mxfp4");
  EXPECT_EQ(document["expanded"],
            "e2m1fn/rne/saturate/gradual@block(32,e8m0fnu,floor,nan=element,inf=element,zero=one)");
  EXPECT_EQ(document["bits_per_element"], 4.25);
  EXPECT_TRUE(formats_json("e4m3fn@tensor")["bits_per_element"].is_null());
}

TEST(formats_command, the_overview_lists_formats_aliases_and_quantizers) {
  const program_result result = formats({});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.errors, "");
  for (const char* part : {"e4m3fn ", "448", "OCP OFP8 1.0, E4M3", "bf16", "mxfp4 ", "2^-9", "NaN at -0"})
    expect_part(result.output, part);
}

TEST(formats_command, the_detail_lists_every_value_of_a_small_format) {
  const program_result result = formats({"e2m1fn"});
  EXPECT_EQ(result.exit_code, 0);
  for (const char* part : {"largest             6, code 0x7", "0x3   0 01 1  1.5    3*2^-1", "0xf   1 11 1  -6     -6"})
    expect_part(result.output, part);
}

TEST(formats_command, a_bad_name_is_wrong_use_with_position_and_nearest_name_and_no_output) {
  for (const bool as_json : {false, true}) {
    std::vector<std::string> arguments{"e4m3fm"};
    if (as_json) arguments.push_back("--json");
    const program_result result = formats(arguments);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_EQ(result.output, "");
    expect_part(result.errors, "unknown format 'e4m3fm'\n  e4m3fm\n  ^\n");
    expect_part(result.errors, "nearest known name: e4m3fn");
  }
  EXPECT_EQ(formats({""}).exit_code, 2);
  EXPECT_EQ(formats({"e4m3fn", "e5m2"}).exit_code, 2);
  EXPECT_EQ(formats({"--jsn"}).exit_code, 2);
  expect_part(formats({"e2m1"}).errors, "e2m1:specials=ieee");
}

}  // namespace
}  // namespace binade
