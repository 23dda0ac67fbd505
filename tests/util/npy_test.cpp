#include "util/npy.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace binade;

class npy : public testing::Test {
 protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() /
             ("binade_npy_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    file = folder / "x.npy";
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  /// A file with this dictionary, as NumPy lays it out.
  void write(const std::string& dictionary, const std::string& data, int version = 1) const {
    std::string text = dictionary + '\n', bytes("\x93NUMPY");
    bytes += static_cast<char>(version);
    bytes += '\0';
    for (int i = 0; i < (version == 1 ? 2 : 4); ++i) bytes += static_cast<char>(text.size() >> (8 * i) & 0xff);
    write_bytes(bytes + text + data);
  }
  void write_bytes(const std::string& bytes) const { std::ofstream(file, std::ios::binary) << bytes; }
  std::string contents() const {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// What opening the file says: "" if nothing is wrong, "use: ..." or "damage: ...".
  std::string message() const {
    try {
      npy_file opened(file);
    } catch (const std::invalid_argument& e) {
      return std::string("use: ") + e.what();
    } catch (const std::runtime_error& e) {
      return std::string("damage: ") + e.what();
    }
    return "";
  }
  void expect_message(const std::string& begin, const std::string& part) const {
    const std::string text = message();
    EXPECT_TRUE(text.starts_with(begin + ": " + file.string())) << text;
    EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in " << text;
  }

  std::filesystem::path folder, file;
};

std::vector<float> floats_of(const std::filesystem::path& file) {
  const npy_file in(file);
  std::vector<float> values(in.header().count());
  in.read(0, values);
  return values;
}

TEST_F(npy, what_is_written_comes_back) {
  const std::vector<float> values{1, -2.5f, 0.0f, -0.0f, 1e-45f, std::numeric_limits<float>::infinity()};
  npy_writer out(file, {npy_type::float32, {2, 3}});
  EXPECT_EQ(out.write(std::span(values).first(2)), 0u);
  EXPECT_EQ(out.write(std::span(values).subspan(2)), 0u);
  EXPECT_FALSE(std::filesystem::exists(file));
  out.commit();
  const npy_file in(file);
  EXPECT_EQ(in.header(), (npy_header{npy_type::float32, {2, 3}}));
  const std::vector<float> read = floats_of(file);
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(std::bit_cast<std::uint32_t>(read[i]), std::bit_cast<std::uint32_t>(values[i])) << i;
  float one = 0;
  in.read(1, std::span(&one, 1));
  EXPECT_EQ(one, -2.5f);
  EXPECT_EQ(std::filesystem::file_size(file) % 64, 24u);  // the data begins at a multiple of 64
}

TEST_F(npy, every_type_and_shape_comes_back) {
  for (const npy_type type : {npy_type::float16, npy_type::bfloat16, npy_type::float32, npy_type::float64,
                              npy_type::uint8, npy_type::uint16, npy_type::uint32, npy_type::uint64})
    for (const std::vector<std::uint64_t>& shape : std::vector<std::vector<std::uint64_t>>{
             {}, {0}, {7}, {3, 0}, {2, 3, 4}, {1, 1, 1, 1, 5}, std::vector<std::uint64_t>(64, 1)}) {
      const npy_header header{type, shape};
      std::vector<std::byte> bytes(header.count() * size_of(type));
      for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(37 * i + 1);
      npy_writer out(file, header);
      out.write(bytes);
      out.commit();
      const npy_file in(file);
      EXPECT_EQ(in.header(), header);
      std::vector<std::byte> read(bytes.size());
      in.read(0, read);
      EXPECT_EQ(read, bytes);
    }
}

// Of each code its value by hand: sign, exponent field, trailing significand.
TEST_F(npy, values_of_every_16_bit_code_are_exact) {
  for (const auto& [type, exponent_bits] : {std::pair{npy_type::float16, 5}, std::pair{npy_type::bfloat16, 8}}) {
    std::vector<std::uint16_t> codes(65536);
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint16_t>(i);
    npy_writer out(file, {type, {65536}});
    out.write(std::as_bytes(std::span(codes)));
    out.commit();
    const std::vector<float> values = floats_of(file);
    const int trailing = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
    for (int code = 0; code < 65536; ++code) {
      const int field = code >> trailing & ((1 << exponent_bits) - 1), rest = code & ((1 << trailing) - 1);
      const float sign = code >> 15 != 0 ? -1.0f : 1.0f, got = values[static_cast<std::size_t>(code)];
      if (field == (1 << exponent_bits) - 1) {
        ASSERT_EQ(std::isnan(got), rest != 0) << code;
        ASSERT_EQ(std::isinf(got), rest == 0) << code;
        ASSERT_EQ(std::signbit(got), code >> 15 != 0) << code;
        continue;
      }
      const int significand = field == 0 ? rest : rest + (1 << trailing);
      ASSERT_EQ(got, sign * std::ldexp(static_cast<float>(significand), std::max(field, 1) - bias - trailing)) << code;
    }
    // And back: each value is its code again, and nothing was rounded.
    npy_writer again(file, {type, {65536}});
    EXPECT_EQ(again.write(values), 0u);
    again.commit();
    std::vector<std::uint16_t> back(65536);
    npy_file(file).read(0, std::as_writable_bytes(std::span(back)));
    for (std::size_t i = 0; i < codes.size(); ++i) ASSERT_TRUE(std::isnan(values[i]) || back[i] == codes[i]) << i;
  }
}

TEST_F(npy, what_a_type_cannot_hold_is_rounded_to_nearest_even_and_counted) {
  npy_writer out(file, {npy_type::float16, {6}});
  const std::vector<float> values{1, 1 + 0x1p-11f, 1 + 0x3p-11f, 65520, 0x1p-25f, std::nanf("")};
  EXPECT_EQ(out.write(values), 4u);
  out.commit();
  const std::vector<float> read = floats_of(file);
  EXPECT_EQ(std::vector<float>(read.begin(), read.begin() + 5),
            (std::vector<float>{1, 1, 1 + 0x4p-11f, std::numeric_limits<float>::infinity(), 0}));
  EXPECT_TRUE(std::isnan(read[5]));
}

TEST_F(npy, float64_gives_float32_numbers_or_an_error_that_names_the_element) {
  npy_writer out(file, {npy_type::float64, {3}});
  const std::vector<double> values{0.5, std::numeric_limits<double>::quiet_NaN(), 0.1};
  out.write(std::as_bytes(std::span(values)));
  out.commit();
  const npy_file in(file);
  std::vector<float> two(2), three(3);
  in.read(0, two);
  EXPECT_EQ(two[0], 0.5f);
  EXPECT_TRUE(std::isnan(two[1]));
  try {
    in.read(0, three);
    FAIL();
  } catch (const std::invalid_argument& e) {
    EXPECT_NE(std::string(e.what()).find("element 2"), std::string::npos) << e.what();
  }
}

TEST_F(npy, headers_of_other_writers_are_read) {
  const std::string data(24, '\0');
  for (const char* text : {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
                           "{'descr':'<f4','fortran_order':False,'shape':(2,3)}",
                           "{\"shape\": (2L, 3L,), \"fortran_order\": False, \"descr\": \"<f4\"}       ",
                           "  { 'shape' : ( 2 , 3 ) ,\t'descr' : '=f4' , 'fortran_order' : False }"})
    for (const int version : {1, 2, 3}) {
      write(text, data, version);
      EXPECT_EQ(message(), "") << text;
      EXPECT_EQ(npy_file(file).header(), (npy_header{npy_type::float32, {2, 3}}));
    }
  write("{'descr': '|V2', 'fortran_order': True, 'shape': (1, 12, 1)}", data);
  EXPECT_EQ(npy_file(file).header(), (npy_header{npy_type::bfloat16, {1, 12, 1}}));
  write("{'descr': '>u1', 'fortran_order': False, 'shape': (24,)}", data);
  EXPECT_EQ(npy_file(file).header().type, npy_type::uint8);
}

TEST_F(npy, every_shorter_and_every_longer_file_is_refused_by_name) {
  npy_writer out(file, {npy_type::float32, {2, 3}});
  out.write(std::vector<float>(6, 1.0f));
  out.commit();
  const std::string whole = contents();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_bytes(whole.substr(0, size));
    expect_message("damage", size < 6 ? "" : "truncated");
  }
  write_bytes(whole + '\0');
  expect_message("damage", "1 bytes longer");
}

TEST_F(npy, headers_that_lie_are_refused_before_anything_is_allocated) {
  const std::string data(24, '\0');
  const auto shaped = [&](const std::string& shape) {
    write("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + "}", data);
  };
  shaped("(4294967296, 4294967296)");
  expect_message("damage", "more than any file holds");
  shaped("(4611686018427387904,)");
  expect_message("damage", "more than any file holds");
  shaped("(9223372036854775807,)");
  expect_message("damage", "more than any file holds");
  shaped("(1000000000000,)");
  expect_message("damage", "truncated");
  shaped("(0, 4294967296, 4294967296)");
  expect_message("damage", "24 bytes longer");
  for (const char* shape : {"(9223372036854775808,)", "(99999999999999999999999,)", "(-1,)", "(6)", "[6]", "(6", "6",
                            "(2 3)", "(2,,3)", "(,)", "(True,)", "(6.0,)"}) {
    shaped(shape);
    expect_message("damage", "its header is not that of a .npy file");
  }
  std::string many = "(";
  for (int i = 0; i < 65; ++i) many += "1,";
  shaped(many + ")");
  expect_message("damage", "its header is not that of a .npy file");
  for (const char* text :
       {"", "{}", "{'descr': '<f4', 'shape': (6,)}", "{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': 1}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} and more", "{'descr': '<f4', 'fortran_order': False",
        "{'descr': '<f4\\x00', 'fortran_order': False, 'shape': (6,)}",
        "{'descr': 4, 'fortran_order': False, 'shape': (6,)}"}) {
    write(text, data);
    expect_message("damage", "its header is not that of a .npy file");
  }
  write_bytes("\x93NUMPY\x02" + std::string(1, '\0') + "\xff\xff\xff\xff" + data);
  expect_message("damage", "claims 4294967295 bytes");
  write_bytes("\x93NUMPY\x04" + std::string(1, '\0') + data);
  expect_message("damage", "version 4.0");
  write_bytes("PK\x03\x04 an archive of several arrays");
  expect_message("damage", "is no .npy file");
}

TEST_F(npy, sound_files_that_are_not_read_say_what_to_do) {
  const auto described = [&](const std::string& descr, const std::string& order = "False") {
    write("{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': (2, 2)}", std::string(32, '\0'));
  };
  described("'|O'");
  expect_message("use", "Python objects");
  described("'>f8'");
  expect_message("use", "newbyteorder");
  described("'<f8'", "True");
  expect_message("use", "ascontiguousarray");
  described("[('a', '<f4'), ('b', '<f4')]");
  expect_message("use", "several fields");
  for (const char* descr :
       {"'<i2'", "'<c8'", "'|b1'", "'<f16'", "'<U2'", "'<M8[ns]'", "''", "'f4'", "'<'", "'bfloat16'"}) {
    described(descr);
    expect_message("use", "holds elements of type " + std::string(descr));
  }
  described("'<V1'");
  expect_message("use", "x.view(numpy.uint8)");
  std::filesystem::remove(file);
  expect_message("use", "is not there");
  std::filesystem::create_directory(file);
  expect_message("use", "is no regular file");
  std::filesystem::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  expect_message("use", "is no regular file");
}

TEST_F(npy, a_file_that_shrinks_while_it_is_read_is_an_error) {
  npy_writer out(file, {npy_type::float32, {1000}});
  out.write(std::vector<float>(1000));
  out.commit();
  const npy_file in(file);
  std::filesystem::resize_file(file, 200);
  std::vector<float> values(1000);
  EXPECT_THROW(in.read(0, values), std::runtime_error);
}

TEST_F(npy, a_write_that_cannot_finish_keeps_the_old_file_and_leaves_nothing_behind) {
  write_bytes("old");
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{.rlim_cur = 4096, .rlim_max = old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  std::string what;
  try {
    npy_writer out(file, {npy_type::float32, {100000}});
    out.write(std::vector<float>(100000));
    out.commit();
  } catch (const std::runtime_error& e) {
    what = e.what();
  }
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_NE(what.find(file.string() + ": File too large"), std::string::npos) << what;
  EXPECT_EQ(contents(), "old");
  { npy_writer given_up(file, {npy_type::float32, {2}}); }
  EXPECT_EQ(contents(), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()), 1);
}

TEST_F(npy, a_wrong_number_of_elements_is_a_mistake_of_the_program) {
  npy_writer out(file, {npy_type::uint8, {2}});
  const std::vector<std::byte> three(3);
  EXPECT_THROW(out.write(three), std::logic_error);
  EXPECT_THROW(out.commit(), std::logic_error);
}

TEST_F(npy, a_device_or_a_folder_is_never_replaced) {
  EXPECT_THROW(npy_writer("/dev/null", {npy_type::uint8, {2}}), std::runtime_error);
  std::filesystem::create_directory(file);
  EXPECT_THROW(npy_writer(file, {npy_type::uint8, {2}}), std::runtime_error);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

}  // namespace
