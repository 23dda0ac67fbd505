#include <ostream>
#include <string>
#include <string_view>

#include "report/analysis.hpp"
#include "report/number_text.hpp"
#include "report/report.hpp"
#include "study/store.hpp"
#include "util/atomic_file.hpp"

namespace binade {
namespace {

/// One row of a CSV file, field by field.
class csv_row {
 public:
  explicit csv_row(std::ostream& out) : out_(out) {}
  csv_row(const csv_row&) = delete;
  csv_row& operator=(const csv_row&) = delete;
  ~csv_row() { out_ << '\n'; }

  csv_row& add(std::string_view text) {
    separate();
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
      out_ << text;
      return *this;
    }
    out_ << '"';
    for (char c : text) out_ << (c == '"' ? "\"\"" : std::string_view(&c, 1));
    out_ << '"';
    return *this;
  }
  csv_row& add(std::int64_t x) { return add(std::string_view(std::to_string(x))); }
  csv_row& add(double x) { return add(std::string_view(exact_text(x))); }
  csv_row& add(const std::optional<double>& x) { return x ? add(*x) : add(std::string_view()); }

 private:
  void separate() {
    if (!first_) out_ << ',';
    first_ = false;
  }
  std::ostream& out_;
  bool first_ = true;
};

void write_trials(std::ostream& out, const std::vector<trial_record>& trials) {
  out << "trial,recipe,recipe_text,learning_rate,seed,status,divergence,steps_done,initial_loss,final_train_loss,"
         "validation_loss,validation_floor,excess,weights_digest,cpu,compiler,binade_version,started,seconds,tokens\n";
  for (const trial_record& t : trials)
    csv_row(out)
        .add(t.id)
        .add(t.recipe)
        .add(t.recipe_text)
        .add(t.learning_rate)
        .add(t.seed)
        .add(to_string(t.status))
        .add(t.divergence)
        .add(t.steps_done)
        .add(t.initial_loss)
        .add(t.final_train_loss)
        .add(t.validation_loss)
        .add(t.validation_floor)
        .add(excess_of(t))
        .add(t.weights_digest)
        .add(t.cpu)
        .add(t.compiler)
        .add(t.binade_version)
        .add(t.started)
        .add(t.seconds)
        .add(t.tokens);
}

}  // namespace

void export_csv(const study_store& store, const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    throw std::runtime_error("export_csv: cannot create the folder " + folder.string() + ": " + error.message());
  const std::vector<trial_record> trials = store.trials();
  write_atomically(folder / "trials.csv", [&](std::ostream& out) { write_trials(out, trials); });
  write_atomically(folder / "steps.csv", [&](std::ostream& out) {
    out << "trial,step,loss,floor,learning_rate,gradient_norm,clipped\n";
    for (const trial_record& t : trials)
      for (const step_record& s : store.steps(t.id))
        csv_row(out)
            .add(s.trial)
            .add(s.step)
            .add(s.loss)
            .add(s.floor)
            .add(s.learning_rate)
            .add(s.gradient_norm)
            .add(std::int64_t{s.clipped});
  });
  write_atomically(folder / "evaluations.csv", [&](std::ostream& out) {
    out << "trial,step,validation_loss\n";
    for (const trial_record& t : trials)
      for (const evaluation_record& e : store.evaluations(t.id))
        csv_row(out).add(e.trial).add(e.step).add(e.validation_loss);
  });
  write_atomically(folder / "quantization.csv", [&](std::ostream& out) {
    out << "trial,step,site,gemm,operand,count,nonzero,saturated,underflowed,amax,sqnr_db,nans,infinities,exact,"
           "subnormal,"
           "top_binade,smallest_scale,largest_scale,headroom,bias,cosine,exponents\n";
    for (const trial_record& t : trials)
      store.for_each_quantization(t.id, [&](const counter_record& q) {
        csv_row row(out);
        row.add(q.trial)
            .add(q.step)
            .add(q.site)
            .add(q.gemm)
            .add(q.operand)
            .add(q.count)
            .add(q.nonzero)
            .add(q.saturated)
            .add(q.underflowed)
            .add(q.amax)
            .add(q.sqnr_db);
        if (!q.details) {
          for (int i = 0; i < 11; ++i) row.add(std::string_view());
          return;
        }
        const rounding_details& d = *q.details;
        row.add(d.nans)
            .add(d.infinities)
            .add(d.exact)
            .add(d.subnormal)
            .add(d.top_binade)
            .add(d.smallest_scale)
            .add(d.largest_scale)
            .add(d.headroom)
            .add(d.bias)
            .add(d.cosine)
            .add(to_text(d.exponents));
      });
  });
  write_atomically(folder / "measurements.csv", [&](std::ostream& out) {
    out << "trial,step,subject,quantity,value\n";
    for (const trial_record& t : trials)
      store.for_each_measurement(t.id, [&](const measurement_record& m) {
        csv_row(out).add(m.trial).add(m.step).add(m.subject).add(m.quantity).add(m.value);
      });
  });
}

}  // namespace binade
