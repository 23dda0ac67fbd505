#include "data/text_source.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "data/data_kind.hpp"
#include "data/mix.hpp"
#include "data/validation_range.hpp"
#include "util/hash.hpp"

namespace binade {
namespace {

constexpr double most_control_characters = 0.02;  // random bytes have 10 %

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& why) {
  throw std::invalid_argument("text data: " + file.string() + " " + why);
}

/// How often each byte stands in [first, last) of a text; adds them to the digest.
std::vector<std::uint64_t> count_bytes(const mapped_file& file, std::size_t first, std::size_t last,
                                       byte_hasher& digest) {
  std::vector<std::uint64_t> counts(256);
  constexpr std::size_t longest = std::size_t{1} << 20;  // each look asks whether the file is as it was
  for (; first < last; first += std::min(longest, last - first)) {
    const std::span<const std::byte> bytes = file.bytes(first, std::min(longest, last - first));
    for (const std::byte b : bytes) ++counts[std::to_integer<std::size_t>(b)];
    if (counts[0] > 0)
      refuse(
          file.path(),
          "is binary: byte " +
              std::to_string(first + std::size_t(std::find(bytes.begin(), bytes.end(), std::byte{0}) - bytes.begin())) +
              " is NUL; give plain text (UTF-8 or another encoding of single bytes; convert UTF-16, unpack archives)");
    digest.add(bytes);
  }
  return counts;
}

void refuse_control_characters(const mapped_file& file, const std::vector<std::uint64_t>& training,
                               const std::vector<std::uint64_t>& validation) {
  constexpr std::string_view usual = "\t\n\v\f\r\b\x1b";
  std::uint64_t controls = 0;
  for (std::size_t c = 0; c < 128; ++c)
    if ((c < 32 || c == 127) && usual.find(static_cast<char>(c)) == usual.npos) controls += training[c] + validation[c];
  if (static_cast<double>(controls) / static_cast<double>(file.size()) > most_control_characters)
    refuse(file.path(), "is binary: " + std::to_string(controls) + " of " + std::to_string(file.size()) +
                            " bytes are control characters, more than 2 %; give plain text");
}

}  // namespace

text_source::text_source(const std::filesystem::path& file, std::size_t context, std::size_t validation_rows)
    : file_(file, "a plain text file"), name_(file.filename().string()), context_(context) {
  if (context < 1 || validation_rows < 1)
    throw std::invalid_argument("text_source: context is " + std::to_string(context) + " and validation_rows is " +
                                std::to_string(validation_rows) + "; both must be at least 1");
  const std::size_t size = file_.size();
  if (size == 0) refuse(file, "is empty; give a plain text file");
  training_bytes_ = size / 10 * 9 + size % 10 * 9 / 10;
  const std::size_t validation_bytes = size - training_bytes_;
  if (validation_bytes < context || training_bytes_ < context)
    refuse(file, "has " + std::to_string(size) + " bytes, so that 10 % for validation are " +
                     std::to_string(validation_bytes) + ", and one sequence is " + std::to_string(context) +
                     " bytes; give a text of at least " + std::to_string(10 * context) + " bytes or a smaller context");
  byte_hasher digest;
  const std::vector<std::uint64_t> training = count_bytes(file_, 0, training_bytes_, digest),
                                   validation = count_bytes(file_, training_bytes_, size, digest);
  refuse_control_characters(file_, training, validation);
  digest_ = digest.digest();
  validation_pieces_ = validation_bytes / context;
  validation_rows_ = std::min(validation_rows, validation_pieces_);
  unigram_entropy_ = entropy_of_counts(training);
}

token_batch text_source::empty_batch(std::size_t rows) const {
  return {.rows = rows,
          .length = context_,
          .inputs = std::vector<std::int32_t>(rows * context_),
          .targets = std::vector<std::int32_t>(rows * context_),
          .predicted = rows * context_,
          .floor = {}};
}

void text_source::write_row(token_batch& batch, std::size_t row, std::size_t first_byte) const {
  const std::span<const std::byte> bytes = file_.bytes(first_byte, context_);
  std::int32_t before = start;
  for (std::size_t t = 0; t < context_; ++t) {
    const auto byte = std::to_integer<std::int32_t>(bytes[t]);
    batch.inputs[row * context_ + t] = before;
    batch.targets[row * context_ + t] = byte;
    before = byte;
  }
}

token_batch text_source::training_tokens(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const {
  token_batch batch = empty_batch(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::uint64_t u = derived_seed(data_seed, step * rows + r);
    write_row(batch, r, scaled_below(u, training_bytes_ - context_ + 1));
  }
  return batch;
}

token_batch text_source::validation_tokens(std::size_t first, std::size_t rows) const {
  require_validation_range("text_source::validation_tokens", "sequences", first, rows, validation_rows_);
  token_batch batch = empty_batch(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t piece = (first + r) * validation_pieces_ / validation_rows_;
    write_row(batch, r, training_bytes_ + piece * context_);
  }
  return batch;
}

std::string text_source::description() const {
  return "text " + name_ + ": " + std::to_string(file_.size()) +
         " bytes, the last 10 % for validation; validation on " + std::to_string(validation_rows_) + " sequences of " +
         std::to_string(context_) + " bytes";
}

std::string text_source::canonical_text() const {
  return "corpus = \"text\"\nbytes = " + std::to_string(file_.size()) + "\nxxh3 = \"" + digest_ +
         "\"\nvalidation_documents = " + std::to_string(validation_rows_) + "\n";
}

data_kind text_kind() {
  return {"text", "a file, as bytes", [](const data_request& r) -> data_opener {
            const bool has_file = r.table.has("text");
            if (r.text.empty() && !has_file)
              r.table.fail("corpus",
                           "is \"text\" and no file is named; say text = \"FILE\" here or --data FILE on the command "
                           "line");
            const std::filesystem::path file = r.text.empty() ? r.path("text") : r.text;
            const std::size_t context = r.sequence_length(), rows = r.validation_documents();
            return [=] { return std::make_unique<text_source>(file, context, rows); };
          }};
}

}  // namespace binade
