#include "util/toml_reader.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <binade/nearest_name.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace binade {

struct toml_section::table {
  std::shared_ptr<const toml::table> file;  // owns everything below
  const toml::table* keys;                  // nullptr: the table is not in the file
  std::string source;                       // the file's name
  std::string path;                         // "train" or "rule.forward"; empty for the file itself
  std::vector<std::string> asked = {};      // in the order of the questions
  std::vector<std::pair<std::string, std::vector<std::shared_ptr<table>>>> below = {};  // tables handed out, by key
  std::function<std::string(std::string_view)> explain = {};

  const toml::node* find(std::string_view key) {
    if (std::find(asked.begin(), asked.end(), key) == asked.end()) asked.emplace_back(key);
    return keys ? keys->get(key) : nullptr;
  }

  std::string full_name(std::string_view key) const { return (path.empty() ? "" : path + ".") + std::string(key); }

  /// The tables handed out under a key: made by `make` at the first question, the same ones ever after.
  template <class Make>
  std::vector<std::shared_ptr<table>>& children(std::string_view key, Make make) {
    for (auto& [name, tables] : below) {
      if (name == key) return tables;
    }
    std::vector<std::shared_ptr<table>> tables;
    for (const toml::table* child : make())
      tables.push_back(std::make_shared<table>(table{file, child, source, full_name(key)}));
    return below.emplace_back(std::string(key), std::move(tables)).second;
  }
};

namespace {

[[noreturn]] void fail_at(const std::string& source, std::uint32_t line, const std::string& message) {
  throw std::invalid_argument(source + (line > 0 ? ":" + std::to_string(line) : "") + ": " + message);
}

std::string in_quotes(std::string_view text) {
  return '"' + std::string(text) + '"';
}

/// What is given, short enough for a message.
std::string shown(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& value) {
    if constexpr (toml::is_table<decltype(value)>) {
      out << "a table";
    } else if constexpr (toml::is_array<decltype(value)>) {
      out << "a list";
    } else {
      out << toml::toml_formatter(value);
    }
  });
  std::string text = out.str();
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

/// The kinds of value: how each is taken from a node (nothing if the node is of another kind) and what it is called.
struct text_kind {
  using type = std::string;
  static constexpr const char* name = "a text in quotes";
  static std::optional<type> take(const toml::node& node) { return node.value_exact<std::string>(); }
};
struct number_kind {
  using type = double;
  static constexpr const char* name = "a finite number";
  static std::optional<type> take(const toml::node& node) {
    if (const auto whole = node.value_exact<std::int64_t>()) return static_cast<double>(*whole);
    const auto real = node.value_exact<double>();
    return real && std::isfinite(*real) ? real : std::nullopt;
  }
};
struct integer_kind {
  using type = std::int64_t;
  static constexpr const char* name = "a whole number";
  static std::optional<type> take(const toml::node& node) { return node.value_exact<std::int64_t>(); }
};
struct flag_kind {
  using type = bool;
  static constexpr const char* name = "true or false";
  static std::optional<type> take(const toml::node& node) { return node.value_exact<bool>(); }
};

[[noreturn]] void fail_kind(const toml_section& section, std::string_view key, const std::string& valid,
                            const toml::node& given) {
  section.fail(key, "expected " + valid + ", given " + shown(given));
}

}  // namespace

toml_section toml_section::read_file(const std::filesystem::path& file) {
  const std::string name = file.string();
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) {
    throw std::invalid_argument(name + ": is a folder; give the name of a TOML file");
  }
  if (!std::filesystem::exists(file, error)) throw std::invalid_argument(name + ": there is no such file");
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::invalid_argument(name + ": cannot be opened for reading; check its permissions");
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad()) throw std::runtime_error(name + ": reading failed");
  if (text.find('\0') != std::string::npos) throw std::invalid_argument(name + ": is a binary file, not TOML text");
  return parse(text, name);
}

toml_section toml_section::parse(std::string_view text, std::string source) {
  try {
    const auto file = std::make_shared<const toml::table>(toml::parse(text, source));
    return toml_section(std::make_shared<table>(table{file, file.get(), std::move(source), ""}));
  } catch (const toml::parse_error& error) {
    fail_at(source, error.source().begin.line, "not valid TOML: " + std::string(error.description()));
  }
}

bool toml_section::has(std::string_view key) const {
  return table_->find(key) != nullptr;
}

std::string toml_section::where(std::string_view key) const {
  const toml::node* node = table_->keys ? table_->keys->get(key) : nullptr;
  std::uint32_t line = 0;
  if (node) {
    line = node->source().begin.line;
  } else if (table_->keys && !table_->path.empty()) {
    line = table_->keys->source().begin.line;
  }
  return table_->source + (line > 0 ? ":" + std::to_string(line) : "") + ": key " + in_quotes(table_->full_name(key));
}

void toml_section::fail(std::string_view key, const std::string& message) const {
  throw std::invalid_argument(where(key) + ": " + message);
}

void toml_section::fail_missing(std::string_view key, const std::string& valid) const {
  std::string hint;
  if (table_->keys) {
    for (const auto& [other, node] : *table_->keys) {
      if (edit_distance(key, other.str()) > 2) continue;
      hint = " (line " + std::to_string(node.source().begin.line) + " has " + in_quotes(other.str()) + ")";
    }
  }
  fail(key, "is missing" + hint + "; give it " + valid);
}

