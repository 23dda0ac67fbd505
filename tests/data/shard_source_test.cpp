#include "data/shard_source.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "util/npy.hpp"

namespace {

using namespace binade;

class shards : public testing::Test {
 protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() /
             ("binade_shards_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  template <class T>
  static std::string bytes_of(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
  }
  static std::string header(std::int32_t magic, std::int32_t version, std::int32_t count) {
    std::vector<std::int32_t> h(256);
    h[0] = magic;
    h[1] = version;
    h[2] = count;
    return bytes_of(h);
  }
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder / name, std::ios::binary) << bytes;
    return folder / name;
  }
  template <class T>
  std::filesystem::path write_npy(const std::string& name, npy_type type, std::vector<std::uint64_t> shape,
                                  const std::vector<T>& values) const {
    npy_writer out(folder / name, {.type = type, .shape = std::move(shape)});
    out.write(std::as_bytes(std::span(values)));
    out.commit();
    return folder / name;
  }
  /// first, first + 1, ...
  template <class T>
  static std::vector<T> counting(std::size_t n, std::size_t first = 0) {
    std::vector<T> values(n);
    for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<T>(first + i);
    return values;
  }
  static std::vector<std::int64_t> contents(const token_file& file) {
    std::vector<std::int64_t> ids(file.count());
    file.read(0, ids);
    return ids;
  }
  static std::string message(const std::filesystem::path& file,
                             token_file::layout layout = token_file::layout::automatic) {
    try {
      token_file opened(file, layout);
    } catch (const std::exception& e) {
      return e.what();
    }
    return "";
  }
  static std::string message(const shard_settings& settings, std::size_t context) {
    try {
      shard_source(settings, context, 4);
    } catch (const std::exception& e) {
      return e.what();
    }
    return "";
  }
  static void expect_part(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }

  std::filesystem::path folder;
};

TEST_F(shards, every_layout_is_told_from_its_first_bytes) {
  using layout = token_file::layout;
  const std::vector<std::int64_t> ids = counting<std::int64_t>(5, 7);
  const std::vector<std::pair<std::filesystem::path, layout>> files{
      {write("a.bin", header(20240520, 1, 5) + bytes_of(counting<std::uint16_t>(5, 7))), layout::llmc},
      {write("b.bin", header(20240801, 7, 5) + bytes_of(counting<std::uint32_t>(5, 7))), layout::llmc},
      {write("c.bin", bytes_of(counting<std::uint16_t>(5, 7))), layout::raw},
      {write_npy("d.npy", npy_type::uint8, {5}, counting<std::uint8_t>(5, 7)), layout::npy},
      {write_npy("e.npy", npy_type::uint16, {5}, counting<std::uint16_t>(5, 7)), layout::npy},
      {write_npy("f.npy", npy_type::uint32, {5}, counting<std::uint32_t>(5, 7)), layout::npy},
      {write_npy("g.npy", npy_type::int32, {5}, counting<std::int32_t>(5, 7)), layout::npy},
      {write_npy("h.npy", npy_type::int64, {5}, counting<std::int64_t>(5, 7)), layout::npy}};
  for (const auto& [path, expected] : files) {
    const token_file file(path);
    EXPECT_EQ(file.found(), expected) << path;
    EXPECT_EQ(contents(file), ids) << path;
    EXPECT_EQ(contents(token_file(path, expected)), ids) << path;
    std::vector<std::int64_t> two(2);
    file.read(3, two);
    EXPECT_EQ(two, (std::vector<std::int64_t>{10, 11}));
  }
}

TEST_F(shards, wide_and_negative_numbers_come_as_they_are) {
  EXPECT_EQ(contents(token_file(write_npy("a.npy", npy_type::int32, {2}, std::vector<std::int32_t>{-1, 70000}))),
            (std::vector<std::int64_t>{-1, 70000}));
  EXPECT_EQ(contents(token_file(write_npy("b.npy", npy_type::int64, {2}, std::vector<std::int64_t>{-5, 1LL << 40}))),
            (std::vector<std::int64_t>{-5, 1LL << 40}));
  EXPECT_EQ(
      contents(token_file(write("c.bin", header(20240801, 7, 1) + bytes_of(std::vector<std::uint32_t>{4000000000u})))),
      (std::vector<std::int64_t>{4000000000}));
}

