#include "util/safetensors.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "util/atomic_file.hpp"

namespace {

using namespace binade;

class safetensors : public testing::Test {
 protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() /
             ("binade_safetensors_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    file = folder / "a.safetensors";
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  void write_example() const {
    const std::vector<stored_tensor> tensors{stored("w", {2, 3}, weights), stored("history", {3}, history),
                                             stored("empty", {0, 4}, std::span<const float>())};
    write_safetensors(file, tensors, {{"step", "7"}, {"text", "quotes \" and\nlines, 0000000000000000"}});
  }
  std::string contents() const {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void replace_contents(const std::string& bytes) const { std::ofstream(file, std::ios::binary) << bytes; }
  std::string message() const {
    try {
      safetensors_file::read(file);
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "";
  }

  std::filesystem::path folder, file;
  const std::vector<float> weights{1, -2.5f, 0, 3, 4, 1e-45f};
  const std::vector<double> history{0.1, 5e-324, -1};
};

TEST_F(safetensors, every_bit_and_every_text_comes_back) {
  write_example();
  const auto read = safetensors_file::read(file);
  EXPECT_TRUE(read.has_checksum());
  EXPECT_EQ(read.tensors().size(), 3u);
  EXPECT_EQ(read.at("w").shape, (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(std::vector<float>(read.at("w").f32().begin(), read.at("w").f32().end()), weights);
  EXPECT_EQ(std::vector<double>(read.at("history").f64().begin(), read.at("history").f64().end()), history);
  EXPECT_EQ(read.at("empty").count(), 0u);
  EXPECT_EQ(read.metadata(),
            (std::map<std::string, std::string>{{"step", "7"}, {"text", "quotes \" and\nlines, 0000000000000000"}}));
  EXPECT_FALSE(read.has("v"));
  EXPECT_THROW(read.at("v"), std::runtime_error);
  EXPECT_THROW(read.at("w").f64(), std::runtime_error);
}

TEST_F(safetensors, every_shorter_file_is_refused_by_name) {
  write_example();
  const std::string whole = contents();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    replace_contents(whole.substr(0, size));
    ASSERT_NE(message().find(file.string()), std::string::npos) << size << " bytes";
  }
}

TEST_F(safetensors, a_flipped_bit_in_any_byte_is_noticed) {
  write_example();
  const std::string whole = contents();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 4);
    replace_contents(changed);
    // A damaged key of the checksum is a file without one, which a reader that needs it refuses.
    ASSERT_TRUE(message() != "" || !safetensors_file::read(file).has_checksum()) << "byte " << i;
  }
}

TEST_F(safetensors, other_files_are_refused_with_the_reason) {
  EXPECT_NE(message().find("is not there"), std::string::npos);
  replace_contents("just some text, longer than eight bytes");
  EXPECT_NE(message().find("no safetensors file"), std::string::npos);
  replace_contents(std::string("\x10\0\0\0\0\0\0\0", 8) + std::string(100, '{'));
  EXPECT_NE(message().find("no JSON object"), std::string::npos);
  // A header that promises far more than the file holds must not be believed.
  const std::string header = R"({"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})";
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  replace_contents(bytes + header + std::string(8, 'x'));
  EXPECT_NE(message().find("larger than the file"), std::string::npos);
}

TEST_F(safetensors, a_file_of_another_writer_is_read_whatever_its_alignment) {
  const std::string header = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} )";
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  const float value = 1.5f;
  std::string data(4, '\0');
  std::memcpy(data.data(), &value, 4);
  replace_contents(bytes + header + data);
  EXPECT_EQ(safetensors_file::read(file).at("w").f32()[0], 1.5f);
  EXPECT_FALSE(safetensors_file::read(file).has_checksum());
}

TEST_F(safetensors, narrow_floats_come_as_the_float32_numbers_that_they_are) {
  const std::vector<std::uint16_t> half{0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x7c00},
      brain{0x3f80, 0xc000, 0x0001, 0x7f7f, 0x8000, 0x7f80};
  const std::vector<std::uint8_t> e4m3{0x38, 0xc0, 0x01, 0x7e}, e5m2{0x3c, 0xc0, 0x01, 0x7b};
  const auto bytes = [](const auto& values) { return std::as_bytes(std::span(values)); };
  const std::vector<stored_tensor> tensors{
      {"e5m2", "F8_E5M2", {4}, bytes(e5m2)}, {"e4m3", "F8_E4M3", {2, 2}, bytes(e4m3)},
      {"brain", "BF16", {6}, bytes(brain)},  {"half", "F16", {6}, bytes(half)},
      {"ids", "U16", {6}, bytes(half)},      stored("w", {2, 3}, weights)};
  write_safetensors(file, tensors, {});
  const auto read = safetensors_file::read(file);
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(read.at("half").to_f32(), (std::vector<float>{1, -2, 0x1p-24f, 65504, -0.0f, infinity}));
  EXPECT_EQ(read.at("brain").to_f32(), (std::vector<float>{1, -2, 0x1p-133f, 0x1.fep127f, -0.0f, infinity}));
  EXPECT_TRUE(std::signbit(read.at("half").to_f32()[4]) && std::signbit(read.at("brain").to_f32()[4]));
  EXPECT_EQ(read.at("e4m3").to_f32(), (std::vector<float>{1, -2, 0x1p-9f, 448}));
  EXPECT_EQ(read.at("e5m2").to_f32(), (std::vector<float>{1, -2, 0x1p-16f, 57344}));
  EXPECT_EQ(read.at("w").to_f32(), weights);
  EXPECT_EQ(read.at("ids").bytes.size(), 12u);
  EXPECT_THROW(read.at("ids").to_f32(), std::runtime_error);
  EXPECT_THROW(read.at("half").f32(), std::runtime_error);
}

TEST_F(safetensors, a_write_that_cannot_finish_keeps_the_old_file_and_leaves_nothing_behind) {
  write_example();
  const std::string before = contents();
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{.rlim_cur = 4096, .rlim_max = old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  std::string what;
  try {
    const std::vector<float> large(100000);
    const std::vector<stored_tensor> tensors{stored("w", {large.size()}, large)};
    write_safetensors(file, tensors, {});
  } catch (const std::runtime_error& e) {
    what = e.what();
  }
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_NE(what.find(file.string()), std::string::npos) << what;
  EXPECT_EQ(contents(), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()), 1);
}

TEST_F(safetensors, a_folder_that_is_not_there_is_an_error_that_names_the_file) {
  try {
    write_atomically(folder / "none" / "b", "text");
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("none/b: No such file or directory"), std::string::npos) << e.what();
  }
}

}  // namespace
