#include "data/shard_source.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <stdexcept>
#include <system_error>
#include <tuple>

#include "data/data_kind.hpp"
#include "data/mix.hpp"
#include "data/validation_range.hpp"
#include "util/hash.hpp"
#include "util/toml_numbers.hpp"

namespace binade {

namespace fs = std::filesystem;

bool name_has_word(const fs::path& file, std::initializer_list<std::string_view> words) {
  std::string word;
  for (const char c : file.stem().string() + " ") {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      continue;
    }
    if (std::find(words.begin(), words.end(), word) != words.end()) return true;
    word.clear();
  }
  return false;
}

std::vector<fs::path> list_token_files(const std::vector<fs::path>& files) {
  std::vector<fs::path> found;
  for (const fs::path& file : files) {
    if (!fs::is_directory(file)) {
      found.push_back(file);
      continue;
    }
    std::vector<fs::path> inside;
    for (const auto& entry : fs::directory_iterator(file)) {
      const std::string extension = entry.path().extension().string();
      if ((extension == ".bin" || extension == ".npy") && !name_has_word(entry.path(), {"test"}))
        inside.push_back(entry.path());
    }
    if (inside.empty()) throw std::invalid_argument(file.string() + " is a folder without files *.bin or *.npy");
    std::sort(inside.begin(), inside.end());
    found.insert(found.end(), inside.begin(), inside.end());
  }
  return found;
}

// What reading all tokens once tells.
struct shard_source::scan {
  std::optional<std::size_t> vocabulary;
  byte_hasher training, validation;
  std::vector<std::uint64_t> counts = {};  // of the ids in training data
  std::uint64_t beyond = 0;                // ids that the vocabulary does not hold
  std::int64_t largest = 0, first_beyond = 0;
  fs::path first_file = {};  // where first_beyond is
};

void shard_source::take(const piece& from, bool for_training, scan& seen) {
  part& to = for_training ? training_ : validation_;
  byte_hasher& hash = for_training ? seen.training : seen.validation;
  hash.add(std::as_bytes(std::span(&from.count, 1)));
  const auto limit = static_cast<std::int64_t>(seen.vocabulary.value_or(largest_vocabulary));
  std::vector<std::int64_t> ids;
  for (std::uint64_t done = 0; done < from.count; done += ids.size()) {
    ids.resize(static_cast<std::size_t>(std::min<std::uint64_t>(from.count - done, 1 << 17)));
    from.file->read(from.first + done, ids);
    hash.add(std::as_bytes(std::span(ids)));
    for (const std::int64_t id : ids) {
      if (id < 0 || id >= limit) {
        if (seen.beyond++ == 0) {
          seen.first_beyond = id;
          seen.first_file = from.file->path();
        }
        continue;
      }
      seen.largest = std::max(seen.largest, id);
      if (!for_training) continue;
      if (static_cast<std::size_t>(id) >= seen.counts.size()) seen.counts.resize(static_cast<std::size_t>(id) + 1);
      ++seen.counts[static_cast<std::size_t>(id)];
    }
  }
  to.tokens += from.count;
  if (from.count > context_) to.sequences += for_training ? from.count - context_ : (from.count - 1) / context_;
  to.pieces.push_back(from);
}

shard_source::shard_source(const shard_settings& settings, std::size_t context, std::size_t validation_rows)
    : context_(context) {
  if (context < 1 || validation_rows < 1)
    throw std::invalid_argument("shard_source: context is " + std::to_string(context) + " and validation_rows is " +
                                std::to_string(validation_rows) + "; both must be at least 1");
  std::vector<piece> for_training, for_validation;
  std::uint64_t total = 0;
  const bool goes_by_name = settings.validation_files.empty();
  const std::vector<fs::path> validation_paths = list_token_files(settings.validation_files);
  for (const fs::path& path : list_token_files(settings.files)) {
    const auto is_same = [&path](const fs::path& other) {
      std::error_code ignored;
      return fs::equivalent(path, other, ignored);
    };
    // A file for validation is never trained on, also where it lies in the folder of the others.
    if (std::any_of(validation_paths.begin(), validation_paths.end(), is_same)) continue;
    const auto file = std::make_shared<const token_file>(path, settings.layout);
    const bool is_validation = goes_by_name && name_has_word(path, {"val", "valid", "validation"});
    (is_validation ? for_validation : for_training).push_back({file, 0, file->count()});
    if (!is_validation) total += file->count();
  }
  for (const fs::path& path : validation_paths) {
    const auto file = std::make_shared<const token_file>(path, settings.layout);
    for_validation.push_back({file, 0, file->count()});
  }
  files_ = for_training.size() + for_validation.size();
  if (for_validation.empty()) {  // the last tokens of all
    const double share = 1 - settings.validation_fraction;
    std::uint64_t left = static_cast<std::uint64_t>(static_cast<double>(total) * share);
    std::vector<piece> whole;
    whole.swap(for_training);
    for (const piece& p : whole) {
      const std::uint64_t here = std::min(left, p.count);
      left -= here;
      if (here > 0) for_training.push_back({p.file, 0, here});
      if (here < p.count) for_validation.push_back({p.file, here, p.count - here});
    }
  }

  scan seen{.vocabulary = settings.vocabulary, .training = {}, .validation = {}};
  for (const piece& p : for_training) take(p, true, seen);
  for (const piece& p : for_validation) take(p, false, seen);
  if (seen.beyond > 0)
    throw std::invalid_argument(seen.first_file.string() + " has id " + std::to_string(seen.first_beyond) + ", and " +
                                std::to_string(seen.beyond) + " ids in all are negative or not below " +
                                std::to_string(seen.vocabulary.value_or(largest_vocabulary)) +
                                (seen.vocabulary
                                     ? ", the vocabulary; give the tokenizer's vocabulary, or other files"
                                     : ", the largest vocabulary; the files are of another kind or damaged"));
  for (const auto& [which, sequences, tokens] : {std::tuple("training", training_.sequences, training_.tokens),
                                                 std::tuple("validation", validation_.sequences, validation_.tokens)})
    if (sequences == 0)
      throw std::invalid_argument(std::string("token data: ") + std::to_string(tokens) + " tokens are for " + which +
                                  ", and no file has the " + std::to_string(context + 1) +
                                  " in a row that a sequence needs; give more tokens or a smaller context");
  training_.digest = seen.training.digest();
  validation_.digest = seen.validation.digest();
  vocabulary_ = settings.vocabulary.value_or(static_cast<std::size_t>(seen.largest) + 1);
  validation_rows_ = static_cast<std::size_t>(std::min<std::uint64_t>(validation_rows, validation_.sequences));
  unigram_entropy_ = entropy_of_counts(seen.counts);
}

