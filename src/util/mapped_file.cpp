#include "util/mapped_file.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

namespace binade {

mapped_file::mapped_file(std::filesystem::path file, std::string_view what) : file_(std::move(file), what) {
  static_assert(std::numeric_limits<std::size_t>::max() >= std::numeric_limits<std::uint64_t>::max());
  if (size() == 0) return;  // there is no mapping of nothing
  void* const data = ::mmap(nullptr, size(), PROT_READ, MAP_PRIVATE, file_.descriptor(), 0);
  if (data == MAP_FAILED)
    throw std::runtime_error("cannot map " + path().string() + " (" + std::to_string(size()) +
                             " bytes) into memory: " + std::strerror(errno));
  data_ = static_cast<const std::byte*>(data);
}

mapped_file::~mapped_file() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size());
}

std::span<const std::byte> mapped_file::bytes(std::uint64_t first, std::size_t count) const {
  file_.require_unchanged();
  return {data_ + first, count};
}

std::span<const std::byte> mapped_file::bytes() const {
  return bytes(0, size());
}

}  // namespace binade
