#include "data/facts_corpus.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "data/mix.hpp"

namespace {

using binade::facts_language;
using binade::language_source;
using binade::split;

std::vector<std::int32_t> document(const facts_language& language, split which, std::uint64_t d) {
  std::vector<std::int32_t> tokens(language.length());
  language.document(which, d, tokens);
  return tokens;
}

std::uint64_t chain_hash(const facts_language& language, split which) {
  std::uint64_t h = 0;
  for (std::uint64_t d = 0; d < 200; ++d)
    for (const std::int32_t x : document(language, which, d)) h = binade::mix(h ^ static_cast<std::uint64_t>(x));
  return h;
}

// Of tests/data/reference_corpora.py.
struct golden {
  facts_language::parameters parameters;
  std::size_t predicted;
  std::vector<std::int32_t> first_tokens;
  std::uint64_t training_hash, validation_hash;
  double floor;
};

const std::vector<golden> golden_languages{
    {{.levels = 15, .digit_bits = 4, .values = 4, .noise = 0, .seed = 0},
     126,
     {0, 1, 17, 17, 17, 17, 33, 60, 83, 68, 1, 17, 17, 17, 17, 33, 60, 83, 68},
     0x2fa82f020e978a69u,
     0xacf65d3e845bce3fu,
     0.4622032546210608},
    {{.levels = 15, .digit_bits = 4, .values = 4, .noise = 0.125, .seed = 0},
     128,
     {0, 1, 17, 17, 17, 17, 60, 60, 83, 68, 1, 17, 17, 17, 17, 33, 60, 83, 68},
     0x373921b327d88b36u,
     0x4ce0a72c6e2190a6u,
     0.8545373964821336},
    {{.levels = 7, .digit_bits = 2, .values = 6, .noise = 0, .seed = 3},
     100,
     {0, 2, 9, 9, 9, 10, 30, 57, 70, 26, 22, 19, 3, 9, 9, 9, 9, 35, 57},
     0x5587afc618a27356u,
     0x110e54913240a0e6u,
     0.30457763113394903},
    {{.levels = 31, .digit_bits = 8, .values = 2, .noise = 0, .seed = 1},
     128,
     {0, 2, 33, 33, 33, 34, 329, 327, 2, 33, 33, 33, 33, 303, 301, 1, 33, 33, 33},
     0x2711185cbf0760e5u,
     0xc83e1a4d70ee3493u,
     0.6179326417505998}};

TEST(facts_corpus, first_tokens_and_chain_hash_of_200_documents_equal_the_golden_ones) {
  for (const golden& g : golden_languages) {
    const facts_language language(g.parameters, g.predicted + 1);
    std::vector<std::int32_t> tokens = document(language, split::training, 0);
    tokens.resize(g.first_tokens.size());
    EXPECT_EQ(tokens, g.first_tokens) << language.description();
    EXPECT_EQ(chain_hash(language, split::training), g.training_hash) << language.description();
    EXPECT_EQ(chain_hash(language, split::validation), g.validation_hash) << language.description();
    EXPECT_NEAR(language.record_floor(), g.floor, 1e-14) << language.description();
  }
}

TEST(facts_corpus, the_floor_of_a_record_is_the_tabled_one) {
  EXPECT_NEAR(facts_language({}, 127).record_floor(), 0.4622, 5e-5);
  EXPECT_NEAR(facts_language({.noise = 0.1}, 127).record_floor(), 0.7864, 5e-5);
}

TEST(facts_corpus, the_mean_surprise_of_whole_records_comes_to_the_floor) {
  // 2048 documents of 14 records each; the standard error of the mean is the spread over documents / sqrt(2048).
  for (const double noise : {0.0, 0.1}) {
    const facts_language language({.noise = noise}, 127);
    std::vector<std::int32_t> tokens(127);
    std::vector<double> log_p(127);
    double sum = 0, sum_of_squares = 0;
    constexpr int documents = 2048;
    for (std::uint64_t d = 0; d < documents; ++d) {
      language.document(split::validation, d, tokens, log_p);
      const double mean = -std::accumulate(log_p.begin(), log_p.end(), 0.0) / 126;
      sum += mean;
      sum_of_squares += mean * mean;
    }
    const double mean = sum / documents;
    const double error = std::sqrt((sum_of_squares / documents - mean * mean) / documents);
    EXPECT_NEAR(mean, language.record_floor(), 4 * error) << noise;
    EXPECT_LT(error, 0.005);
  }
}

// What comes next, worked out from the parts of a record that are known: sums of exp(log p) over every id.
TEST(facts_corpus, probabilities_of_the_values_sum_to_1_and_a_fact_has_one_value) {
  const facts_language language({.levels = 3, .digit_bits = 1, .values = 2, .noise = 0.75, .seed = 5}, 8);
  std::map<std::vector<std::int32_t>, std::map<std::int32_t, double>> next;  // after level and digits: the first value
  std::vector<std::int32_t> tokens(8);
  std::vector<double> log_p(8);
  std::map<std::int32_t, double> levels;
  for (std::uint64_t d = 0; d < 60000; ++d) {
    language.document(split::training, d, tokens, log_p);
    levels[tokens[1]] = std::exp(log_p[1]);
    next[{tokens.begin() + 1, tokens.begin() + 6}][tokens[6]] = std::exp(log_p[6]);
  }
  double sum = 0;
  for (const auto& [level, p] : levels) sum += p;
  EXPECT_NEAR(sum, 1, 1e-14);
  EXPECT_EQ(next.size(), 15u);  // 1 + 2 + 4 + 8 facts
  for (const auto& [fact, values] : next) {
    ASSERT_EQ(values.size(), 64u);  // noise has said every symbol by now
    double of_fact = 0;
    int likely = 0;
    for (const auto& [value, p] : values) {
      of_fact += p;
      likely += p > 0.2 ? 1 : 0;
    }
    EXPECT_NEAR(of_fact, 1, 1e-13);
    EXPECT_EQ(likely, 1);
  }
}

TEST(facts_corpus, a_level_comes_as_often_as_its_weight_says) {
  const facts_language language({.levels = 5, .digit_bits = 2, .values = 1, .noise = 0, .seed = 0}, 7);
  std::vector<double> counts(6);
  constexpr int documents = 20000;
  for (std::uint64_t d = 0; d < documents; ++d)
    ++counts[static_cast<std::size_t>(document(language, split::training, d)[1] - 1)];
  double chi_square = 0, total = std::pow(4, 6) - std::pow(3, 6);
  for (std::size_t l = 0; l < counts.size(); ++l) {
    const double expected =
        documents * std::pow(3, static_cast<double>(l)) * std::pow(4, 5 - static_cast<double>(l)) / total;
    chi_square += (counts[l] - expected) * (counts[l] - expected) / expected;
  }
  EXPECT_LT(chi_square, 20.5);  // 5 degrees of freedom, p = .001
}

TEST(facts_corpus, a_sequence_predicts_every_token_of_its_records) {
  const auto language = std::make_shared<const facts_language>(facts_language::parameters{}, 19);
  const language_source source(language, 18, 8);
  const auto batch = source.validation_tokens(2, 3);
  EXPECT_EQ(source.vocabulary(), 1u + 16 + 16 + 64);
  EXPECT_EQ(batch.predicted, 3u * 18);
  for (std::size_t r = 0; r < 3; ++r) {
    const auto tokens = document(*language, split::validation, 2 + r);
    for (std::size_t t = 0; t < 18; ++t) {
      EXPECT_EQ(batch.inputs[r * 18 + t], tokens[t]);
      EXPECT_EQ(batch.targets[r * 18 + t], tokens[t + 1]);
    }
  }
  EXPECT_GT(source.unigram_entropy(), *source.validation_floor());
  EXPECT_THROW(source.validation_tokens(6, 3), std::invalid_argument);
  EXPECT_THROW(language_source(language, 17, 8), std::invalid_argument);
  EXPECT_THROW(language_source(language, 18, 0), std::invalid_argument);
}

TEST(facts_corpus, parameters_outside_their_ranges_are_refused) {
  EXPECT_THROW(facts_language({.levels = 0}, 64), std::invalid_argument);
  EXPECT_THROW(facts_language({.levels = 32, .digit_bits = 8}, 64), std::invalid_argument);
  EXPECT_THROW(facts_language({.levels = 15, .digit_bits = 3}, 64), std::invalid_argument);
  EXPECT_THROW(facts_language({.values = 0}, 64), std::invalid_argument);
  EXPECT_THROW(facts_language({.noise = 1}, 64), std::invalid_argument);
  EXPECT_THROW(facts_language({.noise = -0.1}, 64), std::invalid_argument);
  EXPECT_THROW(facts_language({}, 1), std::invalid_argument);
}

}  // namespace
