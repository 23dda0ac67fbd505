#include "util/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

#include "binade/catalogue.hpp"
#include "binade/codec.hpp"
#include "util/atomic_file.hpp"
#include "util/hash.hpp"

namespace binade {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

constexpr std::size_t largest_header = 100'000'000;  // the format's own limit
constexpr std::size_t digest_digits = 16;
constexpr std::string_view checksum_key = "xxh3";

struct type_row {
  std::string_view name;
  std::size_t size;                        ///< bytes
  const float_format* floating = nullptr;  ///< of the types that float32 holds exactly, but for float32
};
// In the order of a file: wide elements first, so that every tensor is aligned.
constexpr std::array types{type_row{"F64", 8},
                           type_row{"I64", 8},
                           type_row{"U64", 8},
                           type_row{"F32", 4},
                           type_row{"I32", 4},
                           type_row{"U32", 4},
                           type_row{"F16", 2, &formats::e5m10},
                           type_row{"BF16", 2, &formats::e8m7},
                           type_row{"I16", 2},
                           type_row{"U16", 2},
                           type_row{"F8_E4M3", 1, &formats::e4m3fn},
                           type_row{"F8_E5M2", 1, &formats::e5m2},
                           type_row{"I8", 1},
                           type_row{"U8", 1},
                           type_row{"BOOL", 1}};

const type_row* find_type(std::string_view name) {
  const auto found = std::find_if(types.begin(), types.end(), [&](const type_row& row) { return row.name == name; });
  return found == types.end() ? nullptr : &*found;
}

/// Bytes of an element; 0 for a type that is not known.
std::size_t element_size(std::string_view type) {
  const type_row* row = find_type(type);
  return row ? row->size : 0;
}

[[noreturn]] void damaged(const std::filesystem::path& file, const std::string& why) {
  throw std::runtime_error(file.string() + " cannot be used: " + why +
                           "; restore it from a copy, or remove it to start over");
}

std::vector<std::byte> read_bytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in) throw std::runtime_error(file.string() + " is not there or cannot be read");
  const std::streamoff size = in.tellg();
  std::vector<std::byte> bytes(static_cast<std::size_t>(std::max<std::streamoff>(size, 0)));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(bytes.data()), size);
  if (size < 0 || in.gcount() != size) damaged(file, "it could not be read to its end");
  return bytes;
}

template <class T>
std::span<const T> numbers(const stored_tensor& t, const char* type) {
  if (t.type != type) throw std::runtime_error("tensor " + t.name + " is " + t.type + " where " + type + " is needed");
  return {reinterpret_cast<const T*>(t.bytes.data()), t.count()};
}

}  // namespace

std::size_t stored_tensor::count() const {
  std::size_t n = 1;
  for (const std::size_t d : shape) n *= d;
  return n;
}
std::span<const float> stored_tensor::f32() const {
  return numbers<float>(*this, "F32");
}
std::span<const double> stored_tensor::f64() const {
  return numbers<double>(*this, "F64");
}
std::span<const std::uint8_t> stored_tensor::u8() const {
  return numbers<std::uint8_t>(*this, "U8");
}

std::vector<float> stored_tensor::to_f32() const {
  if (type == "F32") return {f32().begin(), f32().end()};
  const type_row* row = find_type(type);
  if (!row || !row->floating)
    throw std::runtime_error("tensor " + name + " is " + type + ", which float32 does not hold exactly; " +
                             "F32, F16, BF16, F8_E4M3 and F8_E5M2 are read as numbers");
  std::vector<float> values(count());
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t code = 0;
    std::memcpy(&code, bytes.data() + i * row->size, row->size);
    values[i] = decode<float>(*row->floating, code);
  }
  return values;
}

stored_tensor stored(std::string name, std::vector<std::size_t> shape, std::span<const float> values) {
  return {std::move(name), "F32", std::move(shape), std::as_bytes(values)};
}
stored_tensor stored(std::string name, std::vector<std::size_t> shape, std::span<const double> values) {
  return {std::move(name), "F64", std::move(shape), std::as_bytes(values)};
}
stored_tensor stored(std::string name, std::vector<std::size_t> shape, std::span<const std::uint8_t> values) {
  return {std::move(name), "U8", std::move(shape), std::as_bytes(values)};
}

