#include "recipe/recipe.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>

#include "binade/text.hpp"
#include "model/model_config.hpp"
#include "recipe/error_text.hpp"
#include "recipe/shipped_recipes.hpp"

namespace binade {
namespace {

using test::error_of;
using test::expect_part;

std::string contents_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::optional<quantizer> some(const char* text) {
  return parse_quantizer(text);
}

constexpr const char* mixed = R"(name = "mixed"
description = "an example"

[[rule]]
layers = "*"
operands = "e4m3fn@tensor"
input_gradient = { grad_output = "e5m2@tensor" }
weight_gradient = { grad_output = "e5m2/sr:8@tensor" }

[[rule]]
layers = ["head", "blocks.0.*"]
forward = { weight = "none" }
)";

// ---- rules ---------------------------------------------------------------------------------------------------------

TEST(recipe, a_named_operand_overrides_the_shorthand_of_its_rule) {
  const recipe r = parse_recipe(mixed, "f");
  EXPECT_EQ(r.name, "mixed");
  EXPECT_EQ(r.description, "an example");
  EXPECT_EQ(r.resolve("blocks.1.mlp.up", site_operand::forward_input), some("e4m3fn@tensor"));
  EXPECT_EQ(r.resolve("blocks.1.mlp.up", site_operand::forward_weight), some("e4m3fn@tensor"));
  EXPECT_EQ(r.resolve("blocks.1.mlp.up", site_operand::input_gradient_grad_output), some("e5m2@tensor"));
  EXPECT_EQ(r.resolve("blocks.1.mlp.up", site_operand::input_gradient_weight), some("e4m3fn@tensor"));
  EXPECT_EQ(r.resolve("blocks.1.mlp.up", site_operand::weight_gradient_grad_output), some("e5m2/sr:8@tensor"));
  EXPECT_EQ(r.resolve("blocks.1.mlp.up", site_operand::weight_gradient_input), some("e4m3fn@tensor"));
}

TEST(recipe, a_later_rule_overrides_an_earlier_one_operand_by_operand) {
  const recipe r = parse_recipe(mixed, "f");
  for (const char* site : {"head", "blocks.0.mlp.up"}) {
    EXPECT_EQ(r.resolve(site, site_operand::forward_weight), std::nullopt);
    EXPECT_EQ(r.resolve(site, site_operand::forward_input), some("e4m3fn@tensor"));
  }
}

TEST(recipe, the_order_of_rules_counts) {
  const char* first = "[[rule]]\nlayers=\"*\"\noperands=\"mxfp4\"\n";
  const char* second = "[[rule]]\nlayers=\"head\"\noperands=\"none\"\n";
  EXPECT_EQ(parse_recipe(std::string(first) + second, "f").resolve("head", site_operand::forward_input), std::nullopt);
  EXPECT_EQ(parse_recipe(std::string(second) + first, "f").resolve("head", site_operand::forward_input), some("mxfp4"));
}

TEST(recipe, an_operand_that_no_rule_names_is_not_quantized) {
  const recipe r = parse_recipe("[[rule]]\nlayers=\"head\"\nforward={input=\"e5m2\"}\n", "f");
  EXPECT_EQ(r.resolve("head", site_operand::forward_input), some("e5m2"));
  EXPECT_EQ(r.resolve("head", site_operand::forward_weight), std::nullopt);
  EXPECT_EQ(r.resolve("blocks.0.mlp.up", site_operand::forward_input), std::nullopt);
  EXPECT_EQ(recipe().resolve("head", site_operand::forward_input), std::nullopt);
}

TEST(recipe, globs_match_whole_names_with_star_and_question_mark) {
  EXPECT_TRUE(matches_glob("*", "blocks.0.mlp.up"));
  EXPECT_TRUE(matches_glob("blocks.*", "blocks.0.mlp.up"));
  EXPECT_TRUE(matches_glob("*.mlp.*", "blocks.0.mlp.up"));
  EXPECT_TRUE(matches_glob("blocks.?.mlp.up", "blocks.0.mlp.up"));
  EXPECT_TRUE(matches_glob("*up", "blocks.0.mlp.up"));
  EXPECT_TRUE(matches_glob("head", "head"));
  EXPECT_TRUE(matches_glob("*a*b*", "xxaxxabxx"));
  EXPECT_TRUE(matches_glob("head**", "head"));
  EXPECT_TRUE(matches_glob("", ""));
  EXPECT_FALSE(matches_glob("head", "heads"));
  EXPECT_FALSE(matches_glob("head", "ahead"));
  EXPECT_FALSE(matches_glob("blocks.?.mlp.up", "blocks.10.mlp.up"));
  EXPECT_FALSE(matches_glob("*.mlp", "blocks.0.mlp.up"));
  EXPECT_FALSE(matches_glob("head?", "head"));
  EXPECT_FALSE(matches_glob("", "head"));
  EXPECT_FALSE(matches_glob("*a*b*c", "ab"));
}

/// The meaning of a glob word for word: slow, and sharing nothing with the product.
bool matches_by_definition(std::string_view glob, std::string_view name) {
  if (glob.empty()) return name.empty();
  if (glob[0] != '*')
    return !name.empty() && (glob[0] == '?' || glob[0] == name[0]) &&
           matches_by_definition(glob.substr(1), name.substr(1));
  for (std::size_t skipped = 0; skipped <= name.size(); ++skipped) {
    if (matches_by_definition(glob.substr(1), name.substr(skipped))) return true;
  }
  return false;
}

TEST(recipe, globs_agree_with_their_definition_on_every_short_glob_and_name) {
  const auto words = [](const std::string& letters, std::size_t longest) {
    std::vector<std::string> result{""};
    for (std::size_t first = 0, length = 0; length < longest; ++length) {
      const std::size_t last = result.size();
      for (; first < last; ++first) {
        for (char c : letters) result.push_back(result[first] + c);
      }
    }
    return result;
  };
  for (const std::string& glob : words("ab*?", 5)) {
    for (const std::string& name : words("ab", 5)) {
      ASSERT_EQ(matches_glob(glob, name), matches_by_definition(glob, name)) << glob << " on " << name;
    }
  }
}

TEST(recipe, globs_that_match_no_site_are_found) {
  const recipe r = parse_recipe(
      "[[rule]]\nlayers=\"*\"\noperands=\"e5m2\"\n"
      "[[rule]]\nlayers=[\"haed\", \"blocks.*\"]\noperands=\"none\"\n",
      "f");
  const std::vector<std::string> sites{"blocks.0.mlp.up", "head"};
  const std::vector<unmatched_layers> expected{{1, "haed", "head"}};
  EXPECT_EQ(find_unmatched_layers(r, sites), expected);
}

// ---- canonical text ------------------------------------------------------------------------------------------------

TEST(recipe, canonical_text_spells_every_choice) {
  EXPECT_EQ(parse_recipe(mixed, "f").canonical_text(),
            "[[rule]]\n"
            "layers = [\"*\"]\n"
            "forward = { input = \"e4m3fn/rne/saturate/gradual@tensor(f32,amax,nan=element,inf=element,zero=one)\", "
            "weight = \"e4m3fn/rne/saturate/gradual@tensor(f32,amax,nan=element,inf=element,zero=one)\" }\n"
            "input_gradient = { grad_output = "
            "\"e5m2/rne/saturate/gradual@tensor(f32,amax,nan=element,inf=element,zero=one)\", "
            "weight = \"e4m3fn/rne/saturate/gradual@tensor(f32,amax,nan=element,inf=element,zero=one)\" }\n"
            "weight_gradient = { grad_output = "
            "\"e5m2/sr:8/saturate/gradual@tensor(f32,amax,nan=element,inf=element,zero=one)\", "
            "input = \"e4m3fn/rne/saturate/gradual@tensor(f32,amax,nan=element,inf=element,zero=one)\" }\n"
            "[[rule]]\n"
            "layers = [\"head\", \"blocks.0.*\"]\n"
            "forward = { weight = \"none\" }\n");
}

TEST(recipe, canonical_text_parses_back_to_equal_rules) {
  std::vector<recipe> recipes{parse_recipe(mixed, "f"), recipe(), uniform_recipe(parse_quantizer("e3m4/srb:7/spec"))};
  for (const shipped_recipe& shipped : shipped_recipes()) recipes.push_back(find_recipe(shipped.name));
  for (const recipe& r : recipes) {
    const recipe back = parse_recipe(r.canonical_text(), "canonical");
    EXPECT_EQ(back.rules, r.rules) << r.canonical_text();
    EXPECT_EQ(back.canonical_text(), r.canonical_text());
    EXPECT_EQ(back.digest(), r.digest());
  }
}

TEST(recipe, the_digest_depends_on_the_rules_and_not_on_how_they_are_written) {
  const recipe one = parse_recipe("name=\"a\"\n[[rule]]\nlayers=\"*\"\noperands=\"mxfp4\"\n", "f");
  const recipe two = parse_recipe(
      "name=\"b\"\ndescription=\"x\"\n[[rule]]\noperands=\"E2M1FN@tile(1,32,floor)\"\nlayers=[\"*\"]\n", "f");
  const recipe three = parse_recipe(
      "name=\"a\"\n[[rule]]\nlayers=\"*\"\noperands=\"mxfp4\"\n"
      "[[rule]]\nlayers=\"head\"\nforward={input=\"none\"}\n",
      "f");
  EXPECT_EQ(one.digest(), two.digest());
  EXPECT_NE(one.digest(), three.digest());
  EXPECT_EQ(one.digest().size(), 16u);
}

TEST(recipe, canonical_text_has_the_keys_that_are_said_and_no_others) {
  const recipe r = parse_recipe(R"toml(
[[rule]]
layers = "*"
start_step = 10
accumulator = "f32"
result = "e8m7"
forward = { accumulator = "e8m13/rtz:chunk=128->f32", result = "none", residual = "product" }
straight_through = { weight = "dge(5,3)" }

[[rule]]
layers = "head"
steps = [3, 20]
signs = "fresh"
saved = "none"
weight_gradient = { signs = "fixed" }

[outputs]
residual = "e8m7"
)toml",
                                "f");
  EXPECT_EQ(
      r.canonical_text(),
      "[[rule]]\n"
      "layers = [\"*\"]\n"
      "start_step = 10\n"
      "forward = { accumulator = \"e8m13/rtz/spec/gradual:chunk=128->e8m23/rne/spec/gradual\", result = \"none\", "
      "residual = \"product\" }\n"
      "input_gradient = { accumulator = \"e8m23/rne/spec/gradual\", result = \"e8m7/rne/spec/gradual\" }\n"
      "weight_gradient = { accumulator = \"e8m23/rne/spec/gradual\", result = \"e8m7/rne/spec/gradual\" }\n"
      "straight_through = { weight = \"dge(5,3)\" }\n"
      "[[rule]]\n"
      "layers = [\"head\"]\n"
      "steps = [3, 20]\n"
      "forward = { signs = \"fresh\" }\n"
      "input_gradient = { signs = \"fresh\" }\n"
      "weight_gradient = { signs = \"fixed\" }\n"
      "saved = \"none\"\n"
      "[outputs]\n"
      "residual = \"e8m7/rne/spec/gradual\"\n");
  const recipe back = parse_recipe(r.canonical_text(), "canonical");
  EXPECT_EQ(back.rules, r.rules);
  EXPECT_EQ(back.outputs, r.outputs);
  EXPECT_EQ(r.changes(), (std::vector<std::uint32_t>{0, 3, 10, 20}));
}

