#include "data/prototype_images.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>

#include "binade/elementary.hpp"
#include "data/data_kind.hpp"
#include "data/mix.hpp"
#include "data/validation_range.hpp"
#include "model/initialization.hpp"
#include "report/number_text.hpp"
#include "util/toml_numbers.hpp"

namespace binade {
namespace {

constexpr std::uint64_t pattern_tag = 0x210, split_tag = 0x211;  // training is split_tag + 0, validation + 1
constexpr std::size_t most_size = 128;
constexpr double least_noise = 1e-3, most_noise = 1e3;  // within which squares and floors are sound in double

void require(bool holds, const char* what, const std::string& given, const char* valid) {
  if (!holds)
    throw std::invalid_argument(std::string("prototype_images: ") + what + " is " + given + "; valid is " + valid);
}

/// Means of 3 x 3 pixels, around the edges.
std::vector<double> smoothed(const std::vector<double>& plane, std::size_t size) {
  std::vector<double> result(plane.size());
  for (std::size_t y = 0; y < size; ++y)
    for (std::size_t x = 0; x < size; ++x) {
      double sum = 0;
      for (std::size_t dy = size - 1; dy <= size + 1; ++dy)
        for (std::size_t dx = size - 1; dx <= size + 1; ++dx) sum += plane[(y + dy) % size * size + (x + dx) % size];
      result[y * size + x] = sum / 9;
    }
  return result;
}

/// Mean 0, variance 1.
void normalise(std::vector<double>& plane) {
  const auto count = static_cast<double>(plane.size());
  double sum = 0, squares = 0;
  for (const double x : plane) sum += x;
  for (double& x : plane) {
    x -= sum / count;
    squares += x * x;
  }
  for (double& x : plane) x /= std::sqrt(squares / count);
}

}  // namespace

prototype_images::prototype_images(const parameters& p, std::size_t validation_rows)
    : p_(p), validation_rows_(validation_rows) {
  require(p.classes >= 2 && p.classes <= 1000, "classes", std::to_string(p.classes), "2..1000");
  require(p.channels >= 1 && p.channels <= 16, "channels", std::to_string(p.channels), "1..16");
  require(p.size >= 4 && p.size <= most_size, "size", std::to_string(p.size), "4..128");
  require(2 * p.shift < p.size, "shift", std::to_string(p.shift), "less than half the size");
  require(p.noise >= least_noise && p.noise <= most_noise, "noise", exact_text(p.noise), "0.001 to 1000");
  require(validation_rows >= 1, "validation_rows", std::to_string(validation_rows), "at least 1");
  const std::size_t plane_size = p.size * p.size;
  for (std::size_t i = 0; i < p.classes * p.channels; ++i) {
    std::vector<double> plane(plane_size);
    fill_normal<double>(derived_seed(derived_seed(p.seed, pattern_tag), i), "pattern", 0, 1, plane);
    plane = smoothed(smoothed(plane, p.size), p.size);
    normalise(plane);
    patterns_.insert(patterns_.end(), plane.begin(), plane.end());
  }
  floor_ = 0;
  constexpr std::size_t piece = 64;
  for (std::size_t first = 0; first < validation_rows; first += piece) {
    const std::size_t rows = std::min(piece, validation_rows - first);
    floor_ += *make(1, first, rows).floor * static_cast<double>(rows);
  }
  floor_ /= static_cast<double>(validation_rows);
}

std::vector<double> prototype_images::label_probabilities(std::span<const float> image) const {
  if (image.size() != pixels())
    throw std::invalid_argument("prototype_images::label_probabilities: pixels has " + std::to_string(image.size()) +
                                " numbers; an image has " + std::to_string(pixels()));
  // Of |x - pattern|^2 only the product differs between classes and shifts: the log likelihood is product / noise^2 and
  // a constant.  Sums over shifts are taken relative to the largest.
  const std::size_t size = p_.size, shifts = 2 * p_.shift + 1;
  const double scale = std::sqrt(1 + p_.noise * p_.noise);
  std::vector<double> log_likelihood;
  for (std::size_t label = 0; label < p_.classes; ++label)
    for (std::size_t down = 0; down < shifts; ++down)
      for (std::size_t right = 0; right < shifts; ++right) {
        double product = 0;
        const double* pattern = patterns_.data() + label * pixels();
        for (std::size_t c = 0; c < p_.channels; ++c)
          for (std::size_t y = 0; y < size; ++y) {
            const std::size_t from_y = (y + size - p_.shift + down) % size;
            const float* row = image.data() + (c * size + y) * size;
            const double* pattern_row = pattern + (c * size + from_y) * size;
            for (std::size_t x = 0; x < size; ++x)
              product += static_cast<double>(row[x]) * pattern_row[(x + size - p_.shift + right) % size];
          }
        log_likelihood.push_back(product * scale / (p_.noise * p_.noise));
      }
  const double largest = *std::max_element(log_likelihood.begin(), log_likelihood.end());
  std::vector<double> p(p_.classes);
  double sum = 0;
  for (std::size_t label = 0; label < p_.classes; ++label)
    for (std::size_t i = 0; i < shifts * shifts; ++i) {
      const double term = math::exp(log_likelihood[label * shifts * shifts + i] - largest);
      p[label] += term;
      sum += term;
    }
  for (double& x : p) x /= sum;
  return p;
}

image_batch prototype_images::make(std::uint64_t which, std::uint64_t first, std::size_t rows) const {
  const std::size_t size = p_.size, shifts = 2 * p_.shift + 1;
  image_batch batch{.rows = rows,
                    .channels = p_.channels,
                    .height = size,
                    .width = size,
                    .pixels = std::vector<float>(rows * pixels()),
                    .labels = std::vector<std::int32_t>(rows),
                    .floor = 0.0};
  const double scale = 1 / std::sqrt(1 + p_.noise * p_.noise);
  const std::uint64_t key = derived_seed(p_.seed, split_tag + which);
  std::vector<double> noise(pixels());
  double surprise = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const std::uint64_t seed = derived_seed(key, first + r);
    const auto label = static_cast<std::size_t>(scaled_below(derived_seed(seed, 0), p_.classes));
    const auto down = static_cast<std::size_t>(scaled_below(derived_seed(seed, 1), shifts));
    const auto right = static_cast<std::size_t>(scaled_below(derived_seed(seed, 2), shifts));
    fill_normal<double>(seed, "noise", 0, p_.noise, noise);
    const auto image = std::span(batch.pixels).subspan(r * pixels(), pixels());
    for (std::size_t c = 0; c < p_.channels; ++c)
      for (std::size_t y = 0; y < size; ++y)
        for (std::size_t x = 0; x < size; ++x) {
          const std::size_t from = (y + size - p_.shift + down) % size * size + (x + size - p_.shift + right) % size;
          const std::size_t to = (c * size + y) * size + x;
          image[to] =
              static_cast<float>((patterns_[(label * p_.channels + c) * size * size + from] + noise[to]) * scale);
        }
    batch.labels[r] = static_cast<std::int32_t>(label);
    // A probability that rounds to 0 would make the floor infinite: the model's own loss could not be told from it.
    surprise -= math::log(std::max(label_probabilities(image)[label], std::numeric_limits<double>::min()));
  }
  batch.floor = rows == 0 ? 0 : surprise / static_cast<double>(rows);
  return batch;
}

