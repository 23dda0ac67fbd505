#include "util/appended_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "util/atomic_file.hpp"

namespace binade {

appended_file::~appended_file() {
  if (stream_ != nullptr) std::fclose(stream_);
}

void appended_file::start_with(std::string_view contents) {
  write_atomically(file_, contents);
  stream_ = std::fopen(file_.c_str(), "ab");
  if (stream_ == nullptr) fail();
}

void appended_file::add(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stream_) != bytes.size()) fail();
}

void appended_file::flush() {
  if (std::fflush(stream_) != 0 || ::fsync(::fileno(stream_)) != 0) fail();
}

void appended_file::fail() const {
  throw std::runtime_error("cannot write " + file_.string() + ": " + std::generic_category().message(errno) +
                           "; make room and go on with --resume");
}

}  // namespace binade
