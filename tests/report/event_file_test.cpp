#include "report/event_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "report/crafted_study.hpp"
#include "report/report.hpp"
#include "util/crc32c.hpp"

namespace {

using namespace binade;

std::string hexadecimal(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    text += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    text += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

TEST(crc32c, gives_the_values_of_rfc_3720) {
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending += c;
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  EXPECT_EQ(crc32c(ascending), 0x46DD794Eu);
}
TEST(crc32c, is_what_one_bit_after_the_other_gives_for_any_length) {
  std::string bytes;
  std::uint32_t want = 0xFFFFFFFFu;
  for (std::uint32_t i = 0; i < 100; ++i) {
    EXPECT_EQ(crc32c(bytes), want ^ 0xFFFFFFFFu) << bytes.size();
    bytes += static_cast<char>(i * 151 % 256);
    want ^= i * 151 % 256;
    for (int bit = 0; bit < 8; ++bit) want = (want >> 1) ^ (want & 1 ? 0x82F63B78u : 0u);
  }
}

// What TensorBoard 2.20's RecordWriter makes of event_pb2.Event messages of the same fields.
TEST(event_file, has_the_bytes_of_tensorboards_own_writer) {
  EXPECT_EQ(hexadecimal(event_file_head(1.5)),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c");
  EXPECT_EQ(hexadecimal(event_restart(1.5, 301)), "100000000000000095fbfe1809000000000000f83f10ad023a020801d17949d4");
  EXPECT_EQ(
      hexadecimal(event_values(2, 300, {{"loss", 2.5}, {"amax/head", std::numeric_limits<double>::infinity()}})),
      "2d000000000000003c418afb09000000000000004010ac022a1f0a0b0a046c6f737315000020400a100a09616d61782f686561641500"
      "00807fa6fa4536");
}

TEST(event_file, shares_are_of_the_elements_that_are_not_zero) {
  counter_record row{.site = "head",
                     .gemm = "forward",
                     .operand = "input",
                     .count = 10,
                     .nonzero = 8,
                     .saturated = 2,
                     .underflowed = 4,
                     .amax = 3,
                     .sqnr_db = 20};
  const auto scalars = scalars_of(row);
  EXPECT_EQ(scalars.at(0).name, "saturated/head/forward/input");
  EXPECT_EQ(scalars.at(0).value, 0.25);
  EXPECT_EQ(scalars.at(1).value, 0.5);
  EXPECT_EQ(scalars.size(), 4u);
  row.details = {.nans = 1, .infinities = 2, .exact = 5, .subnormal = 2, .top_binade = 6, .headroom = 0.5};
  const auto more = scalars_of(row);
  EXPECT_EQ(more.at(4).name, "not_finite/head/forward/input");
  EXPECT_EQ(more.at(4).value, 0.3);
  EXPECT_EQ(more.at(5).value, 0.5);
  EXPECT_EQ(more.at(6).value, 0.25);
  EXPECT_EQ(more.at(7).value, 0.75);
  EXPECT_EQ(more.at(9).name, "headroom/head/forward/input");
  row.details->headroom = row.details->largest_scale = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(scalars_of(row).size(), more.size() - 2);
  row.nonzero = row.saturated = row.underflowed = 0;
  EXPECT_EQ(scalars_of(row).at(0).value, 0);
}

TEST(event_file, exponents_are_a_histogram_of_buckets_of_one_exponent) {
  counter_record row{.site = "head", .gemm = "forward", .operand = "input"};
  EXPECT_FALSE(histogram_of(row));
  row.details = rounding_details{};
  EXPECT_FALSE(histogram_of(row));
  row.details->exponents = {.zeros = 3, .first = -2, .counts = {1, 4}};
  const named_histogram histogram = histogram_of(row).value();
  EXPECT_EQ(histogram.name, "exponents/head/forward/input");
  const std::string bytes = hexadecimal(event_values(2, 1, {}, {histogram}));
  // Limits -1 and 0, counts 1 and 4: HistogramProto's bucket_limit and bucket.
  EXPECT_NE(bytes.find("3210000000000000f0bf0000000000000000"), std::string::npos) << bytes;
  EXPECT_NE(bytes.find("3a10000000000000f03f0000000000001040"), std::string::npos) << bytes;
}

TEST(event_file, names_sort_by_step_and_those_of_an_abandoned_continuation_go) {
  crafted::temporary_folder folder;
  for (const std::int64_t step : {0, 30, 100, 2000}) std::ofstream(event_file_path(folder.path(), step)) << "x";
  std::ofstream(folder.path() / "events.out.tfevents.of.another") << "x";
  EXPECT_LT(event_file_path(folder.path(), 30), event_file_path(folder.path(), 100));
  remove_later_event_files(folder.path(), 100);
  EXPECT_TRUE(std::filesystem::exists(event_file_path(folder.path(), 100)));
  EXPECT_FALSE(std::filesystem::exists(event_file_path(folder.path(), 2000)));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "events.out.tfevents.of.another"));
}

TEST(event_file, of_a_trial_is_its_rows_step_after_step) {
  crafted::temporary_folder folder;
  crafted::study_builder study(folder.path());
  study.done("a/b", 1e-3, 0, 0.6);
  const std::int64_t trial = study.store().trials().at(0).id;
  store_batch batch;
  batch.evaluations = {{.trial = trial, .step = 100, .validation_loss = 3}};
  batch.measurements = {{.trial = trial, .step = 0, .subject = "head", .quantity = "input_rms", .value = 1.5}};
  study.store().write(batch);
  export_events(study.store(), folder.path() / "events");
  std::size_t runs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path() / "events")) {
    ++runs;
    const std::string bytes = crafted::contents_of(event_file_path(entry.path(), 0));
    EXPECT_NE(entry.path().filename().string().find("a_b lr 1e-3 seed 0"), std::string::npos) << entry.path();
    EXPECT_NE(bytes.find("input_rms/head"), std::string::npos);
    EXPECT_NE(bytes.find("validation_loss"), std::string::npos);
  }
  EXPECT_EQ(runs, 1u);
}

}  // namespace