image_batch prototype_images::training_images(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const {
  return make(0, (data_seed << 32) + step * rows, rows);
}

image_batch prototype_images::validation_images(std::size_t first, std::size_t rows) const {
  require_validation_range("prototype_images::validation_images", "images", first, rows, validation_rows_);
  return make(1, first, rows);
}

std::optional<double> prototype_images::trivial_loss() const {
  return math::log(static_cast<double>(p_.classes));
}

std::string prototype_images::description() const {
  return "prototypes: " + std::to_string(p_.classes) + " random patterns of " + std::to_string(p_.channels) + " x " +
         std::to_string(p_.size) + " x " + std::to_string(p_.size) + ", shifted by up to " + std::to_string(p_.shift) +
         ", noise " + exact_text(p_.noise) + ", seed " + std::to_string(p_.seed) + "; validation on " +
         std::to_string(validation_rows_) + " images";
}

std::string prototype_images::canonical_text() const {
  return "corpus = \"prototypes\"\nclasses = " + std::to_string(p_.classes) +
         "\nchannels = " + std::to_string(p_.channels) + "\nsize = " + std::to_string(p_.size) +
         "\nshift = " + std::to_string(p_.shift) + "\nnoise = " + exact_text(p_.noise) +
         "\nseed = " + std::to_string(p_.seed) + "\nvalidation_images = " + std::to_string(validation_rows_) + "\n";
}

data_kind prototypes_kind() {
  return {"prototypes", "synthetic images, with a known entropy", [](const data_request& r) -> data_opener {
            prototype_images::parameters p;
            p.classes = read_size(r.table, "classes", 2, 1000, 10);
            p.channels = read_size(r.table, "channels", 1, 16, 1);
            p.size = read_size(r.table, "size", 4, most_size, 16);
            const auto most_shift = static_cast<std::int64_t>((p.size - 1) / 2);
            p.shift = read_size(r.table, "shift", 0, most_shift, std::min<std::int64_t>(2, most_shift));
            p.noise = read_real(r.table, "noise", least_noise, bound::included, most_noise, bound::included, p.noise);
            p.seed = r.seed();
            const std::size_t rows = read_size(r.table, "validation_images", 1, 1 << 20, 1024);
            return [=] { return std::make_unique<prototype_images>(p, rows); };
          }};
}

}  // namespace binade