TEST_F(shards, files_that_are_none_are_refused_with_the_reason) {
  const std::string tokens = bytes_of(counting<std::uint16_t>(100));
  expect_part(message(folder / "none.bin"), "none.bin is not there");
  expect_part(message(folder), "is no regular file");
  expect_part(message(write("empty.bin", "")), "is empty");
  expect_part(message(write("odd.bin", tokens + "x")), "201 bytes, an odd number");
  expect_part(message(write("t.bin", header(20240520, 1, 100) + tokens.substr(0, 198))), "it is truncated");
  expect_part(message(write("t.bin", header(20240520, 1, 100) + tokens.substr(0, 199))), "it is truncated");
  expect_part(message(write("t.bin", header(20240520, 1, 100).substr(0, 600))), "the header alone has 1024");
  expect_part(message(write("t.bin", header(20240520, 1, 99) + tokens)), "it is damaged");
  expect_part(message(write("t.bin", header(20240520, 1, 2147483647) + tokens)), "it is truncated");
  expect_part(message(write("t.bin", header(20240520, 1, -1) + tokens)), "claims -1 tokens");
  expect_part(message(write("t.bin", header(20240520, 1, 0))), "holds no tokens");
  expect_part(message(write("t.bin", header(20240520, 7, 100) + tokens)), "has version 7");
  expect_part(message(write("t.bin", header(20240801, 1, 100) + tokens)), "has version 1");
  expect_part(message(write("t.bin", header(20240801, 7, 100) + tokens)), "it is truncated");
  expect_part(message(write("t.bin", header(20240522, 1, 100) + tokens)), "evaluation examples");
  expect_part(message(write("t.bin", std::string("\x1f\x8b\x08\x00", 4) + tokens)), "gunzip");
  expect_part(message(write("t.bin", tokens), token_file::layout::llmc), "is no token file of llm.c");
  expect_part(message(write("t.bin", tokens), token_file::layout::npy), "is no .npy file");
  expect_part(message(write_npy("f.npy", npy_type::float32, {2}, std::vector<float>{1, 2})), "holds float32 elements");
  expect_part(message(write_npy("f.npy", npy_type::uint16, {2, 2}, counting<std::uint16_t>(4))), "has shape (2, 2)");
  expect_part(message(write("f.npy", "\x93NUMPY\1")), "is truncated");
}

TEST_F(shards, a_training_row_is_a_window_of_one_file_and_its_targets_come_one_later) {
  write("a_train.bin", header(20240520, 1, 60) + bytes_of(counting<std::uint16_t>(60)));
  write("b_train.bin", bytes_of(counting<std::uint16_t>(40, 100)));
  write("c_val.bin", bytes_of(counting<std::uint16_t>(41, 200)));
  write("d_test.bin", bytes_of(counting<std::uint16_t>(50, 900)));
  const shard_source source({.files = {folder}}, 8, 100);
  EXPECT_EQ(source.vocabulary(), 241u);  // the file for tests is left out
  EXPECT_EQ(source.validation_rows(), 5u);
  std::set<std::int32_t> starts;
  for (std::uint64_t step = 0; step < 600; ++step) {
    const auto batch = source.training_tokens(3, step, 2);
    EXPECT_EQ(batch.predicted, 16u);
    for (std::size_t r = 0; r < 2; ++r) {
      const std::int32_t first = batch.inputs[r * 8];
      starts.insert(first);
      EXPECT_TRUE((first >= 0 && first + 8 < 60) || (first >= 100 && first + 8 < 140)) << first;
      for (std::int32_t t = 0; t < 8; ++t) {
        ASSERT_EQ(batch.inputs[r * 8 + static_cast<std::size_t>(t)], first + t);
        ASSERT_EQ(batch.targets[r * 8 + static_cast<std::size_t>(t)], first + t + 1);
      }
    }
  }
  EXPECT_EQ(starts.size(), 52u + 32u);  // every place comes
  const auto validation = source.validation_tokens(1, 4);
  EXPECT_EQ(validation.inputs[0], 208);
  EXPECT_EQ(validation.targets[31], 240);
  EXPECT_THROW(source.validation_tokens(2, 4), std::invalid_argument);
}

TEST_F(shards, a_batch_is_a_function_of_data_seed_and_step_alone) {
  const shard_source source({.files = {write("t.bin", bytes_of(counting<std::uint16_t>(1000)))}}, 16, 4);
  const auto later = source.training_tokens(7, 3, 4);
  source.training_tokens(7, 0, 4);
  EXPECT_EQ(source.training_tokens(7, 3, 4).inputs, later.inputs);
  EXPECT_NE(source.training_tokens(7, 4, 4).inputs, later.inputs);
  EXPECT_NE(source.training_tokens(8, 3, 4).inputs, later.inputs);
}

