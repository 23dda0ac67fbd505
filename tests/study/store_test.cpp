#include "study/store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>

namespace {

using namespace binade;

class store : public testing::Test {
 protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() /
             ("binade_store_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    file = folder / study_store::file_name;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  template <class Work>
  static std::string message(Work work) {
    try {
      work();
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "";
  }

  std::filesystem::path folder, file;
};

const trial_record a_trial{.id = 3,
                           .recipe = "mxfp4",
                           .recipe_text = "text\nof two lines",
                           .learning_rate = 0.1,
                           .seed = 7,
                           .status = trial_status::diverged,
                           .divergence = "blowup",
                           .steps_done = 12,
                           .initial_loss = 5.5,
                           .final_train_loss = {},
                           .validation_loss = std::numeric_limits<double>::infinity(),
                           .validation_floor = 2.6,
                           .weights_digest = "0123",
                           .cpu = "a cpu",
                           .compiler = "a compiler",
                           .binade_version = "0.1.0",
                           .started = "2026-01-01T00:00:00Z",
                           .seconds = 1.25,
                           .tokens = std::int64_t{1} << 40};

TEST_F(store, every_value_comes_back_as_it_was_written) {
  {
    auto s = study_store::create(file);
    s.set_properties({{"name", "demo"}, {"config_text", "a = 1\n"}});
    s.write({.truncations = {},
             .steps = {{.trial = 3,
                        .step = 0,
                        .loss = 0.1,
                        .floor = 1.0 / 3,
                        .learning_rate = 1e-300,
                        .gradient_norm = 2,
                        .clipped = true},
                       {.trial = 3,
                        .step = 1,
                        .loss = 5e-324,
                        .floor = {},
                        .learning_rate = 0,
                        .gradient_norm = 0,
                        .clipped = false}},
             .evaluations = {{.trial = 3, .step = 2, .validation_loss = 4.25}},
             .quantizations = {{.trial = 3,
                                .step = 0,
                                .site = "head",
                                .gemm = "forward",
                                .operand = "input",
                                .count = 10,
                                .nonzero = 9,
                                .saturated = 1,
                                .underflowed = 2,
                                .amax = 3.5,
                                .sqnr_db = 20.5,
                                .details = rounding_details{.nans = 1,
                                                            .infinities = 2,
                                                            .exact = 3,
                                                            .subnormal = 4,
                                                            .top_binade = 5,
                                                            .smallest_scale = 0.25,
                                                            .largest_scale = 8,
                                                            .headroom = std::numeric_limits<double>::quiet_NaN(),
                                                            .bias = -0.1,
                                                            .cosine = 1.0 / 3,
                                                            .exponents = {7, -12, {1, 0, 9}}}}},
             .measurements = {{.trial = 3, .step = 0, .subject = "logits", .quantity = "log_z", .value = 0.1}},
             .trials = {a_trial}});
  }
  const auto s = study_store::open_read_only(file);
  EXPECT_EQ(s.property("name"), "demo");
  EXPECT_EQ(s.property("schema_version"), std::to_string(study_store::schema_version));
  EXPECT_EQ(s.property("nothing"), std::nullopt);
  const auto trials = s.trials();
  ASSERT_EQ(trials.size(), 1u);
  const trial_record& t = trials[0];
  EXPECT_EQ(t.id, 3);
  EXPECT_EQ(t.recipe, "mxfp4");
  EXPECT_EQ(t.recipe_text, "text\nof two lines");
  EXPECT_EQ(t.learning_rate, 0.1);
  EXPECT_EQ(t.seed, 7);
  EXPECT_EQ(t.status, trial_status::diverged);
  EXPECT_EQ(t.divergence, "blowup");
  EXPECT_EQ(t.steps_done, 12);
  EXPECT_EQ(t.initial_loss, 5.5);
  EXPECT_EQ(t.final_train_loss, std::nullopt);
  EXPECT_EQ(t.validation_loss, std::numeric_limits<double>::infinity());
  EXPECT_EQ(t.tokens, std::int64_t{1} << 40);
  const auto steps = s.steps(3);
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].loss, 0.1);
  EXPECT_EQ(steps[0].floor, 1.0 / 3);
  EXPECT_TRUE(steps[0].clipped);
  EXPECT_EQ(steps[1].loss, 5e-324);
  EXPECT_EQ(steps[1].floor, std::nullopt);
  ASSERT_EQ(s.evaluations(3).size(), 1u);
  EXPECT_EQ(s.evaluations(3)[0].validation_loss, 4.25);
  const auto counters = s.quantizations(3);
  ASSERT_EQ(counters.size(), 1u);
  EXPECT_EQ(counters[0].site, "head");
  EXPECT_EQ(counters[0].underflowed, 2);
  EXPECT_EQ(counters[0].sqnr_db, 20.5);
  ASSERT_TRUE(counters[0].details);
  const rounding_details& d = *counters[0].details;
  EXPECT_EQ(d.nans, 1);
  EXPECT_EQ(d.infinities, 2);
  EXPECT_EQ(d.exact, 3);
  EXPECT_EQ(d.subnormal, 4);
  EXPECT_EQ(d.top_binade, 5);
  EXPECT_EQ(d.smallest_scale, 0.25);
  EXPECT_EQ(d.largest_scale, 8);
  EXPECT_TRUE(std::isnan(d.headroom));
  EXPECT_EQ(d.bias, -0.1);
  EXPECT_EQ(d.cosine, 1.0 / 3);
  EXPECT_EQ(d.exponents, (exponent_counts{7, -12, {1, 0, 9}}));
  int measurements = 0;
  s.for_each_measurement(3, [&](const measurement_record& m) {
    ++measurements;
    EXPECT_EQ(m.subject + " " + m.quantity, "logits log_z");
    EXPECT_EQ(m.value, 0.1);
  });
  EXPECT_EQ(measurements, 1);
}

TEST_F(store, of_a_version_without_details_of_roundings_is_read_and_gets_columns_when_it_is_written) {
  study_store::create(file);
  const counter_record row{.site = "s", .gemm = "g", .operand = "o", .count = 1, .nonzero = 1, .amax = 1, .sqnr_db = 1};
  {
    SQLite::Database old(file.string(), SQLite::OPEN_READWRITE);
    old.exec(
        "DROP TABLE quantization; CREATE TABLE quantization(trial INTEGER NOT NULL, step INTEGER NOT NULL, site TEXT "
        "NOT "
        "NULL, gemm TEXT NOT NULL, operand TEXT NOT NULL, count INTEGER NOT NULL, nonzero INTEGER NOT NULL, saturated "
        "INTEGER NOT NULL, underflowed INTEGER NOT NULL, amax REAL, sqnr_db REAL, PRIMARY KEY(trial, step, site, gemm, "
        "operand)) WITHOUT ROWID; INSERT INTO quantization VALUES(0, 0, 's', 'g', 'o', 1, 1, 0, 0, 1, 1)");
  }
  EXPECT_FALSE(study_store::open_read_only(file).quantizations(0).at(0).details);
  auto s = study_store::open(file);
  counter_record next = row;
  next.step = 1;
  next.details = rounding_details{.exact = 1};
  s.write({.truncations = {}, .steps = {}, .evaluations = {}, .quantizations = {next}, .trials = {}});
  const auto rows = s.quantizations(0);
  EXPECT_FALSE(rows.at(0).details);
  EXPECT_EQ(rows.at(1).details->exact, 1);
}

TEST_F(store, nan_comes_back_as_nan_and_infinity_as_infinity) {
  auto s = study_store::create(file);
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  s.write({.truncations = {},
           .steps = {{.trial = 0,
                      .step = 0,
                      .loss = nan,
                      .floor = {},
                      .learning_rate = 1,
                      .gradient_norm = infinity,
                      .clipped = false}},
           .evaluations = {{.trial = 0, .step = 1, .validation_loss = nan}},
           .quantizations = {{.trial = 0,
                              .step = 0,
                              .site = "s",
                              .gemm = "g",
                              .operand = "o",
                              .count = 1,
                              .nonzero = 1,
                              .saturated = 0,
                              .underflowed = 0,
                              .amax = nan,
                              .sqnr_db = infinity}},
           .trials = {}});
  EXPECT_TRUE(std::isnan(s.steps(0)[0].loss));
  EXPECT_EQ(s.steps(0)[0].gradient_norm, infinity);
  EXPECT_TRUE(std::isnan(s.evaluations(0)[0].validation_loss));
  EXPECT_TRUE(std::isnan(s.quantizations(0)[0].amax));
  EXPECT_EQ(s.quantizations(0)[0].sqnr_db, infinity);
}

TEST_F(store, a_batch_is_stored_whole_or_not_at_all) {
  auto s = study_store::create(file);
  const step_record row{
      .trial = 0, .step = 0, .loss = 1, .floor = {}, .learning_rate = 1, .gradient_norm = 1, .clipped = false};
  step_record next = row;
  next.step = 1;
  EXPECT_NE(
      message([&] {
        s.write({.truncations = {}, .steps = {next, row, row}, .evaluations = {}, .quantizations = {}, .trials = {}});
      }),
      "");
  EXPECT_TRUE(s.steps(0).empty());
}

TEST_F(store, a_truncation_removes_what_a_resumption_writes_again_and_nothing_else) {
  auto s = study_store::create(file);
  store_batch batch;
  for (std::int64_t trial = 0; trial < 2; ++trial)
    for (std::int64_t step = 0; step < 6; ++step) {
      batch.steps.push_back({.trial = trial,
                             .step = step,
                             .loss = 1,
                             .floor = {},
                             .learning_rate = 1,
                             .gradient_norm = 1,
                             .clipped = false});
      batch.quantizations.push_back({.trial = trial,
                                     .step = step,
                                     .site = "s",
                                     .gemm = "g",
                                     .operand = "o",
                                     .count = 1,
                                     .nonzero = 1,
                                     .saturated = 0,
                                     .underflowed = 0,
                                     .amax = 1,
                                     .sqnr_db = 1});
      batch.evaluations.push_back({.trial = trial, .step = step, .validation_loss = 1});
      batch.measurements.push_back({.trial = trial, .step = step, .subject = "s", .quantity = "q", .value = 1});
    }
  s.write(batch);
  s.write(
      {.truncations = {{.trial = 1, .steps = 4}}, .steps = {}, .evaluations = {}, .quantizations = {}, .trials = {}});
  EXPECT_EQ(s.steps(0).size(), 6u);
  EXPECT_EQ(s.steps(1).size(), 4u);  // steps 0..3 ran before the checkpoint
  EXPECT_EQ(s.quantizations(1).size(), 4u);
  int measurements = 0;
  s.for_each_measurement(1, [&](const measurement_record&) { ++measurements; });
  EXPECT_EQ(measurements, 4);
  EXPECT_EQ(s.evaluations(1).size(), 5u);  // the evaluation after 4 steps belongs to it
}

TEST_F(store, a_missing_a_damaged_and_a_foreign_file_are_refused_by_name) {
  EXPECT_NE(message([&] { study_store::open(file); }).find(file.string()), std::string::npos);
  std::ofstream(file) << "this is no database, and long enough to be looked at as one: " << std::string(200, 'x');
  EXPECT_NE(message([&] { study_store::open_read_only(file); }).find("not a study"), std::string::npos);
  std::filesystem::remove(file);
  {
    auto s = study_store::create(file);
    s.set_properties({{"schema_version", "999"}});
  }
  EXPECT_NE(message([&] { study_store::open(file); }).find("schema version 999"), std::string::npos);
}

TEST_F(store, create_never_overwrites) {
  study_store::create(file).set_properties({{"name", "first"}});
  EXPECT_NE(message([&] { study_store::create(file); }).find("exists"), std::string::npos);
  EXPECT_EQ(study_store::open(file).property("name"), "first");
}

TEST_F(store, can_be_read_while_it_is_written) {
  auto writer = study_store::create(file);
  const auto reader = study_store::open_read_only(file);
  writer.write({.truncations = {}, .steps = {}, .evaluations = {}, .quantizations = {}, .trials = {a_trial}});
  EXPECT_EQ(reader.trials().size(), 1u);
}

}  // namespace
