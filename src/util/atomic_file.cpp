#include "util/atomic_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

namespace binade {
namespace {

/// Removes the temporary file unless it has become the real one.
struct temporary_file {
  std::filesystem::path path;
  bool kept = false;
  explicit temporary_file(std::filesystem::path p) : path(std::move(p)) {}
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file() {
    std::error_code ignored;
    if (!kept) std::filesystem::remove(path, ignored);
  }
};

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

}  // namespace

void write_atomically(const std::filesystem::path& file, const std::function<void(std::ostream&)>& write) {
  // The process id keeps two writers of one file apart: the last rename wins and neither file is torn.
  std::filesystem::path name = file;
  name += ".tmp" + std::to_string(::getpid());
  temporary_file temporary(std::move(name));
  {
    errno = 0;
    std::ofstream stream(temporary.path, std::ios::binary | std::ios::trunc);
    if (!stream) fail(file, "create", errno);
    write(stream);
    stream.close();  // errno: of the first write that failed, or of this one
    if (!stream) fail(file, "write", errno);
  }
  flush_to_disk(temporary.path, O_RDONLY, file);
  std::error_code error;
  std::filesystem::rename(temporary.path, file, error);
  if (error) fail(file, "rename a temporary file to", error.value());
  temporary.kept = true;
  const std::filesystem::path folder = file.parent_path();
  flush_to_disk(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY, file);
}

void write_atomically(const std::filesystem::path& file, std::string_view contents) {
  write_atomically(
      file, [&](std::ostream& out) { out.write(contents.data(), static_cast<std::streamsize>(contents.size())); });
}

}  // namespace binade
