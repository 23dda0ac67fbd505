#include "cli/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

namespace binade::cli {
namespace {

constexpr std::chrono::milliseconds terminal_interval{100};
constexpr std::chrono::seconds plain_interval{10};

}  // namespace

int terminal_width(int descriptor, int otherwise) {
  winsize size{};
  if (::isatty(descriptor) == 0 || ::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return otherwise;
  return size.ws_col;
}

// Not on a terminal the first line comes after a full interval: a run shorter than that needs none.
progress_line::progress_line() : terminal_(::isatty(STDERR_FILENO) != 0), last_(clock::now()) {}

progress_line::~progress_line() {
  clear();
}

bool progress_line::due() const {
  const auto since = clock::now() - last_;
  return terminal_ ? !shown_ || since >= terminal_interval : since >= plain_interval;
}

void progress_line::show(const std::string& text) {
  last_ = clock::now();
  shown_ = true;
  if (terminal_) {
    const auto width = static_cast<std::size_t>(terminal_width(STDERR_FILENO, 80));
    std::fprintf(stderr, "\r%s\x1b[K", text.substr(0, width - 1).c_str());
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::fflush(stderr);
}

void progress_line::say(const std::string& line) {
  clear();
  std::fprintf(stderr, "%s\n", line.c_str());
  std::fflush(stderr);
}

void progress_line::clear() {
  if (!terminal_ || !shown_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace binade::cli
