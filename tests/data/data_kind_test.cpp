#include "data/data_kind.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace binade;

class data_table : public testing::Test {
 protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() /
             ("binade_data_kind_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  /// The opened source of a table, whose every key must have been asked for.
  std::unique_ptr<data_source> open(const std::string& table, std::size_t context = 16,
                                    const std::filesystem::path& text = {}) const {
    const toml_section file = toml_section::parse("[data]\n" + table, "file.toml");
    const toml_section data = file.section("data");
    std::string corpus;
    const data_opener opener = read_data({data, folder, context, text}, corpus);
    file.finish();
    return opener();
  }
  std::string message(const std::string& table, std::size_t context = 16) const {
    try {
      open(table, context);
    } catch (const std::exception& e) {
      return e.what();
    }
    return "";
  }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder / name, std::ios::binary) << bytes;
  }

  std::filesystem::path folder;
};

TEST_F(data_table, each_kind_without_files_has_the_documented_defaults) {
  EXPECT_EQ(open("")->canonical_text(), "corpus = \"zm\"\nbits = 8\nseed = 0\nvalidation_documents = 256\n");
  EXPECT_EQ(open("corpus = \"facts\"\nvalidation_documents = 4")->canonical_text(),
            "corpus = \"facts\"\nlevels = 15\ndigit_bits = 4\nvalues = 4\nnoise = 0\nseed = 0\nvalidation_documents = "
            "4\n");
  EXPECT_EQ(open("corpus = \"rhm\"\nvalidation_documents = 4")->canonical_text(),
            "corpus = \"rhm\"\nsymbols = 16\nproductions = 4\ndepth = 7\nseed = 0\nvalidation_documents = 4\n");
  EXPECT_EQ(open("corpus = \"prototypes\"\nvalidation_images = 4", 1)->canonical_text(),
            "corpus = \"prototypes\"\nclasses = 10\nchannels = 1\nsize = 16\nshift = 2\nnoise = 2\nseed = "
            "0\nvalidation_images = 4\n");
  EXPECT_EQ(open("corpus = \"gaussian\"\nwidth = 8", 1)->canonical_text(),
            "corpus = \"gaussian\"\nwidth = 8\nnoise = 0\nseed = 0\nvalidation_samples = 1024\n");
}

TEST_F(data_table, files_are_looked_for_beside_the_file) {
  write("book.txt", std::string(2000, 'x'));
  write("t.bin", std::string(2000, '\1'));
  write("train-images-idx3-ubyte", std::string("\0\0\x08\x03\0\0\0\2\0\0\0\1\0\0\0\1ab", 18));
  write("train-labels-idx1-ubyte", std::string("\0\0\x08\x01\0\0\0\2\1\0", 10));
  write("t10k-images-idx3-ubyte", std::string("\0\0\x08\x03\0\0\0\1\0\0\0\1\0\0\0\1a", 17));
  write("t10k-labels-idx1-ubyte", std::string("\0\0\x08\x01\0\0\0\1\1", 9));
  for (int i = 1; i <= 5; ++i) write("data_batch_" + std::to_string(i) + ".bin", std::string(3073, '\2'));
  write("test_batch.bin", std::string(3073, '\3'));
  write("train.bin", std::string(3074, '\4'));
  write("test.bin", std::string(3074, '\5'));
  EXPECT_EQ(open("text = \"book.txt\"")->unit(), "byte");
  EXPECT_EQ(open("corpus = \"tokens\"\nfiles = [\"t.bin\"]\nvocabulary = 300")->unit(), "token");
  const auto classes = [&](const std::string& table) { return std::get<image_shape>(open(table, 1)->shape()).classes; };
  EXPECT_EQ(classes("corpus = \"mnist\"\nfolder = \".\""), 2u);
  EXPECT_EQ(classes("corpus = \"cifar10\"\nfolder = \".\"\nflip = true\ncrop_padding = 4"), 10u);
  EXPECT_EQ(classes("corpus = \"cifar100\"\nfolder = \".\""), 100u);
  EXPECT_EQ(open("corpus = \"cifar10\"\nfolder = \".\"", 1)->validation_rows(), 1u);
  std::filesystem::remove(folder / "data_batch_3.bin");
  EXPECT_NE(message("corpus = \"cifar10\"\nfolder = \".\"", 1).find("data_batch_3.bin is not there"),
            std::string::npos);
}