TEST_F(shards, without_a_name_that_says_so_the_last_tokens_are_for_validation) {
  const auto a = write("a.bin", bytes_of(counting<std::uint16_t>(50))),
             b = write("b.bin", bytes_of(counting<std::uint16_t>(50, 50)));
  const shard_source source({.files = {a, b}, .validation_fraction = 0.25}, 8, 100);
  EXPECT_EQ(source.validation_rows(), 3u);  // 24 of the last 25 tokens predict
  EXPECT_EQ(source.validation_tokens(0, 1).inputs[0], 75);
  for (std::uint64_t step = 0; step < 200; ++step) EXPECT_LT(source.training_tokens(0, step, 1).targets[7], 75);
  const shard_source named({.files = {a}, .validation_files = {b}}, 8, 100);
  EXPECT_EQ(named.validation_tokens(0, 1).inputs[0], 50);
  // Also where it lies in the folder of the others, it is not trained on.
  const shard_source in_folder({.files = {folder}, .validation_files = {b}}, 8, 100);
  for (std::uint64_t step = 0; step < 200; ++step) EXPECT_LT(in_folder.training_tokens(0, step, 1).targets[7], 50);
}

TEST_F(shards, ids_beyond_the_vocabulary_are_counted_and_refused) {
  const auto file = write("t.bin", bytes_of(counting<std::uint16_t>(1000)));
  EXPECT_EQ(message({.files = {file}, .vocabulary = 1000}, 16), "");
  expect_part(message({.files = {file}, .vocabulary = 990}, 16),
              "has id 990, and 10 ids in all are negative or not below 990");
  const auto negative = write_npy("n.npy", npy_type::int64, {100}, std::vector<std::int64_t>(100, -1));
  expect_part(message({.files = {negative}}, 8), "100 ids in all are negative");
  EXPECT_EQ(shard_source({.files = {file}}, 16, 4).vocabulary(), 1000u);
  EXPECT_EQ(shard_source({.files = {file}, .vocabulary = 50257}, 16, 4).vocabulary(), 50257u);
}

TEST_F(shards, too_few_tokens_for_a_sequence_are_refused_with_their_number) {
  const auto file = write("t.bin", bytes_of(counting<std::uint16_t>(100)));
  expect_part(message({.files = {file}}, 10), "10 tokens are for validation");
  expect_part(message({.files = {file}}, 90), "90 tokens are for training");
  std::filesystem::create_directories(folder / "none");
  expect_part(message({.files = {folder / "none"}}, 8), "is a folder without files");
}

TEST_F(shards, a_file_that_becomes_shorter_is_an_error_that_names_it) {
  const auto file = write("t.bin", bytes_of(counting<std::uint16_t>(100000)));
  const shard_source source({.files = {file}}, 16, 4);
  source.training_tokens(0, 0, 4);
  std::filesystem::resize_file(file, 10);
  std::string what;
  try {
    source.training_tokens(0, 0, 4);
  } catch (const std::runtime_error& e) {
    what = e.what();
  }
  expect_part(what, file.string() + " cannot be used: it became shorter");
}

TEST_F(shards, the_canonical_text_is_of_the_tokens_and_not_of_the_files) {
  const std::vector<std::uint16_t> tokens = counting<std::uint16_t>(500);
  const auto text = [](const std::filesystem::path& file) {
    return shard_source({.files = {file}}, 16, 4).canonical_text();
  };
  const std::string plain = text(write("a.bin", bytes_of(tokens)));
  EXPECT_EQ(text(write("b.bin", header(20240520, 1, 500) + bytes_of(tokens))), plain);
  EXPECT_EQ(text(write_npy("c.npy", npy_type::int64, {500}, counting<std::int64_t>(500))), plain);
  EXPECT_NE(text(write("d.bin", bytes_of(counting<std::uint16_t>(500, 1)))), plain);
  EXPECT_NEAR(shard_source({.files = {folder / "a.bin"}}, 16, 4).unigram_entropy(), std::log(450.0), 1e-12);
}

TEST_F(shards, words_in_names_are_parted_by_anything_but_letters_and_digits) {
  EXPECT_TRUE(name_has_word("x/fineweb_val_000000.bin", {"val"}));
  EXPECT_TRUE(name_has_word("Val.bin", {"val"}));
  EXPECT_FALSE(name_has_word("value.bin", {"val"}));
  EXPECT_FALSE(name_has_word("val/train.bin", {"val"}));
}

}  // namespace
