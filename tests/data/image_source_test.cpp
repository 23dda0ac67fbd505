#include "data/image_source.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "data/gaussian_source.hpp"
#include "data/image_files.hpp"
#include "data/images_in_files.hpp"
#include "data/prototype_images.hpp"
#include "util/npy.hpp"

namespace {

using namespace binade;

class images : public testing::Test {
 protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() /
             ("binade_images_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder / name, std::ios::binary) << bytes;
    return folder / name;
  }
  static std::string big_endian(std::uint32_t x) {
    return {static_cast<char>(x >> 24), static_cast<char>(x >> 16), static_cast<char>(x >> 8), static_cast<char>(x)};
  }
  /// 0, 1, 2, ... as bytes.
  static std::string counting(std::size_t n) {
    std::string s(n, '\0');
    for (std::size_t i = 0; i < n; ++i) s[i] = static_cast<char>(i);
    return s;
  }
  static std::string idx(const std::vector<std::uint32_t>& shape, const std::string& data) {
    std::string bytes{'\0', '\0', '\x08', static_cast<char>(shape.size())};
    for (const std::uint32_t size : shape) bytes += big_endian(size);
    return bytes + data;
  }
  template <class Read>
  static std::string message(Read read) {
    try {
      read();
    } catch (const std::exception& e) {
      return e.what();
    }
    return "";
  }
  std::string idx_message(const std::string& bytes) const {
    const auto file = write("x", bytes);
    return message([&] { read_idx(file); });
  }
  static void expect_part(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }

  /// n images of 1 x 2 x 3 whose first pixel is the number of the image, and label number % 4.
  labelled_images numbered(std::size_t n) const {
    std::vector<std::uint8_t> pixels, labels;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t p = 0; p < 6; ++p) pixels.push_back(static_cast<std::uint8_t>(p == 0 ? i : 100 + p));
      labels.push_back(static_cast<std::uint8_t>(i % 4));
    }
    return test::images_of(folder, 1, 2, 3, pixels, labels);
  }
  static std::vector<int> values(std::span<const std::byte> bytes) {
    std::vector<int> list;
    for (const std::byte b : bytes) list.push_back(std::to_integer<int>(b));
    return list;
  }
  image_set_source source(std::size_t training, std::size_t validation, image_set_settings s = {}) const {
    s.name = "test";
    s.classes = 4;
    if (s.mean.empty()) s.mean = {0};
    if (s.deviation.empty()) s.deviation = {1.0 / 255};
    return {numbered(training), numbered(validation), s};
  }

  std::filesystem::path folder;
};

// ---- files ---------------------------------------------------------------------------------------------------------

