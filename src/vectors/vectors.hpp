#pragma once
/// Conformance vectors: inputs with the codes that they must give, in files that need nothing of this project to be
/// read.  docs/vectors.md has the layout.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "binade/number_format.hpp"

namespace binade {

/// The number in every file's header; it changes when a reader of the old layout would go wrong.
inline constexpr std::uint32_t vectors_layout = 1;

/// One file: its bytes, and what the manifest says about them.
struct vector_file {
  std::string kind;  ///< decode | binary32 | binary64
  std::uint64_t rows = 0, columns = 0;
  std::string bytes;
};

/// The value of each code: all codes up to 16 bits; beyond, those around zero, the ends and (of floating point) each
/// power of two, and others.  Where double does not hold every value, significand and exponent too.
vector_file decode_vectors(const number_format& f);

/// Codes of float (double) inputs under every rounding and every overflow rule that is possible, the stochastic modes
/// with 1 and 3 noise bits and all noise.  Inputs: each value of the format, each midpoint and, where another number
/// is the border between two codes, each border, the numbers beside these, eighths between values, and specials; of
/// formats of more than 8 bits at 128 places that the input's type reaches.  No NaN where the format refuses it.
vector_file binary32_vectors(const number_format& f);
vector_file binary64_vectors(const number_format& f);

/// Writes the files of each format into a folder, made if need be, then manifest.json with their checksums; while that
/// is missing, the folder is not whole.  A file appears whole or not at all.
/// @param stop  asked before each file; true ends the work without a manifest
/// @returns the manifest; null if stopped
/// @throws std::invalid_argument if the folder is a file, or holds what is not of such a set
/// @throws std::runtime_error that names the file if something cannot be written
nlohmann::ordered_json write_vectors(const std::filesystem::path& folder, const std::vector<number_format>& formats,
                                     const std::function<bool()>& stop);

}  // namespace binade