TEST(recipe, each_part_of_a_gemm_is_resolved_by_itself_in_its_steps) {
  const recipe r = parse_recipe(
      "[[rule]]\nlayers=\"*\"\naccumulator=\"kahan\"\nresult=\"e8m7\"\nstraight_through={input=\"clip\"}\n"
      "[[rule]]\nlayers=\"head\"\nsteps=[2,4]\nforward={accumulator=\"pairwise\"}\n",
      "f");
  EXPECT_EQ(r.resolve("head", site_gemm::forward, 2).sum, summed(summation::pairwise));
  EXPECT_EQ(r.resolve("head", site_gemm::forward, 4).sum, summed(summation::kahan));
  EXPECT_EQ(r.resolve("head", site_gemm::input_gradient, 2).sum, summed(summation::kahan));
  EXPECT_EQ(r.resolve("head", site_gemm::forward, 2).result->value, some("e8m7"));
  EXPECT_EQ(r.resolve_gradient("head", site_operand::forward_input).rule, gradient_rule::clip);
  EXPECT_EQ(r.resolve_gradient("head", site_operand::forward_weight).rule, gradient_rule::plain);
  EXPECT_EQ(recipe().resolve("head", site_gemm::forward).sum, accumulator{});
}

/// The digests that stored studies have.
TEST(recipe, the_digests_of_shipped_recipes_do_not_change) {
  for (const auto& [name, digest] : {std::pair{"bf16", "03fd6917d05c5ad4"},
                                     {"fp8_hybrid", "6f07be42282c9f02"},
                                     {"fp8_tiles", "bb0be226e6e66ef6"},
                                     {"mxfp4", "8d6d47e3ea1cf909"},
                                     {"mxfp4_sr_backward", "b98daf439230549d"}})
    EXPECT_EQ(find_recipe(name).digest(), digest) << name;
}

