#include "data/token_file.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <stdexcept>

#include "util/npy.hpp"

namespace binade {
namespace {

static_assert(std::endian::native == std::endian::little, "token files are read as they are in memory");

constexpr std::uint64_t header_bytes = 256 * 4;
constexpr std::int32_t magic_uint16 = 20240520, magic_uint32 = 20240801, magic_examples = 20240522;
constexpr std::string_view npy_magic = "\x93NUMPY";

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& why) {
  throw std::invalid_argument(file.string() + " " + why);
}

}  // namespace

token_file::layout token_layout(std::string_view name) {
  using layout = token_file::layout;
  if (name == "auto") return layout::automatic;
  if (name == "llm.c") return layout::llmc;
  if (name == "raw") return layout::raw;
  if (name == "npy") return layout::npy;
  throw std::invalid_argument("is \"" + std::string(name) +
                              "\"; valid are \"auto\", \"llm.c\", \"raw\" (16 bits each, no header) and \"npy\"");
}

token_file::token_file(const std::filesystem::path& file, layout expected)
    : file_(file, "a file of tokens: llm.c's .bin, 16-bit tokens without a header, or .npy"), layout_(expected) {
  if (file_.size() == 0) refuse(file, "is empty; give a file of tokens");
  std::array<char, 8> start{};
  const std::size_t known = std::min(start.size(), file_.size());
  std::memcpy(start.data(), file_.bytes().data(), known);
  std::int32_t magic = 0;
  std::memcpy(&magic, start.data(), sizeof magic);
  const bool is_llmc = known >= 4 && (magic == magic_uint16 || magic == magic_uint32);
  const bool is_npy = std::string_view(start.data(), known).starts_with(npy_magic);
  if (expected == layout::automatic) {
    file_.refuse_gzip();
    if (known >= 4 && magic == magic_examples)
      refuse(file, "holds evaluation examples of llm.c (magic number 20240522), not a stream of tokens");
    layout_ = is_llmc ? layout::llmc : is_npy ? layout::npy : layout::raw;
  }
  switch (layout_) {
    case layout::llmc:
      if (!is_llmc) refuse(file, "is no token file of llm.c: it begins neither with 20240520 nor with 20240801");
      open_llmc(magic == magic_uint32);
      break;
    case layout::npy:
      if (!is_npy) refuse(file, "is no .npy file (it does not begin with \\x93NUMPY)");
      open_npy();
      break;
    default:
      if (file_.size() % 2 != 0)
        refuse(file,
               "has " + std::to_string(file_.size()) +
                   " bytes, an odd number, and tokens of 16 bits have two each: it is truncated or of another kind");
      count_ = file_.size() / 2;
  }
  if (count_ == 0) refuse(file, "holds no tokens");
}

void token_file::open_llmc(bool is_wide) {
  const std::filesystem::path& file = path();
  if (file_.size() < header_bytes)
    refuse(file, "is truncated: it has " + std::to_string(file_.size()) + " bytes and the header alone has 1024");
  std::array<std::int32_t, 3> header{};
  std::memcpy(header.data(), file_.bytes().data(), sizeof header);
  const std::int32_t version = is_wide ? 7 : 1;
  if (header[1] != version)
    refuse(file, "has version " + std::to_string(header[1]) + "; with magic number " + std::to_string(header[0]) +
                     " version " + std::to_string(version) + " is known");
  size_ = is_wide ? 4 : 2;
  data_at_ = header_bytes;
  const std::uint64_t given = file_.size() - header_bytes;
  if (header[2] < 0) refuse(file, "claims " + std::to_string(header[2]) + " tokens; its header is damaged");
  count_ = static_cast<std::uint64_t>(header[2]);
  if (given != count_ * size_)
    refuse(file, "claims " + std::to_string(count_) + " tokens, which are " + std::to_string(count_ * size_) +
                     " bytes, and has " + std::to_string(given) +
                     " bytes after its header: " + (given < count_ * size_ ? "it is truncated" : "it is damaged"));
}

void token_file::open_npy() {
  const npy_file npy(path());
  const npy_header& header = npy.header();
  const bool is_known = header.type == npy_type::uint8 || header.type == npy_type::uint16 ||
                        header.type == npy_type::uint32 || header.type == npy_type::int32 ||
                        header.type == npy_type::int64;
  if (!is_known)
    refuse(path(), "holds " + std::string(name_of(header.type)) +
                       " elements; tokens are uint8, uint16, uint32, int32 or int64, such as x.astype(numpy.uint16)");
  if (header.shape.size() != 1)
    refuse(path(), "has shape " + shape_text(header.shape) + "; tokens are one dimension: save x.reshape(-1)");
  count_ = header.count();
  size_ = size_of(header.type);
  is_signed_ = header.type == npy_type::int32 || header.type == npy_type::int64;
  data_at_ = npy.data_at();
  file_.require_same(npy.file());
}

void token_file::read(std::uint64_t first, std::span<std::int64_t> ids) const {
  const std::span<const std::byte> bytes = file_.bytes(data_at_ + first * size_, ids.size() * size_);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::uint64_t raw = 0;
    std::memcpy(&raw, bytes.data() + i * size_, size_);
    ids[i] = is_signed_ && size_ == 4 ? static_cast<std::int32_t>(static_cast<std::uint32_t>(raw))
                                      : static_cast<std::int64_t>(raw);
  }
}

}  // namespace binade
