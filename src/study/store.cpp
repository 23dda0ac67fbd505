#include "study/store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <array>
#include <cmath>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace binade {
namespace {

constexpr const char* schema = R"(
CREATE TABLE study(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE trial(
  id INTEGER PRIMARY KEY, recipe TEXT NOT NULL, recipe_text TEXT NOT NULL, learning_rate REAL NOT NULL,
  seed INTEGER NOT NULL, status TEXT NOT NULL, divergence TEXT, steps_done INTEGER NOT NULL, initial_loss REAL,
  final_train_loss REAL, validation_loss REAL, validation_floor REAL, weights_digest TEXT, cpu TEXT, compiler TEXT,
  binade_version TEXT, started TEXT, seconds REAL NOT NULL, tokens INTEGER NOT NULL);
CREATE TABLE step(
  trial INTEGER NOT NULL, step INTEGER NOT NULL, loss REAL, floor REAL, learning_rate REAL NOT NULL,
  gradient_norm REAL, clipped INTEGER NOT NULL, PRIMARY KEY(trial, step)) WITHOUT ROWID;
CREATE TABLE evaluation(
  trial INTEGER NOT NULL, step INTEGER NOT NULL, validation_loss REAL, PRIMARY KEY(trial, step)) WITHOUT ROWID;
CREATE TABLE quantization(
  trial INTEGER NOT NULL, step INTEGER NOT NULL, site TEXT NOT NULL, gemm TEXT NOT NULL, operand TEXT NOT NULL,
  count INTEGER NOT NULL, nonzero INTEGER NOT NULL, saturated INTEGER NOT NULL, underflowed INTEGER NOT NULL,
  amax REAL, sqnr_db REAL, nans INTEGER, infinities INTEGER, exact INTEGER, subnormal INTEGER, top_binade INTEGER,
  smallest_scale REAL, largest_scale REAL, headroom REAL, bias REAL, cosine REAL, exponents TEXT,
  PRIMARY KEY(trial, step, site, gemm, operand)) WITHOUT ROWID;
CREATE TABLE measurement(
  trial INTEGER NOT NULL, step INTEGER NOT NULL, subject TEXT NOT NULL, quantity TEXT NOT NULL, value REAL,
  PRIMARY KEY(trial, step, subject, quantity)) WITHOUT ROWID;
)";

/// Columns of rounding_details, and their types.
constexpr std::array detail_columns{
    std::pair{"nans", "INTEGER"},       std::pair{"infinities", "INTEGER"}, std::pair{"exact", "INTEGER"},
    std::pair{"subnormal", "INTEGER"},  std::pair{"top_binade", "INTEGER"}, std::pair{"smallest_scale", "REAL"},
    std::pair{"largest_scale", "REAL"}, std::pair{"headroom", "REAL"},      std::pair{"bias", "REAL"},
    std::pair{"cosine", "REAL"},        std::pair{"exponents", "TEXT"}};

constexpr std::array status_names{std::pair{trial_status::pending, std::string_view("pending")},
                                  std::pair{trial_status::running, std::string_view("running")},
                                  std::pair{trial_status::done, std::string_view("done")},
                                  std::pair{trial_status::diverged, std::string_view("diverged")},
                                  std::pair{trial_status::failed, std::string_view("failed")}};

trial_status status_named(std::string_view name) {
  for (const auto& [status, text] : status_names)
    if (text == name) return status;
  throw std::runtime_error("study_store: trial.status holds '" + std::string(name) +
                           "', which this version does not know");
}

// SQLite has no NaN: it stores NULL.  Infinities are stored as they are.
void bind(SQLite::Statement& s, int index, double value) {
  if (std::isnan(value))
    s.bind(index);
  else
    s.bind(index, value);
}
void bind(SQLite::Statement& s, int index, const std::optional<double>& value) {
  if (value)
    bind(s, index, *value);
  else
    s.bind(index);
}
void bind_text(SQLite::Statement& s, int index, const std::string& value) {
  if (value.empty())
    s.bind(index);
  else
    s.bind(index, value);
}

double real(const SQLite::Column& column) {
  return column.isNull() ? std::numeric_limits<double>::quiet_NaN() : column.getDouble();
}
std::optional<double> optional_real(const SQLite::Column& column) {
  return column.isNull() ? std::nullopt : std::optional(column.getDouble());
}

exponent_counts exponents_of(const std::string& text) {
  std::istringstream in(text);
  exponent_counts e;
  in >> e.zeros >> e.first;
  for (std::int64_t count = 0; in >> count;) e.counts.push_back(count);
  return e;
}

/// The columns from `first` on; none where the first is empty.
std::optional<rounding_details> details_in(SQLite::Statement& row, int first) {
  if (row.getColumn(first).isNull()) return std::nullopt;
  const auto at = [&](int k) { return row.getColumn(first + k); };
  return rounding_details{.nans = at(0).getInt64(),
                          .infinities = at(1).getInt64(),
                          .exact = at(2).getInt64(),
                          .subnormal = at(3).getInt64(),
                          .top_binade = at(4).getInt64(),
                          .smallest_scale = real(at(5)),
                          .largest_scale = real(at(6)),
                          .headroom = real(at(7)),
                          .bias = real(at(8)),
                          .cosine = real(at(9)),
                          .exponents = exponents_of(at(10).getString())};
}
void bind(SQLite::Statement& s, int first, const std::optional<rounding_details>& details) {
  if (!details) {
    for (int k = 0; k < static_cast<int>(detail_columns.size()); ++k) s.bind(first + k);
    return;
  }
  const rounding_details& d = *details;
  int k = first;
  for (const std::int64_t count : {d.nans, d.infinities, d.exact, d.subnormal, d.top_binade}) s.bind(k++, count);
  for (const double x : {d.smallest_scale, d.largest_scale, d.headroom, d.bias, d.cosine}) bind(s, k++, x);
  s.bind(k, to_text(d.exponents));
}

template <class Work>
auto guarded(const std::filesystem::path& file, const char* doing, Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const SQLite::Exception& e) {
    std::string hint;
    if (e.getErrorCode() == SQLITE_FULL) hint = "; free space on the disk and run the same command again to resume";
    if (e.getErrorCode() == SQLITE_CORRUPT || e.getErrorCode() == SQLITE_NOTADB)
      hint = "; the file is damaged or not a study: restore it from a copy or choose another folder";
    throw std::runtime_error(std::string("study_store: cannot ") + doing + " " + file.string() + ": " + e.what() +
                             hint);
  }
}