// ---- errors --------------------------------------------------------------------------------------------------------

TEST(recipe, a_misspelt_key_names_file_line_and_nearest_key) {
  expect_part(error_of([] { parse_recipe("nmae = \"x\"\n", "f.toml"); }),
              "f.toml:1: key \"nmae\": unknown key; the nearest is \"name\"; valid here: name, description, rule, "
              "optimizer, outputs");
  expect_part(error_of([] { parse_recipe("[[rule]]\nlayers = \"*\"\nforwrad = { input = \"e5m2\" }\n", "f.toml"); }),
              "f.toml:3: key \"rule.forwrad\": unknown key; the nearest is \"forward\"; valid here: layers, steps, "
              "start_step, operands, accumulator, result, residual, signs, forward, input_gradient, weight_gradient, "
              "saved, straight_through");
  expect_part(error_of([] { parse_recipe("[[rule]]\nlayers=\"*\"\nforward = { grad_output = \"e5m2\" }\n", "f"); }),
              "f:3: key \"rule.forward.grad_output\": unknown key");
  expect_part(error_of([] { parse_recipe("[[rule]]\nlayers=\"*\"\nforward = { inputs = \"e5m2\" }\n", "f"); }),
              "f:3: key \"rule.forward.inputs\": unknown key; the nearest is \"input\"; valid here: accumulator, "
              "result, residual, signs, "
              "input, weight");
  expect_part(error_of([] { parse_recipe("[rules]\nlayers=\"*\"\n", "f"); }), "the nearest is \"rule\"");
  expect_part(error_of([] { parse_recipe("[rule]\nlayers=\"*\"\n", "f"); }), "each under [[rule]]");
}

