#include "report/html.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <nlohmann/json.hpp>

#include "report/assets.hpp"
#include "report/chart_data.hpp"
#include "report/crafted_study.hpp"
#include "report/markup.hpp"
#include "report/report.hpp"

namespace {

using namespace binade;
using namespace binade::crafted;

std::string report_of(const invented_study& plan) {
  temporary_folder folder;
  write_invented_study(folder.path() / "study", plan);
  write_report(folder.path() / "study");
  return contents_of(folder.path() / "study" / "report.html");
}

/// The page without the chart library, whose text is not ours.
std::string own_part(std::string page) {
  const std::size_t at = page.find(report_assets::chart_library);
  EXPECT_NE(at, std::string::npos) << "the chart library is in the page, whole";
  return page.erase(at, report_assets::chart_library.size());
}

/// What the browser shows before any script runs: no styles, scripts or data.
std::string visible_part(const std::string& page) {
  std::string text = own_part(page);
  for (const char* name : {"style", "script"})
    for (std::size_t open; (open = text.find("<" + std::string(name))) != std::string::npos;) {
      const std::size_t close = text.find("</" + std::string(name) + ">", open);
      if (close == std::string::npos) break;
      text.erase(open, close - open + std::string(name).size() + 3);
    }
  return text;
}

bool holds(const std::string& text, std::string_view piece) {
  return text.find(piece) != std::string::npos;
}

/// Whether a word stands in the text on its own.
bool has_word(const std::string& text, std::string_view word) {
  const auto is_letter = [&](std::size_t i) {
    return i < text.size() && std::isalnum(static_cast<unsigned char>(text[i])) != 0;
  };
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
    if ((at == 0 || !is_letter(at - 1)) && !is_letter(at + word.size())) return true;
  return false;
}

nlohmann::json data_of(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"study-data\">";
  const std::size_t at = page.find(open) + open.size();
  return nlohmann::json::parse(page.substr(at, page.find("</script>", at) - at));
}

TEST(html, the_page_names_no_address_and_forbids_loading_anything) {
  const std::string page = report_of({});
  EXPECT_NE(page.find("Content-Security-Policy\" content=\"default-src 'none'"), std::string::npos);
  const std::string own = own_part(page);
  for (const char* loads :
       {"http:", "https:", "src=\"", "src='", "@import", "url(", "<link", "<iframe", "<img", "fetch("})
    EXPECT_FALSE(holds(own, loads)) << loads;
  // Comments of the chart library name its home page; it has no means to load anything.
  const std::string library(report_assets::chart_library);
  for (const char* loads : {"XMLHttpRequest", "importScripts", "fetch(", "new Image", "WebSocket", "EventSource"})
    EXPECT_FALSE(holds(library, loads)) << loads;
}

TEST(html, the_page_is_small_enough_to_mail) {
  EXPECT_LT(report_of({}).size(), 1000000u);
}

TEST(html, names_from_the_store_cannot_become_markup) {
  const std::string evil = "</script><script>alert(1)</script> & \"x\" 'y' <b>";
  invented_study plan;
  plan.recipes = {{"f32", 0, 1, 0, 0}, {evil, 0.1, 1, 0.1, 0.1}};
  const std::string page = report_of(plan);
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_EQ(page.find("<b>\""), std::string::npos);
  EXPECT_NE(page.find("&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot; &#39;y&#39; &lt;b&gt;"),
            std::string::npos);
  EXPECT_EQ(data_of(page)["recipes"][1]["label"], evil);
}

TEST(html, a_name_that_looks_like_a_placeholder_stays_a_name) {
  invented_study plan;
  plan.recipes = {{"f32", 0, 1, 0, 0}, {"{{data}}", 0.1, 1, 0.1, 0.1}};
  EXPECT_NE(report_of(plan).find("<span>{{data}}</span>"), std::string::npos);
}

TEST(html, the_numbers_are_there_without_a_script) {
  const std::string text = visible_part(report_of({}));
  for (const char* piece : {"<noscript>", "within noise", ">worse<", "nonfinite", "3e-3", "blocks.0.mlp.up", "step 250",
                            "entropy floor", "0.722", "00112233445566"})
    EXPECT_NE(text.find(piece), std::string::npos) << piece;
}

TEST(html, every_canvas_of_the_script_is_in_the_page_and_nothing_is_nan) {
  const std::string page = report_of({}), text = visible_part(page);
  for (const char* id : {"curves", "rates", "seeds", "differences", "saturated", "underflowed"})
    EXPECT_NE(text.find("<canvas id=\"" + std::string(id) + "\""), std::string::npos) << id;
  for (const char* word : {"nan", "NaN", "inf", "undefined"}) EXPECT_FALSE(has_word(text, word)) << word;
  EXPECT_EQ(text.find("{{"), std::string::npos);
}

TEST(html, incomplete_studies_have_a_report_too) {
  temporary_folder folder;
  {
    study_builder study(folder.path());
    write_report(folder.path());
    EXPECT_NE(contents_of(folder.path() / "report.html").find("no trials yet"), std::string::npos);
    study.with_status("f32", 1e-3, 0, trial_status::pending).diverged("fp4", 1e-3, 0);
    study.with_status("fp8", 1e-3, 0, trial_status::failed).with_status("fp8", 1e-3, 1, trial_status::running);
  }
  write_report(folder.path());
  const std::string text = visible_part(contents_of(folder.path() / "report.html"));
  EXPECT_NE(text.find("1 of 4 trials finished"), std::string::npos);
  for (const char* word : {"nan", "NaN"}) EXPECT_FALSE(has_word(text, word)) << word;
}

TEST(html, long_curves_are_thinned_and_keep_their_mean) {
  temporary_folder folder;
  invented_study plan;
  plan.recipes = {{"f32", 0, 1, 0, 0}};
  plan.learning_rates = {3e-3};
  plan.seeds = {0};
  plan.steps = 2500;
  write_invented_study(folder.path() / "study", plan);
  const study_store store = study_store::open_read_only(folder.path() / "study" / study_store::file_name);
  const auto data = chart_data(analyse(store), store);
  const auto& curve = data["curves"][0];
  EXPECT_EQ(curve["width"], 7);  // 2500 / 400 rounded up
  EXPECT_LE(curve["y"].size(), 400u);
  const auto steps = store.steps(0);
  double sum = 0;
  for (std::size_t i = 7; i < 14; ++i) sum += steps[i].loss - *steps[i].floor;
  EXPECT_NEAR(curve["y"][1].get<double>(), sum / 7, 6e-5);
}

TEST(html, a_step_without_a_finite_loss_is_a_gap_in_the_curve) {
  invented_study plan;
  plan.recipes = {{"f32", 0, 1e-4, 0, 0}};
  const auto data = data_of(report_of(plan));
  EXPECT_TRUE(data["curves"][0]["y"].back().is_null());
  EXPECT_EQ(data["curves"][0]["divergence"], "nonfinite");
  EXPECT_TRUE(data["rates"][0]["y"].is_null());
}

TEST(html, text_data_is_reported_in_bits_per_byte_and_without_a_floor) {
  invented_study plan;
  plan.with_floor = false;
  const std::string text = visible_part(report_of(plan));
  EXPECT_NE(text.find("Bits per"), std::string::npos);
  EXPECT_EQ(text.find("above the entropy floor"), std::string::npos);
  EXPECT_FALSE(data_of(report_of(plan))["has_floor"].get<bool>());
}

TEST(html, hundreds_of_trials_stay_a_few_megabytes) {
  invented_study plan;
  plan.learning_rates = {1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1};
  plan.seeds = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  plan.layers = 1;
  plan.record_every = 50;
  EXPECT_LT(report_of(plan).size(), 2000000u);
}

TEST(html, an_existing_report_is_replaced_whole_and_nothing_else_is_left) {
  temporary_folder folder;
  study_builder study(folder.path());
  study.done("f32", 1e-3, 0, 0.6);
  std::ofstream(folder.path() / "report.html") << "older";
  write_report(folder.path());
  EXPECT_NE(contents_of(folder.path() / "report.html").find("</html>"), std::string::npos);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    EXPECT_EQ(entry.path().filename().string().find(".tmp"), std::string::npos) << entry.path();
}

TEST(html, a_folder_without_a_study_is_an_error_that_names_it) {
  temporary_folder folder;
  try {
    write_report(folder.path() / "none");
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("none"), std::string::npos) << e.what();
  }
}

TEST(markup, text_is_escaped_and_minus_signs_are_set_where_a_number_starts) {
  EXPECT_EQ(escaped("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(typeset("-0.5 to -0.1"), "\u22120.5 to \u22120.1");
  EXPECT_EQ(typeset("rate 2.5e-3, bf-16, 95 %"), "rate <span class=\"number\">2.5e-3</span>, bf-16, 95\u00a0%");
  EXPECT_EQ(typeset("1e-3"), "<span class=\"number\">1e-3</span>");
  EXPECT_EQ(typeset("+0.01 12 e4m3 2e x-1 3e- (-7)"), "+0.01 12 e4m3 2e x-1 3e- (\u22127)");
  EXPECT_EQ(script_safe("{\"a\":\"</script><!--\"}"), "{\"a\":\"\\u003c/script>\\u003c!--\"}");
  EXPECT_EQ(fill("a{{x}}b{{y}}{{", [](std::string_view name) { return "<" + std::string(name) + "{{z}}>"; }),
            "a<x{{z}}>b<y{{z}}>{{");
}

}  // namespace
