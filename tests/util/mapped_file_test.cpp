#include "util/mapped_file.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace {

using binade::mapped_file;

class mapping : public testing::Test {
 protected:
  void SetUp() override {
    file = std::filesystem::temp_directory_path() /
           ("binade_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    write("0123456789");
  }
  void TearDown() override { std::filesystem::remove(file); }

  void write(const std::string& bytes) const { std::ofstream(file, std::ios::binary) << bytes; }
  static std::string text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  static std::string message(const mapped_file& of) {
    try {
      of.bytes();
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "";
  }

  std::filesystem::path file;
};

TEST_F(mapping, shows_the_bytes_of_the_file) {
  const mapped_file in(file, "a file");
  EXPECT_EQ(in.size(), 10u);
  EXPECT_EQ(text(in.bytes()), "0123456789");
  EXPECT_EQ(text(in.bytes(3, 4)), "3456");
  EXPECT_EQ(text(in.bytes(10, 0)), "");
}

TEST_F(mapping, of_an_empty_file_is_empty) {
  write("");
  EXPECT_TRUE(mapped_file(file, "a file").bytes().empty());
}

TEST_F(mapping, survives_that_the_file_is_replaced_or_removed) {
  const mapped_file in(file, "a file");
  std::filesystem::rename(file, file.string() + ".old");
  write("other");
  std::filesystem::remove(file.string() + ".old");
  EXPECT_EQ(text(in.bytes()), "0123456789");
}

TEST_F(mapping, of_a_file_that_somebody_writes_to_or_shortens_is_refused) {
  const mapped_file in(file, "a file");
  std::filesystem::last_write_time(file, std::filesystem::last_write_time(file) + std::chrono::nanoseconds(1));
  EXPECT_EQ(message(in), file.string() + " cannot be used: somebody wrote to it while it was read");
  std::filesystem::resize_file(file, 9);
  EXPECT_EQ(message(in), file.string() + " cannot be used: it became shorter while it was read");
}

TEST_F(mapping, is_told_from_another_file_of_that_name) {
  const mapped_file in(file, "a file");
  in.require_same(binade::input_file(file, "a file"));
  std::filesystem::rename(file, file.string() + ".old");
  write("0123456789");
  EXPECT_THROW(in.require_same(binade::input_file(file, "a file")), std::runtime_error);
  std::filesystem::remove(file.string() + ".old");
}

TEST_F(mapping, of_what_is_no_file_is_refused) {
  EXPECT_THROW(mapped_file("/dev/zero", "a file"), std::invalid_argument);
  EXPECT_THROW(mapped_file(file.string() + ".none", "a file"), std::invalid_argument);
}

}  // namespace
