#include "util/npy.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <stdexcept>
#include <utility>

#include "binade/catalogue.hpp"
#include "binade/quantize.hpp"

namespace binade {
namespace {

static_assert(std::endian::native == std::endian::little, ".npy data is read and written as it is in memory");

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::uint64_t largest_header = 1 << 20;  // NumPy itself loads no more than 10,000 characters unless told to
constexpr std::size_t most_dimensions = 64;        // NumPy's own limit
constexpr std::uint64_t largest_dimension = std::numeric_limits<std::int64_t>::max();

struct type_row {
  npy_type type;
  std::string_view name;
  std::string_view descr;        ///< as it is written
  std::size_t size;              ///< bytes
  const float_format* floating;  ///< null: integers
};
constexpr std::array types{type_row{npy_type::float16, "float16", "<f2", 2, &formats::e5m10},
                           type_row{npy_type::bfloat16, "bfloat16", "<V2", 2, &formats::e8m7},
                           type_row{npy_type::float32, "float32", "<f4", 4, &formats::e8m23},
                           type_row{npy_type::float64, "float64", "<f8", 8, &formats::e11m52},
                           type_row{npy_type::uint8, "uint8", "|u1", 1, nullptr},
                           type_row{npy_type::uint16, "uint16", "<u2", 2, nullptr},
                           type_row{npy_type::uint32, "uint32", "<u4", 4, nullptr},
                           type_row{npy_type::uint64, "uint64", "<u8", 8, nullptr},
                           type_row{npy_type::int32, "int32", "<i4", 4, nullptr},
                           type_row{npy_type::int64, "int64", "<i8", 8, nullptr}};

const type_row& row_of(npy_type type) {
  return *std::find_if(types.begin(), types.end(), [&](const type_row& row) { return row.type == type; });
}

/// The product, or none where 64 bits do not hold it.
std::optional<std::uint64_t> product_of(std::span<const std::uint64_t> shape) {
  if (std::find(shape.begin(), shape.end(), 0u) != shape.end()) return 0;
  std::uint64_t count = 1;
  for (const std::uint64_t d : shape) {
    if (count > std::numeric_limits<std::uint64_t>::max() / d) return std::nullopt;
    count *= d;
  }
  return count;
}

[[noreturn]] void damaged(const std::filesystem::path& file, const std::string& why) {
  throw std::runtime_error(file.string() + " cannot be used: " + why + "; write it again with numpy.save");
}
[[noreturn]] void unsupported(const std::filesystem::path& file, const std::string& why) {
  throw std::invalid_argument(file.string() + " " + why);
}

// ---- the header ----------------------------------------------------------------------------------------------------

/// The header's text: a dictionary as Python writes one, of three keys.
struct header_text {
  std::string descr;
  bool is_structured = false;  ///< descr is a list
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;
};

/// Reads it; no more of Python than NumPy writes.
class header_reader {
 public:
  explicit header_reader(std::string_view text) : rest_(text) {}

  /// None where the text is no such dictionary.
  std::optional<header_text> read() {
    header_text result;
    bool has_descr = false, has_order = false, has_shape = false;
    if (!take('{')) return std::nullopt;
    while (!take('}')) {
      const std::optional<std::string> key = quoted();
      if (!key || !take(':')) return std::nullopt;
      bool* seen = nullptr;
      bool sound = false;
      if (*key == "descr") {
        seen = &has_descr;
        sound = descr(result);
      } else if (*key == "fortran_order") {
        seen = &has_order;
        sound = truth(result.fortran_order);
      } else if (*key == "shape") {
        seen = &has_shape;
        sound = shape(result.shape);
      }
      if (!sound || std::exchange(*seen, true)) return std::nullopt;
      if (!take(',')) {
        if (!take('}')) return std::nullopt;
        break;
      }
    }
    skip_blanks();
    if (!rest_.empty() || !has_descr || !has_order || !has_shape) return std::nullopt;
    return result;
  }

