#include "vectors/vectors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <type_traits>

#include "binade/codec.hpp"
#include "binade/text.hpp"
#include "binade/version.hpp"
#include "util/atomic_file.hpp"
#include "util/sha256.hpp"

namespace binade {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view magic = "BINADEVC", manifest_name = "manifest.json";
constexpr int widest_complete_table = 16;  // bits: 65536 rows
constexpr std::uint64_t places = 128;      // steps of a format whose input places are picked
constexpr std::array<int, 2> enumerated_noise_bits{1, 3};

enum file_kind : std::uint32_t { decode_kind = 1, binary32_kind = 2, binary64_kind = 3 };

// ---- bytes ---------------------------------------------------------------------------------------------------------

/// Appends the low `size` bytes of a number, lowest first.
void put(std::string& bytes, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
}
void pad(std::string& bytes) {
  bytes.resize((bytes.size() + 7) / 8 * 8, '\0');
}

std::size_t code_bytes(const float_format& f) {
  return f.width <= 8 ? 1 : f.width <= 16 ? 2 : f.width <= 32 ? 4 : 8;
}

struct column {
  std::string text;
  std::uint32_t noise_bits = 0;  ///< 2^noise_bits entries to a row
  std::string data;
};

std::string file_bytes(const float_format& f, file_kind kind, std::uint64_t rows, const std::string& inputs,
                       const std::vector<column>& columns) {
  const std::string text = to_string(f);
  constexpr std::size_t fixed = 48;
  const auto padded = [](std::size_t size) { return (size + 7) / 8 * 8; };
  std::size_t data_at = fixed + padded(text.size());
  for (const column& c : columns) data_at += 16 + padded(c.text.size());

  std::string bytes(magic);
  put(bytes, vectors_layout, 4);
  put(bytes, kind, 4);
  put(bytes, rows, 8);
  put(bytes, columns.size(), 4);
  put(bytes, code_bytes(f), 4);
  put(bytes, text.size(), 4);
  put(bytes, 0, 4);
  put(bytes, data_at, 8);
  bytes += text;
  pad(bytes);
  std::size_t column_at = data_at + padded(inputs.size());
  for (const column& c : columns) {
    put(bytes, c.text.size(), 4);
    put(bytes, c.noise_bits, 4);
    put(bytes, column_at, 8);
    bytes += c.text;
    pad(bytes);
    column_at += padded(c.data.size());
  }
  bytes += inputs;
  pad(bytes);
  for (const column& c : columns) {
    bytes += c.data;
    pad(bytes);
  }
  return bytes;
}

// ---- what is asked -------------------------------------------------------------------------------------------------

/// Magnitude codes up to `last`: all if they are at most `limit`, else both ends, the smallest normal value, every
/// power of two as far as they go, and a fixed sequence of others.
std::vector<std::uint64_t> magnitudes_of(const float_format& f, std::uint64_t last, std::uint64_t limit) {
  std::set<std::uint64_t> codes;
  if (last < limit) {
    for (std::uint64_t c = 0; c <= last; ++c) codes.insert(c);
    return {codes.begin(), codes.end()};
  }
  const auto around = [&](std::uint64_t code) {
    for (std::uint64_t c = code < 1 ? 0 : code - 1; c <= code + 1 && c <= last; ++c) codes.insert(c);
  };
  for (const std::uint64_t code : {std::uint64_t(0), f.leading(), f.max_finite_code(), last}) around(code);
  const std::uint64_t binades = (last >> f.trailing_bits()) + 1, stride = 1 + 6 * binades / limit;
  for (std::uint64_t b = 0; b < binades; b += stride) around(b << f.trailing_bits());
  std::uint64_t state = 1;
  while (codes.size() < limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    codes.insert((state >> 1) % (last + 1));
  }
  return {codes.begin(), codes.end()};
}

/// The magnitudes of inputs, as bits: around each step of the format, and what is special to T.
template <class T>
std::vector<detail::native_bits<T>> magnitudes(const float_format& f) {
  using bits = detail::native_bits<T>;
  constexpr bits infinity = bits(detail::native_format<T>.infinity_code());
  std::set<bits> inputs;
  // Which number of T is near a value does not matter, as long as those on both sides are there.
  const auto add = [&](double value, bool neighbours) {
    const bits near = std::bit_cast<bits>(static_cast<T>(value));
    if (near > infinity) return;
    inputs.insert(near);
    if (!neighbours) return;
    if (near > 0) inputs.insert(near - 1);
    if (near < infinity) inputs.insert(near + 1);
  };
  const double ulp_of_largest =
      detail::exact_double(false, 1, std::max(f.max_exponent(), f.min_exponent()) - f.trailing_bits());
  for (const std::uint64_t code : magnitudes_of(f, f.max_finite_code(), places)) {
    const double low = f.value(code);
    // Above the largest value the grid goes on by its ulp.
    const double step = code < f.max_finite_code() ? f.value(code + 1) - low : ulp_of_largest;
    add(low, true);
    add(low + step / 2, true);
    for (const double eighth : {0.125, 0.25, 0.75, 0.875}) add(low + step * eighth, false);
    if (code == f.max_finite_code())
      for (const double factor : {1.0, 2.0, 16.0}) add(low + step * factor, true);
  }
  for (const double part : {0.5, 0.25, 0x1p-20}) add(f.smallest_positive() * part, true);
  for (const bits special : {bits(0), bits(1), bits(detail::native_format<T>.leading() - 1),
                             bits(detail::native_format<T>.leading()), bits(infinity - 1), infinity})
    inputs.insert(special);
  if (!f.refuses_nan()) {
    inputs.insert(infinity + 1);                                    // signaling
    inputs.insert(bits(detail::native_format<T>.canonical_nan()));  // quiet
    inputs.insert(bits(detail::native_format<T>.magnitude_mask()));
  }
  return {inputs.begin(), inputs.end()};
}

/// Every rounding with every possible overflow rule; the stochastic ones for each number of enumerated noise bits.
std::vector<element> elements_of(const float_format& f) {
  std::vector<element> all;
  for (const rounding_mode mode :
       {rounding_mode::nearest_even, rounding_mode::nearest_away, rounding_mode::toward_zero, rounding_mode::up,
        rounding_mode::down, rounding_mode::to_odd, rounding_mode::stochastic_a, rounding_mode::stochastic_b,
        rounding_mode::stochastic_c})
    for (const overflow_rule overflow : {overflow_rule::saturate, overflow_rule::propagate, overflow_rule::infinity,
                                         overflow_rule::nan, overflow_rule::spec}) {
      element e{.format = f, .rounding = mode, .overflow = overflow};
      if (!defect(e).empty()) continue;
      if (!is_stochastic(mode)) {
        all.push_back(e);
        continue;
      }
      for (const int noise_bits : enumerated_noise_bits) {
        e.noise_bits = noise_bits;
        all.push_back(e);
      }
    }
  return all;
}

template <class T>
vector_file conversion_vectors(const float_format& f, file_kind kind, std::string name) {
  using bits = detail::native_bits<T>;
  std::vector<bits> inputs = magnitudes<T>(f);
  const std::size_t positive = inputs.size();
  const auto sign = bits(detail::native_format<T>.sign_bit());
  for (std::size_t i = 0; i < positive; ++i) inputs.push_back(inputs[i] | sign);
  std::string input_bytes;
  for (const bits x : inputs) put(input_bytes, x, sizeof(bits));
  std::vector<column> columns;
  for (const element& e : elements_of(f)) {
    column c{
        .text = expanded(e), .noise_bits = is_stochastic(e.rounding) ? std::uint32_t(e.noise_bits) : 0, .data = {}};
    for (const bits x : inputs)
      for (std::uint32_t noise = 0; noise >> c.noise_bits == 0; ++noise)
        put(c.data, encode(e, std::bit_cast<T>(x), noise), code_bytes(f));
    columns.push_back(std::move(c));
  }
  return {.kind = std::move(name),
          .rows = inputs.size(),
          .columns = columns.size(),
          .bytes = file_bytes(f, kind, inputs.size(), input_bytes, columns)};
}

// ---- files ---------------------------------------------------------------------------------------------------------

/// The text of a format as part of a file name that every system takes.
std::string file_stem(const float_format& f) {
  std::string stem = to_string(f);
  std::replace_if(
      stem.begin(), stem.end(), [](char c) { return c == ':' || c == '='; }, '_');
  return stem;
}

void prepare(const fs::path& folder) {
  if (std::error_code ignored; fs::exists(folder, ignored) && !fs::is_directory(folder, ignored))
    throw std::invalid_argument(folder.string() + " is a file; --out needs a folder");
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw std::runtime_error("cannot make the folder " + folder.string() + ": " + error.message() +
                             "; check that the folder above it exists and may be written");
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const fs::path name = entry.path().filename();
    if (name != manifest_name && name.extension() != ".bin")
      throw std::invalid_argument(folder.string() + " holds other files (" + name.string() +
                                  "); give an empty or new folder");
  }
  // What this run writes over is no longer what an older manifest describes.
  fs::remove(folder / manifest_name, error);
  if (error) throw std::runtime_error("cannot remove " + (folder / manifest_name).string() + ": " + error.message());
}

}  // namespace

