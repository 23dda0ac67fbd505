#include "data/data_kind.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "util/toml_numbers.hpp"

namespace binade {

#define BINADE_DATA_KINDS(KIND) \
  KIND(zm)                      \
  KIND(facts)                   \
  KIND(rhm)                     \
  KIND(text) KIND(tokens) KIND(mnist) KIND(cifar10) KIND(cifar100) KIND(images) KIND(prototypes) KIND(gaussian)

#define BINADE_DECLARE(name) data_kind name##_kind();
BINADE_DATA_KINDS(BINADE_DECLARE)
#undef BINADE_DECLARE

std::vector<data_kind> data_kinds() {
#define BINADE_LIST(name) name##_kind(),
  return {BINADE_DATA_KINDS(BINADE_LIST)};
#undef BINADE_LIST
}

namespace {

constexpr std::size_t most_validation_tokens = std::size_t{1}
                                               << 24;  // they are held in memory when the floor is computed

// A path in a file is relative to that file, so that a study runs from any folder.
std::filesystem::path beside(const std::filesystem::path& folder, const std::filesystem::path& path) {
  return path.is_absolute() ? path : folder / path;
}

const data_kind& find_kind(const std::vector<data_kind>& kinds, const toml_section& table, const std::string& name) {
  const auto found = std::find_if(kinds.begin(), kinds.end(), [&](const data_kind& k) { return k.name == name; });
  if (found != kinds.end()) return *found;
  std::string valid;
  for (const data_kind& k : kinds)
    valid += (valid.empty() ? "" : ", ") + ('"' + std::string(k.name) + "\" (" + std::string(k.what) + ")");
  table.fail("corpus", "is \"" + name + "\"; valid are " + valid);
}

}  // namespace

std::filesystem::path data_request::path(const char* key) const {
  return beside(folder, table.text(key));
}

std::vector<std::filesystem::path> data_request::paths(const char* key) const {
  std::vector<std::filesystem::path> result;
  for (const std::string& name : table.texts(key)) result.push_back(beside(folder, name));
  if (result.empty()) table.fail(key, "is empty; give at least one file or folder");
  return result;
}

std::size_t data_request::sequence_length() const {
  if (context < 2) table.fail("corpus", "gives sequences of tokens, and this model reads none; give it other data");
  return context;
}

std::uint64_t data_request::seed() const {
  return static_cast<std::uint64_t>(read_whole(table, "seed", 0, std::numeric_limits<std::int64_t>::max(), 0));
}

std::size_t data_request::validation_documents() const {
  const std::size_t documents = read_size(table, "validation_documents", 1, 1 << 20, 256);
  if (documents > most_validation_tokens / sequence_length())
    table.fail("validation_documents", "is " + std::to_string(documents) + " sequences of " + std::to_string(context) +
                                           "; valid are up to 2^24 tokens in all");
  return documents;
}

std::size_t data_request::validation_examples(const char* key) const {
  return read_size(table, key, 0, 1 << 24, 0);
}

data_opener read_data(const data_request& r, std::string& corpus) {
  const std::vector<data_kind> kinds = data_kinds();
  const bool has_text = r.table.has("text");
  corpus = r.table.text("corpus", has_text ? "text" : "zm");
  const data_kind& named = find_kind(kinds, r.table, corpus);
  if (corpus != "text" && has_text && r.text.empty())
    r.table.fail("text", "is given and corpus is \"" + corpus + "\"; remove one of the two");
  data_opener open = named.read(r);
  if (r.text.empty() || corpus == "text") return open;
  // A text from outside takes the place of what the table says, which has been checked all the same.
  corpus = "text";
  return find_kind(kinds, r.table, corpus).read(r);
}

}  // namespace binade