TEST(recipe, a_bad_quantizer_names_file_line_key_position_and_nearest_name) {
  const std::string error =
      error_of([] { parse_recipe("[[rule]]\nlayers = \"*\"\nforward = { weight = \"e4m3fm@tensor\" }\n", "f.toml"); });
  expect_part(error, "f.toml:3: key \"rule.forward.weight\": unknown format 'e4m3fm'\n  e4m3fm@tensor\n  ^\n");
  expect_part(error, "nearest known name: e4m3fn");
  expect_part(error, "\"none\" leaves the operand in float32");
}

TEST(recipe, what_is_said_wrong_about_a_gemm_names_file_line_key_and_what_is_valid) {
  const auto error = [](const std::string& line) {
    return error_of([&] { parse_recipe("[[rule]]\nlayers = \"*\"\n" + line + "\n", "f.toml"); });
  };
  expect_part(error("accumulator = \"kahn\""), "f.toml:3: key \"rule.accumulator\": unknown format 'kahn'");
  expect_part(error("accumulator = \"kahn\""), "nearest known name: kahan");
  expect_part(error("forward = { result = \"e8m7@\" }"), "f.toml:3: key \"rule.forward.result\"");
  expect_part(error("residual = \"kept\""), "is \"kept\"; valid are \"added\", \"product\", \"dropped\"");
  expect_part(error("signs = \"random\""), "valid are \"fixed\", \"fresh\"");
  expect_part(
      error("straight_through = { input = \"ste\" }"),
      "f.toml:3: key \"rule.straight_through.input\": 'ste' is no straight-through rule; valid are plain, clip, "
      "trust(T)");
  expect_part(error("straight_through = { grad_output = \"clip\" }"), "unknown key");
  expect_part(error("steps = [4, 4]"), "f.toml:3: key \"rule.steps\": must be [FROM, TO]");
  expect_part(error("steps = [4]"), "must be [FROM, TO]");
  expect_part(error("start_step = -1"), "valid is 0..4294967294");
  expect_part(error("start_step = 1\nsteps = [1, 2]"), "remove one of the two");
  expect_part(error("start_step = 1"), "the rule says nothing");
}

