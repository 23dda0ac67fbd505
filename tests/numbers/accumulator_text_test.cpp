#include "binade/accumulator_text.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>

namespace binade {
namespace {

text_error error_of(const std::string& text) {
  try {
    parse_accumulator(text);
  } catch (const text_error& error) {
    return error;
  }
  ADD_FAILURE() << text << " was accepted";
  return text_error(text, 0, "no error", "", "");
}

void expect_error(const std::string& text, std::size_t position, const std::string& part,
                  const std::string& nearest = "") {
  const text_error error = error_of(text);
  EXPECT_EQ(error.position(), position) << error.what();
  EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  EXPECT_EQ(error.nearest(), nearest) << error.what();
}

element parsed(const char* text) {
  return parse_element(text);
}

/// The number of stages, from a template argument.
template <accumulator A>
constexpr int stages_of = A.stage_count;
static_assert(stages_of<promoted({}, 4, chain_of({formats::e11m52}))> == 2, "an accumulator is a structural type");

TEST(accumulator_text, names_print_as_themselves) {
  for (const char* name : {"f32", "f64", "exact", "mx", "kahan", "pairwise"})
    EXPECT_EQ(to_string(parse_accumulator(name)), name);
}

TEST(accumulator_text, f32_is_the_default_value_and_a_chain_in_e8m23) {
  EXPECT_EQ(parse_accumulator("f32"), accumulator{});
  EXPECT_EQ(parse_accumulator("e8m23"), accumulator{});
  EXPECT_EQ(parse_accumulator("f32/rne/spec"), accumulator{});
  EXPECT_EQ(parse_accumulator("f64"), chain_of({formats::e11m52}));
  EXPECT_EQ(parse_accumulator("kahan"), summed(summation::kahan));
  EXPECT_EQ(to_string(parse_accumulator("f32/rtz")), "e8m23/rtz");
}

TEST(accumulator_text, an_element_is_the_chain_that_runs_in_it) {
  EXPECT_EQ(parse_accumulator("e8m13/rtz"), chain_of(parsed("e8m13/rtz")));
  EXPECT_EQ(parse_accumulator("e4m3fn:bias=5/sr:8/ftz"), chain_of(parsed("e4m3fn:bias=5/sr:8/ftz")));
  EXPECT_EQ(parse_accumulator("posit16:es=1"), chain_of(parsed("posit16:es=1")));
  EXPECT_EQ(parse_accumulator("book(-1,0,1):nan=max"), chain_of(parsed("book(-1,0,1):nan=max")));
}

TEST(accumulator_text, chunks_are_added_by_the_same_accumulator_unless_another_is_named) {
  const element single{formats::e8m23};
  EXPECT_EQ(parse_accumulator("f32:chunk=128"), promoted({.running = single}, 128, chain_of(single)));
  EXPECT_EQ(parse_accumulator("f32:chunk=128"), parse_accumulator("f32:chunk=128->f32"));
  EXPECT_EQ(to_string(parse_accumulator("f32:chunk=128->f32")), "f32:chunk=128");
  EXPECT_EQ(parse_accumulator("e8m13/rtz:chunk=128->f32"),
            promoted({.running = parsed("e8m13/rtz")}, 128, chain_of(single)));
  EXPECT_EQ(
      parse_accumulator("e5m10:chunk=4->e8m13:chunk=16->exact"),
      promoted({.running = parsed("e5m10")}, 4, promoted({.running = parsed("e8m13")}, 16, summed(summation::exact))));
  EXPECT_EQ(to_string(parse_accumulator("exact:chunk=32->exact")), "exact:chunk=32");
}

TEST(accumulator_text, mul_is_the_element_that_products_are_rounded_to) {
  const accumulator_stage s{.running = parsed("e8m13"), .rounds_products = true, .product = parsed("e5m10/rtz")};
  EXPECT_EQ(parse_accumulator("e8m13:mul=e5m10/rtz"), accumulator{.stages = {s}});
  // What adds the chunks has no products.
  EXPECT_EQ(parse_accumulator("e8m13:mul=e5m10/rtz:chunk=8"), promoted(s, 8, chain_of(parsed("e8m13"))));
  EXPECT_EQ(parse_accumulator("e8m13:chunk=8:mul=e5m10/rtz"), parse_accumulator("e8m13:mul=e5m10/rtz:chunk=8"));
  EXPECT_EQ(parse_accumulator("e8m13:mul=e4m3fn:bias=3:chunk=2"),
            promoted({.running = parsed("e8m13"), .rounds_products = true, .product = parsed("e4m3fn:bias=3")}, 2,
                     chain_of(parsed("e8m13"))));
}

TEST(accumulator_text, keys_after_a_stochastic_mode_are_told_from_its_noise_bits) {
  EXPECT_EQ(parse_accumulator("e4m3fn/sr:chunk=4"), parse_accumulator("e4m3fn/sr:32:chunk=4"));
  EXPECT_EQ(to_string(parse_accumulator("e4m3fn/sr:8:chunk=4")), "e4m3fn/sr:8:chunk=4");
}

TEST(accumulator_text, expanded_spells_every_choice_and_every_stage) {
  EXPECT_EQ(expanded(parse_accumulator("f32")), "e8m23/rne/spec/gradual");
  EXPECT_EQ(expanded(parse_accumulator("exact:chunk=32")), "exact:chunk=32->exact");
  EXPECT_EQ(expanded(parse_accumulator("e4m3fn/sr:8:mul=e5m2:chunk=16->f64")),
            "e4m3fn/sr:8/saturate/gradual:mul=e5m2/rne/saturate/gradual:chunk=16->e11m52/rne/spec/gradual");
}

TEST(accumulator_text, any_case_goes_in_and_lower_case_comes_out) {
  EXPECT_EQ(to_string(parse_accumulator("E8M13/RTZ:CHUNK=128->F32")), "e8m13/rtz:chunk=128->f32");
}

TEST(accumulator_text, random_values_print_and_parse_back) {
  constexpr const char* elements[] = {
      "f32",           "f64",       "e8m13/rtz", "e4m3fn/sr:8",     "e5m10/srb",
      "e4m3fn:bias=5", "posit16",   "int8:asym", "e5m2/spec/ftz",   "lns8:gamma=4:zero",
      "takum16",       "nf4",       "e8m7/daz",  "binary8p4se/rto", "book(0,1):nan=zero",
      "e8m10/as=cuda", "ufixed2.6", "e2m1fn"};
  std::mt19937 random(3);
  const auto any_element = [&] { return parsed(elements[random() % std::size(elements)]); };
  for (int i = 0; i < 20000; ++i) {
    accumulator a{.stage_count = int(1 + random() % 4)};
    for (int k = 0; k < a.stage_count; ++k) {
      accumulator_stage& s = a.stages[std::size_t(k)];
      s.order = summation(random() % 5);
      if (random() % 2 == 0) s.order = summation::chain;
      if (s.order == summation::mx && a.stage_count > 1) s.order = summation::exact;
      if (s.order == summation::chain) s.running = any_element();
      if (s.order == summation::chain && k == 0 && random() % 2 == 0) {
        s.rounds_products = true;
        s.product = any_element();
      }
      if (k > 0 && random() % 3 == 0) s = usual_next(a.stages[std::size_t(k - 1)]);
      if (k + 1 < a.stage_count) s.chunk = random() % 2 == 0 ? 1 + random() % 64 : std::uint32_t(random() | 1u);
    }
    ASSERT_EQ(defect(a), "");
    const std::string text = to_string(a);
    ASSERT_EQ(parse_accumulator(text), a) << text;
    ASSERT_EQ(parse_accumulator(expanded(a)), a) << expanded(a);
    ASSERT_LE(text.size(), expanded(a).size());
    ASSERT_EQ(to_string(parse_accumulator(expanded(a))), text);
  }
}

TEST(accumulator_text, errors_show_the_place_what_is_valid_and_the_nearest_name) {
  expect_error("", 0, "valid here: f32, f64, exact, mx, kahan, pairwise, or an element");
  expect_error("exct", 0, "or an accumulator by name (exact, mx, kahan, pairwise)", "exact");
  expect_error("kahn", 0, "unknown format 'kahn'", "kahan");
  expect_error("f23", 0, "unknown format 'f23'", "f32");
  expect_error("e2m1", 0, "used for two formats", "e2m1fn");
  expect_error("f32 ", 3, "there is a blank");
  expect_error("f32:", 4, "valid here: bias=B");
  expect_error("f32:chnk=3", 4, "chunk=L, mul=ELEMENT", "chunk");
  expect_error("e8m13/rtz:chnk=3", 10, "valid here: chunk=L, mul=ELEMENT", "chunk");
  expect_error("e8m13/rtz:bias=3", 10, "unknown key 'bias' of an accumulator", "mul");
  expect_error("e8m13/rtx", 6, "unknown policy 'rtx'", "rtz");
  expect_error("exact:", 6, "a key of the accumulator is expected and the text ends");
  expect_error("f32:chunk", 9, "'=' is expected");
  expect_error("f32:chunk=", 10, "a chunk length is expected");
  expect_error("f32:chunk=0", 10, "a chunk length of 0 is out of range");
  expect_error("f32:chunk=4294967296", 10, "out of range");
  expect_error("f32:chunk=04", 10, "no leading zero");
  expect_error("f32:chunk=1:chunk=2", 12, "chunk is given twice");
  expect_error("f32:mul=", 8, "a format is expected");
  expect_error("f32:mul=e5m10:mul=e5m10", 14, "mul is given twice");
  expect_error("exact:mul=f32", 6, "mul= is for accumulators that are elements");
  expect_error("f32:chunk=4->f32:mul=e5m10", 17, "mul= is for the first stage");
  expect_error("f32->f64", 3, "no chunks are said");
  expect_error("f32:chunk=4->f64->f32", 16, "no chunks are said");
  expect_error("f32:chunk=3-", 12, "'>' is expected");
  expect_error("f32:chunk=3->", 13, "an accumulator is expected");
  expect_error("f32:chunk=1->f32:chunk=2->f32:chunk=3->f32:chunk=4", 50, "at most four stages");
  expect_error("f32:chunk=1->f32:chunk=2->f32:chunk=3->f32:chunk=4->f32", 52, "at most four stages");
  expect_error("mx:chunk=3", 2, "it has no chunks");
  expect_error("mx->f32", 2, "it has no chunks");
  expect_error("f32:chunk=3->mx", 13, "takes none on");
  expect_error("exact/rtz", 5, "the end of the text is expected and there is '/'");
  expect_error("f32@tensor", 3, "the end of the text is expected and there is '@'");
  expect_error("mxfp4", 0, "unknown format 'mxfp4'", "f64");
}

TEST(accumulator_text, tensor_cores_are_refused_by_name) {
  expect_error("tc(hopper.wgmma.e4m3)", 0, "the model of a tensor core, is not implemented");
  expect_error("f32:chunk=4->tc(x)", 13, "the model of a tensor core, is not implemented");
}

TEST(accumulator_text, elements_and_quantizers_take_no_keys_of_accumulators) {
  EXPECT_THROW(parse_element("f32:chunk=4"), text_error);
  EXPECT_THROW(parse_quantizer("e4m3fn/sr:8:mul=f32"), text_error);
}

TEST(accumulator_text, impossible_accumulators_have_no_text) {
  const auto expect_refused = [](const accumulator& a, const std::string& why) {
    EXPECT_EQ(defect(a), why);
    EXPECT_THROW(to_string(a), std::invalid_argument);
    EXPECT_THROW(expanded(a), std::invalid_argument);
  };
  expect_refused({.stage_count = 0}, "an accumulator has one to four stages");
  expect_refused({.stage_count = 5}, "an accumulator has one to four stages");
  expect_refused({.stages = {accumulator_stage{.chunk = 4}}}, "each stage but the last has chunks of 1 term or more");
  expect_refused({.stage_count = 2}, "each stage but the last has chunks of 1 term or more");
  expect_refused({.stages = {accumulator_stage{}, accumulator_stage{.order = summation::exact}}},
                 "a stage that is not in use must be the default");
  expect_refused({.stages = {accumulator_stage{.order = summation::exact, .running = {formats::e5m10}}}},
                 "only a chain runs in an element");
  expect_refused({.stages = {accumulator_stage{.product = {formats::e5m10}}}},
                 "an element for products is only where they are rounded");
  expect_refused({.stages = {accumulator_stage{.order = summation::kahan, .rounds_products = true}}},
                 "products are rounded in a chain only");
  expect_refused(promoted({}, 2, {.stages = {accumulator_stage{.rounds_products = true}}}),
                 "products are rounded in the first stage, which is where they are");
  expect_refused(promoted({.order = summation::mx}, 2, {}),
                 "mx has the blocks of its operands' scales: it has no chunks and takes none on");
  expect_refused(chain_of({.format = formats::e4m3fn, .overflow = overflow_rule::infinity}),
                 "the format has no infinity to overflow to: use saturate, nan or spec");
}

TEST(accumulator, steps_are_counted_stage_by_stage) {
  const auto steps = [](const char* text, std::uint64_t k) { return step_count(parse_accumulator(text), k); };
  EXPECT_EQ(steps("f32", 10), 10u);
  EXPECT_EQ(steps("f32", 0), 0u);
  EXPECT_EQ(steps("e5m10:mul=e5m10", 10), 20u);
  EXPECT_EQ(steps("f32:chunk=4", 10), 13u);
  EXPECT_EQ(steps("e5m10:mul=e5m10:chunk=3->f32:chunk=2->f64", 10), 26u);
}

TEST(accumulator, noise_bits_are_the_most_that_a_rounding_asks_for) {
  const auto bits = [](const char* text) { return noise_bits(parse_accumulator(text)); };
  EXPECT_EQ(bits("f32"), 0);
  EXPECT_EQ(bits("e5m10/sr:8"), 8);
  EXPECT_EQ(bits("e5m10:mul=e5m10/src:5:chunk=4->e8m7/sr"), 32);
}

}  // namespace
}  // namespace binade