void write_safetensors(const std::filesystem::path& file, std::span<const stored_tensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  // Wide elements first, so that every tensor is aligned in the file.
  std::vector<const stored_tensor*> order;
  for (const stored_tensor& t : tensors) order.push_back(&t);
  std::stable_sort(order.begin(), order.end(),
                   [](auto* a, auto* b) { return element_size(a->type) > element_size(b->type); });

  nlohmann::ordered_json header;
  // First, so that the checksum's place is found without searching the texts that follow.
  header["__metadata__"][std::string(checksum_key)] = std::string(digest_digits, '0');
  for (const auto& [key, value] : metadata) header["__metadata__"][key] = value;
  std::size_t end = 0;
  for (const stored_tensor* t : order) {
    if (t->bytes.size() != t->count() * element_size(t->type))
      throw std::logic_error("write_safetensors: " + t->name + " has " + std::to_string(t->bytes.size()) +
                             " bytes for " + std::to_string(t->count()) + " elements of " + t->type);
    header[t->name] = {{"dtype", t->type}, {"shape", t->shape}, {"data_offsets", {end, end + t->bytes.size()}}};
    end += t->bytes.size();
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  const std::size_t place = text.find(std::string(digest_digits, '0'));
  const std::span<const std::byte> length_bytes = std::as_bytes(std::span(&length, 1));
  byte_hasher hash;
  hash.add(length_bytes).add(text);
  for (const stored_tensor* t : order) hash.add(t->bytes);
  text.replace(place, digest_digits, hash.digest());
  write_atomically(file, [&](std::ostream& out) {
    const auto write = [&out](std::span<const std::byte> piece) {
      out.write(reinterpret_cast<const char*>(piece.data()), static_cast<std::streamsize>(piece.size()));
    };
    write(length_bytes);
    write(std::as_bytes(std::span(text)));
    for (const stored_tensor* t : order) write(t->bytes);
  });
}

safetensors_file safetensors_file::read(const std::filesystem::path& file) {
  return parse(read_bytes(file), file);
}

safetensors_file safetensors_file::parse(std::span<const std::byte> bytes, const std::filesystem::path& file) {
  safetensors_file result;
  result.file_ = file;
  std::uint64_t length = 0;
  if (bytes.size() < sizeof(length))
    damaged(file, "it has " + std::to_string(bytes.size()) + " bytes and is truncated");
  std::memcpy(&length, bytes.data(), sizeof(length));
  if (length > largest_header) damaged(file, "it is no safetensors file (its first 8 bytes are no header length)");
  if (length > bytes.size() - sizeof(length))
    damaged(file, "it is truncated: the header alone has " + std::to_string(length) + " bytes and the file " +
                      std::to_string(bytes.size()));
  std::string text(reinterpret_cast<const char*>(bytes.data()) + sizeof(length), length);
  const auto header = nlohmann::json::parse(text, nullptr, false);
  if (!header.is_object()) damaged(file, "it is no safetensors file (its header is no JSON object)");
  // A copy of its own: aligned for every type, whatever the length of the header.
  result.data_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(sizeof(length) + length), bytes.end());
  const std::span<const std::byte> data(result.data_);

  try {
    std::size_t covered = 0;
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        result.metadata_ = entry.get<std::map<std::string, std::string>>();
        continue;
      }
      stored_tensor t{
          name, entry.at("dtype").get<std::string>(), entry.at("shape").get<std::vector<std::size_t>>(), {}};
      const auto offsets = entry.at("data_offsets").get<std::vector<std::size_t>>();
      const std::size_t size = element_size(t.type);
      if (size == 0) damaged(file, "tensor " + name + " has type " + t.type + ", which is not known");
      std::size_t expected = size;
      for (const std::size_t d : t.shape) {
        if (d != 0 && expected > data.size() / d)
          damaged(file, "it is truncated: tensor " + name + " is larger than the file");
        expected *= d;
      }
      if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data.size() ||
          offsets[1] - offsets[0] != expected || offsets[0] % size != 0)
        damaged(file, "it is truncated or damaged: tensor " + name + " does not fit its place");
      t.bytes = data.subspan(offsets[0], expected);
      covered += expected;
      result.tensors_.push_back(std::move(t));
    }
    if (covered != data.size())
      damaged(file, "it is damaged: " + std::to_string(data.size()) + " bytes of data for tensors of " +
                        std::to_string(covered));
  } catch (const nlohmann::json::exception& e) {
    damaged(file, std::string("its header is no safetensors header: ") + e.what());
  }

  const auto found = result.metadata_.find(std::string(checksum_key));
  if (found != result.metadata_.end()) {
    const std::string quoted = '"' + found->second + '"';
    const std::size_t place = text.find(quoted);
    if (found->second.size() != digest_digits || place == text.npos) damaged(file, "its checksum is damaged");
    text.replace(place + 1, digest_digits, digest_digits, '0');
    const auto length_bytes = std::as_bytes(std::span(&length, 1));
    if (byte_hasher().add(length_bytes).add(text).add(data).digest() != found->second)
      damaged(file, "it is damaged: its checksum does not match its content");
    result.metadata_.erase(found);
    result.has_checksum_ = true;
  }
  return result;
}

bool safetensors_file::has(const std::string& name) const {
  return std::any_of(tensors_.begin(), tensors_.end(), [&](const auto& t) { return t.name == name; });
}

const stored_tensor& safetensors_file::at(const std::string& name) const {
  for (const stored_tensor& t : tensors_)
    if (t.name == name) return t;
  damaged(file_, "it holds no tensor " + name);
}

}  // namespace binade
