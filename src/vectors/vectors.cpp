#include "vectors/vectors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <type_traits>

#include "binade/codec.hpp"
#include "binade/format_facts.hpp"
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

std::size_t code_bytes(const number_format& f) {
  return f.width <= 8 ? 1 : f.width <= 16 ? 2 : f.width <= 32 ? 4 : 8;
}

struct column {
  std::string text;
  std::uint32_t noise_bits = 0;  ///< 2^noise_bits entries to a row
  std::string data;
};

std::string file_bytes(const number_format& f, file_kind kind, std::uint64_t rows, const std::string& inputs,
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

/// Codes from `first` to `last`: all if they are at most `limit`, else both ends, what lies around the marks, and a
/// fixed sequence of others.
std::vector<std::uint64_t> picked(std::uint64_t first, std::uint64_t last, std::uint64_t limit,
                                  const std::vector<std::uint64_t>& marks) {
  std::set<std::uint64_t> codes;
  if (last - first < limit) {
    for (std::uint64_t c = first; c <= last; ++c) codes.insert(c);
    return {codes.begin(), codes.end()};
  }
  const auto around = [&](std::uint64_t code) {
    for (std::uint64_t c = code < 1 ? 0 : code - 1; c <= code + 1; ++c)
      if (c >= first && c <= last) codes.insert(c);
  };
  around(first);
  around(last);
  for (const std::uint64_t mark : marks) around(mark);
  std::uint64_t state = 1;
  while (codes.size() < limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    codes.insert(first + (state >> 1) % (last - first + 1));
  }
  return {codes.begin(), codes.end()};
}

/// Magnitude codes of floating point: the marks are the smallest normal value, the largest one, and every power of two
/// as far as they go.
std::vector<std::uint64_t> magnitudes_of(const float_format& f, std::uint64_t first, std::uint64_t last,
                                         std::uint64_t limit) {
  std::vector<std::uint64_t> marks{f.leading(), f.max_finite_code()};
  const std::uint64_t lowest = first >> f.trailing_bits(), binades = (last >> f.trailing_bits()) + 1 - lowest;
  for (std::uint64_t b = 0; b < binades; b += 1 + 6 * binades / limit)
    marks.push_back((lowest + b) << f.trailing_bits());
  return picked(first, last, limit, marks);
}

/// The magnitudes of inputs, as bits.
template <class T>
class input_set {
 public:
  using bits = detail::native_bits<T>;
  static constexpr bits infinity = bits(detail::native_format<T>.infinity_code());

  /// Which number of T is near a value does not matter, as long as those on both sides are there.
  void add(double value, bool neighbours) {
    const bits near = std::bit_cast<bits>(static_cast<T>(std::fabs(value)));
    if (near > infinity) return;
    inputs_.insert(near);
    if (!neighbours) return;
    if (near > 0) inputs_.insert(near - 1);
    if (near < infinity) inputs_.insert(near + 1);
  }
  /// A value and the next one: both sides of the value and of the middle, and what lies between.
  void add_step(double low, double step) {
    add(low, true);
    add(low + step / 2, true);
    for (const double eighth : {0.125, 0.25, 0.75, 0.875}) add(low + step * eighth, false);
  }
  void add_specials(bool with_nan) {
    constexpr float_format native = detail::native_format<T>;
    for (const bits special :
         {bits(0), bits(1), bits(native.leading() - 1), bits(native.leading()), bits(infinity - 1), infinity})
      inputs_.insert(special);
    if (!with_nan) return;
    inputs_.insert(infinity + 1);                  // signaling
    inputs_.insert(bits(native.canonical_nan()));  // quiet
    inputs_.insert(bits(native.magnitude_mask()));
  }
  std::vector<bits> all() const { return {inputs_.begin(), inputs_.end()}; }

 private:
  std::set<bits> inputs_;
};

template <class T>
void add_steps(input_set<T>& inputs, const float_format& f) {
  const double ulp_of_largest =
      detail::nearest_double(1, std::max(f.max_exponent(), f.min_exponent()) - f.trailing_bits());
  // The codes that numbers of T reach.
  const element e{.format = f, .rounding = rounding_mode::toward_zero, .overflow = overflow_rule::saturate};
  const std::uint64_t first = encode(e, std::numeric_limits<T>::denorm_min()),
                      last = encode(e, std::numeric_limits<T>::max());
  for (const std::uint64_t code : magnitudes_of(f, first, last, places)) {
    const double low = f.value(code);
    // Above the largest value the grid goes on by its ulp.
    inputs.add_step(low, code < f.max_finite_code() ? f.value(code + 1) - low : ulp_of_largest);
    if (code == f.max_finite_code())
      for (const double factor : {1.0, 2.0, 16.0}) inputs.add(low + ulp_of_largest * factor, true);
  }
  for (const double part : {0.5, 0.25, 0x1p-20}) inputs.add(f.smallest_positive() * part, true);
}

/// The number of T from which nearest rounding gives the upper of two neighbouring values; they have one sign.
template <class T>
double border(const number_format& f, double low, double high) {
  using bits = detail::native_bits<T>;
  const element nearest{.format = f, .overflow = overflow_rule::saturate};
  const bool negative = low < 0 || high < 0;
  const auto at = [&](bits magnitude) {
    const T x = std::bit_cast<T>(magnitude);
    return negative ? -x : x;
  };
  bits below = std::bit_cast<bits>(static_cast<T>(std::min(std::fabs(low), std::fabs(high)))),
       above = std::bit_cast<bits>(static_cast<T>(std::max(std::fabs(low), std::fabs(high))));
  const std::uint64_t far = encode(nearest, at(above));
  while (above > below + 1) {
    const bits middle = below + (above - below) / 2;
    (encode(nearest, at(middle)) == far ? above : below) = middle;
  }
  return static_cast<double>(at(above));
}

/// Of the other kinds the borders between codes need not be in the middle, and those of one sign need not mirror those
/// of the other.
template <class T, class Format>
void add_steps(input_set<T>& inputs, const Format& f) {
  for (const bool negative : {false, true}) {
    if (negative && !f.is_signed) continue;
    const std::uint64_t last = f.max_magnitude(negative);
    for (const std::uint64_t magnitude : picked(0, last, places, {last / 2, last / 4, last / 4 * 3})) {
      const auto value = [&](std::uint64_t m) { return f.value_of_code(f.compose(negative, m)); };
      const double low = value(magnitude), inner = magnitude > 0 ? value(magnitude - 1) : low;
      const double next = magnitude < last ? value(magnitude + 1) : low + (low - inner);
      inputs.add_step(low, next - low);
      if (magnitude < last && !(low < 0 && next > 0) && !(low > 0 && next < 0))
        inputs.add(border<T>(f, low, next), true);
      if (magnitude == last)
        for (const double factor : {2.0, 16.0, 0x1p20}) inputs.add(low * factor, true);
    }
  }
  for (const double part : {0.5, 0.25, 0x1p-20}) inputs.add(smallest_positive(f) * part, true);
}

/// The magnitudes of inputs: around each step of the format, and what is special to T.
template <class T>
std::vector<detail::native_bits<T>> magnitudes(const number_format& f) {
  input_set<T> inputs;
  f.visit([&](const auto& descriptor) { add_steps(inputs, descriptor); });
  inputs.add_specials(!f.refuses_nan());
  return inputs.all();
}

/// Every rounding with every possible overflow rule; the stochastic ones for each number of enumerated noise bits.
std::vector<element> elements_of(const number_format& f) {
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
vector_file conversion_vectors(const number_format& f, file_kind kind, std::string name) {
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

/// The text of a format as part of a file name that every system takes; of a long code book a checksum.
std::string file_stem(const number_format& f) {
  std::string stem = to_string(f);
  if (stem.size() > 100) return "book_" + sha256_of(stem).substr(0, 16);
  std::replace_if(
      stem.begin(), stem.end(), [](char c) { return std::string_view(":=(),+").find(c) != std::string_view::npos; },
      '_');
  return stem;
}

/// The codes of a decode table.
std::vector<std::uint64_t> decoded_codes(const number_format& f) {
  const std::uint64_t limit = f.width <= widest_complete_table ? std::uint64_t(1) << widest_complete_table : 2048;
  if (f.kind != format_kind::floating) return picked(0, f.code_mask(), limit, {f.code_mask() / 2});
  const float_format& floating = f.floating;
  std::vector<std::uint64_t> codes = magnitudes_of(floating, 0, floating.magnitude_mask(), limit);
  const std::size_t positive = codes.size();
  for (std::size_t i = 0; floating.is_signed && i < positive; ++i) codes.push_back(codes[i] | floating.sign_bit());
  return codes;
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

vector_file decode_vectors(const number_format& f) {
  const std::vector<std::uint64_t> codes = decoded_codes(f);
  std::string inputs;
  std::vector<column> columns{{.text = "value", .noise_bits = 0, .data = {}}};
  if (!f.fits_double())
    for (const char* part : {"significand", "exponent"}) columns.push_back({.text = part, .noise_bits = 0, .data = {}});
  for (const std::uint64_t code : codes) {
    put(inputs, code, code_bytes(f));
    put(columns[0].data, std::bit_cast<std::uint64_t>(decode(f, code)), 8);
    if (columns.size() == 1) continue;
    const detail::unpacked x = detail::unpack(f, code);
    const bool is_number = !x.is_nan && !x.is_infinite && x.significand != 0;
    const std::uint64_t significand = is_number ? x.significand >> 11 : 0;
    put(columns[1].data, x.negative ? 0 - significand : significand, 8);
    put(columns[2].data, is_number ? std::uint64_t(std::int64_t(x.exponent) - 52) : 0, 8);
  }
  return {.kind = "decode",
          .rows = codes.size(),
          .columns = columns.size(),
          .bytes = file_bytes(f, decode_kind, codes.size(), inputs, columns)};
}

vector_file binary32_vectors(const number_format& f) {
  return conversion_vectors<float>(f, binary32_kind, "binary32");
}
vector_file binary64_vectors(const number_format& f) {
  return conversion_vectors<double>(f, binary64_kind, "binary64");
}

nlohmann::ordered_json write_vectors(const fs::path& folder, const std::vector<number_format>& formats,
                                     const std::function<bool()>& stop) {
  prepare(folder);
  nlohmann::ordered_json manifest{{"program", "binade"},
                                  {"version", version_and_commit},
                                  {"layout", vectors_layout},
                                  {"files", nlohmann::ordered_json::array()}};
  std::set<std::string> done;
  for (const number_format& f : formats) {
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