 private:
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size())); }
  bool take(char c) {
    skip_blanks();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_word(std::string_view word) {
    skip_blanks();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::optional<std::string> quoted() {
    const char quote = take('\'') ? '\'' : take('"') ? '"' : '\0';
    const std::size_t end = quote == '\0' ? rest_.npos : rest_.find(quote);
    if (end == rest_.npos) return std::nullopt;
    std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return text.find('\\') == text.npos ? std::optional(std::move(text)) : std::nullopt;
  }
  bool descr(header_text& result) {
    skip_blanks();
    if (rest_.starts_with('[')) {
      // The fields of a structured type, which is refused: what they are does not matter, where they end does.
      const std::size_t end = rest_.rfind(']');
      if (end == rest_.npos) return false;
      result.is_structured = true;
      rest_.remove_prefix(end + 1);
      return true;
    }
    const std::optional<std::string> text = quoted();
    if (text) result.descr = *text;
    return text.has_value();
  }
  bool truth(bool& value) {
    value = take_word("True");
    return value || take_word("False");
  }
  bool shape(std::vector<std::uint64_t>& sizes) {
    if (!take('(')) return false;
    while (!take(')')) {
      std::uint64_t size = 0;
      if (!number(size) || sizes.size() == most_dimensions) return false;
      sizes.push_back(size);
      if (take(',')) continue;
      return sizes.size() > 1 && take(')');  // (3) is no tuple
    }
    return true;
  }
  bool number(std::uint64_t& value) {
    skip_blanks();
    const std::size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    if (digits == 0) return false;
    for (const char c : rest_.substr(0, digits)) {
      const auto digit = static_cast<std::uint64_t>(c - '0');
      if (value > (largest_dimension - digit) / 10) return false;
      value = 10 * value + digit;
    }
    rest_.remove_prefix(digits);
    if (rest_.starts_with('L')) rest_.remove_prefix(1);  // of Python 2
    return true;
  }

  std::string_view rest_;
};

/// The type of a descr such as "<f4": a byte order, a letter and a size.
npy_type type_of(const std::filesystem::path& file, const header_text& header) {
  const std::string names = "; float16, bfloat16, float32, float64, int32, int64 and uint8 to uint64 are read";
  if (header.is_structured) unsupported(file, "holds records of several fields" + names + ": save one field alone");
  const std::string_view descr = header.descr;
  if (descr.find('O') != descr.npos) unsupported(file, "holds Python objects, pickled, which are never loaded" + names);
  const bool has_order = !descr.empty() && std::string_view("<>|=").find(descr[0]) != descr.npos;
  const auto row = std::find_if(types.begin(), types.end(), [&](const type_row& known) {
    return has_order && descr.substr(1) == known.descr.substr(1);
  });
  if (row == types.end())
    unsupported(file, "holds elements of type '" + header.descr + "'" + names +
                          " (of ml_dtypes formats of 8 bits or fewer save the codes, x.view(numpy.uint8), or the "
                          "values, x.astype(numpy.float32))");
  if (descr[0] == '>' && row->size > 1)
    unsupported(file, "is big-endian ('" + header.descr +
                          "'), which is not read; save x.astype(x.dtype.newbyteorder('<')) instead");
  return row->type;
}

std::string header_bytes(const npy_header& header) {
  std::string text = "{'descr': '" + std::string(row_of(header.type).descr) +
                     "', 'fortran_order': False, 'shape': " + shape_text(header.shape) + ", }";
  constexpr std::size_t before = 10, alignment = 64;
  const std::size_t whole = (before + text.size() + 1 + alignment - 1) / alignment * alignment;
  text.resize(whole - before - 1, ' ');
  text += '\n';
  std::string bytes(magic);
  bytes += '\1';
  bytes += '\0';
  bytes += static_cast<char>(text.size() & 0xff);
  bytes += static_cast<char>(text.size() >> 8);
  return bytes + text;
}

// ---- values --------------------------------------------------------------------------------------------------------

/// The value of each code of a format of 16 bits.  A NaN keeps its sign and payload, which some conversions look at.
std::vector<float> table_of(const float_format& f) {
  std::vector<float> values(std::size_t(1) << f.width);
  for (std::uint32_t code = 0; code < values.size(); ++code) {
    const detail::unpacked x = detail::unpack(f, code);
    values[code] =
        x.is_nan
            ? std::bit_cast<float>(std::uint32_t(x.negative) << 31 | 0x7f800000u | std::uint32_t(x.significand >> 41))
            : decode<float>(f, code);
  }
  return values;
}
std::span<const float> values_of(npy_type type) {
  static const std::vector<float> half = table_of(*row_of(npy_type::float16).floating),
                                  brain = table_of(*row_of(npy_type::bfloat16).floating);
  return type == npy_type::float16 ? half : brain;
}

}  // namespace

