#include "report/event_file.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>

#include "util/crc32c.hpp"

namespace binade {
namespace {

constexpr std::string_view file_mark = "events.out.tfevents.";  // TensorBoard looks for tfevents in a name
constexpr std::size_t step_digits = 10;

template <class Integer>
std::string little_endian(Integer value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof(value); ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xFF);
  return bytes;
}

// TensorFlow's mask: the CRC of data that holds CRCs would be weak.
std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

/// Protocol buffers' wire format, as much of it as events need.  A field of a number says the type of what follows.
enum wire_type : unsigned { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

std::string as_varint(std::uint64_t value) {
  std::string result;
  for (; value >= 128; value >>= 7) result += static_cast<char>((value & 127) | 128);
  return result + static_cast<char>(value);
}
std::string field(unsigned number, wire_type type, std::string_view content) {
  return as_varint((number << 3) | type) + std::string(content);
}
std::string text_field(unsigned number, std::string_view text) {
  return field(number, bytes, as_varint(text.size()) + std::string(text));
}

// Event: wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7.
std::string event(double wall_time, std::int64_t step, std::string_view content) {
  std::string message = field(1, fixed64, little_endian(std::bit_cast<std::uint64_t>(wall_time)));
  if (step != 0) message += field(2, varint, as_varint(static_cast<std::uint64_t>(step)));
  return tf_record(message.append(content));
}

std::string double_field(unsigned number, double value) {
  return field(number, fixed64, little_endian(std::bit_cast<std::uint64_t>(value)));
}

// HistogramProto: min = 1, max = 2, num = 3, sum = 4, sum_squares = 5, bucket_limit = 6 and bucket = 7, both packed.
// Of every exponent e a bucket that ends at e + 1, of numbers in the middle.
std::string histogram(const exponent_counts& exponents) {
  double count = 0, sum = 0, squares = 0;
  std::string limits, buckets;
  double limit = exponents.first;
  const auto add = [](std::string& to, double x) { to += little_endian(std::bit_cast<std::uint64_t>(x)); };
  for (const std::int64_t elements : exponents.counts) {
    const double n = static_cast<double>(elements), middle = limit + 0.5;
    limit += 1;
    count += n;
    sum += n * middle;
    squares += n * middle * middle;
    add(limits, limit);
    add(buckets, n);
  }
  return double_field(1, exponents.first) + double_field(2, limit) + double_field(3, count) + double_field(4, sum) +
         double_field(5, squares) + text_field(6, limits) + text_field(7, buckets);
}

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::vector<named_scalar> scalars_of(const step_record& r) {
  std::vector<named_scalar> scalars{{"loss", r.loss},
                                    {"learning_rate", r.learning_rate},
                                    {"gradient_norm", r.gradient_norm},
                                    {"clipped", r.clipped ? 1.0 : 0.0}};
  if (r.floor) scalars.push_back({"floor", *r.floor});
  return scalars;
}
std::vector<named_scalar> scalars_of(const counter_record& r) {
  const std::string place = "/" + r.site + "/" + r.gemm + "/" + r.operand;
  std::vector<named_scalar> scalars{{"saturated" + place, share(r.saturated, r.nonzero)},
                                    {"underflowed" + place, share(r.underflowed, r.nonzero)},
                                    {"amax" + place, r.amax},
                                    {"sqnr_db" + place, r.sqnr_db}};
  if (!r.details) return scalars;
  const rounding_details& d = *r.details;
  scalars.push_back({"not_finite" + place, share(d.nans + d.infinities, r.count)});
  scalars.push_back({"exact" + place, share(d.exact, r.count)});
  scalars.push_back({"subnormal" + place, share(d.subnormal, r.nonzero)});
  scalars.push_back({"top_binade" + place, share(d.top_binade, r.nonzero)});
  if (!std::isnan(d.largest_scale)) scalars.push_back({"scale" + place, d.largest_scale});
  if (!std::isnan(d.headroom)) scalars.push_back({"headroom" + place, d.headroom});
  scalars.push_back({"bias" + place, d.bias});
  scalars.push_back({"cosine" + place, d.cosine});
  return scalars;
}
std::optional<named_histogram> histogram_of(const counter_record& r) {
  if (!r.details || r.details->exponents.counts.empty()) return std::nullopt;
  return named_histogram{"exponents/" + r.site + "/" + r.gemm + "/" + r.operand, r.details->exponents};
}
std::vector<named_scalar> scalars_of(const measurement_record& r) {
  return {{r.quantity + "/" + r.subject, r.value}};
}
std::vector<named_scalar> scalars_of(const evaluation_record& r) {
  return {{"validation_loss", r.validation_loss}};
}

std::string tf_record(std::string_view data) {
  const std::string length = little_endian(static_cast<std::uint64_t>(data.size()));
  return length + little_endian(masked_crc(length)) + std::string(data) + little_endian(masked_crc(data));
}

std::string event_file_head(double wall_time) {
  return event(wall_time, 0, text_field(3, "brain.Event:2"));
}

std::string event_restart(double wall_time, std::int64_t step) {
  return event(wall_time, step, text_field(7, field(1, varint, as_varint(1))));  // SessionLog.status = START
}

std::string event_values(double wall_time, std::int64_t step, const std::vector<named_scalar>& scalars,
                         const std::vector<named_histogram>& histograms) {
  std::string summary;
  for (const auto& [name, value] : scalars)  // Summary.value = 1; Value: tag = 1, simple_value = 2
    summary +=
        text_field(1, text_field(1, name) +
                          field(2, fixed32, little_endian(std::bit_cast<std::uint32_t>(static_cast<float>(value)))));
  for (const auto& [name, exponents] : histograms)  // Value: histo = 5
    summary += text_field(1, text_field(1, name) + text_field(5, histogram(exponents)));
  return event(wall_time, step, text_field(5, summary));
}

std::filesystem::path event_file_path(const std::filesystem::path& folder, std::int64_t first_step) {
  std::string digits = std::to_string(first_step);
  digits.insert(0, step_digits - std::min(step_digits, digits.size()), '0');
  return folder / (std::string(file_mark) + digits);
}

void remove_later_event_files(const std::filesystem::path& folder, std::int64_t first_step) {
  const std::string last = event_file_path(folder, first_step).filename();
  std::vector<std::filesystem::path> later;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    const bool is_ours = name.starts_with(file_mark) && name.size() == last.size() &&
                         name.find_first_not_of("0123456789", file_mark.size()) == name.npos;
    if (is_ours && name > last) later.push_back(entry.path());
  }
  for (const auto& path : later) std::filesystem::remove(path);
}

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace binade
