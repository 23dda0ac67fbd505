#include "data/rhm_corpus.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "data/mix.hpp"

namespace {

using binade::rhm_language;
using binade::split;

using symbols = std::vector<std::int32_t>;

symbols document(const rhm_language& language, split which, std::uint64_t d) {
  symbols tokens(language.length());
  language.document(which, d, tokens);
  return tokens;
}

std::uint64_t chain_hash(const rhm_language& language, split which) {
  std::uint64_t h = 0;
  for (std::uint64_t d = 0; d < 200; ++d)
    for (const std::int32_t x : document(language, which, d)) h = binade::mix(h ^ static_cast<std::uint64_t>(x));
  return h;
}

/// The first string of a document, as symbols 0..v-1.
symbols string_of(const rhm_language& language, std::uint64_t d) {
  const symbols tokens = document(language, split::training, d);
  symbols string(tokens.begin() + 1, tokens.begin() + 1 + static_cast<std::ptrdiff_t>(language.string_length()));
  for (std::int32_t& x : string) --x;
  return string;
}

// Of tests/data/reference_corpora.py.
struct golden {
  rhm_language::parameters parameters;
  std::size_t predicted;
  symbols first_tokens;
  std::uint64_t training_hash, validation_hash;
};

const std::vector<golden> golden_languages{{{.symbols = 16, .productions = 4, .depth = 7, .seed = 0},
                                            128,
                                            {0, 7, 10, 8, 4, 15, 7, 11, 10, 6, 7, 16, 7, 1, 12, 8, 2},
                                            0x30603df19f79fa2au,
                                            0xcedeb9a19f65ed4au},
                                           {{.symbols = 8, .productions = 4, .depth = 5, .seed = 0},
                                            100,
                                            {0, 6, 8, 5, 4, 5, 8, 7, 4, 2, 8, 2, 8, 2, 5, 6, 2},
                                            0xccbe72035c8e647du,
                                            0x0d1fa56a4cb9af2fu},
                                           {{.symbols = 4, .productions = 2, .depth = 2, .seed = 0},
                                            16,
                                            {0, 2, 2, 2, 2, 3, 3, 3, 3, 3, 1, 1, 2, 2, 2, 3, 3},
                                            0x028e996fa26da1d0u,
                                            0x8ccf03e35c4be371u},
                                           {{.symbols = 16, .productions = 4, .depth = 7, .seed = 1},
                                            128,
                                            {0, 13, 7, 2, 1, 2, 3, 16, 10, 8, 5, 8, 15, 16, 15, 1, 9},
                                            0xb048ef53ee193173u,
                                            0x082c974be58e94c1u}};

TEST(rhm_corpus, first_tokens_and_chain_hash_of_200_documents_equal_the_golden_ones) {
  for (const golden& g : golden_languages) {
    const rhm_language language(g.parameters, g.predicted + 1);
    symbols tokens = document(language, split::training, 0);
    tokens.resize(g.first_tokens.size());
    EXPECT_EQ(tokens, g.first_tokens) << language.description();
    EXPECT_EQ(chain_hash(language, split::training), g.training_hash) << language.description();
    EXPECT_EQ(chain_hash(language, split::validation), g.validation_hash) << language.description();
  }
}

TEST(rhm_corpus, the_floor_of_a_string_is_the_tabled_one_and_every_string_has_it) {
  EXPECT_NEAR(rhm_language({}, 129).string_floor(), 1.3971, 5e-5);
  EXPECT_NEAR(rhm_language({.symbols = 8, .productions = 4, .depth = 5}, 33).string_floor(), 1.4080, 5e-5);
  const rhm_language language({}, 129);
  symbols tokens(129);
  std::vector<double> log_p(129);
  for (std::uint64_t d = 0; d < 20; ++d) {
    language.document(split::validation, d, tokens, log_p);
    EXPECT_NEAR(-std::accumulate(log_p.begin(), log_p.end(), 0.0) / 128, language.string_floor(), 1e-12) << d;
  }
}

TEST(rhm_corpus, parsing_what_was_generated_gives_a_tree_that_generates_it) {
  const rhm_language language({}, 129);
  for (std::uint64_t d = 0; d < 50; ++d) {
    symbols string = string_of(language, d);
    const auto tree = language.parse(string);
    ASSERT_TRUE(tree);
    EXPECT_EQ(symbols(tree->end() - 128, tree->end()), string);
    EXPECT_TRUE(std::all_of(tree->begin(), tree->end(), [](std::int32_t x) { return x >= 0 && x < 16; }));
  }
}

TEST(rhm_corpus, all_strings_of_a_small_grammar_are_legal_and_equally_likely) {
  const rhm_language language({.symbols = 4, .productions = 2, .depth = 2}, 5);
  // Legal are those that parse: 4 * 2^3 of 4^4.
  std::map<symbols, double> counts;
  for (std::int32_t i = 0; i < 256; ++i) {
    const symbols string{i & 3, i >> 2 & 3, i >> 4 & 3, i >> 6 & 3};
    if (language.parse(string)) counts[string] = 0;
  }
  ASSERT_EQ(counts.size(), 32u);
  constexpr int documents = 32000;
  for (std::uint64_t d = 0; d < documents; ++d) {
    const auto found = counts.find(string_of(language, d));
    ASSERT_NE(found, counts.end()) << d;
    ++found->second;
  }
  double chi_square = 0;
  for (const auto& [string, count] : counts) chi_square += (count - 1000) * (count - 1000) / 1000;
  EXPECT_LT(chi_square, 61.1);  // 31 degrees of freedom, p = .001
}

// The law of the next symbol is that of counting all legal strings, each as likely as any other.
TEST(rhm_corpus, the_next_symbol_has_the_probability_that_counting_all_strings_gives) {
  const rhm_language language({.symbols = 3, .productions = 2, .depth = 2}, 5);
  std::vector<symbols> legal;
  for (std::int32_t i = 0; i < 81; ++i) {
    const symbols string{i % 3, i / 3 % 3, i / 9 % 3, i / 27};
    if (language.parse(string)) legal.push_back(string);
  }
  ASSERT_EQ(legal.size(), 24u);
  for (const symbols& string : legal)
    for (std::ptrdiff_t t = 0; t < 4; ++t) {
      const symbols start(string.begin(), string.begin() + t);
      std::vector<double> expected(3);
      double all = 0;
      for (const symbols& other : legal)
        if (std::equal(start.begin(), start.end(), other.begin())) {
          ++expected[static_cast<std::size_t>(other[static_cast<std::size_t>(t)])];
          ++all;
        }
      const std::vector<double> p = language.next_symbol(start);
      for (std::size_t x = 0; x < 3; ++x) EXPECT_NEAR(p[x], expected[x] / all, 1e-15);
    }
}

TEST(rhm_corpus, log_probabilities_are_those_of_the_next_symbol_and_sum_to_1) {
  const rhm_language language({}, 129);
  symbols tokens(129);
  std::vector<double> log_p(129);
  for (std::uint64_t d = 0; d < 4; ++d) {
    language.document(split::probe, d, tokens, log_p);
    const symbols string = [&] {
      symbols s(tokens.begin() + 1, tokens.end());
      for (std::int32_t& x : s) --x;
      return s;
    }();
    for (std::size_t t = 0; t < 128; ++t) {
      const std::vector<double> p = language.next_symbol(std::span(string).first(t));
      ASSERT_NEAR(std::accumulate(p.begin(), p.end(), 0.0), 1, 1e-12) << t;
      ASSERT_NEAR(log_p[t + 1], std::log(p[static_cast<std::size_t>(string[t])]), 1e-12) << t;
    }
  }
}

TEST(rhm_corpus, what_no_grammar_makes_neither_parses_nor_goes_on) {
  const rhm_language language({.symbols = 4, .productions = 1, .depth = 2}, 5);
  std::size_t illegal = 0;
  for (std::int32_t i = 0; i < 64; ++i) {
    const symbols start{i & 3, i >> 2 & 3, i >> 4 & 3};
    const std::vector<double> p = language.next_symbol(start);
    if (std::accumulate(p.begin(), p.end(), 0.0) == 0) ++illegal;
  }
  EXPECT_EQ(illegal, 60u);  // four strings, told apart by their first halves
  EXPECT_THROW(language.next_symbol(symbols(4)), std::invalid_argument);
  EXPECT_THROW(language.parse(symbols(3)), std::invalid_argument);
}

TEST(rhm_corpus, parameters_outside_their_ranges_are_refused) {
  EXPECT_THROW(rhm_language({.symbols = 1, .productions = 1}, 64), std::invalid_argument);
  EXPECT_THROW(rhm_language({.symbols = 257}, 64), std::invalid_argument);
  EXPECT_THROW(rhm_language({.symbols = 4, .productions = 4}, 64), std::invalid_argument);
  EXPECT_THROW(rhm_language({.depth = 0}, 64), std::invalid_argument);
  EXPECT_THROW(rhm_language({.depth = 17}, 64), std::invalid_argument);
  EXPECT_THROW(rhm_language({}, 1), std::invalid_argument);
}

}  // namespace