std::string_view name_of(npy_type type) {
  return row_of(type).name;
}
std::size_t size_of(npy_type type) {
  return row_of(type).size;
}
bool is_floating(npy_type type) {
  return row_of(type).floating != nullptr;
}

void widen(npy_type type, std::span<const std::byte> elements, std::span<float> values) {
  if (type == npy_type::float32) {
    std::memcpy(values.data(), elements.data(), values.size_bytes());
    return;
  }
  const std::span<const float> table = values_of(type);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t code = 0;
    std::memcpy(&code, elements.data() + 2 * i, sizeof code);
    values[i] = table[code];
  }
}

std::uint64_t npy_header::count() const {
  return *product_of(shape);
}

std::string shape_text(std::span<const std::uint64_t> shape) {
  std::string text = "(";
  for (const std::uint64_t d : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(d);
  return text + (shape.size() == 1 ? ",)" : ")");
}

npy_file::npy_file(std::filesystem::path file) : file_(std::move(file), "the path of a .npy file") {
  const std::filesystem::path& path = file_.path();
  const std::uint64_t size = file_.size();

  std::array<std::byte, 12> start{};
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint64_t>(start[i]); };
  file_.read(0, std::span(start).first(std::min<std::size_t>(start.size(), size)));
  if (size < 10 || std::memcmp(start.data(), magic.data(), magic.size()) != 0)
    damaged(path, size < 10 && std::memcmp(start.data(), magic.data(), std::min<std::size_t>(size, 6)) == 0
                      ? "it has " + std::to_string(size) + " bytes and is truncated"
                      : "it is no .npy file (it does not begin with \\x93NUMPY)");
  if (byte(6) < 1 || byte(6) > 3 || byte(7) != 0)
    damaged(path, "it has version " + std::to_string(byte(6)) + "." + std::to_string(byte(7)) +
                      " of the .npy format; 1.0, 2.0 and 3.0 are known");
  const bool is_short = byte(6) == 1;
  const std::uint64_t before = is_short ? 10 : 12;
  const std::uint64_t length = byte(8) | byte(9) << 8 | (is_short ? 0 : byte(10) << 16 | byte(11) << 24);
  if (length > largest_header)
    damaged(path, "its header claims " + std::to_string(length) + " bytes, which no array needs");
  if (size < before || length > size - before)
    damaged(path, "it is truncated: the header alone ends at byte " + std::to_string(before + length) +
                      " and the file has " + std::to_string(size));
  std::string text(length, '\0');
  file_.read(before, std::as_writable_bytes(std::span(text)));
  const std::optional<header_text> header = header_reader(text).read();
  if (!header) damaged(path, "its header is not that of a .npy file");

  header_ = {.type = type_of(path, *header), .shape = header->shape};
  // With at most one dimension above 1 both orders are the same.
  const auto long_dimensions = std::count_if(header_.shape.begin(), header_.shape.end(), [](auto d) { return d > 1; });
  if (header->fortran_order && long_dimensions > 1)
    unsupported(path, "is in Fortran order, which is not read; save numpy.ascontiguousarray(x) instead");
  data_at_ = before + length;
  const std::uint64_t given = size - data_at_, element = size_of(header_.type);
  const std::optional<std::uint64_t> count = product_of(header_.shape);
  const std::string what = "shape " + shape_text(header_.shape) + " of " + std::string(name_of(header_.type));
  if (!count || *count > std::numeric_limits<std::uint64_t>::max() / element)
    damaged(path, what + " is more than any file holds");
  if (*count * element > given)
    damaged(path, "it is truncated: " + what + " is " + std::to_string(*count * element) +
                      " bytes of data, and the file has " + std::to_string(given));
  if (*count * element < given)
    damaged(path, "it is " + std::to_string(given - *count * element) + " bytes longer than " + what +
                      " (several arrays in one file are not read)");
}