TEST_F(images, idx_files_come_as_they_are) {
  const idx_file array = read_idx(write("x", idx({2, 3}, counting(6))));
  EXPECT_EQ(array.shape, (std::vector<std::uint32_t>{2, 3}));
  EXPECT_EQ(values(array.elements()), (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

TEST_F(images, damaged_idx_files_are_refused_with_the_reason) {
  expect_part(message([&] { read_idx(folder / "none"); }), "is not there");
  write("there.gz", "");
  expect_part(message([&] { read_idx(folder / "there"); }), "gunzip " + (folder / "there.gz").string());
  expect_part(idx_message(std::string("\x1f\x8b\x08\0\0", 5)), "compressed by gzip");
  expect_part(idx_message(""), "has 0 bytes");
  expect_part(idx_message(std::string("\0\0\x08", 3)), "is no IDX file");
  expect_part(idx_message("PNG, or so"), "is no IDX file");
  expect_part(idx_message(std::string("\0\0\x0d\x01\0\0\0\1", 8) + "abcd"), "of type 13");
  expect_part(idx_message(std::string("\0\0\x08\0", 4)), "has 0 dimensions");
  expect_part(idx_message(std::string("\0\0\x08\x05", 4)), "has 5 dimensions");
  expect_part(idx_message(idx({2, 3}, "").substr(0, 9)), "its header alone has 12");
  expect_part(idx_message(idx({2, 3}, counting(5))), "it is truncated");
  expect_part(idx_message(idx({2, 3}, counting(7))), "it is damaged");
  expect_part(idx_message(idx({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, counting(7))), "claims more elements");
  expect_part(idx_message(idx({0xffffffff, 0}, counting(7))), "claims more elements");
  EXPECT_TRUE(read_idx(write("x", idx({0, 3}, ""))).elements().empty());
}

TEST_F(images, mnist_takes_images_and_as_many_labels) {
  const auto pixels = write("i", idx({2, 2, 3}, counting(12))), labels = write("l", idx({2}, "\x05\x07"));
  const labelled_images set = read_mnist(pixels, labels);
  EXPECT_EQ(set.height, 2u);
  EXPECT_EQ(set.width, 3u);
  EXPECT_EQ(values(set.bytes(1)), (std::vector<int>{6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(set.labels, (std::vector<std::int32_t>{5, 7}));
  expect_part(message([&] { read_mnist(labels, labels); }), "holds no images");
  expect_part(message([&] { read_mnist(pixels, pixels); }), "holds no labels");
  expect_part(message([&] { read_mnist(pixels, write("m", idx({3}, "\1\2\3"))); }), "3 labels for the 2 images");
}

TEST_F(images, cifar_records_are_one_label_or_two_and_three_planes) {
  const std::string planes = counting(3072);
  labelled_images ten, hundred;
  add_cifar(ten, write("a", '\3' + planes + '\7' + planes), 10);
  EXPECT_EQ(ten.labels, (std::vector<std::int32_t>{3, 7}));
  EXPECT_EQ(values(ten.bytes(1)).size(), 3072u);
  EXPECT_EQ(values(ten.bytes(1))[1024 + 5], 5);  // 1029 % 256
  add_cifar(ten, write("a2", '\1' + std::string(3072, '\x2a')), 10);
  EXPECT_EQ(ten.count(), 3u);
  EXPECT_EQ(values(ten.bytes(2)), std::vector<int>(3072, 42));
  add_cifar(hundred, write("b", std::string("\1\x63") + planes), 100);
  EXPECT_EQ(hundred.labels, (std::vector<std::int32_t>{99}));
  EXPECT_EQ(values(hundred.bytes(0))[5], 5);
  expect_part(message([&] { add_cifar(ten, write("c", '\3' + planes + 'x'), 10); }), "no whole records of 3073");
  expect_part(message([&] { add_cifar(ten, write("c", ""), 10); }), "no whole records");
  expect_part(message([&] { add_cifar(ten, write("c", '\x0a' + planes), 10); }), "has label 10 in record 0");
  expect_part(message([&] { add_cifar(ten, folder / "none", 10); }), "is not there");
}

TEST_F(images, npy_arrays_are_images_with_or_without_channels) {
  const auto save = [&](const std::string& name, npy_type type, std::vector<std::uint64_t> shape, const auto& values) {
    npy_writer out(folder / name, {.type = type, .shape = std::move(shape)});
    out.write(std::as_bytes(std::span(values)));
    out.commit();
    return folder / name;
  };
  const std::vector<std::uint8_t> bytes(24, 9), labels{1, 0};
  const std::vector<std::uint16_t> halves(24, 0x3800);
  std::vector<float> reals(24, 0.5f);
  const std::vector<std::int64_t> wide{1, -1};
  const auto l = save("l.npy", npy_type::uint8, {2}, labels);
  const labelled_images gray = read_npy_images(save("a.npy", npy_type::uint8, {2, 3, 4}, bytes), l);
  EXPECT_EQ(gray.channels, 1u);
  EXPECT_EQ(gray.width, 4u);
  EXPECT_EQ(gray.labels, (std::vector<std::int32_t>{1, 0}));
  const labelled_images colour = read_npy_images(save("b.npy", npy_type::float32, {2, 3, 2, 2}, reals), l);
  EXPECT_EQ(colour.channels, 3u);
  std::vector<float> image(12);
  colour.read(1, image);
  EXPECT_EQ(image, std::vector<float>(12, 0.5f));
  read_npy_images(save("h.npy", npy_type::float16, {2, 3, 2, 2}, halves), l).read(1, image);
  EXPECT_EQ(image, std::vector<float>(12, 0.5f));
  reals[13] = std::nanf("");
  expect_part(message([&] {
                read_npy_images(save("n.npy", npy_type::float32, {2, 3, 2, 2}, reals), l);
              }),
              "a pixel that is NaN or infinite: element 13 ");
  expect_part(message([&] { read_npy_images(save("c.npy", npy_type::float32, {24}, reals), l); }), "has shape (24,)");
  expect_part(message([&] {
                read_npy_images(save("c.npy", npy_type::uint8, {3, 2, 4}, bytes), l);
              }),
              "has 2 labels for the 3 images");
  expect_part(message([&] { read_npy_images(folder / "a.npy", save("w.npy", npy_type::int64, {2}, wide)); }),
              "has label -1");
}

TEST_F(images, the_last_of_several_files_are_split_off) {
  labelled_images all;
  for (int f = 0; f < 3; ++f) {  // records 0, 1 | 2, 3 | 4, 5
    std::string records;
    for (int r = 2 * f; r < 2 * f + 2; ++r) records += static_cast<char>(r) + std::string(3072, static_cast<char>(r));
    add_cifar(all, write("f" + std::to_string(f), records), 10);
  }
  for (std::size_t at = 0; at <= 6; ++at) {
    labelled_images first = all;
    const labelled_images rest = first.split_off(at);
    ASSERT_EQ(first.count(), at);
    ASSERT_EQ(rest.count(), 6 - at);
    for (std::size_t i = 0; i < 6; ++i) {
      const labelled_images& part = i < at ? first : rest;
      const std::size_t place = i < at ? i : i - at;
      EXPECT_EQ(part.labels[place], static_cast<int>(i));
      EXPECT_EQ(values(part.bytes(place)), std::vector<int>(3072, static_cast<int>(i)));
    }
  }
}

TEST_F(images, a_file_that_changes_is_an_error) {
  const auto pixels = write("i", idx({2, 2, 3}, counting(12)));
  const labelled_images set = read_mnist(pixels, write("l", idx({2}, "\1\1")));
  const image_set_source s(set, set, {.name = "mnist", .classes = 2, .mean = {0}, .deviation = {1}});
  s.training_images(0, 0, 2);
  std::filesystem::resize_file(pixels, 20);
  EXPECT_THROW(s.training_images(0, 0, 2), std::runtime_error);
}

// ---- a set of images -----------------------------------------------------------------------------------------------

TEST_F(images, pixels_are_normalised_per_channel) {
  const labelled_images set = test::images_of(folder, 2, 1, 1, {0, 255, 51, 102}, {0, 1});
  const image_set_source s(set, set, {.name = "test", .classes = 2, .mean = {0.5, 0.25}, .deviation = {0.5, 2}});
  const image_batch batch = s.validation_images(0, 2);
  EXPECT_EQ(batch.pixels, (std::vector<float>{-1, 0.375f, static_cast<float>((0.2 - 0.5) / 0.5),
                                              static_cast<float>((102 / 255.0 - 0.25) / 2)}));
  EXPECT_EQ(batch.labels, (std::vector<std::int32_t>{0, 1}));
}

TEST_F(images, an_epoch_has_every_image_once_and_the_next_one_another_order) {
  const image_set_source s = source(50, 8);
  std::vector<std::vector<float>> epochs;
  std::vector<float> firsts;
  for (std::uint64_t step = 0; step < 20; ++step) {  // batches of 5: 10 to the epoch
    const image_batch batch = s.training_images(1, step, 5);
    for (std::size_t r = 0; r < 5; ++r) {
      firsts.push_back(std::round(batch.pixels[r * 6]));
      EXPECT_EQ(batch.labels[r], static_cast<std::int32_t>(firsts.back()) % 4);
    }
  }
  const std::vector<float> first(firsts.begin(), firsts.begin() + 50), second(firsts.begin() + 50, firsts.end());
  EXPECT_EQ(std::set<float>(first.begin(), first.end()).size(), 50u);
  EXPECT_EQ(std::set<float>(second.begin(), second.end()).size(), 50u);
  EXPECT_NE(first, second);
  EXPECT_NE(s.training_images(2, 0, 50).pixels, s.training_images(1, 0, 50).pixels);
  EXPECT_EQ(s.training_images(1, 0, 50).pixels, s.training_images(1, 0, 50).pixels);
}

TEST_F(images, permuted_is_a_permutation_of_any_size) {
  for (const std::uint64_t n : std::vector<std::uint64_t>{1, 2, 3, 7, 64, 65, 1000})
    for (std::uint64_t key = 0; key < 3; ++key) {
      std::set<std::uint64_t> seen;
      for (std::uint64_t i = 0; i < n; ++i) seen.insert(permuted(i, n, key));
      EXPECT_EQ(seen.size(), n);
      EXPECT_EQ(*seen.rbegin(), n - 1);
    }
  // Every image comes to every place: chi-square over 64 places of one image, 6400 epochs.
  std::vector<double> counts(64);
  for (std::uint64_t key = 0; key < 6400; ++key) ++counts[permuted(5, 64, key)];
  double chi_square = 0;
  for (const double c : counts) chi_square += (c - 100) * (c - 100) / 100;
  EXPECT_LT(chi_square, 103.4);  // 63 degrees of freedom, p = .001
}

TEST_F(images, the_validation_set_is_in_its_order_and_a_part_of_it_is_spread_evenly) {
  const image_batch all = source(8, 40).validation_images(0, 40);
  for (std::size_t r = 0; r < 40; ++r) EXPECT_EQ(std::round(all.pixels[r * 6]), static_cast<float>(r));
  const image_set_source some = source(8, 40, {.validation_rows = 4});
  EXPECT_EQ(some.validation_rows(), 4u);
  EXPECT_EQ(std::round(some.validation_images(1, 3).pixels[0]), 10);
  EXPECT_THROW(some.validation_images(2, 3), std::invalid_argument);
  EXPECT_EQ(source(8, 40, {.validation_rows = 100}).validation_rows(), 40u);
}

TEST_F(images, crops_and_flips_touch_training_images_alone) {
  const image_set_source plain = source(1, 1), moved = source(1, 1, {.crop_padding = 1, .flip = true});
  EXPECT_EQ(moved.validation_images(0, 1).pixels, plain.validation_images(0, 1).pixels);
  // All that may come: 9 places in the frame of black pixels, each mirrored or not.
  std::set<std::vector<float>> expected, seen;
  const std::vector<float> image = plain.validation_images(0, 1).pixels;
  for (int down = 0; down < 3; ++down)
    for (int right = 0; right < 3; ++right)
      for (const bool mirrored : {false, true}) {
        std::vector<float> cut;
        for (int y = 0; y < 2; ++y)
          for (int x = 0; x < 3; ++x) {
            const int fy = y + down - 1, fx = (mirrored ? 2 - x : x) + right - 1;
            cut.push_back(fy >= 0 && fy < 2 && fx >= 0 && fx < 3 ? image[static_cast<std::size_t>(fy * 3 + fx)] : 0);
          }
        expected.insert(cut);
      }
  for (std::uint64_t step = 0; step < 300; ++step) seen.insert(moved.training_images(0, step, 1).pixels);
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(moved.training_images(0, 7, 1).pixels, moved.training_images(0, 7, 1).pixels);
}

TEST_F(images, the_trivial_loss_is_the_entropy_of_the_labels) {
  EXPECT_NEAR(*source(40, 8).trivial_loss(), std::log(4.0), 1e-15);
  EXPECT_EQ(source(40, 8).unit(), "image");
  EXPECT_NE(source(40, 8).canonical_text(), source(40, 8, {.flip = true}).canonical_text());
  EXPECT_NE(source(40, 8).canonical_text(), source(41, 8).canonical_text());
}

TEST_F(images, sets_that_do_not_fit_are_refused) {
  const auto refused = [](labelled_images a, labelled_images b, image_set_settings s) {
    return message([&] { image_set_source(std::move(a), std::move(b), std::move(s)); });
  };
  const image_set_settings good{.name = "test", .classes = 4, .mean = {0}, .deviation = {1}};
  image_set_settings few = good, flat = good, two = good;
  few.classes = 3;
  flat.deviation = {0};
  two.mean = {0, 0};
  labelled_images wide = numbered(2), short_of_pixels = numbered(2);
  --short_of_pixels.runs[0].count;
  wide.height = 3;
  wide.width = 2;
  EXPECT_EQ(refused(numbered(4), numbered(2), good), "");
  expect_part(refused({}, numbered(2), good), "there are none for training");
  expect_part(refused(numbered(4), {.channels = 1, .height = 2, .width = 3}, good), "there are none for validation");
  expect_part(refused(numbered(4), wide, good), "differ in size");
  expect_part(refused(short_of_pixels, numbered(2), good), "are not those of 2 images");
  expect_part(refused(numbered(4), numbered(2), few), "is 3; valid is 0..2");
  expect_part(refused(numbered(4), numbered(2), flat), "not more than 0");
  expect_part(refused(numbered(4), numbered(2), two), "2 means or deviations are given for 1 channels");
}

// ---- synthetic data ------------------------------------------------------------------------------------------------

TEST(prototypes, images_are_a_function_of_their_number) {
  const prototype_images source({.size = 8}, 4);
  const image_batch late = source.training_images(3, 5, 4);
  EXPECT_EQ(source.training_images(3, 5, 4).pixels, late.pixels);
  EXPECT_EQ(source.training_images(3, 10, 2).pixels,
            std::vector<float>(late.pixels.begin(), late.pixels.begin() + 2 * 64));
  EXPECT_NE(source.training_images(4, 5, 4).pixels, late.pixels);
  EXPECT_NE(source.validation_images(0, 4).pixels, source.training_images(0, 0, 4).pixels);
  EXPECT_THROW(source.validation_images(1, 4), std::invalid_argument);
}

TEST(prototypes, pixels_have_mean_0_and_variance_1) {
  const image_batch batch = prototype_images({.channels = 2}, 1).training_images(0, 0, 200);
  double sum = 0, squares = 0;
  for (const float x : batch.pixels) {
    sum += static_cast<double>(x);
    squares += static_cast<double>(x) * static_cast<double>(x);
  }
  const auto count = static_cast<double>(batch.pixels.size());  // 102,400: standard errors .003 and .0044
  EXPECT_NEAR(sum / count, 0, 0.0125);
  EXPECT_NEAR(squares / count, 1, 0.02);
}

TEST(prototypes, label_probabilities_are_calibrated) {
  // With this noise the classes overlap: where a class has probability p, it is the label in a share p of the images.
  const prototype_images source({.classes = 4, .size = 8, .shift = 1, .noise = 6}, 1);
  const image_batch batch = source.training_images(0, 0, 4000);
  double expected = 0, variance = 0, hits = 0, surprise = 0;
  for (std::size_t r = 0; r < batch.rows; ++r) {
    const std::vector<double> p = source.label_probabilities(std::span(batch.pixels).subspan(r * 64, 64));
    EXPECT_NEAR(std::accumulate(p.begin(), p.end(), 0.0), 1, 1e-12);
    const auto best = static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin());
    expected += p[best];
    variance += p[best] * (1 - p[best]);
    hits += batch.labels[r] == static_cast<std::int32_t>(best) ? 1 : 0;
    surprise -= std::log(p[static_cast<std::size_t>(batch.labels[r])]);
  }
  EXPECT_NEAR(hits, expected, 4 * std::sqrt(variance));
  EXPECT_GT(hits, 1500);  // chance: 1000
  EXPECT_NEAR(*batch.floor, surprise / 4000, 1e-12);
  EXPECT_LT(*batch.floor, *source.trivial_loss());
}

TEST(prototypes, templates_that_are_means_of_training_images_classify) {
  const prototype_images source({}, 200);
  const image_batch training = source.training_images(0, 0, 2000), validation = source.validation_images(0, 200);
  std::vector<double> means(10 * 256);
  for (std::size_t r = 0; r < training.rows; ++r)
    for (std::size_t i = 0; i < 256; ++i)
      means[static_cast<std::size_t>(training.labels[r]) * 256 + i] +=
          static_cast<double>(training.pixels[r * 256 + i]);
  int hits = 0;
  for (std::size_t r = 0; r < validation.rows; ++r) {
    std::vector<double> scores(10);
    for (std::size_t label = 0; label < 10; ++label)
      for (std::size_t i = 0; i < 256; ++i)
        scores[label] += means[label * 256 + i] * static_cast<double>(validation.pixels[r * 256 + i]);
    hits += std::max_element(scores.begin(), scores.end()) - scores.begin() == validation.labels[r] ? 1 : 0;
  }
  EXPECT_GT(hits, 120);  // of 200; chance: 20
  EXPECT_LT(*source.validation_floor(), 0.01);
}

TEST(prototypes, parameters_outside_their_ranges_are_refused) {
  EXPECT_THROW(prototype_images({.classes = 1}, 1), std::invalid_argument);
  EXPECT_THROW(prototype_images({.channels = 0}, 1), std::invalid_argument);
  EXPECT_THROW(prototype_images({.size = 3}, 1), std::invalid_argument);
  EXPECT_THROW(prototype_images({.size = 8, .shift = 4}, 1), std::invalid_argument);
  EXPECT_THROW(prototype_images({.noise = 0}, 1), std::invalid_argument);
  EXPECT_THROW(prototype_images({}, 0), std::invalid_argument);
}

TEST(gaussian, samples_are_a_function_of_their_number_and_standard_normal) {
  const gaussian_source source({.width = 32, .noise = 0.5, .seed = 1}, 8);
  const auto get = [](const data_batch& b) { return std::get<regression_batch>(b); };
  const regression_batch late = get(source.training_batch(2, 3, 4));
  EXPECT_EQ(get(source.training_batch(2, 3, 4)).inputs, late.inputs);
  EXPECT_EQ(get(source.training_batch(2, 6, 2)).noise, std::vector<float>(late.noise.begin(), late.noise.begin() + 64));
  EXPECT_NE(get(source.validation_batch(0, 4)).inputs, get(source.training_batch(0, 0, 4)).inputs);
  EXPECT_TRUE(get(gaussian_source({.width = 4}, 1).training_batch(0, 0, 1)).noise.empty());
  const regression_batch many = get(source.training_batch(0, 0, 2000));
  double inputs = 0, noise = 0;
  for (std::size_t i = 0; i < many.inputs.size(); ++i) {
    inputs += static_cast<double>(many.inputs[i]) * static_cast<double>(many.inputs[i]);
    noise += static_cast<double>(many.noise[i]) * static_cast<double>(many.noise[i]);
  }
  EXPECT_NEAR(inputs / 64000, 1, 0.0225);  // 4 standard errors, sqrt(2 / 64000) each
  EXPECT_NEAR(noise / 64000, 0.25, 0.0056);
  EXPECT_EQ(source.trivial_loss(), std::nullopt);
  EXPECT_EQ(predictions_of(source.validation_batch(0, 3)), 3u);
  EXPECT_THROW(source.validation_batch(6, 3), std::invalid_argument);
  EXPECT_THROW(gaussian_source({.width = 0}, 1), std::invalid_argument);
  EXPECT_THROW(gaussian_source({.noise = -1}, 1), std::invalid_argument);
  EXPECT_THROW(gaussian_source({}, 0), std::invalid_argument);
}

}  // namespace
