#include "util/atomic_file.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace binade {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const char* doing, int error) {
  std::string message = "write_atomically: cannot " + std::string(doing) + " " + file.string();
  if (error != 0) message += std::string(": ") + std::strerror(error);
  throw std::runtime_error(message + "; check that its folder exists, may be written and has free space");
}

void flush_to_disk(const std::filesystem::path& path, int flags, const std::filesystem::path& file) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0) fail(file, "flush", errno);
  const int result = ::fsync(descriptor);
  const int error = errno;
  ::close(descriptor);
  // EINVAL: a file system that cannot flush this kind of file, where the rename is as good as it gets.
  if (result != 0 && error != EINVAL) fail(file, "flush", error);
}

/// Removes temporary files of `file` that nobody writes any more: their process is gone, and so is its lock, which
/// processes on other machines and in other containers have too.
void remove_abandoned(const std::filesystem::path& file) {
  const std::filesystem::path folder = file.parent_path();
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder.empty() ? "." : folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::filesystem::path& path = entry->path();
    const std::optional<pid_t> writer = writer_of(path);
    if (!writer || path.stem() != file.filename()) continue;
    if (::kill(*writer, 0) == 0 || errno != ESRCH) continue;
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0) continue;
    std::error_code ignored;
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) std::filesystem::remove(path, ignored);
    ::close(descriptor);
  }
}

}  // namespace

std::optional<pid_t> writer_of(const std::filesystem::path& temporary) {
  const std::string extension = temporary.extension().string();
  constexpr std::string_view mark = ".tmp";
  if (!extension.starts_with(mark)) return std::nullopt;
  pid_t writer = 0;
  const char* const end = extension.data() + extension.size();
  const auto [stop, error] = std::from_chars(extension.data() + mark.size(), end, writer);
  if (error != std::errc{} || stop != end || writer <= 0) return std::nullopt;
  return writer;
}

atomic_file::atomic_file(std::filesystem::path file) : file_(std::move(file)), temporary_(file_) {
  // Renaming over a device or a pipe would remove it.
  std::error_code ignored;
  if (std::filesystem::exists(file_, ignored) && !std::filesystem::is_regular_file(file_, ignored))
    throw std::runtime_error("write_atomically: " + file_.string() +
                             " is there and no regular file, so it cannot be replaced; give another path");
  // The process id keeps two writers of one file apart: the last rename wins and neither file is torn.
  temporary_ += ".tmp" + std::to_string(::getpid());
  remove_abandoned(file_);
  lock_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0) fail(file_, "create", errno);
  // A file system without locks writes as well as any; there nothing is abandoned, as nothing can be known.
  ::flock(lock_, LOCK_EX | LOCK_NB);
  errno = 0;
  stream_.open(temporary_, std::ios::binary | std::ios::trunc);
  if (!stream_) {
    const int error = errno;
    ::close(lock_);
    fail(file_, "create", error);
  }
  errno = 0;
}

atomic_file::~atomic_file() {
  std::error_code ignored;
  if (!kept_) std::filesystem::remove(temporary_, ignored);
  ::close(lock_);
}

void atomic_file::write(std::span<const std::byte> bytes) {
  errno = 0;
  stream_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!stream_) fail(file_, "write", errno);
}

void atomic_file::complete() {
  if (stream_) errno = 0;  // else it is of the write that failed
  stream_.close();
  if (!stream_) fail(file_, "write", errno);
  flush_to_disk(temporary_, O_RDONLY, file_);
  complete_ = true;
}

void atomic_file::commit() {
  if (!complete_) complete();
  std::error_code error;
  std::filesystem::rename(temporary_, file_, error);
  if (error) fail(file_, "rename a temporary file to", error.value());
  kept_ = true;
  const std::filesystem::path folder = file_.parent_path();
  flush_to_disk(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY, file_);
}

void write_atomically(const std::filesystem::path& file, const std::function<void(std::ostream&)>& write) {
  atomic_file out(file);
  write(out.stream());
  out.commit();
}

void write_atomically(const std::filesystem::path& file, std::string_view contents) {
  write_atomically(
      file, [&](std::ostream& out) { out.write(contents.data(), static_cast<std::streamsize>(contents.size())); });
}

}  // namespace binade
