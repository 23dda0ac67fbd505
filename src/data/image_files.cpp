#include "data/image_files.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <stdexcept>
#include <utility>

#include "data/data_kind.hpp"
#include "data/image_source.hpp"
#include "data/token_file.hpp"
#include "util/npy.hpp"
#include "util/toml_numbers.hpp"

namespace binade {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t cifar_side = 32, cifar_pixels = 3 * cifar_side * cifar_side;

[[noreturn]] void refuse(const fs::path& file, const std::string& why) {
  throw std::invalid_argument(file.string() + " " + why);
}

}  // namespace

// ---- IDX -----------------------------------------------------------------------------------------------------------

idx_file read_idx(const fs::path& path) {
  if (!fs::exists(path) && fs::exists(path.string() + ".gz"))
    refuse(path, "is not there, but " + path.string() + ".gz is; unpack it first: gunzip " + path.string() + ".gz");
  const auto file = std::make_shared<const mapped_file>(path, "an IDX file, such as those of MNIST");
  file->refuse_gzip();
  const std::string size_text = "has " + std::to_string(file->size()) + " bytes";
  const std::span<const std::byte> bytes = file->bytes();
  const auto byte = [bytes](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[i]); };
  constexpr std::size_t start = 4;
  if (bytes.size() < start) refuse(path, size_text + " and is no IDX file");
  if (byte(0) != 0 || byte(1) != 0) refuse(path, "is no IDX file (its first two bytes are not 0)");
  if (byte(2) != 0x08) refuse(path, "is an IDX file of type " + std::to_string(byte(2)) + "; bytes (type 8) are read");
  const std::size_t rank = byte(3);
  if (rank < 1 || rank > 4) refuse(path, "has " + std::to_string(rank) + " dimensions; 1 to 4 are read");
  const std::size_t header = start + 4 * rank;
  if (bytes.size() < header)
    refuse(path, size_text + " and is truncated: its header alone has " + std::to_string(header));
  idx_file array{.file = file, .data_at = header};
  std::uint64_t count = 1;
  for (std::size_t d = 0; d < rank; ++d) {
    std::uint32_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size = size << 8 | byte(start + 4 * d + i);
    array.shape.push_back(size);
    if (size != 0 && count > bytes.size() / size)
      refuse(path, size_text + " and is truncated: its header claims more elements than that");
    count *= size;
  }
  if (bytes.size() - header != count)
    refuse(path, size_text + ", and its header claims " + std::to_string(header + count) + ": it is " +
                     (bytes.size() - header < count ? "truncated" : "damaged"));
  return array;
}

labelled_images read_mnist(const fs::path& images, const fs::path& labels) {
  const idx_file pixels = read_idx(images), classes = read_idx(labels);
  if (pixels.shape.size() != 3) refuse(images, "holds no images: it has not 3 dimensions");
  if (classes.shape.size() != 1) refuse(labels, "holds no labels: it has not 1 dimension");
  if (pixels.shape[0] != classes.shape[0])
    refuse(labels, "has " + std::to_string(classes.shape[0]) + " labels for the " + std::to_string(pixels.shape[0]) +
                       " images of " + images.string());
  labelled_images result{.channels = 1, .height = pixels.shape[1], .width = pixels.shape[2]};
  result.runs.push_back(
      {.file = pixels.file, .first = pixels.data_at, .stride = result.pixels(), .count = pixels.shape[0]});
  for (const std::byte label : classes.elements()) result.labels.push_back(std::to_integer<std::int32_t>(label));
  return result;
}

// ---- CIFAR ---------------------------------------------------------------------------------------------------------

void add_cifar(labelled_images& images, const fs::path& path, std::size_t classes) {
  const auto file = std::make_shared<const mapped_file>(path, "a file of the binary version of CIFAR");
  file->refuse_gzip();
  const std::size_t labels = classes > 10 ? 2 : 1, record = labels + cifar_pixels;
  const std::span<const std::byte> bytes = file->bytes();
  if (bytes.empty() || bytes.size() % record != 0)
    refuse(path, "has " + std::to_string(bytes.size()) + " bytes, which are no whole records of " +
                     std::to_string(record) + ": it is truncated, or not the binary version");
  images.channels = 3;
  images.height = images.width = cifar_side;
  std::vector<std::int32_t> found;
  for (std::size_t at = 0; at < bytes.size(); at += record) {
    const auto label = std::to_integer<std::int32_t>(bytes[at + labels - 1]);
    if (static_cast<std::size_t>(label) >= classes)
      refuse(path, "has label " + std::to_string(label) + " in record " + std::to_string(at / record) +
                       "; valid is 0.." + std::to_string(classes - 1));
    found.push_back(label);
  }
  images.labels.insert(images.labels.end(), found.begin(), found.end());
  images.runs.push_back({.file = file, .first = labels, .stride = record, .count = bytes.size() / record});
}

// ---- .npy ----------------------------------------------------------------------------------------------------------