template <class Kind>
typename Kind::type toml_section::read_one(std::string_view key, std::optional<typename Kind::type> fallback) const {
  const toml::node* node = table_->find(key);
  if (!node && fallback) return *std::move(fallback);
  if (!node) fail_missing(key, Kind::name);
  auto value = Kind::take(*node);
  if (!value) fail_kind(*this, key, Kind::name, *node);
  return *std::move(value);
}

template <class Kind>
std::vector<typename Kind::type> toml_section::read_list(
    std::string_view key, std::optional<std::vector<typename Kind::type>> fallback) const {
  const toml::node* node = table_->find(key);
  if (!node && fallback) return *std::move(fallback);
  const std::string valid = std::string(Kind::name) + " or a list of such";
  if (!node) fail_missing(key, valid);
  std::vector<typename Kind::type> values;
  const auto add = [&](const toml::node& item) {
    const auto value = Kind::take(item);
    if (!value) fail_kind(*this, key, valid, item);
    values.push_back(*value);
  };
  if (const toml::array* items = node->as_array()) {
    for (const toml::node& item : *items) add(item);
  } else {
    add(*node);
  }
  return values;
}

std::string toml_section::text(std::string_view key, std::optional<std::string> fallback) const {
  return read_one<text_kind>(key, std::move(fallback));
}
double toml_section::number(std::string_view key, std::optional<double> fallback) const {
  return read_one<number_kind>(key, fallback);
}
std::int64_t toml_section::integer(std::string_view key, std::optional<std::int64_t> fallback) const {
  return read_one<integer_kind>(key, fallback);
}
bool toml_section::flag(std::string_view key, std::optional<bool> fallback) const {
  return read_one<flag_kind>(key, fallback);
}
std::size_t toml_section::word(std::string_view key, std::span<const std::string_view> words,
                               std::optional<std::size_t> fallback) const {
  const std::string given = text(key, fallback ? std::optional(std::string(words[*fallback])) : std::nullopt);
  std::string valid;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == given) return i;
    valid += (i == 0 ? "" : ", ") + in_quotes(words[i]);
  }
  fail(key, "is " + in_quotes(given) + "; valid are " + valid);
}
std::vector<std::string> toml_section::texts(std::string_view key,
                                             std::optional<std::vector<std::string>> fallback) const {
  return read_list<text_kind>(key, std::move(fallback));
}
std::vector<double> toml_section::numbers(std::string_view key, std::optional<std::vector<double>> fallback) const {
  return read_list<number_kind>(key, std::move(fallback));
}
std::vector<std::int64_t> toml_section::integers(std::string_view key,
                                                 std::optional<std::vector<std::int64_t>> fallback) const {
  return read_list<integer_kind>(key, std::move(fallback));
}

toml_section toml_section::section(std::string_view key) const {
  const toml::node* node = table_->find(key);
  if (node && !node->is_table()) fail_kind(*this, key, "a table", *node);
  return toml_section(
      table_->children(key, [&] { return std::vector<const toml::table*>{node ? node->as_table() : nullptr}; })
          .front());
}

std::vector<toml_section> toml_section::sections(std::string_view key) const {
  const toml::node* node = table_->find(key);
  if (!node) return {};
  const std::string valid = "tables, each under [[" + std::string(key) + "]]";
  const auto& tables = table_->children(key, [&] {
    const toml::array* items = node->as_array();
    if (!items) fail_kind(*this, key, valid, *node);
    std::vector<const toml::table*> children;
    for (const toml::node& item : *items) {
      if (!item.is_table()) fail_kind(*this, key, valid, item);
      children.push_back(item.as_table());
    }
    return children;
  });
  std::vector<toml_section> result;
  result.reserve(tables.size());
  for (const auto& child : tables) result.push_back(toml_section(child));
  return result;
}

const std::vector<std::string>& toml_section::asked() const {
  return table_->asked;
}

void toml_section::explain_unknown(std::function<std::string(std::string_view key)> explain) const {
  table_->explain = std::move(explain);
}

std::string choices_with_key(std::span<const key_sample> samples, std::string_view key) {
  std::string choices;
  for (const key_sample& sample : samples) {
    const toml_section table = toml_section::parse(sample.table, sample.choice);
    sample.read(table);
    const std::vector<std::string>& asked = table.asked();
    if (std::find(asked.begin(), asked.end(), key) == asked.end()) continue;
    choices += (choices.empty() ? "" : ", ") + sample.choice;
  }
  return choices;
}

void toml_section::finish() const {
  if (!table_->keys) return;
  // The table is ordered by name; the reader of the message wants the first one in the file.
  const toml::node* first = nullptr;
  std::string_view unknown;
  for (const auto& [key, node] : *table_->keys) {
    const std::string_view name = key.str();
    if (std::find(table_->asked.begin(), table_->asked.end(), name) != table_->asked.end()) continue;
    if (first && first->source().begin.line <= node.source().begin.line) continue;
    first = &node;
    unknown = name;
  }
  if (first) {
    std::string valid;
    for (const std::string& key : table_->asked) valid += (valid.empty() ? "" : ", ") + key;
    const std::string explanation = table_->explain ? table_->explain(unknown) : std::string();
    if (!explanation.empty()) fail(unknown, explanation + ": " + valid);
    const std::string nearest(nearest_name(unknown, table_->asked));
    fail(unknown, nearest.empty() ? "unknown key; no key is valid here"
                                  : "unknown key; the nearest is " + in_quotes(nearest) + "; valid here: " + valid);
  }
  for (const auto& [key, tables] : table_->below) {
    for (const auto& child : tables) toml_section(child).finish();
  }
}

}  // namespace binade
