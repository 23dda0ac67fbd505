#include <gtest/gtest.h>

#include <cstdlib>

#include "report/crafted_study.hpp"
#include "report/report.hpp"

namespace {

using namespace binade;
using namespace binade::crafted;
using rows = std::vector<std::vector<std::string>>;

/// RFC 4180, as a reader sees it.
rows parse_csv(const std::string& text) {
  rows result(1, {""});
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"')
      result.back().back() += text[++i];
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && c == ',')
      result.back().emplace_back();
    else if (!quoted && c == '\n')
      result.emplace_back(1, "");
    else
      result.back().back() += c;
  }
  EXPECT_FALSE(quoted);
  EXPECT_EQ(result.back(), std::vector<std::string>{""}) << "the last line ends with a newline";
  result.pop_back();
  return result;
}

double number(const std::string& text) {
  return std::strtod(text.c_str(), nullptr);
}

TEST(csv, every_row_of_the_store_comes_back_bit_for_bit) {
  temporary_folder folder;
  invented_study plan;
  plan.recipes = {{"f32", 0, 1, 0, 0}, {"fp4", 0.3, 5e-3, 0.1, 0.01}};
  write_invented_study(folder.path() / "study", plan);
  const study_store store = study_store::open_read_only(folder.path() / "study" / study_store::file_name);
  export_csv(store, folder.path() / "new" / "csv");
  const auto read = [&](const char* name) { return parse_csv(contents_of(folder.path() / "new" / "csv" / name)); };

  const auto trials = read("trials.csv"), steps = read("steps.csv"), evaluations = read("evaluations.csv"),
             counters = read("quantization.csv");
  std::size_t trial = 1, step = 1, evaluation = 1, counter = 1, detailed = 0;
  for (const trial_record& t : store.trials()) {
    const auto& row = trials.at(trial++);
    ASSERT_EQ(row.size(), trials[0].size());
    EXPECT_EQ(row[1], t.recipe);
    EXPECT_EQ(number(row[3]), t.learning_rate);
    EXPECT_EQ(row[5], to_string(t.status));
    EXPECT_EQ(row[10].empty(), !t.validation_loss);
    if (t.validation_loss) {
      EXPECT_EQ(number(row[10]), *t.validation_loss);
      EXPECT_EQ(number(row[12]), *t.validation_loss - *t.validation_floor);
    }
    for (const step_record& s : store.steps(t.id)) {
      const auto& r = steps.at(step++);
      ASSERT_EQ(r.size(), 7u);
      EXPECT_EQ(number(r[1]), static_cast<double>(s.step));
      EXPECT_EQ(r[2].empty(), std::isnan(s.loss));
      if (!std::isnan(s.loss)) {
        EXPECT_EQ(number(r[2]), s.loss);
      }
      EXPECT_EQ(r[6], s.clipped ? "1" : "0");
    }
    for (const evaluation_record& e : store.evaluations(t.id))
      EXPECT_EQ(number(evaluations.at(evaluation++)[2]), e.validation_loss);
    store.for_each_quantization(t.id, [&](const auto& q) {
      const auto& r = counters.at(counter++);
      ASSERT_EQ(r.size(), 22u);
      EXPECT_EQ(r[2], q.site);
      EXPECT_EQ(r[8], std::to_string(q.underflowed));
      EXPECT_EQ(number(r[10]), q.sqnr_db);
      EXPECT_EQ(r[11].empty(), !q.details);
      if (q.details) {
        EXPECT_EQ(number(r[11]), q.details->nans);
        EXPECT_EQ(number(r[15]), q.details->top_binade);
        EXPECT_EQ(number(r[20]), q.details->cosine);
        EXPECT_EQ(r[21], to_text(q.details->exponents));
        ++detailed;
      }
    });
  }
  EXPECT_EQ(trial, trials.size());
  EXPECT_EQ(step, steps.size());
  EXPECT_EQ(evaluation, evaluations.size());
  EXPECT_EQ(counter, counters.size());
  EXPECT_GT(counter, 1000u);
  EXPECT_GT(detailed, 100u);
  EXPECT_LT(detailed, counter - 100);
}

TEST(csv, commas_quotes_and_line_ends_in_names_survive) {
  temporary_folder folder;
  const std::string name = "a,\"b\"\nc", text = "[[rule]]\noperands = \"e4m3fn@tensor\", etc\r\n";
  study_builder study(folder.path());
  study.done(name, 1e-3, 0, 0.6);
  trial_record t = study.store().trials()[0];
  t.recipe_text = text;
  store_batch batch;
  batch.trials.push_back(t);
  batch.measurements = {{.trial = t.id, .step = 3, .subject = "head", .quantity = "input_rms", .value = 0.1}};
  study.store().write(batch);
  export_csv(study.store(), folder.path());
  EXPECT_EQ(contents_of(folder.path() / "measurements.csv"),
            "trial,step,subject,quantity,value\n" + std::to_string(t.id) + ",3,head,input_rms,0.1\n");
  const auto trials = parse_csv(contents_of(folder.path() / "trials.csv"));
  ASSERT_EQ(trials.size(), 2u);
  EXPECT_EQ(trials[1][1], name);
  EXPECT_EQ(trials[1][2], text);
}

TEST(csv, a_folder_that_cannot_be_made_is_named) {
  temporary_folder folder;
  study_builder study(folder.path());
  std::ofstream(folder.path() / "file") << "in the way";
  try {
    export_csv(study.store(), folder.path() / "file" / "csv");
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find((folder.path() / "file" / "csv").string()), std::string::npos) << e.what();
  }
}

}  // namespace
