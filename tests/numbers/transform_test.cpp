#include "binade/transform.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace binade {
namespace {

const transform transforms[] = {hadamard_transform(16), random_hadamard_transform(8, 5),
                                expand_transform({.group = 24, .range = 5000}), clamp_transform({900'000'000})};

std::vector<float> random_values(std::size_t count) {
  std::mt19937_64 engine(30);
  std::normal_distribution<double> normal;
  std::vector<float> x(count);
  for (float& v : x) v = float(normal(engine) * (engine() % 40 == 0 ? 20 : 1));
  return x;
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

TEST(transform, apply_is_the_function_of_its_kind) {
  const std::vector<float> x = random_values(6 * 48);
  std::vector<float> want = x, got(x.size());
  hadamard(want, 16);
  EXPECT_EQ(apply(transforms[0], 48, x, got), transform_record{});
  EXPECT_EQ(got, want);

  want = x;
  rht(want, 8, 5);
  EXPECT_EQ(apply(transforms[1], 48, x, got), transform_record{});
  EXPECT_EQ(got, want);

  std::vector<expanded_group> groups(12);
  expand({.group = 24, .range = 5000}, 48, x, want, groups);
  EXPECT_EQ(apply(transforms[2], 48, x, got), (transform_record{.groups = groups}));
  EXPECT_EQ(got, want);

  const auto cut = clamp_rows({900'000'000}, 48, x, want);
  EXPECT_EQ(cut.size(), 6u * (4 + 4));  // of 48: ranks 4 and 43
  EXPECT_EQ(apply(transforms[3], 48, x, got), (transform_record{.cut = cut}));
  EXPECT_EQ(got, want);
}

// Hadamard: twice the bound of hadamard_test for 16 elements.  Expansion: range 5000 needs powers of at least 1 here.
// Clamp: half an ulp twice.
TEST(transform, undo_returns_what_apply_took) {
  const std::vector<float> x = random_values(6 * 48);
  double amax = 0;
  for (const float v : x) amax = std::fmax(amax, std::fabs(v));
  for (const transform& t : transforms) {
    std::vector<float> y(x.size());
    const transform_record record = apply(t, 48, x, y);
    EXPECT_NE(y, x);
    undo(t, record, 48, y);
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(y[i], x[i], 2 * 6 * 16 * amax * 0x1p-24) << int(t.kind);
  }
}

TEST(transform, a_row_depends_on_itself_alone_and_in_place_is_the_same) {
  const std::size_t rows = 7, length = 48;
  const std::vector<float> x = random_values(rows * length);
  for (const transform& t : transforms) {
    std::vector<float> whole(x.size()), in_place = x;
    const transform_record record = apply(t, length, x, whole);
    EXPECT_EQ(apply(t, length, in_place, in_place), record);
    EXPECT_EQ(in_place, whole);
    std::vector<float> undone = whole;
    undo(t, record, length, undone);
    for (const std::size_t parts : {1u, 2u, 3u, 7u}) {
      std::vector<float> y(x.size());
      transform_record joined;
      for (std::size_t part = 0; part < parts; ++part) {
        const std::size_t begin = part * rows / parts * length, count = (part + 1) * rows / parts * length - begin;
        const auto out = std::span(y).subspan(begin, count);
        const transform_record here = apply(t, length, std::span(x).subspan(begin, count), out);
        joined.groups.insert(joined.groups.end(), here.groups.begin(), here.groups.end());
        for (const residual_entry& entry : here.cut) joined.cut.push_back({entry.index + begin, entry.value});
        ASSERT_EQ(
            std::vector<float>(out.begin(), out.end()),
            std::vector<float>(whole.begin() + std::ptrdiff_t(begin), whole.begin() + std::ptrdiff_t(begin + count)));
        undo(t, here, length, out);
      }
      EXPECT_EQ(joined, record);
      EXPECT_EQ(y, undone);
    }
  }
}

TEST(transform, no_elements_are_no_error) {
  std::vector<float> none;
  for (const transform& t : transforms) {
    const transform_record record = apply(t, 48, none, none);
    EXPECT_EQ(record, transform_record{});
    EXPECT_NO_THROW(undo(t, record, 48, none));
  }
}

TEST(transform, defects_name_the_field) {
  for (const transform& t : transforms) EXPECT_EQ(defect(t), "");
  EXPECT_EQ(defect(hadamard_transform(12)), "a Hadamard block has 2, 4, 8, ... or 32768 elements");
  EXPECT_EQ(defect(random_hadamard_transform(0, 1)), "a Hadamard block has 2, 4, 8, ... or 32768 elements");
  EXPECT_EQ(defect(expand_transform({.group = 0})), "a group has 1 or more elements");
  EXPECT_EQ(defect(clamp_transform({1})), "a clamp keeps a quantile above 0.5 and at most 1");
  EXPECT_EQ(defect(transform{.block = 16, .seed = 1}), "only a Hadamard transform with signs has a seed");
  EXPECT_EQ(defect(transform{.kind = transform_kind::clamp, .block = 16}), "only a Hadamard transform has a block");
  EXPECT_EQ(defect(transform{.block = 16, .expansion = {.group = 1}}), "only an expansion has its settings");
  EXPECT_EQ(defect(transform{.block = 16, .quantile = {1'000'000'000}}), "only a clamp has a quantile");
  EXPECT_EQ(defect(transform{.kind = transform_kind(9)}), "the kind is none of the enumerators");
}

TEST(transform, arguments_that_do_not_fit_are_refused_before_anything_is_written) {
  const std::vector<float> x(24, 1.0f);
  std::vector<float> y(24, 7.0f);
  EXPECT_EQ(refusal([&] { apply(hadamard_transform(3), 24, x, y); }),
            "apply: the transform is impossible: a Hadamard block has 2, 4, 8, ... or 32768 elements");
  EXPECT_EQ(refusal([&] { apply(transforms[0], 24, x, y); }),
            "apply: rows of 24 are no whole number of blocks of 16; pad the axis or take a block size that divides it");
  EXPECT_EQ(refusal([&] { undo(transforms[0], {}, 12, y); }),
            "undo: rows of 12 are no whole number of blocks of 16; pad the axis or take a block size that divides it");
  EXPECT_EQ(refusal([&] { apply(transforms[3], 7, x, y); }), "apply: 24 elements are not whole rows of 7");
  EXPECT_EQ(refusal([&] { apply(transforms[3], 24, x, std::span(y).first(8)); }),
            "apply: out has room for 8 elements and 24 are needed");
  EXPECT_EQ(refusal([&] { undo(transforms[2], {}, 24, y); }), "contract: groups has room for 0 and 1 are needed");
  EXPECT_NE(refusal([&] { undo(transforms[3], {.cut = {{24, 1}}}, 24, y); }).find("element 24"), std::string::npos);
  EXPECT_EQ(y, std::vector<float>(24, 7.0f));
}

}  // namespace
}  // namespace binade