void npy_file::read(std::uint64_t first, std::span<std::byte> bytes) const {
  file_.read(data_at_ + first * size_of(header_.type), bytes);
}

void npy_file::read(std::uint64_t first, std::span<float> values) const {
  const type_row& row = row_of(header_.type);
  if (row.floating->width == 32) return read(first, std::as_writable_bytes(values));
  // Pieces of memory that stays in the cache.
  constexpr std::size_t piece = 8192;
  std::array<std::byte, piece * 8> buffer;
  for (std::size_t begin = 0; begin < values.size(); begin += piece) {
    const std::span<float> here = values.subspan(begin, std::min(piece, values.size() - begin));
    const std::span<std::byte> bytes = std::span(buffer).first(here.size() * row.size);
    read(first + begin, bytes);
    if (row.size == 2) {
      widen(header_.type, bytes, here);
      continue;
    }
    for (std::size_t i = 0; i < here.size(); ++i) {
      double value = 0;
      std::memcpy(&value, bytes.data() + 8 * i, sizeof value);
      here[i] = static_cast<float>(value);
      if (double(here[i]) != value && value == value)
        unsupported(path(), "is float64, and its element " + std::to_string(first + begin + i) +
                                " in storage order is no float32 number: scales work in float32, and it would be "
                                "rounded twice; save x.astype(numpy.float32), or take a format without scales");
    }
  }
}

npy_writer::npy_writer(const std::filesystem::path& file, npy_header header)
    : header_(std::move(header)), file_(file), bytes_left_(header_.count() * size_of(header_.type)) {
  const std::string bytes = header_bytes(header_);
  file_.write(std::as_bytes(std::span(bytes)));
}

void npy_writer::write(std::span<const std::byte> bytes) {
  if (bytes.size() > bytes_left_)
    throw std::logic_error("npy_writer: " + file_.path().string() + " is given more elements than its shape has");
  file_.write(bytes);
  bytes_left_ -= bytes.size();
}

std::size_t npy_writer::write(std::span<const float> values) {
  const type_row& row = row_of(header_.type);
  if (row.size == 4) {
    write(std::as_bytes(values));
    return 0;
  }
  if (row.size == 8) {
    const std::vector<double> wide(values.begin(), values.end());
    write(std::as_bytes(std::span(wide)));
    return 0;
  }
  const element narrow{.format = *row.floating, .overflow = overflow_rule::infinity};
  const encoded result = encode(values, {1, values.size(), 1}, unscaled(narrow), {});
  const std::vector<std::uint16_t>& codes = std::get<std::vector<std::uint16_t>>(result.codes);
  write(std::as_bytes(std::span(codes)));
  const std::span<const float> table = values_of(header_.type);
  std::size_t changed = 0;
  for (std::size_t i = 0; i < codes.size(); ++i)
    changed += std::size_t(table[codes[i]] != values[i] && values[i] == values[i]);
  return changed;
}

void npy_writer::complete() {
  if (bytes_left_ != 0)
    throw std::logic_error("npy_writer: " + file_.path().string() + " lacks " + std::to_string(bytes_left_) +
                           " bytes of its shape");
  file_.complete();
  is_complete_ = true;
}

void npy_writer::commit() {
  if (!is_complete_) complete();
  file_.commit();
}

}  // namespace binade
