#include "data/image_source.hpp"

#include <algorithm>
#include <bit>
#include <span>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "data/mix.hpp"
#include "data/token_source.hpp"
#include "data/validation_range.hpp"
#include "report/number_text.hpp"
#include "util/hash.hpp"

namespace binade {
namespace {

constexpr std::uint64_t order_tag = 0x200, chance_tag = 0x201;  // of the seeds for the two uses of data_seed

/// The digest of what a run reads: bytes, or numbers as float32, and labels.
std::string digest_of(const labelled_images& images) {
  byte_hasher hash;
  std::vector<float> numbers(images.has_bytes() ? 0 : images.pixels());
  for (std::size_t i = 0; i < images.count(); ++i) {
    if (!images.has_bytes()) images.read(i, numbers);
    hash.add(images.has_bytes() ? images.bytes(i) : std::as_bytes(std::span(numbers)));
  }
  return hash.add(std::as_bytes(std::span(images.labels))).digest();
}

std::string list_of(const std::vector<double>& values) {
  std::string text;
  for (const double x : values) text += (text.empty() ? "[" : ", ") + exact_text(x);
  return text + "]";
}

}  // namespace

std::uint64_t permuted(std::uint64_t i, std::uint64_t n, std::uint64_t key) {
  // A Feistel network of six rounds permutes the numbers of 2 h bits; walking on until the number is below n makes it a
  // permutation of those.  2^(2 h) < 4 n, so that a walk has fewer than four steps on average.
  const int half = std::max(1, (static_cast<int>(std::bit_width(n - 1)) + 1) / 2);
  const std::uint64_t mask = (std::uint64_t{1} << half) - 1;
  do {
    std::uint64_t left = i >> half, right = i & mask;
    for (std::uint64_t round = 0; round < 6; ++round)
      left = std::exchange(right, left ^ (mix(derived_seed(key, round) ^ right) & mask));
    i = left << half | right;
  } while (i >= n);
  return i;
}

image_set_source::image_set_source(labelled_images training, labelled_images validation, image_set_settings settings)
    : training_(std::move(training)), validation_(std::move(validation)), settings_(std::move(settings)) {
  const auto refuse = [&](const std::string& why) { throw std::invalid_argument(settings_.name + " images: " + why); };
  const std::size_t channels = training_.channels;
  for (const auto& [images, which] : {std::pair(&training_, "training"), std::pair(&validation_, "validation")}) {
    if (images->count() == 0) refuse(std::string("there are none for ") + which);
    std::size_t stored = 0;
    for (const pixel_run& run : images->runs) stored += run.count;
    if (images->pixels() == 0 || stored != images->count())
      refuse(std::string("the pixels for ") + which + " are not those of " + std::to_string(images->count()) +
             " images");
    for (const std::int32_t label : images->labels)
      if (label < 0 || static_cast<std::size_t>(label) >= settings_.classes)
        refuse(std::string("a label for ") + which + " is " + std::to_string(label) + "; valid is 0.." +
               std::to_string(settings_.classes - 1));
  }
  if (std::tie(training_.channels, training_.height, training_.width) !=
      std::tie(validation_.channels, validation_.height, validation_.width))
    refuse("training and validation images differ in size");
  for (std::vector<double>* list : {&settings_.mean, &settings_.deviation}) {
    if (list->size() == 1) list->resize(channels, list->front());
    if (list->size() != channels)
      refuse(std::to_string(list->size()) + " means or deviations are given for " + std::to_string(channels) +
             " channels; give one for each, or one for all");
  }
  if (!std::all_of(settings_.deviation.begin(), settings_.deviation.end(), [](double d) { return d > 0; }))
    refuse("a deviation is not more than 0");
  for (std::size_t c = 0; c < channels; ++c)
    for (int byte = 0; byte < 256; ++byte)
      value_of_byte_.push_back(static_cast<float>((byte / 255.0 - settings_.mean[c]) / settings_.deviation[c]));
  validation_rows_ =
      settings_.validation_rows == 0 ? validation_.count() : std::min(settings_.validation_rows, validation_.count());
  training_digest_ = digest_of(training_);
  validation_digest_ = digest_of(validation_);
  std::vector<std::uint64_t> counts(settings_.classes);
  for (const std::int32_t label : training_.labels) ++counts[static_cast<std::size_t>(label)];
  label_entropy_ = entropy_of_counts(counts);
}

image_shape image_set_source::images() const {
  return {training_.channels, training_.height, training_.width, settings_.classes};
}

image_batch image_set_source::empty_batch(std::size_t rows) const {
  return {.rows = rows,
          .channels = training_.channels,
          .height = training_.height,
          .width = training_.width,
          .pixels = std::vector<float>(rows * training_.pixels()),
          .labels = std::vector<std::int32_t>(rows),
          .floor = {}};
}

void image_set_source::write_image(image_batch& batch, std::size_t row, const labelled_images& from, std::size_t index,
                                   std::uint64_t chance) const {
  batch.labels[row] = from.labels[index];
  // What `chance` is 0 for is the image as it is: shifts of crop_padding in both directions, not mirrored.
  const std::size_t padding = settings_.crop_padding, places = 2 * padding + 1;
  const bool is_mirrored = settings_.flip && chance >> 63 != 0;
  std::size_t down = padding, right = padding;
  if (padding > 0 && chance != 0) {
    down = static_cast<std::size_t>(scaled_below(derived_seed(chance, 0), places));
    right = static_cast<std::size_t>(scaled_below(derived_seed(chance, 1), places));
  }
  const bool has_bytes = from.has_bytes();
  std::span<const std::byte> bytes;
  std::vector<float> numbers;
  if (has_bytes) {
    bytes = from.bytes(index);
  } else {
    numbers.resize(from.pixels());
    from.read(index, numbers);
  }
  const std::size_t height = from.height, width = from.width;
  float* out = batch.pixels.data() + row * from.pixels();
  for (std::size_t c = 0; c < from.channels; ++c) {
    const float* table = value_of_byte_.data() + c * 256;
    const std::size_t plane = c * height * width;
    for (std::size_t y = 0; y < height; ++y)
      for (std::size_t x = 0; x < width; ++x, ++out) {
        // In the frame the image begins at (padding, padding); what is cut from it begins at (down, right).
        const std::size_t frame_y = y + down, frame_x = (is_mirrored ? width - 1 - x : x) + right;
        const bool is_inside =
            frame_y >= padding && frame_y - padding < height && frame_x >= padding && frame_x - padding < width;
        const std::size_t at = is_inside ? plane + (frame_y - padding) * width + (frame_x - padding) : 0;
        if (has_bytes) {
          *out = table[is_inside ? std::to_integer<std::size_t>(bytes[at]) : 0];
        } else {
          const double value = is_inside ? static_cast<double>(numbers[at]) : 0;
          *out = static_cast<float>((value - settings_.mean[c]) / settings_.deviation[c]);
        }
      }
  }
}

image_batch image_set_source::training_images(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const {
  image_batch batch = empty_batch(rows);
  const std::uint64_t count = training_.count(), order = derived_seed(data_seed, order_tag),
                      chance = derived_seed(data_seed, chance_tag);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::uint64_t place = step * rows + r;
    const std::uint64_t index = permuted(place % count, count, derived_seed(order, place / count));
    write_image(batch, r, training_, static_cast<std::size_t>(index), derived_seed(chance, place));
  }
  return batch;
}

image_batch image_set_source::validation_images(std::size_t first, std::size_t rows) const {
  require_validation_range("image_set_source::validation_images", "images", first, rows, validation_rows_);
  image_batch batch = empty_batch(rows);
  for (std::size_t r = 0; r < rows; ++r)
    write_image(batch, r, validation_, (first + r) * validation_.count() / validation_rows_, 0);
  return batch;
}

std::string image_set_source::description() const {
  const image_shape s = images();
  std::string text = settings_.name + ": " + std::to_string(training_.count()) + " training images of " +
                     std::to_string(s.channels) + " x " + std::to_string(s.height) + " x " + std::to_string(s.width) +
                     ", " + std::to_string(s.classes) + " classes";
  if (settings_.crop_padding > 0) text += ", random crops of padding " + std::to_string(settings_.crop_padding);
  if (settings_.flip) text += ", random flips";
  return text + "; validation on " + std::to_string(validation_rows_) + " images";
}

std::string image_set_source::canonical_text() const {
  const image_shape s = images();
  return "corpus = \"" + settings_.name + "\"\ntraining_images = " + std::to_string(training_.count()) +
         "\nchannels = " + std::to_string(s.channels) + "\nheight = " + std::to_string(s.height) +
         "\nwidth = " + std::to_string(s.width) + "\ntraining_xxh3 = \"" + training_digest_ +
         "\"\nvalidation_xxh3 = \"" + validation_digest_ + "\"\nclasses = " + std::to_string(settings_.classes) +
         "\nmean = " + list_of(settings_.mean) + "\ndeviation = " + list_of(settings_.deviation) +
         "\ncrop_padding = " + std::to_string(settings_.crop_padding) +
         "\nflip = " + (settings_.flip ? "true" : "false") +
         "\nvalidation_images = " + std::to_string(validation_rows_) + "\n";
}

}  // namespace binade