token_batch shard_source::empty_batch(std::size_t rows) const {
  return {.rows = rows,
          .length = context_,
          .inputs = std::vector<std::int32_t>(rows * context_),
          .targets = std::vector<std::int32_t>(rows * context_),
          .predicted = rows * context_,
          .floor = {}};
}

void shard_source::write_row(token_batch& batch, std::size_t row, const piece& from, std::uint64_t place) const {
  std::vector<std::int64_t> ids(context_ + 1);
  from.file->read(from.first + place, ids);
  for (const std::int64_t id : ids)
    if (id < 0 || static_cast<std::size_t>(id) >= vocabulary_)
      throw std::runtime_error(from.file->path().string() + " has changed since it was opened: it has id " +
                               std::to_string(id) + " now");
  for (std::size_t t = 0; t < context_; ++t) {
    batch.inputs[row * context_ + t] = static_cast<std::int32_t>(ids[t]);
    batch.targets[row * context_ + t] = static_cast<std::int32_t>(ids[t + 1]);
  }
}

token_batch shard_source::training_tokens(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const {
  token_batch batch = empty_batch(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    std::uint64_t place = scaled_below(derived_seed(data_seed, step * rows + r), training_.sequences);
    for (const piece& p : training_.pieces) {
      const std::uint64_t here = p.count > context_ ? p.count - context_ : 0;
      if (place < here) {
        write_row(batch, r, p, place);
        break;
      }
      place -= here;
    }
  }
  return batch;
}

token_batch shard_source::validation_tokens(std::size_t first, std::size_t rows) const {
  require_validation_range("shard_source::validation_tokens", "sequences", first, rows, validation_rows_);
  token_batch batch = empty_batch(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    std::uint64_t number = (first + r) * validation_.sequences / validation_rows_;
    for (const piece& p : validation_.pieces) {
      const std::uint64_t here = (p.count - 1) / context_;
      if (number < here) {
        write_row(batch, r, p, number * context_);
        break;
      }
      number -= here;
    }
  }
  return batch;
}

std::string shard_source::description() const {
  return "tokens in " + std::to_string(files_) + (files_ == 1 ? " file: " : " files: ") +
         std::to_string(training_.tokens) + " for training, " + std::to_string(validation_.tokens) +
         " for validation, vocabulary " + std::to_string(vocabulary_) + "; validation on " +
         std::to_string(validation_rows_) + " sequences of " + std::to_string(context_) + " tokens";
}

std::string shard_source::canonical_text() const {
  return "corpus = \"tokens\"\ntraining_tokens = " + std::to_string(training_.tokens) + "\ntraining_xxh3 = \"" +
         training_.digest + "\"\nvalidation_tokens = " + std::to_string(validation_.tokens) + "\nvalidation_xxh3 = \"" +
         validation_.digest + "\"\nvocabulary = " + std::to_string(vocabulary_) +
         "\nvalidation_documents = " + std::to_string(validation_rows_) + "\n";
}

data_kind tokens_kind() {
  return {"tokens", "files of tokens", [](const data_request& r) -> data_opener {
            shard_settings s;
            s.files = r.paths("files");
            if (r.table.has("validation_files")) s.validation_files = r.paths("validation_files");
            try {
              s.layout = token_layout(r.table.text("format", "auto"));
            } catch (const std::invalid_argument& e) {
              r.table.fail("format", e.what());
            }
            if (r.table.has("vocabulary"))
              s.vocabulary = read_size(r.table, "vocabulary", 2, shard_source::largest_vocabulary);
            s.validation_fraction = read_real(r.table, "validation_fraction", 0, bound::excluded, 1, bound::excluded,
                                              s.validation_fraction);
            if (r.table.has("validation_files") && r.table.has("validation_fraction"))
              r.table.fail("validation_fraction", "is given and so is validation_files; remove one of the two");
            const std::size_t context = r.sequence_length(), rows = r.validation_documents();
            return [=] { return std::make_unique<shard_source>(s, context, rows); };
          }};
}

}  // namespace binade