labelled_images read_npy_images(const fs::path& images, const fs::path& labels) {
  const npy_file pixels(images);
  const npy_type type = pixels.header().type;
  const std::vector<std::uint64_t>& shape = pixels.header().shape;
  if (shape.size() != 3 && shape.size() != 4)
    refuse(images, "has shape " + shape_text(shape) +
                       "; images are (count, height, width) or (count, channels, height, width)");
  if (type == npy_type::float64)
    refuse(images,
           "holds float64 elements; pixels are uint8, float16, bfloat16 or float32: save x.astype(numpy.float32)");
  if (type != npy_type::uint8 && !is_floating(type))
    refuse(images, "holds " + std::string(name_of(type)) + " elements; pixels are uint8, float16, bfloat16 or float32");
  labelled_images result{.channels = shape.size() == 4 ? static_cast<std::size_t>(shape[1]) : 1,
                         .height = static_cast<std::size_t>(shape[shape.size() - 2]),
                         .width = static_cast<std::size_t>(shape.back())};
  const auto file = std::make_shared<const mapped_file>(images, "a .npy file of images");
  file->require_same(pixels.file());
  result.runs.push_back({.file = file,
                         .first = pixels.data_at(),
                         .stride = result.pixels() * size_of(type),
                         .count = static_cast<std::size_t>(shape[0]),
                         .type = type});
  const token_file classes(labels, token_file::layout::npy);
  if (classes.count() != shape[0])
    refuse(labels, "has " + std::to_string(classes.count()) + " labels for the " + std::to_string(shape[0]) +
                       " images of " + images.string());
  std::vector<std::int64_t> wide(static_cast<std::size_t>(classes.count()));
  classes.read(0, wide);
  for (const std::int64_t label : wide) {
    if (label < 0 || label >= (1 << 20)) refuse(labels, "has label " + std::to_string(label) + "; valid is 0..1048575");
    result.labels.push_back(static_cast<std::int32_t>(label));
  }
  if (result.has_bytes()) return result;
  std::vector<float> values(result.pixels());
  for (std::size_t i = 0; i < result.count(); ++i) {
    result.read(i, values);
    const auto odd = std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
    if (odd != values.end())
      refuse(images, "has a pixel that is NaN or infinite: element " +
                         std::to_string(i * values.size() + static_cast<std::size_t>(odd - values.begin())) +
                         " in storage order; pixels must be finite");
  }
  return result;
}

// ---- kinds of data -------------------------------------------------------------------------------------------------

namespace {

image_set_settings read_settings(const data_request& r, const char* name, std::size_t classes, std::vector<double> mean,
                                 std::vector<double> deviation) {
  image_set_settings s{.name = name, .classes = classes};
  s.mean = r.table.numbers("mean", std::move(mean));
  s.deviation = r.table.numbers("deviation", std::move(deviation));
  if (!std::all_of(s.deviation.begin(), s.deviation.end(), [](double d) { return d > 0; }))
    r.table.fail("deviation", "holds a number that is not more than 0");
  s.crop_padding = read_size(r.table, "crop_padding", 0, 64, 0);
  s.flip = r.table.flag("flip", false);
  s.validation_rows = r.validation_examples("validation_images");
  return s;
}

std::size_t classes_of(const labelled_images& images) {
  return images.labels.empty()
             ? 0
             : static_cast<std::size_t>(*std::max_element(images.labels.begin(), images.labels.end())) + 1;
}

data_opener read_cifar_table(const data_request& r, const char* name, std::size_t classes, std::vector<double> mean,
                             std::vector<double> deviation, const std::vector<std::string>& training,
                             const std::string& validation) {
  const fs::path folder = r.path("folder");
  const image_set_settings s = read_settings(r, name, classes, std::move(mean), std::move(deviation));
  return [=] {
    labelled_images images, tests;
    for (const std::string& file : training) add_cifar(images, folder / file, classes);
    add_cifar(tests, folder / validation, classes);
    return std::make_unique<image_set_source>(std::move(images), std::move(tests), s);
  };
}

}  // namespace

data_kind mnist_kind() {
  return {
      "mnist", "the folder of MNIST or its like", [](const data_request& r) -> data_opener {
        const fs::path folder = r.path("folder");
        const image_set_settings s = read_settings(r, "mnist", 0, {0.1307}, {0.3081});
        return [=] {
          labelled_images training = read_mnist(folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte");
          labelled_images validation = read_mnist(folder / "t10k-images-idx3-ubyte", folder / "t10k-labels-idx1-ubyte");
          image_set_settings with_classes = s;
          with_classes.classes = std::max<std::size_t>(classes_of(training), 2);
          return std::make_unique<image_set_source>(std::move(training), std::move(validation), with_classes);
        };
      }};
}

data_kind cifar10_kind() {
  return {"cifar10", "the folder of its binary version", [](const data_request& r) {
            return read_cifar_table(
                r, "cifar10", 10, {0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616},
                {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
                "test_batch.bin");
          }};
}

data_kind cifar100_kind() {
  return {"cifar100", "the folder of its binary version", [](const data_request& r) {
            return read_cifar_table(r, "cifar100", 100, {0.5071, 0.4867, 0.4408}, {0.2675, 0.2565, 0.2761},
                                    {"train.bin"}, "test.bin");
          }};
}

data_kind images_kind() {
  return {"images", ".npy files of images and labels", [](const data_request& r) -> data_opener {
            const fs::path images = r.path("images"), labels = r.path("labels");
            const bool has_tests = r.table.has("test_images") || r.table.has("test_labels");
            const fs::path test_images = has_tests ? r.path("test_images") : fs::path();
            const fs::path test_labels = has_tests ? r.path("test_labels") : fs::path();
            const double share = read_real(r.table, "validation_fraction", 0, bound::excluded, 1, bound::excluded, 0.1);
            if (has_tests && r.table.has("validation_fraction"))
              r.table.fail("validation_fraction", "is given and so are test images; remove one of the two");
            const image_set_settings s = read_settings(r, "images", 0, {0}, {1});
            return [=] {
              labelled_images training = read_npy_images(images, labels);
              image_set_settings with_classes = s;
              with_classes.classes = std::max<std::size_t>(classes_of(training), 2);
              labelled_images validation = has_tests ? read_npy_images(test_images, test_labels)
                                                     : training.split_off(static_cast<std::size_t>(
                                                           static_cast<double>(training.count()) * (1 - share)));
              return std::make_unique<image_set_source>(std::move(training), std::move(validation), with_classes);
            };
          }};
}

}  // namespace binade
