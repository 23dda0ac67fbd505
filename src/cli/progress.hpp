#pragma once

#include <chrono>
#include <string>

namespace binade::cli {

/// Live progress on standard error: one line that renews itself on a terminal, now and then a line of its own
/// elsewhere.
class progress_line {
 public:
  progress_line();
  /// Clears the line.
  ~progress_line();
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  /// True if showing a new text makes sense now: at most ten times a second on a terminal, every 10 seconds elsewhere.
  bool due() const;
  /// Shows the text, cut to the width of the terminal.
  void show(const std::string& text);
  /// Prints a line that stays, above the progress.
  void say(const std::string& line);
  void clear();

 private:
  using clock = std::chrono::steady_clock;
  bool terminal_;
  bool shown_ = false;
  clock::time_point last_;
};

/// Columns of the terminal behind a descriptor; `otherwise` if it is none.
int terminal_width(int descriptor, int otherwise);

}  // namespace binade::cli
