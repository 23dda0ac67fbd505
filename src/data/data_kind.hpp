#pragma once
/// The kinds of data that a table [data] can name.  A kind is one file with a function NAME_kind() and one word in the
/// list below.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "data/data_source.hpp"
#include "util/toml_reader.hpp"

namespace binade {

/// A table [data] and what its readers need besides.
struct data_request {
  const toml_section& table;
  std::filesystem::path folder;     ///< of the file; paths in the table are relative to it
  std::size_t context = 0;          ///< positions of the model's sequences; below 2: it reads none
  std::filesystem::path text = {};  ///< a text from the command line, in place of the key `text`

  /// The path that stands there.  All that follow throw std::invalid_argument with file, line and key.
  std::filesystem::path path(const char* key) const;
  /// One or more paths.
  std::vector<std::filesystem::path> paths(const char* key) const;
  /// `context`, where the data are sequences.
  std::size_t sequence_length() const;
  /// Key `seed`: 0 or more, default 0.
  std::uint64_t seed() const;
  /// Key `validation_documents`: sequences of the validation set, default 256.
  std::size_t validation_documents() const;
  /// Such a key for examples that are no sequences: 0, the default, stands for all there are.
  std::size_t validation_examples(const char* key) const;
};

/// Opens what a table names.  Only then are files looked at.
using data_opener = std::function<std::unique_ptr<data_source>()>;

/// A kind of data as files name it.
struct data_kind {
  std::string_view name;                       ///< as in corpus = "zm"
  std::string_view what;                       ///< in a few words
  data_opener (*read)(const data_request& r);  ///< asks for all its keys; reads no file
};

/// In the order in which messages list them.
std::vector<data_kind> data_kinds();

/// Reads a table [data]: the kind is what `corpus` says, "text" if there is a key `text`, else "zm".
/// @param corpus  gets the name of the kind
/// @throws std::invalid_argument with file, line and key
data_opener read_data(const data_request& r, std::string& corpus);

}  // namespace binade
