#include "data/text_source.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>

namespace {

using binade::text_source;

class text_data : public testing::Test {
 protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() /
             ("binade_text_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::filesystem::path file(const std::string& bytes) const {
    std::ofstream(folder / "data.txt", std::ios::binary) << bytes;
    return folder / "data.txt";
  }
  /// Byte i of the file is a function of i that no other place within 95 bytes has.
  static std::string numbered(std::size_t n) {
    std::string s(n, ' ');
    for (std::size_t i = 0; i < n; ++i) s[i] = static_cast<char>(' ' + i % 95);
    return s;
  }
  static std::string message(const std::filesystem::path& path, std::size_t context) {
    try {
      text_source(path, context, 4);
    } catch (const std::exception& e) {
      return e.what();
    }
    return "";
  }

  std::filesystem::path folder;
};

TEST_F(text_data, a_sequence_begins_with_the_start_id_and_predicts_every_byte) {
  const text_source source(file(numbered(1000)), 16, 4);
  const auto batch = source.training_tokens(3, 0, 5);
  EXPECT_EQ(batch.predicted, 80u);
  for (std::size_t r = 0; r < 5; ++r) {
    EXPECT_EQ(batch.inputs[r * 16], text_source::start);
    for (std::size_t t = 0; t + 1 < 16; ++t) {
      ASSERT_EQ(batch.inputs[r * 16 + t + 1], batch.targets[r * 16 + t]);
      ASSERT_EQ((batch.targets[r * 16 + t + 1] - batch.targets[r * 16 + t] + 95) % 95, 1);  // consecutive in the file
    }
  }
}

TEST_F(text_data, training_never_sees_the_last_tenth_and_validation_sees_nothing_else) {
  const text_source source(file(std::string(900, 'a') + std::string(100, 'b')), 10, 100);
  for (std::uint64_t step = 0; step < 200; ++step)
    for (const std::int32_t x : source.training_tokens(0, step, 4).targets) ASSERT_EQ(x, 'a');
  EXPECT_EQ(source.validation_rows(), 10u);  // all there are
  for (const std::int32_t x : source.validation_tokens(0, 10).targets) ASSERT_EQ(x, 'b');
}

TEST_F(text_data, training_reaches_the_first_and_the_last_place) {
  const text_source source(file(numbered(100)), 8, 1);  // 90 bytes: places 0 .. 82
  std::set<std::int32_t> firsts;
  for (std::uint64_t step = 0; step < 4000; ++step) firsts.insert(source.training_tokens(1, step, 1).targets[0] - ' ');
  EXPECT_EQ(firsts.size(), 83u);
  EXPECT_EQ(*firsts.rbegin(), 82);
}

TEST_F(text_data, validation_pieces_are_disjoint_and_spread_over_their_part) {
  const text_source source(file(numbered(950)), 5, 4);  // 95 bytes for validation: 19 pieces
  const auto batch = source.validation_tokens(0, 4);
  for (std::size_t r = 0; r < 4; ++r)
    EXPECT_EQ(batch.targets[r * 5], ' ' + static_cast<std::int32_t>((855 + r * 19 / 4 * 5) % 95));
}

TEST_F(text_data, a_batch_is_a_function_of_data_seed_and_step_alone) {
  const text_source source(file(numbered(5000)), 16, 4);
  const auto later = source.training_tokens(9, 5, 4);
  source.training_tokens(9, 0, 4);
  EXPECT_EQ(source.training_tokens(9, 5, 4).inputs, later.inputs);
  EXPECT_NE(source.training_tokens(9, 6, 4).inputs, later.inputs);
  EXPECT_NE(source.training_tokens(10, 5, 4).inputs, later.inputs);
}

TEST_F(text_data, the_unigram_entropy_of_two_equal_letters_is_ln_2) {
  std::string s;
  for (int i = 0; i < 500; ++i) s += "ab";
  EXPECT_NEAR(text_source(file(s), 10, 1).unigram_entropy(), std::log(2.0), 1e-15);
}

TEST_F(text_data, the_canonical_text_names_the_content_and_not_the_path) {
  const auto path = file(numbered(1000));
  const std::string before = text_source(path, 10, 4).canonical_text();
  std::filesystem::rename(path, folder / "moved.txt");
  EXPECT_EQ(text_source(folder / "moved.txt", 10, 4).canonical_text(), before);
  std::string other = numbered(1000);
  other[500] = '!';
  EXPECT_NE(text_source(file(other), 10, 4).canonical_text(), before);
}

TEST_F(text_data, what_is_no_text_file_is_refused_with_the_reason) {
  EXPECT_NE(message(folder / "missing.txt", 8).find("missing.txt is not there"), std::string::npos);
  EXPECT_NE(message(folder, 8).find("is no regular file; give a plain text file"), std::string::npos);
  EXPECT_NE(message("/dev/zero", 8).find("is no regular file"), std::string::npos);
  EXPECT_NE(message(file(""), 8).find("is empty"), std::string::npos);
  EXPECT_NE(message(file(numbered(70)), 8).find("at least 80 bytes"), std::string::npos);
  EXPECT_EQ(message(file(numbered(71)), 8), "");
  EXPECT_NE(message(file(numbered(500) + '\0' + numbered(500)), 8).find("byte 500 is NUL"), std::string::npos);
  std::string noise(4096, ' ');
  for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(1 + i * 37 % 255);
  EXPECT_NE(message(file(noise), 8).find("control characters"), std::string::npos);
}

TEST_F(text_data, a_text_that_somebody_writes_to_ends_the_run_and_one_that_is_replaced_does_not) {
  const auto path = file(numbered(1000));
  const text_source source(path, 10, 4);
  const std::vector<std::int32_t> before = source.training_tokens(1, 2, 3).targets;
  std::ofstream(folder / "other.txt") << numbered(900);
  std::filesystem::rename(folder / "other.txt", path);
  EXPECT_EQ(source.training_tokens(1, 2, 3).targets, before);

  const text_source again(path, 10, 4);
  std::filesystem::resize_file(path, 400);
  EXPECT_THROW(again.training_tokens(1, 2, 3), std::runtime_error);
}

TEST_F(text_data, text_in_utf_8_and_latin_1_is_accepted) {
  std::string s;
  for (int i = 0; i < 100; ++i) s += "na\xc3\xafve \xe9t\xe9\r\n\t";
  EXPECT_EQ(message(file(s), 8), "");
}

}  // namespace
