#include "util/input_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace binade {

input_file::input_file(std::filesystem::path file, std::string_view what) : file_(std::move(file)) {
  const auto fail = [&](int error) {
    if (descriptor_ >= 0) ::close(descriptor_);
    throw std::runtime_error("cannot read " + file_.string() + ": " + std::strerror(error));
  };
  descriptor_ = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe would wait for its writer
  if (descriptor_ < 0 && errno == ENOENT)
    throw std::invalid_argument(file_.string() + " is not there; give " + std::string(what));
  if (descriptor_ < 0) fail(errno);
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) fail(errno);
  if (!S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    throw std::invalid_argument(file_.string() + " is no regular file; give " + std::string(what));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
  written_ = status.st_mtim;
  device_ = status.st_dev;
  number_ = status.st_ino;
}

input_file::~input_file() {
  ::close(descriptor_);
}

void input_file::read(std::uint64_t first, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::pread(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(first));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw std::runtime_error("cannot read " + file_.string() + ": " + std::strerror(errno));
    if (n == 0) throw std::runtime_error(file_.string() + " cannot be used: it became shorter while it was read");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    first += static_cast<std::uint64_t>(n);
  }
}

void input_file::require_unchanged() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0)
    throw std::runtime_error("cannot read " + file_.string() + ": " + std::strerror(errno));
  const std::string cannot = file_.string() + " cannot be used: ";
  if (static_cast<std::uint64_t>(status.st_size) < size_)
    throw std::runtime_error(cannot + "it became shorter while it was read");
  if (status.st_mtim.tv_sec != written_.tv_sec || status.st_mtim.tv_nsec != written_.tv_nsec)
    throw std::runtime_error(cannot + "somebody wrote to it while it was read");
}

void input_file::require_same(const input_file& other) const {
  if (device_ == other.device_ && number_ == other.number_ && size_ == other.size_ &&
      written_.tv_sec == other.written_.tv_sec && written_.tv_nsec == other.written_.tv_nsec)
    return;
  throw std::runtime_error(file_.string() + " cannot be used: it changed while it was opened");
}

std::string input_file::read_all() const {
  std::string bytes(size_, '\0');
  read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

void input_file::refuse_gzip() const {
  constexpr std::string_view magic = "\x1f\x8b\x08";
  std::array<char, magic.size()> start{};
  if (size_ < start.size()) return;
  read(0, std::as_writable_bytes(std::span(start)));
  if (std::string_view(start.data(), start.size()) == magic)
    throw std::invalid_argument(file_.string() + " is compressed by gzip, which is not read; unpack it first: gunzip " +
                                file_.string());
}

}  // namespace binade