TEST(recipe, rules_without_layers_or_without_operands_are_refused) {
  expect_part(error_of([] { parse_recipe("[[rule]]\noperands=\"e5m2\"\n", "f"); }), "key \"rule.layers\": is missing");
  expect_part(error_of([] { parse_recipe("[[rule]]\nlayers=[]\noperands=\"e5m2\"\n", "f"); }), "is empty");
  expect_part(error_of([] { parse_recipe("[[rule]]\nlayers=\"\"\noperands=\"e5m2\"\n", "f"); }), "is no glob");
  expect_part(error_of([] { parse_recipe("[[rule]]\nlayers=\"blocks.[01]\"\noperands=\"e5m2\"\n", "f"); }),
              "is no glob");
  expect_part(error_of([] { parse_recipe("[[rule]]\nlayers=\"*\"\n", "f"); }), "the rule says nothing");
  expect_part(error_of([] { parse_recipe("[[rule]]\nlayers=\"*\"\noperands=3\n", "f"); }), "a text in quotes");
}

// ---- references ----------------------------------------------------------------------------------------------------

TEST(recipe, f32_and_none_are_no_quantizer_at_all) {
  for (const char* reference : {"f32", "F32", "none"}) {
    EXPECT_EQ(find_recipe(reference).name, "f32");
    EXPECT_TRUE(find_recipe(reference).rules.empty());
  }
}

TEST(recipe, a_quantizer_text_is_for_all_operands_of_every_site) {
  const recipe r = find_recipe("e4m3fn/sr@tensor");
  EXPECT_EQ(r.name, "e4m3fn/sr@tensor");
  for (const site_operand_names& names : site_operands)
    EXPECT_EQ(r.resolve("any.site", names.operand), some("e4m3fn/sr@tensor"));
}

TEST(recipe, a_file_is_found_relative_to_the_folder) {
  const auto folder = std::filesystem::temp_directory_path() / "binade_recipe_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "mine.toml") << "[[rule]]\nlayers=\"*\"\noperands=\"mxfp4\"\n";
  const recipe r = find_recipe("mine.toml", folder);
  EXPECT_EQ(r.name, "mine");
  EXPECT_EQ(r.resolve("head", site_operand::forward_input), some("mxfp4"));
  EXPECT_EQ(find_recipe((folder / "mine.toml").string(), "/elsewhere"), r);
  expect_part(error_of([&] { find_recipe("absent.toml", folder); }), "absent.toml: there is no such file");
  std::filesystem::remove_all(folder);
}

TEST(recipe, an_unknown_reference_lists_the_recipes_and_names_the_nearest) {
  const std::string error = error_of([] { find_recipe("fp8_hybird"); });
  expect_part(error, "recipe 'fp8_hybird' is no quantizer");
  expect_part(error, "one of: bf16, bf16_results, e8m3, e8m3_rtz, f32");
  expect_part(error, "nearest recipe: fp8_hybrid");
}

TEST(recipe, every_file_of_experiments_recipes_is_shipped_under_its_own_name) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(BINADE_SOURCE_DIR "/experiments/recipes")) {
    ASSERT_EQ(entry.path().extension(), ".toml");
    files.push_back(entry.path().stem().string());
    const recipe r = read_recipe(entry.path());
    EXPECT_EQ(r.name, files.back());
    EXPECT_FALSE(r.description.empty()) << r.name;
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> shipped;
  for (const shipped_recipe& s : shipped_recipes()) {
    shipped.emplace_back(s.name);
    EXPECT_EQ(contents_of(BINADE_SOURCE_DIR "/experiments/recipes/" + std::string(s.name) + ".toml"), s.text);
  }
  EXPECT_EQ(shipped, files);
}

TEST(recipe, a_shipped_recipe_named_like_a_quantizer_means_that_quantizer) {
  int both = 0;
  for (const shipped_recipe& shipped : shipped_recipes()) {
    const recipe from_file = parse_recipe(shipped.text, std::string(shipped.name));
    EXPECT_EQ(find_recipe(shipped.name).canonical_text(), from_file.canonical_text()) << shipped.name;
    try {
      parse_quantizer(shipped.name);
      ++both;
    } catch (const text_error&) {
    }
  }
  EXPECT_GT(both, 0);
}

TEST(recipe, the_example_of_the_documentation_is_the_shipped_recipe_that_it_is_named_after) {
  const std::string page = contents_of(BINADE_SOURCE_DIR "/docs/recipes.md");
  const std::string fence = "```toml\n";
  const std::size_t start = page.find(fence) + fence.size();
  const recipe example = parse_recipe(page.substr(start, page.find("```", start) - start), "docs/recipes.md");
  EXPECT_EQ(example.rules, find_recipe(example.name).rules);
}

