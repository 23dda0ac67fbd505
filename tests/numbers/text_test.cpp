#include "binade/text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "binade/quantize.hpp"

namespace binade {
namespace {

/// A format with every field written out, so that nothing of the code under test builds it.
float_format split(int exponent_bits, int trailing_bits, int bias) {
  float_format f{};
  f.width = 1 + exponent_bits + trailing_bits;
  f.precision = trailing_bits + 1;
  f.bias = bias;
  return f;
}

text_error error_of(const std::string& text) {
  try {
    parse_quantizer(text);
  } catch (const text_error& error) {
    return error;
  }
  ADD_FAILURE() << text << " was accepted";
  return text_error(text, 0, "no error", "", "");
}

void expect_error(const std::string& text, std::size_t position, const std::string& part) {
  const text_error error = error_of(text);
  EXPECT_EQ(error.position(), position) << text << "\n" << error.what();
  EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << text << "\n" << error.what();
}

void expect_round_trip(const number_format& f) {
  ASSERT_EQ(parse_format(to_string(f)), f) << to_string(f);
  ASSERT_EQ(parse_format(expanded(f)), f) << expanded(f);
}
void expect_round_trip(const quantizer& q) {
  ASSERT_EQ(parse_quantizer(to_string(q)), q) << to_string(q);
  ASSERT_EQ(parse_quantizer(expanded(q)), q) << expanded(q);
  ASSERT_EQ(parse_element(to_string(q.elem)), q.elem) << to_string(q.elem);
  ASSERT_EQ(parse_element(expanded(q.elem)), q.elem) << expanded(q.elem);
}

// ---- formats -------------------------------------------------------------------------------------------------------

TEST(text, every_catalogue_name_parses_to_its_entry_and_prints_as_itself) {
  for (const named_format& entry : catalogue) {
    EXPECT_EQ(parse_format(entry.name), entry.format) << entry.name;
    EXPECT_EQ(to_string(entry.format), entry.name);
  }
}

TEST(text, aliases_are_accepted_and_print_as_the_canonical_name) {
  for (const auto& [alias, name] :
       {std::pair{"f16", "e5m10"}, {"bf16", "e8m7"}, {"tf32", "e8m10"}, {"f32", "e8m23"}, {"f64", "e11m52"}})
    EXPECT_EQ(to_string(parse_format(alias)), name);
}

TEST(text, a_bare_split_has_ieee_specials) {
  float_format e6m9 = split(6, 9, 31);
  e6m9.has_infinity = true;
  e6m9.high_nans = 511;
  EXPECT_EQ(parse_format("e6m9"), e6m9);
  EXPECT_EQ(parse_format("e6m9:specials=ieee"), e6m9);
  EXPECT_EQ(to_string(e6m9), "e6m9");
}

TEST(text, fn_keeps_one_nan_except_for_the_ocp_names_that_have_none) {
  float_format e5m2fn = split(5, 2, 15);
  e5m2fn.high_nans = 1;
  EXPECT_EQ(parse_format("e5m2fn"), e5m2fn);
  EXPECT_EQ(parse_format("e5m2:specials=nan"), e5m2fn);
  EXPECT_EQ(parse_format("e2m1fn"), split(2, 1, 1));
  EXPECT_EQ(parse_format("e2m3fn"), split(2, 3, 1));
  EXPECT_EQ(parse_format("e3m2fn"), split(3, 2, 3));
  EXPECT_EQ(to_string(split(2, 1, 1)), "e2m1fn");
  float_format e2m1_with_nan = split(2, 1, 1);
  e2m1_with_nan.high_nans = 1;
  EXPECT_EQ(to_string(e2m1_with_nan), "e2m1:specials=nan");
}

TEST(text, fnuz_has_no_negative_zero_and_a_bias_one_higher) {
  float_format e3m4fnuz = split(3, 4, 4);
  e3m4fnuz.has_negative_zero = false;
  EXPECT_EQ(parse_format("e3m4fnuz"), e3m4fnuz);
  EXPECT_EQ(parse_format("e3m4:specials=fnuz"), e3m4fnuz);
  EXPECT_EQ(to_string(e3m4fnuz), "e3m4fnuz");
}

TEST(text, specials_say_it_outright_for_splits_that_no_bare_name_has) {
  EXPECT_EQ(parse_format("e1m0:specials=none"), split(1, 0, 1));
  EXPECT_EQ(parse_format("e4m3:specials=none"), split(4, 3, 7));
  EXPECT_EQ(parse_format("e8m0:specials=none"), split(8, 0, 127));
  float_format e2m1_ieee = split(2, 1, 1);
  e2m1_ieee.has_infinity = true;
  e2m1_ieee.high_nans = 1;
  EXPECT_EQ(parse_format("e2m1:specials=ieee"), e2m1_ieee);
  EXPECT_EQ(to_string(split(4, 3, 7)), "e4m3:specials=none");
}

TEST(text, bias_replaces_the_customary_one_and_is_printed_only_where_it_differs) {
  float_format f = split(4, 3, 5);
  f.high_nans = 1;
  EXPECT_EQ(parse_format("e4m3fn:bias=5"), f);
  EXPECT_EQ(to_string(f), "e4m3fn:bias=5");
  EXPECT_EQ(to_string(parse_format("e4m3fn:bias=7")), "e4m3fn");
  EXPECT_EQ(to_string(parse_format("e4m3fnuz:bias=11")), "e4m3b11fnuz");
  EXPECT_EQ(parse_format("e2m3fn:bias=-3"), split(2, 3, -3));
  EXPECT_EQ(to_string(split(2, 3, -3)), "e2m3fn:bias=-3");
}

TEST(text, nan_choice_is_kept_for_formats_without_a_nan_code) {
  float_format f = split(2, 1, 1);
  f.nan = nan_code::max;
  EXPECT_EQ(parse_format("e2m1fn:nan=max"), f);
  EXPECT_EQ(to_string(f), "e2m1fn:nan=max");
  f.nan = nan_code::zero;
  f.bias = 2;
  EXPECT_EQ(parse_format("e2m1fn:nan=zero:bias=2"), f);
  EXPECT_EQ(parse_format(to_string(f)), f);
}

TEST(text, p3109_names_follow_the_interim_report) {
  float_format f{};
  f.width = 8;
  f.precision = 4;
  f.bias = 8;
  f.has_infinity = true;
  f.has_negative_zero = false;
  f.sat_none = true;
  EXPECT_EQ(parse_format("binary8p4se"), f);
  EXPECT_EQ(parse_format("Binary8p4sf").max_finite(), 240);
  EXPECT_EQ(parse_format("binary8p1uf").max_finite(), std::ldexp(1.0, 126));
  EXPECT_EQ(parse_format("binary4p2ue").max_finite(), 6);
  EXPECT_EQ(to_string(f), "binary8p4se");
}

TEST(text, any_case_goes_in_and_lower_case_comes_out) {
  EXPECT_EQ(to_string(parse_quantizer("E4M3FN/SR:8@BLOCK(32,E8M0FNU,CEIL)")), "e4m3fn/sr:8@block(32,ceil)");
  EXPECT_EQ(to_string(parse_quantizer("MXFP4")), "mxfp4");
}

TEST(text, every_split_with_every_specials_and_some_biases_prints_and_parses_back) {
  int count = 0;
  for (int e = 1; e <= 11; ++e) {
    for (int m = 0; m <= 52; ++m) {
      for (const char* specials : {"ieee", "nan", "none", "fnuz"}) {
        for (const char* bias : {"", ":bias=0", ":bias=-17", ":bias=1", ":bias=1024"}) {
          for (const char* nan : {"", ":nan=max", ":nan=zero"}) {
            const std::string text =
                "e" + std::to_string(e) + "m" + std::to_string(m) + ":specials=" + specials + bias + nan;
            std::optional<number_format> f;
            try {
              f = parse_format(text);
            } catch (const text_error&) {
              continue;  // no value left beside the specials, or a NaN choice for a format that has one
            }
            ASSERT_LE(to_string(*f).size(), text.size());
            expect_round_trip(*f);
            ++count;
          }
        }
      }
    }
  }
  EXPECT_GT(count, 10000);
}

TEST(text, every_p3109_name_up_to_16_bits_prints_as_itself) {
  for (int k = 3; k <= 16; ++k) {
    for (int p = 1; p <= k; ++p) {
      for (const char* kind : {"se", "sf", "ue", "uf"}) {
        const std::string text = "binary" + std::to_string(k) + "p" + std::to_string(p) + kind;
        const int exponent_bits = k - p + (kind[0] == 'u');
        if (exponent_bits < 1) {
          EXPECT_THROW(parse_format(text), text_error) << text;
        } else {
          EXPECT_EQ(to_string(parse_format(text)), text);
        }
      }
    }
  }
}

TEST(text, a_descriptor_without_a_text_form_is_refused_by_print) {
  float_format without_subnormals = split(5, 9, 15);
  without_subnormals.has_subnormals = false;
  EXPECT_THROW(to_string(without_subnormals), std::invalid_argument);
  EXPECT_THROW(to_string(fixed_format{.width = 8, .fraction_bits = -1}), std::invalid_argument);
  float_format impossible = split(4, 3, 70000);
  EXPECT_THROW(to_string(impossible), std::invalid_argument);
}

// ---- elements and quantizers ---------------------------------------------------------------------------------------

TEST(text, policies_come_in_any_order_and_the_defaults_are_not_printed) {
  element e{.format = formats::e5m2};
  EXPECT_EQ(parse_element("e5m2"), e);
  EXPECT_EQ(to_string(parse_element("e5m2/gradual/saturate/rne")), "e5m2");
  e.rounding = rounding_mode::stochastic_b;
  e.noise_bits = 6;
  e.overflow = overflow_rule::infinity;
  e.subnormals = subnormal_rule::flush_results;
  EXPECT_EQ(parse_element("e5m2/ftz/srb:6/infinity"), e);
  EXPECT_EQ(parse_element("e5m2/infinity/ftz/srb:6"), e);
  EXPECT_EQ(to_string(e), "e5m2/srb:6/infinity/ftz");
}

TEST(text, the_default_overflow_is_saturate_up_to_8_bits_and_spec_above) {
  EXPECT_EQ(parse_element("e4m3fn").overflow, overflow_rule::saturate);
  EXPECT_EQ(parse_element("e5m10").overflow, overflow_rule::spec);
  EXPECT_EQ(to_string(parse_element("e5m10/saturate")), "e5m10/saturate");
  EXPECT_EQ(to_string(parse_element("e4m3fn/spec")), "e4m3fn/spec");
}

TEST(text, expanded_spells_every_choice) {
  EXPECT_EQ(expanded(parse_quantizer("e4m3fn")), "e4m3fn/rne/saturate/gradual");
  EXPECT_EQ(expanded(parse_quantizer("bf16/sr")), "e8m7/sr:32/spec/gradual");
  EXPECT_EQ(expanded(parse_quantizer("e4m3fn@tensor")),
            "e4m3fn/rne/saturate/gradual@tensor(f32,amax,nan=element,inf=element,zero=one)");
  EXPECT_EQ(expanded(parse_quantizer("mxfp4")),
            "e2m1fn/rne/saturate/gradual@block(32,e8m0fnu,floor,nan=element,inf=element,zero=one)");
  EXPECT_EQ(expanded(parse_quantizer("e4m3fn@row(static=0.1)")), "e4m3fn/rne/saturate/gradual@row(f32,static=0.1)");
}

TEST(text, named_quantizers_equal_their_expansion_and_print_as_the_name) {
  for (const auto& [name, expansion] : {std::pair{"mxfp4", "e2m1fn@block(32,e8m0fnu,floor)"},
                                        {"mxfp8_e4m3", "e4m3fn@block(32,e8m0fnu,floor)"},
                                        {"mxfp8_e5m2", "e5m2@block(32,e8m0fnu,floor)"},
                                        {"mxfp6_e3m2", "e3m2fn@block(32,e8m0fnu,floor)"},
                                        {"mxfp6_e2m3", "e2m3fn@block(32,e8m0fnu,floor)"}}) {
    EXPECT_EQ(parse_quantizer(name), parse_quantizer(expansion)) << name;
    EXPECT_EQ(to_string(parse_quantizer(expansion)), name);
  }
}

TEST(text, scaling_defaults_are_f32_amax_and_for_blocks_e8m0fnu_floor) {
  const scaling tensor = parse_quantizer("e4m3fn@tensor").scalings[0];
  EXPECT_EQ(tensor.per, granularity::tensor);
  EXPECT_EQ(tensor.format, formats::e8m23);
  EXPECT_EQ(tensor.rule, scale_rule::amax);
  const scaling block = parse_quantizer("e4m3fn@block(16)").scalings[0];
  EXPECT_EQ(block.per, granularity::tile);
  EXPECT_EQ(block.tile_rows, 1u);
  EXPECT_EQ(block.tile_cols, 16u);
  EXPECT_EQ(block.format, formats::e8m0fnu);
  EXPECT_EQ(block.rule, scale_rule::floor);
}

TEST(text, block_is_a_tile_of_one_row) {
  EXPECT_EQ(parse_quantizer("e4m3fn@tile(1,16)"), parse_quantizer("e4m3fn@block(16)"));
  EXPECT_EQ(to_string(parse_quantizer("e4m3fn@tile(1,16)")), "e4m3fn@block(16)");
  EXPECT_EQ(to_string(parse_quantizer("e4m3fn@tile(128,64,f32)")), "e4m3fn@tile(128,64,f32)");
}

TEST(text, a_block_scale_that_is_no_power_of_two_is_found_by_amax_unless_a_rule_is_said) {
  EXPECT_EQ(parse_quantizer("e2m1fn@block(16,e4m3fn)").scalings[0].rule, scale_rule::amax);
  EXPECT_EQ(parse_quantizer("e4m3fn@block(128,f32)").scalings[0].rule, scale_rule::amax);
  EXPECT_EQ(parse_quantizer("e4m3fn@block(128,pow2)").scalings[0].rule, scale_rule::floor);
  EXPECT_EQ(parse_quantizer("e4m3fn@block(128,f32,floor)").scalings[0].rule, scale_rule::floor);
}

TEST(text, scaling_items_come_in_any_order) {
  const quantizer q = parse_quantizer("e4m3fn@tile(8,16,pow2,rceil)");
  EXPECT_EQ(parse_quantizer("e4m3fn@tile(rceil,8,pow2,16)"), q);
  EXPECT_EQ(parse_quantizer("e4m3fn@tile(pow2,rceil,8,16)"), q);
  EXPECT_TRUE(q.scalings[0].power_of_two);
  EXPECT_EQ(q.scalings[0].tile_rows, 8u);
  EXPECT_EQ(q.scalings[0].tile_cols, 16u);
}

TEST(text, a_scale_format_can_be_any_format_with_its_keys) {
  EXPECT_EQ(parse_quantizer("e2m1fn@block(16,ue4m3:bias=6,amax)").scalings[0].format.bias, 6);
  expect_round_trip(parse_quantizer("e2m1fn@block(16,ue4m3:bias=6,amax)"));
}

TEST(text, static_scales_print_as_the_shortest_decimal_that_gives_the_same_float) {
  EXPECT_EQ(to_string(parse_quantizer("e4m3fn@tensor(static=0.25000)")), "e4m3fn@tensor(static=0.25)");
  EXPECT_EQ(parse_quantizer("e4m3fn@tensor(static=0.1)").scalings[0].static_value, 0.1f);
  EXPECT_EQ(to_string(parse_quantizer("e4m3fn@tensor(static=1E-20)")), "e4m3fn@tensor(static=1e-20)");
  EXPECT_EQ(to_string(parse_quantizer("e4m3fn@tensor(f32,static=0.1)")), "e4m3fn@tensor(static=0.1)");
}

TEST(text, random_quantizers_print_and_parse_back) {
  std::mt19937_64 random(20240501);
  const auto pick = [&](std::uint64_t n) { return random() % n; };
  int count = 0, two_levels = 0, transformed = 0;
  for (int trial = 0; trial < 40000; ++trial) {
    float_format floating = catalogue[pick(catalogue.size())].format;
    if (pick(4) == 0) floating.bias += int(pick(9)) - 4;
    if (!floating.has_nan()) floating.nan = nan_code(pick(3));
    const int width = 2 + int(pick(31));
    const fixed_format fixed{.width = width,
                             .fraction_bits = int(pick(std::uint64_t(width))),
                             .is_signed = pick(2) == 0,
                             .is_symmetric = pick(2) == 0,
                             .nan = nan_code(pick(3))};
    const lns_format lns{.width = 3 + int(pick(12)),
                         .gamma_log2 = int(pick(6)),
                         .bias = int(pick(300)) - 150,
                         .has_zero = pick(2) == 0,
                         .domain = lns_domain(pick(2)),
                         .nan = nan_code(pick(3))};
    const tapered_format tapered =
        pick(2) == 0 ? takum_format(3 + int(pick(30))) : posit_format(3 + int(pick(30)), int(pick(5)));
    book_format book = format_of(books::nf4);
    book.nan = nan_code(pick(3));
    const std::array<number_format, 5> kinds{floating, fixed, lns, tapered, book};
    quantizer q = unscaled({pick(2) == 0 ? floating : kinds[pick(kinds.size())]});
    q.elem.rounding = rounding_mode(pick(9));
    q.elem.noise_bits = is_stochastic(q.elem.rounding) && pick(2) == 0 ? 1 + int(pick(32)) : 32;
    q.elem.overflow = overflow_rule(pick(5));
    q.elem.subnormals = subnormal_rule(pick(3));
    if (pick(5) != 0) {
      q.levels = 1;
      scaling& s = q.scalings[0];
      s.per = granularity(pick(4));
      if (s.per == granularity::tile) {
        s.tile_rows = pick(2) == 0 ? 1 : 1 + std::uint32_t(pick(300));
        s.tile_cols = 1 + std::uint32_t(random() >> (32 + pick(32)));
        if (s.tile_cols == 0) s.tile_cols = 1;
      }
      s.power_of_two = pick(4) == 0;
      s.format = s.power_of_two || pick(3) == 0 ? formats::e8m23
                 : pick(3) == 0                 ? formats::e8m0fnu
                                                : catalogue[pick(catalogue.size())].format;
      s.rule = scale_rule(pick(9));
      if (pick(3) == 0) {
        s.nan = special_rule(pick(2));
        s.infinity = special_rule(pick(3));
        s.zero = zero_rule(pick(3));
        s.least_amax = pick(2) == 0 ? 0.0f : std::ldexp(1.0f + float(pick(1 << 23)) / float(1 << 23), -int(pick(100)));
      }
      q.order = pick(4) == 0 ? operation_order(pick(4)) : operation_order::standard;
      if (pick(3) == 0) {
        q.levels = 2;
        q.scalings[1] = pick(2) == 0 ? scale_per(granularity(pick(3))) : scale_per_tile(s.tile_rows, s.tile_cols);
      }
      if (s.rule == scale_rule::static_scale)
        s.static_value =
            std::ldexp(pick(2) == 0 ? 1.0f : 1.0f + float(pick(1 << 23)) / float(1 << 23), int(pick(200)) - 100);
    }
    for (q.transform_count = pick(8) == 0 ? int(pick(5)) : 0; const int k : {0, 1, 2, 3}) {
      if (k >= q.transform_count) break;
      const std::array<transform, 4> choices{
          hadamard_transform(std::uint32_t(2) << pick(15)), random_hadamard_transform(2, random()),
          expand_transform({.group = 1 + std::uint32_t(pick(500)), .range = 2 + float(pick(10000))}),
          clamp_transform({500'000'001 + std::uint32_t(pick(500'000'000))})};
      q.transforms[std::size_t(k)] = choices[pick(4)];
    }
    if (!defect(q).empty()) continue;
    expect_round_trip(q);
    ++count;
    two_levels += int(q.levels == 2);
    transformed += int(q.transform_count > 0);
  }
  EXPECT_GT(count, 10000);
  EXPECT_GT(two_levels, 300);
  EXPECT_GT(transformed, 300);
}

TEST(text, no_accepted_spelling_is_shorter_than_the_printed_one) {
  for (const char* text :
       {"e4m3:specials=nan", "e4m3fn:bias=7", "e5m2/rne", "e5m2/saturate/rne/gradual", "e4m3fn/sr:32",
        "e4m3fn@tensor(f32)", "e4m3fn@tensor(amax)", "e4m3fn@block(32,floor,e8m0fnu)", "e4m3fn@tile(1,64)",
        "e2m1fn@block(32)", "e4m3fn@row(e8m23,amax)", "e4m3:specials=fnuz:bias=11", "e3m0:specials=none",
        "e4m3fn@col(static=0.5,f32)"})
    EXPECT_LT(to_string(parse_quantizer(text)).size(), std::string(text).size()) << text;
}

// ---- errors --------------------------------------------------------------------------------------------------------

TEST(text, an_error_shows_the_text_a_caret_what_is_valid_and_the_nearest_name) {
  const text_error error = error_of("e5m2@blokc(32)");
  EXPECT_EQ(error.text(), "e5m2@blokc(32)");
  EXPECT_EQ(error.position(), 5u);
  EXPECT_EQ(error.nearest(), "block");
  EXPECT_STREQ(error.what(),
               "unknown scaling 'blokc'\n"
               "  e5m2@blokc(32)\n"
               "       ^\n"
               "  valid here: tensor, row, col, block(n), tile(r,c)\n"
               "  nearest known name: block");
}

TEST(text, the_nearest_known_name_is_offered_for_each_kind_of_word) {
  for (const auto& [text, nearest] : {std::pair{"e4m3nf", "e4m3fn"},
                                      {"mxpf4", "mxfp4"},
                                      {"bf61", "bf16"},
                                      {"e4m3fn/rnee", "rne"},
                                      {"e4m3fn/satuarte", "saturate"},
                                      {"e4m3fn/dez", "daz"},
                                      {"e4m3fn@tenser", "tensor"},
                                      {"e4m3fn@block(32,e8m0fun)", "e8m0fnu"},
                                      {"e4m3fn:bais=3", "bias"},
                                      {"e4m3:specials=iee", "ieee"},
                                      {"e2m1fn:nan=zer", "zero"}})
    EXPECT_EQ(error_of(text).nearest(), nearest) << error_of(text).what();
}

TEST(text, names_with_two_meanings_are_errors_that_offer_each) {
  for (const auto& [name, first, second] : {std::tuple{"e2m1", "e2m1fn", "e2m1:specials=ieee"},
                                            {"e3m2", "e3m2fn", "e3m2:specials=ieee"},
                                            {"e2m3", "e2m3fn", "e2m3:specials=ieee"},
                                            {"e8m0", "e8m0fnu", "e8m0:specials=none"}}) {
    expect_error(name, 0, first);
    expect_error(name, 0, second);
    EXPECT_NO_THROW(parse_format(first));
    EXPECT_NO_THROW(parse_format(second));
  }
  expect_error("e2m1:bias=3", 0, "is used for two formats");
}

TEST(text, a_delayed_scale_has_a_history_and_a_margin) {
  const quantizer q = parse_quantizer("e4m3fn@tensor(delayed=1024,margin=1)");
  EXPECT_EQ(q.scalings[0].history, 1024u);
  EXPECT_EQ(q.scalings[0].margin, 1u);
  EXPECT_TRUE(is_delayed(q));
  EXPECT_EQ(to_string(q), "e4m3fn@tensor(delayed=1024,margin=1)");
  EXPECT_EQ(parse_quantizer(expanded(q)), q);
  EXPECT_EQ(to_string(parse_quantizer("nvfp4")), "nvfp4");
  EXPECT_TRUE(is_delayed(parse_quantizer("e2m1fn@block(16,e4m3fn)@tensor(delayed=4)")));
  expect_error("e4m3fn@tensor(delayed=0)", 22, "a length of the history");
  expect_error("e4m3fn@tensor(margin=1)", 14, "a margin is for a delayed scale");
  expect_error("e4m3fn@row(delayed=4)", 11, "of the whole tensor");
  expect_error("e4m3fn@tensor(delayed=4,static=0.5)", 31, "of the whole tensor");
  expect_error("hadamard(16)+e4m3fn@tensor(delayed=4)", 13, "leave out transforms");
}

TEST(text, the_verbs_refuse_a_delayed_scale_with_what_to_say_instead) {
  const std::vector<float> x(4, 1);
  std::vector<float> out(4);
  try {
    quantize(x, {1, 4, 1}, parse_quantizer("e4m3fn@tensor(delayed=4)"), {}, out);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("give amax, exact, or static=X"), std::string::npos) << error.what();
  }
}

TEST(text, two_levels_of_scales_are_said_innermost_first) {
  const quantizer q = parse_quantizer("int4@block(16,e4m3fn)@row");
  EXPECT_EQ(q.levels, 2);
  EXPECT_EQ(q.scalings[0].tile_cols, 16u);
  EXPECT_EQ(q.scalings[0].format, formats::e4m3fn);
  EXPECT_EQ(q.scalings[1].per, granularity::row);
  EXPECT_EQ(q.scalings[1].format, float_storage);
  EXPECT_EQ(to_string(parse_quantizer("e2m1fn@block(16,e4m3fn)@tensor(f32)")), "nvfp4");
  EXPECT_EQ(to_string(parse_quantizer("e2m1fn@tile(16,16,e4m3fn)@tensor")), "nvfp4:2d");
  EXPECT_EQ(to_string(parse_quantizer("e2m1fn@block(32,floor,inf=group,zero=lowest,nan=group)")), "mxfp4:torchao");
  EXPECT_EQ(to_string(parse_quantizer("mxfp4:ocp")), "mxfp4");
  expect_error("e4m3fn@row@block(32)", 0, "must lie in one group of the outer one");
  expect_error("e4m3fn@block(32)@tile(3,48)", 0, "must lie in one group of the outer one");
  expect_error("e4m3fn@block(2)@block(4)@tensor", 24, "at most two levels");
  expect_error("e8m15@block(16,f32)@tensor", 0, "more than 53 significant bits");
}

TEST(text, what_a_group_does_with_specials_and_zeros_is_said_by_keys) {
  const scaling s = parse_quantizer("e4m3fn@block(32,min=0.25,nan=group,inf=largest,zero=lowest)").scalings[0];
  EXPECT_EQ(s.least_amax, 0.25f);
  EXPECT_EQ(s.nan, special_rule::group);
  EXPECT_EQ(s.infinity, special_rule::largest);
  EXPECT_EQ(s.zero, zero_rule::lowest);
  EXPECT_EQ(parse_quantizer("e4m3fn@block(32,f32,order=reciprocal)").order, operation_order::reciprocal);
  EXPECT_EQ(parse_quantizer("e2m1fn@block(16,e4m3fn,4over6)").scalings[0].rule, scale_rule::four_over_six);
  expect_error("e4m3fn@block(32,nan=largest)", 20, "element, group");
  expect_error("e4m3fn@block(32,nan=group,nan=group)", 26, "given twice");
  expect_error("e4m3fn@block(32,zero=zero)", 16, "no zero");
  expect_error("e4m3fn@block(32,min=-1)", 20, "positive");
  expect_error("e4m3fn@row(static=1,zero=lowest)", 20, "does not look at the data");
  expect_error("e4m3fn@row(order=te)", 0, "two levels");
  expect_error("e4m3fn@row(pow2,4over6)", 7, "no powers of two");
}

TEST(text, transforms_stand_in_front) {
  const quantizer q = parse_quantizer("clamp(0.999)+rht(16,12345)+expand(128,range=4096,steps=8)+nvfp4");
  ASSERT_EQ(q.transform_count, 3);
  EXPECT_EQ(q.transforms[0], clamp_transform({999'000'000}));
  EXPECT_EQ(q.transforms[1], random_hadamard_transform(16, 12345));
  EXPECT_EQ(q.transforms[2], expand_transform({.group = 128, .range = 4096, .steps = 8}));
  EXPECT_EQ(to_string(q), "clamp(0.999)+rht(16,12345)+expand(128,range=4096,steps=8)+nvfp4");
  EXPECT_EQ(to_string(parse_quantizer("HADAMARD(32)+e2m1fn@block(32)")), "hadamard(32)+mxfp4");
  expect_error("hadamard(33)+mxfp4", 0, "2, 4, 8");
  expect_error("hadamard+mxfp4", 8, "'('");
  expect_error("hadamard(32)mxfp4", 12, "'+'");
  expect_error("rht(16)+mxfp4", 6, "seed");
  expect_error("expand(128,foo=1)+mxfp4", 11, "range=R");
  expect_error("clamp(0.4)+mxfp4", 0, "above 0.5");
  expect_error("clamp(0.1234567891)+mxfp4", 6, "9 digits");
  expect_error("clamp(0.9)+clamp(0.9)+clamp(0.9)+clamp(0.9)+clamp(0.9)+mxfp4", 44, "at most four transforms");
}

TEST(text, written_out_is_the_shortest_text_without_a_name) {
  for (const named_quantizer& named : quantizer_catalogue) {
    const std::string text = written_out(named.value);
    EXPECT_EQ(parse_quantizer(text), named.value) << text;
    EXPECT_NE(text.find('@'), std::string::npos) << text;
  }
  EXPECT_EQ(written_out(parse_quantizer("hadamard(16)+mxfp4")), "hadamard(16)+e2m1fn@block(32)");
}

TEST(text, variants_of_a_name_are_offered) {
  expect_error("mxfp4:toch", 5, "mxfp4:torchao");
  expect_error("nvfp4:2", 5, "nvfp4:2d");
}

TEST(text, numbers_out_of_range_say_the_range) {
  expect_error("e12m3", 1, "1 to 11");
  expect_error("e0m3", 1, "1 to 11");
  expect_error("e4m53", 3, "0 to 52");
  expect_error("e4m3fn:bias=99999999999999999999", 12, "-65536 to 65536");
  expect_error("e4m3fn:bias=65537", 12, "-65536 to 65536");
  expect_error("e4m3fn:bias=-65537", 13, "-65536 to 65536");
  expect_error("e4m3fn/sr:0", 10, "1 to 32");
  expect_error("e4m3fn/sr:33", 10, "1 to 32");
  expect_error("e4m3fn/sr:", 10, "1 to 32");
  expect_error("e4m3fn@block(0)", 13, "1 to 4294967295");
  expect_error("e4m3fn@block(4294967296)", 13, "1 to 4294967295");
  expect_error("e4m3fn@block(99999999999999999999)", 13, "1 to 4294967295");
  expect_error("e4m3fn@block(032)", 13, "no leading zero");
  expect_error("binary2p1se", 0, "K 3..64");
  expect_error("binary8p8se", 0, "no bit for the exponent");
  expect_error("binary64p2se", 0, "62 exponent bits");
}

TEST(text, static_scales_must_be_positive_finite_and_in_their_format) {
  for (const char* x : {"nan", "inf", "-inf", "0", "-1", "-0"})
    expect_error("e4m3fn@tensor(static=" + std::string(x) + ")", 21, "positive and finite");
  expect_error("e4m3fn@tensor(static=1e99)", 21, "range of float32");
  expect_error("e4m3fn@tensor(static=1e-99)", 21, "range of float32");
  expect_error("e4m3fn@tensor(static=0x1)", 21, "is not a number");
  expect_error("e4m3fn@tensor(static=)", 21, "a number is expected");
  expect_error("e4m3fn@tensor(static)", 20, "'=' is expected");
  expect_error("e4m3fn@tensor(static=0.3,e8m0fnu)", 21, "not a value of the scale format");
  expect_error("e4m3fn@tensor(e8m0fnu,static=0.3)", 29, "not a value of the scale format");
  expect_error("e4m3fn@tensor(pow2,static=3)", 26, "power of two");
}

TEST(text, sizes_must_match_the_granularity) {
  expect_error("e4m3fn@tensor(32)", 14, "takes no size");
  expect_error("e4m3fn@block", 12, "takes 1 size");
  expect_error("e4m3fn@block(32,16)", 16, "takes 1 size");
  expect_error("e4m3fn@tile(32)", 15, "takes 2 sizes");
  expect_error("e4m3fn@block(f32)", 17, "takes 1 size, given 0");
}

TEST(text, each_choice_is_made_at_most_once) {
  expect_error("e4m3fn/rne/sr", 11, "a rounding mode is given twice");
  expect_error("e4m3fn/nan/spec", 11, "an overflow rule is given twice");
  expect_error("e4m3fn/ftz/daz", 11, "a rule for subnormals is given twice");
  expect_error("e4m3fn:bias=3:bias=4", 14, "bias is given twice");
  expect_error("e4m3:specials=nan:specials=nan", 18, "specials is given twice");
  expect_error("e2m1fn:nan=max:nan=max", 15, "nan is given twice");
  expect_error("e4m3fn@block(32,f32,pow2)", 20, "a scale format is given twice");
  expect_error("e4m3fn@block(32,floor,static=1)", 22, "a scale rule is given twice");
}

TEST(text, what_a_format_cannot_do_is_refused_where_it_is_said) {
  expect_error("e4m3fn/rne/infinity", 11, "no infinity");
  expect_error("e2m1fn/nan", 7, "no NaN");
  expect_error("e4m3fn:nan=max", 7, "without a NaN code");
  expect_error("ue4m3:specials=ieee", 6, "eXmY");
  expect_error("e4m3fn:specials=nan", 7, "eXmY");
  expect_error("e1m0fn", 0, "no nonzero finite value");
  expect_error("e1m3", 0, "specials=");
  expect_error("e5m0", 0, "specials=");
  expect_error("e3m0fnu", 0, "unknown format");
  expect_error("e4m3fn@tensor(e11m52)", 14, "float32");
}

TEST(text, unfinished_and_foreign_text_is_refused_at_its_place) {
  expect_error("", 0, "the text ends");
  expect_error(" e4m3fn", 0, "blank");
  expect_error("e4m3fn @tensor", 6, "blank");
  expect_error("e4m3fn\t", 6, "blank");
  expect_error("e4m3fn/", 7, "the text ends");
  expect_error("e4m3fn@", 7, "the text ends");
  expect_error("e4m3fn:", 7, "the text ends");
  expect_error("e4m3fn:bias", 11, "'=' is expected");
  expect_error("e4m3fn:bias=", 12, "the text ends");
  expect_error("e4m3fn@tensor(", 14, "the text ends");
  expect_error("e4m3fn@tensor()", 14, "there is ')'");
  expect_error("e4m3fn@block(32", 15, "')' is expected");
  expect_error("e4m3fn@block(32,)", 16, "there is ')'");
  expect_error("e4m3fn@block(32))", 16, "there is ')'");
  expect_error("e4m3fn\xc3\xa9", 6, "not printable ASCII");
  expect_error(std::string("e4m3fn\0x", 8), 6, "not printable ASCII");
  expect_error("e4m3fn/rne:8", 10, "only sr, srb and src");
  expect_error("mxfp4/sr", 5, "e2m1fn/rne/saturate/gradual@block(32,e8m0fnu,floor,nan=element,inf=element,zero=one)");
  expect_error("mxfp4@tensor", 5, "a whole quantizer");
}

TEST(text, a_very_long_text_is_refused_and_shown_in_part) {
  const text_error error = error_of(std::string(100000, 'e'));
  EXPECT_NE(std::string(error.what()).find("longer than 8000 characters"), std::string::npos);
  EXPECT_LT(std::string(error.what()).size(), 400u);
}

TEST(text, a_format_or_element_is_not_given_what_only_a_quantizer_has) {
  EXPECT_THROW(parse_format("e4m3fn/rne"), text_error);
  EXPECT_THROW(parse_element("e4m3fn@tensor"), text_error);
  EXPECT_THROW(parse_element("mxfp4"), text_error);
}

TEST(text, edit_distance_counts_insertions_deletions_replacements_and_swaps) {
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", "abc"), 0u);
  EXPECT_EQ(edit_distance("abc", "acb"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(nearest_name("layres", std::vector<std::string>{"name", "layers"}), "layers");
}

}  // namespace
}  // namespace binade