vector_file decode_vectors(const float_format& f) {
  const std::uint64_t limit = std::uint64_t(1) << widest_complete_table;
  std::vector<std::uint64_t> codes =
      magnitudes_of(f, f.magnitude_mask(), f.width <= widest_complete_table ? limit : 2048);
  const std::size_t positive = codes.size();
  for (std::size_t i = 0; f.is_signed && i < positive; ++i) codes.push_back(codes[i] | f.sign_bit());
  std::string inputs;
  column values{.text = "value", .noise_bits = 0, .data = {}};
  for (const std::uint64_t code : codes) {
    put(inputs, code, code_bytes(f));
    put(values.data, std::bit_cast<std::uint64_t>(decode(f, code)), 8);
  }
  return {.kind = "decode",
          .rows = codes.size(),
          .columns = 1,
          .bytes = file_bytes(f, decode_kind, codes.size(), inputs, {values})};
}

vector_file binary32_vectors(const float_format& f) {
  return conversion_vectors<float>(f, binary32_kind, "binary32");
}
vector_file binary64_vectors(const float_format& f) {
  return conversion_vectors<double>(f, binary64_kind, "binary64");
}

nlohmann::ordered_json write_vectors(const fs::path& folder, const std::vector<float_format>& formats,
                                     const std::function<bool()>& stop) {
  prepare(folder);
  nlohmann::ordered_json manifest{{"program", "binade"},
                                  {"version", version_and_commit},
                                  {"layout", vectors_layout},
                                  {"files", nlohmann::ordered_json::array()}};
  std::set<std::string> done;
  for (const float_format& f : formats) {
    if (!done.insert(file_stem(f)).second) continue;
    for (const auto make : {decode_vectors, binary32_vectors, binary64_vectors}) {
      if (stop()) return nullptr;
      const vector_file file = make(f);
      const std::string name = file_stem(f) + "." + file.kind + ".bin";
      write_atomically(folder / name, file.bytes);
      manifest["files"].push_back({{"name", name},
                                   {"format", to_string(f)},
                                   {"kind", file.kind},
                                   {"rows", file.rows},
                                   {"columns", file.columns},
                                   {"bytes", file.bytes.size()},
                                   {"sha256", sha256_of(file.bytes)}});
    }
  }
  write_atomically(folder / manifest_name, manifest.dump(2) + "\n");
  return manifest;
}

}  // namespace binade