TEST_F(data_table, a_text_from_outside_takes_the_place_of_a_table_that_is_checked_all_the_same) {
  write("book.txt", std::string(2000, 'x'));
  EXPECT_EQ(open("bits = 7\nvalidation_documents = 3", 16, folder / "book.txt")->unit(), "byte");
  EXPECT_EQ(open("corpus = \"text\"\nvalidation_documents = 3", 16, folder / "book.txt")->validation_rows(), 3u);
  EXPECT_THROW(open("bits = 99", 16, folder / "book.txt"), std::invalid_argument);
}

TEST_F(data_table, errors_name_file_line_and_key) {
  const std::vector<std::array<std::string, 2>> cases{
      {"corpus = \"wiki\"", "file.toml:2: key \"data.corpus\": is \"wiki\"; valid are \"zm\" (synthetic"},
      {"corpus = \"zm\"\nlevels = 3", "levels"},
      {"corpus = \"facts\"\nlevels = 32", "file.toml:3: key \"data.levels\": is 32; valid is 1..31"},
      {"corpus = \"facts\"\nlevels = 20\ndigit_bits = 4", "data.digit_bits\": is 4; valid is 5..12"},
      {"corpus = \"facts\"\nnoise = 1", "data.noise\": is 1; valid is at least 0 and less than 1"},
      {"corpus = \"rhm\"\nsymbols = 4\nproductions = 4", "data.productions\": is 4; valid is 1..3"},
      {"corpus = \"rhm\"\ndepth = 0", "data.depth"},
      {"corpus = \"rhm\"\nseed = -1", "data.seed"},
      {"corpus = \"tokens\"", "data.files\": is missing"},
      {"corpus = \"tokens\"\nfiles = []", "data.files\": is empty"},
      {"corpus = \"tokens\"\nfiles = \"t.bin\"\nformat = \"gpt2\"", "data.format\": is \"gpt2\"; valid are \"auto\""},
      {"corpus = \"tokens\"\nfiles = \"t.bin\"\nvocabulary = 1", "data.vocabulary\": is 1"},
      {"corpus = \"tokens\"\nfiles = \"t.bin\"\nvalidation_fraction = 1", "data.validation_fraction"},
      {"corpus = \"tokens\"\nfiles = \"none.bin\"", "none.bin is not there"},
      {"corpus = \"mnist\"", "data.folder\": is missing"},
      {"corpus = \"mnist\"\nfolder = \".\"\ndeviation = 0", "data.deviation\": holds a number"},
      {"corpus = \"cifar10\"\nfolder = \".\"\ncrop_padding = 65", "data.crop_padding\": is 65"},
      {"corpus = \"images\"\nimages = \"x.npy\"", "data.labels\": is missing"},
      {"corpus = \"prototypes\"\nsize = 8\nshift = 4", "data.shift\": is 4; valid is 0..3"},
      {"corpus = \"prototypes\"\nnoise = 0", "data.noise"},
      {"corpus = \"gaussian\"", "data.width\": is missing"},
  };
  for (const auto& [table, expected] : cases) {
    const std::string text = message(table);
    EXPECT_NE(text.find(expected), std::string::npos) << table << " gave: " << text;
  }
}

TEST_F(data_table, sequences_need_a_model_that_reads_them) {
  for (const char* corpus : {"zm", "facts", "rhm"})
    EXPECT_NE(message("corpus = \"" + std::string(corpus) + "\"", 1).find("gives sequences of tokens"),
              std::string::npos);
}

TEST_F(data_table, names_of_kinds_are_unique) {
  std::map<std::string, int> names;
  for (const data_kind& k : data_kinds()) EXPECT_EQ(++names[std::string(k.name)], 1) << k.name;
}

}  // namespace