constexpr const char* trial_columns =
    "id, recipe, recipe_text, learning_rate, seed, status, divergence, steps_done, initial_loss, final_train_loss, "
    "validation_loss, validation_floor, weights_digest, cpu, compiler, binade_version, started, seconds, tokens";

}  // namespace

std::string to_text(const exponent_counts& exponents) {
  std::string text = std::to_string(exponents.zeros) + " " + std::to_string(exponents.first);
  for (const std::int64_t count : exponents.counts) text += " " + std::to_string(count);
  return text;
}

std::string_view to_string(trial_status status) {
  for (const auto& [value, text] : status_names)
    if (value == status) return text;
  return "?";
}

struct study_store::state {
  std::filesystem::path file;
  SQLite::Database database;

  state(const std::filesystem::path& path, int flags) : file(path), database(path.string(), flags) {
    database.setBusyTimeout(10000);
  }

  bool has_details() {
    SQLite::Statement query(database, "SELECT 1 FROM pragma_table_info('quantization') WHERE name = 'exponents'");
    return query.executeStep();
  }
  void add_details() {
    if (has_details()) return;
    SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
    if (has_details()) return;  // somebody else was faster
    for (const auto& [name, type] : detail_columns)
      database.exec(std::string("ALTER TABLE quantization ADD COLUMN ") + name + " " + type);
    transaction.commit();
  }
  void check_version() {
    SQLite::Statement query(database, "SELECT value FROM study WHERE key = 'schema_version'");
    const std::string found = query.executeStep() ? query.getColumn(0).getString() : "(none)";
    if (found != std::to_string(schema_version))
      throw std::runtime_error("study_store: " + file.string() + " has schema version " + found +
                               " and this program reads version " + std::to_string(schema_version) +
                               "; use the program that wrote it or choose another folder");
  }
};

