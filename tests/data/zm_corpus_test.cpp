#include "data/zm_corpus.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "data/mix.hpp"

namespace {

using binade::zm_language;
using binade::zm_source;
using split = zm_language::split;

std::vector<std::int32_t> document(const zm_language& language, split which, std::uint64_t d) {
  std::vector<std::int32_t> tokens(language.length());
  language.document(which, d, tokens);
  return tokens;
}

std::uint64_t chain_hash(const zm_language& language, split which) {
  std::uint64_t h = 0;
  for (std::uint64_t d = 0; d < 1000; ++d)
    for (const std::int32_t x : document(language, which, d)) h = binade::mix(h ^ static_cast<std::uint64_t>(x));
  return h;
}

// The golden values below were computed by another program from the corpus's definition.
struct golden {
  int bits;
  std::size_t length;
  std::uint64_t seed;
  std::vector<std::int32_t> first_tokens;
  std::uint64_t training_hash, validation_hash;  // 0: not tabled
};

const std::vector<golden> golden_languages{
    {8,
     128,
     0,
     {0, 1, 37, 38, 23, 111, 17, 24, 1, 2, 39, 9, 57, 234, 11, 204},
     0x13097447e8b409e5u,
     0xf8cc07aca929ac6cu},
    {8,
     256,
     0,
     {0, 1, 37, 38, 23, 111, 17, 24, 1, 2, 39, 9, 57, 234, 11, 204},
     0x1a8ea63be0c423a7u,
     0xd168a6b16b516364u},
    {11,
     256,
     0,
     {0, 1, 485, 61, 181, 1, 646, 56, 33, 18, 102, 73, 1, 2, 7, 296},
     0x096ff353de05e272u,
     0x3774908c2d3f5d3fu},
    {8, 128, 1, {0, 2, 6, 1, 46, 3, 183, 62, 15, 99, 23, 2, 70, 56, 4, 14}, 0xd9d21b8f0a1449a9u, 0}};

TEST(zm_corpus, first_tokens_of_training_document_0_equal_the_golden_ones) {
  for (const golden& g : golden_languages) {
    std::vector<std::int32_t> tokens = document(zm_language(g.bits, g.length, g.seed), split::training, 0);
    tokens.resize(16);
    EXPECT_EQ(tokens, g.first_tokens) << g.bits << " bits, length " << g.length << ", seed " << g.seed;
  }
}

TEST(zm_corpus, chain_hash_of_1000_documents_equals_the_golden_one) {
  for (const golden& g : golden_languages) {
    const zm_language language(g.bits, g.length, g.seed);
    EXPECT_EQ(chain_hash(language, split::training), g.training_hash) << g.bits << " " << g.length << " " << g.seed;
    if (g.validation_hash != 0) {
      EXPECT_EQ(chain_hash(language, split::validation), g.validation_hash)
          << g.bits << " " << g.length << " " << g.seed;
    }
  }
}

TEST(zm_corpus, documents_do_not_depend_on_the_order_of_reading) {
  const zm_language language(8, 128, 0);
  const auto late_first = document(language, split::training, 123456789);
  document(language, split::training, 0);
  EXPECT_EQ(document(language, split::training, 123456789), late_first);
}

TEST(zm_corpus, probabilities_of_all_ids_sum_to_1_in_1000_contexts) {
  const zm_language language(8, 128, 0);
  std::size_t contexts = 0;
  for (std::uint64_t d = 0; contexts < 1000; ++d) {
    const auto tokens = document(language, split::probe, d);
    const std::size_t t = 1 + static_cast<std::size_t>(binade::mix(d) % (tokens.size() - 1));
    double sum = 0;
    for (std::size_t id = 0; id < language.vocabulary(); ++id)
      sum += language.probability(t, std::span(tokens).first(t), static_cast<std::int32_t>(id));
    ASSERT_NEAR(sum, 1.0, 1e-12) << "document " << d << ", position " << t;
    ++contexts;
  }
}

TEST(zm_corpus, log_probability_of_a_token_is_the_log_of_its_probability) {
  const zm_language language(8, 128, 0);
  std::vector<std::int32_t> tokens(128);
  std::vector<double> log_p(128);
  std::size_t copied = 0;
  for (std::uint64_t d = 0; d < 20; ++d) {
    language.document(split::validation, d, tokens, log_p);
    EXPECT_EQ(log_p[0], 0);
    for (std::size_t t = 1; t < tokens.size(); ++t) {
      const double p = language.probability(t, std::span(tokens).first(t), tokens[t]);
      if (log_p[t] == 0)
        ++copied;
      else
        ASSERT_NEAR(std::exp(log_p[t]), p, 1e-14) << "document " << d << ", position " << t;
    }
  }
  EXPECT_GT(copied, 0u);  // runs occur
  EXPECT_EQ(copied % 8, 0u);
}

TEST(zm_corpus, a_run_copies_8_tokens_from_the_marked_distance) {
  const zm_language language(8, 128, 0);
  const std::size_t distance[] = {12, 16, 32, 48};  // max(12, 128 c / 16) for c = 1, 2, 4, 6
  std::size_t runs = 0;
  for (std::uint64_t d = 0; d < 50; ++d) {
    const auto tokens = document(language, split::training, d);
    for (std::size_t t = 1; t < tokens.size(); ++t) {
      if (tokens[t] < 256) continue;
      ++runs;
      const std::size_t back = distance[tokens[t] - 256];
      ASSERT_LE(t + 8, 127u);
      for (std::size_t i = 1; i <= 8; ++i) ASSERT_EQ(tokens[t + i], tokens[t + i - back]) << d << " " << t;
      t += 8;  // a marker may itself be copied: inside a run it starts nothing
    }
  }
  EXPECT_GT(runs, 20u);
}

TEST(zm_corpus, the_floor_of_the_first_8192_validation_documents_is_the_tabled_one) {
  EXPECT_NEAR(*zm_source(zm_language(8, 128, 0), 8192).validation_floor(), 2.61219, 5e-6);
}

TEST(zm_corpus, the_unigram_entropy_is_the_tabled_one) {
  EXPECT_NEAR(zm_source(zm_language(8, 128, 0), 1).unigram_entropy(), 4.500, 0.02);
}

TEST(zm_corpus, the_floor_belongs_to_the_documents_asked_for) {
  const zm_source some(zm_language(8, 128, 0), 64), more(zm_language(8, 128, 0), 256);
  EXPECT_NE(*some.validation_floor(), *more.validation_floor());
  EXPECT_EQ(*more.validation_tokens(0, 64).floor, *some.validation_floor());
}

TEST(zm_corpus, a_batch_is_a_function_of_data_seed_and_step_alone) {
  const zm_source source(zm_language(8, 128, 0), 1);
  const auto later = source.training_tokens(7, 3, 4);
  source.training_tokens(7, 0, 4);
  const auto again = source.training_tokens(7, 3, 4);
  EXPECT_EQ(again.inputs, later.inputs);
  EXPECT_EQ(again.floor, later.floor);
  EXPECT_NE(source.training_tokens(7, 4, 4).inputs, later.inputs);
  EXPECT_NE(source.training_tokens(8, 3, 4).inputs, later.inputs);
}

TEST(zm_corpus, training_order_is_0_1_2_offset_by_the_data_seed_times_2_to_the_32) {
  const zm_language language(8, 128, 0);
  const zm_source source(language, 1);
  const auto batch = source.training_tokens(5, 2, 3);
  for (std::uint64_t r = 0; r < 3; ++r) {
    const auto tokens = document(language, split::training, (std::uint64_t{5} << 32) + 6 + r);
    const auto row = std::span(batch.inputs).subspan(r * 128, 128);
    EXPECT_TRUE(std::equal(row.begin(), row.end(), tokens.begin()));
  }
}

TEST(zm_corpus, targets_are_the_inputs_one_later_and_the_last_has_none) {
  const auto batch = zm_source(zm_language(8, 128, 0), 3).validation_tokens(1, 2);
  EXPECT_EQ(batch.predicted, 2u * 127u);
  for (std::size_t r = 0; r < 2; ++r) {
    for (std::size_t t = 0; t + 1 < 128; ++t) ASSERT_EQ(batch.targets[r * 128 + t], batch.inputs[r * 128 + t + 1]);
    EXPECT_EQ(batch.targets[r * 128 + 127], binade::token_batch::no_target);
  }
}

TEST(zm_corpus, short_documents_have_no_copy_runs_and_say_so) {
  const zm_language language(8, 16, 0);
  EXPECT_FALSE(language.has_copy_runs());
  EXPECT_NE(zm_source(language, 1).description().find("too short for copy runs"), std::string::npos);
  for (std::uint64_t d = 0; d < 100; ++d)
    for (const std::int32_t x : document(language, split::training, d)) ASSERT_LT(x, 256);
}

TEST(zm_corpus, parameters_outside_their_ranges_are_refused) {
  EXPECT_THROW(zm_language(1, 128, 0), std::invalid_argument);
  EXPECT_THROW(zm_language(15, 128, 0), std::invalid_argument);
  EXPECT_THROW(zm_language(8, 1, 0), std::invalid_argument);
  EXPECT_THROW(zm_source(zm_language(8, 128, 0), 0), std::invalid_argument);
}

}  // namespace