TEST(recipe, the_documentation_lists_every_shipped_recipe_and_every_named_quantizer) {
  const std::string recipes = contents_of(BINADE_SOURCE_DIR "/docs/recipes.md");
  for (const shipped_recipe& shipped : shipped_recipes())
    expect_part(recipes, "| `" + std::string(shipped.name) + "` |");
  const std::string text_form = contents_of(BINADE_SOURCE_DIR "/docs/text_form.md");
  for (const named_quantizer& named : quantizer_catalogue) {
    const std::string row = "| `" + std::string(named.name) + "` | `";
    const std::size_t start = text_form.find(row) + row.size();
    ASSERT_GE(start, row.size()) << named.name;
    EXPECT_EQ(parse_quantizer(text_form.substr(start, text_form.find('`', start) - start)), named.value);
  }
}

TEST(recipe, every_glob_of_a_shipped_recipe_matches_a_site_of_some_kind_of_model) {
  std::vector<std::string> sites{"patches", "stem"};  // of models of images
  for (const architecture& kind : architectures)
    for (const std::string& site : gemm_sites({.kind = std::string(kind.name)})) sites.push_back(site);
  for (const shipped_recipe& shipped : shipped_recipes())
    EXPECT_EQ(find_unmatched_layers(find_recipe(shipped.name), sites), std::vector<unmatched_layers>{}) << shipped.name;
}

TEST(recipe, fp8_hybrid_is_e4m3_forward_and_e5m2_for_gradients) {
  const recipe r = find_recipe("fp8_hybrid");
  for (const site_operand_names& names : site_operands)
    EXPECT_EQ(r.resolve("blocks.3.mlp.down", names.operand),
              some(names.name == "grad_output" ? "e5m2@tensor" : "e4m3fn@tensor"))
        << gemm_name(names.gemm) << " " << names.name;
}

// ---- formats of the optimizer
// ----------------------------------------------------------------------------------------

TEST(recipe, formats_of_the_optimizer_are_read_and_spelled_out_where_there_are_any) {
  const recipe r = parse_recipe(std::string(mixed) +
                                    "[optimizer]\nmaster_weights = \"bf16/sr\"\nfirst_moment = \"e4m3fn@block(128)\"\n"
                                    "second_moment = \"none\"\npacked = true\n",
                                "f");
  EXPECT_EQ(r.optimizer.master_weights, some("e8m7/sr"));
  EXPECT_EQ(r.optimizer.first_moment, some("e4m3fn@block(128)"));
  EXPECT_EQ(r.optimizer.second_moment, std::nullopt);
  EXPECT_TRUE(r.optimizer.packed);
  EXPECT_FALSE(r.optimizer.flat);
  const std::string text = r.canonical_text();
  expect_part(text,
              "[optimizer]\nmaster_weights = \"" + expanded(*r.optimizer.master_weights) + "\"\nfirst_moment = \"");
  expect_part(text, "packed = true\nflat = false\nmatrices_only = false\n");
  const recipe again = parse_recipe(text, "f");
  EXPECT_EQ(again.optimizer, r.optimizer);
  EXPECT_EQ(again.rules, r.rules);
  EXPECT_EQ(parse_recipe(mixed, "f").canonical_text().find("optimizer"), std::string::npos);
  const recipe states_alone = parse_recipe("[optimizer]\nmomentum = \"e8m7\"\n", "f");
  EXPECT_EQ(parse_recipe(states_alone.canonical_text(), "f").optimizer, states_alone.optimizer);
}

TEST(recipe, formats_of_the_optimizer_that_cannot_be_are_refused_by_key) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"first_moment = \"e4m3gn\"", "f:2: key \"optimizer.first_moment\""},
      {"first_momentum = \"e8m7\"", "first_moment"},
      {"packed = true", "no state has a format"},
      {"packed = true\nmaster_weights = \"e8m7\"", "no state has a format"},
      {"flat = true", "nothing has a format"},
      {"packed = true\nmomentum = \"clamp(0.99)+e4m3fn@tensor\"", "optimizer.momentum\": has a clamp"},
      {"matrices_only = 1", "matrices_only"}};
  for (const auto& [lines, expected] : cases)
    expect_part(error_of([&] { parse_recipe("[optimizer]\n" + lines + "\n", "f"); }), expected);
}

}  // namespace
}  // namespace binade