study_store::study_store(std::unique_ptr<state> s) : state_(std::move(s)) {}
study_store::study_store(study_store&&) noexcept = default;
study_store& study_store::operator=(study_store&&) noexcept = default;
study_store::~study_store() = default;

study_store study_store::create(const std::filesystem::path& file) {
  if (std::filesystem::exists(file))
    throw std::runtime_error("study_store::create: " + file.string() + " exists; open it or choose another folder");
  return guarded(file, "create", [&] {
    auto s = std::make_unique<state>(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    // WAL: readers (a report of a running study) never block the writer.  FULL: a commit is on the disk when it
    // returns, which the order "rows first, then the checkpoint" relies on.
    s->database.exec("PRAGMA journal_mode = WAL");
    s->database.exec("PRAGMA synchronous = FULL");
    SQLite::Transaction transaction(s->database);
    s->database.exec(schema);
    SQLite::Statement insert(s->database, "INSERT INTO study VALUES('schema_version', ?)");
    insert.bind(1, std::to_string(schema_version));
    insert.exec();
    transaction.commit();
    return study_store(std::move(s));
  });
}

study_store study_store::open(const std::filesystem::path& file) {
  return guarded(file, "open", [&] {
    auto s = std::make_unique<state>(file, SQLite::OPEN_READWRITE);
    s->database.exec("PRAGMA journal_mode = WAL");
    s->database.exec("PRAGMA synchronous = FULL");
    s->check_version();
    s->add_details();
    return study_store(std::move(s));
  });
}

study_store study_store::open_read_only(const std::filesystem::path& file) {
  return guarded(file, "open", [&] {
    // Not OPEN_READONLY: the last connection to close removes the journal, and such a one cannot.  Where the file
    // cannot be written SQLite opens it for reading alone by itself.
    auto s = std::make_unique<state>(file, SQLite::OPEN_READWRITE);
    s->database.exec("PRAGMA query_only = ON");
    s->check_version();
    return study_store(std::move(s));
  });
}

std::map<std::string, std::string> study_store::properties() const {
  return guarded(state_->file, "read", [&] {
    std::map<std::string, std::string> result;
    SQLite::Statement query(state_->database, "SELECT key, value FROM study");
    while (query.executeStep()) result[query.getColumn(0).getString()] = query.getColumn(1).getString();
    return result;
  });
}

std::optional<std::string> study_store::property(const std::string& key) const {
  return guarded(state_->file, "read", [&]() -> std::optional<std::string> {
    SQLite::Statement query(state_->database, "SELECT value FROM study WHERE key = ?");
    query.bind(1, key);
    if (!query.executeStep()) return std::nullopt;
    return query.getColumn(0).getString();
  });
}

std::vector<trial_record> study_store::trials() const {
  return guarded(state_->file, "read", [&] {
    std::vector<trial_record> rows;
    SQLite::Statement query(state_->database, std::string("SELECT ") + trial_columns + " FROM trial ORDER BY id");
    while (query.executeStep()) {
      trial_record r;
      int c = 0;
      const auto next = [&] { return query.getColumn(c++); };
      r.id = next().getInt64();
      r.recipe = next().getString();
      r.recipe_text = next().getString();
      r.learning_rate = next().getDouble();
      r.seed = next().getInt64();
      r.status = status_named(next().getString());
      r.divergence = next().getString();
      r.steps_done = next().getInt64();
      r.initial_loss = optional_real(next());
      r.final_train_loss = optional_real(next());
      r.validation_loss = optional_real(next());
      r.validation_floor = optional_real(next());
      r.weights_digest = next().getString();
      r.cpu = next().getString();
      r.compiler = next().getString();
      r.binade_version = next().getString();
      r.started = next().getString();
      r.seconds = next().getDouble();
      r.tokens = next().getInt64();
      rows.push_back(std::move(r));
    }
    return rows;
  });
}

std::vector<step_record> study_store::steps(std::int64_t trial) const {
  return guarded(state_->file, "read", [&] {
    std::vector<step_record> rows;
    SQLite::Statement query(state_->database,
                            "SELECT step, loss, floor, learning_rate, gradient_norm, clipped FROM step WHERE trial = ? "
                            "ORDER BY step");
    query.bind(1, trial);
    while (query.executeStep())
      rows.push_back({.trial = trial,
                      .step = query.getColumn(0).getInt64(),
                      .loss = real(query.getColumn(1)),
                      .floor = optional_real(query.getColumn(2)),
                      .learning_rate = query.getColumn(3).getDouble(),
                      .gradient_norm = real(query.getColumn(4)),
                      .clipped = query.getColumn(5).getInt() != 0});
    return rows;
  });
}

std::vector<evaluation_record> study_store::evaluations(std::int64_t trial) const {
  return guarded(state_->file, "read", [&] {
    std::vector<evaluation_record> rows;
    SQLite::Statement query(state_->database,
                            "SELECT step, validation_loss FROM evaluation WHERE trial = ? ORDER BY step");
    query.bind(1, trial);
    while (query.executeStep())
      rows.push_back(
          {.trial = trial, .step = query.getColumn(0).getInt64(), .validation_loss = real(query.getColumn(1))});
    return rows;
  });
}

void study_store::for_each_quantization(std::int64_t trial,
                                        const std::function<void(const counter_record&)>& visit) const {
  guarded(state_->file, "read", [&] {
    const bool has_details = state_->has_details();
    std::string columns = "step, site, gemm, operand, count, nonzero, saturated, underflowed, amax, sqnr_db";
    if (has_details)
      for (const auto& [name, type] : detail_columns) columns += std::string(", ") + name;
    SQLite::Statement query(state_->database, "SELECT " + columns +
                                                  " FROM quantization WHERE trial = ? ORDER BY step, site, gemm, "
                                                  "operand");
    query.bind(1, trial);
    while (query.executeStep())
      visit({.trial = trial,
             .step = query.getColumn(0).getInt64(),
             .site = query.getColumn(1).getString(),
             .gemm = query.getColumn(2).getString(),
             .operand = query.getColumn(3).getString(),
             .count = query.getColumn(4).getInt64(),
             .nonzero = query.getColumn(5).getInt64(),
             .saturated = query.getColumn(6).getInt64(),
             .underflowed = query.getColumn(7).getInt64(),
             .amax = real(query.getColumn(8)),
             .sqnr_db = real(query.getColumn(9)),
             .details = has_details ? details_in(query, 10) : std::nullopt});
  });
}

std::vector<counter_record> study_store::quantizations(std::int64_t trial) const {
  std::vector<counter_record> rows;
  for_each_quantization(trial, [&](const counter_record& row) { rows.push_back(row); });
  return rows;
}

void study_store::for_each_measurement(std::int64_t trial,
                                       const std::function<void(const measurement_record&)>& visit) const {
  guarded(state_->file, "read", [&] {
    if (!state_->database.tableExists("measurement")) return;
    SQLite::Statement query(state_->database,
                            "SELECT step, subject, quantity, value FROM measurement WHERE trial = ? "
                            "ORDER BY step, subject, quantity");
    query.bind(1, trial);
    while (query.executeStep())
      visit({.trial = trial,
             .step = query.getColumn(0).getInt64(),
             .subject = query.getColumn(1).getString(),
             .quantity = query.getColumn(2).getString(),
             .value = real(query.getColumn(3))});
  });
}

void study_store::set_properties(const std::map<std::string, std::string>& values) {
  guarded(state_->file, "write", [&] {
    SQLite::Transaction transaction(state_->database);
    SQLite::Statement insert(state_->database, "INSERT OR REPLACE INTO study VALUES(?, ?)");
    for (const auto& [key, value] : values) {
      insert.bind(1, key);
      insert.bind(2, value);
      insert.exec();
      insert.reset();
    }
    transaction.commit();
  });
}

void study_store::fold_journal() {
  guarded(state_->file, "write", [&] {
    state_->database.setBusyTimeout(0);
    // tryExec: busy with a reader is no failure.
    state_->database.tryExec("PRAGMA journal_mode = DELETE");
  });
}

void study_store::write(const store_batch& batch) {
  if (batch.empty()) return;
  guarded(state_->file, "write", [&] {
    SQLite::Transaction transaction(state_->database);
    for (const store_batch::truncation& t : batch.truncations)
      for (const char* sql :
           {"DELETE FROM step WHERE trial = ? AND step >= ?", "DELETE FROM quantization WHERE trial = ? AND step >= ?",
            "DELETE FROM measurement WHERE trial = ? AND step >= ?",
            "DELETE FROM evaluation WHERE trial = ? AND step > ?"}) {
        SQLite::Statement remove(state_->database, sql);
        remove.bind(1, t.trial);
        remove.bind(2, t.steps);
        remove.exec();
      }
    SQLite::Statement step(state_->database, "INSERT INTO step VALUES(?, ?, ?, ?, ?, ?, ?)");
    for (const step_record& r : batch.steps) {
      step.bind(1, r.trial);
      step.bind(2, r.step);
      bind(step, 3, r.loss);
      bind(step, 4, r.floor);
      step.bind(5, r.learning_rate);
      bind(step, 6, r.gradient_norm);
      step.bind(7, r.clipped ? 1 : 0);
      step.exec();
      step.reset();
    }
    SQLite::Statement evaluation(state_->database, "INSERT INTO evaluation VALUES(?, ?, ?)");
    for (const evaluation_record& r : batch.evaluations) {
      evaluation.bind(1, r.trial);
      evaluation.bind(2, r.step);
      bind(evaluation, 3, r.validation_loss);
      evaluation.exec();
      evaluation.reset();
    }
    SQLite::Statement quantization(state_->database,
                                   "INSERT INTO quantization VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                                   "?, ?, ?, ?, ?, ?)");
    for (const counter_record& r : batch.quantizations) {
      quantization.bind(1, r.trial);
      quantization.bind(2, r.step);
      quantization.bindNoCopy(3, r.site);
      quantization.bindNoCopy(4, r.gemm);
      quantization.bindNoCopy(5, r.operand);
      quantization.bind(6, r.count);
      quantization.bind(7, r.nonzero);
      quantization.bind(8, r.saturated);
      quantization.bind(9, r.underflowed);
      bind(quantization, 10, r.amax);
      bind(quantization, 11, r.sqnr_db);
      bind(quantization, 12, r.details);
      quantization.exec();
      quantization.reset();
    }
    SQLite::Statement measurement(state_->database, "INSERT INTO measurement VALUES(?, ?, ?, ?, ?)");
    for (const measurement_record& r : batch.measurements) {
      measurement.bind(1, r.trial);
      measurement.bind(2, r.step);
      measurement.bindNoCopy(3, r.subject);
      measurement.bindNoCopy(4, r.quantity);
      bind(measurement, 5, r.value);
      measurement.exec();
      measurement.reset();
    }
    SQLite::Statement trial(state_->database, std::string("INSERT OR REPLACE INTO trial(") + trial_columns +
                                                  ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    for (const trial_record& r : batch.trials) {
      trial.bind(1, r.id);
      trial.bind(2, r.recipe);
      trial.bind(3, r.recipe_text);
      trial.bind(4, r.learning_rate);
      trial.bind(5, r.seed);
      trial.bind(6, std::string(to_string(r.status)));
      bind_text(trial, 7, r.divergence);
      trial.bind(8, r.steps_done);
      bind(trial, 9, r.initial_loss);
      bind(trial, 10, r.final_train_loss);
      bind(trial, 11, r.validation_loss);
      bind(trial, 12, r.validation_floor);
      bind_text(trial, 13, r.weights_digest);
      bind_text(trial, 14, r.cpu);
      bind_text(trial, 15, r.compiler);
      bind_text(trial, 16, r.binade_version);
      bind_text(trial, 17, r.started);
      trial.bind(18, r.seconds);
      trial.bind(19, r.tokens);
      trial.exec();
      trial.reset();
    }
    transaction.commit();
  });
}

}  // namespace binade
